"""Runs onnxc on ONNX's own test cases, as extract.py writes them.

    run.py check CASES     every case in supported.txt must pass
    run.py poison CASES    some of them, and all with control flow, with --poison
    run.py single CASES    some of them, and all that resize, with --single-file
    run.py refresh CASES   writes supported.txt anew: every case that passes
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, cases, onnxc, passed  # noqa: E402

SUPPORTED = Path(__file__).parent / "supported.txt"


def all_pass(root, names, *flags):
    result = onnxc("test", "--jobs", JOBS, *flags, *(root / name for name in names), timeout=None)
    print(result.stdout, result.stderr)
    return not passed(result)


def check(root):
    return all_pass(root, SUPPORTED.read_text().split())


def some(pattern, first):
    names = SUPPORTED.read_text().split()
    return [name for i, name in enumerate(names) if i % 6 == first or re.search(pattern, name)]


def poison(root):
    return all_pass(root, some("loop|scan|if_|range|sequence", 0), "--poison")


def single(root):
    return all_pass(root, some("resize", 3), "--single-file", "--cflags", "-O0")


def refresh(root):
    result = onnxc("test", "--jobs", JOBS, *cases(root), timeout=None)
    # PASS CASE, and perhaps a remark
    names = [Path(line.split()[1]).name for line in result.stdout.splitlines()
             if line.startswith("PASS ")]
    SUPPORTED.write_text("".join(f"{name}\n" for name in sorted(names)))
    print(f"{len(names)} of {len(cases(root))} cases pass")
    return 0


if __name__ == "__main__":
    commands = {"check": check, "poison": poison, "single": single, "refresh": refresh}
    sys.exit(commands[sys.argv[1]](Path(sys.argv[2])))
