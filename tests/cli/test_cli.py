"""The contract of the command line: commands, exit codes, diagnostics, files."""
import json
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
import hostile  # noqa: E402
from support import onnxc  # noqa: E402

COMMANDS = ("compile", "inspect", "run", "test", "bench", "ops", "passes")
PASSED, FAILED, INVALID, UNSUPPORTED, IO, USAGE = 0, 1, 2, 3, 5, 64


def sigmoid_model(dims=(2, 3)):
    return hostile.model(
        [hostile.node("Relu", "x", ("r",), name="first"),
         hostile.node("Sigmoid", "r", name="second")],
        [hostile.value("x", dims=dims)], [hostile.value("y", dims=dims)])


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.model = self.folder / "model.onnx"
        self.out = self.folder / "out"

    def write(self, model):
        self.model.write_bytes(model.SerializeToString())

    def onnxc(self, *arguments, expect=PASSED, **options):
        result = onnxc(*arguments, cwd=self.folder, **options)
        self.assertEqual(result.returncode, expect,
                         f"onnxc {' '.join(map(str, arguments))}\n{result.stdout}{result.stderr}")
        return result

    def written(self):
        return sorted(path.name for path in self.out.iterdir()) if self.out.exists() else []


class Usage(CliTest):
    def test_help_and_version(self):
        self.assertRegex(self.onnxc("--version").stdout, r"^onnxc \d+\.\d+\.\d+")
        overview = self.onnxc("--help").stdout
        for command in COMMANDS:
            self.assertIn(command, overview)
            self.assertIn(f"onnxc {command}", self.onnxc(command, "--help").stdout)

    def test_wrong_usage(self):
        self.write(sigmoid_model())
        for arguments in ((), ("frobnicate",), ("--frobnicate",), ("compile",), ("test",),
                          ("compile", self.model, "--frobnicate"),
                          ("compile", self.model, "-o"),
                          ("compile", self.model, "-O7"),
                          ("compile", self.model, "--dim", "batch"),
                          ("compile", self.model, "--dim", "batch=9..1"),
                          ("compile", self.model, "--name", "../evil"),
                          ("compile", self.model, "-fno-such-pass"),
                          ("inspect", self.model, "--format", "frob")):
            with self.subTest(arguments=arguments):
                result = self.onnxc(*arguments, expect=USAGE)
                self.assertTrue(result.stderr.strip())
                self.assertEqual(result.stdout, "")

    def test_missing_file(self):
        result = self.onnxc("compile", self.model, "-o", self.out, expect=IO)
        self.assertIn(f"{self.model}: ", result.stderr)

    def test_tables(self):
        for table, known in (("ops", "Reshape"), ("passes", "remove-dead")):
            rows = json.loads(self.onnxc(table, "--format", "json").stdout)[table]
            self.assertIn(known, [row["name"] for row in rows])
            self.assertIn(known, self.onnxc(table).stdout)


class Compile(CliTest):
    def test_rules_are_switched_and_counted(self):
        self.write(sigmoid_model())
        flags = ("compile", self.model, "-o", self.out, "--time-report")
        self.assertNotIn("identity", self.onnxc(*flags, "-fno-identity").stderr)
        result = self.onnxc(*flags, "-fno-identiti", expect=USAGE)
        self.assertIn("did you mean 'identity'?", result.stderr)
        for rule in ("identity", "transpose-transpose", "gelu-erf", "transposes"):
            self.assertIn(f"    {rule}\n", self.onnxc("passes").stdout)

    def test_files_and_names(self):
        self.write(sigmoid_model())
        self.onnxc("compile", self.model, "-o", self.out)
        self.assertEqual(self.written(), ["model.c", "model.h"])
        self.onnxc("compile", self.model, "-o", self.out, "--name", "other")
        self.assertEqual(self.written(), ["model.c", "model.h", "other.c", "other.h"])
        header = (self.out / "other.h").read_text()
        for text in ("OTHER_ARENA_BYTES", "OTHER_ARENA_ALIGN", "other_inputs", "other_outputs",
                     "other_run", "[2, 3]"):
            self.assertIn(text, header)

    def test_code_names_its_nodes(self):
        self.write(sigmoid_model())
        self.onnxc("compile", self.model, "-o", self.out)
        code = (self.out / "model.c").read_text()
        self.assertIn("first", code)
        self.assertIn("second", code)

    def test_dynamic_dims_need_bounds(self):
        self.write(sigmoid_model(("batch", 3)))
        result = onnxc("compile", self.model, "-o", self.out)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("--dim batch=", result.stderr)
        self.assertEqual(self.written(), [])
        for flag in ("batch=1..8", "batch=4"):
            self.onnxc("compile", self.model, "-o", self.out, "--dim", flag)

    def test_sizes_that_depend_on_data_need_bounds(self):
        graph = onnx.parser.parse_graph("""g (int64 n, float[b] x, bool[b] c) =>
            (int64[l] y, float[k] z) <int64 zero = {0}, int64 one = {1}, float[1] s = {0}> {
              y = Range(zero, n, one)  w = Compress<axis = 0>(x, c)  t = Cast<to = 7>(w)
              m = ReduceMax<keepdims = 0>(t)  v = Range(zero, m, one)  z = Cast<to = 1>(v) }""")
        self.write(onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10))
        compile_it = ("compile", self.model, "-o", self.out, "--dim", "b=1..4")
        result = self.onnxc(*compile_it, expect=UNSUPPORTED)
        self.assertIn("--dim n_value=LO..HI", result.stderr)
        self.assertIn("--dim v_size0=0..HI", result.stderr)
        result = self.onnxc(*compile_it, "--dim", "n_value=0..9", expect=UNSUPPORTED)
        self.assertNotIn("n_value", result.stderr)
        bounds = ("--dim", "n_value=0..9", "--dim", "v_size0=0..9")
        self.onnxc(*compile_it, *bounds)
        result = self.onnxc(*compile_it, *bounds, "--dim", "v_siez0=3", expect=USAGE)
        self.assertIn("did you mean 'v_size0'?", result.stderr)
        self.onnxc(*compile_it, *bounds, "--dim", "n_value=-2..9")
        self.onnxc("compile", self.model, "--dim", "b=-1..4", *bounds, expect=USAGE)

    def test_run_finds_sizes_that_depend_on_data(self):
        graph = onnx.parser.parse_graph("""g (int64 n, float[1] x) => (float[k] y)
            <bool yes = {1}> {
              y = Loop(n, yes, x) <body = b (int64 i, bool c, float[p] u) => (bool d, float[q] w)
                { d = Identity(c)  w = Concat<axis = 0>(u, u) }> }""")
        self.write(onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10))
        for name, array in (("n", np.int64(3)), ("x", np.ones(1, np.float32))):
            np.save(self.folder / name, array)
        result = self.onnxc("run", self.model, "--input", "n=n.npy", "--input", "x=x.npy")
        self.assertIn("y: f32[8] = {1, 1, 1, 1, 1, 1, 1, 1}", result.stdout)

    def test_branches_of_different_rank_are_named(self):
        graph = onnx.parser.parse_graph("""g (bool c, float[2] x) => (float[k] y) <int64 i = {0}> {
            y = If(c) <then_branch = t () => (float[2] a) { a = Neg(x) },
                       else_branch = e () => (float b) { b = Gather(x, i) }> }""")
        self.write(onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10))
        result = self.onnxc("compile", self.model, "-o", self.out, expect=UNSUPPORTED)
        self.assertIn("'a' is f32[2], 'b' is f32[]", result.stderr)

    def test_all_unsupported_are_listed(self):
        self.write(hostile.model([hostile.node("Frobnicate", "x", ("t",), name="a"),
                                  hostile.node("Twiddle", "t", name="b")]))
        result = self.onnxc("compile", self.model, "-o", self.out, expect=UNSUPPORTED)
        self.assertRegex(result.stderr, r"node 'a' \(Frobnicate\): ")
        self.assertRegex(result.stderr, r"node 'b' \(Twiddle\): ")

    def test_all_faults_are_listed(self):
        self.write(hostile.model([hostile.node("Softmax", "x", ("t",), name="a", axis=9),
                                  hostile.node("Softmax", "x", name="b", axis=9)]))
        result = self.onnxc("compile", self.model, "-o", self.out, expect=INVALID)
        for name in ("a", "b"):
            self.assertRegex(result.stderr, rf"(?m)^{re.escape(str(self.model))}: \S.*"
                                            rf"/node '{name}' \(Softmax\): .")

    def test_output_folder_is_a_file(self):
        self.write(sigmoid_model())
        self.out.write_text("mine")
        self.onnxc("compile", self.model, "-o", self.out, expect=IO)
        self.assertEqual(self.out.read_text(), "mine")

    def test_output_that_is_the_model(self):
        self.write(sigmoid_model())
        model = self.folder / "same.c"
        shutil.copy(self.model, model)
        self.onnxc("compile", model, "-o", self.folder, "--name", "same", expect=IO)
        self.assertEqual(model.read_bytes(), self.model.read_bytes())

    def test_full_disk(self):
        self.write(sigmoid_model())
        self.out.mkdir()
        (self.out / "model.h").write_text("old")
        # A limit of one block on file sizes stands for a full disk.
        result = onnxc("compile", self.model, "-o", self.out, preexec_fn=limit_file_size)
        self.assertEqual(result.returncode, IO, result.stderr)
        self.assertEqual(self.written(), ["model.h"])
        self.assertEqual((self.out / "model.h").read_text(), "old")


def limit_file_size():
    import resource
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))


class Inspect(CliTest):
    def test_json(self):
        self.write(sigmoid_model())
        view = json.loads(self.onnxc("inspect", self.model, "--format", "json").stdout)
        self.assertEqual(view["nodes"], 2)
        self.assertLessEqual({"schema", "nodes", "passes", "steps", "memory"}, set(view))
        self.assertLessEqual({"name", "rewrites", "rules"}, set(view["passes"][0]))
        self.assertLessEqual({"arena_bytes", "lower_bound_bytes", "tensor_bytes",
                              "model_order_bytes", "order_optimal"},
                             set(view["memory"]))
        (step,) = view["steps"]
        self.assertEqual(step["kind"], "row")
        self.assertEqual(step["ops"], ["Relu", "Sigmoid"])
        self.assertEqual(step["nodes"], ["first", "second"])
        self.assertLessEqual({"id", "macs", "bytes"}, set(step))

    def test_onnx(self):
        self.write(sigmoid_model())
        path = self.folder / "view.onnx"
        for flags in ((), ("--before",)):
            self.onnxc("inspect", self.model, "--format", "onnx", "-o", path, *flags)
            onnx.checker.check_model(onnx.load(path))

    def test_text(self):
        self.write(sigmoid_model())
        self.assertIn("Sigmoid", self.onnxc("inspect", self.model, "--before").stdout)


class Run(CliTest):
    def setUp(self):
        super().setUp()
        self.write(sigmoid_model())
        self.x = np.array([[-1, 0, 1], [2, 3, -4]], dtype=np.float32)
        self.y = 1 / (1 + np.exp(-np.maximum(self.x, 0)))

    def test_npy_and_pb(self):
        np.save(self.folder / "x.npy", self.x)
        (self.folder / "x.pb").write_bytes(numpy_helper.from_array(self.x).SerializeToString())
        for file in ("x.npy", "x.pb"):
            out = self.folder / f"out.{file}"
            self.onnxc("run", self.model, "--input", f"x={self.folder / file}",
                       "--output-dir", out)
            np.testing.assert_allclose(np.load(out / "y.npy"), self.y, rtol=1e-6)

    def test_wrong_inputs(self):
        np.save(self.folder / "x.npy", self.x[:1])
        result = self.onnxc("run", self.model, "--input", f"x={self.folder / 'x.npy'}",
                            expect=INVALID)
        self.assertIn("x", result.stderr)
        self.assertIn("--input x=", self.onnxc("run", self.model, expect=USAGE).stderr)

    def data_set(self, expected):
        data = self.folder / "test_data_set_0"
        data.mkdir(exist_ok=True)
        for name, array in (("input_0", self.x), ("output_0", expected.astype(np.float32))):
            (data / f"{name}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())

    def test_test(self):
        self.data_set(self.y)
        result = self.onnxc("test", self.folder)
        self.assertRegex(result.stdout, r"\n?1 passed, 0 failed, 0 skipped\n$")
        self.data_set(self.y + 1)
        result = self.onnxc("test", self.folder, expect=FAILED)
        self.assertRegex(result.stdout, r"0 passed, 1 failed, 0 skipped\n$")
        self.onnxc("test", self.folder, "--atol", "2")

    def test_bench(self):
        report = json.loads(self.onnxc("bench", self.model, "--json").stdout)
        self.assertLessEqual({"median_us", "threads", "runs", "arena_bytes", "weight_bytes",
                              "text_bytes"}, set(report))

    def test_bench_steps(self):
        report = json.loads(self.onnxc("bench", self.model, "--steps", "--json").stdout)
        view = json.loads(self.onnxc("inspect", self.model, "--format", "json").stdout)
        self.assertEqual([step["id"] for step in report["steps"]],
                         [step["id"] for step in view["steps"]])
        times = [step["min_us"] for step in report["steps"]]
        self.assertTrue(all(time > 0 for time in times))
        self.assertLessEqual(sum(times), 2 * report["max_us"])
        text = self.onnxc("bench", self.model, "--steps").stdout
        self.assertRegex(text, r"(?s)step +us .*\n +0 +\d")


if __name__ == "__main__":
    unittest.main()
