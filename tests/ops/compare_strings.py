"""Compares operators on random strings with ONNX Runtime: at -O0, at -O3, and folded.

Strings hold NUL bytes and characters of one to four bytes; some are empty, and so are some tensors.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each, onnxc  # noqa: E402

LETTERS = "aabBzZ  ,,.-\0\tÄßéÿŁıΣςжЯ€あ😀𐐀"
NUMBERS = ("0", "-0", "1", "+7", " 12", "3.25", "-1e-5", "1E8", ".5", "5.", "6.02214076e23",
           "1e300",
           "INF", "-inf", "NaN", "+Infinity", "123456789012345678", "0.1", "100.5", "2.5e-308",
           "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589"
           "558632766878171540458953514382464234321326889464182768467546703537516986049910576551282"
           "076245490090389328944075868508455133942304583236903222948165808559332123347747e-10")
INTEGERS = ("0", "-1", "+17", " 255", "-128", "9223372036854775807", "12x", "3.9", "1e3", "-300")
FLOATS = (0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 123456789.0, 99999999.5, 1e-4, 9.9999e-5, 1e8, 1e10,
          1.5e-7, 65504.0, np.inf, -np.inf, np.nan, 1e30, -7e-30, 16777217.0, 0.000123456785)
INF64 = (1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1e23, 9.5e-5, 12345678.5)
ORT_LOCALE = "C.utf8"
SEED = 5

rng = np.random.default_rng(SEED)


def text(most=9):
    return "".join(rng.choice(list(LETTERS), rng.integers(0, most + 1)))


def texts(*shape, make=text):
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        array[index] = make()
    return array


def pick(choices, *shape):
    return texts(*shape, make=lambda: choices[rng.integers(len(choices))])


def numbers(dtype, choices, *shape):
    with np.errstate(over="ignore"):
        return rng.choice(np.array(choices, dtype=np.float64), shape).astype(dtype)


def whole(dtype, *shape):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def i64(*values):
    return np.array(values, dtype=np.int64)


class Case:
    """One node on these inputs; those that are not `given` (all are by default) must be constants."""

    def __init__(self, op, *inputs, outputs=1, opset=20, given=None, name="", **attributes):
        self.op, self.inputs, self.outputs, self.opset = op, inputs, outputs, opset
        self.given = range(len(inputs)) if given is None else given
        self.attributes = attributes
        self.name = f"{op} {name} {attributes}"

    def model(self, given):
        infos, weights = [], []
        for i, array in enumerate(self.inputs):
            tensor = numpy_helper.from_array(array, f"x{i}")
            if i in given:
                infos.append(helper.make_tensor_value_info(f"x{i}", tensor.data_type, array.shape))
            else:
                weights.append(tensor)
        names = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, [f"x{i}" for i in range(len(self.inputs))], names,
                                **self.attributes)
        outputs = [onnx.ValueInfoProto(name=name) for name in names]
        graph = helper.make_graph([node], "strings", infos, outputs, weights)
        return helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)])

    def session(self, given):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        return onnxruntime.InferenceSession(self.model(given).SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])

    def results(self, given, feeds):
        return self.session(given).run(None, feeds)

    def write(self, folder, given):
        """The model and its data, with ONNX Runtime's results, whose types the model then has."""
        model = self.model(given)
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        feeds = {f"x{i}": self.inputs[i] for i in given}
        for i, array in enumerate(feeds.values()):
            tensor = numpy_helper.from_array(array)
            (data / f"input_{i}.pb").write_bytes(tensor.SerializeToString())
        for i, array in enumerate(self.results(given, feeds)):
            tensor = numpy_helper.from_array(np.asarray(array))
            (data / f"output_{i}.pb").write_bytes(tensor.SerializeToString())
            model.graph.output[i].CopyFrom(helper.make_tensor_value_info(
                f"y{i}", tensor.data_type, array.shape))
        (folder / "model.onnx").write_bytes(model.SerializeToString())


class Patterns(Case):
    """One node for each pattern."""

    def __init__(self, patterns, texts):
        super().__init__("RegexFullMatch", texts, outputs=len(patterns), name=f"of {patterns}")
        self.patterns = patterns

    def model(self, given):
        model = super().model(given)
        del model.graph.node[:]
        model.graph.node.extend(
            helper.make_node("RegexFullMatch", ["x0"], [f"y{i}"], pattern=pattern)
            for i, pattern in enumerate(self.patterns))
        return model


class Loop(Case):
    """Puts each row of x0 behind a string for each column, and keeps what came of it.

    ONNX Runtime forgets all columns but the first.
    """

    def __init__(self, rows, columns):
        super().__init__("Loop", texts(rows, columns), texts(columns), outputs=2)

    def model(self, given):
        model = super().model(given)
        body = helper.make_graph(
            [helper.make_node("Gather", ["x0", "turn"], ["row"]),
             helper.make_node("StringConcat", ["before", "row"], ["after"]),
             helper.make_node("Identity", ["after"], ["kept"]),
             helper.make_node("Identity", ["on"], ["on_"])], "body",
            [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
             helper.make_tensor_value_info("on", TensorProto.BOOL, []),
             helper.make_tensor_value_info("before", TensorProto.STRING, self.inputs[1].shape)],
            [helper.make_tensor_value_info("on_", TensorProto.BOOL, []),
             helper.make_tensor_value_info("after", TensorProto.STRING, self.inputs[1].shape),
             helper.make_tensor_value_info("kept", TensorProto.STRING, self.inputs[1].shape)])
        del model.graph.node[:]
        model.graph.node.append(helper.make_node("Loop", ["trips", "", "x1"], ["y0", "y1"],
                                                 body=body))
        model.graph.initializer.append(numpy_helper.from_array(
            np.array(len(self.inputs[0]), dtype=np.int64), "trips"))
        return model


    def results(self, given, feeds):
        kept = np.cumsum(np.vstack([self.inputs[1], self.inputs[0]]), axis=0)[1:]
        return kept[-1], kept


class Expression:
    """Random regular expressions over a few letters."""

    LETTERS = list("aabbkKsAß_ 0\n") + ["é", "Σ", "ς", "ſ", "😀", "\\.", "-"]
    CLASSES = ["a-c", "k", "A-Z", "0-9", "é", "\\d", "\\w", "\\s", "\\W", "[:alpha:]", "[:^digit:]",
               "α-ω", "\\n", "😀-😂", "_", "s"]
    SIMPLE = [".", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "^", "$", "\\b", "\\B", "\\A", "\\z"]
    GROUPS = ["(", "(?:", "(?P<x>", "(?i:", "(?s:", "(?m:", "(?i-s:", "(?-i:"]
    REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,3}", "{1,}", "{2,4}?", "{0}"]

    def atom(self, depth):
        kind = rng.random()
        if kind < 0.5 or depth == 0:
            return rng.choice(self.LETTERS)
        if kind < 0.65:
            parts = rng.choice(self.CLASSES, rng.integers(1, 4))
            return "[" + rng.choice(["", "^"]) + "".join(parts) + "]"
        if kind < 0.8:
            return rng.choice(self.SIMPLE)
        return rng.choice(self.GROUPS) + self.choice(depth - 1) + ")"

    def repeat(self, depth):
        return self.atom(depth) + (rng.choice(self.REPEATS) if rng.random() < 0.35 else "")

    def choice(self, depth=3):
        lists = ["".join(self.repeat(depth) for _ in range(rng.integers(0, 5)))
                 for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        return "|".join(lists)

    def pattern(self):
        return rng.choice(["", "", "(?i)", "(?m)", "(?s)"]) + self.choice()


def takes(pattern):
    """Whether ONNX Runtime takes it: repetitions may exceed its limits."""
    try:
        Patterns([pattern], texts(1)).session(())
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        return False
    return True


def subject(most=6):
    return "".join(rng.choice(Expression.LETTERS, rng.integers(0, most))).replace("\\", "")


def patterns(n):
    """Those that ONNX Runtime takes."""
    return list(filter(takes, (Expression().pattern() for _ in range(n))))


def matches():
    yield Patterns(patterns(80), texts(500, make=subject))


class Tokens(Case):
    """One node for each set of attributes."""

    def __init__(self, choices, strings):
        super().__init__("Tokenizer", strings, outputs=len(choices), name=f"of {choices}")
        self.choices = choices

    def model(self, given):
        model = super().model(given)
        del model.graph.node[:]
        for i, attributes in enumerate(self.choices):
            model.graph.node.append(helper.make_node(
                "Tokenizer", ["x0"], [f"y{i}"], domain="com.microsoft",
                **{"mark": i % 2, "mincharnum": 1, "pad_value": "-é", **attributes}))
        return model


def tokenizes(attributes, strings):
    """Whether ONNX Runtime does: it may look behind the end after a match of nothing."""
    try:
        Tokens([attributes], strings).results([0], {"x0": strings})
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return False
    return True


def tokens():
    simple = [{"separators": [""]}, {"tokenexp": "."}, {"tokenexp": "(.)"},
              {"separators": [" ", ","], "tokenexp": "."}, {"separators": [",", "", " "]},
              {"separators": ["ab|aBz|a"], "mincharnum": 2}, {"tokenexp": "a|ab|(?i)abb"},
              {"tokenexp": "\\w+?", "mincharnum": 3}, {"separators": ["a*"]},
              {"separators": ["[,.]", "^ *", "^B", "a$"]}, {"tokenexp": "\\ba*"},
              {"separators": ["\\b"]}, {"separators": ["$"]}, {"tokenexp": "^a"}]
    for strings in (texts(3, 4, make=lambda: text(20)), texts(3, make=lambda: "")):
        yield Tokens(simple, strings)
    drawn = [{"tokenexp": pattern} for pattern in patterns(40) if pattern] + [
        {"separators": patterns(rng.integers(1, 4)) + ["a"]} for _ in range(40)]
    for attributes in drawn:
        attributes["mincharnum"] = 1 if rng.random() < 0.6 else int(rng.integers(2, 4))
        if attributes.get("tokenexp") == "." or attributes.get("separators") == [""]:
            attributes["mincharnum"] = 1
    strings = texts(25, 4, make=lambda: subject(16))
    yield Tokens([attributes for attributes in drawn if tokenizes(attributes, strings)], strings)


def movements():
    x, y = texts(3, 4), texts(3, 4)
    yield Case("Identity", x)
    yield Case("Identity", texts(0, 3), name="of nothing")
    yield Case("Reshape", x, i64(2, -1), given=[0])
    yield Case("Transpose", texts(2, 3, 4), perm=[2, 0, 1])
    yield Case("Concat", x, texts(2, 4), texts(0, 4), axis=0)
    yield Case("Concat", x, y, axis=-1)
    yield Case("Gather", x, i64(2, -1, 0), axis=1)
    yield Case("GatherElements", x, rng.integers(0, 3, (2, 4)), axis=0)
    yield Case("GatherND", x, rng.integers(0, 3, (5, 2)))
    yield Case("ScatterElements", x, rng.permutation(8).reshape(2, 4) % 3, texts(2, 4), axis=0)
    yield Case("ScatterND", x, i64(2, 0).reshape(2, 1), texts(2, 4))
    yield Case("Slice", x, i64(2, -1), i64(-9, -9), i64(0, 1), i64(-1, -2), given=[0])
    yield Case("Split", texts(5, 4), i64(2, 3), outputs=2, given=[0])
    yield Case("Squeeze", texts(1, 3, 1), i64(0), given=[0])
    yield Case("Unsqueeze", x, i64(1), given=[0])
    yield Case("Expand", texts(3, 1), i64(2, 3, 4), given=[0])
    yield Case("Tile", x, i64(2, 3), given=[0])
    yield Case("Where", rng.random((3, 4)) < 0.5, x, texts(4))
    yield Case("Compress", x, rng.random(4) < 0.5, axis=1)
    yield Case("OneHot", rng.integers(0, 3, 4), i64(3), np.array(["", "ön"], dtype=object),
               given=[0, 2])
    yield Case("Shape", x)
    yield Case("Size", x)
    yield Case("ReverseSequence", x, i64(1, 3, 2), batch_axis=0, time_axis=1)
    yield Case("Unique", pick(["b", "", "a\0", "a", "é", "z"], 3, 5), outputs=4)
    yield Case("Unique", pick(["b", ""], 6, 2), outputs=4, axis=0, sorted=0)
    yield Case("Equal", pick(["b", "", "b\0", "é"], 3, 5), pick(["b", "", "b\0", "é"], 5))
    yield Case("TfIdfVectorizer", pick(["a", "é", ""], 3, 7), opset=9, mode="TF", min_gram_length=1,
               max_gram_length=2, max_skip_count=1, ngram_counts=[0, 2], ngram_indexes=[0, 1, 2, 3],
               pool_strings=["a", "é", "a", "é", "é", ""])


def operators():
    words = ["Monday", "tuesday", "MONDAY", "", "Äß", "äß", "ŁÓDŹ", "Σίσυφος", "жук", "Я\0Ж"]
    stop = ["monday", "ÄSS", "äß", "ЖУК"]
    yield Case("StringConcat", texts(2, 3, 4), texts(3, 1))
    yield Case("StringConcat", texts(), texts(3))
    yield Case("StringConcat", texts(0, 3), texts(3))
    for attributes in ({"delimiter": ","}, {"delimiter": " "}, {"delimiter": "aa"}, {},
                       {"delimiter": "", "maxsplit": 1}, {"delimiter": ",", "maxsplit": 2},
                       {"delimiter": "ж", "maxsplit": 0}, {"delimiter": ",", "maxsplit": -1}):
        # ONNX Runtime takes spaces alone for white space.
        split = [text(20).replace("\t", ",") for _ in range(8)]
        yield Case("StringSplit", pick(split, 2, 5), outputs=2, **attributes)
    yield Case("StringSplit", texts(3, 0), outputs=2, delimiter=",")
    yield Case("StringSplit", pick([""], 3), outputs=2, delimiter=",")
    for action in "NONE", "LOWER", "UPPER":
        for sensitive in 0, 1:
            yield Case("StringNormalizer", pick(words, 12), opset=10, locale=ORT_LOCALE,
                       case_change_action=action, is_case_sensitive=sensitive, stopwords=stop)
        yield Case("StringNormalizer", pick(words, 1, 9), opset=10, locale=ORT_LOCALE,
                   case_change_action=action)
        points = [chr(code) for code in range(1, 0x11000) if not 0xD800 <= code < 0xE000]
        yield Case("StringNormalizer", np.array(points, dtype=object), opset=10, locale=ORT_LOCALE,
                   case_change_action=action, name="of code points")
    yield Case("StringNormalizer", pick(["monday"], 3), opset=10, locale=ORT_LOCALE,
               stopwords=["Monday"], name="of stopwords")
    yield Loop(4, 3)


def casts():
    for dtype in np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64:
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        yield Case("Cast", whole(dtype, 3, 5), to=TensorProto.STRING, name=dtype.__name__)
        yield Case("Cast", pick(INTEGERS, 30), to=to)
    for dtype in np.float16, np.float32, np.float64:
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        choices = FLOATS + INF64 if dtype == np.float64 else FLOATS
        yield Case("Cast", numbers(dtype, choices, 50), to=TensorProto.STRING, name=dtype.__name__)
        bits = {np.float16: np.uint16, np.float32: np.uint32, np.float64: np.uint64}[dtype]
        yield Case("Cast", whole(bits, 500).view(dtype), to=TensorProto.STRING,
                   name=f"of any {dtype.__name__}")
        yield Case("Cast", pick(NUMBERS, 60), to=to)
        yield Case("Cast", np.array([repr(x) for x in numbers(
            np.float64, rng.standard_normal(99) * 10.0 ** rng.integers(-30, 30, 99), 300).tolist()],
            dtype=object), to=to, name="of digits")
    yield Case("Cast", rng.random(6) < 0.5, to=TensorProto.STRING)
    yield Case("Cast", pick(INTEGERS, 20), to=TensorProto.BOOL)
    yield Case("Cast", texts(4), to=TensorProto.STRING)
    yield Case("CastLike", pick(NUMBERS, 5), np.zeros(1, dtype=np.float32))


def check(root, number, case):
    inputs, constants = root / f"{number}_inputs", root / f"{number}_constants"
    case.write(inputs, case.given)
    case.write(constants, ())
    faults = []
    for folder, *flags in ((inputs, "-O0"), (inputs, "-O3", "--single-file"), (constants, "-O3")):
        result = onnxc("test", "--rtol", "0", "--atol", "0", *flags, folder)
        if result.returncode:
            faults.append(f"{case.name} {flags}: {result.stdout}{result.stderr}")
    return faults


def main():
    cases = [*movements(), *operators(), *casts(), *matches(), *tokens()]
    with tempfile.TemporaryDirectory() as root:
        check_each("strings", enumerate(cases), lambda item: check(Path(root), *item))


if __name__ == "__main__":
    main()
