/* Operators of ONNX Runtime on quantised tensors: the plain operator between a dequantisation and a
 * quantisation, which fuse into it. A tensor is three inputs: data, scale and zero point. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/window.h"

#include <string.h>

#define DATA(name, min) INPUT_OF(DTS_BYTE, 0, name, min, MAX_RANK)
#define SCALE(name) INPUT_OF(DT(F32), 0, name, 0, 1)
#define ZERO(name, of) INPUT_OPTIONAL_OF(DTS_BYTE, of, name, 0, 1)

/* ---- to and fro --------------------------------------------------------------------------------
 */

/* All but the data, which is every third input from `data` on to the last complete tensor, are
 * single numbers. */
static bool check_numbers(const Node *node, uint32_t data) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *type = input_type(node, i);
    bool is_data = i >= data && (i - data) % 3 == 0 && i + 2 < node->n_formal;
    if (is_data || type == NULL) continue;
    if (!check_number(node, i)) return false;
    if (type->dtype == ONNXC_RT_F32 && !check_scale(node, i)) return false;
  }
  return true;
}

/* The tensor whose data is input `i`, in f32. */
static Value *dequantized(Builder *b, const Node *node, uint32_t i) {
  Value *inputs[3] = {node_in(node, i), node_in(node, i + 1), node_in(node, i + 2)};
  return build(b, "DequantizeLinear", inputs, inputs[2] == NULL ? 2 : 3);
}

/* Ends the decomposition: `y` quantised by the scale and zero point at inputs `i` and `i` + 1. */
static bool quantized(Builder *b, Node *node, Value *y, uint32_t i) {
  Value *inputs[3] = {y, node_in(node, i), node_in(node, i + 1)};
  Node *quantize = build_node(b, "", "QuantizeLinear", inputs, inputs[2] == NULL ? 2 : 3, 1);
  node_set_int(quantize, "output_dtype", node_out(node, 0)->type.dtype);
  build_replace(b, node, build_done(b, quantize));
  return true;
}

/* The zero point at input `i` in f32; 0 when absent. */
static Value *zero_point(Builder *b, const Node *node, uint32_t i) {
  if (node_in(node, i) == NULL) return build_f32(b, 0);
  return compose_cast(b, compose_scalar(b, node_in(node, i)), ONNXC_RT_F32);
}

/* The same of `y` in steps of the result: rounded with its zero point, which decides about halves,
 * and saturated. */
static bool finished(Builder *b, Node *node, Value *y) {
  DType dtype = node_out(node, 0)->type.dtype;
  bool is_signed = dtype == ONNXC_RT_I8;
  y = BUILD(b, "Max", BUILD(b, "Round", y), build_f32(b, is_signed ? -128 : 0));
  y = BUILD(b, "Min", y, build_f32(b, is_signed ? 127 : 255));
  build_replace(b, node, compose_cast(b, y, dtype));
  return true;
}

/* ---- QLinearAdd, QLinearMul --------------------------------------------------------------------
 */

static bool infer_binary(Node *node) {
  static const InputRule rules[] = {
      DATA("A", 0),     SCALE("A_scale"),        ZERO("A_zero_point", 1), DATA("B", 0),
      SCALE("B_scale"), ZERO("B_zero_point", 4), SCALE("C_scale"),        ZERO("C_zero_point", 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_numbers(node, 0)) return false;
  const Type *a = input_type(node, 0), *b = input_type(node, 3);
  const Dim *dims[MAX_RANK];
  int rank;
  if (!infer_broadcast(node, (const Type *[]){a, b}, 2, &rank, dims)) return false;
  infer_output(node, 0, a->dtype, rank, dims);
  return true;
}

/* a * (A_scale / C_scale) + b * (B_scale / C_scale) + rest, the zero points all in the rest */
static bool decompose_add(Builder *b, Node *node) {
  Value *a = compose_cast(b, node_in(node, 0), ONNXC_RT_F32),
        *c_scale = compose_scalar(b, node_in(node, 6));
  Value *x = compose_cast(b, node_in(node, 3), ONNXC_RT_F32);
  Value *a_ratio = BUILD(b, "Div", compose_scalar(b, node_in(node, 1)), c_scale);
  Value *x_ratio = BUILD(b, "Div", compose_scalar(b, node_in(node, 4)), c_scale);
  Value *rest = BUILD(b, "Add", BUILD(b, "Mul", a_ratio, zero_point(b, node, 2)),
                      BUILD(b, "Mul", x_ratio, zero_point(b, node, 5)));
  rest = BUILD(b, "Sub", zero_point(b, node, 7), rest);
  Value *y = BUILD(b, "Add", BUILD(b, "Mul", a, a_ratio), rest);
  return finished(b, node, BUILD(b, "Add", BUILD(b, "Mul", x, x_ratio), y));
}

/* Input `i` less its zero point, exactly, in f32. */
static Value *centred(Builder *b, const Node *node, uint32_t i) {
  Value *x = compose_cast(b, node_in(node, i), ONNXC_RT_F32);
  return BUILD(b, "Sub", x, zero_point(b, node, i + 2));
}

/* (a - A_zero) * (b - B_zero) * (A_scale * B_scale / C_scale) + C_zero */
static bool decompose_mul(Builder *b, Node *node) {
  Value *scale =
      BUILD(b, "Mul", compose_scalar(b, node_in(node, 1)), compose_scalar(b, node_in(node, 4)));
  scale = BUILD(b, "Div", scale, compose_scalar(b, node_in(node, 6)));
  Value *y = BUILD(b, "Mul", centred(b, node, 0), centred(b, node, 3));
  y = BUILD(b, "Mul", y, scale);
  return finished(b, node, BUILD(b, "Add", y, zero_point(b, node, 7)));
}

#define BINARY(name_, decompose_)                                                                  \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .infer = infer_binary,                                                                       \
      .decompose = decompose_,                                                                     \
  }

BINARY(QLinearAdd, decompose_add);
BINARY(QLinearMul, decompose_mul);

/* ---- QLinearSigmoid, QLinearLeakyRelu, QLinearSoftmax ------------------------------------------
 */

static bool check_unary(const Node *node, int min_rank) {
  const InputRule rules[] = {
      DATA("X", min_rank), SCALE("X_scale"),        ZERO("X_zero_point", 1),
      SCALE("Y_scale"),    ZERO("Y_zero_point", 1),
  };
  return CHECK_INPUTS(node, rules) && check_numbers(node, 0);
}

static bool infer_unary(Node *node) {
  if (!check_unary(node, 0)) return false;
  infer_output_type(node, 0, input_type(node, 0));
  return true;
}

static bool decompose_sigmoid(Builder *b, Node *node) {
  return quantized(b, node, BUILD(b, "Sigmoid", dequantized(b, node, 0)), 3);
}

const OpDef op_microsoft_QLinearSigmoid = {
    .name = "QLinearSigmoid",
    .domain = "com.microsoft",
    .infer = infer_unary,
    .decompose = decompose_sigmoid,
};

static bool decompose_leaky_relu(Builder *b, Node *node) {
  Value *x = dequantized(b, node, 0);
  Node *relu = build_node(b, "", "LeakyRelu", &x, 1, 1);
  node_set_float(relu, "alpha", op_param_f(node, "alpha"));
  return quantized(b, node, build_done(b, relu), 3);
}

const OpDef op_microsoft_QLinearLeakyRelu = {
    .name = "QLinearLeakyRelu",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_FLOAT("alpha", 0.01F), {0}},
    .infer = infer_unary,
    .decompose = decompose_leaky_relu,
};

static bool infer_softmax(Node *node) {
  int axis;
  if (!check_unary(node, 1)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  infer_output_type(node, 0, x);
  return true;
}

/* Before opset 13 everything from the axis on is one row. */
static bool decompose_softmax(Builder *b, Node *node) {
  Value *x = dequantized(b, node, 0);
  bool flat = op_param_i(node, "opset") < 13;
  Node *softmax = build_node(b, flat ? "onnxc" : "", flat ? "FlatSoftmax" : "Softmax", &x, 1, 1);
  node_set_int(softmax, "axis", op_param_i(node, "axis"));
  return quantized(b, node, build_done(b, softmax), 3);
}

const OpDef op_microsoft_QLinearSoftmax = {
    .name = "QLinearSoftmax",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("axis", -1), PARAM_INT("opset", 13), {0}},
    .infer = infer_softmax,
    .decompose = decompose_softmax,
};

/* ---- QLinearConcat -----------------------------------------------------------------------------
 */

/* Inputs: scale and zero point of the result, then the tensors. */
static bool check_parts(const Node *node) {
  if (node->n_formal < 5 || node->n_formal % 3 != 2) {
    return node_error(node, DIAG_INVALID,
                      "there are %u inputs; needed are two for the result and three a tensor",
                      node->n_formal);
  }
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *type = infer_tensor(node, i), *data = input_type(node, 2);
    bool is_scale = i % 3 == 0;
    if (type == NULL) return false;
    if (is_scale ? type->dtype == ONNXC_RT_F32
                 : (DTS_BYTE >> type->dtype & 1) && type->dtype == data->dtype)
      continue;
    return node_error(
        node, DIAG_INVALID,
        "input %u '%s' is %s; data and zero points have one type of 8 bits, scales f32", i,
        node_in(node, i)->name, type_text(node->graph->ctx->arena, type));
  }
  return check_numbers(node, 2);
}

static bool check_part(const Node *node, uint32_t i, int axis) {
  const Type *first = input_type(node, 2), *part = input_type(node, i);
  if (part->rank != first->rank || part->dtype != first->dtype) {
    Arena *arena = node->graph->ctx->arena;
    return node_error(node, DIAG_INVALID, "input %u is %s, which does not go with %s", i,
                      type_text(arena, part), type_text(arena, first));
  }
  for (int k = 0; k < first->rank; k++) {
    if (k != axis && !check_size(node, i, k, first->dims[k], "that of the first tensor")) {
      return false;
    }
  }
  return true;
}

static int concat_axis(const Node *node) {
  int64_t axis = op_param_i(node, "axis");
  return (int)(axis < 0 ? axis + input_type(node, 2)->rank : axis);
}

static bool infer_concat(Node *node) {
  int axis;
  if (!check_parts(node)) return false;
  const Type *first = input_type(node, 2);
  if (!infer_axis(node, op_param_i(node, "axis"), first->rank, &axis)) return false;
  const Dim *dims[MAX_RANK];
  memcpy(dims, first->dims, (size_t)first->rank * sizeof *dims);
  for (uint32_t i = 5; i < node->n_formal; i += 3) {
    if (!check_part(node, i, axis)) return false;
    dims[axis] = dim_add(infer_dims(node), dims[axis], input_type(node, i)->dims[axis]);
  }
  infer_output(node, 0, first->dtype, first->rank, dims);
  return true;
}

/* A part whose scale and zero point are the result's own comes out of this unchanged. */
static bool decompose_concat(Builder *b, Node *node) {
  uint32_t n = (node->n_formal - 2) / 3;
  Value **parts = ARENA_ARRAY(node->graph->ctx->arena, n, Value *);
  for (uint32_t k = 0; k < n; k++) parts[k] = dequantized(b, node, 2 + 3 * k);
  return quantized(b, node, compose_concat(b, parts, n, concat_axis(node)), 0);
}

const OpDef op_microsoft_QLinearConcat = {
    .name = "QLinearConcat",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_REQUIRED("axis", ATTR_INT), {0}},
    .infer = infer_concat,
    .decompose = decompose_concat,
};

/* ---- QLinearAveragePool, QLinearGlobalAveragePool ----------------------------------------------
 */

/* Where axis `i` of the data lies when channels come second: in X (`back` false), in Y (true). */
static int64_t channel_axis(int i, int rank, bool back) {
  if (i == 0) return 0;
  if (back) return i == rank - 1 ? 1 : i + 1;
  return i == 1 ? rank - 1 : i - 1;
}

static Type moved_type(const Node *node, const Type *type, bool back) {
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < type->rank; i++) dims[i] = type->dims[channel_axis(i, type->rank, back)];
  return type_tensor(node->graph->ctx, type->dtype, type->rank, dims);
}

static Value *moved(Builder *b, Value *x, bool back) {
  int64_t axes[MAX_RANK];
  int rank = x->type.rank;
  for (int i = 0; i < rank; i++) axes[i] = channel_axis(i, rank, back);
  return compose_transpose(b, x, axes);
}

static bool channels_last(const Node *node) {
  return op_param_i(node, "channels_last") != 0;
}

/* Sizes of the pooled planes, with channels second. */
static bool pool_dims(const Node *node, const Type *x, const Dim **dims) {
  dims[0] = x->dims[0];
  dims[1] = x->dims[1];
  if (strcmp(node->op->name, "QLinearGlobalAveragePool") == 0) {
    for (int i = 2; i < x->rank; i++) dims[i] = dim_const(infer_dims(node), 1);
    return true;
  }
  Window window;
  if (!window_read(node, x->rank - 2, NULL, &window)) return false;
  window.ceil = op_param_i(node, "ceil_mode") != 0;
  return window_slide(node, &window, x, dims + 2);
}

static bool infer_pool(Node *node) {
  if (!check_unary(node, 3)) return false;
  const Type *given = input_type(node, 0);
  Type x = channels_last(node) ? moved_type(node, given, false) : *given;
  const Dim *dims[MAX_RANK];
  if (!pool_dims(node, &x, dims)) return false;
  Type y = type_tensor(node->graph->ctx, x.dtype, x.rank, dims);
  if (channels_last(node)) y = moved_type(node, &y, true);
  infer_output_type(node, 0, &y);
  return true;
}

static bool decompose_average(Builder *b, Node *node) {
  Value *x = dequantized(b, node, 0);
  if (channels_last(node)) x = moved(b, x, false);
  Node *pool = build_node(b, "", "AveragePool", &x, 1, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (strcmp(node->attrs[i].name, "channels_last") != 0) node_set_attr(pool, node->attrs[i]);
  }
  Value *y = build_done(b, pool);
  if (channels_last(node)) y = moved(b, y, true);
  y = BUILD(b, "Div", y, compose_scalar(b, node_in(node, 3)));
  return finished(b, node, BUILD(b, "Add", y, zero_point(b, node, 4)));
}

/* The sum of integers times X_scale / (Y_scale * count) */
static bool decompose_global(Builder *b, Node *node) {
  const Type *type = input_type(node, 0);
  int64_t axes[MAX_RANK];
  int n = type->rank - 2, first = channels_last(node) ? 1 : 2;
  for (int i = 0; i < n; i++) axes[i] = first + i;
  Value *x = compose_cast(b, node_in(node, 0), ONNXC_RT_I32);
  if (node_in(node, 2) != NULL) {
    x = BUILD(b, "Sub", x, compose_cast(b, compose_scalar(b, node_in(node, 2)), ONNXC_RT_I32));
  }
  x = compose_reduce(b, "ReduceSum", x, axes, (size_t)n);
  Value *sum = compose_cast(b, x, ONNXC_RT_F32);
  const Dim *plane = dim_product(infer_dims(node), type->dims + first, n);
  Value *count = compose_cast(b, compose_size(b, plane), ONNXC_RT_F32);
  Value *scale = BUILD(b, "Mul", compose_scalar(b, node_in(node, 3)), count);
  Value *y = BUILD(b, "Mul", sum, BUILD(b, "Div", compose_scalar(b, node_in(node, 1)), scale));
  return finished(b, node, BUILD(b, "Add", BUILD(b, "Round", y), zero_point(b, node, 4)));
}

const OpDef op_microsoft_QLinearAveragePool = {
    .name = "QLinearAveragePool",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("count_include_pad", 0),
            PARAM_INT("ceil_mode", 0),
            PARAM_INT("channels_last", 0),
            {0},
        },
    .infer = infer_pool,
    .decompose = decompose_average,
};

const OpDef op_microsoft_QLinearGlobalAveragePool = {
    .name = "QLinearGlobalAveragePool",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("channels_last", 0), {0}},
    .infer = infer_pool,
    .decompose = decompose_global,
};
