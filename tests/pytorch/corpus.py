"""Exports the corpus of examples/pytorch into a folder, unless it holds the current one.

    corpus.py OUT

The two exporters need two Pythons: this one, and Debian's with its python3-torch.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import SOURCE, export_once  # noqa: E402

SCRIPTS = SOURCE / "examples/pytorch"
DEBIAN_PYTHON = "/usr/bin/python3"


def names():
    """Every other model for each of two processes."""
    sys.path.insert(0, str(SCRIPTS))
    import models
    listed = list(models.MODELS)
    return listed[::2], listed[1::2]


def main():
    out, script = Path(sys.argv[1]), SCRIPTS / "export.py"
    dynamo = [[sys.executable, script, "dynamo", out, *half] for half in names()]
    export_once(out, [SCRIPTS / "models.py", script, SOURCE / "tests/requirements.txt"],
                [*dynamo, [DEBIAN_PYTHON, script, "torchscript", out]])


if __name__ == "__main__":
    main()
