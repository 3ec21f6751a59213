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
Y = ["batch", "length", WIDTH]


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


def attend(g, q, k, v):
    """A row, two products, a copy: before the heads are joined."""
    scores = g.Softmax(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), axis=-1)
    joined = g.Reshape(g.Transpose(g.MatMul(scores, v), perm=[0, 2, 1, 3]), [0, 0, WIDTH])
    return g.MatMul(joined, weight(WIDTH, WIDTH))


ATTENTION = {"row": 1, "contraction": 3, "copy": 1}


def plus(**more):
    return {kind: ATTENTION.get(kind, 0) + more.get(kind, 0) for kind in ("row", "contraction", "copy")}


# ---- several products ----------------------------------------------------------------------------

def separate(g, x):
    return attend(g, *(heads(g, linear(g, x, WIDTH)) for _ in "qkv"))


def some_biases(g, x):
    return attend(g, *(heads(g, linear(g, x, WIDTH, bias)) for bias in (True, False, True)))


def transposed_weights(g, x):
    return attend(g, *(heads(g, gemm(g, x, WIDTH)) for _ in "qkv"))


def scaled_queries(g, x):
    q = g.Mul(linear(g, x, WIDTH), 0.35)
    return attend(g, heads(g, q), *(heads(g, linear(g, x, WIDTH)) for _ in "kv"))


def cross(g, x):
    memory = g.Tanh(g.Slice(x, [0], [3], [1]))
    return attend(g, heads(g, linear(g, x, WIDTH)), *(heads(g, linear(g, memory, WIDTH)) for _ in "kv"))


def recurrent_cell(g, x):
    i, f, o, c = (linear(g, x, WIDTH) for _ in range(4))
    state = g.Add(g.Mul(g.Sigmoid(f), x), g.Mul(g.Sigmoid(i), g.Tanh(c)))
    return g.Mul(g.Sigmoid(o), g.Tanh(state))


# ---- one fused product ---------------------------------------------------------------------------

def fused_split(g, x):
    parts = g.Split(linear(g, x, 3 * WIDTH), [WIDTH] * 3, outputs=3, axis=-1)
    return attend(g, *(heads(g, part) for part in parts))


def fused_slices(g, x):
    y = linear(g, x, 3 * WIDTH)
    return attend(g, *(heads(g, g.slice(y, i * WIDTH, (i + 1) * WIDTH)) for i in range(3)))


def fused_axis(g, x):
    """Vision transformers: an axis of three goes to the front and is taken apart."""
    y = g.Reshape(linear(g, x, 3 * WIDTH), [0, 0, 3, HEADS, SIZE])
    y = g.Transpose(y, perm=[2, 0, 3, 1, 4])
    return attend(g, *(g.Gather(y, np.int64(i), axis=0) for i in range(3)))


def fused_heads(g, x):
    """Queries, keys and values of one head side by side, as GPT-NeoX has them."""
    y = g.Transpose(g.Reshape(linear(g, x, 3 * WIDTH), [0, 0, HEADS, 3 * SIZE]), perm=[0, 2, 1, 3])
    return attend(g, *g.Split(y, [SIZE] * 3, outputs=3, axis=-1))


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


MODELS = {
    "separate": (separate, plus(contraction=1)),
    "some_biases": (some_biases, plus(contraction=1)),
    "transposed_weights": (transposed_weights, plus(contraction=1)),
    "scaled_queries": (scaled_queries, plus(contraction=1)),
    "cross": (cross, plus(contraction=2, row=1)),
    "recurrent_cell": (recurrent_cell, {"contraction": 1, "row": 1}),
    "fused_split": (fused_split, plus(contraction=1)),
    "fused_slices": (fused_slices, plus(contraction=1)),
    "fused_axis": (fused_axis, plus(contraction=1)),
    "fused_heads": (fused_heads, plus(contraction=1)),
    "swiglu": (gated(swish), {"contraction": 3}),
    "geglu": (gated(gelu), {"contraction": 3}),
    "swiglu_fused": (gated_fused(swish), {"contraction": 2, "row": 1}),
    "geglu_fused": (gated_fused(gelu), {"contraction": 2, "row": 1}),
    "feed_forward": (feed_forward, {"contraction": 2}),
    "both_outputs": (both_outputs, {"contraction": 2}),
}


def items(folder):
    x = np.random.default_rng(3).normal(size=(2, 5, WIDTH)).astype(np.float32)
    for name, (write, steps) in MODELS.items():
        g = Graph()
        yield folder / name, g.model(X, {write(g, "x"): Y}), {"x": x}, steps


if __name__ == "__main__":
    check_each("products", items(Path(sys.argv[1])), lambda item: check_steps(*item))
