/* Views of a compilation for people and programs. Sizes that depend on symbols are shown at their
 * upper bounds. */
#ifndef ONNXC_INSPECT_INSPECT_H
#define ONNXC_INSPECT_INSPECT_H

#include "stages.h"

typedef struct View {
  const char *name;
  const char *stage; /* that must be through, unless the graph as imported is asked for */
  /* Writes what there is: the graph, and from the plan on also steps and memory. False: reported.
   */
  bool (*write)(Compilation *c, Out *w);
} View;

extern const View views[]; /* ends with a NULL name */

/* A tensor of any type as an ONNX file of its own. */
void inspect_write_tensor(Out *w, Arena *arena, const Tensor *tensor);

/* ---- for the views -----------------------------------------------------------------------------
 */

/* Totals of a list of steps with those nested in it. */
typedef struct Totals {
  size_t steps;
  int64_t macs, bytes;
} Totals;

Totals inspect_totals(const Steps *steps);
const char *inspect_kind(StepKind kind);
/* What a step computes and of which sizes, on one line; sizes that are 0 or 1 are left out. */
const char *inspect_work(Arena *arena, const Step *step);
/* What nodes of this operator have in common, for colouring: "tensor", "math", "norm", ... */
const char *inspect_family(const OpDef *op);
/* The operator's label of the node, or its attributes; empty when there are none. */
const char *inspect_label(Arena *arena, const Node *node);
int64_t inspect_macs(const Node *node); /* 0: none */
/* Bytes of all constants that the graph and its subgraphs use. */
size_t inspect_weight_bytes(const Graph *graph);
/* 1234567 as "1,234,567". */
const char *inspect_number(Arena *arena, uint64_t value);

/* Memory with smaller bounds. */
typedef struct Smaller {
  onnxc_dim *dims; /* by option --dim */
  int64_t part;    /* of the ranges: one of so many */
  bool planned;    /* false: not possible with these */
  size_t arena_bytes, state_bytes;
} Smaller;

typedef struct SmallerTable {
  Vec(Smaller) rows; /* none where no size is bounded */
  bool left_out;     /* it would take too long */
} SmallerTable;

/* Of a compilation with a plan. */
SmallerTable inspect_smaller(Compilation *c);
/* Whether option --dim number `i` gives a size bounds that differ, and no later one does. */
bool inspect_is_bounded(const Compilation *c, size_t i);

/* Buffers and steps in full, for --dump. */
void inspect_steps(const Steps *steps, Arena *arena, Out *w);

bool view_text(Compilation *c, Out *w);
bool view_json(Compilation *c, Out *w);
bool view_dot(Compilation *c, Out *w);
bool view_html(Compilation *c, Out *w);
bool view_onnx(Compilation *c, Out *w);
/* The graph as a JSON object, shared by the json and html views. */
void inspect_graph_json(const Graph *graph, Arena *arena, Out *w);
/* The json view's document, without a newline at its end. */
void inspect_json(Compilation *c, Out *w);

#endif
