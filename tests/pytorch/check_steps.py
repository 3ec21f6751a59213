"""Checks what onnxc makes of the norms and activations of the corpus.

    check_steps.py CORPUS

No primitive of a spelled-out LayerNormalization, RMSNormalization or GELU may be left in any step
(facts.json names those that a model uses otherwise), and every sum that is normalised shares one
step with its LayerNormalization.
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, check_each, steps_of  # noqa: E402

PRIMITIVES = {"Erf", "Pow", "ReduceMean", "Reciprocal", "Sqrt", "Tanh"}


def check(folder):
    facts = json.loads((folder / "facts.json").read_text())
    _, steps = steps_of(folder)
    left = {op for step in steps for op in step["ops"]} & PRIMITIVES - set(facts["keeps"])
    norms = sum(step["ops"].count("LayerNormalization") for step in steps)
    with_sum = sum(step["ops"].count("LayerNormalization") for step in steps
                   if "Add" in step["ops"])
    faults = [f"{folder.name}: {op} is left" for op in sorted(left)]
    if norms != facts["norms"]:
        faults.append(f"{folder.name}: {norms} LayerNormalizations, expected {facts['norms']}")
    if with_sum < facts["sums"]:
        faults.append(f"{folder.name}: {with_sum} LayerNormalizations share a step with an Add, "
                      f"expected {facts['sums']}")
    return faults


if __name__ == "__main__":
    check_each("steps", cases(sys.argv[1]), check)
