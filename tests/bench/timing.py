"""How two engines are compared on a machine whose speed changes from second to second."""
import ctypes
import random
import statistics
import time
from collections import namedtuple

# A sample lasts at least this long, in seconds: of a small network it is several runs.
SAMPLE = 2e-3
KEPT = 0.9
RESAMPLES = 2000

# A A B B as A B B A: seconds of one run of each engine, and the lower of the probes around it.
Pair = namedtuple("Pair", "ours theirs probe")
Interval = namedtuple("Interval", "median low high")

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


class Stopwatch:
    """`clock` is "wall", or "cpu": what this process was given while others used the machine."""

    def __init__(self, clock, library):
        self.now = CLOCKS[clock]
        library.onnxc_bench_probe.restype = ctypes.c_double
        self.probe = library.onnxc_bench_probe

    def sample(self, run, repeats):
        start = self.now()
        for _ in range(repeats):
            run()
        return (self.now() - start) / repeats

    def repeats(self, run):
        """How often it runs in a sample; it is warm afterwards."""
        run()
        repeats = 1
        while True:
            seconds = self.sample(run, repeats) * repeats
            if seconds >= SAMPLE:
                return repeats
            repeats *= 2 if seconds < SAMPLE / 4 else max(2, round(SAMPLE / max(seconds, 1e-9)))

    def pairs(self, ours, theirs, count):
        turns = [(run, self.repeats(run)) for run in (ours, theirs)]
        rows, before = [], self.probe()
        for _ in range(count):
            a, b, c, d = (self.sample(*turns[i]) for i in (0, 1, 1, 0))
            after = self.probe()
            rows.append(Pair((a + d) / 2, (b + c) / 2, min(before, after)))
            before = after
        return rows


def steady(pairs, roof):
    """Those during which the machine was as fast as it can be."""
    return [pair for pair in pairs if pair.probe >= KEPT * roof]


def interval(values):
    """The median with the 95 % interval that resampling gives."""
    source = random.Random(0)
    medians = sorted(statistics.median(source.choices(values, k=len(values)))
                     for _ in range(RESAMPLES))
    return Interval(statistics.median(values), medians[RESAMPLES // 40],
                    medians[-1 - RESAMPLES // 40])
