"""Prints a Markdown table of the memory for intermediate values, one row for each model.

    memory.py FOLDER... [--flags "FLAG..."]

Each folder below FOLDER with model.onnx and test data is a model; its first data set decides about
the sizes. Inputs, outputs and weights count nowhere.

tensors   the sum of all values that the model's nodes compute, as it is written
live      the largest sum of those that are needed at one time, in the order of its nodes
arena     what the generated code needs, and
bound     what any plan for its steps needs at least
ORT       what ONNX Runtime has allocated at most during a run (ort_memory.py)
"""
import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, dim_flags, onnxc  # noqa: E402

DATA = "test_data_set_0"


def data_inputs(folder):
    files = (folder / DATA).glob("input_*.pb")
    return sorted(files, key=lambda path: int(path.stem.split("_")[1]))


def value_bytes(model, inputs):
    """The bytes of each value that a node of the main graph computes, by name."""
    weights = {tensor.name for tensor in model.graph.initializer}
    names = [x.name for x in model.graph.input if x.name not in weights][:len(inputs)]
    outputs = {x.name for x in model.graph.output}
    computed = [name for node in model.graph.node if node.op_type != "Constant"
                for name in node.output if name and name not in outputs]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    arrays = session.run(computed, dict(zip(names, inputs))) if computed else []
    return {name: getattr(array, "nbytes", 0) for name, array in zip(computed, arrays)}


def used_names(node):
    """What a node reads, in its subgraphs as well."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from used_names(inner)
            yield from (value.name for value in graph.output)


def live_sum(model, sizes):
    """The largest sum of what has been computed and will be read yet."""
    last = {name: i for i, node in enumerate(model.graph.node) for name in used_names(node)}
    total = most = 0
    ends = {}
    for i, node in enumerate(model.graph.node):
        for name in node.output:
            total += sizes.get(name, 0)
            ends.setdefault(last.get(name, i), []).append(name)
        most = max(most, total)
        total -= sum(sizes.get(name, 0) for name in ends.get(i, ()))
    return most


def nests(model):
    return any(a.g.node or a.graphs for node in model.graph.node for a in node.attribute)


def as_written(folder):
    """(tensors, live), or None where ONNX Runtime cannot show the values: of branches and loops."""
    try:
        model = onnx.load(folder / "model.onnx")
        if nests(model):
            return None
        inputs = [numpy_helper.to_array(onnx.load_tensor(path)) for path in data_inputs(folder)]
        sizes = value_bytes(model, inputs)
        return sum(sizes.values()), live_sum(model, sizes)
    except Exception as error:  # of any kind: there is no list of what it refuses
        print(f"{folder.name}: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def ours(folder, flags):
    """(arena, bound), or None when the model is refused."""
    view = onnxc("inspect", folder / "model.onnx", "--format", "json", *dim_flags(folder, DATA),
                 *flags)
    if view.returncode:
        print(f"{folder.name}: {view.stderr}", file=sys.stderr)
        return None
    memory = json.loads(view.stdout)["memory"]
    return memory["arena_bytes"], memory["lower_bound_bytes"]


def theirs(folder):
    """ONNX Runtime's peak, and whether it is that of the run; in a process of its own."""
    script = Path(__file__).parent / "ort_memory.py"
    command = [sys.executable, script, folder / "model.onnx", *data_inputs(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return json.loads(result.stdout)
    reason = (result.stderr.splitlines() or [f"exit {result.returncode}"])[-1]
    print(f"{folder.name}: ONNX Runtime: {reason}", file=sys.stderr)
    return None


def number(value):
    return "" if value is None else f"{value:,}"


def row(folder, flags, ratios):
    written, plan, peak = as_written(folder) or (None, None), ours(folder, flags), theirs(folder)
    arena, bound = plan or (None, None)
    ratio, theirs_text = "", ""
    if peak is not None:
        theirs_text = ("" if peak["exact"] else "at most ") + number(peak["peak"])
    if peak is not None and peak["exact"] and arena and peak["peak"]:
        ratios.append(arena / peak["peak"])
        ratio = f"{ratios[-1]:.3f}"
    return (f"| {folder.name} | {number(written[0])} | {number(written[1])} | {number(arena)} | "
            f"{number(bound)} | {theirs_text} | {ratio} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--flags", default="", help="of onnxc inspect")
    given = parser.parse_args()
    ratios = []
    print("| model | tensors | live | arena | bound | ORT | arena / ORT |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for folder in cases(*given.folders):
        print(row(folder, given.flags.split(), ratios), flush=True)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\n{len(ratios)} models with a ratio, geometric mean {mean:.3f}; neither side of it "
              "may be nothing.")


if __name__ == "__main__":
    main()
