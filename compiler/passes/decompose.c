/* decompose: a node whose operator is defined by others -> those others (OpDef.decompose).
 *
 * Right because each definition is ONNX's own. It runs first, so that the other passes and lowering
 * see few operators. What was just built is looked at too: definitions use one another. */
#include "passes/pass.h"

/* The node to look at next. */
static Node *expand(PassRun *run, Node *node) {
  Node *before = node->prev;
  Graph *graph = node->graph;
  Builder builder = builder_at(node);
  if (!node->op->decompose(&builder, node)) return node->next;
  pass_hit(run, node->op->name);
  graph_remove(node);
  return before == NULL ? graph->first : before->next;
}

static bool run_decompose(PassRun *run, Graph *graph) {
  size_t errors = diag_errors(graph->ctx->diag);
  for (Node *node = graph->first; node != NULL && pass_may(run);) {
    node = node->op->decompose == NULL ? node->next : expand(run, node);
  }
  return diag_errors(graph->ctx->diag) == errors;
}

const PassDef pass_decompose = {
    .name = "decompose",
    .what = "Operators that others define become those others",
    .run = run_decompose,
    .required = true,
};
