"""Exports the models of zoo.py into a folder, unless it holds the current ones.

    corpus.py OUT
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, SOURCE, export_once  # noqa: E402

HERE = Path(__file__).resolve().parent


def main():
    out, script = Path(sys.argv[1]), HERE / "export_zoo.py"
    decisive = [script, HERE / "zoo.py", HERE / "convnets.py", SOURCE / "tests/requirements.txt",
                *sorted((SOURCE / "examples/pytorch").glob("*.py"))]
    export_once(out, decisive, [[sys.executable, script, out, f"{share}/{JOBS}"]
                                for share in range(JOBS)])


if __name__ == "__main__":
    main()
