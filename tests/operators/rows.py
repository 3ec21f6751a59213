"""What a schema does not say about each operator: one row an operator."""
import numpy as np

from drawing import (
    COMPLEX, FLOATS, INTEGERS, MAX_RANK, NotDrawn, Row, anything, broadcast, broken, convert,
    element, finite, integer_range, integers, is_float, moderate, nonzero, or_rare, positive, same,
    unit, within)

i64 = np.int64
BIG = 1e-4  # with `close`: sums may cancel


# ---- choices --------------------------------------------------------------------------------------

def scalar(values=None, *choices):
    """An input of rank 0."""
    if choices:
        return lambda d: np.array(d.one_of(*choices), values)
    return lambda d, dtype, _: (values or anything)(d, dtype, [])


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
    return (or_rare(within(-3, 3), 0.0, -0.0, 0.5, 2.0, np.inf, -np.inf, np.nan)
            if dtype in FLOATS else within(0, 3))(d, dtype, shape)


def base(d, dtype, shape):
    return (or_rare(positive, 0.0, -0.0, -2.0, 1.0, np.inf, -np.inf, np.nan)
            if dtype in FLOATS else within(-4, 4))(d, dtype, shape)


def convertible(d, dtype, shape, to):
    """Numbers that the target type has a value for, where others are not defined."""
    if to not in INTEGERS or dtype not in (*FLOATS, "f8e4m3fn", "f8e4m3fnuz", "f8e5m2",
                                           "f8e5m2fnuz", "f4e2m1", "f8e8m0"):
        return anything(d, dtype, shape)
    lo, hi = integer_range(to)
    return within(max(lo, -200), min(hi, 200))(d, dtype, shape)


def cast_input(d):
    return convertible(d, d.types["T1"], d.shapes["input"], d.types["T2"])


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
    "Cast": Row(inputs={"input": cast_input}, check=not_complex("T1", "T2"), attributes={
        "to": lambda d: element(d.types["T2"]), "saturate": (0, 1, None), "round_mode": ()}),
    "CastLike": Row(inputs={"input": cast_input}, check=not_complex("T1", "T2"), attributes={
        "saturate": (0, 1, None), "round_mode": ()}),
    "Ceil": Row(),
    "Celu": close(),
    "Clip": Row(inputs={"min": scalar(), "max": scalar()}),
    "Cos": close(),
    "Cosh": close(values=or_rare(within(-20, 20), np.nan, np.inf, -np.inf)),
    "Div": Row(shapes=broadcast(), inputs={"A": dividend, "B": divisor}),
    "Elu": close(),
    "Equal": Row(shapes=broadcast()),
    "Erf": close(),
    "Exp": close(values=or_rare(within(-20, 20), np.nan, np.inf, -np.inf, 1000.0, -1000.0)),
    "Floor": Row(),
    "Gelu": close(values=or_rare(within(-9, 9), np.nan, np.inf, -0.0),
                  attributes={"approximate": ("none", "tanh", None)}),
    "Greater": Row(shapes=broadcast()),
    "GreaterOrEqual": Row(shapes=broadcast()),
    "HardSigmoid": close(values=or_rare(within(-9, 9), np.nan, np.inf, -np.inf)),
    "HardSwish": close(values=or_rare(within(-9, 9), np.nan, np.inf, -0.0)),
    "Identity": Row(),
    "IsInf": Row(attributes={"detect_negative": (0, 1, None), "detect_positive": (0, 1, None)}),
    "IsNaN": Row(),
    "LeakyRelu": close(),
    "Less": Row(shapes=broadcast()),
    "LessOrEqual": Row(shapes=broadcast()),
    "Log": close(values=or_rare(within(0.001, 90), np.nan, np.inf, 0.0, -1.0)),
    "Max": Row(shapes=broadcast(), signs=False),
    "Mean": close(shapes=broadcast()),
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
    "Selu": close(),
    "Shrink": close(attributes={"bias": real(-2, 2), "lambd": real(0, 2)}, values=moderate),
    "Sigmoid": close(),
    "Sign": Row(signs=False),
    "Sin": close(),
    "Sinh": close(values=or_rare(within(-20, 20), np.nan, np.inf, -0.0)),
    "Softplus": close(),
    "Softsign": close(),
    "Sqrt": Row(),
    "Sub": Row(shapes=broadcast()),
    "Sum": Row(shapes=broadcast()),
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


def reshape_target(d):
    shape = list(d.shapes["data"])
    total = int(np.prod(shape))
    d.memory["allowzero"] = None
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
    return convert(np.full([1] if d.chance(0.5) else [], d.memory["depth"]), d.types["T2"])


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
    "GatherND": Row(shapes=nd_shapes, inputs={"indices": nd_indices},
                    attributes={"batch_dims": stored("batch_dims")}),
    "NonZero": Row(shapes=same(1)),
    "OneHot": Row(shapes=onehot_shapes, attributes=AXIS, constant=("depth",),
                  inputs={"indices": onehot_indices, "depth": onehot_depth}),
    "Pad": Row(shapes=pad_shapes, constant=("pads", "axes"), attributes={"mode": stored("mode")},
               inputs={"pads": stored("pads"), "axes": stored("axes"),
                       "constant_value": constant_value}),
    "Reshape": Row(inputs={"shape": reshape_target}, constant=("shape",),
                   attributes={"allowzero": ()}),
    "ReverseSequence": Row(shapes=reverse_shapes, inputs={"sequence_lens": reverse_lengths},
                           attributes={"time_axis": stored("time_axis"),
                                       "batch_axis": stored("batch_axis")}),
    "ScatterElements": Row(shapes=elements_shapes, inputs={"indices": scatter_indices}, signs=False,
                           attributes={"reduction": REDUCTIONS, **AXIS}),
    "ScatterND": Row(shapes=nd_shapes, inputs={"indices": nd_indices}, signs=False,
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
    "Unique": Row(shapes=unique_shapes, values=few, attributes={"sorted": (0, 1, None), **AXIS}),
    "Unsqueeze": Row(shapes=same(0, 4), inputs={"axes": unsqueeze_axes}, constant=("axes",)),
}

ROWS = {**ELEMENTWISE, **MOVEMENT}
