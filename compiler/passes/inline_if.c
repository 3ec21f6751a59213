/* inline-if: If with a constant condition -> the nodes of the branch that it takes.
 *
 * Right because branches only read what they capture and compute. The nodes are copied, with what
 * they captured replaced by the values outside; subgraphs of theirs change their holder. Branches
 * may be less general than the If was, so what follows is inferred again. */
#include "ops/op.h"
#include "passes/pass.h"

#include <string.h>

/* Values of the branch and what stands for them outside. */
typedef struct Inlining {
  Node *site;
  Map values;
} Inlining;

static Value *outside(Inlining *in, Value *inner) {
  if (inner == NULL) return NULL;
  Value *value = map_get(&in->values, map_key(inner));
  if (value == NULL) { /* a constant of the branch */
    value = graph_add_constant(in->site->graph, inner->name, inner->constant);
    map_set(&in->values, map_key(inner), value);
  }
  return value;
}

static Value **outside_inputs(Inlining *in, const Node *node, Arena *arena) {
  Value **inputs = ARENA_ARRAY(arena, node->n_in, Value *);
  for (uint32_t i = 0; i < node->n_in; i++) inputs[i] = outside(in, node->in[i].value);
  return inputs;
}

static void copy_outputs(Inlining *in, const Node *node, Node *copy) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    copy->out[i]->type = node->out[i]->type;
    copy->out[i]->contents = node->out[i]->contents;
    copy->out[i]->n_contents = node->out[i]->n_contents;
    map_set(&in->values, map_key(node->out[i]), copy->out[i]);
  }
}

static void copy_node(Inlining *in, const Node *node, Arena *arena) {
  const char **names = ARENA_ARRAY(arena, node->n_out, const char *);
  for (uint32_t i = 0; i < node->n_out; i++) names[i] = node->out[i] ? node->out[i]->name : "";
  Node *copy = node_new(in->site->graph, node->op, node->name, outside_inputs(in, node, arena),
                        node->n_in, names, node->n_out);
  copy->n_formal = node->n_formal;
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  node_add_origins(copy, node);
  copy_outputs(in, node, copy);
  graph_insert_before(in->site, copy);
}

static void inline_branch(Arena *arena, Node *site, const Graph *branch) {
  Inlining in = {.site = site, .values = map_on(arena)};
  VEC_EACH(Capture, capture, &branch->captures) {
    map_set(&in.values, map_key(capture->inner), site->in[capture->input].value);
  }
  for (const Node *node = branch->first; node != NULL; node = node->next) {
    copy_node(&in, node, arena);
  }
  Builder builder = builder_at(site);
  for (uint32_t i = 0; i < site->n_out; i++) {
    if (site->out[i] == NULL) continue;
    build_replace_output(&builder, site, i, outside(&in, branch->outputs.data[i]));
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
