"""Models that are wrong, hostile or merely strange: CASES, one row each.

A row is a name, the exit codes that are right, and a function that writes the model (and what
belongs to it) into a folder. The expectations are those of the project's table of bad input.
"""
import os
import struct
from collections import namedtuple
from inspect import signature

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

OK, INVALID, UNSUPPORTED, LIMIT = 0, 2, 3, 4
F32, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64

Case = namedtuple("Case", "name exits write")
CASES = []


def case(name, *exits):
    """Declares a row: the function below gives bytes, a ModelProto, or None if it wrote itself."""
    def declare(build):
        def write(folder):
            model = build(folder) if "folder" in signature(build).parameters else build()
            if model is not None:
                data = model if isinstance(model, bytes) else model.SerializeToString()
                (folder / "model.onnx").write_bytes(data)
        CASES.append(Case(name, exits, write))
        return build
    return declare


# --- Building blocks ---------------------------------------------------------------------------

def value(name, dtype=F32, dims=(2, 3)):
    return helper.make_tensor_value_info(name, dtype, dims)


def constant(name, data, dtype=None):
    return numpy_helper.from_array(np.array(data, dtype=dtype), name)


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def graph_of(nodes, inputs=None, outputs=None, initializers=(), name="graph"):
    return helper.make_graph(list(nodes), name, inputs if inputs is not None else [value("x")],
                             outputs if outputs is not None else [value("y")],
                             initializer=list(initializers))


def model(nodes, inputs=None, outputs=None, initializers=(), opset=17, ir=8, **options):
    return helper.make_model(graph_of(nodes, inputs, outputs, initializers),
                             opset_imports=[helper.make_opsetid("", opset)], ir_version=ir,
                             **options)


def relu():
    return model([node("Relu", "x")])


def changed(change):
    """The Relu model after `change`, a function of the ModelProto."""
    proto = relu()
    change(proto)
    return proto


def varint(number):
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(data + bytearray([number]))


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER, NODE_ATTRIBUTE, ATTRIBUTE_GRAPH = 7, 1, 5, 5, 6


# --- The wire ----------------------------------------------------------------------------------

case("empty", INVALID)(lambda: b"")
case("not protobuf", INVALID)(lambda: b"PK\x03\x04 not a model\n")
case("varint of 11 bytes", INVALID)(lambda: b"\x08" + b"\xff" * 10 + b"\x01")
case("tag 0", INVALID)(lambda: relu().SerializeToString() + b"\x00\x00")
case("group", INVALID)(lambda: relu().SerializeToString() + b"\xa3\x06\xa4\x06")
case("length past the end", INVALID)(lambda: relu().SerializeToString() + b"\x3a\x7f\x00")
case("length over 2^31", INVALID)(lambda: b"\x3a" + varint(1 << 32) + b"\x00" * 64)
case("length of 2^64 - 1", INVALID)(lambda: b"\x3a" + varint((1 << 64) - 1) + b"\x00" * 64)

for cut in range(1, len(relu().SerializeToString())):
    case(f"truncated at {cut}", INVALID)(lambda cut=cut: relu().SerializeToString()[:cut])


@case("graphs nested 10,000 deep", LIMIT)
def nested_graphs():
    data = b""
    for _ in range(10000):
        data = field(ATTRIBUTE_GRAPH, data)
        data = field(GRAPH_NODE, field(NODE_ATTRIBUTE, data))
    return field(MODEL_GRAPH, data)


case("a million empty tensors", LIMIT)(
    lambda: field(MODEL_GRAPH, (varint(GRAPH_INITIALIZER << 3 | 2) + b"\x00") * 1000000))
case("80,000 graph fields", INVALID)(
    lambda: relu().SerializeToString() + b"\x3a\x02\x12\x00" * 80000)
case("rank 1000", LIMIT)(
    lambda: model([node("Add", ("x", "w"))], initializers=[
        helper.make_tensor("w", F32, [1] * 1000, [1.0])]))


def with_node_name(name):
    """The Relu model with any bytes as its node's name, which the onnx package would refuse."""
    placeholder = b"n" * len(name)
    proto = changed(lambda m: setattr(m.graph.node[0], "name", placeholder.decode()))
    return proto.SerializeToString().replace(placeholder, name)


case("NUL in a name", INVALID)(lambda: with_node_name(b"four\x00five!"))
case("bad UTF-8 in a name", INVALID)(lambda: with_node_name(b"seventy\xff\xfe\xc0\x80"))


@case("attribute whose type contradicts its field", INVALID)
def contradicting_attribute():
    proto = model([node("LeakyRelu", "x", alpha=0.5)])
    proto.graph.node[0].attribute[0].type = 2  # INT
    return proto


# --- Attributes of ai.onnx.ml ------------------------------------------------------------------

NAN = float("nan")


def learned(op, attributes, **changes):
    """A model of one node: attributes with changes, None for one that is left out."""
    attributes = {k: v for k, v in {**attributes, **changes}.items() if v is not None}
    outputs = ("y", "z") if op.endswith("Classifier") else ("y",)
    kinds = (TensorProto.INT64, F32) if op.endswith("Classifier") else (F32,)
    infos = [value(name, kind, None) for name, kind in zip(outputs, kinds)]
    empty = [name for name, values in attributes.items() if values == []]
    made = node(op, "x", outputs, domain="ai.onnx.ml",
                **{name: attributes[name] for name in attributes if name not in empty})
    made.attribute.extend(helper.make_attribute(name, [], attr_type=AttributeProto.INTS)
                          for name in empty)
    proto = model([made], [value("x")], infos)
    proto.opset_import.add(domain="ai.onnx.ml", version=5 if op == "TreeEnsemble" else 3)
    return proto


def refused(op, attributes, **rows):
    """Each row changes what alone would be a valid model."""
    case(f"{op}, valid", 0)(lambda: learned(op, attributes))
    for what, changes in rows.items():
        case(f"{op}, {what.replace('_', ' ')}", INVALID)(
            lambda changes=changes: learned(op, attributes, **changes))


BRANCHES = {"nodes_treeids": [0] * 5, "nodes_nodeids": list(range(5)), "nodes_values": [0.5] * 5,
            "nodes_modes": ["BRANCH_LEQ", "BRANCH_LT", "LEAF", "LEAF", "LEAF"],
            "nodes_featureids": [0, 2, 0, 0, 0], "nodes_truenodeids": [1, 3, 0, 0, 0],
            "nodes_falsenodeids": [2, 4, 0, 0, 0]}
TREE_FAULTS = {
    "too_few_tree_ids": {"nodes_treeids": [0] * 4},
    "too_few_modes": {"nodes_modes": ["LEAF"]},
    "too_few_values": {"nodes_values": [0.5]},
    "no_values": {"nodes_values": None},
    "too_few_features": {"nodes_featureids": [0]},
    "too_few_children": {"nodes_truenodeids": [1, 3]},
    "too_few_missing_tracks": {"nodes_missing_value_tracks_true": [1]},
    "unknown_mode": {"nodes_modes": ["BRANCH_SIDEWAYS"] * 5},
    "a_node_twice": {"nodes_nodeids": [0, 1, 2, 3, 3]},
    "a_child_that_is_not_there": {"nodes_truenodeids": [1, 77, 0, 0, 0]},
    "a_child_of_another_tree": {"nodes_treeids": [0, 0, 0, 0, 1]},
    "a_node_that_is_its_own_child": {"nodes_truenodeids": [0, 3, 0, 0, 0]},
    "a_cycle": {"nodes_falsenodeids": [2, 0, 0, 0, 0]},
    "a_negative_feature": {"nodes_featureids": [-1, 2, 0, 0, 0]},
    "a_feature_outside": {"nodes_featureids": [0, 3, 0, 0, 0]},
    "a_feature_of_2_to_40": {"nodes_featureids": [1 << 40, 2, 0, 0, 0]},
    "NaN_as_threshold": {"nodes_values": [NAN] * 5},
    "unknown_transform": {"post_transform": "SQUARE"},
    "no_nodes": dict.fromkeys(BRANCHES),
}
WEIGHTS = {"treeids": [0, 0, 0], "nodeids": [2, 3, 4], "ids": [0, 1, 2], "weights": [1.0, 2.0, 3.0]}


def weight_faults(what):
    return {"too_few_weights": {f"{what}_weights": [1.0]},
            "too_few_ids": {f"{what}_ids": [1]},
            "a_weight_of_no_node": {f"{what}_nodeids": [2, 3, 9]},
            "a_weight_of_no_tree": {f"{what}_treeids": [0, 0, 9]},
            "an_id_outside": {f"{what}_ids": [0, 1, 3]},
            "an_id_of_2_to_40": {f"{what}_ids": [0, 1, 1 << 40]},
            "a_negative_id": {f"{what}_ids": [0, 1, -1]},
            "two_base_values": {"base_values": [1.0, 2.0]},
            "weights_in_two_forms": {f"{what}_weights_as_tensor": constant("w", [1.0], "f8")}}


def weights_of(what):
    return {f"{what}_{name}": values for name, values in WEIGHTS.items()}


refused("TreeEnsembleRegressor", {**BRANCHES, **weights_of("target"), "n_targets": 3},
        **TREE_FAULTS, **weight_faults("target"), no_targets={"n_targets": 0},
        targets_left_out={"n_targets": None}, negative_targets={"n_targets": -3},
        unknown_aggregate={"aggregate_function": "MEDIAN"})
refused("TreeEnsembleClassifier",
        {**BRANCHES, **weights_of("class"), "classlabels_int64s": [1, 2, 3]}, **TREE_FAULTS,
        **weight_faults("class"), no_labels={"classlabels_int64s": None},
        two_kinds_of_labels={"classlabels_strings": ["a", "b", "c"]})

SPLITS = {"nodes_featureids": [0, 2], "nodes_modes": constant("m", [0, 6], "u1"), "n_targets": 2,
          "nodes_splits": constant("s", [0.5, 0], "f4"), "nodes_truenodeids": [1, 0],
          "nodes_trueleafs": [0, 1], "nodes_falsenodeids": [2, 1], "nodes_falseleafs": [1, 1],
          "tree_roots": [0], "leaf_targetids": [0, 1, 1],
          "leaf_weights": constant("w", [1, 2, 3], "f4"),
          "membership_values": constant("v", [1, 2, NAN], "f4")}
refused("TreeEnsemble", SPLITS,
        too_few_splits={"nodes_splits": constant("s", [0.5], "f4")},
        too_few_leaf_flags={"nodes_trueleafs": [0]},
        too_few_targets={"leaf_targetids": [0]},
        splits_of_strings={"nodes_splits": constant("s", ["a", "b"], object)},
        modes_of_floats={"nodes_modes": constant("m", [0, 6], "f4")},
        unknown_mode={"nodes_modes": constant("m", [7, 6], "u1")},
        a_cycle={"nodes_truenodeids": [0, 0]},
        a_node_outside={"nodes_truenodeids": [2, 0]},
        a_negative_node={"nodes_truenodeids": [-1, 0]},
        a_leaf_outside={"nodes_falsenodeids": [3, 1]},
        a_negative_leaf={"nodes_falsenodeids": [-1, 1]},
        a_root_outside={"tree_roots": [2]},
        a_negative_root={"tree_roots": [-1]},
        no_tree={"tree_roots": []},
        a_target_outside={"leaf_targetids": [0, 1, 2]},
        a_feature_outside={"nodes_featureids": [0, 3]},
        NaN_as_split={"nodes_splits": constant("s", [NAN, 0], "f4")},
        no_set={"membership_values": None},
        a_set_too_many={"membership_values": constant("v", [1, NAN, 2], "f4")},
        unknown_aggregate={"aggregate_function": 4},
        unknown_transform={"post_transform": 5})
refused("LinearRegressor", {"coefficients": [1.0] * 6, "targets": 2},
        too_few_coefficients={"coefficients": [1.0] * 5}, no_coefficients={"coefficients": None},
        no_targets={"targets": 0}, targets_of_2_to_40={"targets": 1 << 40},
        too_many_intercepts={"intercepts": [1.0] * 3}, unknown_transform={"post_transform": "?"})
refused("LinearClassifier",
        {"coefficients": [1.0] * 9, "intercepts": [1.0] * 3, "classlabels_ints": [1, 2, 3]},
        too_few_coefficients={"coefficients": [1.0] * 8}, no_labels={"classlabels_ints": None},
        too_few_labels={"classlabels_ints": [1, 2]})
refused("SVMRegressor", {"coefficients": [1.0] * 2, "support_vectors": [1.0] * 6, "rho": [0.0],
                         "n_supports": 2, "kernel_type": "RBF", "kernel_params": [0.1, 0, 3]},
        too_few_coefficients={"coefficients": [1.0]}, no_rho={"rho": None},
        too_few_vectors={"support_vectors": [1.0] * 5}, negative_supports={"n_supports": -2},
        no_kernel_parameters={"kernel_params": None}, two_parameters={"kernel_params": [1.0, 2]},
        unknown_kernel={"kernel_type": "COSINE"})
refused("SVMClassifier", {"coefficients": [1.0] * 3, "support_vectors": [1.0] * 9, "rho": [0.0],
                          "vectors_per_class": [1, 2], "classlabels_ints": [4, 5]},
        too_few_coefficients={"coefficients": [1.0]}, too_many_offsets={"rho": [0.0] * 2},
        too_few_vectors={"support_vectors": [1.0] * 8}, one_label={"classlabels_ints": [4]},
        a_negative_number_of_vectors={"vectors_per_class": [-1, 4]},
        vectors_that_overflow={"vectors_per_class": [(1 << 63) - 1] * 2},
        half_of_the_probabilities={"prob_a": [1.0]})
refused("LabelEncoder", {"keys_floats": [1.0, NAN], "values_floats": [2.0, 3.0]},
        too_few_values={"values_floats": [2.0]}, no_keys={"keys_floats": None},
        keys_of_another_type={"keys_floats": None, "keys_int64s": [1, 2]},
        keys_in_two_forms={"keys_int64s": [1, 2]})
refused("Scaler", {"offset": [0.0] * 3, "scale": [1.0] * 3}, another_length={"scale": [1.0] * 2})
refused("Imputer", {"imputed_value_floats": [0.0] * 3, "replaced_value_float": NAN},
        another_length={"imputed_value_floats": [1.0] * 2},
        values_of_another_type={"imputed_value_floats": None, "imputed_value_int64s": [1]})
refused("Normalizer", {"norm": "L1"}, unknown_norm={"norm": "L3"})
refused("FeatureVectorizer", {"inputdimensions": [5]}, another_length={"inputdimensions": [1, 2]},
        negative={"inputdimensions": [-1]}, too_large={"inputdimensions": [1 << 62]})


# --- The model ---------------------------------------------------------------------------------

case("ir_version 0", INVALID)(lambda: changed(lambda m: setattr(m, "ir_version", 0)))
case("ir_version newer than known", UNSUPPORTED)(
    lambda: changed(lambda m: setattr(m, "ir_version", 1000)))
case("no opset_import", INVALID)(lambda: changed(lambda m: m.ClearField("opset_import")))
case("two opset_imports of one domain", INVALID)(
    lambda: changed(lambda m: m.opset_import.add(version=13)))
case("no graph", INVALID)(lambda: changed(lambda m: m.ClearField("graph")))
case("opset newer than known", UNSUPPORTED)(lambda: model([node("Relu", "x")], opset=9999))
case("domain without opset_import", INVALID)(
    lambda: model([node("Relu", "x", domain="com.example")]))


@case("unknown domain", UNSUPPORTED)
def unknown_domain():
    proto = model([node("Relu", "x", domain="com.example")])
    proto.opset_import.add(domain="com.example", version=1)
    return proto


case("unknown operators", UNSUPPORTED)(
    lambda: model([node("Frobnicate", "x", ("t",)), node("Twiddle", "t")]))
case("value produced twice", INVALID)(
    lambda: model([node("Relu", "x"), node("Neg", "x")]))
case("initializer twice", INVALID)(
    lambda: model([node("Add", ("x", "w"))], initializers=[constant("w", [1.0], "f4")] * 2))
case("graph output twice", INVALID)(
    lambda: model([node("Relu", "x")], outputs=[value("y"), value("y")]))
case("graph input twice", INVALID)(
    lambda: model([node("Relu", "x")], inputs=[value("x"), value("x")]))


@case("attribute twice", INVALID)
def attribute_twice():
    proto = model([node("LeakyRelu", "x", alpha=0.5)])
    proto.graph.node[0].attribute.append(proto.graph.node[0].attribute[0])
    return proto


case("attribute unknown to the operator", INVALID)(
    lambda: model([node("Relu", "x", frob=1)]))
case("missing input", INVALID)(lambda: model([node("Add", ("x",))]))
case("excess input", INVALID)(lambda: model([node("Relu", ("x", "x"))]))
case("excess output", INVALID)(lambda: model([node("Relu", "x", ("y", "z"))]))
case("unknown input", INVALID)(lambda: model([node("Add", ("x", "nowhere"))]))
case("output without producer", INVALID)(
    lambda: model([node("Relu", "x")], outputs=[value("y"), value("z")]))
case("cycle", INVALID)(
    lambda: model([node("Add", ("x", "b"), ("a",)), node("Relu", "a", ("b",)),
                   node("Neg", "b")]))
case("unsorted nodes", INVALID)(
    lambda: model([node("Neg", "t"), node("Relu", "x", ("t",))]))


@case("value_info that contradicts inference", INVALID)
def contradicting_value_info():
    proto = model([node("Relu", "x", ("t",)), node("Neg", "t")])
    proto.graph.value_info.append(value("t", F32, (7, 3)))
    return proto


case("declared output that contradicts inference", INVALID)(
    lambda: model([node("Relu", "x")], outputs=[value("y", F32, (3, 2))]))
case("wrong element type", INVALID)(
    lambda: model([node("Add", ("x", "w"))], initializers=[constant("w", [1], "i8")]))


# --- Functions and subgraphs ---------------------------------------------------------------------

def with_functions(functions, nodes):
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    made = [helper.make_function("local", name, ["a"], ["b"], body, imports)
            for name, body in functions]
    proto = helper.make_model(graph_of(nodes), opset_imports=imports, functions=made, ir_version=8)
    return proto


def local(name, inputs, outputs=("y",)):
    return node(name, inputs, outputs, domain="local")


def branch(name, nodes, output="t"):
    return graph_of(nodes, [], [value(output)], name=name)


def if_node(then_branch, else_branch, output="y"):
    return node("If", ("c",), (output,), then_branch=then_branch, else_branch=else_branch)


CONDITION = value("c", TensorProto.BOOL, ())

case("local function", OK)(
    lambda: with_functions([("F", [node("Relu", "a", ("b",))])], [local("F", "x")]))
case("function that calls itself", INVALID)(
    lambda: with_functions([("F", [local("F", "a", ("b",))])], [local("F", "x")]))
case("functions that call each other", INVALID)(
    lambda: with_functions([("F", [local("G", "a", ("b",))]), ("G", [local("F", "a", ("b",))])],
                           [local("F", "x")]))


@case("function that calls itself inside If", INVALID)
def recursion_through_if():
    inner = [branch(name, [local("F", "a", ("t",))]) for name in ("then", "else")]
    true = node("Constant", (), ("c",), value=constant("v", True))
    return with_functions([("F", [true, if_node(*inner, output="b")])], [local("F", "x")])


@case("functions that double 40 times", LIMIT, INVALID)
def exponential_functions():
    bodies = [(f"F{i}", [local(f"F{i + 1}", "a", ("t",)), local(f"F{i + 1}", "t", ("b",))])
              for i in range(40)]
    return with_functions(bodies + [("F40", [node("Relu", "a", ("b",))])], [local("F0", "x")])


def nested_if(depth):
    then_branch = branch("then", [node("Relu", "x", ("r0",))], "r0")
    for level in range(1, depth + 1):
        else_branch = branch("else", [node("Neg", "x", (f"n{level}",))], f"n{level}")
        output = f"r{level}" if level < depth else "y"
        inside = if_node(then_branch, else_branch, output)
        then_branch = branch("then", [inside], output)
    return model([inside], [value("x"), CONDITION])


case("If nested 20 deep", OK, UNSUPPORTED)(lambda: nested_if(20))


def one_if(then_nodes, else_nodes=(node("Neg", "x", ("e",)),), before=(), after=()):
    return model([*before, if_node(branch("then", then_nodes), branch("else", else_nodes, "e")),
                  *after], [value("x"), CONDITION])


case("capture of an unknown value", INVALID)(lambda: one_if([node("Relu", "nowhere", ("t",))]))
case("capture of a later value", INVALID)(
    lambda: one_if([node("Relu", "late", ("t",))], after=[node("Relu", "y", ("late",))]))
case("outer name shadowed", INVALID)(
    lambda: one_if([node("Relu", "x", ("outer",)), node("Neg", "outer", ("t",))],
                   before=[node("Relu", "x", ("outer",))]))
case("branches of different types", INVALID)(
    lambda: one_if([node("Cast", "x", ("t",), to=I64)]))


@case("branches of different numbers of outputs", INVALID)
def uneven_branches():
    uneven = graph_of([node("Relu", "x", ("t",))], [], [value("t"), value("t")], name="then")
    return model([if_node(uneven, branch("else", [node("Neg", "x", ("e",))], "e"))],
                 [value("x"), CONDITION])


@case("Loop of 2^63 - 1 trips with unbounded outputs", UNSUPPORTED)
def unbounded_loop():
    body = helper.make_graph(
        [node("Identity", ("go",), ("on",)), node("Relu", "x", ("scan",))], "body",
        [value("i", I64, ()), value("go", TensorProto.BOOL, ())],
        [value("on", TensorProto.BOOL, ()), value("scan")])
    return model([node("Loop", ("trips", "c"), body=body)], [value("x"), CONDITION],
                 [value("y", F32, ("n", 2, 3))], [constant("trips", 2**63 - 1, "i8")])


# --- Text --------------------------------------------------------------------------------------

def named(names):
    """A chain of Neg nodes whose node and value names are `names`; they are inputs' names too."""
    nodes, last = [], "x"
    for name in names:
        nodes.append(helper.make_node("Neg", [last], [name], name=name))
        last = name
    inputs = [value("x")]
    return model(nodes, inputs, [value(last)])


INJECTIONS = {
    "comment end": "n */ int pwned = 1; /*",
    "backslash newline": "n \\\nint pwned = 1;",
    "newline": "n\nint pwned = 1;\n",
    "carriage return": "n\rint pwned = 1;\r",
    "trigraph": "n ??/\nint pwned = 1;",
    "quotes": "\"; int pwned = 1; //",
    "format": "%s%n%d \\x41 \\",
    "bidi controls": "\u202e\u2066 evil \u2069",
    "line separators": "n\u2028int pwned = 1;\u2029",
    "path": "../../etc/passwd",
    "slash": "/absolute/name",
    "controls": "a\x01\x1b[2Jb\x7f",
}
for what, text in INJECTIONS.items():
    case(f"text: {what}", OK)(lambda text=text: named([text]))
    case(f"graph name: {what}", OK)(
        lambda text=text: changed(lambda m: setattr(m.graph, "name", text)))
    case(f"producer and doc: {what}", OK)(
        lambda text=text: changed(lambda m: (setattr(m, "producer_name", text),
                                             setattr(m, "doc_string", text))))

case("names that collide in C", OK)(lambda: named(
    ["a.b", "a_b", "a b", "a__b", "a/b", "A_B", "int", "main", "__x", "_X", "for", "1", "in",
     "out", "arena", "env", "model_run", "model", "memcpy", "sizeof", "_", "-", "\u00e9"]))
case("name of 1 MB", OK)(lambda: named(["n" * 1000000]))
case("empty node and graph names", OK)(lambda: changed(lambda m: setattr(m.graph, "name", "")))


@case("inputs and outputs that collide in C", OK)
def colliding_interface():
    names = ["a.b", "a_b", "int", "a b", "batch"]
    return model([node("Sum", names, ("for",)), node("Neg", ("for",), ("a.c",)),
                  node("Neg", ("for",), ("a_c",))],
                 [value(name) for name in names],
                 [value(name) for name in ("for", "a.c", "a_c")])


# --- External data -----------------------------------------------------------------------------

def external(location, **keys):
    """x + w, w of 6 floats held in `location`."""
    tensor = TensorProto(name="w", data_type=F32, dims=[2, 3],
                         data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **keys}.items():
        tensor.external_data.add(key=key, value=str(text))
    return model([node("Add", ("x", "w"))], initializers=[tensor])


def weights(path, count=6):
    path.write_bytes(struct.pack(f"<{count}f", *range(count)))


def secret(folder):
    """A file beside the model's folder, which the model must not reach."""
    outside = folder.parent / (folder.name + ".secret")
    weights(outside)
    return outside


@case("external data", OK)
def external_data(folder):
    weights(folder / "w.bin")
    return external("w.bin")


@case("external data of a subfolder", OK)
def external_subfolder(folder):
    (folder / "sub").mkdir()
    weights(folder / "sub/w.bin")
    return external("sub/w.bin", offset=0, length=24)


@case("external data above the folder", INVALID)
def external_parent(folder):
    return external(f"../{secret(folder).name}")


@case("external data by an absolute path", INVALID)
def external_absolute(folder):
    return external(str(secret(folder).resolve()))


@case("external data through a symlink out", INVALID)
def external_symlink(folder):
    (folder / "w.bin").symlink_to(secret(folder))
    return external("w.bin")


@case("external data through a linked folder", INVALID)
def external_linked_folder(folder):
    secret(folder)
    (folder / "sub").symlink_to("..")
    return external(f"sub/{folder.name}.secret")


@case("external data through a hard link", INVALID)
def external_hardlink(folder):
    os.link(secret(folder), folder / "w.bin")
    return external("w.bin")


@case("external data in a FIFO", INVALID)
def external_fifo(folder):
    os.mkfifo(folder / "w.bin")
    return external("w.bin")


case("external data that is missing", INVALID, 5)(lambda: external("nowhere.bin"))
case("external data that is a folder", INVALID)(lambda: external("."))
case("external data without location", INVALID)(lambda: external(""))


@case("external data above the folder, in a Constant", INVALID)
def external_constant(folder):
    tensor = external(f"../{secret(folder).name}").graph.initializer[0]
    return model([node("Constant", (), ("w",), value=tensor), node("Add", ("x", "w"))])


def external_keys(name, **keys):
    @case(f"external data: {name}", INVALID)
    def build(folder):
        weights(folder / "w.bin")
        return external("w.bin", **keys)


external_keys("negative offset", offset=-4)
external_keys("negative length", length=-24)
external_keys("offset past the end", offset=4096, length=24)
external_keys("offset and length overflow", offset=2**63 - 4, length=24)
external_keys("offset over 64 bits", offset=2**70)
external_keys("length of another shape", length=20)
external_keys("length past the end", length=2**40)
external_keys("offset that is no number", offset="zero")
external_keys("unknown key", frobnicate=1)


@case("external data: key twice", INVALID)
def external_key_twice(folder):
    weights(folder / "w.bin")
    proto = external("w.bin", offset=0)
    proto.graph.initializer[0].external_data.add(key="offset", value="4")
    return proto


# --- Tensors -----------------------------------------------------------------------------------

def tensor_model(tensor, op="Add"):
    return model([node(op, ("x", "w"))], initializers=[tensor])


def raw_tensor(data, dims, dtype=F32, **fields):
    return TensorProto(name="w", data_type=dtype, dims=dims, raw_data=data, **fields)


case("dims whose product overflows", INVALID)(
    lambda: tensor_model(raw_tensor(b"", [2**62, 2**62])))
case("dims whose product overflows beside a 0", INVALID)(
    lambda: tensor_model(raw_tensor(b"", [2**62, 2**62, 0])))
case("negative dim", INVALID)(lambda: tensor_model(raw_tensor(b"", [-3])))
case("negative dim of an input", INVALID)(
    lambda: model([node("Relu", "x")], [value("x", F32, (-2, 3))]))
case("raw data too short", INVALID)(lambda: tensor_model(raw_tensor(bytes(20), [2, 3])))
case("raw data too long", INVALID)(lambda: tensor_model(raw_tensor(bytes(28), [2, 3])))
case("two data fields", INVALID)(
    lambda: tensor_model(raw_tensor(bytes(24), [2, 3], float_data=[0.0] * 6)))
case("data of another field", INVALID)(
    lambda: tensor_model(TensorProto(name="w", data_type=F32, dims=[3], int64_data=[1, 2, 3])))
case("too few numbers", INVALID)(
    lambda: tensor_model(TensorProto(name="w", data_type=F32, dims=[2, 3], float_data=[1.0])))
case("int32_data out of range for int8", INVALID)(
    lambda: model([node("Add", ("x", "w"))], [value("x", TensorProto.INT8)],
                  [value("y", TensorProto.INT8)],
                  [TensorProto(name="w", data_type=TensorProto.INT8, dims=[1], int32_data=[300])]))
case("unknown element type", INVALID, UNSUPPORTED)(
    lambda: tensor_model(TensorProto(name="w", data_type=200, dims=[1], raw_data=b"0000")))
case("int4 of 3 elements in 1 byte", INVALID)(
    lambda: model([node("Cast", ("w",), to=F32)], [], [value("y", F32, (3,))],
                  [raw_tensor(b"\x21", [3], TensorProto.INT4)], opset=21, ir=10))
case("zero-sized dim", OK)(
    lambda: model([node("Relu", "x")], [value("x", F32, (0, 3))], [value("y", F32, (0, 3))]))
case("NaN, infinite, denormal and -0 weights", OK)(
    lambda: tensor_model(constant("w", [np.nan, np.inf, -np.inf], "f4")))


def sparse(indices, dims=(2, 3)):
    proto = model([node("Add", ("x", "w"))])
    proto.graph.sparse_initializer.add(
        values=constant("w", [1.0] * len(indices), "f4"), indices=constant("i", indices, "i8"),
        dims=dims)
    return proto


case("sparse indices out of order", INVALID)(lambda: sparse([4, 1]))
case("sparse indices outside", INVALID)(lambda: sparse([1, 6]))
case("sparse indices negative", INVALID)(lambda: sparse([-1, 2]))


# --- Strings -----------------------------------------------------------------------------------

STRING = TensorProto.STRING


def regex(pattern):
    return model([node("RegexFullMatch", "x", pattern=pattern)], [value("x", STRING)],
                 [value("y", TensorProto.BOOL)], opset=20)


case("a pattern that repeats 10^9 times", INVALID)(lambda: regex("(((a{1000}){1000}){1000})"))
case("a pattern of 10,000 groups in groups", LIMIT)(lambda: regex("(" * 10000 + ")" * 10000))
case("a pattern of a million letters", LIMIT)(lambda: regex("a" * 10**6))
case("a pattern of large classes in any case", OK, LIMIT)(lambda: regex("(?i)[!-\uffff]" * 5000))
case("a pattern of nested loops", OK)(lambda: regex("(" * 900 + "a" + "+)" * 900))


@case("a string doubled 60 times", OK)
def doubled_string():
    names = ["s", *(f"s{i}" for i in range(60)), "y"]
    return model([node("StringConcat", (a, a), (b,)) for a, b in zip(names, names[1:])], [],
                 [value("y", STRING, ())], [helper.make_tensor("s", STRING, (), [b"ab"])], opset=20)


@case("60 GB of one string", OK, LIMIT)
def expanded_string():
    return model([node("Expand", ("s", "shape"))], [], [value("y", STRING, (60000,))],
                 [helper.make_tensor("s", STRING, (), [b"a" * 10**6]),
                  constant("shape", [60000], "i8")], opset=20)


@case("a string constant of escapes", OK)
def escaped_string():
    texts = [b'*/ "; int pwned; /* \\', b"??/\n\0%s\\\"", b"\xff\xfe", b"?" * 5000]
    return model([node("Identity", "s")], [], [value("y", STRING, (4,))],
                 [helper.make_tensor("s", STRING, (4,), texts)])


# --- Operators ---------------------------------------------------------------------------------

def with_constants(op, constants, inputs=None, outputs=None, **attributes):
    """One node on x and then on constants: a mapping of names to arrays."""
    tensors = [constant(name, data) for name, data in constants.items()]
    return model([node(op, ["x", *constants], **attributes)], inputs, outputs, tensors)


def integers(*values):
    return np.array(values, dtype=np.int64)


case("Reshape with two -1", INVALID)(lambda: with_constants("Reshape", {"s": integers(-1, -1)}))
case("Reshape to another size", INVALID)(lambda: with_constants("Reshape", {"s": integers(7)}))
case("Softmax of a bad axis", INVALID)(lambda: model([node("Softmax", "x", axis=7)]))
case("Transpose by no permutation", INVALID)(lambda: model([node("Transpose", "x", perm=[0, 0])]))
case("Concat of different sizes", INVALID)(
    lambda: model([node("Concat", ("x", "z"), axis=0)], [value("x"), value("z", F32, (2, 4))],
                  [value("y", F32, None)]))
case("Split whose parts do not sum up", INVALID)(
    lambda: model([node("Split", ("x", "s"), ("y", "z"), axis=1)],
                  outputs=[value("y", F32, None), value("z", F32, None)],
                  initializers=[constant("s", [1, 1], "i8")]))
case("MatMul of sizes that do not match", INVALID)(
    lambda: model([node("MatMul", ("x", "x"))], outputs=[value("y", F32, None)]))
case("shapes that do not broadcast", INVALID)(
    lambda: tensor_model(constant("w", [1.0, 2.0], "f4")))
case("Gather outside", INVALID)(
    lambda: with_constants("Gather", {"i": integers(5)}, outputs=[value("y", F32, None)]))
case("Cast to an unknown type", INVALID)(lambda: model([node("Cast", "x", to=77)]))


def conv(**attributes):
    return model([node("Conv", ("x", "w"), **attributes)], [value("x", F32, (1, 2, 8, 8))],
                 [value("y", F32, None)],
                 [constant("w", np.ones((2, 2, 3, 3)), "f4")])


case("Conv of stride 0", INVALID)(lambda: conv(strides=[0, 1]))
case("Conv of dilation 0", INVALID)(lambda: conv(dilations=[1, 0]))
case("Conv of group 0", INVALID)(lambda: conv(group=0))
case("Conv of group 3", INVALID)(lambda: conv(group=3))
case("Conv of negative padding", INVALID)(lambda: conv(pads=[-9, 0, -9, 0]))
case("Conv of padding near 2^63", INVALID, LIMIT)(lambda: conv(pads=[2**62, 0, 2**62, 0]))
case("Conv with strides of the wrong rank", INVALID)(lambda: conv(strides=[1, 1, 1]))


def constants_only(op, constants, dtype=I64, **attributes):
    """A node on constants alone, its result declared without a shape."""
    tensors = [constant(name, data) for name, data in constants.items()]
    return model([node(op, list(constants), **attributes)], [], [value("y", dtype, None)], tensors)


case("integer division by a constant 0", INVALID)(
    lambda: constants_only("Div", {"a": integers(1), "b": integers(0)}))
case("INT_MIN / -1 of constants", INVALID)(
    lambda: constants_only("Div", {"a": integers(-2**63), "b": integers(-1)}))
case("Range of delta 0", INVALID)(
    lambda: constants_only("Range", {name: np.int64(n) for name, n in
                                     (("start", 0), ("limit", 9), ("delta", 0))}))
case("Range of 2^62 numbers", INVALID, LIMIT)(
    lambda: constants_only("Range", {name: np.int64(n) for name, n in
                                     (("start", 0), ("limit", 2**62), ("delta", 1))}))


@case("10 GB from 100 bytes", OK, LIMIT)
def folding_bomb():
    return model([node("Expand", ("one", "shape"), ("big",)),
                  node("ReduceSum", ("big",), ("sum",), keepdims=0), node("Add", ("x", "sum"))],
                 initializers=[constant("one", [1.0], "f4"), constant("shape", [2500000000], "i8")])


@case("a chain of 100,000 nodes", OK)
def long_chain():
    count = 100000
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    return model([node("Neg", (names[i],), (names[i + 1],)) for i in range(count)])
