"""Checks the C that onnxc writes for every model under some folders.

    check_code.py FOLDER...

It compiles without a warning under gcc and clang, and compiling a copy of the model in another
place gives the same bytes. Models that onnxc does not support (exit 3) are passed over.
"""
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import C_FLAGS, SOURCE, cases, check_each, dim_flags, onnxc, run  # noqa: E402

UNSUPPORTED = 3


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def check_warnings(folder, out):
    for compiler in ("gcc", "clang"):
        result = run(compiler, *C_FLAGS, "-fsyntax-only", f"-I{SOURCE / 'runtime'}", out / "model.c")
        if result.returncode:
            yield f"{folder.name}: {compiler}: {result.stderr}"


def check(folder):
    with tempfile.TemporaryDirectory() as temporary:
        here, there = Path(temporary, "here"), Path(temporary, "elsewhere")
        flags = ["--name", "model", *dim_flags(folder)]
        result = onnxc("compile", folder / "model.onnx", "-o", here, *flags)
        if result.returncode == UNSUPPORTED:
            return []
        if result.returncode:
            return [f"{folder.name}: compile exits {result.returncode}: {result.stderr}"]
        faults = list(check_warnings(folder, here))
        copy = Path(temporary, "copy")
        shutil.copytree(folder, copy)
        result = onnxc("compile", "model.onnx", "-o", there, *flags, cwd=copy)
        if result.returncode or contents(here) != contents(there):
            faults.append(f"{folder.name}: compiled from another folder, the output differs")
        return faults


if __name__ == "__main__":
    check_each("generated code", cases(*sys.argv[1:]), check)
