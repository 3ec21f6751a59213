"""Drawing one random test of an operator: types, shapes, attributes and values.

What the operator's schema says is drawn from the schema; a Row (rows.py) says the rest.
"""
import random
import zlib
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

MAX_RANK, MAX_ELEMENTS = 6, 1500

# ---- element types --------------------------------------------------------------------------------

TYPE_NAMES = {
    "float": "f32", "double": "f64", "float16": "f16", "bfloat16": "bf16", "bool": "bool",
    "string": "string", "complex64": "c64", "complex128": "c128", "float8e4m3fn": "f8e4m3fn",
    "float8e4m3fnuz": "f8e4m3fnuz", "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz",
    "float8e8m0": "f8e8m0", "float4e2m1": "f4e2m1", "float6e2m3": "f6e2m3", "float6e3m2": "f6e3m2",
    **{f"{sign}int{bits}": f"{sign[:1] or 'i'}{bits}" for sign in ("", "u")
       for bits in (2, 4, 8, 16, 32, 64)}}
ONNX_NAMES = {short: long for long, short in TYPE_NAMES.items()}
FLOATS = ("f32", "f64", "f16", "bf16")
SMALL_FLOATS = ("f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f8e8m0", "f4e2m1")
INTEGERS = tuple(f"{sign}{bits}" for sign in "iu" for bits in (2, 4, 8, 16, 32, 64))
COMPLEX = ("c64", "c128")


def element(dtype):
    """The number of the type in TensorProto."""
    return getattr(TensorProto, ONNX_NAMES[dtype].upper())


def numpy_type(dtype):
    return helper.tensor_dtype_to_np_dtype(element(dtype))


def dtype_of(array):
    return TYPE_NAMES[TensorProto.DataType.Name(
        helper.np_dtype_to_tensor_dtype(array.dtype)).lower()]


def is_float(dtype):
    return dtype in FLOATS or dtype in SMALL_FLOATS


def integer_range(dtype):
    bits, signed = int(dtype[1:]), dtype[0] == "i"
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def schema_types(strings):
    """The tensor types among those of a schema, in short names."""
    inside = [text[len("tensor("):-1] for text in strings if text.startswith("tensor(")]
    return [TYPE_NAMES[name] for name in inside]


# ---- values: each takes (drawing, dtype, shape) ----------------------------------------------------

def convert(numbers, dtype):
    """Numbers as an array of the type; what is out of range saturates or wraps as NumPy does."""
    with np.errstate(all="ignore"):
        return np.asarray(numbers).astype(numpy_type(dtype))


def _patterns(d, dtype, shape):
    bits = 4 if dtype == "f4e2m1" else 8
    return d.np.integers(0, 1 << bits, shape, np.uint8).view(numpy_type(dtype))


def _special(d, dtype, shape):
    info = ml_dtypes.finfo(numpy_type(dtype))
    largest, least = float(info.max), float(info.smallest_subnormal)
    choices = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, least, -least, float(info.tiny),
                        largest, -largest, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, -1.0])
    return np.where(d.np.random(shape) < 0.4, d.np.choice(choices, shape), d.np.normal(0, 3, shape))


def _wide(d, dtype, shape):
    limit = {"f64": 900, "f32": 120, "bf16": 120, "f16": 14}[dtype]
    return d.np.choice([-1.0, 1.0], shape) * 2.0 ** d.np.uniform(-limit, limit, shape)


def plain(d, shape):
    if d.chance(0.25):
        return d.np.integers(-4, 5, shape).astype(np.float64)
    return d.np.normal(0, 10 ** d.real(-1, 0.7), shape)


def _floats(d, dtype, shape):
    mode = d.one_of("plain", "plain", "special", "special", "wide")
    if mode == "plain":
        return convert(plain(d, shape), dtype)
    return convert((_special if mode == "special" else _wide)(d, dtype, shape), dtype)


def integers(d, dtype, shape, lo, hi):
    """Uniform in [lo, hi]."""
    low, high = integer_range(dtype)
    lo, hi = max(lo, low), min(hi, high)
    wide = np.uint64 if dtype == "u64" else np.int64
    return d.np.integers(lo, hi, shape, wide, endpoint=True).astype(numpy_type(dtype))


def _integers(d, dtype, shape):
    lo, hi = integer_range(dtype)
    mode = d.one_of("small", "small", "small", "extreme", "any")
    if mode == "small":
        return integers(d, dtype, shape, -6, 6)
    if mode == "any":
        return integers(d, dtype, shape, lo, hi)
    kind = np.uint64 if dtype == "u64" else np.int64
    ends = np.array([lo, lo + 1, hi, hi - 1, 0, 1], kind)
    return d.np.choice(ends, shape).astype(numpy_type(dtype))


TEXTS = ("", "a", "A", "abc", "Abc", "zebra", "10", "-1.5", "\u00e4\u00f6", "\u20ac 5", "a b", "NaN")


def anything(d, dtype, shape):
    """Any value of the type, the rare ones often."""
    if dtype == "bool":
        return d.np.integers(0, 2, shape).astype(bool)
    if dtype == "string":
        return d.np.choice(np.array(TEXTS, object), shape)
    if dtype in COMPLEX:
        part = "f32" if dtype == "c64" else "f64"
        both = np.empty(shape, numpy_type(dtype))
        both.real, both.imag = _floats(d, part, shape), _floats(d, part, shape)
        return both
    if dtype in SMALL_FLOATS:
        return _patterns(d, dtype, shape)
    return _floats(d, dtype, shape) if dtype in FLOATS else _integers(d, dtype, shape)


def moderate(d, dtype, shape):
    """Numbers whose sums and products stay in range; now and then with NaN and infinities."""
    if dtype in FLOATS:
        numbers = d.np.normal(0, 1, shape) if d.chance(0.7) else d.np.integers(-3, 4, shape) * 1.0
        if d.chance(0.15):
            rare = d.np.choice([np.nan, np.inf, -np.inf, -0.0], shape)
            numbers = np.where(d.np.random(shape) < 0.05, rare, numbers)
        return convert(numbers, dtype)
    if dtype in COMPLEX:
        return finite(d, dtype, shape)
    return integers(d, dtype, shape, -4, 4) if dtype in INTEGERS else anything(d, dtype, shape)


def finite(d, dtype, shape):
    """Numbers of ordinary size."""
    if dtype in FLOATS:
        return convert(d.np.normal(0, 1, shape), dtype)
    if dtype in COMPLEX:
        return convert(d.np.normal(0, 1, shape) + 1j * d.np.normal(0, 1, shape), dtype)
    return integers(d, dtype, shape, -4, 4) if dtype in INTEGERS else anything(d, dtype, shape)


def within(lo, hi):
    """Reals in [lo, hi], often the ends; integers too."""
    def values(d, dtype, shape):
        if dtype in INTEGERS:
            return integers(d, dtype, shape, int(np.ceil(lo)), int(np.floor(hi)))
        numbers = d.np.uniform(lo, hi, shape)
        return convert(np.where(d.np.random(shape) < 0.1, d.np.choice([lo, hi], shape), numbers),
                       dtype)
    return values


def or_rare(values, *rare):
    """`values`, and now and then one of the rare numbers among floats."""
    def drawn(d, dtype, shape):
        array = values(d, dtype, shape)
        if dtype not in FLOATS or d.chance(0.6):
            return array
        mixed = np.where(d.np.random(shape) < 0.2, d.np.choice(np.array(rare), shape),
                         array.astype(np.float64))
        return convert(mixed, dtype)
    return drawn


def nonzero(values):
    def drawn(d, dtype, shape):
        array = values(d, dtype, shape)
        return np.where(array == 0, np.ones((), array.dtype), array)
    return drawn


positive = within(0.05, 4)
unit = or_rare(within(-1, 1), np.nan, np.inf, 1.0001, -0.0)


# ---- one draw -------------------------------------------------------------------------------------

class NotDrawn(Exception):
    """These choices do not go together: draw again."""


@dataclass
class Row:
    """What a schema does not say about an operator. Functions take the Drawing."""
    shapes: object = None      # -> {input: shape}, or a list of shapes for a variadic input
    values: object = None      # of all inputs that `inputs` does not mention
    attributes: dict = field(default_factory=dict)  # name: function, or a tuple of choices
    inputs: dict = field(default_factory=dict)  # name: function -> array or None, or values
    dtypes: dict = field(default_factory=dict)  # type variable: its choices
    outputs: object = None     # function -> which outputs are there
    check: object = None       # raises NotDrawn for what does not go together
    build: object = None       # draws everything itself, with Drawing.node
    close: float = 0           # tolerance, in multiples of the type's usual one; 0: exact
    sums: float = 0            # with `close`: the same beside the largest element, times this
    floor: float = 0           # with `close`: the same beside this number
    single: bool = False       # peers compute doubles in single precision too
    steps: int = 0             # by which integer results may differ
    signs: bool = True         # the sign of a zero counts
    random: bool = False       # only types and shapes are compared
    constant: tuple = ()       # inputs that are initializers more often than not
    fixed: dict = field(default_factory=dict)  # input: axes that are never symbolic
    domain: str = ""


@dataclass
class Input:
    name: str
    array: np.ndarray
    constant: bool
    dims: list  # numbers, or names of symbols
    formal: str  # its name in the schema, or ""


class Drawing:
    def __init__(self, operator, row, seed, index):
        self.operator, self.row, self.seed, self.index = operator, row, seed, index
        self.name = f"{operator} seed {seed} draw {index}"

    def draw(self):
        """Draws until the choices go together."""
        for attempt in range(200):
            words = f"{self.seed}/{self.operator}/{self.index}/{attempt}"
            self.rng = random.Random(words)
            self.np = np.random.default_rng(zlib.crc32(words.encode()))
            self.nodes, self.feeds, self.results = [], [], []
            self.types, self.attributes, self.shapes = {}, {}, {}
            self.symbols, self.memory = {}, {}  # memory: what one choice leaves to others
            self.made = None  # results that are known because the inputs were made from them
            try:
                (self.row.build or draw_node)(self)
            except NotDrawn:
                continue
            return self
        raise RuntimeError(f"{self.name}: no choices go together")

    # chance
    def chance(self, probability):
        return self.rng.random() < probability

    def one_of(self, *choices):
        return self.rng.choice(choices)

    def integer(self, lo, hi):
        return self.rng.randint(lo, hi)

    def real(self, lo, hi):
        return self.rng.uniform(lo, hi)

    def some(self, items, least=0):
        """A random subset in random order."""
        items = list(items)
        return self.rng.sample(items, self.integer(min(least, len(items)), len(items)))

    # sizes
    def size(self, least=0):
        kind = self.rng.random()
        if kind < 0.2:
            return max(1, least)
        if kind < 0.24 and least == 0:
            return 0
        return max(least, self.integer(2, 5) if kind < 0.9 else self.integer(6, 100))

    def shape(self, lo=0, hi=MAX_RANK, least=0):
        """A shape of a rank in [lo, hi] with sizes of at least `least`."""
        dims = [self.size(least) for _ in range(self.integer(lo, hi))]
        while np.prod(dims, dtype=object) > MAX_ELEMENTS:
            dims[dims.index(max(dims))] //= 2
        return dims

    def axis(self, rank):
        if rank == 0:
            raise NotDrawn
        return self.integer(-rank, rank - 1)

    def axes(self, rank, least=0):
        """Distinct axes, some of them counted from the end."""
        return [axis - rank * self.chance(0.3) for axis in self.some(range(rank), least)]

    # inputs and nodes
    def dtype(self, variable):
        return self.types[variable]

    def feed(self, array, constant=None, likely=0.25, formal=""):
        """A new input of the model, or an initializer. Returns its name."""
        array = np.asarray(array)
        if constant is None:
            constant = self.chance(likely)
        name = f"x{len(self.feeds)}"
        self.feeds.append(Input(name, array, constant, list(array.shape), formal))
        return name

    def node(self, operator, inputs, outputs, domain="", **attributes):
        """A node between named values; "" is an absent one."""
        node = helper.make_node(operator, inputs, outputs, domain=domain)
        for name, value in attributes.items():
            if value is not None:
                node.attribute.append(make_attribute(name, value))
        self.nodes.append(node)
        return outputs[0]

    def given(self, formal):
        """The array of an input; None when it is absent."""
        return next((feed.array for feed in self.feeds if feed.formal == formal), None)

    def result(self, *names):
        self.results.extend(names)


def make_attribute(name, value):
    if isinstance(value, np.ndarray):
        value = onnx.numpy_helper.from_array(value)
    if isinstance(value, np.generic):
        value = value.item()
    kind = onnx.AttributeProto.INTS if isinstance(value, list) and not value else None
    return helper.make_attribute(name, value, attr_type=kind)


# ---- drawing by the schema ------------------------------------------------------------------------

def draw_types(d, schema):
    for constraint in schema.type_constraints:
        variable = constraint.type_param_str
        allowed = d.row.dtypes.get(variable) or schema_types(constraint.allowed_type_strs)
        if callable(allowed):
            allowed = [allowed(d)]
        allowed = [dtype for dtype in allowed if dtype not in NOT_DRAWN]
        if allowed:
            common = "f32" in allowed and d.chance(0.3)
            d.types[variable] = "f32" if common else d.one_of(*allowed)


# How often an input of Row.constant is an initializer.
CONSTANT = 1.0
# Types that are drawn only when onnxc has them.
NOT_DRAWN = ("f6e2m3", "f6e3m2")

KINDS = onnx.defs.OpSchema.AttrType
OPTION = onnx.defs.OpSchema.FormalParameterOption


def first_rank(d):
    shape = next(iter(d.shapes.values()))
    return len(shape[0]) if shape and isinstance(shape[0], list) else len(shape)


# What attributes of these names usually are.
USUAL = {
    "axis": lambda d: d.axis(first_rank(d)),
    "keepdims": (0, 1, None),
    "noop_with_empty_axes": (0, 1, None),
    "epsilon": (None, 1e-5, 1e-3, 0.1),
    "alpha": lambda d: d.one_of(None, round(d.real(0.05, 2), 3)),
    "beta": lambda d: d.one_of(None, round(d.real(0.05, 2), 3)),
    "gamma": lambda d: d.one_of(None, round(d.real(0.05, 2), 3)),
    "stash_type": (None, 1),
}


def draw_attributes(d, schema):
    known = set(schema.attributes) if schema else set(d.row.attributes)
    extra = set(d.row.attributes) - known
    if extra:
        raise ValueError(f"{d.operator} has no attribute {extra}")
    for name in sorted(known):
        how = d.row.attributes.get(name, USUAL.get(name, ()))
        if how == () and schema.attributes[name].required:
            raise ValueError(f"{d.operator}: no choices for attribute {name}")
        value = how(d) if callable(how) else d.one_of(*how) if how else None
        required = schema is not None and schema.attributes[name].required
        default = None if schema is None else schema.attributes[name].default_value
        if value is None and not required:
            continue
        if name in USUAL and how is USUAL[name] and default is not None and default.name and \
                d.chance(0.2):
            continue
        d.attributes[name] = value


def input_dtype(d, formal):
    if formal.type_str in d.types:
        return d.types[formal.type_str]
    allowed = schema_types([formal.type_str])
    return allowed[0] if allowed else None


def draw_input(d, formal, shape):
    """The name of a fed value; "" when it is absent."""
    how, dtype = d.row.inputs.get(formal.name), input_dtype(d, formal)
    if how is None and formal.option == OPTION.Optional and d.chance(0.4):
        return ""
    if how is not None and how.__code__.co_argcount == 1:
        array = how(d)
    else:
        values = how or d.row.values or anything
        array = values(d, dtype, shape)
    if array is None:
        return ""
    if array.dtype == np.int64 and dtype == "i32":
        array = array.astype(np.int32)
    if dtype is not None and dtype_of(array) != dtype:
        raise ValueError(f"{d.operator}: {formal.name} is {array.dtype}, not {dtype}")
    likely = CONSTANT if formal.name in d.row.constant else 0.25
    return d.feed(array, likely=likely, formal=formal.name)


def draw_inputs(d, schema):
    names = []
    for formal in schema.inputs:
        shape = d.shapes.get(formal.name)
        if formal.option == OPTION.Variadic:
            names += [draw_input(d, formal, each) for each in shape]
        else:
            names.append(draw_input(d, formal, shape))
    while names and names[-1] == "":
        names.pop()
    return names


def draw_outputs(d, schema):
    if d.row.outputs is not None:
        there = d.row.outputs(d)
    else:
        there = [formal.option != OPTION.Optional or d.chance(0.6) for formal in schema.outputs]
    names = [f"y{i}" if present else "" for i, present in enumerate(there)]
    while names and names[-1] == "":
        names.pop()
    if not any(names):
        raise NotDrawn
    return names


def draw_node(d):
    schema = onnx.defs.get_schema(d.operator, domain=d.row.domain)
    draw_types(d, schema)
    d.shapes = (d.row.shapes or same())(d)
    draw_attributes(d, schema)
    if d.row.check is not None:
        d.row.check(d)
    names = draw_inputs(d, schema)
    outputs = draw_outputs(d, schema)
    d.node(d.operator, names, outputs, d.row.domain, **d.attributes)
    d.result(*(name for name in outputs if name))


# ---- shapes: each takes its arguments and returns a function of the drawing ------------------------

def names_of_inputs(d):
    schema = onnx.defs.get_schema(d.operator, domain=d.row.domain)
    return [(formal.name, formal.option == OPTION.Variadic) for formal in schema.inputs]


def same(lo=0, hi=MAX_RANK, least=0):
    """All inputs have one shape."""
    def shapes(d):
        shape = d.shape(lo, hi, least)
        return {name: [list(shape)] * d.integer(1, 4) if variadic else list(shape)
                for name, variadic in names_of_inputs(d)}
    return shapes


def broken(d, shape):
    """A shape that broadcasts to `shape`."""
    dims = [1 if d.chance(0.25) else size for size in shape]
    return dims[d.integer(0, len(dims)):] if d.chance(0.4) else dims


def broadcast(lo=0, hi=MAX_RANK, one_way=False):
    """Inputs that broadcast with one another; one way: to the first."""
    def shapes(d):
        shape = d.shape(lo, hi)
        result = {}
        for i, (name, variadic) in enumerate(names_of_inputs(d)):
            full = i == 0 and one_way
            if variadic:
                result[name] = [broken(d, shape) for _ in range(d.integer(1, 4))]
            else:
                result[name] = list(shape) if full else broken(d, shape)
        return result
    return shapes
