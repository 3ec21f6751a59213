"""Known faults of the peers, each with its smallest case and the reason why onnxc differs.

A draw that an entry covers is not compared with that peer, but with the next one.
"""
from dataclasses import dataclass

import numpy as np

from drawing import COMPLEX, FLOATS, INTEGERS, dtype_of, is_float


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


def broken_length(d):
    """A resize to lengths that are rounded."""
    return d.memory["by_scale"] or \
        d.attributes.get("keep_aspect_ratio_policy") not in (None, "stretch")


def same_size(d):
    """A resize to the sizes that there are, by scales that are not 1 or from a region; of one axis
    where each is done on its own."""
    shape, axes = d.shapes["X"], d.memory["axes"] or range(len(d.shapes["X"]))
    sizes = [shape[axis] for axis in axes]
    crop = d.memory["way"] == "tf_crop_and_resize"
    if d.memory["by_scale"]:
        scales = d.memory["scales"]
        moved = [scale != 1 or crop for scale in scales]
        same = [int(np.float32(size) * scale) == size for size, scale in zip(sizes, scales)]
    else:
        moved = [crop or d.attributes.get("keep_aspect_ratio_policy") not in (None, "stretch")
                 for _ in sizes]
        same = list(np.array(d.memory["sizes"]) == sizes)
    if crop or d.attributes.get("antialias") == 1:
        return any(a and b for a, b in zip(moved, same))
    return all(same) and any(moved)


def rounds_size(d):
    """A resize whose sizes depend on the precision of their product."""
    if not d.memory["by_scale"]:
        return False
    axes = d.memory["axes"] or range(len(d.shapes["X"]))
    return any(int(np.float32(d.shapes["X"][axis]) * scale) !=
               int(d.shapes["X"][axis] * float(scale))
               for axis, scale in zip(axes, d.memory["scales"]))


def constant_row(d):
    """Equal numbers along the axes of the mean."""
    x = d.given("X").astype(np.float64)
    return (np.ptp(x, tuple(d.attributes.get("axes") or (0, 2, 3))) == 0).any()


def not_finite(d):
    return any(not np.isfinite(feed.array.astype(np.float64)).all() for feed in d.feeds
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


def negative_pads(d):
    """Windows of SAME_UPPER or SAME_LOWER whose sum is shorter than the input."""
    if not str(d.attributes.get("auto_pad")).startswith("SAME"):
        return False
    image = d.given("X").shape[2:]
    kernel = d.attributes["kernel_shape"]
    strides = d.attributes.get("strides") or [1] * len(kernel)
    return any((-(-size // stride) - 1) * stride + k < size
               for size, k, stride in zip(image, kernel, strides))


def not_whole(array):
    """Numbers whose differences round, or are none."""
    return dtype_of(array) in (*FLOATS, *COMPLEX) and not np.isin(array, range(9)).all()


def makes_no_turn(d):
    """A loop that ends before it begins, on values whose sizes are symbols."""
    fed = {feed.name: feed.array for feed in d.feeds}
    stops = [not fed[name] for name in d.nodes[0].input[:2] if name in fed]
    return any(stops) and bool(d.symbols)


def misses(d):
    """A window lies in the padding as a whole."""
    sizes, kernel = d.given("X").shape[2:], d.attributes["kernel_shape"]
    n = len(sizes)
    pads = d.attributes.get("pads") or [0] * 2 * n
    steps, strides = (d.attributes.get(name) or [1] * n for name in ("dilations", "strides"))
    return any(not any(0 <= start + k * steps[i] < size for k in range(kernel[i]))
               for i, size in enumerate(sizes)
               for start in range(-pads[i], size + pads[n + i], strides[i])
               if start + (kernel[i] - 1) * steps[i] < size + pads[n + i])


def skips(d):
    """Windows that are further apart than they are long."""
    kernel, strides = d.attributes["kernel_shape"], d.attributes.get("strides") or ()
    return any(stride > length for stride, length in zip(strides, kernel)) and \
        d.attributes.get("auto_pad", "NOTSET").startswith("SAME")


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
    Known("ScatterElements", "reference",
          lambda d: has_nan(d) and d.attributes.get("reduction") in ("min", "max"),
          "data=[NaN], updates=[1], reduction=max",
          "The reference uses Python's max here, which keeps or loses a NaN depending on its side."),
    Known("Clip", "reference", has_nan, "input=[1], min=NaN",
          "NaN bounds nothing, as in ONNX Runtime; with the reference it becomes the result."),
    Known("Expand", "reference", lambda d: d.types["T"] in COMPLEX, "input=[Inf + 1j]",
          "The reference multiplies by ones; the values are to be copied."),
    Known("MatMulInteger QLinearMatMul", "onnxruntime",
          lambda d: 0 in (d.given("A") if d.operator == "MatMulInteger" else d.given("a")).shape,
          "A=[[]], B of shape [0, 1]",
          "A sum of nothing is 0; ONNX Runtime leaves its output as it was allocated."),
    Known("BlackmanWindow HammingWindow HannWindow", "",
          lambda d: d.given("size") == 1 and d.attributes.get("periodic") == 0, "size=1, periodic=0",
          "A window of one sample is 1, as NumPy and PyTorch have it; the formula divides 0 by 0."),
    Known("Erf Gelu HardSwish", "reference", lambda d: d.types["T"] == "f64", "input=[-1.0] of type double",
          "The reference computes in single precision, or with constants of it."),
    Known("Gelu", "onnxruntime", lambda d: d.types["T"] == "f64", "X=[1.6] of type double",
          "ONNX Runtime computes with constants of single precision."),
    Known("Col2Im", "onnxruntime", lambda d: len(d.given("image_shape")) != 2,
          "image_shape=[2, 1, 2], block_shape=[2, 2, 1], pads=[0, 1, 0, 1, 0, 0]",
          "ONNX Runtime places some elements wrongly where there are not two axes; the reference "
          "agrees with onnxc."),
    Known("Col2Im Resize", "reference", lambda d: bool(set(d.types.values()) & set(COMPLEX)),
          "input of type complex64", "The reference drops the imaginary part."),
    Known("Cast CastLike", "onnxruntime",
          lambda d: d.attributes.get("saturate") == 0, "x=[61713.25] to float8e5m2, saturate=0",
          "Beyond the greatest number the table of the specification has infinity for this type, as "
          "the reference does. ONNX Runtime gives NaN for what would round to 65536."),
    Known("QLinearMatMul", "reference", lambda d: d.types["TS"] != "f32",
          "a_scale, b_scale and y_scale of bfloat16",
          "The reference keeps the product of the scales in their type, which has 8 bits; the "
          "result is to be rounded once."),
    Known("Resize", "reference", lambda d: d.attributes.get("coordinate_transformation_mode") ==
          "pytorch_half_pixel", "X of shape [1, 1, 2, 2], sizes=[1, 1, 1, 1], mode=cubic",
          'The specification: "length_resized > 1 ? (x_resized + 0.5) / scale - 0.5 : 0"; the '
          "reference takes -0.5 where the length is 1."),
    Known("StringNormalizer", "reference", lambda d: "" in d.given("X"), "X=['']",
          "The reference drops empty strings; the specification only drops stopwords."),
    Known("GridSample", "reference", lambda d: d.types["T2"] in ("f16", "bf16"),
          "grid of type bfloat16", "The reference computes coordinates in the type of the grid."),
    Known("Cast CastLike", "onnxruntime",
          lambda d: d.attributes.get("saturate") == 0, "x=[61713.25] to float8e5m2, saturate=0",
          "Beyond the greatest number the table of the specification has infinity for this type, as "
          "the reference does. ONNX Runtime gives NaN for what would round to 65536."),
    Known("QLinearMatMul", "reference", lambda d: d.types["TS"] != "f32",
          "a_scale, b_scale and y_scale of bfloat16",
          "The reference keeps the product of the scales in their type, which has 8 bits; the "
          "result is to be rounded once."),
    Known("Resize", "reference", lambda d: d.attributes.get("coordinate_transformation_mode") ==
          "pytorch_half_pixel", "X of shape [1, 1, 2, 2], sizes=[1, 1, 1, 1], mode=cubic",
          'The specification: "length_resized > 1 ? (x_resized + 0.5) / scale - 0.5 : 0"; the '
          "reference takes -0.5 where the length is 1."),
    Known("StringNormalizer", "reference", lambda d: "" in d.given("X"), "X=['']",
          "The reference drops empty strings; the specification only drops stopwords."),
    Known("GridSample", "reference", lambda d: d.attributes.get("mode") == "cubic"
          and d.attributes.get("padding_mode") == "border", "grid=[[1.2, 0]], mode=cubic",
          "The reference moves the place to the border before it takes the weights; PyTorch, whose "
          "operator this is, and ONNX Runtime do not."),
    Known("LRN", "reference", lambda d: d.given("X").shape[1] > d.given("X").shape[0],
          "X of shape [1, 2, 1, 1]",
          "The reference goes through as many channels as there are batches."),
    Known("MaxPool AveragePool LpPool", "", negative_pads,
          "X of shape [1, 1, 3], kernel_shape=[1], strides=[3], auto_pad=SAME_UPPER",
          "The stride is longer than what is left for the last window, so there is nothing to pad; "
          "onnxc pads nothing, as TensorFlow does, ONNX Runtime refuses some of these models and "
          "crops the input in others, as the reference does."),
    Known("MaxPool", "reference", lambda d: d.attributes.get("pads") is not None,
          "X of shape [1, 1, 5, 7], kernel_shape=[4, 4], pads=[1, 0, 1, 0]",
          "The reference takes pads as pairs for each axis; all begins come before all ends."),
    Known("MaxPool", "reference", lambda d: len(d.nodes[0].output) > 1,
          "X=[[1, 2], [3, 4]], kernel_shape=[2, 2], auto_pad=SAME_UPPER",
          "The reference counts places in the padded input."),
    Known("QLinearConv", "reference", lambda d: d.given("w_scale").size > 1, "w_scale of shape [2]",
          "The reference broadcasts scales of channels along the last axes, which changes the shape."),
    Known("ReduceMean", "", lambda d: 0 in d.given("data").shape, "data of shape [0]",
          "The mean of nothing is 0 / 0, as NumPy and PyTorch have it; ONNX leaves it open."),
    Known("SplitToSequence", "onnxruntime", lambda d: len(d.nodes[0].input) > 1,
          "split=1, keepdims=0", 'The specification: keepdims "is ignored" when split is given.'),
    Known("Squeeze", "onnxruntime", lambda d: d.given("axes") is not None and d.given("axes").size == 0,
          "axes=[]", "No axes are squeezed; ONNX Runtime squeezes all, as when axes is absent."),
    Known("TfIdfVectorizer", "onnxruntime", lambda d: d.attributes.get("weights") is not None,
          "weights=[0.5, 2], ngram_indexes=[1, 0], mode=IDF",
          'The specification: "The i-th element in weights is the weight of the i-th n-gram in pool"; '
          "ONNX Runtime takes that of the n-gram's place in the output."),
    Known("AveragePool", "reference", not_finite, "X=[[NaN, 1]], kernel_shape=[2]",
          "The reference marks padding by NaN and leaves out all of them."),
    Known("Cast CastLike", "onnxruntime",
          lambda d: d.types["T2"] in ("i2", "u2", "i4", "u4") and is_float(d.types["T1"]),
          "input=[1.9], to=INT4",
          "Casts from floats to integers truncate; ONNX Runtime rounds to these types only."),
    Known("ConvTranspose", "reference",
          lambda d: d.memory["group"] > 1 and d.given("B") is not None, "group=2, B=[0, 1]",
          "The reference adds the bias of the first group to all."),
    Known("DFT", "onnxruntime", lambda d: d.types["T1"] == "f64"
          or d.attributes.get("inverse") == 1 and d.attributes.get("onesided") == 1,
          "inverse=1, onesided=1",
          "ONNX Runtime has no inverse of a onesided transform, and computes double in single "
          "precision."),
    Known("LogSoftmax Softmax", "onnxruntime", not_finite, "input=[Inf, 1] of type double",
          "Inf - Inf is NaN; ONNX Runtime gives -Inf for double, and NaN for float."),
    Known("QuantizeLinear", "onnxruntime", lambda d: d.types["T2"] in ("f16", "bf16"),
          "x=[-12.5625], y_scale=[1.4766] of type bfloat16",
          'The specification: "The type of y_scale determines the precision of the division"; ONNX '
          "Runtime divides in single precision."),
    Known("QuantizeLinear", "reference",
          lambda d: d.types["T1"] != d.types["T2"] and "precision" not in d.attributes,
          "x of type float, y_scale of type bfloat16",
          "As above; the reference divides in the wider of the two types."),
    Known("Resize", "reference",
          lambda d: d.memory["way"] == "tf_crop_and_resize" and broken_length(d),
          "X=[1, 2, 3], roi=[0.1, 0.9], scales=[1.89]",
          "length_resized is the length of the result, 5; the reference takes 5.67, before it is "
          "rounded. ONNX Runtime agrees with onnxc."),
    Known("Resize", "reference",
          lambda d: d.memory["way"] == "tf_crop_and_resize" and d.types.get("T2") == "f16",
          "X=[0, 1000, 0], roi=[0.15, 0.82] of type float16, sizes=[4], mode=linear",
          "The reference computes places in the type of roi: the same numbers in float give what "
          "onnxc gives."),
    Known("Resize", "onnxruntime",
          lambda d: d.memory["way"] == "align_corners" and broken_length(d),
          "X=[1, 2, 3, 4], scales=[0.8], coordinate_transformation_mode=align_corners",
          "onnxc follows the expected results of ONNX's own cases (resize_downsample_scales_linear_"
          "align_corners), where the length is that before rounding."),
    Known("Resize", "onnxruntime", same_size, "X=[1, 2], scales=[1.1], mode=linear",
          "ONNX Runtime copies where the result has the sizes of X, also when the scale moves the "
          "places of its elements."),
    Known("Resize", "onnxruntime",
          lambda d: d.types["T1"] == "i8" and d.attributes.get("antialias") == 1,
          "X=[-3, 3, 1] of int8, sizes=[2], antialias=1, mode=cubic",
          "ONNX Runtime clips to the range of uint8."),
    Known("Resize", "onnxruntime",
          lambda d: d.types["T1"] in INTEGERS and d.attributes.get("antialias") == 1,
          "X of int32, sizes=[8, 6, 2], antialias=1, mode=linear",
          "ONNX Runtime rounds to integers behind each axis, so that errors add up; the reference "
          "agrees with onnxc."),
    Known("PRelu", "reference", not_finite, "X=[0], slope=[NaN]",
          "f(x) = x for x >= 0; the reference multiplies 0 by the slope."),
    Known("Conv", "reference", not_finite, "X of type double with Inf, pads=[1, 1]",
          "The reference multiplies all of X by zeros where a window has its padding; ONNX Runtime "
          "does not."),
    Known("CenterCropPad GridSample Trilu", "reference",
          lambda d: "string" in d.types.values(), "input of type string",
          'The reference writes "0" where others write the empty string.'),
    Known("Gather", "onnxruntime", lambda d: d.types["T"] == "string"
          and np.prod(d.shapes["data"][d.memory["axis"]:][1:]) != 1,
          "data=[['a', 'b']], indices=[0]",
          "ONNX Runtime copies one string of each slice and leaves the others empty."),
    Known("LpPool AveragePool MaxPool", "reference", lambda d: d.attributes.get("auto_pad") == "VALID"
          and d.attributes.get("dilations") is not None,
          "X of shape [1, 1, 7], kernel_shape=[3], dilations=[2], strides=[2], auto_pad=VALID",
          "The reference counts windows without their dilation; ONNX Runtime agrees with onnxc."),
    Known("MeanVarianceNormalization", "onnxruntime", constant_row, "X=[[1, 1]], axes=[1]",
          "The deviation is 0, and 0 / 1e-9 is 0; ONNX Runtime takes the root of E(x^2) - E(x)^2, "
          "which rounding makes negative."),
    Known("Resize", "reference", rounds_size, "X of size 5, scales=[1.4]",
          "The scale is a float, so that 5 * 1.4 is 7, as in ONNX Runtime; the reference computes "
          "6.99999 in double."),
    Known("Shape", "reference", lambda d: (d.attributes.get("end") or 0) < -len(d.shapes["data"]),
          "data of rank 2, end=-3",
          "The specification clamps end to 0 after adding the rank; the reference takes what remains "
          "for an index from the end."),
    Known("MaxPool", "", misses, "X of shape [1, 1, 1], kernel_shape=[2], dilations=[2], pads=[1, 1]",
          "A window without an element has no maximum and no index: ours are -inf and 0. ONNX Runtime "
          "gives an index outside of X, the reference NaN."),
    Known("MaxPool AveragePool LpPool", "reference", skips,
          "X of shape [1, 1, 4], kernel_shape=[1], strides=[3], auto_pad=SAME_LOWER",
          'The specification: "output_shape[i] = ceil(input_shape[i] / strides[i])"; the reference has '
          "fewer, where the padding would be negative."),
    Known("Loop", "onnxruntime", makes_no_turn, "M=0, a carried value of size s that may become size t",
          "No turn says which size the slices of an empty stack have: ours are 0 where turns may "
          "differ. ONNX Runtime is asked with numbers for sizes, which cannot differ."),
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
]


def explained(drawing, peer):
    """The entry that covers this draw."""
    return next((entry for entry in KNOWN if drawing.operator in entry.operators.split()
                 and peer.startswith(entry.peer) and entry.when(drawing)), None)
