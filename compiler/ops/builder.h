/* Builds nodes in place: what decompositions and rewrites are written with.
 *
 * Nodes go in front of a position, are inferred at once, and carry the origins of the node they
 * replace. A failed inference is a broken invariant of the caller and raises the escape. */
#ifndef ONNXC_OPS_BUILDER_H
#define ONNXC_OPS_BUILDER_H

#include "ops/op.h"

struct Builder {
  Graph *graph;
  Node *before;       /* new nodes are inserted in front of this one; NULL: at the end */
  const Node *origin; /* whose name and origins they take */
};

Builder builder_at(Node *node);

/* A node with one output, which is returned. `build(b, "Add", (Value *[]){x, y}, 2)`. */
Value *build(Builder *b, const char *op, Value *const *inputs, uint32_t n);
#define BUILD(b, op, ...)                                                                          \
  build((b), (op), (Value *[]){__VA_ARGS__}, sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *))
/* The node itself, not yet inferred, for attributes and several outputs; build_done infers it and
 * returns output 0. */
Node *build_node(Builder *b, const char *domain, const char *op, Value *const *inputs, uint32_t n,
                 uint32_t n_outputs);
Value *build_done(Builder *b, Node *node);

Value *build_f32(Builder *b, float value); /* scalars */
Value *build_i64(Builder *b, int64_t value);
Value *build_ints(Builder *b, const int64_t *values, size_t n); /* a vector */
Value *build_constant(Builder *b, const Tensor *tensor);
/* A scalar of the element type of `like`. */
Value *build_like(Builder *b, const Value *like, double value);
/* A tensor of the element type of `like` with these elements. */
Value *build_numbers(Builder *b, const Value *like, const double *numbers, int rank,
                     const int64_t *dims);
/* A vector whose elements are symbolic sizes: a constant, or a node onnxc.Dims. */
Value *build_dims(Builder *b, const Dim *const *dims, uint32_t n);
/* The same of any integer or bool type and any shape with `n` elements. */
Value *build_contents(Builder *b, DType dtype, const Dim *const *dims, uint32_t n, int rank,
                      const int64_t *shape);

/* `value` takes the place of output 0 of `node` everywhere. Where that is an output of the main
 * graph the name goes over too, since it is the caller's; a value whose own name is the caller's
 * stays, and a copy of it becomes the output. */
void build_replace(Builder *b, Node *node, Value *value);
void build_replace_output(Builder *b, Node *node, uint32_t i, Value *value);
/* Whether `to` can take the place of `from` without such a copy. */
bool build_may_rename(const Value *from, const Value *to);

#endif
