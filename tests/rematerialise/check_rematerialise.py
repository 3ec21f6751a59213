"""Random networks with values that are made by little work, read early and read late again give the
same at -Os, where some of them are computed twice, as at -O2: bit for bit, and in no more memory.

    check_rematerialise.py [--draws N] [--seed S]
"""
import random
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_levels  # noqa: E402

UNARY = ("Relu", "Neg", "Abs", "Sigmoid", "Tanh", "Exp")


class Network:
    """A graph over [rows, width] whose values `kept` are read again at its end."""

    def __init__(self, seed):
        self.draw, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.nodes, self.constants = [], []
        self.rows, self.width = self.draw.randint(2, 24), self.draw.randint(8, 40)
        self.bytes = seed % 3 == 0
        self.x = "x"
        if self.bytes:
            self.x = self.node("DequantizeLinear", "x", self.constant(np.float32(0.03)),
                               self.constant(np.uint8(121)))
        self.kept = [self.cheap() for _ in range(self.draw.randint(1, 3))]

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def random(self, *shape):
        return self.constant(self.numbers.normal(size=shape).astype(np.float32) / 4)

    def broadcast(self):
        """A few numbers that were computed, over all rows or columns."""
        mean = self.node("ReduceMean", self.x, axes=[self.draw.randint(0, 1)], keepdims=1)
        return self.node("Expand", mean, self.constant(np.int64([self.rows, self.width])))

    def turned(self):
        """The rows in another order, halves swapped."""
        order = self.numbers.permutation(self.rows).astype(np.int64)
        at, half = self.node("Gather", self.x, self.constant(order), axis=0), self.width // 2
        sizes = self.constant(np.int64([half, self.width - half]))
        left, right = self.node("Split", at, sizes, outputs=2, axis=1)
        return self.node("Concat", right, left, axis=1)

    def columns(self):
        return self.node("Transpose", self.node("Transpose", self.x, perm=[1, 0]), perm=[1, 0])

    def cheap(self):
        y = self.draw.choice([self.broadcast, self.turned, self.columns, lambda: self.x])()
        for _ in range(self.draw.randint(0, 2)):
            y = self.node(self.draw.choice(UNARY), y)
        return self.node("Mul", y, self.random(self.width)) if self.draw.random() < 0.6 else y

    def product(self, x, inputs, outputs):
        return self.node("MatMul", x, self.random(inputs, outputs))

    def model(self):
        """Something of the kept values, something wide, then the kept values again."""
        y = self.product(self.x, self.width, self.width)
        for kept in self.kept:
            y = self.node("Add", y, self.product(kept, self.width, self.width))
        for _ in range(self.draw.randint(1, 2)):
            wide = self.width * self.draw.randint(2, 5)
            y = self.product(self.product(y, self.width, wide), wide, self.width)
            y = self.node("Softmax", y, axis=-1)
            if self.draw.random() < 0.5:
                y = self.node("Add", y, self.draw.choice(self.kept))
        for kept in self.kept:
            flat = self.node("Reshape", kept, self.constant(np.int64([self.rows, self.width])))
            late = self.product(flat, self.width, self.width)
            y = self.node("Mul", y, late if self.draw.random() < 0.5 else kept)
        kind = TensorProto.UINT8 if self.bytes else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes, "network",
            [helper.make_tensor_value_info("x", kind, [self.rows, self.width])],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    def input(self):
        shape = (self.rows, self.width)
        if self.bytes:
            return self.numbers.integers(0, 256, shape).astype(np.uint8)
        return self.numbers.normal(size=shape).astype(np.float32)


def draw(seed):
    network = Network(seed)
    return network.model(), network.input()


if __name__ == "__main__":
    check_levels("networks", draw, "rematerialise")
