/* What rules ask about values and nodes before they dare a rewrite. */
#ifndef ONNXC_PASSES_FACTS_H
#define ONNXC_PASSES_FACTS_H

#include "ops/builder.h"

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
/* Whether a float attribute holds the number as exactly as an element of the value does. */
bool attribute_holds(const Value *value, double number);
/* Size of an axis if it is constant, else -1. */
int64_t static_dim(const Value *value, int axis);

/* Whether the node is one of ONNX's operators of these names, with blanks between them. */
bool node_named(const Node *node, const char *names);
/* The operators whose output is their input in another shape. */
#define VIEW_NAMES "Reshape Squeeze Unsqueeze Flatten"
/* The norms that are in the graph once they are recognised. */
#define NORM_NAMES "LayerNormalization RMSNormalization"
/* Attribute "axis" of a node whose axes are those of a tensor of this rank. */
int param_axis(const Node *node, int rank);

/* Whether the value is output 0 of such a node. */
bool value_is(const Value *value, const char *names);

/* Symbols that the sizes of the main graph's inputs determine: known from the start of a run on. */
typedef struct KnownSizes {
  bool *symbols; /* by index */
  uint32_t n;
} KnownSizes;

KnownSizes known_sizes(Arena *arena, const Graph *graph);
/* Whether an expression has no other symbols. */
bool size_known(const KnownSizes *known, const Dim *size);

/* Each element of the output depends on the elements of the inputs that broadcast to it only. */
bool is_elementwise(const Node *node);
/* Whether a norm reads output 0. A sum that is computed by the norm has to be whole. */
bool feeds_norm(const Node *node);
/* The permutation of a Transpose; reversed axes when it is not given. */
void transpose_perm(const Node *node, int64_t *perm);

/* The axes that a Reduce operator reduces, as flags, and whether it keeps them; false when they
 * are not known. */
bool reduce_axes(const Node *node, bool *flags, bool *keepdims);
/* The flagged axes are the last ones: the first of them; else -1. */
int trailing_axes(const bool *flags, int rank);

/* The elements of a constant as it is broadcast to a tensor of rank `rank`, of which it may vary
 * along the axes [first, last) of these sizes only: `numbers` gets one for each of their elements.
 * False when it varies elsewhere. */
bool constant_over(const Value *value, int rank, int first, int last, const int64_t *sizes,
                   double *numbers);
/* A constant shape for Reshape that gives the type: its sizes, one that is not constant as -1. NULL
 * when two are not, or when an empty tensor leaves -1 undefined. */
Value *build_shape(Builder *builder, const Type *type);
/* op(a, b) of two constants, computed now. */
Value *build_folded(Builder *builder, const char *op, Value *a, Value *b);

#endif
