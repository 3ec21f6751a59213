"""Products of one matrix: which become one, what stays behind them, and what needs no step at all.

    check_products.py FOLDER
"""
import sys
from pathlib import Path

import numpy as np

from writer import Graph, check_steps

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402

WIDTH, HEADS, SIZE, HIDDEN = 24, 3, 8, 40
X = {"x": ["batch", "length", WIDTH]}
Y, SCORES = ["batch", "length", WIDTH], ["batch", HEADS, "rows", "columns"]


RANDOM = np.random.default_rng(5)


def weight(*shape):
    return RANDOM.normal(size=shape) / np.sqrt(shape[0])


def linear(g, x, columns, bias=True):
    y = g.MatMul(x, weight(WIDTH, columns))
    return g.Add(y, weight(columns)) if bias else y


def gemm(g, x, columns):
    """Weights that are given transposed, between reshapes."""
    y = g.Gemm(g.Reshape(x, [-1, WIDTH]), weight(columns, WIDTH), weight(columns), transB=1)
    return g.Reshape(y, g.Concat(g.slice(g.Shape(x), 0, -1, axis=0), [columns], axis=0))


def heads(g, x):
    return g.Transpose(g.Reshape(x, [0, 0, HEADS, SIZE]), perm=[0, 2, 1, 3])


def compare(g, q, k, v):
    """Two products that read keys: no copies, and the sum in one of them."""
    k = g.Transpose(k, perm=[0, 1, 3, 2])
    return g.Add(g.MatMul(q, k), g.MatMul(v, k))


# ---- several products ----------------------------------------------------------------------------

def separate(g, x):
    return compare(g, *(heads(g, linear(g, x, WIDTH)) for _ in "qkv"))


def some_biases(g, x):
    return compare(g, *(heads(g, linear(g, x, WIDTH, bias)) for bias in (True, False, True)))


def transposed_weights(g, x):
    return compare(g, *(heads(g, gemm(g, x, WIDTH)) for _ in "qkv"))


def scaled_queries(g, x):
    q = g.Mul(linear(g, x, WIDTH), 0.35)
    return compare(g, heads(g, q), *(heads(g, linear(g, x, WIDTH)) for _ in "kv"))


def cross(g, x):
    """Keys and values of another operand than queries, in the order of linear attention."""
    memory = g.Tanh(g.Slice(x, [0], [3], [1]))
    k, v = (heads(g, linear(g, memory, WIDTH)) for _ in "kv")
    return g.MatMul(heads(g, linear(g, x, WIDTH)), g.MatMul(g.Transpose(k, perm=[0, 1, 3, 2]), v))


def recurrent_cell(g, x):
    i, f, o, c = (linear(g, x, WIDTH) for _ in range(4))
    state = g.Add(g.Mul(g.Sigmoid(f), x), g.Mul(g.Sigmoid(i), g.Tanh(c)))
    return g.Mul(g.Sigmoid(o), g.Tanh(state))


# ---- one fused product ---------------------------------------------------------------------------

def fused_split(g, x):
    parts = g.Split(linear(g, x, 3 * WIDTH), [WIDTH] * 3, outputs=3, axis=-1)
    return compare(g, *(heads(g, part) for part in parts))


def fused_slices(g, x):
    y = linear(g, x, 3 * WIDTH)
    return compare(g, *(heads(g, g.slice(y, i * WIDTH, (i + 1) * WIDTH)) for i in range(3)))


def fused_axis(g, x):
    """Vision transformers: an axis of three goes to the front and is taken apart."""
    y = g.Reshape(linear(g, x, 3 * WIDTH), [0, 0, 3, HEADS, SIZE])
    y = g.Transpose(y, perm=[2, 0, 3, 1, 4])
    return compare(g, *(g.Gather(y, np.int64(i), axis=0) for i in range(3)))


def fused_heads(g, x):
    """Queries, keys and values of one head side by side, as GPT-NeoX has them."""
    y = g.Transpose(g.Reshape(linear(g, x, 3 * WIDTH), [0, 0, HEADS, 3 * SIZE]), perm=[0, 2, 1, 3])
    return compare(g, *g.Split(y, [SIZE] * 3, outputs=3, axis=-1))


# ---- layers --------------------------------------------------------------------------------------

def gated(activation):
    def layer(g, x):
        gate, up = linear(g, x, HIDDEN, False), linear(g, x, HIDDEN, False)
        return g.MatMul(g.Mul(activation(g, gate), up), weight(HIDDEN, WIDTH))
    return layer


def gated_fused(activation):
    def layer(g, x):
        gate, up = g.Split(linear(g, x, 2 * HIDDEN), [HIDDEN] * 2, outputs=2, axis=-1)
        return g.MatMul(g.Mul(activation(g, gate), up), weight(HIDDEN, WIDTH))
    return layer


def swish(g, x):
    return g.Mul(x, g.Sigmoid(x))


def gelu(g, x):
    return g.Mul(g.Mul(x, 0.5), g.Add(g.Erf(g.Div(x, np.sqrt(2.0))), 1.0))


def feed_forward(g, x):
    return g.MatMul(gelu(g, linear(g, x, HIDDEN)), weight(HIDDEN, WIDTH))


def both_outputs(g, x):
    """A gate whose value others need too has its epilogue still."""
    gate = g.Sigmoid(linear(g, x, WIDTH))
    return g.Add(g.Mul(gate, x), g.Mul(g.Sub(1.0, gate), g.Relu(linear(g, x, WIDTH))))


BY_HEAD = (separate, some_biases, transposed_weights, scaled_queries, cross, fused_split,
           fused_slices, fused_axis, fused_heads)
MODELS = {  # with the number of products and of other steps, all of which compute
    "separate": (separate, 3, 0),
    "some_biases": (some_biases, 3, 0),
    "transposed_weights": (transposed_weights, 3, 0),
    "scaled_queries": (scaled_queries, 3, 0),
    "cross": (cross, 4, 1),
    "recurrent_cell": (recurrent_cell, 1, 1),
    "fused_split": (fused_split, 3, 0),
    "fused_slices": (fused_slices, 3, 0),
    "fused_axis": (fused_axis, 3, 0),
    "fused_heads": (fused_heads, 3, 0),
    "swiglu": (gated(swish), 3, 0),
    "geglu": (gated(gelu), 3, 0),
    "swiglu_fused": (gated_fused(swish), 2, 1),
    "geglu_fused": (gated_fused(gelu), 2, 1),
    "feed_forward": (feed_forward, 2, 0),
    "both_outputs": (both_outputs, 2, 0),
}


def items(folder):
    x = np.random.default_rng(3).normal(size=(2, 5, WIDTH)).astype(np.float32)
    for name, (write, products, rows) in MODELS.items():
        g = Graph()
        y = write(g, "x")
        model = g.model(X, {y: SCORES if write in BY_HEAD else Y})
        yield folder / name, model, {"x": x}, {"contraction": products, "row": rows}


if __name__ == "__main__":
    check_each("products", items(Path(sys.argv[1])), lambda item: check_steps(*item))
