/* fold-affine: a constant scale or shift of each output channel behind Conv, ConvTranspose or
 * MatMul (with or without an Add of a bias) -> into their weights and bias; BatchNormalization is
 * one, Mul and Add may be. Where nothing takes it, BatchNormalization -> Mul and Add.
 *
 * Right because these operators are linear in each output channel: k * (w x + b) + c =
 * (k w) x + (k b + c). New constants are computed in double and rounded once. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

/* ---- linear operators --------------------------------------------------------------------------
 */

/* The output channel that element `i` of the weight contributes to. */
typedef int64_t ChannelOf(const Node *node, const Tensor *weight, int64_t i);

static int64_t conv_channel(const Node *node, const Tensor *w, int64_t i) {
  (void)node;
  return i / ((int64_t)w->count / w->dims[0]);
}

/* [inputs, outputs of a group, ...]: inputs of group g contribute to its outputs only. */
static int64_t conv_transpose_channel(const Node *node, const Tensor *w, int64_t i) {
  int64_t spatial = (int64_t)w->count / (w->dims[0] * w->dims[1]);
  int64_t inputs = w->dims[0] / op_param_i(node, "group");
  return i / (spatial * w->dims[1]) / inputs * w->dims[1] + i / spatial % w->dims[1];
}

static int64_t matmul_channel(const Node *node, const Tensor *w, int64_t i) {
  (void)node;
  return i % w->dims[w->rank - 1];
}

/* Weights are input 1. */
typedef struct Linear {
  const char *op;
  ChannelOf *channel_of;
  bool convolves; /* channels are axis 1, a bias is input 2; else the last axis, and added behind */
} Linear;

static const Linear linears[] = {
    {"Conv", conv_channel, true},
    {"ConvTranspose", conv_transpose_channel, true},
    {"MatMul", matmul_channel, false},
};

static const Linear *linear_of(const Node *node) {
  for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
    if (strcmp(node->op->name, linears[i].op) == 0) return &linears[i];
  }
  return NULL;
}

static int channel_axis(const Node *node) {
  return linear_of(node)->convolves ? 1 : node->out[0]->type.rank - 1;
}

/* ---- scale and shift ---------------------------------------------------------------------------
 */

/* k * y + c of each of `n` channels. */
typedef struct Affine {
  int64_t n;
  double *k, *c;
} Affine;

static Affine affine_new(const Match *m, int64_t n) {
  Affine a = {.n = n};
  a.k = ARENA_ARRAY(pass_scratch(m->run), (size_t)n, double);
  a.c = ARENA_ARRAY(pass_scratch(m->run), (size_t)n, double);
  for (int64_t i = 0; i < n; i++) a.k[i] = 1;
  return a;
}

static bool all_zero(const double *numbers, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (numbers[i] != 0) return false;
  }
  return true;
}

static bool numbers_along(const Match *m, const char *name, int rank, int axis, int64_t n,
                          double *numbers) {
  return constant_over(match_value(m, name), rank, axis, axis + 1, &n, numbers);
}

/* Scale, bias, mean and variance, each a vector of one number a channel. */
static bool read_batch_norm(const Match *m, Affine *a) {
  double *mean = ARENA_ARRAY(pass_scratch(m->run), (size_t)a->n, double);
  double *variance = ARENA_ARRAY(pass_scratch(m->run), (size_t)a->n, double);
  double epsilon = (double)op_param_f(m->root, "epsilon");
  if (op_param_i(m->root, "training_mode") != 0) return false;
  if (!numbers_along(m, "scale", 1, 0, a->n, a->k) ||
      !numbers_along(m, "shift", 1, 0, a->n, a->c) || !numbers_along(m, "mean", 1, 0, a->n, mean) ||
      !numbers_along(m, "variance", 1, 0, a->n, variance)) {
    return false;
  }
  for (int64_t i = 0; i < a->n; i++) {
    a->k[i] /= sqrt(variance[i] + epsilon);
    a->c[i] -= a->k[i] * mean[i];
  }
  return true;
}

/* Mul, Div, Add or Sub with the constant "k". */
static bool read_arithmetic(const Match *m, int axis, Affine *a) {
  const char *op = m->root->op->name;
  int rank = m->root->out[0]->type.rank;
  bool scales = strcmp(op, "Mul") == 0 || strcmp(op, "Div") == 0;
  double *numbers = scales ? a->k : a->c;
  if (!numbers_along(m, "k", rank, axis, a->n, numbers)) return false;
  for (int64_t i = 0; i < a->n; i++) {
    if (strcmp(op, "Div") == 0) numbers[i] = 1 / numbers[i];
    if (strcmp(op, "Sub") == 0) numbers[i] = -numbers[i];
  }
  return true;
}

/* ---- folding ----------------------------------------------------------------------------------
 */

static Value *scaled_weight(Match *m, const Node *node, const Affine *a) {
  const Value *weight = node->in[1].value;
  const Tensor *w = weight->constant;
  double *numbers = ARENA_ARRAY(pass_scratch(m->run), w->count, double);
  ChannelOf *channel_of = linear_of(node)->channel_of;
  for (size_t i = 0; i < w->count; i++) {
    numbers[i] = tensor_f64(w, i) * a->k[channel_of(node, w, (int64_t)i)];
  }
  return build_numbers(&m->builder, weight, numbers, w->rank, w->dims);
}

/* k b + c; NULL where that is nothing. False when the bias is not one number a channel. */
static bool scaled_bias(Match *m, const Node *node, const Affine *a, Value **bias) {
  const Value *before = match_value(m, "bias");
  double *numbers = ARENA_ARRAY(pass_scratch(m->run), (size_t)a->n, double);
  bool convolves = linear_of(node)->convolves;
  int rank = convolves ? 1 : node->out[0]->type.rank;
  *bias = NULL;
  if (before != NULL && !numbers_along(m, "bias", rank, rank - 1, a->n, numbers)) return false;
  for (int64_t i = 0; i < a->n; i++) numbers[i] = numbers[i] * a->k[i] + a->c[i];
  if (before != NULL || !all_zero(numbers, a->n)) {
    *bias = build_numbers(&m->builder, node->in[1].value, numbers, 1, &a->n);
  }
  return true;
}

/* A second copy of the weight is not worth it where the first is needed on. */
static bool may_scale(const Node *node) {
  const Value *weight = node->in[1].value;
  return weight->constant != NULL && weight->constant->rank >= 2 && weight->constant->count != 0 &&
         value_single_use(weight) && is_float(weight);
}

static bool scales_nothing(const Affine *a) {
  for (int64_t i = 0; i < a->n; i++) {
    if (a->k[i] != 1) return false;
  }
  return true;
}

static Value *rebuild_linear(Match *m, const Node *linear, Value *weight, Value *bias) {
  Builder *b = &m->builder;
  bool inside = linear_of(linear)->convolves && bias != NULL;
  Value *inputs[] = {linear->in[0].value, weight, bias};
  Node *node = build_node(b, "", linear->op->name, inputs, inside ? 3 : 2, 1);
  for (uint32_t i = 0; i < linear->n_attrs; i++) node_set_attr(node, linear->attrs[i]);
  Value *result = build_done(b, node);
  return inside || bias == NULL ? result : BUILD(b, "Add", result, bias);
}

static Value *fold_into(Match *m, const Affine *a) {
  const Node *linear = match_node(m, "linear");
  bool only_shift = scales_nothing(a);
  Value *weight = linear->in[1].value, *bias;
  if (!only_shift && !may_scale(linear)) return NULL;
  if (!scaled_bias(m, linear, a, &bias)) return NULL;
  if (!only_shift) weight = scaled_weight(m, linear, a);
  return rebuild_linear(m, linear, weight, bias);
}

/* The number of channels; 0 when it is not known or the root has other sizes than the operator. */
static int64_t count_channels(const Match *m, const Node *linear, int axis) {
  int64_t n = static_dim(linear->out[0], axis);
  return n > 0 && same_type(linear->out[0], m->root->out[0]) ? n : 0;
}

static Value *fold_batch_norm(Match *m) {
  const Node *linear = match_node(m, "linear");
  int axis = channel_axis(linear);
  int64_t n = axis == 1 ? count_channels(m, linear, axis) : 0;
  if (n == 0) return NULL;
  Affine a = affine_new(m, n);
  return read_batch_norm(m, &a) ? fold_into(m, &a) : NULL;
}

static Value *fold_arithmetic(Match *m) {
  const Node *linear = match_node(m, "linear");
  int axis = channel_axis(linear);
  int64_t n = count_channels(m, linear, axis);
  if (n == 0) return NULL;
  Affine a = affine_new(m, n);
  return read_arithmetic(m, axis, &a) ? fold_into(m, &a) : NULL;
}

/* A vector of one number a channel as [n, 1, 1, ...], which broadcasts from axis 1 on. */
static Value *channel_constant(Match *m, const Value *x, const double *numbers, int64_t n) {
  int64_t dims[MAX_RANK] = {n};
  for (int i = 1; i < x->type.rank - 1; i++) dims[i] = 1;
  return build_numbers(&m->builder, x, numbers, x->type.rank - 1, dims);
}

static Value *expand_batch_norm(Match *m) {
  Value *x = match_value(m, "x");
  int64_t n = static_dim(x, 1);
  if (x->type.rank < 2 || n < 1) return NULL;
  Affine a = affine_new(m, n);
  if (!read_batch_norm(m, &a)) return NULL;
  Value *scaled = BUILD(&m->builder, "Mul", x, channel_constant(m, x, a.k, n));
  return BUILD(&m->builder, "Add", scaled, channel_constant(m, x, a.c, n));
}

#define BATCH_NORM(x_)                                                                             \
  P("BatchNormalization", x_, CONST("scale"), CONST("shift"), CONST("mean"), CONST("variance"))
#define CONVOLUTION PB("Conv|ConvTranspose", "linear", ANY("x"), CONST("weight"), OPT("bias"))
#define PRODUCT PB("MatMul", "linear", ANY("x"), CONST("weight"))
#define BIASED_PRODUCT P("Add", PRODUCT, CONST("bias"))

static const Rule rules[] = {
    RULE("batch-norm", BATCH_NORM(OR(CONVOLUTION, BIASED_PRODUCT, PRODUCT)), fold_batch_norm),
    RULE("channel-factor", P("Mul", OR(CONVOLUTION, BIASED_PRODUCT, PRODUCT), CONST("k")),
         fold_arithmetic),
    RULE("channel-factor", P("Div", OR(CONVOLUTION, BIASED_PRODUCT, PRODUCT), CONST("k")),
         fold_arithmetic),
    RULE("channel-term", P("Add", OR(CONVOLUTION, BIASED_PRODUCT), CONST("k")), fold_arithmetic),
    RULE("channel-term", P("Sub", OR(CONVOLUTION, BIASED_PRODUCT), CONST("k")), fold_arithmetic),
    RULE("batch-norm-alone", BATCH_NORM(ANY("x")), expand_batch_norm),
};

const PassDef pass_fold_affine = {
    .name = "fold-affine",
    .what = "BatchNormalization and constant factors become part of weights and biases",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
