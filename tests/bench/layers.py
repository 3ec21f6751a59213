"""Shows how the time to compile a model of equal layers grows: a Markdown table of each stage.

    layers.py FOLDER [--width N] [--layers N...] [--kinds NAME...]

Models of tests/scale/deep.py are written to FOLDER and compiled there. Times are processor time of
--time-report, in ms; width matters only to what reads and writes weights.
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scale"))
from check import compiled, steps  # noqa: E402
from deep import MODELS  # noqa: E402

STAGES = ("import", "infer", "passes", "lower", "plan", "emit", "write")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 48, 96, 1000])
    parser.add_argument("--kinds", nargs="+", default=["pre_norm", "resnet"], choices=MODELS)
    return parser.parse_args()


def print_row(*cells):
    print("|", " | ".join(cells), "|", flush=True)


def main():
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    print_row("model", "layers", *STAGES, "in all", "a layer", "work a layer", "steps a layer")
    print_row("---", *["---:"] * (len(STAGES) + 5))
    for kind in given.kinds:
        for layers in given.layers:
            rows, _ = compiled(kind, layers, given.folder, given.width)
            times = [rows[stage][0] for stage in STAGES]
            work = sum(row[2] for row in rows.values())
            print_row(kind, f"{layers:,}", *(f"{time:.1f}" for time in times), f"{sum(times):.0f}",
                      f"{sum(times) / layers:.2f}", f"{work / layers:.0f}",
                      f"{steps(kind, layers, given.folder) / layers:.2f}")


if __name__ == "__main__":
    main()
