"""Lifetimes of MiniMalloc's benchmark fit into the capacity that the name of each file says, as
`onnxc plan` finds and `onnxc plan --check` confirms.

    check_minimalloc.py FOLDER      with files NAME.CAPACITY.csv
"""
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each, measure, onnxc  # noqa: E402

SECONDS = 10  # of processor time, for each


def check(path):
    capacity = path.suffixes[-2][1:]
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder, "plan.csv")
        outcome = measure("plan", path, "--capacity", capacity, "-o", plan)
        if outcome.exit != 0:
            return [f"{path.name}: {outcome.errors.decode()}"]
        checked = onnxc("plan", "--check", plan, "--capacity", capacity)
        given, made = ([line for line in text.splitlines()[1:] if line[:1] != "#"]
                       for text in (path.read_text(), plan.read_text()))
        faults = [] if checked.returncode == 0 else [f"{path.name}: {checked.stderr}"]
        if [line.rsplit(",", 1)[0] for line in made] != given:
            faults.append(f"{path.name}: these are not its lifetimes")
        if outcome.seconds > SECONDS:
            faults.append(f"{path.name}: {outcome.seconds:.1f} s")
        print(f"{path.name}: {outcome.seconds:.2f} s, {checked.stdout.strip()}")
    return faults


if __name__ == "__main__":
    check_each("lifetimes", sorted(Path(sys.argv[1]).glob("*.csv")), check)
