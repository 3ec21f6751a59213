"""Models whose sizes depend on data, in ONNX's text form, with data that runs them.

Each row: name, flags, graph, data sets. `flags` bound what no rule bounds; where there are none the
compiler finds all bounds itself. A data set lists the inputs in order; numbers are taken as the
type that the graph declares. A fifth entry lists data that must be refused at run time.
"""
import numpy as np

RANDOM = np.random.default_rng(3)


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def bits(*shape):
    return RANDOM.integers(0, 2, shape)


def sets(*rows):
    return [list(row) for row in rows]


def bound(*names, by="1..8"):
    return [word for name in names for word in ("--dim", f"{name}={by}")]


# Shapes that are graph inputs: the numbers are bounded, or what the kernel finds is.
SHAPES = [
    ("reshape", [], """(float[4,6] x, int64[3] s) => (float[a,b,c] y) { y = Reshape(x, s) }""",
     sets((floats(4, 6), [2, 3, 4]), (floats(4, 6), [24, 1, 1]), (floats(4, 6), [-1, 2, 2]),
          (floats(4, 6), [0, 0, 1]), (floats(4, 6), [4, 0, -1]))),
    ("reshape_bounded", bound("s_value0", "s_value1", by="1..24"),
     """(float[4,6] x, int64[2] s) => (float[a,b] z) { y = Reshape(x, s)  z = Relu(y) }""",
     sets((floats(4, 6), [2, 12]), (floats(4, 6), [24, 1])), sets((floats(4, 6), [5, 5]),
                                                               (floats(4, 6), [25, 1]))),
    ("reshape_dynamic", bound("n"),
     """(float[n,6] x, int64[2] s) => (float[a,b] z) { y = Reshape(x, s)  z = Exp(y) }""",
     sets((floats(4, 6), [2, -1]), (floats(2, 6), [-1, 4]), (floats(8, 6), [0, 6]))),
    ("reshape_zero", [], """(float[0,6] x, int64[2] s) => (float[a,b] y)
        { y = Reshape<allowzero = 1>(x, s) }""",
     sets((floats(0, 6), [0, 3]), (floats(0, 6), [5, 0]))),
    ("expand", bound("s_value0", "s_value1", "s_value2", by="0..5"),
     """(float[3,1] x, int64[3] s) => (float[a,b,c] z) { y = Expand(x, s)  z = Neg(y) }""",
     sets((floats(3, 1), [2, 3, 4]), (floats(3, 1), [1, 1, 1]), (floats(3, 1), [5, 3, 0])),
     sets((floats(3, 1), [6, 3, 1]), (floats(3, 1), [1, 2, 1]))),
    ("expand_dynamic", bound("n") + bound("s_value0", by="1..8"),
     """(float[n] x, int64[1] s) => (float[a] z) { y = Expand(x, s)  z = Neg(y) }""",
     sets((floats(1), [5]), (floats(5), [1]), (floats(5), [5])), sets((floats(4), [5]))),
    ("tile", bound("r_value0", "r_value1", by="0..3"),
     """(float[2,3] x, int64[2] r) => (float[a,b] z) { y = Tile(x, r)  z = Abs(y) }""",
     sets((floats(2, 3), [1, 2]), (floats(2, 3), [3, 3]), (floats(2, 3), [0, 1])),
     sets((floats(2, 3), [4, 1]), (floats(2, 3), [-1, 1]))),
    ("slice", [], """(float[5,7] x, int64[2] b, int64[2] e) => (float[m,n] z)
        { y = Slice(x, b, e)  z = Exp(y) }""",
     sets((floats(5, 7), [1, 2], [4, 6]), (floats(5, 7), [-3, 0], [2**62, -1]),
          (floats(5, 7), [4, 4], [2, 2]), (floats(5, 7), [-100, 6], [100, 7]))),
    ("slice_steps", [], """(float[9] x, int64[1] b, int64[1] e, int64[1] a, int64[1] s) =>
        (float[m] y) { y = Slice(x, b, e, a, s) }""",
     sets((floats(9), [0], [9], [0], [2]), (floats(9), [8], [-100], [-1], [-3]),
          (floats(9), [3], [3], [0], [1]))),
    ("slice_bounded", bound("b_value0", by="0..4") + bound("e_value0", by="0..9"),
     """(float[5,7] x, int64[1] b, int64[1] e) => (float[m,7] z)
        { y = Slice(x, b, e)  z = Exp(y) }""",
     sets((floats(5, 7), [1], [4]), (floats(5, 7), [4], [9]), (floats(5, 7), [3], [2])),
     sets((floats(5, 7), [5], [9]), (floats(5, 7), [0], [10]))),
    ("pad", bound("p_value0", "p_value1", "p_value2", "p_value3", by="-1..3"),
     """(float[2,3] x, int64[4] p) => (float[a,b] z) { y = Pad(x, p)  z = Exp(y) }""",
     sets((floats(2, 3), [0, 1, 2, 3]), (floats(2, 3), [-1, 0, 1, -1]), (floats(2, 3), [0] * 4)),
     sets((floats(2, 3), [4, 0, 0, 0]))),
    ("resize_sizes", bound("s_value0", "s_value1", by="1..2") + bound("s_value2", "s_value3", by="1..9"),
     """(float[1,2,4,5] x, int64[4] s) => (float[a,b,c,d] z)
        { y = Resize<mode = "linear">(x, "", "", s)  z = Relu(y) }""",
     sets((floats(1, 2, 4, 5), [1, 2, 8, 3]), (floats(1, 2, 4, 5), [1, 2, 2, 9])),
     sets((floats(1, 2, 4, 5), [1, 2, 10, 3]))),
    ("resize_scales", bound("y_size0", "y_size1", by="1..2") + bound("y_size2", "y_size3", by="0..20"),
     """(float[1,2,4,5] x, float[4] s) => (float[a,b,c,d] z)
        { y = Resize<mode = "nearest">(x, "", s)  z = Relu(y) }""",
     sets((floats(1, 2, 4, 5), [1, 1, 2, 3]), (floats(1, 2, 4, 5), [1, 1, 0.5, 1])),
     sets((floats(1, 2, 4, 5), [1, 1, 6, 1]))),
    ("split", [], """(float[6,2] x, int64[3] s) => (float[a,2] p, float[b,2] q, float[c,2] r)
        { p, q, t = Split(x, s)  r = Exp(t) }""",
     sets((floats(6, 2), [1, 2, 3]), (floats(6, 2), [6, 0, 0]))),
    ("constant_of_shape", bound("s_value0", "s_value1", by="0..4"),
     """(int64[2] s, float[1] x) => (float[a,b] z)
        { y = ConstantOfShape<value = float[1] {2}>(s)  z = Mul(y, x) }""",
     sets(([3, 4], floats(1)), ([0, 2], floats(1))), sets(([5, 1], floats(1)))),
    ("range", bound("n_value", by="0..10"),
     """(int64 n) => (int64[m] z) <int64 zero = {0}, int64 one = {1}>
        { y = Range(zero, n, one)  z = Neg(y) }""",
     sets((5,), (0,), (10,)), sets((11,), (-1,))),
    ("range_floats", bound("y_size0", by="0..20"),
     """(float a, float b, float d) => (float[m] z) { y = Range(a, b, d)  z = Neg(y) }""",
     sets((0, 5, 0.5), (3, 1, -0.25), (0, -1, 1)), sets((0, 21, 1), (0, 1, 0))),
    ("one_hot", bound("d_value", by="1..9"),
     """(int64[4] i, int64 d, float[2] v) => (float[4,m] z) { y = OneHot(i, d, v)  z = Neg(y) }""",
     sets(([0, 1, 2, 3], 5, [0, 1]), ([0, 8, 1, -1], 9, [2, 3])), sets(([0, 1, 2, 3], 10, [0, 1]))),
    ("top_k", [], """(float[3,7] x, int64[1] k) => (float[3,m] w, int64[3,m] i)
        { v, i = TopK(x, k)  w = Exp(v) }""",
     sets((floats(3, 7), [1]), (floats(3, 7), [7]), (floats(3, 7), [4])),
     sets((floats(3, 7), [8]), (floats(3, 7), [-1]))),
    ("squeeze", [], """(float[1,3,1] x, int64[1] a) => (float[m,n] z)
        { y = Squeeze(x, a)  z = Exp(y) }""",
     sets((floats(1, 3, 1), [0]), (floats(1, 3, 1), [-1]))),
    ("unsqueeze", [], """(float[2,3] x, int64[1] a) => (float[l,m,n] z)
        { y = Unsqueeze(x, a)  z = Exp(y) }""",
     sets((floats(2, 3), [0]), (floats(2, 3), [2]), (floats(2, 3), [-2]))),
    ("reduce_axes", [], """(float[2,3,4] x, int64[1] a) => (float[l,m,n] z)
        { y = ReduceSum(x, a)  z = Exp(y) }""",
     sets((floats(2, 3, 4), [0]), (floats(2, 3, 4), [-1]))),
    ("window", bound("n_value", by="1..30"),
     """(int64 n) => (float[m] z) { y = HannWindow(n)  z = Neg(y) }""",
     sets((5,), (30,)), sets((31,))),
]

# Sizes that a kernel finds, with what follows.
FOUND = [
    ("non_zero", bound("n", "m"),
     """(float[n,m] x) => (int64[2,k] z) { y = NonZero(x)  z = Neg(y) }""",
     sets((bits(3, 5),), (np.zeros((2, 2)),), (np.ones((8, 8)),))),
    ("compress", bound("n"),
     """(float[n,3] x, bool[n] c) => (float[k] z) <int64[1] axes = {1}>
        { y = Compress<axis = 0>(x, c)  z = ReduceSum<keepdims = 0>(y, axes) }""",
     sets((floats(4, 3), bits(4)), (floats(2, 3), [0, 0]), (floats(8, 3), [1] * 8))),
    ("unique", bound("n"),
     """(int64[n] x) => (int64[u] z, int64[u] i, int64[n] j, int64[u] c)
        { y, i, j, c = Unique(x)  z = Neg(y) }""",
     sets(([3, 1, 3, 2],), ([5],), ([1, 1, 1, 1, 1, 2, 2, 0],))),
    ("gather_found", bound("n"),
     """(float[n,3] x) => (float[k,3] z)
        <int64[1] axes = {1}, float zero = {0}, int64[1] first = {0}>
        { s = ReduceSum<keepdims = 0>(x, axes)  c = Greater(s, zero)  i = NonZero(c)
          j = Squeeze(i, first)  y = Gather(x, j)  z = Exp(y) }""",
     sets((floats(6, 3),), (-np.ones((3, 3)),), (floats(1, 3),))),
    ("nms", [], """(float[1,6,4] b, float[1,2,6] s, int64 k) => (int64[n,3] z)
        <float t = {0.3}, float u = {0.1}> { y = NonMaxSuppression(b, s, k, t, u)  z = Neg(y) }""",
     [[np.sort(RANDOM.uniform(size=(1, 6, 2, 2)), axis=2).reshape(1, 6, 4).astype(np.float32),
       RANDOM.uniform(size=(1, 2, 6)).astype(np.float32), k] for k in (0, 1, 3, 100)]),
    ("mask_of_lengths", bound("b") + bound("n_size0", by="0..9"),
     """(int64[b] l) => (float[b,k] z) <int64 zero = {0}, int64 one = {1}, int64[1] last = {1}>
        { m = ReduceMax<keepdims = 0>(l)  n = Range(zero, m, one)  c = Unsqueeze(l, last)
          k = Less(n, c)  z = Cast<to = 1>(k) }""",
     sets(([3, 5, 1],), ([9],), ([0, 0],)), sets(([10],))),
    ("clipped", bound("b"),
     """(int64[b] l) => (int64[k] z) <int64 zero = {0}, int64 one = {1}, int64 ten = {10}>
        { m = ReduceMax<keepdims = 0>(l)  c = Clip(m, zero, ten)  n = Range(zero, c, one)
          z = Neg(n) }""",
     sets(([3, 5, 1],), ([90],), ([-1],))),
    ("arg_max_range", [],
     """(float[6] x) => (int64[k] z) <int64 zero = {0}, int64 one = {1}>
        { m = ArgMax<axis = 0, keepdims = 0>(x)  n = Range(zero, m, one)  z = Neg(n) }""",
     sets((floats(6),), ([9, 0, 0, 0, 0, 0],), ([0, 0, 0, 0, 0, 9],))),
    ("gathered_shape", [],
     """(float[3] x, int64 i) => (float[m] z)
        <int64[3] shapes = {2, 5, 3}, int64 one = {1}, int64[1] first = {0}, float half = {0.5}>
        { s = Gather(shapes, i)  t = Unsqueeze(s, first)  y = Expand(half, t)  z = Exp(y) }""",
     sets((floats(3), 0), (floats(3), 1), (floats(3), -1))),
    ("where_shape", [],
     """(float[3] x) => (float[m] z)
        <int64[1] a = {2}, int64[1] b = {7}, float zero = {0}, float half = {0.5}>
        { s = ReduceSum<keepdims = 0>(x)  c = Greater(s, zero)  t = Where(c, a, b)
          y = Expand(half, t)  z = Exp(y) }""",
     sets(([1, 1, 1],), ([-1, -1, -1],))),
    ("mod_shape", [],
     """(int64[3] x) => (float[m] z)
        <int64[1] five = {5}, float half = {0.5}>
        { s = ReduceSum(x)  t = Mod(s, five)  y = Expand(half, t)  z = Exp(y) }""",
     sets(([1, 1, 1],), ([7, 2, 1],), ([3, 3, 3],))),
]

# Sizes computed in floating point, as exporters write it.
COMPUTED = [
    ("float_arithmetic", bound("h", by="1..16"),
     """(float[1,1,h,4] x) => (float[1,1,m,8] z)
        <int64 two = {2}, float half = {0.5}, int64[1] first = {0}, int64[3] rest = {1, 1, 8},
         int64[1] two_ = {2}, int64[1] three = {3}>
        { s = Shape(x)  h = Gather(s, two)  f = Cast<to = 1>(h)  g = Mul(f, half)  e = Floor(g)
          i = Cast<to = 7>(e)  j = Unsqueeze(i, first)  front = Slice(rest, first, two_)
          back = Slice(rest, two_, three)  t = Concat<axis = 0>(front, j, back)
          y = Resize<mode = "nearest">(x, , , t)  z = Neg(y) }""",
     sets((floats(1, 1, 8, 4),), (floats(1, 1, 5, 4),), (floats(1, 1, 16, 4),))),
    ("float_ceil", bound("n", by="1..16"),
     """(float[n] x) => (int64[k] z)
        <int64 zero = {0}, int64 one = {1}, float three = {3}>
        { s = Size(x)  f = Cast<to = 1>(s)  g = Div(f, three)  c = Ceil(g)  i = Cast<to = 7>(c)
          y = Range(zero, i, one)  z = Neg(y) }""",
     sets((floats(3),), (floats(4),), (floats(16),))),
    ("float_scale", bound("n", by="1..16"),
     """(float[n] x) => (int64[k] z)
        <int64 zero = {0}, int64 one = {1}, float scale = {0.7}>
        { s = Size(x)  f = Cast<to = 1>(s)  g = Mul(f, scale)  i = Cast<to = 7>(g)
          y = Range(zero, i, one)  z = Neg(y) }""",
     sets((floats(3),), (floats(10),), (floats(16),))),
    ("min_max", bound("n", by="1..16"),
     """(float[n] x, float[12] y) => (float[k] z)
        <int64[1] zero = {0}, int64[1] five = {5}, int64[1] nine = {9}>
        { s = Shape(x)  a = Max(s, five)  b = Min(a, nine)  u = Slice(y, zero, b)  z = Exp(u) }""",
     sets((floats(3), floats(12)), (floats(7), floats(12)), (floats(16), floats(12)))),
    ("pad_to_multiple", bound("n", by="1..16"),
     """(float[n] x) => (float[k] z)
        <int64[1] zero = {0}, int64[1] four = {4}>
        { s = Shape(x)  m = Mod(s, four)  d = Sub(four, m)  e = Mod(d, four)
          p = Concat<axis = 0>(zero, e)  y = Pad(x, p)  z = Exp(y) }""",
     sets((floats(3),), (floats(8),), (floats(13),))),
]

# Control flow.
CONTROL = [
    ("if_sizes", bound("n"),
     """(float[n] x, bool c) => (float[m] z)
        { y = If(c) <then_branch = t () => (float[p] a) { a = Exp(x) },
                     else_branch = e () => (float[q] b) { b = Concat<axis = 0>(x, x) }>
          z = Neg(y) }""",
     sets((floats(3), True), (floats(3), False), (floats(8), False))),
    ("if_checks", bound("n"),
     """(float[n] x, bool c) => (float[m] z)
        <int64[2] pairs = {-1, 2}, int64[1] flat = {-1}>
        { z = If(c) <then_branch = t () => (float[p] a)
                       { u = Reshape(x, pairs)  v = Exp(u)  a = Reshape(v, flat) },
                     else_branch = e () => (float[q] b) { b = Neg(x) }> }""",
     sets((floats(4), True), (floats(3), False)), sets((floats(3), True))),
    ("loop_grows", bound("trips_value", by="0..6"),
     """(int64 trips, float[2] x) => (float[m] z)
        <bool yes = {1}>
        { z = Loop(trips, yes, x) <body = b (int64 i, bool c, float[k] y) => (bool d, float[l] w)
            { d = Identity(c)  v = Exp(x)  w = Concat<axis = 0>(y, v) }> }""",
     sets((0, floats(2)), (1, floats(2)), (6, floats(2))), sets((7, floats(2)))),
    ("loop_grows_from_nothing", bound("trips_value", by="0..6"),
     """(int64 trips, float[1,3] x) => (float[m,3] z)
        <bool yes = {1}, float[0,3] none = {}>
        { y = Loop(trips, yes, none) <body = b (int64 i, bool c, float[k,3] y) =>
              (bool d, float[l,3] w)
            { d = Identity(c)  f = Cast<to = 1>(i)  v = Add(x, f)  w = Concat<axis = 0>(y, v) }>
          z = Exp(y) }""",
     sets((0, floats(1, 3)), (2, floats(1, 3)), (6, floats(1, 3)))),
    ("loop_shrinks", bound("n", by="1..9"),
     """(float[n] x, int64 trips) => (float[m] z)
        <bool yes = {1}, int64[1] one = {1}, int64[1] end = {2147483647}>
        { y = Loop(trips, yes, x) <body = b (int64 i, bool c, float[k] y) => (bool d, float[l] w)
            { d = Identity(c)  v = Slice(y, one, end)  w = Neg(v) }>
          z = Exp(y) }""",
     sets((floats(9), 3), (floats(4), 0), (floats(2), 5))),
    ("loop_shrinks_in_view", bound("n", by="1..9"),
     """(float[n] x, int64 trips) => (float[m] z)
        <bool yes = {1}, int64[1] one = {1}, int64[1] end = {2147483647}>
        { z = Loop(trips, yes, x) <body = b (int64 i, bool c, float[k] y) => (bool d, float[l] w)
            { d = Identity(c)  w = Slice(y, one, end) }> }""",
     sets((floats(9), 3), (floats(4), 0), (floats(2), 5))),
    ("loop_doubles", bound("trips_value", by="0..4") + bound("y_size0", by="0..40"),
     """(int64 trips, float[2] x) => (float[m] z)
        <bool yes = {1}>
        { z = Loop(trips, yes, x) <body = b (int64 i, bool c, float[k] y) => (bool d, float[l] w)
            { d = Identity(c)  w = Concat<axis = 0>(y, y) }> }""",
     sets((0, floats(2)), (3, floats(2)), (4, floats(2))), sets((5, floats(2)))),
    ("loop_found_condition", bound("y_size0", by="0..9"),
     """(float[1] x) => (float[m] z)
        <bool yes = {1}, float[1] one = {1}, float limit = {6}>
        { y = Loop("", yes, x) <body = b (int64 i, bool c, float[k] y) => (bool d, float[l] w)
            { u = Add(y, one)  s = ReduceSum<keepdims = 0>(u)  d = Less(s, limit)
              w = Concat<axis = 0>(u, one) }>
          z = Neg(y) }""",
     sets(([0],), ([5],), ([-3],)), sets(([-100],))),
    ("loop_scan_outputs", bound("r_size0", by="0..9"),
     """(float[2] x, float limit) => (float[2] z, float[n,2] s)
        <bool yes = {1}, float[1] one = {1}>
        { y, r = Loop("", yes, x) <body = b (int64 i, bool c, float[2] y) =>
              (bool d, float[2] w, float[2] v)
            { w = Add(y, one)  s = ReduceMax<keepdims = 0>(w)  d = Less(s, limit)  v = Neg(w) }>
          z = Exp(y)  s = Exp(r) }""",
     sets(([0, 0], 3), ([1, 2], 9), ([5, 5], 1)), sets(([0, 0], 20))),
    ("loop_scan_found", [],
     """(int64[4] x, int64 k) => (int64[3,n] s)
        <int64 three = {3}, bool yes = {1}, int64[1] axis = {0}>
        { s = Loop(three, yes) <body = b (int64 i, bool c) => (bool d, int64[m] v)
            { d = Identity(c)  e = Greater(x, k)  n = NonZero(e)  f = Squeeze(n, axis)
              v = Add(f, i) }> }""",
     sets(([0, 5, 5, 5], 3), ([0, 0, 0, 0], 3), ([9, 9, 9, 9], 3))),
    ("loop_scan_differs", [],
     """(int64[4] x) => (int64[3,n] s)
        <int64 three = {3}, bool yes = {1}, int64[1] axis = {0}>
        { s = Loop(three, yes) <body = b (int64 i, bool c) => (bool d, int64[m] v)
            { d = Identity(c)  e = Greater(x, i)  n = NonZero(e)  f = Squeeze(n, axis)
              v = Neg(f) }> }""",
     sets(([9, 9, 9, 9],), ([9, 0, 9, -1],)), sets(([1, 2, 3, 4],))),
    ("scan_grows", bound("n"),
     """(float[n,2] x, float[1] s) => (float[m] z, float[n] t)
        { y, t = Scan(s, x) <num_scan_inputs = 1, body = b (float[k] y, float[2] r) =>
              (float[l] w, float u)
            { w = Concat<axis = 0>(y, r)  u = ReduceSum<keepdims = 0>(w) }>
          z = Neg(y) }""",
     sets((floats(3, 2), floats(1)), (floats(8, 2), floats(1)))),
    ("kv_cache", bound("steps_value", by="1..5") + bound("past", by="0..4"),
     """(float[2,past,4] k, float[2,1,4] q, int64 steps) => (float[2,total,4] cache, float[2,1,4] z)
        <bool yes = {1}>
        { cache, z = Loop(steps, yes, k, q)
            <body = b (int64 i, bool c, float[2,p,4] old, float[2,1,4] x) =>
              (bool d, float[2,r,4] new, float[2,1,4] y)
            { d = Identity(c)  new = Concat<axis = 1>(old, x)
              t = Transpose<perm = [0, 2, 1]>(new)  a = MatMul(x, t)  s = Softmax<axis = -1>(a)
              y = MatMul(s, new) }> }""",
     sets((floats(2, 0, 4), floats(2, 1, 4), 5), (floats(2, 4, 4), floats(2, 1, 4), 2))),
    ("nested", bound("n", "m", by="0..3") + bound("u_size0", "v_size0", by="0..30"),
     """(float[n] x, float[m] y) => (float[k] z)
        <bool yes = {1}>
        { sx = Size(x)  sy = Size(y)
          z = Loop(sx, yes, x) <body = b (int64 i, bool c, float[p] u) => (bool d, float[q] w)
            { d = Identity(c)
              w = Loop(sy, yes, u) <body = bb (int64 j, bool cc, float[r] v) => (bool dd, float[s] t)
                { dd = Identity(cc)  t = Concat<axis = 0>(v, y) }> }> }""",
     sets((floats(2), floats(3)), (floats(0), floats(2)), (floats(3), floats(0)),
          (floats(3), floats(3)))),
]

RANK = 16
EXTREMES = [
    ("rank_16", bound("n"),
     f"""(float[n,{','.join(['1'] * (RANK - 2))},2] x) => (float[{','.join('abcdefghijklmnop')}] z)
        {{ y = Add(x, x)  z = Transpose(y) }}""",
     sets((floats(3, *[1] * (RANK - 2), 2),))),
    ("scalars", [], """(float x, float y) => (float z) { s = Add(x, y)  z = Exp(s) }""",
     sets((1, 2), (-3, 0.5))),
    ("empty", bound("n", by="0..4"),
     """(float[n,3] x, float[3,2] w) => (float[n,2] z, float[1,2] s) <int64[1] first = {0}>
        { y = MatMul(x, w)  z = Relu(y)  s = ReduceSum(y, first) }""",
     sets((floats(0, 3), floats(3, 2)), (floats(4, 3), floats(3, 2)))),
    ("empty_inner", [],
     """(float[2,0] x, float[0,3] w) => (float[2,3] z) { y = MatMul(x, w)  z = Exp(y) }""",
     sets((floats(2, 0), floats(0, 3)))),
    ("empty_concat", bound("n", "m", by="0..3"),
     """(float[n,2] x, float[m,2] y) => (float[k,2] z, int64[2] s)
        { c = Concat<axis = 0>(x, y)  z = Exp(c)  s = Shape(c) }""",
     sets((floats(0, 2), floats(3, 2)), (floats(0, 2), floats(0, 2)), (floats(2, 2), floats(1, 2)))),
]

MODELS = [*SHAPES, *FOUND, *COMPUTED, *CONTROL, *EXTREMES]
# ONNX Runtime refuses states of Scan that change their sizes.
NOT_IN_RUNTIME = ("scan_grows",)
