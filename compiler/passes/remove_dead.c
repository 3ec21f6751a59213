/* remove-dead: a node none of whose outputs is used -> nothing; a value that a subgraph captures
 * but does not read -> no longer captured.
 *
 * Right because no operator has effects. Nodes are visited backwards, and subgraphs before what
 * they capture, so one sweep removes whole chains. */
#include "passes/pass.h"

static void sweep(PassRun *run, Graph *graph);

static bool is_read(const Value *value) {
  return value->uses != NULL || value_is_output(value);
}

static bool is_dead(const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL && is_read(node->out[i])) return false;
  }
  return true;
}

static bool reads_capture(const Node *node, uint32_t input) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    VEC_EACH(const Capture, capture, &node->attrs[i].graph->captures) {
      if (capture->input == input && is_read(capture->inner)) return true;
    }
  }
  return false;
}

static void sweep_subgraphs(PassRun *run, Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) sweep(run, node->attrs[i].graph);
  }
  for (uint32_t i = node->n_in; i-- > node->n_formal;) {
    if (!reads_capture(node, i) && pass_hit(run, "capture")) node_remove_capture(node, i);
  }
}

static void sweep(PassRun *run, Graph *graph) {
  for (Node *node = graph->last, *prev; node != NULL; node = prev) {
    prev = node->prev;
    if (!is_dead(node)) {
      sweep_subgraphs(run, node);
    } else if (pass_hit(run, "node")) {
      graph_remove(node);
    }
  }
}

/* The driver comes by for each subgraph too, which the main graph's sweep has done by then. */
static bool run_remove_dead(PassRun *run, Graph *graph) {
  if (graph->holder == NULL) sweep(run, graph);
  return true;
}

const PassDef pass_remove_dead = {
    .name = "remove-dead",
    .what = "Drops what no output depends on",
    .changes = (const char *const[]){"node", "capture", NULL},
    .run = run_remove_dead,
};
