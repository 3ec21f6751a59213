#include "ops/heads.h"
#include "ops/compose.h"

#include <math.h>

static const int64_t swap_middle[] = {0, 2, 1, 3};

Value *heads_apart(Builder *b, Value *x, int64_t heads, const Dim *size) {
  if (x->type.rank == 4) return x;
  const Dim *dims[4] = {x->type.dims[0], x->type.dims[1], dim_const(b->graph->ctx->dims, heads),
                        size};
  return compose_transpose(b, compose_reshape(b, x, dims, 4), swap_middle);
}

Value *heads_together(Builder *b, Value *x) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *const *d = x->type.dims;
  const Dim *dims[3] = {d[0], d[2], dim_mul(t, d[1], d[3])};
  return compose_reshape(b, compose_transpose(b, x, swap_middle), dims, 3);
}

/* Heads of `x` as [batch, shared, sharing, ...]: with `sharing` 1 it broadcasts to the others. */
static Value *grouped(Builder *b, Value *x, int64_t shared, int64_t sharing) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *const *d = x->type.dims;
  const Dim *dims[5] = {d[0], dim_const(t, shared), dim_const(t, sharing), d[2], d[3]};
  return compose_reshape(b, x, dims, 5);
}

Value *heads_product(Builder *b, Value *x, Value *y) {
  int64_t heads, shared;
  bool known = dim_is_const(x->type.dims[1], &heads) && dim_is_const(y->type.dims[1], &shared);
  if (!known || heads == shared) return BUILD(b, "MatMul", x, y);
  Value *product =
      BUILD(b, "MatMul", grouped(b, x, shared, heads / shared), grouped(b, y, shared, 1));
  const Dim *const *d = product->type.dims;
  const Dim *dims[4] = {d[0], x->type.dims[1], d[3], d[4]};
  return compose_reshape(b, product, dims, 4);
}

Value *heads_scores(Builder *b, Value *q, Value *k, double scale) {
  Value *columns = compose_transpose(b, k, (const int64_t[]){0, 1, 3, 2});
  Value *scores = heads_product(b, q, columns);
  return BUILD(b, "Mul", scores, build_like(b, scores, scale));
}

Value *heads_capped(Builder *b, Value *scores, double cap) {
  if (cap == 0) return scores;
  Value *limit = build_like(b, scores, cap);
  return BUILD(b, "Mul", BUILD(b, "Tanh", BUILD(b, "Div", scores, limit)), limit);
}

Value *heads_places(Builder *b, const Dim *size) {
  return BUILD(b, "Range", build_i64(b, 0), compose_size(b, size), build_i64(b, 1));
}

Value *heads_column(Builder *b, const Dim *size) {
  const Dim *column[2] = {size, dim_const(b->graph->ctx->dims, 1)};
  return compose_reshape(b, heads_places(b, size), column, 2);
}

Value *heads_bias(Builder *b, Value *allowed, const Value *like) {
  return BUILD(b, "Where", allowed, build_like(b, like, 0), build_like(b, like, -(double)INFINITY));
}

Value *heads_padded(Builder *b, Value *x, const Dim *keys) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *last = x->type.dims[x->type.rank - 1];
  if (last == keys || dim_is(last, 1)) return x;
  const Dim *pads[2] = {dim_const(t, 0), dim_sub(t, keys, last)};
  return BUILD(b, "Pad", x, build_dims(b, pads, 2), build_like(b, x, 0),
               build_ints(b, &(int64_t){-1}, 1));
}

Value *heads_both(Builder *b, Value *x, Value *y) {
  return x == NULL ? y : BUILD(b, "And", x, y);
}

/* ---- the core form -----------------------------------------------------------------------------
 */

/* Numbers for each sample, or one for all, as [batch or 1, 1, 1, 1]. */
static Value *per_sample(Builder *b, Value *x) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *one = dim_const(t, 1), *dims[4] = {one, one, one, one};
  if (x->type.rank == 1) dims[0] = x->type.dims[0];
  return compose_reshape(b, x, dims, 4);
}

/* Places of the queries among the keys, as a column. */
static Value *query_places(Builder *b, const Heads *heads) {
  Value *i = heads_column(b, heads->q->type.dims[2]);
  if (heads->place != NULL) return BUILD(b, "Add", i, per_sample(b, heads->place));
  if (heads->lengths == NULL) return i;
  Value *length = compose_size(b, heads->q->type.dims[2]);
  return BUILD(b, "Add", i, BUILD(b, "Sub", per_sample(b, heads->lengths), length));
}

Value *heads_visible(Builder *b, const Heads *heads) {
  int64_t left = heads->left, right = heads->right;
  Value *allowed = NULL, *j = heads_places(b, heads->k->type.dims[2]);
  if (left >= 0 || right >= 0) {
    Value *i = query_places(b, heads);
    if (right > 0) i = BUILD(b, "Add", i, build_i64(b, right));
    if (right >= 0) allowed = BUILD(b, "LessOrEqual", j, i);
    if (left >= 0) {
      i = BUILD(b, "Sub", i, build_i64(b, left + (right > 0 ? right : 0)));
      allowed = heads_both(b, allowed, BUILD(b, "GreaterOrEqual", j, i));
    }
  }
  if (heads->lengths == NULL) return allowed;
  return heads_both(b, allowed, BUILD(b, "Less", j, per_sample(b, heads->lengths)));
}

/* The mask with four axes, the last of which has an element for each key. */
static Value *whole_mask(Builder *b, const Heads *heads) {
  Value *mask = heads->mask;
  if (mask == NULL) return NULL;
  const Dim *dims[4], *one = dim_const(b->graph->ctx->dims, 1), *keys = heads->k->type.dims[2];
  int missing = 4 - mask->type.rank;
  for (int i = 0; i < 4; i++) dims[i] = i < missing ? one : mask->type.dims[i - missing];
  mask = compose_reshape(b, mask, dims, 4);
  if (mask->type.dtype != ONNXC_RT_BOOL) mask = compose_cast(b, mask, heads->q->type.dtype);
  if (dims[3] == keys || !dim_is(dims[3], 1)) return mask;
  dims[3] = keys;
  return BUILD(b, "Expand", mask, build_dims(b, dims, 4));
}

Value *heads_attend(Builder *b, const Heads *heads) {
  Value *v = compose_cast(b, heads->v, heads->q->type.dtype), *mask = whole_mask(b, heads);
  Value *inputs[] = {heads->q, heads->k, v, mask, NULL, NULL, heads->lengths, heads->place};
  uint32_t n = sizeof inputs / sizeof *inputs;
  while (inputs[n - 1] == NULL) n--;
  Node *node = build_node(b, "", "Attention", inputs, n, 1);
  if (heads->scale != NULL) node_set_float(node, "scale", heads->scale->f);
  if (heads->softcap != 0) node_set_float(node, "softcap", heads->softcap);
  if (heads->left >= 0) node_set_int(node, "left_window_size", heads->left);
  if (heads->right > 0) node_set_int(node, "right_window_size", heads->right);
  if (heads->right == 0) node_set_int(node, "is_causal", 1);
  return build_done(b, node);
}
