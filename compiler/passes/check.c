#include "ir/sample.h"
#include "ops/op.h"
#include "passes/run.h"

#include <string.h>

/* Sizes of 1 broadcast and larger ones do not, so both are tried. Of each list the first form is
 * taken that the model can run with: larger sizes when it needs some, integers that are indexes
 * into less and less. */
enum { N_LISTS = 2, MAX_FORMS = 6 };

static const SampleForm forms[N_LISTS][MAX_FORMS] = {
    {{1, 1, 8, 1}, {1, 1, 2, 1}, {1, 1, 1, 1}},
    {{2, 4, 8, 2}, {2, 4, 2, 2}, {2, 4, 1, 2}, {16, 4, 2, 2}, {64, 4, 2, 2}, {256, 4, 2, 2}},
};

struct Samples {
  Arena *arena;
  const Sample *samples[N_LISTS]; /* NULL: no form of that list will do */
};

static bool has_symbols(const Graph *graph) {
  return dims_symbols(graph->ctx->dims) != 0;
}

Samples *samples_take(const Graph *graph, Arena *arena) {
  Samples *s = ARENA_NEW(arena, Samples);
  const Node *failed = NULL;
  bool taken = false;
  s->arena = arena;
  for (int list = has_symbols(graph) ? 0 : 1; list < N_LISTS && !graph_draws(graph); list++) {
    for (int i = 0; i < MAX_FORMS && forms[list][i].seed != 0 && s->samples[list] == NULL; i++) {
      s->samples[list] = sample_take(graph, &forms[list][i], arena, &failed);
    }
    taken = taken || s->samples[list] != NULL;
  }
  if (taken) return s;
  DiagSite site = {graph->name, failed == NULL ? NULL : failed->name,
                   failed == NULL ? NULL : failed->op->name};
  diag_warning(graph->ctx->diag, site,
               "passes cannot be verified: the interpreter cannot run this");
  return NULL;
}

static bool agrees(const Sample *sample, const Graph *graph, const char *pass, Arena *scratch) {
  const Tensor **outputs = ARENA_ARRAY(scratch, graph->outputs.len, const Tensor *);
  const Node *failed;
  if (!sample_run(sample, graph, outputs, scratch, &failed)) {
    return node_error(failed, DIAG_INTERNAL, "cannot be interpreted any more after pass '%s'",
                      pass);
  }
  for (size_t i = 0; i < graph->outputs.len; i++) {
    const char *difference = sample_difference(sample, i, outputs[i], scratch);
    if (difference == NULL) continue;
    return diag_error(graph->ctx->diag, DIAG_INTERNAL, (DiagSite){.graph = graph->name},
                      "pass '%s' changed output '%s': %s", pass, graph->outputs.data[i]->name,
                      difference);
  }
  return true;
}

bool samples_agree(const Samples *s, const Graph *graph, const PassDef *pass) {
  bool same = true;
  for (int list = 0; same && list < N_LISTS; list++) {
    Arena *scratch = arena_scratch(s->arena);
    if (s->samples[list] != NULL) same = agrees(s->samples[list], graph, pass->name, scratch);
    arena_drop(scratch);
  }
  return same;
}
