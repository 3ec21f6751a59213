"""Constants lie in the section that the user names when compiling the generated C, whether they are
arrays or a file that the assembler takes in, and elsewhere when none is named.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import C_FLAGS, SOURCE, onnxc, run  # noqa: E402

SECTION = ".flash_data"
PLACED = f'-DPLACED_WEIGHTS=__attribute__((section("{SECTION}")))'
# Options of onnxc: what says where the weights go.
WAYS = {(): PLACED, ("--single-file",): PLACED,
        ("--weights", "incbin"): f'-DPLACED_WEIGHTS_SECTION="{SECTION}"'}
MATRIX = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
FEW = np.array([3, 1, 4], dtype=np.int64)
ODD = np.array([1.5, np.nan, -2.5], dtype=np.float32)


def model():
    info, node = helper.make_tensor_value_info, helper.make_node
    constant = numpy_helper.from_array
    graph = helper.make_graph(
        [node("MatMul", ["x", "matrix"], ["product"]), node("Add", ["n", "few"], ["sum"]),
         node("Add", ["z", "odd"], ["odd_sum"]), node("StringConcat", ["s", "ending"], ["text"])],
        "placed",
        [info("x", TensorProto.FLOAT, [2, 5]), info("n", TensorProto.INT64, [3]),
         info("z", TensorProto.FLOAT, [3]), info("s", TensorProto.STRING, [2])],
        [info("product", TensorProto.FLOAT, [2, 16]), info("sum", TensorProto.INT64, [3]),
         info("odd_sum", TensorProto.FLOAT, [3]), info("text", TensorProto.STRING, [2])],
        [constant(MATRIX, "matrix"), constant(FEW, "few"), constant(ODD, "odd"),
         helper.make_tensor("ending", TensorProto.STRING, [2], [b"a", b"0" * 5000])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def section(built):
    """The bytes of the section of an object file; none where there is no such section."""
    out = built.with_suffix(".bin")
    out.unlink(missing_ok=True)
    run("objcopy", "-O", "binary", f"--only-section={SECTION}",
        f"--set-section-flags={SECTION}=alloc,load,readonly", built, out)
    return out.read_bytes() if out.exists() else b""


def check(folder, compiler, flags):
    """What is wrong with the object file that these flags give."""
    built = folder / "placed.o"
    result = run(compiler, "-O1", *C_FLAGS, *flags, f"-I{folder}", f"-I{SOURCE / 'runtime'}",
                 f"-Wa,-I{folder}", "-c", folder / "placed.c", "-o", built, cwd=folder)
    if result.returncode:
        return [result.stderr]
    data, wanted = section(built), any(flag in WAYS.values() for flag in flags)
    headers = run("readelf", "-SW", built).stdout
    lines = [line.split() for line in headers.splitlines() if f" {SECTION} " in line]
    faults = [f"holds {name}: {not wanted}"
              for name, array in (("matrix", MATRIX), ("few", FEW), ("odd", ODD))
              if (array.tobytes() in data) != wanted]
    if wanted and (len(lines) != 1 or "A" not in lines[0] or "PROGBITS" not in lines[0]):
        faults.append(f"not one section of constants:\n{headers}")
    return faults


def check_way(folder, options, place):
    (folder / "placed.onnx").write_bytes(model().SerializeToString())
    result = onnxc("compile", folder / "placed.onnx", "-o", folder, *options)
    if result.returncode:
        return [f"compile exits {result.returncode}: {result.stderr}"]
    macro = place[2:].split("=")[0]
    faults = [] if macro in (folder / "placed.h").read_text() else [f"the header lacks {macro}"]
    for compiler in ("gcc", "clang"):
        for flags in ([], [place], [place, "-fPIC"]):
            faults += [f"{compiler} {flags}: {fault}" for fault in check(folder, compiler, flags)]
    return faults


def main():
    faults = []
    for options, place in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            found = check_way(Path(folder), options, place)
        faults += [f"{' '.join(options) or 'inline'}: {fault}" for fault in found]
    print(*faults, f"{len(WAYS)} ways, {len(faults)} faults", sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
