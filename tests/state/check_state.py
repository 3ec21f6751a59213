"""Runs models with a state over many steps and compares them with ONNX Runtime, which is given what
it gave before; with gcc and clang, at several levels, and under sanitizers.

    check_state.py RUNTIME_LIBRARY
"""
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import check_each, onnxc  # noqa: E402
from stateful import FULL, INDEX, OK, STATE, Program  # noqa: E402

F32, F16, I64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
BUILDS = {"gcc": (("-O2",), ("gcc", "-O2")),
          "clang": (("-O0",), ("clang", "-O1")),
          "sanitizers": (("-O3", "--single-file"),
                         ("gcc", "-O1", "-g", "-fsanitize=address,undefined",
                          "-fno-sanitize-recover=all"))}
drawn = threading.local()  # the generator of the case at hand


class Graph:
    """Nodes, weights, and which inputs and outputs are the state."""

    def __init__(self, inputs, outputs, states, dims, opset=17, **weights):
        self.inputs, self.outputs, self.states, self.dims = inputs, outputs, states, dims
        self.nodes, self.count, self.opset = [], 0, opset
        self.weights = {name: np.asarray(array) for name, array in weights.items()}

    def __call__(self, op, *inputs, out=None, outputs=1, **attributes):
        """The name of the result; `out` names it."""
        self.count += 1
        names = [out or f"t{self.count}"] if outputs == 1 else out
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def ints(self, *values):
        name = f"c{len(self.weights)}"
        self.weights[name] = np.array(values, np.int64)
        return name

    def model(self):
        graph = helper.make_graph(
            self.nodes, "model",
            [helper.make_tensor_value_info(name, *about) for name, about in self.inputs.items()],
            [helper.make_tensor_value_info(name, dtype, None)
             for name, dtype in self.outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                 ir_version=8 if self.opset == 17 else 11)


def normal(*shape):
    return (drawn.rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)


# ---- models --------------------------------------------------------------------------------------

WIDTH, HEADS, SIZE, WORDS, LONGEST = 12, 3, 4, 9, 40


def heads(g, x, weight, n):
    split = g("Reshape", g("MatMul", x, weight), g.ints(0, 0, n, SIZE))
    return g("Transpose", split, perm=[0, 2, 1, 3])


def attend(g, x, layer, mask, cache):
    """Grouped: one head of K and V for all of Q; the cache may be of f16."""
    def remember(new, name):
        new = g("Cast", new, to=F16) if cache == F16 else new
        all_of = g("Concat", f"{name}.{layer}", new, axis=2, out=f"{name}_next.{layer}")
        return g("Cast", all_of, to=F32) if cache == F16 else all_of
    q = heads(g, x, f"q{layer}", HEADS)
    k = remember(heads(g, x, f"k{layer}", 1), "key")
    v = remember(heads(g, x, f"v{layer}", 1), "value")
    scores = g("Mul", g("MatMul", q, g("Transpose", k, perm=[0, 1, 3, 2])), "scale")
    weights = g("Softmax", g("Add", scores, mask), axis=-1)
    joined = g("Transpose", g("MatMul", weights, v), perm=[0, 2, 1, 3])
    return g("Add", x, g("MatMul", g("Reshape", joined, g.ints(0, 0, WIDTH)), f"o{layer}"))


def causal(g, past, total):
    """What a query may see: all that is not behind it. The past's length is read off a cache."""
    columns = g("Range", "zero", total, "one")
    rows = g("Unsqueeze", g("Range", past, total, "one"), g.ints(1))
    return g("Where", g("LessOrEqual", columns, rows), "allowed", "forbidden")


def decoder(cache=F32, masked=False):
    layers = 2
    inputs = {"words": (I64, ["batch", "seq"])}
    if masked:
        inputs["mask"] = (F32, ["batch", "total"])
    outputs = {"y": F32}
    for layer in range(layers):
        for name in "key", "value":
            inputs[f"{name}.{layer}"] = cache, ["batch", 1, "past", SIZE]
            outputs[f"{name}_next.{layer}"] = cache
    g = Graph(inputs, outputs, {"key.*": "key_next.*", "value.*": "value_next.*"},
              {"batch": "1..2", "seq": "1..5", "past": "0..20", **({"total": "1..24"} if masked else {})},
              table=normal(WORDS, WIDTH), places=normal(LONGEST, WIDTH), zero=np.int64(0),
              one=np.int64(1), allowed=np.float32(0), forbidden=np.float32(-1e9),
              scale=np.float32(SIZE ** -0.5),
              **{f"{name}{layer}": normal(WIDTH, WIDTH if name in "qo" else SIZE)
                 for layer in range(layers) for name in "qkvo"})
    past = g("Gather", g("Shape", "key.0"), g.ints(2))
    past = g("Squeeze", past)
    total = g("Add", past, g("Squeeze", g("Gather", g("Shape", "words"), g.ints(1))))
    mask = causal(g, past, total)
    if masked:
        mask = g("Add", g("Unsqueeze", "mask", g.ints(1, 2)), mask)
    x = g("Gather", "table", "words")
    x = g("Add", x, g("Gather", "places", g("Range", past, total, "one")))
    for layer in range(layers):
        x = attend(g, x, layer, mask, cache)
    g("MatMul", x, "head", out="y")
    g.weights["head"] = normal(WIDTH, WORDS)
    return g


def recurrent():
    g = Graph({"x": (F32, ["seq", "batch", 4]), "h": (F32, [1, "batch", 5]),
               "c": (F32, [1, "batch", 5]), "g": (F32, [1, "batch", 5])},
              {"y": F32, "h_next": F32, "c_next": F32, "g_next": F32},
              {"h": "h_next", "c": "c_next", "g": "g_next"}, {"batch": "1..2", "seq": "1..3"},
              w=normal(1, 20, 4), r=normal(1, 20, 5), b=normal(1, 40), u=normal(1, 15, 5),
              s=normal(1, 15, 5))
    out, *_ = g("LSTM", "x", "w", "r", "b", "", "h", "c", outputs=3, out=["a", "h_next", "c_next"],
                hidden_size=5)
    out = g("Squeeze", out, g.ints(1))
    out, _ = g("GRU", out, "u", "s", "", "", "g", outputs=2, out=["d", "g_next"], hidden_size=5)
    g("Identity", out, out="y")
    return g


def stream():
    """A causal convolution, a running mean in place of its input, and the turns counted."""
    g = Graph({"x": (F32, [1, 3, "seq"]), "window": (F32, [1, 3, 4]), "mean": (F32, [3]),
               "turn": (I64, [1])},
              {"y": F32, "z": F32, "window_next": F32, "mean_next": F32, "turn_next": I64},
              {"window": "window_next", "mean": "mean_next", "turn": "turn_next"}, {"seq": "1..6"},
              kernel=normal(2, 3, 5), table=normal(30, 2), half=np.float32(0.5))
    padded = g("Concat", "window", "x", axis=2)
    g("Conv", padded, "kernel", out="y")
    g("Slice", padded, g.ints(-4), g.ints(1 << 62), g.ints(2), out="window_next")
    mean = g("ReduceMean", "x", axes=[0, 2], keepdims=0)
    g("Mul", g("Add", "mean", mean), "half", out="mean_next")
    next_turn = g("Add", "turn", g.ints(1), out="turn_next")
    g("Slice", "table", "turn", next_turn, out="z")
    return g


def static_cache():
    """Caches of fixed size: rows of one, elements of the other, sums of the last."""
    g = Graph({"x": (F32, [2, "seq", 3, 4]), "at": (I64, ["seq", 1]),
               "places": (I64, [2, 3, "seq", 4]), "k": (F32, [2, 3, 8, 4]),
               "v": (F32, [2, 3, 8, 4]), "sums": (F32, [12])},
              {"y": F32, "k_next": F32, "v_next": F32, "sums_next": F32},
              {"k": "k_next", "v": "v_next", "sums": "sums_next"}, {"seq": "1..3"},
              indices=np.array([[3], [0], [3]]))
    rows = g("Transpose", "x", perm=[1, 0, 2, 3])
    turned = g("Transpose", "k", perm=[2, 0, 1, 3])
    put = g("Reshape", g("ScatterND", turned, "at", rows), g.ints(8, 2, 3, 4))
    g("Transpose", put, perm=[1, 2, 0, 3], out="k_next")
    heads = g("Transpose", "x", perm=[0, 2, 1, 3])
    g("ScatterElements", "v", "places", heads, axis=-2, out="v_next")
    scores = g("MatMul", heads, g("Transpose", "k_next", perm=[0, 1, 3, 2]))
    y = g("MatMul", g("Softmax", scores, axis=-1), "v_next", out="y")
    sums = g("Reshape", g("ReduceMean", y, axes=[0, 2], keepdims=0), g.ints(12))
    first = g("Slice", sums, g.ints(0), g.ints(3), g.ints(0))
    folded = g("Reshape", "sums", g.ints(12))
    g("ScatterND", folded, "indices", first, reduction="add", out="sums_next")
    return g


def ring():
    """The latest keys, in a ring for each sample."""
    g = Graph({"x": (F32, [2, 3, "seq", 4]), "at": (I64, [2]), "k": (F32, [2, 3, 5, 4])},
              {"y": F32, "k_next": F32}, {"k": "k_next"}, {"seq": "1..3"}, opset=24)
    k = g("TensorScatter", "k", "x", "at", axis=2, mode="circular", out="k_next")
    g("MatMul", "x", g("Transpose", k, perm=[0, 1, 3, 2]), out="y")
    return g


# ---- steps ---------------------------------------------------------------------------------------

class Steps:
    """The commands for a program, and what is expected of each."""

    def __init__(self, graph, program):
        self.graph, self.program = graph, program
        self.session = onnxruntime.InferenceSession(graph.model().SerializeToString())
        self.pairs, self.past, self.expected = self.match(), {}, []

    def match(self):
        pairs = {}
        for past, present in self.graph.states.items():
            for name in self.graph.inputs:
                head, _, tail = past.partition("*")
                if name == past or ("*" in past and name.startswith(head) and name.endswith(tail)):
                    star = name[len(head):len(name) - len(tail)]
                    pairs[name] = present.replace("*", star)
        return pairs

    def reset(self, batch=1):
        self.program.reset()
        self.expected.append((OK, {}))
        for name in self.pairs:
            dtype, shape = self.graph.inputs[name]
            sizes = [{"batch": batch, "past": 0}.get(size, size) for size in shape]
            self.past[name] = np.zeros(sizes, helper.tensor_dtype_to_np_dtype(dtype))

    def run(self, code=OK, **inputs):
        """One step; with an error the state stays."""
        sizes = {}
        for name, array in inputs.items():
            sizes |= {size: length for size, length in zip(self.graph.inputs[name][1], array.shape)
                      if isinstance(size, str)}
        outputs = {}
        if code == OK:
            names = list(self.graph.outputs)
            outputs = dict(zip(names, self.session.run(names, inputs | self.past)))
            self.past = {past: outputs.pop(present) for past, present in self.pairs.items()}
        shapes = {name: outputs[name].shape if outputs else (64, 64) for name in
                  self.graph.outputs if name not in self.pairs.values()}
        self.program.run(inputs | sizes, shapes)
        self.expected.append((code, outputs))

    def check(self):
        faults = []
        for i, (wanted, given) in enumerate(zip(self.expected, self.program.finish())):
            if wanted[0] != given[0]:
                faults.append(f"command {i}: code {given[0]}, expected {wanted[0]}")
                continue
            for name, array in wanted[1].items():
                if not np.allclose(given[1][name], array, rtol=1e-3, atol=1e-4):
                    worst = np.abs(given[1][name] - array).max()
                    faults.append(f"command {i}, output {name}: differs by {worst}")
        return faults


def words(batch, n):
    return drawn.rng.integers(0, WORDS, (batch, n))


def many_steps(s, mask=None):
    """Prompts and single words, to the end and again; every fault leaves the state as it was."""
    def run(tokens, code=OK, past=None):
        inputs = {"words": tokens}
        if mask:
            past = s.past["key.0"].shape[2] if past is None else past
            inputs["mask"] = mask(len(tokens), past + tokens.shape[1])
        s.run(code, **inputs)
    s.program.run(*blank(s, mask))
    s.expected.append((STATE, {}))
    for batch in (2, 1):
        s.reset(batch)
        for n in (5, 1, 1, 3):
            run(words(batch, n))
        run(np.full((batch, 2), WORDS), code=INDEX)
        run(words(3 - batch, 1), code=STATE)
        s.program.spoil(0)
        run(words(batch, 1), code=STATE)
        s.program.spoil(0)
        while s.past["key.0"].shape[2] <= 20 - (mask is not None):
            run(words(batch, 2))
        if mask is None:
            run(words(batch, 1), code=FULL)
            run(words(batch, 1), code=FULL)
        s.reset(batch)
        run(words(batch, 4))


def blank(s, mask):
    """A run on memory that no reset has made."""
    inputs = {"words": words(1, 1), "batch": 1, "seq": 1}
    if mask:
        inputs |= {"mask": mask(1, 1), "total": 1}
    return inputs, {"y": (1, 1, WORDS)}


def masked_steps(s):
    many_steps(s, lambda batch, total: -drawn.rng.integers(0, 3, (batch, total)).astype(np.float32))


def recurrent_steps(s):
    for batch in (1, 2):
        s.reset(batch)
        for n in (3, 1, 2, 2):
            s.run(x=normal(n, batch, 4))
        s.run(code=STATE, x=normal(1, 3 - batch, 4))
        s.run(x=normal(1, batch, 4))


def stream_steps(s):
    for _ in range(2):
        s.reset()
        for n in (6, 1, 2, 5, 3, 1):
            s.run(x=normal(1, 3, n))


def static_steps(s):
    """A place outside of the cache: before anything has changed, and behind the first change."""
    def run(*at, places=None, code=OK):
        n = len(at)
        places = at if places is None else places
        s.run(code=code, x=normal(2, n, 3, 4), at=np.array(at)[:, None],
              places=np.broadcast_to(np.array(places)[:, None], (2, 3, n, 4)))
    for _ in range(2):
        s.reset()
        run(0, 1, 2)
        run(3)
        run(8, code=INDEX)
        run(5, -4)
        run(-1, 7)
        run(6, -9, code=INDEX)
        run(2)
        run(1, 2, places=(1, 8), code=INDEX)
        run(3, code=STATE)


def ring_steps(s):
    for _ in range(2):
        s.reset()
        for n, *at in ((3, 0, 2), (1, 3, 5), (2, 4, 6), (3, 6, 8)):
            s.run(x=normal(2, 3, n, 4), at=np.array(at))
        s.run(code=INDEX, x=normal(2, 3, 1, 4), at=np.array((0, -1)))
        s.run(x=normal(2, 3, 1, 4), at=np.array((9, 11)))


CASES = {"decoder": (decoder, many_steps), "f16 cache": (lambda: decoder(F16), many_steps),
         "mask": (lambda: decoder(masked=True), masked_steps),
         "recurrent": (recurrent, recurrent_steps), "stream": (stream, stream_steps),
         "static cache": (static_cache, static_steps), "ring": (ring, ring_steps)}


def check(root, library, case, build):
    drawn.rng = np.random.default_rng(7)
    make, steps = CASES[case]
    flags, compiler = BUILDS[build]
    graph = make()
    folder = Path(root) / f"{case}_{build}".replace(" ", "_")
    folder.mkdir()
    onnx.save(graph.model(), folder / "model.onnx")
    options = [*flags, *(f"--state={past}={present}" for past, present in graph.states.items()),
               *(f"--dim={name}={bounds}" for name, bounds in graph.dims.items())]
    try:
        s = Steps(graph, Program(folder / "out", folder / "model.onnx", options, compiler, library))
        steps(s)
        return [f"{case}, {build}: {fault}" for fault in s.check()]
    except RuntimeError as error:
        return [f"{case}, {build}: {error}"]


def check_refusals(root):
    """Exit codes and messages of pairs that cannot be a state."""
    drawn.rng = np.random.default_rng(7)
    path = Path(root) / "refused.onnx"
    onnx.save(decoder().model(), path)
    dims = [f"--dim={name}={bounds}" for name, bounds in decoder().dims.items()]
    faults = []
    for code, text, *options in (
            (64, "no input 'keys'", "--state=keys=key_next.0"),
            (64, "no output 'next.0'", "--state=key.*=next.*"),
            (64, "PAST=PRESENT", "--state=key.*=key_next.0"),
            (64, "PAST=PRESENT", "--state=key.0"),
            (64, "both 'key.0' and 'value.0'", "--state=key.0=key_next.0",
             "--state=value.0=key_next.0"),
            (2, "'key.0' f32[batch, 1, past, 4] and its next value 'y'", "--state=key.0=y"),
            (3, "no Concat of 'value.0'", "--state=value.0=key_next.0"),
            (2, "add --dim past=0..N", "--state=key.0=key_next.0", "--dim=past=1..9")):
        result = onnxc("compile", path, "-o", root, *dims, *options)
        if result.returncode != code or text not in result.stderr:
            faults.append(f"{options}: exits {result.returncode}, expected {code}: {result.stderr}")
    return faults


def main():
    library, = sys.argv[1:]
    onnxruntime.set_default_logger_severity(3)
    with tempfile.TemporaryDirectory() as root:
        jobs = [lambda case=case, build=build: check(root, library, case, build)
                for case in CASES for build in BUILDS]
        check_each("states", [*jobs, lambda: check_refusals(root)], lambda job: job())


if __name__ == "__main__":
    main()
