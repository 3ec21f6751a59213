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

/* ---- Pad ---- */

/* What padding does to a tensor, in the axes of the tensor. */
typedef struct Padding {
  const Node *node;
  int rank;
  int64_t front[MAX_RANK], back[MAX_RANK];
  const Dim *size[MAX_RANK]; /* of the input */
} Padding;

enum { PART_FRONT, PART_CENTRE, PART_BACK };

static bool read_padding(const Node *node, Padding *p) {
  const Type *x = &node_in(node, 0)->type;
  int64_t axes[MAX_RANK], pads[2 * MAX_RANK];
  uint32_t n = (uint32_t)x->rank, n_pads;
  for (int i = 0; i < x->rank; i++) axes[i] = i;
  if (node_in(node, 3) != NULL && !infer_constant_ints(node, 3, axes, MAX_RANK, &n)) return false;
  if (!infer_constant_ints(node, 1, pads, 2 * MAX_RANK, &n_pads)) return false;
  *p = (Padding){.node = node, .rank = x->rank};
  for (int i = 0; i < x->rank; i++) p->size[i] = x->dims[i];
  for (uint32_t i = 0; i < n; i++) {
    int axis = axis_of(axes[i], x->rank);
    p->front[axis] = pads[i];
    p->back[axis] = pads[n + i];
    if (pads[i] < 0 || pads[n + i] < 0) return false;
  }
  return true;
}

/* How many elements must be there for pads to be those of one turn of the mode. */
static int64_t least_size(char mode, int64_t pad) {
  if (mode == 'c' || pad == 0) return 0;
  return mode == 'r' ? pad + 1 : mode == 'w' ? pad : 1;
}

/* Few enough parts are parts of the input, forwards or backwards. */
static bool pads_by_copies(const Padding *p, char mode) {
  int padded = 0;
  for (int i = 0; i < p->rank; i++) {
    int64_t most = p->front[i] > p->back[i] ? p->front[i] : p->back[i];
    padded += most > 0;
    if (p->size[i]->lo < least_size(mode, most)) return false;
  }
  return mode == 'c' || padded <= 2;
}

/* Restricts the result to a part of it along an axis; its size. */
static const Dim *take_part(DimTable *t, const Padding *p, int axis, int part, Operand *to) {
  const Dim *front = dim_const(t, p->front[axis]), *size = p->size[axis];
  const Dim *start = part == PART_FRONT ? dim_const(t, 0) : front;
  if (part == PART_BACK) start = dim_add(t, front, size);
  advance(t, to, dim_mul(t, start, to->strides[axis]));
  return part == PART_CENTRE ? size
                             : dim_const(t, part == PART_FRONT ? p->front[axis] : p->back[axis]);
}

/* Moves to the elements of the input that such a part shows. */
static void show_part(DimTable *t, const Padding *p, int axis, int part, char mode, Operand *from) {
  const Dim *size = p->size[axis], *start = dim_const(t, 0);
  if (part == PART_CENTRE) return;
  bool front = part == PART_FRONT;
  int64_t pad = front ? p->front[axis] : p->back[axis];
  if (mode == 'r') start = front ? dim_const(t, pad) : dim_add_i(t, size, -2);
  if (mode == 'e' && !front) start = dim_add_i(t, size, -1);
  if (mode == 'w' && front) start = dim_add_i(t, size, -pad);
  advance(t, from, dim_mul(t, start, from->strides[axis]));
  if (mode == 'r') from->strides[axis] = dim_mul_i(t, from->strides[axis], -1);
  if (mode == 'e') from->strides[axis] = dim_const(t, 0);
}

/* One copy for each combination of parts. */
static void copy_parts(Lowering *l, const Padding *p, char mode, Operand from, Operand to) {
  DimTable *t = l->ctx->dims;
  const Dim *dims[MAX_RANK];
  Type type = node_out(p->node, 0)->type;
  type.dims = dims;
  int n = 1;
  for (int i = 0; i < p->rank; i++) n *= p->front[i] == 0 && p->back[i] == 0 ? 1 : 3;
  for (int k = 0; k < n; k++) {
    Operand part_from = from, part_to = to;
    int rest = k;
    for (int i = 0; i < p->rank; i++) {
      bool padded = p->front[i] != 0 || p->back[i] != 0;
      int part = padded ? rest % 3 : PART_CENTRE;
      if (padded) rest /= 3;
      dims[i] = take_part(t, p, i, part, &part_to);
      show_part(t, p, i, part, mode, &part_from);
    }
    take_shape(&part_from, &type);
    take_shape(&part_to, &type);
    if (!dim_is(type_count(l->ctx, &type), 0)) lower_copy(l, p->node, &type, part_from, part_to);
  }
}

/* The input, and along each axis what is in front of it and behind it in full width. */
static void fill_around(Lowering *l, const Padding *p, Operand value, Operand from, Operand to) {
  DimTable *t = l->ctx->dims;
  Type type = node_out(p->node, 0)->type;
  const Dim *dims[MAX_RANK];
  memcpy(dims, type.dims, (size_t)p->rank * sizeof *dims);
  type.dims = dims;
  for (int i = 0; i < p->rank; i++) value.strides[i] = dim_const(t, 0);
  for (int i = 0; i < p->rank; i++) {
    for (int part = PART_FRONT; part <= PART_BACK; part += PART_BACK - PART_FRONT) {
      Operand side = to;
      dims[i] = take_part(t, p, i, part, &side);
      take_shape(&side, &type);
      take_shape(&value, &type);
      if (!dim_is(dims[i], 0)) lower_copy(l, p->node, &type, value, side);
    }
    dims[i] = take_part(t, p, i, PART_CENTRE, &to);
  }
  take_shape(&to, &type);
  lower_copy(l, p->node, &type, from, to);
}

/* Copies, where all of the padding is known but perhaps the sizes. */
bool lower_pad(Lowering *l, Node *node) {
  static const uint8_t zero[16] = {0};
  const char mode = *op_param_s(node, "mode");
  Value *y = node_out(node, 0), *given = node_in(node, 2);
  Padding p;
  bool plain = !dtype_is_packed(y->type.dtype) && y->type.dtype != ONNXC_RT_STRING;
  if (dim_is(type_count(l->ctx, &y->type), 0)) return false; /* no copy would make it */
  if (!plain || !read_padding(node, &p) || !pads_by_copies(&p, mode)) return false;
  Operand from = lower_operand(l, node_in(node, 0)), to = lower_output(l, y);
  if (mode == 'c') {
    Operand value =
        given != NULL ? lower_operand(l, given) : lower_weight(l, "zero", y->type.dtype, 1, zero);
    fill_around(l, &p, value, from, to);
  } else {
    copy_parts(l, &p, mode, from, to);
  }
  return true;
}
