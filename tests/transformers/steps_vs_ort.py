"""Compares the number of steps with the nodes that ONNX Runtime leaves at its highest level.

    steps_vs_ort.py FOLDER... [--surplus] [--errors]

One row a model below the folders: nodes before, nodes that ONNX Runtime leaves, steps of onnxc, all
of them with those in nested graphs, and their ratio; at the end the geometric mean. --errors adds
the largest error against the expected outputs, of each output's largest element. --surplus shows
for models with more steps what onnxc and ONNX Runtime have of each kind, so that the difference can
be found.
"""
import argparse
import math
import re
import sys
import tempfile
from collections import Counter, namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, cases, dim_flags, onnxc, steps_of  # noqa: E402

EXPORTERS = ("dynamo", "torchscript")


def nodes_of(graph):
    """The types of a graph's nodes and of those in its subgraphs; constants are none."""
    for node in graph.node:
        if node.op_type != "Constant":
            yield node.op_type
        for attribute in node.attribute:
            for subgraph in (attribute.g, *attribute.graphs):
                yield from nodes_of(subgraph)


def optimised(path):
    """The graph that ONNX Runtime runs at its highest level."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        options.log_severity_level = 4
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath, load_external_data=False).graph


def run_once(folder, data_set, out):
    """The outputs of onnxc for a data set, built for the sizes of all of them."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in weights]
    inputs = [f"--input={name}={data_set}/input_{i}.pb" for i, name in enumerate(names)]
    result = onnxc("run", folder / "model.onnx", *inputs, *dim_flags(folder), "-o", out,
                   "--output-format", "pb")
    if result.returncode:
        raise RuntimeError(f"{folder.name}: run exits {result.returncode}: {result.stderr}")
    return [load(Path(out, f"{value.name}.pb")) for value in graph.output]


def load(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def largest_error(folder):
    """Of all data sets and outputs: the largest difference, relative to the largest element."""
    worst = 0.0
    for data_set in folder.glob("test_data_set_*"):
        with tempfile.TemporaryDirectory() as out:
            for i, actual in enumerate(run_once(folder, data_set, out)):
                expected = load(data_set / f"output_{i}.pb").astype(float)
                error = np.abs(actual - expected).max(initial=0)
                worst = max(worst, error / (np.abs(expected).max(initial=0) or 1))
    return worst


def steps_with_bounds(folder):
    """steps_of, with some bound for each size that depends on data."""
    flags = []
    while True:
        try:
            return steps_of(folder, *flags)
        except RuntimeError as error:
            needed = set(re.findall(r"add --dim (\S+)=LO", str(error))) 
            if not needed or flags:
                raise
            flags += [word for name in needed for word in ("--dim", f"{name}=0..64")]


Row = namedtuple("Row", "model exporter before runtime steps error surplus")


def compare(folder, with_errors):
    view, steps = steps_with_bounds(folder)
    theirs = Counter(nodes_of(optimised(folder / "model.onnx")))
    ours = Counter(f"{step['kind']}: {' '.join(step['ops'])}" for step in steps)
    name, _, exporter = folder.name.rpartition("_")
    if exporter not in EXPORTERS:
        name, exporter = folder.name, ""
    return Row(name, exporter, view["nodes"], theirs.total(), ours.total(),
               f"{largest_error(folder):.1e}" if with_errors else "", (ours, theirs))


def print_table(rows):
    print("| model | exporter | nodes | ONNX Runtime | steps | ratio | largest error |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row.model} | {row.exporter} | {row.before} | {row.runtime} | {row.steps} "
              f"| {row.steps / row.runtime:.2f} | {row.error} |")
    mean = math.exp(sum(math.log(row.steps / row.runtime) for row in rows) / len(rows))
    over = sum(row.steps > row.runtime for row in rows)
    print(f"\n{len(rows)} models, geometric mean {mean:.3f}, {over} over 1")


def print_surplus(row):
    print(f"\n### {row.model} {row.exporter}: {row.steps} steps, {row.runtime} nodes\n")
    for title, counts in zip(("onnxc", "ONNX Runtime"), row.surplus):
        print(f"{title}:")
        for what, number in counts.most_common():
            print(f"- {number} {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--surplus", action="store_true")
    parser.add_argument("--errors", action="store_true")
    options = parser.parse_args()
    with ThreadPoolExecutor(JOBS) as pool:
        rows = list(pool.map(lambda folder: compare(folder, options.errors),
                             cases(*options.folders)))
    print_table(rows)
    for row in rows:
        if options.surplus and row.steps > row.runtime:
            print_surplus(row)


if __name__ == "__main__":
    main()
