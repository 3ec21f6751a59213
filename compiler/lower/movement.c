/* Lowerings of movement operators: views where strides can say it, copies where they cannot. */
#include "lower/group.h"

#include <string.h>

/* The operand moved by `distance` (in elements). */
static void advance(DimTable *t, Operand *operand, const Dim *distance) {
  operand->offset = operand->offset == NULL ? distance : dim_add(t, operand->offset, distance);
  if (dim_is(operand->offset, 0)) operand->offset = NULL;
}

static int axis_of(int64_t axis, int rank) {
  return (int)(axis < 0 ? axis + rank : axis);
}

void transposed_view(const Node *node, const Operand *from, Operand *view) {
  const Attr *perm = op_param_list(node, "perm");
  *view = *from;
  for (int i = 0; i < from->rank; i++) {
    int source = perm == NULL ? from->rank - 1 - i : (int)perm->ints[i];
    view->dims[i] = from->dims[source];
    view->strides[i] = from->strides[source];
  }
}

bool lower_transpose(Lowering *l, Node *node) {
  Operand from = lower_operand(l, node_in(node, 0)), view;
  transposed_view(node, &from, &view);
  lower_alias(l, node_out(node, 0), view);
  return true;
}

bool lower_expand(Lowering *l, Node *node) {
  DimTable *t = lower_context(l)->dims;
  const Type *type = &node_out(node, 0)->type;
  Operand from = lower_operand(l, node_in(node, 0)), view = from;
  take_shape(&view, type);
  for (int i = 0; i < type->rank; i++) {
    int source = i - (type->rank - from.rank);
    bool moves = source >= 0 && !dim_is(from.dims[source], 1);
    view.strides[i] = moves ? from.strides[source] : dim_const(t, 0);
  }
  lower_alias(l, node_out(node, 0), view);
  return true;
}

/* First element of a slice: NULL when the sign of `at` is not known. */
static const Dim *slice_start(DimTable *t, const Dim *at, const Dim *size, bool forward) {
  const Dim *last = forward ? size : dim_add_i(t, size, -1);
  if (at->hi < 0) return dim_max(t, dim_add(t, at, size), dim_const(t, 0));
  return at->lo < 0 ? NULL : dim_min(t, at, last);
}

bool lower_slice(Lowering *l, Node *node) {
  DimTable *t = lower_context(l)->dims;
  Operand view = lower_operand(l, node_in(node, 0));
  const Operand from = view;
  int64_t axes[MAX_RANK], steps[MAX_RANK];
  uint32_t n, given;
  const Dim *const *starts = infer_contents(node, 1, &n);
  if (starts == NULL || n > MAX_RANK) return false;
  for (uint32_t i = 0; i < n; i++) {
    axes[i] = i;
    steps[i] = 1;
  }
  if (node_in(node, 3) != NULL && !infer_constant_ints(node, 3, axes, MAX_RANK, &given))
    return false;
  if (node_in(node, 4) != NULL && !infer_constant_ints(node, 4, steps, MAX_RANK, &given))
    return false;
  take_shape(&view, &node_out(node, 0)->type);
  for (uint32_t i = 0; i < n; i++) {
    int axis = axis_of(axes[i], from.rank);
    const Dim *start = slice_start(t, starts[i], from.dims[axis], steps[i] > 0);
    if (start == NULL) return false;
    advance(t, &view, dim_mul(t, start, from.strides[axis]));
    view.strides[axis] = dim_mul_i(t, from.strides[axis], steps[i]);
  }
  lower_alias(l, node_out(node, 0), view);
  return true;
}

bool lower_split(Lowering *l, Node *node) {
  DimTable *t = lower_context(l)->dims;
  Operand view = lower_operand(l, node_in(node, 0));
  int axis = axis_of(op_param_i(node, "axis"), view.rank);
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *out = node_out(node, i);
    if (out == NULL) return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *out = node_out(node, i);
    take_shape(&view, &out->type);
    lower_alias(l, out, view);
    advance(t, &view, dim_mul(t, out->type.dims[axis], view.strides[axis]));
  }
  return true;
}

/* One constant index takes a slice; a list of them, or a computed one, is left to the kernel. */
bool lower_gather(Lowering *l, Node *node) {
  DimTable *t = lower_context(l)->dims;
  const Value *indices = node_in(node, 1);
  if (indices->constant == NULL || indices->constant->count != 1) return false;
  Operand from = lower_operand(l, node_in(node, 0)), view = from;
  int axis = axis_of(op_param_i(node, "axis"), from.rank);
  const Dim *index = dim_const(t, tensor_i64(indices->constant, 0));
  if (index->lo < 0) index = dim_add(t, index, from.dims[axis]);
  int added = indices->type.rank;
  take_shape(&view, &node_out(node, 0)->type);
  for (int i = 0; i < added; i++) view.strides[axis + i] = dim_const(t, 0);
  for (int i = axis + 1; i < from.rank; i++) view.strides[i - 1 + added] = from.strides[i];
  advance(t, &view, dim_mul(t, index, from.strides[axis]));
  lower_alias(l, node_out(node, 0), view);
  return true;
}

/* ---- Concat ---- */

Operand concat_part(DimTable *t, const Node *node, uint32_t i, Operand *rest) {
  const Type *type = &node_in(node, i)->type;
  int axis = axis_of(op_param_i(node, "axis"), rest->rank);
  Operand part = *rest;
  take_shape(&part, type);
  advance(t, rest, dim_mul(t, type->dims[axis], rest->strides[axis]));
  return part;
}

bool lower_concat(Lowering *l, Node *node) {
  DimTable *t = lower_context(l)->dims;
  const Type *type = &node_out(node, 0)->type;
  bool all_empty = dim_is(type_count(lower_context(l), type), 0);
  Operand rest = lower_output(l, node_out(node, 0));
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *in = node_in(node, i);
    Operand from = lower_operand(l, in), part = concat_part(t, node, i, &rest);
    bool empty = dim_is(type_count(lower_context(l), &in->type), 0);
    bool only = all_empty && i == 0; /* the result needs a step that makes it */
    if (!operand_same(&from, &part) && (!empty || only)) lower_copy(l, node, &in->type, from, part);
  }
  return true;
}
