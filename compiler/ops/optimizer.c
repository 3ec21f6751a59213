/* Steps of optimizers in training: Adagrad, Adam and Momentum.
 *
 * Inputs are the learning rate R, the update count T, and then, for n tensors X that are optimised
 * together, all X, all gradients G and each kind of state; outputs are all new X and each kind of
 * new state. */
#include "ops/check.h"
#include "ops/compose.h"

#include <string.h>

/* Kinds of state: V and H of Adam, one of the others. */
static uint32_t states(const Node *node) {
  return strcmp(node->op->name, "Adam") == 0 ? 2 : 1;
}

static uint32_t tensors(const Node *node) {
  return (node->n_formal - 2) / (2 + states(node));
}

/* Input `kind` (0: X, 1: G, then the states) that belongs to tensor `i`. */
static uint32_t input_of(const Node *node, uint32_t kind, uint32_t i) {
  return 2 + kind * tensors(node) + i;
}

static bool infer_optimizer(Node *node) {
  uint32_t kinds = 2 + states(node), n = tensors(node);
  if (node->n_formal != 2 + kinds * n || n == 0 || node->n_out > (kinds - 1) * n) {
    return node_error(node, DIAG_INVALID,
                      "%u inputs and %u outputs: each tensor needs %u inputs behind R and T, and "
                      "has %u outputs",
                      node->n_formal, node->n_out, kinds, kinds - 1);
  }
  for (uint32_t i = 0; i < node->n_formal; i++) {
    if (infer_tensor(node, i) == NULL) return false;
  }
  if (!check_number(node, 0) || !check_number(node, 1)) return false;
  for (uint32_t k = 0; k < n * kinds; k++) {
    const Type *x = input_type(node, input_of(node, 0, k % n)), *other = input_type(node, 2 + k);
    if (!check_sizes(node, 2 + k, x->rank, x->dims, "the optimised tensor")) return false;
    if (other->dtype != x->dtype) {
      return node_error(node, DIAG_INVALID, "input %u has type %s, but the optimised tensor %s",
                        2 + k, dtype_info(other->dtype)->name, dtype_info(x->dtype)->name);
    }
  }
  for (uint32_t k = 0; k < node->n_out; k++) {
    infer_output_type(node, k, input_type(node, input_of(node, 0, k % n)));
  }
  return true;
}

/* ---- what the formulas are made of -------------------------------------------------------------
 * Factors of the whole tensor are computed in double, as 1 - beta^T cancels for small T. */

static double number(const Node *node, const char *attr) {
  return (double)op_param_f(node, attr);
}

/* Input 0 or 1 as a scalar. */
static Value *factor_input(Builder *b, const Node *node, uint32_t i) {
  return compose_cast(b, compose_scalar(b, node_in(node, i)), ONNXC_RT_F64);
}

static Value *with_number(Builder *b, const char *op, Value *x, double value) {
  return BUILD(b, op, x, build_like(b, x, value));
}

/* factor * x */
static Value *scaled(Builder *b, Value *x, double factor) {
  return factor == 1 ? x : with_number(b, "Mul", x, factor);
}

/* a factor of any type times x */
static Value *times(Builder *b, Value *factor, Value *x) {
  return BUILD(b, "Mul", compose_cast(b, factor, x->type.dtype), x);
}

/* G + norm_coefficient * X */
static Value *regularised(Builder *b, const Node *node, uint32_t i) {
  Value *x = node_in(node, input_of(node, 0, i)), *g = node_in(node, input_of(node, 1, i));
  double norm = number(node, "norm_coefficient");
  return norm == 0 ? g : BUILD(b, "Add", scaled(b, x, norm), g);
}

/* T > 0 ? value : otherwise */
static Value *unless_first(Builder *b, const Node *node, Value *value, Value *otherwise) {
  Value *t = compose_scalar(b, node_in(node, 1));
  return BUILD(b, "Where", BUILD(b, "Greater", t, build_i64(b, 0)), value, otherwise);
}

static Value *square_root(Builder *b, Value *x, double epsilon) {
  return with_number(b, "Add", BUILD(b, "Sqrt", x), epsilon);
}

/* ---- Adagrad -----------------------------------------------------------------------------------
 */

/* R / (1 + T * decay_factor) */
static Value *adagrad_rate(Builder *b, const Node *node) {
  Value *rate = factor_input(b, node, 0);
  double decay = number(node, "decay_factor");
  if (decay == 0) return rate;
  Value *decayed = scaled(b, factor_input(b, node, 1), decay);
  return BUILD(b, "Div", rate, with_number(b, "Add", decayed, 1));
}

/* H' = H + G^2; X' = X - rate * G / (sqrt(H') + epsilon) */
static bool decompose_adagrad(Builder *b, Node *node) {
  Value *rate = adagrad_rate(b, node);
  uint32_t n = tensors(node);
  for (uint32_t i = 0; i < n; i++) {
    Value *x = node_in(node, input_of(node, 0, i)), *h = node_in(node, input_of(node, 2, i));
    Value *g = regularised(b, node, i);
    Value *h_new = BUILD(b, "Add", h, BUILD(b, "Mul", g, g));
    Value *root = square_root(b, h_new, number(node, "epsilon"));
    compose_give(b, node, i, BUILD(b, "Sub", x, BUILD(b, "Div", times(b, rate, g), root)));
    compose_give(b, node, n + i, h_new);
  }
  return true;
}

/* ---- Adam --------------------------------------------------------------------------------------
 */

/* 1 - base^T */
static Value *bias_correction(Builder *b, const Node *node, const char *base) {
  Value *t = factor_input(b, node, 1);
  Value *power = BUILD(b, "Pow", build_like(b, t, number(node, base)), t);
  return BUILD(b, "Sub", build_like(b, t, 1), power);
}

/* T > 0 ? R * sqrt(1 - beta^T) / (1 - alpha^T) : R */
static Value *adam_rate(Builder *b, const Node *node) {
  Value *rate = factor_input(b, node, 0);
  Value *up = BUILD(b, "Sqrt", bias_correction(b, node, "beta"));
  Value *adjusted = BUILD(b, "Div", BUILD(b, "Mul", rate, up), bias_correction(b, node, "alpha"));
  return unless_first(b, node, adjusted, rate);
}

/* decay * average + (1 - decay) * now */
static Value *averaged(Builder *b, Value *average, Value *now, double decay) {
  return BUILD(b, "Add", scaled(b, average, decay), scaled(b, now, 1 - decay));
}

/* V' and H' average G and G^2; X' = X - rate * V' / (sqrt(H') + epsilon) */
static bool decompose_adam(Builder *b, Node *node) {
  Value *rate = adam_rate(b, node);
  double post = number(node, "norm_coefficient_post");
  uint32_t n = tensors(node);
  for (uint32_t i = 0; i < n; i++) {
    Value *x = node_in(node, input_of(node, 0, i)), *g = regularised(b, node, i);
    Value *v = averaged(b, node_in(node, input_of(node, 2, i)), g, number(node, "alpha"));
    Value *h = averaged(b, node_in(node, input_of(node, 3, i)), BUILD(b, "Mul", g, g),
                        number(node, "beta"));
    Value *root = square_root(b, h, number(node, "epsilon"));
    Value *x_new = BUILD(b, "Sub", x, BUILD(b, "Div", times(b, rate, v), root));
    compose_give(b, node, i, scaled(b, x_new, 1 - post));
    compose_give(b, node, n + i, v);
    compose_give(b, node, 2 * n + i, h);
  }
  return true;
}

/* ---- Momentum ----------------------------------------------------------------------------------
 */

static bool infer_momentum(Node *node) {
  return check_choice(node, "mode", "standard nesterov") && infer_optimizer(node);
}

/* V' = alpha * V + (T > 0 ? beta : 1) * G; X' = X - R * V', or X - R * (G + alpha * V') */
static bool decompose_momentum(Builder *b, Node *node) {
  Value *rate = factor_input(b, node, 0);
  Value *beta =
      unless_first(b, node, build_like(b, rate, number(node, "beta")), build_like(b, rate, 1));
  bool nesterov = strcmp(op_param_s(node, "mode"), "nesterov") == 0;
  double alpha = number(node, "alpha");
  uint32_t n = tensors(node);
  for (uint32_t i = 0; i < n; i++) {
    Value *x = node_in(node, input_of(node, 0, i)), *g = regularised(b, node, i);
    Value *kept = scaled(b, node_in(node, input_of(node, 2, i)), alpha);
    Value *v = BUILD(b, "Add", kept, times(b, beta, g));
    Value *step = nesterov ? BUILD(b, "Add", g, scaled(b, v, alpha)) : v;
    compose_give(b, node, i, BUILD(b, "Sub", x, times(b, rate, step)));
    compose_give(b, node, n + i, v);
  }
  return true;
}

#define OPTIMIZER(Name, infer_, decompose_, ...)                                                   \
  const OpDef op_training_##Name = {                                                               \
      .name = #Name,                                                                               \
      .domain = "ai.onnx.preview.training",                                                        \
      .params = (const OpParam[]){__VA_ARGS__, {0}},                                               \
      .infer = infer_,                                                                             \
      .decompose = decompose_,                                                                     \
  }

OPTIMIZER(Adagrad, infer_optimizer, decompose_adagrad, PARAM_FLOAT("decay_factor", 0),
          PARAM_FLOAT("epsilon", 1e-6F), PARAM_FLOAT("norm_coefficient", 0));
OPTIMIZER(Adam, infer_optimizer, decompose_adam, PARAM_FLOAT("alpha", 0.9F),
          PARAM_FLOAT("beta", 0.999F), PARAM_FLOAT("epsilon", 1e-6F),
          PARAM_FLOAT("norm_coefficient", 0), PARAM_FLOAT("norm_coefficient_post", 0));
OPTIMIZER(Momentum, infer_momentum, decompose_momentum, PARAM_REQUIRED("alpha", ATTR_FLOAT),
          PARAM_REQUIRED("beta", ATTR_FLOAT), PARAM_REQUIRED("mode", ATTR_STRING),
          PARAM_REQUIRED("norm_coefficient", ATTR_FLOAT));
