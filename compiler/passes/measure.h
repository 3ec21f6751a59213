/* What a graph needs when it is lowered and planned as it is, and which buffers it needs at what
 * time: for passes that change it for the sake of memory. */
#ifndef ONNXC_PASSES_MEASURE_H
#define ONNXC_PASSES_MEASURE_H

#include "passes/pass.h"
#include "plan/plan.h"

/* When a buffer is live. A step has two times: what it reads is live at the first, what it writes
 * at both, and what takes over the memory of an input at the second only. */
typedef struct Life {
  const Buffer *buffer; /* NULL: no step touches it */
  uint32_t first, last;
  uint32_t step; /* the last that writes it */
} Life;

/* The graph, lowered and planned as it is. */
typedef struct Measure {
  Arena *arena;
  Steps *steps;
  Plan plan;
  uint32_t n, n_buffers; /* steps */
  Life *lives;           /* by buffer id */
  const Buffer **homes;  /* by value id */
  size_t *live;          /* by time */
  uint32_t peak;         /* the step at which most is live */
  size_t most;
  int64_t macs;
  double traffic; /* bytes of all operands of all steps */
} Measure;

/* Lowering leaves the graph as it is, and what it makes is dropped with the arena. False: it is
 * refused, which the stage that lowers reports in time. */
bool measure_graph(Graph *graph, Arena *arena, Measure *m);
/* The arena alone; SIZE_MAX: it is refused. */
size_t measure_arena(Graph *graph, Arena *arena);
/* What a buffer takes in the arena. */
size_t measure_bytes(const Buffer *buffer);
/* What takes over the memory of a buffer when its last time is the first of a step. */
const Value *measure_taker(const Measure *m, const Life *life);
/* Less is better: memory, which counts twice, times work. */
double measure_score(size_t need, double work);

#endif
