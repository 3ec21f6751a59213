"""Exports the models of zoo.py with both exporters of the current PyTorch.

    export_zoo.py OUT [SHARE/SHARES | NAME...]

Each becomes folders OUT/NAME_dynamo and OUT/NAME_torchscript in the layout of ONNX's backend tests,
with dynamic sizes and three data sets. facts.json in each holds the absolute tolerance that the
scale of its outputs allows. A model that zoo.py knows not to export
leaves PyTorch's message in OUT/NAME_EXPORTER.error; one that fails, or does not fail, against
expectation ends the script with exit code 1.
"""
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import torch
import transformers

import zoo
from export import named_dims, outputs_of, write_tensors

# Sizes of the named dimensions, one row for each data set; the first is the example to export.
SIZES = [
    {"batch": 2, "seq": 6, "target_seq": 5, "texts": 3, "samples": 200},
    {"batch": 1, "seq": 3, "target_seq": 7, "texts": 2, "samples": 160},
    {"batch": 4, "seq": 9, "target_seq": 2, "texts": 5, "samples": 263},
]
# Of the largest element of an output, what its small elements may be wrong by.
FLOOR = 1e-5


# --- The exporters: each writes one module to one file -------------------------------------------

def export_dynamo(module, model, dims, example, path):
    dims = tuple(dims.values())
    torch.onnx.export(
        module, example, path, dynamo=True, external_data=False, verbose=False,
        input_names=[spec.name for spec in model.inputs], output_names=list(model.outputs),
        dynamic_shapes=(dims,) if isinstance(module, zoo.Named) else dims)


def export_torchscript(module, model, dims, example, path):
    torch.onnx.export(
        module, example, path, dynamo=False, opset_version=17,
        input_names=[spec.name for spec in model.inputs], output_names=list(model.outputs),
        dynamic_axes=dims)


EXPORTERS = {"dynamo": export_dynamo, "torchscript": export_torchscript}


def dynamic_dims(model, fixed):
    return {name: {axis: dim for axis, dim in axes.items() if dim not in fixed}
            for name, axes in named_dims(model.inputs).items()}


def try_export(export, *arguments):
    """PyTorch's message, or "" for success."""
    try:
        with torch.no_grad():
            export(*arguments)
        return ""
    except Exception as error:  # pylint: disable=broad-except
        return f"{type(error).__name__}: {error}"


# --- Folders -------------------------------------------------------------------------------------

def make_data(name, module, fixed):
    """Inputs and PyTorch's outputs for each row of SIZES, but for dimensions that are fixed."""
    rows = [{**sizes, **{dim: SIZES[0][dim] for dim in fixed}} for sizes in SIZES]
    inputs = [zoo.make_inputs(name, sizes, seed) for seed, sizes in enumerate(rows)]
    return [(x, outputs_of(module, x)) for x in inputs]


def write_data_sets(folder, model, data):
    for i, (inputs, outputs) in enumerate(data):
        data_set = folder / f"test_data_set_{i}"
        write_tensors(data_set, "input", [spec.name for spec in model.inputs], inputs)
        write_tensors(data_set, "output", model.outputs, outputs)


def absolute_tolerance(data):
    return FLOOR * min(float(y.abs().max()) for _, outputs in data for y in outputs)


def write_case(out, name, tag, module):
    """One folder, or the message of a failure that zoo.py knows; returns what is unexpected."""
    case, model = f"{name}_{tag}", zoo.MODELS[name]
    folder, fixed = out / case, zoo.FIXED.get(case, ())
    data = make_data(name, module, fixed)
    folder.mkdir(parents=True)
    message = try_export(EXPORTERS[tag], module, model, dynamic_dims(model, fixed), data[0][0],
                         folder / "model.onnx")
    if message:
        folder.rmdir()
        (out / f"{case}.error").write_text(message + "\n")
    else:
        write_data_sets(folder, model, data)
        facts = {"atol": absolute_tolerance(data)}
        (folder / "facts.json").write_text(json.dumps(facts) + "\n")
    expected = zoo.FAILURES.get(case, "")
    if expected in message and bool(expected) == bool(message):
        return []
    return [f"{case}: expected {expected or 'no error'!r}: {message or 'it exports'}"]


def chosen(arguments):
    """All names, those that are named, or every SHARES-th from SHARE on."""
    if len(arguments) == 1 and "/" in arguments[0]:
        share, shares = map(int, arguments[0].split("/"))
        return list(zoo.MODELS)[share::shares]
    return arguments or zoo.MODELS


def main():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where PyTorch prints all of a graph that fails
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    faults = []
    for name in chosen(sys.argv[2:]):
        module = zoo.build(name)
        for tag in EXPORTERS:
            faults += write_case(Path(sys.argv[1]), name, tag, module)
    sys.exit("\n".join(faults) if faults else 0)


if __name__ == "__main__":
    main()
