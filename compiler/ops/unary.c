/* Elementwise functions of one input. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/elementwise.h"
#include "ops/real.h"

#include <math.h>
#include <string.h>

/* ---- one instruction -------------------------------------------------------------------------
 */

#define UNARY(Name, kernel, instruction)                                                           \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    return emit_unary(b, node, instruction);                                                       \
  }                                                                                                \
  ROW_OP(Name, infer_like_first, kernel, emit_##Name)

UNARY(Acos, onnxc_rt_ref_acos, ROW_ACOS);
UNARY(Acosh, onnxc_rt_ref_acosh, ROW_ACOSH);
UNARY(Asin, onnxc_rt_ref_asin, ROW_ASIN);
UNARY(Asinh, onnxc_rt_ref_asinh, ROW_ASINH);
UNARY(Atan, onnxc_rt_ref_atan, ROW_ATAN);
UNARY(Atanh, onnxc_rt_ref_atanh, ROW_ATANH);
UNARY(BitwiseNot, onnxc_rt_ref_bitwise_not, ROW_BITNOT);
UNARY(Cos, onnxc_rt_ref_cos, ROW_COS);
UNARY(Cosh, onnxc_rt_ref_cosh, ROW_COSH);
UNARY(Erf, onnxc_rt_ref_erf, ROW_ERF);
UNARY(Exp, onnxc_rt_ref_exp, ROW_EXP);
UNARY(Log, onnxc_rt_ref_log, ROW_LOG);
UNARY(Mish, onnxc_rt_ref_mish, ROW_MISH);
UNARY(Sigmoid, onnxc_rt_ref_sigmoid, ROW_SIGMOID);
UNARY(Sin, onnxc_rt_ref_sin, ROW_SIN);
UNARY(Sinh, onnxc_rt_ref_sinh, ROW_SINH);
UNARY(Softplus, onnxc_rt_ref_softplus, ROW_SOFTPLUS);
UNARY(Sqrt, onnxc_rt_ref_sqrt, ROW_SQRT);
UNARY(Tan, onnxc_rt_ref_tan, ROW_TAN);
UNARY(Tanh, onnxc_rt_ref_tanh, ROW_TANH);

/* ---- rounding ----------------------------------------------------------------------------------
 */

#define ROUNDING(Name, round_, kernel, instruction)                                                \
  static const Dim *Name##_element(const Node *node, const Dim *const *args) {                     \
    return round_(infer_dims(node), args[0]);                                                      \
  }                                                                                                \
  static bool infer_##Name(Node *node) {                                                           \
    if (!infer_like_first(node)) return false;                                                     \
    infer_map_contents(node, Name##_element);                                                      \
    return true;                                                                                   \
  }                                                                                                \
  static bool emit_##Name(RowBuilder *b, const Node *node) {                                       \
    return emit_unary(b, node, instruction);                                                       \
  }                                                                                                \
  ROW_OP(Name, infer_##Name, kernel, emit_##Name)

ROUNDING(Ceil, real_ceil, onnxc_rt_ref_ceil, ROW_CEIL);
ROUNDING(Floor, real_floor, onnxc_rt_ref_floor, ROW_FLOOR);
ROUNDING(Round, real_round, onnxc_rt_ref_round, ROW_ROUND);

/* ---- numbers of any type -----------------------------------------------------------------------
 */

static bool is_unsigned(const Node *node) {
  return dtype_info(node_in(node, 0)->type.dtype)->cls == DTYPE_CLASS_UINT;
}

static const Dim *abs_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  const Dim *negative = dim_mul_i(t, args[0], -1);
  if (args[0]->lo >= 0) return args[0];
  return args[0]->hi <= 0 ? negative : dim_max(t, args[0], negative);
}

static bool abs_infer(Node *node) {
  if (!infer_like_first(node)) return false;
  infer_map_contents(node, abs_element);
  return true;
}

static bool abs_emit(RowBuilder *b, const Node *node) {
  if (!is_unsigned(node)) return emit_unary(b, node, ROW_ABS);
  row_output(b, node, 0, row_input(b, node, 0));
  return true;
}

ROW_OP(Abs, abs_infer, onnxc_rt_ref_abs, abs_emit);

static const Dim *neg_element(const Node *node, const Dim *const *args) {
  return dim_mul_i(infer_dims(node), args[0], -1);
}

static bool neg_infer(Node *node) {
  if (!infer_like_first(node)) return false;
  infer_map_contents(node, neg_element);
  return true;
}

static bool neg_emit(RowBuilder *b, const Node *node) {
  return emit_unary(b, node, ROW_NEG);
}

ROW_OP(Neg, neg_infer, onnxc_rt_ref_neg, neg_emit);

static const Dim *not_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  return dim_sub(t, dim_const(t, 1), args[0]);
}

static bool not_infer(Node *node) {
  if (!infer_like_first(node)) return false;
  infer_map_contents(node, not_element);
  return true;
}

static bool not_emit(RowBuilder *b, const Node *node) {
  return emit_unary(b, node, ROW_NOT);
}

ROW_OP(Not, not_infer, onnxc_rt_ref_not, not_emit);

static const Dim *relu_element(const Node *node, const Dim *const *args) {
  DimTable *t = infer_dims(node);
  return dim_max(t, args[0], dim_const(t, 0));
}

static bool relu_infer(Node *node) {
  if (!infer_like_first(node)) return false;
  infer_map_contents(node, relu_element);
  return true;
}

static bool relu_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  if (!is_unsigned(node)) x = row_number_or(b, row_with(b, ROW_LT, x, 0), 0, x);
  row_output(b, node, 0, x);
  return true;
}

ROW_OP(Relu, relu_infer, onnxc_rt_ref_relu, relu_emit);

static bool sign_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef zero = row_number(b, row_dtype(b, x), 0);
  RowRef y = row_number_or(b, row_op2(b, ROW_LT, zero, x), 1, x);
  if (!is_unsigned(node)) y = row_number_or(b, row_with(b, ROW_LT, x, 0), -1, y);
  row_output(b, node, 0, y);
  return true;
}

ROW_OP(Sign, infer_like_first, onnxc_rt_ref_sign, sign_emit);

/* ---- tests of floats ---------------------------------------------------------------------------
 */

static bool infer_test(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  infer_output(node, 0, ONNXC_RT_BOOL, x->rank, x->dims);
  return true;
}

static bool is_nan_emit(RowBuilder *b, const Node *node) {
  return emit_unary(b, node, ROW_ISNAN);
}

ROW_OP(IsNaN, infer_test, onnxc_rt_ref_is_nan, is_nan_emit);

static bool is_inf_emit(RowBuilder *b, const Node *node) {
  bool negative = op_param_i(node, "detect_negative") != 0;
  bool positive = op_param_i(node, "detect_positive") != 0;
  if (!negative && !positive) {
    row_output(b, node, 0, row_integer(b, ONNXC_RT_BOOL, 0));
    return true;
  }
  RowRef x = row_input(b, node, 0);
  RowRef one = negative && positive ? row_op1(b, ROW_ISINF, x)
                                    : row_with(b, ROW_EQ, x, negative ? -HUGE_VAL : HUGE_VAL);
  row_output(b, node, 0, one);
  return true;
}

ROW_OP(IsInf, infer_test, onnxc_rt_ref_is_inf, is_inf_emit,
       .params = (const OpParam[]){
           PARAM_INT("detect_negative", 1), PARAM_INT("detect_positive", 1), {0}});

/* ---- activation functions ----------------------------------------------------------------------
 */

/* The attributes of an operator. */
#define PARAMS(...)                                                                                \
  (const OpParam[]) {                                                                              \
    __VA_ARGS__, {                                                                                 \
      0                                                                                            \
    }                                                                                              \
  }

static RowRef negative(RowBuilder *b, RowRef x) {
  return row_with(b, ROW_LT, x, 0);
}

/* min(max(x, 0), 1) */
static RowRef clamp01(RowBuilder *b, RowRef x) {
  RowRef low = row_number_or(b, negative(b, x), 0, x);
  RowRef one = row_number(b, row_dtype(b, x), 1);
  return row_number_or(b, row_op2(b, ROW_LT, one, low), 1, low);
}

static bool reciprocal_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  row_output(b, node, 0, row_op2(b, ROW_DIV, row_number(b, row_dtype(b, x), 1), x));
  return true;
}

ROW_OP(Reciprocal, infer_like_first, onnxc_rt_ref_reciprocal, reciprocal_emit);

static bool celu_emit(RowBuilder *b, const Node *node) {
  double alpha = (double)op_param_f(node, "alpha");
  RowRef x = row_input(b, node, 0);
  RowRef low = row_with(b, ROW_MUL, row_op1(b, ROW_EXPM1, row_with(b, ROW_DIV, x, alpha)), alpha);
  row_output(b, node, 0, row_op3(b, ROW_SELECT, negative(b, x), low, x));
  return true;
}

ROW_OP(Celu, infer_like_first, onnxc_rt_ref_celu, celu_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 1)));

static bool elu_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef low = row_with(b, ROW_MUL, row_op1(b, ROW_EXPM1, x), (double)op_param_f(node, "alpha"));
  row_output(b, node, 0, row_op3(b, ROW_SELECT, negative(b, x), low, x));
  return true;
}

ROW_OP(Elu, infer_like_first, onnxc_rt_ref_elu, elu_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 1)));

static bool selu_emit(RowBuilder *b, const Node *node) {
  double alpha = (double)op_param_f(node, "alpha"), gamma = (double)op_param_f(node, "gamma");
  RowRef x = row_input(b, node, 0);
  RowRef low = row_with(b, ROW_MUL, row_op1(b, ROW_EXPM1, x), alpha * gamma);
  RowRef high = row_with(b, ROW_MUL, x, gamma);
  row_output(b, node, 0, row_op3(b, ROW_SELECT, negative(b, x), low, high));
  return true;
}

ROW_OP(Selu, infer_like_first, onnxc_rt_ref_selu, selu_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 1.67326319217681884765625f),
                        PARAM_FLOAT("gamma", 1.05070102214813232421875f)));

static bool gelu_emit(RowBuilder *b, const Node *node) {
  bool by_tanh = strcmp(op_param_s(node, "approximate"), "tanh") == 0;
  return emit_unary(b, node, by_tanh ? ROW_GELU_TANH : ROW_GELU);
}

static bool gelu_infer(Node *node) {
  return check_choice(node, "approximate", "none tanh") && infer_like_first(node);
}

ROW_OP(Gelu, gelu_infer, onnxc_rt_ref_gelu, gelu_emit,
       .params = PARAMS(PARAM_STRING("approximate", "none")));

static bool hard_sigmoid_emit(RowBuilder *b, const Node *node) {
  double alpha = (double)op_param_f(node, "alpha"), beta = (double)op_param_f(node, "beta");
  RowRef line = row_with(b, ROW_MUL, row_input(b, node, 0), alpha);
  row_output(b, node, 0, clamp01(b, row_with(b, ROW_ADD, line, beta)));
  return true;
}

ROW_OP(HardSigmoid, infer_like_first, onnxc_rt_ref_hard_sigmoid, hard_sigmoid_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 0.2f), PARAM_FLOAT("beta", 0.5f)));

static bool hard_swish_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef line = row_with(b, ROW_MUL, row_with(b, ROW_ADD, x, 3), 1.0 / 6); /* exact near -3 */
  row_output(b, node, 0, row_op2(b, ROW_MUL, x, clamp01(b, line)));
  return true;
}

ROW_OP(HardSwish, infer_like_first, onnxc_rt_ref_hard_swish, hard_swish_emit);

static bool leaky_relu_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef low = row_with(b, ROW_MUL, x, (double)op_param_f(node, "alpha"));
  row_output(b, node, 0, row_op3(b, ROW_SELECT, negative(b, x), low, x));
  return true;
}

ROW_OP(LeakyRelu, infer_like_first, onnxc_rt_ref_leaky_relu, leaky_relu_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 0.01f)));

/* NaN falls through every comparison to the last branch. */
static bool shrink_emit(RowBuilder *b, const Node *node) {
  if (!dtype_is_float(node_in(node, 0)->type.dtype)) return false;
  double bias = (double)op_param_f(node, "bias"), limit = (double)op_param_f(node, "lambd");
  RowRef x = row_input(b, node, 0);
  RowRef above = row_op2(b, ROW_LT, row_number(b, row_dtype(b, x), limit), x);
  RowRef high = row_or_number(b, above, row_with(b, ROW_SUB, x, bias), 0);
  RowRef low = row_with(b, ROW_ADD, x, bias);
  row_output(b, node, 0, row_op3(b, ROW_SELECT, row_with(b, ROW_LT, x, -limit), low, high));
  return true;
}

ROW_OP(Shrink, infer_like_first, onnxc_rt_ref_shrink, shrink_emit,
       .params = PARAMS(PARAM_FLOAT("bias", 0), PARAM_FLOAT("lambd", 0.5f)));

static bool softsign_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef below = row_with(b, ROW_ADD, row_op1(b, ROW_ABS, x), 1);
  row_output(b, node, 0, row_op2(b, ROW_DIV, x, below));
  return true;
}

ROW_OP(Softsign, infer_like_first, onnxc_rt_ref_softsign, softsign_emit);

static bool swish_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  row_output(b, node, 0, row_with(b, ROW_SWISH, x, (double)op_param_f(node, "alpha")));
  return true;
}

ROW_OP(Swish, infer_like_first, onnxc_rt_ref_swish, swish_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 1)));

static bool thresholded_relu_emit(RowBuilder *b, const Node *node) {
  RowRef x = row_input(b, node, 0);
  RowRef alpha = row_number(b, row_dtype(b, x), (double)op_param_f(node, "alpha"));
  row_output(b, node, 0, row_or_number(b, row_op2(b, ROW_LT, alpha, x), x, 0));
  return true;
}

ROW_OP(ThresholdedRelu, infer_like_first, onnxc_rt_ref_thresholded_relu, thresholded_relu_emit,
       .params = PARAMS(PARAM_FLOAT("alpha", 1)));
