"""Spelling does not matter: every way to write a norm or an activation becomes the same steps, with
ONNX Runtime's results.
"""
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402
from forms import Form, check_form  # noqa: E402

N = 16
CONSTANTS = {"eps": np.float32(1e-5), "two": np.float32(2), "half": np.float32(0.5), "one": np.float32(1),
             "minus_half": np.float32(-0.5), "last": np.int64([-1]), "axis2": np.int64([2]),
             "n": np.float32(N), "inv_n": np.float32(1 / N), "zero": np.float32(0)}

# x -> mean m, centred d, variance v, root s, normal n, y: each line is a complete spelling.
LAYER_NORMS = {
    "torchscript": "m = ReduceMean(x, last) d = Sub(x, m) p = Pow(d, two) v = ReduceMean(p, last)"
                   " e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "operator": "y = LayerNormalization<axis=-1, epsilon=1e-5>(x, g, b)",
    "axis-2": "y = LayerNormalization<axis=2, epsilon=1e-5>(x, g, b)",
    "square-as-product": "m = ReduceMean(x, axis2) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, axis2)"
                         " e = Add(eps, v) s = Sqrt(e) q = Div(d, s) k = Mul(g, q) y = Add(b, k)",
    "two-differences": "m = ReduceMean(x, last) d = Sub(x, m) c = Sub(x, m) p = Mul(c, c)"
                       " v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) q = Div(d, s)"
                       " k = Mul(q, g) y = Add(k, b)",
    "reciprocal": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                  " e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s) q = Mul(d, r) k = Mul(q, g) y = Add(k, b)",
    "power": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
             " e = Add(v, eps) r = Pow(e, minus_half) q = Mul(r, d) k = Mul(q, g) y = Add(k, b)",
    "one-over-root": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                     " e = Add(v, eps) s = Pow(e, half) r = Div(one, s) q = Mul(r, d) k = Mul(q, g)"
                     " y = Add(k, b)",
    "sums": "t = ReduceSum(x, last) m = Div(t, n) d = Sub(x, m) p = Mul(d, d) u = ReduceSum(p, last)"
            " v = Div(u, n) e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "sums-times-inverse": "t = ReduceSum(x, last) m = Mul(inv_n, t) d = Sub(x, m)"
                          " u = ReduceSumSquare(d, last) v = Mul(u, inv_n) e = Add(v, eps) s = Sqrt(e)"
                          " q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "sums-over-shape": "h = Shape(x) i = Gather(h, at) f = Cast<to=1>(i) t = ReduceSum(x, last)"
                       " m = Div(t, f) d = Sub(x, m) p = Mul(d, d) u = ReduceSum(p, last) v = Div(u, f)"
                       " e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "squares": "m = ReduceMean(x, last) z = Mul(x, x) w = ReduceMean(z, last) o = Mul(m, m)"
               " v = Sub(w, o) e = Add(v, eps) s = Sqrt(e) d = Sub(x, m) q = Div(d, s) k = Mul(q, g)"
               " y = Add(k, b)",
    "squares-clamped": "m = ReduceMean(x, last) z = Pow(x, two) w = ReduceMean(z, last) o = Pow(m, two)"
                       " u = Sub(w, o) v = Max(u, zero) e = Add(v, eps) s = Sqrt(e) d = Sub(x, m)"
                       " q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "squares-as-relu": "m = ReduceMean(x, last) z = Pow(x, two) w = ReduceMean(z, last) o = Pow(m, two)"
                       " u = Sub(w, o) v = Relu(u) e = Add(v, eps) s = Sqrt(e) d = Sub(x, m)"
                       " q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "tensorflow": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                  " e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s) f = Mul(r, g) o = Mul(x, f)"
                  " h = Mul(m, f) j = Sub(b, h) y = Add(o, j)",
    "scale-on-root": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                     " e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s) f = Mul(g, r) o = Mul(d, f)"
                     " y = Add(o, b)",
    "scale-first": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                   " e = Add(v, eps) s = Sqrt(e) o = Mul(g, d) q = Div(o, s) y = Add(q, b)",
    "casts": "c = Cast<to=1>(x) m = ReduceMean(c, last) d = Sub(c, m) p = Pow(d, two)"
             " v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) q = Div(d, s) w = Cast<to=1>(q)"
             " k = Mul(w, g) y = Add(k, b)",
    "reshaped": "r = Reshape(x, rows) m = ReduceMean(r, last) d = Sub(r, m) p = Pow(d, two)"
                " v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(q, g)"
                " l = Add(k, b) h = Shape(x) y = Reshape(l, h)",
    "not-kept-axes": "u = ReduceMean<keepdims=0>(x, last) m = Unsqueeze(u, last) d = Sub(x, m)"
                     " p = Mul(d, d) w = ReduceMean<keepdims=0>(p, last) v = Unsqueeze(w, last)"
                     " e = Add(v, eps) s = Sqrt(e) q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
    "one-plus-scale": "m = ReduceMean(x, last) d = Sub(x, m) p = Pow(d, two) v = ReduceMean(p, last)"
                      " e = Add(v, eps) s = Sqrt(e) q = Div(d, s) h = Add(g, one) k = Mul(q, h)"
                      " y = Add(k, b)",
    "operator-then-affine": "q = LayerNormalization<axis=-1, epsilon=1e-5>(x, ones) k = Mul(q, g)"
                            " y = Add(b, k)",
}

# Norms that are not of the variance plus epsilon: they stay what they are, in one step.
ROOT_NORMS = {
    "bessel": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
              " u = Mul(v, bessel) s = Sqrt(u) e = Add(s, eps) q = Div(d, e) k = Mul(q, g) y = Add(k, b)",
    "bessel-torch": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                    " h = Shape(x) i = Gather(h, at) f = Cast<to=1>(i) j = Sub(f, one) t = Mul(v, f)"
                    " u = Div(t, j) s = Sqrt(u) e = Add(s, eps) q = Div(d, e) k = Mul(q, g) y = Add(k, b)",
    "bessel-sum": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceSum(p, last)"
                  " u = Div(v, n_1) s = Sqrt(u) e = Add(eps, s) q = Div(d, e) k = Mul(q, g) y = Add(k, b)",
    "root-plus-eps": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                     " s = Sqrt(v) e = Add(s, eps) q = Div(d, e) k = Mul(q, g) y = Add(k, b)",
    "max-eps": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
               " s = Sqrt(v) e = Max(s, eps) q = Div(d, e) k = Mul(q, g) y = Add(k, b)",
    "clip-eps": "m = ReduceMean(x, last) d = Sub(x, m) p = Mul(d, d) v = ReduceMean(p, last)"
                " c = Clip(v, eps) s = Sqrt(c) q = Div(d, s) k = Mul(q, g) y = Add(k, b)",
}

RMS_NORMS = {
    "llama": "p = Pow(x, two) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s)"
             " q = Mul(x, r) y = Mul(g, q)",
    "square-as-product": "p = Mul(x, x) v = ReduceMean(p, axis2) e = Add(eps, v) s = Sqrt(e)"
                         " q = Div(x, s) y = Mul(q, g)",
    "power": "p = Mul(x, x) v = ReduceMean(p, last) e = Add(v, eps) r = Pow(e, minus_half)"
             " q = Mul(r, x) y = Mul(q, g)",
    "one-over-root": "p = Mul(x, x) v = ReduceMean(p, last) e = Add(v, eps) s = Pow(e, half)"
                     " r = Div(one, s) q = Mul(x, r) y = Mul(q, g)",
    "sums": "p = Mul(x, x) u = ReduceSum(p, last) v = Div(u, n) e = Add(v, eps) s = Sqrt(e)"
            " q = Div(x, s) y = Mul(q, g)",
    "sum-square": "u = ReduceSumSquare(x, last) v = Mul(u, inv_n) e = Add(v, eps) s = Sqrt(e)"
                  " q = Div(x, s) y = Mul(q, g)",
    "sums-over-shape": "h = Shape(x) i = Gather(h, at) f = Cast<to=1>(i) p = Mul(x, x)"
                       " u = ReduceSum(p, last) v = Div(u, f) e = Add(v, eps) s = Sqrt(e)"
                       " q = Div(x, s) y = Mul(q, g)",
    "casts": "c = Cast<to=1>(x) p = Pow(c, two) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e)"
             " r = Reciprocal(s) q = Mul(c, r) w = Cast<to=1>(q) y = Mul(g, w)",
    "gemma": "p = Pow(x, two) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) r = Reciprocal(s)"
             " q = Mul(x, r) h = Add(one, g) y = Mul(q, h)",
    "scale-on-root": "p = Mul(x, x) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e)"
                     " r = Reciprocal(s) f = Mul(r, g) y = Mul(x, f)",
    "scale-first": "p = Mul(x, x) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e)"
                   " o = Mul(x, g) y = Div(o, s)",
    "reshaped": "r = Reshape(x, rows) p = Pow(r, two) v = ReduceMean(p, last) e = Add(v, eps)"
                " s = Sqrt(e) q = Div(r, s) k = Mul(q, g) h = Shape(x) y = Reshape(k, h)",
    "not-kept-axes": "p = Mul(x, x) w = ReduceMean<keepdims=0>(p, last) v = Unsqueeze(w, last)"
                     " e = Add(v, eps) s = Sqrt(e) q = Div(x, s) y = Mul(q, g)",
    "simplified": "y = SimplifiedLayerNormalization<axis=-1, epsilon=1e-5, stash_type=1>(x, g)",
    "l2": "l = ReduceL2(x, last) z = Mul(l, l) v = Mul(z, inv_n) e = Add(v, eps) s = Sqrt(e)"
          " q = Div(x, s) y = Mul(q, g)",
    "l2-scaled": "l = ReduceL2(x, last) v = Div(l, root_n) z = Pow(v, two) e = Add(z, eps)"
                 " s = Sqrt(e) q = Div(x, s) y = Mul(q, g)",
}

GELUS = {
    "erf": "a = Div(x, root2) e = Erf(a) p = Add(e, one) m = Mul(x, p) y = Mul(m, half)",
    "erf-multiplied": "a = Mul(x, inv_root2) e = Erf(a) p = Add(one, e) m = Mul(half, x) y = Mul(m, p)",
    "erf-half-inside": "a = Mul(inv_root2, x) e = Erf(a) p = Add(e, one) h = Mul(p, half) y = Mul(x, h)",
    "erf-order": "a = Div(x, root2) e = Erf(a) p = Add(one, e) h = Mul(half, p) y = Mul(h, x)",
    "erf-distributed": "a = Div(x, root2) e = Erf(a) h = Mul(x, half) k = Mul(h, e) y = Add(h, k)",
    "erf-halved": "a = Div(x, root2) e = Erf(a) p = Add(e, one) m = Mul(x, p) y = Div(m, two)",
    "erf-half-of-e": "a = Mul(x, inv_root2) e = Erf(a) h = Mul(e, half) p = Add(h, half) y = Mul(x, p)",
    "erf-minus": "a = Div(x, root2) e = Erf(a) p = Sub(e, minus_one) m = Mul(x, p) y = Mul(m, half)",
    "erf-scale-last": "a = Div(x, root2) e = Erf(a) p = Add(e, one) h = Mul(half, x) y = Mul(p, h)",
    "erf-casts": "c = Cast<to=1>(x) a = Div(c, root2) e = Erf(a) p = Add(e, one) m = Mul(c, p)"
                 " w = Mul(m, half) y = Cast<to=1>(w)",
    "erf-sqrt": "r = Sqrt(two) a = Div(x, r) e = Erf(a) p = Add(e, one) m = Mul(x, p) y = Mul(m, half)",
    "erf-reshaped": "r = Reshape(x, rows) a = Div(r, root2) e = Erf(a) p = Add(e, one) m = Mul(r, p)"
                    " k = Mul(m, half) h = Shape(x) y = Reshape(k, h)",
    "erf-contrib": "y = com.microsoft.Gelu(x)",
    "operator": "y = Gelu(x)",
}

TANH_GELUS = {
    "torch": "u = Pow(x, three) a = Mul(u, cube) b = Add(x, a) i = Mul(b, root2pi) t = Tanh(i)"
             " p = Add(t, one) h = Mul(x, half) y = Mul(h, p)",
    "products": "u = Mul(x, x) v = Mul(x, u) a = Mul(cube, v) b = Add(a, x) i = Mul(root2pi, b)"
                " t = Tanh(i) p = Add(one, t) h = Mul(half, x) y = Mul(p, h)",
    "factored": "u = Mul(x, x) a = Mul(u, cube) b = Add(a, one) c = Mul(b, x) i = Mul(c, root2pi)"
                " t = Tanh(i) p = Add(t, one) h = Mul(p, half) y = Mul(x, h)",
    "fast": "u = Mul(x, x) a = Mul(u, root2picube) b = Add(a, root2pi) i = Mul(x, b) t = Tanh(i)"
            " p = Add(t, one) h = Mul(x, half) y = Mul(h, p)",
    "distributed": "u = Pow(x, three) a = Mul(u, cube) b = Add(x, a) i = Mul(b, root2pi) t = Tanh(i)"
                   " h = Mul(x, half) k = Mul(h, t) y = Add(h, k)",
    "halved": "u = Pow(x, three) a = Mul(u, cube) b = Add(x, a) i = Mul(b, root2pi) t = Tanh(i)"
              " p = Add(t, one) m = Mul(x, p) y = Div(m, two)",
    "half-tanh": "u = Pow(x, three) a = Mul(u, cube) b = Add(x, a) i = Mul(b, root2pi) t = Tanh(i)"
                 " k = Mul(t, half) p = Add(k, half) y = Mul(p, x)",
    "sigmoid": "u = Pow(x, three) a = Mul(u, cube) b = Add(x, a) i = Mul(b, two_root2pi)"
               " s = Sigmoid(i) y = Mul(x, s)",
    "squared": "u = Pow(x, two) v = Mul(u, x) a = Mul(v, cube) b = Add(x, a) i = Mul(b, root2pi)"
               " t = Tanh(i) p = Add(t, one) h = Mul(x, half) y = Mul(h, p)",
    "casts": "c = Cast<to=1>(x) u = Pow(c, three) a = Mul(u, cube) b = Add(c, a) i = Mul(b, root2pi)"
             " t = Tanh(i) p = Add(t, one) h = Mul(c, half) k = Mul(h, p) y = Cast<to=1>(k)",
    "contrib": "y = com.microsoft.FastGelu(x)",
    "operator": 'y = Gelu<approximate="tanh">(x)',
}

QUICK_GELUS = {
    "sigmoid": "a = Mul(x, quick) s = Sigmoid(a) y = Mul(x, s)",
    "order": "a = Mul(quick, x) s = Sigmoid(a) y = Mul(s, x)",
    "divided": "a = Div(x, inv_quick) s = Sigmoid(a) y = Mul(x, s)",
    "exp": "a = Mul(x, quick) m = Neg(a) e = Exp(m) p = Add(e, one) s = Reciprocal(p) y = Mul(x, s)",
    "exp-div": "a = Mul(x, quick) m = Neg(a) e = Exp(m) p = Add(one, e) s = Div(one, p) y = Mul(x, s)",
    "exp-x-over": "a = Mul(x, quick) m = Neg(a) e = Exp(m) p = Add(one, e) y = Div(x, p)",
    "exp-negative": "a = Mul(x, minus_quick) e = Exp(a) p = Add(one, e) y = Div(x, p)",
    "exp-power": "a = Mul(x, quick) m = Neg(a) e = Exp(m) p = Add(one, e) s = Pow(p, minus_one)"
                 " y = Mul(s, x)",
    "tanh": "a = Mul(x, half_quick) t = Tanh(a) p = Add(t, one) h = Mul(x, half) y = Mul(h, p)",
    "casts": "c = Cast<to=1>(x) a = Mul(c, quick) s = Sigmoid(a) k = Mul(c, s) y = Cast<to=1>(k)",
    "contrib": "y = com.microsoft.QuickGelu<alpha=1.702>(x)",
    "reshaped": "r = Reshape(x, rows) a = Mul(r, quick) s = Sigmoid(a) k = Mul(r, s) h = Shape(x)"
                " y = Reshape(k, h)",
}

VALUES = dict(
    CONSTANTS, at=np.int64(-1), rows=np.int64([-1, N]),
    ones=np.ones(N, np.float32), bessel=np.float32(N / (N - 1)), n_1=np.float32(N - 1),
    root_n=np.float32(np.sqrt(N)), root2=np.float32(np.sqrt(2)), inv_root2=np.float32(np.sqrt(0.5)),
    minus_one=np.float32(-1), three=np.float32(3), cube=np.float32(0.044715),
    root2pi=np.float32(np.sqrt(2 / np.pi)), two_root2pi=np.float32(2 * np.sqrt(2 / np.pi)),
    root2picube=np.float32(0.044715 * np.sqrt(2 / np.pi)), quick=np.float32(1.702),
    inv_quick=np.float32(1 / 1.702), minus_quick=np.float32(-1.702), half_quick=np.float32(0.851))

# Each family: its spellings, the weights of all of them, the only step.
FAMILIES = {
    "layer-norm": (LAYER_NORMS, "float[16] g, float[16] b", "row(LayerNormalization)"),
    "rms-norm": (RMS_NORMS, "float[16] g", "row(RMSNormalization)"),
    "gelu": (GELUS, "", "row(Gelu)"),
    "gelu-tanh": (TANH_GELUS, "", "row(Gelu)"),
    "gelu-quick": (QUICK_GELUS, "", "row(Swish)"),
    "root-norm": (ROOT_NORMS, "float[16] g, float[16] b", None),
}


def form_of(body, weights):
    words = body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    values = {name: array for name, array in VALUES.items() if name in words}
    opset = 20 if " Gelu" in body else 18
    return Form("float[B,S,16] x", "float[B,S,16] y", weights, body, values, opset)


def check(item):
    family, name = item
    spellings, weights, step = FAMILIES[family]
    return check_form(f"{family}/{name}", form_of(spellings[name], weights),
                      [step] if step else None)


if __name__ == "__main__":
    check_each("spellings", [(family, name) for family, (spellings, _, _) in FAMILIES.items()
                             for name in spellings if sys.argv[1:] in ([], [family], [family, name])],
               check)
