#include "ops/layout.h"

#include "ops/compose.h"

/* The axis of the data that becomes axis `i`. */
static int64_t axis_from(int i, int rank, bool to_second) {
  if (i == 0) return 0;
  if (to_second) return i == 1 ? rank - 1 : i - 1;
  return i == rank - 1 ? 1 : i + 1;
}

static Type moved_type(const Node *node, const Type *type, bool to_second) {
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < type->rank; i++) dims[i] = type->dims[axis_from(i, type->rank, to_second)];
  return type_tensor(node->graph->ctx, type->dtype, type->rank, dims);
}

static Value *moved(Builder *b, Value *x, bool to_second) {
  int64_t axes[MAX_RANK];
  int rank = x->type.rank;
  for (int i = 0; i < rank; i++) axes[i] = axis_from(i, rank, to_second);
  return compose_transpose(b, x, axes);
}

Type layout_second(const Node *node, const Type *type) {
  return moved_type(node, type, true);
}

Type layout_last(const Node *node, const Type *type) {
  return moved_type(node, type, false);
}

Value *layout_to_second(Builder *b, Value *x) {
  return moved(b, x, true);
}

Value *layout_to_last(Builder *b, Value *x) {
  return moved(b, x, false);
}
