"""Models of many equal blocks, as exporters write them.

    deep.py KIND LAYERS FILE [m.width]      KIND is one of MODELS
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEADS, CHANNELS = 2, 4


class Maker:
    """Nodes with names that count up, and weights from a seed."""

    def __init__(self, width):
        self.nodes, self.weights, self.count, self.width = [], [], 0, width
        self.rng = np.random.default_rng(0)

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, f"n{self.count}",
                                           **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, *shape, scale=0.3):
        array = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        return self.constant(array)

    def constant(self, array):
        self.count += 1
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"w{self.count}"))
        return self.weights[-1].name

    def model(self, result, inputs, more_results=None):
        inputs, results = ([helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
                            for name, dims in table.items()]
                           for table in (inputs, {result: inputs["x"], **(more_results or {})}))
        graph = helper.make_graph(self.nodes, "deep", inputs, results, self.weights)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def norm(m, x):
    mean = m.op("ReduceMean", x, axes=[-1])
    centred = m.op("Sub", x, mean)
    variance = m.op("ReduceMean", m.op("Pow", centred, m.constant(np.float32(2))), axes=[-1])
    root = m.op("Sqrt", m.op("Add", variance, m.constant(np.float32(1e-5))))
    y = m.op("Div", centred, root)
    return m.op("Add", m.op("Mul", y, m.weight(m.width)), m.weight(m.width))


def linear(m, x, rows, columns):
    return m.op("Add", m.op("MatMul", x, m.weight(rows, columns)), m.weight(columns))


def heads_of(m, x, perm):
    shape = m.op("Shape", x)
    sizes = [m.op("Unsqueeze", m.op("Gather", shape, m.constant(np.int64(i)), axis=0),
                  m.constant(np.int64([0]))) for i in range(2)]
    target = m.op("Concat", *sizes, m.constant(np.int64([HEADS])),
                  m.constant(np.int64([m.width // HEADS])), axis=0)
    return m.op("Transpose", m.op("Reshape", x, target), perm=perm)


def attention(m, x, mask):
    q = heads_of(m, linear(m, x, m.width, m.width), [0, 2, 1, 3])
    k = heads_of(m, linear(m, x, m.width, m.width), [0, 2, 3, 1])
    v = heads_of(m, linear(m, x, m.width, m.width), [0, 2, 1, 3])
    scores = m.op("Div", m.op("MatMul", q, k), m.constant(np.float32(2)))
    scores = m.op("Add", scores, mask)
    mixed = m.op("MatMul", m.op("Softmax", scores, axis=-1), v)
    y = m.op("Reshape", m.op("Transpose", mixed, perm=[0, 2, 1, 3]),
             m.constant(np.int64([0, 0, m.width])))
    return linear(m, y, m.width, m.width)


def gelu(m, x):
    e = m.op("Erf", m.op("Div", x, m.constant(np.float32(2 ** 0.5))))
    y = m.op("Mul", x, m.op("Add", e, m.constant(np.float32(1))))
    return m.op("Mul", y, m.constant(np.float32(0.5)))


def transformer(layers, width=8):
    """Norms behind the sums, in primitives, as TorchScript writes them; all layers read a mask."""
    m, x = Maker(width), "x"
    seen = m.op("Unsqueeze", "seen", m.constant(np.int64([1, 2])))
    mask = m.op("Mul", m.op("Sub", m.constant(np.float32(1)), seen), m.constant(np.float32(-1e4)))
    for _ in range(layers):
        x = norm(m, m.op("Add", x, attention(m, x, mask)))
        inner = gelu(m, linear(m, x, width, 2 * width))
        x = norm(m, m.op("Add", x, linear(m, inner, 2 * width, width)))
    return m.model(x, {"x": ["batch", "seq", width], "seen": ["batch", "seq"]})


def pre_norm_block(m, x, w):
    """`w` holds what the layer reads."""
    def split(name):
        heads = m.op("Reshape", name, w["heads"])
        return m.op("Transpose", heads, perm=[0, 2, 1, 3])
    y = m.op("LayerNormalization", x, w["scale_1"], w["bias_1"])
    y = m.op("Add", m.op("MatMul", y, w["qkv"]), w["qkv_bias"])
    q, k, v = (split(part) for part in m.op("Split", y, w["thirds"], outputs=3, axis=-1))
    scores = m.op("Mul", m.op("MatMul", q, m.op("Transpose", k, perm=[0, 1, 3, 2])), w["root"])
    y = m.op("Transpose", m.op("MatMul", m.op("Softmax", scores), v), perm=[0, 2, 1, 3])
    y = m.op("MatMul", m.op("Reshape", y, w["joined"]), w["out"])
    x = m.op("Add", m.op("Add", y, w["out_bias"]), x)
    y = m.op("LayerNormalization", x, w["scale_2"], w["bias_2"])
    y = m.op("Add", m.op("MatMul", y, w["up"]), w["up_bias"])
    y = m.op("Mul", y, m.op("Sigmoid", y))
    return m.op("Add", m.op("Add", m.op("MatMul", y, w["down"]), w["down_bias"]), x)


def pre_norm_weights(m):
    d, random = m.width, {}
    for name, shape in {"scale_1": [d], "bias_1": [d], "qkv": [d, 3 * d], "qkv_bias": [3 * d],
                        "out": [d, d], "out_bias": [d], "scale_2": [d], "bias_2": [d],
                        "up": [d, 4 * d], "up_bias": [4 * d], "down": [4 * d, d],
                        "down_bias": [d]}.items():
        random[name] = m.weight(*shape)
    return {**random, "heads": m.constant(np.int64([0, 0, HEADS, d // HEADS])),
            "thirds": m.constant(np.int64([d, d, d])), "joined": m.constant(np.int64([0, 0, d])),
            "root": m.constant(np.float32((d // HEADS) ** -0.5))}


def pre_norm(layers, width=8):
    m, x = Maker(width), "x"
    for _ in range(layers):
        x = pre_norm_block(m, x, pre_norm_weights(m))
    return m.model(x, {"x": ["batch", "seq", width]})


def shared(layers, width=8):
    """The same with one set of weights that all layers read."""
    m, x = Maker(width), "x"
    weights = pre_norm_weights(m)
    for _ in range(layers):
        x = pre_norm_block(m, x, weights)
    return m.model(x, {"x": ["batch", "seq", width]})


def functions(layers, width=8):
    """The same with each layer a call of one function."""
    m, x = Maker(width), "x"
    body = Maker(width)
    names = list(pre_norm_weights(body))
    result = pre_norm_block(body, "x", {name: name for name in names})
    for _ in range(layers):
        x = m.op("Block", x, *pre_norm_weights(m).values(), domain="deep")
    model = m.model(x, {"x": ["batch", "seq", width]})
    model.functions.append(helper.make_function("deep", "Block", ["x", *names], [result], body.nodes,
                                                [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("deep", 1))
    return model


def cached(layers, width=8):
    """A decoder that reads and returns keys and values of each layer."""
    m, x = Maker(width), "x"
    inputs, results = {}, {}
    for i in range(layers):
        q = heads_of(m, linear(m, x, width, width), [0, 2, 1, 3])
        present = []
        for name in ("key", "value"):
            past = f"past.{i}.{name}"
            inputs[past] = ["batch", HEADS, "past", width // HEADS]
            new = heads_of(m, linear(m, x, width, width), [0, 2, 1, 3])
            present.append(m.op("Concat", past, new, axis=2))
            results[present[-1]] = ["batch", HEADS, "all", width // HEADS]
        scores = m.op("MatMul", q, m.op("Transpose", present[0], perm=[0, 1, 3, 2]))
        y = m.op("Transpose", m.op("MatMul", m.op("Softmax", scores), present[1]),
                 perm=[0, 2, 1, 3])
        y = m.op("Reshape", y, m.constant(np.int64([0, 0, width])))
        x = norm(m, m.op("Add", x, linear(m, y, width, width)))
    return m.model(x, {"x": ["batch", "seq", width], **inputs}, results)


def resnet(layers, width=4):
    m, x = Maker(width), "x"
    for _ in range(layers):
        y = x
        for last in (False, True):
            y = m.op("Conv", y, m.weight(width, width, 3, 3), pads=[1, 1, 1, 1])
            variance = m.constant(np.full(width, 1, np.float32))
            y = m.op("BatchNormalization", y, m.weight(width), m.weight(width), m.weight(width),
                     variance)
            y = y if last else m.op("Relu", y)
        x = m.op("Relu", m.op("Add", x, y))
    return m.model(x, {"x": ["batch", width, 6, 6]})


def skips(layers, width=8):
    """What was first is added again in every block, and what came just before."""
    m, x = Maker(width), "x"
    first = last = m.op("Tanh", x)
    for _ in range(layers):
        y = m.op("Add", m.op("Relu", linear(m, last, width, width)), first)
        first_again = m.op("Mul", first, m.weight(width))
        x, last = last, norm(m, m.op("Add", y, m.op("Add", x, first_again)))
    return m.model(last, {"x": ["batch", "seq", width]})


def mirrored(layers, width=8):
    """The second half takes up what the first half made, the last of it first."""
    m, x, stack = Maker(width), "x", []
    for _ in range(layers // 2):
        x = m.op("Relu", linear(m, x, width, width))
        stack.append(x)
    for _ in range(layers // 2):
        x = m.op("Add", m.op("Relu", linear(m, x, width, width)), stack.pop())
    return m.model(x, {"x": ["batch", "seq", width]})


def branches(layers, width=8):
    """An If in every layer, both of its branches reading what is around them."""
    m, x = Maker(width), "x"
    for _ in range(layers):
        arms = []
        for kind in ("Tanh", "Sigmoid"):
            m.count += 1
            arm = helper.make_node(kind, [x], [f"arm{m.count}"])
            result = helper.make_tensor_value_info(f"arm{m.count}", TensorProto.FLOAT, None)
            arms.append(helper.make_graph([arm], kind, [], [result]))
        x = linear(m, m.op("If", "which", then_branch=arms[0], else_branch=arms[1]), width, width)
    model = m.model(x, {"x": ["batch", "seq", width]})
    model.graph.input.append(helper.make_tensor_value_info("which", TensorProto.BOOL, []))
    return model


MODELS = {make.__name__: make for make in (transformer, pre_norm, shared, functions, cached, resnet,
                                           skips, mirrored, branches)}

if __name__ == "__main__":
    onnx.save(MODELS[sys.argv[1]](int(sys.argv[2]), *map(int, sys.argv[4:])), sys.argv[3])
