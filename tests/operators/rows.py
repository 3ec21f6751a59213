"""What a schema does not say about each operator: one row an operator."""
import struct
import zlib

import numpy as np
from onnx import helper

from drawing import (
    COMPLEX, FLOATS, INTEGERS, SMALL_FLOATS, NotDrawn, Row, anything, broadcast, broken, convert, dtype_of,
    element, finite, integer_range, integers, moderate, names_of_inputs, nonzero, numpy_type,
    or_rare, positive, same, unit, within)

i64 = np.int64
BIG = 0.3  # with `close`: sums may cancel


# ---- choices --------------------------------------------------------------------------------------

def scalar(values=None, *choices):
    """An input of rank 0."""
    if choices:
        return lambda d: np.array(d.one_of(*choices), values)
    return lambda d, dtype, _: (values or anything)(d, dtype, [])


def words(*choices):
    """An input of strings out of these."""
    return lambda d: d.np.choice(np.array(choices, object), d.shapes["X"])


def maybe(how, probability=0.5):
    """An input or attribute that is there or not."""
    return lambda d: how(d) if d.chance(probability) else None


def stored(name):
    """What `shapes` has drawn and left in d.memory."""
    return lambda d: d.memory.get(name)


def real(lo, hi, absent=0.3):
    return lambda d: None if d.chance(absent) else round(d.real(lo, hi), 3)


def rank_of(d, name):
    return len(d.shapes[name])


def first(d):
    return next(iter(d.shapes.values()))


def nonempty(shapes):
    """Without sizes of 0."""
    def drawn(d):
        result = shapes(d)
        if any(0 in shape for shape in result.values()):
            raise NotDrawn
        return result
    return drawn


# ---- elementwise ----------------------------------------------------------------------------------

def divisor(d, dtype, shape):
    return (nonzero(anything) if dtype in INTEGERS else anything)(d, dtype, shape)


def dividend(d, dtype, shape):
    """Not the least integer, which -1 does not divide."""
    array = anything(d, dtype, shape)
    if dtype not in INTEGERS:
        return array
    return np.maximum(array, np.array(integer_range(dtype)[0] + (dtype[0] == "i"), array.dtype))


def shift(d, dtype, shape):
    return integers(d, dtype, shape, 0, int(dtype[1:]) - 1)


def power(d, dtype, shape):
    """Integers have no negative or broken powers."""
    if d.types["T"] in INTEGERS:
        return convert(d.np.integers(0, 4, shape), dtype)
    return (or_rare(within(-3, 3), 0.0, -0.0, 0.5, 2.0, np.inf, -np.inf, np.nan)
            if dtype in FLOATS else within(0, 3))(d, dtype, shape)


def base(d, dtype, shape):
    return (or_rare(positive, 0.0, -0.0, -2.0, 1.0, np.inf, -np.inf, np.nan)
            if dtype in FLOATS else within(-4, 4))(d, dtype, shape)


def convertible(d, dtype, shape, to):
    """Numbers that the target type has a value for, where others are not defined."""
    if to == "f8e8m0":
        return within(1, 100)(d, dtype, shape)
    if to not in INTEGERS or dtype not in (*FLOATS, "f8e4m3fn", "f8e4m3fnuz", "f8e5m2",
                                           "f8e5m2fnuz", "f4e2m1", "f8e8m0"):
        return anything(d, dtype, shape)
    lo, hi = integer_range(to)
    if dtype == "f8e8m0":
        return convert(2.0 ** d.np.integers(0, min(hi, 100).bit_length(), shape), dtype)
    most = min(hi, 200) * (0.7 if dtype in SMALL_FLOATS else 1)  # which round a long way up
    return within(max(lo, -200), most)(d, dtype, shape)


def cast_input(d):
    return convertible(d, d.types["T1"], d.shapes["input"], d.types["T2"])


def not_complex_values(d):
    """Complex numbers have no order."""
    if d.types["T"] in COMPLEX:
        raise NotDrawn


def convertible_types(d):
    """onnxc has no conversion between numbers and text; complex numbers have none to others."""
    not_complex("T1", "T2")(d)
    if "string" in d.types.values() and d.types["T1"] != d.types["T2"]:
        raise NotDrawn


def not_complex(*variables):
    def check(d):
        kinds = [d.types[variable] in COMPLEX for variable in variables]
        if any(kinds) and not all(kinds):
            raise NotDrawn
    return check


def same_bits(d):
    bits = {"bool": 8, "f32": 32, "f64": 64, "f16": 16, "bf16": 16, "c64": 64, "c128": 128,
            "f4e2m1": 4}
    width = [bits.get(d.types[v]) or (8 if d.types[v][0] == "f" else int(d.types[v][1:]))
             for v in ("T1", "T2")]
    if width[0] != width[1] or "bool" in d.types.values() and d.types["T1"] != d.types["T2"]:
        raise NotDrawn


def needs_fmod(d):
    return 1 if d.types["T"] in FLOATS else d.one_of(0, 1, None)


def close(**more):
    return Row(close=1, **more)


ELEMENTWISE = {
    "Abs": Row(values=dividend),
    "Acos": close(values=unit),
    "Acosh": close(values=or_rare(within(1, 50), np.inf, np.nan, 0.5)),
    "Add": Row(shapes=broadcast()),
    "And": Row(shapes=broadcast()),
    "Asin": close(values=unit),
    "Asinh": close(),
    "Atan": close(),
    "Atanh": close(values=or_rare(within(-0.99, 0.99), np.nan, 1.0, -1.0, -0.0)),
    "BitCast": Row(check=same_bits, attributes={"to": lambda d: element(d.types["T2"])},
                   shapes=same(hi=4)),
    "BitShift": Row(shapes=broadcast(), inputs={"Y": shift},
                    attributes={"direction": ("LEFT", "RIGHT")}),
    "BitwiseAnd": Row(shapes=broadcast()),
    "BitwiseNot": Row(),
    "BitwiseOr": Row(shapes=broadcast()),
    "BitwiseXor": Row(shapes=broadcast()),
    "Cast": Row(inputs={"input": cast_input}, check=convertible_types, attributes={
        "to": lambda d: element(d.types["T2"]), "saturate": (0, 1, None), "round_mode": ()}),
    "CastLike": Row(inputs={"input": cast_input}, check=convertible_types, attributes={
        "saturate": (0, 1, None), "round_mode": ()}),
    "Ceil": Row(),
    "Celu": close(floor=0.1),
    "Clip": Row(inputs={"min": scalar(), "max": scalar()}),
    "Cos": close(floor=0.01),
    "Cosh": close(values=or_rare(within(-20, 20), np.nan, np.inf, -np.inf)),
    "Div": Row(shapes=broadcast(), inputs={"A": dividend, "B": divisor}),
    "Elu": close(floor=0.1),
    "Equal": Row(shapes=broadcast()),
    "Erf": close(),
    "Exp": close(values=or_rare(within(-20, 20), np.nan, np.inf, -np.inf, 1000.0, -1000.0)),
    "Floor": Row(),
    "Gelu": close(floor=0.3, values=or_rare(within(-9, 9), np.nan, np.inf, -0.0),
                  attributes={"approximate": ("none", "tanh", None)}),
    "Greater": Row(shapes=broadcast()),
    "GreaterOrEqual": Row(shapes=broadcast()),
    "HardSigmoid": close(floor=0.1, values=or_rare(within(-9, 9), np.nan, np.inf, -np.inf)),
    "HardSwish": close(floor=0.1, values=or_rare(within(-9, 9), np.nan, np.inf, -0.0)),
    "Identity": Row(),
    "IsInf": Row(attributes={"detect_negative": (0, 1, None), "detect_positive": (0, 1, None)}),
    "IsNaN": Row(),
    "LeakyRelu": close(),
    "Less": Row(shapes=broadcast()),
    "LessOrEqual": Row(shapes=broadcast()),
    "Log": close(values=or_rare(within(0.001, 90), np.nan, np.inf, 0.0, -1.0)),
    "Max": Row(shapes=broadcast(), signs=False),
    "Mean": close(shapes=broadcast(), values=moderate, sums=BIG),
    "Min": Row(shapes=broadcast(), signs=False),
    "Mish": close(values=or_rare(within(-9, 30), np.nan, np.inf)),
    "Mod": Row(shapes=broadcast(), inputs={"A": dividend, "B": divisor},
               attributes={"fmod": needs_fmod}),
    "Mul": Row(shapes=broadcast()),
    "Neg": Row(values=dividend),
    "Not": Row(),
    "Or": Row(shapes=broadcast()),
    "PRelu": Row(shapes=broadcast(one_way=True)),
    "Pow": close(shapes=broadcast(), inputs={"X": base, "Y": power}),
    "Reciprocal": Row(),
    "Relu": Row(signs=False),
    "Round": Row(),
    "Selu": close(floor=0.1),
    "Shrink": close(sums=BIG, attributes={"bias": real(-2, 2), "lambd": real(0, 2)}, values=moderate),
    "Sigmoid": close(floor=0.1),
    "Sign": Row(signs=False),
    "Sin": close(floor=0.01),
    "Sinh": close(values=or_rare(within(-20, 20), np.nan, np.inf, -0.0)),
    "Softplus": close(),
    "Softsign": close(),
    "Sqrt": Row(),
    "RegexFullMatch": Row(inputs={"X": words("", "ab", "aab", "b", "AB", "a-b", "7", "\u00e9")},
                          attributes={"pattern": ("a*b", "(a|b)+", "[^b]*", "(?i)ab?", r"\d+|\w", ".{2,3}")}),
    "StringConcat": Row(shapes=broadcast()),
    "StringNormalizer": Row(
        shapes=lambda d: {"X": [*d.one_of([], [1]), d.integer(0, 6)]},
        inputs={"X": words("Monday", "monday", "TUESDAY", "", "a b", "stop", "Stop")},
        attributes={"case_change_action": ("NONE", "LOWER", "UPPER"), "is_case_sensitive": (0, 1),
                    "stopwords": maybe(lambda d: [d.one_of("monday", "Stop", "x"), "stop"]),
                    "locale": ("C",)}),  # which every machine has
    "StringSplit": Row(inputs={"X": words("", "a", "a b", " a  b ", "a,b,,c", ",", "x y z")},
                       attributes={"delimiter": (None, " ", ",", "b"), "maxsplit": (None, 1, 2)}),
    "Sub": Row(shapes=broadcast()),
    "Sum": close(shapes=broadcast(), values=moderate, sums=BIG),
    "SwiGLU": close(values=moderate),
    "Swish": close(values=moderate),
    "Tan": close(values=or_rare(within(-1.5, 1.5), np.nan, np.inf, 100.0)),
    "Tanh": close(),
    "ThresholdedRelu": Row(),
    "Where": Row(shapes=broadcast()),
    "Xor": Row(shapes=broadcast()),
}


# ---- movement -------------------------------------------------------------------------------------

def concat_shapes(d):
    shape = d.shape(1)
    d.memory["axis"] = axis = d.axis(len(shape))
    parts = [list(shape) for _ in range(d.integer(1, 5))]
    for part in parts:
        part[axis] = d.integer(0, 4)
    return {"inputs": parts}


def expand_shapes(d):
    target = d.shape()
    d.memory["target"] = target
    return {"input": broken(d, target)}


def expand_target(d):
    """The target, or what broadcasts with the input to it."""
    shape, target = d.shapes["input"], d.memory["target"]
    given = list(target)
    for i, size in enumerate(shape[::-1]):
        if size == target[len(target) - 1 - i] and d.chance(0.3):
            given[len(target) - 1 - i] = 1
    return np.array(given, i64)


def reshape_shapes(d):
    shape = d.shape()
    d.memory["shape"] = reshape_target(d, shape)
    return {"data": shape}


def reshape_target(d, shape):
    total = int(np.prod(shape))
    if total == 0 and d.chance(0.5):
        d.memory["allowzero"] = 1
        return np.array([0, d.integer(0, 3)], i64)
    target, left = [], total
    while left > 1 and len(target) < 4 and d.chance(0.7):
        factors = [k for k in range(1, left + 1) if left % k == 0]
        target.append(d.one_of(*factors))
        left //= target[-1]
    if total != 0:
        target.append(left)
    else:
        target = list(shape)
    for axis, size in enumerate(target):
        if axis < len(shape) and size == shape[axis] and d.chance(0.4):
            target[axis] = 0
    if total != 0 and d.chance(0.5):
        target[d.integer(0, len(target) - 1)] = -1
    elif total == 0:
        target = [0 if axis < len(shape) else size for axis, size in enumerate(target)]
    return np.array(target, i64)


def slice_inputs(d):
    """Draws all of starts, ends, axes and steps."""
    shape = d.shapes["data"]
    axes = d.axes(len(shape), 1)
    if d.chance(0.3):
        axes = list(range(len(axes)))
        d.memory["axes"] = None
    else:
        d.memory["axes"] = np.array(axes, i64)
    steps = [d.one_of(1, 1, 1, 2, 3, -1, -2) for _ in axes]
    bound = [d.one_of(*range(-size - 2, size + 3), 2 ** 31 - 1, -2 ** 31 + 1) for size in
             (shape[axis] for axis in axes)]
    ends = [d.one_of(*range(-size - 2, size + 3), 2 ** 31 - 1, -2 ** 31 + 1) for size in
            (shape[axis] for axis in axes)]
    if all(step == 1 for step in steps) and d.chance(0.5):
        steps = None
    d.memory["steps"] = None if steps is None else np.array(steps, i64)
    d.memory["ends"] = np.array(ends, i64)
    return np.array(bound, i64)


def indices_into(size):
    """Values in [-size, size) of an index type."""
    def values(d, shape):
        if size == 0 and np.prod(shape) != 0:
            raise NotDrawn
        lo = -size if d.chance(0.5) else 0
        return d.np.integers(lo, max(size, lo + 1), shape)
    return values


def gather_shapes(d):
    data = d.shape(1, 4)
    d.memory["axis"] = d.axis(len(data))
    return {"data": data, "indices": d.shape(0, 3)}


def gather_indices(d):
    size = d.shapes["data"][d.memory["axis"]]
    return indices_into(size)(d, d.shapes["indices"])


def elements_shapes(d):
    """Data, and indices that are no larger on the other axes."""
    data = d.shape(1, 4)
    d.memory["axis"] = axis = d.axis(len(data))
    indices = [d.integer(min(1, size), size) for size in data]
    indices[axis] = d.integer(0, 5)
    return {"data": data, "indices": indices, "updates": indices}


def scatter_indices(d):
    """Without duplicates, whose order would count."""
    axis, shape = d.memory["axis"], d.shapes["indices"]
    size = d.shapes["data"][axis]
    if shape[axis] > size:
        raise NotDrawn
    order = d.np.random(shape[:axis % len(shape)] + [size] + shape[axis % len(shape) + 1:])
    order = np.argsort(order, axis)
    picked = np.take(order, range(shape[axis]), axis)
    return picked - size * (d.np.random(picked.shape) < 0.3) * d.chance(0.5)


def nd_shapes(d):
    """Of GatherND and ScatterND: data, and index tuples of length `depth`."""
    data = d.shape(1, 4, 1)
    batch = d.integer(0, len(data) - 1) if d.operator == "GatherND" and d.chance(0.4) else 0
    depth = d.integer(1, len(data) - batch)
    if d.operator == "ScatterND":
        count = d.integer(0, int(np.prod(data[:depth])))
        outer = [count] if d.chance(0.7) else [1, count]
    else:
        outer = data[:batch] + d.shape(0 if batch else 1, 2)
    d.memory.update(depth=depth, batch_dims=batch or None)
    return {"data": data, "indices": outer + [depth], "updates": outer + data[depth:]}


def nd_indices(d):
    data, shape, depth = d.shapes["data"], d.shapes["indices"], d.memory["depth"]
    batch = d.memory["batch_dims"] or 0
    sizes = np.array(data[batch:batch + depth])
    if d.operator == "ScatterND":
        flat = d.np.permutation(int(np.prod(sizes)))[:int(np.prod(shape[:-1]))]
        found = np.stack(np.unravel_index(flat, sizes), -1).reshape(shape)
    else:
        found = np.floor(d.np.random(shape) * sizes).astype(i64)
    return (found - sizes * (d.np.random(shape) < 0.3) * d.chance(0.5)).astype(i64)


def arithmetic_only(*reductions):
    """A reduction that the type has."""
    def choose(d):
        dtype = d.types["T"]
        if dtype in ("bool", "string", *COMPLEX):
            return None
        return d.one_of(None, None, *reductions)
    return choose


REDUCTIONS = arithmetic_only("none", "add", "mul", "min", "max")


def pad_shapes(d):
    shape = d.shape(1, 5)
    d.memory["mode"] = mode = d.one_of("constant", "constant", "reflect", "edge", "wrap")
    chosen = d.axes(len(shape), 1) if d.chance(0.5) else None
    axes = list(range(len(shape))) if chosen is None else chosen
    pads = []
    for _ in range(2):
        for axis in axes:
            size = shape[axis]
            most = {"constant": 3, "edge": 3 if size else 0, "reflect": max(0, size - 1),
                    "wrap": size}[mode]
            least = -min(1, size // 3) if mode == "constant" else 0
            pads.append(d.integer(least, min(3, most)))
    d.memory.update(pads=np.array(pads, i64), axes=None if chosen is None else np.array(axes))
    return {"data": shape}


def constant_value(d):
    return anything(d, d.types["T"], []) if d.memory["mode"] == "constant" and d.chance(0.6) \
        else None


def split_shapes(d):
    shape = d.shape(1, 4)
    d.memory["axis"] = axis = d.axis(len(shape))
    parts = d.integer(1, 4)
    d.memory["parts"] = parts
    if d.chance(0.5):
        sizes = [d.integer(0, 3) for _ in range(parts)]
        shape[axis] = sum(sizes)
        d.memory["split"] = np.array(sizes, i64)
    else:
        d.memory["num_outputs"] = parts
        shape[axis] = max(shape[axis], parts)
        chunk = -(-shape[axis] // parts)
        if chunk * (parts - 1) >= shape[axis]:
            raise NotDrawn
    return {"input": shape}


def squeeze_shapes(d):
    shape = d.shape(0, 5)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    d.memory["axes"] = None
    if d.chance(0.7):
        axes = d.some(ones)
        d.memory["axes"] = np.array([a - len(shape) * d.chance(0.3) for a in axes], i64)
    return {"data": shape}


def unsqueeze_axes(d):
    rank = len(d.shapes["data"])
    extra = d.integer(0, 3)
    axes = d.rng.sample(range(rank + extra), extra)
    return np.array([axis - (rank + extra) * d.chance(0.3) for axis in axes], i64)


def blocks(last):
    """[batch, channels, height, width] that `blocksize` divides."""
    def shapes(d):
        block = d.memory["blocksize"] = d.integer(1, 3)
        n, c, h, w = (d.integer(0, 3) if i == 0 else d.integer(1, 3) for i in range(4))
        dims = [n, c * block * block, h, w] if last else [n, c, h * block, w * block]
        return {"input": dims}
    return shapes


def compress_shapes(d):
    shape = d.shape(1, 4)
    d.memory["axis"] = axis = d.axis(len(shape)) if d.chance(0.6) else None
    size = int(np.prod(shape)) if axis is None else shape[axis]
    return {"input": shape, "condition": [d.integer(0, size)]}


def onehot_shapes(d):
    indices = d.shape(0, 4)
    d.memory["axis"] = d.integer(-len(indices) - 1, len(indices)) if d.chance(0.7) else None
    d.memory["depth"] = d.integer(1, 6)
    return {"indices": indices, "values": [2]}


def onehot_indices(d):
    depth = d.memory["depth"]
    return integers(d, d.types["T1"], d.shapes["indices"], -depth - 1, depth + 1) \
        if d.types["T1"] in INTEGERS \
        else convert(d.np.integers(-depth, depth, d.shapes["indices"]), d.types["T1"])


def onehot_depth(d):
    return convert(np.full([1] if d.chance(0.2) else [], d.memory["depth"]), d.types["T2"])


def on_and_off(d, dtype, shape):
    return (few if d.chance(0.8) else anything)(d, dtype, shape)


def reverse_shapes(d):
    shape = d.shape(2, 5, 1)
    time = d.one_of(0, 1)
    d.memory.update(time_axis=time, batch_axis=1 - time)
    return {"input": shape, "sequence_lens": [shape[1 - time]]}


def reverse_lengths(d):
    return d.np.integers(1, d.shapes["input"][d.memory["time_axis"]], d.shapes["sequence_lens"],
                         endpoint=True)


def tensor_scatter_shapes(d):
    cache = d.shape(2, 5, 1)
    axis = d.memory["axis"] = d.one_of(*[a for a in range(-len(cache) + 1, len(cache)) if a])
    update = list(cache)
    update[axis] = d.integer(1, cache[axis])
    return {"past_cache": cache, "update": update, "write_indices": [cache[0]]}


def write_indices(d):
    cache, update = (d.shapes[name][d.memory["axis"]] for name in ("past_cache", "update"))
    last = cache - update if d.attributes.get("mode") != "circular" else cache - 1
    return d.np.integers(0, last, d.shapes["write_indices"], endpoint=True)


def tile_repeats(d):
    return np.array([d.integer(0, 1) if d.chance(0.1) else d.integer(1, 3)
                     for _ in d.shapes["input"]], i64)


def crop_shapes(d):
    shape = d.shape(1, 5)
    axes = d.axes(len(shape), 1) if d.chance(0.5) else None
    d.memory["axes"] = axes
    return {"input_data": shape, "shape": [len(shape if axes is None else axes)]}


def unique_shapes(d):
    shape = d.shape(1, 3)
    d.memory["axis"] = d.axis(len(shape)) if d.chance(0.5) else None
    return {"X": shape}


def few(d, dtype, shape):
    """Values that repeat."""
    if dtype in INTEGERS or dtype in FLOATS:
        return convert(d.np.integers(0, 4, shape), dtype)
    return anything(d, dtype, shape)


def of_shape(d):
    return np.array(d.shape(), i64)


def a_value(d):
    if d.chance(0.2):
        return None if d.types["T2"] == "f32" else anything(d, d.types["T2"], [1])
    return anything(d, d.types["T2"], [1])


AXIS = {"axis": stored("axis")}

MOVEMENT = {
    "CenterCropPad": Row(shapes=crop_shapes, constant=("shape",), attributes={"axes": stored("axes")},
                         inputs={"shape": lambda d: d.np.integers(0, 7, d.shapes["shape"])}),
    "Compress": Row(shapes=compress_shapes, attributes=AXIS),
    "Concat": Row(shapes=concat_shapes, attributes=AXIS),
    "ConstantOfShape": Row(shapes=lambda d: {}, inputs={"input": of_shape}, constant=("input",),
                           attributes={"value": a_value}),
    "DepthToSpace": Row(shapes=blocks(True), attributes={
        "blocksize": stored("blocksize"), "mode": ("DCR", "CRD", None)}),
    "Expand": Row(shapes=expand_shapes, inputs={"shape": expand_target}, constant=("shape",)),
    "EyeLike": Row(shapes=same(2, 2), attributes={
        "k": lambda d: d.integer(-4, 4), "dtype": lambda d: element(d.types["T2"])}),
    "Flatten": Row(attributes={"axis": lambda d: d.integer(-rank_of(d, "input"),
                                                           rank_of(d, "input"))}),
    "Gather": Row(shapes=gather_shapes, attributes=AXIS, inputs={"indices": gather_indices}),
    "GatherElements": Row(shapes=elements_shapes, attributes=AXIS,
                          inputs={"indices": gather_indices}),
    "GatherND": Row(shapes=nd_shapes, fixed={"indices": (-1,)}, inputs={"indices": nd_indices},
                    attributes={"batch_dims": stored("batch_dims")}),
    "NonZero": Row(shapes=same(1)),
    "OneHot": Row(shapes=onehot_shapes, attributes=AXIS, constant=("depth",),
                  inputs={"indices": onehot_indices, "depth": onehot_depth, "values": on_and_off}),
    "Pad": Row(shapes=pad_shapes, constant=("pads", "axes"), attributes={"mode": stored("mode")},
               inputs={"pads": stored("pads"), "axes": stored("axes"),
                       "constant_value": constant_value}),
    "Reshape": Row(shapes=reshape_shapes, inputs={"shape": stored("shape")}, constant=("shape",),
                   attributes={"allowzero": stored("allowzero")}),
    "ReverseSequence": Row(shapes=reverse_shapes, inputs={"sequence_lens": reverse_lengths},
                           attributes={"time_axis": stored("time_axis"),
                                       "batch_axis": stored("batch_axis")}),
    "ScatterElements": Row(shapes=elements_shapes, inputs={"indices": scatter_indices}, signs=False,
                           attributes={"reduction": REDUCTIONS, **AXIS}),
    "ScatterND": Row(shapes=nd_shapes, fixed={"indices": (-1,)}, inputs={"indices": nd_indices}, signs=False,
                     attributes={"reduction": REDUCTIONS}),
    "Shape": Row(attributes={"start": lambda d: d.integer(-4, 4), "end": lambda d: d.one_of(
        None, d.integer(-4, 4))}),
    "Size": Row(),
    "Slice": Row(shapes=same(1), constant=("starts", "ends", "axes", "steps"),
                 inputs={"starts": slice_inputs, "ends": stored("ends"), "axes": stored("axes"),
                         "steps": stored("steps")}),
    "SpaceToDepth": Row(shapes=blocks(False), attributes={
        "blocksize": stored("blocksize"), "mode": ("DCR", "CRD", None)}),
    "Split": Row(shapes=split_shapes, inputs={"split": stored("split")}, constant=("split",),
                 attributes={"num_outputs": stored("num_outputs"), **AXIS},
                 outputs=lambda d: [True] * d.memory["parts"]),
    "Squeeze": Row(shapes=squeeze_shapes, inputs={"axes": stored("axes")}, constant=("axes",)),
    "TensorScatter": Row(shapes=tensor_scatter_shapes, inputs={"write_indices": write_indices},
                         attributes={"mode": ("linear", "circular", None), **AXIS}),
    "Tile": Row(shapes=same(0, 4), inputs={"repeats": tile_repeats}, constant=("repeats",)),
    "Transpose": Row(attributes={"perm": lambda d: d.one_of(None, d.rng.sample(
        range(rank_of(d, "data")), rank_of(d, "data")))}),
    "Trilu": Row(shapes=same(2), attributes={"upper": (0, 1, None)},
                 inputs={"k": maybe(lambda d: np.array(d.integer(-5, 5), i64))}, constant=("k",)),
    "Unique": Row(shapes=unique_shapes, values=few, check=not_complex_values, attributes={"sorted": (0, 1, None), **AXIS}),
    "Unsqueeze": Row(shapes=same(0, 4), inputs={"axes": unsqueeze_axes}, constant=("axes",)),
}


# ---- reductions and what goes along an axis --------------------------------------------------------

def reduce_axes(d):
    rank = rank_of(d, "data")
    return np.array(d.axes(rank), i64) if d.chance(0.8) else None


def reduction(**more):
    return Row(inputs={"axes": reduce_axes}, constant=("axes",), **more)


def summed(scale=BIG, **more):
    """A reduction that adds, so that errors are of the size of the largest terms."""
    return reduction(close=1, sums=scale, values=moderate, **more)


def a_axis(name):
    """The axis as a number of input type T2."""
    def draw(d):
        return np.array(d.axis(rank_of(d, name)), i64).reshape([1] if d.chance(0.3) else [])
    return draw


def topk_shapes(d):
    shape = d.shape(1, 4)
    d.memory["axis"] = axis = d.axis(len(shape))
    d.memory["k"] = np.array([d.integer(0, shape[axis])], i64)
    return {"X": shape}


def distinct(d, dtype, shape):
    """Numbers of which no two are equal along an axis, where the type has enough."""
    count = int(np.prod(shape))
    lo, hi = integer_range(dtype) if dtype in INTEGERS else (-2000, 2000)
    lo, hi = max(lo, -2000), min(hi, 2000)
    if count > hi - lo:
        raise NotDrawn
    numbers = d.np.permutation(np.arange(lo, hi + 1))[:count].reshape(shape)
    return convert(numbers, dtype)


def arg_values(d, dtype, shape):
    return few(d, dtype, shape) if d.chance(0.4) else finite(d, dtype, shape)


def arg_of(**more):
    return Row(shapes=nonempty(same(1)), values=arg_values,
               attributes={"select_last_index": (0, 1, None)}, **more)


def along(**more):
    """Normalisation along an axis of one input."""
    return Row(close=1, sums=BIG, shapes=same(1), values=moderate, **more)


CUMULATIVE = dict(shapes=same(1), inputs={"axis": a_axis("x")}, constant=("axis",),
                  attributes={"exclusive": (0, 1, None), "reverse": (0, 1, None)})

REDUCTION = {
    "ArgMax": arg_of(),
    "ArgMin": arg_of(),
    "CumProd": Row(close=4, values=moderate, **CUMULATIVE),
    "CumSum": Row(close=1, sums=BIG, values=moderate, **CUMULATIVE),
    "Hardmax": Row(shapes=nonempty(same(1)), values=distinct),
    "LogSoftmax": along(),
    "LpNormalization": along(attributes={"p": (1, 2, None)}),
    "ReduceL1": summed(),
    "ReduceL2": summed(),
    "ReduceLogSum": reduction(close=2, values=positive, sums=BIG),
    "ReduceLogSumExp": summed(),
    "ReduceMax": reduction(signs=False),
    "ReduceMean": summed(),
    "ReduceMin": reduction(signs=False),
    "ReduceProd": reduction(close=4, values=within(-2, 2)),
    "ReduceSum": summed(),
    "ReduceSumSquare": summed(),
    "Softmax": along(),
    "TopK": Row(shapes=topk_shapes, values=distinct, constant=("K",), inputs={"K": stored("k")},
                attributes={"largest": (0, 1, None), "sorted": (1, None), **AXIS}),
}


# ---- norms ----------------------------------------------------------------------------------------

def channel_norm(**sizes):
    """X [batch, channels, ...] with per-channel inputs."""
    def shapes(d):
        shape = d.shape(2, 5, 1)
        return {"X": shape, "input": shape, **{name: [shape[1]] for name in (
            "scale", "B", "bias", "input_mean", "input_var")}}
    return shapes


def group_shapes(d):
    shape = d.shape(2, 5, 1)
    groups = d.memory["groups"] = d.integer(1, 4)
    shape[1] = groups * d.integer(1, 3)
    return {"X": shape, "scale": [shape[1]], "bias": [shape[1]]}


def layer_shapes(d):
    shape = d.shape(1, 5, 1)
    d.memory["axis"] = axis = d.axis(len(shape))
    normal = shape[axis:]
    scale = normal if d.chance(0.7) else broken(d, normal)
    return {"X": shape, "Scale": scale, "scale": scale, "B": normal if d.chance(0.7)
            else broken(d, normal)}


def not_mixed(*variables):
    """One type for all of them, which is all that peers have."""
    def check(d):
        if len({d.types[variable] for variable in variables}) != 1:
            raise NotDrawn
    return check


def norm(shapes, **more):
    """Rows of few elements that are nearly equal divide a small difference by a small deviation."""
    attributes = {"epsilon": (1e-3, 0.01, 0.1), **more.pop("attributes", {})}
    return Row(single=True, close=10, sums=1, shapes=shapes, values=finite, attributes=attributes,
               **more)


NORMS = {
    "BatchNormalization": norm(channel_norm(), inputs={"input_var": positive},
                               attributes={"training_mode": (0, None), "momentum": (None, 0.5)},
                               outputs=lambda d: [True], check=not_mixed("T", "T1", "T2")),
    "GroupNormalization": norm(group_shapes, fixed={"X": (1,)}, attributes={"num_groups": stored("groups")}),
    "InstanceNormalization": norm(channel_norm()),
    "LRN": Row(single=True, close=4, sums=1, shapes=same(4, 4, 1), values=finite, attributes={
        "size": lambda d: d.one_of(1, 3, 5, 2), "bias": real(0.5, 2)}),
    "LayerNormalization": norm(layer_shapes, attributes=AXIS),
    "MeanVarianceNormalization": Row(single=True, close=40, sums=1, shapes=same(4, 4, 2), values=finite, attributes={
        "axes": lambda d: d.one_of(None, [0, 2, 3], [1], d.axes(4, 1))}),
    "RMSNormalization": norm(layer_shapes, attributes=AXIS, check=not_mixed("T", "V")),
}


# ---- products -------------------------------------------------------------------------------------

def product(shapes, **more):
    more.setdefault("values", moderate)
    return Row(close=2, sums=BIG, shapes=shapes, **more)


def matmul_dims(d, first_name, second_name):
    rows, inner, columns = (d.integer(0, 1) if d.chance(0.1) else d.integer(1, 9) for _ in "mkn")
    if d.chance(0.1):
        rows, inner, columns = d.integer(1, 70), d.integer(1, 70), d.integer(1, 70)
    batch = d.shape(0, 3)
    while np.prod(batch, dtype=object) * rows * max(inner, columns) > 8000:
        batch = batch[1:]
    a, b = broken(d, batch) + [rows, inner], broken(d, batch) + [inner, columns]
    if d.chance(0.15):
        a = [inner]
    if d.chance(0.15):
        b = [inner]
    return {first_name: a, second_name: b}


def factor(d):
    """Integers are multiplied by integers, since no rounding is specified."""
    if d.types["T"] in INTEGERS:
        return d.one_of(None, 1.0, 2.0, -1.0 if d.types["T"][0] == "i" else 3.0)
    return real(-2, 2)(d)


def gemm_shapes(d):
    m, k, n = (d.integer(0, 1) if d.chance(0.1) else d.integer(1, 20) for _ in "mkn")
    d.memory.update(transA=d.one_of(0, 1, None), transB=d.one_of(0, 1, None))
    return {"A": [k, m] if d.memory["transA"] else [m, k],
            "B": [n, k] if d.memory["transB"] else [k, n], "C": broken(d, [m, n])}


EQUATIONS = ("ij,jk->ik", "ij->ji", "ii->i", "ii", "i,i->", "ij,j", "bij,bjk->bik", "...ij,...jk",
             "...i->...", "i,j->ij", "ijk->kij", "bhqd,bhkd->bhqk", "ij,jk,kl->il", "ij->j",
             "a...b->b...a", "ij,ij->i", "bi,oi->bo", " i j , j k -> k i ", "ijj->i", "...,...")


def einsum_shapes(d):
    equation = d.one_of(*EQUATIONS)
    d.memory["equation"] = equation
    sizes, ellipsis = {}, d.shape(0, 2, 1)
    result = []
    for term in equation.replace(" ", "").split("->")[0].split(","):
        dims = []
        for letter in term.replace("...", "."):
            dims += ellipsis if letter == "." else [sizes.setdefault(letter, d.integer(1, 5))]
        result.append(dims)
    return {"Inputs": result}


def square(d):
    size = d.integer(1, 5)
    return {"X": d.shape(0, 2) + [size, size]}


def zero_point(name, per):
    """A zero point for the input: a number, or one for each row or column."""
    def draw(d):
        variable = {"a": "T1", "b": "T2", "x": "T1", "w": "T2"}[name[0]]
        shape = [] if per is None else per(d)
        return integers(d, d.types[variable], shape, 0, 5) if d.chance(0.7) else None
    return draw


PRODUCTS = {
    "Det": product(square, values=finite),
    "Einsum": product(einsum_shapes, attributes={"equation": stored("equation")},
                      values=moderate),
    "Gemm": product(gemm_shapes, attributes={"alpha": factor, "beta": factor, "transA": stored("transA"),
                                             "transB": stored("transB")}),
    "MatMul": product(lambda d: matmul_dims(d, "A", "B")),
    "MatMulInteger": Row(shapes=lambda d: matmul_dims(d, "A", "B"), inputs={
        "a_zero_point": zero_point("a", None), "b_zero_point": zero_point("b", None)}),
}


# ---- windows --------------------------------------------------------------------------------------

def window(d, kernel_name=None, transposed=False, auto=True, dilated=True):
    """Sizes of an image of 1 to 3 axes and of a window over it, which d.memory gets."""
    rank = d.one_of(1, 2, 2, 2, 3)
    kernel = [d.integer(1, 4 if rank < 3 else 2) for _ in range(rank)]
    dilations = [d.one_of(1, 1, 2) if dilated else 1 for _ in range(rank)]
    strides = [d.integer(1, 3) for _ in range(rank)]
    extent = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations)]
    how = d.one_of("SAME_UPPER", "SAME_LOWER", "VALID") if auto and d.chance(0.25) else None
    if how in ("SAME_UPPER", "SAME_LOWER"):
        dilations = [1] * rank
        extent = kernel
    pads = [d.integer(0, k - 1) if d.chance(0.5) else 0 for k in kernel * 2]
    if how is not None:
        pads = [0] * (2 * rank)
    sizes = [max(extent[i] - (0 if transposed else pads[i] + pads[i + rank]), 1) +
             d.integer(0, 7 if rank < 3 else 3) for i in range(rank)]
    if rank > 1 and d.chance(0.2):  # an axis of one element
        at = d.integer(0, rank - 1)
        kernel[at], sizes[at], pads[at], pads[at + rank] = 1, 1, 0, 0
    d.memory.update(
        kernel_shape=kernel, image=sizes, auto_pad=how or d.one_of(None, "NOTSET"),
        strides=strides if d.chance(0.7) else None, pads=pads if how is None and any(pads) else None,
        dilations=dilations if any(k != 1 for k in dilations) or d.chance(0.3) else None)
    return sizes


WINDOW = {name: stored(name) for name in ("kernel_shape", "auto_pad", "strides", "pads",
                                          "dilations")}


def pool_shapes(d):
    return {"X": [d.integer(1, 2), d.integer(1, 5)] + window(d)}


def ceil_mode(d):
    """Only where it cannot make a window that begins past the end, about which peers differ."""
    return d.one_of(0, 1, None) if d.memory["pads"] is None and d.memory["strides"] is None \
        else d.one_of(0, None)


def pool(**more):
    attributes = {**WINDOW, "ceil_mode": ceil_mode, **more.pop("attributes", {})}
    return Row(shapes=pool_shapes, attributes=attributes, **more)


def conv_shapes(d):
    sizes = window(d)
    groups = d.one_of(1, 1, 2, 3)
    inputs, outputs = groups * d.integer(1, 3), groups * d.integer(1, 4)
    if d.chance(0.15):
        groups, outputs = inputs, inputs * d.integer(1, 2)
    d.memory["group"] = groups if groups != 1 else d.one_of(1, None)
    kernel = d.memory["kernel_shape"]
    if d.chance(0.3):
        d.memory["kernel_shape"] = None
    shapes = {"X": [d.integer(1, 2), inputs] + sizes, "W": [outputs, inputs // groups] + kernel,
              "B": [outputs]}
    return {**shapes, "x": shapes["X"], "w": shapes["W"]}


def transposed_shapes(d):
    sizes = window(d, transposed=True, auto=False)
    groups = d.one_of(1, 1, 2)
    inputs, outputs = groups * d.integer(1, 3), d.integer(1, 3)
    d.memory["group"] = groups
    d.memory["output_padding"] = None
    strides = d.memory["strides"] or [1] * len(sizes)
    if d.chance(0.3):
        d.memory["output_padding"] = [d.integer(0, stride - 1) for stride in strides]
    return {"X": [d.integer(1, 2), inputs] + sizes,
            "W": [inputs, outputs] + d.memory["kernel_shape"], "B": [outputs * groups]}


def col2im_shapes(d):
    sizes = window(d, auto=False)
    kernel, rank = d.memory["kernel_shape"], len(sizes)
    strides, dilations = d.memory["strides"] or [1] * rank, d.memory["dilations"] or [1] * rank
    pads = d.memory["pads"] or [0] * 2 * rank
    count = [(sizes[i] + pads[i] + pads[i + rank] - dilations[i] * (kernel[i] - 1) - 1)
             // strides[i] + 1 for i in range(rank)]
    return {"input": [d.integer(1, 2), d.integer(1, 3) * int(np.prod(kernel)), int(np.prod(count))]}


def deform_shapes(d):
    height, width = d.integer(3, 7), d.integer(3, 7)
    kernel = [d.integer(1, 3), d.integer(1, 3)]
    strides, pads = [d.integer(1, 2), d.integer(1, 2)], [d.integer(0, 1) for _ in range(4)]
    groups, offsets = d.one_of(1, 1, 2), d.one_of(1, 2)
    inputs = 2 * d.integer(1, 2)
    out = [(size + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1
           for i, size in enumerate((height, width))]
    d.memory.update(kernel_shape=kernel, strides=strides, pads=pads, group=groups,
                    offset_group=offsets)
    batch, taps, channels = d.integer(1, 2), kernel[0] * kernel[1], groups * d.integer(1, 2)
    return {"X": [batch, inputs, height, width], "W": [channels, inputs // groups] + kernel,
            "offset": [batch, offsets * taps * 2] + out, "B": [channels],
            "mask": [batch, offsets * taps] + out}


def unpool_shapes(d):
    kernel = d.integer(1, 3)
    rank = d.integer(1, 2)
    d.memory.update(kernel_shape=[kernel] * rank, strides=[kernel] * rank)
    shape = [d.integer(1, 2), d.integer(1, 3)] + [d.integer(1, 4) for _ in range(rank)]
    return {"X": shape, "I": shape}


def unpool_indices(d):
    """Places of maxima, as MaxPool gives them: distinct."""
    shape = d.shapes["X"]
    room = int(np.prod(shape)) * d.memory["kernel_shape"][0] ** (len(shape) - 2)
    return d.np.permutation(room)[:int(np.prod(shape))].reshape(shape)


def integer_conv_zero(name):
    def draw(d):
        variable = {"x": "T1", "w": "T2"}[name[0]]
        return integers(d, d.types[variable], [], 0, 5) if d.chance(0.7) else None
    return draw


CHANNELS = {"X": (1,), "W": range(5), "offset": (1,), "mask": (1,), "B": (0,)}
CONV = {**WINDOW, "group": stored("group")}

WINDOWS = {
    "AveragePool": pool(close=1, sums=BIG, values=moderate,
                        attributes={"count_include_pad": (0, 1, None)}),
    "Col2Im": product(col2im_shapes, inputs={
        "image_shape": lambda d: np.array(d.memory["image"], i64),
        "block_shape": lambda d: np.array(d.memory["kernel_shape"], i64)},
        constant=("image_shape", "block_shape"),
        attributes={name: stored(name) for name in ("strides", "pads", "dilations")}),
    "Conv": product(conv_shapes, attributes=CONV, inputs={"W": finite}),
    "ConvInteger": Row(shapes=conv_shapes, attributes=CONV, inputs={
        "x_zero_point": integer_conv_zero("x"), "w_zero_point": integer_conv_zero("w")}),
    "ConvTranspose": product(transposed_shapes, inputs={"W": finite}, attributes={
        **CONV, "auto_pad": (), "output_padding": stored("output_padding"), "output_shape": ()}),
    "DeformConv": product(deform_shapes, values=finite, fixed=CHANNELS, attributes={
        name: stored(name) for name in ("kernel_shape", "strides", "pads", "group",
                                        "offset_group")}),
    "GlobalAveragePool": product(lambda d: {"X": d.shape(3, 5, 1)}),
    "GlobalLpPool": product(lambda d: {"X": d.shape(3, 5, 1)}, attributes={"p": (1, 2, 3, None)}),
    "GlobalMaxPool": Row(shapes=lambda d: {"X": d.shape(3, 5, 1)}, values=finite),
    "LpPool": pool(close=2, sums=BIG, values=finite, attributes={"p": (1, 2, 3, None)}),
    "MaxPool": pool(values=finite, attributes={"storage_order": (0, None)}),
    "MaxUnpool": Row(shapes=unpool_shapes, values=finite, inputs={
        "I": unpool_indices, "output_shape": lambda d: None}, attributes={
        "kernel_shape": stored("kernel_shape"), "strides": stored("strides"), "pads": ()}),
}


# ---- quantisation ---------------------------------------------------------------------------------

QUANTIZED = ("i2", "u2", "i4", "u4", "i8", "u8", "i16", "u16")


def quantized_shapes(d):
    """x, and a scale for all of it, for each index of an axis, or for blocks along it."""
    shape = d.shape(1, 4)
    axis = d.axis(len(shape))
    kind = d.one_of("tensor", "axis", "block")
    d.memory.update(axis=axis, block_size=None)
    scale = [1] * d.integer(0, 1) if kind == "tensor" and d.operator != "QuantizeLinear" else []
    if kind == "axis":
        scale = [shape[axis]]
    elif kind == "block":
        d.memory["block_size"] = block = d.integer(1, 4)
        scale = list(shape)
        scale[axis] = -(-shape[axis] // block)
    return {name: scale if "scale" in name or "point" in name else shape
            for name, _ in names_of_inputs(d)}


def scales(d, dtype, shape):
    return within(1, 4)(d, dtype, shape) if dtype not in FLOATS else \
        convert(d.np.uniform(0.02, 2, shape), dtype)


def zeros(name, variable):
    """A zero point; only integers have one that is not 0."""
    def draw(d):
        dtype, shape = d.types[variable], d.shapes[name]
        if d.memory.get("no point") or d.chance(0.2) and variable != "T3":
            return None
        if dtype in QUANTIZED:
            return integers(d, dtype, shape, 0, 20) if d.chance(0.8) else \
                anything(d, dtype, shape)
        return convert(np.zeros(shape), dtype)
    return draw


def quantize_check(d):
    """The output type is said by the zero point or by the attribute."""
    if d.types["T1"] == "i32" and d.types["T2"] not in ("i32", "f32"):
        raise NotDrawn
    if d.types["T2"] in ("i32", "f8e8m0") and d.types["T1"] != d.types["T2"]:
        raise NotDrawn


def to_quantize(d, dtype, shape):
    return integers(d, dtype, shape, -500, 500) if dtype in INTEGERS else \
        or_rare(lambda d, dtype, shape: convert(d.np.normal(0, 20, shape), dtype),
                0.5, -0.5, 1.5, -0.0, 1e30)(d, dtype, shape)


def scale_of(low, high, variable):
    def draw(d):
        return convert(np.array(round(d.real(low, high), 4)), d.types.get(variable, "f32"))
    return draw


def point_of(variable, name="a", per=None):
    """A zero point of the type, which the schema asks for."""
    def draw(d):
        dtype = d.types[variable]
        return integers(d, dtype, [], 0, 10) if dtype in INTEGERS else convert(np.array(0), dtype)
    return draw


def channel_scale(d):
    d.memory["per channel"] = per = d.chance(0.5)
    return convert(d.np.uniform(0.05, 0.5, [d.shapes["W"][0]] if per else []), "f32")


def channel_point(d):
    return integers(d, d.types["T2"], [d.shapes["W"][0]] if d.memory["per channel"] else [], 0, 5)


QUANTIZATION = {
    "DequantizeLinear": Row(
        shapes=quantized_shapes, inputs={"x_scale": scales,
                                         "x_zero_point": zeros("x_zero_point", "T1")},
        dtypes={"T2": ("f32", "f16", "bf16")},
        attributes={"block_size": stored("block_size"), **AXIS,
                    "output_dtype": lambda d: None if d.chance(0.5) and
                    d.types["T3"] == d.types["T2"] else element(d.types["T3"])}),
    "DynamicQuantizeLinear": Row(shapes=same(0, 4, 1), steps=1, values=finite, close=1),
    "QLinearConv": Row(shapes=conv_shapes, steps=1, attributes=CONV, inputs={
        "x_scale": scale_of(0.05, 0.5, ""), "x_zero_point": point_of("T1"),
        "w_scale": channel_scale, "w_zero_point": channel_point,
        "y_scale": scale_of(0.1, 3, ""), "y_zero_point": point_of("T3"),
        "B": lambda d, dtype, shape: integers(d, dtype, shape, -99, 99)}),
    "QLinearMatMul": Row(shapes=lambda d: matmul_dims(d, "a", "b"), steps=1, dtypes={
        variable: ("i8", "u8") for variable in ("T1", "T2", "T3")}, inputs={
        "a_scale": scale_of(0.05, 0.5, "TS"), "a_zero_point": point_of("T1"),
        "b_scale": scale_of(0.05, 0.5, "TS"), "b_zero_point": point_of("T2"),
        "y_scale": scale_of(0.1, 3, "TS"), "y_zero_point": point_of("T3")}),
    "QuantizeLinear": Row(
        shapes=quantized_shapes, check=quantize_check, values=to_quantize,
        inputs={"y_scale": scales, "y_zero_point": zeros("y_zero_point", "T3")},
        attributes={"block_size": stored("block_size"), "saturate": (0, 1, None),
                    "precision": (None, None, element("f32"), element("f16"), element("bf16")),
                    "output_dtype": lambda d: None if d.chance(0.5) else element(d.types["T3"]),
                    **AXIS}),
}


# ---- recurrent ------------------------------------------------------------------------------------

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
BOUNDED = ("Tanh", "Sigmoid", "HardSigmoid", "Softsign")
ACTIVATIONS = (*BOUNDED, "Relu", "LeakyRelu", "Elu", "Softplus")


def recurrent_shapes(d):
    gates = GATES[d.operator]
    length, batch, width, hidden = (d.integer(1, 4) for _ in range(4))
    direction = d.one_of("forward", "reverse", "bidirectional", None)
    n = 2 if direction == "bidirectional" else 1
    layout = d.one_of(0, 0, 1, None)
    state = [batch, n, hidden] if layout else [n, batch, hidden]
    d.memory.update(direction=direction, layout=layout, hidden_size=hidden, directions=n,
                    length=length)
    return {"X": [batch, length, width] if layout else [length, batch, width],
            "W": [n, gates * hidden, width], "R": [n, gates * hidden, hidden],
            "B": [n, 2 * gates * hidden], "sequence_lens": [batch], "initial_h": state,
            "initial_c": state, "P": [n, 3 * hidden]}


def activations(d):
    if d.chance(0.5):
        return None
    each = {"RNN": 1, "GRU": 2, "LSTM": 3}[d.operator]
    choices = ACTIVATIONS if d.operator == "RNN" else BOUNDED  # gates multiply, turn after turn
    return [d.one_of(*choices) for _ in range(each * d.memory["directions"])]


def sequence_lens(d):
    if d.chance(0.6):
        return None
    return integers(d, "i32", d.shapes["sequence_lens"], 1, d.memory["length"])


def recurrent(**more):
    return Row(close=10, sums=BIG, shapes=recurrent_shapes, values=within(-0.8, 0.8),
               inputs={"sequence_lens": sequence_lens}, attributes={
                   "direction": stored("direction"), "layout": stored("layout"),
                   "hidden_size": stored("hidden_size"), "activations": activations,
                   "activation_alpha": (), "activation_beta": (), "clip": real(0.5, 3, 0.7), **more})


RECURRENT = {
    "GRU": recurrent(linear_before_reset=(0, 1, None)),
    "LSTM": recurrent(input_forget=(0, 1, None)),
    "RNN": recurrent(),
}


# ---- attention ------------------------------------------------------------------------------------

def attention_shapes(d):
    batch, kv_heads, head, v_head = (d.integer(1, 3) for _ in range(4))
    heads = kv_heads * d.one_of(1, 1, 2)
    rows, columns = d.integer(1, 5), d.integer(1, 6)
    past = d.integer(1, 4) if d.chance(0.3) else 0
    padded = past == 0 and d.chance(0.2)
    flat = d.chance(0.5)
    total = past + columns
    d.memory.update(past=past, padded=padded, columns=columns,
                    q_num_heads=heads if flat else None, kv_num_heads=kv_heads if flat else None)
    sizes = {"Q": (heads, rows, head), "K": (kv_heads, columns, head), "V": (kv_heads, columns,
                                                                            v_head)}
    shapes = {name: [batch, b, a * c] if flat else [batch, a, b, c]
              for name, (a, b, c) in sizes.items()}
    mask = broken(d, [batch, heads, rows, total])
    if len(mask) < 2:
        mask = [rows, total]
    mask[-1] = total
    return {**shapes, "attn_mask": mask, "past_key": [batch, kv_heads, past, head],
            "past_value": [batch, kv_heads, past, v_head], "nonpad_kv_seqlen": [batch]}


def with_past(d, dtype, shape):
    return finite(d, dtype, shape) if d.memory["past"] else None


def nonpad(d):
    return d.np.integers(1, d.memory["columns"], d.shapes["nonpad_kv_seqlen"], endpoint=True) \
        if d.memory["padded"] else None


def attention_check(d):
    if d.types["T1"] != d.types["T2"] or d.types["U"] not in ("bool", d.types["T1"]):
        raise NotDrawn


def attention_outputs(d):
    present = bool(d.memory["past"]) or not d.memory["padded"] and d.chance(0.2)
    return [True, present, present, d.chance(0.2)]


def linear_shapes(d):
    batch, length, kv_heads, k, v = (d.integer(1, 3) for _ in range(5))
    heads = kv_heads * d.one_of(1, 1, 2)
    rule = d.one_of("linear", "gated", "delta", "gated_delta")
    d.memory.update(q_num_heads=heads, kv_num_heads=kv_heads, update_rule=rule)
    return {"query": [batch, length, heads * k], "key": [batch, length, kv_heads * k],
            "value": [batch, length, kv_heads * v], "past_state": [batch, kv_heads, k, v],
            "decay": [batch, length, kv_heads * d.one_of(1, k)],
            "beta": [batch, length, d.one_of(1, kv_heads)]}


def for_rules(values, *rules):
    return lambda d, dtype, shape: values(d, dtype, shape) if d.memory["update_rule"] in rules \
        else None


def causal_shapes(d):
    batch, channels, length, k = (d.integer(1, 5) for _ in range(4))
    return {"input": [batch, channels, length], "weight": [channels, 1, k], "bias": [channels],
            "past_state": [batch, channels, k - 1]}


def rotary_shapes(d):
    batch, heads, length, half = (d.integer(1, 4) for _ in range(4))
    part = d.integer(1, half)
    flat, positions = d.chance(0.5), d.chance(0.5)
    d.memory.update(num_heads=heads if flat else d.one_of(None, heads), positions=positions,
                    rotary_embedding_dim=2 * part if part != half else d.one_of(None, 0))
    cache = [8, part] if positions else [batch, length, part]
    return {"X": [batch, length, heads * 2 * half] if flat else [batch, heads, length, 2 * half],
            "cos_cache": cache, "sin_cache": cache, "position_ids": [batch, length]}


CHANNELS_3 = {"input": (1,), "weight": range(3), "bias": (0,), "past_state": (1, 2)}

ATTENTION = {
    "Attention": Row(
        fixed={"Q": (1, -1), "K": (1, -1), "V": (1, -1), "past_key": (1, 3), "past_value": (1, 3)},
        single=True, close=10, sums=BIG, shapes=attention_shapes, values=finite, check=attention_check,
        inputs={"past_key": with_past, "past_value": with_past, "nonpad_kv_seqlen": nonpad},
        outputs=attention_outputs,
        attributes={"q_num_heads": stored("q_num_heads"), "kv_num_heads": stored("kv_num_heads"),
                    "is_causal": (0, 1, None), "scale": real(0.1, 1, 0.6),
                    "softcap": real(0.5, 3, 0.7), "softmax_precision": (1, None, None),
                    "qk_matmul_output_mode": (0, 1, 2, 3, None),
                    "left_window_size": (None, None, -1, 1, 2), "right_window_size": (
                        None, None, -1, 0, 1)}),
    "CausalConvWithState": Row(fixed=CHANNELS_3, close=4, sums=BIG, shapes=causal_shapes, values=finite, attributes={
        "activation": ("none", "silu", "swish", None)}),
    "LinearAttention": Row(
        close=10, sums=BIG, shapes=linear_shapes, values=finite, check=not_mixed("T", "S"),
        inputs={"decay": for_rules(within(-2, 0), "gated", "gated_delta"),
                "beta": for_rules(within(0, 1), "delta", "gated_delta")},
        attributes={"q_num_heads": stored("q_num_heads"), "kv_num_heads": stored("kv_num_heads"),
                    "update_rule": stored("update_rule"), "scale": real(0.1, 1, 0.6),
                    "chunk_size": (None, 1, 64)}),
    "RotaryEmbedding": Row(
        fixed={"X": (1, -1), "cos_cache": (-1,), "sin_cache": (-1,)}, close=4, sums=BIG, shapes=rotary_shapes, values=finite, inputs={
            "position_ids": lambda d: d.np.integers(0, 8, d.shapes["position_ids"])
            if d.memory["positions"] else None},
        attributes={"num_heads": stored("num_heads"), "interleaved": (0, 1, None),
                    "rotary_embedding_dim": stored("rotary_embedding_dim")}),
}


# ---- images and boxes -----------------------------------------------------------------------------

def affine_size(d):
    return np.array([d.memory["batch"], d.integer(1, 3)] +
                    [d.integer(1, 4) for _ in range(d.memory["rank"])], i64)


def affine_shapes(d):
    d.memory.update(batch=d.integer(1, 3), rank=d.one_of(2, 3))
    rank = d.memory["rank"]
    return {"theta": [d.memory["batch"], rank, rank + 1]}


def grid_shapes(d):
    rank = d.one_of(1, 2, 2, 2, 3)
    d.memory["rank"] = rank
    batch = d.integer(1, 2)
    return {"X": [batch, d.integer(1, 3)] + [d.integer(1, 5) for _ in range(rank)],
            "grid": [batch] + [d.integer(1, 4) for _ in range(rank)] + [rank]}


def sample_mode(d):
    """Interpolated integers would have to be rounded, and nothing says how."""
    if d.types["T1"] not in (*FLOATS, *COMPLEX):
        return "nearest"
    return d.one_of("linear", "nearest", None, *["cubic"] * (d.memory["rank"] == 2))


def resize_shapes(d):
    """Draws the method too, and the axes with their scales or sizes."""
    mode = d.one_of("nearest", "linear", "cubic")
    spatial = d.one_of(2, 2, 1) if mode == "cubic" else d.one_of(1, 2, 2, 3)
    shape = [d.integer(1, 2), d.integer(1, 3)] + [d.integer(1, 6) for _ in range(spatial)]
    rank = len(shape)
    axes = list(range(2, rank)) if d.chance(0.4) else None
    count = spatial if axes else rank
    resized = [shape[axis] for axis in (axes or range(rank))]
    moving = [axes is not None or i >= 2 for i in range(count)]
    by_scale = d.chance(0.5)
    way = d.one_of("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
                   "half_pixel_symmetric", "tf_crop_and_resize", None)
    d.memory.update(
        mode=mode, axes=axes, way=way, by_scale=by_scale,
        scales=np.array([round(d.real(0.4, 2.6), 2) if moves else 1 for moves in moving],
                        np.float32) if by_scale else None,
        sizes=None if by_scale else np.array([d.integer(1, 8) if moves else size for moves, size
                                              in zip(moving, resized)], i64),
        roi=[round(d.real(0, 0.4), 2) if moves else 0 for moves in moving] +
            [round(d.real(0.6, 1), 2) if moves else 1 for moves in moving])
    return {"X": shape}


def resize_roi(d):
    if d.memory["way"] != "tf_crop_and_resize":
        return None
    return convert(np.array(d.memory["roi"]), d.types["T2"])


def keep_aspect(d):
    return None if d.memory["by_scale"] or d.memory["axes"] is None else \
        d.one_of("stretch", "not_larger", "not_smaller", None)


def boxes(d):
    """Corners; some of the boxes overlap much."""
    shape = d.shapes["boxes"]
    corner = np.round(d.np.uniform(0, 1, shape[:2] + [2]), 2)
    extent = np.round(d.np.uniform(0.1, 0.6, shape[:2] + [2]), 2)
    both = [corner, extent] if d.attributes.get("center_point_box") else [corner, corner + extent]
    return np.concatenate(both, -1).astype(np.float32)


def nms_shapes(d):
    batch, count = d.integer(1, 2), d.integer(1, 8)
    return {"boxes": [batch, count, 4], "scores": [batch, d.integer(1, 3), count]}


def distinct_scores(d):
    shape = d.shapes["scores"]
    return (d.np.permutation(int(np.prod(shape))) / np.prod(shape)).reshape(shape).astype(
        np.float32)


def number(dtype, *choices):
    return lambda d: np.full([1] if d.chance(0.3) else [], d.one_of(*choices), numpy_type(dtype)) \
        if d.chance(0.8) else None


def roi_shapes(d):
    count = d.integer(0, 3)
    return {"X": [d.integer(1, 2), d.integer(1, 3), d.integer(2, 7), d.integer(2, 7)],
            "rois": [count, 4], "batch_indices": [count]}


def regions(d):
    corner = d.np.uniform(0, 4, [d.shapes["rois"][0], 2])
    return convert(np.concatenate([corner, corner + d.np.uniform(0.5, 4, corner.shape)], -1),
                   d.types["T1"])


def not_interpolated(d):
    """Complex elements are only picked."""
    if d.types["T1"] in (*COMPLEX, "bool") and d.memory["mode"] != "nearest":
        raise NotDrawn


# With a policy about the aspect ratio sizes depend on quotients of others.
RESIZED = {"X": range(2, 5)}

IMAGES = {
    "AffineGrid": product(affine_shapes, inputs={"size": affine_size}, constant=("size",),
                          attributes={"align_corners": (0, 1, None)}, values=finite),
    "GridSample": Row(
        single=True, close=20, sums=BIG, shapes=grid_shapes, inputs={
            "grid": lambda d, dtype, shape: within(-1.3, 1.3)(d, dtype, shape), "X": finite},
        attributes={"align_corners": (0, 1, None),
                    "padding_mode": ("zeros", "border", "reflection", None),
                    "mode": sample_mode}),
    "NonMaxSuppression": Row(shapes=nms_shapes, inputs={
        "boxes": boxes, "scores": distinct_scores,
        "max_output_boxes_per_class": number("i64", 0, 1, 2, 3, 100),
        "iou_threshold": number("f32", 0, 0.3, 0.5, 0.9),
        "score_threshold": number("f32", 0, 0.2, 0.6)}, attributes={
        "center_point_box": (0, 1, None)}),
    "Resize": Row(
        fixed=RESIZED, check=not_interpolated, single=True, steps=1, close=20, sums=BIG, shapes=resize_shapes, values=finite,
        constant=("roi", "scales", "sizes"),
        inputs={"roi": resize_roi, "scales": stored("scales"), "sizes": stored("sizes")},
        attributes={"mode": stored("mode"), "axes": stored("axes"), "antialias": lambda d: d.one_of(
            0, None, 1) if d.memory["mode"] != "nearest" else d.one_of(0, None),
            "coordinate_transformation_mode": stored("way"), "cubic_coeff_a": (None, -0.5),
            "exclude_outside": lambda d: d.one_of(0, 1, None) if d.memory["mode"] == "cubic"
            else d.one_of(0, None), "extrapolation_value": (None, 1.5),
            "keep_aspect_ratio_policy": keep_aspect,
            "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", None)}),
    "RoiAlign": Row(close=20, sums=BIG, shapes=roi_shapes, values=finite, inputs={
        "rois": regions, "batch_indices": lambda d: d.np.integers(
            0, d.shapes["X"][0], d.shapes["batch_indices"])}, attributes={
        "output_height": (1, 2, 3, None), "output_width": (1, 2, 3, None),
        "sampling_ratio": (0, 1, 2, None), "spatial_scale": (1.0, 0.5, None),
        "mode": ("avg", "max", None),
        "coordinate_transformation_mode": ("half_pixel", "output_half_pixel", None)}),
}


# ---- losses, signals, generators ------------------------------------------------------------------

def loss_shapes(d):
    batch, classes, rest = d.integer(1, 4), d.integer(1, 5), d.shape(0, 2, 1)
    d.memory["classes"] = classes
    scores, labels = [batch, classes] + rest, [batch] + rest
    return {"input": scores, "scores": scores, "target": labels, "labels": labels,
            "weight": [classes], "weights": [classes]}


def labels(name):
    def draw(d):
        array = d.np.integers(0, d.memory["classes"], d.shapes[name])
        ignored = d.attributes.get("ignore_index")
        return array if ignored is None else np.where(d.np.random(array.shape) < 0.3, ignored, array)
    return draw


LOSS = {"reduction": ("none", "mean", "sum", None), "ignore_index": (None, None, 0, -1, -100)}


def dft_shapes(d):
    shape = d.shape(1, 3, 1)
    real_ = d.chance(0.6)
    d.memory["axis"] = axis = d.integer(0, len(shape) - 1)
    one = d.chance(0.4)
    inverse = d.chance(0.3)
    if one:
        real_ = not inverse
    d.memory.update(onesided=int(one), inverse=int(inverse), length=d.integer(1, 2 * shape[axis])
                    if d.chance(0.5) else None)
    shape.append(1 if real_ else 2)
    return {"input": shape}


def dft_axis(d):
    rank = len(d.shapes["input"])
    axis = d.memory["axis"]
    if axis == rank - 2 and d.chance(0.5):
        return None
    return np.array(axis - rank * d.chance(0.3), i64)


def stft_shapes(d):
    frame = d.integer(1, 8)
    one = d.one_of(0, 1, None)
    real_ = one != 0 or d.chance(0.5)
    windowed = d.chance(0.6)
    d.memory.update(frame=frame, onesided=one, windowed=windowed)
    return {"signal": [d.integer(1, 2), frame + d.integer(0, 12), 1 if real_ else 2],
            "window": [frame]}


def frame_length(d):
    given = not d.memory["windowed"] or d.chance(0.5)
    return np.array(d.memory["frame"], i64) if given else None


def window_function():
    return Row(close=4, sums=BIG, shapes=lambda d: {}, constant=("size",), inputs={
        "size": lambda d: np.array(d.integer(1, 12), i64)}, attributes={
        "periodic": (0, 1, None), "output_datatype": lambda d: element(d.types["T2"])},
        dtypes={"T2": FLOATS})


def range_inputs(d):
    """Draws start, and leaves limit and delta."""
    dtype = d.types["T"]
    delta = d.one_of(1, 2, 3, -1, -2, 5) if dtype in INTEGERS else d.one_of(1, 0.5, -0.25, 2.0, 3)
    start = d.integer(-5, 5)
    d.memory["limit"] = convert(np.array(start + delta * d.integer(-1, 9) + d.one_of(0, 0, 1)),
                                dtype)
    d.memory["delta"] = convert(np.array(delta), dtype)
    return convert(np.array(start), dtype)


def mel(name, lo, hi):
    return lambda d: convert(np.array(d.integer(lo, hi)), d.types[name])


def tfidf_pool(d):
    """Grams of one and of two numbers."""
    ones, twos = d.integer(1, 3), d.integer(0, 3)
    pool = d.rng.sample(range(6), ones)
    pairs = d.rng.sample([(a, b) for a in range(6) for b in range(6)], twos)
    pool += [number for pair in pairs for number in pair]
    d.memory.update(pool_int64s=pool, ngram_counts=[0, ones], ngram_indexes=d.rng.sample(
        range(ones + twos), ones + twos), max_skip_count=d.integer(0, 2))
    return {"X": d.one_of([d.integer(1, 8)], [d.integer(1, 3), d.integer(1, 8)])}


SIGNALS = {
    "BlackmanWindow": window_function(),
    "DFT": Row(close=20, sums=1, shapes=dft_shapes, fixed={"input": (-1,)}, inputs={
        "dft_length": lambda d: None if d.memory["length"] is None
        else np.array(d.memory["length"], i64), "axis": dft_axis}, constant=("dft_length", "axis"),
        attributes={"inverse": stored("inverse"), "onesided": stored("onesided")}, values=finite),
    "HammingWindow": window_function(),
    "HannWindow": window_function(),
    "MelWeightMatrix": Row(
        close=10, sums=BIG, shapes=lambda d: {}, dtypes={"T3": FLOATS, "T2": ("f32",)}, inputs={
            "num_mel_bins": mel("T1", 1, 8), "dft_length": mel("T1", 8, 32),
            "sample_rate": mel("T1", 4000, 16000), "lower_edge_hertz": mel("T2", 0, 500),
            "upper_edge_hertz": mel("T2", 1000, 2000)},
        constant=("num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz",
                  "upper_edge_hertz"),
        attributes={"output_datatype": lambda d: element(d.types["T3"])}),
    "NegativeLogLikelihoodLoss": product(loss_shapes, inputs={
        "target": labels("target"), "weight": maybe(lambda d: positive(
            d, d.types["T"], d.shapes["weight"]))}, attributes=LOSS, values=finite),
    "Range": Row(shapes=lambda d: {}, inputs={"start": range_inputs, "limit": stored("limit"),
                                              "delta": stored("delta")},
                 constant=("start", "limit", "delta")),
    "STFT": product(stft_shapes, fixed={"signal": (-1,)}, inputs={
        "frame_step": lambda d: np.array(d.integer(1, 4), i64), "frame_length": frame_length,
        "window": lambda d, dtype, shape: finite(d, dtype, shape) if d.memory["windowed"] else None},
        constant=("frame_step", "frame_length"), attributes={"onesided": stored("onesided")},
        values=finite),
    "SoftmaxCrossEntropyLoss": product(loss_shapes, inputs={
        "labels": labels("labels"), "weights": maybe(lambda d: positive(
            d, d.types["T"], d.shapes["weights"]))}, attributes=LOSS, values=finite),
    "TfIdfVectorizer": Row(
        shapes=tfidf_pool, dtypes={"T": ("i32", "i64")},
        inputs={"X": lambda d: integers(d, d.types["T"], d.shapes["X"], 0, 6)},
        attributes={"mode": ("TF", "IDF", "TFIDF"), "max_gram_length": (2,),
                    "min_gram_length": (1, 2), "weights": lambda d: d.one_of(None, [
                        round(d.real(0.5, 2), 2) for _ in d.memory["ngram_indexes"]]),
                    **{name: stored(name) for name in ("pool_int64s", "ngram_counts",
                                                       "ngram_indexes", "max_skip_count")}}),
}


def random_like(**more):
    return Row(random=True, attributes={"dtype": lambda d: element(d.types["T2"]), "seed": (
        None, 1.5), **more})


def random_shape(**more):
    return Row(random=True, shapes=lambda d: {}, attributes={
        "dtype": lambda d: element(d.types["T"]), "seed": (None, 1.5),
        "shape": lambda d: d.shape(0, 4), **more})


NORMAL = {"mean": (None, 2.0), "scale": (None, 0.5)}
UNIFORM = {"low": (None, -1.0), "high": (None, 3.0)}

def drops_nothing(d):
    """No training, or training that drops with probability 0."""
    ratio = d.given("ratio")
    return np.array(ratio is not None and ratio == 0) if d.chance(0.6) else None


RANDOM = {
    "Bernoulli": Row(random=True, values=within(0, 1), attributes={
        "dtype": lambda d: element(d.types["T2"]), "seed": (None, 1.5)}),
    "Dropout": Row(inputs={"ratio": maybe(lambda d: convert(np.array(d.one_of(0, 0.3)), d.types["T1"])),
                           "training_mode": drops_nothing},
                   constant=("training_mode",), attributes={"seed": (None, 1)},
                   dtypes={"T": FLOATS, "T1": FLOATS}),
    "Multinomial": Row(random=True, shapes=same(2, 2, 1), values=finite, attributes={
        "dtype": lambda d: element(d.types["T2"]), "seed": (None, 1.5),
        "sample_size": (1, 5, None)}),
    "RandomNormal": random_shape(**NORMAL),
    "RandomNormalLike": random_like(**NORMAL),
    "RandomUniform": random_shape(**UNIFORM),
    "RandomUniformLike": random_like(**UNIFORM),
}


# ---- subgraphs, sequences and optionals: several nodes each ----------------------------------------

def some_tensor(d, dtypes=None, lo=0, hi=3):
    dtype = d.one_of(*(dtypes or ("f32", "f64", "i64", "i32", "u8", "bool", "f16")))
    return moderate(d, dtype, d.shape(lo, hi, 1))


def info(name, array, dims=None):
    return helper.make_tensor_value_info(name, element(dtype_of(array)),
                                         list(array.shape) if dims is None else dims)


def draw_if(d):
    """Branches that compute on outer values; one of them may return a constant."""
    x = some_tensor(d, FLOATS[:1])
    outer = d.feed(x)
    graphs = []
    for branch in ("then", "else"):
        operator = d.one_of("Abs", "Neg", "Identity", "Relu")
        result = f"{branch}_y"
        graphs.append(helper.make_graph([helper.make_node(operator, [outer], [result])], branch,
                                        [], [info(result, x)]))
    condition = d.feed(np.array(d.chance(0.5)).reshape([1] if d.chance(0.2) else []))
    d.node("If", [condition], ["y0"], then_branch=graphs[0], else_branch=graphs[1])
    d.result("y0")


def draw_loop(d):
    """Sums, with a scan output; it ends by its count or by its condition."""
    x = some_tensor(d, FLOATS[:1])
    trips, stop = d.integer(0, 4), d.integer(0, 5)
    step = d.feed(moderate(d, "f32", list(x.shape)))
    limit = d.feed(np.array(stop, i64))
    scalar_bool = np.array(True)
    body = helper.make_graph(
        [helper.make_node("Add", ["state", step], ["state_out"]),
         helper.make_node("Less", ["i", limit], ["go_on"]),
         helper.make_node("Mul", ["state_out", "state"], ["scan"])], "body",
        [info("i", np.array(0, i64)), info("go", scalar_bool), info("state", x)],
        [info("go_on", scalar_bool), info("state_out", x), info("scan", x)])
    condition = d.feed(np.array(d.chance(0.85))) if d.chance(0.5) else ""
    d.node("Loop", [d.feed(np.array(trips, i64), constant=True), condition, d.feed(x)],
           ["y0", "y1"], body=body)
    d.result("y0", "y1")


def draw_scan(d):
    """A running sum over an axis in either direction, stacked along an axis."""
    x = some_tensor(d, FLOATS[:1], 1, 3)
    axis = d.axis(x.ndim)
    slice_ = np.take(x, 0, axis)
    out_axis = d.integer(-x.ndim, x.ndim - 1)
    body = helper.make_graph(
        [helper.make_node("Add", ["state", "item"], ["next"]),
         helper.make_node("Identity", ["next"], ["scan"])], "body",
        [info("state", slice_), info("item", slice_)], [info("next", slice_), info("scan", slice_)])
    d.node("Scan", [d.feed(moderate(d, "f32", list(slice_.shape))), d.feed(x)], ["y0", "y1"],
           body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[out_axis],
           scan_input_directions=[d.integer(0, 1)], scan_output_directions=[d.integer(0, 1)])
    d.result("y0", "y1")


def sequence_of(d, least=1):
    """A sequence of tensors of one type; its name and length."""
    dtype = d.one_of("f32", "f64", "i64", "u8", "bool", "f16")
    shape = d.shape(1, 3, 1)
    count = d.integer(least, 4)
    d.memory["tensor"] = lambda: anything(d, dtype, shape)
    parts = [d.feed(anything(d, dtype, shape)) for _ in range(count)]
    return d.node("SequenceConstruct", parts, ["s"]), count


def position(d, count, optional=True):
    if optional and d.chance(0.3):
        return ""
    return d.feed(np.array(d.integer(-count, count - 1), d.one_of(i64, np.int32)), constant=True)


def show_sequence(d, name, count):
    """Sequences are no outputs: their length and one of their tensors are."""
    d.node("SequenceLength", [name], ["y0"])
    d.result("y0")
    if count:
        d.node("SequenceAt", [name, position(d, count, False)], ["y1"])
        d.result("y1")


def draw_sequence(d):
    operator = d.operator
    if operator == "SequenceEmpty":
        d.node("SequenceEmpty", [], ["s"], dtype=d.one_of(None, element("f32")))
        d.node("SequenceInsert", ["s", d.feed(moderate(d, "f32", d.shape(0, 3)))], ["t"])
        return show_sequence(d, "t", 1)
    name, count = sequence_of(d, 1)
    if operator == "SequenceInsert":
        inputs = [name, d.feed(d.memory["tensor"]()), position(d, count)]
        name, count = d.node(operator, [i for i in inputs if i], ["t"]), count + 1
    if operator == "SequenceErase":
        inputs = [name, position(d, count)]
        name, count = d.node(operator, [i for i in inputs if i], ["t"]), count - 1
    if operator == "ConcatFromSequence":
        rank = d.feeds[0].array.ndim
        stacked = d.integer(0, 1)
        d.node(operator, [name], ["y0"], axis=d.integer(-rank, rank - 1), new_axis=stacked)
        return d.result("y0")
    return show_sequence(d, name, count)


def draw_split_to_sequence(d):
    x = some_tensor(d, None, 1, 3)
    axis = d.axis(x.ndim)
    size = x.shape[axis]
    parts, split = size, ""
    if d.chance(0.6):
        cut = d.integer(1, size)
        if d.chance(0.5):
            split, parts = np.array(cut, i64), -(-size // cut)
        else:
            split = np.array([cut] + [size - cut] * (cut < size), i64)
            parts = len(split)
        split = d.feed(split, constant=True)
    d.node("SplitToSequence", [d.feed(x, formal="input")] + [split] * (split != ""), ["s"], axis=axis,
           keepdims=d.one_of(0, 1, None))
    show_sequence(d, "s", parts)


def draw_optional(d):
    d.node("Optional", [d.feed(some_tensor(d))], ["o"])
    d.node("OptionalHasElement", ["o"], ["y0"])
    d.node("OptionalGetElement", ["o"], ["y1"])
    d.result("y0", "y1")


def draw_simplified_norm(d):
    """ONNX Runtime's name for RMSNormalization."""
    dtype = d.one_of("f32", "f64", "f16")
    x = finite(d, dtype, d.shape(1, 4, 1))
    axis = d.axis(x.ndim)
    scale = finite(d, dtype, list(x.shape[axis:]))
    d.node("SimplifiedLayerNormalization", [d.feed(x), d.feed(scale)], ["y0"], axis=axis,
           epsilon=d.one_of(None, 1e-3), stash_type=1)
    d.result("y0")


def draw_sequence_map(d):
    """A body that combines each tensor of a sequence with an outer one."""
    shape = d.shape(1, 3, 1)
    parts = [d.feed(moderate(d, "f32", shape)) for _ in range(d.integer(1, 4))]
    d.node("SequenceConstruct", parts, ["s"])
    outer, operator = moderate(d, "f32", shape), d.one_of("Add", "Mul", "Sub")
    more = [d.feed(outer)]
    body = helper.make_graph([helper.make_node(operator, ["item", "other"], ["mapped"])], "body",
                             [info("item", outer), info("other", outer)], [info("mapped", outer)])
    d.node("SequenceMap", ["s", *more], ["t"], body=body)
    show_sequence(d, "t", len(parts))


def png(pixels):
    """As rows without a filter."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0,
                                                              0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def ppm(pixels):
    height, width, _ = pixels.shape
    return f"P6\n{width} {height}\n255\n".encode() + pixels.tobytes()


def bmp(pixels):
    """24 bits a pixel, the last row first, rows of whole words."""
    height, width, _ = pixels.shape
    padding = b"\0" * (-3 * width % 4)
    rows = b"".join(row[:, ::-1].tobytes() + padding for row in pixels[::-1])
    return (b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) +
            struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows)


def draw_image(d):
    """A picture in a format without loss; grey ones also as such."""
    height, width = d.integer(1, 9), d.integer(1, 9)
    pixels = d.np.integers(0, 256, [height, width, 3], np.uint8)
    order = d.one_of("RGB", "BGR", "Grayscale", None)
    if order == "Grayscale":
        pixels[:] = pixels[:, :, :1]
    encoded = d.one_of(png, ppm, bmp)(np.ascontiguousarray(pixels))
    d.node("ImageDecoder", [d.feed(np.frombuffer(encoded, np.uint8), constant=True)], ["y0"],
           pixel_format=order)
    d.result("y0")
    d.made = [{"BGR": pixels[:, :, ::-1], "Grayscale": pixels[:, :, :1]}.get(order, pixels)]


STRUCTURE = {
    "ConcatFromSequence": Row(build=draw_sequence),
    "If": Row(build=draw_if),
    "ImageDecoder": Row(build=draw_image),
    "Loop": Row(build=draw_loop, close=1),
    "Optional": Row(build=draw_optional),
    "OptionalGetElement": Row(build=draw_optional),
    "OptionalHasElement": Row(build=draw_optional),
    "Scan": Row(build=draw_scan, close=1, sums=BIG),
    "SequenceAt": Row(build=draw_sequence),
    "SequenceConstruct": Row(build=draw_sequence),
    "SequenceEmpty": Row(build=draw_sequence),
    "SequenceErase": Row(build=draw_sequence),
    "SequenceInsert": Row(build=draw_sequence),
    "SequenceLength": Row(build=draw_sequence),
    "SimplifiedLayerNormalization": Row(build=draw_simplified_norm, close=4, sums=BIG),
    "SequenceMap": Row(build=draw_sequence_map),
    "SplitToSequence": Row(build=draw_split_to_sequence, fixed={"input": range(3)}),
}

ROWS = {**ELEMENTWISE, **MOVEMENT, **REDUCTION, **NORMS, **PRODUCTS, **WINDOWS, **QUANTIZATION,
        **RECURRENT, **ATTENTION, **IMAGES, **SIGNALS, **RANDOM, **STRUCTURE}
