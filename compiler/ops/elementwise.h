/* Inside the elementwise families: what their files share. */
#ifndef ONNXC_OPS_ELEMENTWISE_H
#define ONNXC_OPS_ELEMENTWISE_H

#include "lower/row.h"
#include "ops/op.h"

/* Output 0 has the type and sizes of input 0; or those of all inputs broadcast, as bool where it
 * says so. */
bool infer_like_first(Node *node);
bool infer_elementwise(Node *node);
bool infer_comparison(Node *node);

/* One or two inputs through one instruction; false where the type has no form of it. */
bool emit_unary(RowBuilder *b, const Node *node, RowOp op);
bool emit_binary(RowBuilder *b, const Node *node, RowOp op);

/* `x op number`, of the type of `x`. */
static inline RowRef row_with(RowBuilder *b, RowOp op, RowRef x, double number) {
  return row_op2(b, op, x, row_number(b, row_dtype(b, x), number));
}
/* `condition ? x : number` and `condition ? number : x`. */
static inline RowRef row_or_number(RowBuilder *b, RowRef condition, RowRef x, double number) {
  return row_op3(b, ROW_SELECT, condition, x, row_number(b, row_dtype(b, x), number));
}
static inline RowRef row_number_or(RowBuilder *b, RowRef condition, double number, RowRef x) {
  return row_op3(b, ROW_SELECT, condition, row_number(b, row_dtype(b, x), number), x);
}

/* Defines op_NAME with a row form. Further members of the OpDef follow the emit function. */
#define ROW_OP(Name, infer_, kernel_, emit_, ...)                                                  \
  const OpDef op_##Name = {.name = #Name,                                                          \
                           .domain = "",                                                           \
                           .infer = infer_,                                                        \
                           OP_KERNEL(kernel_),                                                     \
                           .row = &(const OpRow){.emit = emit_},                                   \
                           __VA_ARGS__}

#endif
