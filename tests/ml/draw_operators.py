"""Random nodes of every operator of ai.onnx.ml against ONNX Runtime, many in one model.

    draw_operators.py FOLDER [FIRST_SEED [SEEDS]]

Each seed gives one model for each opset of the domain. What ONNX Runtime does not take (types that
only the specification has) it gets as float, with the result converted back.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc  # noqa: E402

F32, F64, I32, I64, TEXT = np.float32, np.float64, np.int32, np.int64, object
NUMBERS = (F32, F64, I32, I64)
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
WORDS = np.array(["", "a", "b", "ab", "Zürich", "x" * 40, "a b", "c*/"], TEXT)


def pick(r, values):
    return values[r.integers(len(values))]


def shape(r, low=1, high=3):
    return tuple(r.integers(1, 5, r.integers(low, high + 1)))


def rows(r, features, dtype=None):
    """A matrix of features, in halves so that all types hold what ONNX Runtime gets as float."""
    dtype = dtype or pick(r, NUMBERS)
    x = r.integers(-12, 13, (r.integers(1, 80), features)) / 2
    return x.astype(dtype)


def words(r, n):
    return [str(word) for word in r.permutation(WORDS)[:n]]


def floats(r, *size):
    return [float(x) for x in r.normal(size=int(np.prod(size))).astype(F32)]


class Draw:
    """One node. `taken`: the types of input 0 that ONNX Runtime has; others it gets as float."""

    def __init__(self, op, inputs, outputs=1, taken=NUMBERS + (TEXT,), keeps=False, **attributes):
        self.op, self.inputs, self.outputs = op, inputs, outputs
        self.cast = inputs[0].dtype.type not in [np.dtype(t).type for t in taken]
        self.keeps = keeps  # the output has the type of the input
        self.attributes = attributes


# ---- features ---------------------------------------------------------------------------------

def array_feature_extractor(r):
    x = r.integers(-9, 9, shape(r)).astype(pick(r, NUMBERS))
    if r.random() < 0.2:
        x = r.choice(WORDS, shape(r))
    return Draw("ArrayFeatureExtractor", [x, r.integers(0, x.shape[-1], r.integers(1, 6))])


def binarizer(r):
    x = r.integers(-9, 9, shape(r)).astype(pick(r, NUMBERS))
    return Draw("Binarizer", [x], taken=[F32], keeps=True, threshold=float(r.integers(-6, 6) / 2))


def feature_vectorizer(r):
    n, dtype = r.integers(1, 5), pick(r, NUMBERS)
    xs = [r.integers(-9, 9, (n,) + shape(r, 1, 2)).astype(dtype) for _ in range(r.integers(1, 4))]
    sizes = [max(1, int(np.prod(x.shape[1:]) + r.integers(-1, 2))) for x in xs]
    return Draw("FeatureVectorizer", xs, inputdimensions=sizes)


def imputer(r):
    features, dtype = r.integers(1, 5), pick(r, NUMBERS)
    x, n = rows(r, features, dtype), pick(r, [1, features])
    if dtype in (I32, I64):
        return Draw("Imputer", [x], taken=[I64], keeps=True, replaced_value_int64=2,
                    imputed_value_int64s=[int(i) for i in r.integers(-90, 90, n)])
    gap = pick(r, [2.0, float("nan")])
    x[x == 2] = gap
    return Draw("Imputer", [x], taken=[F32], keeps=True, replaced_value_float=gap,
                imputed_value_floats=floats(r, n))


def normalizer(r):
    x = rows(r, r.integers(1, 6))
    x[r.integers(len(x))] = 0
    return Draw("Normalizer", [x], norm=pick(r, ["MAX", "L1", "L2"]))


def scaler(r):
    features = r.integers(1, 6)
    n = pick(r, [1, features])
    return Draw("Scaler", [rows(r, features)], offset=floats(r, n), scale=floats(r, n))


# ---- labels -----------------------------------------------------------------------------------

def mapping(r, dtype, n, unique):
    if dtype is TEXT:
        return words(r, n) if unique else [str(word) for word in r.choice(WORDS, n)]
    if dtype in (F32, F64):
        numbers = r.permutation(20)[:n] / 2 if unique else r.normal(size=n)
        return numbers.astype(dtype)
    return r.permutation(20)[:n].astype(dtype) if unique else r.integers(-99, 99, n).astype(dtype)


KINDS = {F32: "floats", I64: "int64s", TEXT: "strings"}


def as_tensor(values):
    text = isinstance(values[0], str)
    return numpy_helper.from_array(np.array(values, TEXT if text else None))


def keyed(r, keys, dtype):
    """Elements, most of which are keys."""
    pool = np.array(list(keys), TEXT if dtype is TEXT else dtype)
    other = np.array(["other"], TEXT) if dtype is TEXT else np.array([77], dtype)
    return r.choice(np.concatenate([pool, other]), shape(r))


def label_encoder_2(r):
    key, value, n = pick(r, list(KINDS)), pick(r, list(KINDS)), r.integers(1, 8)
    keys, values = mapping(r, key, n, True), mapping(r, value, n, False)
    default = {F32: {"default_float": 1.5}, I64: {"default_int64": -7},
               TEXT: {"default_string": "none"}}[value]
    return Draw("LabelEncoder", [keyed(r, keys, key)], **(default if r.random() < 0.5 else {}),
                **{f"keys_{KINDS[key]}": list(keys), f"values_{KINDS[value]}": list(values)})


def label_encoder_4(r):
    pairs = [(F64, F64), (F64, I64), (F64, TEXT), (I64, F64), (TEXT, F64), (TEXT, np.int16),
             (F32, I64), (TEXT, I64), (I64, I64), (F32, F32), (TEXT, TEXT)]
    key, value = pick(r, pairs)
    n = r.integers(1, 8)
    keys, values = mapping(r, key, n, True), mapping(r, value, n, False)
    x = keyed(r, keys, key)
    if key in (F32, F64):
        keys[0] = np.nan
        x[x == 77] = np.nan
    default = np.array(["none"], TEXT) if value is TEXT else np.array([7], value)
    return Draw("LabelEncoder", [x], keys_tensor=as_tensor(keys), values_tensor=as_tensor(values),
                default_tensor=numpy_helper.from_array(default))


def label_encoder_1(r):
    classes = words(r, r.integers(1, 6))
    x = keyed(r, classes, TEXT) if r.random() < 0.5 else r.integers(-2, 8, shape(r))
    return Draw("LabelEncoder", [x], classes_strings=classes, default_int64=-3, default_string="?")


def category_mapper(r):
    n = r.integers(1, 6)
    texts, ints = words(r, n), [int(i) for i in r.permutation(9)[:n]]
    x = keyed(r, texts, TEXT) if r.random() < 0.5 else keyed(r, ints, I64)
    return Draw("CategoryMapper", [x], cats_strings=texts, cats_int64s=ints, default_int64=-5)


def one_hot_encoder(r):
    n, dtype = r.integers(1, 6), pick(r, NUMBERS + (TEXT,))
    cats = words(r, n) if dtype is TEXT else [int(i) for i in r.permutation(9)[:n]]
    x = keyed(r, cats, dtype).reshape(-1, 1)
    return Draw("OneHotEncoder", [x], taken=[F32, F64, I64, TEXT],
                **{"cats_strings" if dtype is TEXT else "cats_int64s": cats})


# ---- linear models and support vector machines ------------------------------------------------

def labels(r, n, ints="classlabels_ints"):
    if r.random() < 0.3:
        return {"classlabels_strings": words(r, n)}
    return {ints: [int(i) for i in r.permutation(40)[:n]]}


def transform(r, single=False):
    """Without PROBIT where ONNX Runtime leaves an output open."""
    return pick(r, TRANSFORMS[:-1] if single else TRANSFORMS)


def linear_regressor(r):
    features, targets = r.integers(1, 9), r.integers(1, 4)
    more = {"intercepts": floats(r, targets)} if r.random() < 0.7 else {}
    return Draw("LinearRegressor", [rows(r, features)], taken=[F32], targets=int(targets),
                coefficients=floats(r, targets, features), post_transform=transform(r), **more)


def linear_classifier(r):
    features, classes = r.integers(1, 9), r.integers(2, 5)
    n = pick(r, [1, classes]) if classes == 2 else classes
    return Draw("LinearClassifier", [rows(r, features)], 2, post_transform=transform(r, n == 1),
                coefficients=floats(r, n, features), intercepts=floats(r, n), **labels(r, classes))


def kernel(r):
    kind = pick(r, ["LINEAR", "POLY", "RBF", "SIGMOID"])
    degree = float(r.integers(1, 4))
    return {"kernel_type": kind, "kernel_params": [0.1, float(r.normal()), degree]}


def svm_regressor(r):
    features, vectors = int(r.integers(1, 7)), int(r.integers(0, 9))
    more = {"one_class": 1} if r.random() < 0.3 else {}
    vectors_of = {"support_vectors": floats(r, vectors, features)} if vectors else {}
    return Draw("SVMRegressor", [rows(r, features)], taken=[F32], n_supports=vectors,
                coefficients=floats(r, vectors or features), rho=floats(r, 1), **kernel(r), **more,
                **vectors_of)


def svm_classifier(r):
    features, classes = int(r.integers(1, 7)), int(r.integers(2, 5))
    if r.random() < 0.2:
        sign = pick(r, [1, -1])
        coefficients = [abs(x) if sign > 0 else x for x in floats(r, classes, features)]
        return Draw("SVMClassifier", [rows(r, features)], 2, coefficients=coefficients,
                    rho=floats(r, 1), post_transform=transform(r), **kernel(r),
                    **labels(r, classes))
    each = [int(n) for n in r.integers(1, 5, classes)]
    vectors, pairs = sum(each), classes * (classes - 1) // 2
    more = {}
    if r.random() < 0.5:
        more = {"prob_a": [-abs(x) for x in floats(r, pairs)], "prob_b": floats(r, pairs)}
    single = classes == 2 and not more
    return Draw("SVMClassifier", [rows(r, features)], 2, vectors_per_class=each,
                support_vectors=floats(r, vectors, features), rho=floats(r, pairs),
                coefficients=floats(r, classes - 1, vectors), **more, **kernel(r),
                post_transform=transform(r, single), **labels(r, classes))


# ---- trees ------------------------------------------------------------------------------------

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def grow(r, depth):
    """A nested tree: None is a leaf."""
    if depth == 0 or r.random() < 0.2:
        return None
    return grow(r, depth - 1), grow(r, depth - 1)


def listed(r, features, trees):
    """Nodes of some trees in the old form, and the leaves as (tree, node)."""
    nodes, leaves = [], []

    def add(tree, shape):
        at = len([1 for node in nodes if node["treeids"] == tree])
        leaf = shape is None
        node = {"treeids": tree, "nodeids": at, "modes": "LEAF" if leaf else pick(r, MODES),
                "featureids": 0 if leaf else int(r.integers(features)), "truenodeids": 0,
                "values": 0.0 if leaf else float(r.integers(-12, 13) / 2), "falsenodeids": 0,
                "missing_value_tracks_true": int(r.integers(2))}
        nodes.append(node)
        if leaf:
            leaves.append((tree, at))
        else:
            node["truenodeids"], node["falsenodeids"] = add(tree, shape[0]), add(tree, shape[1])
        return at

    for tree in range(trees):
        add(tree, grow(r, 5))
    if r.random() < 0.5:
        for node in nodes:
            node["missing_value_tracks_true"] = 0
    return {f"nodes_{key}": [node[key] for node in nodes] for key in nodes[0]}, leaves


def old_trees(r, what, targets, opset, of_one=None, least=None):
    features, trees = int(r.integers(1, 6)), int(r.integers(1, 7))
    nodes, leaves = listed(r, features, trees)
    used = [of_one] if of_one is not None else list(range(targets))
    weights = []
    for leaf in leaves:
        many = int(r.integers(1, len(used) + 1)) if targets > 1 else 1
        if least is not None:
            many = least
        for target in sorted(r.permutation(used)[:many]):
            weights.append((*leaf, int(target), float(F32(r.normal()))))
    x = rows(r, features)
    if x.dtype in (F32, F64):
        x[r.random(x.shape) < 0.1] = np.nan
    lists = dict(zip(("treeids", "nodeids", "ids", "weights"), map(list, zip(*weights))))
    if r.random() < 0.5:
        lists["weights"] = [abs(w) for w in lists["weights"]]
    attributes = {**nodes, **{f"{what}_{key}": lists[key] for key in lists}}
    if opset >= 3 and x.dtype == F64 and r.random() < 0.7:
        for name in ("nodes_values", f"{what}_weights"):
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(
                np.array(attributes.pop(name)), name)
    return x, attributes


def base(r, *sizes):
    n = pick(r, (0, *sizes))
    return {"base_values": floats(r, n)} if n else {}


def tree_regressor(r, opset=3):
    targets = int(r.integers(1, 4))
    x, attributes = old_trees(r, "target", targets, opset)
    return Draw("TreeEnsembleRegressor", [x], **attributes, **base(r, targets), n_targets=targets,
                aggregate_function=pick(r, ["SUM", "AVERAGE", "MIN", "MAX"]), taken=[F32, F64],
                post_transform=transform(r))


def tree_classifier(r, opset=3):
    classes = int(r.integers(2, 5))
    one = int(r.integers(2)) if classes == 2 and r.random() < 0.6 else None
    # ONNX Runtime leaves the second of two scores open where no leaf adds to it, by rows.
    both = 2 if classes == 2 and one is None else None
    x, attributes = old_trees(r, "class", classes, opset, one, both)
    return Draw("TreeEnsembleClassifier", [x], 2, **attributes,
                **base(r, *((1, 2) if classes == 2 else (classes,))),
                post_transform=transform(r, classes == 2),
                **labels(r, classes, "classlabels_int64s"))


def tree_ensemble(r):
    dtype, targets, features = pick(r, [F32, F64]), int(r.integers(1, 4)), int(r.integers(1, 5))
    nodes, weights, roots, members = [], [], [], []

    def leaf():
        weights.append((int(r.integers(targets)), r.normal()))
        return len(weights) - 1, 1

    def add(shape):
        if shape is None:
            return leaf()
        at = len(nodes)
        nodes.append(None)
        mode = int(r.integers(7))
        if mode == 6:
            members.append((at, list(r.permutation(np.arange(1.0, 7))[:r.integers(1, 6)])))
        yes, no = add(shape[0]), add(shape[1])
        nodes[at] = (int(r.integers(features)), mode, r.integers(-12, 13) / 2, *yes, *no,
                     int(r.integers(2)))
        return at, 0

    for _ in range(r.integers(1, 5)):
        roots.append(len(nodes))
        add((grow(r, 4), grow(r, 4)))
    columns = list(zip(*nodes))
    sets = [x for _, each in sorted(members) for x in [*each, np.nan]]
    names = ["nodes_featureids", "", "", "nodes_truenodeids", "nodes_trueleafs",
             "nodes_falsenodeids", "nodes_falseleafs", "nodes_missing_value_tracks_true"]
    attributes = {name: list(column) for name, column in zip(names, columns) if name}
    if sets:
        attributes["membership_values"] = numpy_helper.from_array(np.array(sets, dtype))
        attributes.pop("nodes_missing_value_tracks_true")  # for sets ONNX Runtime has its own rule
    x = rows(r, features, dtype)
    if not sets:
        x[r.random(x.shape) < 0.1] = np.nan
    return Draw("TreeEnsemble", [x], **attributes, tree_roots=roots, n_targets=targets,
                nodes_modes=numpy_helper.from_array(np.array(columns[1], np.uint8)),
                nodes_splits=numpy_helper.from_array(np.array(columns[2], dtype)),
                leaf_targetids=[target for target, _ in weights],
                leaf_weights=numpy_helper.from_array(np.array([w for _, w in weights], dtype)),
                aggregate_function=int(r.integers(4)), post_transform=int(r.integers(5)))


# ---- models -----------------------------------------------------------------------------------

COMMON = [array_feature_extractor, binarizer, category_mapper, feature_vectorizer, imputer,
          linear_classifier, linear_regressor, normalizer, one_hot_encoder, scaler, svm_classifier,
          svm_regressor]
OF_OPSET = {
    1: [label_encoder_1, lambda r: tree_regressor(r, 1), lambda r: tree_classifier(r, 1)],
    3: COMMON + [label_encoder_2] + 3 * [tree_regressor, tree_classifier],
    4: [label_encoder_4, svm_classifier, tree_classifier, tree_regressor],
    5: [tree_ensemble, label_encoder_4, tree_ensemble],
}


def element_type(array):
    return (TensorProto.STRING if array.dtype == object
            else helper.np_dtype_to_tensor_dtype(array.dtype))


def nodes_of(draw, i, for_runtime):
    """The nodes of draw `i`; ONNX Runtime gets what it does not take as float."""
    inputs = [f"x{i}_{k}" for k in range(len(draw.inputs))]
    outputs = [f"y{i}_{k}" for k in range(draw.outputs)]
    attributes = dict(draw.attributes)
    if draw.op == "TreeEnsemble" and for_runtime:  # it takes the numbers 1 and 2 for one another
        attributes["post_transform"] = (0, 2, 1, 3, 4)[attributes["post_transform"]]
    if not (draw.cast and for_runtime):
        return [helper.make_node(draw.op, inputs, outputs, domain="ai.onnx.ml", **attributes)]
    whole = draw.op in ("OneHotEncoder", "Imputer") and draw.inputs[0].dtype.kind == "i"
    to = TensorProto.INT64 if whole else TensorProto.FLOAT
    inner = [f"cast_{outputs[0]}"] + outputs[1:] if draw.keeps else outputs
    nodes = [helper.make_node("Cast", inputs, [f"cast_{inputs[0]}"], to=to),
             helper.make_node(draw.op, [f"cast_{inputs[0]}"], inner, domain="ai.onnx.ml",
                              **attributes)]
    if draw.keeps:
        nodes.append(helper.make_node("Cast", inner[:1], outputs[:1],
                                      to=element_type(draw.inputs[0])))
    return nodes


def model_of(draws, opset, results=None):
    values = [helper.make_tensor_value_info(f"x{i}_{k}", element_type(x),
                                            [f"n{i}_{k}_{a}" if a == 0 and x.ndim > 1 and
                                             draw.op not in ("FeatureVectorizer",) else n
                                             for a, n in enumerate(x.shape)])
              for i, draw in enumerate(draws) for k, x in enumerate(draw.inputs)]
    outputs = [f"y{i}_{k}" for i, draw in enumerate(draws) for k in range(draw.outputs)]
    infos = [onnx.ValueInfoProto(name=name) for name in outputs] if results is None else [
        helper.make_tensor_value_info(name, element_type(y), [None] * y.ndim)
        for name, y in zip(outputs, results)]
    nodes = [node for i, draw in enumerate(draws) for node in nodes_of(draw, i, results is None)]
    return helper.make_model(helper.make_graph(nodes, "draws", values, infos), ir_version=9,
                             opset_imports=[helper.make_opsetid("", 18),
                                            helper.make_opsetid("ai.onnx.ml", opset)])


def write(folder, draws, opset):
    feeds = {f"x{i}_{k}": x for i, draw in enumerate(draws) for k, x in enumerate(draw.inputs)}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model_of(draws, opset).SerializeToString(), options)
    results = session.run(None, feeds)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model_of(draws, opset, results), folder / "model.onnx")
    for what, arrays in (("input", list(feeds.values())), ("output", results)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.asarray(array))
            (data / f"{what}_{i}.pb").write_bytes(tensor.SerializeToString())
    return folder


def main(folder, first=1, seeds=2):
    folders = []
    for seed in range(int(first), int(first) + int(seeds)):
        for opset, makers in OF_OPSET.items():
            r = np.random.default_rng([seed, opset])
            draws = [make(r) for make in makers for _ in range(2 if len(makers) > 4 else 4)]
            folders.append(write(Path(folder, f"seed{seed}_opset{opset}"), draws, opset))
    print("seeds", first, "to", int(first) + int(seeds) - 1)
    result = onnxc("test", "--jobs", JOBS, "--rtol", "1e-4", "--atol", "1e-4", *folders)
    print(result.stdout, result.stderr, sep="")
    sys.exit(0 if result.returncode == 0 and " 0 failed, 0 skipped" in result.stdout else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
