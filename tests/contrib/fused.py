"""Products, norms and activations that ONNX Runtime's optimizer fuses."""
import math

import numpy as np

import peer
from peer import Draw, maybe, normal, pick

FLOATS = (np.float32, np.float32, np.float16)


def switch(random):
    return int(random.integers(2))


def sizes(random, n, most=6):
    return [int(size) for size in random.integers(1, most, size=n)]


def erf(x):
    return np.vectorize(math.erf)(x).astype(x.dtype)


def gelu(x):
    return (x * (1 + erf(x / math.sqrt(2))) / 2).astype(x.dtype)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- products ------------------------------------------------------------------------------------

def matmul_inputs(random, batches):
    m, n, k = sizes(random, 3)
    rank = int(random.integers(1, 4))
    batch = sizes(random, rank - 1, 4)
    flags = {name: switch(random) for name in ("transA", "transB")}
    if rank > 1 and batches:
        flags |= {name: switch(random) for name in ("transBatchA", "transBatchB")}

    def operand(rows, columns, name):
        matrix = [columns, rows] if flags["trans" + name] else [rows, columns]
        if flags.get("transBatch" + name):
            return [matrix[0], *batch, matrix[1]]
        return [*batch, *matrix]
    inputs = [normal(random, *operand(m, k, "A")), normal(random, *operand(k, n, "B"))]
    return inputs, {"alpha": float(random.normal()), **flags}


def fused_matmul(random):
    inputs, attributes = matmul_inputs(random, True)
    return Draw("FusedMatMul", inputs, attributes, constant=pick(random, (), (1,)))


def transpose_matmul(random):
    inputs, attributes = matmul_inputs(random, False)
    return Draw("TransposeMatMul", inputs, attributes, constant=pick(random, (), (1,)))


ACTIVATIONS = {"Relu": [], "Tanh": [], "Sigmoid": [], "LeakyRelu": [0.2], "HardSigmoid": [0.3, 0.6]}


def matmul_activation(random):
    inputs, attributes = matmul_inputs(random, True)
    name = pick(random, *ACTIVATIONS)
    functions = {"Relu": lambda x: np.maximum(x, 0), "Tanh": np.tanh, "Sigmoid": sigmoid,
                 "LeakyRelu": lambda x: np.where(x < 0, np.float32(0.2) * x, x),
                 "HardSigmoid": lambda x: np.clip(np.float32(0.3) * x + np.float32(0.6), 0, 1)}

    def expected(*inputs, **_):
        product = peer.run_peer(*peer.build([Draw("FusedMatMul", [*inputs], attributes)]))[0]
        return [functions[name](product)]
    parameters = zip(("activation_alpha", "activation_beta"), ACTIVATIONS[name])
    return Draw("FusedMatMulActivation", inputs,
                {"activation": name, **attributes, **dict(parameters)}, expected=expected)


def fused_gemm(random):
    m, n, k = sizes(random, 3)
    a, b = switch(random), switch(random)
    inputs = [normal(random, *((k, m) if a else (m, k))), normal(random, *((n, k) if b else (k, n))),
              maybe(random, normal(random, *pick(random, [n], [m, n], [m, 1], [1])))]
    name = pick(random, *ACTIVATIONS, "Elu", "Softsign", "Softplus", "ThresholdedRelu")
    alpha = {"activation_alpha": 0.4} if name in ("LeakyRelu", "Elu", "ThresholdedRelu",
                                                  "HardSigmoid") else {}
    beta = {"activation_beta": 0.7} if name == "HardSigmoid" else {}
    return Draw("FusedGemm", inputs, {"transA": a, "transB": b, "alpha": 0.5, "beta": 1.5,
                                      "activation": name, **alpha, **beta},
                constant=pick(random, (), (1, 2)))


def fused_conv(random):
    batch, channels, filters = sizes(random, 3, 5)
    group = pick(random, 1, 1, channels)
    filters *= group
    size, kernel = sizes(random, 2, 4), sizes(random, 2, 4)
    size = [s + k for s, k in zip(size, kernel)]
    strides, pads = sizes(random, 2, 3), list(map(int, random.integers(0, 2, size=4)))
    name = pick(random, *ACTIVATIONS, "Clip", "HardSwish", None)
    parameters = {"Clip": [-0.5, 0.5]}.get(name, ACTIVATIONS.get(name, []))
    attributes = {"activation": name} if name else {}
    if parameters:
        attributes["activation_params"] = parameters
    shape = [batch, filters, *((s + p + q - k) // t + 1 for s, p, q, k, t in
                               zip(size, pads[:2], pads[2:], kernel, strides))]
    inputs = [normal(random, batch, channels, *size),
              normal(random, filters, channels // group, *kernel),
              maybe(random, normal(random, filters)), maybe(random, normal(random, *shape))]
    return Draw("FusedConv", inputs, attributes | {"group": group, "strides": strides, "pads": pads,
                                                   "kernel_shape": kernel}, constant=(1, 2))


def gemm_gelu(random):
    batch, m, k, n = sizes(random, 4)
    def expected(x, w, bias, **_):
        y = x @ w + (0 if bias is None else bias)
        return [0.5 * y * (1 + np.tanh(np.float32(0.7978845608) * (y + np.float32(0.044715) * y ** 3)))]
    return Draw("GemmFastGelu", [normal(random, batch, m, k), normal(random, k, n),
                                 maybe(random, normal(random, n))], expected=expected)


# ---- norms ---------------------------------------------------------------------------------------

def layer_norm(x, gamma, beta, epsilon):
    x = x.astype(np.float32)
    mean = x.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + np.float32(epsilon))
    y = (x - mean) * inverse * gamma + (0 if beta is None else beta)
    return y.astype(gamma.dtype), mean, inverse


def skip_norm(random):
    dtype = pick(random, *FLOATS)
    shape = sizes(random, 3)
    hidden = shape[-1]
    skip = pick(random, shape, [1, *shape[1:]], shape[1:])
    inputs = [normal(random, *shape, dtype=dtype), normal(random, *skip, dtype=dtype),
              normal(random, hidden, dtype=dtype)]
    inputs += [maybe(random, normal(random, hidden, dtype=dtype)) for _ in range(2)]

    def expected(x, skip, gamma, beta, bias, epsilon):
        total = x + skip + (0 if bias is None else bias)
        return [*layer_norm(total, gamma, beta, epsilon), total]
    statistics = dtype == np.float32 and random.random() < 0.3  # which the peer does not give
    return Draw("SkipLayerNormalization", inputs, {"epsilon": pick(random, 1e-12, 1e-5, 0.5)},
                outputs=4 if statistics else pick(random, 1, [True, False, False, True]),
                expected=expected if statistics else None,
                symbols=pick(random, {}, {(0, 0): "batch"}) if len(skip) == 2 else {})


def rms_norm(x, gamma, epsilon):
    x = x.astype(np.float32)
    inverse = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(epsilon))
    return (x * inverse * gamma).astype(gamma.dtype), inverse


def skip_rms_norm(random):
    dtype = pick(random, *FLOATS)
    shape = sizes(random, 3)
    inputs = [normal(random, *shape, dtype=dtype), normal(random, *shape, dtype=dtype),
              normal(random, shape[-1], dtype=dtype),
              maybe(random, normal(random, shape[-1], dtype=dtype))]

    def expected(x, skip, gamma, bias, epsilon):
        total = x + skip + (0 if bias is None else bias)
        y, inverse = rms_norm(total, gamma, epsilon)
        return [y, None, inverse, total]
    statistics = dtype == np.float32 and random.random() < 0.3
    return Draw("SkipSimplifiedLayerNormalization", inputs,
                {"epsilon": pick(random, 1e-12, 1e-5, 0.5)},
                outputs=[True, False, statistics, statistics or random.random() < 0.5],
                expected=expected if statistics else None)


def simplified_norm(random):
    shape = sizes(random, 3)
    return Draw("SimplifiedLayerNormalization",
                [normal(random, *shape), normal(random, shape[-1])],
                {"axis": pick(random, -1, 2), "epsilon": 1e-3}, outputs=pick(random, 1, 2),
                domain="")


def embed_norm(random):
    batch, length, width, words, segments = sizes(random, 5)
    places = length + int(random.integers(0, 3))
    ids = [random.integers(0, n, size=(batch, length)).astype(np.int32) for n in (words, segments)]
    two = random.random() < 0.6
    inputs = [ids[0], ids[1] if two else None, normal(random, words, width),
              normal(random, places, width), normal(random, segments, width) if two else None,
              normal(random, width), normal(random, width),
              maybe(random, random.integers(0, 2, size=(batch, length)).astype(np.int32)),
              maybe(random, random.integers(0, places, size=(pick(random, 1, batch), length))
                    .astype(np.int32))]
    symbols = {(i, axis): name for i in (0, 1, 7, 8) for axis, name in enumerate(("batch", "length"))
               if inputs[i] is not None and inputs[i].shape[axis] != 1 and i < 8}
    return Draw("EmbedLayerNormalization", inputs, {"epsilon": pick(random, 1e-12, 1e-5)},
                outputs=[True, True, random.random() < 0.5], constant=(2, 3, 4, 5, 6),
                symbols=pick(random, {}, symbols) if inputs[8] is None else {})


def group_norm(random):
    batch, height, width, groups, each = sizes(random, 5, 5)
    last, skips = switch(random), random.random() < 0.6
    channels = groups * each
    shape = [batch, height, width, channels] if last else [batch, channels, height, width]
    ones = [batch, 1, 1, channels] if last else [batch, channels, 1, 1]
    activation = switch(random)
    inputs = [normal(random, *shape), normal(random, channels), normal(random, channels)]
    if skips:
        inputs += [normal(random, *pick(random, shape, ones, [batch, channels])),
                   maybe(random, normal(random, channels))]

    def spread(x):
        along = [-1] if last else [-1, 1, 1]
        if x.ndim == 1:
            return x.reshape(along)
        return x.reshape(ones) if x.ndim == 2 else x

    def expected(x, gamma, beta, skip=None, bias=None, epsilon=1e-5, **_):
        total = x + (0 if skip is None else spread(skip)) + (0 if bias is None else spread(bias))
        first = np.moveaxis(total, -1, 1) if last else total
        rows = first.reshape(batch, groups, -1)
        rows = layer_norm(rows, np.ones(1, np.float32), None, epsilon)[0].reshape(first.shape)
        y = (np.moveaxis(rows, 1, -1) if last else rows) * spread(gamma) + spread(beta)
        return [y * sigmoid(y) if activation else y, total]
    return Draw("SkipGroupNorm" if skips else "GroupNorm", inputs,
                {"activation": activation, "groups": groups, "epsilon": 1e-3,
                 **({} if last and random.random() < 0.5 else {"channels_last": last})},
                outputs=pick(random, 1, 2) if skips else 1, constant=(1, 2), expected=expected)


# ---- activations ---------------------------------------------------------------------------------

def bias_gelu(random):
    shape = sizes(random, 2)
    bias = normal(random, shape[-1])
    name = pick(random, "BiasGelu", "FastGelu", "FastGelu", "Gelu", "QuickGelu")
    inputs = [normal(random, *shape)]
    if name == "BiasGelu" or (name == "FastGelu" and random.random() < 0.5):
        inputs.append(bias)
    return Draw(name, inputs, {"alpha": 0.9} if name == "QuickGelu" else {})


def bias_add(random):
    shape = sizes(random, 3)
    return Draw("BiasAdd", [normal(random, *shape), normal(random, shape[-1]),
                            normal(random, *shape)],
                expected=lambda x, bias, skip: [x + bias + skip])


def split_gelu(random):
    shape = sizes(random, 3)
    shape[-1] *= 2

    def expected(x, bias):
        left, right = np.split(x + bias, 2, -1)
        return [left * gelu(right)]
    return Draw("BiasSplitGelu", [normal(random, *shape), normal(random, shape[-1])],
                expected=expected)


def bias_dropout(random):
    shape = sizes(random, 3)

    def expected(x, bias, residual, *_, **__):
        return [x + bias + (0 if residual is None else residual), np.ones(shape, bool)]
    return Draw("BiasDropout", [normal(random, *shape), normal(random, shape[-1]),
                                maybe(random, normal(random, *shape)),
                                maybe(random, np.float32(0.5)), maybe(random, np.array(False))],
                outputs=pick(random, 1, 2), constant=(3, 4), expected=expected)


def bias_softmax(random):
    shape = sizes(random, 4)
    axis = int(random.integers(1, 4))
    bias = [1 if random.random() < 0.5 else size for size in shape[:2]] + shape[2:]

    def expected(x, bias, **_):
        rows = (x + bias).reshape(*shape[:axis], -1)
        e = np.exp(rows - rows.max(-1, keepdims=True))
        return [(e / e.sum(-1, keepdims=True)).reshape(shape)]
    return Draw("BiasSoftmax", [normal(random, *shape), normal(random, *bias)],
                {"axis": axis, "is_inner_broadcast": switch(random)}, expected=expected)


FAMILIES = {
    "FusedMatMul": fused_matmul,
    "TransposeMatMul": transpose_matmul,
    "FusedMatMulActivation": matmul_activation,
    "FusedGemm": fused_gemm,
    "FusedConv": fused_conv,
    "GemmFastGelu": gemm_gelu,
    "SkipLayerNormalization": skip_norm,
    "SkipSimplifiedLayerNormalization": skip_rms_norm,
    "SimplifiedLayerNormalization": simplified_norm,
    "EmbedLayerNormalization": embed_norm,
    "GroupNorm": group_norm,
    "Gelu": bias_gelu,
    "BiasAdd": bias_add,
    "BiasSplitGelu": split_gelu,
    "BiasDropout": bias_dropout,
    "BiasSoftmax": bias_softmax,
}

if __name__ == "__main__":
    peer.main(FAMILIES)
