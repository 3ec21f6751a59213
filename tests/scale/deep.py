"""Models of many equal blocks, as exporters write them.

    deep.py transformer|resnet|skips|mirrored LAYERS FILE
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEADS, CHANNELS = 8, 2, 4


class Maker:
    """Nodes with names that count up, and weights from a seed."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0
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

    def model(self, result, inputs):
        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
                 for name, dims in {**inputs, result: inputs["x"]}.items()]
        graph = helper.make_graph(self.nodes, "deep", given[:-1], given[-1:], self.weights)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def norm(m, x):
    mean = m.op("ReduceMean", x, axes=[-1])
    centred = m.op("Sub", x, mean)
    variance = m.op("ReduceMean", m.op("Pow", centred, m.constant(np.float32(2))), axes=[-1])
    root = m.op("Sqrt", m.op("Add", variance, m.constant(np.float32(1e-5))))
    y = m.op("Div", centred, root)
    return m.op("Add", m.op("Mul", y, m.weight(WIDTH)), m.weight(WIDTH))


def linear(m, x, rows, columns):
    return m.op("Add", m.op("MatMul", x, m.weight(rows, columns)), m.weight(columns))


def heads_of(m, x, perm):
    shape = m.op("Shape", x)
    sizes = [m.op("Unsqueeze", m.op("Gather", shape, m.constant(np.int64(i)), axis=0),
                  m.constant(np.int64([0]))) for i in range(2)]
    target = m.op("Concat", *sizes, m.constant(np.int64([HEADS])),
                  m.constant(np.int64([WIDTH // HEADS])), axis=0)
    return m.op("Transpose", m.op("Reshape", x, target), perm=perm)


def attention(m, x, mask):
    q = heads_of(m, linear(m, x, WIDTH, WIDTH), [0, 2, 1, 3])
    k = heads_of(m, linear(m, x, WIDTH, WIDTH), [0, 2, 3, 1])
    v = heads_of(m, linear(m, x, WIDTH, WIDTH), [0, 2, 1, 3])
    scores = m.op("Div", m.op("MatMul", q, k), m.constant(np.float32(2)))
    scores = m.op("Add", scores, mask)
    mixed = m.op("MatMul", m.op("Softmax", scores, axis=-1), v)
    y = m.op("Reshape", m.op("Transpose", mixed, perm=[0, 2, 1, 3]),
             m.constant(np.int64([0, 0, WIDTH])))
    return linear(m, y, WIDTH, WIDTH)


def gelu(m, x):
    e = m.op("Erf", m.op("Div", x, m.constant(np.float32(2 ** 0.5))))
    y = m.op("Mul", x, m.op("Add", e, m.constant(np.float32(1))))
    return m.op("Mul", y, m.constant(np.float32(0.5)))


def transformer(layers):
    m, x = Maker(), "x"
    seen = m.op("Unsqueeze", "seen", m.constant(np.int64([1, 2])))
    mask = m.op("Mul", m.op("Sub", m.constant(np.float32(1)), seen), m.constant(np.float32(-1e4)))
    for _ in range(layers):
        x = norm(m, m.op("Add", x, attention(m, x, mask)))
        x = norm(m, m.op("Add", x, linear(m, gelu(m, linear(m, x, WIDTH, 16)), 16, WIDTH)))
    return m.model(x, {"x": ["batch", "seq", WIDTH], "seen": ["batch", "seq"]})


def resnet(layers):
    m, x = Maker(), "x"
    for _ in range(layers):
        y = x
        for last in (False, True):
            y = m.op("Conv", y, m.weight(CHANNELS, CHANNELS, 3, 3), pads=[1, 1, 1, 1])
            variance = m.constant(np.full(CHANNELS, 1, np.float32))
            y = m.op("BatchNormalization", y, m.weight(CHANNELS), m.weight(CHANNELS),
                     m.weight(CHANNELS), variance)
            y = y if last else m.op("Relu", y)
        x = m.op("Relu", m.op("Add", x, y))
    return m.model(x, {"x": ["batch", CHANNELS, 6, 6]})


def skips(layers):
    """What was first is added again in every block, and what came just before."""
    m, x = Maker(), "x"
    first = last = m.op("Tanh", x)
    for _ in range(layers):
        y = m.op("Add", m.op("Relu", linear(m, last, WIDTH, WIDTH)), first)
        first_again = m.op("Mul", first, m.weight(WIDTH))
        x, last = last, norm(m, m.op("Add", y, m.op("Add", x, first_again)))
    return m.model(last, {"x": ["batch", "seq", WIDTH]})


def mirrored(layers):
    """The second half takes up what the first half made, the last of it first."""
    m, x, stack = Maker(), "x", []
    for _ in range(layers // 2):
        x = m.op("Relu", linear(m, x, WIDTH, WIDTH))
        stack.append(x)
    for _ in range(layers // 2):
        x = m.op("Add", m.op("Relu", linear(m, x, WIDTH, WIDTH)), stack.pop())
    return m.model(x, {"x": ["batch", "seq", WIDTH]})


MODELS = {"transformer": transformer, "resnet": resnet, "skips": skips, "mirrored": mirrored}

if __name__ == "__main__":
    onnx.save(MODELS[sys.argv[1]](int(sys.argv[2])), sys.argv[3])
