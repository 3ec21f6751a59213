/* The rule of each operator that can be differentiated, as a table. Where PyTorch has a convention
 * (the derivative of Relu at 0, ties of Max), it is PyTorch's. */
#include "ops/gradient.h"
#include "ops/reduce.h"
#include "ops/slice.h"
#include "ops/window.h"

#include <string.h>

/* Within a function that has `b`, nodes read as formulas. */
#define F(op, x) BUILD(b, op, x)
#define ADD(x, y) BUILD(b, "Add", x, y)
#define SUB(x, y) BUILD(b, "Sub", x, y)
#define MUL(x, y) BUILD(b, "Mul", x, y)
#define DIV(x, y) BUILD(b, "Div", x, y)
#define LESS(x, y) BUILD(b, "Less", x, y)
#define EQUAL(x, y) BUILD(b, "Equal", x, y)
#define WHERE(condition, x, y) BUILD(b, "Where", condition, x, y)
#define SQUARE(x) MUL(x, x)
#define LIKE(x, number) build_like(b, x, number)

static Value *zeros(Builder *b, const Value *like) {
  const Type *type = &like->type;
  return BUILD(b, "Expand", LIKE(like, 0), build_dims(b, type->dims, (uint32_t)type->rank));
}

/* A node like that of `k`, with the same attributes, of other inputs or with other outputs. */
static Node *same_node(const Backward *k, Value *const *inputs, uint32_t n, uint32_t n_out) {
  Node *node = build_node(k->b, k->node->op->domain, k->node->op->name, inputs, n, n_out);
  node_copy_attrs(node, k->node);
  return node;
}

static Node *with_axis(Builder *b, const char *op, Value *const *inputs, uint32_t n, uint32_t n_out,
                       int64_t axis) {
  Node *node = build_node(b, "", op, inputs, n, n_out);
  node_set_int(node, "axis", axis);
  return node;
}

static int axis_of(const Node *node) {
  int64_t axis = op_param_i(node, "axis");
  return (int)(axis < 0 ? axis + node_in(node, 0)->type.rank : axis);
}

/* ---- of one input, element by element ----------------------------------------------------------
 * The derivative in terms of x, of y = f(x), and of the attributes of n. */

#define X(number) LIKE(x, number)
#define P(attr) LIKE(x, (double)op_param_f(n, attr))
#define ONE X(1)
#define POSITIVE(x) LESS(X(0), x)
#define BETWEEN(low, x, high) BUILD(b, "And", LESS(X(low), x), LESS(x, X(high)))

#define ELEMENTWISE(RULE)                                                                          \
  RULE(Abs, F("Sign", x))                                                                          \
  RULE(Acos, F("Neg", DIV(ONE, F("Sqrt", SUB(ONE, SQUARE(x))))))                                   \
  RULE(Acosh, DIV(ONE, F("Sqrt", SUB(SQUARE(x), ONE))))                                            \
  RULE(Asin, DIV(ONE, F("Sqrt", SUB(ONE, SQUARE(x)))))                                             \
  RULE(Asinh, DIV(ONE, F("Sqrt", ADD(SQUARE(x), ONE))))                                            \
  RULE(Atan, DIV(ONE, ADD(ONE, SQUARE(x))))                                                        \
  RULE(Atanh, DIV(ONE, SUB(ONE, SQUARE(x))))                                                       \
  RULE(Celu, WHERE(POSITIVE(x), ONE, F("Exp", DIV(x, P("alpha")))))                                \
  RULE(Cos, F("Neg", F("Sin", x)))                                                                 \
  RULE(Cosh, F("Sinh", x))                                                                         \
  RULE(Elu, WHERE(POSITIVE(x), ONE, ADD(y, P("alpha"))))                                           \
  RULE(Erf, MUL(X(1.12837916709551257390), F("Exp", F("Neg", SQUARE(x)))))                         \
  RULE(Exp, y)                                                                                     \
  RULE(HardSigmoid, WHERE(BETWEEN(0, y, 1), P("alpha"), X(0)))                                     \
  RULE(HardSwish,                                                                                  \
       WHERE(BETWEEN(-3, x, 3), ADD(DIV(x, X(3)), X(0.5)), WHERE(POSITIVE(x), ONE, X(0))))         \
  RULE(LeakyRelu, WHERE(POSITIVE(x), ONE, P("alpha")))                                             \
  RULE(Log, F("Reciprocal", x))                                                                    \
  RULE(Neg, X(-1))                                                                                 \
  RULE(Reciprocal, F("Neg", SQUARE(y)))                                                            \
  RULE(Relu, WHERE(POSITIVE(x), ONE, X(0)))                                                        \
  RULE(Selu, WHERE(POSITIVE(x), P("gamma"), ADD(y, MUL(P("gamma"), P("alpha")))))                  \
  RULE(Sigmoid, MUL(y, SUB(ONE, y)))                                                               \
  RULE(Sin, F("Cos", x))                                                                           \
  RULE(Sinh, F("Cosh", x))                                                                         \
  RULE(Softplus, F("Sigmoid", x))                                                                  \
  RULE(Softsign, DIV(ONE, SQUARE(ADD(ONE, F("Abs", x)))))                                          \
  RULE(Sqrt, DIV(X(0.5), y))                                                                       \
  RULE(Tan, ADD(ONE, SQUARE(y)))                                                                   \
  RULE(Tanh, SUB(ONE, SQUARE(y)))                                                                  \
  RULE(ThresholdedRelu, WHERE(LESS(P("alpha"), x), ONE, X(0)))                                     \
  RULE(Gelu, gelu_slope(b, n, x))                                                                  \
  RULE(Mish, mish_slope(b, x))                                                                     \
  RULE(Swish, swish_slope(b, F("Sigmoid", MUL(P("alpha"), x)), y, P("alpha")))

/* s = sigmoid(alpha x), y = x s */
static Value *swish_slope(Builder *b, Value *s, Value *y, Value *alpha) {
  return ADD(s, MUL(MUL(alpha, y), SUB(LIKE(y, 1), s)));
}

/* x tanh(softplus(x)) */
static Value *mish_slope(Builder *b, Value *x) {
  Value *t = F("Tanh", F("Softplus", x));
  return ADD(t, MUL(MUL(x, F("Sigmoid", x)), SUB(ONE, SQUARE(t))));
}

/* x Phi(x), where Phi is the normal distribution or, by tanh, nearly that */
static Value *gelu_slope(Builder *b, const Node *n, Value *x) {
  Value *half = X(0.5);
  if (strcmp(op_param_s(n, "approximate"), "tanh") != 0) {
    Value *phi = MUL(half, ADD(ONE, F("Erf", MUL(x, X(0.70710678118654752440)))));
    Value *density = MUL(X(0.39894228040143267794), F("Exp", MUL(X(-0.5), SQUARE(x))));
    return ADD(phi, MUL(x, density));
  }
  Value *root = X(0.79788456080286535588), *square = SQUARE(x);
  Value *inner = MUL(root, MUL(x, ADD(ONE, MUL(X(0.044715), square))));
  Value *slope = MUL(root, ADD(ONE, MUL(X(3 * 0.044715), square)));
  Value *t = F("Tanh", inner), *rise = MUL(SUB(ONE, SQUARE(t)), slope);
  return MUL(half, ADD(ADD(ONE, t), MUL(x, rise)));
}

#define SLOPE(Name, formula)                                                                       \
  static bool rule_##Name(const Backward *k) {                                                     \
    Builder *b = k->b;                                                                             \
    const Node *n = k->node;                                                                       \
    Value *x = node_in(n, 0), *y = node_out(n, 0);                                                 \
    (void)x, (void)y;                                                                              \
    backward_give(k, 0, MUL(k->g[0], formula));                                                    \
    return true;                                                                                   \
  }
ELEMENTWISE(SLOPE)

/* ---- of several inputs, element by element -----------------------------------------------------
 */

/* Constant on both sides of each jump. */
static bool rule_flat(const Backward *k) {
  (void)k;
  return true;
}

/* All inputs, of which there may be one, are added, or are the output in another form. */
static bool rule_sum(const Backward *k) {
  for (uint32_t i = 0; i < k->node->n_formal; i++) backward_give(k, i, k->g[0]);
  return true;
}

static bool rule_mean(const Backward *k) {
  Builder *b = k->b;
  Value *g = DIV(k->g[0], LIKE(k->g[0], k->node->n_formal));
  for (uint32_t i = 0; i < k->node->n_formal; i++) backward_give(k, i, g);
  return true;
}

static bool rule_sub(const Backward *k) {
  Builder *b = k->b;
  backward_give(k, 0, k->g[0]);
  backward_give(k, 1, F("Neg", k->g[0]));
  return true;
}

static bool rule_mul(const Backward *k) {
  Builder *b = k->b;
  backward_give(k, 0, MUL(k->g[0], node_in(k->node, 1)));
  backward_give(k, 1, MUL(k->g[0], node_in(k->node, 0)));
  return true;
}

static bool rule_div(const Backward *k) {
  Builder *b = k->b;
  Value *g = DIV(k->g[0], node_in(k->node, 1));
  backward_give(k, 0, g);
  backward_give(k, 1, F("Neg", MUL(g, node_out(k->node, 0))));
  return true;
}

/* x^p: p x^(p - 1), and x^p log x, which is 0 where x^p is 0 for all p near. */
static bool rule_pow(const Backward *k) {
  Builder *b = k->b;
  Value *x = node_in(k->node, 0), *y = node_out(k->node, 0);
  Value *p = compose_cast(b, node_in(k->node, 1), x->type.dtype), *zero = LIKE(x, 0);
  Value *slope = MUL(p, BUILD(b, "Pow", x, SUB(p, LIKE(x, 1))));
  backward_give(k, 0, MUL(k->g[0], WHERE(EQUAL(p, zero), zero, slope)));
  if (!backward_wants(k, 1)) return true;
  Value *flat = BUILD(b, "And", EQUAL(x, zero), BUILD(b, "GreaterOrEqual", p, zero));
  backward_give(k, 1, MUL(k->g[0], WHERE(flat, zero, MUL(y, F("Log", x)))));
  return true;
}

/* Those inputs share that are the extreme. */
static bool rule_extreme(const Backward *k) {
  Builder *b = k->b;
  Value *y = node_out(k->node, 0), *share = NULL, *zero = LIKE(y, 0);
  for (uint32_t i = 0; i < k->node->n_formal; i++) {
    Value *here = compose_cast(b, EQUAL(node_in(k->node, i), y), y->type.dtype);
    share = share == NULL ? here : ADD(share, here);
  }
  Value *g = DIV(k->g[0], share);
  for (uint32_t i = 0; i < k->node->n_formal; i++) {
    backward_give(k, i, WHERE(EQUAL(node_in(k->node, i), y), g, zero));
  }
  return true;
}

static bool rule_clip(const Backward *k) {
  Builder *b = k->b;
  Value *x = node_in(k->node, 0), *low = node_in(k->node, 1), *high = node_in(k->node, 2);
  Value *g = k->g[0], *zero = LIKE(x, 0), *inside = g;
  if (low != NULL) inside = WHERE(LESS(x, low), zero, inside);
  if (high != NULL) inside = WHERE(LESS(high, x), zero, inside);
  backward_give(k, 0, inside);
  if (low != NULL) backward_give(k, 1, WHERE(LESS(x, low), g, zero));
  if (high != NULL) backward_give(k, 2, WHERE(LESS(high, x), g, zero));
  return true;
}

static bool rule_where(const Backward *k) {
  Builder *b = k->b;
  Value *condition = node_in(k->node, 0), *zero = LIKE(k->g[0], 0);
  backward_give(k, 1, WHERE(condition, k->g[0], zero));
  backward_give(k, 2, WHERE(condition, zero, k->g[0]));
  return true;
}

static bool rule_prelu(const Backward *k) {
  Builder *b = k->b;
  Value *x = node_in(k->node, 0), *zero = LIKE(x, 0), *positive = LESS(zero, x);
  backward_give(k, 0, WHERE(positive, k->g[0], MUL(k->g[0], node_in(k->node, 1))));
  backward_give(k, 1, WHERE(positive, zero, MUL(k->g[0], x)));
  return true;
}

/* The same numbers are drawn again for the mask. */
static bool rule_dropout(const Backward *k) {
  Builder *b = k->b;
  Value *inputs[3] = {node_in(k->node, 0), node_in(k->node, 1), node_in(k->node, 2)};
  Node *again = same_node(k, inputs, inputs[2] != NULL ? 3 : 2, 2);
  build_done(b, again);
  if (k->g[0] == NULL) return true;
  Value *g = k->g[0], *ratio = inputs[1] == NULL ? LIKE(g, 0.5) : inputs[1];
  Value *kept = SUB(LIKE(g, 1), compose_cast(b, compose_scalar(b, ratio), g->type.dtype));
  Value *trains = compose_scalar(b, inputs[2]);
  Value *scaled = WHERE(trains, DIV(g, kept), g);
  backward_give(k, 0, WHERE(node_out(again, 1), scaled, LIKE(g, 0)));
  return true;
}

/* ---- movement ----------------------------------------------------------------------------------
 */

static bool rule_reshape(const Backward *k) {
  const Type *x = &node_in(k->node, 0)->type;
  backward_give(k, 0, compose_reshape(k->b, k->g[0], x->dims, x->rank));
  return true;
}

static bool rule_transpose(const Backward *k) {
  const Attr *perm = op_param_list(k->node, "perm");
  int64_t back[MAX_RANK];
  int rank = k->g[0]->type.rank;
  for (int i = 0; i < rank; i++) back[perm == NULL ? rank - 1 - i : (int)perm->ints[i]] = i;
  backward_give(k, 0, compose_transpose(k->b, k->g[0], back));
  return true;
}

static bool rule_concat(const Backward *k) {
  uint32_t n = k->node->n_formal;
  int axis = axis_of(k->node);
  const Dim **sizes = ARENA_ARRAY(k->b->graph->ctx->arena, n, const Dim *);
  for (uint32_t i = 0; i < n; i++) sizes[i] = node_in(k->node, i)->type.dims[axis];
  Value *inputs[2] = {k->g[0], build_dims(k->b, sizes, n)};
  Node *split = with_axis(k->b, "Split", inputs, 2, n, axis);
  build_done(k->b, split);
  for (uint32_t i = 0; i < n; i++) backward_give(k, i, split->out[i]);
  return true;
}

static bool rule_split(const Backward *k) {
  uint32_t n = k->node->n_out;
  Value **parts = ARENA_ARRAY(k->b->graph->ctx->arena, n, Value *);
  for (uint32_t i = 0; i < n; i++) {
    if (node_out(k->node, i) == NULL) return false;
    parts[i] = k->g[i] != NULL ? k->g[i] : zeros(k->b, node_out(k->node, i));
  }
  backward_give(k, 0, compose_concat(k->b, parts, n, axis_of(k->node)));
  return true;
}

/* `x` within zeros along one axis; a negative number of them takes elements away. */
static Value *place(Builder *b, Value *x, int axis, const Dim *before, const Dim *behind) {
  if (dim_is(before, 0) && dim_is(behind, 0)) return x;
  Value *pads = build_dims(b, (const Dim *[]){before, behind}, 2);
  Value *inputs[4] = {x, pads, NULL, build_ints(b, &(int64_t){axis}, 1)};
  Node *node = build_node(b, "", "Pad", inputs, 4, 1);
  node_set_string(node, "mode", "constant");
  return build_done(b, node);
}

/* `step` - 1 zeros behind each element along an axis. */
static Value *spread(Builder *b, Value *x, int axis, int64_t step) {
  DimTable *t = b->graph->ctx->dims;
  const Type type = x->type;
  const Dim *dims[MAX_RANK + 1];
  if (step == 1) return x;
  memcpy(dims, type.dims, (size_t)type.rank * sizeof *dims);
  Value *column = BUILD(b, "Unsqueeze", x, build_ints(b, &(int64_t){axis + 1}, 1));
  column = place(b, column, axis + 1, dim_const(t, 0), dim_const(t, step - 1));
  dims[axis] = dim_mul_i(t, dims[axis], step);
  return compose_reshape(b, column, dims, type.rank);
}

static bool rule_slice(const Backward *k) {
  DimTable *t = k->b->graph->ctx->dims;
  const Type *x = &node_in(k->node, 0)->type, *y = &node_out(k->node, 0)->type;
  SliceAxis axes[MAX_RANK];
  Value *g = k->g[0];
  int n;
  if (!slice_geometry(k->node, axes, &n) || x->rank == MAX_RANK) return false;
  for (int i = 0; i < n; i++) {
    const int axis = axes[i].axis;
    const Dim *start = axes[i].start, *count = y->dims[axis];
    int64_t step = axes[i].step;
    if (step < -INT32_MAX || step > INT32_MAX) return false;
    if (step < 0) {
      g = compose_slice(k->b, g, axis, -1, INT64_MIN, -1);
      start = dim_add(t, start, dim_mul_i(t, dim_add_i(t, count, -1), step));
      step = -step;
    }
    const Dim *covered = dim_add(t, start, dim_mul_i(t, count, step));
    g = place(k->b, spread(k->b, g, axis, step), axis, start, dim_sub(t, x->dims[axis], covered));
  }
  backward_give(k, 0, g);
  return true;
}

static bool rule_pad(const Backward *k) {
  DimTable *t = k->b->graph->ctx->dims;
  const Type *x = &node_in(k->node, 0)->type;
  int64_t axes[MAX_RANK];
  uint32_t n_axes = (uint32_t)x->rank, n;
  for (int i = 0; i < x->rank; i++) axes[i] = i;
  const Dim *const *pads = infer_contents(k->node, 1, &n);
  bool known =
      node_in(k->node, 3) == NULL || infer_constant_ints(k->node, 3, axes, MAX_RANK, &n_axes);
  bool constant = strcmp(op_param_s(k->node, "mode"), "constant") == 0;
  if (pads == NULL || !known || !constant || backward_wants(k, 2)) return false;
  Value *g = k->g[0];
  for (uint32_t i = 0; i < n_axes; i++) {
    int axis = (int)(axes[i] < 0 ? axes[i] + x->rank : axes[i]);
    g = place(k->b, g, axis, dim_mul_i(t, pads[i], -1), dim_mul_i(t, pads[n_axes + i], -1));
  }
  backward_give(k, 0, g);
  return true;
}

/* Zeros like `x` to which elements of `g` are added at indices along an axis. */
static Value *scatter(Builder *b, const Value *x, Value *indices, Value *g, int axis) {
  Value *inputs[3] = {zeros(b, x), indices, g};
  Node *node = with_axis(b, "ScatterElements", inputs, 3, 1, axis);
  node_set_string(node, "reduction", "add");
  return build_done(b, node);
}

/* The axes of the indices become one, along which they are the same for all other axes. */
static bool rule_gather(const Backward *k) {
  Context *ctx = k->b->graph->ctx;
  Value *x = node_in(k->node, 0), *indices = node_in(k->node, 1), *g = k->g[0];
  const Dim *dims[MAX_RANK], *column[MAX_RANK], *one = dim_const(ctx->dims, 1);
  const int axis = axis_of(k->node), rank = x->type.rank;
  for (int i = 0; i < rank; i++) {
    dims[i] = i == axis ? type_count(ctx, &indices->type) : x->type.dims[i];
    column[i] = i == axis ? dims[i] : one;
  }
  g = compose_reshape(k->b, g, dims, rank);
  indices = compose_reshape(k->b, indices, column, rank);
  indices = BUILD(k->b, "Expand", indices, build_dims(k->b, dims, (uint32_t)rank));
  backward_give(k, 0, scatter(k->b, x, indices, g, axis));
  return true;
}

static bool rule_gather_elements(const Backward *k) {
  Value *x = node_in(k->node, 0);
  backward_give(k, 0, scatter(k->b, x, node_in(k->node, 1), k->g[0], axis_of(k->node)));
  return true;
}

static bool rule_trilu(const Backward *k) {
  Value *inputs[2] = {k->g[0], node_in(k->node, 1)};
  backward_give(k, 0, build_done(k->b, same_node(k, inputs, inputs[1] != NULL ? 2 : 1, 1)));
  return true;
}

static bool rule_cum_sum(const Backward *k) {
  Value *inputs[2] = {k->g[0], node_in(k->node, 1)};
  Node *node = same_node(k, inputs, 2, 1);
  node_set_int(node, "reverse", op_param_i(k->node, "reverse") == 0);
  backward_give(k, 0, build_done(k->b, node));
  return true;
}

/* ---- reductions --------------------------------------------------------------------------------
 */

/* What was reduced: values of the output's sizes come back to those of the input. */
typedef struct Reduction {
  const Type *x;
  const Dim *kept[MAX_RANK]; /* sizes of the output with all axes kept */
  const Dim *count;          /* elements that became one */
  int64_t axes[MAX_RANK];
  size_t n;
} Reduction;

static bool read_reduction(const Backward *k, Reduction *r) {
  DimTable *t = k->b->graph->ctx->dims;
  bool flags[MAX_RANK] = {false}, known;
  *r = (Reduction){.x = &node_in(k->node, 0)->type, .count = dim_const(t, 1)};
  if (!reduced_axes(k->node, flags, &known) || !known) return false;
  for (int i = 0; i < r->x->rank; i++) {
    r->kept[i] = flags[i] ? dim_const(t, 1) : r->x->dims[i];
    if (flags[i]) r->count = dim_mul(t, r->count, r->x->dims[i]);
    if (flags[i]) r->axes[r->n++] = i;
  }
  return true;
}

static Value *spread_out(Builder *b, const Reduction *r, Value *value) {
  value = compose_reshape(b, value, r->kept, r->x->rank);
  return BUILD(b, "Expand", value, build_dims(b, r->x->dims, (uint32_t)r->x->rank));
}

static bool rule_reduce_sum(const Backward *k) {
  Reduction r;
  if (!read_reduction(k, &r)) return false;
  backward_give(k, 0, spread_out(k->b, &r, k->g[0]));
  return true;
}

static bool rule_reduce_mean(const Backward *k) {
  Builder *b = k->b;
  Reduction r;
  if (!read_reduction(k, &r)) return false;
  Value *count = compose_cast(b, compose_size(b, r.count), r.x->dtype);
  backward_give(k, 0, spread_out(b, &r, DIV(k->g[0], count)));
  return true;
}

/* Elements that are the extreme share. */
static bool rule_reduce_extreme(const Backward *k) {
  Builder *b = k->b;
  Reduction r;
  if (!read_reduction(k, &r)) return false;
  Value *x = node_in(k->node, 0), *zero = LIKE(x, 0);
  Value *here = EQUAL(x, spread_out(b, &r, node_out(k->node, 0)));
  Value *number = compose_cast(b, here, r.x->dtype);
  Value *share = compose_reduce(b, "ReduceSum", number, r.axes, r.n);
  backward_give(k, 0, WHERE(here, DIV(spread_out(b, &r, k->g[0]), share), zero));
  return true;
}

/* The derivative by an element x of y, the result that it went into. */
#define REDUCTION(Name, formula)                                                                   \
  static bool rule_##Name(const Backward *k) {                                                     \
    Builder *b = k->b;                                                                             \
    Reduction r;                                                                                   \
    if (!read_reduction(k, &r)) return false;                                                      \
    Value *x = node_in(k->node, 0), *y = spread_out(b, &r, node_out(k->node, 0));                  \
    (void)x, (void)y;                                                                              \
    backward_give(k, 0, MUL(spread_out(b, &r, k->g[0]), formula));                                 \
    return true;                                                                                   \
  }

REDUCTION(ReduceL1, F("Sign", x))
REDUCTION(ReduceL2, WHERE(EQUAL(y, X(0)), X(0), DIV(x, y)))
REDUCTION(ReduceLogSum, F("Exp", F("Neg", y)))
REDUCTION(ReduceLogSumExp, F("Exp", SUB(x, y)))
REDUCTION(ReduceSumSquare, MUL(X(2), x))

static Value *sum_along(const Backward *k, Value *x) {
  return compose_reduce(k->b, "ReduceSum", x, &(int64_t){axis_of(k->node)}, 1);
}

static bool rule_softmax(const Backward *k) {
  Builder *b = k->b;
  Value *y = node_out(k->node, 0), *gy = MUL(k->g[0], y);
  backward_give(k, 0, SUB(gy, MUL(y, sum_along(k, gy))));
  return true;
}

static bool rule_log_softmax(const Backward *k) {
  Builder *b = k->b;
  Value *share = F("Exp", node_out(k->node, 0));
  backward_give(k, 0, SUB(k->g[0], MUL(share, sum_along(k, k->g[0]))));
  return true;
}

/* ---- products ----------------------------------------------------------------------------------
 */

/* The last two axes swapped. */
static Value *swapped(Builder *b, Value *x) {
  int64_t perm[MAX_RANK];
  int rank = x->type.rank;
  for (int i = 0; i < rank; i++) perm[i] = i;
  perm[rank - 2] = rank - 1;
  perm[rank - 1] = rank - 2;
  return compose_transpose(b, x, perm);
}

static Value *with_one(Builder *b, Value *x, int64_t axis) {
  return BUILD(b, "Unsqueeze", x, build_ints(b, &axis, 1));
}

/* A vector is a matrix of one row, or of one column on the right. */
static bool rule_matmul(const Backward *k) {
  Builder *b = k->b;
  Value *x = node_in(k->node, 0), *w = node_in(k->node, 1), *g = k->g[0];
  bool column = w->type.rank == 1, row = x->type.rank == 1;
  if (column) g = with_one(b, g, -1);
  if (row) g = with_one(b, g, -2);
  if (column) w = with_one(b, w, 1);
  if (row) x = with_one(b, x, 0);
  Value *gx = BUILD(b, "MatMul", g, swapped(b, w)), *gw = BUILD(b, "MatMul", swapped(b, x), g);
  if (row) gx = BUILD(b, "Squeeze", gx, build_ints(b, &(int64_t){-2}, 1));
  if (column) gw = BUILD(b, "Squeeze", gw, build_ints(b, &(int64_t){-1}, 1));
  backward_give(k, 0, gx);
  backward_give(k, 1, gw);
  return true;
}

static Value *gemm_operand(const Backward *k, uint32_t i, const char *trans) {
  Value *x = node_in(k->node, i);
  return op_param_i(k->node, trans) != 0 ? swapped(k->b, x) : x;
}

static bool rule_gemm(const Backward *k) {
  Builder *b = k->b;
  Node *mark = backward_mark(k);
  Value *y = BUILD(b, "MatMul", gemm_operand(k, 0, "transA"), gemm_operand(k, 1, "transB"));
  y = MUL(y, LIKE(y, (double)op_param_f(k->node, "alpha")));
  Value *c = node_in(k->node, 2);
  if (c != NULL) y = ADD(y, MUL(c, LIKE(c, (double)op_param_f(k->node, "beta"))));
  return backward_through(k, mark, &y);
}

/* ---- normalisation: by definition --------------------------------------------------------------
 */

/* x of a type of 16 bits is normalised in f32. */
static Value *wide_input(const Backward *k) {
  Value *x = node_in(k->node, 0);
  return compose_cast(k->b, x, x->type.dtype == ONNXC_RT_F64 ? ONNXC_RT_F64 : ONNXC_RT_F32);
}

static Value *inverse_root(const Backward *k, Value *x) {
  Builder *b = k->b;
  Value *epsilon = LIKE(x, (double)op_param_f(k->node, "epsilon"));
  return F("Reciprocal", F("Sqrt", ADD(x, epsilon)));
}

static Value *mean_of_row(const Backward *k, Value *x) {
  int64_t axes[MAX_RANK];
  size_t n = 0;
  for (int i = axis_of(k->node); i < x->type.rank; i++) axes[n++] = i;
  return compose_reduce(k->b, "ReduceMean", x, axes, n);
}

static bool rule_layer_norm(const Backward *k) {
  Builder *b = k->b;
  Node *mark = backward_mark(k);
  Value *x = wide_input(k), *mean = mean_of_row(k, x), *off = SUB(x, mean);
  Value *inverse = inverse_root(k, mean_of_row(k, SQUARE(off)));
  Value *y = compose_cast(b, MUL(off, inverse), node_in(k->node, 0)->type.dtype);
  y = MUL(y, node_in(k->node, 1));
  if (node_in(k->node, 2) != NULL) y = ADD(y, node_in(k->node, 2));
  return backward_through(k, mark, (Value *[]){y, mean, inverse});
}

static bool rule_rms_norm(const Backward *k) {
  Builder *b = k->b;
  Node *mark = backward_mark(k);
  Value *x = wide_input(k), *scale = node_in(k->node, 1);
  Value *y = MUL(x, inverse_root(k, mean_of_row(k, SQUARE(x))));
  y = MUL(compose_cast(b, y, scale->type.dtype), scale);
  return backward_through(k, mark, &y);
}

/* Parameter `i`, one number a channel, in the type of the data and as its axis 1. */
static Value *channels(const Backward *k, uint32_t i) {
  const Type *x = &node_in(k->node, 0)->type;
  const Dim *dims[MAX_RANK];
  for (int a = 1; a < x->rank; a++) dims[a - 1] = dim_const(infer_dims(k->node), 1);
  dims[0] = x->dims[1];
  return compose_reshape(k->b, compose_cast(k->b, node_in(k->node, i), x->dtype), dims,
                         x->rank - 1);
}

static bool rule_batch_norm(const Backward *k) {
  Builder *b = k->b;
  if (node_in(k->node, 0)->type.rank < 2) return false;
  Node *mark = backward_mark(k);
  Value *off = SUB(node_in(k->node, 0), channels(k, 3));
  Value *factor = MUL(channels(k, 1), inverse_root(k, channels(k, 4)));
  Value *y = ADD(MUL(off, factor), channels(k, 2));
  return backward_through(k, mark, &y);
}

/* ---- losses: by definition ---------------------------------------------------------------------
 */

/* The weight of each target, 0 where it is ignored; those become class 0. */
static Value *target_weights(const Backward *k, Value **target) {
  Builder *b = k->b;
  Value *scores = node_in(k->node, 0), *weight = node_in(k->node, 2), *ignored = NULL;
  const Attr *ignore = op_param_list(k->node, "ignore_index");
  if (ignore != NULL) {
    ignored = EQUAL(*target, LIKE(*target, (double)ignore->i));
    *target = WHERE(ignored, LIKE(*target, 0), *target);
  }
  Value *each = LIKE(scores, 1);
  if (weight != NULL) {
    each = build_done(b, with_axis(b, "Gather", (Value *[]){weight, *target}, 2, 1, 0));
  } else {
    const Type *type = &(*target)->type;
    each = BUILD(b, "Expand", each, build_dims(b, type->dims, (uint32_t)type->rank));
  }
  return ignored == NULL ? each : WHERE(ignored, LIKE(scores, 0), each);
}

static bool rule_nll_loss(const Backward *k) {
  Builder *b = k->b;
  Node *mark = backward_mark(k);
  Value *target = node_in(k->node, 1), *one = build_ints(b, &(int64_t){1}, 1);
  Value *weights = target_weights(k, &target);
  Value *inputs[2] = {node_in(k->node, 0), BUILD(b, "Unsqueeze", target, one)};
  Value *score = build_done(b, with_axis(b, "GatherElements", inputs, 2, 1, 1));
  Value *loss = F("Neg", MUL(weights, BUILD(b, "Squeeze", score, one)));
  const char *reduction = op_param_s(k->node, "reduction");
  if (strcmp(reduction, "none") != 0) loss = compose_reduce_all(b, "ReduceSum", loss);
  if (strcmp(reduction, "mean") == 0) {
    loss = DIV(loss, compose_reduce_all(b, "ReduceSum", weights));
  }
  return backward_through(k, mark, &loss);
}

/* ---- windows -----------------------------------------------------------------------------------
 * All in coordinates of the padded data, cut or extended to what the windows reach; so there are no
 * pads, and sizes may be symbolic. */

typedef struct Sliding {
  Geometry g;
  int rank, first; /* spatial axes, and the place of the first in the geometry */
} Sliding;

static bool read_sliding(const Node *node, Sliding *s) {
  s->rank = node_in(node, 0)->type.rank - 2;
  s->first = SPATIAL - s->rank;
  const Type *w = node_in(node, 1) == NULL ? NULL : &node_in(node, 1)->type;
  return s->rank <= SPATIAL && window_geometry(node, w, &s->g);
}

/* What the windows reach of the padded data, behind its end: negative, where that is not all. */
static const Dim *behind_end(const Backward *k, const Sliding *s, int i) {
  DimTable *t = infer_dims(k->node);
  const Geometry *g = &s->g;
  const Dim *span = dim_mul(t, dim_add_i(t, g->kernel[i], -1), g->dilation[i]);
  const Dim *moved = dim_mul(t, dim_add_i(t, g->out[i], -1), g->stride[i]);
  const Dim *reach = dim_add_i(t, dim_add(t, span, moved), 1);
  return dim_sub(t, dim_sub(t, reach, g->in[i]), g->pad[i]);
}

/* From data to what the windows reach, or back. */
static Value *to_reach(const Backward *k, const Sliding *s, Value *x, bool back) {
  DimTable *t = infer_dims(k->node);
  for (int i = s->first; i < SPATIAL; i++) {
    const Dim *before = s->g.pad[i], *behind = behind_end(k, s, i);
    if (back) before = dim_mul_i(t, before, -1);
    if (back) behind = dim_mul_i(t, behind, -1);
    x = place(k->b, x, i - s->first + 2, before, behind);
  }
  return x;
}

static void set_steps(Node *node, const Sliding *s, const char *strides, const char *dilations) {
  int64_t stride[SPATIAL], dilation[SPATIAL];
  for (int i = 0; i < s->rank; i++) {
    stride[i] = s->g.stride[s->first + i]->lo;
    dilation[i] = s->g.dilation[s->first + i]->lo;
  }
  node_set_ints(node, strides, stride, (size_t)s->rank);
  node_set_ints(node, dilations, dilation, (size_t)s->rank);
}

/* Each element of g, times the kernel, over the window that it came from. */
static Value *over_windows(const Backward *k, const Sliding *s, Value *g, Value *w,
                           int64_t groups) {
  Node *node = build_node(k->b, "", "ConvTranspose", (Value *[]){g, w}, 2, 1);
  set_steps(node, s, "strides", "dilations");
  node_set_int(node, "group", groups);
  return build_done(k->b, node);
}

/* [a, groups * c, ...] as [c, groups * a, ...], or, behind it, [groups * a, c, ...]. */
static Value *regroup(const Backward *k, Value *x, int64_t groups, bool behind) {
  DimTable *t = infer_dims(k->node);
  const Type type = x->type;
  const Dim *parts[MAX_RANK + 1], *dims[MAX_RANK];
  int64_t perm[MAX_RANK + 1];
  const Dim *count = dim_const(t, groups), *each = dim_floordiv(t, type.dims[1], count);
  parts[0] = type.dims[0];
  parts[1] = count;
  parts[2] = each;
  for (int i = 2; i < type.rank; i++) parts[i + 1] = dims[i] = type.dims[i];
  for (int i = 0; i <= type.rank; i++) perm[i] = i;
  perm[0] = behind ? 1 : 2;
  perm[1] = behind ? 2 : 1;
  perm[2] = 0;
  dims[0] = behind ? type.dims[1] : each;
  dims[1] = behind ? type.dims[0] : dim_mul_i(t, type.dims[0], groups);
  x = compose_transpose(k->b, compose_reshape(k->b, x, parts, type.rank + 1), perm);
  return compose_reshape(k->b, x, dims, type.rank);
}

/* The filters' gradient is itself a convolution, of x with g as filters: batch and channels change
 * places, and so do stride and dilation. Its groups are those of the node. */
static Value *filter_gradient(const Backward *k, const Sliding *s, int64_t groups) {
  Value *x = to_reach(k, s, node_in(k->node, 0), false);
  Value *inputs[2] = {regroup(k, x, groups, false), regroup(k, k->g[0], groups, true)};
  Node *node = build_node(k->b, "", "Conv", inputs, 2, 1);
  set_steps(node, s, "dilations", "strides");
  node_set_int(node, "group", groups);
  Value *swapped_w = build_done(k->b, node); /* [c, filters, ...] */
  int64_t perm[MAX_RANK];
  for (int i = 0; i < swapped_w->type.rank; i++) perm[i] = i < 2 ? 1 - i : i;
  return compose_transpose(k->b, swapped_w, perm);
}

static bool rule_conv(const Backward *k) {
  int64_t groups = op_param_i(k->node, "group"), axes[MAX_RANK] = {0};
  Value *g = k->g[0];
  size_t n = 1;
  Sliding s;
  if (!read_sliding(k->node, &s) || g->type.rank == MAX_RANK) return false;
  if (backward_wants(k, 0)) {
    Value *reached = over_windows(k, &s, g, node_in(k->node, 1), groups);
    backward_give(k, 0, to_reach(k, &s, reached, true));
  }
  if (backward_wants(k, 1)) backward_give(k, 1, filter_gradient(k, &s, groups));
  if (!backward_wants(k, 2)) return true;
  for (int i = 2; i < g->type.rank; i++) axes[n++] = i;
  const Type *bias = &node_in(k->node, 2)->type;
  Value *sum = compose_reduce(k->b, "ReduceSum", g, axes, n);
  backward_give(k, 2, compose_reshape(k->b, sum, bias->dims, 1));
  return true;
}

/* A kernel of ones, [1, 1, ...]; NULL where its size is no constant. */
static Value *ones_kernel(const Backward *k, const Sliding *s, const Value *like) {
  int64_t dims[2 + SPATIAL] = {1, 1};
  for (int i = 0; i < s->rank; i++) dims[2 + i] = s->g.kernel[s->first + i]->lo;
  Tensor *tensor = tensor_new(k->b->graph->ctx, like->type.dtype, 2 + s->rank, dims);
  if (tensor == NULL) return NULL;
  for (size_t i = 0; i < tensor->count; i++) tensor_set_f64(tensor, i, 1);
  return build_constant(k->b, tensor);
}

/* How many elements each window has, [1, 1, ...]: of the data, or of the padded data. */
static Value *window_counts(const Backward *k, const Sliding *s, Value *kernel) {
  DimTable *t = infer_dims(k->node);
  const Geometry *g = &s->g;
  const Dim *dims[2 + SPATIAL], *none = dim_const(t, 0);
  bool padded = op_param_i(k->node, "count_include_pad") != 0;
  for (int i = 0; i < 2 + s->rank; i++) dims[i] = dim_const(t, 1);
  for (int i = s->first; i < SPATIAL; i++) {
    const Dim *pads = padded ? dim_add(t, g->pad[i], g->pad_end[i]) : none;
    dims[2 + i - s->first] = dim_add(t, g->in[i], pads);
  }
  Value *x = BUILD(k->b, "Expand", build_like(k->b, kernel, 1),
                   build_dims(k->b, dims, (uint32_t)(2 + s->rank)));
  for (int i = s->first; i < SPATIAL; i++) {
    const Dim *before = padded ? none : g->pad[i], *behind = behind_end(k, s, i);
    if (padded) behind = dim_sub(t, behind, g->pad_end[i]);
    x = place(k->b, x, 2 + i - s->first, before, behind);
  }
  Node *node = build_node(k->b, "", "Conv", (Value *[]){x, kernel}, 2, 1);
  set_steps(node, s, "strides", "dilations");
  return build_done(k->b, node);
}

/* Each channel of each element of the batch as a plane of its own. */
static bool rule_average_pool(const Backward *k) {
  Builder *b = k->b;
  DimTable *t = infer_dims(k->node);
  const Type *x = &node_in(k->node, 0)->type;
  const Dim *dims[MAX_RANK];
  Sliding s;
  if (!read_sliding(k->node, &s)) return false;
  Value *kernel = ones_kernel(k, &s, k->g[0]);
  if (kernel == NULL) return false;
  Value *g = DIV(k->g[0], window_counts(k, &s, kernel));
  memcpy(dims, g->type.dims, (size_t)x->rank * sizeof *dims);
  dims[0] = dim_mul(t, x->dims[0], x->dims[1]);
  dims[1] = dim_const(t, 1);
  g = over_windows(k, &s, compose_reshape(b, g, dims, x->rank), kernel, 1);
  g = to_reach(k, &s, g, true);
  backward_give(k, 0, compose_reshape(b, g, x->dims, x->rank));
  return true;
}

/* Each window's gradient goes where its maximum came from. */
static bool rule_max_pool(const Backward *k) {
  Context *ctx = k->b->graph->ctx;
  Value *x = node_in(k->node, 0), *g = k->g[0];
  if (op_param_i(k->node, "storage_order") != 0) return false;
  Node *again = same_node(k, &x, 1, 2);
  build_done(k->b, again);
  const Dim *all = type_count(ctx, &x->type), *windows = type_count(ctx, &g->type);
  Value *flat = compose_reshape(k->b, x, &all, 1);
  Value *indices = compose_reshape(k->b, node_out(again, 1), &windows, 1);
  g = scatter(k->b, flat, indices, compose_reshape(k->b, g, &windows, 1), 0);
  backward_give(k, 0, compose_reshape(k->b, g, x->type.dims, x->type.rank));
  return true;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

#define ROW(Name, formula) {#Name, rule_##Name},
static const struct {
  const char *op;
  GradientRule *rule;
} rules[] = {
    ELEMENTWISE(ROW){"Add", rule_sum},
    {"AveragePool", rule_average_pool},
    {"BatchNormalization", rule_batch_norm},
    {"Cast", rule_sum},
    {"Ceil", rule_flat},
    {"Clip", rule_clip},
    {"Concat", rule_concat},
    {"Conv", rule_conv},
    {"CumSum", rule_cum_sum},
    {"Div", rule_div},
    {"Dropout", rule_dropout},
    {"Expand", rule_sum},
    {"Flatten", rule_reshape},
    {"Floor", rule_flat},
    {"Gather", rule_gather},
    {"GatherElements", rule_gather_elements},
    {"Gemm", rule_gemm},
    {"Identity", rule_sum},
    {"LayerNormalization", rule_layer_norm},
    {"LogSoftmax", rule_log_softmax},
    {"MatMul", rule_matmul},
    {"Max", rule_extreme},
    {"MaxPool", rule_max_pool},
    {"Mean", rule_mean},
    {"Min", rule_extreme},
    {"Mul", rule_mul},
    {"NegativeLogLikelihoodLoss", rule_nll_loss},
    {"PRelu", rule_prelu},
    {"Pad", rule_pad},
    {"Pow", rule_pow},
    {"RMSNormalization", rule_rms_norm},
    {"ReduceL1", rule_ReduceL1},
    {"ReduceL2", rule_ReduceL2},
    {"ReduceLogSum", rule_ReduceLogSum},
    {"ReduceLogSumExp", rule_ReduceLogSumExp},
    {"ReduceMax", rule_reduce_extreme},
    {"ReduceMean", rule_reduce_mean},
    {"ReduceMin", rule_reduce_extreme},
    {"ReduceSum", rule_reduce_sum},
    {"ReduceSumSquare", rule_ReduceSumSquare},
    {"Reshape", rule_reshape},
    {"Round", rule_flat},
    {"Sign", rule_flat},
    {"Slice", rule_slice},
    {"Softmax", rule_softmax},
    {"Split", rule_split},
    {"Squeeze", rule_reshape},
    {"Sub", rule_sub},
    {"Sum", rule_sum},
    {"Transpose", rule_transpose},
    {"Trilu", rule_trilu},
    {"Unsqueeze", rule_reshape},
    {"Where", rule_where},
};

GradientRule *gradient_rule(const OpDef *op) {
  for (size_t i = 0; i < sizeof rules / sizeof *rules && *op->domain == '\0'; i++) {
    if (strcmp(rules[i].op, op->name) == 0) return rules[i].rule;
  }
  return NULL;
}
