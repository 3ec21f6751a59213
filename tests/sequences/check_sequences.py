"""Models on sequences and optionals at run time, compared with ONNX Runtime: `onnxc test` on them.

    check_sequences.py FOLDER [--sanitized]

Every model is written in ONNX's text syntax, with sets of inputs; a list is a sequence, None an
optional without element.
"""
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc, passed, run  # noqa: E402

RANDOM = np.random.default_rng(3)


def f(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def one(value):
    return np.array(value, np.float32)


def i(*values):
    return np.array(values, np.int64)


def n(value):
    return np.array(value, np.int64)


def yes(value):
    return np.array(value, bool)


ELEMENTS = [f(2, 3), f(1, 3), f(4, 3)]
EQUAL = [f(2, 3), f(2, 3), f(2, 3)]
EQUAL_2 = [f(2), f(2)]

# name -> text of the graph, sets of inputs
MODELS = {
    "insert_at": ("""(seq(float[N, 3]) s, float[M, 3] x, int64 at) => (seq(float[K, 3]) y) {
        y = SequenceInsert(s, x, at) }""",
                  [(ELEMENTS, f(5, 3), n(k)) for k in (-3, -1, 0, 2, 3)]),
    "insert_into_empty": ("""(seq(float[N, 3]) s, float[M, 3] x) => (seq(float[K, 3]) y) {
        y = SequenceInsert(s, x) }""", [([], f(5, 3)), (ELEMENTS, f(1, 3))]),
    "erase_at": ("""(seq(float[N, 3]) s, int64 at) => (seq(float[K, 3]) y, int64 n) {
        y = SequenceErase(s, at)  n = SequenceLength(y) }""",
                 [(ELEMENTS, n(k)) for k in (-3, -1, 0, 2)] + [(ELEMENTS[:1], n(0))]),
    "erase_last": ("(seq(float[N, 3]) s) => (seq(float[K, 3]) y) { y = SequenceErase(s) }",
                   [(ELEMENTS,), (ELEMENTS[:1],)]),
    "at": ("""(seq(float[N, 3]) s, int64 k) => (float[M, 3] y, float[M, 1] z) {
        y = SequenceAt(s, k)  axis = Constant<value_ints = [1]>()  z = ReduceSum(y, axis) }""",
           [(ELEMENTS, n(k)) for k in (-3, -1, 0, 1, 2)]),
    "at_of_equal": ("(seq(float[2, 3]) s, int64 k) => (float[2, 3] y) { y = SequenceAt(s, k) }",
                    [(EQUAL, n(k)) for k in (-3, 2)]),
    "length": ("(seq(float[N, 3]) s) => (int64 y) { y = SequenceLength(s) }",
               [(ELEMENTS,), ([],), (EQUAL,)]),
    "concat": ("""(seq(float[N, 3]) s) => (float[M, 3] y) {
        y = ConcatFromSequence<axis = 0>(s) }""", [(ELEMENTS,), (ELEMENTS[:2],)]),
    "concat_equal": ("""(seq(float[2, 3]) s) => (float[2, M] y, float[2, 3, K] z) {
        y = ConcatFromSequence<axis = 1>(s)
        z = ConcatFromSequence<axis = -1, new_axis = 1>(s) }""", [(EQUAL,), (EQUAL[:1],)]),
    "split_vector": ("""(float[6, 4] x, int64[3] split) => (seq(float[K, 4]) y) {
        y = SplitToSequence<axis = 0>(x, split) }""",
                     [(f(6, 4), i(1, 2, 3)), (f(6, 4), i(0, 6, 0))]),
    "split_scalar": ("""(float[5, 6] x, int64 split) => (seq(float[5, K]) y, int64 n) {
        y = SplitToSequence<axis = -1>(x, split)  n = SequenceLength(y) }""",
                     [(f(5, 6), n(k)) for k in (1, 4, 6, 9)]),
    "split_squeezed": ("""(float[A, 2, 3] x, int64 k) => (seq(float[2, 3]) y, float[2, 3] z) {
        y = SplitToSequence<axis = 0, keepdims = 0>(x)  z = SequenceAt(y, k) }""",
                       [(f(4, 2, 3), n(3)), (f(2, 2, 3), n(-2))]),
    "split_rejoined": ("""(float[6, 4] x, int64[3] split) => (float[6, 4] y) {
        s = SplitToSequence<axis = 0>(x, split)  y = ConcatFromSequence<axis = 0>(s) }""",
                       [(f(6, 4), i(1, 2, 3)), (f(6, 4), i(3, 3, 0))]),
    "construct": ("""(float[2] a, float[3] b, int64 k) => (seq(float[N]) y, float[M] z) {
        y = SequenceConstruct(a, b)  z = SequenceAt(y, k) }""",
                  [(f(2), f(3), n(0)), (f(2), f(3), n(-1))]),
    "if_of_sequences": ("""(bool c, float[2] a, float[3] b) => (seq(float[N]) y) {
        y = If(c)<
          then_branch = then () => (seq(float[N]) t) { t = SequenceConstruct(a) },
          else_branch = else () => (seq(float[N]) e) { e = SequenceConstruct(b, a, b) }> }""",
                        [(yes(True), f(2), f(3)), (yes(False), f(2), f(3))]),
    "if_of_captured": ("""(bool c, seq(float[N, 3]) s, float[M, 3] x) => (seq(float[K, 3]) y) {
        y = If(c)<
          then_branch = then () => (seq(float[K, 3]) t) { t = SequenceInsert(s, x) },
          else_branch = else () => (seq(float[K, 3]) e) { e = Identity(s) }> }""",
                       [(yes(c), ELEMENTS, f(2, 3)) for c in (True, False)]),
    "loop_collects": ("""(int64 m, float[3] x) => (seq(float[3]) y) {
        e = SequenceEmpty()  y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  k = Cast<to = 1>(i)  z = Mul(x, k)  t = SequenceInsert(s, z) }> }""",
                      [(n(4), f(3)), (n(0), f(3)), (n(1), f(3))]),
    "loop_ragged": ("""(int64 m, float[6] x) => (seq(float[K]) y, float[T] z) {
        e = SequenceEmpty()  y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[K]) s) => (bool d, seq(float[K]) t) {
            d = Identity(c)  one = Constant<value_ints = [1]>()  zero = Constant<value_ints = [0]>()
            j = Reshape(i, one)  end = Add(j, one)  z = Slice(x, zero, end)
            t = SequenceInsert(s, z, i) }>
        z = ConcatFromSequence<axis = 0>(y) }""", [(n(4), f(6)), (n(1), f(6))]),
    "loop_first_inserted": ("""(int64 m, float[3] x) => (seq(float[3]) y) {
        e = SequenceConstruct(x)  zero = Constant<value_int = 0>()  y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  a = SequenceAt(s, zero)  b = Neg(a)  t = SequenceInsert(s, b, zero) }> }
        """, [(n(4), f(3)), (n(0), f(3))]),
    "loop_erases": ("""(int64 m, seq(float[N, 3]) s) => (seq(float[N, 3]) y) {
        zero = Constant<value_int = 0>()  y = Loop(m, , s)<body = body
          (int64 i, bool c, seq(float[N, 3]) a) => (bool d, seq(float[N, 3]) t) {
            d = Identity(c)  t = SequenceErase(a, zero) }> }""",
                    [(n(2), ELEMENTS), (n(0), ELEMENTS), (n(3), ELEMENTS)]),
    "loop_swaps": ("""(int64 m, seq(float[N, 3]) a, seq(float[N, 3]) b)
        => (seq(float[N, 3]) y, seq(float[N, 3]) z) {
        y, z = Loop(m, , a, b)<body = body
          (int64 i, bool c, seq(float[N, 3]) p, seq(float[N, 3]) q)
          => (bool d, seq(float[N, 3]) r, seq(float[N, 3]) s) {
            d = Identity(c)  r = Identity(q)  s = Identity(p) }> }""",
                   [(n(3), ELEMENTS, ELEMENTS[:2]), (n(2), ELEMENTS, [])]),
    "loop_conditional": ("""(int64 m, float[3] x) => (seq(float[3]) y, int64 n) {
        e = SequenceEmpty()  two = Constant<value_int = 2>()  y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  k = Mod(i, two)  odd = Cast<to = 9>(k)
            t = If(odd)<
              then_branch = then () => (seq(float[3]) u) { u = SequenceInsert(s, x) },
              else_branch = else () => (seq(float[3]) v) { v = Identity(s) }> }>
        n = SequenceLength(y) }""", [(n(5), f(3)), (n(1), f(3))]),
    "loop_over_sequence": ("""(seq(float[N, 3]) s) => (seq(float[3]) y, float[K, 3] z) {
        e = SequenceEmpty()  m = SequenceLength(s)  y, z = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) p) => (bool d, seq(float[3]) q, float[3] r) {
            d = Identity(c)  a = SequenceAt(s, i)  axis = Constant<value_ints = [0]>()
            r = ReduceSum<keepdims = 0>(a, axis)  q = SequenceInsert(p, r) }> }""",
                           [(ELEMENTS,), (ELEMENTS[:1],)]),
    "loop_in_loop": ("""(int64 m, float[3] x) => (seq(float[3]) y) {
        e = SequenceEmpty()  y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  two = Constant<value_int = 2>()  t = Loop(two, , s)<body = inner
              (int64 j, bool f, seq(float[3]) p) => (bool g, seq(float[3]) q) {
                g = Identity(f)  k = Add(i, j)  l = Cast<to = 1>(k)  z = Mul(x, l)
                q = SequenceInsert(p, z) }> }> }""", [(n(3), f(3)), (n(0), f(3))]),
    "if_in_loop_in_if": ("""(bool c, int64 m, float[3] x) => (seq(float[3]) y) {
        y = If(c)<
          then_branch = then () => (seq(float[3]) t) {
            e = SequenceEmpty()  t = Loop(m, , e)<body = body
              (int64 i, bool p, seq(float[3]) s) => (bool q, seq(float[3]) u) {
                q = Identity(p)  three = Constant<value_int = 3>()  few = Less(i, three)
                u = If(few)<
                  then_branch = few () => (seq(float[3]) v) { v = SequenceInsert(s, x) },
                  else_branch = many () => (seq(float[3]) w) { w = SequenceErase(s) }> }> },
          else_branch = else () => (seq(float[3]) r) { r = SequenceConstruct(x, x) }> }""",
                         [(yes(True), n(5), f(3)), (yes(False), n(5), f(3)),
                          (yes(True), n(0), f(3))]),
    "scan_captures": ("""(seq(float[2, 3]) s, int64[K] order) => (float[K, 2, 3] y) {
        y = Scan<num_scan_inputs = 1, body = body (int64 k) => (float[2, 3] z) {
            z = SequenceAt(s, k) }>(order) }""", [(EQUAL, i(2, 0, 1, 1)), (EQUAL, i(0, 0, 0, 2))]),
    "map": ("""(seq(float[N, 3]) s, float[3] x) => (seq(float[N, 3]) y, seq(int64[2]) z) {
        y, z = SequenceMap(s, x)<body = body (float[A, 3] a, float[3] b)
          => (float[A, 3] p, int64[2] q) { p = Add(a, b)  q = Shape(a) }> }""",
            [(ELEMENTS, f(3)), ([], f(3)), (ELEMENTS[:1], f(3))]),
    "map_of_two": ("""(seq(float[2, 3]) s, seq(float[2, 3]) t) => (seq(float[2, 3]) y) {
        y = SequenceMap(s, t)<body = body (float[2, 3] a, float[2, 3] b) => (float[2, 3] p) {
          p = Add(a, b) }> }""", [(EQUAL, EQUAL), (EQUAL[:2], EQUAL[1:])]),
    "map_captures": ("""(seq(float[N, 3]) s, float[3] x) => (seq(float[N, 3]) y) {
        y = SequenceMap(s)<body = body (float[A, 3] a) => (float[A, 3] p) {
          m = Max(a, x)  p = Mul(m, x) }> }""", [(ELEMENTS, f(3)), (ELEMENTS[1:], f(3))]),
    "map_in_loop": ("""(int64 m, seq(float[2, 3]) s) => (seq(float[2, 3]) y) {
        y = Loop(m, , s)<body = body
          (int64 i, bool c, seq(float[2, 3]) p) => (bool d, seq(float[2, 3]) q) {
            d = Identity(c)  k = Cast<to = 1>(i)  q = SequenceMap(p)<body = inner
              (float[2, 3] a) => (float[2, 3] b) { b = Add(a, k) }> }> }""",
                    [(n(3), EQUAL), (n(0), EQUAL[:1])]),
    "map_of_constructed": ("""(float[2] a, float[2] b) => (seq(float[2]) y, float[4] z) {
        s = SequenceConstruct(a, b)
        y = SequenceMap(s)<body = body (float[2] p) => (float[2] q) { q = Neg(p) }>
        z = ConcatFromSequence<axis = 0>(y) }""", [(f(2), f(2))]),
    "optional_of_sequence": ("""(optional(seq(float[3])) o) => (bool h, seq(float[3]) y) {
        h = OptionalHasElement(o)
        y = If(h)<
          then_branch = then () => (seq(float[3]) t) { t = OptionalGetElement(o) },
          else_branch = else () => (seq(float[3]) e) { e = SequenceEmpty() }> }""",
                             [([f(3), f(3)],), (None,)]),
    "optional_of_tensor": ("""(optional(float[N]) o, float[2] x) => (bool h, float[K] y) {
        h = OptionalHasElement(o)
        y = If(h)<
          then_branch = then () => (float[K] t) { t = OptionalGetElement(o) },
          else_branch = else () => (float[K] e) { e = Identity(x) }> }""",
                           [(f(3), f(2)), (None, f(2)), (f(5), f(2))]),
    "optional_made": ("""(bool c, float[3] x) => (optional(float[3]) y) {
        y = If(c)<
          then_branch = then () => (optional(float[3]) t) { t = Optional(x) },
          else_branch = else () => (optional(float[3]) e) {
            e = Optional<type = float[3]>() }> }""",
                      [(yes(True), f(3)), (yes(False), f(3))]),
    "optional_carried": ("""(int64 m, seq(float[2]) s) => (float[2] y) {
        o = Optional<type = float[2]>()
        q = Loop(m, , o)<body = body
          (int64 i, bool c, optional(float[2]) p) => (bool d, optional(float[2]) r) {
            d = Identity(c)  h = OptionalHasElement(p)  a = SequenceAt(s, i)
            b = If(h)<
              then_branch = then () => (float[2] t) { g = OptionalGetElement(p)  t = Add(g, a) },
              else_branch = else () => (float[2] e) { e = Identity(a) }>
            r = Optional(b) }>
        y = OptionalGetElement(q) }""", [(n(2), [f(2), f(2), f(2)]), (n(1), [f(2)])]),
    "passed_on": ("""(seq(float[N, 3]) s, optional(seq(float[3])) o)
        => (seq(float[N, 3]) y, optional(seq(float[3])) p) {
        y = Identity(s)  p = Identity(o) }""",
                  [(ELEMENTS, [f(3)]), ([], None)]),
    "mixed_ranks": ("""(int64 k, float[2] a, float b) => (seq(float) y, float[2] z) {
        s = SequenceConstruct(a, b)  y = SequenceInsert(s, a, k)  z = SequenceAt(y, k) }""",
                    [(n(0), f(2), one(3)), (n(1), f(2), one(3))]),
    "scalars": ("""(seq(float) s, float x, int64 k) => (seq(float) y, float z, float[N] w) {
        y = SequenceInsert(s, x, k)  z = SequenceAt(y, k)
        w = ConcatFromSequence<axis = 0, new_axis = 1>(y) }""",
                [([one(1), one(2)], one(9), n(1)), ([], one(9), n(0))]),
    "no_elements": ("""(float[3] x, int64 k) => (seq(float[3]) y, seq(float) z, int64 n) {
        e = SequenceEmpty()  y = SequenceInsert(e, x, k)  z = SequenceEmpty()
        n = SequenceLength(z) }""", [(f(3), n(0))]),
    "empty_tensors": ("""(seq(float[N, 3]) s, int64 k) => (float[M, 3] y, float[K, 3] z) {
        y = SequenceAt(s, k)  z = ConcatFromSequence<axis = 0>(s) }""",
                      [([f(0, 3), f(2, 3)], n(0)), ([f(0, 3), f(0, 3)], n(1))]),
    "ragged_both": ("""(seq(float[N, M]) s, int64 k) => (float[A, B] y, seq(float[A, B]) z) {
        y = SequenceAt(s, k)  z = SequenceErase(s, k) }""",
                    [([f(2, 5), f(4, 1), f(3, 3)], n(k)) for k in (0, 1, -1)]),
    "window": ("""(int64 m, seq(float[2]) s, float[2] x) => (seq(float[2]) y) {
        zero = Constant<value_int = 0>()  y = Loop(m, , s)<body = body
          (int64 i, bool c, seq(float[2]) p) => (bool d, seq(float[2]) q) {
            d = Identity(c)  k = Cast<to = 1>(i)  z = Add(x, k)
            r = SequenceErase(p, zero)  q = SequenceInsert(r, z) }> }""",
               [(n(5), EQUAL_2, f(2)), (n(0), EQUAL_2, f(2))]),
    "loop_until": ("""(int64 m, float[2] x) => (seq(float[2]) y, int64 n) {
        e = SequenceEmpty()  t = Constant<value_int = 3>()  yes = Less(t, m)
        y = Loop(m, yes, e)<body = body
          (int64 i, bool c, seq(float[2]) s) => (bool d, seq(float[2]) u) {
            d = Less(i, t)  u = SequenceInsert(s, x) }>
        n = SequenceLength(y) }""", [(n(9), f(2)), (n(4), f(2)), (n(2), f(2))]),
    "loop_over_loop": ("""(int64 m, float[3] x) => (seq(float[3]) z) {
        e = SequenceEmpty()  y = Loop(m, , e)<body = first
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  k = Cast<to = 1>(i)  v = Mul(x, k)  t = SequenceInsert(s, v) }>
        n = SequenceLength(y)  z = Loop(n, , e)<body = second
          (int64 j, bool f, seq(float[3]) p) => (bool g, seq(float[3]) q) {
            g = Identity(f)  a = SequenceAt(y, j)  b = Neg(a)  q = SequenceInsert(p, b) }> }""",
                       [(n(4), f(3)), (n(1), f(3))]),
    "loop_reads_last": ("""(int64 m, float[3] x) => (seq(float[3]) y) {
        e = SequenceEmpty()  last = Constant<value_int = -1>()  zero = Constant<value_int = 0>()
        y = Loop(m, , e)<body = body
          (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
            d = Identity(c)  n = SequenceLength(s)  some = Less(zero, n)
            a = If(some)<
              then_branch = then () => (float[3] p) { o = SequenceAt(s, last)  p = Add(o, x) },
              else_branch = else () => (float[3] q) { q = Identity(x) }>
            t = SequenceInsert(s, a) }> }""", [(n(4), f(3)), (n(0), f(3))]),
    "optional_sequence_carried": ("""(int64 m, optional(seq(float[2])) o, float[2] x)
        => (seq(float[2]) y) {
        q = Loop(m, , o)<body = body
          (int64 i, bool c, optional(seq(float[2])) p) => (bool d, optional(seq(float[2])) r) {
            d = Identity(c)  h = OptionalHasElement(p)
            s = If(h)<
              then_branch = then () => (seq(float[2]) t) { t = OptionalGetElement(p) },
              else_branch = else () => (seq(float[2]) e) { e = SequenceEmpty() }>
            u = SequenceInsert(s, x)  r = Optional(u) }>
        y = OptionalGetElement(q) }""",
                                  [(n(2), [f(2)], f(2)), (n(3), None, f(2))]),
    "optional_or_none": ("""(bool c, float[2] x) => (optional(seq(float[2])) y) {
        y = If(c)<
          then_branch = then () => (optional(seq(float[2])) t) {
            s = SequenceConstruct(x, x)  t = Optional(s) },
          else_branch = else () => (optional(seq(float[2])) e) {
            e = Optional<type = seq(float[2])>() }> }""",
                         [(yes(True), f(2)), (yes(False), f(2))]),
    "map_with_branches": ("""(seq(float[N, 3]) s, float[3] x) => (seq(float[N, 3]) y) {
        y = SequenceMap(s)<body = body (float[A, 3] a) => (float[A, 3] p) {
          m = ReduceMax<keepdims = 0>(a)  zero = Constant<value_float = 1.0>()  c = Greater(m, zero)
          p = If(c)<
            then_branch = then () => (float[A, 3] t) { t = Add(a, x) },
            else_branch = else () => (float[A, 3] e) { e = Neg(a) }> }> }""",
                          [(ELEMENTS, f(3)), (ELEMENTS[1:], f(3))]),
    "given_twice": ("""(seq(float[N, 3]) s, float[M, 3] x) => (seq(float[N, 3]) y, seq(float[N, 3]) z) {
        y = SequenceInsert(s, x)  z = Identity(y) }""", [(ELEMENTS, f(2, 3))]),
    "deep": ("""(bool c, bool d, seq(float[N, 3]) s, float[M, 3] x) => (seq(float[N, 3]) y) {
        y = If(c)<
          then_branch = a () => (seq(float[N, 3]) p) {
            p = If(d)<
              then_branch = b () => (seq(float[N, 3]) q) { q = SequenceInsert(s, x) },
              else_branch = e () => (seq(float[N, 3]) r) { t = SequenceErase(s)
                r = SequenceInsert(t, x) }> },
          else_branch = g () => (seq(float[N, 3]) u) { u = Identity(s) }> }""",
             [(yes(p), yes(q), ELEMENTS, f(5, 3)) for p in (True, False) for q in (True, False)]),
    "used_twice": ("""(seq(float[N, 3]) s, float[M, 3] x)
        => (seq(float[N, 3]) y, seq(float[N, 3]) z, int64 n) {
        y = SequenceInsert(s, x)  z = SequenceInsert(y, x)  n = SequenceLength(y) }""",
                   [(ELEMENTS, f(2, 3)), ([], f(1, 3))]),
}

# What ONNX Runtime 1.32 cannot run: the results come from NumPy.
COMPUTED = {
    "if_half_wanted": ("""(bool c, float[2] a, float[3] b) => (seq(float[N]) y) {
        "", y = If(c)<
          then_branch = then () => (seq(float[N]) s, seq(float[N]) t) {
            s = SequenceConstruct(b)  t = SequenceConstruct(a) },
          else_branch = else () => (seq(float[N]) d, seq(float[N]) e) {
            d = SequenceConstruct(a, a)  e = SequenceConstruct(b) }> }""",
                       [(yes(True), f(2), f(3)), (yes(False), f(2), f(3))],
                       lambda c, a, b: [[a if c else b]]),
    "optional_or_tensor": ("""(bool c, float[2] x) => (float[2] y, bool h) {
        o = If(c)<
          then_branch = then () => (float[2] t) { t = Neg(x) },
          else_branch = else () => (optional(float[2]) e) { e = Optional(x) }>
        h = OptionalHasElement(o)  y = OptionalGetElement(o) }""",
                           [(yes(True), f(2)), (yes(False), f(2))],
                           lambda c, x: [-x if c else x, yes(True)]),
    "map_of_map": ("""(seq(float[N, 3]) s, seq(float[3]) t) => (seq(float[3]) y) {
        y = SequenceMap(s)<body = outer (float[A, 3] a) => (float[3] p) {
          q = SequenceMap(t)<body = inner (float[3] b) => (float[A, 3] c) { c = Mul(a, b) }>
          zero = Constant<value_int = 0>()  r = SequenceAt(q, zero)
          axes = Constant<value_ints = [0]>()  p = ReduceSum<keepdims = 0>(r, axes) }> }""",
                   [(ELEMENTS, [f(3), f(3)]), (ELEMENTS[:1], [f(3)])],
                   lambda s, t: [[(a * t[0]).sum(axis=0) for a in s]]),
}

DTYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "int8": np.int8,
          "int16": np.int16, "int32": np.int32, "int64": np.int64, "uint8": np.uint8,
          "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "bool": np.bool_}

for dtype, kind in DTYPES.items():
    MODELS[f"dtype_{dtype}"] = (
        f"""({dtype}[1, 2] a, {dtype}[3, 2] b, int64 k) => (seq({dtype}[N, 2]) y, {dtype}[M, 2] z) {{
        s = SequenceConstruct(a, b)  z = SequenceAt(s, k)  y = SequenceInsert(s, b, k) }}""",
        [(RANDOM.integers(0, 2, (1, 2)).astype(kind), RANDOM.integers(0, 2, (3, 2)).astype(kind),
          n(1))])


ROWS = f(3, 4)

MODELS.update({
    "zip_numbers": ("""(float[N, 4] x) => (seq(map(int64, float)) y) {
        y = ai.onnx.ml.ZipMap<classlabels_int64s = [7, -1, 3, 5]>(x) }""",
                    [(ROWS,), (ROWS[:1],)]),
    "zip_texts": ("""(float[N, 4] x) => (seq(map(string, float)) y) {
        z = Neg(x)
        y = ai.onnx.ml.ZipMap<classlabels_strings = ["b", "a", "", "long one"]>(z) }""",
                  [(ROWS,), (ROWS[:1],)]),
    "zip_row": ("""(float[4] x) => (seq(map(int64, float)) y) {
        y = ai.onnx.ml.ZipMap<classlabels_int64s = [0, 1, 2, 3]>(x) }""", [(ROWS[0],)]),
    "map_dense": ("""(map(int64, float) m) => (float[1, N] y) {
        y = ai.onnx.ml.CastMap<map_form = "DENSE">(m) }""",
                  [({3: 2.5, 1: -1.25, 2: 7.0},), ({9: 1.0},)]),
    "map_sparse": ("""(map(int64, float) m) => (int64[1, 6] y) {
        y = ai.onnx.ml.CastMap<map_form = "SPARSE", max_map = 6, cast_to = "TO_INT64">(m) }""",
                   [({3: 2.5, 1: -1.25, 0: 7.0},), ({5: 4.0},)]),
    "vectorize_numbers": ("""(map(int64, float) m) => (float[1, 3] y) {
        y = ai.onnx.ml.DictVectorizer<int64_vocabulary = [5, 1, 9]>(m) }""",
                          [({1: 2.0, 9: 3.0, 4: 1.0},), ({5: 1.0},)]),
    "vectorize_texts": ("""(map(string, float) m) => (float[1, 3] y) {
        y = ai.onnx.ml.DictVectorizer<string_vocabulary = ["a", "c", "b"]>(m) }""",
                        [({"b": 2.0, "a": 3.0, "z": 4.0},), ({"c": 1.0},)]),
})


def map_proto(data):
    proto = onnx.MapProto()
    texts = all(isinstance(key, str) for key in data)
    proto.key_type = onnx.TensorProto.STRING if texts else onnx.TensorProto.INT64
    if texts:
        proto.string_keys.extend(key.encode() for key in data)
    else:
        proto.keys.extend(data)
    values = [numpy_helper.from_array(np.array(value, np.float32)) for value in data.values()]
    proto.values.elem_type = onnx.SequenceProto.TENSOR
    proto.values.tensor_values.extend(values)
    return proto


def sequence_proto(data):
    if not data or not isinstance(data[0], dict):
        return numpy_helper.from_list(data)
    proto = onnx.SequenceProto()
    proto.elem_type = onnx.SequenceProto.MAP
    proto.map_values.extend(map_proto(item) for item in data)
    return proto


LOOP = """(int64 m, float[3] x) => (seq(float[3]) y) {
  e = SequenceEmpty()  y = Loop(m, , e)<body = body
    (int64 i, bool c, seq(float[3]) s) => (bool d, seq(float[3]) t) {
      d = Identity(c)  t = SequenceInsert(s, x) }> }"""
AT = "(seq(float[N, 3]) s, int64 k) => (float[M, 3] y) { y = SequenceAt(s, k) }"
SPLIT = "(float[6, 4] x, int64[S] k) => (seq(float[K, 4]) y) { y = SplitToSequence(x, k) }"

# name -> text, inputs, flags, part of what `onnxc run` says: faults that only a run can find.
RUN_FAULTS = {
    "at_outside": (AT, (ELEMENTS, n(3)), [], "error 4"),
    "at_below": (AT, (ELEMENTS, n(-4)), [], "error 4"),
    "at_of_none": (AT, ([], n(0)), ["s_length=0..2", "s_rank=2", "s.0=0..2"], "error 4"),
    "insert_outside": ("""(seq(float[N, 3]) s, float[M, 3] x, int64 k) => (seq(float[K, 3]) y) {
        y = SequenceInsert(s, x, k) }""", (ELEMENTS, f(2, 3), n(4)), [], "error 4"),
    "erase_outside": ("""(seq(float[N, 3]) s, int64 k) => (seq(float[K, 3]) y) {
        y = SequenceErase(s, k) }""", (ELEMENTS, n(3)), [], "error 4"),
    "erase_of_none": ("(seq(float[N, 3]) s) => (seq(float[K, 3]) y) { y = SequenceErase(s) }",
                      ([],), ["s_length=0..2", "s_rank=2", "s.0=0..2"], "error 4"),
    "nothing_there": ("(optional(float[3]) o) => (float[3] y) { y = OptionalGetElement(o) }",
                      (None,), [], "error 4"),
    "no_sequence_there": ("""(optional(seq(float[3])) o) => (seq(float[3]) y) {
        y = OptionalGetElement(o) }""", (None,), ["o_length=0..2", "o_rank=1", "o.0=3"], "error 4"),
    "split_short": (SPLIT, (f(6, 4), i(1, 2)), [], "error 5"),
    "split_negative": (SPLIT, (f(6, 4), i(-1, 7)), [], "error 5"),
    "split_zero": ("(float[6] x, int64 k) => (seq(float[K]) y) { y = SplitToSequence(x, k) }",
                   (f(6), n(0)), [], "error 6"),
    "concat_differing": ("""(seq(float[N, M]) s) => (float[K, L] y) {
        y = ConcatFromSequence<axis = 0>(s) }""", ([f(2, 3), f(2, 4)],), [], "error 5"),
    "stack_differing": ("""(seq(float[N, M]) s) => (float[K, L, P] y) {
        y = ConcatFromSequence<axis = 0, new_axis = 1>(s) }""", ([f(2, 3), f(2, 4)],), [], "error 5"),
    "too_many": (LOOP, (n(5), f(3)), ["y_capacity=0..4"], "error 5"),
}

# name -> text, flags, exit code, part of what `onnxc compile` says
COMPILE_FAULTS = {
    "length_open": (AT, [], 2, "--dim s_length="),
    "size_open": (AT, ["s_length=0..4"], 2, "--dim s.0="),
    "rank_open": ("(seq(float[]) s) => (int64 y) { y = SequenceLength(s) }", ["s_length=0..4"], 3,
                  "--dim s_rank="),
    "capacity_open": (LOOP, [], 3, "--dim y_capacity="),
    "name_unknown": (AT, ["s_len=0..4"], 64, "s_len"),
    "nested": ("(seq(seq(float[3])) s) => (seq(seq(float[3])) y) { y = Identity(s) }", [], 3,
               "sequences of anything but tensors"),
    "other_dtype": ("(seq(float[3]) s, double[3] x) => (seq(float[3]) y) { y = SequenceInsert(s, x) }",
                    ["s_length=2"], 2, "but the sequence holds"),
    "grows": ("""(int64 m, seq(float[N]) s) => (seq(float[N]) y) {
        zero = Constant<value_int = 0>()  y = Loop(m, , s)<body = body
          (int64 i, bool c, seq(float[N]) p) => (bool d, seq(float[N]) q) {
            d = Identity(c)  a = SequenceAt(p, zero)  b = Concat<axis = 0>(a, a)
            q = SequenceInsert(p, b) }> }""", ["s_length=1..2", "s.0=1..4"], 3, "grow"),
    "always_empty": ("""(float[3] x) => (float[3] y) {
        e = SequenceEmpty()  s = SequenceErase(e)  zero = Constant<value_int = 0>()
        y = SequenceAt(s, zero) }""", [], 2, "empty"),
}


def save(data, declared, path):
    """The message of the kind that the model declares."""
    if declared.HasField("optional_type"):
        kind = declared.optional_type.elem_type.WhichOneof("value")
        proto = onnx.OptionalProto()
        if data is not None and kind == "sequence_type":
            proto.elem_type = onnx.OptionalProto.SEQUENCE
            proto.sequence_value.CopyFrom(sequence_proto(data))
        elif data is not None:
            proto.elem_type = onnx.OptionalProto.TENSOR
            proto.tensor_value.CopyFrom(numpy_helper.from_array(data))
    elif declared.HasField("sequence_type"):
        proto = sequence_proto(data)
    elif declared.HasField("map_type"):
        proto = map_proto(data)
    else:
        proto = numpy_helper.from_array(np.asarray(data))
    path.write_bytes(proto.SerializeToString())


def results_of(model):
    """A function from inputs to outputs."""
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.input]
    return lambda *inputs: session.run(None, dict(zip(names, inputs)))


def write(folder, text, sets, compute=None):
    model = save_model(folder, text)
    compute = compute or results_of(model)
    for number, inputs in enumerate(sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        results = compute(*inputs)
        for k, (value, given) in enumerate(zip(model.graph.input, inputs)):
            save(given, value.type, data / f"input_{k}.pb")
        for k, (value, result) in enumerate(zip(model.graph.output, results)):
            save(result, value.type, data / f"output_{k}.pb")


def flags_of(dims):
    return [word for dim in dims for word in ("--dim", dim)]


def save_model(folder, text):
    model = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 18, "ai.onnx.ml" : 3]> main {text}')
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    return model


def run_fault(folder, text, inputs, dims, part):
    model = save_model(folder, text)
    words = []
    for value, given in zip(model.graph.input, inputs):
        path = folder / f"{value.name}.pb"
        save(given, value.type, path)
        words += ["--input", f"{value.name}={path}"]
    result = onnxc("run", folder / "model.onnx", *words, *flags_of(dims))
    return [] if part in result.stderr else [f"{folder.name}: {result.stderr or result.stdout}"]


def compile_fault(folder, text, dims, code, part):
    save_model(folder, text)
    result = onnxc("compile", folder / "model.onnx", "-o", folder, *flags_of(dims))
    good = result.returncode == code and part in result.stderr
    return [] if good else [f"{folder.name}: exit {result.returncode}, {result.stderr}"]


def check_faults(folder):
    faults = []
    for name, row in RUN_FAULTS.items():
        faults += run_fault(folder / name, *row)
    for name, row in COMPILE_FAULTS.items():
        faults += compile_fault(folder / name, *row)
    print("\n".join(faults))
    print(f"{len(RUN_FAULTS) + len(COMPILE_FAULTS)} faults provoked, {len(faults)} not as expected")
    return not faults


def main():
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    for name, model in {**MODELS, **COMPUTED}.items():
        write(folder / "cases" / name, *model)
    good = check_faults(folder / "faults")
    for level in ("-O0", "-O2"):
        result = onnxc("test", "--jobs", JOBS, level, folder / "cases")
        print(result.stdout + result.stderr)
        good = good and passed(result)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
