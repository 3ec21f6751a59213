"""Exports the models of models.py to ONNX, with inputs and PyTorch's outputs beside each.

    export.py EXPORTER OUT [NAME...]

EXPORTER is torchscript (opset 13 and 17; needs PyTorch 1.13) or dynamo (a current PyTorch). Each
model becomes folders in the layout of ONNX's backend tests, with static and with dynamic sizes:
OUT/bert_op13_static/model.onnx, OUT/bert_op13_static/test_data_set_0/input_0.pb and so on.
Each folder's facts.json holds what models.py says of the model.
"""
import json
import logging
import sys
import warnings
from pathlib import Path

import torch

import models

# Sizes of the named dimensions, one row for each data set; static models take the first row only.
SIZES = [
    {"batch": 2, "seq": 6, "memory_seq": 5},
    {"batch": 1, "seq": 3, "memory_seq": 7},
    {"batch": 4, "seq": 9, "memory_seq": 2},
]
# ONNX's numbers of the element types that models take and give.
ONNX_TYPE = {torch.float32: 1, torch.int64: 7, torch.bool: 9}


# --- TensorProto, written by hand: Debian's PyTorch comes without the onnx package ---------------

def varint(value):
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data + bytearray([value]))


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor_proto(name, tensor):
    """dims = 1, data_type = 2, name = 8, raw_data = 9."""
    dims = b"".join(varint(1 << 3) + varint(dim) for dim in tensor.shape)
    dtype = varint(2 << 3) + varint(ONNX_TYPE[tensor.dtype])
    raw = tensor.contiguous().numpy().tobytes()
    return dims + dtype + field(8, name.encode()) + field(9, raw)


def write_data_set(folder, names, tensors, kind):
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, tensor) in enumerate(zip(names, tensors)):
        (folder / f"{kind}_{i}.pb").write_bytes(tensor_proto(name, tensor))


# --- The exporters: each writes one module to one file -------------------------------------------

def named_dims(inputs):
    return {spec.name: {axis: dim for axis, dim in enumerate(spec.dims) if isinstance(dim, str)}
            for spec in inputs}


def export_torchscript(opset):
    def export(module, model, example, path, dynamic):
        torch.onnx.export(
            module, example, str(path), opset_version=opset,
            input_names=[spec.name for spec in model.inputs], output_names=list(model.outputs),
            dynamic_axes=named_dims(model.inputs) if dynamic else None)
    return export


def export_dynamo(module, model, example, path, dynamic):
    dims = {name: {axis: torch.export.Dim(dim, max=64) for axis, dim in axes.items()}
            for name, axes in named_dims(model.inputs).items()}
    torch.onnx.export(
        module, example, path, dynamo=True, external_data=False, verbose=False,
        input_names=[spec.name for spec in model.inputs], output_names=list(model.outputs),
        dynamic_shapes=tuple(dims.values()) if dynamic else None)


EXPORTERS = {
    "torchscript": {"op13": export_torchscript(13), "op17": export_torchscript(17)},
    "dynamo": {"dynamo": export_dynamo},
}


def write_case(folder, name, export, dynamic):
    """One folder: the model and its data sets, the expected outputs from PyTorch."""
    model, module = models.MODELS[name], models.build(name)
    folder.mkdir(parents=True, exist_ok=True)
    export(module, model, models.make_inputs(name, SIZES[0], 0), folder / "model.onnx", dynamic)
    for i, sizes in enumerate(SIZES if dynamic else SIZES[:1]):
        inputs = models.make_inputs(name, sizes, i)
        with torch.no_grad():
            outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        data_set = folder / f"test_data_set_{i}"
        write_data_set(data_set, [spec.name for spec in model.inputs], inputs, "input")
        write_data_set(data_set, model.outputs, outputs, "output")
    facts = {"norms": model.norms, "sums": model.sums, "keeps": model.keeps}
    (folder / "facts.json").write_text(json.dumps(facts) + "\n")


def main():
    kind, out, *names = sys.argv[1:]
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    for name in names or models.MODELS:
        for tag, export in EXPORTERS[kind].items():
            for shape in ("static", "dynamic"):
                write_case(Path(out, f"{name}_{tag}_{shape}"), name, export, shape == "dynamic")


if __name__ == "__main__":
    main()
