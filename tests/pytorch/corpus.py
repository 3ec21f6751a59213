"""Exports the corpus of examples/pytorch into a folder, unless it holds the current one.

    corpus.py OUT

The two exporters need two Pythons: this one, and Debian's with its python3-torch.
"""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "examples/pytorch"
DEBIAN_PYTHON = "/usr/bin/python3"


def digest():
    """Of all that decides what is exported: the scripts and the pinned packages."""
    files = [SCRIPTS / "models.py", SCRIPTS / "export.py",
             SCRIPTS.parent.parent / "tests/requirements.txt"]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def names():
    """Every other model for each of two processes."""
    sys.path.insert(0, str(SCRIPTS))
    import models
    listed = list(models.MODELS)
    return listed[::2], listed[1::2]


def export(out):
    even, odd = names()
    script = SCRIPTS / "export.py"
    commands = [[sys.executable, script, "dynamo", out, *even],
                [sys.executable, script, "dynamo", out, *odd],
                [DEBIAN_PYTHON, script, "torchscript", out]]
    processes = [subprocess.Popen(command) for command in commands]
    if any([process.wait() for process in processes]):
        sys.exit("corpus.py: an exporter failed")


def main():
    out = Path(sys.argv[1])
    stamp = out / "digest"
    if stamp.exists() and stamp.read_text() == digest():
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    export(out)
    stamp.write_text(digest())


if __name__ == "__main__":
    main()
