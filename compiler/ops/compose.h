/* Nodes with attributes that decompositions build often. */
#ifndef ONNXC_OPS_COMPOSE_H
#define ONNXC_OPS_COMPOSE_H

#include "ops/builder.h"

/* `x` itself where nothing would change. */
Value *compose_cast(Builder *b, Value *x, DType dtype);
Value *compose_reshape(Builder *b, Value *x, const Dim *const *dims, int rank);

/* perm[i]: the axis of x that becomes axis i. */
Value *compose_transpose(Builder *b, Value *x, const int64_t *perm);
/* Elements start, start + step, ... before `end` along one axis; constants. */
Value *compose_slice(Builder *b, Value *x, int axis, int64_t start, int64_t end, int64_t step);
Value *compose_concat(Builder *b, Value *const *parts, uint32_t n, int axis);
/* A reduction whose axes stay with size 1; no axes: nothing is reduced. */
Value *compose_reduce(Builder *b, const char *op, Value *x, const int64_t *axes, size_t n);
/* The same over all axes, to a scalar. */
Value *compose_reduce_all(Builder *b, const char *op, Value *x);
Value *compose_softmax(Builder *b, Value *x, int axis);

/* `value` takes the place of output `i` of the node, where that is there. */
void compose_give(Builder *b, Node *node, uint32_t i, Value *value);

/* Output `i` of a node that stands for `node` is its output `of`: sizes that depend on data keep
 * their symbols, which what follows has in its types already. Before the node is inferred. */
void compose_keep_sizes(const Node *node, uint32_t of, Node *same, uint32_t i);

/* A symbolic size as a scalar of type i64. */
Value *compose_size(Builder *b, const Dim *size);
/* A vector of one element, or a scalar, as a scalar. */
Value *compose_scalar(Builder *b, Value *x);

#endif
