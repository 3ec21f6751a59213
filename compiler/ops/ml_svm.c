/* Support vector machines: a matrix of kernel values K [rows, vectors] made of ONNX's own
 * operators, and linear functions of it. Whatever the input is, they compute in float. */
#include "onnxc_rt_reference.h"
#include "ops/ml.h"

/* ---- K -----------------------------------------------------------------------------------------
 */

/* kernel_params: what the kernel functions call gamma, coef0 and degree. */
typedef struct SvmKernel {
  float gamma, coef0, degree;
} SvmKernel;

static bool check_kernel(const Node *node) {
  const char *type = op_param_s(node, "kernel_type");
  if (!check_choice(node, "kernel_type", "LINEAR POLY RBF SIGMOID")) return false;
  return ml_check_count(node, "kernel_params", 3, *type == 'L');
}

static SvmKernel kernel_of(const Node *node) {
  const Attr *params = op_param_list(node, "kernel_params");
  if (params == NULL || params->count != 3) return (SvmKernel){0};
  return (SvmKernel){params->floats[0], params->floats[1], params->floats[2]};
}

/* exp(-gamma * |x - vector|^2), the differences squared themselves: products would cancel. */
static Value *rbf(Builder *b, Value *x, const Attr *vectors, int64_t n, float gamma) {
  const int64_t dims[] = {n, (int64_t)vectors->count / n}, last = 2;
  Tensor *matrix = tensor_new(b->graph->ctx, ONNXC_RT_F32, 2, dims);
  matrix->data = vectors->floats;
  Value *column = BUILD(b, "Unsqueeze", x, build_ints(b, &(int64_t){1}, 1));
  Value *off = BUILD(b, "Sub", column, build_constant(b, matrix));
  Node *sum = build_node(b, "", "ReduceSumSquare", (Value *[]){off, build_ints(b, &last, 1)}, 2, 1);
  node_set_int(sum, "keepdims", 0);
  return BUILD(b, "Exp", BUILD(b, "Mul", build_done(b, sum), build_f32(b, -gamma)));
}

static Value *build_kernel(Builder *b, const Node *node, Value *x, int64_t vectors) {
  const Attr *list = op_param_list(node, "support_vectors");
  SvmKernel kernel = kernel_of(node);
  const char *type = op_param_s(node, "kernel_type");
  if (*type == 'R') return rbf(b, x, list, vectors, kernel.gamma);
  Value *dot = ml_linear(b, x, list, vectors, NULL);
  if (*type == 'L') return dot;
  Value *scaled = BUILD(b, "Mul", dot, build_f32(b, kernel.gamma));
  Value *moved = BUILD(b, "Add", scaled, build_f32(b, kernel.coef0));
  if (*type == 'S') return BUILD(b, "Tanh", moved);
  return BUILD(b, "Pow", moved, build_f32(b, kernel.degree));
}

/* ---- SVMRegressor ------------------------------------------------------------------------------
 */

static bool regressor_infer(Node *node) {
  const Dim *rows, *features;
  int64_t vectors = op_param_i(node, "n_supports");
  if (!ml_rows(node, &rows, &features) || !check_kernel(node) || !ml_check_transform(node) ||
      !check_int(node, "n_supports", 0, INT32_MAX) || !ml_check_count(node, "rho", 1, false)) {
    return false;
  }
  bool fits = vectors == 0 ? ml_check_linear(node, "coefficients", 1, features)
                           : ml_check_count(node, "coefficients", vectors, false) &&
                                 ml_check_linear(node, "support_vectors", vectors, features);
  if (!fits) return false;
  infer_output(node, 0, ONNXC_RT_F32, 2, (const Dim *[]){rows, dim_const(infer_dims(node), 1)});
  return true;
}

/* Without support vectors the coefficients are those of the features. post_transform is checked,
 * but as in ONNX Runtime a single score is not transformed. */
static bool regressor_decompose(Builder *b, Node *node) {
  int64_t vectors = op_param_i(node, "n_supports");
  Value *x = ml_matrix(b, node, ONNXC_RT_F32);
  if (vectors != 0) x = build_kernel(b, node, x, vectors);
  Value *y = ml_linear(b, x, op_param_list(node, "coefficients"), 1, ml_list(b, node, "rho"));
  if (op_param_i(node, "one_class") != 0) {
    Value *inside = BUILD(b, "Greater", y, build_f32(b, 0));
    y = BUILD(b, "Where", inside, build_f32(b, 1), build_f32(b, -1));
  }
  build_replace(b, node, y);
  return true;
}

const OpDef op_SVMRegressor = {
    .name = "SVMRegressor",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("coefficients", ATTR_FLOATS),
            PARAM_OPTIONAL("kernel_params", ATTR_FLOATS),
            PARAM_STRING("kernel_type", "LINEAR"),
            PARAM_INT("n_supports", 0),
            PARAM_INT("one_class", 0),
            PARAM_STRING("post_transform", "NONE"),
            PARAM_OPTIONAL("rho", ATTR_FLOATS),
            PARAM_OPTIONAL("support_vectors", ATTR_FLOATS),
            {0},
        },
    .infer = regressor_infer,
    .decompose = regressor_decompose,
};

/* ---- PairScores --------------------------------------------------------------------------------
 * K [rows, vectors], coefficients [classes - 1, vectors], begins [classes + 1], rho [pairs] ->
 * scores [rows, pairs], votes [rows, classes]. The vectors of class c are [begins[c],
 * begins[c + 1]); pairs are (0, 1), (0, 2), ..., (1, 2), ... */

static int64_t pairs_of(int64_t classes) {
  return classes * (classes - 1) / 2;
}

/* Begins are known, ascending, and end with the last vector. */
static bool check_begins(const Node *node, int64_t vectors) {
  const Tensor *begins = node_in(node, 2)->constant;
  bool good = begins != NULL && begins->count >= 3 && tensor_i64(begins, 0) == 0;
  for (size_t i = 1; good && i < begins->count; i++) {
    good = tensor_i64(begins, i) >= tensor_i64(begins, i - 1);
  }
  good = good && tensor_i64(begins, begins->count - 1) == vectors;
  return good || node_error(node, DIAG_INVALID,
                            "the vectors of the classes are not one behind "
                            "the other");
}

static bool pair_scores_infer(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32), 0, "K", 2, 2),
      INPUT_OF(DT(F32), 0, "coefficients", 2, 2),
      INPUT_OF(DT(I64), 0, "begins", 1, 1),
      INPUT_OF(DT(F32), 0, "rho", 1, 1),
  };
  int64_t vectors = -1;
  DimTable *t = infer_dims(node);
  if (!CHECK_INPUTS(node, rules)) return false;
  dim_is_const(input_type(node, 0)->dims[1], &vectors);
  if (!check_begins(node, vectors)) return false;
  int64_t classes = (int64_t)node_in(node, 2)->constant->count - 1;
  const Dim *pairs = dim_const(t, pairs_of(classes)), *rows = input_type(node, 0)->dims[0];
  const Dim *sizes[] = {dim_const(t, classes - 1), dim_const(t, vectors)};
  if (!check_sizes(node, 1, 2, sizes, "that of the classes")) return false;
  if (!check_size(node, 3, 0, pairs, "the number of pairs")) return false;
  infer_output(node, 0, ONNXC_RT_F32, 2, (const Dim *[]){rows, pairs});
  infer_output(node, 1, ONNXC_RT_I64, 2, (const Dim *[]){rows, dim_const(t, classes)});
  return true;
}

const OpDef op_onnxc_PairScores = {
    .name = "PairScores",
    .domain = "onnxc",
    .infer = pair_scores_infer,
    OP_KERNEL(onnxc_rt_ref_pair_scores),
};

/* ---- PairProbabilities -------------------------------------------------------------------------
 * scores [rows, pairs], a [pairs], b [pairs] -> probabilities [rows, classes]. Of a pair the first
 * class has probability 1 / (1 + exp(a * score + b)), and these are coupled. */

static bool pair_probabilities_infer(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32), 0, "scores", 2, 2),
      INPUT_OF(DT(F32), 0, "a", 1, 1),
      INPUT_OF(DT(F32), 0, "b", 1, 1),
  };
  int64_t pairs = 0, classes = 2;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *scores = input_type(node, 0);
  dim_is_const(scores->dims[1], &pairs);
  while (classes < UINT16_MAX && pairs_of(classes) < pairs) classes++;
  if (pairs_of(classes) != pairs) {
    return node_error(node, DIAG_INVALID, "there are not the pairs of any number of classes");
  }
  for (uint32_t i = 1; i <= 2; i++) {
    if (!check_size(node, i, 0, scores->dims[1], "the number of pairs")) return false;
  }
  const Dim *dims[] = {scores->dims[0], dim_const(infer_dims(node), classes)};
  infer_output(node, 0, ONNXC_RT_F32, 2, dims);
  return true;
}

static const Dim *pair_probabilities_scratch(const Node *node) {
  DimTable *t = infer_dims(node);
  const Dim *classes = node_out(node, 0)->type.dims[1];
  const Dim *floats = dim_mul(t, classes, dim_add_i(t, dim_mul_i(t, classes, 2), 1));
  return dim_mul_i(t, floats, sizeof(float));
}

const OpDef op_onnxc_PairProbabilities = {
    .name = "PairProbabilities",
    .domain = "onnxc",
    .infer = pair_probabilities_infer,
    OP_KERNEL(onnxc_rt_ref_pair_probabilities),
    .scratch = pair_probabilities_scratch,
};

/* ---- SVMClassifier -----------------------------------------------------------------------------
 */

/* The support vectors of all classes; 0: the model is linear in the features. -1: reported. */
static int64_t count_vectors(const Node *node) {
  const Attr *list = op_param_list(node, "vectors_per_class");
  int64_t sum = 0;
  for (size_t i = 0; list != NULL && i < list->count; i++) {
    bool fits = list->ints[i] >= 0 && list->ints[i] <= INT32_MAX;
    if (fits) sum += list->ints[i];
    if (fits && sum <= INT32_MAX) continue;
    node_error(node, DIAG_INVALID, "vectors_per_class[%zu] is no number of vectors", i);
    return -1;
  }
  return sum;
}

static bool has_probabilities(const Node *node) {
  const Attr *a = op_param_list(node, "prob_a");
  return a != NULL && a->count != 0;
}

/* The lengths of the attributes when there are support vectors. */
static bool check_classes(const Node *node, int64_t classes, int64_t vectors, const Dim *features) {
  if (classes < 2 || classes > UINT16_MAX) {
    return node_error(node, DIAG_INVALID, "there are %lld classes", (long long)classes);
  }
  int64_t pairs = pairs_of(classes);
  bool probable = has_probabilities(node);
  return ml_check_count(node, "vectors_per_class", classes, false) &&
         ml_check_linear(node, "support_vectors", vectors, features) &&
         ml_check_count(node, "coefficients", (classes - 1) * vectors, false) &&
         ml_check_count(node, "rho", pairs, false) &&
         ml_check_count(node, "prob_a", pairs, !probable) &&
         ml_check_count(node, "prob_b", probable ? pairs : 0, false);
}

static bool classifier_infer(Node *node) {
  const Dim *rows, *features;
  const Attr *labels = ml_labels(node, "classlabels_ints"), *rho = op_param_list(node, "rho");
  int64_t vectors = count_vectors(node), scores;
  if (labels == NULL || vectors < 0 || !ml_rows(node, &rows, &features) || !check_kernel(node) ||
      !ml_check_transform(node)) {
    return false;
  }
  scores = (int64_t)labels->count;
  if (vectors == 0) {
    if (rho == NULL || rho->count == 0) return node_error(node, DIAG_INVALID, "rho is missing");
    if (!ml_check_linear(node, "coefficients", scores, features)) return false;
  } else {
    if (!check_classes(node, scores, vectors, features)) return false;
    if (!has_probabilities(node) && scores > 2) scores = pairs_of(scores);
  }
  ml_infer_classes(node, rows, labels, dim_const(infer_dims(node), scores));
  return true;
}

/* Without support vectors: a score for each class. Of two classes, the second is taken where the
 * larger score says that it is the positive one. */
static void linear_classifier(Builder *b, Node *node, const Attr *labels) {
  const Attr *coefficients = op_param_list(node, "coefficients"), *rho = op_param_list(node, "rho");
  const int64_t classes = (int64_t)labels->count, axis = 1;
  Value *scores = ml_linear(b, ml_matrix(b, node, ONNXC_RT_F32), coefficients, classes,
                            build_f32(b, rho->floats[0]));
  Value *best = ml_largest(b, scores);
  bool positive = true;
  for (size_t i = 0; i < coefficients->count; i++) positive &= coefficients->floats[i] >= 0;
  if (classes == 2 && !has_probabilities(node)) {
    Value *most = compose_reduce(b, "ReduceMax", scores, &axis, 1);
    most = compose_reshape(b, most, most->type.dims, 1);
    Value *second = positive ? BUILD(b, "GreaterOrEqual", most, build_f32(b, 0.5F))
                             : BUILD(b, "Greater", most, build_f32(b, 0));
    best = BUILD(b, "Where", second, build_i64(b, 1), best);
  }
  MlTransform transform = ml_transform_of(node);
  compose_give(b, node, 0, ml_label(b, labels, best));
  compose_give(b, node, 1,
               classes == 1 ? ml_transform_single(b, transform, scores)
                            : ml_transform(b, transform, scores));
}

/* The scores of pairs as the operator gives them: two of them for two classes. */
static Value *pair_scores(Builder *b, MlTransform transform, Value *scores, int64_t classes) {
  if (classes > 2) return ml_transform(b, transform, scores);
  return ml_two_scores(b, transform, transform == ML_NONE, scores);
}

/* A node PairScores; output 0 the scores, output 1 the votes. */
static Node *build_pairs(Builder *b, const Node *node, int64_t classes, int64_t vectors) {
  Context *ctx = b->graph->ctx;
  const Attr *per_class = op_param_list(node, "vectors_per_class");
  const int64_t dims[] = {classes - 1, vectors};
  Tensor *coefficients = tensor_new(ctx, ONNXC_RT_F32, 2, dims);
  coefficients->data = op_param_list(node, "coefficients")->floats;
  int64_t *begins = ARENA_ARRAY(ctx->arena, (size_t)classes + 1, int64_t);
  for (int64_t i = 0; i < classes; i++) begins[i + 1] = begins[i] + per_class->ints[i];
  Value *kernel = build_kernel(b, node, ml_matrix(b, node, ONNXC_RT_F32), vectors);
  Value *inputs[4] = {kernel, build_constant(b, coefficients),
                      build_ints(b, begins, (size_t)classes + 1), ml_list(b, node, "rho")};
  Node *pairs = build_node(b, "onnxc", "PairScores", inputs, 4, 2);
  build_done(b, pairs);
  return pairs;
}

static bool classifier_decompose(Builder *b, Node *node) {
  const Attr *labels = ml_labels(node, "classlabels_ints");
  int64_t vectors = count_vectors(node), classes = (int64_t)labels->count;
  MlTransform transform = ml_transform_of(node);
  if (vectors == 0) {
    linear_classifier(b, node, labels);
    return true;
  }
  const Node *pairs = build_pairs(b, node, classes, vectors);
  Value *scores = pairs->out[0];
  if (has_probabilities(node)) {
    Value *inputs[3] = {scores, ml_list(b, node, "prob_a"), ml_list(b, node, "prob_b")};
    Node *coupled = build_node(b, "onnxc", "PairProbabilities", inputs, 3, 1);
    scores = ml_transform(b, transform, build_done(b, coupled));
  } else {
    scores = pair_scores(b, transform, scores, classes);
  }
  compose_give(b, node, 0, ml_label(b, labels, ml_largest(b, pairs->out[1])));
  compose_give(b, node, 1, scores);
  return true;
}

const OpDef op_SVMClassifier = {
    .name = "SVMClassifier",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("classlabels_ints", ATTR_INTS),
            PARAM_OPTIONAL("classlabels_strings", ATTR_STRINGS),
            PARAM_OPTIONAL("coefficients", ATTR_FLOATS),
            PARAM_OPTIONAL("kernel_params", ATTR_FLOATS),
            PARAM_STRING("kernel_type", "LINEAR"),
            PARAM_STRING("post_transform", "NONE"),
            PARAM_OPTIONAL("prob_a", ATTR_FLOATS),
            PARAM_OPTIONAL("prob_b", ATTR_FLOATS),
            PARAM_OPTIONAL("rho", ATTR_FLOATS),
            PARAM_OPTIONAL("support_vectors", ATTR_FLOATS),
            PARAM_OPTIONAL("vectors_per_class", ATTR_INTS),
            {0},
        },
    .infer = classifier_infer,
    .decompose = classifier_decompose,
};
