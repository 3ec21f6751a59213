/* Operators of ONNX Runtime on quantised tensors: the plain operator between a dequantisation and a
 * quantisation, which fuse into it. A tensor is three inputs: data, scale and zero point.
 *
 * Each rounds in the places where ONNX Runtime does, so that results are the same bit for bit. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/layout.h"
#include "ops/window.h"

#include <string.h>

#define DATA(name, min) INPUT_OF(DTS_BYTE, 0, name, min, MAX_RANK)
#define SCALE(name) INPUT_OF(DT(F32), 0, name, 0, 1)
#define ZERO(name, of) INPUT_OPTIONAL_OF(DTS_BYTE, of, name, 0, 1)

/* ---- to and fro --------------------------------------------------------------------------------
 */

/* All but the data, which is every third input from `data` on to the last complete tensor, are
 * single numbers; what is in front of that too, but for conditions. */
static bool check_numbers(const Node *node, uint32_t data) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *type = input_type(node, i);
    bool is_data = i >= data && (i - data) % 3 == 0 && i + 2 < node->n_formal;
    if (is_data || type == NULL || type->dtype == ONNXC_RT_BOOL) continue;
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
  Node *quantize = build_node(b, "", "QuantizeLinear", (Value *[]){y, build_f32(b, 1)}, 2, 1);
  node_set_int(quantize, "output_dtype", node_out(node, 0)->type.dtype);
  build_replace(b, node, build_done(b, quantize));
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

/* x * factor + y of f32, rounded once as a fused multiply-add does it. The product of an integer of
 * 8 bits is exact in f64, so the machine need not have one. */
static Value *multiply_add(Builder *b, Value *x, Value *factor, Value *y) {
  x = BUILD(b, "Mul", compose_cast(b, x, ONNXC_RT_F64), compose_cast(b, factor, ONNXC_RT_F64));
  return compose_cast(b, BUILD(b, "Add", x, compose_cast(b, y, ONNXC_RT_F64)), ONNXC_RT_F32);
}

/* a * (A_scale / C_scale) + b * (B_scale / C_scale) + rest, the zero points all in the rest */
static bool decompose_add(Builder *b, Node *node) {
  Value *c_scale = compose_scalar(b, node_in(node, 6));
  Value *a_ratio = BUILD(b, "Div", compose_scalar(b, node_in(node, 1)), c_scale);
  Value *b_ratio = BUILD(b, "Div", compose_scalar(b, node_in(node, 4)), c_scale);
  Value *rest = BUILD(b, "Add", BUILD(b, "Mul", a_ratio, zero_point(b, node, 2)),
                      BUILD(b, "Mul", b_ratio, zero_point(b, node, 5)));
  rest = BUILD(b, "Sub", zero_point(b, node, 7), rest);
  Value *y = multiply_add(b, node_in(node, 3), b_ratio, rest);
  return finished(b, node, multiply_add(b, node_in(node, 0), a_ratio, y));
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

/* ---- MulInteger --------------------------------------------------------------------------------
 */

static bool infer_mul_integer(Node *node) {
  static const InputRule rules[] = {
      DATA("A", 0),
      ZERO("A_zero_point", 1),
      DATA("B", 0),
      ZERO("B_zero_point", 3),
  };
  if (!CHECK_INPUTS(node, rules) || !check_number(node, 1) || !check_number(node, 3)) return false;
  const Dim *dims[MAX_RANK];
  int rank;
  const Type *types[2] = {input_type(node, 0), input_type(node, 2)};
  if (!infer_broadcast(node, types, 2, &rank, dims)) return false;
  infer_output(node, 0, ONNXC_RT_I32, rank, dims);
  return true;
}

/* Input `i` less the zero point at input `zero`, in i32. */
static Value *centred_integer(Builder *b, const Node *node, uint32_t i, uint32_t zero) {
  Value *x = compose_cast(b, node_in(node, i), ONNXC_RT_I32);
  if (node_in(node, zero) == NULL) return x;
  return BUILD(b, "Sub", x, compose_cast(b, compose_scalar(b, node_in(node, zero)), ONNXC_RT_I32));
}

static bool decompose_mul_integer(Builder *b, Node *node) {
  Value *x = centred_integer(b, node, 0, 1), *y = centred_integer(b, node, 2, 3);
  build_replace(b, node, BUILD(b, "Mul", x, y));
  return true;
}

const OpDef op_microsoft_MulInteger = {
    .name = "MulInteger",
    .domain = "com.microsoft",
    .infer = infer_mul_integer,
    .decompose = decompose_mul_integer,
};

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

/* ONNX Runtime looks powers up in a table of f32, whose rounding shows in the result. */
const OpDef op_microsoft_QLinearSoftmax = {
    .name = "QLinearSoftmax",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("axis", -1), PARAM_REQUIRED("opset", ATTR_INT), {0}},
    .infer = infer_softmax,
    OP_KERNEL(onnxc_rt_ref_qlinear_softmax),
};

/* ---- QLinearWhere ------------------------------------------------------------------------------
 */

static bool infer_where(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(BOOL), 0, "condition", 0, MAX_RANK),
      DATA("X", 0),
      SCALE("x_scale"),
      ZERO("x_zero_point", 2),
      INPUT_OF(DTS_BYTE, 2, "Y", 0, MAX_RANK),
      SCALE("y_scale"),
      ZERO("y_zero_point", 2),
      SCALE("z_scale"),
      ZERO("z_zero_point", 2),
  };
  if (!CHECK_INPUTS(node, rules) || !check_numbers(node, 1)) return false;
  const Type *types[3] = {input_type(node, 0), input_type(node, 1), input_type(node, 4)};
  const Dim *dims[MAX_RANK];
  int rank;
  if (!infer_broadcast(node, types, 3, &rank, dims)) return false;
  infer_output(node, 0, types[1]->dtype, rank, dims);
  return true;
}

static bool decompose_where(Builder *b, Node *node) {
  Value *x = dequantized(b, node, 1), *y = dequantized(b, node, 4);
  return quantized(b, node, BUILD(b, "Where", node_in(node, 0), x, y), 7);
}

const OpDef op_microsoft_QLinearWhere = {
    .name = "QLinearWhere",
    .domain = "com.microsoft",
    .infer = infer_where,
    .decompose = decompose_where,
};

/* ---- QLinearReduceMean -------------------------------------------------------------------------
 */

/* flags[axis]: whether it is reduced; without the attribute all are. */
static bool reduced_axes(const Node *node, bool *flags) {
  const Attr *axes = op_param_list(node, "axes");
  int rank = input_type(node, 0)->rank;
  for (int i = 0; i < rank; i++) flags[i] = axes == NULL || axes->count == 0;
  for (size_t k = 0; axes != NULL && k < axes->count; k++) {
    int axis;
    if (!infer_axis(node, axes->ints[k], rank, &axis)) return false;
    flags[axis] = true;
  }
  return true;
}

static bool infer_reduce_mean(Node *node) {
  const Dim *dims[MAX_RANK];
  bool flags[MAX_RANK];
  int rank = 0;
  if (!check_unary(node, 0) || !reduced_axes(node, flags)) return false;
  const Type *x = input_type(node, 0);
  for (int i = 0; i < x->rank; i++) {
    if (!flags[i]) dims[rank++] = x->dims[i];
    if (flags[i] && op_param_i(node, "keepdims") != 0) {
      dims[rank++] = dim_const(infer_dims(node), 1);
    }
  }
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

static bool decompose_reduce_mean(Builder *b, Node *node) {
  int64_t axes[MAX_RANK];
  bool flags[MAX_RANK];
  size_t n = 0;
  reduced_axes(node, flags);
  for (int i = 0; i < input_type(node, 0)->rank; i++) {
    if (flags[i]) axes[n++] = i;
  }
  const Type *type = &node_out(node, 0)->type;
  Value *y = compose_reduce(b, "ReduceMean", dequantized(b, node, 0), axes, n);
  return quantized(b, node, compose_reshape(b, y, type->dims, type->rank), 3);
}

const OpDef op_microsoft_QLinearReduceMean = {
    .name = "QLinearReduceMean",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_OPTIONAL("axes", ATTR_INTS), PARAM_INT("keepdims", 1), {0}},
    .infer = infer_reduce_mean,
    .decompose = decompose_reduce_mean,
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
  const Type *data = infer_tensor(node, 2);
  if (data == NULL) return false;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *type = infer_tensor(node, i);
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
  Type x = channels_last(node) ? layout_second(node, given) : *given;
  const Dim *dims[MAX_RANK];
  if (!pool_dims(node, &x, dims)) return false;
  Type y = type_tensor(node->graph->ctx, x.dtype, x.rank, dims);
  if (channels_last(node)) y = layout_last(node, &y);
  infer_output_type(node, 0, &y);
  return true;
}

/* When padding counts, it does so as far as the windows of ceil_mode go, which AveragePool does not
 * know: it gets that padding, and no ceil_mode. */
static bool write_padding(const Node *node, Node *pool) {
  int64_t pads[2 * MAX_RANK], strides[MAX_RANK];
  int n = input_type(node, 0)->rank - 2;
  bool same = strncmp(op_param_s(node, "auto_pad"), "SAME", 4) == 0;
  if (same || op_param_i(node, "ceil_mode") == 0) return false;
  if (op_param_i(node, "count_include_pad") == 0) return false;
  check_ints(node, "pads", 2 * n, 0, 0, pads);
  check_ints(node, "strides", n, 1, 1, strides);
  for (int i = 0; i < n; i++) pads[n + i] += strides[i] - 1;
  node_set_ints(pool, "pads", pads, 2 * (size_t)n);
  node_set_string(pool, "auto_pad", "NOTSET");
  node_set_int(pool, "ceil_mode", 0);
  return true;
}

/* The first elements along each axis. */
static Value *cut(Builder *b, Value *y, const Type *type) {
  int64_t zeros[MAX_RANK] = {0};
  uint32_t rank = (uint32_t)type->rank;
  return BUILD(b, "Slice", y, build_ints(b, zeros, rank), build_dims(b, type->dims, rank));
}

static bool decompose_average(Builder *b, Node *node) {
  bool last = channels_last(node);
  Value *inputs[3] = {node_in(node, 0), compose_scalar(b, node_in(node, 1)), node_in(node, 2)};
  if (last) inputs[0] = layout_to_second(b, inputs[0]);
  if (inputs[2] != NULL) inputs[2] = compose_scalar(b, inputs[2]);
  Node *pool = build_node(b, "onnxc", "AveragePool", inputs, inputs[2] == NULL ? 2 : 3, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (strcmp(node->attrs[i].name, "channels_last") != 0) node_set_attr(pool, node->attrs[i]);
  }
  bool padded = write_padding(node, pool);
  Value *y = build_done(b, pool);
  const Type *type = &node_out(node, 0)->type;
  Type sizes = last ? layout_second(node, type) : *type;
  if (padded) y = cut(b, y, &sizes);
  if (last) y = layout_to_last(b, y);
  y = BUILD(b, "Div", y, compose_scalar(b, node_in(node, 3)));
  return finished(b, node, BUILD(b, "Add", y, zero_point(b, node, 4)));
}

/* The sum of integers times X_scale / (Y_scale * count) */
static bool decompose_global(Builder *b, Node *node) {
  const Type *type = input_type(node, 0);
  int64_t axes[MAX_RANK];
  int n = type->rank - 2, first = channels_last(node) ? 1 : 2;
  for (int i = 0; i < n; i++) axes[i] = first + i;
  Value *x = compose_reduce(b, "ReduceSum", centred_integer(b, node, 0, 2), axes, (size_t)n);
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
