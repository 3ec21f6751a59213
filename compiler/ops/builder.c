#include "ops/builder.h"

Builder builder_at(Node *node) {
  return (Builder){.graph = node->graph, .before = node, .origin = node};
}

static _Noreturn void broken(const Builder *b, const char *reason) {
  escape_raise(arena_escape(b->graph->ctx->arena), 70, reason);
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

Node *build_node(Builder *b, const char *domain, const char *op, Value *const *inputs, uint32_t n,
                 uint32_t n_outputs) {
  const OpDef *def = op_find(domain, op);
  if (def == NULL) broken(b, "a rewrite builds an operator that ops.def does not have");
  Node *node = node_new(b->graph, def, b->origin->name, inputs, n, NULL, n_outputs);
  node_add_origins(node, b->origin);
  return node;
}

Value *build_done(Builder *b, Node *node) {
  if (b->before != NULL)
    graph_insert_before(b->before, node);
  else
    graph_append(b->graph, node);
  if (!infer_node(node)) broken(b, "a rewrite builds a node that cannot be inferred");
  return node->out[0];
}

Value *build(Builder *b, const char *op, Value *const *inputs, uint32_t n) {
  return build_done(b, build_node(b, "", op, inputs, n, 1));
}

/* ---- constants ---------------------------------------------------------------------------------
 */

Value *build_constant(Builder *b, const Tensor *tensor) {
  return graph_add_constant(b->graph, NULL, tensor);
}

Value *build_f32(Builder *b, float value) {
  return build_constant(b, tensor_scalar_f32(b->graph->ctx, value));
}

Value *build_i64(Builder *b, int64_t value) {
  return build_constant(b, tensor_scalar_i64(b->graph->ctx, value));
}

Value *build_ints(Builder *b, const int64_t *values, size_t n) {
  return build_constant(b, tensor_vector_i64(b->graph->ctx, values, n));
}

Value *build_like(Builder *b, const Value *like, double value) {
  Tensor *tensor = tensor_new(b->graph->ctx, like->type.dtype, 0, NULL);
  tensor_set_f64(tensor, 0, value);
  return build_constant(b, tensor);
}

Value *build_numbers(Builder *b, const Value *like, const double *numbers, int rank,
                     const int64_t *dims) {
  Tensor *tensor = tensor_new(b->graph->ctx, like->type.dtype, rank, dims);
  if (tensor == NULL) broken(b, "a rewrite builds a constant whose size overflows");
  for (size_t i = 0; i < tensor->count; i++) tensor_set_f64(tensor, i, numbers[i]);
  return build_constant(b, tensor);
}

static Value *constant_dims(Builder *b, DType dtype, const Dim *const *dims, int rank,
                            const int64_t *shape) {
  Tensor *tensor = tensor_new(b->graph->ctx, dtype, rank, shape);
  for (size_t i = 0; i < tensor->count; i++) tensor_set_i64(tensor, i, dims[i]->lo);
  return build_constant(b, tensor);
}

Value *build_contents(Builder *b, DType dtype, const Dim *const *dims, uint32_t n, int rank,
                      const int64_t *shape) {
  bool constant = true;
  for (uint32_t i = 0; i < n; i++) constant = constant && dim_is_const(dims[i], NULL);
  if (constant) return constant_dims(b, dtype, dims, rank, shape);
  Node *node = build_node(b, "onnxc", "Dims", NULL, 0, 1);
  const Dim *const *copy = arena_copy(b->graph->ctx->arena, dims, n * sizeof *dims);
  node_set_attr(node, (Attr){.name = "dims", .kind = ATTR_DIMS, .dims = copy, .count = n});
  node_set_int(node, "dtype", dtype);
  node_set_ints(node, "shape", shape, (size_t)rank);
  return build_done(b, node);
}

Value *build_dims(Builder *b, const Dim *const *dims, uint32_t n) {
  return build_contents(b, ONNXC_RT_I64, dims, n, 1, &(int64_t){n});
}

/* ---- replacing ---------------------------------------------------------------------------------
 */

bool build_may_rename(const Value *from, const Value *to) {
  if (from->graph->holder != NULL || !value_is_output(from)) return true;
  return (to->producer != NULL || to->constant != NULL) && !value_is_output(to);
}

/* Subgraphs see a captured value as it is outside, so what holds them is inferred again. */
static void move_uses(Builder *b, Value *from, Value *to) {
  bool same = type_equal(&from->type, &to->type);
  while (from->uses != NULL) {
    Node *user = from->uses->user;
    uint32_t i = (uint32_t)(from->uses - user->in);
    node_set_input(user, i, to);
    if (!same && i >= user->n_formal && !infer_node(user)) {
      broken(b, "a rewrite changes what a subgraph captures");
    }
  }
}

void build_replace_output(Builder *b, Node *node, uint32_t i, Value *value) {
  Value *from = node->out[i];
  if (from == value) return;
  bool renames = build_may_rename(from, value);
  move_uses(b, from, value);
  if (!value_is_output(from)) return;
  if (!renames) value = BUILD(b, "Identity", value);
  const char *name = from->name;
  from->name = value->name;
  value->name = name;
  graph_replace(from, value);
}

void build_replace(Builder *b, Node *node, Value *value) {
  build_replace_output(b, node, 0, value);
}
