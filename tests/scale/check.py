"""What the compiler does for a model of many equal blocks grows as the number of blocks does.

    check.py FOLDER

The work that --time-report counts, memory, steps and generated code are compared for 256 and 512
blocks: with fewer, what a limit keeps short is not at its limit yet. Times are only shown, but for
the bound on 512 blocks.
"""
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc  # noqa: E402
from deep import MODELS  # noqa: E402

FEW, MANY = 256, 512  # tables that double have doubled once
TOLERANCE = 1.15  # some costs grow with the logarithm
SECONDS = 5
DIMS = {"batch": "1..2", "seq": "1..8", "past": "0..8"}


def flags(kind):
    return [word for name, bounds in DIMS.items() if name in MODELS[kind](1).SerializeToString().
            decode("latin-1") for word in ("--dim", f"{name}={bounds}")]


def compiled(kind, layers, folder, *width):
    """The report's rows as {stage: (ms, arena KB, work)}, parts summed up by name; bytes of C."""
    model = folder / f"{kind}_{layers}.onnx"
    onnx.save(MODELS[kind](layers, *width), model)
    result = onnxc("compile", model, "-o", folder, "--time-report", *flags(kind))
    if result.returncode != 0:
        sys.exit(f"{model}: {result.stderr}")
    rows = {}
    for line in result.stderr.split("\n\n")[0].splitlines()[1:-1]:
        name, *numbers = line.split()
        new = [float(numbers[0]), float(numbers[1]), float(numbers[3])]
        rows[name] = [a + b for a, b in zip(rows.get(name, (0, 0, 0)), new)]
    return rows, (folder / f"{kind}_{layers}.c").stat().st_size


def steps(kind, layers, folder):
    model = folder / f"{kind}_{layers}.onnx"
    return len(json.loads(onnxc("inspect", model, "--format", "json", *flags(kind)).stdout)["steps"])


def check_growth(what, few, many, faults):
    """`few` and `many` are for FEW and MANY blocks."""
    growth = many / few / (MANY / FEW) if few else 1
    if growth > TOLERANCE:
        faults.append(f"{what}: {few:.0f} for {FEW} blocks, {many:.0f} for {MANY}")


def check(kind, folder):
    faults = []
    (few, few_code), (many, many_code) = (compiled(kind, n, folder) for n in (FEW, MANY))
    for stage, (_, memory, work) in many.items():
        check_growth(f"{kind}, work of {stage}", few[stage][2], work, faults)
        # an arena grows by blocks of 64 KB
        check_growth(f"{kind}, memory of {stage}", few[stage][1] + 64, memory, faults)
    check_growth(f"{kind}, code", few_code, many_code, faults)
    few_steps, many_steps = (steps(kind, n, folder) for n in (FEW, MANY))
    if abs(many_steps / MANY - few_steps / FEW) > 0.1:
        faults.append(f"{kind}: {few_steps} steps for {FEW} blocks, {many_steps} for {MANY}")
    return faults + show(kind, few, many)


def show(kind, few, many):
    """Times of 512 blocks, and how much more one of them costs than among fewer."""
    stages = ("import", "infer", "passes", "lower", "plan", "write")
    cells = [f"{name} {many[name][0]:.0f} ms ({many[name][0] / MANY / (few[name][0] / FEW):.2f})"
             for name in stages]
    total = sum(many[name][0] for name in stages) / 1e3
    print(f"{kind}, {MANY} blocks: {total:.2f} s; {', '.join(cells)}")
    return [f"{kind}: {MANY} blocks take {total:.1f} s"] if total > SECONDS else []


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(JOBS) as pool:
        faults = [fault for found in pool.map(lambda kind: check(kind, folder), MODELS)
                  for fault in found]
    print("\n".join(faults or ["all grows as the models do"]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
