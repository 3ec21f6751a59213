/* Conversions, running sums, and operators that make data from sizes. */
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/compose.h"
#include "ops/real.h"

#include <math.h>

/* ---- Cast, CastLike ----------------------------------------------------------------------------
 */

/* What has no bound is a size or a number that becomes one, and sizes fit the types that models
 * keep them in. */
static bool fits(const Dim *x, int64_t lo, int64_t hi) {
  bool low = x->lo >= lo || (x->lo == INT64_MIN && x->value);
  return low && (x->hi <= hi || x->hi == INT64_MAX);
}

/* The integers of which a floating-point type leaves out none: up to 2^(1 + bits of mantissa). */
static int64_t exact_integers(DType dtype) {
  switch (dtype) {
  case ONNXC_RT_F64: return INT64_C(1) << 53;
  case ONNXC_RT_F32: return INT64_C(1) << 24;
  case ONNXC_RT_F16: return 1 << 11;
  case ONNXC_RT_BF16: return 1 << 8;
  default: return 0;
  }
}

static const Dim *cast_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  DType from = node_in(node, 0)->type.dtype, to = node->out[0]->type.dtype;
  int64_t lo, hi, value;
  if (to == ONNXC_RT_BOOL) {
    if (dim_is_const(args[0], &value)) return dim_const(t, value != 0);
    return dim_never_equal(t, args[0], dim_const(t, 0)) ? dim_const(t, 1) : NULL;
  }
  if (dtype_is_float(to)) {
    int64_t most = exact_integers(to);
    if (most != 0 && fits(args[0], -most, most)) return args[0];
    return real_about(t, (double)args[0]->lo, (double)args[0]->hi);
  }
  const Dim *x = dtype_is_float(from) ? real_truncate(t, args[0]) : args[0];
  return dtype_integer_range(to, &lo, &hi) && fits(x, lo, hi) ? x : NULL;
}

static bool convert_infer(Node *node, DType to) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  bool text = to == ONNXC_RT_STRING || x->dtype == ONNXC_RT_STRING;
  bool complex = dtype_info(to)->cls == DTYPE_CLASS_COMPLEX ||
                 dtype_info(x->dtype)->cls == DTYPE_CLASS_COMPLEX;
  if (text && complex) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "complex numbers are not converted from or to strings");
  }
  infer_output(node, 0, to, x->rank, x->dims);
  return true;
}

static bool cast_infer(Node *node) {
  int64_t to = op_param_i(node, "to");
  if (to < 0 || to > INT32_MAX || dtype_info((int)to)->bits == 0) {
    return node_error(node, DIAG_INVALID, "attribute 'to' (%lld) is no element type",
                      (long long)to);
  }
  if (!convert_infer(node, (DType)to)) return false;
  infer_map_contents(node, cast_element);
  return true;
}

/* The output converts what is stored into it. */
static bool cast_emit(RowBuilder *b, const Node *node) {
  row_output(b, node, 0, row_input(b, node, 0));
  return true;
}

/* Strings become numbers of 64 bits first. */
static Value *read_numbers(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  DTypeClass cls = dtype_info(node_out(node, 0)->type.dtype)->cls;
  DType wide = cls == DTYPE_CLASS_FLOAT ? ONNXC_RT_F64
               : cls == DTYPE_CLASS_INT ? ONNXC_RT_I64
                                        : ONNXC_RT_U64;
  Node *read = build_node(b, "onnxc", "ReadNumbers", &x, 1, 1);
  node_set_int(read, "to", wide);
  Value *numbers = build_done(b, read);
  Node *cast = build_node(b, "", "Cast", &numbers, 1, 1);
  node_copy_attrs(cast, node);
  return build_done(b, cast);
}

static bool cast_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0), *text;
  DType to = node_out(node, 0)->type.dtype;
  if (to != ONNXC_RT_STRING && x->type.dtype != ONNXC_RT_STRING) return false;
  if (to == x->type.dtype) {
    text = BUILD(b, "Identity", x);
  } else if (to == ONNXC_RT_STRING) {
    Node *write = build_node(b, "onnxc", "WriteNumbers", &x, 1, 1);
    node_set_int(write, "to", to);
    text = build_done(b, write);
  } else {
    text = read_numbers(b, node);
  }
  build_replace(b, node, text);
  return true;
}

const OpDef op_Cast = {
    .name = "Cast",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("saturate", 1),
                                PARAM_STRING("round_mode", "up"),
                                PARAM_REQUIRED("to", ATTR_INT),
                                {0}},
    .infer = cast_infer,
    OP_KERNEL(onnxc_rt_ref_cast),
    .row = &(const OpRow){.emit = cast_emit},
    .decompose = cast_decompose,
};

static bool cast_like_infer(Node *node) {
  const Type *target = infer_tensor(node, 1);
  return target != NULL && convert_infer(node, target->dtype);
}

static bool cast_like_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  Node *cast = build_node(b, "", "Cast", &x, 1, 1);
  node_set_int(cast, "to", node_in(node, 1)->type.dtype);
  node_set_int(cast, "saturate", op_param_i(node, "saturate"));
  node_set_string(cast, "round_mode", op_param_s(node, "round_mode"));
  build_replace(b, node, build_done(b, cast));
  return true;
}

const OpDef op_CastLike = {
    .name = "CastLike",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("saturate", 1), PARAM_STRING("round_mode", "up"), {0}},
    .infer = cast_like_infer,
    .decompose = cast_like_decompose,
};

/* ---- BitCast -----------------------------------------------------------------------------------
 */

static bool bit_cast_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int64_t to = op_param_i(node, "to");
  if (x == NULL) return false;
  bool known = to > 0 && to <= INT32_MAX && dtype_info((int)to)->bits != 0;
  if (!known || dtype_info((int)to)->bits != dtype_info(x->dtype)->bits) {
    return node_error(node, DIAG_INVALID, "attribute 'to' (%lld) is no type of the input's width",
                      (long long)to);
  }
  infer_output(node, 0, (DType)to, x->rank, x->dims);
  return true;
}

const OpDef op_BitCast = {
    .name = "BitCast",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("to", ATTR_INT), {0}},
    .infer = bit_cast_infer,
    OP_KERNEL(onnxc_rt_ref_copy),
};

/* ---- ConstantOfShape ---------------------------------------------------------------------------
 */

static void fill_contents(Node *node, const Tensor *value, int rank, const Dim *const *dims) {
  DimTable *t = infer_dims(node);
  const Dim *contents[MAX_CONTENTS];
  int64_t count;
  bool whole = dtype_is_integer(value->dtype) || value->dtype == ONNXC_RT_BOOL;
  if (!whole || !dim_is_const(dim_product(t, dims, rank), &count) || count > MAX_CONTENTS) return;
  for (int64_t i = 0; i < count; i++) contents[i] = dim_const(t, tensor_i64(value, 0));
  infer_set_contents(node, 0, contents, (uint32_t)count);
}

static bool constant_of_shape_infer(Node *node) {
  const Attr *value = op_param_list(node, "value");
  const Dim *dims[MAX_RANK];
  int rank;
  uint32_t n;
  if (!infer_length(node, 0, &rank)) return false;
  if (value != NULL && value->tensor->count != 1) {
    return node_error(node, DIAG_INVALID, "attribute 'value' must hold one element");
  }
  const Dim *const *shape = infer_contents(node, 0, &n);
  for (int i = 0; i < rank; i++) {
    dims[i] = infer_number(node, 0, (uint32_t)i);
    if (dims[i]->hi < 0) return node_error(node, DIAG_INVALID, "size %d is negative", i);
    dims[i] = shape != NULL ? infer_within(node, dims[i], NULL) : infer_fresh(node, 0, i, dims[i]);
  }
  infer_output(node, 0, value != NULL ? value->tensor->dtype : ONNXC_RT_F32, rank, dims);
  if (value != NULL) fill_contents(node, value->tensor, rank, dims);
  return true;
}

/* The element as a scalar, of a type that Expand takes: f32 holds those of the small types. */
static Tensor *filling(Context *ctx, const Attr *value) {
  Tensor *scalar = tensor_scalar_f32(ctx, 0);
  if (value == NULL) return scalar;
  DType dtype = value->tensor->dtype;
  if (dtype_is_packed(dtype) || (dtype_is_float(dtype) && dtype_info(dtype)->bits == 8)) {
    return tensor_scalar_f32(ctx, (float)tensor_f64(value->tensor, 0));
  }
  *scalar = *value->tensor;
  scalar->rank = 0;
  return scalar;
}

static bool constant_of_shape_decompose(Builder *b, Node *node) {
  DType dtype = node->out[0]->type.dtype;
  Tensor *scalar = filling(b->graph->ctx, op_param_list(node, "value"));
  Value *inputs[2] = {graph_add_constant(b->graph, NULL, scalar), node_in(node, 0)};
  Node *expand = build_node(b, "", "Expand", inputs, 2, 1);
  expand->out[0]->type = node->out[0]->type; /* keeps sizes that depend on data the same */
  expand->out[0]->type.dtype = scalar->dtype;
  Value *filled = build_done(b, expand);
  if (scalar->dtype != dtype) {
    Node *cast = build_node(b, "", "Cast", &filled, 1, 1);
    node_set_int(cast, "to", dtype);
    node_set_int(cast, "saturate", 0); /* infinities stay */
    filled = build_done(b, cast);
  }
  build_replace(b, node, filled);
  return true;
}

const OpDef op_ConstantOfShape = {
    .name = "ConstantOfShape",
    .domain = "",
    .shape_inputs = 1,
    .params = (const OpParam[]){PARAM_OPTIONAL("value", ATTR_TENSOR), {0}},
    .infer = constant_of_shape_infer,
    .decompose = constant_of_shape_decompose,
};

/* ---- Range -------------------------------------------------------------------------------------
 */

/* The number of steps where start, limit and delta are integers, delta of known sign. */
static const Dim *range_size(Node *node, const Dim *start, const Dim *limit, const Dim *delta) {
  DimTable *t = infer_dims(node);
  if (delta->lo <= 0 && delta->hi >= 0) return NULL;
  bool up = delta->lo > 0;
  const Dim *distance = up ? dim_sub(t, limit, start) : dim_sub(t, start, limit);
  const Dim *steps = dim_ceildiv(t, distance, up ? delta : dim_mul_i(t, delta, -1));
  return dim_max(t, steps, dim_const(t, 0));
}

static const Dim *range_size_f64(Node *node) {
  double v[3] = {0, 0, 1};
  for (uint32_t i = 0; i < 3; i++) {
    if (node_in(node, i) == NULL) continue;
    const Tensor *constant = node_in(node, i)->constant;
    if (constant == NULL || constant->count != 1) return NULL;
    v[i] = tensor_f64(constant, 0);
  }
  double size = ceil((v[1] - v[0]) / v[2]);
  bool known = size < 9e18; /* false for NaN */
  return known ? dim_const(infer_dims(node), size > 0 ? (int64_t)size : 0) : NULL;
}

/* A bound of the number of steps where nothing but bounds is known, delta's sign included. */
static const Dim *range_most(DimTable *t, const Dim *start, const Dim *limit, const Dim *delta) {
  if (delta->lo <= 0 && delta->hi >= 0) return NULL;
  bool up = delta->lo > 0;
  const Dim *distance = up ? dim_sub(t, limit, start) : dim_sub(t, start, limit);
  int64_t step = up ? delta->lo : -delta->hi;
  if (distance->hi == INT64_MAX) return NULL;
  int64_t most = distance->hi <= 0 ? 0 : (distance->hi - 1) / step + 1;
  return dim_const(t, most);
}

static void range_contents(Node *node, const Dim *start, const Dim *delta, const Dim *size) {
  DimTable *t = infer_dims(node);
  const Dim *contents[MAX_CONTENTS];
  int64_t n;
  if (!dim_is_const(size, &n) || n > MAX_CONTENTS) return;
  for (int64_t i = 0; i < n; i++) contents[i] = dim_add(t, start, dim_mul_i(t, delta, i));
  infer_set_contents(node, 0, contents, (uint32_t)n);
}

/* Without delta, which ONNX Runtime's form may leave out, it is 1. */
static bool range_infer(Node *node) {
  const Type *start = infer_tensor(node, 0);
  const Dim *v[3] = {NULL, NULL, dim_const(infer_dims(node), 1)}, *size = NULL;
  bool whole = true;
  if (start == NULL) return false;
  for (uint32_t i = 0; i < 3; i++) {
    if (i == 2 && node_in(node, 2) == NULL) break;
    if (infer_tensor(node, i) == NULL) return false;
    v[i] = infer_number(node, i, 0);
    whole = whole && !v[i]->opaque;
  }
  const Tensor *delta = node_in(node, 2) == NULL ? NULL : node_in(node, 2)->constant;
  if (delta != NULL && delta->count == 1 && tensor_f64(delta, 0) == 0) {
    return node_error(node, DIAG_INVALID, "delta is 0");
  }
  size = whole ? range_size(node, v[0], v[1], v[2]) : range_size_f64(node);
  bool known = size != NULL;
  if (!known) size = infer_fresh(node, 0, 0, range_most(infer_dims(node), v[0], v[1], v[2]));
  infer_output(node, 0, start->dtype, 1, &size);
  if (known && whole && !dtype_is_float(start->dtype)) range_contents(node, v[0], v[2], size);
  return true;
}

/* Of integers whose start and delta are known sizes. */
static bool range_emit(RowBuilder *b, const Node *node) {
  DType dtype = node_out(node, 0)->type.dtype;
  if (!dtype_is_integer(dtype) || node_sizes_from_data(node)) return false;
  bool has_delta = node_in(node, 2) != NULL;
  const Dim *start = infer_number(node, 0, 0);
  const Dim *delta = has_delta ? infer_number(node, 2, 0) : dim_const(infer_dims(node), 1);
  if (start->opaque || delta->opaque) return false;
  row_output(b, node, 0, row_position(b, node, 0, start, delta));
  return true;
}

const OpDef op_Range = {
    .name = "Range",
    .domain = "",
    .shape_inputs = 1 << 1,
    .infer = range_infer,
    OP_KERNEL(onnxc_rt_ref_range),
    .row = &(const OpRow){NULL, range_emit},
    .whole_inputs = 1 << 0 | 1 << 1 | 1 << 2,
};

/* ---- EyeLike -----------------------------------------------------------------------------------
 */

static bool eye_like_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  if (x->rank != 2) return node_error(node, DIAG_INVALID, "the input must be a matrix");
  const Attr *dtype = node_attr(node, "dtype");
  infer_output(node, 0, dtype != NULL ? (DType)dtype->i : x->dtype, 2, x->dims);
  return true;
}

const OpDef op_EyeLike = {
    .name = "EyeLike",
    .domain = "",
    .shape_inputs = 1,
    .params = (const OpParam[]){PARAM_INT("k", 0), PARAM_OPTIONAL("dtype", ATTR_INT), {0}},
    .infer = eye_like_infer,
    OP_KERNEL(onnxc_rt_ref_eye_like),
};

/* ---- CumSum, CumProd -------------------------------------------------------------------
 */

static bool cumulative_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int64_t given;
  uint32_t n;
  int axis;
  if (x == NULL || infer_tensor(node, 1) == NULL) return false;
  bool known = infer_constant_ints(node, 1, &given, 1, &n) && n == 1;
  if (known && !infer_axis(node, given, x->rank, &axis)) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

#define CUMULATIVE(Name, kernel_)                                                                  \
  const OpDef op_##Name = {                                                                        \
      .name = #Name,                                                                               \
      .domain = "",                                                                                \
      .params = (const OpParam[]){PARAM_INT("exclusive", 0), PARAM_INT("reverse", 0), {0}},        \
      .infer = cumulative_infer,                                                                   \
      OP_KERNEL(kernel_),                                                                          \
  }

CUMULATIVE(CumSum, onnxc_rt_ref_cum_sum);
CUMULATIVE(CumProd, onnxc_rt_ref_cum_prod);
