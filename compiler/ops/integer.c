/* Products of quantised operands. The integer forms are contractions of their own; the others
 * are those with a scale behind. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/conv.h"
#include "ops/matmul.h"

/* ---- zero points and scales --------------------------------------------------------------------
 */

/* A scale or zero point `i` of matrix `of`: one number, or one for each of its rows (columns). */
static bool check_per_line(const Node *node, uint32_t i, uint32_t of, bool rows) {
  const Type *own = input_type(node, i), *matrix = input_type(node, of);
  if (own == NULL || is_number(own)) return true;
  int line = rows ? matrix->rank - 2 : matrix->rank - 1;
  if (line < 0) return check_sizes(node, i, 0, NULL, "that of a vector");
  if (own->rank < 2) return check_size(node, i, 0, matrix->dims[line], "the number of lines");
  const Dim *sizes[MAX_RANK];
  for (int k = 0; k < matrix->rank; k++) sizes[k] = matrix->dims[k];
  sizes[rows ? matrix->rank - 1 : matrix->rank - 2] = dim_const(infer_dims(node), 1);
  return check_sizes(node, i, matrix->rank, sizes, "one for each line of the matrix");
}

static bool check_per_filter(const Node *node, uint32_t i, uint32_t w) {
  const Type *type = input_type(node, i);
  if (type == NULL || is_number(type)) return true;
  return check_sizes(node, i, 1, input_type(node, w)->dims, "one for each filter");
}

/* ---- MatMulInteger -----------------------------------------------------------------------------
 */

static bool infer_matmul_integer(Node *node) {
  static const InputRule rules[] = {
      INPUT("A", 1, MAX_RANK),
      INPUT("B", 1, MAX_RANK),
      INPUT_OPTIONAL("a_zero_point", 0, MAX_RANK),
      INPUT_OPTIONAL("b_zero_point", 0, MAX_RANK),
  };
  return CHECK_INPUTS(node, rules) && check_per_line(node, 2, 0, true) &&
         check_per_line(node, 3, 1, false) && matmul_infer(node, 0, 1, ONNXC_RT_I32);
}

static const Dim *matmul_integer_macs(const Node *node) {
  return matmul_macs(node, 0);
}

const OpDef op_MatMulInteger = {
    .name = "MatMulInteger",
    .domain = "",
    .infer = infer_matmul_integer,
    OP_KERNEL(onnxc_rt_ref_matmul_integer),
    .macs = matmul_integer_macs,
};

/* ---- ConvInteger -------------------------------------------------------------------------------
 */

static bool infer_conv_integer(Node *node) {
  static const InputRule rules[] = {
      INPUT("x", 3, MAX_RANK),
      INPUT("w", 3, MAX_RANK),
      INPUT_OPTIONAL("x_zero_point", 0, 1),
      INPUT_OPTIONAL("w_zero_point", 0, 1),
  };
  return CHECK_INPUTS(node, rules) && check_number(node, 2) && check_per_filter(node, 3, 1) &&
         conv_infer(node, 0, 1, ONNXC_RT_I32);
}

static const Dim *conv_integer_macs(const Node *node) {
  return conv_macs(node, 1);
}

static const OpParam conv_params[] = {WINDOW_PARAMS, PARAM_INT("group", 1), {0}};

const OpDef op_ConvInteger = {
    .name = "ConvInteger",
    .domain = "",
    .params = conv_params,
    .infer = infer_conv_integer,
    OP_KERNEL(onnxc_rt_ref_conv_integer),
    .macs = conv_integer_macs,
};

/* ---- QLinearMatMul -----------------------------------------------------------------------------
 */

/* The inputs of both QLinear products. */
enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO, BIAS };

static bool check_scales(const Node *node) {
  return check_scale(node, A_SCALE) && check_scale(node, B_SCALE) && check_scale(node, Y_SCALE);
}

/* A vector with one element for each index of axis `axis` of `rank`, so that it broadcasts. */
static Value *along(Builder *b, Value *x, int axis, int rank) {
  if (is_number(&x->type)) return compose_scalar(b, x);
  if (x->type.rank != 1 || axis == rank - 1) return x;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i == axis ? x->type.dims[0] : dim_const(b->graph->ctx->dims, 1);
  }
  return compose_reshape(b, x, dims, rank);
}

/* sum * (a_scale * b_scale / y_scale), rounded and quantised; both scales broadcast to the sum. */
static Value *requantize(Builder *b, const Node *node, Value *sum, Value *a_scale, Value *b_scale) {
  Value *scale = BUILD(b, "Mul", a_scale, b_scale);
  Value *y_scale = compose_cast(b, node_in(node, Y_SCALE), ONNXC_RT_F32);
  scale = BUILD(b, "Div", scale, along(b, y_scale, 0, 1));
  Value *y = BUILD(b, "Mul", compose_cast(b, sum, ONNXC_RT_F32), scale);
  return BUILD(b, "QuantizeLinear", y, build_f32(b, 1), along(b, node_in(node, Y_ZERO), 0, 1));
}

static bool infer_qlinear_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT("a", 1, MAX_RANK),
      INPUT("a_scale", 0, MAX_RANK),
      INPUT("a_zero_point", 0, MAX_RANK),
      INPUT("b", 1, MAX_RANK),
      INPUT("b_scale", 0, MAX_RANK),
      INPUT("b_zero_point", 0, MAX_RANK),
      INPUT("y_scale", 0, MAX_RANK),
      INPUT("y_zero_point", 0, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  for (uint32_t i = A_SCALE; i <= A_ZERO; i++) {
    if (!check_per_line(node, i, A, true) || !check_per_line(node, i + B, B, false)) return false;
  }
  return check_number(node, Y_SCALE) && check_number(node, Y_ZERO) && check_scales(node) &&
         matmul_infer(node, A, B, input_type(node, Y_ZERO)->dtype);
}

/* Floating-point types of 8 bits have no integer product. */
static Value *float_product(Builder *b, const Node *node) {
  Value *one = build_f32(b, 1);
  Value *x = BUILD(b, "DequantizeLinear", node_in(node, A), one);
  return BUILD(b, "MatMul", x, BUILD(b, "DequantizeLinear", node_in(node, B), one));
}

static Value *integer_product(Builder *b, const Node *node) {
  return BUILD(b, "MatMulInteger", node_in(node, A), node_in(node, B), node_in(node, A_ZERO),
               node_in(node, B_ZERO));
}

static bool decompose_qlinear_matmul(Builder *b, Node *node) {
  bool is_float = dtype_is_float(input_type(node, A)->dtype);
  Value *sum = is_float ? float_product(b, node) : integer_product(b, node);
  int rank = input_type(node, A)->rank;
  Value *a_scale = compose_cast(b, node_in(node, A_SCALE), ONNXC_RT_F32);
  Value *b_scale = compose_cast(b, node_in(node, B_SCALE), ONNXC_RT_F32);
  a_scale = along(b, a_scale, rank - 2, rank);
  b_scale = along(b, b_scale, 0, 1);
  build_replace(b, node, requantize(b, node, sum, a_scale, b_scale));
  return true;
}

static const Dim *qlinear_matmul_macs(const Node *node) {
  return matmul_macs(node, A);
}

const OpDef op_QLinearMatMul = {
    .name = "QLinearMatMul",
    .domain = "",
    .infer = infer_qlinear_matmul,
    .decompose = decompose_qlinear_matmul,
    .macs = qlinear_matmul_macs,
};

/* ---- QLinearConv -------------------------------------------------------------------------------
 */

static bool infer_qlinear_conv(Node *node) {
  static const InputRule rules[] = {
      INPUT("x", 3, MAX_RANK), INPUT("x_scale", 0, 1),      INPUT("x_zero_point", 0, 1),
      INPUT("w", 3, MAX_RANK), INPUT("w_scale", 0, 1),      INPUT("w_zero_point", 0, 1),
      INPUT("y_scale", 0, 1),  INPUT("y_zero_point", 0, 1), INPUT_OPTIONAL("B", 1, 1),
  };
  static const uint32_t scalars[] = {A_SCALE, A_ZERO, Y_SCALE, Y_ZERO};
  if (!CHECK_INPUTS(node, rules)) return false;
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    if (!check_number(node, scalars[i])) return false;
  }
  if (!check_per_filter(node, B_SCALE, B) || !check_per_filter(node, B_ZERO, B)) return false;
  if (node_in(node, BIAS) != NULL &&
      !check_size(node, BIAS, 0, input_type(node, B)->dims[0], "the number of filters")) {
    return false;
  }
  return check_scales(node) && conv_infer(node, A, B, input_type(node, Y_ZERO)->dtype);
}

static bool decompose_qlinear_conv(Builder *b, Node *node) {
  Value *inputs[4] = {node_in(node, A), node_in(node, B), node_in(node, A_ZERO),
                      node_in(node, B_ZERO)};
  int rank = inputs[0]->type.rank;
  Node *conv = build_node(b, "", "ConvInteger", inputs, 4, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(conv, node->attrs[i]);
  Value *sum = build_done(b, conv);
  if (node_in(node, BIAS) != NULL) {
    sum = BUILD(b, "Add", sum, along(b, node_in(node, BIAS), 1, rank));
  }
  Value *w_scale = along(b, node_in(node, B_SCALE), 1, rank);
  Value *x_scale = along(b, node_in(node, A_SCALE), 1, rank);
  build_replace(b, node, requantize(b, node, sum, x_scale, w_scale));
  return true;
}

static const Dim *qlinear_conv_macs(const Node *node) {
  return conv_macs(node, B);
}

const OpDef op_QLinearConv = {
    .name = "QLinearConv",
    .domain = "",
    .params = conv_params,
    .infer = infer_qlinear_conv,
    .decompose = decompose_qlinear_conv,
    .macs = qlinear_conv_macs,
};
