/* Roll: y[i, j, ...] = x[i + shifts[0], j + shifts[1], ...], where the end of an axis is followed
 * by its beginning. What exporters write as a Concat of the two parts of an axis that change
 * places. */
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/compose.h"

static bool infer_roll(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  const Attr *shifts = op_param_list(node, "shifts");
  if (shifts == NULL || shifts->count != (size_t)x->rank) {
    return node_error(node, DIAG_INVALID, "shifts must have a number for each of the %d axes",
                      x->rank);
  }
  infer_output_type(node, 0, x);
  infer_move_contents(node, 1);
  return true;
}

static bool emit_roll(RowBuilder *b, const Node *node) {
  const Type *x = &node_in(node, 0)->type;
  const Attr *shifts = op_param_list(node, "shifts");
  DimTable *t = infer_dims(node);
  RowRef indices[MAX_RANK];
  for (int k = 0; k < x->rank; k++) {
    indices[k] = ROW_NONE;
    if (shifts->ints[k] == 0) continue;
    const Dim *start = dim_const(t, shifts->ints[k]);
    RowRef at = row_position(b, node, k, start, dim_const(t, 1));
    indices[k] = row_op2(b, ROW_MOD, at, row_size(b, x->dims[k]));
  }
  row_output(b, node, 0, row_gather_all(b, node, 0, indices));
  return true;
}

/* The two parts of an axis. The first one is that many elements long, or all but so many. */
static Value *swap_parts(Builder *b, Value *x, int axis, int64_t first) {
  Value *parts[] = {compose_slice(b, x, axis, first, INT64_MAX, 1),
                    compose_slice(b, x, axis, 0, first, 1)};
  return compose_concat(b, parts, 2, axis);
}

static bool standard_roll(Builder *b, Node *node) {
  const Attr *shifts = op_param_list(node, "shifts");
  Value *x = node_in(node, 0);
  for (int k = 0; k < x->type.rank; k++) {
    if (shifts->ints[k] != 0) x = swap_parts(b, x, k, shifts->ints[k]);
  }
  if (x != node_in(node, 0)) build_replace(b, node, x);
  return x != node_in(node, 0);
}

const OpDef op_onnxc_Roll = {
    .name = "Roll",
    .domain = "onnxc",
    .params = (const OpParam[]){PARAM_REQUIRED("shifts", ATTR_INTS), {0}},
    .infer = infer_roll,
    OP_KERNEL(onnxc_rt_ref_roll),
    .row = &(const OpRow){NULL, emit_roll},
    .whole_inputs = 1 << 0,
    .standard = standard_roll,
};
