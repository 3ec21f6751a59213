/* Patterns over any tensors, residual blocks, and whole graphs. */
#include "draw.h"

#include <string.h>

static Value *pick(Draw *d, Value *x, const PatternRow *rows, size_t n) {
  int64_t total = 0;
  for (size_t i = 0; i < n; i++) total += rows[i].weight;
  for (int attempt = 0; attempt < 4; attempt++) {
    int64_t at = draw_in(d, 0, total - 1);
    size_t i = 0;
    while (at >= rows[i].weight) at -= rows[i++].weight;
    Value *y = rows[i].draw(d, x);
    if (y != NULL) return y;
  }
  return NULL;
}

/* Nothing grows beyond a few thousand elements. */
static bool is_small(Draw *d, const Value *x) {
  return x->type.kind == TYPE_TENSOR && x->type.rank >= 0 && x->type.rank <= 6 &&
         type_count(d->ctx, &x->type)->hi <= 20000 && type_count(d->ctx, &x->type)->hi > 0;
}

static bool has_axes(const Value *x) {
  return is_float(x) && rank_of(x) > 0;
}

static Value *any_axis_norm(Draw *d, Value *x) {
  return has_axes(x) ? draw_norm(d, x) : NULL;
}

static Value *softmax(Draw *d, Value *x) {
  if (!has_axes(x)) return NULL;
  return draw_softmax(d, x, draw_chance(d, 70) ? rank_of(x) - 1 : draw_in(d, 0, rank_of(x) - 1));
}

static Value *activation(Draw *d, Value *x) {
  return is_float(x) ? draw_activation(d, x) : NULL;
}

/* ---- with constants ----------------------------------------------------------------------------
 */

static Value *with_constant(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  if (draw_chance(d, 15)) {
    return OP(d, "Div", x, scalar(d, x, DRAW_OF(d, double, 2, 0.5, -4, 1, 3)));
  }
  if (draw_chance(d, 15)) return OP(d, "Sub", x, operand(d, x));
  if (draw_chance(d, 10)) return OP(d, "Sub", operand(d, x), x);
  if (draw_chance(d, 10))
    return OP(d, "Pow", OP(d, "Abs", x), scalar(d, x, DRAW_OF(d, double, 2, 0.5, 1, 0, 1.5)));
  return commute(d, DRAW_OF(d, const char *, "Mul", "Add", "Add", "Mul", "Max", "Min"), x,
                 operand(d, x));
}

static Value *with_itself(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  Value *y = draw_chance(d, 80) ? draw_alike(d, x) : x;
  switch (draw_in(d, 0, 6)) {
  case 0: return OP(d, "Tanh", commute(d, "Mul", x, y));
  case 1: return OP(d, "Sub", x, y);
  case 2: return OP(d, "Where", OP(d, "Greater", x, y), x, y);
  case 3: return commute(d, "Max", x, y);
  case 4: return OP(d, "Div", x, commute(d, "Add", OP(d, "Abs", y), scalar(d, x, 1)));
  case 5: return OP(d, "Where", OP(d, "Less", x, operand(d, x)), x, OP(d, "Neg", y));
  default: return commute(d, "Add", x, y);
  }
}

/* x against a reduction of itself. */
static Value *against_reduction(Draw *d, Value *x) {
  if (!has_axes(x)) return NULL;
  const char *op = DRAW_OF(d, const char *, "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum");
  int64_t axis = draw_in(d, 0, rank_of(x) - 1);
  bool keep = draw_chance(d, 70);
  Value *r = reduce(d, op, x, axis, keep);
  if (!keep) r = OP(d, "Unsqueeze", r, ints(d, axis));
  return draw_chance(d, 60) ? OP(d, "Sub", x, r) : commute(d, "Add", r, x);
}

/* ---- movement and back -------------------------------------------------------------------------
 */

static void draw_perm(Draw *d, int rank, int64_t *perm, int64_t *inverse) {
  for (int i = 0; i < rank; i++) perm[i] = i;
  for (int i = rank - 1; i > 0; i--) {
    int k = (int)draw_in(d, 0, i);
    int64_t t = perm[i];
    perm[i] = perm[k], perm[k] = t;
  }
  for (int i = 0; i < rank; i++) inverse[perm[i]] = i;
}

static Value *through_transpose(Draw *d, Value *x) {
  int64_t perm[MAX_RANK], back[MAX_RANK];
  if (!has_axes(x)) return NULL;
  draw_perm(d, rank_of(x), perm, back);
  Value *y = transpose(d, x, perm);
  y = draw_chance(d, 60) ? with_constant(d, y) : draw_activation(d, y);
  if (draw_chance(d, 30)) y = draw_activation(d, y);
  return same_type(transpose(d, y, back), x) ? transpose(d, y, back) : NULL;
}

static Value *through_reshape(Draw *d, Value *x) {
  int64_t as_was[MAX_RANK];
  if (!has_axes(x)) return NULL;
  for (int i = 0; i < rank_of(x); i++) {
    if (size_at(x, i) == 0) return NULL; /* which would stand for another size */
  }
  Value *y;
  switch (draw_in(d, 0, 2)) {
  case 0: y = OP(d, "Reshape", x, ints(d, -1)); break;
  case 1: y = with_int(d, "Flatten", x, "axis", draw_in(d, 0, rank_of(x))); break;
  default: y = OP(d, "Unsqueeze", x, ints(d, draw_in(d, 0, rank_of(x)))); break;
  }
  y = draw_activation(d, y);
  if (draw_chance(d, 50)) return OP(d, "Reshape", y, OP(d, "Shape", x));
  for (int i = 0; i < rank_of(x); i++) {
    as_was[i] = size_at(x, i);
    if (as_was[i] < 0) return OP(d, "Reshape", y, OP(d, "Shape", x));
  }
  return OP(d, "Reshape", y, build_ints(&d->b, as_was, (size_t)rank_of(x)));
}

/* An axis whose size is known and at least `least`; -1: there is none. */
static int known_axis(Draw *d, const Value *x, int64_t least) {
  int rank = rank_of(x), first = rank == 0 ? 0 : (int)draw_in(d, 0, rank - 1);
  for (int i = 0; i < rank; i++) {
    if (size_at(x, (first + i) % rank) >= least) return (first + i) % rank;
  }
  return -1;
}

static void two_parts(Draw *d, Value *x, int axis, Value **parts) {
  int64_t n = size_at(x, axis), at = draw_in(d, 1, n - 1);
  if (draw_chance(d, 50)) {
    Value *inputs[] = {x, ints2(d, at, n - at)};
    Node *node = build_node(&d->b, "", "Split", inputs, 2, 2);
    node_set_int(node, "axis", axis);
    build_done(&d->b, node);
    for (uint32_t i = 0; i < 2; i++) parts[i] = node_out(node, i);
  } else {
    parts[0] = slice(d, x, axis, 0, at, 1);
    parts[1] = slice(d, x, axis, at, draw_chance(d, 50) ? n : INT64_MAX, 1);
  }
}

static Value *through_split(Draw *d, Value *x) {
  Value *parts[2];
  int axis = has_axes(x) ? known_axis(d, x, 2) : -1;
  if (axis < 0) return NULL;
  two_parts(d, x, axis, parts);
  for (int i = 0; i < 2; i++) {
    if (draw_chance(d, 50)) parts[i] = draw_activation(d, parts[i]);
  }
  return compose_concat(&d->b, parts, 2, axis);
}

/* The parts of one axis or two change places. */
static Value *rolled(Draw *d, Value *x) {
  for (int64_t n = draw_in(d, 1, 2); n > 0; n--) {
    Value *parts[2];
    int axis = has_axes(x) ? known_axis(d, x, 2) : -1;
    if (axis < 0) return NULL;
    two_parts(d, x, axis, parts);
    Value *swapped[] = {parts[1], parts[0]};
    x = compose_concat(&d->b, swapped, 2, axis);
  }
  return x;
}

/* Two axes that follow one another, as a x b and c x d, become a x c and b x d: windows of an
 * image. `sizes` are a, b, c and d. */
static Value *swap_windows(Draw *d, Value *x, int axis, const int64_t *sizes) {
  const Dim *dims[MAX_RANK], *out[MAX_RANK];
  int64_t perm[MAX_RANK];
  int rank = rank_of(x);
  for (int i = 0; i < rank + 2; i++) {
    int part = i - axis;
    dims[i] = part < 0 || part > 3 ? x->type.dims[part < 0 ? i : i - 2]
                                   : dim_const(d->ctx->dims, sizes[part]);
    perm[i] = part == 1 ? i + 1 : part == 2 ? i - 1 : i;
  }
  memcpy(out, x->type.dims, (size_t)rank * sizeof *out);
  out[axis] = dim_const(d->ctx->dims, sizes[0] * sizes[2]);
  out[axis + 1] = dim_const(d->ctx->dims, sizes[1] * sizes[3]);
  Value *parts = compose_reshape(&d->b, x, dims, rank + 2);
  return compose_reshape(&d->b, transpose(d, parts, perm), out, rank);
}

static int64_t divisor_of(Draw *d, int64_t size) {
  int64_t divisor = draw_in(d, 1, size);
  while (size % divisor != 0) divisor--;
  return divisor;
}

static Value *through_windows(Draw *d, Value *x) {
  int rank = rank_of(x);
  if (!has_axes(x) || rank < 2 || rank + 2 > MAX_RANK) return NULL;
  int axis = (int)draw_in(d, 0, rank - 2);
  int64_t n = size_at(x, axis), m = size_at(x, axis + 1);
  if (n < 1 || m < 1) return NULL;
  int64_t b = divisor_of(d, n), e = divisor_of(d, m);
  const int64_t there[] = {n / b, b, m / e, e}, back[] = {n / b, m / e, b, e};
  Value *normed = draw_chance(d, 40) ? any_axis_norm(d, x) : NULL;
  Value *y = swap_windows(d, normed == NULL ? x : normed, axis, there);
  Value *z = draw_chance(d, 50) ? with_constant(d, y) : any_axis_norm(d, y);
  if (z == NULL || draw_chance(d, 50)) z = draw_activation(d, y);
  return z != NULL && same_type(z, y) ? swap_windows(d, z, axis, back) : NULL;
}

static Value *through_pad(Draw *d, Value *x) {
  int64_t pads[2 * MAX_RANK] = {0};
  int axis = has_axes(x) ? known_axis(d, x, 1) : -1;
  if (axis < 0) return NULL;
  int64_t n = size_at(x, axis), before = draw_in(d, 0, 2), after = draw_in(d, 0, 2);
  pads[axis] = before, pads[axis + rank_of(x)] = after;
  Value *y = OP(d, "Pad", x, build_ints(&d->b, pads, 2 * (size_t)rank_of(x)));
  if (draw_chance(d, 50)) y = draw_activation(d, y);
  int64_t start = draw_in(d, 0, before + after);
  return slice(d, y, axis, start, start + n, 1);
}

static Value *shuffled(Draw *d, Value *x) {
  int axis = has_axes(x) ? known_axis(d, x, 1) : -1;
  int64_t indices[64];
  if (axis < 0 || size_at(x, axis) > 64) return NULL;
  int64_t n = size_at(x, axis);
  if (draw_chance(d, 25)) return slice(d, x, axis, -1, INT64_MIN + 1, -1);
  bool straight = draw_chance(d, 30);
  for (int64_t i = 0; i < n; i++) indices[i] = straight ? i : draw_in(d, -n, n - 1);
  Value *inputs[] = {x, build_ints(&d->b, indices, (size_t)n)};
  Node *node = build_node(&d->b, "", "Gather", inputs, 2, 1);
  node_set_int(node, "axis", axis);
  return build_done(&d->b, node);
}

/* ---- nothing, in other words -------------------------------------------------------------------
 */

static Value *through_cast(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  DType to = DRAW_OF(d, DType, ONNXC_RT_F64, ONNXC_RT_F16, ONNXC_RT_F32);
  Value *y = cast(d, x, to);
  if (draw_chance(d, 50)) y = draw_activation(d, y);
  return cast(d, y, x->type.dtype);
}

static Value *nothing(Draw *d, Value *x) {
  switch (draw_in(d, 0, 6)) {
  case 0: return OP(d, "Identity", x);
  case 1: return is_float(x) ? OP(d, "Dropout", x) : NULL;
  case 2: return OP(d, "Reshape", x, OP(d, "Shape", x));
  case 3: return OP(d, "Expand", x, OP(d, "Shape", x));
  case 4:
    return rank_of(x) == 0 ? NULL : slice(d, x, draw_in(d, 0, rank_of(x) - 1), 0, INT64_MAX, 1);
  case 5: return cast(d, x, x->type.dtype);
  default:
    return rank_of(x) == 0 ? NULL
                           : compose_concat(&d->b, &x, 1, (int)draw_in(d, 0, rank_of(x) - 1));
  }
}

/* Constants whose sizes are those of x. */
static Value *of_shape(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  Value *shape = OP(d, "Shape", x), *filled;
  Tensor *one = tensor_new(d->ctx, x->type.dtype, 1, (const int64_t[]){1});
  tensor_set_f64(one, 0, DRAW_OF(d, double, 0, 1, 0.5));
  if (draw_chance(d, 60)) {
    Node *node = build_node(&d->b, "", "ConstantOfShape", &shape, 1, 1);
    node_set_attr(node, (Attr){.name = "value", .kind = ATTR_TENSOR, .tensor = one});
    filled = build_done(&d->b, node);
  } else {
    filled = OP(d, "Expand", operand(d, x), shape);
  }
  return commute(d, DRAW_OF(d, const char *, "Add", "Mul", "Add", "Max"), x, filled);
}

/* What is hidden by a mask of whole sizes. */
static Value *masked(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  Value *condition = cast(d, operand(d, x), ONNXC_RT_BOOL);
  Value *fill = scalar(d, x, DRAW_OF(d, double, 0, -1, 1));
  if (draw_chance(d, 40)) condition = OP(d, "Not", condition);
  return draw_chance(d, 50) ? OP(d, "Where", condition, x, fill)
                            : OP(d, "Where", condition, fill, x);
}

static Value *cumulated(Draw *d, Value *x) {
  if (!has_axes(x)) return NULL;
  return OP(d, "Tanh", OP(d, "CumSum", x, build_i64(&d->b, draw_in(d, 0, rank_of(x) - 1))));
}

static Value *quantised(Draw *d, Value *x) {
  if (!is_float(x) || x->type.dtype != ONNXC_RT_F32) return NULL;
  Value *scale = build_f32(&d->b, (float)DRAW_OF(d, double, 0.03125, 0.02, 0.1));
  Tensor *zero = tensor_new(d->ctx, draw_chance(d, 50) ? ONNXC_RT_U8 : ONNXC_RT_I8, 0, NULL);
  tensor_set_i64(zero, 0, draw_in(d, 0, 100));
  Value *point = build_constant(&d->b, zero);
  return OP(d, "DequantizeLinear", OP(d, "QuantizeLinear", x, scale, point), scale, point);
}

/* ---- products ----------------------------------------------------------------------------------
 */

static Value *linear(Draw *d, Value *x, int64_t columns) {
  int64_t rows = size_at(x, -1);
  Value *w = weight(d, x, rows, columns);
  if (rank_of(x) == 2 && draw_chance(d, 60)) {
    bool turned = draw_chance(d, 40), biased = draw_chance(d, 60);
    if (turned) w = weight(d, x, columns, rows);
    Value *inputs[] = {x, w, biased ? vector(d, x, columns) : NULL};
    Node *node = build_node(&d->b, "", "Gemm", inputs, biased ? 3 : 2, 1);
    if (turned) node_set_int(node, "transB", 1);
    if (draw_chance(d, 20)) node_set_float(node, "alpha", 0.5f);
    if (draw_chance(d, 20)) node_set_float(node, "beta", 2);
    return build_done(&d->b, node);
  }
  if (draw_chance(d, 20)) w = transpose(d, weight(d, x, columns, rows), (const int64_t[]){1, 0});
  Value *y = OP(d, "MatMul", x, w);
  return draw_chance(d, 60) ? commute(d, "Add", y, vector(d, x, columns)) : y;
}

/* Two products with something in between, gated or not. */
static Value *mlp(Draw *d, Value *x) {
  int64_t n = size_at(x, -1), wide = DRAW_OF(d, int64_t, 4, 6, 8);
  if (!is_float(x) || rank_of(x) < 2 || n < 1) return NULL;
  Value *y = draw_activation(d, linear(d, x, wide));
  if (draw_chance(d, 40)) y = commute(d, "Mul", y, linear(d, x, wide));
  return linear(d, y, n);
}

static Value *one_linear(Draw *d, Value *x) {
  int64_t n = size_at(x, -1);
  return !is_float(x) || rank_of(x) < 2 || n < 1 ? NULL : linear(d, x, n);
}

/* ---- residual connections ----------------------------------------------------------------------
 */

static Value *branch(Draw *d, Value *x) {
  Value *y = x;
  for (int64_t n = draw_in(d, 1, 3); n > 0 && *d->left != 0; n--) {
    Value *next = draw_kept(d, y);
    if (next == NULL || !same_type(next, x)) break;
    y = next;
  }
  return y;
}

static Value *post_norm(Draw *d, Value *x) {
  Value *y = branch(d, x);
  if (draw_chance(d, 20)) y = commute(d, "Add", y, operand(d, x));
  Value *sum = commute(d, "Add", x, y);
  if (draw_chance(d, 20)) sum = commute(d, "Add", sum, draw_alike(d, x));
  vec_push(d->ctx->arena, &d->pool, sum);
  return draw_norm(d, sum);
}

static Value *pre_norm(Draw *d, Value *x) {
  Value *normal = draw_norm(d, x);
  if (normal == NULL || !same_type(normal, x)) return NULL;
  Value *y = branch(d, normal);
  if (draw_chance(d, 25)) y = draw_norm(d, y);
  if (y == NULL || !same_type(y, x)) return NULL;
  if (draw_chance(d, 25)) y = commute(d, "Mul", y, operand(d, y));
  return commute(d, "Add", x, y);
}

static Value *weighted(Draw *d, Value *x) {
  Value *y = branch(d, x), *a = scalar(d, x, draw_real(d, 0, 1)),
        *b = scalar(d, x, draw_real(d, 0, 1));
  return commute(d, "Add", commute(d, "Mul", x, a), commute(d, "Mul", y, b));
}

/* t * f + (1 - t) * x */
static Value *highway(Draw *d, Value *x) {
  Value *y = branch(d, x), *gate = OP(d, "Sigmoid", branch(d, x));
  Value *carry = commute(d, "Mul", x, OP(d, "Sub", scalar(d, x, 1), gate));
  return commute(d, "Add", commute(d, "Mul", y, gate), carry);
}

static Value *plain_residual(Draw *d, Value *x) {
  Value *y = branch(d, x), *sum = commute(d, "Add", x, y);
  return draw_chance(d, 40) ? draw_activation(d, sum) : sum;
}

static Value *residual(Draw *d, Value *x) {
  static const PatternRow rows[] = {
      {post_norm, 4}, {pre_norm, 4}, {weighted, 1}, {highway, 1}, {plain_residual, 3}};
  return has_axes(x) ? pick(d, x, rows, sizeof rows / sizeof *rows) : NULL;
}

/* ---- subgraphs ---------------------------------------------------------------------------------
 */

static Draw inside(Draw *d, Node *node, const char *attr) {
  Draw in = *d;
  in.graph = graph_new(d->ctx, intern(d->ctx->strings, attr));
  in.graph->holder = node;
  in.b.graph = in.graph;
  in.nesting++;
  memset(&in.pool, 0, sizeof in.pool);
  memset(&in.constants, 0, sizeof in.constants);
  node_set_attr(
      node, (Attr){.name = intern(d->ctx->strings, attr), .kind = ATTR_GRAPH, .graph = in.graph});
  return in;
}

static void take(Draw *in, Value *v) {
  vec_push(in->ctx->arena, &in->pool, v);
}

/* A value from around, captured. */
static void take_outer(Draw *in, Value *v) {
  take(in, graph_capture(in->graph, v));
}

static Value *condition(Draw *d, Value *x) {
  switch (draw_in(d, 0, 3)) {
  case 0: {
    Tensor *known = tensor_new(d->ctx, ONNXC_RT_BOOL, 0, NULL);
    tensor_set_i64(known, 0, draw_in(d, 0, 1));
    return build_constant(&d->b, known);
  }
  case 1: {
    Value *given = draw_input(d, ONNXC_RT_BOOL, 0, NULL);
    if (given != NULL) return given;
  } /* fall through */
  case 2:
    if (is_float(x)) {
      return OP(d, "Greater", compose_reduce_all(&d->b, "ReduceSum", x), build_like(&d->b, x, 0));
    } /* fall through */
  default: {
    Value *count = OP(d, "Size", x);
    return OP(d, "Less", count, build_i64(&d->b, draw_in(d, 0, 64)));
  }
  }
}

/* A branch with `n` results of the type of x. */
static void draw_branch(Draw *d, Node *node, const char *attr, Value *const *around, int n) {
  Draw in = inside(d, node, attr);
  for (int i = 0; i < 3; i++) take_outer(&in, around[i]);
  for (; n > 0; n--) {
    Value *y = in.pool.data[draw_in(d, 0, 1)];
    for (int64_t turns = draw_in(d, 0, 3); turns > 0; turns--) {
      if (draw_chance(d, 20)) y = commute(&in, "Mul", y, in.pool.data[2]);
      Value *next = draw_kept(&in, y);
      if (next == NULL || !same_type(next, y)) break;
      y = next;
    }
    graph_add_output(in.graph, y);
  }
}

static Value *if_else(Draw *d, Value *x) {
  if (d->nesting >= 2 || !is_float(x)) return NULL;
  Value *c = condition(d, x), *around[] = {x, draw_alike(d, x), operand(d, x)};
  int n = draw_chance(d, 25) ? 2 : 1;
  Node *node = build_node(&d->b, "", "If", &c, 1, (uint32_t)n);
  draw_branch(d, node, "then_branch", around, n);
  draw_branch(d, node, "else_branch", around, n);
  build_done(&d->b, node);
  if (n == 2) vec_push(d->ctx->arena, &d->pool, node_out(node, 1));
  return node_out(node, 0);
}

/* x goes from turn to turn; sometimes what every turn makes is collected. */
static Value *loop(Draw *d, Value *x) {
  if (d->nesting >= 1 || !is_float(x)) return NULL;
  Context *ctx = d->ctx;
  bool collects = draw_chance(d, 40);
  Value *outer = draw_alike(d, x), *factor = operand(d, x),
        *inputs[] = {build_i64(&d->b, draw_in(d, 0, 3)), NULL, x};
  Node *node = build_node(&d->b, "", "Loop", inputs, 3, collects ? 2 : 1);
  Draw in = inside(d, node, "body");
  Value *turn = graph_add_input(in.graph, intern(ctx->strings, "turn"),
                                type_tensor(ctx, ONNXC_RT_I64, 0, NULL));
  Value *goes_on = graph_add_input(in.graph, intern(ctx->strings, "goes_on"),
                                   type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL));
  Value *state = graph_add_input(in.graph, intern(ctx->strings, "state"), x->type);
  take(&in, state);
  take_outer(&in, outer);
  take_outer(&in, factor);
  Value *y = draw_kept(&in, state);
  if (y == NULL || !same_type(y, x)) y = state;
  if (draw_chance(d, 40)) {
    Value *number = cast(&in, turn, x->type.dtype);
    y = commute(&in, "Add", y, number);
  }
  if (draw_chance(d, 40)) y = commute(&in, "Add", y, draw_activation(&in, in.pool.data[1]));
  if (draw_chance(d, 30)) y = commute(&in, "Mul", y, in.pool.data[2]);
  y = OP(&in, "Tanh", y);
  if (draw_chance(d, 20)) goes_on = condition(&in, y);
  graph_add_output(in.graph, goes_on);
  graph_add_output(in.graph, y);
  if (collects) graph_add_output(in.graph, draw_activation(&in, y));
  build_done(&d->b, node);
  if (collects && is_small(d, node_out(node, 1))) vec_push(ctx->arena, &d->pool, node_out(node, 1));
  return node_out(node, 0);
}

/* ---- the tables --------------------------------------------------------------------------------
 */

Value *draw_kept(Draw *d, Value *x) {
  static const PatternRow rows[] = {
      {activation, 8},
      {any_axis_norm, 5},
      {softmax, 3},
      {with_constant, 8},
      {with_itself, 6},
      {against_reduction, 2},
      {through_transpose, 4},
      {through_reshape, 3},
      {through_split, 3},
      {through_pad, 2},
      {shuffled, 2},
      {through_cast, 3},
      {nothing, 4},
      {of_shape, 2},
      {masked, 2},
      {cumulated, 1},
      {quantised, 1},
      {mlp, 4},
      {one_linear, 5},
      {residual, 8},
      {draw_attention, 5},
      {draw_image_block, 12},
      {if_else, 1},
      {loop, 1},
      {rolled, 3},
      {through_windows, 4},
  };
  if (*d->left == 0) return NULL;
  --*d->left;
  return pick(d, x, rows, sizeof rows / sizeof *rows);
}

/* ---- patterns that change the type -------------------------------------------------------------
 */

static Value *reduced(Draw *d, Value *x) {
  if (!has_axes(x)) return NULL;
  const char *op = DRAW_OF(d, const char *, "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
                           "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd");
  return reduce(d, op, x, draw_in(d, 0, rank_of(x) - 1), draw_chance(d, 40));
}

static Value *moved(Draw *d, Value *x) {
  int64_t perm[MAX_RANK], back[MAX_RANK];
  if (rank_of(x) < 2) return NULL;
  draw_perm(d, rank_of(x), perm, back);
  return transpose(d, x, perm);
}

static Value *cut(Draw *d, Value *x) {
  int axis = known_axis(d, x, 2);
  if (axis < 0) return NULL;
  int64_t n = size_at(x, axis), start = draw_in(d, 0, n - 1);
  return slice(d, x, axis, start, draw_in(d, start + 1, n), draw_chance(d, 75) ? 1 : 2);
}

static Value *element(Draw *d, Value *x) {
  int axis = known_axis(d, x, 1);
  if (axis < 0) return NULL;
  Value *inputs[] = {x, build_i64(&d->b, draw_in(d, -1, size_at(x, axis) - 1))};
  Node *node = build_node(&d->b, "", "Gather", inputs, 2, 1);
  node_set_int(node, "axis", axis);
  return build_done(&d->b, node);
}

static Value *joined(Draw *d, Value *x) {
  if (rank_of(x) == 0) return NULL;
  Value *parts[] = {x, draw_alike(d, x), x};
  int axis = (int)draw_in(d, 0, rank_of(x) - 1);
  return compose_concat(&d->b, parts, draw_chance(d, 80) ? 2 : 3, axis);
}

static Value *merged(Draw *d, Value *x) {
  int64_t sizes[MAX_RANK];
  int rank = rank_of(x);
  if (rank < 2 || rank > 5) return NULL;
  int at = (int)draw_in(d, 0, rank - 2);
  for (int i = 0; i < rank - 1; i++) sizes[i] = i < at ? -2 - i : i == at ? -1 : -3 - i;
  return reshape(d, x, rank - 1, sizes);
}

static Value *divided(Draw *d, Value *x) {
  int64_t sizes[MAX_RANK];
  int axis = known_axis(d, x, 2), rank = rank_of(x);
  if (axis < 0 || rank > 4 || size_at(x, axis) % 2 != 0) return NULL;
  for (int i = 0; i <= rank; i++) {
    sizes[i] = i < axis ? -2 - i : i == axis ? 2 : i == axis + 1 ? size_at(x, axis) / 2 : -1 - i;
  }
  return reshape(d, x, rank + 1, sizes);
}

static Value *unsqueezed(Draw *d, Value *x) {
  return rank_of(x) > 4 ? NULL : OP(d, "Unsqueeze", x, ints(d, draw_in(d, 0, rank_of(x))));
}

static Value *squeezed(Draw *d, Value *x) {
  for (int i = 0; i < rank_of(x); i++) {
    if (size_at(x, i) == 1) return OP(d, "Squeeze", x, ints(d, i));
  }
  return NULL;
}

static Value *tiled(Draw *d, Value *x) {
  int64_t times[MAX_RANK];
  if (rank_of(x) == 0 || rank_of(x) > 4) return NULL;
  for (int i = 0; i < rank_of(x); i++) times[i] = draw_chance(d, 70) ? 1 : 2;
  return OP(d, "Tile", x, build_ints(&d->b, times, (size_t)rank_of(x)));
}

static Value *expanded(Draw *d, Value *x) {
  int64_t to[MAX_RANK];
  if (rank_of(x) > 4) return NULL;
  int more = (int)draw_in(d, 0, 1), rank = rank_of(x) + more;
  for (int i = 0; i < rank; i++) {
    to[i] = i < more ? draw_in(d, 1, 2) : size_at(x, i - more) == 1 ? draw_in(d, 1, 3) : 1;
  }
  return OP(d, "Expand", x, build_ints(&d->b, to, (size_t)rank));
}

static Value *padded(Draw *d, Value *x) {
  int64_t pads[2 * MAX_RANK];
  if (!has_axes(x)) return NULL;
  for (int i = 0; i < 2 * rank_of(x); i++) pads[i] = draw_chance(d, 70) ? 0 : 1;
  Value *all = build_ints(&d->b, pads, 2 * (size_t)rank_of(x));
  if (draw_chance(d, 60)) return OP(d, "Pad", x, all);
  return OP(d, "Pad", x, all, build_like(&d->b, x, DRAW_OF(d, double, 0, 1, -2)));
}

static Value *other_width(Draw *d, Value *x) {
  if (!is_float(x) || rank_of(x) < 1 || size_at(x, -1) < 1) return NULL;
  return linear(d, x, DRAW_OF(d, int64_t, 1, 3, 8, 12));
}

static Value *with_turned(Draw *d, Value *x) {
  int64_t perm[MAX_RANK];
  int rank = rank_of(x);
  if (!is_float(x) || rank < 2) return NULL;
  for (int i = 0; i < rank; i++) perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
  return OP(d, "Tanh", OP(d, "MatMul", x, transpose(d, x, perm)));
}

/* Elements picked by constant indexes of the same rank, or put over others. */
static Value *picked(Draw *d, Value *x) {
  int64_t dims[MAX_RANK], count = 1;
  int axis = has_axes(x) ? known_axis(d, x, 1) : -1;
  if (axis < 0) return NULL;
  for (int i = 0; i < rank_of(x); i++) {
    dims[i] = size_at(x, i);
    if (dims[i] < 1) return NULL;
    if (i == axis) dims[i] = draw_in(d, 1, dims[i]);
    count *= dims[i];
  }
  Tensor *indices = tensor_new(d->ctx, ONNXC_RT_I64, rank_of(x), dims);
  for (int64_t i = 0; i < count; i++) {
    int64_t along = i; /* no element twice, so that the order does not matter */
    for (int k = rank_of(x) - 1; k > axis; k--) along /= dims[k];
    tensor_set_i64(indices, (size_t)i, along % dims[axis]);
  }
  Value *at = build_constant(&d->b, indices), *updates;
  if (draw_chance(d, 50)) {
    updates = numbers(d, x, rank_of(x), dims);
    Value *inputs[] = {x, at, updates};
    Node *node = build_node(&d->b, "", "ScatterElements", inputs, 3, 1);
    node_set_int(node, "axis", axis);
    return build_done(&d->b, node);
  }
  Node *node = build_node(&d->b, "", "GatherElements", (Value *[]){x, at}, 2, 1);
  node_set_int(node, "axis", axis);
  return build_done(&d->b, node);
}

static Value *triangle(Draw *d, Value *x) {
  if (rank_of(x) < 2) return NULL;
  Value *inputs[] = {x, build_i64(&d->b, draw_in(d, -1, 1))};
  Node *node = build_node(&d->b, "", "Trilu", inputs, 2, 1);
  node_set_int(node, "upper", draw_in(d, 0, 1));
  return build_done(&d->b, node);
}

/* Another type of element: bools, integers of bounded numbers, floats. */
static Value *converted(Draw *d, Value *x) {
  if (!is_float(x)) return NULL;
  if (draw_chance(d, 20)) return cast(d, x, ONNXC_RT_BOOL);
  if (draw_chance(d, 40)) {
    return OP(d, DRAW_OF(d, const char *, "Greater", "Less", "GreaterOrEqual", "Equal"), x,
              operand(d, x));
  }
  Value *number = OP(d, "Where", OP(d, "IsNaN", x), build_like(&d->b, x, 0), x);
  number = OP(d, "Clip", number, build_like(&d->b, x, -8), build_like(&d->b, x, 8));
  return cast(d, number, DRAW_OF(d, DType, ONNXC_RT_I64, ONNXC_RT_I32, ONNXC_RT_I8));
}

static Value *best(Draw *d, Value *x) {
  int axis = has_axes(x) ? known_axis(d, x, 1) : -1;
  if (axis < 0) return NULL;
  if (draw_chance(d, 50)) {
    return with_int(d, DRAW_OF(d, const char *, "ArgMax", "ArgMin"), x, "axis", axis);
  }
  Value *inputs[] = {x, ints(d, draw_in(d, 1, size_at(x, axis)))};
  Node *node = build_node(&d->b, "", "TopK", inputs, 2, 2);
  node_set_int(node, "axis", axis);
  return build_done(&d->b, node);
}

static Value *its_shape(Draw *d, Value *x) {
  return draw_chance(d, 70) ? OP(d, "Shape", x) : OP(d, "Size", x);
}

static Value *einsum(Draw *d, Value *x) {
  int64_t n = size_at(x, -1);
  if (!is_float(x) || rank_of(x) != 3 || n < 1) return NULL;
  Value *inputs[] = {x, weight(d, x, n, 3)};
  Node *node = build_node(&d->b, "", "Einsum", inputs, 2, 1);
  node_set_string(node, "equation",
                  DRAW_OF(d, const char *, "abc,cd->abd", "abc,cd->bad", "abc,cd->ad"));
  return build_done(&d->b, node);
}

Value *draw_changed(Draw *d, Value *x) {
  static const PatternRow rows[] = {
      {reduced, 4},     {moved, 4},       {cut, 3},
      {element, 3},     {joined, 3},      {merged, 3},
      {divided, 3},     {unsqueezed, 2},  {squeezed, 3},
      {tiled, 1},       {expanded, 2},    {padded, 2},
      {other_width, 4}, {with_turned, 1}, {converted, 2},
      {best, 1},        {its_shape, 1},   {einsum, 1},
      {picked, 2},      {triangle, 1},    {draw_any_convolution, 6},
  };
  if (*d->left == 0) return NULL;
  --*d->left;
  return pick(d, x, rows, sizeof rows / sizeof *rows);
}

/* ---- integers and bools ------------------------------------------------------------------------
 */

static Value *looked_up(Draw *d, Value *x) {
  int64_t rows = DRAW_OF(d, int64_t, 1, 4, 9);
  if (x->type.dtype != ONNXC_RT_I64 && x->type.dtype != ONNXC_RT_I32) return NULL;
  if (rank_of(x) > 3) return NULL;
  Value *index = OP(d, "Clip", x, build_like(&d->b, x, 0), build_like(&d->b, x, (double)rows - 1));
  Value *table = weight(d, &(Value){.type = {.kind = TYPE_TENSOR, .dtype = d->dtype}}, rows, 6);
  return OP(d, "Gather", table, index);
}

static Value *as_floats(Draw *d, Value *x) {
  return cast(d, x, d->dtype);
}

static Value *counted(Draw *d, Value *x) {
  if (x->type.dtype == ONNXC_RT_BOOL) {
    if (draw_chance(d, 40)) return OP(d, "Not", x);
    return OP(d, DRAW_OF(d, const char *, "And", "Or", "Xor"), x, draw_alike(d, x));
  }
  Value *number = build_like(&d->b, x, (double)DRAW_OF(d, int64_t, 1, 2, 3, 5));
  const char *op = DRAW_OF(d, const char *, "Add", "Mul", "Sub", "Div", "Max", "Equal", "Greater");
  return OP(d, op, x, number);
}

Value *draw_whole(Draw *d, Value *x) {
  static const PatternRow rows[] = {{looked_up, 3}, {as_floats, 4}, {counted, 4},    {cut, 1},
                                    {moved, 1},     {nothing, 1},   {unsqueezed, 1}, {element, 1}};
  if (*d->left == 0) return NULL;
  --*d->left;
  return pick(d, x, rows, sizeof rows / sizeof *rows);
}

/* ---- whole graphs ------------------------------------------------------------------------------
 */

static const Dim *number(Draw *d, int64_t n) {
  return dim_const(d->ctx->dims, n);
}

static Value *sequence_input(Draw *d) {
  const Dim *dims[] = {d->batch, d->length, number(d, DRAW_OF(d, int64_t, 4, 6, 8, 1))};
  return draw_input(d, d->dtype, 3, dims);
}

static Value *image_input(Draw *d) {
  const Dim *dims[] = {d->batch, number(d, DRAW_OF(d, int64_t, 1, 2, 4)),
                       number(d, DRAW_OF(d, int64_t, 4, 6, 5)),
                       number(d, DRAW_OF(d, int64_t, 4, 6))};
  return draw_input(d, d->dtype, 4, dims);
}

static Value *any_input(Draw *d) {
  const Dim *dims[4];
  int rank = (int)draw_in(d, 0, 4);
  for (int i = 0; i < rank; i++) {
    dims[i] = draw_chance(d, 30) ? d->batch : number(d, DRAW_OF(d, int64_t, 1, 2, 3, 4, 6));
  }
  return draw_input(d, d->dtype, rank, dims);
}

/* Tokens and types, looked up and added. */
static Value *embedding_input(Draw *d) {
  const Dim *dims[] = {d->batch, d->length};
  Value like = {.type = {.kind = TYPE_TENSOR, .dtype = d->dtype}};
  Value *tokens = draw_input(d, draw_chance(d, 80) ? ONNXC_RT_I64 : ONNXC_RT_I32, 2, dims);
  Value *sum = OP(d, "Gather", weight(d, &like, 9, 6), tokens);
  if (draw_chance(d, 50)) {
    Value *types = draw_input(d, ONNXC_RT_I64, 2, dims);
    sum = commute(d, "Add", sum, OP(d, "Gather", weight(d, &like, 8, 6), types));
  }
  return draw_chance(d, 60) ? draw_norm(d, sum) : sum;
}

static const Dim *symbol_or_number(Draw *d, const char *name, int64_t least) {
  if (draw_chance(d, 45)) return number(d, draw_in(d, 1, 3));
  return dim_symbol(d->ctx->dims, name, draw_chance(d, 85) ? least : 2, draw_in(d, 3, 6));
}

/* What some node computes, in the middle of a pattern perhaps; NULL: it is no tensor of few axes.
 */
static Value *any_value(Draw *d) {
  int64_t at = draw_in(d, 0, d->graph->n_nodes == 0 ? 0 : d->graph->n_nodes - 1);
  for (Node *node = d->graph->first; node != NULL; node = node->next) {
    if (at-- == 0) return is_small(d, node->out[0]) ? node->out[0] : NULL;
  }
  return NULL;
}

static void give_output(Draw *d, Value *value) {
  enum { MOST = 6 };
  if (value == NULL || value_is_output(value) || d->graph->outputs.len >= MOST) return;
  graph_add_output(d->graph, value);
}

static void give_outputs(Draw *d) {
  give_output(d, d->pool.data[d->pool.len - 1]);
  VEC_EACH(Value *, value, &d->pool) {
    if (draw_chance(d, (*value)->uses == NULL ? 70 : 8)) give_output(d, *value);
  }
  if (draw_chance(d, 30)) give_output(d, any_value(d));
}

static Value *step(Draw *d, Value *x) {
  if (!is_float(x)) return draw_whole(d, x);
  return draw_chance(d, 70) ? (draw_chance(d, 35) ? residual(d, x) : draw_kept(d, x))
                            : draw_changed(d, x);
}

Graph *draw_graph(Context *ctx, uint64_t seed, uint32_t nodes) {
  static Value *(*const inputs[])(Draw *) = {sequence_input, sequence_input, sequence_input,
                                             image_input,    any_input,      embedding_input};
  uint64_t state = seed * UINT64_C(0xd1342543de82ef95) + 1;
  uint32_t left = UINT32_MAX;
  Graph *graph = graph_new(ctx, intern(ctx->strings, "main"));
  Node nowhere = {.name = intern(ctx->strings, "")};
  Draw d = {.ctx = ctx, .graph = graph, .state = &state, .left = &left};
  d.b = (Builder){.graph = graph, .origin = &nowhere};
  d.dtype = draw_chance(&d, 85) ? ONNXC_RT_F32 : draw_chance(&d, 50) ? ONNXC_RT_F64 : ONNXC_RT_F16;
  d.batch = symbol_or_number(&d, "batch", draw_chance(&d, 90) ? 1 : 0);
  d.length = symbol_or_number(&d, "length", 1);
  for (int n = draw_chance(&d, 30) ? 2 : 1; n > 0; n--) {
    Value *input = inputs[draw_in(&d, 0, 5)](&d);
    vec_push(ctx->arena, &d.pool, input);
  }
  uint32_t most = nodes < 16 ? 4 : nodes - 12, wanted = (uint32_t)draw_in(&d, 3, most);
  for (int tries = 0; graph->n_nodes < wanted && tries < 200; tries++) {
    left = 12; /* patterns in one block */
    int64_t newest = (int64_t)d.pool.len - 1,
            at = draw_chance(&d, 75) ? newest : draw_in(&d, 0, newest);
    Value *x = draw_chance(&d, 90) ? d.pool.data[at] : any_value(&d);
    Value *y = x == NULL ? NULL : step(&d, x);
    if (y != NULL && is_small(&d, y)) vec_push(ctx->arena, &d.pool, y);
  }
  give_outputs(&d);
  return graph;
}
