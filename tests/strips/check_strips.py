"""Random chains of convolutions, pools and what goes with them give the same at -Os, where they are
computed in strips, as at -O2: bit for bit, in f32 and on bytes, and in no more memory.

    check_strips.py [--draws N] [--seed S]
"""
import random
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_levels  # noqa: E402


class Chain:
    """A graph that grows by one operator after the other; `x` is what the last one made."""

    def __init__(self, seed, quantised):
        self.draw, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.nodes, self.constants, self.quantised = [], [], quantised
        self.channels = self.draw.randint(1, 3)
        self.height, self.width = self.draw.randint(9, 40), self.draw.randint(5, 24)
        self.shape = [1, self.channels, self.height, self.width]
        self.x = "x"
        self.quantise()

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def quantise(self):
        """What every value goes through in the QDQ format."""
        if not self.quantised:
            return
        scale = self.constant(np.float32(self.draw.uniform(0.02, 0.05)))
        zero = self.constant(np.uint8(self.draw.randint(100, 150)))
        y = self.node("QuantizeLinear", self.x, scale, zero)
        self.x = self.node("DequantizeLinear", y, scale, zero)

    def weights(self, *shape):
        if not self.quantised:
            return self.constant(self.numbers.normal(size=shape).astype(np.float32) / 3)
        values = self.constant(self.numbers.integers(-127, 128, shape).astype(np.int8))
        return self.node("DequantizeLinear", values, self.constant(np.float32(0.004)),
                         self.constant(np.int8(0)))

    def window(self, largest=3):
        """Attributes of a window, and the sizes behind it."""
        kernel = [self.draw.randint(1, min(largest, n)) for n in (self.height, self.width)]
        strides = [self.draw.choice([1, 1, 2]) for _ in kernel]
        pads = [self.draw.randint(0, k // 2) for k in kernel + kernel]
        sizes = [(n + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1
                 for i, n in enumerate((self.height, self.width))]
        return dict(kernel_shape=kernel, strides=strides, pads=pads), sizes

    def convolve(self, depthwise=False):
        attributes, sizes = self.window()
        outputs = self.channels if depthwise else self.draw.randint(1, 40)
        inputs = 1 if depthwise else self.channels
        w = self.weights(outputs, inputs, *attributes["kernel_shape"])
        self.x = self.node("Conv", self.x, w, group=self.channels if depthwise else 1,
                           **attributes)
        self.channels, (self.height, self.width) = outputs, sizes
        if self.draw.random() < 0.6:
            self.x = self.node("Relu", self.x)

    def pool(self):
        attributes, (self.height, self.width) = self.window()
        op = self.draw.choice(["MaxPool", "AveragePool"])
        if op == "AveragePool":
            attributes["count_include_pad"] = self.draw.randint(0, 1)
        self.x = self.node(op, self.x, **attributes)

    def residual(self):
        """x + f(x), or both side by side."""
        before, kernel = self.x, 3
        w = self.weights(self.channels, self.channels, kernel, kernel)
        self.x = self.node("Conv", self.x, w, pads=[1, 1, 1, 1])
        self.quantise()
        if self.draw.random() < 0.5:
            self.x = self.node("Add", self.x, before)
        else:
            self.x = self.node("Concat", self.x, before, axis=1)
            self.channels *= 2

    def scale(self):
        self.x = self.node("Mul", self.x, self.weights(self.channels, 1, 1))

    def grow(self):
        ways = [self.convolve] * 4 + [lambda: self.convolve(depthwise=True)] * 2
        ways += [self.pool, self.residual, self.scale]
        self.draw.choice(ways)()
        self.quantise()

    def model(self):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        y = helper.make_tensor_value_info(self.x, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "chain", [x], [y], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def draw_chain(seed):
    chain = Chain(seed, quantised=seed % 2 == 1)
    for _ in range(chain.draw.randint(3, 8)):
        if min(chain.height, chain.width) >= 3:
            chain.grow()
    chain.x = chain.node("ReduceMean", chain.x, axes=[2, 3]) if seed % 3 == 0 else chain.x
    return chain


def draw(seed):
    chain = draw_chain(seed)
    return chain.model(), chain.numbers.normal(size=chain.shape).astype(np.float32)


if __name__ == "__main__":
    check_levels("chains", draw, "strips")
