/* GroupQueryAttention: causal attention over a cache of keys and values, several heads of the
 * queries sharing one of these. The samples of a batch may have got different numbers of tokens, so
 * where the new ones go, and what they see, is data. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, PAST_KEY, PAST_VALUE, LAST_PLACES, TOTAL, COS, SIN, PLACES, BIAS, SINK, K_SCALE };
enum { V_SCALE = K_SCALE + 1, Q_NORM, K_NORM, NEW_TOKENS };
enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };
enum { NO_SCORES, SCORES_BEFORE, SCORES_AFTER }; /* attribute qk_output: softmax */

typedef struct Sizes {
  const Dim *batch, *length;
  const Dim *total; /* total_sequence_length; NULL: not known while compiling */
  const Dim *room;  /* tokens that the cache has place for behind the node */
  int64_t q_heads, kv_heads, size;
  bool packed; /* Q, K and V one behind the other in the last axis of Q */
} Sizes;

/* ---- inference ---------------------------------------------------------------------------------
 */

/* The cache grows to total_sequence_length, or is that long already. Where that is not known while
 * compiling, the model says by the shape of present_key whether the past is the whole cache. */
static const Dim *cache_room(const Node *node, const Dim *length, const Dim *total) {
  DimTable *t = infer_dims(node);
  const Type *past = input_type(node, PAST_KEY);
  if (past == NULL) return length;
  if (total != NULL) return dim_max(t, past->dims[2], total);
  const Value *present = node_out(node, PRESENT_KEY);
  const Type *declared = present == NULL ? NULL : present->declared;
  bool whole = declared != NULL && declared->kind == TYPE_TENSOR && declared->rank == 4 &&
               declared->dims[2] == past->dims[2];
  return whole ? past->dims[2] : dim_add(t, past->dims[2], length);
}

static bool read_sizes(const Node *node, Sizes *s) {
  const Type *q = input_type(node, Q);
  int64_t width;
  if (!check_int(node, "num_heads", 1, INT32_MAX)) return false;
  if (!check_int(node, "kv_num_heads", 1, INT32_MAX)) return false;
  s->q_heads = op_param_i(node, "num_heads");
  s->kv_heads = op_param_i(node, "kv_num_heads");
  s->packed = node_in(node, K) == NULL;
  int64_t heads = s->packed ? s->q_heads + 2 * s->kv_heads : s->q_heads;
  if (s->q_heads % s->kv_heads != 0) {
    return node_error(node, DIAG_INVALID, "%lld heads of Q do not share %lld heads of K evenly",
                      (long long)s->q_heads, (long long)s->kv_heads);
  }
  if (!dim_is_const(q->dims[2], &width)) {
    return node_error(node, DIAG_UNSUPPORTED, "the last axis of query must be constant");
  }
  if (width > INT32_MAX) {
    return node_error(node, DIAG_LIMIT, "the last axis of query, %lld, is over 2^31",
                      (long long)width);
  }
  if (width == 0 || width % heads != 0) {
    return node_error(node, DIAG_INVALID, "%lld heads do not divide the last axis of query, %lld",
                      (long long)heads, (long long)width);
  }
  s->size = width / heads;
  s->batch = q->dims[0];
  s->length = q->dims[1];
  uint32_t n;
  const Dim *const *total = infer_contents(node, TOTAL, &n);
  s->total = total == NULL || n != 1 ? NULL : total[0];
  s->room = cache_room(node, s->length, s->total);
  return true;
}

static bool check_kv(const Node *node, const Sizes *s) {
  DimTable *t = infer_dims(node);
  if ((node_in(node, V) == NULL) != s->packed) {
    return node_error(node, DIAG_INVALID, "key and value must be given together");
  }
  const Dim *dims[3] = {s->batch, s->length, dim_const(t, s->kv_heads * s->size)};
  for (uint32_t i = K; i <= V && !s->packed; i++) {
    if (!check_sizes(node, i, 3, dims, "[batch, length, heads * head size]")) return false;
  }
  if ((node_in(node, PAST_KEY) == NULL) != (node_in(node, PAST_VALUE) == NULL)) {
    return node_error(node, DIAG_INVALID, "past_key and past_value must be given together");
  }
  if (node_in(node, PAST_KEY) == NULL) return true;
  const Dim *past[4] = {s->batch, dim_const(t, s->kv_heads), input_type(node, PAST_KEY)->dims[2],
                        dim_const(t, s->size)};
  return check_sizes(node, PAST_KEY, 4, past, "[batch, heads, past, head size]") &&
         check_sizes(node, PAST_VALUE, 4, past, "[batch, heads, past, head size]");
}

static bool check_rotary(const Node *node, const Sizes *s) {
  if (op_param_i(node, "do_rotary") == 0) return true;
  if (node_in(node, COS) == NULL || node_in(node, SIN) == NULL) {
    return node_error(node, DIAG_INVALID, "do_rotary needs cos_cache and sin_cache");
  }
  const Dim *places[2] = {s->batch, s->length}, *const *cache = input_type(node, COS)->dims;
  if (node_in(node, PLACES) != NULL && !check_sizes(node, PLACES, 2, places, "[batch, length]")) {
    return false;
  }
  int64_t half;
  if (!check_sizes(node, SIN, 2, cache, "that of cos_cache")) return false;
  if (dim_is_const(cache[1], &half) && half >= 1 && half <= s->size / 2) return true;
  return node_error(node, DIAG_INVALID,
                    "the caches must have at most half the head size, %lld, in "
                    "a row",
                    (long long)s->size);
}

static bool check_vector(const Node *node, uint32_t i, const Dim *size, const char *meaning) {
  return node_in(node, i) == NULL || check_size(node, i, 0, size, meaning);
}

static bool check_rest(const Node *node, const Sizes *s) {
  DimTable *t = infer_dims(node);
  const Dim *size = dim_const(t, s->size), *heads = dim_const(t, s->q_heads);
  if ((node_in(node, Q_NORM) == NULL) != (node_in(node, K_NORM) == NULL)) {
    return node_error(node, DIAG_INVALID, "q_norm_weight and k_norm_weight must be given together");
  }
  if (node_in(node, BIAS) != NULL) {
    const Dim *dims[4] = {s->batch, heads, s->length, input_type(node, BIAS)->dims[3]};
    if (!check_broadcasts_to(node, BIAS, 4, dims)) return false;
  }
  if (node_out(node, SCORES) != NULL && s->total == NULL) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "output_qk needs a total_sequence_length that sizes or constants give");
  }
  return check_size(node, LAST_PLACES, 0, s->batch, "the batch") && check_number(node, TOTAL) &&
         check_vector(node, NEW_TOKENS, s->batch, "the batch") &&
         check_vector(node, SINK, heads, "num_heads") &&
         check_vector(node, Q_NORM, size, "the head size") &&
         check_vector(node, K_NORM, size, "the head size");
}

static bool check_supported(const Node *node) {
  bool quantised = strcmp(op_param_s(node, "k_quant_type"), "NONE") != 0 ||
                   strcmp(op_param_s(node, "v_quant_type"), "NONE") != 0;
  if (quantised || node_in(node, K_SCALE) != NULL || node_in(node, V_SCALE) != NULL) {
    return node_error(node, DIAG_UNSUPPORTED, "quantised caches are not supported");
  }
  if (op_param_i(node, "sliding_window_cache") != 0) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "sliding_window_cache is not supported; use a cache for all tokens");
  }
  if (!(op_param_f(node, "softcap") >= 0)) {
    return node_error(node, DIAG_INVALID, "attribute softcap must not be negative");
  }
  if (op_param_i(node, "local_window_size") == 0) {
    return node_error(node, DIAG_INVALID, "attribute local_window_size must not be 0");
  }
  return check_int(node, "local_window_size", -1, INT32_MAX) && check_int(node, "causal", 0, 1) &&
         check_int(node, "qk_output", NO_SCORES, SCORES_AFTER);
}

static bool infer_group_query(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "query", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "key", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "value", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_key", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "past_value", 4, 4),
      INPUT_OF(DT(I32), 0, "seqlens_k", 1, 1),
      INPUT_OF(DT(I32), 0, "total_sequence_length", 0, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "cos_cache", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "sin_cache", 2, 2),
      INPUT_OPTIONAL_OF(DT(I64), 0, "position_ids", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "attention_bias", 4, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "head_sink", 1, 1),
      INPUT_OPTIONAL_OF(DT(F32), 0, "k_scale", 0, 4),
      INPUT_OPTIONAL_OF(DT(F32), 0, "v_scale", 0, 4),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "q_norm_weight", 1, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "k_norm_weight", 1, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "query_seqlens", 1, 1),
  };
  Sizes s;
  if (!CHECK_INPUTS(node, rules) || !check_supported(node) || !read_sizes(node, &s)) return false;
  if (!check_kv(node, &s) || !check_rotary(node, &s) || !check_rest(node, &s)) return false;
  DimTable *t = infer_dims(node);
  DType dtype = input_type(node, Q)->dtype;
  const Dim *y[3] = {s.batch, s.length, dim_const(t, s.q_heads * s.size)};
  const Dim *cache[4] = {s.batch, dim_const(t, s.kv_heads), s.room, dim_const(t, s.size)};
  const Dim *scores[4] = {s.batch, dim_const(t, s.q_heads), s.length, s.total};
  infer_output(node, Y, dtype, 3, y);
  infer_output(node, PRESENT_KEY, dtype, 4, cache);
  infer_output(node, PRESENT_VALUE, dtype, 4, cache);
  if (s.total != NULL) infer_output(node, SCORES, dtype, 4, scores);
  return true;
}

/* ---- decomposition: places ---------------------------------------------------------------------
 */

/* For each sample the tokens in the cache behind this node. */
static Value *tokens(Builder *b, const Node *node) {
  Value *last = compose_cast(b, node_in(node, LAST_PLACES), ONNXC_RT_I64);
  return BUILD(b, "Add", last, build_i64(b, 1));
}

/* For each sample the tokens in the cache before: without a past none, also of a shorter sample. */
static Value *tokens_before(Builder *b, const Node *node, const Sizes *s) {
  if (node_in(node, PAST_KEY) == NULL) {
    return BUILD(b, "Expand", build_i64(b, 0), build_dims(b, &s->batch, 1));
  }
  Value *added = node_in(node, NEW_TOKENS);
  if (added != NULL) {
    return BUILD(b, "Sub", tokens(b, node), compose_cast(b, added, ONNXC_RT_I64));
  }
  Value *before = BUILD(b, "Sub", tokens(b, node), compose_size(b, s->length));
  return BUILD(b, "Max", before, build_i64(b, 0));
}

/* Numbers for each sample, as [batch, 1, 1, 1] or, of rank 2, [batch, 1]. */
static Value *per_sample(Builder *b, const Sizes *s, Value *x, int rank) {
  const Dim *one = dim_const(b->graph->ctx->dims, 1), *dims[4] = {s->batch, one, one, one};
  return compose_reshape(b, x, dims, rank);
}

/* ---- decomposition: heads ----------------------------------------------------------------------
 */

/* Q, K and V with their heads apart. */
static void take_apart(Builder *b, const Node *node, const Sizes *s, Value **qkv) {
  const Dim *size = dim_const(infer_dims(node), s->size);
  for (uint32_t i = Q; i <= V; i++) qkv[i] = node_in(node, i);
  if (s->packed) {
    int64_t sizes[3] = {s->q_heads * s->size, s->kv_heads * s->size, s->kv_heads * s->size};
    Node *split = build_node(b, "", "Split", (Value *[]){qkv[Q], build_ints(b, sizes, 3)}, 2, 3);
    node_set_int(split, "axis", -1);
    build_done(b, split);
    for (uint32_t i = Q; i <= V; i++) qkv[i] = node_out(split, i);
  }
  for (uint32_t i = Q; i <= V; i++) {
    qkv[i] = heads_apart(b, qkv[i], i == Q ? s->q_heads : s->kv_heads, size);
  }
}

static Value *normalised(Builder *b, const Node *node, uint32_t weight, const char *own, Value *x) {
  if (node_in(node, weight) == NULL) return x;
  const Attr *epsilon = op_param_list(node, own);
  Node *norm = build_node(b, "", "RMSNormalization", (Value *[]){x, node_in(node, weight)}, 2, 1);
  node_set_float(norm, "epsilon",
                 epsilon == NULL ? op_param_f(node, "qk_norm_epsilon") : epsilon->f);
  return build_done(b, norm);
}

static Value *turned(Builder *b, const Node *node, const Sizes *s, Value *x, Value *before) {
  if (op_param_i(node, "do_rotary") == 0) return x;
  Value *places = node_in(node, PLACES);
  if (places == NULL) {
    places = BUILD(b, "Add", heads_places(b, s->length), per_sample(b, s, before, 2));
  }
  Value *inputs[4] = {x, node_in(node, COS), node_in(node, SIN), places};
  Node *rotary = build_node(b, "", "RotaryEmbedding", inputs, 4, 1);
  node_set_int(rotary, "interleaved", op_param_i(node, "rotary_interleaved"));
  node_set_int(rotary, "rotary_embedding_dim", 2 * inputs[1]->type.dims[1]->lo);
  return build_done(b, rotary);
}

/* The new keys or values written into the cache. */
static Value *cached(Builder *b, const Node *node, const Sizes *s, uint32_t past, Value *x,
                     Value *before) {
  Value *cache = node_in(node, past);
  if (cache == NULL) return x;
  DimTable *t = infer_dims(node);
  const Dim *missing = dim_sub(t, s->room, cache->type.dims[2]);
  if (!dim_is(missing, 0)) {
    const Dim *pads[2] = {dim_const(t, 0), missing};
    cache = BUILD(b, "Pad", cache, build_dims(b, pads, 2), build_like(b, cache, 0),
                  build_ints(b, &(int64_t){2}, 1));
  }
  Node *scatter = build_node(b, "", "TensorScatter", (Value *[]){cache, x, before}, 3, 1);
  node_set_int(scatter, "axis", 2);
  return build_done(b, scatter);
}

/* ---- decomposition: scores ---------------------------------------------------------------------
 */

/* With a sink exp(sink) is part of the softmax's sum. */
static bool has_sink(const Node *node) {
  return node_in(node, SINK) != NULL || op_param_i(node, "smooth_softmax") == 1;
}

/* softmax * sigmoid(log(sum of exp) - sink) */
static Value *probabilities(Builder *b, const Node *node, const Sizes *s, Value *scores) {
  Value *softmax = compose_softmax(b, scores, 3), *sink = node_in(node, SINK);
  if (!has_sink(node)) return softmax;
  Value *sum = compose_reduce(b, "ReduceLogSumExp", scores, &(int64_t){-1}, 1);
  if (sink != NULL) {
    DimTable *t = infer_dims(node);
    const Dim *one = dim_const(t, 1), *dims[3] = {dim_const(t, s->q_heads), one, one};
    sum = BUILD(b, "Sub", sum, compose_reshape(b, sink, dims, 3));
  }
  return BUILD(b, "Mul", softmax, BUILD(b, "Sigmoid", sum));
}

/* Those before or after the softmax, of the tokens that there are at most; others are 0. */
static void give_scores(Builder *b, Node *node, const Sizes *s, Value *scores, Value *seen,
                        Value *softmax) {
  if (node_out(node, SCORES) == NULL) return;
  Value *given = softmax;
  if (op_param_i(node, "qk_output") == SCORES_BEFORE) {
    given = BUILD(b, "Where", seen, scores, build_like(b, scores, 0));
  }
  const Dim *zero = dim_const(infer_dims(node), 0);
  if (s->total != s->room) {
    given = BUILD(b, "Slice", given, build_dims(b, &zero, 1), build_dims(b, &s->total, 1),
                  build_ints(b, &(int64_t){3}, 1));
  }
  build_replace_output(b, node, SCORES, given);
}

/* As products and softmax. */
static Value *in_parts(Builder *b, Node *node, const Sizes *s, const Heads *heads) {
  double scale = heads->scale == NULL ? 1 / sqrt((double)s->size) : (double)heads->scale->f;
  Value *scores =
      heads_capped(b, heads_scores(b, heads->q, heads->k, scale), (double)heads->softcap);
  if (heads->mask != NULL) scores = BUILD(b, "Add", scores, heads->mask);
  Value *seen = heads_visible(b, heads);
  Value *masked = BUILD(b, "Add", scores, heads_bias(b, seen, heads->q));
  Value *softmax = probabilities(b, node, s, masked);
  give_scores(b, node, s, scores, seen, softmax);
  return heads_product(b, softmax, heads->v);
}

/* A query sees the tokens up to its own, or all. */
static void hide(Builder *b, const Node *node, Value *before, Heads *heads) {
  heads->left = heads->right = -1;
  if (op_param_i(node, "causal") == 0) {
    heads->lengths = tokens(b, node);
    return;
  }
  int64_t window = op_param_i(node, "local_window_size");
  heads->place = before;
  heads->right = 0;
  if (window >= 0) heads->left = window - 1;
}

static bool decompose_group_query(Builder *b, Node *node) {
  Sizes s;
  Value *qkv[3];
  if (!read_sizes(node, &s)) return false;
  const Attr *scale = op_param_list(node, "scale");
  Heads heads = {.softcap = op_param_f(node, "softcap")};
  Value *before = tokens_before(b, node, &s), *bias = node_in(node, BIAS);
  take_apart(b, node, &s, qkv);
  Value *k = normalised(b, node, K_NORM, "k_norm_epsilon", qkv[K]);
  heads.q = normalised(b, node, Q_NORM, "q_norm_epsilon", qkv[Q]);
  heads.q = turned(b, node, &s, heads.q, before);
  heads.k = cached(b, node, &s, PAST_KEY, turned(b, node, &s, k, before), before);
  heads.v = cached(b, node, &s, PAST_VALUE, qkv[V], before);
  heads.scale = scale == NULL || scale->f == 0 ? NULL : scale;
  if (bias != NULL) heads.mask = heads_padded(b, bias, s.room);
  hide(b, node, before, &heads);
  bool whole = !has_sink(node) && node_out(node, SCORES) == NULL;
  Value *y = whole ? heads_attend(b, &heads) : in_parts(b, node, &s, &heads);
  compose_give(b, node, Y, heads_together(b, y));
  compose_give(b, node, PRESENT_KEY, heads.k);
  compose_give(b, node, PRESENT_VALUE, heads.v);
  return true;
}

const OpDef op_microsoft_GroupQueryAttention = {
    .name = "GroupQueryAttention",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("causal", 1),
            PARAM_INT("do_rotary", 0),
            PARAM_OPTIONAL("k_norm_epsilon", ATTR_FLOAT),
            PARAM_STRING("k_quant_type", "NONE"),
            PARAM_INT("kv_cache_bit_width", 0),
            PARAM_REQUIRED("kv_num_heads", ATTR_INT),
            PARAM_INT("local_window_size", -1),
            PARAM_REQUIRED("num_heads", ATTR_INT),
            PARAM_OPTIONAL("q_norm_epsilon", ATTR_FLOAT),
            PARAM_FLOAT("qk_norm_epsilon", 1e-6F),
            PARAM_INT("qk_output", NO_SCORES),
            PARAM_INT("rotary_interleaved", 0),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_INT("sliding_window_cache", 0),
            PARAM_INT("smooth_softmax", -1),
            PARAM_FLOAT("softcap", 0),
            PARAM_STRING("v_quant_type", "NONE"),
            {0},
        },
    .infer = infer_group_query,
    .decompose = decompose_group_query,
};
