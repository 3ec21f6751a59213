"""Compiles a model with a dynamic batch and indices, and runs errors.c on it under sanitizers.

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


def write_model(path):
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["rows"]),
         helper.make_node("MatMul", ["rows", "weights"], ["product"]),
         helper.make_node("Relu", ["product"], ["y"])], "rows",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["batch"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.arange(20, dtype=np.float32).reshape(5, 4), "table"),
         numpy_helper.from_array(np.ones((4, 3), dtype=np.float32), "weights")])
    path.write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def check(folder, sanitizer, library):
    program = folder / "errors"
    built = run("gcc", "-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all",
                f"-I{folder}", f"-I{SOURCE / 'runtime'}", Path(__file__).parent / "errors.c",
                folder / "rows.c", library, "-lm", "-o", program)
    ran = run(program) if built.returncode == 0 else built
    if ran.returncode:
        print(f"{sanitizer}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.returncode == 0


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder / "model.onnx")
        result = onnxc("compile", folder / "model.onnx", "-o", folder, "--name", "rows",
                       "--dim", "batch=1..4")
        if result.returncode:
            sys.exit(f"compile exits {result.returncode}: {result.stderr}")
        passed = [check(folder, sanitizer, sys.argv[1]) for sanitizer in SANITIZERS]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
