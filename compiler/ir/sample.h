/* Concrete inputs of a graph, what it computes from them, and how far rounding alone moves that:
 * what a graph that is to compute the same is compared with. */
#ifndef ONNXC_IR_SAMPLE_H
#define ONNXC_IR_SAMPLE_H

#include "ir/graph.h"

/* How inputs are drawn. Whatever the model bounds stays within its bounds. */
typedef struct SampleForm {
  int64_t size, spread; /* sizes are in [size, size + spread) */
  int64_t integers;     /* integers are in [0, integers) */
  uint64_t seed;
} SampleForm;

typedef struct Sample {
  uint32_t n_symbols;
  int64_t *symbols;                 /* values of the first n_symbols symbols */
  const Tensor **inputs, **outputs; /* of the graph; an output that is no tensor is NULL */
  double **allowed; /* by output and element: the difference that rounding explains; NULL: none */
  size_t unbounded; /* elements that may be anything: they hang on a value that left f16's range,
                       which computing with wider intermediates need not leave */
} Sample;

/* NULL: the interpreter cannot run the graph on what was drawn; *failed is the node that it could
 * not run, or NULL. */
Sample *sample_take(const Graph *graph, const SampleForm *form, Arena *arena, const Node **failed);
/* What the graph, which may have changed since, computes from the same inputs. */
bool sample_run(const Sample *sample, const Graph *graph, const Tensor **outputs, Arena *arena,
                const Node **failed);
/* How `actual` differs from output `i`; NULL: not by more than rounding explains. */
const char *sample_difference(const Sample *sample, size_t i, const Tensor *actual, Arena *arena);

#endif
