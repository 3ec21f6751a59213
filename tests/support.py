"""What the Python tests share: calling onnxc and C compilers, and going through many folders.

ctest passes the program in ONNXC and the source tree's root in ONNXC_SOURCE.
"""
import os
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx

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


def dim_flags(folder):
    """--dim flags that bound every dynamic size of the model by the data sets of its folder."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    bounds = {}
    for path in folder.glob("test_data_set_*/input_*.pb"):
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
