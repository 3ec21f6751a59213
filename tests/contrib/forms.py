"""Operators of ONNX Runtime that are near to ONNX's own, and larger pieces of models."""
import math

import numpy as np

import peer
from peer import Draw, maybe, normal, pick

I32 = np.int32


def switch(random):
    return int(random.integers(2))


def sizes(random, n, most=6):
    return [int(size) for size in random.integers(1, most, size=n)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- near to ONNX's own --------------------------------------------------------------------------

def expand_dims(random):
    x = normal(random, *sizes(random, random.integers(0, 4)))
    axis = random.integers(-x.ndim - 1, x.ndim + 1)
    return Draw("ExpandDims", [x, np.array(axis, I32)], constant=(1,))


def gather_nd(random):
    shape = sizes(random, 3)
    depth = int(random.integers(1, 4))
    indices = random.integers(0, shape[:depth], size=(*sizes(random, 2), depth))
    return Draw("GatherND", [normal(random, *shape), indices.astype(pick(random, I32, np.int64))])


def trilu(random):
    k = maybe(random, np.array(int(random.integers(-3, 4)), np.int64))
    return Draw("Trilu", [normal(random, *sizes(random, 3)), k],
                {} if random.random() < 0.3 else {"upper": switch(random)},
                constant=pick(random, (), (1,)))


def pad(random):
    shape = [size + 3 for size in sizes(random, 3)]
    pads = random.integers(-1, 3, size=6).astype(np.int64)
    value = maybe(random, normal(random, *pick(random, (), (1,))))
    return Draw("Pad", [normal(random, *shape), pick(random, pads, pads[None]), value],
                {"mode": pick(random, "constant", "constant", "reflect", "edge")}, constant=(1,))


def grid_sample(random):
    n, c, *rest = sizes(random, 6)
    grid = random.uniform(-1.5, 1.5, size=(n, *rest[:2], 2)).astype(np.float32)
    padding, mode = pick(random, "zeros", "border", "reflection"), ["bilinear", "nearest"]
    if padding != "border":  # where ONNX Runtime moves the point instead of its neighbours
        mode.append("bicubic")
    return Draw("GridSample", [normal(random, n, c, *rest[2:]), grid],
                {"mode": pick(random, *mode), "padding_mode": padding,
                 "align_corners": switch(random)})


def unique(random):
    x = random.integers(0, 6, size=random.integers(1, 12)).astype(np.float32)
    return Draw("Unique", [x], outputs=3)


def counted_range(random):
    dtype = pick(random, np.float32, np.float64, np.int16, np.int32, np.int64)
    start, limit, delta = random.integers(-3, 3), random.integers(4, 9), random.integers(1, 4)
    shape = pick(random, (), (1,))
    inputs = [np.full(shape, x, dtype) for x in (start, limit, delta)]
    return Draw("Range", inputs[:2] + [maybe(random, inputs[2])], constant=(0, 1, 2))


def reduce_sum_integer(random):
    dtype = pick(random, np.int8, np.uint8)
    x = random.integers(0, 100, size=sizes(random, 3)).astype(dtype)
    axes = pick(random, [0], [1, 2], [-1], [0, 1, 2])
    keep = switch(random)

    def expected(x, **_):
        wide = np.uint32 if dtype == np.uint8 else np.int32
        return [x.astype(wide).sum(tuple(axes), wide, keepdims=bool(keep))]
    return Draw("ReduceSumInteger", [x], {"axes": axes, "keepdims": keep}, expected=expected)


def unfold(random):
    x = normal(random, *(size + 2 for size in sizes(random, 3)))
    dim = int(random.integers(-3, 3))
    return Draw("UnfoldTensor", [x], {"dim": dim, "step": int(random.integers(1, 4)),
                                      "size": int(random.integers(1, x.shape[dim] + 1))},
                symbols=pick(random, {}, {(0, dim % 3): "n"}))


def dynamic_pads(random):
    batch, group, out, high, wide = sizes(random, 5, 4)
    channels = group * 2
    strides = sizes(random, 2, 3)
    pads = random.integers(0, 2, size=4).astype(np.int64)
    return Draw("ConvTransposeWithDynamicPads",
                [normal(random, batch, channels, high + 1, wide + 1),
                 normal(random, channels, out, 3, 3), pads, maybe(random, normal(random, group * out))],
                {"group": group, "strides": strides, "kernel_shape": [3, 3],
                 "output_padding": [stride - 1 for stride in strides]}, constant=(1, 2, 3))


def embedding(random):
    rows, width = sizes(random, 2)
    ids = random.integers(0, rows, size=sizes(random, 2))
    return Draw("TorchEmbedding", [normal(random, rows, width), ids],
                expected=lambda table, ids: [table[ids]])


# ---- numeric -------------------------------------------------------------------------------------

def cdist(random):
    m, k, n = sizes(random, 3)
    dtype = pick(random, np.float32, np.float64)
    return Draw("CDist", [normal(random, m, n, dtype=dtype), normal(random, k, n, dtype=dtype)],
                {"metric": pick(random, "euclidean", "sqeuclidean")})


def inverse(random):
    batch, n = sizes(random, 2)
    x = normal(random, *pick(random, (), (batch,)), n, n) + 4 * np.eye(n, dtype=np.float32)
    return Draw("Inverse", [x.astype(pick(random, np.float32, np.float64))])


def all_finite(random):
    inputs = [normal(random, *sizes(random, 2)) for _ in range(random.integers(1, 4))]
    if random.random() < 0.6:
        inputs[-1][0, 0] = pick(random, np.nan, np.inf, -np.inf)
    flags = pick(random, {}, {"isnan_only": 1}, {"isinf_only": 1})

    def expected(*inputs, **flags):
        nan = any(np.isnan(x).any() for x in inputs) and "isinf_only" not in flags
        inf = any(np.isinf(x).any() for x in inputs) and "isnan_only" not in flags
        return [np.array(not (nan or inf))]
    return Draw("IsAllFinite", inputs, flags, expected=expected)


def complex_mul(random):
    conjugate = random.random() < 0.5
    shape = sizes(random, 2)

    def expected(a, b):
        x, y = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
        z = x * (y.conj() if conjugate else y)
        return [np.stack([z.real, z.imag], -1).astype(np.float32)]
    return Draw("ComplexMulConj" if conjugate else "ComplexMul",
                [normal(random, *shape, 2), normal(random, *pick(random, shape, shape[1:]), 2)],
                expected=expected)


def rfft(random):
    shape = sizes(random, 3)
    shape[-1] *= 2
    ndim = int(random.integers(1, 4))
    axes = tuple(range(3 - ndim, 3))
    if random.random() < 0.5:
        def expected(x, **_):
            y = np.fft.rfftn(x, axes=axes)
            return [np.stack([y.real, y.imag], -1).astype(np.float32)]
        return Draw("Rfft", [normal(random, *shape)], {"signal_ndim": ndim}, expected=expected)
    y = np.fft.rfftn(normal(random, *shape), axes=axes)

    def expected_inverse(x, **_):
        return [np.fft.irfftn(x[..., 0] + 1j * x[..., 1], axes=axes).astype(np.float32)]
    return Draw("Irfft", [np.stack([y.real, y.imag], -1).astype(np.float32)],
                {"signal_ndim": ndim}, expected=expected_inverse)


def murmur(random):
    dtype = pick(random, I32, np.uint32, np.int64, np.uint64, np.float32, np.float64)
    x = (1000 * random.normal(size=sizes(random, 2)))
    return Draw("MurmurHash3", [(np.abs(x) if dtype in (np.uint32, np.uint64) else x).astype(dtype)],
                {"seed": int(random.integers(0, 2 ** 31)), "positive": switch(random)})


def repeat_block(random):
    batch, length = sizes(random, 2, 9)
    ids = random.integers(0, 4, size=(batch, length))
    return Draw("NGramRepeatBlock", [ids, normal(random, batch, 5)],
                {"ngram_size": int(random.integers(1, 5))},
                symbols=pick(random, {}, {(0, 1): "length"} if length > 1 else {}))


# ---- pieces of models ----------------------------------------------------------------------------

def relative_bias(random):
    heads, queries, keys = sizes(random, 3, 40)
    buckets, both = 2 * int(random.integers(4, 9)), switch(random)
    most = int(random.integers(30, 60))

    def expected(table, queries, keys, **_):
        off = np.arange(keys)[None, :] - np.arange(queries)[:, None]
        n = buckets // 2 if both else buckets
        start = (off > 0) * n if both else 0
        distance = np.abs(off) if both else np.maximum(-off, 0)
        far = n // 2 + (np.log(np.maximum(distance, 1).astype(np.float32) / (n // 2))
                        / math.log(most / (n // 2)) * (n - n // 2)).astype(int)
        bucket = start + np.where(distance < n // 2, distance, np.minimum(far, n - 1))
        return [table.reshape(heads, buckets)[:, bucket][None]]
    return Draw("RelativePositionBias", [normal(random, buckets, heads), np.int64(queries),
                                         np.int64(keys)],
                {"max_distance": most, "is_bidirectional": both}, constant=(0, 1, 2),
                expected=expected)


def gated_bias(random):
    batch, length, heads, size, half = sizes(random, 5)

    def expected(q, q_bias, rel_pos, weight, bias, eco_a, **_):
        q = (q + q_bias).reshape(batch, length, heads, size).transpose(0, 2, 1, 3)
        gates = sigmoid((q @ weight + bias).reshape(batch, heads, length, 2, half).sum(-1))
        u, r = gates[..., :1], gates[..., 1:]
        return [(u * (r * eco_a - 1) + 2) * rel_pos]
    shapes = [(batch, length, heads * size), (heads * size,), (1, heads, length, length),
              (size, 2 * half), (2 * half,), (1, heads, 1, 1)]
    return Draw("GatedRelativePositionBias", [normal(random, *shape) for shape in shapes],
                {"num_heads": heads}, expected=expected)


def word_conv(random):
    words, filters, size, window, rest = sizes(random, 5)
    sequence = random.integers(0, 4, size=(words, window + rest)).astype(I32)
    return Draw("WordConvEmbedding", [sequence, normal(random, filters, 1, window, size),
                                      normal(random, filters), normal(random, 4, size)],
                constant=(1, 2, 3))


def crop(random):
    n, c, h, w, rois = sizes(random, 5)
    boxes = random.uniform(-0.2, 1.2, size=(rois, 4)).astype(np.float32)
    return Draw("CropAndResize",
                [normal(random, n, c, h, w), boxes, random.integers(0, n, size=rois).astype(I32),
                 random.integers(1, 5, size=2).astype(I32)],
                {"mode": pick(random, "bilinear", "nearest"), "extrapolation_value": 0.5},
                constant=(3,))


def moe(random):
    tokens, hidden, inner, experts = sizes(random, 4, 8)
    name = pick(random, "relu", "gelu", "silu", "identity", "swiglu")
    glu = name == "swiglu"
    attributes = {"activation_type": name, "k": int(random.integers(1, experts + 1)),
                  "normalize_routing_weights": switch(random)}
    if glu:
        attributes |= {"swiglu_fusion": 1, "activation_alpha": 1.7, "activation_beta": 0.5,
                       **pick(random, {}, {"swiglu_limit": 0.7})}
    rows = 2 * inner if glu else inner
    x = normal(random, *pick(random, (tokens, hidden), (2, tokens, hidden)))
    inputs = [x, normal(random, x.size // hidden, experts),
              normal(random, experts, rows, hidden), maybe(random, normal(random, experts, rows)),
              normal(random, experts, hidden, inner), maybe(random, normal(random, experts, hidden))]
    return Draw("MoE", inputs, attributes, constant=(2, 3, 4, 5),
                symbols={(0, 0): "tokens", (1, 0): "tokens"}
                if x.ndim == 2 and tokens > 1 and random.random() < 0.5 else {})


def separate_moe(random):
    """Gates in a layer of their own, or side by side, which ONNX Runtime has on other devices."""
    tokens, hidden, inner, experts = sizes(random, 4, 8)
    apart = random.random() < 0.5
    x, router = normal(random, tokens, hidden), normal(random, tokens, experts)
    gate, linear = normal(random, 2, experts, inner, hidden)
    last = normal(random, experts, hidden, inner)
    attributes = {"activation_type": "swiglu", "k": int(random.integers(1, experts + 1))}

    def expected(*_, **__):
        mixed = np.stack([gate, linear], 2).reshape(experts, 2 * inner, hidden)
        plain = Draw("MoE", [x, router, mixed, None, last], attributes | {"swiglu_fusion": 1})
        return peer.run_peer(*peer.build([plain]))
    if apart:
        inputs = [x, router, gate, None, last, None, linear]
    else:
        inputs = [x, router, np.concatenate([gate, linear], 1), None, last]
        attributes["swiglu_fusion"] = 2
    return Draw("MoE", inputs, attributes, expected=expected)


FAMILIES = {
    "ExpandDims": expand_dims,
    "GatherND": gather_nd,
    "Trilu": trilu,
    "Pad": pad,
    "GridSample": grid_sample,
    "Unique": unique,
    "Range": counted_range,
    "ReduceSumInteger": reduce_sum_integer,
    "UnfoldTensor": unfold,
    "ConvTransposeWithDynamicPads": dynamic_pads,
    "TorchEmbedding": embedding,
    "CDist": cdist,
    "Inverse": inverse,
    "IsAllFinite": all_finite,
    "ComplexMul": complex_mul,
    "Rfft": rfft,
    "MurmurHash3": murmur,
    "NGramRepeatBlock": repeat_block,
    "RelativePositionBias": relative_bias,
    "GatedRelativePositionBias": gated_bias,
    "WordConvEmbedding": word_conv,
    "CropAndResize": crop,
    "MoE": moe,
    "MoE with gates apart": separate_moe,
}

if __name__ == "__main__":
    peer.main(FAMILIES)
