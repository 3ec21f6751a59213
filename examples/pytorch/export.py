"""Exports the models of models.py to ONNX, with inputs and PyTorch's outputs beside each.

    export.py EXPORTER OUT [NAME...]

EXPORTER is torchscript (opset 13 and 17; needs PyTorch 1.13) or dynamo (a current PyTorch). Each
model becomes folders in the layout of ONNX's backend tests, with static and with dynamic sizes:
OUT/bert_op13_static/model.onnx, OUT/bert_op13_static/test_data_set_0/input_0.pb and so on.
Each folder's facts.json holds what models.py says of the model.
"""
import copy
import itertools
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


def write_tensors(folder, kind, names, tensors):
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


def outputs_of(module, inputs):
    with torch.no_grad():
        outputs = module(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def exact_outputs(module, inputs):
    """The outputs in double precision, rounded to float. None where ONNX's tolerance (rtol 1e-3,
    atol 1e-7) is less than twice the error of float arithmetic, as it is for numbers near 0."""
    doubles = [x.double() if x.is_floating_point() else x for x in inputs]
    exact = outputs_of(copy.deepcopy(module).double(), doubles)
    for y, e in zip(outputs_of(module, inputs), exact):
        error = (y.double() - e).abs().max()
        if (1e-7 + 1e-3 * e.abs()).min() < 2 * error:
            return None
    return [e.float() for e in exact]


def write_data_sets(folder, name, module, all_sizes):
    """Random inputs of each of the sizes, and what PyTorch makes of them."""
    model, seeds = models.MODELS[name], itertools.count()
    for i, sizes in enumerate(all_sizes):
        outputs = None
        while outputs is None:
            inputs = models.make_inputs(name, sizes, next(seeds))
            outputs = exact_outputs(module, inputs)
        data_set = folder / f"test_data_set_{i}"
        write_tensors(data_set, "input", [spec.name for spec in model.inputs], inputs)
        write_tensors(data_set, "output", model.outputs, outputs)


def write_case(folder, name, export, dynamic):
    """One folder: the model, its data sets, and what models.py says of it."""
    model, module = models.MODELS[name], models.build(name)
    folder.mkdir(parents=True, exist_ok=True)
    export(module, model, models.make_inputs(name, SIZES[0], 0), folder / "model.onnx", dynamic)
    write_data_sets(folder, name, module, SIZES if dynamic else SIZES[:1])
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
