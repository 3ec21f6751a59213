/* Finding parts of values: what a slice would be a copy of, and often is there already. */
#include "passes/parts.h"

#include "passes/facts.h"

#include <string.h>

enum { MAX_LOOKS = 256 };

static bool is_all(const Value *value, const Part *part) {
  return part->step == 1 && part->size == static_dim(value, part->axis);
}

/* ---- where parts come from ---------------------------------------------------------------------
 */

static int next_moving(const Type *type, int i) {
  while (i < type->rank && dim_is(type->dims[i], 1)) i++;
  return i;
}

/* A part of the axis that axes `outer` and `inner` of the input are joined to: some rows of both,
 * or one column. */
static bool split_part(const Value *in, int outer, int inner, const Part *part, Part *from) {
  int64_t rows = static_dim(in, outer), columns = static_dim(in, inner);
  if (rows < 1 || columns < 1) return false;
  bool row = part->step == 1 && part->start % columns == 0 && part->size % columns == 0;
  bool column = part->step == columns && part->size == rows && part->start < columns;
  if (row) *from = (Part){outer, part->start / columns, 1, part->size / columns};
  if (!row && column) *from = (Part){inner, part->start, 1, 1};
  return row || column;
}

/* Views: the axis is one of the input, or two that follow one another, and the others are the same.
 * Axes of size 1 do not matter. */
static bool route_view(const Node *node, const Part *part, Route *route) {
  const Value *from = node->in[0].value;
  const Type *in = &from->type, *out = &node->out[0]->type;
  int i = next_moving(in, 0), k = next_moving(out, 0);
  for (; i < in->rank && k < out->rank; i = next_moving(in, i + 1), k = next_moving(out, k + 1)) {
    bool same = in->dims[i] == out->dims[k];
    route->parts[0] = k == part->axis ? *part : route->parts[0];
    if (k == part->axis && same) route->parts[0].axis = i;
    if (same) continue;
    int outer = i;
    i = next_moving(in, i + 1);
    if (k != part->axis || i >= in->rank) return false;
    int64_t joined;
    if (__builtin_mul_overflow(static_dim(from, outer), static_dim(from, i), &joined)) return false;
    if (joined < 1 || joined != static_dim(node->out[0], k)) return false;
    if (!split_part(from, outer, i, part, &route->parts[0])) return false;
    route->gains = true;
  }
  route->kind = ROUTE_VIEW;
  return i >= in->rank && k >= out->rank && !dim_is(out->dims[part->axis], 1);
}

/* The part lies within one input. */
static bool route_concat(const Node *node, const Part *part, Route *route) {
  if (param_axis(node, node->out[0]->type.rank) != part->axis) return false;
  int64_t begin = 0, last = part->start + (part->size - 1) * part->step;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    int64_t size = static_dim(node->in[i].value, part->axis);
    if (size < 0) return false;
    if (part->start >= begin && last < begin + size) {
      *route = (Route){.kind = ROUTE_VIEW, .gains = true, .input = i, .parts = {*part}};
      route->parts[0].start -= begin;
      return true;
    }
    begin += size;
  }
  return false;
}

/* The part lies within one repetition along the only axis that is repeated. */
static bool route_tile(const Node *node, const Part *part, Route *route) {
  const Value *in = node->in[0].value;
  int64_t size = static_dim(in, part->axis);
  for (int i = 0; i < in->type.rank; i++) {
    if (i != part->axis && in->type.dims[i] != node->out[0]->type.dims[i]) return false;
  }
  if (size < 1 || part->start % size + (part->size - 1) * part->step >= size) return false;
  *route = (Route){.kind = ROUTE_VIEW, .gains = true, .parts = {*part}};
  route->parts[0].start %= size;
  return true;
}

/* Input `i` meets the axis from the right: with all of it, or the same element everywhere. */
static bool route_operand(const Node *node, uint32_t i, const Part *part, Route *route) {
  const Value *in = node_in(node, i), *out = node->out[0];
  int axis = in == NULL ? -1 : part->axis - (out->type.rank - in->type.rank);
  route->whole[i] = axis < 0 || dim_is(in->type.dims[axis], 1);
  if (route->whole[i]) return true;
  route->parts[i] = *part;
  route->parts[i].axis = axis;
  return static_dim(in, axis) == static_dim(out, part->axis);
}

static bool route_expand(const Node *node, const Part *part, Route *route) {
  route->kind = ROUTE_VIEW;
  if (!route_operand(node, 0, part, route)) return false;
  route->gains = route->whole[0];
  return true;
}

static bool route_transpose(const Node *node, const Part *part, Route *route) {
  int64_t perm[MAX_RANK];
  transpose_perm(node, perm);
  *route = (Route){.kind = ROUTE_NODE, .parts = {*part}};
  route->parts[0].axis = (int)perm[part->axis];
  return true;
}

/* The axis is one of the data, or one of the indices. */
static bool route_gather(const Node *node, const Part *part, Route *route) {
  int axis = param_axis(node, node->in[0].value->type.rank), added = node->in[1].value->type.rank;
  bool indexed = part->axis >= axis && part->axis < axis + added;
  *route = (Route){.kind = ROUTE_NODE, .whole = {indexed, !indexed}, .parts = {*part, *part}};
  route->parts[1].axis -= axis;
  if (part->axis >= axis + added) route->parts[0].axis -= added - 1;
  return true;
}

bool part_computes(const Node *node) {
  return is_elementwise(node) && node->n_out == 1 && node->n_in <= MAX_OPERANDS &&
         !node_named(node, "QuantizeLinear DequantizeLinear");
}

bool part_operands(const Node *node, const Part *part, Route *route) {
  *route = (Route){.kind = ROUTE_NODE};
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!route_operand(node, i, part, route)) return false;
  }
  return true;
}

static bool find_route(const Value *value, const Part *part, Route *route) {
  static const struct {
    const char *ops;
    bool (*find)(const Node *node, const Part *part, Route *route);
  } routes[] = {
      {VIEW_NAMES, route_view}, {"Concat", route_concat},       {"Tile", route_tile},
      {"Expand", route_expand}, {"Transpose", route_transpose}, {"Gather", route_gather},
  };
  const Node *node = value->producer;
  *route = (Route){.kind = ROUTE_NONE};
  if (node == NULL || value->constant != NULL || value->output_index != 0) return false;
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (node_named(node, routes[i].ops)) return routes[i].find(node, part, route);
  }
  return part_computes(node) && part_operands(node, part, route);
}

/* ---- taking parts ------------------------------------------------------------------------------
 */

Taker part_taker(Builder *b, bool computes) {
  return (Taker){.b = b, .computes = computes, .looks = MAX_LOOKS};
}

bool part_is_free(Taker *t, const Value *value, const Part *part) {
  Route route;
  if (value->constant != NULL || is_all(value, part)) return true;
  if (t->looks-- <= 0 || !find_route(value, part, &route)) return false;
  if (route.gains) return true;
  const Node *node = value->producer;
  if (route.kind == ROUTE_VIEW)
    return part_is_free(t, node->in[route.input].value, &route.parts[0]);
  bool once = t->computes && is_elementwise(node) && value_single_use(value);
  if (once || node_named(node, "Cast")) return true; /* a Cast is as good as the load before it */
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!route.whole[i] && !part_is_free(t, node->in[i].value, &route.parts[i])) return false;
  }
  return true;
}

/* `value` in the shape, and broadcast to the sizes, of the part of the view's output. */
static Value *view_part(Builder *b, const Node *view, Value *value, const Part *part) {
  const Dim *dims[MAX_RANK];
  const Type *out = &view->out[0]->type;
  memcpy(dims, out->dims, (size_t)out->rank * sizeof *dims);
  dims[part->axis] = dim_const(b->graph->ctx->dims, part->size);
  if (!node_named(view, "Expand")) return compose_reshape(b, value, dims, out->rank);
  return BUILD(b, "Expand", value, build_dims(b, dims, (uint32_t)out->rank));
}

Value *part_build(Taker *t, const Node *node, const Route *route) {
  Value *inputs[MAX_OPERANDS];
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *in = node_in(node, i);
    inputs[i] = route->whole[i] ? in : part_take(t, in, &route->parts[i]);
  }
  Node *copy = build_node(t->b, "", node->op->name, inputs, node->n_in, 1);
  node_add_origins(copy, node);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  return build_done(t->b, copy);
}

Value *part_take(Taker *t, Value *value, const Part *part) {
  Route route;
  if (is_all(value, part)) return value;
  if (!part_is_free(t, value, part) || !find_route(value, part, &route)) {
    int64_t end = part->start + (part->size - 1) * part->step + 1;
    return compose_slice(t->b, value, part->axis, part->start, end, part->step);
  }
  const Node *node = value->producer;
  if (route.kind == ROUTE_NODE) return part_build(t, node, &route);
  Value *in = node->in[route.input].value;
  if (!route.whole[0]) in = part_take(t, in, &route.parts[0]);
  return node_named(node, "Concat Tile") ? in : view_part(t->b, node, in, part);
}
