"""Runs `onnxc test` on every model under some folders: all pass, none is skipped.

    check_results.py FOLDER...
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, cases, onnxc, passed  # noqa: E402


def main():
    result = onnxc("test", "--jobs", JOBS, *cases(*sys.argv[1:]), timeout=1200)
    print(result.stdout, result.stderr)
    sys.exit(not passed(result))


if __name__ == "__main__":
    main()
