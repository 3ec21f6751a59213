"""Runs onnxc on a folder of real trained models, beside an INDEX.md that names their noise.

    run.py check MODELS     every model in supported.txt passes; every other one is refused with a
                            message that names each of its unsupported operators, or, when it does
                            compile, still passes within ONNX's own rtol of 1e-3
    run.py refresh MODELS   writes supported.txt anew

A model passes within rtol 1e-4 and ten times its noise: what an optimisation level or one ULP of
input changes in its outputs. Where the index has none, the outputs are integers or half precision
below 1, whose ULP is 1e-3 and less.
"""
import ast
import json
import sys
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, check_each, dim_flags, onnxc, passed  # noqa: E402

SUPPORTED = Path(__file__).parent / "supported.txt"
REFUSED = 3


def tolerances(index):
    """Flags of `onnxc test` for each model, from the table's first and last column."""
    rows = [line.strip("| ").split("|") for line in index.read_text().splitlines()
            if line.startswith("|")][2:]
    noise = {row[0].strip(): ast.literal_eval(row[-1].strip()) for row in rows}
    return {name: ["--rtol", "1e-4", "--atol", max(1e-7, 10 * max(values)) if values else 1e-3]
            for name, values in noise.items()}


def operators(nodes):
    """The types of all nodes, those in subgraphs included."""
    for node in nodes:
        yield node.op_type
        for attribute in node.attribute:
            yield from operators(attribute.g.node)


def wrong_answers(folder, flags):
    result = onnxc("test", folder, *flags)
    return [] if passed(result) else [f"{folder.name}: {result.stdout}{result.stderr}"]


def refusal_faults(folder, known, flags):
    result = onnxc("compile", folder / "model.onnx", "--stop-after", "plan", *dim_flags(folder))
    if result.returncode == 0:
        return wrong_answers(folder, ["--rtol", "1e-3", *flags[2:]])
    if result.returncode != REFUSED:
        return [f"{folder.name}: exit {result.returncode}, expected {REFUSED}: {result.stderr}"]
    model = onnx.load(folder / "model.onnx")
    local = {function.name for function in model.functions}
    bodies = [model.graph.node, *(function.node for function in model.functions)]
    used = {op for nodes in bodies for op in operators(nodes)} - local
    return [f"{folder.name}: {op} is not supported, and the message does not say so"
            for op in sorted(used - known) if f"({op})" not in result.stderr]


def check(root):
    supported, flags = SUPPORTED.read_text().split(), tolerances(root / "INDEX.md")
    known = {row["name"] for row in json.loads(onnxc("ops", "--format", "json").stdout)["ops"]}
    known.add("Constant")  # which is no operator any more behind the importer

    def faults(folder):
        if folder.name not in supported:
            return refusal_faults(folder, known, flags[folder.name])
        return wrong_answers(folder, flags[folder.name])

    check_each("models", cases(root), faults)


def refresh(root):
    flags = tolerances(root / "INDEX.md")
    names = [folder.name for folder in cases(root)
             if passed(onnxc("test", folder, *flags[folder.name]))]
    SUPPORTED.write_text("".join(f"{name}\n" for name in names))
    print(f"{len(names)} of {len(cases(root))} models pass")


if __name__ == "__main__":
    {"check": check, "refresh": refresh}[sys.argv[1]](Path(sys.argv[2]))
