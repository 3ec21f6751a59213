"""Shows how the time to compile a model of equal layers grows: each stage, for several depths.

    layers.py FOLDER [--width N] [--layers N...] [--kinds NAME...]

Models of tests/scale/deep.py are written to FOLDER and compiled there.
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scale"))
from check import compiled  # noqa: E402
from deep import MODELS  # noqa: E402

STAGES = ("import", "infer", "passes", "lower", "plan", "emit", "write")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 48, 96, 1000])
    parser.add_argument("--kinds", nargs="+", default=["pre_norm", "resnet"], choices=MODELS)
    return parser.parse_args()


def main():
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'seconds':<12} layers {'total':>8} {' '.join(f'{stage:>8}' for stage in STAGES)}"
          f" {'ms/layer':>9}")
    for kind in given.kinds:
        for layers in given.layers:
            rows, _ = compiled(kind, layers, given.folder, given.width)
            seconds = [rows[stage][0] / 1e3 for stage in STAGES]
            print(f"{kind:<12} {layers:>6} {sum(seconds):8.3f} "
                  f"{' '.join(f'{cell:8.3f}' for cell in seconds)}"
                  f" {1e3 * sum(seconds) / layers:9.3f}", flush=True)


if __name__ == "__main__":
    main()
