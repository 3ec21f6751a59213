"""Runs `onnxc test` on every model whose folder a pattern matches: all pass, none is skipped.

    check_results.py PATTERN [FLAG...]
"""
import sys
from glob import glob
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc, passed  # noqa: E402


def main():
    pattern, *flags = sys.argv[1:]
    result = onnxc("test", "--jobs", JOBS, *flags, *sorted(glob(pattern)), timeout=1200)
    print(result.stdout, result.stderr)
    sys.exit(not passed(result))


if __name__ == "__main__":
    main()
