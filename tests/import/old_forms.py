"""Models in the forms of old opsets with what NumPy says they compute; then `onnxc test` on them.

    old_forms.py FOLDER

Expected values are written down here and not taken from a runtime: none runs opsets below 7.
"""
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, node_model, onnxc, passed, write_case  # noqa: E402

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(2, 3, 4, 5)).astype(np.float32)
LONG = np.int64


def softmax(rows):
    e = np.exp(rows - rows.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def flat(x, axis, function):
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
    return function(rows).reshape(x.shape)


def hardmax(rows):
    return np.eye(rows.shape[1], dtype=rows.dtype)[rows.argmax(axis=1)]


def channels(values):
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def group_norm(x, groups, scale, bias):
    rows = x.reshape(x.shape[0], groups, -1)
    mean, var = rows.mean(axis=2, keepdims=True), rows.var(axis=2, keepdims=True)
    y = ((rows - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)
    each = x.shape[1] // groups
    return y * np.repeat(scale, each)[:, None, None] + np.repeat(bias, each)[:, None, None]


def repeat(x, *factors):
    for axis, factor in enumerate(factors):
        x = np.repeat(x, factor, axis)
    return x


def case(op, opset, inputs, outputs, constants=(), **attributes):
    """`inputs` come at run time, `constants` are initializers behind them."""
    return op, opset, inputs, outputs, constants, attributes


C = np.array([0.5, -1, 2], np.float32)
GROUPED = RANDOM.normal(size=(2, 4, 3, 3)).astype(np.float32)
HALVES = [np.array([1, 2], np.float32), np.array([0.5, -0.5], np.float32)]
TOP = np.sort(X, axis=1)[:, ::-1][:, :2]
TOP_AT = np.argsort(-X, axis=1, kind="stable")[:, :2].astype(LONG)
INDEX = RANDOM.integers(0, 3, size=(2, 1, 4, 5)).astype(LONG)
SCATTERED = X.copy()
np.put_along_axis(SCATTERED, INDEX, np.ones_like(INDEX, np.float32), 1)

CASES = {
    "add_axis": case("Add", 6, [X, C], [X + channels(C)], broadcast=1, axis=1),
    "add_suffix": case("Add", 1, [X, X[0, 0, 0]], [X + X[0, 0, 0]], broadcast=1, consumed_inputs=[0, 0]),
    "sub_axis_0": case("Sub", 6, [X, X[:, :, 0, 0]], [X - X[:, :, :1, :1]], broadcast=1, axis=0),
    "greater_axis": case("Greater", 1, [X, C], [X > channels(C)], broadcast=1, axis=1),
    "prelu_channels": case("PRelu", 6, [X], [np.where(X < 0, X * channels(C), X)], [C]),
    "softmax_axis_1": case("Softmax", 11, [X], [flat(X, 1, softmax)]),
    "softmax_axis_0": case("Softmax", 1, [X], [flat(X, 0, softmax)], axis=0),
    "softmax_last": case("Softmax", 11, [X], [flat(X, 3, softmax)], axis=3),
    "log_softmax_axis_2": case("LogSoftmax", 9, [X], [np.log(flat(X, 2, softmax))], axis=2),
    "hardmax_axis_1": case("Hardmax", 1, [X], [flat(X, 1, hardmax)]),
    "batch_norm": case("BatchNormalization", 6, [X], [X * channels(C)], [C, C * 0, C * 0, C * 0 + 1],
                       is_test=1, epsilon=0.0),
    "cast_to_text": case("Cast", 1, [X], [X.astype(np.int32)], to="INT32"),
    "clip_both": case("Clip", 6, [X], [X.clip(-0.5, 0.5)], min=-0.5, max=0.5),
    "clip_half": case("Clip", 6, [X.astype(np.float16)], [X.astype(np.float16).clip(-0.5)], min=-0.5),
    "concat_default": case("Concat", 1, [X, X], [np.concatenate([X, X], 1)]),
    "crop_border": case("Crop", 7, [X], [X[:, :, 1:-1, 2:]], border=[2, 1, 0, 1]),
    "crop_window": case("Crop", 7, [X], [X[:, :, 1:3, 2:5]], border=[2, 1, 0, 0], scale=[2, 3]),
    "affine": case("Affine", 7, [X], [X * 2 + 3], alpha=2.0, beta=3.0),
    "image_scaler": case("ImageScaler", 7, [X], [X * 2 + channels(C)], scale=2.0, bias=C.tolist()),
    "parametric_softplus": case("ParametricSoftplus", 7, [X], [2 * np.log1p(np.exp(3 * X))], alpha=2.0, beta=3.0),
    "scaled_tanh": case("ScaledTanh", 7, [X], [2 * np.tanh(3 * X)], alpha=2.0, beta=3.0),
    "dropout": case("Dropout", 6, [X], [X], ratio=0.7, is_test=1),
    "dropout_in_training": case("Dropout", 1, [X], [X], ratio=0.7),
    "gemm_broadcast": case("Gemm", 6, [X[0, :, :, 0], X[0, 0]], [X[0, :, :, 0] @ X[0, 0] + X[1, 0, 0]],
                           [X[1, 0, 0]], broadcast=1),
    "group_norm": case("GroupNormalization", 18, [GROUPED], [group_norm(GROUPED, 2, *HALVES)], HALVES, num_groups=2),
    "pad_paddings": case("Pad", 1, [X], [np.pad(X, [(0, 0), (0, 0), (1, 0), (0, 2)], constant_values=1.5)],
                         paddings=[0, 0, 1, 0, 0, 0, 0, 2], value=1.5),
    "reduce_mean": case("ReduceMean", 11, [X], [X.mean(axis=(1, 3))], axes=[1, -1], keepdims=0),
    "reduce_sum_all": case("ReduceSum", 1, [X], [X.sum(keepdims=True)]),
    "reshape_shape": case("Reshape", 1, [X], [X.reshape(2, 12, 5)], shape=[0, -1, 5]),
    "resize_scales": case("Resize", 10, [X], [repeat(X, 1, 1, 2, 3)], [np.array([1, 1, 2, 3], np.float32)]),
    "upsample_factors": case("Upsample", 1, [X], [repeat(X, 1, 1, 2, 3)], height_scale=2.0, width_scale=3.0),
    "upsample_attribute": case("Upsample", 7, [X], [repeat(X, 1, 1, 2, 2)], scales=[1.0, 1.0, 2.0, 2.0]),
    "upsample_input": case("Upsample", 9, [X], [repeat(X, 1, 1, 3, 1)], [np.array([1, 1, 3, 1], np.float32)]),
    "scatter": case("Scatter", 9, [X, INDEX, np.ones_like(INDEX, np.float32)], [SCATTERED], axis=1),
    "selu": case("Selu", 1, [X], [1.0507 * np.where(X > 0, X, 1.6732 * (np.exp(X) - 1))]),
    "slice_axes": case("Slice", 1, [X], [X[:, 1:, :, -3:-1]], axes=[1, 3], starts=[1, -3], ends=[100, -1]),
    "slice_all_axes": case("Slice", 9, [X], [X[:1, 1:2]], starts=[0, 1], ends=[1, 2]),
    "split_equal": case("Split", 2, [X], [X[:, :, :2], X[:, :, 2:]], axis=2),
    "split_sizes": case("Split", 11, [X], [X[..., :1], X[..., 1:]], axis=-1, split=[1, 4]),
    "squeeze": case("Squeeze", 11, [X[:, :1]], [X[:, 0]], axes=[1]),
    "thresholded_relu": case("ThresholdedRelu", 7, [X], [np.where(X > 0.5, X, 0)], alpha=0.5),
    "top_k": case("TopK", 1, [X], [TOP, TOP_AT], axis=1, k=2),
    "unsqueeze": case("Unsqueeze", 1, [X], [X[:, None, ..., None]], axes=[1, 5]),
}


def write(folder, op, opset, inputs, outputs, constants, attributes):
    outputs = [o if o.dtype in (bool, LONG, np.int32, np.float16) else o.astype(np.float32) for o in outputs]
    model = node_model(op, inputs, outputs, opset=opset, constants=constants, **attributes)
    write_case(folder, model, inputs, outputs)


def main():
    root = Path(sys.argv[1])
    for name, facts in CASES.items():
        write(root / name, *facts)
    result = onnxc("test", "--jobs", JOBS, "--rtol", "1e-5", "--atol", "1e-6", root)
    print(result.stdout, result.stderr)
    sys.exit(not passed(result))


if __name__ == "__main__":
    main()
