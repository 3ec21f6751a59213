#include "draw.h"

#include <math.h>

/* ---- chance ------------------------------------------------------------------------------------
 */

uint64_t draw_bits(Draw *d) {
  uint64_t z = *d->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

int64_t draw_in(Draw *d, int64_t lo, int64_t hi) {
  return lo + (int64_t)(draw_bits(d) % (uint64_t)(hi - lo + 1));
}

double draw_real(Draw *d, double lo, double hi) {
  return lo + (hi - lo) * (double)(draw_bits(d) >> 11) * 0x1p-53;
}

bool draw_chance(Draw *d, int percent) {
  return draw_in(d, 0, 99) < percent;
}

/* ---- facts -------------------------------------------------------------------------------------
 */

int rank_of(const Value *v) {
  return v->type.rank;
}

int64_t size_at(const Value *v, int axis) {
  int64_t size;
  if (axis < 0) axis += v->type.rank;
  if (axis < 0 || axis >= v->type.rank) return -1;
  return dim_is_const(v->type.dims[axis], &size) ? size : -1;
}

Value *draw_alike(Draw *d, Value *v) {
  size_t n = d->pool.len, first = n == 0 ? 0 : (size_t)draw_in(d, 0, (int64_t)n - 1);
  for (size_t i = 0; i < n; i++) {
    Value *other = d->pool.data[(first + i) % n];
    if (other != v && same_type(other, v)) return other;
  }
  return v;
}

/* Percent of the parts of a pattern that are not what makes it one: rules must see that. */
enum { NEAR_MISS = 2 };

/* ---- nodes -------------------------------------------------------------------------------------
 */

Value *commute(Draw *d, const char *op, Value *x, Value *y) {
  if (draw_chance(d, NEAR_MISS)) y = draw_alike(d, y);
  if (draw_chance(d, NEAR_MISS)) op = DRAW_OF(d, const char *, "Mul", "Add");
  bool swap = draw_chance(d, 50);
  return BUILD(&d->b, op, swap ? y : x, swap ? x : y);
}

Value *with_int(Draw *d, const char *op, Value *x, const char *attr, int64_t value) {
  Node *node = build_node(&d->b, "", op, &x, 1, 1);
  node_set_int(node, attr, value);
  return build_done(&d->b, node);
}

Value *with_float(Draw *d, const char *op, Value *x, const char *attr, double value) {
  Node *node = build_node(&d->b, "", op, &x, 1, 1);
  node_set_float(node, attr, (float)value);
  return build_done(&d->b, node);
}

Value *with_ints(Draw *d, const char *op, Value *x, const char *attr, const int64_t *values,
                 size_t n) {
  Node *node = build_node(&d->b, "", op, &x, 1, 1);
  node_set_ints(node, attr, values, n);
  return build_done(&d->b, node);
}

Value *ints(Draw *d, int64_t a) {
  return build_ints(&d->b, &a, 1);
}

Value *ints2(Draw *d, int64_t a, int64_t b) {
  return build_ints(&d->b, (const int64_t[]){a, b}, 2);
}

Value *draw_input(Draw *d, DType dtype, int rank, const Dim *const *dims) {
  if (d->nesting != 0) return NULL;
  const char *name = arena_printf(d->ctx->arena, "in%zu", d->graph->inputs.len);
  return graph_add_input(d->graph, intern(d->ctx->strings, name),
                         type_tensor(d->ctx, dtype, rank, dims));
}

Value *cast(Draw *d, Value *x, DType dtype) {
  return with_int(d, "Cast", x, "to", dtype);
}

Value *reduce(Draw *d, const char *op, Value *x, int64_t axis, bool keep) {
  if (keep && draw_chance(d, NEAR_MISS)) axis = draw_in(d, 0, rank_of(x) - 1);
  bool negative = axis >= 0 && draw_chance(d, 30);
  Value *inputs[] = {x, ints(d, negative ? axis - rank_of(x) : axis)};
  Node *node = build_node(&d->b, "", op, inputs, 2, 1);
  node_set_int(node, "keepdims", keep);
  return build_done(&d->b, node);
}

Value *transpose(Draw *d, Value *x, const int64_t *perm) {
  return with_ints(d, "Transpose", x, "perm", perm, (size_t)rank_of(x));
}

Value *slice(Draw *d, Value *x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  Value *starts = ints(d, start), *ends = ints(d, end), *axes = ints(d, axis);
  if (step == 1 && draw_chance(d, 50)) return OP(d, "Slice", x, starts, ends, axes);
  return OP(d, "Slice", x, starts, ends, axes, ints(d, step));
}

/* ---- constants ---------------------------------------------------------------------------------
 */

/* Sometimes an earlier constant of that type in its place: weights are shared. */
static Value *shared(Draw *d, Value *constant) {
  VEC_EACH(Value *, other, &d->constants) {
    if (same_type(*other, constant) && draw_chance(d, 15)) return *other;
  }
  vec_push(d->ctx->arena, &d->constants, constant);
  return constant;
}

/* The constant behind something that changes nothing. */
static Value *hide(Draw *d, Value *constant) {
  if (!draw_chance(d, 12)) return constant;
  switch (draw_in(d, 0, 2)) {
  case 0: return OP(d, "Identity", constant);
  case 1: return cast(d, cast(d, constant, ONNXC_RT_F64), constant->type.dtype);
  default: return OP(d, "Neg", OP(d, "Neg", constant));
  }
}

Value *scalar(Draw *d, const Value *like, double value) {
  const int64_t ones[] = {1, 1};
  if (value >= 0.5 && draw_chance(d, NEAR_MISS)) value = DRAW_OF(d, double, 1, 2, 0.75);
  int rank = draw_chance(d, 70) ? 0 : draw_chance(d, 90) || rank_of(like) < 2 ? 1 : 2;
  if (rank_of(like) == 0) rank = 0;
  return hide(d, build_numbers(&d->b, like, &value, rank, ones));
}

static double nice(Draw *d) {
  return DRAW_OF(d, double, 0, 1, 1, -1, 2, 0.5, -0.5, 0.25, 3);
}

Value *numbers(Draw *d, const Value *like, int rank, const int64_t *dims) {
  size_t count = 1;
  for (int i = 0; i < rank; i++) count *= (size_t)dims[i];
  double *values = ARENA_ARRAY(d->ctx->arena, count, double);
  bool splat = draw_chance(d, 20), coarse = draw_chance(d, 20);
  double all = nice(d);
  for (size_t i = 0; i < count; i++) {
    values[i] = splat ? all : coarse ? nice(d) : draw_real(d, -1, 1);
  }
  return hide(d, shared(d, build_numbers(&d->b, like, values, rank, dims)));
}

Value *operand(Draw *d, Value *x) {
  int64_t dims[MAX_RANK];
  int rank = (int)draw_in(d, 0, rank_of(x));
  if (draw_chance(d, 30)) return scalar(d, x, DRAW_OF(d, double, 0, 1, 2, -1, 0.5));
  for (int i = 0; i < rank; i++) {
    int64_t size = size_at(x, rank_of(x) - rank + i);
    dims[i] = size < 0 || draw_chance(d, 35) ? 1 : size;
  }
  return numbers(d, x, rank, dims);
}

Value *vector(Draw *d, const Value *like, int64_t n) {
  return numbers(d, like, 1, &n);
}

Value *positive(Draw *d, const Value *like, int64_t n) {
  double *values = ARENA_ARRAY(d->ctx->arena, (size_t)n, double);
  for (int64_t i = 0; i < n; i++) values[i] = draw_chance(d, 30) ? 1 : draw_real(d, 0.5, 1.5);
  return build_numbers(&d->b, like, values, 1, &n);
}

Value *weight(Draw *d, const Value *like, int64_t rows, int64_t columns) {
  const int64_t dims[] = {rows, columns};
  double *values = ARENA_ARRAY(d->ctx->arena, (size_t)(rows * columns), double);
  double scale = 1.5 / sqrt((double)rows);
  for (int64_t i = 0; i < rows * columns; i++) values[i] = draw_real(d, -scale, scale);
  return hide(d, shared(d, build_numbers(&d->b, like, values, 2, dims)));
}

/* ---- reshaping ---------------------------------------------------------------------------------
 */

/* Shape(x)[axis] as a vector of one. */
static Value *size_vector(Draw *d, Value *shape, int64_t axis) {
  switch (draw_in(d, 0, 2)) {
  case 0: return OP(d, "Gather", shape, ints(d, axis));
  case 1: return slice(d, shape, 0, axis, axis + 1, 1);
  default: return OP(d, "Unsqueeze", OP(d, "Gather", shape, build_i64(&d->b, axis)), ints(d, 0));
  }
}

static Value *computed_target(Draw *d, Value *x, int rank, const int64_t *sizes) {
  Value *parts[MAX_RANK], *shape = OP(d, "Shape", x);
  for (int i = 0; i < rank; i++) {
    parts[i] = sizes[i] >= -1 ? ints(d, sizes[i]) : size_vector(d, shape, -2 - sizes[i]);
  }
  return compose_concat(&d->b, parts, (uint32_t)rank, 0);
}

Value *reshape(Draw *d, Value *x, int rank, const int64_t *sizes) {
  int64_t target[MAX_RANK];
  bool plain = true;
  for (int i = 0; i < rank; i++) {
    int64_t size = sizes[i] >= -1 ? sizes[i] : size_at(x, (int)(-2 - sizes[i]));
    if (size < 0 && sizes[i] == -2 - i) size = 0; /* as it is */
    if (size < 0 && sizes[i] != -1) plain = false;
    target[i] = size;
  }
  if (plain && draw_chance(d, 75))
    return OP(d, "Reshape", x, build_ints(&d->b, target, (size_t)rank));
  return OP(d, "Reshape", x, computed_target(d, x, rank, sizes));
}
