"""Skip connections in every form that they have in networks: few steps, ONNX Runtime's results."""
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402
from forms import Form, check_form  # noqa: E402

X = "float[B,S,16] x"
Y = "float[B,S,16] y"
LN = ["row(LayerNormalization)"]


def norm(y, x, k=""):
    return f"{y} = LayerNormalization<axis=-1, epsilon=1e-5>({x}, g{k}, b{k})\n"


NORM = "float[16] g, float[16] b"
PRODUCT = "contraction(MatMul)"
ADD_NORM = "row(Add LayerNormalization)"

FORMS = {
    "post-norm": (Form(X, Y, "float[16,16] w, float[16] c, " + NORM,
                       "m = MatMul(x, w) f = Add(m, c) s = Add(x, f)" + norm("y", "s")),
                  ["contraction(MatMul Add)", ADD_NORM]),
    "pre-norm": (Form(X, Y, "float[16,16] w, " + NORM,
                      norm("n", "x") + "m = MatMul(n, w) y = Add(m, x)"),
                 LN + ["contraction(MatMul Add)"]),
    "pre-norm-twice": (Form(X, Y, "float[16,16] w, float[16,16] v, float[16] g2, float[16] b2," + NORM,
                            norm("n", "x") + "m = MatMul(n, w) s = Add(m, x)" + norm("n2", "s", "2")
                            + "m2 = MatMul(n2, v) y = Add(s, m2)"),
                       LN + [PRODUCT, ADD_NORM, "contraction(MatMul Add)"]),
    "sandwich": (Form(X, Y, "float[16,16] w, float[16] g2, float[16] b2, " + NORM,
                      "m = MatMul(x, w)" + norm("n", "m") + "s = Add(n, x)" + norm("y", "s", "2")),
                 [PRODUCT, "row(LayerNormalization Add LayerNormalization)"]),
    "weighted": (Form(X, Y, "float a, float c, float[16,16] w, " + NORM,
                      "m = MatMul(x, w) p = Mul(x, a) q = Mul(m, c) s = Add(p, q)" + norm("y", "s")),
                 [PRODUCT, "row(Mul Add LayerNormalization)"]),
    "layer-scale": (Form(X, Y, "float[16] k, float[16,16] w",
                         "m = MatMul(x, w) q = Mul(k, m) y = Add(x, q)"),
                    ["contraction(MatMul Add)"]),
    "re-zero": (Form(X + ", float alpha", Y, "float[16,16] w",
                     "m = MatMul(x, w) q = Mul(alpha, m) y = Add(x, q)"),
                ["contraction(MatMul Mul Add)"]),
    "stochastic-depth": (Form(X, Y, "float[16,16] w, " + NORM,
                              "m = MatMul(x, w) d, mask = Dropout(m, ratio) q = Mul(d, keep)"
                              " s = Add(x, q)" + norm("y", "s"),
                              {"keep": np.float32(0.8), "ratio": np.float32(0.1)}),
                         [PRODUCT, ADD_NORM]),
    "several": (Form(X + ", float[B,S,16] a", Y, "float[16,16] w, float[16] c, " + NORM,
                     "m = MatMul(x, w) f = Add(m, c) s = Add(x, f) t = Sum(s, a)" + norm("y", "t")),
                ["contraction(MatMul Add Add)", ADD_NORM]),
    "kept-sum": (Form(X + ", float[B,S,16] f", Y + ", float[B,S,16] s", NORM,
                      "s = Add(x, f)" + norm("y", "s")),
                 [ADD_NORM]),
    "deep-norm": (Form(X, Y, "float[16,16] w, " + NORM,
                       "m = MatMul(x, w) p = Mul(alpha, x) s = Add(p, m)" + norm("y", "s"),
                       {"alpha": np.float32(2.2)}),
                  [PRODUCT, "row(Mul Add LayerNormalization)"]),
    "embedding": (Form("int64[B,S] ids, int64[B,S] types", "float[B,S,16] y",
                       "float[9,16] words, float[7,16] places, float[7,16] kinds, " + NORM,
                       "w = Gather(words, ids) shape = Shape(ids) n = Gather(shape, one)"
                       " n1 = Unsqueeze(n, zero) at = Slice(positions, zero, n1, one_axis)"
                       " p = Gather(places, at) t = Gather(kinds, types)"
                       " s = Add(w, t) u = Add(s, p)" + norm("y", "u"),
                       {"one": np.int64(1), "zero": np.int64([0]), "one_axis": np.int64([1]),
                        "positions": np.arange(7).reshape(1, 7)}),
                  ["row(Gather Gather Add Add LayerNormalization)"]),
    "embedding-range": (Form("int32[B,S] ids", "float[B,S,16] y, float[B,S,16] u",
                             "float[7,16] words, float[7,16] places, " + NORM,
                             "w = Gather(words, ids) shape = Shape(ids) n = Gather(shape, one)"
                             " at = Range(zero, n, one) row = Unsqueeze(at, axis)"
                             " p = Gather(places, row) u = Add(w, p)" + norm("y", "u"),
                             {"one": np.int64(1), "zero": np.int64(0), "axis": np.int64([0])}),
                        ["row(Gather Add LayerNormalization)"]),
    "parallel": (Form(X, Y, "float[16,16] w, float[16,32] v, float[32,16] u, float[16] g2, float[16] b2,"
                      + NORM,
                      norm("n", "x") + norm("n2", "x", "2") + "a = MatMul(n, w) h = MatMul(n2, v)"
                      " r = Relu(h) m = MatMul(r, u) s = Add(a, m) y = Add(s, x)"),
                 ["row(LayerNormalization LayerNormalization)", PRODUCT,
                  "contraction(MatMul Relu)", "contraction(MatMul Add Add)"]),
    "highway": (Form(X, Y, "float[16,16] w, float[16] c, float[16,16] v, float[16] d",
                     "m = MatMul(x, w) n = Add(m, c) h = Relu(n) o = MatMul(x, v) p = Add(o, d)"
                     " t = Sigmoid(p) k = Sub(one, t) a = Mul(t, h) b = Mul(k, x) y = Add(a, b)",
                     {"one": np.float32(1)}),
                ["contraction(MatMul Add Sigmoid)", "contraction(MatMul Add Relu Sub Mul Mul Add)"]),
    "gated": (Form(X, Y, "float[16,16] w, float[16,16] v",
                   "h = MatMul(x, w) o = MatMul(x, v) t = Sigmoid(o) q = Mul(t, h) y = Add(x, q)"),
              [PRODUCT, "contraction(MatMul Sigmoid Mul Add)"]),
}


def check(name):
    form, expected = FORMS[name]
    return check_form(name, form, expected)


if __name__ == "__main__":
    check_each("skip connections", [n for n in FORMS if not sys.argv[1:] or n in sys.argv[1:]], check)
