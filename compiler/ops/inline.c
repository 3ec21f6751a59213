#include "ops/inline.h"

/* Values of the body and what stands for them outside. */
typedef struct Inlining {
  Builder *b;
  Map values;
} Inlining;

static Value *outside(Inlining *in, Value *inner) {
  if (inner == NULL) return NULL;
  Value *value = map_get(&in->values, map_key(inner));
  if (value == NULL) { /* a constant of the body */
    value = graph_add_constant(in->b->graph, inner->name, inner->constant);
    map_set(&in->values, map_key(inner), value);
  }
  return value;
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

static void copy_node(Inlining *in, const Node *node) {
  Arena *arena = in->b->graph->ctx->arena;
  const char **names = ARENA_ARRAY(arena, node->n_out, const char *);
  for (uint32_t i = 0; i < node->n_out; i++) names[i] = node->out[i] ? node->out[i]->name : "";
  Value **inputs = ARENA_ARRAY(arena, node->n_in, Value *);
  for (uint32_t i = 0; i < node->n_in; i++) inputs[i] = outside(in, node->in[i].value);
  Node *copy = node_new(in->b->graph, node->op, node->name, inputs, node->n_in, names, node->n_out);
  copy->n_formal = node->n_formal;
  node_copy_attrs(copy, node);
  node_add_origins(copy, node);
  copy_outputs(in, node, copy);
  graph_insert_before(in->b->before, copy);
}

void build_inline(Builder *b, const Node *holder, const Graph *body, Value *const *inputs,
                  Value **outputs) {
  Inlining in = {.b = b, .values = map_on(b->graph->ctx->arena)};
  for (size_t i = 0; i < body->inputs.len; i++) {
    map_set(&in.values, map_key(body->inputs.data[i]), inputs[i]);
  }
  VEC_EACH(Capture, capture, &body->captures) {
    map_set(&in.values, map_key(capture->inner), holder->in[capture->input].value);
  }
  for (const Node *node = body->first; node != NULL; node = node->next) copy_node(&in, node);
  for (size_t i = 0; i < body->outputs.len; i++) outputs[i] = outside(&in, body->outputs.data[i]);
}
