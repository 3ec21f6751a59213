"""Compares the speed of compiled models with ONNX Runtime and OpenVINO.

    peers.py OUT [NAME...] [--models FOLDER] [--pairs N | --quick] [--threads N] [--clock CLOCK]

Every engine runs in one process, in A B B A pairs with a probe of the machine's speed around each.
OUT/NAME.json has the figures of each network, OUT/table.md and OUT/ratios.svg of all that were
measured so far. README.md beside this says how to read them.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import dim_flags  # noqa: E402
import engines  # noqa: E402
import report  # noqa: E402
from timing import Stopwatch, interval, steady  # noqa: E402

HERE = Path(__file__).resolve().parent
QUICK = 5
# A run that is longer than this, in seconds, is measured in a third of the pairs.
LONG = 1.0
HISTORY, MOST_HISTORY = "past", 255


def data_of(folder):
    return [numpy_helper.to_array(onnx.load_tensor(path)) for path in
            sorted((folder / "test_data_set_0").glob("input_*.pb"),
                   key=lambda path: int(path.stem.split("_")[1]))]


# --- The engines, bound and run once, ours first -------------------------------------------------

def peers_of(model, threads):
    """ONNX Runtime with spinning threads and without where that makes a difference."""
    spins = (False, True) if threads > 1 else (False,)
    return [engines.OnnxRuntime(model, threads, spin) for spin in spins]


def plain(folder, out, threads):
    model, inputs = folder / "model.onnx", data_of(folder)
    runtimes = peers_of(model, threads)
    outputs = runtimes[0].first(inputs)
    ours = engines.Compiled(out, model, dim_flags(folder), threads)
    all_ = [ours, *runtimes, engines.OpenVino(model, threads)]
    return all_, inputs, outputs, all_


def cached(folder, out, threads):
    """A decoder behind its history: the peers get the cache that ONNX Runtime makes of it."""
    model, (words,) = folder / "model.onnx", data_of(folder)
    runtimes = peers_of(model, threads)
    empty = [np.zeros([1 if dim == 1 or i == 0 else 0 if isinstance(dim, str) else dim
                       for i, dim in enumerate(value.shape)], np.float32)
             for value in runtimes[0].session.get_inputs()[1:]]
    _, *cache = runtimes[0].first([words[:, :-1], *empty])
    inputs = [words[:, -1:].copy(), *cache]
    outputs = runtimes[0].first(inputs)
    ours = engines.CompiledDecoder(
        out, model, ["--state=past_key_values.*=present.*", "--dim=seq=1",
                     f"--dim={HISTORY}=0..{MOST_HISTORY}"], threads)
    ours.bind(inputs[:1], outputs[:1])
    ours.remember(words)
    peers = [*runtimes, engines.OpenVino(model, threads)]
    return [ours, *peers], inputs, outputs, peers


def largest_error(actual, expected):
    """Of all outputs, relative to the largest element of each."""
    worst = 0.0
    for a, e in zip(actual, expected):
        e = np.asarray(e, np.float64)
        error = np.abs(np.asarray(a, np.float64) - e).max(initial=0)
        worst = max(worst, float(error / (np.abs(e).max(initial=0) or 1)))
    return worst


# --- One network ---------------------------------------------------------------------------------

def ready(engine, inputs, outputs, to_bind):
    """None, or why the engine does not run this."""
    try:
        if engine in to_bind:
            engine.bind(inputs, outputs)
        engine.run()
        return None
    except RuntimeError as error:
        return str(error).strip().splitlines()[-1]


def compare(ours, peer, watch, pairs):
    start = watch.sample(ours.run, 1)
    rows = watch.pairs(ours.run, peer.run, pairs if start < LONG else max(QUICK, pairs // 3))
    return {"error": largest_error(ours.outputs(), peer.outputs()),
            "pairs": [row._asdict() for row in rows]}


def figures(comparison, roof, macs):
    """Ratios of steady pairs, or of all where there are fewer than three."""
    from timing import Pair
    rows = [Pair(**row) for row in comparison["pairs"]]
    kept = steady(rows, roof)
    used = kept if len(kept) >= 3 else rows
    ours = interval([row.ours for row in used]).median
    return dict(comparison, dropped=len(rows) - len(kept), used=len(used),
                ratio=interval([row.theirs / row.ours for row in used])._asdict(), ours=ours,
                theirs=interval([row.theirs for row in used]).median,
                roof_share=interval([2e-9 * macs / row.ours / row.probe for row in used]).median)


def measure(name, folder, options):
    """What OUT/NAME.json holds."""
    with tempfile.TemporaryDirectory() as out:
        library = engines.shared_library(Path(out, "probe.so"), HERE / "probe.c")
        watch = Stopwatch(options.clock, library)
        make = cached if "past_key_values" in str(
            [value.name for value in onnx.load(folder / "model.onnx", load_external_data=False)
             .graph.input]) else plain
        (ours, *peers), inputs, outputs, to_bind = make(folder, Path(out), options.threads)
        fault = ready(ours, inputs, outputs, to_bind)
        if fault:
            raise RuntimeError(f"{name}: {fault}")
        result = {"name": name, "threads": options.threads, "clock": options.clock,
                  "macs": ours.view["macs"], "steps": len(ours.view["steps"]), "peers": {}}
        for peer in peers:
            fault = ready(peer, inputs, outputs, to_bind)
            comparison = {"fault": fault} if fault else compare(ours, peer, watch, options.pairs)
            known = result["peers"].get(peer.name)
            if known is None or better(comparison, known):
                result["peers"][peer.name] = comparison
    return result


def better(comparison, known):
    """Whether the peer is faster with these settings."""
    total = lambda rows: sum(row["theirs"] / row["ours"] for row in rows.get("pairs", ()))
    return total(comparison) < total(known)


def finish(result):
    """Adds what depends on the best probe of all."""
    measured = {name: peer for name, peer in result["peers"].items() if "pairs" in peer}
    result["roof"] = max((row["probe"] for peer in measured.values() for row in peer["pairs"]),
                         default=0)
    for name, peer in measured.items():
        result["peers"][name] = figures(peer, result["roof"], result["macs"])
    return result


# --- All of them ---------------------------------------------------------------------------------

def export(folder, name):
    """The folder of a network, made where it is not there yet."""
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, HERE / "networks.py", folder, name], check=True,
                       stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="default: all that there are")
    parser.add_argument("--models", type=Path, help="a folder of models with test data")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--quick", dest="pairs", action="store_const", const=QUICK)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("cpu", "wall"), default="wall")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def places(options):
    """Name -> folder of all that can be measured."""
    import networks_names
    own = {name: options.out / "models" / name for name in networks_names.NAMES}
    given = sorted(options.models.glob("*/model.onnx")) if options.models else []
    return {**own, **{path.parent.name: path.parent for path in given}}


def main():
    options = parse()
    if options.one:
        name, folder = options.names
        result = finish(measure(name, Path(folder), options))
        (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        return


if __name__ == "__main__":
    main()
