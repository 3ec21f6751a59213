/* Forms of old opsets whose meaning depends on ranks. The importer leaves them to inference, and
 * what they decompose into is canonical. */
#include "ops/compose.h"

/* An axis before which to cut: the rank itself, behind all axes, is one. */
static bool cut_axis(const Node *node, int rank, int *axis) {
  int64_t cut = op_param_i(node, "axis");
  return infer_axis(node, cut, cut < 0 ? rank : rank + 1, axis);
}

/* ---- FlatSoftmax -------------------------------------------------------------------------------
 * Softmax, LogSoftmax or Hardmax (`op`) before opset 13: the input is a matrix, its rows made of
 * the axes from `axis` on. */

static const OpParam flat_softmax_params[] = {
    PARAM_INT("axis", 1), PARAM_REQUIRED("op", ATTR_STRING), {0}};

static bool flat_softmax_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int axis;
  if (x == NULL || !cut_axis(node, x->rank, &axis)) return false;
  infer_output_type(node, 0, x);
  return true;
}

static Value *softmax(Builder *b, const char *op, Value *x, int64_t axis) {
  Node *node = build_node(b, "", op, &x, 1, 1);
  node_set_int(node, "axis", axis);
  return build_done(b, node);
}

static bool flat_softmax_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  const char *op = op_param_s(node, "op");
  int axis, rank = x->type.rank;
  if (!cut_axis(node, rank, &axis)) return false;
  if (axis == rank - 1) {
    build_replace(b, node, softmax(b, op, x, -1));
    return true;
  }
  Node *flatten = build_node(b, "", "Flatten", &x, 1, 1);
  node_set_int(flatten, "axis", axis);
  Value *rows = softmax(b, op, build_done(b, flatten), -1);
  build_replace(b, node, compose_reshape(b, rows, x->type.dims, rank));
  return true;
}

const OpDef op_onnxc_FlatSoftmax = {
    .name = "FlatSoftmax",
    .domain = "onnxc",
    .params = flat_softmax_params,
    .infer = flat_softmax_infer,
    .decompose = flat_softmax_decompose,
};

/* ---- AlignAxis ---------------------------------------------------------------------------------
 * Input 0 with axes of size 1 behind it, so that broadcasting lines its first axis up with `axis`
 * of input 1: the `axis` attribute that binary operators had before opset 7. */

static const OpParam align_axis_params[] = {PARAM_REQUIRED("axis", ATTR_INT), {0}};

static bool align_axis_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *to = infer_tensor(node, 1);
  int axis;
  if (x == NULL || to == NULL) return false;
  if (!cut_axis(node, to->rank, &axis)) return false;
  int rank = x->rank + axis > to->rank ? x->rank : to->rank - axis;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i < x->rank ? x->dims[i] : dim_const(infer_dims(node), 1);
  }
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

static bool align_axis_decompose(Builder *b, Node *node) {
  const Type *type = &node->out[0]->type;
  build_replace(b, node, compose_reshape(b, node_in(node, 0), type->dims, type->rank));
  return true;
}

const OpDef op_onnxc_AlignAxis = {
    .name = "AlignAxis",
    .domain = "onnxc",
    .params = align_axis_params,
    .infer = align_axis_infer,
    .decompose = align_axis_decompose,
};
