"""Attention in the ways that exporters and people write it: each must become one Attention.

    attention.py FOLDER

Every spelling is a model over q, k and v of [batch, length, heads * size] with symbolic sizes. What
the passes leave of it must be one Attention with the attributes that are said here, besides what
only moves elements or computes the mask; and `onnxc test` compares its results with those of ONNX
Runtime, on random sizes and on masks that leave some queries no key.
"""
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each, dim_flags, onnxc, passed, write_case  # noqa: E402

HEADS, SIZE = 4, 8
SCALE = SIZE ** -0.5
LOWEST = float(np.finfo(np.float32).min)
FLOAT, BOOL, INT = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
SPELLINGS = {}


class Model:
    """Nodes are added by calling their operator: m.Add(x, y), m.Softmax(x, axis=-1)."""

    def __init__(self):
        self.nodes, self.constants, self.inputs = [], [], {}

    def __getattr__(self, op):
        def add(*inputs, outputs=1, **attributes):
            names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
            inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
            self.nodes.append(helper.make_node(op, inputs, names, **attributes))
            return names[0] if outputs == 1 else names
        return add

    def constant(self, value):
        if isinstance(value, float):
            value = np.float32(value)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def input(self, name, dims, dtype=FLOAT):
        self.inputs[name] = (dtype, dims)
        return name

    def size(self, x, axis):
        """One size as a vector."""
        return self.Slice(self.Shape(x), np.array([axis]), np.array([axis + 1]))

    def reshape(self, x, *dims):
        """Sizes are numbers, or vectors of one element that the model computes."""
        parts = [d if isinstance(d, str) else np.array([d]) for d in dims]
        if all(isinstance(d, int) for d in dims):
            return self.Reshape(x, np.array(dims))
        return self.Reshape(x, self.Concat(*parts, axis=0))

    def heads(self, x, heads=HEADS, size=SIZE):
        """[batch, heads, length, size]"""
        return self.Transpose(self.reshape(x, 0, 0, heads, size), perm=[0, 2, 1, 3])

    def together(self, y, width=HEADS * SIZE):
        return self.reshape(self.Transpose(y, perm=[0, 2, 1, 3]), 0, 0, width)

    def turned(self, x, *perm):
        return self.Transpose(x, perm=list(perm))

    def finish(self, y):
        info = lambda name, dtype, dims: helper.make_tensor_value_info(name, dtype, dims)
        self.nodes.append(helper.make_node("Identity", [y], ["y"]))
        graph = helper.make_graph(
            self.nodes, "spelling", [info(n, *of) for n, of in self.inputs.items()],
            [info("y", FLOAT, None)], self.constants)
        return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])


@dataclass
class Spelling:
    build: object
    kv_heads: int = HEADS
    scale: float = SCALE
    causal: bool = False
    mask: str = ""   # its element type
    empty: int = 0   # empty_rows
    attributes: dict = field(default_factory=dict)
    left: tuple = ()  # operators that may be left besides those that move elements
    same_length: bool = True
    together: bool = False  # all heads are one


def spelling(**expected):
    def add(function):
        SPELLINGS[function.__name__] = Spelling(function, **expected)
        return function
    return add


def with_heads(**expected):
    """A spelling of [batch, heads, length, size]; of q, k and v the function gets these."""
    def add(function):
        kv_heads = expected.get("kv_heads", HEADS)

        def build(m, q, k, v):
            y = function(m, m.heads(q), m.heads(k, kv_heads), m.heads(v, kv_heads))
            return m.together(y)
        SPELLINGS[function.__name__] = Spelling(build, **expected)
        return function
    return add


def attend(m, q, k, v, change=lambda m, scores: scores, scale=SCALE):
    scores = m.MatMul(q, m.turned(k, 0, 1, 3, 2))
    scores = m.Mul(scores, scale) if scale != 1 else scores
    return m.MatMul(m.Softmax(change(m, scores), axis=-1), v)


# ---- scales --------------------------------------------------------------------------------------

@with_heads()
def plain(m, q, k, v):
    return attend(m, q, k, v)


@with_heads(scale=1)
def no_scale(m, q, k, v):
    return attend(m, q, k, v, scale=1)


@spelling()
def scale_on_q(m, q, k, v):
    return m.together(attend(m, m.heads(m.Mul(q, SCALE)), m.heads(k), m.heads(v), scale=1))


@spelling()
def scale_on_k(m, q, k, v):
    return m.together(attend(m, m.heads(q), m.heads(m.Div(k, 1 / SCALE)), m.heads(v), scale=1))


@with_heads()
def root_of_scale_on_both(m, q, k, v):
    root = float(SCALE ** 0.5)
    columns = m.Mul(m.turned(k, 0, 1, 3, 2), root)
    return m.MatMul(m.Softmax(m.MatMul(m.Mul(q, root), columns), axis=-1), v)


@with_heads()
def divided_scores(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Div(s, float(SIZE ** 0.5)), scale=1)


@with_heads()
def scale_from_shape(m, q, k, v):
    size = m.Cast(m.Gather(m.Shape(q), np.array(3)), to=FLOAT)
    return attend(m, q, k, v, lambda m, s: m.Mul(s, m.Div(1.0, m.Sqrt(size))), scale=1)


@with_heads(mask="f32", empty=1, left=("Mul", "Add", "Sub", "Cast"))
def scale_behind_mask(m, q, k, v):
    hidden = m.Sub(1.0, m.Cast(padding(m), to=FLOAT))
    return attend(m, q, k, v, lambda m, s: m.Mul(m.Add(s, m.Mul(hidden, -64.0)), SCALE), scale=1)


# ---- products ------------------------------------------------------------------------------------

@with_heads()
def keys_turned_twice(m, q, k, v):
    columns = m.turned(m.turned(k, 0, 2, 1, 3), 0, 2, 3, 1)
    return m.MatMul(m.Softmax(m.Mul(m.MatMul(q, columns), SCALE), axis=-1), v)


@spelling()
def keys_turned_at_once(m, q, k, v):
    columns = m.turned(m.reshape(k, 0, 0, HEADS, SIZE), 0, 2, 3, 1)
    scores = m.Mul(m.MatMul(m.heads(q), columns), SCALE)
    return m.together(m.MatMul(m.Softmax(scores, axis=-1), m.heads(v)))


def merged(m, x):
    """[batch * heads, length, size]"""
    return m.reshape(m.heads(x), -1, m.size(x, 1), SIZE)


def apart(m, y, q):
    return m.together(m.reshape(y, -1, HEADS, m.size(q, 1), SIZE))


@spelling()
def heads_in_batch(m, q, k, v):
    scores = m.MatMul(m.Mul(merged(m, q), SCALE), m.turned(merged(m, k), 0, 2, 1))
    return apart(m, m.MatMul(m.Softmax(scores, axis=-1), merged(m, v)), q)


@spelling(causal=True)
def heads_in_batch_with_mask(m, q, k, v):
    """Scores get their heads back for the mask, as BART writes it."""
    scores = m.MatMul(m.Mul(merged(m, q), SCALE), m.turned(merged(m, k), 0, 2, 1))
    four = m.reshape(scores, -1, HEADS, m.size(q, 1), m.size(k, 1))
    masked = m.Add(four, m.Where(causal(m, q, k), 0.0, LOWEST))
    three = m.reshape(masked, -1, m.size(q, 1), m.size(k, 1))
    return apart(m, m.MatMul(m.Softmax(three, axis=-1), merged(m, v)), q)


@spelling()
def einsum(m, q, k, v):
    q, k, v = (m.reshape(x, 0, 0, HEADS, SIZE) for x in (q, k, v))
    scores = m.Mul(m.Einsum(q, k, equation="bqhd,bkhd->bhqk"), SCALE)
    y = m.Einsum(m.Softmax(scores, axis=-1), v, equation="bhqk,bkhd->bqhd")
    return m.reshape(y, 0, 0, HEADS * SIZE)


@spelling()
def einsum_of_keras(m, q, k, v):
    q, k, v = (m.reshape(x, 0, 0, HEADS, SIZE) for x in (q, k, v))
    scores = m.Einsum(k, m.Mul(q, SCALE), equation="aecd,abcd->acbe")
    y = m.Einsum(m.Softmax(scores, axis=-1), v, equation="acbe,aecd->abcd")
    return m.reshape(y, 0, 0, HEADS * SIZE)


@with_heads()
def values_in_front(m, q, k, v):
    """V^T P^T, as the autoencoders of diffusion models write it."""
    p = m.Softmax(m.Mul(m.MatMul(q, m.turned(k, 0, 1, 3, 2)), SCALE), axis=-1)
    y = m.MatMul(m.turned(v, 0, 1, 3, 2), m.turned(p, 0, 1, 3, 2))
    return m.turned(y, 0, 1, 3, 2)


@with_heads(causal=True)
def keys_as_rows(m, q, k, v):
    """Softmax over the rows of K Q^T, with the mask turned too."""
    scores = m.Mul(m.MatMul(k, m.turned(q, 0, 1, 3, 2)), SCALE)
    rows = m.Range(np.array(0), m.Squeeze(m.size(k, 2)), np.array(1))
    seen = m.LessOrEqual(m.Unsqueeze(rows, np.array([1])), m.Unsqueeze(rows, np.array([0])))
    p = m.Softmax(m.Where(seen, scores, -np.inf), axis=-2)
    return m.MatMul(m.turned(p, 0, 1, 3, 2), v)


@spelling(scale=1, together=True)
def one_head(m, q, k, v):
    p = m.Softmax(m.MatMul(q, m.turned(k, 0, 2, 1)), axis=-1)
    return m.MatMul(p, v)


# ---- shared heads --------------------------------------------------------------------------------

def repeated(m, x):
    """Each of two heads twice, as repeat_interleave does it."""
    five = m.Expand(m.Unsqueeze(x, np.array([2])), np.array([1, 1, 2, 1, 1]))
    return m.reshape(five, 0, HEADS, m.size(x, 2), SIZE)


@with_heads(kv_heads=2)
def heads_expanded(m, q, k, v):
    return attend(m, q, repeated(m, k), repeated(m, v))


@with_heads(kv_heads=2)
def heads_tiled(m, q, k, v):
    def tiled(x):
        five = m.Tile(m.Unsqueeze(x, np.array([2])), np.array([1, 1, 2, 1, 1]))
        return m.reshape(five, 0, HEADS, m.size(x, 2), SIZE)
    return attend(m, q, tiled(k), tiled(v))


@with_heads(kv_heads=2)
def heads_concatenated(m, q, k, v):
    def doubled(x):
        five = m.Unsqueeze(x, np.array([2]))
        return m.reshape(m.Concat(five, five, axis=2), 0, HEADS, m.size(x, 2), SIZE)
    return attend(m, q, doubled(k), doubled(v))


@with_heads(kv_heads=2)
def heads_gathered(m, q, k, v):
    each = np.array([0, 0, 1, 1])
    return attend(m, q, m.Gather(k, each, axis=1), m.Gather(v, each, axis=1))


@spelling(kv_heads=2)
def heads_expanded_before_transpose(m, q, k, v):
    def repeated_in_rows(x):
        five = m.Expand(m.reshape(x, 0, 0, 2, 1, SIZE), np.array([1, 1, 1, 2, 1]))
        return m.turned(m.reshape(five, 0, 0, HEADS, SIZE), 0, 2, 1, 3)
    return m.together(attend(m, m.heads(q), repeated_in_rows(k), repeated_in_rows(v)))


@with_heads(kv_heads=2)
def heads_in_groups(m, q, k, v):
    """[batch, 2, 2, length, size] with keys that broadcast."""
    five = m.reshape(q, 0, 2, 2, m.size(q, 2), SIZE)
    columns = m.Unsqueeze(m.turned(k, 0, 1, 3, 2), np.array([2]))
    p = m.Softmax(m.Mul(m.MatMul(five, columns), SCALE), axis=-1)
    y = m.MatMul(p, m.Unsqueeze(v, np.array([2])))
    return m.reshape(y, 0, HEADS, m.size(q, 2), SIZE)


@with_heads(kv_heads=2, causal=True)
def groups_as_rows(m, q, k, v):
    """Queries of the heads of a group below one another; the mask needs them apart."""
    rows = m.reshape(q, 0, 2, -1, SIZE)
    scores = m.Mul(m.MatMul(rows, m.turned(k, 0, 1, 3, 2)), SCALE)
    five = m.reshape(scores, 0, 2, 2, m.size(q, 2), m.size(k, 2))
    rank = np.array([0])
    masked = m.Where(m.Unsqueeze(causal(m, q, k, 2), rank), five, LOWEST)
    p = m.reshape(m.Softmax(masked, axis=-1), 0, 2, -1, m.size(k, 2))
    return m.reshape(m.MatMul(p, v), 0, HEADS, m.size(q, 2), SIZE)


@with_heads(kv_heads=1)
def one_head_of_keys(m, q, k, v):
    return attend(m, q, k, v)


# ---- masks ---------------------------------------------------------------------------------------

def padding(m):
    return m.input("keep", ["batch", 1, 1, "keys"], BOOL)


def causal(m, q, k, axis=1):
    """bool[queries, keys] from ranges"""
    i = m.Range(np.array(0), m.Squeeze(m.size(q, axis)), np.array(1))
    j = m.Range(np.array(0), m.Squeeze(m.size(k, axis)), np.array(1))
    return m.LessOrEqual(m.Unsqueeze(j, np.array([0])), m.Unsqueeze(i, np.array([1])))


@with_heads(causal=True)
def causal_by_ranges(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Add(m.Where(causal(m, q, k, 2), 0.0, -np.inf), s))


@with_heads(causal=True)
def causal_by_trilu(m, q, k, v):
    def change(m, s):
        ones = m.ConstantOfShape(m.Shape(s, start=2, end=4),
                                 value=helper.make_tensor("v", FLOAT, [1], [-np.inf]))
        return m.Add(s, m.Trilu(ones, np.array(1), upper=1))
    return attend(m, q, k, v, change)


@with_heads(causal=True)
def causal_by_buffer(m, q, k, v):
    """A part of a large triangle, as GPT-2 keeps it."""
    def change(m, s):
        buffer = np.tril(np.ones((1, 1, 64, 64), bool))
        ends = m.Concat(m.size(q, 2), m.size(k, 2), axis=0)
        part = m.Slice(buffer, np.array([0, 0]), ends, np.array([2, 3]))
        return m.Where(part, s, LOWEST)
    return attend(m, q, k, v, change)


@with_heads(causal=True)
def causal_by_products(m, q, k, v):
    """GPT's first form: scores times a triangle, and a number times what it leaves out."""
    def change(m, s):
        buffer = np.tril(np.ones((1, 1, 64, 64), np.float32))
        ends = m.Concat(m.size(q, 2), m.size(k, 2), axis=0)
        part = m.Slice(buffer, np.array([0, 0]), ends, np.array([2, 3]))
        return m.Add(m.Mul(s, part), m.Mul(-1e4, m.Sub(1.0, part)))
    return attend(m, q, k, v, change)


@with_heads(causal=True)
def causal_by_number(m, q, k, v):
    """1 - triangle times a number that is only low."""
    def change(m, s):
        seen = m.Cast(causal(m, q, k, 2), to=FLOAT)
        return m.Add(s, m.Mul(m.Sub(1.0, seen), -1e4))
    return attend(m, q, k, v, change)


@with_heads(causal=True, attributes={"left_window_size": "2"})
def window(m, q, k, v):
    def change(m, s):
        i = m.Range(np.array(0), m.Squeeze(m.size(q, 2)), np.array(1))
        near = m.Greater(m.Unsqueeze(i, np.array([0])),
                         m.Unsqueeze(m.Sub(i, np.array(3)), np.array([1])))
        return m.Where(m.And(causal(m, q, k, 2), near), s, -np.inf)
    return attend(m, q, k, v, change)


@with_heads(mask="bool", empty=1)
def hidden_by_infinity(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Where(padding(m), s, -np.inf))


@with_heads(mask="bool", empty=2, left=("Not",))
def hidden_by_low_number(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Where(m.Not(padding(m)), -1e9, s))


@with_heads(mask="bool", empty=2)
def hidden_by_sum(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Add(s, m.Where(padding(m), 0.0, LOWEST)))


@with_heads(mask="f32", empty=1, left=("Cast", "Sub", "Mul", "Add"))
def hidden_by_difference(m, q, k, v):
    def change(m, s):
        return m.Add(s, m.Mul(m.Sub(1.0, m.Cast(padding(m), to=FLOAT)), -1e6))
    return attend(m, q, k, v, change)


@with_heads(mask="bool", empty=2, causal=True)
def padding_and_causal(m, q, k, v):
    def change(m, s):
        seen = m.And(causal(m, q, k, 2), padding(m))
        return m.Add(s, m.Where(seen, 0.0, LOWEST))
    return attend(m, q, k, v, change)


@with_heads(mask="bool", empty=1, causal=True)
def two_masks(m, q, k, v):
    def change(m, s):
        s = m.Where(causal(m, q, k, 2), s, -np.inf)
        return m.Add(s, m.Where(padding(m), 0.0, -np.inf))
    return attend(m, q, k, v, change)


@with_heads(mask="bool")
def zeroed_when_nan(m, q, k, v):
    scores = m.Mul(m.MatMul(q, m.turned(k, 0, 1, 3, 2)), SCALE)
    p = m.Softmax(m.Add(scores, m.Where(padding(m), 0.0, -np.inf)), axis=-1)
    return m.MatMul(m.Where(m.IsNaN(p), 0.0, p), v)


@with_heads(mask="bool")
def zeroed_where_hidden(m, q, k, v):
    """DeBERTa's softmax."""
    hidden = m.Not(padding(m))
    scores = m.Mul(m.MatMul(q, m.turned(k, 0, 1, 3, 2)), SCALE)
    p = m.Softmax(m.Where(hidden, LOWEST, scores), axis=-1)
    return m.MatMul(m.Where(hidden, 0.0, p), v)


@with_heads(mask="f32", empty=1, left=("Add", "Where", "Cast", "Mul", "Range"))
def two_biases(m, q, k, v):
    """A slope for each head, and padding."""
    slopes = np.float32([0.5, 0.25, 0.125, 0.0625]).reshape(1, HEADS, 1, 1)
    places = m.Cast(m.Range(np.array(0), m.Squeeze(m.size(k, 2)), np.array(1)), to=FLOAT)
    def change(m, s):
        s = m.Add(m.Mul(slopes, places), s)
        return m.Add(s, m.Where(padding(m), 0.0, LOWEST))
    return attend(m, q, k, v, change)


@with_heads(attributes={"softcap": "0x1.4p+4"})
def soft_cap(m, q, k, v):
    return attend(m, q, k, v, lambda m, s: m.Mul(m.Tanh(m.Div(s, 20.0)), 20.0))


@with_heads(mask="f32", empty=1, attributes={"softcap": "0x1.4p+4"}, left=("Mul", "Cast", "Sub"))
def soft_cap_and_mask(m, q, k, v):
    hidden = m.Mul(m.Sub(1.0, m.Cast(padding(m), to=FLOAT)), -1e6)
    return attend(m, q, k, v, lambda m, s: m.Add(m.Mul(m.Tanh(m.Mul(s, 0.05)), 20.0), hidden))


@with_heads(causal=True, left=("Concat",))
def keys_of_the_past(m, q, k, v):
    """Keys and values behind those of a cache: queries have places behind it."""
    past = [m.input(name, ["batch", HEADS, "past", SIZE]) for name in ("past_k", "past_v")]
    k, v = m.Concat(past[0], k, axis=2), m.Concat(past[1], v, axis=2)
    def change(m, s):
        total = m.Squeeze(m.size(k, 2))
        i = m.Range(m.Squeeze(m.size(past[0], 2)), total, np.array(1))
        j = m.Range(np.array(0), total, np.array(1))
        seen = m.LessOrEqual(m.Unsqueeze(j, np.array([0])), m.Unsqueeze(i, np.array([1])))
        return m.Where(seen, s, LOWEST)
    return attend(m, q, k, v, change)


@with_heads(same_length=False)
def cross_attention(m, q, k, v):
    return attend(m, q, k, v)


@spelling(left=("Concat", "Slice", "Split"))
def larger_values(m, q, k, v):
    """Heads of K in two parts, one of which all heads share, and values of another size."""
    part, shared = m.Split(k, np.array([HEADS * SIZE - 4, 4]), axis=-1, outputs=2)
    apart = m.heads(part, HEADS, 7)
    one = m.Unsqueeze(shared, np.array([1]))
    k = m.Concat(apart, m.Expand(one, np.array([1, HEADS, 1, 1])), axis=-1)
    q = m.Concat(m.heads(q), m.Slice(m.heads(q), np.array([0]), np.array([3]), np.array([3])),
                 axis=-1)
    return m.together(attend(m, q, k, m.heads(v)))


# ---- softmax -------------------------------------------------------------------------------------

@with_heads()
def softmax_by_hand(m, q, k, v):
    scores = m.Mul(m.MatMul(q, m.turned(k, 0, 1, 3, 2)), SCALE)
    e = m.Exp(m.Sub(scores, m.ReduceMax(scores, np.array([-1]))))
    return m.MatMul(m.Div(e, m.ReduceSum(e, np.array([-1]))), v)


@with_heads()
def softmax_without_maximum(m, q, k, v):
    """The maximum is subtracted although softmax would."""
    scores = m.Mul(m.MatMul(q, m.turned(k, 0, 1, 3, 2)), SCALE)
    shifted = m.Sub(scores, m.ReduceMax(scores, np.array([-1])))
    return m.MatMul(m.Softmax(shifted, axis=-1), v)


# ---- the check -----------------------------------------------------------------------------------

MOVES = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Dims", "Identity", "Gather"}
ATTENTION = re.compile(r"= Attention\(([^)]*)\)(?: \{([^}]*)\})?")


def make_model(spelling):
    m = Model()
    width = spelling.kv_heads * SIZE if spelling.kv_heads != HEADS else HEADS * SIZE
    keys = "length" if spelling.same_length else "keys"
    q = m.input("q", ["batch", "length", HEADS * SIZE])
    k = m.input("k", ["batch", keys, width])
    v = m.input("v", ["batch", keys, width])
    model = m.finish(spelling.build(m, q, k, v))
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == "keys":
                dim.dim_param = keys
    return model


def draw_inputs(model, random, sizes):
    """Floats, and masks of which the first sample shows nothing."""
    arrays = []
    for value in model.graph.input:
        tensor = value.type.tensor_type
        dims = [sizes[d.dim_param] if d.dim_param else d.dim_value for d in tensor.shape.dim]
        if tensor.elem_type == BOOL:
            array = random.random(dims) < 0.6
            array[0] = False
        else:
            array = random.normal(size=dims).astype(np.float32)
        arrays.append(array)
    return arrays


def write(folder, model, random):
    shutil.rmtree(folder, ignore_errors=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    for i in range(2):
        sizes = {name: int(random.integers(2, 12)) for name in ("batch", "length", "keys", "past")}
        inputs = draw_inputs(model, random, sizes)
        outputs = session.run(None, dict(zip((x.name for x in model.graph.input), inputs)))
        write_case(folder, model, inputs, outputs)
        if i == 0:
            (folder / "test_data_set_0").rename(folder / "test_data_set_1")


def check_attributes(name, spelling, text):
    """What the only Attention of the graph says."""
    inputs, attributes = ATTENTION.search(text).groups()
    inputs = inputs.split(", ")
    found = dict(re.findall(r"(\w+) = ([^,]+)", attributes or ""))
    types = {name: (dtype, dims.split(", ")) for name, dtype, dims
             in re.findall(r"(%\S+): (\w+)\[([^\]]*)\]", text)}
    scale = float.fromhex(found.pop("scale", SCALE.hex()))
    mask = types[inputs[3]][0] if len(inputs) > 3 and inputs[3] in types else ""
    heads = types[inputs[1]][1][1]
    expected = dict(spelling.attributes)
    if spelling.causal:
        expected["is_causal"] = "1"
    if spelling.empty:
        expected["empty_rows"] = str(spelling.empty)
    faults = []
    if abs(scale - spelling.scale) > 1e-5:
        faults.append(f"{name}: scale {scale}, expected {spelling.scale}")
    if found != expected:
        faults.append(f"{name}: attributes {found}, expected {expected}")
    if mask != spelling.mask:
        faults.append(f"{name}: mask {mask or 'absent'}, expected {spelling.mask or 'none'}")
    if heads != str(1 if spelling.together else spelling.kv_heads):
        faults.append(f"{name}: {heads} heads of keys, expected {spelling.kv_heads}")
    return faults


def check(item):
    name, spelling, folder = item
    write(folder, make_model(spelling), np.random.default_rng(len(name)))
    flags = dim_flags(folder)
    result = onnxc("inspect", folder / "model.onnx", *flags, "--stop-after", "passes", "--dump",
                   "after:passes", "--verify-passes")
    text = result.stdout + result.stderr
    if result.returncode:
        return [f"{name}: inspect exits {result.returncode}: {result.stderr[-300:]}"]
    ops = re.findall(r"= (?:onnxc\.)?(\w+)\(", text)
    if ops.count("Attention") != 1:
        return [f"{name}: {ops.count('Attention')} times Attention, left are {ops}"]
    faults = check_attributes(name, spelling, text)
    over = set(ops) - MOVES - {"Attention", *spelling.left}
    if over:
        faults.append(f"{name}: {sorted(over)} are left")
    tested = onnxc("test", folder)
    if not passed(tested):
        faults.append(f"{name}: onnxc test: {tested.stdout[-400:]}{tested.stderr[-400:]}")
    return faults


if __name__ == "__main__":
    check_each("spellings of attention", [(name, spelling, Path(sys.argv[1]) / name)
                                          for name, spelling in SPELLINGS.items()], check)
