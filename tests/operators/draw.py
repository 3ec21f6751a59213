"""Draws random tests of operators and compares onnxc with its peers.

    draw.py [--operator OP]... [--draws N] [--seed S] [--only K] [--write DIR]

Many draws go into one model, so that one compilation serves them all. Each is computed by the
generated C, with nothing optimised and with everything, which gcc and clang take without a warning,
and by the interpreter. The seed is printed; the same seed draws the same tests.
"""
import argparse
import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import C_FLAGS, JOBS, onnxc  # noqa: E402
from compare import describe, differences  # noqa: E402
from differences import explained  # noqa: E402
from drawing import Drawing, dtype_of  # noqa: E402
from peers import PEERS, Peers, give_types, model_of  # noqa: E402
from rows import ROWS  # noqa: E402

ROUTES = {"O0": ["-O0", "--cc", "cc", "--cflags", f"-O0 {' '.join(C_FLAGS)}"],
          "O3": ["-O3", "--cc", "clang", "--cflags", f"-O1 {' '.join(C_FLAGS)}"],
          "interpreter": ["-O3", "--interpret"]}


# ---- onnxc ----------------------------------------------------------------------------------------

def bounds(drawings):
    """--dim flags: every symbol may be somewhat smaller and larger than it is."""
    return [word for i, d in enumerate(drawings) for name, (lo, hi) in sorted(d.symbols.items())
            for word in ("--dim", f"d{i}_{name}={lo}..{hi}")]


def write_model(drawings, types, folder):
    model = give_types(model_of(drawings, fed=True), types)
    onnx.save(model, folder / "model.onnx")
    flags = bounds(drawings)
    for i, d in enumerate(drawings):
        for feed in d.feeds:
            if not feed.constant:
                path = folder / f"d{i}_{feed.name}.pb"
                onnx.save_tensor(onnx.numpy_helper.from_array(feed.array), path)
                flags += ["--input", f"d{i}_{feed.name}={path}"]
    return flags


def run_model(drawings, types, route):
    """Arrays for each draw, or what onnxc said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = folder / "results"
        results.mkdir()
        flags = write_model(drawings, types, folder)
        result = onnxc("run", folder / "model.onnx", *ROUTES[route], "--output-dir", results,
                       "--output-format", "pb", *flags)
        if result.returncode != 0:
            text = (result.stderr or result.stdout).replace(str(folder) + "/", "")
            return text.strip() or f"ended with code {result.returncode}"
        return [[load(results / f"d{i}_{name}.pb") for name in d.results]
                for i, d in enumerate(drawings)]


def load(path):
    proto = onnx.load_tensor(path)
    if proto.data_type == onnx.TensorProto.STRING:
        texts = [text.decode() for text in proto.string_data]
        return np.array(texts, object).reshape(list(proto.dims))
    return onnx.numpy_helper.to_array(proto)


def named(text, n):
    """The draws that diagnostics name, with the line that does."""
    found = {}
    for line in text.splitlines():
        for number in re.findall(r"\bd(\d+)_", line)[:1]:
            if int(number) < n and "error" in line:
                found.setdefault(int(number), line)
    return found


def run_draws(drawings, expected, route):
    """Arrays or text for each draw; a model that is refused is split."""
    if not drawings:
        return []
    types = [dtype_of(array) for arrays in expected for array in arrays]
    answer = run_model(drawings, types, route)
    if not isinstance(answer, str):
        return answer
    if len(drawings) == 1:
        return [answer]
    blamed = named(answer, len(drawings))
    if blamed:
        rest = [i for i in range(len(drawings)) if i not in blamed]
        answers = run_draws([drawings[i] for i in rest], [expected[i] for i in rest], route)
        return [blamed.get(i) or answers[rest.index(i)] for i in range(len(drawings))]
    half = len(drawings) // 2
    return (run_draws(drawings[:half], expected[:half], route) +
            run_draws(drawings[half:], expected[half:], route))


# ---- judging --------------------------------------------------------------------------------------

def order(drawing):
    """Peers in the order they are asked. 16-bit floats that are rounded once come first, single
    precision in place of double comes last."""
    half = any(dtype_of(feed.array) in ("f16", "bf16") for feed in drawing.feeds)
    return sorted(PEERS, key=lambda peer: (peer.endswith("f32") != half, PEERS.index(peer)))


def first_answer(drawing, peers):
    """The first peer that can compute this draw and is not known to be wrong about it."""
    known, why = None, {}
    for peer in order(drawing):
        entry = explained(drawing, peer)
        if entry is not None:
            known = entry
            continue
        answer = peers.ask(drawing, peer)
        if not isinstance(answer, str):
            return peer, answer
        why[peer] = answer
    return (None, known) if known else (None, why)


class Fault:
    def __init__(self, drawing, route, peer, text):
        self.drawing, self.route, self.peer, self.text = drawing, route, peer, text


def minimal(drawing):
    """The draw as text."""
    lines = []
    for node in drawing.nodes:
        attributes = ", ".join(show(attribute) for attribute in node.attribute)
        lines.append(f"    {', '.join(node.output)} = {node.op_type}({', '.join(node.input)})"
                     f"{' ' if attributes else ''}{attributes}")
    for feed in drawing.feeds:
        kind = "initializer" if feed.constant else f"input {feed.dims}"
        values = np.array2string(feed.array, threshold=8, edgeitems=3, precision=6,
                                 separator=", ").replace("\n", "")
        lines.append(f"    {feed.name}: {describe(feed.array)} {kind} {values}")
    return "\n".join(lines)


def show(attribute):
    if attribute.type == onnx.AttributeProto.GRAPH:
        return f"{attribute.name}={{...}}"
    if attribute.type == onnx.AttributeProto.TENSOR:
        array = onnx.numpy_helper.to_array(attribute.t)
        return f"{attribute.name}={describe(array)} {array.tolist()}"
    return f"{attribute.name}={onnx.helper.get_attribute_value(attribute)}"


def write_folder(fault, root, expected):
    """The draw as a folder that `onnxc test` takes."""
    d = fault.drawing
    folder = Path(root) / f"{d.operator}_{d.seed}_{d.index}"
    data = folder / "test_data_set_0"
    shutil.rmtree(folder, ignore_errors=True)
    data.mkdir(parents=True)
    types = [dtype_of(array) for array in expected]
    onnx.save(give_types(model_of([d], fed=True), types), folder / "model.onnx")
    fed = [feed.array for feed in d.feeds if not feed.constant]
    for kind, arrays in (("input", fed), ("output", expected)):
        for i, array in enumerate(arrays):
            onnx.save_tensor(onnx.numpy_helper.from_array(array), data / f"{kind}_{i}.pb")
    return folder


# ---- batches --------------------------------------------------------------------------------------

class Session:
    def __init__(self, options):
        self.options, self.local, self.lock = options, threading.local(), threading.Lock()
        self.counts = {operator: Counter() for operator in ROWS}
        self.unanswered = {}
        self.faults = []

    def peers(self):
        if not hasattr(self.local, "peers"):
            self.local.peers = Peers(ROWS)
        return self.local.peers

    def run(self, batch):
        drawings, expected, by = [], [], []
        for operator, index in batch:
            d = Drawing(operator, ROWS[operator], self.options.seed, index).draw()
            add_symbols(d)
            peer, answer = first_answer(d, self.peers())
            with self.lock:
                count = self.counts[operator]
                if peer is None and not isinstance(answer, dict):
                    count["known"] += 1
                elif peer is None:
                    count["no peer"] += 1
                    self.unanswered.setdefault(operator, (d, answer))
                    if self.options.verbose:
                        print(f"no peer: {d.name}\n{minimal(d)}\n    {answer}")
            if peer is not None:
                drawings.append(d)
                expected.append(answer)
                by.append(peer)
        failed = set()
        for route in self.options.routes:
            left = [i for i in range(len(drawings)) if i not in failed]
            answers = run_draws([drawings[i] for i in left], [expected[i] for i in left], route)
            for i, answer in zip(left, answers):
                text = answer if isinstance(answer, str) else \
                    differences(drawings[i].row, answer, expected[i], by[i].endswith("f32"))
                if text is not None:
                    failed.add(i)
                    self.report(Fault(drawings[i], route, by[i], text), expected[i], answer)
        with self.lock:
            for i, d in enumerate(drawings):
                self.counts[d.operator]["failed" if i in failed else "passed"] += 1
                self.counts[d.operator][by[i]] += 1

    def report(self, fault, expected, answer):
        d = fault.drawing
        lines = [f"FAIL {d.name} on route {fault.route}, expected by {fault.peer}: {fault.text}",
                 minimal(d)]
        for peer in PEERS:
            if peer != fault.peer and not isinstance(answer, str):
                other = self.peers().ask(d, peer)
                verdict = other if isinstance(other, str) else \
                    differences(d.row, answer, other, peer.endswith("f32")) or "agrees with onnxc"
                lines.append(f"    {peer}: {str(verdict).splitlines()[0][:200]}")
        lines.append(f"    again: draw.py --operator {d.operator} --seed {d.seed} --only {d.index}")
        if self.options.write:
            lines.append(f"    written: {write_folder(fault, self.options.write, expected)}")
        with self.lock:
            self.faults.append(fault)
            print("\n".join(lines), flush=True)


def add_symbols(d):
    """Some draws have symbolic sizes. A size of 0 or 1 stays a number: a symbol may not stand for
    a size that broadcasts."""
    if not d.chance(0.25):
        return
    for feed in d.feeds:
        fixed = [axis % feed.array.ndim for axis in d.row.fixed.get(feed.formal, ())
                 if -feed.array.ndim <= axis < feed.array.ndim]
        for axis, size in enumerate(feed.array.shape):
            if feed.constant or size < 2 or axis in fixed or d.chance(0.4):
                continue
            symbol = f"s{size}" if d.chance(0.7) else f"{feed.name}a{axis}"
            feed.dims[axis] = symbol
            d.symbols[symbol] = (d.one_of(size, max(1, size - 2)), size + d.integer(0, 3))


# ---- the command ----------------------------------------------------------------------------------

def supported():
    """The operators of ai.onnx in onnxc's table, without those that import replaces by others."""
    listed = json.loads(onnxc("ops", "--format", "json").stdout)["ops"]
    return {op["name"] for op in listed if op["domain"] == "" and op["lowering"] != "replaced"}


def check_rows():
    """Every operator has a row, and every row an operator."""
    names = supported()
    for name in sorted(names - set(ROWS)):
        print(f"operator {name} has no row in rows.py")
    for name in sorted(set(ROWS) - names):
        print(f"rows.py has {name}, which onnxc has not")
    return names == set(ROWS)


def parse():
    parser = argparse.ArgumentParser(description="Draws random tests of operators.")
    parser.add_argument("--operator", action="append", help="only this one; repeatable")
    parser.add_argument("--draws", type=int, default=3, help="for each operator (default: 3)")
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this draw and no other")
    parser.add_argument("--batch", type=int, default=40, help="draws in a model (default: 40)")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=list(ROUTES))
    parser.add_argument("--write", metavar="DIR", help="write folders of draws that fail")
    parser.add_argument("--verbose", action="store_true", help="also draws that no peer can do")
    return parser.parse_args()


def batches(options, operators):
    indices = [options.only] if options.only is not None else \
        range(options.first, options.first + options.draws)
    draws = [(operator, index) for operator in operators for index in indices]
    return [draws[i:i + options.batch] for i in range(0, len(draws), options.batch)]


def print_counts(session, operators):
    for operator in operators:
        count = session.counts[operator]
        by = ", ".join(f"{peer} {count[peer]}" for peer in PEERS if count[peer])
        print(f"{operator}: {count['passed']} passed, {count['failed']} failed, "
              f"{count['no peer']} without a peer, {count['known']} known ({by})")


def main():
    options = parse()
    complete = options.operator is not None or check_rows()
    operators = options.operator or sorted(supported() & set(ROWS))
    start = time.monotonic()
    session = Session(options)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(session.run, batches(options, operators)))
    print_counts(session, operators)
    total = sum(session.counts.values(), Counter())
    dull = [operator for operator in operators if not session.counts[operator]["passed"]
            and not session.counts[operator]["failed"]]
    for operator in dull:
        print(f"{operator}: no draw was compared with a peer")
    print(f"seed {options.seed}: {len(operators)} operators, {total['passed']} draws passed, "
          f"{total['failed']} failed, {total['no peer']} without a peer, {total['known']} known, "
          f"{time.monotonic() - start:.0f} s")
    return bool(session.faults) or not complete or bool(dull)


if __name__ == "__main__":
    sys.exit(main())
