"""Draws of single nodes, compared with what ONNX Runtime (or a function) computes.

A test here is a table of families, each a function that draws a node from a random generator:

    peer.main({"FusedMatMul": draw_fused_matmul, ...})

Its command line is [--seed N] [--draws N] [FAMILY...]. Many draws go into one model, which
`onnxc test` compiles, builds and runs; when that fails, each draw is tried alone, and the faulty
ones are printed with the seed that brings them back.
"""
import argparse
import sys
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc  # noqa: E402

BATCH = 12
OPSETS = {"": 21, "com.microsoft": 1}
# By what the results are: integers alone, floats too, 16-bit floats among them.
TOLERANCE = {"exact": ("--rtol", "0", "--atol", "0"), "float": ("--rtol", "1e-3", "--atol", "1e-5"),
             "half": ("--rtol", "1e-2", "--atol", "1e-2")}
# Integers that NumPy takes for opaque bytes.
PACKED = [ml_dtypes.int2, ml_dtypes.int4, ml_dtypes.uint2, ml_dtypes.uint4]
# The peer's own bugs may be many; these are not ours.
onnxruntime.set_default_logger_severity(4)


def pick(random, *choices):
    return choices[random.integers(len(choices))]


def normal(random, *shape, dtype=np.float32):
    return random.normal(size=shape).astype(dtype)


def maybe(random, value):
    return value if random.random() < 0.5 else None


@dataclass
class Draw:
    op: str
    inputs: list  # arrays; None: left out
    attributes: dict = field(default_factory=dict)
    outputs: object = 1  # how many, or for each whether it is there
    domain: str = "com.microsoft"
    constant: tuple = ()  # positions of inputs that are weights of the model
    symbols: dict = field(default_factory=dict)  # (input, axis): name of a size left open
    types: dict = field(default_factory=dict)  # of outputs whose type the peer cannot infer
    expected: object = None  # function(*inputs, **attributes) -> outputs; None: ONNX Runtime
    results: list = None

    def __str__(self):
        shapes = ["-" if x is None else f"{x.dtype}{list(x.shape)}" for x in self.inputs]
        return (f"{self.op}({', '.join(shapes)}) {self.attributes} outputs={self.outputs} "
                f"constant={list(self.constant)} symbols={self.symbols}")

    def present(self):
        """For each output whether it is there."""
        return [True] * self.outputs if isinstance(self.outputs, int) else list(self.outputs)

    def kind(self):
        """Key into TOLERANCE."""
        floats = [x.dtype for x in self.results if x.dtype.kind in "fV" and x.dtype not in PACKED]
        if not floats:
            return "exact"
        return "half" if any(dtype.itemsize == 2 for dtype in floats) else "float"


def value_info(name, array, draw, position, prefix):
    shape = [f"{prefix}{draw.symbols[position, axis]}" if (position, axis) in draw.symbols else size
             for axis, size in enumerate(array.shape)]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)


def build(draws):
    """One model of independent nodes, and the arrays that it takes, in order."""
    nodes, inputs, weights, outputs, feeds = [], [], [], [], {}
    for k, draw in enumerate(draws):
        names = []
        for i, array in enumerate(draw.inputs):
            name = "" if array is None else f"d{k}_in{i}"
            names.append(name)
            if array is None:
                continue
            if i in draw.constant:
                weights.append(numpy_helper.from_array(array, name))
            else:
                inputs.append(value_info(name, array, draw, i, f"d{k}_"))
                feeds[name] = array
        results = [f"d{k}_out{i}" if there else "" for i, there in enumerate(draw.present())]
        nodes.append(helper.make_node(draw.op, names, results, name=f"d{k}", domain=draw.domain,
                                      **draw.attributes))
        for i, name in enumerate(results):
            if name:
                outputs.append(helper.make_empty_tensor_value_info(name))
                if i in draw.types:
                    outputs[-1].type.tensor_type.elem_type = draw.types[i]
    graph = helper.make_graph(nodes, "draws", inputs, outputs, weights)
    domains = {"", *(draw.domain for draw in draws)}
    model = helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid(domain, OPSETS[domain]) for domain in sorted(domains)])
    return model, feeds


def run_peer(model, feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # some results depend on how work is split
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def expect(draw):
    """Sets the draw's results. The reason why the peer refuses it, or None."""
    if draw.expected is not None:
        results = draw.expected(*draw.inputs, **draw.attributes)
        draw.results = [np.asarray(x) for x, there in zip(results, draw.present()) if there]
        return None
    try:
        draw.results = run_peer(*build([draw]))
    except Exception as error:  # the peer has no common class for its errors
        return str(error).splitlines()[0]
    return None


def typed_outputs(model, draws):
    arrays = [array for draw in draws for array in draw.results]
    for value, array in zip(model.graph.output, arrays):
        # The rank is left to inference: only what is written down could hide a wrong one.
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
    return arrays


def write(folder, draws):
    model, feeds = build(draws)
    arrays = typed_outputs(model, draws)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for kind, tensors in (("input", feeds.values()), ("output", arrays)):
        for i, array in enumerate(tensors):
            onnx.save_tensor(numpy_helper.from_array(array), data / f"{kind}_{i}.pb")


def onnxc_test(folders, kind, *flags):
    return onnxc("test", "--jobs", JOBS, *TOLERANCE[kind], *flags, *folders, timeout=None)


def check_alone(root, label, draw):
    """Faults of one draw."""
    folder = root / f"alone_{zlib.crc32(label.encode())}"
    write(folder, [draw])
    result = onnxc_test([folder], draw.kind(), "-v")
    if result.returncode == 0:
        return []
    return [f"{label}: {draw}\n{result.stdout.strip()}\n{result.stderr.strip()}"]


def check_batches(root, labelled, kind):
    """Faults of many draws."""
    folders = []
    for at in range(0, len(labelled), BATCH):
        batch = labelled[at:at + BATCH]
        folders.append((root / f"batch_{kind}_{at}", batch))
        write(folders[-1][0], [draw for _, draw in batch])
    result = onnxc_test([folder for folder, _ in folders], kind)
    passed = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("PASS ")}
    faults = []
    for folder, batch in folders:
        if str(folder) in passed:
            continue
        alone = [fault for label, draw in batch for fault in check_alone(root, label, draw)]
        faults += alone or [f"{folder.name}: fails only as a whole\n{result.stdout}{result.stderr}"]
    return faults


def collect(families, seed, count):
    """(label, draw) of all draws with results, and faults of families that the peer refuses."""
    labelled, refused = [], Counter()
    for name, family in families.items():
        reason = None
        for i in range(count):
            draw = family(np.random.default_rng([seed, zlib.crc32(name.encode()), i]))
            why = expect(draw)
            if why is None:
                labelled.append((f"{name} (seed {seed}, draw {i})", draw))
            else:
                refused[name] += 1
                reason = f"{draw}\n{why}"
        if refused[name]:
            print(f"{name}: the peer refuses {refused[name]} of {count}, the last {reason}")
    return labelled, [f"{name}: the peer refuses half of the draws"
                      for name, n in refused.items() if n > count // 2]


def main(families):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("family", nargs="*")
    options = parser.parse_args()
    chosen = {name: families[name] for name in options.family or families}
    labelled, faults = collect(chosen, options.seed, options.draws)
    with tempfile.TemporaryDirectory() as root:
        for kind in TOLERANCE:
            some = [(label, draw) for label, draw in labelled if draw.kind() == kind]
            if some:
                faults += check_batches(Path(root), some, kind)
    for fault in faults:
        print(fault)
    print(f"seed {options.seed}: {len(labelled)} draws of {len(chosen)} families, "
          f"{len(faults)} faults")
    sys.exit(bool(faults) or not labelled)
