/* Attention as ONNX Runtime has it: Attention, MultiHeadAttention, DecoderMaskedMultiHeadAttention.
 * They differ in how the queries, keys and values come in; what masks them is alike. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };

typedef struct Sizes {
  const Dim *batch, *q_len, *kv_len;
  const Dim *past, *total;     /* total: of past and kv_len; or of the buffer that holds both */
  int64_t heads, size, v_size; /* size: of a head of Q and K */
} Sizes;

/* Where an operator has its inputs. */
typedef struct Inputs {
  uint32_t bias, mask, attention_bias;
  uint32_t past;        /* of keys; that of the values is behind it */
  uint32_t past_length; /* when it is there, keys and values are written into the past's buffer */
} Inputs;

/* ---- checks ------------------------------------------------------------------------------------
 */

static bool is_shared(const Node *node, const Inputs *in) {
  return node_in(node, in->past_length) != NULL;
}

/* Size of a head, `width` being the size of all. */
static bool head_size(const Node *node, const Dim *width, int64_t heads, int64_t *size) {
  int64_t all;
  if (!dim_is_const(width, &all)) {
    return node_error(node, DIAG_UNSUPPORTED, "the hidden sizes must be constant");
  }
  if (all > INT32_MAX) {
    return node_error(node, DIAG_LIMIT, "the hidden size %lld is over 2^31", (long long)all);
  }
  *size = all / heads;
  if (all > 0 && all % heads == 0) return true;
  return node_error(node, DIAG_INVALID, "%lld heads do not divide the hidden size %lld",
                    (long long)heads, (long long)all);
}

static const Dim *cumulative_size(DimTable *t, const Dim *batch) {
  return dim_add_i(t, dim_mul_i(t, batch, 3), 2);
}

/* Whether a mask of rank 1 holds where the keys of each sample end, and then where they start. */
static bool has_starts(const Node *node, const Type *mask, const Sizes *s) {
  return mask->dims[0] == dim_mul_i(infer_dims(node), s->batch, 2);
}

/* Whether a mask of rank 1 starts with the lengths, followed by sums of lengths. */
static bool has_sums(const Node *node, const Type *mask, const Sizes *s) {
  return mask->dims[0] == cumulative_size(infer_dims(node), s->batch);
}

/* A mask that was only written because the operator once needed one. */
static bool is_dummy(const Type *mask, const Sizes *s) {
  return mask->rank == 2 && dim_is(mask->dims[1], 1) && s->total != mask->dims[1];
}

static bool check_mask(const Node *node, const Inputs *in, const Sizes *s) {
  const Type *mask = input_type(node, in->mask);
  DimTable *t = infer_dims(node);
  if (mask == NULL || is_dummy(mask, s)) return true;
  const Dim *last = is_shared(node, in) ? mask->dims[mask->rank - 1] : s->total;
  const Dim *raw[3] = {s->batch, mask->rank == 3 ? s->q_len : last, last};
  const Dim *square[4] = {s->batch, dim_const(t, 1), mask->dims[mask->rank - 1],
                          mask->dims[mask->rank - 1]};
  switch (mask->rank) {
  case 1:
    if (has_starts(node, mask, s) || has_sums(node, mask, s)) return true;
    return check_size(node, in->mask, 0, s->batch, "the batch");
  case 4: return check_sizes(node, in->mask, 4, square, "[batch, 1, longest, longest]");
  default: return check_sizes(node, in->mask, mask->rank, raw, "[batch, (queries,) keys]");
  }
}

static bool check_attention_bias(const Node *node, const Inputs *in, const Sizes *s) {
  const Type *bias = input_type(node, in->attention_bias);
  if (bias == NULL) return true;
  const Dim *last = is_shared(node, in) ? bias->dims[3] : s->total;
  const Dim *dims[4] = {s->batch, dim_const(infer_dims(node), s->heads), s->q_len, last};
  return check_broadcasts_to(node, in->attention_bias, 4, dims);
}

/* ---- what is added to the scores ---------------------------------------------------------------
 */

static Value *slice_sizes(Builder *b, Value *x, int64_t axis, const Dim *start, const Dim *end) {
  return BUILD(b, "Slice", x, build_dims(b, &start, 1), build_dims(b, &end, 1),
               build_ints(b, &axis, 1));
}

/* Elements start.. of a vector, one for each sample, as [batch, 1, 1, 1]. */
static Value *each_sample(Builder *b, const Sizes *s, Value *vector, const Dim *start) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *one = dim_const(t, 1), *dims[4] = {s->batch, one, one, one};
  if (vector->type.dims[0] != s->batch) {
    vector = slice_sizes(b, vector, 0, start, dim_add(t, start, s->batch));
  }
  return compose_reshape(b, compose_cast(b, vector, ONNXC_RT_I64), dims, 4);
}

/* A mask of rank 1: the keys of a sample from a start, 0 without one, up to an end. */
static Value *in_range(Builder *b, const Node *node, const Sizes *s, Value *mask) {
  DimTable *t = infer_dims(node);
  Value *j = heads_places(b, s->total);
  Value *inside = BUILD(b, "Less", j, each_sample(b, s, mask, dim_const(t, 0)));
  if (!has_starts(node, &mask->type, s)) return inside;
  return heads_both(b, inside, BUILD(b, "GreaterOrEqual", j, each_sample(b, s, mask, s->batch)));
}

/* A mask with an element for each key, or each query and key, as [batch, 1, queries or 1, keys]. */
static Value *mask_matrix(Builder *b, const Sizes *s, Value *mask) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *const *d = mask->type.dims, *one = dim_const(t, 1);
  if (mask->type.rank == 4) {
    mask = slice_sizes(b, mask, 2, s->past, dim_add(t, s->past, s->q_len));
    return slice_sizes(b, mask, 3, dim_const(t, 0), s->total);
  }
  const Dim *dims[4] = {d[0], one, mask->type.rank == 3 ? d[1] : one, d[mask->type.rank - 1]};
  return compose_reshape(b, mask, dims, 4);
}

/* mask_filter_value for the keys that the mask hides; NULL: there are none. */
static Value *mask_bias(Builder *b, const Node *node, const Inputs *in, const Sizes *s,
                        const Value *like) {
  Value *mask = node_in(node, in->mask);
  if (mask == NULL || is_dummy(&mask->type, s)) return NULL;
  Value *allowed;
  if (mask->type.rank == 1) {
    allowed = in_range(b, node, s, mask);
  } else {
    mask = heads_padded(b, mask_matrix(b, s, mask), s->total);
    allowed = BUILD(b, "Greater", mask, build_like(b, mask, 0));
  }
  Value *hidden = build_like(b, like, (double)op_param_f(node, "mask_filter_value"));
  return BUILD(b, "Where", allowed, build_like(b, like, 0), hidden);
}

/* The number of keys before the first of the queries: as a scalar. */
static Value *keys_before(Builder *b, const Node *node, const Inputs *in, const Sizes *s) {
  Value *length = node_in(node, in->past_length);
  if (length == NULL) return compose_size(b, s->past);
  return compose_cast(b, compose_scalar(b, length), ONNXC_RT_I64);
}

/* The lowest finite number of the type of `like`, which ONNX Runtime hides later keys with. */
static Value *lowest(Builder *b, const Value *like) {
  switch (like->type.dtype) {
  case ONNXC_RT_F64: return build_like(b, like, -DBL_MAX);
  case ONNXC_RT_F16: return build_like(b, like, -65504);
  case ONNXC_RT_BF16: return build_like(b, like, -0x1.FEp127);
  default: return build_like(b, like, (double)-FLT_MAX);
  }
}

/* What the model adds to the scores; NULL: nothing. */
static Value *given_bias(Builder *b, const Node *node, const Inputs *in, const Sizes *s,
                         const Value *like) {
  Value *bias = mask_bias(b, node, in, s, like), *more = node_in(node, in->attention_bias);
  if (more == NULL) return bias;
  more = heads_padded(b, more, s->total);
  return bias == NULL ? more : BUILD(b, "Add", bias, more);
}

/* Hides keys by their places: those that do not exist, and later ones when it is causal. */
static void hide(Builder *b, const Node *node, const Inputs *in, const Sizes *s, bool causal,
                 Heads *heads) {
  if (causal && !(dim_is(s->q_len, 1) && !is_shared(node, in))) {
    heads->right = 0;
    heads->place = keys_before(b, node, in, s);
  } else if (is_shared(node, in)) {
    Value *length = BUILD(b, "Add", keys_before(b, node, in, s), compose_size(b, s->kv_len));
    heads->lengths = BUILD(b, "Expand", length, build_dims(b, &s->batch, 1));
  }
}

/* Whether a key can be hidden from a query by a mask as much as by its place, so that it matters
 * how much that is. */
static bool hides_alike(const Node *node, const Inputs *in) {
  const float far = -1e9F;
  bool masked = node_in(node, in->mask) != NULL && !(op_param_f(node, "mask_filter_value") > far);
  return masked || node_in(node, in->attention_bias) != NULL;
}

/* ---- the common course -------------------------------------------------------------------------
 */

/* `x`, [batch, heads, length, size], behind the past, or written into the past's buffer. */
static Value *with_past(Builder *b, const Node *node, const Inputs *in, const Sizes *s, Value *past,
                        Value *x) {
  if (past == NULL) return x;
  if (!is_shared(node, in)) return compose_concat(b, (Value *[]){past, x}, 2, 2);
  Value *at = BUILD(b, "Expand", keys_before(b, node, in, s), build_dims(b, &s->batch, 1));
  Node *scatter = build_node(b, "", "TensorScatter", (Value *[]){past, x, at}, 3, 1);
  node_set_int(scatter, "axis", 2);
  return build_done(b, scatter);
}

/* As products and softmax: [batch, heads, length, size]. Gives the scores. */
static Value *in_parts(Builder *b, Node *node, const Heads *heads) {
  double size = (double)heads->q->type.dims[3]->lo;
  double scale = heads->scale == NULL ? 1 / sqrt(size) : (double)heads->scale->f;
  Value *scores = heads_scores(b, heads->q, heads->k, scale);
  if (heads->mask != NULL) scores = BUILD(b, "Add", scores, heads->mask);
  compose_give(b, node, SCORES, scores);
  return heads_product(b, compose_softmax(b, scores, 3), heads->v);
}

/* Gives output Y, and the scores where the operator has them; q, k and v have their heads apart. */
static void attend(Builder *b, Node *node, const Inputs *in, const Sizes *s, bool causal, Value *q,
                   Value *k, Value *v) {
  const Attr *scale = op_param_list(node, "scale");
  Heads heads = {.q = q, .k = k, .v = v, .left = -1, .right = -1};
  heads.scale = scale == NULL || scale->f == 0 ? NULL : scale;
  heads.mask = given_bias(b, node, in, s, q);
  hide(b, node, in, s, causal, &heads);
  bool scored = node_out(node, SCORES) != NULL;
  if (scored || hides_alike(node, in)) {
    Value *seen = heads_visible(b, &heads), *like = heads.mask;
    if (seen != NULL && like == NULL) like = build_like(b, q, 0);
    if (seen != NULL) heads.mask = BUILD(b, "Where", seen, like, lowest(b, q));
    heads.lengths = heads.place = NULL;
    heads.right = -1;
  }
  Value *y = scored ? in_parts(b, node, &heads) : heads_attend(b, &heads);
  compose_give(b, node, Y, heads_together(b, y));
}

/* Three parts of the last axis, with these sizes for each head. */
static void split_heads(Builder *b, Value *x, const Sizes *s, Value **parts) {
  int64_t sizes[3] = {s->heads * s->size, s->heads * s->size, s->heads * s->v_size};
  Node *split = build_node(b, "", "Split", (Value *[]){x, build_ints(b, sizes, 3)}, 2, 3);
  node_set_int(split, "axis", -1);
  build_done(b, split);
  for (uint32_t i = 0; i < 3; i++) parts[i] = node_out(split, i);
}

/* ---- Attention ---------------------------------------------------------------------------------
 */

enum { X, WEIGHTS, BIAS, MASK, PAST, ATTENTION_BIAS, PAST_LENGTH };

static const Inputs attention_inputs = {BIAS, MASK, ATTENTION_BIAS, PAST, PAST_LENGTH};

/* Sizes of Q, K and V, all heads. */
static bool hidden_sizes(const Node *node, const Dim **sizes) {
  const Attr *given = op_param_list(node, "qkv_hidden_sizes");
  DimTable *t = infer_dims(node);
  const Dim *width = input_type(node, WEIGHTS)->dims[1], *sum = dim_const(t, 0);
  if (given == NULL || given->count == 0) {
    for (int i = 0; i < 3; i++) sizes[i] = dim_floordiv(t, width, dim_const(t, 3));
  } else {
    int64_t ints[3];
    if (!check_ints(node, "qkv_hidden_sizes", 3, 1, 0, ints)) return false;
    for (int i = 0; i < 3; i++) sizes[i] = dim_const(t, ints[i]);
  }
  for (int i = 0; i < 3; i++) sum = dim_add(t, sum, sizes[i]);
  if (sizes[0] != sizes[1]) {
    return node_error(node, DIAG_INVALID, "the hidden sizes of Q and K must be equal");
  }
  return check_size(node, WEIGHTS, 1, sum, "the sum of the hidden sizes") &&
         (node_in(node, BIAS) == NULL ||
          check_size(node, BIAS, 0, sum, "the sum of the hidden sizes"));
}

static bool attention_sizes(const Node *node, Sizes *s) {
  const Type *x = input_type(node, X), *past = input_type(node, PAST);
  DimTable *t = infer_dims(node);
  const Dim *hidden[3];
  s->heads = op_param_i(node, "num_heads");
  if (!check_int(node, "num_heads", 1, INT32_MAX) || !hidden_sizes(node, hidden)) return false;
  if (!head_size(node, hidden[0], s->heads, &s->size)) return false;
  if (!head_size(node, hidden[2], s->heads, &s->v_size)) return false;
  s->batch = x->dims[0];
  s->q_len = s->kv_len = x->dims[1];
  s->past = past == NULL ? dim_const(t, 0) : past->dims[3];
  s->total = is_shared(node, &attention_inputs) ? s->past : dim_add(t, s->past, s->kv_len);
  return true;
}

/* [key and value, batch, heads, length, size of one head] */
static void state_dims(const Node *node, const Sizes *s, const Dim *length, const Dim **dims) {
  DimTable *t = infer_dims(node);
  const Dim *all[5] = {dim_const(t, 2), s->batch, dim_const(t, s->heads), length,
                       dim_const(t, s->size)};
  for (int i = 0; i < 5; i++) dims[i] = all[i];
}

static bool check_state(const Node *node, const Sizes *s) {
  const Dim *dims[5];
  bool past = node_in(node, PAST) != NULL;
  state_dims(node, s, s->past, dims);
  if (past && !check_sizes(node, PAST, 5, dims, "[2, batch, heads, past, head size]")) return false;
  if ((past || node_out(node, 1) != NULL) && s->size != s->v_size) {
    return node_error(node, DIAG_INVALID, "a state needs equal hidden sizes of Q, K and V");
  }
  bool shared = op_param_i(node, "past_present_share_buffer") != 0;
  if (shared == is_shared(node, &attention_inputs) && (!shared || past)) return true;
  return node_error(node, DIAG_INVALID,
                    "past_present_share_buffer goes with past and past_sequence_length");
}

static bool infer_attention(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "input", 3, 3),
      INPUT_OF(DTS_FLOAT, 1, "weights", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "mask_index", 1, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past", 5, 5),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "attention_bias", 4, 4),
      INPUT_OPTIONAL_OF(DT(I32), 0, "past_sequence_length", 0, 1),
  };
  Sizes s;
  if (!CHECK_INPUTS(node, rules) || !attention_sizes(node, &s) || !check_state(node, &s)) {
    return false;
  }
  if (op_param_i(node, "do_rotary") != 0) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "do_rotary, which has no caches here, is not supported; use "
                      "MultiHeadAttention behind RotaryEmbedding");
  }
  const Type *x = input_type(node, X);
  if (!check_size(node, WEIGHTS, 0, x->dims[2], "the last axis of input")) return false;
  if (!check_number(node, PAST_LENGTH) || !check_mask(node, &attention_inputs, &s) ||
      !check_attention_bias(node, &attention_inputs, &s)) {
    return false;
  }
  const Dim *dims[5] = {s.batch, s.q_len, dim_const(infer_dims(node), s.heads * s.v_size)};
  infer_output(node, Y, x->dtype, 3, dims);
  state_dims(node, &s, s.total, dims);
  infer_output(node, 1, x->dtype, 5, dims);
  return true;
}

/* Keys (0) or values (1) of the past. */
static Value *part_of_past(Builder *b, const Node *node, int64_t part) {
  Value *past = node_in(node, PAST);
  return past == NULL ? NULL : BUILD(b, "Gather", past, build_i64(b, part));
}

static Value *joined_state(Builder *b, const Node *node, const Sizes *s, Value *k, Value *v) {
  const Dim *dims[5];
  state_dims(node, s, s->total, dims);
  dims[0] = dim_const(infer_dims(node), 1);
  Value *parts[2] = {compose_reshape(b, k, dims, 5), compose_reshape(b, v, dims, 5)};
  return compose_concat(b, parts, 2, 0);
}

static bool decompose_attention(Builder *b, Node *node) {
  const Inputs *in = &attention_inputs;
  Sizes s;
  if (!attention_sizes(node, &s)) return false;
  DimTable *t = infer_dims(node);
  const Dim *size = dim_const(t, s.size), *v_size = dim_const(t, s.v_size);
  Value *qkv[3], *all = BUILD(b, "MatMul", node_in(node, X), node_in(node, WEIGHTS));
  if (node_in(node, BIAS) != NULL) all = BUILD(b, "Add", all, node_in(node, BIAS));
  split_heads(b, all, &s, qkv);
  Value *q = heads_apart(b, qkv[0], s.heads, size);
  Value *k =
      with_past(b, node, in, &s, part_of_past(b, node, 0), heads_apart(b, qkv[1], s.heads, size));
  Value *v =
      with_past(b, node, in, &s, part_of_past(b, node, 1), heads_apart(b, qkv[2], s.heads, v_size));
  if (node_out(node, 1) != NULL) {
    build_replace_output(b, node, 1, joined_state(b, node, &s, k, v));
  }
  attend(b, node, in, &s, op_param_i(node, "unidirectional") != 0, q, k, v);
  return true;
}

const OpDef op_microsoft_Attention = {
    .name = "Attention",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("do_rotary", 0),
            PARAM_FLOAT("mask_filter_value", -10000),
            PARAM_REQUIRED("num_heads", ATTR_INT),
            PARAM_INT("past_present_share_buffer", 0),
            PARAM_OPTIONAL("qkv_hidden_sizes", ATTR_INTS),
            PARAM_INT("rotary_embedding_dim", 0),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_INT("unidirectional", 0),
            {0},
        },
    .infer = infer_attention,
    .decompose = decompose_attention,
};

/* ---- MultiHeadAttention, DecoderMaskedMultiHeadAttention ---------------------------------------
 */

enum { Q, K, V };

/* How keys and values come: each of rank 3, or with their heads apart; in K, packed in the last but
 * one of five axes; in Q likewise; or in Q, one behind the other in the last of three axes. */
typedef enum Layout { APART, HEADS, PACKED_KV, PACKED_QKV, JOINED_QKV } Layout;

static const Inputs multi_head_inputs = {3, 4, 5, 6, 8}, decoder_inputs = {10, 3, 4, 5, 7};

static bool is_decoder(const Node *node) {
  return strcmp(node->op->name, "DecoderMaskedMultiHeadAttention") == 0;
}

static const Inputs *inputs_of(const Node *node) {
  return is_decoder(node) ? &decoder_inputs : &multi_head_inputs;
}

static Layout layout_of(const Node *node) {
  const Type *k = input_type(node, K);
  if (input_type(node, Q)->rank == 5) return PACKED_QKV;
  if (k == NULL) return JOINED_QKV;
  return k->rank == 5 ? PACKED_KV : k->rank == 4 ? HEADS : APART;
}

/* The ranks and the absence of inputs that each layout asks for. */
static bool check_layout(const Node *node, Layout layout) {
  static const struct {
    int q, k, v; /* ranks; 0: absent */
  } ranks[] = {{3, 3, 3}, {3, 4, 4}, {3, 5, 0}, {5, 0, 0}, {3, 0, 0}};
  for (uint32_t i = 0; i < 3; i++) {
    const Type *type = input_type(node, i);
    int rank = i == Q ? ranks[layout].q : i == K ? ranks[layout].k : ranks[layout].v;
    if ((type == NULL ? 0 : type->rank) == rank) continue;
    return node_error(node, DIAG_INVALID,
                      "query, key and value must be of rank 3; or key and value of rank 4; or key "
                      "alone or query alone packed, of rank 5");
  }
  if (layout != JOINED_QKV || is_decoder(node)) return true;
  return node_error(node, DIAG_INVALID, "input key is required but missing");
}

/* Sizes of one head. */
static bool read_head_sizes(const Node *node, Layout layout, Sizes *s) {
  const Type *q = input_type(node, Q), *k = input_type(node, K), *v = input_type(node, V);
  int64_t in_q = layout == JOINED_QKV ? s->heads * 3 : s->heads;
  if (layout == PACKED_QKV) {
    if (!head_size(node, q->dims[4], 1, &s->size)) return false;
  } else if (!head_size(node, q->dims[2], in_q, &s->size)) {
    return false;
  }
  s->v_size = s->size;
  if (layout == HEADS) return head_size(node, v->dims[3], 1, &s->v_size);
  if (layout == PACKED_KV) return head_size(node, k->dims[4], 1, &s->v_size);
  return layout != APART || head_size(node, v->dims[2], s->heads, &s->v_size);
}

static bool multi_head_sizes(const Node *node, Layout layout, Sizes *s) {
  const Inputs *in = inputs_of(node);
  const Type *q = input_type(node, Q), *k = input_type(node, K), *past = input_type(node, in->past);
  DimTable *t = infer_dims(node);
  s->heads = op_param_i(node, "num_heads");
  if (!check_int(node, "num_heads", 1, INT32_MAX) || !read_head_sizes(node, layout, s))
    return false;
  s->batch = q->dims[0];
  s->q_len = q->dims[1];
  s->kv_len = k == NULL ? s->q_len : k->dims[layout == HEADS ? 2 : 1];
  s->past = past == NULL ? dim_const(t, 0) : past->dims[2];
  s->total = is_shared(node, in) ? s->past : dim_add(t, s->past, s->kv_len);
  return true;
}

/* Sizes of inputs query, key and value; `key`: those of the last of these. */
static bool check_qkv(const Node *node, Layout layout, const Sizes *s) {
  DimTable *t = infer_dims(node);
  const Dim *heads = dim_const(t, s->heads), *size = dim_const(t, s->size);
  const Dim *packed[5] = {s->batch, s->kv_len, heads, dim_const(t, 3), size};
  if (layout == PACKED_QKV) {
    return check_sizes(node, Q, 5, packed, "[batch, length, heads, 3, head size]");
  }
  packed[3] = dim_const(t, 2);
  if (layout == PACKED_KV) {
    return check_sizes(node, K, 5, packed, "[batch, length, heads, 2, head size]");
  }
  const Dim *apart[4] = {s->batch, heads, s->kv_len, size};
  const Dim *joined[3] = {s->batch, s->kv_len, dim_const(t, s->heads * s->size)};
  for (uint32_t i = K; i <= V && layout != JOINED_QKV; i++) {
    bool fits = layout == HEADS
                    ? check_sizes(node, i, 4, apart, "[batch, heads, length, head size]")
                    : check_sizes(node, i, 3, joined, "[batch, length, hidden size]");
    if (!fits) return false;
    apart[3] = dim_const(t, s->v_size);
    joined[2] = dim_const(t, s->heads * s->v_size);
  }
  return true;
}

static bool check_pasts(const Node *node, Layout layout, const Sizes *s) {
  const Inputs *in = inputs_of(node);
  DimTable *t = infer_dims(node);
  bool key = node_in(node, in->past) != NULL, value = node_in(node, in->past + 1) != NULL;
  if (key != value || (key && layout == HEADS) || (!key && is_shared(node, in))) {
    return node_error(node, DIAG_INVALID,
                      "past_key and past_value must be given together, not with keys that have "
                      "their heads apart, and with past_sequence_length");
  }
  if (!key) return true;
  const Dim *dims[4] = {s->batch, dim_const(t, s->heads), s->past, dim_const(t, s->size)};
  if (!check_sizes(node, in->past, 4, dims, "[batch, heads, past, head size]")) return false;
  dims[3] = dim_const(t, s->v_size);
  return check_sizes(node, in->past + 1, 4, dims, "[batch, heads, past, head size]");
}

static bool check_multi_head(const Node *node, Layout layout, const Sizes *s) {
  const Inputs *in = inputs_of(node);
  const Dim *sum = dim_const(infer_dims(node), s->heads * (2 * s->size + s->v_size));
  if (node_in(node, in->bias) != NULL &&
      !check_size(node, in->bias, 0, sum, "the sum of the hidden sizes")) {
    return false;
  }
  if (node_in(node, 9) != NULL) { /* in both operators */
    return node_error(node, DIAG_UNSUPPORTED, "beams (input cache_indirection) are not supported");
  }
  return check_qkv(node, layout, s) && check_pasts(node, layout, s) &&
         check_number(node, in->past_length) && check_mask(node, in, s) &&
         check_attention_bias(node, in, s);
}

static bool multi_head_rules(const Node *node) {
  static const InputRule multi_head[] = {
      INPUT_OF(DTS_FLOAT, 0, "query", 3, 5),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "key", 3, 5),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "value", 3, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "key_padding_mask", 1, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "attention_bias", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_key", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_value", 4, 4),
      INPUT_OPTIONAL_OF(DT(I32), 0, "past_sequence_length", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "cache_indirection", 3, 3),
  };
  static const InputRule decoder[] = {
      INPUT_OF(DTS_FLOAT, 0, "query", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "key", 3, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "value", 3, 4),
      INPUT_OPTIONAL_OF(DT(I32), 0, "mask_index", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "attention_bias", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_key", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_value", 4, 4),
      INPUT_OPTIONAL_OF(DT(I32), 0, "past_sequence_length", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "beam_width", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "cache_indirection", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  if (!is_decoder(node)) return CHECK_INPUTS(node, multi_head);
  const Dim *one = dim_const(infer_dims(node), 1);
  return CHECK_INPUTS(node, decoder) && check_size(node, Q, 1, one, "the number of queries");
}

static bool infer_multi_head(Node *node) {
  if (!multi_head_rules(node)) return false;
  Layout layout = layout_of(node);
  Sizes s;
  if (!check_layout(node, layout) || !multi_head_sizes(node, layout, &s) ||
      !check_multi_head(node, layout, &s)) {
    return false;
  }
  DimTable *t = infer_dims(node);
  DType dtype = input_type(node, Q)->dtype;
  const Dim *dims[4] = {s.batch, s.q_len, dim_const(t, s.heads * s.v_size)};
  infer_output(node, Y, dtype, 3, dims);
  const Dim *key[4] = {s.batch, dim_const(t, s.heads), s.total, dim_const(t, s.size)};
  infer_output(node, PRESENT_KEY, dtype, 4, key);
  key[3] = dim_const(t, s.v_size);
  infer_output(node, PRESENT_VALUE, dtype, 4, key);
  const Dim *scores[4] = {s.batch, dim_const(t, s.heads), s.q_len, s.total};
  infer_output(node, SCORES, dtype, 4, scores);
  return true;
}

/* Part `part` of the axis before the last, as [batch, length, heads * size]. */
static Value *unpacked(Builder *b, Value *x, int64_t part) {
  DimTable *t = b->graph->ctx->dims;
  const Dim *const *d = x->type.dims;
  const Dim *dims[3] = {d[0], d[1], dim_mul(t, d[2], d[4])};
  Node *gather = build_node(b, "", "Gather", (Value *[]){x, build_i64(b, part)}, 2, 1);
  node_set_int(gather, "axis", 3);
  return compose_reshape(b, build_done(b, gather), dims, 3);
}

/* Q, K and V as [batch, length, heads * size], or with their heads apart already. */
static void take_apart(Builder *b, const Node *node, Layout layout, const Sizes *s, Value **qkv) {
  Value *q = node_in(node, Q), *k = node_in(node, K);
  if (layout == JOINED_QKV) {
    split_heads(b, q, s, qkv);
    return;
  }
  qkv[Q] = layout == PACKED_QKV ? unpacked(b, q, 0) : q;
  for (int64_t i = K; i <= V; i++) {
    qkv[i] = layout == PACKED_QKV  ? unpacked(b, q, i)
             : layout == PACKED_KV ? unpacked(b, k, i - 1)
                                   : node_in(node, (uint32_t)i);
  }
}

/* Keys whose heads are apart were projected, with their bias, before. */
static void add_bias(Builder *b, const Node *node, Layout layout, const Sizes *s, Value **qkv) {
  Value *bias = node_in(node, inputs_of(node)->bias), *parts[3];
  if (bias == NULL) return;
  split_heads(b, bias, s, parts);
  int n = layout == HEADS ? 1 : 3;
  for (int i = 0; i < n; i++) qkv[i] = BUILD(b, "Add", qkv[i], parts[i]);
}

static bool decompose_multi_head(Builder *b, Node *node) {
  const Inputs *in = inputs_of(node);
  Layout layout = layout_of(node);
  Sizes s;
  Value *qkv[3];
  if (!multi_head_sizes(node, layout, &s)) return false;
  DimTable *t = infer_dims(node);
  take_apart(b, node, layout, &s, qkv);
  add_bias(b, node, layout, &s, qkv);
  for (int i = 0; i < 3; i++) {
    qkv[i] = heads_apart(b, qkv[i], s.heads, dim_const(t, i == V ? s.v_size : s.size));
  }
  Value *k = with_past(b, node, in, &s, node_in(node, in->past), qkv[K]);
  Value *v = with_past(b, node, in, &s, node_in(node, in->past + 1), qkv[V]);
  compose_give(b, node, PRESENT_KEY, k);
  compose_give(b, node, PRESENT_VALUE, v);
  bool causal = !is_decoder(node) && op_param_i(node, "unidirectional") != 0;
  attend(b, node, in, &s, causal, qkv[Q], k, v);
  return true;
}

const OpDef op_microsoft_MultiHeadAttention = {
    .name = "MultiHeadAttention",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("mask_filter_value", -10000),
            PARAM_REQUIRED("num_heads", ATTR_INT),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_INT("unidirectional", 0),
            {0},
        },
    .infer = infer_multi_head,
    .decompose = decompose_multi_head,
};

const OpDef op_microsoft_DecoderMaskedMultiHeadAttention = {
    .name = "DecoderMaskedMultiHeadAttention",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("mask_filter_value", -10000),
            PARAM_REQUIRED("num_heads", ATTR_INT),
            PARAM_INT("output_qk", 0),
            PARAM_INT("past_present_share_buffer", 0),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            {0},
        },
    .infer = infer_multi_head,
    .decompose = decompose_multi_head,
};
