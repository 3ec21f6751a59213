/* Quantisation, to and fro. */
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"

#include <math.h>

enum { X, SCALE, ZERO };

/* ---- scales and zero points --------------------------------------------------------------------
 */

static bool check_blocks(const Node *node, int axis, int64_t block) {
  const Type *x = input_type(node, X);
  const Dim *sizes[MAX_RANK];
  DimTable *t = infer_dims(node);
  for (int i = 0; i < x->rank; i++) {
    sizes[i] = i == axis ? dim_ceildiv(t, x->dims[i], dim_const(t, block)) : x->dims[i];
  }
  return check_sizes(node, SCALE, x->rank, sizes, "one scale for each block");
}

/* One scale for all, for each index of `axis`, or for each block along it. */
static bool check_shape(const Node *node) {
  const Type *x = input_type(node, X), *scale = input_type(node, SCALE);
  int64_t block = op_param_i(node, "block_size");
  int axis;
  if (!check_int(node, "block_size", 0, INT32_MAX)) return false;
  if (block == 0 && is_number(scale)) return true;
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (block != 0) return check_blocks(node, axis, block);
  return check_sizes(node, SCALE, 1, &x->dims[axis], "one scale for each index of the axis");
}

static bool check_zero_values(const Node *node) {
  const Tensor *zero = node_in(node, ZERO)->constant;
  bool must_be_0 = dtype_is_float(node_in(node, ZERO)->type.dtype);
  for (size_t i = 0; must_be_0 && zero != NULL && i < zero->count; i++) {
    if (tensor_f64(zero, i) == 0) continue;
    return node_error(node, DIAG_INVALID, "the zero point of floating-point types must be 0");
  }
  return true;
}

static bool check_granularity(const Node *node) {
  if (!check_shape(node) || !check_scale(node, SCALE)) return false;
  if (node_in(node, ZERO) == NULL) return true;
  const Type *scale = input_type(node, SCALE), *zero = input_type(node, ZERO);
  if (is_number(scale) && is_number(zero)) return check_zero_values(node);
  return check_sizes(node, ZERO, scale->rank, scale->dims, "the shape of the scale") &&
         check_zero_values(node);
}

static bool infer_linear(Node *node, DType dtype) {
  const Type *x = input_type(node, X);
  if (!check_granularity(node)) return false;
  infer_output(node, 0, dtype, x->rank, x->dims);
  return true;
}

static const InputRule rules[] = {
    INPUT("x", 0, MAX_RANK),
    INPUT("scale", 0, MAX_RANK),
    INPUT_OPTIONAL("zero_point", 0, MAX_RANK),
};

/* Input `i` as the row program sees it, converted to `dtype`. */
static RowRef row_param(RowBuilder *b, const Node *node, uint32_t i, DType dtype) {
  const Type *x = input_type(node, X);
  int64_t axis = op_param_i(node, "axis");
  int at = (int)(axis < 0 ? axis + x->rank : axis);
  RowRef ref =
      is_number(input_type(node, i)) ? row_input(b, node, i) : row_input_at(b, node, i, &at);
  return row_dtype(b, ref) == dtype ? ref : row_convert(b, dtype, ref);
}

static bool is_narrow_integer(DType dtype) {
  return dtype_is_integer(dtype) && dtype_info(dtype)->bits >= 8 && dtype_info(dtype)->bits <= 16;
}

/* ---- QuantizeLinear ----------------------------------------------------------------------------
 */

static DType quantized_type(const Node *node) {
  int64_t named = op_param_i(node, "output_dtype");
  if (node_in(node, ZERO) != NULL) return node_in(node, ZERO)->type.dtype;
  return named == 0 ? ONNXC_RT_U8 : (DType)named;
}

static bool check_quantized_type(const Node *node) {
  enum {
    TYPES =
        DTS_BYTE | DT(I16) | DT(U16) | DTS_FLOAT8 | DT(U4) | DT(I4) | DT(F4E2M1) | DT(U2) | DT(I2)
  };
  int64_t named = op_param_i(node, "output_dtype");
  DType dtype = quantized_type(node);
  if (named != 0 && named != (int64_t)dtype) {
    return node_error(node, DIAG_INVALID,
                      "attribute output_dtype is %lld, but the zero point is %s", (long long)named,
                      dtype_info(dtype)->name);
  }
  if (dtype > 0 && dtype < 32 && (((uint32_t)TYPES >> dtype) & 1) != 0) return true;
  return node_error(node, DIAG_UNSUPPORTED, "attribute output_dtype of %lld is not supported",
                    (long long)named);
}

static bool infer_quantize(Node *node) {
  return CHECK_INPUTS(node, rules) && check_quantized_type(node) &&
         infer_linear(node, quantized_type(node));
}

/* Whether the division is one of f32: the attribute says it, else the type of the scale. */
static bool divides_f32(const Node *node) {
  int64_t named = op_param_i(node, "precision");
  int64_t dtype = named != 0 ? named : (int64_t)input_type(node, SCALE)->dtype;
  return dtype != ONNXC_RT_F16 && dtype != ONNXC_RT_BF16;
}

/* x / scale, in f32. */
static RowRef emit_quotient(RowBuilder *b, const Node *node) {
  const Tensor *scale = node_in(node, SCALE)->constant;
  RowRef x = row_input(b, node, X);
  if (row_dtype(b, x) != ONNXC_RT_F32) x = row_convert(b, ONNXC_RT_F32, x);
  if (scale != NULL && scale->count == 1 && tensor_f64(scale, 0) == 1) return x;
  return row_op2(b, ROW_DIV, x, row_param(b, node, SCALE, ONNXC_RT_F32));
}

/* min(max(round(x / scale) + zero, least), most), in f32 */
static bool emit_quantize(RowBuilder *b, const Node *node) {
  DType dtype = node_out(node, 0)->type.dtype;
  if (!is_narrow_integer(dtype) || op_param_i(node, "block_size") != 0) return false;
  if (!divides_f32(node)) return false;
  bool is_signed = dtype_info(dtype)->cls == DTYPE_CLASS_INT;
  double most = ldexp(1, dtype_info(dtype)->bits - is_signed) - 1;
  RowRef y = emit_quotient(b, node), zero = row_number(b, ONNXC_RT_F32, 0);
  if (node_in(node, ZERO) != NULL) zero = row_param(b, node, ZERO, ONNXC_RT_F32);
  if (dtype_info(dtype)->bits == 8) {
    row_output(b, node, 0, row_op2(b, is_signed ? ROW_QUANTIZE_I8 : ROW_QUANTIZE_U8, y, zero));
    return true;
  }
  y = row_op2(b, ROW_ADD, row_op1(b, ROW_ROUND, y), zero);
  y = row_op2(b, ROW_MAX, y, row_number(b, ONNXC_RT_F32, is_signed ? -most - 1 : 0));
  y = row_op2(b, ROW_MIN, y, row_number(b, ONNXC_RT_F32, most));
  row_output(b, node, 0, y);
  return true;
}

const OpDef op_QuantizeLinear = {
    .name = "QuantizeLinear",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", 1),
            PARAM_INT("block_size", 0),
            PARAM_INT("saturate", 1),
            PARAM_INT("output_dtype", 0),
            PARAM_INT("precision", 0),
            {0},
        },
    .infer = infer_quantize,
    OP_KERNEL(onnxc_rt_ref_quantize_linear),
    .row = &(const OpRow){NULL, emit_quantize},
};

/* ---- DequantizeLinear --------------------------------------------------------------------------
 */

static bool infer_dequantize(Node *node) {
  if (!CHECK_INPUTS(node, rules)) return false;
  int64_t named = op_param_i(node, "output_dtype");
  DType dtype = named != 0 ? (DType)named : input_type(node, SCALE)->dtype;
  if (dtype == ONNXC_RT_F8E8M0) dtype = ONNXC_RT_F32;
  if (dtype != ONNXC_RT_F32 && dtype != ONNXC_RT_F16 && dtype != ONNXC_RT_BF16) {
    return node_error(node, DIAG_INVALID, "attribute output_dtype is %lld, but must be 1, 10 or 16",
                      (long long)named);
  }
  return infer_linear(node, dtype);
}

/* (x - zero) * scale, the difference in i32 */
static bool emit_dequantize(RowBuilder *b, const Node *node) {
  if (!is_narrow_integer(input_type(node, X)->dtype)) return false;
  if (op_param_i(node, "block_size") != 0) return false;
  RowRef x = row_convert(b, ONNXC_RT_I32, row_input(b, node, X));
  if (node_in(node, ZERO) != NULL) {
    x = row_op2(b, ROW_SUB, x, row_param(b, node, ZERO, ONNXC_RT_I32));
  }
  RowRef scale = row_param(b, node, SCALE, ONNXC_RT_F32);
  row_output(b, node, 0, row_op2(b, ROW_MUL, row_convert(b, ONNXC_RT_F32, x), scale));
  return true;
}

const OpDef op_DequantizeLinear = {
    .name = "DequantizeLinear",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", 1),
            PARAM_INT("block_size", 0),
            PARAM_INT("output_dtype", 0),
            {0},
        },
    .infer = infer_dequantize,
    OP_KERNEL(onnxc_rt_ref_dequantize_linear),
    .row = &(const OpRow){NULL, emit_dequantize},
};

/* ---- DynamicQuantizeLinear ---------------------------------------------------------------------
 */

static bool infer_dynamic(Node *node) {
  if (!check_inputs(node, rules, 1)) return false;
  const Type *x = input_type(node, X);
  infer_output(node, 0, ONNXC_RT_U8, x->rank, x->dims);
  infer_output(node, 1, ONNXC_RT_F32, 0, NULL);
  infer_output(node, 2, ONNXC_RT_U8, 0, NULL);
  return true;
}

/* All of `x` reduced to one element, whose axes stay: so it and what is computed from it are rows
 * of one program with what reads both. */
static Value *reduced(Builder *b, const char *op, Value *x) {
  int64_t axes[MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) axes[i] = i;
  return compose_reduce(b, op, x, axes, (size_t)x->type.rank);
}

/* The range of x, widened to hold 0, is mapped to [0, 255]; a range of nothing has scale 1. */
static bool decompose_dynamic(Builder *b, Node *node) {
  Value *x = node_in(node, X), *zero = build_f32(b, 0), *most = build_f32(b, 255);
  Value *low = BUILD(b, "Min", reduced(b, "ReduceMin", x), zero);
  Value *high = BUILD(b, "Max", reduced(b, "ReduceMax", x), zero);
  Value *range = BUILD(b, "Sub", high, low);
  Value *scale = BUILD(b, "Where", BUILD(b, "Equal", range, zero), build_f32(b, 1),
                       BUILD(b, "Div", range, most));
  Value *point = BUILD(b, "Div", BUILD(b, "Neg", low), scale);
  point = BUILD(b, "Round", BUILD(b, "Min", BUILD(b, "Max", point, zero), most));
  Value *y = BUILD(b, "Add", BUILD(b, "Round", BUILD(b, "Div", x, scale)), point);
  compose_give(b, node, 0, BUILD(b, "QuantizeLinear", y, build_f32(b, 1)));
  compose_give(b, node, 1, compose_reshape(b, scale, NULL, 0));
  point = compose_cast(b, point, ONNXC_RT_U8);
  compose_give(b, node, 2, compose_reshape(b, point, NULL, 0));
  return true;
}

const OpDef op_DynamicQuantizeLinear = {
    .name = "DynamicQuantizeLinear",
    .domain = "",
    .infer = infer_dynamic,
    .decompose = decompose_dynamic,
};
