#include "ops/compose.h"

#include <string.h>

static Value *with_int(Builder *b, const char *op, Value *x, const char *attr, int64_t value) {
  Node *node = build_node(b, "", op, &x, 1, 1);
  node_set_int(node, attr, value);
  return build_done(b, node);
}

Value *compose_cast(Builder *b, Value *x, DType dtype) {
  return x->type.dtype == dtype ? x : with_int(b, "Cast", x, "to", dtype);
}

Value *compose_reshape(Builder *b, Value *x, const Dim *const *dims, int rank) {
  bool same = x->type.rank == rank;
  for (int i = 0; same && i < rank; i++) same = x->type.dims[i] == dims[i];
  if (same) return x;
  Node *node =
      build_node(b, "", "Reshape", (Value *[]){x, build_dims(b, dims, (uint32_t)rank)}, 2, 1);
  for (int i = 0; i < rank; i++) { /* a size of 0 is meant, and not that of x */
    if (dims[i]->lo <= 0) node_set_int(node, "allowzero", 1);
  }
  return build_done(b, node);
}

Value *compose_transpose(Builder *b, Value *x, const int64_t *perm) {
  Node *node = build_node(b, "", "Transpose", &x, 1, 1);
  node_set_ints(node, "perm", perm, (size_t)x->type.rank);
  return build_done(b, node);
}

Value *compose_slice(Builder *b, Value *x, int axis, int64_t start, int64_t end, int64_t step) {
  return BUILD(b, "Slice", x, build_ints(b, &start, 1), build_ints(b, &end, 1),
               build_ints(b, &(int64_t){axis}, 1), build_ints(b, &step, 1));
}

Value *compose_concat(Builder *b, Value *const *parts, uint32_t n, int axis) {
  Node *node = build_node(b, "", "Concat", parts, n, 1);
  node_set_int(node, "axis", axis);
  return build_done(b, node);
}

Value *compose_reduce(Builder *b, const char *op, Value *x, const int64_t *axes, size_t n) {
  if (n == 0) return x;
  Node *node = build_node(b, "", op, (Value *[]){x, build_ints(b, axes, n)}, 2, 1);
  node_set_int(node, "keepdims", 1);
  return build_done(b, node);
}

Value *compose_reduce_all(Builder *b, const char *op, Value *x) {
  return with_int(b, op, x, "keepdims", 0);
}

Value *compose_softmax(Builder *b, Value *x, int axis) {
  return with_int(b, "Softmax", x, "axis", axis);
}

void compose_give(Builder *b, Node *node, uint32_t i, Value *value) {
  if (node_out(node, i) != NULL) build_replace_output(b, node, i, value);
}

void compose_keep_sizes(const Node *node, uint32_t of, Node *same, uint32_t i) {
  const Value *from = node_out(node, of);
  Value *to = node_out(same, i);
  if (from != NULL && to != NULL) to->type = from->type;
}

Value *compose_size(Builder *b, const Dim *size) {
  return build_contents(b, ONNXC_RT_I64, &size, 1, 0, NULL);
}

Value *compose_scalar(Builder *b, Value *x) {
  return compose_reshape(b, x, NULL, 0);
}
