"""Gradient of every operator that has a rule, against PyTorch's autograd.

    gradients.py FOLDER

Each case is y = f(inputs) as ONNX nodes and as a function of PyTorch. The model's output is the
gradient of sum(weights * y), with fixed random weights, with respect to each input of floats.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional as nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc, passed, tensor_info, write_case  # noqa: E402

ROOT = Path(sys.argv[1])
RANDOM = np.random.default_rng(17)
TRAINING = "ai.onnx.preview.training"
F32, F64 = np.float32, np.float64


def draw(*shape, low=-2.0, high=2.0, dtype=F64):
    return RANDOM.uniform(low, high, shape).astype(dtype)


def ints(*values):
    return np.array(values, np.int64)


def node(op, inputs, outputs="y", **attributes):
    return helper.make_node(op, ["" if name == "-" else name for name in inputs.split()], outputs.split(), **attributes)


class Case:
    """Inputs a, b, c, ... are given at run time, constants are initializers."""

    def __init__(self, function, nodes, *inputs, dynamic=False, constants=None, second=False):
        self.function, self.inputs, self.dynamic, self.second = function, inputs, dynamic, second
        self.nodes = nodes if isinstance(nodes, list) else [nodes]
        self.constants = constants or {}


def unary(op, function, low=-3.0, high=3.0, **attributes):
    return Case(function, node(op, "a", **attributes), draw(4, 5, low=low, high=high), dynamic=True)


def conv(groups=1, dtype=F64, bias=True, channels=4, size=(9, 8), kernel=(3, 2), **attributes):
    """Keyword arguments as ONNX has them; pads the same at both ends, for PyTorch."""
    rank = len(size)
    strides, dilations = attributes.get("strides", [1] * rank), attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)[:rank]
    function = (nn.conv1d, nn.conv2d, nn.conv3d)[rank - 1]
    inputs = [draw(2, channels, *size, dtype=dtype), draw(6, channels // groups, *kernel, dtype=dtype)]
    return Case(lambda x, w, *b: function(x, w, *b, stride=strides, padding=pads, dilation=dilations, groups=groups),
                node("Conv", "a b c" if bias else "a b", group=groups, **attributes),
                *inputs, *([draw(6, dtype=dtype)] if bias else []), dynamic=True)


def pool(op, size, **attributes):
    rank = len(size)
    pads, strides = attributes.get("pads", [0] * 2 * rank)[:rank], attributes["strides"]
    function = {"MaxPool": (nn.max_pool1d, nn.max_pool2d, nn.max_pool3d),
                "AveragePool": (nn.avg_pool1d, nn.avg_pool2d, nn.avg_pool3d)}[op][rank - 1]
    more = dict(ceil_mode=bool(attributes.get("ceil_mode", 0)))
    if op == "AveragePool":
        more["count_include_pad"] = bool(attributes.get("count_include_pad", 0))
    elif "dilations" in attributes:
        more["dilation"] = attributes["dilations"]
    return Case(lambda x: function(x, attributes["kernel_shape"], strides, pads, **more),
                node(op, "a", **attributes), draw(2, 3, *size), dynamic=True)


def matmul(*shapes):
    return Case(torch.matmul, node("MatMul", "a b"), *(draw(*shape) for shape in shapes))


def gemm(trans_a, trans_b, c):
    a, b = draw(*((4, 3) if trans_a else (3, 4))), draw(*((5, 4) if trans_b else (4, 5)))
    t = lambda x, swap: x.T if swap else x
    return Case(lambda a, b, *c: 0.5 * t(a, trans_a) @ t(b, trans_b) + sum(2 * x for x in c),
                node("Gemm", "a b c" if c is not None else "a b", alpha=0.5, beta=2.0, transA=trans_a, transB=trans_b),
                a, b, *([] if c is None else [draw(*c)]))


def reduction(op, function, low=-2.0):
    return {f"{op}_{name}": Case(lambda x, keep=keep, dim=dim: function(x, dim, keep),
                                 node(op, "a axes", keepdims=int(keep)), draw(3, 4, 5, low=low), dynamic=True,
                                 constants={"axes": ints(*dim)})
            for name, dim, keep in (("last", (2,), True), ("outer", (0, 1), False))}


def batch_norm(x, scale, bias, mean, variance):
    shape = (1, -1, 1, 1)
    return (x - mean.view(shape)) / torch.sqrt(variance.view(shape) + 1e-3) * scale.view(shape) + bias.view(shape)


def rms_norm(x, scale):
    return x / torch.sqrt((x * x).mean((1, 2), keepdim=True) + 1e-3) * scale


TIES = np.array([[1.0, 2, 2], [-1, 0, 3]])
INDICES = np.array([[0, 2, -1], [1, 2, 2]], np.int64)
TARGET = np.array([[1, 0, 3, 2], [2, 2, 0, 1]], np.int64)
SELECT = RANDOM.integers(0, 2, (4, 5)).astype(bool)

CASES = {
    "abs": unary("Abs", torch.abs), "neg": unary("Neg", torch.neg),
    "sqrt": unary("Sqrt", torch.sqrt, 0.1), "exp": unary("Exp", torch.exp), "log": unary("Log", torch.log, 0.1),
    "reciprocal": unary("Reciprocal", torch.reciprocal, 0.5),
    "sin": unary("Sin", torch.sin), "cos": unary("Cos", torch.cos), "tan": unary("Tan", torch.tan, -1, 1),
    "asin": unary("Asin", torch.asin, -0.9, 0.9), "acos": unary("Acos", torch.acos, -0.9, 0.9),
    "atan": unary("Atan", torch.atan), "sinh": unary("Sinh", torch.sinh), "cosh": unary("Cosh", torch.cosh),
    "asinh": unary("Asinh", torch.asinh), "acosh": unary("Acosh", torch.acosh, 1.1),
    "atanh": unary("Atanh", torch.atanh, -0.9, 0.9), "tanh": unary("Tanh", torch.tanh),
    "sigmoid": unary("Sigmoid", torch.sigmoid), "relu": unary("Relu", torch.relu),
    "leaky_relu": unary("LeakyRelu", lambda x: nn.leaky_relu(x, 0.125), alpha=0.125),
    "elu": unary("Elu", lambda x: nn.elu(x, 1.5), alpha=1.5), "celu": unary("Celu", lambda x: nn.celu(x, 1.5), alpha=1.5),
    "selu": unary("Selu", lambda x: 1.5 * nn.elu(x, 1.25), alpha=1.25, gamma=1.5), "softplus": unary("Softplus", nn.softplus), "softsign": unary("Softsign", nn.softsign),
    "gelu": unary("Gelu", nn.gelu), "gelu_tanh": unary("Gelu", lambda x: nn.gelu(x, approximate="tanh"), approximate="tanh"),
    "erf": unary("Erf", torch.erf), "mish": unary("Mish", nn.mish), "swish": unary("Swish", nn.silu),
    "swish_alpha": unary("Swish", lambda x: x * torch.sigmoid(0.5 * x), alpha=0.5),
    "hard_sigmoid": unary("HardSigmoid", lambda x: (0.25 * x + 0.5).clamp(0, 1), alpha=0.25, beta=0.5),
    "hard_swish": unary("HardSwish", nn.hardswish, -5, 5),
    "thresholded_relu": unary("ThresholdedRelu", lambda x: nn.threshold(x, 0.5, 0), alpha=0.5),
    "floor": unary("Floor", torch.floor), "identity": unary("Identity", lambda x: x),
    "relu_at_0": Case(torch.relu, node("Relu", "a"), np.array([0.0, -1, 1])),
    "add_broadcast": Case(torch.add, node("Add", "a b"), draw(3, 4), draw(2, 1, 4), dynamic=False),
    "sub_broadcast": Case(torch.sub, node("Sub", "a b"), draw(3, 4), draw()),
    "mul_same": Case(lambda x: x * x, node("Mul", "a a"), draw(3, 4), dynamic=True),
    "mul_broadcast": Case(torch.mul, node("Mul", "a b"), draw(3, 1), draw(1, 4)),
    "div_broadcast": Case(torch.div, node("Div", "a b"), draw(2, 3, 4), draw(4, low=0.5), dynamic=True),
    "pow": Case(torch.pow, node("Pow", "a b"), draw(3, 4, low=0.1), draw(4)),
    "pow_of_0": Case(torch.pow, node("Pow", "a b"), np.array([0.0, 0, 2, -1]), np.array([0.0, 2, 0, 3])),
    "max_ties": Case(torch.maximum, node("Max", "a b"), TIES, TIES[::-1].copy()),
    "min": Case(lambda x, y, z: torch.minimum(torch.minimum(x, y), z), node("Min", "a b c"), draw(3, 4), draw(4), draw()),
    "sum": Case(lambda x, y, z: x + y + z, node("Sum", "a b c"), draw(3, 4), draw(4), draw()),
    "mean": Case(lambda x, y: (x + y) / 2, node("Mean", "a b"), draw(3, 4), draw(4)),
    "clip": Case(lambda x: x.clamp(-0.5, 1), node("Clip", "a low high"), draw(4, 5),
                 constants={"low": np.array(-0.5), "high": np.array(1.0)}),
    "where": Case(lambda x, y: torch.where(torch.from_numpy(SELECT), x, y), node("Where", "s a b"), draw(4, 5), draw(5),
                  constants={"s": SELECT}),
    "prelu": Case(lambda x, s: torch.where(x > 0, x, s * x), node("PRelu", "a b"), draw(2, 3, 4), draw(3, 1)),
    "cast": Case(lambda x: x.float() ** 2, [node("Cast", "a", "f", to=1), node("Mul", "f f")], draw(3, 4)),
    "transpose": Case(lambda x: x.permute(2, 0, 1), node("Transpose", "a", perm=[2, 0, 1]), draw(2, 3, 4), dynamic=True),
    "reverse_axes": Case(lambda x: x.permute(2, 1, 0), node("Transpose", "a"), draw(2, 3, 4)),
    "reshape": Case(lambda x: x.reshape(-1, 6), node("Reshape", "a s"), draw(4, 3, 2), constants={"s": ints(-1, 6)}, dynamic=True),
    "flatten": Case(lambda x: x.reshape(4, 6), node("Flatten", "a"), draw(4, 3, 2), dynamic=True),
    "squeeze": Case(lambda x: x.squeeze(1), node("Squeeze", "a s"), draw(3, 1, 2), constants={"s": ints(1)}),
    "unsqueeze": Case(lambda x: x[:, None], node("Unsqueeze", "a s"), draw(3, 2), constants={"s": ints(1)}, dynamic=True),
    "expand": Case(lambda x: x.expand(4, 3, 2), node("Expand", "a s"), draw(3, 1), constants={"s": ints(4, 3, 2)}),
    "concat": Case(lambda x, y: torch.cat([x, y, x], 1), node("Concat", "a b a", axis=-2), draw(2, 3, 4), draw(2, 1, 4)),
    "split": Case(lambda x: x[:, :2] * x[:, 4:], [node("Split", "a s", "p q r", axis=1), node("Mul", "p r")], draw(3, 6),
                  constants={"s": ints(2, 2, 2)}, dynamic=True),
    "pad": Case(lambda x: nn.pad(x, (1, -1, 0, 2)), node("Pad", "a p"), draw(3, 4), constants={"p": ints(0, 1, 2, -1)}, dynamic=True),
    "slice": Case(lambda x: x[1:-1, :, 2:], node("Slice", "a s e x"), draw(5, 2, 4), dynamic=True,
                  constants={"s": ints(1, 2), "e": ints(-1, 100), "x": ints(0, 2)}),
    "slice_steps": Case(lambda x: x[::2, 1::3], node("Slice", "a s e x t"), draw(5, 8), dynamic=True,
                        constants={"s": ints(0, 1), "e": ints(100, 100), "x": ints(0, 1), "t": ints(2, 3)}),
    "slice_back": Case(lambda x: x.flip(0)[:, [6, 4, 2]], node("Slice", "a s e x t"), draw(5, 8),
                       constants={"s": ints(-1, 6), "e": ints(-100, 1), "x": ints(0, 1), "t": ints(-1, -2)}),
    "gather": Case(lambda x: x[:, torch.from_numpy(INDICES)], node("Gather", "a i", axis=1), draw(2, 3, 4),
                   constants={"i": INDICES}, dynamic=True),
    "gather_scalar": Case(lambda x: x[1], node("Gather", "a i"), draw(3, 4), constants={"i": np.int64(1)}),
    "gather_elements": Case(lambda x: x.gather(1, torch.from_numpy(INDICES % 3)), node("GatherElements", "a i", axis=1),
                            draw(2, 3), constants={"i": INDICES}),
    "trilu": Case(torch.tril, node("Trilu", "a", upper=0), draw(2, 4, 4)),
    "cum_sum": Case(lambda x: x.cumsum(1), node("CumSum", "a i"), draw(3, 4), constants={"i": np.int64(1)}),
    **reduction("ReduceSum", torch.sum), **reduction("ReduceMean", torch.mean), **reduction("ReduceMax", torch.amax),
    **reduction("ReduceMin", torch.amin), **reduction("ReduceL1", lambda x, d, k: x.abs().sum(d, k)),
    **reduction("ReduceL2", lambda x, d, k: (x * x).sum(d, k).sqrt()), **reduction("ReduceLogSumExp", torch.logsumexp),
    **reduction("ReduceSumSquare", lambda x, d, k: (x * x).sum(d, k)),
    **reduction("ReduceLogSum", lambda x, d, k: x.sum(d, k).log(), 0.1),
    "reduce_max_ties": Case(lambda x: x.amax(1), node("ReduceMax", "a s", keepdims=0), TIES, constants={"s": ints(1)}),
    "softmax": Case(lambda x: x.softmax(1), node("Softmax", "a", axis=1), draw(2, 5, 3), dynamic=True),
    "log_softmax": Case(lambda x: x.log_softmax(-1), node("LogSoftmax", "a"), draw(4, 5), dynamic=True),
    "matmul": matmul((3, 4), (4, 5)), "matmul_batch": matmul((2, 1, 3, 4), (5, 4, 6)), "matmul_vectors": matmul((4,), (4,)),
    "matmul_row": matmul((4,), (2, 4, 3)), "matmul_column": matmul((2, 3, 4), (4,)),
    "gemm": gemm(0, 0, None), "gemm_bias": gemm(1, 1, (5,)), "gemm_column": gemm(0, 1, (3, 1)),
    "layer_norm": Case(lambda x, s, b: nn.layer_norm(x, (3, 4), s, b, 1e-3),
                       node("LayerNormalization", "a b c", axis=1, epsilon=1e-3), draw(2, 3, 4), draw(3, 4), draw(3, 4)),
    "rms_norm": Case(rms_norm, node("RMSNormalization", "a b", axis=1, epsilon=1e-3), draw(2, 3, 4), draw(4)),
    "batch_norm": Case(batch_norm, node("BatchNormalization", "a b c d e", epsilon=1e-3), draw(2, 3, 4, 5), draw(3), draw(3),
                       draw(3), draw(3, low=0.5), dynamic=True),
    "instance_norm": Case(lambda x, s, b: nn.instance_norm(x, weight=s, bias=b, eps=1e-3),
                          node("InstanceNormalization", "a b c", epsilon=1e-3), draw(2, 3, 4, 5), draw(3), draw(3)),
    "group_norm": Case(lambda x, s, b: nn.group_norm(x, 2, s, b, 1e-3),
                       node("GroupNormalization", "a b c", epsilon=1e-3, num_groups=2), draw(2, 4, 3), draw(4), draw(4)),
    "dropout": Case(lambda x: x * 2, [node("Dropout", "a", "d"), node("Add", "a d")], draw(3, 4)),
    "global_average_pool": Case(lambda x: x.mean((2, 3), keepdim=True), node("GlobalAveragePool", "a"), draw(2, 3, 4, 5)),
    "conv": conv(), "conv_f32": conv(dtype=F32), "conv_pads": conv(pads=[1, 1, 1, 1], bias=False),
    "conv_strides": conv(strides=[2, 3], pads=[1, 0, 1, 0]),
    "conv_dilations": conv(dilations=[2, 1], strides=[1, 2], pads=[2, 1, 2, 1]),
    "conv_groups": conv(groups=2, strides=[2, 1]), "conv_depthwise": conv(groups=6, channels=6, pads=[1, 0, 1, 0]),
    "conv_1d": conv(size=(11,), kernel=(4,), strides=[3]),
    "conv_3d": conv(size=(4, 5, 4), kernel=(2, 3, 2), strides=[2, 1, 1], groups=2, dtype=F32),
    "max_pool": pool("MaxPool", (6, 7), kernel_shape=[2, 3], strides=[2, 2]),
    "max_pool_overlap": pool("MaxPool", (7, 7), kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1]),
    "max_pool_ceil": pool("MaxPool", (8,), kernel_shape=[3], strides=[3], ceil_mode=1),
    "average_pool": pool("AveragePool", (6, 7), kernel_shape=[2, 3], strides=[2, 2]),
    "average_pool_pads": pool("AveragePool", (7, 6), kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 1]),
    "average_pool_count": pool("AveragePool", (7, 6), kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 1], count_include_pad=1),
    "average_pool_ceil": pool("AveragePool", (8,), kernel_shape=[3], strides=[2], ceil_mode=1),
    "average_pool_3d": pool("AveragePool", (4, 5, 4), kernel_shape=[2, 2, 2], strides=[2, 2, 1]),
    "cross_entropy": Case(lambda x: nn.cross_entropy(x, torch.from_numpy(TARGET)), node("SoftmaxCrossEntropyLoss", "a t"),
                          draw(2, 4, 4), constants={"t": TARGET}, second=True),
    "cross_entropy_weights": Case(
        lambda x, w: nn.cross_entropy(x, torch.from_numpy(TARGET), w.detach(), ignore_index=2) + 0 * w.sum(),
        [node("Mul", "b zero", "none"), node("ReduceSum", "none", "nothing", keepdims=0),
         node("SoftmaxCrossEntropyLoss", "a t w", "entropy", ignore_index=2), node("Add", "entropy nothing")],
        draw(2, 4, 4), np.array([0.5, 1, 2, 3]), constants={"t": TARGET, "zero": np.zeros(()), "w": np.array([0.5, 1, 2, 3])}),
    "cross_entropy_sum": Case(lambda x: nn.cross_entropy(x, torch.from_numpy(TARGET), reduction="sum"),
                              node("SoftmaxCrossEntropyLoss", "a t", reduction="sum"), draw(2, 4, 4), constants={"t": TARGET}),
    "nll_none": Case(lambda x: nn.nll_loss(x, torch.from_numpy(TARGET), reduction="none"),
                     node("NegativeLogLikelihoodLoss", "a t", reduction="none"), draw(2, 4, 4), constants={"t": TARGET}),
    "two_paths": Case(lambda x, w: torch.tanh(x @ w) * torch.sigmoid(x @ w) + (x @ w),
                      [node("MatMul", "a b", "h"), node("Tanh", "h", "t"), node("Sigmoid", "h", "s"), node("Mul", "t s", "ts"),
                       node("Add", "ts h")], draw(3, 4), draw(4, 5), dynamic=True),
    "unused": Case(lambda x, z: x * 2 + 0 * z, node("Add", "a a"), draw(3), draw(2, 3)[0]),
    "second_order": Case(lambda x, w: torch.tanh(x * w).exp(), [node("Mul", "a b", "h"), node("Tanh", "h", "t"), node("Exp", "t")],
                         draw(3, 4), draw(4), second=True),
    "second_order_softmax": Case(lambda x: x.softmax(-1) ** 3, [node("Softmax", "a", "s"), node("Pow", "s three")], draw(3, 4),
                                 constants={"three": np.float64(3)}, second=True),
}


def gradient(name, y, xs, values=None):
    return helper.make_node("Gradient", values or xs, [f"{name}_{x}" for x in xs], domain=TRAINING, xs=xs, y=y)


def make_model(nodes, inputs, outputs, constants, dynamic=False):
    sizes = lambda array: ["n", *array.shape[1:]] if dynamic else None
    infos = [tensor_info(name, array, sizes(array) if i == 0 else None) for i, (name, array) in enumerate(inputs.items())]
    results = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
               for name, array in outputs.items()]
    weights = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "gradient", infos, results, weights)
    return helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", onnx.defs.onnx_opset_version()), helper.make_opsetid(TRAINING, 1)])


def weighted_sum(y, weights, name):
    """Nodes for sum(weights * y)."""
    return [node("Mul", f"{y} {weights}", f"{name}_each"), node("ReduceSum", f"{name}_each", name, keepdims=0)]


def write(name, case):
    inputs = dict(zip("abcde", case.inputs))
    tensors = [torch.tensor(array, requires_grad=True) for array in case.inputs]
    y = case.function(*tensors)
    weights = RANDOM.normal(size=tuple(y.shape)).astype(np.dtype(str(y.dtype).removeprefix("torch.")))
    loss = (y * torch.from_numpy(weights)).sum()
    found = torch.autograd.grad(loss, tensors, create_graph=case.second, materialize_grads=True)
    nodes = case.nodes + weighted_sum("y", "w_y", "loss") + [gradient("d", "loss", list(inputs))]
    constants, outputs = case.constants | {"w_y": weights}, {f"d_{x}": g.detach().numpy() for x, g in zip(inputs, found)}
    if case.second:
        again = RANDOM.normal(size=case.inputs[0].shape)
        twice = torch.autograd.grad((found[0] * torch.from_numpy(again)).sum(), tensors)
        nodes += weighted_sum("d_a", "w_d", "slope") + [gradient("dd", "slope", list(inputs))]
        constants["w_d"] = again
        outputs |= {f"dd_{x}": g.detach().numpy() for x, g in zip(inputs, twice)}
    narrow = any(array.dtype == F32 for array in (*case.inputs, weights))
    for kind in ("static", "dynamic") if case.dynamic else ("static",):
        folder = ROOT / kind / ("f32" if narrow else "f64") / name
        write_case(folder, make_model(nodes, inputs, outputs, constants, kind == "dynamic"), case.inputs, outputs.values())


def write_special():
    """Other values than those of the graph, intermediates as variables, and variables that stay."""
    a, h, z = draw(3), draw(3), draw(3)
    forward = [node("Mul", "a a", "h"), node("Exp", "h", "e"), node("Mul", "e z", "y")]
    other = helper.make_node("Gradient", ["b", "c"], ["dh", "dz"], domain=TRAINING, xs=["h", "z"], y="y")
    same = helper.make_node("Gradient", ["a"], ["da"], domain=TRAINING, xs=["a"], y="y")
    cut = helper.make_node("Gradient", ["z", "h"], ["dz2"], domain=TRAINING, xs=["z"], zs=["h"], y="y")
    shared = helper.make_node("Gradient", ["b", "b"], ["dh3", "dz3"], domain=TRAINING, xs=["h", "z"], y="y")
    skipped = helper.make_node("Gradient", ["h", "z"], ["", "dz4"], domain=TRAINING, xs=["h", "z"], y="y")
    inputs = {"a": a, "z": z, "b": h, "c": draw(3)}
    c = inputs["c"]
    outputs = {"dh": c * np.exp(h), "dz": np.exp(h), "da": 2 * a * z * np.exp(a * a), "dz2": np.exp(a * a),
               "dh3": h * np.exp(h), "dz3": np.exp(h), "dz4": np.exp(a * a)}
    model = make_model(forward + [other, same, cut, shared, skipped], inputs, outputs, {})
    write_case(ROOT / "static" / "f64" / "other_values", model, inputs.values(), outputs.values())


def write_dropout():
    """In training: what is dropped has no gradient, and the rest is scaled. y = x dropped, so dy/dx is
    what x = 1 gives."""
    x = np.ones((50, 20), F32)
    nodes = [node("Dropout", "a r t"), gradient("d", "y", ["a"]), node("Sub", "y d_a", "zero")]
    constants = {"r": np.array(0.25, F32), "t": np.array(True)}
    model = make_model(nodes, {"a": x}, {"zero": x, "y": x}, constants)
    onnx.save(model, ROOT / "dropout.onnx")
    np.save(ROOT / "ones.npy", x)
    result = onnxc("run", ROOT / "dropout.onnx", "--input", f"a={ROOT / 'ones.npy'}", "--output-dir", ROOT)
    assert result.returncode == 0, result.stderr
    assert not np.load(ROOT / "zero.npy").any() and abs((np.load(ROOT / "y.npy") == 0).mean() - 0.25) < 0.1


def check_refused():
    x = draw(3, 3)
    forward = {"unsupported": (3, [node("Det", "a", "y")], ["a"]), "unknown": (2, [node("Exp", "a")], ["b"]),
               "integer": (2, [node("Cast", "a", "i", to=7), node("Cast", "i", to=11)], ["i"])}
    for name, (code, nodes, xs) in forward.items():
        path = ROOT / f"{name}.onnx"
        grad = gradient("d", "y", xs, [xs[0] if xs != ["b"] else "a"])
        onnx.save(make_model(nodes + [grad], {"a": x}, {f"d_{xs[0]}": x}, {}), path)
        result = onnxc("compile", path, "--stop-after", "passes")
        assert result.returncode == code, (name, result.returncode, result.stderr)
        assert name != "unsupported" or "gradient of Det" in result.stderr, result.stderr


def check_limit():
    """Each derivative of the one before has several times its nodes."""
    nodes = [node("Tanh", "a", "d0_a")]
    for i in range(40):
        nodes.append(gradient(f"d{i + 1}", f"d{i}_a", ["a"]))
    path = ROOT / "nested.onnx"
    onnx.save(make_model(nodes, {"a": draw(3)}, {"d40_a": draw(3)}, {}), path)
    result = onnxc("compile", path, "--stop-after", "passes")
    assert result.returncode == 4 and "too large" in result.stderr, (result.returncode, result.stderr)


def main():
    for name, case in CASES.items():
        write(name, case)
    write_special()
    good = True
    for kind, dims in (("static", ()), ("dynamic", ("--dim", "n=1..9"))):
        for dtype, tolerance in (("f64", 1e-9), ("f32", 1e-4)):
            result = onnxc("test", "--jobs", JOBS, "--rtol", tolerance, "--atol", tolerance, *dims, ROOT / kind / dtype)
            print("".join(f"{line}\n" for line in result.stdout.splitlines() if not line.startswith("PASS")), result.stderr)
            good = passed(result) and good
    write_dropout()
    check_refused()
    check_limit()
    sys.exit(not good)


if __name__ == "__main__":
    main()
