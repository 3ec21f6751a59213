"""Models whose sizes depend on data, compiled with bounds and compared with ONNX Runtime or ONNX's
reference evaluator.

    check.py [NAME...]

Every model runs on several data sets of different sizes in one program. Data outside of the bounds
must end in an error of the generated function, with memory guarded by sanitizers.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(Path(__file__).parent.parent))
from models import MODELS, NOT_IN_RUNTIME  # noqa: E402
from support import C_FLAGS, SOURCE, check_each, onnxc, passed, run  # noqa: E402

LEVELS = ("-O0", "-O2")
SANITIZED = ["--cflags", "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all"]


def typed(value, info):
    dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    return np.asarray(value).astype(dtype)


def write_set(folder, inputs, outputs):
    folder.mkdir()
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
            (folder / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def runtime(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def write_case(folder, text, data, reference=False):
    """The model, with the results for each set."""
    graph = parser.parse_graph("g " + text)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = folder / "model.onnx"
    onnx.save(model, path)
    session = ReferenceEvaluator(model) if reference else runtime(path)
    for k, values in enumerate(data):
        inputs = [typed(value, info) for value, info in zip(values, graph.input)]
        feed = {info.name: array for info, array in zip(graph.input, inputs)}
        write_set(folder / f"test_data_set_{k}", inputs, session.run(None, feed))
    return path


def refused(path, text, values, flags, folder):
    """NULL, or how data outside of the bounds was taken."""
    graph = parser.parse_graph("g " + text)
    feeds = []
    for i, (value, info) in enumerate(zip(values, graph.input)):
        file = folder / f"bad_{i}.npy"
        np.save(file, typed(value, info))
        feeds += ["--input", f"{info.name}={file}"]
    result = onnxc("run", path, *flags, *SANITIZED, *feeds)
    if "the model returned error" in result.stderr:
        return []
    return [f"bad data {values}: exit {result.returncode}, {result.stdout}{result.stderr}"]


def warnings(path, flags, folder):
    out = folder / "code"
    result = onnxc("compile", path, "-o", out, *flags)
    if result.returncode:
        yield f"compile exits {result.returncode}: {result.stderr}"
    for compiler in ("gcc", "clang"):
        result = run(compiler, *C_FLAGS, "-fsyntax-only", f"-I{SOURCE / 'runtime'}",
                     out / "model.c")
        if result.returncode:
            yield f"{compiler}: {result.stderr}"


def faults(row):
    name, flags, text, good, bad = (*row, [])[:5]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            path = write_case(folder, text, good, name in NOT_IN_RUNTIME)
        except Exception as error:  # pylint: disable=broad-except
            return [f"{name}: {error}"]
        found = []
        for level in LEVELS:
            result = onnxc("test", folder, level, *flags, *SANITIZED, "--rtol", "1e-5", "--atol",
                           "1e-6")
            if not passed(result):
                found.append(f"{level}: {result.stdout}{result.stderr}")
        found += warnings(path, flags, folder)
        for values in bad:
            found += refused(path, text, values, flags, folder)
        return [f"{name}: {fault}" for fault in found]


if __name__ == "__main__":
    check_each("sizes", [row for row in MODELS if not sys.argv[1:] or row[0] in sys.argv[1:]],
               faults)
