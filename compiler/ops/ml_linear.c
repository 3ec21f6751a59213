/* Linear models of ai.onnx.ml. Whatever the input is, they compute in float. */
#include "ops/ml.h"

/* ---- LinearRegressor ---------------------------------------------------------------------------
 */

static bool regressor_infer(Node *node) {
  const Dim *rows, *features;
  int64_t targets = op_param_i(node, "targets");
  if (!ml_rows(node, &rows, &features) || !ml_check_transform(node) ||
      !check_int(node, "targets", 1, INT32_MAX) ||
      !ml_check_linear(node, "coefficients", targets, features) ||
      !ml_check_count(node, "intercepts", targets, true)) {
    return false;
  }
  infer_output(node, 0, ONNXC_RT_F32, 2,
               (const Dim *[]){rows, dim_const(infer_dims(node), targets)});
  return true;
}

static bool regressor_decompose(Builder *b, Node *node) {
  int64_t targets = op_param_i(node, "targets");
  Value *y = ml_linear(b, ml_matrix(b, node, ONNXC_RT_F32), op_param_list(node, "coefficients"),
                       targets, ml_list(b, node, "intercepts"));
  MlTransform transform = ml_transform_of(node);
  y = targets == 1 ? ml_transform_single(b, transform, y) : ml_transform(b, transform, y);
  build_replace(b, node, y);
  return true;
}

const OpDef op_LinearRegressor = {
    .name = "LinearRegressor",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("coefficients", ATTR_FLOATS),
            PARAM_OPTIONAL("intercepts", ATTR_FLOATS),
            PARAM_STRING("post_transform", "NONE"),
            PARAM_INT("targets", 1),
            {0},
        },
    .infer = regressor_infer,
    .decompose = regressor_decompose,
};

/* ---- LinearClassifier --------------------------------------------------------------------------
 */

/* One row of coefficients for each class, or a single one that separates two classes. */
static int64_t classifier_rows(const Node *node, const Attr *labels) {
  const Attr *intercepts = op_param_list(node, "intercepts");
  bool given = intercepts != NULL && intercepts->count != 0;
  return (int64_t)(given ? intercepts->count : labels->count);
}

static bool classifier_infer(Node *node) {
  const Dim *rows, *features;
  const Attr *labels = ml_labels(node, "classlabels_ints");
  if (labels == NULL || !ml_rows(node, &rows, &features) || !ml_check_transform(node)) return false;
  int64_t classes = classifier_rows(node, labels);
  if (classes != 1 && classes != (int64_t)labels->count) {
    return node_error(node, DIAG_INVALID, "there are %zu labels for %lld intercepts", labels->count,
                      (long long)classes);
  }
  if (!ml_check_linear(node, "coefficients", classes, features)) return false;
  bool pair = classes == 1 && labels->count == 2;
  ml_infer_classes(node, rows, labels, dim_const(infer_dims(node), pair ? 2 : classes));
  return true;
}

/* A single score, of two labels or none: the second is chosen where it is positive. */
static void single_score(Builder *b, Node *node, const Attr *labels, Value *score) {
  MlTransform transform = ml_transform_of(node);
  Value *positive = BUILD(b, "Greater", score, build_f32(b, 0));
  compose_give(b, node, 0, ml_binary_label(b, labels, true, positive));
  compose_give(b, node, 1,
               labels->count == 2 ? ml_two_scores(b, transform, false, score)
                                  : ml_transform_single(b, transform, score));
}

static bool classifier_decompose(Builder *b, Node *node) {
  const Attr *labels = ml_labels(node, "classlabels_ints");
  int64_t classes = classifier_rows(node, labels);
  Value *scores =
      ml_linear(b, ml_matrix(b, node, ONNXC_RT_F32), op_param_list(node, "coefficients"), classes,
                ml_list(b, node, "intercepts"));
  if (classes == 1) {
    single_score(b, node, labels, scores);
    return true;
  }
  compose_give(b, node, 0, ml_label(b, labels, ml_largest(b, scores)));
  compose_give(b, node, 1, ml_transform(b, ml_transform_of(node), scores));
  return true;
}

const OpDef op_LinearClassifier = {
    .name = "LinearClassifier",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("classlabels_ints", ATTR_INTS),
            PARAM_OPTIONAL("classlabels_strings", ATTR_STRINGS),
            PARAM_REQUIRED("coefficients", ATTR_FLOATS),
            PARAM_OPTIONAL("intercepts", ATTR_FLOATS),
            PARAM_INT("multi_class", 0),
            PARAM_STRING("post_transform", "NONE"),
            {0},
        },
    .infer = classifier_infer,
    .decompose = classifier_decompose,
};
