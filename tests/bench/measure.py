"""Measures one network in all engines; peers.py calls it for each, in a process of its own.

    measure.py OUT.json NAME FOLDER PAIRS THREADS CLOCK
"""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import dim_flags, flattened  # noqa: E402
import engines  # noqa: E402
from timing import Pair, Stopwatch, interval, steady  # noqa: E402

HERE = Path(__file__).resolve().parent
# A run that is longer than this, in seconds, is measured in fewer pairs.
LONG, FEW = 1.0, 10
# Of the pairs of a network with a cache: the name of its length, and the most that there is room for.
PAST, MOST = "past", 255
CACHE = "past_key_values."


def data_of(folder):
    paths = (folder / "test_data_set_0").glob("input_*.pb")
    return [np.array(numpy_helper.to_array(onnx.load_tensor(path)))
            for path in sorted(paths, key=lambda path: int(path.stem.split("_")[1]))]


def keeps_cache(model):
    graph = onnx.load(model, load_external_data=False).graph
    return any(value.name.startswith(CACHE) for value in graph.input)


# --- The engines, bound to their data, ours first ------------------------------------------------

def runtimes_of(model, threads):
    """ONNX Runtime with and without spinning threads, where that makes a difference."""
    spins = (False, True) if threads > 1 else (False,)
    return [engines.OnnxRuntime(model, threads, spin) for spin in spins]


def plain(folder, out, threads):
    """The compiled model, its peers, and what these are to be bound to."""
    model, inputs = folder / "model.onnx", data_of(folder)
    runtimes = runtimes_of(model, threads)
    outputs = runtimes[0].first(inputs)
    ours = engines.Compiled(out, model, dim_flags(folder), threads)
    ours.bind(inputs, outputs)
    return ours, [*runtimes, engines.OpenVino(model, threads)], inputs, outputs


def cached(folder, out, threads):
    """A decoder behind its history: the peers get the cache that ONNX Runtime makes of it."""
    model, (words,) = folder / "model.onnx", data_of(folder)
    runtimes = runtimes_of(model, threads)
    shapes = [value.shape for value in runtimes[0].session.get_inputs()[1:]]
    empty = [np.zeros([0 if dim == PAST else dim for dim in shape], np.float32)
             for shape in shapes]
    _, *cache = runtimes[0].first([words[:, :-1], *empty])
    inputs = [words[:, -1:].copy(), *cache]
    outputs = runtimes[0].first(inputs)
    flags = [f"--state={CACHE}*=present.*", "--dim=seq=1", f"--dim={PAST}=0..{MOST}"]
    ours = engines.CompiledDecoder(out, model, flags, threads)
    ours.bind(inputs[:1], outputs[:1])
    ours.remember(words)
    return ours, [*runtimes, engines.OpenVino(model, threads)], inputs, outputs


# --- What is measured ----------------------------------------------------------------------------

def largest_error(actual, expected):
    """Of all outputs, relative to the largest element of each."""
    worst = 0.0
    for a, e in zip(actual, expected):
        e = np.asarray(e, np.float64)
        error = np.abs(np.asarray(a, np.float64) - e).max(initial=0)
        worst = np.fmax(worst, error / (np.abs(e).max(initial=0) or 1)) if error == error else np.inf
    return float(worst)


def fault_of(peer, inputs, outputs):
    """None, or why the engine does not run this."""
    try:
        peer.bind(inputs, outputs)
        peer.run()
        return None
    except Exception as error:  # pylint: disable=broad-except
        return str(error).strip().splitlines()[-1]


def compare(ours, peer, watch, pairs):
    ours.run()
    count = pairs if watch.sample(ours.run, 1) < LONG else min(pairs, FEW)
    rows = watch.pairs(ours.run, peer.run, count)
    return {"error": largest_error(ours.outputs(), peer.outputs()),
            "pairs": [row._asdict() for row in rows]}


def total(comparison):
    return sum(row["theirs"] / row["ours"] for row in comparison.get("pairs", ()))


def measure(folder, pairs, threads, clock):
    with tempfile.TemporaryDirectory() as out:
        watch = Stopwatch(clock, engines.shared_library(Path(out, "probe.so"), HERE / "probe.c"))
        prepare = cached if keeps_cache(folder / "model.onnx") else plain
        ours, peers, inputs, outputs = prepare(folder, Path(out), threads)
    found = {}
    for peer in peers:
        fault = fault_of(peer, inputs, outputs)
        comparison = {"fault": fault} if fault else compare(ours, peer, watch, pairs)
        # Of the settings of one engine, the best.
        if peer.name not in found or total(comparison) < total(found[peer.name]):
            found[peer.name] = comparison
    return {"macs": ours.view["macs"], "steps": len(list(flattened(ours.view["steps"]))),
            "flags": ours.flags, "peers": found}


def figures(comparison, roof, macs, threads):
    """What the steady pairs say; with fewer than three of them, all pairs do."""
    rows = [Pair(**row) for row in comparison["pairs"]]
    kept = steady(rows, roof)
    used = kept if len(kept) >= 3 else rows
    share = [2e-9 * macs / row.ours / (row.probe * threads) for row in used]
    return dict(comparison, dropped=len(rows) - len(kept), used=len(used),
                ratio=interval([row.theirs / row.ours for row in used])._asdict(),
                ours=interval([row.ours for row in used]).median,
                theirs=interval([row.theirs for row in used]).median,
                roof_share=interval(share).median)


def finished(result, threads):
    """With what depends on the best of all probes."""
    measured = {name: peer for name, peer in result["peers"].items() if "pairs" in peer}
    roof = max((row["probe"] for peer in measured.values() for row in peer["pairs"]), default=0)
    for name, peer in measured.items():
        result["peers"][name] = figures(peer, roof, result["macs"], threads)
    return dict(result, roof=roof)


def main():
    out, name, folder, pairs, threads, clock = sys.argv[1:]
    result = measure(Path(folder), int(pairs), int(threads), clock)
    result = dict(finished(result, int(threads)), name=name, threads=int(threads), clock=clock)
    Path(out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
