/* Sizes as data, and operators that only change the shape. */
#include "onnxc_rt_reference.h"
#include "ops/op.h"

/* ---- Identity --------------------------------------------------------------------------------
 */

static bool identity_infer(Node *node) {
  const Value *x = node_in(node, 0);
  if (x == NULL) return infer_tensor(node, 0) != NULL;
  infer_output_type(node, 0, &x->type);
  infer_pass_contents(node, 0);
  return true;
}

const OpDef op_Identity = {
    .name = "Identity",
    .domain = "",
    .flags = OP_VIEW,
    .infer = identity_infer,
    OP_KERNEL(onnxc_rt_ref_copy),
};

/* ---- Shape, Size -------------------------------------------------------------------------------
 */

static int clamp_axis(int64_t axis, int rank) {
  if (axis < 0) axis += rank;
  return axis < 0 ? 0 : axis > rank ? rank : (int)axis;
}

static bool shape_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  int start = clamp_axis(op_param_i(node, "start"), x->rank);
  int end = node_attr(node, "end") == NULL ? x->rank : clamp_axis(op_param_i(node, "end"), x->rank);
  int n = end > start ? end - start : 0;
  const Dim *length = dim_const(infer_dims(node), n);
  infer_output(node, 0, ONNXC_RT_I64, 1, &length);
  infer_set_contents(node, 0, x->dims + (n == 0 ? 0 : start), (uint32_t)n);
  return true;
}

const OpDef op_Shape = {
    .name = "Shape",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("start", 0), PARAM_OPTIONAL("end", ATTR_INT), {0}},
    .infer = shape_infer,
    OP_KERNEL(onnxc_rt_ref_shape),
};

static bool size_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  const Dim *count = type_count(node->graph->ctx, x);
  infer_output(node, 0, ONNXC_RT_I64, 0, NULL);
  infer_set_contents(node, 0, &count, 1);
  return true;
}

const OpDef op_Size = {
    .name = "Size",
    .domain = "",
    .infer = size_infer,
    OP_KERNEL(onnxc_rt_ref_size),
};

/* ---- Reshape -----------------------------------------------------------------------------------
 */

/* An element that may turn out to be 0 or -1, which is known when the kernel has run. */
static bool is_open(const Dim *given, bool allow_zero) {
  return given->value && given->lo < (allow_zero ? 0 : 1) && given->hi >= 0;
}

/* The target as the input gives it, 0 replaced by the input's size; `*rest` is the place of -1. */
static bool reshape_target(const Node *node, const Type *x, const Dim *const *given, int rank,
                           const Dim **dims, int *rest) {
  bool allow_zero = op_param_i(node, "allowzero") != 0;
  *rest = -1;
  for (int i = 0; i < rank; i++) {
    dims[i] = given[i];
    if (dim_is(given[i], 0) && !allow_zero) {
      if (i >= x->rank) {
        return node_error(node, DIAG_INVALID, "shape[%d] is 0, but the input has rank %d", i,
                          x->rank);
      }
      dims[i] = x->dims[i];
    } else if (dim_is(given[i], -1)) {
      if (*rest >= 0) return node_error(node, DIAG_INVALID, "shape has more than one -1");
      *rest = i;
    } else if (given[i]->hi < 0) {
      return node_error(node, DIAG_INVALID, "shape[%d] is negative", i);
    }
  }
  return true;
}

static bool reshape_rest(const Node *node, const Dim *count, int rank, const Dim **dims, int rest) {
  DimTable *t = infer_dims(node);
  Arena *arena = node->graph->ctx->arena;
  dims[rest] = dim_const(t, 1);
  const Dim *others = dim_product(t, dims, rank);
  if (dim_is(others, 0)) return node_error(node, DIAG_INVALID, "shape has a -1 beside a 0");
  dims[rest] = dim_divide_exactly(t, count, others);
  if (dims[rest] != NULL) return true;
  if (dim_is_const(count, NULL) && dim_is_const(others, NULL)) {
    return node_error(node, DIAG_INVALID, "%s elements do not divide by %s for the -1 in shape",
                      dim_text(arena, count), dim_text(arena, others));
  }
  dims[rest] = dim_floordiv(t, count, others);
  return true;
}

/* The sizes for numbers that come at run time: none is over the number of elements, unless there
 * are none, and together they are as many. */
static bool reshape_unknown(Node *node, const Type *x, int rank) {
  const Dim *dims[MAX_RANK], *count = type_count(node->graph->ctx, x);
  const Dim *most = dim_is(count, 0) ? NULL : count;
  for (int i = 0; i < rank; i++) {
    const Dim *given = infer_number(node, 1, (uint32_t)i), *bound = most;
    /* -1 and 0 stand for sizes that only the number of elements bounds */
    if (given->lo >= 1 && most != NULL && given->hi < most->hi) bound = given;
    dims[i] = infer_fresh(node, 0, i, bound);
  }
  infer_output(node, 0, x->dtype, rank, dims);
  dim_limit(type_count(node->graph->ctx, &node->out[0]->type), count->hi);
  return true;
}

static bool any_open(const Node *node, const Dim *const *given, int rank) {
  bool allow_zero = op_param_i(node, "allowzero") != 0;
  for (int i = 0; i < rank; i++) {
    if (is_open(given[i], allow_zero)) return true;
  }
  return false;
}

static bool reshape_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *shape = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int rank, rest;
  uint32_t n;
  if (x == NULL || shape == NULL || !infer_length(node, 1, &rank)) return false;
  const Dim *const *given = infer_contents(node, 1, &n);
  if (given == NULL || any_open(node, given, rank)) return reshape_unknown(node, x, rank);
  if (!reshape_target(node, x, given, rank, dims, &rest)) return false;
  const Dim *count = type_count(node->graph->ctx, x);
  if (rest >= 0 && !reshape_rest(node, count, rank, dims, rest)) return false;
  DimTable *t = infer_dims(node);
  const Dim *result = dim_product(t, dims, rank);
  if (infer_equal(node, "numbers of elements", count, result) == NULL) return false;
  infer_output(node, 0, x->dtype, rank, dims);
  infer_pass_contents(node, 0);
  return true;
}

const OpDef op_Reshape = {
    .name = "Reshape",
    .domain = "",
    .flags = OP_VIEW,
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_INT("allowzero", 0), {0}},
    .infer = reshape_infer,
    OP_KERNEL(onnxc_rt_ref_reshape),
};

static bool flatten_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  int64_t axis = op_param_i(node, "axis");
  if (axis < -x->rank || axis > x->rank) {
    return node_error(node, DIAG_INVALID, "axis %lld is outside [%d, %d]", (long long)axis,
                      -x->rank, x->rank);
  }
  int at = (int)(axis < 0 ? axis + x->rank : axis);
  DimTable *t = infer_dims(node);
  const Dim *dims[2] = {dim_product(t, x->dims, at), dim_product(t, x->dims + at, x->rank - at)};
  infer_output(node, 0, x->dtype, 2, dims);
  infer_pass_contents(node, 0);
  return true;
}

const OpDef op_Flatten = {
    .name = "Flatten",
    .domain = "",
    .flags = OP_VIEW,
    .params = (const OpParam[]){PARAM_INT("axis", 1), {0}},
    .infer = flatten_infer,
    OP_KERNEL(onnxc_rt_ref_copy),
};

/* ---- Squeeze, Unsqueeze ------------------------------------------------------------------------
 */

/* The axes of input 1 as flags; false: reported. `*known` false: they are no constants. */
static bool read_axes(const Node *node, int rank, bool *flags, bool *known) {
  int64_t axes[MAX_RANK];
  uint32_t n;
  if (rank > MAX_RANK) return node_error(node, DIAG_LIMIT, "the limit of ranks is %d", MAX_RANK);
  *known = infer_constant_ints(node, 1, axes, MAX_RANK, &n);
  for (uint32_t i = 0; *known && i < n; i++) {
    int axis;
    if (!infer_axis(node, axes[i], rank, &axis)) return false;
    if (flags[axis]) return node_error(node, DIAG_INVALID, "axis %d is given twice", axis);
    flags[axis] = true;
  }
  return true;
}

/* Without axes, every size that is 1 goes. */
static bool squeeze_flags(const Node *node, const Type *x, bool *flags, bool *known) {
  if (node_in(node, 1) != NULL) return read_axes(node, x->rank, flags, known);
  *known = true;
  for (int i = 0; i < x->rank; i++) flags[i] = dim_is(x->dims[i], 1);
  return true;
}

/* Sizes where only their number is known: each is one of the input's. */
static bool unknown_axes(Node *node, const Type *x, int rank) {
  DimTable *t = infer_dims(node);
  const Dim *dims[MAX_RANK], *widest = dim_const(t, 1);
  if (rank < 0 || rank > MAX_RANK) return node_error(node, DIAG_INVALID, "too many axes");
  for (int i = 0; i < x->rank; i++) widest = dim_max(t, widest, x->dims[i]);
  for (int i = 0; i < rank; i++) dims[i] = infer_fresh(node, 0, i, widest);
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

static bool squeeze_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK], *one = dim_const(infer_dims(node), 1);
  bool flags[MAX_RANK] = {false}, known = false;
  int rank = 0, n;
  if (x == NULL || !squeeze_flags(node, x, flags, &known)) return false;
  if (!known) return infer_length(node, 1, &n) && unknown_axes(node, x, x->rank - n);
  for (int i = 0; i < x->rank; i++) {
    if (!flags[i]) {
      dims[rank++] = x->dims[i];
    } else if (infer_equal(node, "the size of a squeezed axis and 1", x->dims[i], one) == NULL) {
      return false;
    }
  }
  infer_output(node, 0, x->dtype, rank, dims);
  infer_pass_contents(node, 0);
  return true;
}

const OpDef op_Squeeze = {
    .name = "Squeeze",
    .domain = "",
    .flags = OP_VIEW,
    .shape_inputs = 1 << 1,
    .infer = squeeze_infer,
    OP_KERNEL(onnxc_rt_ref_squeeze),
};

static bool unsqueeze_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK], *one = dim_const(infer_dims(node), 1);
  bool flags[MAX_RANK] = {false}, known = false;
  int n, from = 0;
  if (x == NULL || infer_tensor(node, 1) == NULL || !infer_length(node, 1, &n)) return false;
  int rank = x->rank + n;
  if (!read_axes(node, rank, flags, &known)) return false;
  if (!known) return unknown_axes(node, x, rank);
  for (int i = 0; i < rank; i++) dims[i] = flags[i] ? one : x->dims[from++];
  infer_output(node, 0, x->dtype, rank, dims);
  infer_pass_contents(node, 0);
  return true;
}

const OpDef op_Unsqueeze = {
    .name = "Unsqueeze",
    .domain = "",
    .flags = OP_VIEW,
    .shape_inputs = 1 << 1,
    .infer = unsqueeze_infer,
    OP_KERNEL(onnxc_rt_ref_unsqueeze),
};
