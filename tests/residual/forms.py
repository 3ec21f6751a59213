"""Small graphs in ONNX's text form, compiled and compared: what the residual tests share.

A form is written as inputs, outputs, weights and a body of nodes. Weights get random numbers by
their declared types, unless a value is given.
"""
import json
import tempfile
from collections import namedtuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, parser

from support import onnxc, passed, write_case

# `weights`: a declaration, or name=array for given numbers. `dims`: bounds of symbolic sizes.
Form = namedtuple("Form", "inputs outputs weights body values opset dims",
                  defaults=({}, 18, {"B": (1, 3), "S": (1, 7)}))

IR_VERSION = 8


def numbers(random, value, sizes, high):
    """Random data for a declared value. Integers are indices into an axis of `high`, also from its
    end."""
    tensor = value.type.tensor_type
    shape = [dim.dim_value if dim.HasField("dim_value") else sizes[dim.dim_param]
             for dim in tensor.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if dtype == bool:
        return random.random(shape) < 0.5
    if dtype.kind in "iu":
        return random.integers(-high, high, shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)


def build(form, random):
    """The model of a form, its weights filled in."""
    graph = parser.parse_graph(f"form ({form.inputs}) => ({form.outputs}) {{ {form.body} }}")
    weights = []
    if form.weights:
        declared = parser.parse_graph(f"w ({form.weights}) => (float y) {{ y = Identity(x) }}")
        weights = [numpy_helper.from_array(numbers(random, value, {}, 2), value.name)
                   for value in declared.input]
    weights += [numpy_helper.from_array(np.asarray(array), name)
                for name, array in form.values.items()]
    graph.initializer.extend(weights)
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[
        helper.make_opsetid("", form.opset), helper.make_opsetid("com.microsoft", 1)])


def run_peer(model, fed):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(None, fed)


def all_steps(steps):
    for step in steps:
        yield step
        yield from all_steps(step.get("body", ()))


def bounds(form):
    used = {dim.dim_param for value in parser.parse_graph(
        f"f ({form.inputs}) => (float y) {{ y = Identity(x) }}").input
            for dim in value.type.tensor_type.shape.dim if dim.dim_param}
    return [word for name in sorted(used)
            for word in ("--dim", f"{name}={form.dims[name][0]}..{form.dims[name][1]}")]


def steps_of(folder, form):
    """kind(ops) of each step, or what went wrong."""
    result = onnxc("inspect", f"{folder}/model.onnx", "--format", "json", "--verify-passes",
                   *bounds(form))
    if result.returncode:
        return None, f"inspect exits {result.returncode}: {result.stderr}"
    steps = all_steps(json.loads(result.stdout)["steps"])
    return [f"{step['kind']}({' '.join(step['ops'])})" for step in steps], None


def check_form(name, form, expected, high=7, tolerances=("--rtol", "1e-4", "--atol", "1e-5")):
    """Faults of one form: its steps, and its results for the least and the largest sizes."""
    random = np.random.default_rng(sum(map(ord, name)))
    model = build(form, random)
    with tempfile.TemporaryDirectory() as folder:
        for k in range(2):
            sizes = {name: pair[k] for name, pair in form.dims.items()}
            fed = {value.name: numbers(random, value, sizes, high) for value in model.graph.input}
            write_case(f"{folder}/{k}", model, list(fed.values()), run_peer(model, fed))
        result = onnxc("test", f"{folder}/0", f"{folder}/1", *tolerances)
        if not passed(result):
            return [f"{name}: {result.stdout}{result.stderr}"]
        steps, fault = steps_of(f"{folder}/0", form)
    if fault:
        return [f"{name}: {fault}"]
    if steps != expected if expected else len(steps) != 1:
        return [f"{name}:\n  steps    {steps}\n  expected {expected}"]
    return []
