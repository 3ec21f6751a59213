#include "ops/ml.h"

#include <string.h>

/* ---- rows of features ------------------------------------------------------------------------
 */

bool ml_rows(const Node *node, const Dim **rows, const Dim **features) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  if (x->rank != 1 && x->rank != 2) {
    return node_error(node, DIAG_INVALID, "input 0 is %s, but must be [rows, features]",
                      type_text(node->graph->ctx->arena, x));
  }
  *rows = x->rank == 1 ? dim_const(infer_dims(node), 1) : x->dims[0];
  *features = x->dims[x->rank - 1];
  return true;
}

Value *ml_matrix(Builder *b, const Node *node, DType dtype) {
  const Dim *dims[2];
  ml_rows(node, &dims[0], &dims[1]);
  return compose_cast(b, compose_reshape(b, node_in(node, 0), dims, 2), dtype);
}

/* ---- attributes --------------------------------------------------------------------------------
 */

static size_t elements(const Attr *attr) {
  if (attr == NULL) return 0;
  return attr->kind == ATTR_TENSOR ? attr->tensor->count : attr->count;
}

const Attr *ml_either(const Node *node, const char *name, const char *other, bool *good) {
  const Attr *a = op_param_list(node, name), *b = op_param_list(node, other);
  if (elements(a) != 0 && elements(b) != 0) {
    *good = node_error(node, DIAG_INVALID, "attributes %s and %s exclude one another", name, other);
    return NULL;
  }
  if (elements(a) != 0) return a;
  return elements(b) != 0 ? b : NULL;
}

bool ml_check_count(const Node *node, const char *name, int64_t n, bool optional) {
  int64_t count = (int64_t)elements(op_param_list(node, name));
  if (count == n || (optional && count == 0)) return true;
  return node_error(node, DIAG_INVALID, "attribute %s has %lld elements, but must have %lld", name,
                    (long long)count, (long long)n);
}

Value *ml_constant(Builder *b, const Attr *attr) {
  return build_constant(b, tensor_of_attr(b->graph->ctx, attr));
}

Value *ml_list(Builder *b, const Node *node, const char *name) {
  const Attr *attr = op_param_list(node, name);
  return elements(attr) == 0 ? NULL : ml_constant(b, attr);
}

/* ---- linear functions --------------------------------------------------------------------------
 */

bool ml_check_linear(const Node *node, const char *name, int64_t outputs, const Dim *features) {
  int64_t count = (int64_t)elements(op_param_list(node, name));
  if (count == 0 || outputs < 1 || count % outputs != 0) {
    return node_error(node, DIAG_INVALID, "attribute %s has %lld elements for %lld outputs", name,
                      (long long)count, (long long)outputs);
  }
  const Dim *each = dim_const(infer_dims(node), count / outputs);
  return infer_equal(node, "features and the coefficients for them", features, each) != NULL;
}

Value *ml_linear(Builder *b, Value *x, const Attr *coefficients, int64_t outputs, Value *bias) {
  const int64_t dims[] = {outputs, (int64_t)coefficients->count / outputs};
  Tensor *matrix = tensor_new(b->graph->ctx, ONNXC_RT_F32, 2, dims);
  matrix->data = coefficients->floats;
  Value *inputs[3] = {x, build_constant(b, matrix), bias};
  Node *gemm = build_node(b, "", "Gemm", inputs, bias == NULL ? 2 : 3, 1);
  node_set_int(gemm, "transB", 1);
  return build_done(b, gemm);
}

/* ---- post_transform ----------------------------------------------------------------------------
 */

static const char *const transforms[N_ML_TRANSFORMS] = {
    [ML_NONE] = "NONE",         [ML_SOFTMAX] = "SOFTMAX",
    [ML_LOGISTIC] = "LOGISTIC", [ML_SOFTMAX_ZERO] = "SOFTMAX_ZERO",
    [ML_PROBIT] = "PROBIT",
};

bool ml_check_transform(const Node *node) {
  return check_choice(node, "post_transform", "NONE SOFTMAX LOGISTIC SOFTMAX_ZERO PROBIT");
}

MlTransform ml_transform_of(const Node *node) {
  const char *name = op_param_s(node, "post_transform");
  int i = 0;
  while (strcmp(transforms[i], name) != 0) i++;
  return (MlTransform)i;
}

/* `x op number` */
static Value *with(Builder *b, const char *op, Value *x, double number) {
  return BUILD(b, op, x, build_like(b, x, number));
}

/* sqrt(2) * erfinv(2 * x - 1), the inverse by Winitzki's approximation: with l = log(1 - y^2) and
 * v = 2 / (pi * a) + l / 2 it is sign(y) * sqrt(sqrt(v^2 - l / a) - v). */
static Value *probit(Builder *b, Value *x) {
  const double a = 0.147, pi = 3.14159;
  Value *y = with(b, "Sub", with(b, "Mul", x, 2), 1), *one = build_like(b, x, 1);
  Value *l = BUILD(b, "Log", BUILD(b, "Mul", BUILD(b, "Sub", one, y), BUILD(b, "Add", one, y)));
  Value *v = with(b, "Add", with(b, "Mul", l, 0.5), 2 / (pi * a));
  Value *square = BUILD(b, "Sub", BUILD(b, "Mul", v, v), with(b, "Mul", l, 1 / a));
  Value *size = BUILD(b, "Sqrt", BUILD(b, "Sub", BUILD(b, "Sqrt", square), v));
  Value *sign = BUILD(b, "Where", with(b, "Less", y, 0), build_like(b, x, -1), one);
  return with(b, "Mul", BUILD(b, "Mul", sign, size), 1.41421356237309504880);
}

/* Softmax over the scores that are not 0; those stay 0. */
static Value *softmax_zero(Builder *b, Value *x) {
  const int64_t axis = 1;
  Value *most = compose_reduce(b, "ReduceMax", x, &axis, 1);
  Value *counts = with(b, "Greater", BUILD(b, "Abs", x), 1e-7);
  Value *power = BUILD(b, "Exp", BUILD(b, "Sub", x, most));
  Value *counted = BUILD(b, "Where", counts, power, build_like(b, x, 0));
  Value *tiny = BUILD(b, "Mul", x, BUILD(b, "Exp", BUILD(b, "Neg", most)));
  Value *sum = compose_reduce(b, "ReduceSum", counted, &axis, 1);
  return BUILD(b, "Div", BUILD(b, "Where", counts, power, tiny), sum);
}

Value *ml_transform(Builder *b, MlTransform transform, Value *scores) {
  switch (transform) {
  case ML_SOFTMAX: return compose_softmax(b, scores, 1);
  case ML_LOGISTIC: return BUILD(b, "Sigmoid", scores);
  case ML_SOFTMAX_ZERO: return softmax_zero(b, scores);
  case ML_PROBIT: return probit(b, scores);
  default: return scores;
  }
}

Value *ml_transform_single(Builder *b, MlTransform transform, Value *score) {
  return transform == ML_PROBIT ? probit(b, score) : score;
}

Value *ml_pair(Builder *b, Value *first, Value *second) {
  return compose_concat(b, (Value *[]){first, second}, 2, 1);
}

/* With PROBIT, ONNX Runtime transforms the first score and leaves the second as it was. */
Value *ml_two_scores(Builder *b, MlTransform transform, bool mixed, Value *score) {
  Value *opposite = BUILD(b, "Neg", score);
  if (transform == ML_PROBIT) return ml_pair(b, probit(b, score), score);
  if (transform == ML_LOGISTIC) return BUILD(b, "Sigmoid", ml_pair(b, opposite, score));
  return ml_pair(b, mixed ? opposite : with(b, "Add", opposite, 1), score);
}

/* ---- labels ------------------------------------------------------------------------------------
 */

const Attr *ml_labels(const Node *node, const char *ints) {
  bool good = true;
  const Attr *labels = ml_either(node, "classlabels_strings", ints, &good);
  if (labels == NULL && good) node_error(node, DIAG_INVALID, "there are no class labels");
  return labels;
}

void ml_infer_classes(Node *node, const Dim *rows, const Attr *labels, const Dim *scores) {
  DType dtype = labels->kind == ATTR_STRINGS ? ONNXC_RT_STRING : ONNXC_RT_I64;
  infer_output(node, 0, dtype, 1, &rows);
  infer_output(node, 1, ONNXC_RT_F32, 2, (const Dim *[]){rows, scores});
}

/* Labels 0, 1, 2, ... are their own indexes. */
static bool labels_count(const Attr *labels) {
  if (labels->kind != ATTR_INTS) return false;
  for (size_t i = 0; i < labels->count; i++) {
    if (labels->ints[i] != (int64_t)i) return false;
  }
  return true;
}

Value *ml_label(Builder *b, const Attr *labels, Value *indexes) {
  if (labels_count(labels)) return indexes;
  return BUILD(b, "Gather", ml_constant(b, labels), indexes);
}

Value *ml_binary_label(Builder *b, const Attr *labels, bool used, Value *condition) {
  static const int64_t ints[] = {0, 1};
  static const onnxc_rt_string strings[] = {{"0", 1}, {"1", 1}};
  Attr *pair = ARENA_NEW(b->graph->ctx->arena, Attr);
  *pair = (Attr){.kind = labels->kind, .count = 2, .ints = ints, .strings = strings};
  Value *flat = compose_reshape(b, condition, condition->type.dims, 1);
  return ml_label(b, used && labels->count == 2 ? labels : pair,
                  compose_cast(b, flat, ONNXC_RT_I64));
}

Value *ml_largest(Builder *b, Value *scores) {
  Node *node = build_node(b, "", "ArgMax", &scores, 1, 1);
  node_set_int(node, "axis", 1);
  node_set_int(node, "keepdims", 0);
  return build_done(b, node);
}
