"""Attention operators that ONNX Runtime's optimizer and its exporters write."""
import numpy as np
from onnx import TensorProto, helper

import peer
from peer import Draw, maybe, normal, pick

I32 = np.int32


def switch(random):
    return int(random.integers(2))


def sizes(random, n, most=5):
    return [int(size) for size in random.integers(1, most, size=n)]


def open_sizes(random, inputs, axes):
    """Symbols for those axes (input, axis) that are there and not constant 1, in half of the draws;
    `axes` has a list for each name."""
    if random.random() < 0.5:
        return {}
    return {(i, axis): name for name, places in axes.items() for i, axis in places
            if i < len(inputs) and inputs[i] is not None and inputs[i].shape[axis] != 1}


def some_scale(random):
    return pick(random, {}, {}, {"scale": 0.3})


def attention_bias(random, batch, heads, queries, keys):
    # ONNX Runtime reads [batch, 1] as if there were more than one head.
    shape = pick(random, (batch, heads), (1, heads), (batch if heads == 1 else 1, 1))
    return maybe(random, normal(random, *shape, queries, keys))


def mask(random, batch, queries, keys, kinds):
    """A mask_index of one of the shapes. Without any key to see, scores near the filter value of
    -10000 would count, which are mostly rounded away: so there is always one."""
    kind = pick(random, "none", *kinds)
    ends = random.integers(1, keys + 1, size=batch)
    shapes = {"keys": [batch, keys], "pairs": [batch, queries, keys]}
    if kind in shapes:
        matrix = random.integers(0, 2, size=shapes[kind]).astype(I32)
        matrix[..., 0] = 1
        return matrix
    if kind == "ends":
        return ends.astype(I32)
    if kind == "ranges":
        return np.concatenate([ends, random.integers(0, ends)]).astype(I32)
    return None


def attention(random):
    batch, length, width, heads = sizes(random, 4)
    past = int(random.integers(0, 4)) if random.random() < 0.5 else None
    size = int(random.integers(1, 5))
    v_size = size if past is not None else int(random.integers(1, 5))
    hidden = [heads * size, heads * size, heads * v_size]
    attributes = {"num_heads": heads, "unidirectional": switch(random), **some_scale(random)}
    if size != v_size or random.random() < 0.3:
        attributes["qkv_hidden_sizes"] = hidden
    keys = length + (past or 0)
    state = past is not None or (size == v_size and random.random() < 0.3)
    hides = mask(random, batch, length, keys, ("keys", "pairs", "ends", "ranges"))
    if random.random() < 0.5 or (hides is not None and len(hides) == 2 * batch):
        attributes["mask_filter_value"] = -5.0
    inputs = [normal(random, batch, length, width), normal(random, width, sum(hidden)),
              maybe(random, normal(random, sum(hidden))), hides,
              None if past is None else normal(random, 2, batch, heads, past, size),
              attention_bias(random, batch, heads, length, keys) if past is None else None]
    axes = {"batch": [(0, 0), (4, 1)], "length": [(0, 1)], "past": [(4, 3)]}
    if hides is not None and hides.ndim > 1:
        axes["batch"].append((3, 0))
        axes["total"] = [(3, hides.ndim - 1)]
    return Draw("Attention", inputs, attributes, outputs=2 if state else 1, constant=(1, 2),
                symbols={} if hides is not None and len(hides) == 2 * batch
                else open_sizes(random, inputs, axes))


def multi_head(random):
    batch, queries, heads, size, v_size = sizes(random, 5)
    layout, unidirectional = pick(random, "apart", "apart", "heads"), switch(random)
    # The last query sees all keys in ONNX Runtime, which is right only when it is the last key.
    keys = queries if unidirectional else int(random.integers(1, 6))
    past = int(random.integers(0, 4)) if layout == "apart" and random.random() < 0.5 else None
    v_size = v_size if past is None and layout == "apart" else size
    total = keys + (past or 0)
    bias = None if layout == "heads" else maybe(
        random, normal(random, heads * (2 * size + v_size)))

    def tensor(length, size):
        if layout == "heads":
            return normal(random, batch, heads, length, size)
        return normal(random, batch, length, heads * size)
    inputs = [normal(random, batch, queries, heads * size), tensor(keys, size),
              tensor(keys, v_size), bias,
              mask(random, batch, queries, total, ("keys", "pairs", "ends")),
              attention_bias(random, batch, heads, queries, total)]
    if past is not None:
        inputs += [normal(random, batch, heads, past, size),
                   normal(random, batch, heads, past, v_size)]
    axes = {"batch": [(i, 0) for i in (0, 1, 2, 4, 6, 7)], "queries": [(0, 1)],
            "keys": [(i, 2 if layout == "heads" else 1) for i in (1, 2)],
            "past": [(6, 2), (7, 2)], "total": [(5, 3)]}
    return Draw("MultiHeadAttention", inputs,
                {"num_heads": heads, "unidirectional": unidirectional, **some_scale(random)},
                outputs=pick(random, 3, 4) if past is not None else pick(random, 1, 3),
                types={3: TensorProto.FLOAT}, symbols=open_sizes(random, inputs, axes))


def packed_multi_head(random):
    """Packed layouts, which ONNX Runtime has on other devices only."""
    batch, queries, keys, heads, size = sizes(random, 5)
    in_q = random.random() < 0.5
    keys = queries if in_q else keys
    bias = maybe(random, normal(random, 3 * heads * size))
    q, k, v = (normal(random, batch, length, heads, size) for length in (queries, keys, keys))

    def expected(*_, **attributes):
        parts = [x.reshape(batch, -1, heads * size) for x in (q, k, v)]
        inputs = parts + [bias]
        return peer.run_peer(*peer.build([Draw("MultiHeadAttention", inputs, attributes)]))
    inputs = ([np.stack([q, k, v], 3), None, None] if in_q else
              [q.reshape(batch, queries, -1), np.stack([k, v], 3), None])
    return Draw("MultiHeadAttention", inputs + [bias], {"num_heads": heads}, expected=expected)


def decoder_masked(random):
    batch, heads, size, keys = sizes(random, 4)
    past = int(random.integers(1, 4))
    across = random.random() < 0.3
    bias = maybe(random, normal(random, 3 * heads * size))
    q = normal(random, batch, 1, heads * size)
    if across:
        k, v = (normal(random, batch, heads, keys, size) for _ in range(2))
        inputs = [q, k, v, mask(random, batch, 1, keys, ("keys",))]
        inputs += [None] * 6 + [bias]
        return Draw("DecoderMaskedMultiHeadAttention", inputs, {"num_heads": heads})
    k, v = (normal(random, batch, 1, heads * size) for _ in range(2))
    room = past + 1 + int(random.integers(0, 3))
    state = normal(random, 2, batch, heads, room, size)
    inputs = [q, k, v, mask(random, batch, 1, past + 1, ("keys",)),
              attention_bias(random, batch, heads, 1, past + 1), state[0], state[1],
              np.array([past], I32), None, None, bias]
    return Draw("DecoderMaskedMultiHeadAttention", inputs,
                {"num_heads": heads, "past_present_share_buffer": 1}, outputs=3)


def caches(random, places, half, dtype):
    angles = random.uniform(0, 6.3, size=(places, half))
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def rotary(random):
    dtype = pick(random, np.float32, np.float32, np.float16)
    batch, heads, length, half = sizes(random, 4)
    size = 2 * half
    attributes = {"interleaved": switch(random)}
    apart = random.random() < 0.5
    if random.random() < 0.4:
        half = int(random.integers(1, half + 1))
        attributes |= {"num_heads": heads, "rotary_embedding_dim": 2 * half}
    x = normal(random, *([batch, heads, length, size] if apart else [batch, length, heads * size]),
               dtype=dtype)
    room = length + int(random.integers(0, 4))
    places = pick(random, random.integers(0, room, size=(batch, length)),
                  random.integers(0, room - length + 1, size=1))
    return Draw("RotaryEmbedding", [x, places, *caches(random, room, half, dtype)], attributes,
                constant=pick(random, (), (2, 3)),
                symbols=open_sizes(random, [x], {"batch": [(0, 0)], "length": [(0, 2 if apart else 1)]})
                if places.ndim == 1 else {})


def group_query(random):
    dtype = pick(random, np.float32, np.float32, np.float16)
    batch, kv_heads, sharing, length = sizes(random, 4)
    half = pick(random, 8, 8, 16)  # ONNX Runtime asks for heads in sixteens, to turn them
    size, heads = 2 * half, kv_heads * sharing
    prompt = random.random() < 0.4
    if not prompt and batch > 1:
        length = 1  # ONNX Runtime asks for it
    before = np.zeros(batch, int) if prompt else random.integers(1, 5, size=batch)
    after = before + length
    total = int(after.max())
    whole = random.random() < 0.5  # the past is the whole cache already
    room = total + int(random.integers(0, 3)) if whole else int(before.max())
    # Behind the tokens a cache may hold anything; ONNX Runtime leaves zeros.
    past = normal(random, 2, batch, kv_heads, room, size, dtype=dtype)
    past *= (np.arange(room) < before[:, None])[:, None, :, None]
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads, **some_scale(random),
                  **pick(random, {}, {}, {"local_window_size": 2}, {"causal": 0}),
                  **pick(random, {}, {"softcap": 1.5}), **pick(random, {}, {"smooth_softmax": 1})}
    packed = random.random() < 0.4
    widths = [heads * size, kv_heads * size, kv_heads * size]
    qkv = [normal(random, batch, length, width, dtype=dtype) for width in widths]
    inputs = [np.concatenate(qkv, 2), None, None] if packed else qkv
    inputs += [None, None] if prompt and not whole else [past[0], past[1]]
    inputs += [(after - 1).astype(I32), np.array(pick(random, total, [total]), I32), None, None, None]
    if random.random() < 0.5:
        turned = pick(random, 8, half)
        inputs[7:9] = caches(random, total + 2, turned, dtype)
        attributes |= {"do_rotary": 1, "rotary_interleaved": switch(random)}
        if random.random() < 0.3:
            inputs[9] = before[:, None] + np.arange(length)
    bias = attention_bias(random, batch, heads, length, total)
    sink = maybe(random, normal(random, heads, dtype=dtype))
    inputs += [None if bias is None else bias.astype(dtype), sink]
    axes = {"batch": [(i, 0) for i in (0, 1, 2, 3, 4, 5)], "length": [(i, 1) for i in (0, 1, 2)],
            "past": [(3, 2), (4, 2)]}
    inputs += [None] * 4 + [maybe(random, np.full(batch, length, I32)) if inputs[3] is not None else None]
    if inputs[-1] is not None:
        attributes.pop("causal", None)
    outputs, constant = 3, (6, 7, 8) if whole else pick(random, (6, 7, 8), (7, 8))
    if 6 in constant and random.random() < 0.3:
        attributes["qk_output"], outputs = int(random.integers(1, 3)), 4
    return Draw("GroupQueryAttention", inputs, attributes, outputs=outputs, constant=constant,
                types={3: helper.np_dtype_to_tensor_dtype(np.dtype(dtype))},
                symbols=open_sizes(random, inputs, axes))


def normalising_group_query(random):
    """With norms of queries and keys, which ONNX Runtime has on other devices only."""
    draw = group_query(random)
    while draw.inputs[1] is None or draw.inputs[0].dtype == np.float16:
        draw = group_query(random)
    size = draw.inputs[0].shape[2] // draw.attributes["num_heads"]
    weights = normal(random, 2, size)
    epsilon = {"qk_norm_epsilon": 0.01, **pick(random, {}, {"k_norm_epsilon": 0.3})}

    def normalised(x, weight, epsilon):
        rows = x.reshape(*x.shape[:2], -1, size)
        rows = rows / np.sqrt((rows * rows).mean(3, keepdims=True) + epsilon) * weight
        return rows.reshape(x.shape).astype(x.dtype)

    def expected(q, k, *rest, **_):
        inputs = [normalised(q, weights[0], 0.01),
                  normalised(k, weights[1], epsilon.get("k_norm_epsilon", 0.01)), *rest]
        inputs[14:16] = [None, None]
        plain = Draw(draw.op, inputs, draw.attributes, draw.outputs, types=draw.types)
        return peer.run_peer(*peer.build([plain]))
    inputs = [*draw.inputs]
    inputs[14:16] = weights
    return Draw(draw.op, inputs, draw.attributes | epsilon, draw.outputs, constant=draw.constant,
                expected=expected)


FAMILIES = {
    "RotaryEmbedding": rotary,
    "GroupQueryAttention": group_query,
    "norms in GroupQueryAttention": normalising_group_query,
    "Attention": attention,
    "MultiHeadAttention": multi_head,
    "packed MultiHeadAttention": packed_multi_head,
    "DecoderMaskedMultiHeadAttention": decoder_masked,
}

if __name__ == "__main__":
    peer.main(FAMILIES)
