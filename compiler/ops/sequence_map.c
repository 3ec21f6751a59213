/* SequenceMap: a Loop that takes one tensor after the other out of the sequences and puts what the
 * body makes of them into new ones; or, where the length is a small number, the body again and
 * again. */
#include "ops/inline.h"
#include "ops/sequence.h"

#include <stdio.h>

static Graph *body_of(const Node *node) {
  return node_attr(node, "body")->graph;
}

static bool is_sequence(const Value *value) {
  return value->type.kind == TYPE_SEQUENCE;
}

/* ---- types -------------------------------------------------------------------------------------
 */

/* The size of an axis that varies, the same whenever it is asked for. */
static const Dim *varying(DimTable *t, const Value *input, int axis, const Dim *bound) {
  if (input->type.kind == TYPE_TENSOR && axis < input->type.rank) {
    const Dim *before = input->type.dims[axis];
    if (dim_as_symbol(before) != NULL && before->hi == bound->hi) return before;
  }
  char name[32];
  snprintf(name, sizeof name, "element_size%d", axis);
  return dim_fresh(t, name, 0, bound->hi);
}

/* An input of the body is one tensor of a sequence. */
static bool set_element(const Node *node, const Value *sequence, Value *input) {
  Context *ctx = node->graph->ctx;
  if (!type_is_bag(&sequence->type)) {
    return node_error(node, DIAG_UNSUPPORTED, "sequences hold tensors only");
  }
  Bag bag = bag_of(ctx, &sequence->type);
  const Dim *dims[MAX_RANK];
  int rank;
  if (!bag_rank(node, &bag, input->declared, 0, &rank)) return false;
  for (int i = 0; i < rank; i++) {
    dims[i] = bag_exact(&bag, i) ? bag.dims[i] : varying(ctx->dims, input, i, bag.dims[i]);
  }
  input->type = type_tensor(ctx, bag.dtype, rank, dims);
  return true;
}

static bool enter_body(const Node *node, Graph *body) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Value *value = node_in(node, i);
    Value *input = body->inputs.data[i];
    if (value == NULL) return node_error(node, DIAG_INVALID, "input %u is missing", i);
    if (!is_sequence(value))
      input->type = value->type;
    else if (!set_element(node, value, input))
      return false;
  }
  return true;
}

static bool sequence_map_infer(Node *node) {
  Context *ctx = node->graph->ctx;
  Graph *body = body_of(node);
  if (node->n_formal == 0 || node_in(node, 0) == NULL || !is_sequence(node_in(node, 0))) {
    return node_error(node, DIAG_INVALID, "input 0 must be a sequence");
  }
  if (body->inputs.len != node->n_formal || body->outputs.len != node->n_out) {
    return node_error(node, DIAG_INVALID, "the body has %zu inputs and %zu outputs, not %u and %u",
                      body->inputs.len, body->outputs.len, node->n_formal, node->n_out);
  }
  if (!enter_body(node, body) || !infer_graph(body)) return false;
  const Bag first = bag_of(ctx, &node_in(node, 0)->type);
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Type *type = &body->outputs.data[i]->type;
    if (type->kind != TYPE_TENSOR) {
      return node_error(node, DIAG_UNSUPPORTED, "sequences hold tensors only");
    }
    Bag bag = bag_of_tensor(ctx, type);
    bag_leave(node, &bag);
    bag.items.capacity = first.items.capacity;
    bag.items.length = first.items.length;
    Type sequence = bag_type(ctx, &bag, TYPE_SEQUENCE);
    infer_output_type(node, i, &sequence);
  }
  return true;
}

/* ---- a Loop ------------------------------------------------------------------------------------
 */

static void node_of(Builder *b, const char *op, Value *const *inputs, uint32_t n, Value *output) {
  Node *node = build_node(b, "", op, inputs, n, 1);
  node_take_output(node, 0, output);
  build_done(b, node);
}

/* What the body takes is computed in it, from what it captures. */
static void fetch_inputs(const Node *node, Graph *body, Value *turn) {
  Builder front = {.graph = body, .before = body->first, .origin = node};
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *input = body->inputs.data[i], *outer = graph_capture(body, node_in(node, i));
    if (is_sequence(outer))
      node_of(&front, "SequenceAt", (Value *[]){outer, turn}, 2, input);
    else
      graph_replace(input, outer);
  }
}

/* The captures of a body that moves to another node. */
static void move_captures(const Node *from, Graph *body) {
  const Capture *old = body->captures.data;
  size_t n = body->captures.len;
  body->captures.data = NULL;
  body->captures.len = body->captures.cap = 0;
  for (size_t i = 0; i < n; i++) {
    graph_capture_as(body, from->in[old[i].input].value, old[i].inner);
  }
}

static Value *truth(Graph *graph) {
  Tensor *tensor = tensor_new(graph->ctx, ONNXC_RT_BOOL, 0, NULL);
  tensor_set_i64(tensor, 0, 1);
  return graph_add_constant(graph, NULL, tensor);
}

/* body(element...) -> result... becomes body(turn, condition, sequence...) -> condition,
 * sequence... */
static void turn_body(Node *loop, const Node *node, Graph *body) {
  Context *ctx = body->ctx;
  uint32_t n = node->n_out;
  Value *turn = graph_new_value(body, "turn"), *condition = graph_new_value(body, "condition");
  turn->type = type_tensor(ctx, ONNXC_RT_I64, 0, NULL);
  condition->type = type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL);
  fetch_inputs(node, body, turn);
  body->inputs.len = 0;
  vec_push(ctx->arena, &body->inputs, turn);
  vec_push(ctx->arena, &body->inputs, condition);
  Value **outputs = ARENA_ARRAY(ctx->arena, n + 1, Value *);
  Builder back = {.graph = body, .origin = node};
  outputs[0] = truth(body);
  for (uint32_t i = 0; i < n; i++) {
    Value *state = graph_add_input(body, NULL, node_in(loop, 2 + i)->type);
    outputs[1 + i] = BUILD(&back, "SequenceInsert", state, body->outputs.data[i]);
  }
  graph_set_outputs(body, outputs, n + 1);
}

static Value *empty_sequence(Builder *b, DType dtype) {
  Node *empty = build_node(b, "", "SequenceEmpty", NULL, 0, 1);
  node_set_int(empty, "dtype", (int64_t)dtype);
  return build_done(b, empty);
}

static void build_loop(Builder *b, Node *node) {
  Graph *body = body_of(node);
  Value **inputs = ARENA_ARRAY(b->graph->ctx->arena, node->n_out + 2, Value *);
  inputs[0] = BUILD(b, "SequenceLength", node_in(node, 0));
  for (uint32_t i = 0; i < node->n_out; i++) {
    inputs[2 + i] = empty_sequence(b, body->outputs.data[i]->type.dtype);
  }
  Node *loop = build_node(b, "", "Loop", inputs, node->n_out + 2, node->n_out);
  node_set_attr(loop, (Attr){.name = "body", .kind = ATTR_GRAPH, .graph = body});
  move_captures(node, body);
  turn_body(loop, node, body);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) node_take_output(loop, i, node->out[i]);
  }
  build_done(b, loop);
}

/* ---- one body after the other ------------------------------------------------------------------
 */

enum { MOST_COPIES = 32 };

static bool has_subgraphs(const Graph *graph) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) return true;
    }
  }
  return false;
}

static bool few(const Node *node, int64_t *n) {
  const Dim *length = bag_of(node->graph->ctx, &node_in(node, 0)->type).items.length;
  return length != NULL && dim_is_const(length, n) && *n <= MOST_COPIES &&
         !has_subgraphs(body_of(node));
}

/* The outputs of the body for turn `k`. */
static void copy_body(Builder *b, const Node *node, int64_t k, Value **outputs) {
  Value **inputs = ARENA_ARRAY(b->graph->ctx->arena, node->n_formal, Value *);
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *value = node_in(node, i);
    inputs[i] = is_sequence(value) ? BUILD(b, "SequenceAt", value, build_i64(b, k)) : value;
  }
  Node *last = b->before->prev;
  build_inline(b, node, body_of(node), inputs, outputs);
  Node *next = last == NULL ? b->graph->first : last->next;
  for (; next != b->before; next = next->next) infer_node(next);
}

static void build_copies(Builder *b, Node *node, int64_t n) {
  Arena *arena = b->graph->ctx->arena;
  Value **results = ARENA_ARRAY(arena, (size_t)n * node->n_out, Value *);
  Value **outputs = ARENA_ARRAY(arena, node->n_out, Value *);
  for (int64_t k = 0; k < n; k++) {
    copy_body(b, node, k, outputs);
    for (uint32_t i = 0; i < node->n_out; i++) results[i * n + k] = outputs[i];
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    Value *sequence = n == 0 ? empty_sequence(b, node->out[i]->type.element->dtype)
                             : build(b, "SequenceConstruct", results + i * n, (uint32_t)n);
    build_replace_output(b, node, i, sequence);
  }
}

static bool sequence_map_decompose(Builder *b, Node *node) {
  int64_t n;
  if (few(node, &n))
    build_copies(b, node, n);
  else
    build_loop(b, node);
  return true;
}

const OpDef op_SequenceMap = {
    .name = "SequenceMap",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("body", ATTR_GRAPH), {0}},
    .infer = sequence_map_infer,
    .decompose = sequence_map_decompose,
};
