/* hoist-invariants: a node in the body of Loop or Scan that depends on nothing but what the body
 * captures -> in front of the loop, once.
 *
 * Right because it gives the same in each turn. It is also computed when the loop makes no turn, so
 * operators stay whose kernels may report an error. */
#include "ops/control.h"
#include "passes/facts.h"
#include "passes/pass.h"

extern const OpDef op_Loop, op_Scan;

/* Operators that only compute or move elements, whatever these are. */
static bool never_fails(const Node *node) {
  bool computes = node->op->row != NULL && node->op->whole_inputs == 0;
  return computes || (node->op->flags & OP_VIEW) != 0 ||
         node_named(node, "MatMul Gemm Conv Transpose Slice Concat Expand Split Pad");
}

static bool is_tensor(const Value *value) {
  return value == NULL || value->type.kind == TYPE_TENSOR;
}

static bool is_plain(const Node *node) {
  if (!never_fails(node) || (node->op->flags & OP_NONDETERMINISTIC) != 0) return false;
  if (node_sizes_from_data(node)) return false;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH || node->attrs[i].kind == ATTR_DIMS) return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    bool handed_on = node->out[i] != NULL && value_is_output(node->out[i]);
    if (!is_tensor(node->out[i]) || handed_on) return false;
  }
  return true;
}

/* The inputs as values in front of the loop; false when one is only there in a turn. `outer` has
 * those of the captures. */
static bool find_outer(const Map *outer, const Node *node, Builder *b, Value **inputs) {
  bool captures = false;
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node->in[i].value;
    if (in == NULL || in->constant != NULL) continue;
    if (map_get(outer, map_key(in)) == NULL) return false;
    captures = true;
  }
  for (uint32_t i = 0; captures && i < node->n_in; i++) {
    const Value *in = node->in[i].value;
    if (in == NULL) continue;
    inputs[i] = map_get(outer, map_key(in));
    if (inputs[i] == NULL) inputs[i] = build_constant(b, in->constant);
  }
  return captures;
}

/* The node in front of the loop; what it gives is captured in its place. */
static void hoist(Map *outer, Node *node, Builder *b, Value **inputs) {
  Graph *body = node->graph;
  Node *copy = build_node(b, node->op->domain, node->op->name, inputs, node->n_in, node->n_out);
  node_add_origins(copy, node);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  build_done(b, copy);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    Value *inner = graph_capture(body, copy->out[i]);
    map_set(outer, map_key(inner), copy->out[i]);
    graph_replace(node->out[i], inner);
  }
  graph_remove(node);
}

static void hoist_all(PassRun *run, Node *loop, Graph *body) {
  Map outer = map_on(pass_scratch(run));
  Builder builder = builder_at(loop);
  VEC_EACH(Capture, capture, &body->captures) {
    map_set(&outer, map_key(capture->inner), loop->in[capture->input].value);
  }
  for (Node *node = body->first, *next; node != NULL; node = next) {
    next = node->next;
    Value **inputs = ARENA_ARRAY(pass_scratch(run), node->n_in, Value *);
    if (!is_plain(node) || !find_outer(&outer, node, &builder, inputs)) continue;
    if (pass_hit(run, "node")) hoist(&outer, node, &builder, inputs);
  }
}

/* Inner loops first: what leaves them may leave the loop around them as well. */
static void visit(PassRun *run, Graph *graph) {
  for (Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      Graph *body = node->attrs[i].kind == ATTR_GRAPH ? node->attrs[i].graph : NULL;
      if (body == NULL) continue;
      visit(run, body);
      if (node_is(node, op_Loop) || node_is(node, op_Scan)) hoist_all(run, node, body);
    }
  }
}

static bool run_hoist_invariants(PassRun *run, Graph *graph) {
  if (graph->holder == NULL) visit(run, graph);
  return true;
}

const PassDef pass_hoist_invariants = {
    .name = "hoist-invariants",
    .what = "What is the same in each turn of a loop is computed in front of it",
    .changes = (const char *const[]){"node", NULL},
    .run = run_hoist_invariants,
};
