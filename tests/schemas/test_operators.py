"""Checks that schemas/operators.def is what schemas/refresh.py writes with the pinned onnx."""

import pathlib
import subprocess
import sys

REFRESH = pathlib.Path(__file__).resolve().parents[2] / "schemas" / "refresh.py"

sys.exit(subprocess.run([sys.executable, str(REFRESH), "--check"]).returncode)
