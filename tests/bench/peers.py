"""Compares the speed of compiled models with ONNX Runtime and OpenVINO.

    peers.py OUT [NAME...] [--models FOLDER] [--quick] [--threads N] [--clock CLOCK] [--steps]

OUT/models keeps the networks that were exported; OUT/THREADS/NAME.json has the figures of each that
was measured, and beside it are table.md and ratios.svg of all of them, with --steps also steps.md.
README.md says how to read them.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import onnxc  # noqa: E402
import networks  # noqa: E402
import report  # noqa: E402

HERE = Path(__file__).resolve().parent
PAIRS, QUICK = 30, 5
STEP_RUNS = 10


def export(folder, name):
    """Makes the folder of a network, unless it is there and complete."""
    if (folder / "complete").exists():
        return
    print(f"exporting {name}", file=sys.stderr)
    subprocess.run([sys.executable, HERE / "networks.py", folder, name], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "complete").touch()


def measure(path, name, folder, options):
    """Whether path holds the figures of the network now."""
    arguments = [path, name, folder, options.pairs, options.threads, options.clock]
    result = subprocess.run([sys.executable, HERE / "measure.py", *map(str, arguments)],
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        print(f"{name}: {result.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return result.returncode == 0


def add_steps(path, folder, threads):
    """Adds the time of each step, measured alone."""
    figures = json.loads(path.read_text())
    bench = onnxc("bench", folder / "model.onnx", "--steps", "--json", f"--runs={STEP_RUNS}",
                  f"--threads={threads}", "--weights=incbin", *figures["flags"])
    if bench.returncode:
        sys.exit(f"{folder}: {bench.stderr}")
    figures["profile"] = json.loads(bench.stdout)["steps"]
    path.write_text(json.dumps(figures, indent=1) + "\n")


def places(options):
    """Name -> folder of all networks that there are."""
    own = {name: options.out / "models" / name for name in networks.NETWORKS}
    given = sorted(options.models.glob("*/model.onnx")) if options.models else []
    return {**own, **{path.parent.name: path.parent for path in given}}


def chosen(options):
    known = places(options)
    unknown = set(options.names) - set(known)
    if unknown:
        sys.exit(f"no such network: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return {name: known[name] for name in options.names or known}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="networks (default: all)")
    parser.add_argument("--models", type=Path, help="more of them: a folder of folders, each with "
                        "a model.onnx and a test_data_set_0")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"default: {PAIRS}")
    parser.add_argument("--quick", dest="pairs", action="store_const", const=QUICK,
                        help=f"{QUICK} pairs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall",
                        help="cpu: time that this process was given, for one thread on a machine "
                             "that others use")
    parser.add_argument("--steps", action="store_true", help="also measure each step of ours")
    return parser.parse_intermixed_args()


def main():
    options = parse()
    out = options.out / f"{options.threads}"
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, folder in chosen(options).items():
        if name in networks.NETWORKS:
            export(folder, name)
        path = out / f"{name}.json"
        if not measure(path, name, folder, options):
            failed.append(name)
            continue
        if options.steps:
            add_steps(path, folder, options.threads)
        print(report.row(json.loads(path.read_text())), flush=True)
        report.write(out)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
