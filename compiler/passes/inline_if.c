/* inline-if: If with a known condition -> the nodes of the branch that it takes.
 *
 * Right because branches only read what they capture and compute. Branches may be less general than
 * the If was, so what follows is inferred again. It runs at every level, and first: the branch that
 * is never taken has no types, so nothing else can be done with it. */
#include "ops/control.h"
#include "ops/inline.h"
#include "passes/pass.h"

static void inline_branch(Arena *arena, Node *site, const Graph *branch) {
  Builder builder = builder_at(site);
  Value **outputs = ARENA_ARRAY(arena, branch->outputs.len, Value *);
  build_inline(&builder, site, branch, NULL, outputs);
  for (uint32_t i = 0; i < site->n_out; i++) {
    if (site->out[i] != NULL) build_replace_output(&builder, site, i, outputs[i]);
  }
  graph_remove(site);
}

extern const OpDef op_If;

static bool run_inline_if(PassRun *run, Graph *graph) {
  bool changed = false;
  for (Node *node = graph->first; node != NULL;) {
    Node *before = node->prev, *next = node->next;
    const Graph *branch = node_is(node, op_If) ? if_taken(node) : NULL;
    if (branch != NULL) {
      pass_hit(run, "known-condition");
      inline_branch(pass_scratch(run), node, branch);
      changed = true; /* and look at what came in: it may hold Ifs of its own */
      next = before == NULL ? graph->first : before->next;
    }
    node = next;
  }
  return !changed || infer_graph(graph);
}

const PassDef pass_inline_if = {
    .name = "inline-if",
    .what = "If with a known condition becomes the branch it takes",
    .run = run_inline_if,
    .required = true,
};
