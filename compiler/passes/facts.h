/* What rules ask about values and nodes before they dare a rewrite. */
#ifndef ONNXC_PASSES_FACTS_H
#define ONNXC_PASSES_FACTS_H

#include "ops/op.h"

/* A constant of floats, integers or bools whose elements are all one number; also when reached
 * through operators that only reshape, copy, broadcast or change the precision of floats. */
bool value_splat(const Value *value, double *number);
/* Whether two numbers are one and the same constant, written with the precision of the value. */
bool splat_near(const Value *value, double a, double b);
/* The constant integers of a vector or scalar, at most `max`. */
bool value_ints(const Value *value, int64_t *ints, uint32_t max, uint32_t *n);

/* The same element type, rank and sizes (provably). */
bool same_type(const Value *a, const Value *b);
bool same_dims(const Type *a, const Type *b);
/* A tensor of a real floating-point type. */
bool is_float(const Value *value);
/* Size of an axis if it is constant, else -1. */
int64_t static_dim(const Value *value, int axis);

/* The axes that a Reduce operator reduces, as flags, and whether it keeps them; false when they
 * are not known. */
bool reduce_axes(const Node *node, bool *flags, bool *keepdims);
/* The flagged axes are the last ones: the first of them; else -1. */
int trailing_axes(const bool *flags, int rank);

/* Element `i` of the constant when broadcast along one axis: the constant (rank and other sizes
 * such that it varies along axis `axis` of a tensor of rank `rank` only) as a vector of `n`
 * numbers, or a splat. False when it varies elsewhere. */
bool constant_along(const Value *value, int rank, int axis, int64_t n, double *numbers);

#endif
