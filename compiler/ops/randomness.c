/* What depends on random numbers. */
#include "ops/op.h"

static bool is_body(const Attr *attr) {
  return attr->kind == ATTR_GRAPH;
}

bool graph_draws(const Graph *graph) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (node->op->flags & OP_NONDETERMINISTIC) return true;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (is_body(&node->attrs[i]) && graph_draws(node->attrs[i].graph)) return true;
    }
  }
  return false;
}

/* Marks have a place for each value by its id, which is unique in all graphs of a compilation. */
static bool marked(const bool *marks, const Value *value) {
  return value != NULL && marks[value->id];
}

static bool any_output(const bool *marks, const Graph *graph) {
  VEC_EACH(Value *, output, &graph->outputs) {
    if (marked(marks, *output)) return true;
  }
  return false;
}

/* Inputs that only decide about sizes do not count. */
static bool any_input(const bool *marks, const Node *node) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    bool sizes = i < 32 && (node->op->shape_inputs >> i & 1) != 0;
    if (!sizes && marked(marks, node_in(node, i))) return true;
  }
  return false;
}

static void mark_graph(bool *marks, const Graph *graph);

/* A body with what goes in; a second time when a turn hands random values to the next. */
static void mark_body(bool *marks, const Node *node, const Graph *body, bool random) {
  bool before;
  VEC_EACH(const Capture, capture, &body->captures) {
    if (marked(marks, node_in(node, capture->input))) marks[capture->inner->id] = true;
  }
  random = random || any_output(marks, body);
  do {
    before = random;
    VEC_EACH(Value *, input, &body->inputs) marks[(*input)->id] |= random;
    mark_graph(marks, body);
    random = body->inputs.len != 0 && any_output(marks, body);
  } while (random && !before);
}

/* Each output of If is one of its branches; those of loops are not told apart. */
static bool from_body(const bool *marks, const Graph *body, uint32_t i) {
  bool branch = body->inputs.len == 0 && i < body->outputs.len;
  return branch ? marked(marks, body->outputs.data[i]) : any_output(marks, body);
}

static void mark_node(bool *marks, const Node *node) {
  bool random = (node->op->flags & OP_NONDETERMINISTIC) != 0 || any_input(marks, node);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (is_body(&node->attrs[i])) mark_body(marks, node, node->attrs[i].graph, random);
  }
  for (uint32_t k = 0; k < node->n_out; k++) {
    bool inside = random;
    for (uint32_t i = 0; i < node->n_attrs && !inside; i++) {
      if (is_body(&node->attrs[i])) inside = from_body(marks, node->attrs[i].graph, k);
    }
    if (node->out[k] != NULL) marks[node->out[k]->id] = inside;
  }
}

static void mark_graph(bool *marks, const Graph *graph) {
  for (const Node *node = graph->first; node != NULL; node = node->next) mark_node(marks, node);
}

void graph_random_outputs(const Graph *graph, bool *random) {
  bool *marks = ARENA_ARRAY(graph->ctx->arena, graph->ctx->n_values, bool);
  mark_graph(marks, graph);
  for (size_t i = 0; i < graph->outputs.len; i++) random[i] = marked(marks, graph->outputs.data[i]);
}
