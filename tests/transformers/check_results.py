"""Compares every model of the corpus with PyTorch: relative error at most 1e-4, at three sizes.

    check_results.py CORPUS [FLAG...]
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import cases, check_each, onnxc, passed  # noqa: E402


def main():
    corpus, *flags = sys.argv[1:]

    def check(folder):
        facts = json.loads((folder / "facts.json").read_text())
        result = onnxc("test", folder, "--rtol", "1e-4", "--atol", facts["atol"], *flags)
        return [] if passed(result) else [f"{folder.name}: {result.stdout}{result.stderr}"]

    check_each("transformers", cases(corpus), check)


if __name__ == "__main__":
    main()
