"""Windows: parts of an image that are walked one after the other, as Swin does, are no steps.

    check_windows.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np

from writer import Graph, check_steps

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402

WIDTH, SIDE, WINDOW = 8, 12, 4
COUNT, AREA = SIDE // WINDOW, WINDOW * WINDOW
RANDOM = np.random.default_rng(7)
SWAP = [0, 1, 3, 2, 4, 5]


def weight(*shape):
    return RANDOM.normal(size=shape) / np.sqrt(shape[0])


def norm(g, x):
    return g.LayerNormalization(x, weight(WIDTH), weight(WIDTH), axis=-1)


def linear(g, x):
    return g.Add(g.MatMul(x, weight(WIDTH, WIDTH)), weight(WIDTH))


def windows(g, x):
    parts = g.Reshape(x, [-1, COUNT, WINDOW, COUNT, WINDOW, WIDTH])
    return g.Reshape(g.Transpose(parts, perm=SWAP), [-1, AREA, WIDTH])


def whole(g, x, shape):
    parts = g.Reshape(x, [-1, COUNT, COUNT, WINDOW, WINDOW, WIDTH])
    return g.Reshape(g.Transpose(parts, perm=SWAP), shape)


def roll(g, x, shift, axes=(1, 2), split=False):
    for axis in axes:
        if split:
            first = shift if shift > 0 else SIDE + shift
            head, tail = g.Split(x, [first, SIDE - first], outputs=2, axis=axis)
        else:
            head, tail = g.slice(x, 0, shift, axis=axis), g.slice(x, shift, 2**63 - 1, axis=axis)
        x = g.Concat(tail, head, axis=axis)
    return x


IMAGE, ROWS = [-1, SIDE, SIDE, WIDTH], [-1, SIDE * SIDE, WIDTH]


# ---- stored in windows ---------------------------------------------------------------------------

def norm_and_product(g, x):
    y = linear(g, windows(g, norm(g, g.Relu(x))))
    return norm(g, g.Add(x, whole(g, y, ROWS)))


def shifted(split):
    def write(g, x):
        y = roll(g, g.Reshape(norm(g, x), IMAGE), 2, split=split)
        y = whole(g, linear(g, windows(g, y)), IMAGE)
        return norm(g, g.Add(x, g.Reshape(roll(g, y, -2, split=split), ROWS)))
    return write


def one_axis(g, x):
    """Rolled along one axis, and what is rolled is scaled in the same step."""
    y = g.Mul(roll(g, g.Reshape(norm(g, x), IMAGE), 5, axes=[1]), weight(WIDTH))
    return linear(g, windows(g, y))


def chain(g, x):
    """The step that stores windows computes several things, and stores one more as it is."""
    y = g.Tanh(x)
    z = linear(g, windows(g, g.Mul(norm(g, y), g.Sigmoid(y))))
    return g.Add(g.MatMul(y, weight(WIDTH, WIDTH)), whole(g, z, ROWS))


def columns(g, x):
    """Parts of the last axis change places with those of the middle one."""
    y = g.Reshape(linear(g, x), [-1, SIDE, SIDE, 2, WIDTH // 2])
    y = g.Reshape(g.Transpose(y, perm=[0, 3, 1, 4, 2]), ROWS)
    return linear(g, g.Relu(y))


def shuffled_pixels(g, x):
    """The channels of a convolution become pixels: right in the output."""
    y = g.Transpose(g.Reshape(x, IMAGE), perm=[0, 3, 1, 2])
    y = g.Relu(g.Conv(y, weight(WIDTH, WIDTH, 3, 3), pads=[1, 1, 1, 1]))
    y = g.Transpose(g.Reshape(y, [-1, WIDTH // 4, 2, 2, SIDE, SIDE]), perm=[0, 1, 4, 2, 5, 3])
    return g.Reshape(y, ROWS)


# ---- copied --------------------------------------------------------------------------------------

def read_by_two(g, x):
    """What is stored in windows would have no strides for a product of whole rows."""
    y = norm(g, x)
    z = linear(g, windows(g, y))
    return g.Add(whole(g, z, ROWS), g.Softmax(linear(g, y), axis=1))


def two_windows(g, x):
    """A tensor lies in one way only."""
    y = norm(g, x)
    tall = g.Transpose(g.Reshape(y, [-1, COUNT, WINDOW, 2, 6, WIDTH]), perm=SWAP)
    return g.Add(linear(g, g.Reshape(tall, ROWS)), g.Reshape(linear(g, windows(g, y)), ROWS))


def rolled_columns(g, x):
    """The last axis is joined by Concat; shifts of one axis are not added up."""
    y = roll(g, g.Tanh(g.Reshape(x, IMAGE)), 3, axes=[3])
    y = roll(g, y, 2, axes=[1, 1], split=True)
    return linear(g, y)


MODELS = {  # with the number of products, of rows and of copies
    "norm_and_product": (norm_and_product, ROWS, 1, 2, 0),
    "shifted": (shifted(False), ROWS, 1, 3, 0),
    "shifted_split": (shifted(True), ROWS, 1, 3, 0),
    "one_axis": (one_axis, [-1, AREA, WIDTH], 1, 2, 0),
    "chain": (chain, ROWS, 2, 1, 0),
    "columns": (columns, ROWS, 2, 1, 0),
    "shuffled_pixels": (shuffled_pixels, ROWS, 1, 0, 1),
    "read_by_two": (read_by_two, ROWS, 2, 2, 1),
    "two_windows": (two_windows, ROWS, 2, 1, 2),
    "rolled_columns": (rolled_columns, IMAGE, 1, 3, 2),
}


def items(folder):
    x = np.random.default_rng(3).normal(size=(2, SIDE * SIDE, WIDTH)).astype(np.float32)
    for name, (write, out, products, rows, copies) in MODELS.items():
        g = Graph()
        y = write(g, "x")
        dims = [f"{n}_size" if size < 0 else size for n, size in zip("abcd", out)]
        model = g.model({"x": ["batch", SIDE * SIDE, WIDTH]}, {y: dims})
        yield folder / name, model, {"x": x}, {"contraction": products, "row": rows, "copy": copies}


if __name__ == "__main__":
    check_each("windows", items(Path(sys.argv[1])), lambda item: check_steps(*item))
