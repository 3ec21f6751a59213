"""Largest errors of elementwise operators, in units of the last place, against their budget.

    elementary.py [--samples N] [--seed S]

The generated C runs on random bit patterns (every pattern of the 16-bit types) and on edges; exact
values come from a wider type: double for f32, f16 and bf16, long double for f64. A budget of 0.501
means correctly rounded, whichever way the exact value is rounded when it lies in the middle. Prints a Markdown table; fails where an error exceeds its budget, or where
NaN and infinities are not what IEEE says.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper
from scipy import special

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import onnxc  # noqa: E402

# 16-bit results are rounded from f32: 0.5 and a little.
EXACT, ELEMENTARY, COMPOSED = 0.501, 2, 4
LIBM_F64 = 3  # double functions are libm's own: glibc's tanh is 2.2 ULP off
TYPES = {
    "f32": (TensorProto.FLOAT, np.float32, np.float64),
    "f16": (TensorProto.FLOAT16, np.float16, np.float64),
    "bf16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16, np.float64),
    "f64": (TensorProto.DOUBLE, np.float64, np.longdouble),
}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 88.7, -88.7, 103.9, -103.9, 710.0, -745.0, 1e-30, -1e-30,
         np.inf, -np.inf, np.nan]


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def clamp01(x):
    return np.clip(x, 0, 1)


def gelu(x):
    return x / 2 * special.erfc(-x * np.sqrt(np.float64(0.5)))


def mish(x):
    e = np.exp(np.minimum(x, 40))
    return x * (e * (e + 2) / (e * (e + 2) + 2))


def negative(x, below, above):
    """`below` where x is negative, `above` elsewhere, NaN included."""
    return np.where(x < 0, below, above)


def f32(number):
    return float(np.float32(number))


# name: budget, exact function of x (and y), attributes. Functions named in NO_LONG_DOUBLE have no
# exact value in long double, so they have no row for f64.
UNARY = {
    "Abs": (EXACT, np.abs, {}),
    "Ceil": (EXACT, np.ceil, {}),
    "Floor": (EXACT, np.floor, {}),
    "Neg": (EXACT, np.negative, {}),
    "Reciprocal": (EXACT, lambda x: 1 / x, {}),
    "Relu": (EXACT, lambda x: negative(x, 0, x), {}),
    "Round": (EXACT, np.rint, {}),
    "Sign": (EXACT, np.sign, {}),
    "Sqrt": (EXACT, np.sqrt, {}),
    "LeakyRelu": (EXACT, lambda x: negative(x, x * f32(0.3), x), {"alpha": 0.3}),
    "ThresholdedRelu": (EXACT, lambda x: np.where(x > 0.5, x, 0), {"alpha": 0.5}),
    "Acos": (ELEMENTARY, np.arccos, {}),
    "Acosh": (ELEMENTARY, np.arccosh, {}),
    "Asin": (ELEMENTARY, np.arcsin, {}),
    "Asinh": (ELEMENTARY, np.arcsinh, {}),
    "Atan": (ELEMENTARY, np.arctan, {}),
    "Atanh": (ELEMENTARY, np.arctanh, {}),
    "Cos": (ELEMENTARY, np.cos, {}),
    "Cosh": (ELEMENTARY, np.cosh, {}),
    "Erf": (ELEMENTARY, special.erf, {}),
    "Exp": (ELEMENTARY, np.exp, {}),
    "Log": (ELEMENTARY, np.log, {}),
    "Sigmoid": (ELEMENTARY, sigmoid, {}),
    "Sin": (ELEMENTARY, np.sin, {}),
    "Sinh": (ELEMENTARY, np.sinh, {}),
    "Tan": (ELEMENTARY, np.tan, {}),
    "Tanh": (ELEMENTARY, np.tanh, {}),
    "Celu": (COMPOSED, lambda x: negative(x, 0.75 * np.expm1(x / 0.75), x), {"alpha": 0.75}),
    "Elu": (COMPOSED, lambda x: negative(x, 0.75 * np.expm1(x), x), {"alpha": 0.75}),
    "Gelu": (COMPOSED, gelu, {}),
    "HardSwish": (COMPOSED, lambda x: x * clamp01((x + 3) / 6), {}),
    "Mish": (COMPOSED, mish, {}),
    "Selu": (COMPOSED, lambda x: negative(x, 1.5 * 0.75 * np.expm1(x), 1.5 * x),
             {"alpha": 0.75, "gamma": 1.5}),
    "Softplus": (COMPOSED, lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), {}),
    "Softsign": (COMPOSED, lambda x: x / (1 + np.abs(x)), {}),
    "Swish": (COMPOSED, lambda x: x * sigmoid(x), {}),
}
BINARY = {
    "Add": (EXACT, np.add, {}),
    "Div": (EXACT, np.divide, {}),
    "Max": (EXACT, np.maximum, {}),
    "Min": (EXACT, np.minimum, {}),
    "Mul": (EXACT, np.multiply, {}),
    "Pow": (COMPOSED, np.power, {}),
    "PRelu": (EXACT, lambda x, y: negative(x, x * y, x), {}),
    "Sub": (EXACT, np.subtract, {}),
}
NO_LONG_DOUBLE = {"Erf", "Gelu"}
F32_ONLY = {"Celu"}


def operators(dtype):
    rows = {**UNARY, **BINARY}
    if dtype == "f64":
        return {name: row for name, row in rows.items() if name not in NO_LONG_DOUBLE | F32_ONLY}
    return rows if dtype == "f32" else {k: v for k, v in rows.items() if k not in F32_ONLY}


def values(dtype, samples, generator):
    numpy_type = np.dtype(TYPES[dtype][1])
    width = numpy_type.itemsize
    if width == 2:
        patterns = np.arange(1 << 16, dtype=np.uint16)
    else:
        patterns = generator.integers(0, 1 << 8 * width, samples, dtype=np.dtype(f"u{width}"))
    moderate = generator.uniform(-20, 20, samples).astype(numpy_type)
    edges = np.array(EDGES).astype(numpy_type)
    return np.concatenate([patterns.view(numpy_type), moderate, edges])


def second(dtype, first, generator):
    """Second operands: half of them any pattern, half of them near in size to the first."""
    other = generator.permutation(first)
    near = (first.astype(np.float64) * generator.uniform(-2, 2, len(first))).astype(first.dtype)
    return np.where(generator.random(len(first)) < 0.5, other, near)


def build(dtype, rows, count):
    onnx_type = TYPES[dtype][0]
    nodes, outputs = [], []
    inputs = [helper.make_tensor_value_info(name, onnx_type, [count]) for name in "xy"]
    for name, (_, _, attributes) in rows.items():
        operands = ["x", "y"] if name in BINARY else ["x"]
        nodes.append(helper.make_node(name, operands, [name], **attributes))
        outputs.append(helper.make_tensor_value_info(name, onnx_type, [count]))
    graph = helper.make_graph(nodes, "elementary", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)


def run_model(model, feeds):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        onnx.save(model, folder / "model.onnx")
        words = []
        for name, array in feeds.items():
            path = folder / f"{name}.pb"
            path.write_bytes(onnx.numpy_helper.from_array(array, name).SerializeToString())
            words += ["--input", f"{name}={path}"]
        result = onnxc("run", folder / "model.onnx", *words, "--output-dir", folder)
        if result.returncode != 0:
            sys.exit(result.stderr)
        return {output.name: np.load(folder / f"{output.name}.npy") for output in model.graph.output}


def spacing(rounded, numpy_type):
    """One unit in the last place at each magnitude; of the largest number: that below it."""
    info = ml_dtypes.finfo(numpy_type)
    mantissa = info.nmant
    exponent = np.frexp(np.maximum(np.abs(rounded.astype(np.longdouble)),
                                   np.longdouble(info.smallest_normal)))[1] - 1
    return np.ldexp(np.longdouble(1), exponent - mantissa)


def errors(got, exact, numpy_type):
    """ULP of each element; infinite where a NaN, an infinity or an overflow is wrong."""
    rounded = exact.astype(numpy_type)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    special_values = np.isnan(rounded) | np.isinf(rounded) | np.isnan(got) | np.isinf(got)
    distance = np.abs(got.astype(np.longdouble) - exact.astype(np.longdouble)) / spacing(rounded, numpy_type)
    return np.where(same, 0, np.where(special_values, np.inf, distance))


def check(dtype, samples, generator):
    _, numpy_type, wide = TYPES[dtype]
    rows = operators(dtype)
    x = values(dtype, samples, generator)
    y = second(dtype, x, generator)
    results = run_model(build(dtype, rows, len(x)), {"x": x, "y": y})
    faults = 0
    for name, (budget, exact, _) in rows.items():
        operands = (x, y) if name in BINARY else (x,)
        budget = LIBM_F64 if dtype == "f64" and budget == ELEMENTARY else budget
        got = results[name].astype(numpy_type)  # NumPy's files have no bfloat16, but f32
        ulps = errors(got, exact(*(operand.astype(wide) for operand in operands)), numpy_type)
        worst = int(np.argmax(ulps))
        ok = ulps[worst] <= budget
        faults += not ok
        at = ", ".join(repr(operand[worst].item()) for operand in operands)
        print(f"| {name} | {dtype} | {budget} | {float(ulps[worst]):.3g} | {at} | "
              f"{'' if ok else f'OVER: {got[worst].item()!r}'} |")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=1 << 18)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--types", default=",".join(TYPES))
    options = parser.parse_args()
    np.seterr(all="ignore")
    print("| operator | type | budget | largest error, ULP | at | |\n| --- | --- | --- | --- | --- | --- |")
    faults = sum(check(dtype, options.samples, np.random.default_rng(options.seed))
                 for dtype in options.types.split(","))
    print(f"\nelementary: {faults} over their budget (seed {options.seed})")
    sys.exit(faults != 0)


if __name__ == "__main__":
    main()
