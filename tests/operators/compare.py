"""Whether results agree."""
import ml_dtypes
import numpy as np

from drawing import COMPLEX, FLOATS, INTEGERS, dtype_of, is_float

# The usual relative tolerance of a type, for operators that are not exact.
RELATIVE = {"f64": 1e-11, "f32": 5e-6, "f16": 2e-3, "bf16": 1.6e-2, "c64": 5e-6, "c128": 5e-6}


def as_numbers(array):
    """In a type that holds all values of the array, and has arithmetic."""
    dtype = dtype_of(array)
    if dtype in COMPLEX:
        return array.astype(np.complex128)
    if dtype in INTEGERS:
        return array.astype(object) if dtype in ("u64", "i64") else array.astype(np.int64)
    return array.astype(np.float64)


def parts(array):
    """Complex numbers as pairs."""
    return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array


def allowed(row, dtype, expected, single):
    """The error that each element may have."""
    if dtype in INTEGERS:
        return row.steps
    if not row.close or dtype not in RELATIVE:
        return 0
    relative = RELATIVE["f32" if (single or row.single) and dtype == "f64" else dtype] * row.close
    tiny = float(ml_dtypes.finfo(dtype_numpy(dtype)).smallest_subnormal)
    if single:
        tiny = float(np.finfo(np.float32).tiny)
    size = np.abs(expected)
    if row.sums:
        finite = size[np.isfinite(size)]
        size = size + row.sums * np.maximum(1, finite.max(initial=0))
    size = size + row.floor
    return relative * size + 4 * tiny


def dtype_numpy(dtype):
    """Of real numbers, or of their parts."""
    return {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "c64": np.float32,
            "f64": np.float64, "c128": np.float64}[dtype]


def same(row, actual, expected, single):
    """Per element."""
    dtype = dtype_of(expected)
    if dtype in ("bool", "string"):
        return actual == expected
    a, e = parts(as_numbers(actual)), parts(as_numbers(expected))
    if dtype in INTEGERS:
        return np.asarray(np.abs(a - e) <= row.steps, bool)
    with np.errstate(all="ignore"):
        equal = (a == e) | (np.isnan(a) & np.isnan(e))
        if row.signs and not row.close:
            equal &= (np.signbit(a) == np.signbit(e)) | (e != 0) | np.isnan(e)
        near = np.isfinite(a) & np.isfinite(e) & (np.abs(a - e) <= allowed(row, dtype, e, single))
    return equal | near


def describe(array):
    return f"{dtype_of(array)}{list(array.shape)}"


def difference(row, actual, expected, single=False):
    """None, or what differs first. `single`: what is expected has single precision."""
    if dtype_of(actual) != dtype_of(expected) or actual.shape != expected.shape:
        return f"{describe(actual)} instead of {describe(expected)}"
    if row.random:
        return None
    good = np.asarray(same(row, actual, expected, single))
    if good.all():
        return None
    wrong = np.argwhere(~np.atleast_1d(good))
    place = tuple(int(i) for i in wrong[0])[:expected.ndim]
    return (f"{actual[place]!s} instead of {expected[place]!s} at {list(place)}, "
            f"{len(wrong)} of {good.size} differ")


def differences(row, actual, expected, single=False):
    found = ((i, difference(row, a, e, single)) for i, (a, e) in enumerate(zip(actual, expected)))
    return next((f"output {i}: {text}" for i, text in found if text), None)
