"""Writes ONNX's own test cases as folders of model.onnx and test_data_set_K.

    extract.py OUT

All come from the pinned onnx package: the node cases, which it generates, and the small models
that it ships (simple, pytorch-converted, pytorch-operator).
"""
import shutil
import sys
import warnings
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.case.node import collect_testcases

SHIPPED = ("simple", "pytorch-converted", "pytorch-operator")
TO_PROTO = {
    "tensor_type": numpy_helper.from_array,
    "sequence_type": numpy_helper.from_list,
    "map_type": numpy_helper.from_dict,
    "optional_type": numpy_helper.from_optional,
}


def to_proto(value, info):
    if isinstance(value, TensorProto):
        return value
    return TO_PROTO[info.type.WhichOneof("value")](value, info.name)


def write_case(folder, case):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    graph = case.model.graph
    for i, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{i}"
        data.mkdir()
        for kind, values, infos in (("input", inputs, graph.input),
                                    ("output", outputs, graph.output)):
            for j, (value, info) in enumerate(zip(values, infos)):
                (data / f"{kind}_{j}.pb").write_bytes(to_proto(value, info).SerializeToString())


def extract(out):
    for case in collect_testcases(None):
        write_case(out / case.name, case)
    data = Path(loader.DATA_DIR)
    for kind in SHIPPED:
        for folder in sorted((data / kind).iterdir()):
            if folder.is_dir() and not (out / folder.name).exists():
                shutil.copytree(folder, out / folder.name)


def main():
    out = Path(sys.argv[1])
    warnings.filterwarnings("ignore")
    shutil.rmtree(out, ignore_errors=True)
    extract(out)
    print(f"{len(list(out.iterdir()))} cases of onnx {onnx.__version__}")


if __name__ == "__main__":
    main()
