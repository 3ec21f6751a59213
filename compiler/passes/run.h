/* The inside of this room: what one run of the passes carries. */
#ifndef ONNXC_PASSES_RUN_H
#define ONNXC_PASSES_RUN_H

#include "passes/pass.h"

struct PassRun {
  Context *ctx;
  const PassDef *pass; /* running now */
  Arena *scratch;      /* of this pass */
  PassReport *report;
  size_t limit; /* of report->rewrites */
};

/* Whether no flag switches the rule of the running pass off. */
bool rule_enabled(const PassRun *run, const char *rule);
/* Applies the rules of the pass to one graph until nothing changes. False: reported. */
bool rules_apply(PassRun *run, Graph *graph);

/* --verify-passes: concrete inputs for a graph, and what it computes from them. */
typedef struct Samples Samples;
/* NULL when the interpreter cannot run the graph. */
Samples *samples_take(const Graph *graph, Arena *arena);
/* Whether the graph still computes the same, up to rounding. False: reported. */
bool samples_agree(const Samples *samples, const Graph *graph, const PassDef *pass);

#endif
