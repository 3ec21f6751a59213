"""Rotary embedding in all the ways in which exporters write it.

    check_rotary.py FOLDER

Every model turns the heads of two products, queries and keys, and multiplies them. Whatever the
spelling, both are turned by one step, no other step moves anything, and the results are those of
ONNX Runtime.
"""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto

from writer import Graph, check_steps

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each  # noqa: E402

WIDTH, HEADS, SIZE = 24, 2, 8
HALF, BIG = SIZE // 2, np.iinfo(np.int64).max
INVERSE = (1.0 / 100.0 ** (np.arange(HALF) / HALF)).astype(np.float32)


# ---- the other half, or the other of a pair ------------------------------------------------------

def halves_by_slice(g, x):
    return g.slice(x, 0, HALF), g.slice(x, HALF, BIG)


def halves_by_split(g, x):
    return g.Split(x, [HALF, HALF], outputs=2, axis=-1)


def halves_by_reshape(g, x):
    y = g.Reshape(x, [0, 0, 0, 2, HALF])
    return g.select(y, 0, -2), g.select(y, 1, -2)


def halves_by_gather(g, x):
    return tuple(g.Gather(x, np.arange(HALF) + i, axis=-1) for i in (0, HALF))


def pairs_by_slice(g, x):
    return g.slice(x, 0, BIG, 2), g.slice(x, 1, BIG, 2)


def pairs_by_reshape(g, x):
    y = g.Reshape(x, [0, 0, 0, HALF, 2])
    return g.select(y, 0), g.select(y, 1)


def pairs_by_split(g, x):
    parts = g.Split(g.Reshape(x, [0, 0, 0, HALF, 2]), [1, 1], outputs=2, axis=-1)
    return [g.Squeeze(part, [-1]) for part in parts]


def flatten(g, x):
    return g.Reshape(x, [0, 0, HEADS, SIZE] if g.early else [0, HEADS, -1, SIZE])


# ---- spellings: of x, and cosines and sines of [batch, length, HALF] -----------------------------

def twice(g, table):
    return g.Concat(table, table, axis=-1)


def each_twice(g, table):
    return g.Reshape(g.Expand(g.unsqueeze(table, -1), [1, 1, 1, 2]), [0, -1, SIZE])


def rotate_half(halves, tables=twice, negate=lambda g, x: g.Neg(x)):
    def turn(g, x, cos, sin):
        a, b = halves(g, x)
        turned = g.Concat(negate(g, b), a, axis=-1)
        return g.Add(g.Mul(x, g.heads(tables(g, cos))), g.Mul(turned, g.heads(tables(g, sin))))
    return turn


def rotate_back(g, x, cos, sin):
    """x cos - (b, -a) sin"""
    a, b = halves_by_slice(g, x)
    turned = g.Concat(b, g.Neg(a), axis=-1)
    return g.Sub(g.Mul(g.heads(twice(g, cos)), x), g.Mul(g.heads(twice(g, sin)), turned))


def gathered(g, x, cos, sin):
    """The other half by one Gather, its sign in the sines."""
    other = g.Gather(x, np.r_[HALF:SIZE, 0:HALF], axis=-1)
    sign = np.repeat([-1.0, 1.0], HALF)
    return g.Add(g.Mul(x, g.heads(twice(g, cos))),
                 g.Mul(other, g.Mul(g.heads(twice(g, sin)), sign)))


def split_halves(g, x, cos, sin):
    a, b = halves_by_split(g, x)
    cos, sin = g.heads(cos), g.heads(sin)
    return g.Concat(g.Sub(g.Mul(a, cos), g.Mul(b, sin)), g.Add(g.Mul(b, cos), g.Mul(a, sin)),
                    axis=-1)


def rotate_every_two(pairs):
    def turn(g, x, cos, sin):
        a, b = pairs(g, x)
        turned = flatten(g, g.stack(g.Neg(b), a))
        return g.Add(g.Mul(x, g.heads(each_twice(g, cos))),
                     g.Mul(turned, g.heads(each_twice(g, sin))))
    return turn


def complex_product(pairs):
    def turn(g, x, cos, sin):
        a, b = pairs(g, x)
        cos, sin = g.heads(cos), g.heads(sin)
        return flatten(g, g.stack(g.Sub(g.Mul(a, cos), g.Mul(b, sin)),
                                  g.Add(g.Mul(a, sin), g.Mul(b, cos))))
    return turn


def pairs_to_halves(g, x, cos, sin):
    """Pairs are sorted into halves first."""
    pairs = g.Transpose(g.Reshape(x, [0, 0, 0, HALF, 2]), perm=[0, 1, 2, 4, 3])
    return rotate_half(halves_by_slice)(g, flatten(g, pairs), cos, sin)


def in_double(g, x, cos, sin):
    x, cos, sin = (g.Cast(y, to=TensorProto.DOUBLE) for y in (x, cos, sin))
    return g.Cast(rotate_half(halves_by_slice)(g, x, cos, sin), to=TensorProto.FLOAT)


def scaled(g, x, cos, sin):
    """Scaled tables, and a scale behind."""
    turned = rotate_half(halves_by_slice, lambda g, table: g.Mul(twice(g, table), 1.25))
    return g.Mul(turned(g, x, cos, sin), 0.5)


def partial(turn, size=SIZE):
    """Only the first part of a head is turned."""
    def some(g, x, cos, sin):
        first, rest = g.slice(x, 0, size), g.slice(x, size, BIG)
        return g.Concat(turn(g, first, cos, sin), rest, axis=-1)
    return some


SPELLINGS = {
    "slices": rotate_half(halves_by_slice),
    "split": rotate_half(halves_by_split),
    "reshape": rotate_half(halves_by_reshape),
    "gather": rotate_half(halves_by_gather),
    "times_minus_one": rotate_half(halves_by_slice, negate=lambda g, x: g.Mul(x, -1.0)),
    "tiled_tables": rotate_half(halves_by_slice, lambda g, table: g.Tile(table, [1, 1, 2])),
    "back": rotate_back,
    "permuted": gathered,
    "halves_apart": split_halves,
    "every_two_slices": rotate_every_two(pairs_by_slice),
    "every_two_reshape": rotate_every_two(pairs_by_reshape),
    "complex_slices": complex_product(pairs_by_slice),
    "complex_reshape": complex_product(pairs_by_reshape),
    "complex_split": complex_product(pairs_by_split),
    "pairs_to_halves": pairs_to_halves,
    "in_double": in_double,
    "scaled": scaled,
}
PARTIAL = {
    "partial_slices": partial(rotate_half(halves_by_slice)),
    "partial_every_two": partial(rotate_every_two(pairs_by_slice)),
    "partial_complex": partial(complex_product(pairs_by_slice)),
}


# ---- where the tables come from ------------------------------------------------------------------

def computed(g):
    """Angles from positions by a product of a column and a row."""
    places = g.unsqueeze(g.Cast("places", to=TensorProto.FLOAT), 1)
    angles = g.Transpose(g.MatMul(INVERSE[None, :, None], places), perm=[0, 2, 1])
    return g.Cos(angles), g.Sin(angles)


def multiplied(g):
    places = g.unsqueeze(g.Cast("places", to=TensorProto.FLOAT), -1)
    angles = g.Mul(places, INVERSE)
    return g.Cos(angles), g.Sin(angles)


def cached(g):
    angles = np.arange(64, dtype=np.float32)[:, None] * INVERSE
    return g.Gather(np.cos(angles), "places"), g.Gather(np.sin(angles), "places")


TABLES = {"computed": computed, "multiplied": multiplied, "cached": cached}


# ---- models --------------------------------------------------------------------------------------

def build(spelling, tables, early, size):
    """`early`: heads are turned before their axis goes to the front."""
    g, random = Graph(), np.random.default_rng(7)
    g.early = early
    g.heads = lambda table: g.unsqueeze(table, 2 if early else 1)
    cos, sin = tables(g)
    turned = []
    for _ in "qk":
        weight = random.normal(size=(WIDTH, HEADS * size)).astype(np.float32)
        x = g.Reshape(g.MatMul("x", weight), [0, 0, HEADS, size])
        move = lambda y: g.Transpose(y, perm=[0, 2, 1, 3])
        turned.append(move(spelling(g, x, cos, sin)) if early else spelling(g, move(x), cos, sin))
    scores = g.MatMul(turned[0], g.Transpose(turned[1], perm=[0, 1, 3, 2]))
    return g.model({"x": ["batch", "length", WIDTH], "places": ["batch", "length"]},
                   {scores: ["batch", HEADS, "length", "length"]}, integers=["places"])


def inputs():
    random = np.random.default_rng(11)
    return {"x": random.normal(size=(2, 5, WIDTH)).astype(np.float32),
            "places": random.integers(0, 64, size=(2, 5))}


def items(folder):
    for spelling, turn in {**SPELLINGS, **PARTIAL}.items():
        for tables, make in TABLES.items():
            for early in (False, True):
                name = f"{spelling}_{tables}_{'early' if early else 'late'}"
                model = build(turn, make, early, SIZE + 4 * (spelling in PARTIAL))
                # both products in one and the scores; tables, queries and keys together; the sines
                # may be multiplied by a step of their own
                steps = {"contraction": 2, "row": 2 + (spelling == "permuted")}
                yield folder / name, model, inputs(), steps


if __name__ == "__main__":
    check_each("rotary", items(Path(sys.argv[1])), lambda item: check_steps(*item))
