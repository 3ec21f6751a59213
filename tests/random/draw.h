/* Random graphs, drawn with the builder from a seed: the same seed draws the same graph. Patterns
 * are what exporters write around residual connections, in many spellings. */
#ifndef ONNXC_TESTS_RANDOM_DRAW_H
#define ONNXC_TESTS_RANDOM_DRAW_H

#include "ops/compose.h"
#include "passes/facts.h"

/* A graph being drawn, or the subgraph of a node of one. */
typedef struct Draw {
  Context *ctx;
  Graph *graph;
  Builder b;
  uint64_t *state;        /* of the generator, shared with the graphs around */
  Vec(Value *) pool;      /* what later nodes may use */
  Vec(Value *) constants; /* that may be used again */
  uint32_t *left;         /* nodes that may still be drawn */
  int nesting;            /* subgraphs around */
  const Dim *batch, *length;
  DType dtype; /* of what flows through the graph */
} Draw;

/* The graph that `seed` draws, of up to about `nodes` nodes. */
Graph *draw_graph(Context *ctx, uint64_t seed, uint32_t nodes);

/* ---- chance ---- */

uint64_t draw_bits(Draw *d);
int64_t draw_in(Draw *d, int64_t lo, int64_t hi); /* inclusive */
double draw_real(Draw *d, double lo, double hi);
bool draw_chance(Draw *d, int percent);
#define DRAW_OF(d, type, ...)                                                                      \
  (((type const[]){__VA_ARGS__})[draw_in(                                                          \
      (d), 0, (int64_t)(sizeof((type const[]){__VA_ARGS__}) / sizeof(type)) - 1)])

/* ---- facts ---- */

/* a tensor of floats */
int rank_of(const Value *v);
int64_t size_at(const Value *v, int axis); /* -1: symbolic; axis may be negative */
/* Another value of the graph of that type; `v` itself when there is none. */
Value *draw_alike(Draw *d, Value *v);

/* ---- nodes ---- */

#define OP(d, name, ...) BUILD(&(d)->b, name, __VA_ARGS__)
Value *commute(Draw *d, const char *op, Value *x, Value *y); /* operands in either order */
/* A node with one attribute. */
Value *with_int(Draw *d, const char *op, Value *x, const char *attr, int64_t value);
Value *with_float(Draw *d, const char *op, Value *x, const char *attr, double value);
Value *with_ints(Draw *d, const char *op, Value *x, const char *attr, const int64_t *values,
                 size_t n);
Value *ints(Draw *d, int64_t a); /* vectors */
Value *ints2(Draw *d, int64_t a, int64_t b);
Value *draw_input(Draw *d, DType dtype, int rank, const Dim *const *dims); /* NULL: in a subgraph */

/* A constant; sometimes hidden behind nodes that can be folded. */
Value *scalar(Draw *d, const Value *like, double value);
Value *numbers(Draw *d, const Value *like, int rank, const int64_t *dims);
Value *operand(Draw *d, Value *x); /* that broadcasts to x */
Value *vector(Draw *d, const Value *like, int64_t n);
Value *positive(Draw *d, const Value *like, int64_t n); /* in [0.5, 1.5) */
Value *weight(Draw *d, const Value *like, int64_t rows, int64_t columns);

Value *reduce(Draw *d, const char *op, Value *x, int64_t axis, bool keep);
Value *cast(Draw *d, Value *x, DType dtype);
/* Reshape; the target is spelled as numbers with 0 and -1, or computed from Shape. Sizes: -1 the
 * rest, -2 - i the size of axis i of `x`. */
Value *reshape(Draw *d, Value *x, int rank, const int64_t *sizes);
Value *transpose(Draw *d, Value *x, const int64_t *perm);
Value *slice(Draw *d, Value *x, int64_t axis, int64_t start, int64_t end, int64_t step);

/* ---- patterns ---- */

/* Each returns NULL, having built nothing, where it does not apply. Those that keep the type take
 * their place in residual branches. */
typedef Value *Pattern_(Draw *d, Value *x);
typedef struct PatternRow {
  Pattern_ *draw;
  int weight;
} PatternRow;

Value *draw_activation(Draw *d, Value *x);
Value *draw_norm(Draw *d, Value *x);
Value *draw_softmax(Draw *d, Value *x, int64_t axis);
Value *draw_attention(Draw *d, Value *x);
Value *draw_image_block(Draw *d, Value *x);
Value *draw_any_convolution(Draw *d, Value *x); /* of any sizes, or pooling */
Value *draw_kept(Draw *d, Value *x);            /* any pattern that keeps the type */
Value *draw_changed(Draw *d, Value *x);         /* any other */
Value *draw_whole(Draw *d, Value *x);           /* of integers and bools */

#endif
