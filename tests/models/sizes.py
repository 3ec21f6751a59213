"""Compiles real trained models for a range of sizes and runs them at three of them.

    sizes.py MODELS [NAME...]

Every model that declares dynamic sizes is compiled with bounds that take in its own sizes and two
others, and runs at all of them in one program: on its own data, and on random data of the same
kind, against ONNX Runtime with graph optimisation off. Tolerances are those of run.py.
"""
import itertools
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from run import tolerances  # noqa: E402
from support import PLACEHOLDERS, cases, check_each, onnxc, passed  # noqa: E402

OTHERS = 2
# What may be added to a size: models have steps of their own, and the runtime says which.
SMALL, LARGE = (1, 2), (32, 64, -32, 16, 128, 1, 2)


def symbols_of(inputs, data):
    """[input][axis] -> the name of a dynamic size, or None; and the size that each name has."""
    names, own = [], {}
    for value, array in zip(inputs, data):
        row = []
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            fixed = dim.HasField("dim_value") and dim.dim_value >= 0
            named = dim.dim_param not in PLACEHOLDERS
            name = None if fixed else dim.dim_param if named else f"{value.name}.{axis}"
            row.append(name)
            if name:
                own[name] = array.shape[axis]
        names.append(row)
    return names, own


def variants(own):
    """Other sizes for the names, those where all differ first."""
    def steps(size):
        return [step for step in (SMALL if size < 8 else LARGE) if size + step > 0] + [0]
    choices = itertools.product(*(steps(size) for size in own.values()))
    for choice in sorted(choices, key=lambda steps: sum(step == 0 for step in steps)):
        if any(choice):
            yield {name: size + step for (name, size), step in zip(own.items(), choice)}


def resized(array, names, sizes, own, random):
    """Data of these sizes and of the same kind. Integers that are a length follow it."""
    shape = [sizes[name] if name else size for name, size in zip(names, array.shape)]
    if array.dtype.kind == "f":
        noise = random.normal(array.mean(), array.std() or 1, shape)
        return noise.clip(array.min(), array.max()).astype(array.dtype)
    if not any(names):
        lengths = {size: sizes[name] for name, size in own.items()}
        return np.vectorize(lambda x: lengths.get(x, x), otypes=[array.dtype])(array)
    values = random.choice(array.ravel(), shape)
    for name, size in own.items():
        values[values == size] = min(size, sizes[name])
    return values.astype(array.dtype)


def write_set(folder, inputs, outputs):
    folder.mkdir()
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.asarray(array))
            (folder / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def runtime(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def add_sizes(source, folder):
    """The model with its data, and with that of other sizes; how many of those there are."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    graph = onnx.load(source / "model.onnx", load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    data = [numpy_helper.to_array(onnx.load_tensor(source / f"test_data_set_0/input_{i}.pb"))
            for i in range(len(inputs))]
    names, own = symbols_of(inputs, data)
    random, session, made = np.random.default_rng(5), runtime(source / "model.onnx"), 0
    for sizes in variants(own):
        fed = [resized(array, row, sizes, own, random) for array, row in zip(data, names)]
        try:
            outputs = session.run(None, {value.name: array for value, array in zip(inputs, fed)})
        except Exception:  # pylint: disable=broad-except
            continue
        made += 1
        write_set(folder / f"test_data_set_{made}", fed, outputs)
        if made == OTHERS:
            break
    return made


def is_dynamic(folder):
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return any(not dim.HasField("dim_value") or dim.dim_value < 0
               for value in graph.input if value.name not in weights
               for dim in value.type.tensor_type.shape.dim)


def check(root, chosen):
    flags = tolerances(root / "INDEX.md")

    def faults(folder):
        with tempfile.TemporaryDirectory() as temporary:
            made = add_sizes(folder, Path(temporary))
            if made < OTHERS:
                return [f"{folder.name}: ONNX Runtime takes only {made} other sizes"]
            result = onnxc("test", temporary, *flags[folder.name])
        return [] if passed(result) else [f"{folder.name}: {result.stdout}{result.stderr}"]

    check_each("sizes of models",
               [folder for folder in cases(root)
                if is_dynamic(folder) and (not chosen or folder.name in chosen)], faults)


if __name__ == "__main__":
    check(Path(sys.argv[1]), sys.argv[2:])
