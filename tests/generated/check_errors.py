"""Compiles models and runs programs around them that give everything they must refuse, under
sanitizers: errors.c with a dynamic batch and indices, strings.c with strings.

    check_errors.py RUNTIME_LIBRARY
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import SOURCE, onnxc, run  # noqa: E402

SANITIZERS = ("address,undefined", "thread")


def rows():
    return helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["rows"]),
         helper.make_node("MatMul", ["rows", "weights"], ["product"]),
         helper.make_node("Relu", ["product"], ["y"])], "rows",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["batch"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.arange(20, dtype=np.float32).reshape(5, 4), "table"),
         numpy_helper.from_array(np.ones((4, 3), dtype=np.float32), "weights")])


def words():
    constants = [b"", b'a\0"??/', b"0" * 4999 + b"'"]
    return helper.make_graph(
        [helper.make_node("StringConcat", ["words", "ending"], ["joined"]),
         helper.make_node("Gather", ["constants", "index"], ["picked"])], "words",
        [helper.make_tensor_value_info("words", TensorProto.STRING, ["count"]),
         helper.make_tensor_value_info("ending", TensorProto.STRING, []),
         helper.make_tensor_value_info("index", TensorProto.INT64, [3])],
        [helper.make_tensor_value_info("joined", TensorProto.STRING, ["count"]),
         helper.make_tensor_value_info("picked", TensorProto.STRING, [3])],
        [helper.make_tensor("constants", TensorProto.STRING, [3], constants)])


# Name of the model: its graph, the bounds of its size, the program around it.
MODELS = {"rows": (rows, "batch=1..4", "errors.c"), "words": (words, "count=0..4", "strings.c")}


def generate(folder, name, graph, bounds):
    path = folder / f"{name}.onnx"
    path.write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8).SerializeToString())
    result = onnxc("compile", path, "-o", folder, "--name", name, "--dim", bounds)
    if result.returncode:
        sys.exit(f"compile exits {result.returncode}: {result.stderr}")


def check(folder, name, source, sanitizer, library):
    program = folder / name
    built = run("gcc", "-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all",
                f"-I{folder}", f"-I{SOURCE / 'runtime'}", Path(__file__).parent / source,
                folder / f"{name}.c", library, "-lm", "-o", program)
    ran = run(program) if built.returncode == 0 else built
    if ran.returncode:
        print(f"{name}, {sanitizer}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.returncode == 0


def main():
    passed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, (graph, bounds, source) in MODELS.items():
            generate(folder, name, graph(), bounds)
            passed += [check(folder, name, source, sanitizer, sys.argv[1])
                       for sanitizer in SANITIZERS]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
