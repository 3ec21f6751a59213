"""Quantised and low-bit operators, ONNX's own and those of ONNX Runtime.

Results that are integers must be ONNX Runtime's, bit for bit.
"""
import ml_dtypes
import numpy as np

import peer
from peer import Draw, maybe, normal, pick

BYTES = (np.uint8, np.int8)
# Signs of the two factors of a product that ONNX Runtime has.
SIGNS = ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8))
ALL_SIGNS = (*SIGNS, (np.int8, np.uint8))
SCALES = (0.5, 0.25, 0.1, 0.02, 0.0137, 1.0)


# ---- what draws are made of ----------------------------------------------------------------------

def chance(random, probability=0.5):
    return random.random() < probability


def limits(dtype):
    info = ml_dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def integers(random, dtype, *shape):
    low, high = limits(dtype)
    return np.asarray(random.integers(low, high + 1, size=shape)).astype(dtype)


def scale(random, *shape):
    some = random.uniform(0.001, 1, size=shape) if chance(random) else random.choice(SCALES, shape)
    return np.asarray(some, dtype=np.float32)


def number(random):
    """The shape of a single number."""
    return pick(random, (), (1,))


def tensor(random, dtype, *shape, optional=True):
    """Data, scale and zero point."""
    zero = integers(random, dtype, *number(random))
    return [integers(random, dtype, *shape), scale(random, *number(random)),
            None if optional and chance(random, 0.3) else zero]


def result(random, dtype, optional=True):
    """Scale and zero point of a result."""
    return tensor(random, dtype, optional=optional)[1:]


def plain(op, *data):
    """What ONNX Runtime computes where it wants scalars, and zero points that the standard lets one
    leave out. `data`: the inputs that are not single numbers."""
    def expected(*inputs, **attributes):
        dtype = next(x.dtype for x in inputs if x is not None and x.dtype in BYTES)
        inputs = [np.zeros((), dtype) if x is None else x if i in data else x.reshape(())
                  for i, x in enumerate(inputs)]
        return peer.run_peer(*peer.build([Draw(op, inputs, attributes)]))
    return expected


def shape_of(random, low, high, most=6):
    return [int(n) for n in random.integers(1, most, size=random.integers(low, high + 1))]


def weights(random, *positions):
    """Which inputs are constants: these, or none."""
    return positions if chance(random, 0.7) else ()


def open_sizes(random, x, *axes):
    """Sizes of input 0 that are left open, in some draws."""
    some = chance(random, 0.3)
    return {(0, axis): f"size{axis}" for axis in axes if some and axis < x.ndim}


# ---- elementwise ---------------------------------------------------------------------------------

def broadcast_pair(random):
    shape = shape_of(random, 0, 4)
    other = [1 if chance(random, 0.3) else n for n in shape]
    cut = random.integers(len(shape) + 1)
    pair = (shape, other[cut:]) if chance(random) else (other[cut:], shape)
    return pair


def binary(op):
    def draw(random):
        dtype = pick(random, *BYTES)
        a, b = broadcast_pair(random)
        inputs = tensor(random, dtype, *a) + tensor(random, dtype, *b) + result(random, dtype)
        return Draw(op, inputs, constant=weights(random, 1, 4, 6), expected=plain(op, 0, 3))
    return draw


def where(random):
    dtype = pick(random, *BYTES)
    a, b = broadcast_pair(random)
    inputs = [random.integers(0, 2, size=pick(random, a, b)).astype(bool),
              *tensor(random, dtype, *a, optional=False),
              *tensor(random, dtype, *b, optional=False),
              *result(random, dtype, optional=False)]
    return Draw("QLinearWhere", inputs, constant=weights(random, 2, 3, 5, 6, 7, 8),
                symbols=open_sizes(random, inputs[0], 0))


def unary(op, attributes=lambda random: {}):
    def draw(random):
        dtype = pick(random, *BYTES)
        inputs = tensor(random, dtype, *shape_of(random, 0, 3, most=12)) + result(random, dtype)
        return Draw(op, inputs, attributes(random), constant=weights(random, 1, 2, 3, 4))
    return draw


def alpha(random):
    return pick(random, {}, {"alpha": float(random.normal())})


def mul_integer(random):
    dtype = pick(random, *BYTES)
    (a, _, a_zero), (b, _, b_zero) = (tensor(random, dtype, *shape)
                                      for shape in broadcast_pair(random))

    def expected(a, a_zero, b, b_zero):  # ONNX Runtime has the schema only
        a, b = (x.astype(np.int32) - (0 if zero is None else zero.astype(np.int32).item())
                for x, zero in ((a, a_zero), (b, b_zero)))
        return [a * b]
    return Draw("MulInteger", [a, a_zero, b, b_zero], expected=expected)


def reduce_mean(random):
    dtype = pick(random, *BYTES)
    shape = shape_of(random, 1, 4)
    axes = [int(axis) for axis in range(-len(shape), 0) if chance(random)]
    keep = int(random.integers(2))

    def expected(x, x_scale, x_zero, y_scale, y_zero, axes=None, keepdims=1):  # likewise
        x_zero, y_zero = (0 if zero is None else int(zero.item()) for zero in (x_zero, y_zero))
        x = (x.astype(np.int32) - x_zero).astype(np.float32) * x_scale.reshape(())
        axes = tuple(range(-x.ndim, 0) if axes is None else axes)
        y = x.mean(axis=axes, keepdims=keepdims, dtype=np.float64).astype(np.float32)
        y = np.rint(y / y_scale.reshape(())) + np.float32(y_zero)
        return [np.clip(y, *limits(dtype)).astype(dtype)]
    attributes = {"keepdims": keep} | ({"axes": axes} if axes else {})
    return Draw("QLinearReduceMean", tensor(random, dtype, *shape) + result(random, dtype),
                attributes, expected=expected)


def softmax(random):
    dtype = pick(random, *BYTES)
    shape = shape_of(random, 1, 4, most=20)
    x, x_scale, x_zero = tensor(random, dtype, *shape)
    if chance(random):  # narrow rows, where more than one result is not 0
        x = (x // 8).astype(dtype)
    # Steps that tell results apart; zero points at which they do not saturate.
    y_scale = pick(random, np.float32(1 / 256), scale(random))
    attributes = {"opset": pick(random, 1, 11, 12, 13, 14)}
    if chance(random):
        attributes["axis"] = int(random.integers(-len(shape), len(shape)))
    y_zero = pick(random, np.array(limits(dtype)[0], dtype), integers(random, dtype))
    return Draw("QLinearSoftmax", [x, x_scale, x_zero, np.asarray(y_scale), y_zero], attributes,
                constant=weights(random, 1, 2, 3, 4),
                symbols=open_sizes(random, x, 0, 1))


def concat(random):
    dtype = pick(random, *BYTES)
    shape = shape_of(random, 1, 4)
    axis = int(random.integers(len(shape)))
    inputs = result(random, dtype, optional=False)
    for _ in range(random.integers(1, 4)):
        shape[axis] = int(random.integers(1, 5))
        inputs += tensor(random, dtype, *shape, optional=False)
    if chance(random, 0.3):  # a part that has the scale of the result
        inputs[3:5] = inputs[0:2]
    return Draw("QLinearConcat", inputs, {"axis": axis - pick(random, 0, len(shape))},
                constant=weights(random, 0, 1))


# ---- windows -------------------------------------------------------------------------------------

def window(random, spatial, names):
    """Attributes of a window over axes of these sizes, most of them present at random."""
    kernel = [int(random.integers(1, min(n, 3) + 1)) for n in spatial]
    some = {"kernel_shape": kernel}
    if "strides" in names and chance(random):
        some["strides"] = [int(n) for n in random.integers(1, 4, size=len(spatial))]
    if "dilations" in names and chance(random, 0.3):
        some["dilations"] = [1 if (k - 1) * 2 >= n else 2 for k, n in zip(kernel, spatial)]
    padding = pick(random, "NOTSET", "pads", "VALID", "SAME_UPPER", "SAME_LOWER")
    if padding == "pads":
        some["pads"] = [int(random.integers(0, k)) for k in kernel + kernel]
    elif padding != "NOTSET":
        some["auto_pad"] = padding
        some.pop("dilations", None)
        if "strides" in some:  # longer steps than windows would make the padding negative
            some["strides"] = [min(pair) for pair in zip(some["strides"], kernel)]
    if "ceil_mode" in names:
        some["ceil_mode"] = int(chance(random, 0.4))
    return some


def image(random, rank=None, most=9):
    """Batch, channels and spatial sizes."""
    rank = rank or int(random.integers(1, 4))
    return (int(random.integers(1, 3)), int(random.integers(1, 5)),
            [int(n) for n in random.integers(3, most, size=rank)])


def placed(batch, channels, spatial, last):
    return [batch, *spatial, channels] if last else [batch, channels, *spatial]


def average(random):
    dtype = pick(random, *BYTES)
    batch, channels, spatial = image(random)
    last = chance(random)
    attributes = window(random, spatial, ("strides", "ceil_mode"))
    attributes |= {"channels_last": int(last), "count_include_pad": int(chance(random))}
    inputs = tensor(random, dtype, *placed(batch, channels, spatial, last))
    return Draw("QLinearAveragePool", inputs + result(random, dtype), attributes,
                constant=weights(random, 1, 2, 3, 4), expected=plain("QLinearAveragePool", 0),
                symbols=open_sizes(random, inputs[0], 0, 2))


def global_average(random):
    dtype = pick(random, *BYTES)
    last = chance(random)
    inputs = tensor(random, dtype, *placed(*image(random), last), optional=False)
    return Draw("QLinearGlobalAveragePool", inputs + result(random, dtype, optional=False),
                {"channels_last": int(last)}, constant=weights(random, 1, 2, 3, 4),
                symbols=open_sizes(random, inputs[0], 0, 2))


def nhwc_max_pool(random):
    batch, channels, spatial = image(random)
    data = integers(random, pick(random, *BYTES), *placed(batch, channels, spatial, True))
    attributes = window(random, spatial, ("strides", "dilations", "ceil_mode"))
    return Draw("NhwcMaxPool", [data], attributes,
                symbols=open_sizes(random, data, 0, 1))


def convolution(random, channels_last):
    """Data, weights and attributes of a convolution, without types."""
    batch, channels, spatial = image(random)
    group = pick(random, 1, 1, 2, channels)
    channels = channels if channels % group == 0 else group
    filters = group * int(random.integers(1, 4))
    attributes = window(random, spatial, ("strides", "dilations"))
    kernel = [filters, channels // group, *attributes["kernel_shape"]]
    if chance(random):
        del attributes["kernel_shape"]
    if group > 1 or chance(random):
        attributes["group"] = group
    return placed(batch, channels, spatial, channels_last), kernel, attributes


def exact_conv(x, w, x_zero=None, w_zero=None, **attributes):
    """ConvInteger by a float convolution, exact since the sums are below 2^24."""
    def centred(data, zero):
        zero = np.float32(0) if zero is None else zero.astype(np.float32)
        return data.astype(np.float32) - zero.reshape(-1, *[1] * (data.ndim - 1))
    x = centred(x, x_zero).reshape(x.shape)
    conv = Draw("Conv", [x, centred(w, w_zero)], attributes, domain="")
    return [y.astype(np.int32) for y in peer.run_peer(*peer.build([conv]))]


def conv_integer(random):
    x_type, w_type = pick(random, *ALL_SIGNS)
    x, w, attributes = convolution(random, False)
    inputs = [integers(random, x_type, *x), integers(random, w_type, *w),
              maybe(random, integers(random, x_type, *number(random))),
              maybe(random, integers(random, w_type, *pick(random, (), (1,), (w[0],))))]
    # ONNX Runtime has one zero point for all filters.
    per_filter = inputs[3] is not None and inputs[3].size > 1
    return Draw("ConvInteger", inputs, attributes, domain="", constant=weights(random, 1, 3),
                expected=exact_conv if per_filter else None)


def qlinear_conv(domain):
    def draw(random):
        x_type, w_type = pick(random, *SIGNS)
        last = domain != "" and chance(random)
        x, w, attributes = convolution(random, last)
        if domain:
            attributes["channels_last"] = int(last)
        per_filter = pick(random, (), (1,), (w[0],))
        # The same for all filters unless they are u8, as ONNX Runtime asks.
        w_zero = np.full(per_filter, integers(random, w_type))
        bias = random.integers(-5000, 5000, size=w[0]).astype(np.int32)
        inputs = [*tensor(random, x_type, *x, optional=False), integers(random, w_type, *w),
                  scale(random, *per_filter), w_zero,
                  *result(random, x_type, optional=False), maybe(random, bias)]
        return Draw("QLinearConv", inputs, attributes, domain=domain,
                    constant=weights(random, 1, 2, 3, 4, 5, 6, 7, 8))
    return draw


# ---- products ------------------------------------------------------------------------------------

def matrices(random):
    """Shapes of two factors."""
    m, k, n = (int(x) for x in random.integers(1, 9, size=3))
    a, b = pick(random, ([], []), ([], []), ([3], []), ([2, 3], []), ([2], [2]), ([1], [3]))
    return [*a, m, k], [*b, k, n]


def per_column(random, b):
    return pick(random, (), (1,), (b[-1],)) if len(b) == 2 else pick(random, (), (1,))


def columns_zero(random, dtype, shape):
    return integers(random, dtype, *shape)


def matmul_integer(random):
    a_type, b_type = pick(random, *ALL_SIGNS)
    a, b = matrices(random)
    inputs = [integers(random, a_type, *a), integers(random, b_type, *b),
              maybe(random, integers(random, a_type, *number(random))),
              maybe(random, integers(random, b_type, *per_column(random, b)))]
    return Draw("MatMulInteger", inputs, domain="", constant=weights(random, 1, 3))


def matmul_integer16(random):
    a, b = matrices(random)
    inputs = [integers(random, np.int16, *a), integers(random, np.int16, *b)]
    return Draw("MatMulInteger16", inputs, constant=weights(random, 1))


def qlinear_matmul(random):
    a_type, b_type = pick(random, *SIGNS)
    a, b = matrices(random)
    columns = per_column(random, b)
    inputs = [*tensor(random, a_type, *a, optional=False), integers(random, b_type, *b),
              scale(random, *columns), integers(random, b_type, *columns),
              *result(random, a_type, optional=False)]
    return Draw("QLinearMatMul", inputs, domain="", constant=weights(random, 3, 4, 5))


def qgemm(random):
    a_type, b_type = pick(random, *SIGNS)
    m, k, n = (int(x) for x in random.integers(1, 9, size=3))
    flags = {name: int(random.integers(2)) for name in ("transA", "transB")}
    columns = pick(random, (), (1,), (n,))
    bias = pick(random, None, (), (1,), (n,), (1, n), (m, 1), (m, n))
    inputs = [*tensor(random, a_type, *([k, m] if flags["transA"] else [m, k]), optional=False),
              integers(random, b_type, *([n, k] if flags["transB"] else [k, n])),
              scale(random, *columns), integers(random, b_type, *columns),
              None if bias is None else random.integers(-5000, 5000, bias).astype(np.int32)]
    if chance(random, 0.7):
        inputs += result(random, a_type, optional=False)
    return Draw("QGemm", inputs, flags | alpha(random), constant=weights(random, 3, 4, 5, 6),
                symbols=open_sizes(random, inputs[0], 0))


def matmul_to_float(random):
    a_type, b_type = pick(random, *SIGNS)
    a, b = matrices(random)
    columns = per_column(random, b)
    inputs = [integers(random, a_type, *a), integers(random, b_type, *b),
              scale(random, *number(random)), scale(random, *columns),
              maybe(random, integers(random, a_type, *number(random))),
              maybe(random, integers(random, b_type, *columns)),
              maybe(random, normal(random, b[-1]))]
    return Draw("MatMulIntegerToFloat", inputs, constant=weights(random, 1, 3, 5, 6),
                symbols=open_sizes(random, inputs[0], 0))


def dynamic_matmul(random):
    b_type = pick(random, *BYTES)
    a, b = matrices(random)
    columns = per_column(random, b)
    inputs = [normal(random, *a) * 10, integers(random, b_type, *b), scale(random, *columns),
              maybe(random, integers(random, b_type, *columns)),
              maybe(random, normal(random, b[-1]))]
    return Draw("DynamicQuantizeMatMul", inputs, constant=weights(random, 1, 2, 3),
                symbols=open_sizes(random, inputs[0], 0))


def dynamic_lstm(random):
    steps, batch, size, hidden = (int(n) for n in random.integers(1, 7, size=4))
    direction = pick(random, "forward", "reverse", "bidirectional")
    ways = 2 if direction == "bidirectional" else 1
    columns, dtype = pick(random, (ways,), (ways, 4 * hidden)), pick(random, *BYTES)

    def weight(rows):
        """Weights, scale and zero point, which is one number."""
        zero = 0 if len(columns) == 2 and dtype == np.int8 else integers(random, dtype)
        return (integers(random, dtype, ways, rows, 4 * hidden),
                (scale(random, *columns) / 100).astype(np.float32), np.full(columns, zero, dtype))
    w, w_scale, w_zero = weight(size)
    r, r_scale, r_zero = weight(hidden)
    lengths = random.integers(1, steps + 1, size=batch).astype(np.int32)
    inputs = [normal(random, steps, batch, size), w, r,
              maybe(random, normal(random, ways, 8 * hidden)), maybe(random, lengths),
              maybe(random, normal(random, ways, batch, hidden)),
              maybe(random, normal(random, ways, batch, hidden)),
              maybe(random, normal(random, ways, 3 * hidden)), w_scale, w_zero, r_scale, r_zero]
    attributes = {"direction": direction, "hidden_size": hidden}
    if chance(random, 0.3):
        attributes["input_forget"] = 1
    if chance(random, 0.3):
        attributes["clip"] = 1.5
    if chance(random, 0.3):
        attributes["activations"] = pick(random, ["Sigmoid", "Tanh", "Relu"],
                                         ["HardSigmoid", "Softsign", "Tanh"]) * ways
    return Draw("DynamicQuantizeLSTM", inputs, attributes,
                outputs=pick(random, 3, [True, False, True], [False, True, True], 2, 1),
                constant=weights(random, 1, 2),
                symbols=open_sizes(random, inputs[0], 0))


# ---- to and fro ----------------------------------------------------------------------------------

INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, ml_dtypes.uint4, ml_dtypes.int4)


def granularity(random, shape):
    """The shape of the scale, and the axis."""
    if not shape or chance(random, 0.4):
        return number(random), {}
    axis = int(random.integers(len(shape)))
    return (shape[axis],), {"axis": axis - pick(random, 0, len(shape))}


PACKED = (ml_dtypes.uint4, ml_dtypes.int4)


def quantized(x, scales, zero, axis=1):
    """QuantizeLinear to what NumPy cannot exchange with ONNX Runtime."""
    low, high = limits(zero.dtype)
    shape = [1] * x.ndim
    if scales.size > 1:
        shape[axis] = -1
    scales, zero = (p.astype(np.float32).reshape(shape) for p in (scales, zero))
    return [np.clip(np.rint(x / scales) + zero, low, high).astype(np.int8).astype(PACKED[low < 0])]


def quantize(domain):
    def draw(random):
        dtype = pick(random, *INTEGERS)
        shape = shape_of(random, 0, 4)
        scales, attributes = granularity(random, shape)
        spread = 3.0 ** random.integers(0, 8)
        inputs = [np.asarray(normal(random, *shape) * np.float32(spread)), scale(random, *scales),
                  integers(random, dtype, *scales)]
        if dtype == np.uint8 and chance(random):
            inputs[2] = None
        return Draw("QuantizeLinear", inputs, attributes, domain=domain,
                    constant=weights(random, 1, 2), expected=quantized if dtype in PACKED else None)
    return draw


def dequantize(domain):
    def draw(random):
        dtype = pick(random, np.int32, *INTEGERS)
        shape = shape_of(random, 0, 4)
        scales, attributes = granularity(random, shape)
        zero = None if dtype == np.int32 or chance(random) else integers(random, dtype, *scales)
        constant = (0, 1, 2) if dtype in PACKED else weights(random, 1, 2)
        return Draw("DequantizeLinear",
                    [integers(random, dtype, *shape), scale(random, *scales), zero], attributes,
                    domain=domain, constant=constant)
    return draw


def dynamic_quantize(random):
    x = normal(random, *shape_of(random, 1, 3)) * pick(random, 0, 1, 100)
    return Draw("DynamicQuantizeLinear", [x.astype(np.float32)], outputs=3, domain="")


# ---- attention -----------------------------------------------------------------------------------

def attention(random):
    batch, length, width, past = (int(n) for n in random.integers(1, 6, size=4))
    heads, size = int(random.integers(1, 4)), int(random.integers(1, 5))
    hidden = heads * size
    columns = pick(random, (), (1,), (3 * hidden,))
    w_type = pick(random, *BYTES)
    past = past if chance(random) else 0
    total = past + length
    mask = pick(random, None, [batch], [2 * batch], [batch, total], [batch, length, total])
    if mask is not None:
        most = total + 1 if len(mask) == 1 else 2
        mask = random.integers(0, most, size=mask).astype(np.int32)
        if mask.ndim == 1:  # ends; then starts, before the ends
            mask[:batch] = np.maximum(mask[:batch], 1)
            mask[batch:] = np.minimum(mask[batch:], (mask[:batch] - 1)[:len(mask) - batch])
    inputs = [integers(random, np.uint8, batch, length, width),
              integers(random, w_type, width, 3 * hidden), normal(random, 3 * hidden),
              scale(random, *number(random)) / 50, scale(random, *columns) / 50, mask,
              maybe(random, integers(random, np.uint8, *number(random))),
              maybe(random, integers(random, w_type, *columns)),
              normal(random, 2, batch, heads, past, size) if past else None]
    attributes = {"num_heads": heads, "unidirectional": int(random.integers(2))}
    if chance(random, 0.3):
        attributes["scale"] = 0.7
    return Draw("QAttention", [x if x is None else np.asarray(x) for x in inputs], attributes,
                outputs=2 if past or chance(random) else 1, constant=weights(random, 1, 2, 4, 7),
                symbols=open_sizes(random, inputs[0], 0, 1))


# ---- embedding -----------------------------------------------------------------------------------

def embedding(random):
    dtype = pick(random, *BYTES)
    batch, length, hidden, words = (int(n) for n in random.integers(1, 7, size=4))
    with_segments = chance(random)
    tables = [integers(random, dtype, words, hidden), integers(random, dtype, length + 2, hidden),
              integers(random, dtype, 2, hidden) if with_segments else None,
              integers(random, dtype, hidden), integers(random, dtype, hidden)]
    there = [table is not None for table in tables]
    ids = random.integers(0, words, size=(batch, length)).astype(np.int32)
    segments = random.integers(0, 2, size=(batch, length)).astype(np.int32)
    mask = random.integers(0, 2, size=(batch, length)).astype(np.int32)
    inputs = [ids, segments if with_segments else None, *tables, maybe(random, mask),
              *[scale(random) if x else None for x in there],
              *[integers(random, dtype) if x else None for x in there]]
    return Draw("QEmbedLayerNormalization", inputs, pick(random, {}, {"epsilon": 0.01}), outputs=2,
                constant=weights(random, 2, 3, 4, 5, 6))


# ---- packed weights ------------------------------------------------------------------------------

def packed(numbers, bits):
    """Numbers of the last axis put into bytes, low bits first; the last byte filled up."""
    per_byte = 8 // bits
    missing = -numbers.shape[-1] % per_byte
    numbers = np.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, missing)])
    numbers = numbers.reshape(*numbers.shape[:-1], -1, per_byte).astype(np.uint8)
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    return np.bitwise_or.reduce(numbers << shifts, axis=-1)


def unpacked(data, bits):
    shifts = np.arange(8 // bits, dtype=np.uint8) * bits
    return (data[..., None] >> shifts & ((1 << bits) - 1)).reshape(*data.shape[:-1], -1)


def nbits_product(a, b, scales, zeros, groups, bias, K, N, bits, block_size, **_):
    """MatMulNBits in all forms; ONNX Runtime lacks some."""
    blocks = -(-K // block_size)
    groups = np.arange(K) // block_size if groups is None else groups[:K]
    if zeros is None:
        zeros = np.full((N, blocks), 1 << (bits - 1))
    elif zeros.dtype == np.uint8:
        zeros = unpacked(zeros.reshape(N, -1), bits)
    weights = unpacked(b, bits).reshape(N, -1)[:, :K].astype(np.float64)
    weights -= zeros.reshape(N, -1)[:, groups]
    weights *= scales.reshape(N, -1).astype(np.float64)[:, groups]
    y = a.astype(np.float64) @ weights.T + (0 if bias is None else bias.astype(np.float64))
    return [y.astype(a.dtype)]


def matmul_nbits(random):
    dtype = pick(random, np.float32, np.float32, np.float16)
    bits, block = pick(random, 2, 4, 4, 8), pick(random, 16, 32, 64)
    k, n = int(random.integers(1, 150)), int(random.integers(1, 20))
    blocks = -(-k // block)
    a = normal(random, *shape_of(random, 0, 2), k, dtype=dtype)
    b = integers(random, np.uint8, n, blocks, block * bits // 8)
    scales = (scale(random, n, blocks) / (1 << bits)).astype(dtype)
    form = pick(random, None, "packed", "float")
    zeros = None
    if form:
        zeros = random.integers(0, 1 << bits, size=(n, blocks))
        zeros = packed(zeros, bits) if form == "packed" else (zeros + 0.25).astype(dtype)
    groups = None
    if chance(random, 0.3):
        groups = random.permutation(np.arange(blocks * block) // block).astype(np.int32)
        groups = groups[:pick(random, k, len(groups))]
    if chance(random):  # the older, flat form
        scales, zeros = scales.reshape(-1), None if zeros is None else zeros.reshape(-1)
    bias = normal(random, n, dtype=dtype) if chance(random) else None
    attributes = {"K": k, "N": n, "bits": bits, "block_size": block}
    if chance(random):
        attributes["accuracy_level"] = pick(random, 0, 1)
    # ONNX Runtime has groups and zero points that are not whole numbers with 4 bits alone; with
    # groups it forgets packed zero points.
    lacking = (dtype == np.float16 or bits != 4 and (form == "float" or groups is not None)
               or form == "packed" and groups is not None)
    return Draw("MatMulNBits", [a, b, scales, zeros, groups, bias], attributes,
                constant=weights(random, 1, 2, 3), expected=nbits_product if lacking else None,
                symbols=open_sizes(random, a, 0))


def matmul_bnb4(random):
    block = pick(random, 16, 32, 64)
    k, n = int(random.integers(1, 100)), int(random.integers(1, 12))
    inputs = [normal(random, *shape_of(random, 0, 2), k),
              integers(random, np.uint8, -(-n * k // 2)), scale(random, -(-n * k // block))]
    return Draw("MatMulBnb4", inputs, {"K": k, "N": n, "block_size": block,
                                       "quant_type": int(random.integers(2))},
                constant=weights(random, 1, 2))


def gather_block_quantized(random):
    dtype = pick(random, np.uint8, np.uint8, ml_dtypes.uint4, ml_dtypes.int4,
                 ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float4_e2m1fn)
    is_float = np.dtype(dtype).name.startswith("float")
    shape = shape_of(random, 2, 3, most=5)
    rank = len(shape)
    axis = rank - 1 if dtype == np.uint8 else int(random.integers(rank))
    gather = 0 if dtype == np.uint8 else int(random.integers(rank))
    block = 0 if is_float and chance(random, 0.3) else pick(random, 16, 32)
    shape[axis] = int(random.integers(1, 20)) * 4
    blocks = [-(-size // (block or size)) if i == axis else size for i, size in enumerate(shape)]
    attributes = {"block_size": block, "gather_axis": gather - pick(random, 0, rank),
                  "quantize_axis": axis - pick(random, 0, rank)}
    zeros, scales = None, scale(random, *blocks)
    if dtype == np.uint8:
        bits = attributes["bits"] = pick(random, 2, 4, 8)
        data = packed(random.integers(0, 1 << bits, size=shape), bits)
        zeros = maybe(random, packed(random.integers(0, 1 << bits, size=blocks), bits))
    elif is_float:
        data = normal(random, *shape).astype(dtype)
    else:
        data = integers(random, dtype, *shape)
        zeros = maybe(random, integers(random, dtype, *blocks))
    indices = random.integers(-shape[gather], shape[gather], size=shape_of(random, 0, 2))
    indices = np.asarray(indices).astype(pick(random, np.int32, np.int64))
    return Draw("GatherBlockQuantized", [data, indices, scales, zeros], attributes,
                constant=(0, 2, 3))


FAMILIES = {
    "QuantizeLinear": quantize(""),
    "DequantizeLinear": dequantize(""),
    "microsoft.QuantizeLinear": quantize("com.microsoft"),
    "microsoft.DequantizeLinear": dequantize("com.microsoft"),
    "DynamicQuantizeLinear": dynamic_quantize,
    "MatMulInteger": matmul_integer,
    "ConvInteger": conv_integer,
    "QLinearMatMul": qlinear_matmul,
    "QLinearConv": qlinear_conv(""),
    "microsoft.QLinearConv": qlinear_conv("com.microsoft"),
    "QLinearAdd": binary("QLinearAdd"),
    "QLinearMul": binary("QLinearMul"),
    "MulInteger": mul_integer,
    "QLinearWhere": where,
    "QLinearReduceMean": reduce_mean,
    "QLinearSigmoid": unary("QLinearSigmoid"),
    "QLinearLeakyRelu": unary("QLinearLeakyRelu", alpha),
    "QLinearSoftmax": softmax,
    "QLinearConcat": concat,
    "QLinearAveragePool": average,
    "QLinearGlobalAveragePool": global_average,
    "NhwcMaxPool": nhwc_max_pool,
    "QGemm": qgemm,
    "MatMulInteger16": matmul_integer16,
    "MatMulIntegerToFloat": matmul_to_float,
    "DynamicQuantizeMatMul": dynamic_matmul,
    "DynamicQuantizeLSTM": dynamic_lstm,
    "QAttention": attention,
    "QEmbedLayerNormalization": embedding,
    "MatMulNBits": matmul_nbits,
    "MatMulBnb4": matmul_bnb4,
    "GatherBlockQuantized": gather_block_quantized,
}

if __name__ == "__main__":
    peer.main(FAMILIES)
