"""What the Python tests share: calling onnxc and C compilers, and going through many folders.

ctest passes the program in ONNXC and the source tree's root in ONNXC_SOURCE.
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SOURCE = Path(os.environ.get("ONNXC_SOURCE", Path(__file__).parent.parent)).resolve()
ONNXC = Path(os.environ.get("ONNXC", SOURCE / "build/release/onnxc")).resolve()
JOBS = len(os.sched_getaffinity(0))
# Names of sizes by which exporters say that they have none.
PLACEHOLDERS = ("", "?", "None", "-1")
# What generated C is clean under, with gcc and with clang.
C_FLAGS = """-std=c99 -pedantic-errors -Wall -Wextra -Werror -Wconversion -Wsign-conversion
  -Wdouble-promotion -Wshadow -Wcast-align -Wcast-qual -Wmissing-prototypes -Wundef -Wvla""".split()


def run(*command, timeout=600, **options):
    """Runs a command and returns it completed, its output as text."""
    return subprocess.run([str(word) for word in command], text=True, errors="replace",
                          capture_output=True, timeout=timeout, check=False, **options)


def onnxc(*arguments, **options):
    return run(ONNXC, *arguments, **options)


Outcome = namedtuple("Outcome", "exit seconds bytes errors")


def measure(*arguments):
    """Runs onnxc: exit code, processor time and peak memory as the system counted them, stderr."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([ONNXC, *arguments], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return Outcome(process.returncode, usage.ru_utime + usage.ru_stime,
                       usage.ru_maxrss * 1024, errors.read())


def passed(result):
    """Whether `onnxc test` ran everything that it was given, and all of it passed."""
    return result.returncode == 0 and result.stdout.endswith(" 0 failed, 0 skipped\n")


def cases(*roots):
    """The folders under `roots` that hold a model and test data."""
    return sorted(path.parent for root in roots for path in Path(root).glob("**/model.onnx"))


def export_once(out, decisive, commands):
    """Runs the commands, at once, to fill the folder `out` anew, unless it holds what came of the
    same contents of the files `decisive`."""
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in decisive)).hexdigest()
    stamp = out / "digest"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    processes = [subprocess.Popen(command) for command in commands]
    if any([process.wait() for process in processes]):
        sys.exit(f"{out}: an exporter failed")
    stamp.write_text(digest)


def tensor_info(name, array, dims=None):
    dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, dtype, array.shape if dims is None else dims)


def write_case(folder, model, inputs, outputs):
    """A folder for `onnxc test`: the model with one set of input and expected output arrays."""
    data = Path(folder) / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model, Path(folder) / "model.onnx")
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)))
            (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def node_model(op, inputs, outputs, domain="", opset=None, constants=(), **attributes):
    """A model of one node: `inputs` are arrays that come at run time (None: absent), `constants`
    are initializers behind them, `outputs` arrays that say the types."""
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    weights = [f"w{i}" if array is not None else "" for i, array in enumerate(constants)]
    results = [f"y{i}" if array is not None else "" for i, array in enumerate(outputs)]
    there = lambda names, arrays: [(n, a) for n, a in zip(names, arrays) if a is not None]
    graph = helper.make_graph(
        [helper.make_node(op, names + weights, results, domain=domain, **attributes)], op,
        [tensor_info(*pair) for pair in there(names, inputs)],
        [tensor_info(*pair) for pair in there(results, outputs)],
        [numpy_helper.from_array(a, n) for n, a in there(weights, constants)])
    newest = onnx.defs.onnx_opset_version() if domain == "" else 1
    opsets = [helper.make_opsetid(domain, opset or newest)]
    if domain:
        opsets.append(helper.make_opsetid("", onnx.defs.onnx_opset_version()))
    return helper.make_model(graph, ir_version=10, opset_imports=opsets)


def dim_flags(folder, data="test_data_set_*"):
    """--dim flags that bound every dynamic size of the model by the data sets of its folder."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    bounds = {}
    for path in folder.glob(f"{data}/input_*.pb"):
        value = inputs[int(path.stem.split("_")[1])]
        if value.type.WhichOneof("value") != "tensor_type":
            continue
        sizes = onnx.load_tensor(path).dims
        for axis, (dim, size) in enumerate(zip(value.type.tensor_type.shape.dim, sizes)):
            if dim.HasField("dim_value") and dim.dim_value >= 0:
                continue
            named = dim.dim_param not in PLACEHOLDERS
            bounds.setdefault(dim.dim_param if named else f"{value.name}.{axis}", []).append(size)
    return [word for name, sizes in sorted(bounds.items())
            for word in ("--dim", f"{name}={min(sizes)}..{max(sizes)}")]


def flattened(steps):
    """Steps with those inside them."""
    for step in steps:
        yield step
        yield from flattened(step.get("body", ()))


def steps_of(folder, *flags):
    """The view of `onnxc inspect` of a folder's model, and its steps with those inside them."""
    result = onnxc("inspect", folder / "model.onnx", "--format", "json", *dim_flags(folder), *flags)
    if result.returncode:
        raise RuntimeError(f"{folder.name}: inspect exits {result.returncode}: {result.stderr}")
    view = json.loads(result.stdout)
    return view, list(flattened(view["steps"]))


def check_each(what, items, check):
    """Calls check(item) -> list of faults on all items in parallel; prints them and exits."""
    items = list(items)
    if not items:
        sys.exit(f"{what}: nothing to check")
    with ThreadPoolExecutor(JOBS) as pool:
        faults = [fault for faults in pool.map(check, items) for fault in faults]
    for fault in faults:
        print(fault)
    print(f"{what}: {len(items)} checked, {len(faults)} faults")
    sys.exit(bool(faults))


Levels = namedtuple("Levels", "faults usual small rewrites")


def memory_at(model, level, pass_name):
    """The arena, and how often the pass changed something."""
    report = json.loads(onnxc("inspect", model, level, "--format", "json").stdout)
    rewrites = sum(p["rewrites"] for p in report["passes"] if p["name"] == pass_name)
    return report["memory"]["arena_bytes"], rewrites


def compare_levels(folder, model, x, pass_name):
    """A model with the input x gives the same at -Os as at -O2, bit for bit, and in no more memory:
    what is wrong, the memory at both, and how often the pass changed something."""
    data, path = folder / "test_data_set_0", folder / "model.onnx"
    data.mkdir(parents=True)
    onnx.save(model, path)
    onnx.save_tensor(numpy_helper.from_array(x), data / "input_0.pb")
    np.save(folder / "x.npy", x)
    ran = onnxc("run", path, "-O2", "--input", f"x={folder / 'x.npy'}",
                "--output-dir", folder / "out")
    outputs = list((folder / "out").glob("*.npy"))
    if ran.returncode != 0 or len(outputs) != 1:
        return Levels([f"{folder.name}: {ran.stderr}"], 0, 0, 0)
    onnx.save_tensor(numpy_helper.from_array(np.load(outputs[0])), data / "output_0.pb")
    (usual, _), (small, rewrites) = (memory_at(path, level, pass_name) for level in ("-O2", "-Os"))
    result = onnxc("test", "-Os", "--verify-passes", "--rtol", "0", "--atol", "0", folder, "-v")
    faults = [] if passed(result) else [f"{folder.name}: {result.stdout}{result.stderr}"]
    if small > usual:
        faults.append(f"{folder.name}: {small} bytes at -Os, {usual} at -O2")
    return Levels(faults, usual, small, rewrites)


def check_levels(what, draw, pass_name):
    """check_levels("chains", draw, "strips") compares models that draw(seed) gives with their
    inputs, and exits; the pass must have changed every fourth at least."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    faults, usual, small, changed = [], 0, 0, 0
    with tempfile.TemporaryDirectory() as root:
        for seed in range(wanted.seed, wanted.seed + wanted.draws):
            found = compare_levels(Path(root) / str(seed), *draw(seed), pass_name)
            faults += found.faults
            usual, small = usual + found.usual, small + found.small
            changed += found.rewrites > 0
    print(*faults, f"{wanted.draws} {what}, {changed} with {pass_name}, {len(faults)} faults",
          f"{small:,} bytes at -Os, {usual:,} at -O2", sep="\n")
    sys.exit(bool(faults) or changed < wanted.draws // 4)
