/* Attention whose state does not grow, and the convolution that models put in front of it. */
#include "onnxc_rt_reference.h"
#include "ops/builder.h"
#include "ops/check.h"

#include <string.h>

/* ---- LinearAttention ---------------------------------------------------------------------------
 */

static const InputRule attention_inputs[] = {
    INPUT("query", 3, 3),          INPUT("key", 3, 3),
    INPUT("value", 3, 3),          INPUT_OPTIONAL("past_state", 4, 4),
    INPUT_OPTIONAL("decay", 3, 3), INPUT_OPTIONAL("beta", 3, 3),
};

/* A packed size in equal parts; NULL: reported. */
static const Dim *head_size(const Node *node, uint32_t i, int64_t heads) {
  DimTable *t = infer_dims(node);
  const Dim *whole = input_type(node, i)->dims[2], *n = dim_const(t, heads);
  const Dim *size = dim_divide_exactly(t, whole, n);
  if (size != NULL) return size;
  if (!dim_is_const(whole, NULL)) return dim_floordiv(t, whole, n);
  node_error(node, DIAG_INVALID, "input %u does not divide into %lld heads", i, (long long)heads);
  return NULL;
}

/* The rule says which of decay and beta it needs. */
static bool check_gates(const Node *node, const Dim *per_key, const Dim *heads) {
  const char *rule = op_param_s(node, "update_rule");
  bool decays = strncmp(rule, "gated", 5) == 0, corrects = strstr(rule, "delta") != NULL;
  const Type *decay = input_type(node, 4), *beta = input_type(node, 5);
  DimTable *t = infer_dims(node);
  if ((decays && decay == NULL) || (corrects && beta == NULL)) {
    return node_error(node, DIAG_INVALID, "the update rule needs decay or beta, which is absent");
  }
  bool decay_fits = decay == NULL || !dim_never_equal(t, decay->dims[2], heads) ||
                    !dim_never_equal(t, decay->dims[2], per_key);
  bool beta_fits =
      beta == NULL || dim_is(beta->dims[2], 1) || !dim_never_equal(t, beta->dims[2], heads);
  return (decay_fits && beta_fits) ||
         node_error(node, DIAG_INVALID, "decay or beta has another number of heads");
}

static bool linear_attention_infer(Node *node) {
  if (!CHECK_INPUTS(node, attention_inputs)) return false;
  if (!check_choice(node, "update_rule", "linear gated delta gated_delta")) return false;
  int64_t heads = op_param_i(node, "q_num_heads"), kv_heads = op_param_i(node, "kv_num_heads");
  if (kv_heads < 1 || heads < kv_heads || heads % kv_heads != 0) {
    return node_error(node, DIAG_INVALID, "%lld query heads do not share %lld key heads",
                      (long long)heads, (long long)kv_heads);
  }
  DimTable *t = infer_dims(node);
  const Type *query = input_type(node, 0);
  const Dim *dk = head_size(node, 0, heads), *dv = head_size(node, 2, kv_heads);
  if (dk == NULL || dv == NULL) return false;
  const Dim *n = dim_const(t, kv_heads), *per_key = dim_mul(t, dk, n);
  const Dim *batch = query->dims[0], *length = query->dims[1];
  const Dim *keys[3] = {batch, length, per_key}, *values[3] = {batch, length, dim_mul(t, dv, n)};
  const Dim *state[4] = {batch, n, dk, dv};
  bool fits = check_sizes(node, 1, 3, keys, "what the query asks") &&
              check_sizes(node, 2, 3, values, "what the query asks") &&
              (node_in(node, 3) == NULL || check_sizes(node, 3, 4, state, "the state's size")) &&
              check_gates(node, per_key, n);
  if (!fits) return false;
  const Dim *out[3] = {batch, length, dim_mul_i(t, dv, heads)};
  const Type *past = input_type(node, 3);
  infer_output(node, 0, query->dtype, 3, out);
  infer_output(node, 1, past == NULL ? query->dtype : past->dtype, 4, state);
  return true;
}

static const Dim *linear_attention_scratch(const Node *node) {
  DimTable *t = infer_dims(node);
  const Dim *dk = head_size(node, 0, op_param_i(node, "q_num_heads"));
  const Dim *dv = head_size(node, 2, op_param_i(node, "kv_num_heads"));
  return dim_mul_i(t, dim_mul(t, dim_add_i(t, dk, 1), dv), 8);
}

static const OpParam linear_attention_params[] = {PARAM_REQUIRED("kv_num_heads", ATTR_INT),
                                                  PARAM_REQUIRED("q_num_heads", ATTR_INT),
                                                  PARAM_FLOAT("scale", 0),
                                                  PARAM_STRING("update_rule", "gated_delta"),
                                                  PARAM_INT("chunk_size", 64),
                                                  {0}};

const OpDef op_LinearAttention = {
    .name = "LinearAttention",
    .domain = "",
    .params = linear_attention_params,
    .infer = linear_attention_infer,
    OP_KERNEL(onnxc_rt_ref_linear_attention),
    .scratch = linear_attention_scratch,
};

/* ---- CausalConvWithState -----------------------------------------------------------------------
 */

static const InputRule conv_inputs[] = {
    INPUT("input", 3, 3),
    INPUT("weight", 3, 3),
    INPUT_OPTIONAL("bias", 1, 1),
    INPUT_OPTIONAL("past_state", 3, 3),
};

static void state_sizes(const Node *node, const Dim **sizes) {
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  sizes[0] = x->dims[0];
  sizes[1] = x->dims[1];
  sizes[2] = dim_add_i(infer_dims(node), w->dims[2], -1);
}

static bool causal_conv_infer(Node *node) {
  if (!CHECK_INPUTS(node, conv_inputs)) return false;
  if (!check_choice(node, "activation", "none silu swish")) return false;
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  const Dim *state[3], *one = dim_const(infer_dims(node), 1);
  if (w->dims[2]->hi < 1) return node_error(node, DIAG_INVALID, "the kernel is empty");
  state_sizes(node, state);
  const Dim *weight[3] = {x->dims[1], one, w->dims[2]};
  bool fits = check_sizes(node, 1, 3, weight, "one kernel a channel") &&
              (node_in(node, 2) == NULL || check_size(node, 2, 0, x->dims[1], "the channels")) &&
              (node_in(node, 3) == NULL || check_sizes(node, 3, 3, state, "the state's size"));
  if (!fits) return false;
  if (!dim_is_const(x->dims[1], NULL)) {
    return node_error(node, DIAG_UNSUPPORTED, "the number of channels must be constant");
  }
  infer_output(node, 0, x->dtype, 3, x->dims);
  infer_output(node, 1, x->dtype, 3, state);
  return true;
}

/* The convolution of the state and the input behind it; the new state is the end of both. */
static bool causal_conv_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0), *w = node_in(node, 1), *past = node_in(node, 3);
  const Dim *state[3];
  int64_t channels;
  state_sizes(node, state);
  dim_is_const(x->type.dims[1], &channels);
  if (past == NULL) past = BUILD(b, "Expand", build_like(b, x, 0), build_dims(b, state, 3));
  Node *concat = build_node(b, "", "Concat", (Value *[]){past, x}, 2, 1);
  node_set_int(concat, "axis", 2);
  Value *line = build_done(b, concat);
  uint32_t n = node_in(node, 2) == NULL ? 2 : 3;
  Node *conv = build_node(b, "", "Conv", (Value *[]){line, w, node_in(node, 2)}, n, 1);
  node_set_int(conv, "group", channels);
  Value *y = build_done(b, conv);
  if (strcmp(op_param_s(node, "activation"), "none") != 0) y = BUILD(b, "Swish", y);
  if (node_out(node, 1) != NULL) {
    Value *start = build_dims(b, &x->type.dims[2], 1), *axis = build_ints(b, &(int64_t){2}, 1);
    Value *end = build_ints(b, &(int64_t){INT64_MAX}, 1);
    build_replace_output(b, node, 1, BUILD(b, "Slice", line, start, end, axis));
  }
  build_replace(b, node, y);
  return true;
}

const OpDef op_CausalConvWithState = {
    .name = "CausalConvWithState",
    .domain = "",
    .params = (const OpParam[]){PARAM_STRING("activation", "none"), {0}},
    .infer = causal_conv_infer,
    .decompose = causal_conv_decompose,
};
