/* Reductions along axes. */
#include "ops/reduce.h"
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/compose.h"

/* ---- axes and sizes ----------------------------------------------------------------------------
 */

bool reduced_axes(const Node *node, bool *flags, bool *known) {
  const Type *x = &node_in(node, 0)->type;
  int64_t axes[MAX_RANK];
  uint32_t n = 0;
  bool given = node_in(node, 1) != NULL;
  *known = !given || infer_constant_ints(node, 1, axes, MAX_RANK, &n);
  if (!*known) return true;
  bool all = n == 0 && op_param_i(node, "noop_with_empty_axes") == 0;
  for (int i = 0; i < x->rank; i++) flags[i] = all;
  for (uint32_t i = 0; i < n; i++) {
    int axis;
    if (!infer_axis(node, axes[i], x->rank, &axis)) return false;
    flags[axis] = true;
  }
  return true;
}

static bool keeps(const Node *node) {
  return op_param_i(node, "keepdims") != 0;
}

/* Sizes where the axes are not known: each is one of the input's, or 1. */
static bool unknown_sizes(Node *node, const Type *x, const Dim **dims, int *rank) {
  DimTable *t = infer_dims(node);
  const Dim *widest = dim_const(t, 1);
  int n = 0;
  if (!keeps(node) && !infer_length(node, 1, &n)) return false;
  *rank = x->rank - n;
  if (*rank < 0) return node_error(node, DIAG_INVALID, "more axes than the input has");
  for (int i = 0; i < x->rank; i++) widest = dim_max(t, widest, x->dims[i]);
  for (int i = 0; i < *rank; i++) {
    const Dim *bound = keeps(node) ? dim_max(t, x->dims[i], dim_const(t, 1)) : widest;
    dims[i] = infer_fresh(node, 0, i, bound);
  }
  return true;
}

static void known_sizes(const Node *node, const Type *x, const bool *flags, const Dim **dims,
                        int *rank) {
  *rank = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!flags[i]) {
      dims[(*rank)++] = x->dims[i];
    } else if (keeps(node)) {
      dims[(*rank)++] = dim_const(infer_dims(node), 1);
    }
  }
}

static bool reduce_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  bool flags[MAX_RANK] = {false}, known = false;
  int rank;
  if (x == NULL || !reduced_axes(node, flags, &known)) return false;
  if (known) {
    known_sizes(node, x, flags, dims, &rank);
  } else if (!unknown_sizes(node, x, dims, &rank)) {
    return false;
  }
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

/* ---- contents ----------------------------------------------------------------------------------
 */

typedef const Dim *Combine(DimTable *t, const Dim *a, const Dim *b);

/* The reduction of all elements to one. */
static bool reduce_contents(Node *node, Combine *combine) {
  DimTable *t = infer_dims(node);
  uint32_t n;
  if (!reduce_infer(node)) return false;
  const Dim *const *contents = infer_numbers(node, 0, &n);
  if (dtype_is_float(node_in(node, 0)->type.dtype)) return true;
  bool whole = contents != NULL && dim_is(type_count(node->graph->ctx, &node->out[0]->type), 1);
  if (!whole || n == 0) return true;
  const Dim *sum = contents[0];
  for (uint32_t i = 1; i < n; i++) sum = combine(t, sum, contents[i]);
  if (!dims_overflowed(t)) infer_set_contents(node, 0, &sum, 1);
  return true;
}

static bool sum_infer(Node *node) {
  return reduce_contents(node, dim_add);
}

static bool prod_infer(Node *node) {
  return reduce_contents(node, dim_mul);
}

static bool max_infer(Node *node) {
  return reduce_contents(node, dim_max);
}

static bool min_infer(Node *node) {
  return reduce_contents(node, dim_min);
}

/* ---- row programs ------------------------------------------------------------------------------
 */

/* Reductions that keep their axes are rows; the others become such by decomposition. */
static bool reduce_axes(const Node *node, bool *flags) {
  bool known, some = false;
  if (!keeps(node) || !reduced_axes(node, flags, &known) || !known) return false;
  for (int i = 0; i < node_in(node, 0)->type.rank; i++) some = some || flags[i];
  return some;
}

typedef RowRef Reduction(RowBuilder *b, RowRef x);

static bool emit(RowBuilder *b, const Node *node, Reduction *reduction, bool floats_only) {
  bool flags[MAX_RANK];
  if (!reduce_axes(node, flags)) return false;
  if (floats_only && !dtype_is_float(node_in(node, 0)->type.dtype)) return false;
  row_output(b, node, 0, reduction(b, row_input(b, node, 0)));
  return true;
}

static RowRef sum_row(RowBuilder *b, RowRef x) {
  return row_reduce(b, ROW_SUM, x);
}

static RowRef prod_row(RowBuilder *b, RowRef x) {
  return row_reduce(b, ROW_PROD, x);
}

static RowRef max_row(RowBuilder *b, RowRef x) {
  return row_reduce(b, ROW_MAXIMUM, x);
}

static RowRef min_row(RowBuilder *b, RowRef x) {
  return row_reduce(b, ROW_MINIMUM, x);
}

static RowRef l1_row(RowBuilder *b, RowRef x) {
  return sum_row(b, row_op1(b, ROW_ABS, x));
}

static RowRef sum_square_row(RowBuilder *b, RowRef x) {
  return sum_row(b, row_op2(b, ROW_MUL, x, x));
}

static RowRef l2_row(RowBuilder *b, RowRef x) {
  return row_op1(b, ROW_SQRT, sum_square_row(b, x));
}

static RowRef log_sum_row(RowBuilder *b, RowRef x) {
  return row_op1(b, ROW_LOG, sum_row(b, x));
}

/* The greatest element is taken out before exp, unless it is infinite. */
static RowRef log_sum_exp_row(RowBuilder *b, RowRef x) {
  RowRef most = max_row(b, x);
  RowRef zero = row_number(b, row_dtype(b, x), 0);
  RowRef shift = row_op3(b, ROW_SELECT, row_op1(b, ROW_ISINF, most), zero, most);
  RowRef terms = row_op1(b, ROW_EXP, row_op2(b, ROW_SUB, x, shift));
  return row_op2(b, ROW_ADD, log_sum_row(b, terms), shift);
}

/* ---- operators ---------------------------------------------------------------------------------
 */

/* keepdims 0 -> the same with keepdims 1, then a view without the axes. */
static bool reduce_decompose(Builder *b, Node *node) {
  if (keeps(node) || node_sizes_from_data(node)) return false;
  Value *inputs[2] = {node_in(node, 0), node_in(node, 1)};
  Node *kept = build_node(b, node->op->domain, node->op->name, inputs, node->n_formal, 1);
  node_set_int(kept, "keepdims", 1);
  node_set_int(kept, "noop_with_empty_axes", op_param_i(node, "noop_with_empty_axes"));
  const Type *y = &node->out[0]->type;
  Value *reduced = build_done(b, kept);
  build_replace(b, node, compose_reshape(b, reduced, y->dims, y->rank));
  return true;
}

static const OpParam reduce_params[] = {
    PARAM_INT("keepdims", 1), PARAM_INT("noop_with_empty_axes", 0), {0}};

#define REDUCE(Name, infer_, kernel_, reduction, floats_only)                                      \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    return emit(b, node, reduction, floats_only);                                                  \
  }                                                                                                \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .params = reduce_params,                                                                     \
      .infer = infer_,                                                                             \
      OP_KERNEL(kernel_),                                                                          \
      .row = &(const OpRow){.axes = reduce_axes, .emit = emit_##Name},                             \
      .decompose = reduce_decompose,                                                               \
  }

REDUCE(ReduceL1, reduce_infer, onnxc_rt_ref_reduce_l1, l1_row, true);
REDUCE(ReduceL2, reduce_infer, onnxc_rt_ref_reduce_l2, l2_row, true);
REDUCE(ReduceLogSum, reduce_infer, onnxc_rt_ref_reduce_log_sum, log_sum_row, true);
REDUCE(ReduceLogSumExp, reduce_infer, onnxc_rt_ref_reduce_log_sum_exp, log_sum_exp_row, true);
REDUCE(ReduceMax, max_infer, onnxc_rt_ref_reduce_max, max_row, true);
REDUCE(ReduceMean, reduce_infer, onnxc_rt_ref_reduce_mean, row_mean, true);
REDUCE(ReduceMin, min_infer, onnxc_rt_ref_reduce_min, min_row, true);
REDUCE(ReduceProd, prod_infer, onnxc_rt_ref_reduce_prod, prod_row, false);
REDUCE(ReduceSum, sum_infer, onnxc_rt_ref_reduce_sum, sum_row, false);
REDUCE(ReduceSumSquare, reduce_infer, onnxc_rt_ref_reduce_sum_square, sum_square_row, false);

/* ---- ArgMax, ArgMin ----------------------------------------------------------------------------
 */

static bool arg_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int axis, rank = 0;
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (dim_is(x->dims[axis], 0)) return node_error(node, DIAG_INVALID, "the axis is empty");
  for (int i = 0; i < x->rank; i++) {
    if (i != axis) {
      dims[rank++] = x->dims[i];
    } else if (keeps(node)) {
      dims[rank++] = dim_const(infer_dims(node), 1);
    }
  }
  infer_output(node, 0, ONNXC_RT_I64, rank, dims);
  infer_index_contents(node, 0, x->dims[axis]);
  return true;
}

#define ARG(Name, kernel_)                                                                         \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .params = (const OpParam[]){PARAM_INT("axis", 0),                                            \
                                  PARAM_INT("keepdims", 1),                                        \
                                  PARAM_INT("select_last_index", 0),                               \
                                  {0}},                                                            \
      .infer = arg_infer,                                                                          \
      OP_KERNEL(kernel_),                                                                          \
  }

ARG(ArgMax, onnxc_rt_ref_arg_max);
ARG(ArgMin, onnxc_rt_ref_arg_min);

/* ---- Hardmax -----------------------------------------------------------------------------------
 */

static bool hardmax_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int axis;
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

/* -> OneHot(ArgMax(x)) */
static bool hardmax_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  int64_t axis = op_param_i(node, "axis");
  const Dim *depth = x->type.dims[axis < 0 ? axis + x->type.rank : axis];
  Node *arg = build_node(b, "", "ArgMax", &x, 1, 1);
  node_set_int(arg, "axis", axis);
  node_set_int(arg, "keepdims", 0);
  Tensor *values = tensor_new(b->graph->ctx, x->type.dtype, 1, &(int64_t){2});
  tensor_set_f64(values, 1, 1);
  Value *inputs[3] = {build_done(b, arg), build_dims(b, &depth, 1), build_constant(b, values)};
  Node *one_hot = build_node(b, "", "OneHot", inputs, 3, 1);
  node_set_int(one_hot, "axis", axis);
  build_replace(b, node, build_done(b, one_hot));
  return true;
}

const OpDef op_Hardmax = {
    .name = "Hardmax",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", -1), {0}},
    .infer = hardmax_infer,
    .decompose = hardmax_decompose,
};

/* ---- Det ---------------------------------------------------------------------------------------
 */

static bool det_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  if (x->rank < 2) return node_error(node, DIAG_INVALID, "the input must be a matrix or several");
  const Dim *rows = x->dims[x->rank - 2], *columns = x->dims[x->rank - 1];
  if (infer_equal(node, "rows and columns", rows, columns) == NULL) return false;
  infer_output(node, 0, x->dtype, x->rank - 2, x->dims);
  return true;
}

static const Dim *det_scratch(const Node *node) {
  const Type *x = &node_in(node, 0)->type;
  const Dim *n = x->dims[x->rank - 1];
  return dim_mul_i(infer_dims(node), dim_mul(infer_dims(node), n, n), 8);
}

const OpDef op_Det = {
    .name = "Det",
    .domain = "",
    .infer = det_infer,
    OP_KERNEL(onnxc_rt_ref_det),
    .scratch = det_scratch,
};
