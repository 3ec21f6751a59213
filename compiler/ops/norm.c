/* Normalisation: layer, RMS, batch, instance, group, Lp, mean-variance and local response. */
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"

/* ---- shared ----------------------------------------------------------------------------------
 */

static int axis_of(const Node *node) {
  int64_t axis = op_param_i(node, "axis");
  return (int)(axis < 0 ? axis + input_type(node, 0)->rank : axis);
}

static bool is_float_node(const Node *node) {
  return dtype_is_float(input_type(node, 0)->dtype);
}

/* The row is everything from `axis` on. */
static bool trailing_axes(const Node *node, bool *flags) {
  for (int i = axis_of(node); i < input_type(node, 0)->rank; i++) flags[i] = true;
  return true;
}

/* 1 / sqrt(mean(x * x) + epsilon) */
static RowRef row_inverse_rms(RowBuilder *b, const Node *node, RowRef x) {
  DType dtype = row_dtype(b, x);
  RowRef epsilon = row_number(b, dtype, (double)op_param_f(node, "epsilon"));
  RowRef square = row_op2(b, ROW_ADD, row_mean(b, row_op2(b, ROW_MUL, x, x)), epsilon);
  return row_op2(b, ROW_DIV, row_number(b, dtype, 1), row_op1(b, ROW_SQRT, square));
}

/* Input `i` in the type that `like` is computed in. */
static RowRef row_input_as(RowBuilder *b, const Node *node, uint32_t i, RowRef like) {
  RowRef x = row_input(b, node, i);
  return row_dtype(b, x) == row_dtype(b, like) ? x : row_convert(b, row_dtype(b, like), x);
}

/* epsilon of 0 is fine, a negative one or NaN is not. */
static bool check_epsilon(const Node *node) {
  float epsilon = op_param_f(node, "epsilon");
  if (epsilon >= 0) return true;
  return node_error(node, DIAG_INVALID, "attribute epsilon is %g, but must not be negative",
                    (double)epsilon);
}

/* ---- LayerNormalization ------------------------------------------------------------------------
 */

static bool check_stash_type(const Node *node) {
  int64_t stash = op_param_i(node, "stash_type");
  if (stash == ONNXC_RT_F32 || stash == ONNXC_RT_BF16) return true;
  return node_error(node, DIAG_INVALID, "attribute stash_type is %lld, but must be 1 or 16",
                    (long long)stash);
}

static bool infer_layer_norm(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 1, MAX_RANK),
      INPUT("Scale", 0, MAX_RANK),
      INPUT_OPTIONAL("B", 0, MAX_RANK),
  };
  int axis;
  if (!CHECK_INPUTS(node, rules) || !check_stash_type(node) || !check_epsilon(node)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_broadcasts_to(node, 1, x->rank, x->dims)) return false;
  if (!check_broadcasts_to(node, 2, x->rank, x->dims)) return false;
  const Dim *reduced[MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    reduced[i] = i < axis ? x->dims[i] : dim_const(infer_dims(node), 1);
  }
  infer_output_type(node, 0, x);
  DType stash = (DType)op_param_i(node, "stash_type");
  infer_output(node, 1, stash, x->rank, reduced);
  infer_output(node, 2, stash, x->rank, reduced);
  return true;
}

static bool emit_layer_norm(RowBuilder *b, const Node *node) {
  if (!is_float_node(node)) return false;
  RowRef x = row_input(b, node, 0), mean = row_mean(b, x);
  RowRef off = row_op2(b, ROW_SUB, x, mean), inverse = row_inverse_rms(b, node, off);
  RowRef y = row_op2(b, ROW_MUL, off, inverse);
  y = row_op2(b, ROW_MUL, y, row_input(b, node, 1));
  if (node_in(node, 2) != NULL) y = row_op2(b, ROW_ADD, y, row_input(b, node, 2));
  row_output(b, node, 0, y);
  if (node_out(node, 1) != NULL) row_output(b, node, 1, mean);
  if (node_out(node, 2) != NULL) row_output(b, node, 2, inverse);
  return true;
}

const OpDef op_LayerNormalization = {
    .name = "LayerNormalization",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", -1),
            PARAM_FLOAT("epsilon", 1e-5F),
            PARAM_INT("stash_type", ONNXC_RT_F32),
            {0},
        },
    .infer = infer_layer_norm,
    OP_KERNEL(onnxc_rt_ref_layer_norm),
    .row = &(const OpRow){trailing_axes, emit_layer_norm},
};

/* ---- RMSNormalization --------------------------------------------------------------------------
 */

static bool infer_rms_norm(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 1, MAX_RANK),
      INPUT("scale", 0, MAX_RANK),
  };
  int axis;
  if (!CHECK_INPUTS(node, rules) || !check_epsilon(node)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_broadcasts_to(node, 1, x->rank, x->dims)) return false;
  infer_output(node, 0, input_type(node, 1)->dtype, x->rank, x->dims);
  return true;
}

static bool emit_rms_norm(RowBuilder *b, const Node *node) {
  if (!is_float_node(node)) return false;
  RowRef x = row_input(b, node, 0);
  RowRef y = row_op2(b, ROW_MUL, x, row_inverse_rms(b, node, x));
  row_output(b, node, 0, row_op2(b, ROW_MUL, y, row_input_as(b, node, 1, y)));
  return true;
}

const OpDef op_RMSNormalization = {
    .name = "RMSNormalization",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", -1),
            PARAM_FLOAT("epsilon", 1e-5F),
            PARAM_INT("stash_type", ONNXC_RT_F32),
            {0},
        },
    .infer = infer_rms_norm,
    OP_KERNEL(onnxc_rt_ref_rms_norm),
    .row = &(const OpRow){trailing_axes, emit_rms_norm},
};

/* ---- BatchNormalization ------------------------------------------------------------------------
 */

static bool is_training(const Node *node) {
  return op_param_i(node, "training_mode") != 0;
}

static bool infer_batch_norm(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 1, MAX_RANK),   INPUT("scale", 1, 1),     INPUT("B", 1, 1),
      INPUT("input_mean", 1, 1), INPUT("input_var", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_epsilon(node)) return false;
  if (!is_training(node) && (node_out(node, 1) != NULL || node_out(node, 2) != NULL)) {
    return node_error(node, DIAG_INVALID, "only training_mode gives running statistics");
  }
  const Type *x = input_type(node, 0);
  const Dim *channels = x->rank < 2 ? dim_const(infer_dims(node), 1) : x->dims[1];
  for (uint32_t i = 1; i < 5; i++) {
    if (!check_size(node, i, 0, channels, "the number of channels")) return false;
  }
  infer_output_type(node, 0, x);
  infer_output_type(node, 1, input_type(node, 3));
  infer_output_type(node, 2, input_type(node, 4));
  return true;
}

/* before * momentum + now * (1 - momentum), as the output that is `before` carried on */
static void give_running(Builder *b, Node *node, uint32_t output, Value *before, Value *now) {
  if (node_out(node, output) == NULL) return;
  double momentum = (double)op_param_f(node, "momentum");
  now = compose_cast(b, now, before->type.dtype);
  Value *kept = BUILD(b, "Mul", before, build_like(b, before, momentum));
  Value *added = BUILD(b, "Mul", now, build_like(b, now, 1 - momentum));
  build_replace_output(b, node, output, BUILD(b, "Add", kept, added));
}

/* Training: the statistics are those of the batch. */
static bool decompose_batch_norm(Builder *b, Node *node) {
  if (!is_training(node)) return false;
  Value *x = node_in(node, 0);
  int64_t axes[MAX_RANK] = {0};
  size_t n = 1;
  for (int i = 2; i < x->type.rank; i++) axes[n++] = i;
  Value *mean = compose_reduce(b, "ReduceMean", x, axes, n), *off = BUILD(b, "Sub", x, mean);
  Value *variance = compose_reduce(b, "ReduceMean", BUILD(b, "Mul", off, off), axes, n);
  mean = compose_reshape(b, mean, input_type(node, 3)->dims, 1);
  variance = compose_reshape(b, variance, input_type(node, 4)->dims, 1);
  Value *inputs[5] = {x, node_in(node, 1), node_in(node, 2), mean, variance};
  Node *norm = build_node(b, "", "BatchNormalization", inputs, 5, 1);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  compose_give(b, node, 0, build_done(b, norm));
  give_running(b, node, 1, node_in(node, 3), mean);
  give_running(b, node, 2, node_in(node, 4), variance);
  return true;
}

/* Parameter `i`, one number a channel, in the type that `like` is computed in. */
static RowRef row_channel(RowBuilder *b, const Node *node, uint32_t i, RowRef like) {
  RowRef x = row_input_at(b, node, i, (const int[]){1});
  return row_dtype(b, x) == row_dtype(b, like) ? x : row_convert(b, row_dtype(b, like), x);
}

static bool emit_batch_norm(RowBuilder *b, const Node *node) {
  if (!is_float_node(node) || input_type(node, 0)->rank < 2) return false;
  RowRef x = row_input(b, node, 0), mean = row_channel(b, node, 3, x);
  RowRef epsilon = row_number(b, row_dtype(b, x), (double)op_param_f(node, "epsilon"));
  RowRef variance = row_op2(b, ROW_ADD, row_channel(b, node, 4, x), epsilon);
  RowRef scale = row_channel(b, node, 1, x), bias = row_channel(b, node, 2, x);
  RowRef factor = row_op2(b, ROW_DIV, scale, row_op1(b, ROW_SQRT, variance));
  RowRef y = row_op2(b, ROW_MUL, row_op2(b, ROW_SUB, x, mean), factor);
  row_output(b, node, 0, row_op2(b, ROW_ADD, y, bias));
  return true;
}

const OpDef op_BatchNormalization = {
    .name = "BatchNormalization",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("epsilon", 1e-5F),
            PARAM_FLOAT("momentum", 0.9F),
            PARAM_INT("training_mode", 0),
            {0},
        },
    .infer = infer_batch_norm,
    OP_KERNEL(onnxc_rt_ref_batch_norm),
    .decompose = decompose_batch_norm,
    .row = &(const OpRow){NULL, emit_batch_norm},
};

/* ---- InstanceNormalization and GroupNormalization ----------------------------------------------
 * Both are layer normalisation of a view: with X as [N, G, C / G, D1, D2, ...] the row is all from
 * axis 2 on, and the parameters, as [G, C / G, 1, 1, ...], broadcast. One group for each channel
 * makes the former, whose X needs no reshaping. */

static const InputRule channel_rules[] = {
    INPUT("X", 2, MAX_RANK - 1),
    INPUT("scale", 1, 1),
    INPUT("bias", 1, 1),
};

static bool infer_channel_norm(Node *node) {
  if (!CHECK_INPUTS(node, channel_rules) || !check_epsilon(node)) return false;
  const Type *x = input_type(node, 0);
  for (uint32_t i = 1; i < 3; i++) {
    if (!check_size(node, i, 0, x->dims[1], "the number of channels of X")) return false;
  }
  infer_output_type(node, 0, x);
  return true;
}

/* Input `i` of the node as [head..., 1, 1, ...] of the given rank. */
static Value *with_ones(Builder *b, const Node *node, uint32_t i, const Dim *const *head, int n,
                        int rank) {
  const Dim *dims[MAX_RANK];
  for (int k = 0; k < rank; k++) dims[k] = k < n ? head[k] : dim_const(infer_dims(node), 1);
  return compose_reshape(b, node_in(node, i), dims, rank);
}

static Value *layer_norm(Builder *b, const Node *node, Value *x, Value *scale, Value *bias) {
  Node *norm = build_node(b, "", "LayerNormalization", (Value *[]){x, scale, bias}, 3, 1);
  node_set_int(norm, "axis", 2);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  return build_done(b, norm);
}

/* Where there is no axis 2, each element is a row of its own. */
static bool decompose_instance_norm(Builder *b, Node *node) {
  const Type *x = input_type(node, 0);
  int rank = x->rank < 3 ? 3 : x->rank;
  Value *rows = with_ones(b, node, 0, x->dims, x->rank, rank);
  Value *scale = with_ones(b, node, 1, x->dims + 1, 1, rank - 1);
  Value *bias = with_ones(b, node, 2, x->dims + 1, 1, rank - 1);
  Value *y = layer_norm(b, node, rows, scale, bias);
  build_replace(b, node, compose_reshape(b, y, x->dims, x->rank));
  return true;
}

const OpDef op_InstanceNormalization = {
    .name = "InstanceNormalization",
    .domain = "",
    .params = (const OpParam[]){PARAM_FLOAT("epsilon", 1e-5F), {0}},
    .infer = infer_channel_norm,
    .decompose = decompose_instance_norm,
};

static bool infer_group_norm(Node *node) {
  if (!infer_channel_norm(node) || !check_int(node, "num_groups", 1, INT32_MAX)) return false;
  const Dim *channels = input_type(node, 0)->dims[1];
  int64_t count, groups = op_param_i(node, "num_groups");
  if (!dim_is_const(channels, &count)) {
    return node_error(node, DIAG_UNSUPPORTED, "the number of channels of X must be constant");
  }
  if (count % groups == 0) return true;
  return node_error(node, DIAG_INVALID, "num_groups of %lld does not divide the %lld channels of X",
                    (long long)groups, (long long)count);
}

static bool decompose_group_norm(Builder *b, Node *node) {
  const Type *x = input_type(node, 0);
  DimTable *t = infer_dims(node);
  const Dim *dims[MAX_RANK] = {x->dims[0], dim_const(t, op_param_i(node, "num_groups"))};
  dims[2] = dim_floordiv(t, x->dims[1], dims[1]);
  for (int i = 2; i < x->rank; i++) dims[i + 1] = x->dims[i];
  Value *scale = with_ones(b, node, 1, dims + 1, 2, x->rank);
  Value *bias = with_ones(b, node, 2, dims + 1, 2, x->rank);
  Value *groups = compose_reshape(b, node_in(node, 0), dims, x->rank + 1);
  Value *y = layer_norm(b, node, groups, scale, bias);
  build_replace(b, node, compose_reshape(b, y, x->dims, x->rank));
  return true;
}

const OpDef op_GroupNormalization = {
    .name = "GroupNormalization",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("epsilon", 1e-5F),
            PARAM_REQUIRED("num_groups", ATTR_INT),
            PARAM_INT("stash_type", ONNXC_RT_F32),
            {0},
        },
    .infer = infer_group_norm,
    .decompose = decompose_group_norm,
};

/* ---- LpNormalization ---------------------------------------------------------------------------
 */

static bool infer_lp_norm(Node *node) {
  static const InputRule rules[] = {INPUT("input", 1, MAX_RANK)};
  int axis;
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "p", 1, 2)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  infer_output_type(node, 0, x);
  return true;
}

static bool one_axis(const Node *node, bool *flags) {
  flags[axis_of(node)] = true;
  return true;
}

static bool emit_lp_norm(RowBuilder *b, const Node *node) {
  if (!is_float_node(node)) return false;
  bool square = op_param_i(node, "p") == 2;
  RowRef x = row_input(b, node, 0), zero = row_number(b, row_dtype(b, x), 0);
  RowRef part = square ? row_op2(b, ROW_MUL, x, x) : row_op1(b, ROW_ABS, x);
  RowRef norm = row_reduce(b, ROW_SUM, part);
  if (square) norm = row_op1(b, ROW_SQRT, norm);
  RowRef y = row_op2(b, ROW_DIV, x, norm);
  row_output(b, node, 0, row_op3(b, ROW_SELECT, row_op2(b, ROW_EQ, norm, zero), zero, y));
  return true;
}

const OpDef op_LpNormalization = {
    .name = "LpNormalization",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", -1), PARAM_INT("p", 2), {0}},
    .infer = infer_lp_norm,
    OP_KERNEL(onnxc_rt_ref_lp_norm),
    .row = &(const OpRow){one_axis, emit_lp_norm},
};

/* ---- MeanVarianceNormalization -----------------------------------------------------------------
 */

static const int64_t default_axes[] = {0, 2, 3};

static size_t variance_axes(const Node *node, const int64_t **axes) {
  const Attr *attr = op_param_list(node, "axes");
  *axes = attr == NULL ? default_axes : attr->ints;
  return attr == NULL ? 3 : attr->count;
}

static bool infer_mean_variance(Node *node) {
  static const InputRule rules[] = {INPUT("X", 1, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const int64_t *axes;
  size_t n = variance_axes(node, &axes);
  bool seen[MAX_RANK] = {false};
  for (size_t i = 0; i < n; i++) {
    int axis;
    if (!infer_axis(node, axes[i], x->rank, &axis)) return false;
    if (seen[axis]) {
      return node_error(node, DIAG_INVALID, "attribute axes names axis %d twice", axis);
    }
    seen[axis] = true;
  }
  infer_output_type(node, 0, x);
  return true;
}

/* (x - mean) / (sqrt(variance) + 1e-9), the mean and variance over the axes; not in 16 bits, where
 * the difference would cancel. */
static bool decompose_mean_variance(Builder *b, Node *node) {
  const int64_t *axes;
  size_t n = variance_axes(node, &axes);
  DType dtype = node_in(node, 0)->type.dtype;
  Value *x = compose_cast(b, node_in(node, 0), dtype == ONNXC_RT_F64 ? dtype : ONNXC_RT_F32);
  Value *off = BUILD(b, "Sub", x, compose_reduce(b, "ReduceMean", x, axes, n));
  Value *variance = compose_reduce(b, "ReduceMean", BUILD(b, "Mul", off, off), axes, n);
  Value *deviation = BUILD(b, "Add", BUILD(b, "Sqrt", variance), build_like(b, x, 1e-9));
  build_replace(b, node, compose_cast(b, BUILD(b, "Div", off, deviation), dtype));
  return true;
}

const OpDef op_MeanVarianceNormalization = {
    .name = "MeanVarianceNormalization",
    .domain = "",
    .params = (const OpParam[]){PARAM_OPTIONAL("axes", ATTR_INTS), {0}},
    .infer = infer_mean_variance,
    .decompose = decompose_mean_variance,
};

/* ---- LRN ---------------------------------------------------------------------------------------
 */

static bool infer_lrn(Node *node) {
  static const InputRule rules[] = {INPUT("X", 2, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "size", 1, INT32_MAX)) return false;
  infer_output_type(node, 0, input_type(node, 0));
  return true;
}

const OpDef op_LRN = {
    .name = "LRN",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("alpha", 1e-4F),
            PARAM_FLOAT("beta", 0.75F),
            PARAM_FLOAT("bias", 1),
            PARAM_REQUIRED("size", ATTR_INT),
            {0},
        },
    .infer = infer_lrn,
    OP_KERNEL(onnxc_rt_ref_lrn),
};
