/* inline-if: If with a constant condition -> the nodes of the branch that it takes.
 *
 * Right because branches only read what they capture and compute. Branches may be less general than
 * the If was, so what follows is inferred again. */
#include "ops/inline.h"
#include "passes/pass.h"

#include <string.h>

static void inline_branch(Arena *arena, Node *site, const Graph *branch) {
  Builder builder = builder_at(site);
  Value **outputs = ARENA_ARRAY(arena, branch->outputs.len, Value *);
  build_inline(&builder, site, branch, NULL, outputs);
  for (uint32_t i = 0; i < site->n_out; i++) {
    if (site->out[i] != NULL) build_replace_output(&builder, site, i, outputs[i]);
  }
  graph_remove(site);
}

static const Graph *taken_branch(const Node *node) {
  if (strcmp(node->op->name, "If") != 0 || *node->op->domain != '\0') return NULL;
  const Tensor *condition = node->in[0].value->constant;
  if (condition == NULL || condition->count != 1) return NULL;
  return node_attr(node, tensor_i64(condition, 0) ? "then_branch" : "else_branch")->graph;
}

static bool run_inline_if(PassRun *run, Graph *graph) {
  bool changed = false;
  for (Node *node = graph->first; node != NULL;) {
    Node *before = node->prev, *next = node->next;
    const Graph *branch = taken_branch(node);
    if (branch != NULL && pass_hit(run, "constant-condition")) {
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
    .what = "If with a constant condition becomes the branch it takes",
    .run = run_inline_if,
};
