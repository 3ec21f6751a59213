#include "ops/elementwise.h"

bool infer_like_first(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

static bool infer_broadcast_as(Node *node, DType dtype) {
  const Type **types = ARENA_ARRAY(node->graph->ctx->arena, node->n_formal, const Type *);
  const Dim *dims[MAX_RANK];
  int rank;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    types[i] = infer_tensor(node, i);
    if (types[i] == NULL) return false;
  }
  if (!infer_broadcast(node, types, (int)node->n_formal, &rank, dims)) return false;
  infer_output(node, 0, dtype != DTYPE_NONE ? dtype : types[0]->dtype, rank, dims);
  return true;
}

bool infer_elementwise(Node *node) {
  return infer_broadcast_as(node, DTYPE_NONE);
}

bool infer_comparison(Node *node) {
  return infer_broadcast_as(node, ONNXC_RT_BOOL);
}

/* Whether an instruction has a form for floats, and for integers. */
static bool has_form(RowOp op, DType dtype) {
  static const struct {
    const char *f32, *whole;
  } forms[ROW_OP_COUNT] = {
#define RI(name, arity, cost, f32_c, f64_c, int_c) [ROW_##name] = {f32_c, int_c},
      ROW_INSTRUCTIONS(RI)
#undef RI
  };
  return (dtype_is_float(dtype) ? forms[op].f32 : forms[op].whole) != NULL;
}

bool emit_unary(RowBuilder *b, const Node *node, RowOp op) {
  if (!has_form(op, node_in(node, 0)->type.dtype)) return false;
  row_output(b, node, 0, row_op1(b, op, row_input(b, node, 0)));
  return true;
}

bool emit_binary(RowBuilder *b, const Node *node, RowOp op) {
  if (!has_form(op, node_in(node, 0)->type.dtype)) return false;
  row_output(b, node, 0, row_op2(b, op, row_input(b, node, 0), row_input(b, node, 1)));
  return true;
}
