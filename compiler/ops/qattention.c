/* QAttention of ONNX Runtime: Attention whose projection is a product of quantised matrices. */
#include "ops/check.h"
#include "ops/compose.h"

enum { X, WEIGHTS, BIAS, X_SCALE, W_SCALE, MASK, X_ZERO, W_ZERO, PAST };

/* ---- checks ------------------------------------------------------------------------------------
 */

/* The size of a head, once the weights are known to have Q, K and V side by side. */
static bool head_size(const Node *node, int64_t *size) {
  int64_t width, heads = op_param_i(node, "num_heads");
  if (!check_int(node, "num_heads", 1, INT32_MAX)) return false;
  if (!dim_is_const(input_type(node, WEIGHTS)->dims[1], &width)) {
    return node_error(node, DIAG_UNSUPPORTED, "the hidden size must be constant");
  }
  *size = width / 3 / heads;
  if (*size > 0 && width == *size * heads * 3) return true;
  return node_error(node, DIAG_INVALID, "axis 1 of weight, %lld, is not three times %lld heads",
                    (long long)width, (long long)heads);
}

/* One number, or one for each column of the weights. */
static bool check_columns(const Node *node, uint32_t i) {
  const Type *type = input_type(node, i);
  return type == NULL || is_number(type) ||
         check_size(node, i, 0, input_type(node, WEIGHTS)->dims[1], "one for each column");
}

static bool check_projection(const Node *node) {
  const Type *x = input_type(node, X), *w = input_type(node, WEIGHTS);
  return check_size(node, WEIGHTS, 0, x->dims[2], "the last axis of input") &&
         check_size(node, BIAS, 0, w->dims[1], "one for each column") &&
         check_number(node, X_SCALE) && check_number(node, X_ZERO) &&
         check_columns(node, W_SCALE) && check_columns(node, W_ZERO) &&
         check_scale(node, X_SCALE) && check_scale(node, W_SCALE);
}

static bool check_attributes(const Node *node) {
  static const char *const absent[] = {"do_rotary", "past_present_share_buffer"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
    if (op_param_i(node, absent[i]) == 0) continue;
    return node_error(node, DIAG_UNSUPPORTED, "attribute %s is not supported", absent[i]);
  }
  return true;
}

/* [key and value, batch, heads, length, size of a head] */
static void state_dims(const Node *node, int64_t size, const Dim *length, const Dim **dims) {
  DimTable *t = infer_dims(node);
  dims[0] = dim_const(t, 2);
  dims[1] = input_type(node, X)->dims[0];
  dims[2] = dim_const(t, op_param_i(node, "num_heads"));
  dims[3] = length;
  dims[4] = dim_const(t, size);
}

static bool infer_qattention(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_BYTE, 0, "input", 3, 3),
      INPUT_OF(DTS_BYTE, 0, "weight", 2, 2),
      INPUT_OF(DT(F32), 0, "bias", 1, 1),
      INPUT_OF(DT(F32), 0, "input_scale", 0, 1),
      INPUT_OF(DT(F32), 0, "weight_scale", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "mask_index", 1, 3),
      INPUT_OPTIONAL_OF(DTS_BYTE, 1 + X, "input_zero_point", 0, 1),
      INPUT_OPTIONAL_OF(DTS_BYTE, 1 + WEIGHTS, "weight_zero_point", 0, 1),
      INPUT_OPTIONAL_OF(DT(F32), 0, "past", 5, 5),
  };
  int64_t size = 0;
  if (!CHECK_INPUTS(node, rules) || !check_attributes(node)) return false;
  if (!check_projection(node) || !head_size(node, &size)) return false;
  const Type *x = input_type(node, X), *past = input_type(node, PAST);
  DimTable *t = infer_dims(node);
  const Dim *before = past == NULL ? dim_const(t, 0) : past->dims[3], *dims[5];
  state_dims(node, size, before, dims);
  if (past != NULL && !check_sizes(node, PAST, 5, dims, "[2, batch, heads, past, head size]")) {
    return false;
  }
  state_dims(node, size, dim_add(t, before, x->dims[1]), dims);
  infer_output(node, 1, ONNXC_RT_F32, 5, dims);
  const Dim *y[3] = {x->dims[0], x->dims[1], dim_const(t, size * op_param_i(node, "num_heads"))};
  infer_output(node, 0, ONNXC_RT_F32, 3, y);
  return true;
}

/* ---- decomposition -----------------------------------------------------------------------------
 */

/* Queries, keys and values in f32, all heads of each side by side. */
static void project(Builder *b, const Node *node, Value **qkv) {
  Value *inputs[7] = {node_in(node, X),       node_in(node, WEIGHTS), node_in(node, X_SCALE),
                      node_in(node, W_SCALE), node_in(node, X_ZERO),  node_in(node, W_ZERO),
                      node_in(node, BIAS)};
  Value *all = build_done(b, build_node(b, "com.microsoft", "MatMulIntegerToFloat", inputs, 7, 1));
  Node *split = build_node(b, "", "Split", &all, 1, 3);
  node_set_int(split, "axis", 2);
  node_set_int(split, "num_outputs", 3);
  build_done(b, split);
  for (uint32_t i = 0; i < 3; i++) qkv[i] = node_out(split, i);
}

/* Keys (0) or values (1) of the past; NULL without one. */
static Value *part_of_past(Builder *b, const Node *node, int64_t part) {
  Value *past = node_in(node, PAST);
  return past == NULL ? NULL : BUILD(b, "Gather", past, build_i64(b, part));
}

static Value *joined(Builder *b, Value *key, Value *value) {
  Value *zero = build_ints(b, &(int64_t){0}, 1);
  Value *parts[2] = {BUILD(b, "Unsqueeze", key, zero), BUILD(b, "Unsqueeze", value, zero)};
  return compose_concat(b, parts, 2, 0);
}

static bool decompose_qattention(Builder *b, Node *node) {
  static const char *const same[] = {"num_heads", "unidirectional", "mask_filter_value", "scale"};
  Value *qkv[3];
  project(b, node, qkv);
  Value *inputs[8] = {qkv[0],
                      qkv[1],
                      qkv[2],
                      NULL,
                      node_in(node, MASK),
                      NULL,
                      part_of_past(b, node, 0),
                      part_of_past(b, node, 1)};
  Node *attention = build_node(b, "com.microsoft", "MultiHeadAttention", inputs,
                               inputs[6] != NULL   ? 8
                               : inputs[4] != NULL ? 5
                                                   : 3,
                               3);
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    const Attr *attr = node_attr(node, same[i]);
    if (attr != NULL) node_set_attr(attention, *attr);
  }
  build_done(b, attention);
  if (node_out(node, 1) != NULL) {
    build_replace_output(b, node, 1, joined(b, node_out(attention, 1), node_out(attention, 2)));
  }
  compose_give(b, node, 0, node_out(attention, 0));
  return true;
}

const OpDef op_microsoft_QAttention = {
    .name = "QAttention",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_REQUIRED("num_heads", ATTR_INT),
            PARAM_INT("unidirectional", 0),
            PARAM_FLOAT("mask_filter_value", -10000),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_INT("do_rotary", 0),
            PARAM_INT("past_present_share_buffer", 0),
            {0},
        },
    .infer = infer_qattention,
    .decompose = decompose_qattention,
};
