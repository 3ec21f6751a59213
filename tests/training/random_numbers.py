"""Random operators: their distributions, that nodes, turns of loops and seeds differ, that builds
agree, and the generator itself against its description in onnxc_rt.h.

    random_numbers.py FOLDER
"""
import struct
import sys
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import onnxc  # noqa: E402

N = 20000
# Of a test that a right generator passes: with fixed seeds it always or never does.
LEAST_P = 1e-3
FOLDER = Path(sys.argv[1])
UNIFORM = "RandomUniform"


def node(op, inputs=(), output="y", **attributes):
    return helper.make_node(op, list(inputs), output.split(), **attributes)


def run(name, nodes, constants=None, outputs=("y",), flags=()):
    """The outputs of a model without inputs, as the generated C computes them."""
    constants = {key: np.asarray(value) for key, value in (constants or {}).items()}
    graph = helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=o) for o in outputs],
                              [numpy_helper.from_array(value, key) for key, value in constants.items()])
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 22)]), path)
    result = onnxc("run", path, "--output-dir", FOLDER / name, *flags)
    assert result.returncode == 0, result.stderr
    return [np.load(FOLDER / name / f"{output}.npy") for output in outputs]


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def numbers(seed, n, bits):
    """The first uniform numbers of a seed, as described."""
    with np.errstate(over="ignore"):
        gamma = np.uint64(0x9E3779B97F4A7C15)
        start = np.uint64(struct.unpack("<Q", struct.pack("<d", np.float32(seed)))[0])
        stream = mix(mix(start + gamma))
        z = mix(stream + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * gamma)
    return (z >> np.uint64(64 - bits)).astype(np.float64) / 2.0 ** bits


class Distributions(unittest.TestCase):
    def check(self, values, distribution):
        self.assertGreater(stats.kstest(values.astype(np.float64).ravel(), distribution.cdf).pvalue, LEAST_P)

    def test_uniform(self):
        for dtype in (np.float32, np.float64):
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            [y] = run("uniform", [node(UNIFORM, shape=[N], low=-3.0, high=5.0, seed=1.5, dtype=kind)])
            self.assertEqual(y.dtype, dtype)
            self.assertTrue((y >= -3).all() and (y < 5).all())
            self.check(y, stats.uniform(-3, 8))

    def test_is_as_described(self):
        for kind, bits in ((TensorProto.FLOAT, 24), (TensorProto.DOUBLE, 53), (TensorProto.FLOAT16, 11)):
            for seed in (0.0, 7.0, -1.25):
                [y] = run("described", [node(UNIFORM, shape=[40, 5], seed=seed, dtype=kind)])
                np.testing.assert_array_equal(y.ravel().astype(np.float64), numbers(seed, 200, bits))

    def test_normal(self):
        [y] = run("normal", [node("RandomNormal", shape=[4, N // 4], mean=2.0, scale=0.5, seed=3.0)])
        self.check(y, stats.norm(2, 0.5))
        self.assertAlmostEqual(y.mean(), 2, delta=4 * 0.5 / N ** 0.5)
        self.assertAlmostEqual(y.std(), 0.5, delta=4 * 0.5 / (2 * N) ** 0.5)
        self.assertLess(abs(np.corrcoef(y.ravel()[:-1], y.ravel()[1:])[0, 1]), 4 / N ** 0.5)

    def test_like(self):
        x = np.zeros((N, 2), np.float64)
        u, n = run("like", [node("RandomUniformLike", ["x"], "u", seed=1.0),
                            node("RandomNormalLike", ["x"], "n", dtype=TensorProto.FLOAT, mean=1.0)],
                   {"x": x}, ("u", "n"))
        self.assertEqual((u.dtype, n.dtype, u.shape, n.shape), (np.float64, np.float32, x.shape, x.shape))
        self.check(u, stats.uniform())
        self.check(n, stats.norm(1, 1))

    def test_bernoulli(self):
        p = np.repeat(np.array([0, 0.1, 0.5, 0.9, 1, np.nan], np.float32), N).reshape(6, N)
        [y] = run("bernoulli", [node("Bernoulli", ["p"], seed=5.0, dtype=TensorProto.INT32)], {"p": p})
        self.assertEqual(y.dtype, np.int32)
        self.assertEqual(sorted(set(y.ravel())), [0, 1])
        self.assertEqual([y[0].any(), y[4].all(), y[5].any()], [False, True, False])
        for row, share in zip(y[1:4], (0.1, 0.5, 0.9)):
            self.assertGreater(stats.binomtest(int(row.sum()), N, share).pvalue, LEAST_P)

    def test_multinomial(self):
        share = np.array([[0.1, 0, 0.2, 0.7], [0.25, 0.25, 0.25, 0.25]])
        with np.errstate(divide="ignore"):
            scores = (np.log(share) + [[3], [-200]]).astype(np.float32)
        for kind, dtype in ((TensorProto.INT32, np.int32), (TensorProto.INT64, np.int64)):
            [y] = run("multinomial", [node("Multinomial", ["s"], sample_size=N, dtype=kind)], {"s": scores})
            self.assertEqual((y.dtype, y.shape), (dtype, (2, N)))
            for row, shares in zip(y, share):
                counts = np.bincount(row, minlength=4)
                self.assertEqual(counts[shares == 0].sum(), 0)
                self.assertGreater(stats.chisquare(counts[shares > 0], N * shares[shares > 0]).pvalue, LEAST_P)


class Dropout(unittest.TestCase):
    def drop(self, x, ratio, training=True, **attributes):
        ratio = np.asarray(ratio, x.dtype)
        return run("dropout", [node("Dropout", ["x", "r", "t"], "y mask", **attributes)],
                   {"x": x, "r": ratio, "t": np.array(training)}, ("y", "mask"))

    def test_kept_elements_are_scaled(self):
        x = np.random.default_rng(0).normal(size=(5, N // 5)) + 10
        for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-15), (np.float16, 2e-3)):
            for ratio in (0.1, 0.5, 0.9):
                y, mask = self.drop(x.astype(dtype), ratio, seed=4)
                self.assertEqual((y.dtype, mask.dtype), (dtype, bool))
                self.assertTrue((y[~mask] == 0).all())
                scale = 1 / (1 - float(np.asarray(ratio, dtype)))
                np.testing.assert_allclose(y[mask], x.astype(dtype)[mask] * scale, rtol=tolerance)
                self.assertGreater(stats.binomtest(int(mask.sum()), N, 1 / scale).pvalue, LEAST_P)

    def test_identity(self):
        x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
        x[0, 0] = np.nan
        for ratio, training in ((0, True), (0.7, False)):
            y, mask = self.drop(x, ratio, training)
            np.testing.assert_array_equal(y, x)
            self.assertTrue(mask.all() and mask.shape == x.shape)

    def test_default_ratio(self):
        x = np.ones(N, np.float32)
        nodes = [node("Dropout", ["x", "", "t"])]
        [y] = run("half", nodes, {"x": x, "t": np.array(True)})
        self.assertEqual(sorted(set(y)), [0, 2])
        self.assertGreater(stats.binomtest(int((y > 0).sum()), N, 0.5).pvalue, LEAST_P)

    def test_bad_ratio(self):
        for ratio in (1, -0.5, np.nan):
            with self.assertRaises(AssertionError) as caught:
                self.drop(np.ones(4, np.float32), ratio)
            self.assertIn("must be in [0, 1)", str(caught.exception))

    def test_run_time_ratio(self):
        """A ratio and a mode that only the run knows: the kernel decides, and refuses."""
        x = np.ones(N, np.float32)
        late = [node("RandomUniform", shape=[1], low=0.0, high=1e-9, output="zero"),
                node("Add", ["zero", "r"], "ratio"), node("Less", ["zero", "limit"], "training"),
                node("Dropout", ["x", "ratio", "training"])]
        known = {"x": x, "limit": np.float32(1)}
        [y] = run("late", late, known | {"r": np.float32(0.25)})
        self.assertAlmostEqual((y > 0).mean(), 0.75, delta=4 * (0.1875 / N) ** 0.5)
        [y] = run("late", late, known | {"r": np.float32(2), "limit": np.float32(-1)})
        np.testing.assert_array_equal(y, x)
        with self.assertRaises(AssertionError):
            run("late", late, known | {"r": np.float32(1)})


class Independence(unittest.TestCase):
    def test_nodes_without_seed_differ(self):
        names = ("a", "b", "c", "d")
        drawn = run("nodes", [node(UNIFORM, output=name, shape=[N]) for name in names], outputs=names)
        for i, a in enumerate(drawn):
            for b in drawn[:i]:
                self.assertLess(abs(np.corrcoef(a, b)[0, 1]), 4 / N ** 0.5)
                self.assertFalse((a == b).mean() > 1e-3)

    def test_seeds(self):
        a, b, c = run("seeds", [node(UNIFORM, output=name, shape=[N], seed=seed)
                                for name, seed in (("a", 1.0), ("b", 1.0), ("c", 2.0))], outputs=("a", "b", "c"))
        np.testing.assert_array_equal(a, b)
        self.assertLess(abs(np.corrcoef(a, c)[0, 1]), 4 / N ** 0.5)

    def test_builds_agree(self):
        nodes = [node("RandomNormal", output="a", shape=[50]), node(UNIFORM, output="b", shape=[50]),
                 node("Exp", ["a"], "e"), node("Mul", ["e", "b"])]
        one, *others = [run("builds", nodes, flags=flags)[0]
                        for flags in ((), (), ("-O0",), ("--single-file",), ("--strict-fp",))]
        for other in others:
            np.testing.assert_allclose(one, other, rtol=1e-6)

    def test_turns_differ(self):
        """Two nested loops: every turn draws other numbers, and the node behind them those of its
        seed."""
        draw = helper.make_graph(
            [node("Identity", ["c"], "c1"), node(UNIFORM, shape=[4], output="u", seed=9.0)], "inner",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
            [onnx.ValueInfoProto(name=name) for name in ("c1", "u")])
        outer = helper.make_graph(
            [node("Identity", ["d"], "d1"), node("Loop", ["n", ""], "v", body=draw)], "outer",
            [helper.make_tensor_value_info("j", TensorProto.INT64, []),
             helper.make_tensor_value_info("d", TensorProto.BOOL, [])],
            [onnx.ValueInfoProto(name=name) for name in ("d1", "v")])
        y, z = run("turns", [node("Loop", ["n", ""], body=outer), node(UNIFORM, shape=[4], output="z", seed=9.0)],
                   {"n": np.int64(3)}, ("y", "z"))
        self.assertEqual(y.shape, (3, 3, 4))
        np.testing.assert_array_equal(z, numbers(9.0, 4, 24))
        self.assertEqual(len(set(y.ravel()) | set(z)), 40)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
