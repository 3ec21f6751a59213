"""What stands around convolutions: norms, activations, sums, padding and layouts, in few steps with
ONNX Runtime's results.
"""
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402
from forms import Form, check_form  # noqa: E402

X = "float[B,8,6,6] x"
Y = "float[B,8,6,6] y"
W = "float[8,8,3,3] w"
NORM = "float[8] g, float[8] b, float[8] m"


def conv(y, x, w="w", bias=""):
    return f"{y} = Conv<pads=[1,1,1,1]>({x}, {w}{bias})\n"


def batch_norm(y, x):
    return f"{y} = BatchNormalization({x}, g, b, m, var)\n"


VARIANCE = {"var": np.linspace(0.5, 2, 8).astype(np.float32)}
TO_LAST, TO_FIRST = "Transpose<perm=[0,2,3,1]>", "Transpose<perm=[0,3,1,2]>"

# A block: its weights, its nodes.
CONVNEXT = (
    "float[8,1,7,7] w, float[8] c, float[8] g, float[8] b, float[8,32] u, float[32] e, float[32,8] v,"
    " float[8] f, float[8] s",
    "d{k} = Conv<pads=[3,3,3,3], group=8>({x}, w, c) l{k} = " + TO_LAST + "(d{k})"
    " n{k} = LayerNormalization<axis=-1, epsilon=1e-6>(l{k}, g, b) h{k} = MatMul(n{k}, u)"
    " i{k} = Add(h{k}, e) a{k} = Div(i{k}, root) r{k} = Erf(a{k}) p{k} = Add(r{k}, one)"
    " q{k} = Mul(i{k}, p{k}) z{k} = Mul(q{k}, half) o{k} = MatMul(z{k}, v) m{k} = Add(o{k}, f)"
    " j{k} = Mul(m{k}, s) t{k} = " + TO_FIRST + "(j{k}) {y} = Add({x}, t{k})\n")

CONVNEXT_STEPS = ["contraction(Conv)", "row(LayerNormalization)", "contraction(MatMul Add Gelu)",
                  "contraction(MatMul Add Mul Add)"]

FORMS = {
    "batch-norm-relu": (Form(X, Y, W + ", " + NORM, conv("c", "x") + batch_norm("n", "c") + "y = Relu(n)",
                             VARIANCE), ["contraction(Conv Relu)"]),
    "relu6": (Form(X, Y, W + ", float[8] a", conv("c", "x", bias=", a") + "y = Clip(c, lo, hi)",
                   {"lo": np.float32(0), "hi": np.float32(6)}), ["contraction(Conv Clip)"]),
    "silu": (Form(X, Y, W, conv("c", "x") + "s = Sigmoid(c) y = Mul(c, s)"), ["contraction(Conv Swish)"]),
    "hard-swish": (Form(X, Y, W, conv("c", "x") + "p = Add(c, three) q = Clip(p, zero, six) r = Mul(c, q)"
                        " y = Div(r, six)", {"three": np.float32(3), "zero": np.float32(0),
                                             "six": np.float32(6)}), ["contraction(Conv HardSwish)"]),
    "gelu": (Form(X, Y, W, conv("c", "x") + "a = Div(c, root) e = Erf(a) p = Add(e, one) q = Mul(c, p)"
                  " y = Mul(q, half)", {"root": np.float32(np.sqrt(2)), "one": np.float32(1),
                                        "half": np.float32(0.5)}), ["contraction(Conv Gelu)"]),
    "residual": (Form(X, Y, W + ", float[8,8,3,3] v, " + NORM,
                      conv("c", "x") + batch_norm("n", "c") + "r = Relu(n)" + conv("d", "r", "v")
                      + "s = Add(d, x) y = Relu(s)", VARIANCE),
                 ["contraction(Conv Relu)", "contraction(Conv Add Relu)"]),
    "padded": (Form(X, Y, W, "p = Pad(x, pads) y = Conv(p, w)",
                    {"pads": np.int64([0, 0, 1, 1, 0, 0, 1, 1])}), ["contraction(Conv)"]),
    "squeeze-excite": (Form(X, Y, "float[2,8,1,1] w, float[8,2,1,1] v, float[2] c, float[8] d",
                            "g = GlobalAveragePool(x) s = Conv(g, w, c) r = Relu(s) e = Conv(r, v, d)"
                            " t = Sigmoid(e) y = Mul(x, t)"),
                       ["row(ReduceMean)", "contraction(Conv Relu)", "contraction(Conv Sigmoid)",
                        "row(Mul)"]),
    "squeeze-excite-means": (Form(X, Y, "float[2,8,1,1] w, float[8,2,1,1] v, float[2] c, float[8] d",
                                  "g = ReduceMean(x, axes) s = Conv(g, w, c) h = Sigmoid(s) r = Mul(s, h)"
                                  " e = Conv(r, v, d) t = HardSigmoid(e) y = Mul(t, x)",
                                  {"axes": np.int64([2, 3])}),
                             ["row(ReduceMean)", "contraction(Conv Swish)", "contraction(Conv HardSigmoid)",
                              "row(Mul)"]),
    "unet": (Form(X, Y, W + ", float[8,8,2,2] u, float[8,16,3,3] v",
                  conv("c", "x") + "r = Relu(c) p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(r)"
                  + "t = ConvTranspose<strides=[2,2]>(p, u) k = Concat<axis=1>(r, t)"
                  + conv("y", "k", "v")),
             ["contraction(Conv Relu)", "call(MaxPool)", "contraction(ConvTranspose)", "contraction(Conv)"]),
    "densenet": (Form(X, "float[B,24,6,6] y", W + ", float[8,16,3,3] v",
                      conv("c", "x") + "r = Relu(c) k = Concat<axis=1>(x, r)" + conv("d", "k", "v")
                      + "s = Relu(d) y = Concat<axis=1>(k, s)"),
                 ["contraction(Conv Relu)", "copy(Concat)", "contraction(Conv Relu)"]),
    "nhwc": (Form("float[B,6,6,8] x", "float[B,6,6,8] y", W + ", float[8,8,3,3] v, float[8] a",
                  f"f = {TO_FIRST}(x)" + conv("c", "f") + f"l = {TO_LAST}(c) n = Add(l, a) r = Relu(n)"
                  + f"f2 = {TO_FIRST}(r)" + conv("d", "f2", "v") + f"l2 = {TO_LAST}(d) y = Add(l2, x)"),
             ["copy(Transpose)", "contraction(Conv Relu)", "contraction(Conv Add)"]),
    "nhwc-pad": (Form("float[B,6,6,8] x", "float[B,6,6,8] y", W + ", float[8,8,3,3] v",
                      f"f = {TO_FIRST}(x)" + conv("c", "f") + f"l = {TO_LAST}(c) r = Relu(l)"
                      + f"q = Pad(r, pads) f2 = {TO_FIRST}(q) d = Conv(f2, v) y = {TO_LAST}(d)",
                      {"pads": np.int64([0, 1, 1, 0, 0, 1, 1, 0])}), ["copy(Transpose)", "contraction(Conv Relu)", "contraction(Conv)"]),
    "nhwc-concat": (Form("float[B,6,6,8] x", "float[B,6,6,8] y", W + ", float[8,8,3,3] u, float[8,16,3,3] v",
                         f"f = {TO_FIRST}(x)" + conv("c", "f") + f"l = {TO_LAST}(c) r = Relu(l)"
                         + conv("e", "f", "u") + f"m = {TO_LAST}(e) k = Concat<axis=3>(r, m)"
                         + f"f2 = {TO_FIRST}(k)" + conv("d", "f2", "v") + f"y = {TO_LAST}(d)"), ["copy(Transpose)", "contraction(Conv Relu)", "contraction(Conv)", "contraction(Conv)"]),
    "nhwc-mean": (Form("float[B,6,6,8] x", "float[B,8] y", W,
                       f"f = {TO_FIRST}(x)" + conv("c", "f") + f"l = {TO_LAST}(c) r = Relu(l)"
                       " y = ReduceMean<keepdims=0>(r, axes)", {"axes": np.int64([1, 2])}), ["copy(Transpose)", "contraction(Conv)", "row(Relu ReduceMean)"]),
    "convnext": (Form(X, Y, CONVNEXT[0], CONVNEXT[1].format(x="x", y="t", k=1)
                      + CONVNEXT[1].format(x="t", y="y", k=2),
                      {"root": np.float32(np.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5)}), CONVNEXT_STEPS * 2),
    "norm-of-channels": (Form(X, Y, "float[8,1,1] g, float[8,1,1] b",
                              "u = ReduceMean(x, axis) d = Sub(x, u) p = Pow(d, two) v = ReduceMean(p, axis)"
                              " e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(g, q) y = Add(k, b)",
                              {"axis": np.int64([1]), "two": np.float32(2), "eps": np.float32(1e-6)}), None),
    "group-norm": (Form(X, Y, "float[8] g, float[8] b",
                        "r = Reshape(x, groups) q = InstanceNormalization<epsilon=1e-5>(r, ones, zeros)"
                        " h = Shape(x) n = Reshape(q, h) k = Unsqueeze(g, axes) o = Mul(n, k)"
                        " l = Unsqueeze(b, axes) y = Add(o, l)",
                        {"groups": np.int64([0, 4, -1]), "ones": np.ones(4, np.float32),
                         "zeros": np.zeros(4, np.float32), "axes": np.int64([1, 2])}),
                   ["row(LayerNormalization)"]),
}


def check(name):
    form, expected = FORMS[name]
    return check_form(name, form, expected)


if __name__ == "__main__":
    check_each("convolutions", [n for n in FORMS if not sys.argv[1:] or n in sys.argv[1:]], check)
