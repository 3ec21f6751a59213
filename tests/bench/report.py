"""Tables and a plot of what was measured.

    report.py FOLDER    writes table.md, ratios.svg and steps.md anew from FOLDER/*.json
"""
import json
import math
import sys
from pathlib import Path

import matplotlib
matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

PEERS = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
COLOURS = {"onnxruntime": "#1f6f8b", "openvino": "#c26b1c"}
HEAD = ("| network | GMAC | steps | onnxc, ms | of the roof | "
        + " | ".join(f"{title}, ms | ratio | 95 % | error" for title in PEERS.values())
        + " | dropped |\n" + "| --- " + "| ---: " * (5 + 4 * len(PEERS)) + "|")
# Of how many steps steps.md tells, and of which networks: those with a ratio below this.
SLOWEST, BEHIND = 3, 1.2


def load(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def measured(figures):
    return {name: peer for name, peer in figures["peers"].items() if "ratio" in peer}


def cells(peer):
    """Time, ratio, interval, error."""
    if peer is None or "ratio" not in peer:
        return ["", "fails" if peer else "", "", ""]
    ratio = peer["ratio"]
    return [f"{peer['theirs'] * 1e3:.3f}", f"{ratio['median']:.2f}",
            f"{ratio['low']:.2f}-{ratio['high']:.2f}", f"{peer['error']:.0e}"]


def row(figures):
    peers = measured(figures)
    first = next(iter(peers.values()), None)
    ours = [f"{first['ours'] * 1e3:.3f}", f"{100 * first['roof_share']:.0f} %"] if first else ["", ""]
    dropped = sum(peer["dropped"] for peer in peers.values())
    pairs = sum(len(peer["pairs"]) for peer in peers.values())
    words = [figures["name"], f"{figures['macs'] / 1e9:.3g}", figures["steps"], *ours,
             *(cell for name in PEERS for cell in cells(figures["peers"].get(name))),
             f"{dropped}/{pairs}"]
    return "| " + " | ".join(map(str, words)) + " |"


def means(rows):
    """The geometric mean of the ratios to each peer."""
    for name, title in PEERS.items():
        ratios = [measured(figures)[name]["ratio"]["median"] for figures in rows
                  if name in measured(figures)]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            behind = sum(ratio < 1 for ratio in ratios)
            yield f"{title}: geometric mean {mean:.2f} of {len(ratios)}, {behind} below 1"


def table(rows):
    return "\n".join([HEAD, *map(row, rows), "", *means(rows)]) + "\n"


def slow_steps(figures):
    """The slowest steps of a network, with their part of it and what is reached."""
    profile = figures["profile"]
    whole = sum(step["min_us"] for step in profile if not step["nested"])
    for step in sorted(profile, key=lambda step: -step["min_us"])[:SLOWEST]:
        yield (f"- {step['min_us']:.1f} us, {100 * step['min_us'] / whole:.0f} %, "
               f"{step['gflops']:.1f} GFLOP/s, {step['gbytes']:.1f} GB/s: {step['id']} "
               f"{step['what']}")


def steps(rows):
    text = []
    for figures in rows:
        ratios = [peer["ratio"]["median"] for peer in measured(figures).values()]
        if "profile" in figures and min(ratios, default=0) < BEHIND:
            text += [f"{figures['name']}", "", *slow_steps(figures), ""]
    return "\n".join(text)


def plot(rows, path):
    """The ratios on a logarithmic scale, with their intervals."""
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.28 * len(rows)))
    for offset, (name, title) in zip((-0.15, 0.15), PEERS.items()):
        known = [(i, measured(figures)[name]["ratio"]) for i, figures in enumerate(rows)
                 if name in measured(figures)]
        middle = [ratio["median"] for _, ratio in known]
        spread = [[ratio["median"] - ratio["low"] for _, ratio in known],
                  [ratio["high"] - ratio["median"] for _, ratio in known]]
        axes.errorbar(middle, [i + offset for i, _ in known], xerr=spread, fmt="o", markersize=4,
                      color=COLOURS[name], label=f"against {title}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(rows)), [figures["name"] for figures in rows])
    axes.invert_yaxis()
    axes.set_xlabel("how many times faster onnxc is")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


def write(folder):
    rows = load(folder)
    (folder / "table.md").write_text(table(rows))
    (folder / "steps.md").write_text(steps(rows))
    plot(rows, folder / "ratios.svg")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
