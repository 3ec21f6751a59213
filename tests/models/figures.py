"""Prints what compiling each model takes and gives, one row a model.

    figures.py FOLDER...
"""
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, dim_flags, measure, onnxc  # noqa: E402

ROW = "{:36} {:>6} {:>6} {:>8} {:>8} {:>12} {:>12} {:>12}"


def row(folder):
    flags = dim_flags(folder)
    with tempfile.TemporaryDirectory() as out:
        outcome = measure("compile", folder / "model.onnx", "-o", out, *flags)
    if outcome.exit:
        return ROW.format(folder.name, "exit", outcome.exit, "", "", "", "", "")
    view = json.loads(onnxc("inspect", folder / "model.onnx", "--format", "json", *flags).stdout)
    memory = view["memory"]
    return ROW.format(folder.name, view["nodes"], len(view["steps"]), f"{outcome.seconds:.2f}",
                      f"{outcome.bytes / 2**20:.0f}", memory["tensor_bytes"],
                      memory["lower_bound_bytes"], memory["arena_bytes"])


def main():
    print(ROW.format("model", "nodes", "steps", "s", "MB", "tensors", "lower bound", "arena"))
    for folder in cases(*sys.argv[1:]):
        print(row(folder), flush=True)


if __name__ == "__main__":
    main()
