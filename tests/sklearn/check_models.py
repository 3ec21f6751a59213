"""Trains scikit-learn models on small data, exports them with skl2onnx, and runs them with onnxc.

    check_models.py FOLDER [NAME...]

The batch is dynamic. Labels must be those that scikit-learn predicts, scores close to its own; both
are taken from the float inputs that the model gets.
"""
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import (DoubleTensorType, FloatTensorType, Int64TensorType,
                                         StringTensorType)
from sklearn import (cluster, compose, datasets, decomposition, discriminant_analysis, ensemble,
                     feature_selection, gaussian_process, impute, linear_model, naive_bayes,
                     neighbors, neural_network, pipeline, preprocessing, svm, tree)

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import JOBS, onnxc  # noqa: E402

F32 = np.float32


def add_node(*arguments, nodes_missing_value_tracks_true=0, add=tree_ensemble.add_node, **named):
    """skl2onnx hands on a NumPy integer here, which protobuf refuses."""
    add(*arguments, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **named)


tree_ensemble.add_node = add_node
IRIS = datasets.load_iris(return_X_y=True)
CANCER = datasets.load_breast_cancer(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
DIGITS = datasets.load_digits(return_X_y=True)
TARGETS = datasets.make_regression(120, 6, n_targets=3, random_state=0)
NAMED = (IRIS[0], np.array(["setosa", "versicolor", "virginica"], object)[IRIS[1]])
ODD = (CANCER[0], np.array([20, 7])[CANCER[1]])  # labels that are not 0, 1, ...


def rounded(data):
    """What float can hold, scaled so that no feature outweighs the others."""
    x, y = data
    return np.round(preprocessing.StandardScaler().fit_transform(x) * 64).astype(F32) / 64, y


def gaps(data):
    x, y = rounded(data)
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    return x, y


def counts(data):
    x, y = data
    return np.round(np.abs(x) * 4).astype(F32), y


def table(seed=0, rows=150):
    """Columns of words, integers and floats, and which class each row is of."""
    r = np.random.default_rng(seed)
    words = r.choice(np.array(["red", "green", "blü"], object), rows)
    whole = r.integers(0, 4, rows)
    real = r.normal(size=(rows, 2)).astype(F32)
    y = ((words == "red") + whole + real[:, 0] > 2).astype(int)
    return words.reshape(-1, 1), whole.reshape(-1, 1), real, y


def columns(words):
    """Words are encoded by `words`, integers as one of each, floats scaled."""
    return compose.ColumnTransformer([
        ("words", words, [0]),
        ("whole", preprocessing.OneHotEncoder(handle_unknown="ignore"), [1]),
        ("real", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()),
         [2, 3])])


IRIS_COUNTS = counts(IRIS)
# The largest element, which ONNX divides by, is the largest magnitude only where none is negative.
OF_COUNTS = ("pipe_onehot_counts", "pipe_normalize_max")
# These are exported for doubles, too: thresholds and weights are tensors of doubles then.
OF_DOUBLES = ("forest", "boosting_two", "histogram_gaps", "forest_values", "extra_values",
              "histogram_values", "tree_targets")


def classifiers():
    yield "logistic", linear_model.LogisticRegression(max_iter=500), rounded(IRIS)
    yield "logistic_two", linear_model.LogisticRegression(), rounded(CANCER)
    yield "logistic_named", linear_model.LogisticRegression(max_iter=500), rounded(NAMED)
    yield "logistic_odd", linear_model.LogisticRegression(), rounded(ODD)
    yield "ridge_classifier", linear_model.RidgeClassifier(), rounded(IRIS)
    yield "sgd", linear_model.SGDClassifier(random_state=0), rounded(IRIS)
    yield "perceptron", linear_model.Perceptron(random_state=0), rounded(CANCER)
    yield "svc_linear", svm.SVC(kernel="linear"), rounded(IRIS)
    yield "svc_rbf", svm.SVC(), rounded(IRIS)
    yield "svc_two", svm.SVC(), rounded(CANCER)
    yield "svc_named", svm.SVC(kernel="poly", coef0=1), rounded(NAMED)
    yield "svc_probability", svm.SVC(probability=True, random_state=0), rounded(IRIS)
    yield "svc_probability_two", svm.SVC(probability=True, random_state=0), rounded(ODD)
    yield "svc_sigmoid", svm.SVC(kernel="sigmoid", gamma=0.05), rounded(CANCER)
    yield "nusvc", svm.NuSVC(nu=0.2), rounded(IRIS)
    yield "linear_svc", svm.LinearSVC(random_state=0), rounded(IRIS)
    yield "tree", tree.DecisionTreeClassifier(random_state=0), rounded(IRIS)
    yield "tree_two", tree.DecisionTreeClassifier(max_depth=4, random_state=0), rounded(ODD)
    yield "forest", ensemble.RandomForestClassifier(20, random_state=0), rounded(DIGITS)
    # An odd number of trees: a draw would hang on rounding.
    yield "forest_two", ensemble.RandomForestClassifier(21, random_state=0), rounded(CANCER)
    yield "forest_named", ensemble.RandomForestClassifier(20, random_state=0), rounded(NAMED)
    yield "extra_trees", ensemble.ExtraTreesClassifier(20, random_state=0), rounded(IRIS)
    yield "boosting", ensemble.GradientBoostingClassifier(n_estimators=20), rounded(IRIS)
    yield "boosting_two", ensemble.GradientBoostingClassifier(n_estimators=20), rounded(CANCER)
    yield "histogram", ensemble.HistGradientBoostingClassifier(max_iter=10), rounded(IRIS)
    yield "histogram_gaps", ensemble.HistGradientBoostingClassifier(max_iter=10), gaps(CANCER)
    yield "adaboost", ensemble.AdaBoostClassifier(n_estimators=10, random_state=0), rounded(IRIS)
    yield "bagging", ensemble.BaggingClassifier(n_estimators=5, random_state=0), rounded(IRIS)
    yield "neighbors", neighbors.KNeighborsClassifier(), rounded(IRIS)
    yield "gaussian", naive_bayes.GaussianNB(), rounded(IRIS)
    yield "bernoulli", naive_bayes.BernoulliNB(binarize=0.1), rounded(IRIS)
    yield "multinomial", naive_bayes.MultinomialNB(), counts(IRIS)
    yield "discriminant", discriminant_analysis.LinearDiscriminantAnalysis(), rounded(IRIS)
    yield "network", neural_network.MLPClassifier(max_iter=300, random_state=0), rounded(IRIS)
    yield "network_two", neural_network.MLPClassifier(
        hidden_layer_sizes=(8,), max_iter=99, random_state=0), rounded(CANCER)
    yield "voting_hard", ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression(max_iter=500)),
         ("b", tree.DecisionTreeClassifier(max_depth=3)), ("c", naive_bayes.GaussianNB())],
        flatten_transform=False), rounded(IRIS)
    yield "voting_soft", ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression(max_iter=500)),
         ("b", tree.DecisionTreeClassifier(max_depth=3))], voting="soft",
        flatten_transform=False), rounded(IRIS)
    yield "stacking", ensemble.StackingClassifier(
        [("a", linear_model.LogisticRegression(max_iter=500)), ("b", naive_bayes.GaussianNB())]), \
        rounded(IRIS)
    for name, step in PREPARATIONS.items():
        yield name, pipeline.make_pipeline(step, linear_model.LogisticRegression(max_iter=500)), \
            gaps(IRIS) if "impute" in name else IRIS_COUNTS if name in OF_COUNTS else rounded(IRIS)


PREPARATIONS = {
    "pipe_standard": preprocessing.StandardScaler(),
    "pipe_minmax": preprocessing.MinMaxScaler(),
    "pipe_maxabs": preprocessing.MaxAbsScaler(),
    "pipe_robust": preprocessing.RobustScaler(),
    "pipe_normalize_l1": preprocessing.Normalizer("l1"),
    "pipe_normalize_l2": preprocessing.Normalizer("l2"),
    "pipe_normalize_max": preprocessing.Normalizer("max"),
    "pipe_binarize": preprocessing.Binarizer(threshold=0.25),
    "pipe_bins": preprocessing.KBinsDiscretizer(5, encode="onehot-dense",
                                                quantile_method="averaged_inverted_cdf"),
    "pipe_bins_ordinal": preprocessing.KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
    "pipe_onehot_counts": preprocessing.OneHotEncoder(handle_unknown="ignore"),
    "pipe_polynomial": preprocessing.PolynomialFeatures(2),
    "pipe_power": preprocessing.PowerTransformer(),
    "pipe_impute_mean": impute.SimpleImputer(),
    "pipe_impute_median": impute.SimpleImputer(strategy="median"),
    "pipe_pca": decomposition.PCA(2),
    "pipe_select": feature_selection.SelectKBest(k=2),
}


def regressors():
    yield "linear", linear_model.LinearRegression(), rounded(DIABETES)
    yield "linear_targets", linear_model.LinearRegression(), rounded(TARGETS)
    yield "ridge", linear_model.Ridge(), rounded(DIABETES)
    yield "lasso", linear_model.Lasso(), rounded(DIABETES)
    yield "elastic", linear_model.ElasticNet(), rounded(DIABETES)
    yield "svr", svm.SVR(C=100), rounded(DIABETES)
    yield "svr_poly", svm.SVR(kernel="poly", C=10), rounded(DIABETES)
    yield "nusvr", svm.NuSVR(C=10), rounded(DIABETES)
    yield "linear_svr", svm.LinearSVR(random_state=0), rounded(DIABETES)
    yield "tree_values", tree.DecisionTreeRegressor(random_state=0), rounded(DIABETES)
    yield "tree_targets", tree.DecisionTreeRegressor(max_depth=5), rounded(TARGETS)
    yield "forest_values", ensemble.RandomForestRegressor(20, random_state=0), rounded(DIABETES)
    yield "extra_values", ensemble.ExtraTreesRegressor(20, random_state=0), rounded(DIABETES)
    yield "boosting_values", ensemble.GradientBoostingRegressor(n_estimators=30), rounded(DIABETES)
    yield "histogram_values", ensemble.HistGradientBoostingRegressor(max_iter=20), gaps(DIABETES)
    yield "adaboost_values", ensemble.AdaBoostRegressor(n_estimators=5, random_state=0), \
        rounded(DIABETES)
    yield "neighbor_values", neighbors.KNeighborsRegressor(), rounded(DIABETES)
    yield "network_values", neural_network.MLPRegressor(
        hidden_layer_sizes=(16,), max_iter=300, random_state=0), rounded(DIABETES)
    yield "gaussian_process", gaussian_process.GaussianProcessRegressor(
        gaussian_process.kernels.RBF(3.0), alpha=0.1), rounded(DIABETES)


def transformers():
    yield "pca", decomposition.PCA(3), rounded(IRIS)
    yield "svd", decomposition.TruncatedSVD(2, random_state=0), rounded(IRIS)
    yield "kernel_pca", decomposition.KernelPCA(2, kernel="rbf", gamma=0.1), rounded(IRIS)


def detectors():
    """Models of one class, and clusters."""
    yield "one_class", svm.OneClassSVM(nu=0.2), rounded(IRIS)
    yield "isolation", ensemble.IsolationForest(n_estimators=10, random_state=0), rounded(IRIS)
    yield "kmeans", cluster.KMeans(3, n_init=2, random_state=0), rounded(IRIS)
    yield "minibatch", cluster.MiniBatchKMeans(3, n_init=2, random_state=0), rounded(IRIS)


def tables():
    """Models on columns of several types: words, integers and floats."""
    ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    hot = preprocessing.OneHotEncoder(handle_unknown="ignore")
    yield "table_onehot", pipeline.make_pipeline(columns(hot), linear_model.LogisticRegression())
    yield "table_ordinal", pipeline.make_pipeline(columns(ordinal),
                                                  tree.DecisionTreeClassifier(max_depth=5))
    yield "table_forest", pipeline.make_pipeline(
        columns(hot), ensemble.RandomForestClassifier(9, random_state=0))


# ---- what scikit-learn expects ------------------------------------------------------------------

def scores_of(model, x):
    last = model.steps[-1][1] if isinstance(model, pipeline.Pipeline) else model
    if isinstance(last, cluster.KMeans | cluster.MiniBatchKMeans):
        return model.transform(x)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)
    if not hasattr(model, "decision_function"):
        return None
    scores, classes = model.decision_function(x), len(getattr(model, "classes_", ()))
    if scores.ndim == 1 and classes == 2:  # one of two columns is the opposite of the other
        sign = -1 if isinstance(last, svm.SVC) else 1
        return np.stack([-sign * scores, sign * scores], axis=1)
    return scores


def expected_of(model, x, outputs):
    """What scikit-learn gives for the outputs of the model: labels or values, and scores."""
    results = [model.predict(x) if hasattr(model, "predict") else model.transform(x)]
    scores = scores_of(model, x) if len(outputs) > 1 else None
    if scores is None:
        del outputs[1:]  # which scikit-learn has no words for
        return results
    return results + [scores]


def typed(array, info):
    """In the type and rank of an output."""
    shape = info.type.tensor_type.shape
    kind = info.type.tensor_type.elem_type
    to = object if kind == onnx.TensorProto.STRING else onnx.helper.tensor_dtype_to_np_dtype(kind)
    array = np.asarray(array)
    if array.ndim == 1 and len(shape.dim) == 2:
        array = array.reshape(-1, 1)
    return array.astype(to)


def save(folder, model, feeds, results):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for i, array in enumerate(feeds):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array).SerializeToString())
    for i, (array, info) in enumerate(zip(results, model.graph.output)):
        tensor = numpy_helper.from_array(typed(array, info))
        (data / f"output_{i}.pb").write_bytes(tensor.SerializeToString())


# ---- exporting ----------------------------------------------------------------------------------

def convert(model, types):
    """Scores as a matrix, where the model would else give a sequence of maps."""
    target = {"": 18, "ai.onnx.ml": 3}
    try:
        options = {id(model): {"zipmap": False}}
        return to_onnx(model, initial_types=types, options=options, target_opset=target)
    except NameError:  # it has no such option
        return to_onnx(model, initial_types=types, target_opset=target)


def export(folder, model, data, kind):
    """Every third row is kept back from training, and is what the model is tried on."""
    x, y = data
    kept = np.arange(len(x)) % 3 == 0
    model.fit(x[~kept], y[~kept])
    exported = convert(model, [("x", kind([None, x.shape[1]]))])
    if kind is DoubleTensorType:
        x = x.astype(np.float64)
        for output in exported.graph.output:  # declared as doubles, which trees do not give
            if output.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE:
                output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    save(folder, exported, [x[kept]], expected_of(model, x[kept], exported.graph.output))
    return folder


def export_table(folder, model):
    words, whole, real, y = table()
    x = np.concatenate([words, whole.astype(object), real.astype(object)], axis=1)
    model.fit(x, y)
    words[::7] = "unknown"
    x[:, :1] = words
    exported = convert(model, [("words", StringTensorType([None, 1])),
                               ("whole", Int64TensorType([None, 1])),
                               ("real", FloatTensorType([None, 2]))])
    save(folder, exported, [words, whole, real], expected_of(model, x, exported.graph.output))
    return folder


def export_all(folder, wanted):
    for name, model, data in [*classifiers(), *regressors(), *transformers(), *detectors()]:
        if not wanted or name in wanted:
            yield export(folder / name, model, data, FloatTensorType)
            if name in OF_DOUBLES:
                yield export(folder / f"{name}_double", model, data, DoubleTensorType)
    for name, model in tables():
        if not wanted or name in wanted:
            yield export_table(folder / name, model)


def main(folder, *wanted):
    warnings.filterwarnings("ignore")
    folders = list(export_all(Path(folder), wanted))
    result = onnxc("test", "--jobs", JOBS, "--rtol", "1e-3", "--atol", "1e-3", *folders,
                   timeout=1800)
    print(result.stdout, result.stderr, sep="")
    passed = " 0 failed, 0 skipped" in result.stdout
    sys.exit(0 if result.returncode == 0 and passed else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
