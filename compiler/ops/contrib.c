/* Operators that ONNX Runtime's optimizer puts into models: each is a few of ONNX's own. */
#include "ops/check.h"
#include "ops/compose.h"

#include <string.h>

/* ---- SkipLayerNormalization, SkipSimplifiedLayerNormalization ----------------------------------
 */

static bool is_simplified(const Node *node) {
  return strstr(node->op->name, "Simplified") != NULL;
}

static bool infer_skip_norm(Node *node) {
  static const InputRule with_beta[] = {
      INPUT_OF(DTS_FLOAT, 0, "input", 2, 3),         INPUT_OF(DTS_FLOAT, 1, "skip", 1, 3),
      INPUT_OF(DTS_FLOAT, 1, "gamma", 1, 1),         INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "beta", 1, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  static const InputRule without_beta[] = {
      INPUT_OF(DTS_FLOAT, 0, "input", 2, 3),
      INPUT_OF(DTS_FLOAT, 1, "skip", 1, 3),
      INPUT_OF(DTS_FLOAT, 1, "gamma", 1, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  bool fine =
      is_simplified(node) ? CHECK_INPUTS(node, without_beta) : CHECK_INPUTS(node, with_beta);
  if (!fine) return false;
  if (is_simplified(node) && node_out(node, 1) != NULL) {
    return node_error(node, DIAG_UNSUPPORTED, "there is no mean to give as output 1");
  }
  const Type *x = input_type(node, 0);
  for (uint32_t i = 1; i < node->n_formal; i++) {
    if (!check_broadcasts_to(node, i, x->rank, x->dims)) return false;
  }
  const Dim *reduced[3];
  for (int i = 0; i < x->rank; i++) reduced[i] = x->dims[i];
  reduced[x->rank - 1] = dim_const(infer_dims(node), 1);
  infer_output_type(node, 0, x);
  infer_output(node, 1, ONNXC_RT_F32, x->rank, reduced);
  infer_output(node, 2, ONNXC_RT_F32, x->rank, reduced);
  infer_output_type(node, 3, x);
  return true;
}

/* 1 / sqrt(mean(x * x) + epsilon) over the axes from `axis` on, which stay. */
static Value *inverse_rms(Builder *b, const Node *node, Value *x, int axis) {
  int64_t axes[MAX_RANK];
  size_t n = 0;
  for (int i = axis; i < x->type.rank; i++) axes[n++] = i;
  x = compose_cast(b, x, ONNXC_RT_F32);
  Value *square = compose_reduce(b, "ReduceMean", BUILD(b, "Mul", x, x), axes, n);
  Value *epsilon = build_like(b, x, (double)op_param_f(node, "epsilon"));
  return BUILD(b, "Reciprocal", BUILD(b, "Sqrt", BUILD(b, "Add", square, epsilon)));
}

/* The norm of input + skip + bias; the sum is an output too. */
static bool decompose_skip_norm(Builder *b, Node *node) {
  bool simplified = is_simplified(node);
  Value *sum = BUILD(b, "Add", node_in(node, 0), node_in(node, 1));
  Value *bias = node_in(node, simplified ? 3 : 4);
  if (bias != NULL) sum = BUILD(b, "Add", sum, bias);
  Value *inputs[3] = {sum, node_in(node, 2), simplified ? NULL : node_in(node, 3)};
  Node *norm = build_node(b, "", simplified ? "RMSNormalization" : "LayerNormalization", inputs,
                          inputs[2] == NULL ? 2 : 3, simplified ? 1 : 3);
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  compose_give(b, node, 0, build_done(b, norm));
  if (!simplified) compose_give(b, node, 1, node_out(norm, 1));
  if (!simplified) compose_give(b, node, 2, node_out(norm, 2));
  if (simplified && node_out(node, 2) != NULL) {
    build_replace_output(b, node, 2, inverse_rms(b, node, sum, sum->type.rank - 1));
  }
  compose_give(b, node, 3, sum);
  return true;
}

#define SKIP_NORM(name_)                                                                           \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .params = (const OpParam[]){PARAM_FLOAT("epsilon", 1e-12F), {0}},                            \
      .infer = infer_skip_norm,                                                                    \
      .decompose = decompose_skip_norm,                                                            \
  }

SKIP_NORM(SkipLayerNormalization);
SKIP_NORM(SkipSimplifiedLayerNormalization);

/* ---- SimplifiedLayerNormalization --------------------------------------------------------------
 */

static bool infer_simplified(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 0, "scale", 0, MAX_RANK),
  };
  int axis;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_broadcasts_to(node, 1, x->rank, x->dims)) return false;
  const Dim *reduced[MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    reduced[i] = i < axis ? x->dims[i] : dim_const(infer_dims(node), 1);
  }
  infer_output(node, 0, input_type(node, 1)->dtype, x->rank, x->dims);
  infer_output(node, 1, ONNXC_RT_F32, x->rank, reduced);
  return true;
}

static bool decompose_simplified(Builder *b, Node *node) {
  Value *inputs[2] = {node_in(node, 0), node_in(node, 1)};
  Node *norm = build_node(b, "", "RMSNormalization", inputs, 2, 1);
  node_set_int(norm, "axis", op_param_i(node, "axis"));
  node_set_float(norm, "epsilon", op_param_f(node, "epsilon"));
  build_replace(b, node, build_done(b, norm));
  if (node_out(node, 1) != NULL) {
    int64_t axis = op_param_i(node, "axis");
    if (axis < 0) axis += inputs[0]->type.rank;
    build_replace_output(b, node, 1, inverse_rms(b, node, inputs[0], (int)axis));
  }
  return true;
}

/* ONNX Runtime counts it among ONNX's own, which never had it. */
const OpDef op_SimplifiedLayerNormalization = {
    .name = "SimplifiedLayerNormalization",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", -1),
            PARAM_FLOAT("epsilon", 1e-5F),
            PARAM_INT("stash_type", ONNXC_RT_F32),
            {0},
        },
    .infer = infer_simplified,
    .decompose = decompose_simplified,
};

/* ---- Gelu, BiasGelu, FastGelu, QuickGelu -------------------------------------------------------
 */

static bool infer_gelu(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  const char *name = node->op->name;
  bool takes_bias = strcmp(name, "BiasGelu") == 0 || strcmp(name, "FastGelu") == 0;
  if (!check_inputs(node, rules, takes_bias ? 2 : 1)) return false;
  const Type *x = input_type(node, 0);
  if (takes_bias && !check_broadcasts_to(node, 1, x->rank, x->dims)) return false;
  infer_output_type(node, 0, x);
  return true;
}

static Value *biased(Builder *b, const Node *node) {
  Value *x = node_in(node, 0), *bias = node_in(node, 1);
  return bias == NULL ? x : BUILD(b, "Add", x, bias);
}

static bool gelu(Builder *b, Node *node, const char *approximate) {
  Value *x = biased(b, node);
  Node *y = build_node(b, "", "Gelu", &x, 1, 1);
  node_set_string(y, "approximate", approximate);
  build_replace(b, node, build_done(b, y));
  return true;
}

static bool decompose_gelu(Builder *b, Node *node) {
  return gelu(b, node, "none");
}

static bool decompose_fast_gelu(Builder *b, Node *node) {
  return gelu(b, node, "tanh");
}

/* x * sigmoid(alpha * x) */
static bool decompose_quick_gelu(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  Value *slope = build_like(b, x, (double)op_param_f(node, "alpha"));
  Value *gate = BUILD(b, "Sigmoid", BUILD(b, "Mul", x, slope));
  build_replace(b, node, BUILD(b, "Mul", x, gate));
  return true;
}

#define GELU(name_, decompose_)                                                                    \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .infer = infer_gelu,                                                                         \
      .decompose = decompose_,                                                                     \
  }

GELU(Gelu, decompose_gelu);
GELU(BiasGelu, decompose_gelu);
GELU(FastGelu, decompose_fast_gelu);

const OpDef op_microsoft_QuickGelu = {
    .name = "QuickGelu",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_FLOAT("alpha", 1.702F), {0}},
    .infer = infer_gelu,
    .decompose = decompose_quick_gelu,
};

/* ---- QuantizeLinear, DequantizeLinear ----------------------------------------------------------
 * As ONNX has them, but older. */

#define DTS_QUANTIZED (DTS_BYTE | DT(U16) | DT(I16) | DT(U4) | DT(I4))

static bool check_quantization(const Node *node) {
  static const InputRule quantize[] = {
      INPUT_OF(DT(F32) | DT(F16), 0, "x", 0, MAX_RANK),
      INPUT_OF(DT(F32) | DT(F16), 1, "y_scale", 0, 1),
      INPUT_OPTIONAL_OF(DTS_QUANTIZED, 0, "y_zero_point", 0, 1),
  };
  static const InputRule dequantize[] = {
      INPUT_OF(DTS_QUANTIZED | DT(I32), 0, "x", 0, MAX_RANK),
      INPUT_OF(DT(F32) | DT(F16), 0, "x_scale", 0, 1),
      INPUT_OPTIONAL_OF(DTS_QUANTIZED | DT(I32), 1, "x_zero_point", 0, 1),
  };
  bool forth = node->op->name[0] == 'Q';
  return forth ? CHECK_INPUTS(node, quantize) : CHECK_INPUTS(node, dequantize);
}

static bool infer_as_onnx(Node *node) {
  return check_quantization(node) && op_find("", node->op->name)->infer(node);
}

static bool decompose_as_onnx(Builder *b, Node *node) {
  Value *inputs[3] = {node_in(node, 0), node_in(node, 1), node_in(node, 2)};
  Node *same = build_node(b, "", node->op->name, inputs, inputs[2] == NULL ? 2 : 3, 1);
  node_copy_attrs(same, node);
  build_replace(b, node, build_done(b, same));
  return true;
}

#define AS_ONNX(name_)                                                                             \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .params =                                                                                    \
          (const OpParam[]){                                                                       \
              PARAM_INT("axis", 1),                                                                \
              PARAM_INT("block_size", 0),                                                          \
              PARAM_INT("output_dtype", 0),                                                        \
              {0},                                                                                 \
          },                                                                                       \
      .infer = infer_as_onnx,                                                                      \
      .decompose = decompose_as_onnx,                                                              \
  }

AS_ONNX(QuantizeLinear);
AS_ONNX(DequantizeLinear);
