"""Random chains of convolutions, pools and what goes with them give the same at -Os, where they are
computed in strips, as at -O2: bit for bit, in f32 and on bytes, and in no more memory.

    check_strips.py [--draws N] [--seed S]
"""
import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import onnxc, passed  # noqa: E402


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


def arena(model, level):
    report = json.loads(onnxc("inspect", model, level, "--format", "json").stdout)
    strips = [p["rewrites"] for p in report["passes"] if p["name"] == "strips"]
    return report["memory"]["arena_bytes"], sum(strips)


def check(root, seed):
    """What is wrong with one chain, and the memory at both levels."""
    chain, folder = draw_chain(seed), root / str(seed)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(chain.model(), folder / "model.onnx")
    x = chain.numbers.normal(size=chain.shape).astype(np.float32)
    onnx.save_tensor(numpy_helper.from_array(x), data / "input_0.pb")
    np.save(folder / "x.npy", x)
    ran = onnxc("run", folder / "model.onnx", "-O2", "--input", f"x={folder / 'x.npy'}",
                "--output-dir", folder / "out")
    outputs = list((folder / "out").glob("*.npy"))
    if ran.returncode != 0 or len(outputs) != 1:
        return [f"{seed}: {ran.stderr}"], 0, 0, 0
    onnx.save_tensor(numpy_helper.from_array(np.load(outputs[0])), data / "output_0.pb")
    (usual, _), (small, strips) = (arena(folder / "model.onnx", level) for level in ("-O2", "-Os"))
    result = onnxc("test", "-Os", "--verify-passes", "--rtol", "0", "--atol", "0", folder, "-v")
    faults = [] if passed(result) else [f"{seed}: {result.stdout}{result.stderr}"]
    if small > usual:
        faults.append(f"{seed}: {small} bytes at -Os, {usual} at -O2")
    return faults, usual, small, strips


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    faults, sums, chains = [], [0, 0], 0
    with tempfile.TemporaryDirectory() as root:
        for seed in range(wanted.seed, wanted.seed + wanted.draws):
            found, usual, small, strips = check(Path(root), seed)
            faults += found
            sums = [sums[0] + usual, sums[1] + small]
            chains += strips > 0
    print(*faults, f"{wanted.draws} chains, {chains} of them in strips, {len(faults)} faults",
          f"{sums[1]:,} bytes at -Os, {sums[0]:,} at -O2", sep="\n")
    sys.exit(bool(faults) or chains < wanted.draws // 4)


if __name__ == "__main__":
    main()
