#include "passes/quantised.h"

#include <math.h>
#include <string.h>

/* ---- reading -----------------------------------------------------------------------------------
 */

static bool is_op(const Node *node, const char *name) {
  return node != NULL && *node->op->domain == '\0' && strcmp(node->op->name, name) == 0;
}

static bool is_bytes(const Value *value) {
  DType dtype = value->type.dtype;
  return value->type.kind == TYPE_TENSOR && (dtype == ONNXC_RT_I8 || dtype == ONNXC_RT_U8);
}

static bool is_f32(const Value *value) {
  return value->type.kind == TYPE_TENSOR && value->type.dtype == ONNXC_RT_F32;
}

/* A scalar, or a vector of one element. */
static bool is_one(const Value *value) {
  const Type *type = &value->type;
  return type->rank == 0 || (type->rank == 1 && dim_is(type->dims[0], 1));
}

bool quantised_by(const Node *node, Quantised *q) {
  if (!is_op(node, "DequantizeLinear")) return false;
  *q = (Quantised){node_in(node, 0), node_in(node, 1), node_in(node, 2), -1};
  if (!is_bytes(q->data) || !is_f32(q->scale) || !is_f32(node->out[0])) return false;
  if (op_param_i(node, "block_size") != 0) return false;
  if (is_one(q->scale)) return true;
  int64_t axis = op_param_i(node, "axis");
  q->axis = (int)(axis < 0 ? axis + q->data->type.rank : axis);
  return q->scale->type.rank == 1;
}

bool quantised_of(const Match *m, const char *name, int axis, Quantised *q) {
  const char *bind = arena_printf(pass_scratch(m->run), "dequantised %s", name);
  return quantised_by(match_node(m, bind), q) && (q->axis < 0 || q->axis == axis);
}

bool quantised_to(const Node *node, Quantised *q) {
  int64_t precision = op_param_i(node, "precision");
  *q = (Quantised){node->out[0], node_in(node, 1), node_in(node, 2), -1};
  return is_bytes(q->data) && is_f32(q->scale) && is_one(q->scale) && is_f32(node_in(node, 0)) &&
         op_param_i(node, "block_size") == 0 && (precision == 0 || precision == ONNXC_RT_F32);
}

/* ---- scales and zero points --------------------------------------------------------------------
 */

Value *quantised_zero(Builder *b, const Quantised *q) {
  return q->zero != NULL ? q->zero : build_like(b, q->data, 0);
}

/* The constant, also of a copy. */
static const Tensor *constant_of(const Value *value) {
  while (value->constant == NULL && is_op(value->producer, "Identity")) {
    value = node_in(value->producer, 0);
  }
  return value->constant;
}

static bool is_zero(const Value *value) {
  const Tensor *tensor = value == NULL ? NULL : constant_of(value);
  for (size_t i = 0; tensor != NULL && i < tensor->count; i++) {
    if (tensor_f64(tensor, i) != 0) return false;
  }
  return value == NULL || tensor != NULL;
}

static bool same_numbers(const Value *a, const Value *b) {
  if (a == b) return true;
  if (a == NULL || b == NULL) return is_zero(a) && is_zero(b);
  const Tensor *x = constant_of(a), *y = constant_of(b);
  return x != NULL && y != NULL && x->dtype == y->dtype && x->count == y->count &&
         memcmp(x->data, y->data, x->bytes) == 0;
}

bool same_scale(const Quantised *a, const Quantised *b) {
  return a->data->type.dtype == b->data->type.dtype && a->axis == b->axis &&
         same_numbers(a->scale, b->scale) && same_numbers(a->zero, b->zero);
}

/* ---- bias --------------------------------------------------------------------------------------
 */

static double element(const Tensor *tensor, size_t i) {
  return tensor_f64(tensor, tensor->count == 1 ? 0 : i);
}

/* Whether the bias has the scale of the sums, up to rounding. */
static bool has_scale_of(const Value *scale, const Quantised *x, const Quantised *w) {
  static const double tolerance = 1e-4;
  const Tensor *b = constant_of(scale), *s = constant_of(x->scale), *t = constant_of(w->scale);
  if (b == NULL || s == NULL || t == NULL) return false;
  size_t count = b->count > t->count ? b->count : t->count;
  for (size_t i = 0; i < count; i++) {
    double expected = element(s, 0) * element(t, i);
    if (!(fabs(element(b, i) - expected) <= tolerance * expected)) return false;
  }
  return b->count == 1 || b->count == count;
}

Value *integer_bias(const Value *bias, const Quantised *x, const Quantised *w) {
  const Node *node = bias->producer;
  if (!is_op(node, "DequantizeLinear")) return NULL;
  Value *data = node_in(node, 0);
  bool plain = data->type.dtype == ONNXC_RT_I32 && is_zero(node_in(node, 2)) &&
               op_param_i(node, "block_size") == 0;
  return plain && has_scale_of(node_in(node, 1), x, w) ? data : NULL;
}
