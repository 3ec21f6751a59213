/* Softmax and its logarithm. */
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"

static bool infer_softmax(Node *node) {
  static const InputRule rules[] = {INPUT("input", 1, MAX_RANK)};
  int axis;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  infer_output_type(node, 0, x);
  return true;
}

static bool row_axes(const Node *node, bool *flags) {
  const Type *x = input_type(node, 0);
  int64_t axis = op_param_i(node, "axis");
  flags[axis < 0 ? axis + x->rank : axis] = true;
  return true;
}

/* x less its largest element of the row. */
static RowRef shifted(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  return row_op2(b, ROW_SUB, x, row_reduce(b, ROW_MAXIMUM, x));
}

static bool emit_softmax(RowBuilder *b, const Node *node) {
  if (!dtype_is_float(input_type(node, 0)->dtype)) return false;
  RowRef power = row_op1(b, ROW_EXP, shifted(b, node));
  RowRef sum = row_reduce(b, ROW_SUM, power);
  RowRef inverse = row_op2(b, ROW_DIV, row_number(b, row_dtype(b, sum), 1), sum);
  row_output(b, node, 0, row_op2(b, ROW_MUL, power, inverse));
  return true;
}

static bool emit_log_softmax(RowBuilder *b, const Node *node) {
  if (!dtype_is_float(input_type(node, 0)->dtype)) return false;
  RowRef x = shifted(b, node);
  RowRef sum = row_reduce(b, ROW_SUM, row_op1(b, ROW_EXP, x));
  row_output(b, node, 0, row_op2(b, ROW_SUB, x, row_op1(b, ROW_LOG, sum)));
  return true;
}

static const OpParam params[] = {PARAM_INT("axis", -1), {0}};

const OpDef op_Softmax = {
    .name = "Softmax",
    .domain = "",
    .params = params,
    .infer = infer_softmax,
    OP_KERNEL(onnxc_rt_ref_softmax),
    .row = &(const OpRow){row_axes, emit_softmax},
};

const OpDef op_LogSoftmax = {
    .name = "LogSoftmax",
    .domain = "",
    .params = params,
    .infer = infer_softmax,
    OP_KERNEL(onnxc_rt_ref_log_softmax),
    .row = &(const OpRow){row_axes, emit_log_softmax},
};
