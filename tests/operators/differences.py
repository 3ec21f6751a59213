"""Known faults of the peers, each with its smallest case and the reason why onnxc differs.

A draw that an entry covers is not compared with that peer, but with the next one.
"""
from dataclasses import dataclass

import numpy as np

from drawing import COMPLEX, FLOATS, dtype_of


@dataclass
class Known:
    operators: str   # names, separated by spaces
    peer: str        # whose name begins with this
    when: object     # function of the drawing: whether it is such a case
    case: str        # the smallest one
    why: str


def has_nan(d):
    return any(np.isnan(feed.array.astype(np.float64)).any() for feed in d.feeds
               if dtype_of(feed.array) in FLOATS)


def any_attribute(*names):
    return lambda d: any(d.attributes.get(name) not in (None, 0) for name in names)


def one_point(d):
    """A grid whose corners coincide."""
    return d.attributes.get("align_corners") == 1 and 1 in d.given("size")[2:]


def beyond_integers(d):
    return not np.all(np.abs(d.given("x").astype(np.float64)) < 1e6)


def backward_past_end(d):
    """A slice that goes backwards from before its end: it is empty."""
    steps = d.given("steps")
    return steps is not None and (steps < 0).any() and (np.abs(d.given("ends")) > 1 << 20).any()


def starts_before(d):
    """A slice that goes backwards from before the first element."""
    rank = len(d.shapes["data"])
    steps, axes = d.given("steps"), d.given("axes")
    if steps is None:
        return False
    axes = range(rank) if axes is None else axes
    return any(step < 0 and start < -d.shapes["data"][axis]
               for step, start, axis in zip(steps, d.given("starts"), axes))


def not_whole(array):
    """Numbers whose differences round, or are none."""
    return dtype_of(array) in (*FLOATS, *COMPLEX) and not np.isin(array, range(9)).all()


KNOWN = [
    Known("AffineGrid", "", one_point, "size=[1, 1, 1, 1], align_corners=1",
          "The only point of an axis is its centre, as PyTorch has it, whose operator this is. ONNX "
          "Runtime takes one end, the reference the other: it divides 2 by size - 1."),
    Known("BlackmanWindow HammingWindow HannWindow", "onnxruntime",
          lambda d: d.types["T2"] == "f64", "size=8, output_datatype=11",
          "ONNX Runtime computes in single precision whatever the type of the output is."),
    Known("Shrink", "onnxruntime", lambda d: d.types["T"] == "f64", "input=[0.1] of type double",
          "ONNX Runtime computes in single precision."),
    Known("ReduceMin ReduceMax", "onnxruntime", has_nan, "data=[[NaN, 1]], axes=[1]",
          "ONNX Runtime loses a NaN for some orders of axes and not for others; NumPy, PyTorch and "
          "the reference keep it."),
    Known("Sign", "onnxruntime", has_nan, "input=[NaN]",
          "ONNX Runtime gives 0, the reference NaN: NaN is not equal to 0, for which 0 is defined."),
    Known("Slice", "onnxruntime", backward_past_end,
          "data=[0, 1, 2, 3, 4], starts=[-4], ends=[2**31 - 1], steps=[-2]",
          "The start is before the end, so that nothing is between them in this direction; the "
          "reference agrees. ONNX Runtime returns an element."),
    Known("Slice", "reference", starts_before,
          "data=[0, 1], starts=[-4], ends=[-5], steps=[-1]",
          'The specification: "starts[i] is clamped into the range [0, dims[axes[i]]-1] for negative '
          'stepping", so that element 0 is taken; NumPy takes nothing.'),
    Known("ScatterElements ScatterND", "onnxruntime",
          lambda d: has_nan(d) and d.attributes.get("reduction") in ("min", "max"),
          "data=[1], updates=[NaN], reduction=max",
          "ONNX Runtime keeps or loses a NaN depending on its side; NumPy and the reference keep it."),
    Known("Expand", "reference", lambda d: d.types["T"] in COMPLEX, "input=[Inf + 1j]",
          "The reference multiplies by ones; the values are to be copied."),
    Known("MatMulInteger", "onnxruntime", lambda d: 0 in d.given("A").shape,
          "A=[[]], B of shape [0, 1]",
          "A sum of nothing is 0; ONNX Runtime leaves its output as it was allocated."),
    Known("Loop", "onnxruntime", lambda d: d.nodes[0].input[1] == "",
          "M=4, no cond, a body whose condition is false",
          'The specification: with no condition given it is a for loop, and the condition that the '
          'body computes is "ignored, but is required in the body". ONNX Runtime stops.'),
    Known("GRU", "reference", lambda d: any_attribute("clip", "activations")(d)
          or d.given("sequence_lens") is not None, "clip=1.0",
          "The reference does not read these attributes nor sequence_lens."),
    Known("LSTM RNN", "reference", lambda d: any_attribute("clip", "activations", "input_forget")(d)
          or d.given("sequence_lens") is not None or d.attributes.get("direction") == "reverse",
          "clip=1.0", "The reference does not read these attributes nor sequence_lens."),
    Known("OneHot", "reference", lambda d: not_whole(d.given("values")),
          "values=[1.867, 0.285]",
          "The reference computes hot * (on - off) + off, which rounds; the values are to be "
          "copied."),
    Known("GlobalMaxPool", "reference", lambda d: d.given("X").ndim != 4, "X of shape [1, 1, 2, 2, 2]",
          "The reference pools the last two axes, whatever the rank."),
    Known("Optional OptionalGetElement OptionalHasElement", "reference", lambda d: True,
          "OptionalGetElement(Optional(x))",
          "The reference returns a list that holds the element."),
    Known("QuantizeLinear", "reference", beyond_integers, "x=[Inf], y_scale=1",
          "The specification saturates; the reference converts to int32 first, which wraps."),
    Known("Unique", "reference", lambda d: d.attributes.get("sorted") == 0, "X=[2, 1], sorted=0, axis=1",
          "With one output the reference returns sorted values; with more it takes them along axis "
          "0, whatever the axis is."),
    Known("GridSample", "reference", lambda d: d.types["T1"] not in FLOATS, "X of int8",
          "The reference keeps interpolated values in the type of X, also between axes."),
]


def explained(drawing, peer):
    """The entry that covers this draw."""
    return next((entry for entry in KNOWN if drawing.operator in entry.operators.split()
                 and peer.startswith(entry.peer) and entry.when(drawing)), None)
