"""The views of `onnxc inspect` on models with what is hard to show: symbolic sizes computed from
shapes, branches, names that could break the format. The onnx view is run beside the model itself.
"""
import json
import re
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import onnxc

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
NASTY = 'a"</script>\\n*/ %s \u202e'


def model(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "views", inputs, outputs, initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def sizes_model():
    """Flattens [batch, seq, 4] to [batch*seq/2, 8] through Shape, Gather, Mul, Div and Concat."""
    node = helper.make_node
    return model(
        [node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "zero"], ["batch"], axis=0),
         node("Gather", ["shape", "one"], ["seq"], axis=0),
         node("Mul", ["batch", "seq"], ["product"]), node("Div", ["product", "two"], ["half"]),
         node("Concat", ["half", "eight"], ["target"], axis=0),
         node("Reshape", ["x", "target"], ["flat"]), node("Neg", ["flat"], ["y"]),
         node("Cast", ["target"], ["size"], to=TensorProto.INT32)],
        [helper.make_tensor_value_info("x", FLOAT, ["batch", "seq", 4])],
        [helper.make_tensor_value_info("y", FLOAT, [None, 8]),
         helper.make_tensor_value_info("size", TensorProto.INT32, [2])],
        [numpy_helper.from_array(np.array([value], dtype=np.int64), name)
         for name, value in (("zero", 0), ("one", 1), ("two", 2), ("eight", 8))])


def branches_model():
    """Both branches use an outer value, and one of them an initializer of its own."""
    info = helper.make_tensor_value_info
    then = helper.make_graph([helper.make_node("Add", ["n", "bias"], ["sum"])], "then", [],
                             [info("sum", FLOAT, None)],
                             [numpy_helper.from_array(np.float32([1, 2, 3]), "bias")])
    other = helper.make_graph([helper.make_node("Abs", ["n"], ["abs"])], "else", [],
                              [info("abs", FLOAT, None)])
    return model([helper.make_node("Neg", ["x"], ["n"]),
                  helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
                 [info("x", FLOAT, ["batch", 3]), info("c", BOOL, [])], [info("y", FLOAT, [None, 3])])


def nasty_model():
    return model([helper.make_node("Neg", [NASTY], ["y"], name=NASTY)],
                 [helper.make_tensor_value_info(NASTY, FLOAT, [2])],
                 [helper.make_tensor_value_info("y", FLOAT, [2])])


def strings_model():
    """What becomes operators of the compiler's own: patterns, and numbers as text."""
    info, node = helper.make_tensor_value_info, helper.make_node
    return model([node("RegexFullMatch", ["x"], ["found"], pattern="[0-9]+|é"),
                  node("Cast", ["n"], ["text"], to=TensorProto.STRING),
                  node("Cast", ["n_text"], ["number"], to=TensorProto.INT32)],
                 [info("x", TensorProto.STRING, [3]), info("n", INT64, [2]),
                  info("n_text", TensorProto.STRING, [2])],
                 [info("found", BOOL, [3]), info("text", TensorProto.STRING, [2]),
                  info("number", TensorProto.INT32, [2])])


needs_if = unittest.skipUnless("If" in onnxc("ops").stdout.split(), "no operator takes graphs")


class Page(HTMLParser):
    """Collects the text of the script elements."""

    def __init__(self, text):
        super().__init__()
        self.scripts = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data


class Views(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def view(self, of, *arguments):
        onnx.save(of, self.folder / "model.onnx")
        result = onnxc("inspect", self.folder / "model.onnx", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def same_results(self, of, inputs, *arguments):
        """The onnx view computes what the model computes, and keeps its interface."""
        path = self.folder / "view.onnx"
        self.view(of, "--format", "onnx", "-o", path, *arguments)
        again = onnx.load(path)
        onnx.checker.check_model(again, full_check=True)
        names = [[value.name for value in graph.input] + [value.name for value in graph.output]
                 for graph in (of.graph, again.graph)]
        self.assertEqual(*names)
        expected = ReferenceEvaluator(of).run(None, inputs)
        for got, wanted in zip(ReferenceEvaluator(again).run(None, inputs), expected, strict=True):
            self.assertEqual(got.dtype, wanted.dtype)
            np.testing.assert_array_equal(got, wanted)
        return again

    def test_sizes_as_onnx(self):
        for batch, seq in ((2, 3), (5, 4), (0, 6)):
            x = np.arange(batch * seq * 4, dtype=np.float32).reshape(batch, seq, 4)
            self.same_results(sizes_model(), {"x": x})
            self.same_results(sizes_model(), {"x": x}, "--before")

    @needs_if
    def test_branches_as_onnx(self):
        x = np.float32([[1, -2, 3]])
        for condition in (True, False):
            inputs = {"x": x, "c": np.array(condition)}
            self.same_results(branches_model(), inputs)
            self.same_results(branches_model(), inputs, "--before")

    def test_strings_as_onnx(self):
        self.same_results(strings_model(), {"x": np.array(["12", "é", "a"], dtype=object),
                                            "n": np.int64([-7, 2**40]),
                                            "n_text": np.array(["-1", "300"], dtype=object)})

    def test_constant_outputs_keep_their_names(self):
        node, info = helper.make_node, helper.make_tensor_value_info
        made = model([node("Neg", ["c"], ["y"]), node("Neg", ["y"], ["z"]),
                      node("Add", ["x", "y"], ["w"]), node("Identity", ["x"], ["same"])],
                     [info("x", FLOAT, [2])],
                     [info(name, FLOAT, [2]) for name in ("y", "w", "z", "same")],
                     [numpy_helper.from_array(np.float32([1, 2]), "c")])
        self.same_results(made, {"x": np.float32([3, 4])})
        self.same_results(made, {"x": np.float32([3, 4])}, "--before")

    def test_oldest_opset(self):
        again = self.same_results(sizes_model(), {"x": np.zeros((2, 3, 4), np.float32)})
        self.assertEqual((again.opset_import[0].version, again.ir_version), (18, 8))

    def test_symbols_in_json(self):
        flags = ("--format", "json", "--dim", "batch=1..4", "--dim", "seq=2")
        view = json.loads(self.view(sizes_model(), *flags))
        self.assertEqual(view["nodes"], 9)
        self.assertIn({"name": "batch", "lo": 1, "hi": 4}, view["sizes"])
        self.assertEqual(view["graph"]["inputs"][0]["type"], "f32[batch, 2, 4]")

    def test_json_before_needs_no_bounds(self):
        view = json.loads(self.view(sizes_model(), "--format", "json", "--before"))
        self.assertEqual(len(view["graph"]["nodes"]), 9)
        self.assertNotIn("steps", view)

    def test_names_are_data(self):
        view = json.loads(self.view(nasty_model(), "--format", "json"))
        self.assertEqual(view["graph"]["inputs"][0]["name"], NASTY)
        page = Page(self.view(nasty_model(), "--format", "html"))
        self.assertEqual(len(page.scripts), 2)
        self.assertEqual(json.loads(page.scripts[0])["graph"]["inputs"][0]["name"], NASTY)

    @needs_if
    def test_branches_in_dot(self):
        self.assertIn("subgraph", self.view(branches_model(), "--format", "dot"))

    def test_dot(self):
        text = self.view(nasty_model(), "--format", "dot")
        self.assertEqual(re.sub(r'"[^"]*"', "", text).count('"'), 0)
        self.assertEqual(text.count("->"), 2)

    def test_text(self):
        text = self.view(sizes_model(), "--dim", "batch=1", "--dim", "seq=2")
        for part in ("input  x: f32[1, 2, 4]", "Passes", "Steps", "Memory", "lower bound"):
            self.assertIn(part, text)

    def test_peak(self):
        """Of a, b and c three are in use when the sum is taken; the bound is reached."""
        info, node = helper.make_tensor_value_info, helper.make_node
        made = model([node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["b"]),
                      node("MatMul", ["a", "b"], ["c"]), node("MatMul", ["c", "b"], ["y"])],
                     [info("x", FLOAT, [8, 8])], [info("y", FLOAT, [8, 8])],
                     [numpy_helper.from_array(np.ones((8, 8), np.float32), "w")])
        view = json.loads(self.view(made, "--format", "json", "-O1"))
        memory, buffers = view["memory"], view["buffers"]
        peak = [buffers[i] for i in memory["peak"]["buffers"]]
        self.assertEqual(memory["peak"]["steps"], [2])
        for name in "abc":
            self.assertIn(name, [b["name"] for b in peak])
        self.assertEqual(memory["peak"]["bytes"], sum(b["bytes"] for b in peak))
        self.assertEqual(memory["peak"]["bytes"], memory["arena_bytes"])
        self.assertTrue(all(b["first"] <= 2 <= b["last"] for b in peak))
        text = self.view(made, "-O1")
        self.assertIn("bytes in use at step 2\n", text)

    def test_smaller_bounds(self):
        """Each row is what a compilation with those bounds gives."""
        info, node = helper.make_tensor_value_info, helper.make_node
        made = model([node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])],
                     [info("x", FLOAT, ["batch", "seq", 32])], [info("y", FLOAT, ["batch", "seq", 32])],
                     [numpy_helper.from_array(np.ones((32, 32), np.float32), "w")])
        flags = ("--dim", "batch=1..9", "--dim", "seq=2..4")
        rows = json.loads(self.view(made, "--format", "json", *flags))["memory"]["smaller"]
        bounds = [[(s["name"], s["lo"], s["hi"]) for s in row["sizes"]] for row in rows]
        self.assertEqual(bounds, [[("batch", 1, hi), ("seq", 2, seq)]
                                  for hi, seq in ((5, 3), (3, 2), (2, 2), (1, 2))])
        for row, sizes in zip(rows, bounds):
            small = [word for name, lo, hi in sizes for word in ("--dim", f"{name}={lo}..{hi}")]
            alone = json.loads(self.view(made, "--format", "json", *small))["memory"]
            self.assertEqual(row["arena_bytes"], alone["arena_bytes"])
        self.assertGreater(rows[0]["arena_bytes"], rows[-1]["arena_bytes"])
        text = self.view(made, *flags).partition("\nSmaller bounds\n")[2]
        self.assertEqual(len(text.splitlines()), 1 + len(rows))
        self.assertRegex(text, f"1/2 +{rows[0]['arena_bytes']:,}  batch=1..5  seq=2..3\n")

    def test_smaller_bounds_are_at_most_8(self):
        flags = ("--dim", "batch=3", "--dim", "seq=2..1000000", "--dim", "seq=0..4096")
        memory = json.loads(self.view(sizes_model(), "--format", "json", *flags))["memory"]
        self.assertEqual([row["sizes"] for row in memory["smaller"]],
                         [[{"name": "seq", "lo": 0, "hi": 4096 >> k}] for k in range(1, 9)])

    def test_no_bounds_no_smaller_ones(self):
        flags = ("--dim", "batch=3", "--dim", "seq=2")
        memory = json.loads(self.view(sizes_model(), "--format", "json", *flags))["memory"]
        self.assertEqual(memory["smaller"], [])
        self.assertNotIn("Smaller", self.view(sizes_model(), *flags))

    def test_smaller_bounds_may_be_impossible(self):
        """The weights ask for a size of 16, which half of the range leaves, but a quarter not."""
        info = helper.make_tensor_value_info
        made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", FLOAT, [2, "n"])],
                     [info("y", FLOAT, [2, 3])],
                     [numpy_helper.from_array(np.ones((16, 3), np.float32), "w")])
        view = json.loads(self.view(made, "--format", "json", "--dim", "n=8..24"))
        rows = [row["arena_bytes"] for row in view["memory"]["smaller"]]
        self.assertEqual([row is None for row in rows], [False, True, True, True, True])
        text = self.view(made, "--dim", "n=8..24").splitlines()
        self.assertEqual(sum("not possible  n=8.." in line for line in text), 4)

    def test_output_is_whole_or_absent(self):
        onnx.save(nasty_model(), self.folder / "model.onnx")
        path = self.folder / "model.onnx"
        result = onnxc("inspect", path, "--format", "json", "-o", path)
        self.assertEqual(result.returncode, 5)
        onnx.load(path)


if __name__ == "__main__":
    unittest.main()
