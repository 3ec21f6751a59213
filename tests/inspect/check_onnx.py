"""Optimised models as ONNX again: the checker takes them, they keep the interface, and what ONNX
Runtime computes with them is what is expected.

    check_onnx.py FOLDER...

Every model below the folders is written twice: with all sizes open, and with those of its data sets
as bounds, which lets more passes have their way.

Graphs run as they are written but for the runtime's basic simplifications, since its extended ones
crash on some of the originals.
"""
import ast
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, check_each, dim_flags, onnxc  # noqa: E402

UNSUPPORTED = 3
# Where a size decides about a rank, open sizes are refused.
NEEDS_SIZES = {"silero_vad_16k_op15"}


def load(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def noise(index):
    """Absolute tolerances of trained models: ten times the noise that their table says; where it
    has none the outputs are integers or of half precision."""
    rows = [line.strip("| ").split("|") for line in index.read_text().splitlines()
            if line.startswith("|")][2:]
    values = {row[0].strip(): ast.literal_eval(row[-1].strip()) for row in rows}
    return {name: max(1e-7, 10 * max(of)) if of else 1e-3 for name, of in values.items()}


def tolerances(folder):
    index, facts = folder.parent / "INDEX.md", folder / "facts.json"
    if index.exists():
        return 1e-4, noise(index)[folder.name]
    atol = json.loads(facts.read_text()).get("atol") if facts.exists() else None
    return (1e-3, 1e-6) if atol is None else (1e-4, atol)


def names(graph):
    weights = {tensor.name for tensor in graph.initializer}
    return ([value.name for value in graph.input if value.name not in weights],
            [value.name for value in graph.output])


def difference(got, expected, rtol, atol):
    """What is wrong; empty: nothing."""
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"{got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
    if got.dtype.kind not in "fc":
        return "" if np.array_equal(got, expected) else "not the same"
    close = np.allclose(got, expected, rtol, atol, equal_nan=True)
    return "" if close else f"wrong by {np.abs(got.astype(float) - expected).max()}"


def run(path, folder, inputs):
    """Runs a model on the data sets of a folder; yields faults."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for data in sorted(folder.glob("test_data_set_*")):
        feeds = {name: load(data / f"input_{i}.pb") for i, name in enumerate(inputs)}
        for i, got in enumerate(session.run(None, feeds)):
            what = difference(got, load(data / f"output_{i}.pb"), *tolerances(folder))
            if what:
                yield f"output {i} of {data.name} is {what}"


def opset_of(model):
    return next(entry.version for entry in model.opset_import if entry.domain == "")


def compare(folder, flags, path, opsets):
    """Writes a model; its faults."""
    result = onnxc("inspect", folder / "model.onnx", "--format", "onnx", "-o", path, *flags)
    refused = not flags and folder.name in NEEDS_SIZES
    if result.returncode or refused:
        good = refused and result.returncode == UNSUPPORTED
        return [] if good else [f"exit {result.returncode}: {result.stderr}"]
    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
        given = names(onnx.load(folder / "model.onnx", load_external_data=False).graph)
        if names(model.graph) != given:
            return [f"the interface is {names(model.graph)}"]
        opsets[opset_of(model)] += 1
        return list(run(path, folder, given[0]))
    except Exception as error:  # each library has its own
        return [str(error)]


def main():
    folders, opsets = cases(*sys.argv[1:]), Counter()

    def check(item):
        folder, flags = item
        with tempfile.TemporaryDirectory() as out:
            faults = compare(folder, flags, str(Path(out, "view.onnx")), opsets)
        return [f"{folder.name} {' '.join(flags)}: {fault}" for fault in faults]

    items = [(folder, flags) for folder in folders for flags in ([], dim_flags(folder))]
    items = [item for i, item in enumerate(items) if item not in items[:i]]
    try:
        check_each("graphs as ONNX", items, check)
    finally:
        print(*(f"opset {opset}: {n}," for opset, n in sorted(opsets.items())))


if __name__ == "__main__":
    main()
