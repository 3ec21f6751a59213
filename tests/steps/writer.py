"""Writes small models node by node, and checks which steps they become."""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import dim_flags, onnxc, passed, write_case  # noqa: E402


class Graph:
    """Writes nodes: `g.Add(a, b)` gives the name of the sum; arrays become initializers."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def name(self, value):
        if value is None or isinstance(value, str):
            return value or ""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def __getattr__(self, op):
        def write(*inputs, outputs=1, **attributes):
            names = [f"n{len(self.nodes)}_{i}" for i in range(outputs)]
            inputs = [self.name(value) for value in inputs]
            self.nodes.append(helper.make_node(op, inputs, names, f"{op}_{names[0]}", **attributes))
            return names[0] if outputs == 1 else names
        return write

    def slice(self, x, start, end, step=1, axis=-1):
        return self.Slice(x, [start], [end], [axis], [step])

    def select(self, x, i, axis=-1):
        return self.Gather(x, np.int64(i), axis=axis)

    def unsqueeze(self, x, axis):
        return self.Unsqueeze(x, [axis])

    def stack(self, *parts, axis=-1):
        return self.Concat(*(self.unsqueeze(part, axis) for part in parts), axis=axis)

    def model(self, inputs, outputs, integers=()):
        """Inputs and outputs with their sizes; those named `integers` are i64, others f32."""
        def info(name, dims):
            kind = TensorProto.INT64 if name in integers else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, dims)
        graph = helper.make_graph(self.nodes, "graph", [info(*pair) for pair in inputs.items()],
                                  [info(*pair) for pair in outputs.items()], self.weights)
        return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])


def check_steps(folder, model, inputs, expected):
    """Faults: of the numbers of steps by kind, of results that are not those of ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    write_case(folder, model, inputs.values(), session.run(None, inputs))
    result = onnxc("inspect", folder / "model.onnx", "--format", "json", *dim_flags(folder))
    if result.returncode:
        return [f"{folder.name}: {result.stderr}"]
    kinds = [step["kind"] for step in json.loads(result.stdout)["steps"]]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    expected = {kind: n for kind, n in expected.items() if n}
    faults = [] if counts == expected else [f"{folder.name}: {counts}, expected {expected}"]
    outcome = onnxc("test", folder, "--rtol", "1e-4", "--atol", "1e-5")
    return faults + ([] if passed(outcome) else [f"{folder.name}: {outcome.stdout}{outcome.stderr}"])
