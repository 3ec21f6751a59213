/* Scaled dot-product attention. Its core form (ops/heads.h) stays and is one step; the others
 * become that, or the products and the softmax that it is made of. */
#include "lower/lower.h"
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"
#include "ops/inline.h"

#include <math.h>

/* PLACE is the compiler's own: where the first query is among the keys. */
enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, KV_LENGTHS, PLACE };
enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };
enum { SCORES_RAW, SCORES_CAPPED, SCORES_BIASED, SCORES_SOFTMAX };

typedef struct Sizes {
  const Dim *batch, *q_len, *kv_len, *past, *total; /* total: of past and kv_len */
  const Dim *size, *v_size;                         /* of one head */
  int64_t q_heads, kv_heads;
  bool packed; /* the heads lie side by side in the last of three axes */
} Sizes;

/* ---- sizes -------------------------------------------------------------------------------------
 */

static bool read_heads(const Node *node, uint32_t input, const char *attr, int64_t *heads) {
  const Type *type = input_type(node, input);
  const Attr *given = node_attr(node, attr);
  if (type->rank == 4) {
    if (dim_is_const(type->dims[1], heads) && *heads > 0) return true;
    return node_error(node, DIAG_UNSUPPORTED,
                      "the number of heads, axis 1 of input %u, must be a "
                      "constant above 0",
                      input);
  }
  *heads = given == NULL ? 0 : given->i;
  if (*heads > 0 && *heads <= INT32_MAX) return true;
  return node_error(node, DIAG_INVALID, "attribute %s is needed with inputs of rank 3, above 0",
                    attr);
}

/* Size of one head of input `input`. */
static bool head_size(const Node *node, uint32_t input, int64_t heads, const Dim **size) {
  const Type *type = input_type(node, input);
  DimTable *t = infer_dims(node);
  *size =
      type->rank == 4 ? type->dims[3] : dim_divide_exactly(t, type->dims[2], dim_const(t, heads));
  if (*size != NULL) return true;
  return node_error(node, DIAG_INVALID, "%lld heads do not divide the last axis of input %u",
                    (long long)heads, input);
}

static bool read_sizes(const Node *node, Sizes *s) {
  const Type *q = input_type(node, Q), *k = input_type(node, K), *v = input_type(node, V);
  DimTable *t = infer_dims(node);
  if (k->rank != q->rank || v->rank != q->rank) {
    return node_error(node, DIAG_INVALID,
                      "inputs Q, K and V have ranks %d, %d and %d; they must be "
                      "equal",
                      q->rank, k->rank, v->rank);
  }
  if (!read_heads(node, Q, "q_num_heads", &s->q_heads)) return false;
  if (!read_heads(node, K, "kv_num_heads", &s->kv_heads)) return false;
  if (s->q_heads % s->kv_heads != 0) {
    return node_error(node, DIAG_INVALID, "%lld heads of Q do not share %lld heads of K evenly",
                      (long long)s->q_heads, (long long)s->kv_heads);
  }
  s->packed = q->rank == 3;
  int length = s->packed ? 1 : 2;
  s->batch = q->dims[0];
  s->q_len = q->dims[length];
  s->kv_len = k->dims[length];
  s->past = node_in(node, PAST_KEY) == NULL ? dim_const(t, 0) : input_type(node, PAST_KEY)->dims[2];
  s->total = dim_add(t, s->past, s->kv_len);
  const Dim *k_size;
  return head_size(node, Q, s->q_heads, &s->size) && head_size(node, K, s->kv_heads, &k_size) &&
         head_size(node, V, s->kv_heads, &s->v_size);
}

/* Dims of a tensor of `heads` heads with `length` rows of `size`. */
static void tensor_dims(const Node *node, const Sizes *s, int64_t heads, const Dim *length,
                        const Dim *size, const Dim **dims) {
  DimTable *t = infer_dims(node);
  int n = 0;
  dims[n++] = s->batch;
  if (!s->packed) dims[n++] = dim_const(t, heads);
  dims[n++] = length;
  dims[n++] = s->packed ? dim_mul_i(t, size, heads) : size;
}

static bool check_past(const Node *node, const Sizes *s) {
  bool key = node_in(node, PAST_KEY) != NULL, value = node_in(node, PAST_VALUE) != NULL;
  if (key != value) {
    return node_error(node, DIAG_INVALID, "past_key and past_value must be given together");
  }
  if (key && node_in(node, KV_LENGTHS) != NULL) {
    return node_error(node, DIAG_INVALID, "nonpad_kv_seqlen does not go with past_key");
  }
  if (!key) return true;
  Sizes apart = *s;
  apart.packed = false;
  const Dim *dims[4];
  tensor_dims(node, &apart, s->kv_heads, s->past, s->size, dims);
  if (!check_sizes(node, PAST_KEY, 4, dims, "[batch, heads, past, head size]")) return false;
  tensor_dims(node, &apart, s->kv_heads, s->past, s->v_size, dims);
  return check_sizes(node, PAST_VALUE, 4, dims, "[batch, heads, past, head size]");
}

/* The last axis of a mask may be shorter than the keys are; what is missing is masked. The number
 * of columns that are, or NULL for none: then it is as long, which may have to be checked. */
static const Dim *missing_columns(const Node *node, const Sizes *s) {
  const Type *mask = input_type(node, MASK);
  const Dim *missing = dim_sub(infer_dims(node), s->total, mask->dims[mask->rank - 1]);
  return missing->lo < 0 || dim_is(missing, 0) ? NULL : missing;
}

static bool check_mask(const Node *node, const Sizes *s) {
  const Type *mask = input_type(node, MASK);
  if (mask == NULL) return true;
  const Dim *last = mask->dims[mask->rank - 1];
  if (last->lo > s->total->hi) {
    return node_error(node, DIAG_INVALID, "attn_mask has more columns than there are keys");
  }
  if (missing_columns(node, s) == NULL) context_assume_equal(node->graph->ctx, last, s->total);
  DimTable *t = infer_dims(node);
  const Dim *dims[4] = {s->batch, dim_const(t, s->q_heads), s->q_len, last};
  return check_broadcasts_to(node, MASK, 4, dims);
}

static bool check_place(const Node *node, const Sizes *s) {
  const Type *place = input_type(node, PLACE);
  bool one = place == NULL || place->rank == 0 || dim_is(place->dims[0], 1);
  return one || check_size(node, PLACE, 0, s->batch, "the batch");
}

static bool check_inputs_fit(const Node *node, const Sizes *s) {
  const Dim *dims[4];
  int rank = s->packed ? 3 : 4;
  tensor_dims(node, s, s->kv_heads, s->kv_len, s->size, dims);
  if (!check_sizes(node, K, rank, dims, "that of Q")) return false;
  tensor_dims(node, s, s->kv_heads, s->kv_len, s->v_size, dims);
  if (!check_sizes(node, V, rank, dims, "that of K")) return false;
  if (node_in(node, KV_LENGTHS) != NULL &&
      !check_size(node, KV_LENGTHS, 0, s->batch, "the batch")) {
    return false;
  }
  return check_past(node, s) && check_mask(node, s) && check_place(node, s);
}

/* ---- inference ---------------------------------------------------------------------------------
 */

static bool check_softmax(const Node *node, const Sizes *s) {
  const Attr *precision = op_param_list(node, "softmax_precision");
  if (precision != NULL && !(DTS_FLOAT >> (precision->i & 31) & 1)) {
    return node_error(node, DIAG_INVALID,
                      "attribute softmax_precision is %lld, but must be one of "
                      "1, 10, 11, 16",
                      (long long)precision->i);
  }
  if (op_param_list(node, "scale") == NULL && !dim_is_const(s->size, NULL)) {
    return node_error(node, DIAG_UNSUPPORTED, "the head size must be constant; or set scale");
  }
  return true;
}

static bool check_attributes(const Node *node) {
  if (!(op_param_f(node, "softcap") >= 0)) {
    return node_error(node, DIAG_INVALID, "attribute softcap must not be negative");
  }
  return check_int(node, "qk_matmul_output_mode", SCORES_RAW, SCORES_SOFTMAX) &&
         check_int(node, "left_window_size", -1, INT32_MAX) &&
         check_int(node, "right_window_size", -1, INT32_MAX);
}

static bool infer_attention(Node *node) {
  static const InputRule rules[] = {
      INPUT("Q", 3, 4),
      INPUT("K", 3, 4),
      INPUT("V", 3, 4),
      INPUT_OPTIONAL("attn_mask", 1, 4),
      INPUT_OPTIONAL("past_key", 4, 4),
      INPUT_OPTIONAL("past_value", 4, 4),
      INPUT_OPTIONAL("nonpad_kv_seqlen", 1, 1),
      INPUT_OPTIONAL_OF(DT(I64), 0, "place", 0, 1),
  };
  Sizes s;
  if (!CHECK_INPUTS(node, rules) || !read_sizes(node, &s) || !check_inputs_fit(node, &s)) {
    return false;
  }
  if (!check_softmax(node, &s) || !check_attributes(node)) return false;
  const Type *q = input_type(node, Q), *v = input_type(node, V);
  const Dim *dims[4];
  tensor_dims(node, &s, s.q_heads, s.q_len, s.v_size, dims);
  infer_output(node, Y, q->dtype, q->rank, dims);
  s.packed = false;
  tensor_dims(node, &s, s.kv_heads, s.total, s.size, dims);
  infer_output(node, PRESENT_KEY, q->dtype, 4, dims);
  tensor_dims(node, &s, s.kv_heads, s.total, s.v_size, dims);
  infer_output(node, PRESENT_VALUE, v->dtype, 4, dims);
  tensor_dims(node, &s, s.q_heads, s.q_len, s.total, dims);
  infer_output(node, SCORES, q->dtype, 4, dims);
  return true;
}

static const Dim *attention_macs(const Node *node) {
  Sizes s;
  if (!read_sizes(node, &s)) return NULL;
  DimTable *t = infer_dims(node);
  const Dim *scores = dim_mul_i(t, dim_mul(t, s.batch, dim_mul(t, s.q_len, s.total)), s.q_heads);
  return dim_mul(t, scores, dim_add(t, s.size, s.v_size));
}

/* ---- the core form -----------------------------------------------------------------------------
 */

/* Whether softmax in the precision that is asked for is what the step computes, or less exact. */
static bool is_precise(const Node *node) {
  const Attr *precision = op_param_list(node, "softmax_precision");
  DType dtype = input_type(node, Q)->dtype;
  if (precision == NULL || (DType)precision->i == dtype) return true;
  return precision->i == ONNXC_RT_F32 && dtype != ONNXC_RT_F64;
}

static bool is_core_mask(const Node *node, const Sizes *s) {
  const Type *mask = input_type(node, MASK);
  if (mask == NULL) return true;
  bool typed = mask->dtype == ONNXC_RT_BOOL || mask->dtype == input_type(node, Q)->dtype;
  return typed && mask->rank == 4 && missing_columns(node, s) == NULL;
}

/* All but the mask is of the core form. */
static bool is_plain(const Node *node, const Sizes *s) {
  bool plain = !s->packed && node_in(node, PAST_KEY) == NULL &&
               input_type(node, V)->dtype == input_type(node, Q)->dtype;
  for (uint32_t i = PRESENT_KEY; i <= SCORES; i++) plain = plain && node_out(node, i) == NULL;
  return plain && is_precise(node);
}

static bool is_core(const Node *node, const Sizes *s) {
  return is_plain(node, s) && is_core_mask(node, s);
}

/* That of the reference kernel. */
static const Dim *attention_scratch(const Node *node) {
  return dim_mul_i(infer_dims(node), input_type(node, K)->dims[2], sizeof(double));
}

/* ---- lowering ----------------------------------------------------------------------------------
 */

/* Heads as the kernel reads them: in any strides, but with dense rows. */
static Operand heads_operand(Lowering *l, Value *x) {
  Operand operand = lower_operand(l, x);
  bool rows = dim_is(operand.strides[3], 1) || dim_is(operand.dims[3], 1);
  return rows ? operand : lower_dense(l, x);
}

static void mask_fields(Lowering *l, Step *step, Value *mask) {
  if (mask == NULL) return;
  Operand operand = lower_operand(l, mask);
  for (int i = 0; i < 4; i++) {
    if (dim_is(operand.dims[i], 1)) operand.strides[i] = dim_const(lower_context(l)->dims, 0);
  }
  bool truth = operand.dtype == ONNXC_RT_BOOL;
  kernel_input(l, step, truth ? "allowed" : "bias", operand);
  kernel_dims(l, step, "mask_stride", operand.strides, 4);
}

/* The place as a size; NULL: it is data, or not there. */
static const Dim *place_size(const Node *node) {
  uint32_t n;
  const Dim *const *contents =
      node_in(node, PLACE) == NULL ? NULL : infer_contents(node, PLACE, &n);
  return contents != NULL && n == 1 ? contents[0] : NULL;
}

static void place_fields(Lowering *l, Step *step, const Node *node, Operand lengths,
                         Operand places) {
  const Dim *size = place_size(node);
  if (lengths.buffer != NULL) kernel_input(l, step, "lengths", lengths);
  if (places.buffer != NULL) {
    kernel_input(l, step, "places", places);
    kernel_int(l, step, "each_place", places.rank == 1 && !dim_is(places.dims[0], 1));
  } else if (size != NULL) {
    kernel_dim(l, step, "place", size);
  } else if (lengths.buffer != NULL) {
    kernel_int(l, step, "at_end", 1);
  }
}

/* As much as pays, but no more than the scores would take, with what the product behind them needs,
 * whose operands need not be there any more when the results are. */
static ptrdiff_t scratch_room(const onnxc_rt_attention *a) {
  ptrdiff_t whole = onnxc_rt_attention_f32_scratch(a), least = onnxc_rt_attention_f32_least(a);
  double rows = (double)a->batch * (double)a->heads * (double)a->queries;
  double parts = rows * (double)(a->keys - a->v_size) +
                 (double)onnxc_rt_gemm_f32_scratch(a->queries, a->v_size, a->keys, 0);
  if (parts >= (double)whole) return whole;
  return parts > (double)least ? (ptrdiff_t)parts : least;
}

/* What is there at the upper bound of a size; larger ones are an error elsewhere. */
static ptrdiff_t most(const Dim *size) {
  return (ptrdiff_t)(size->hi < INT32_MAX / 4 ? size->hi : INT32_MAX / 4);
}

static void size_fields(Lowering *l, Step *step, const Node *node, const Sizes *s) {
  onnxc_rt_attention a = {.heads = (ptrdiff_t)s->q_heads, .kv_heads = (ptrdiff_t)s->kv_heads};
  a.batch = most(s->batch);
  a.queries = most(s->q_len);
  a.keys = most(s->kv_len);
  a.size = most(s->size);
  a.v_size = most(s->v_size);
  int64_t room = scratch_room(&a);
  kernel_dim(l, step, "batch", s->batch);
  kernel_int(l, step, "heads", s->q_heads);
  kernel_int(l, step, "kv_heads", s->kv_heads);
  kernel_dim(l, step, "queries", s->q_len);
  kernel_dim(l, step, "keys", s->kv_len);
  kernel_dim(l, step, "size", s->size);
  kernel_dim(l, step, "v_size", s->v_size);
  kernel_int(l, step, "room", room);
  kernel_scratch(l, step, "scratch", dim_const(infer_dims(node), room * (int64_t)sizeof(float)));
}

static void operand_fields(Lowering *l, Step *step, const char *name, const char *strides,
                           Operand operand, bool written) {
  (written ? kernel_output : kernel_input)(l, step, name, operand);
  kernel_dims(l, step, strides, operand.strides, 3);
}

static bool lower_attention(Lowering *l, Node *node) {
  Sizes s;
  if (input_type(node, Q)->dtype != ONNXC_RT_F32 || !read_sizes(node, &s)) return false;
  bool causal = op_param_i(node, "is_causal") != 0;
  const Attr *scale = op_param_list(node, "scale");
  Operand q = heads_operand(l, node_in(node, Q)), k = heads_operand(l, node_in(node, K));
  Operand v = heads_operand(l, node_in(node, V)), lengths = {0}, places = {0};
  if (node_in(node, KV_LENGTHS) != NULL) lengths = lower_dense(l, node_in(node, KV_LENGTHS));
  if (node_in(node, PLACE) != NULL && place_size(node) == NULL) {
    places = lower_dense(l, node_in(node, PLACE));
  }
  Step *step = lower_kernel(l, STEP_ATTENTION, "onnxc_rt_attention_f32", "onnxc_rt_attention");
  size_fields(l, step, node, &s);
  operand_fields(l, step, "q", "q_stride", q, false);
  operand_fields(l, step, "k", "k_stride", k, false);
  operand_fields(l, step, "v", "v_stride", v, false);
  operand_fields(l, step, "y", "y_stride", lower_output(l, node_out(node, Y)), true);
  mask_fields(l, step, node_in(node, MASK));
  place_fields(l, step, node, lengths, places);
  kernel_int(l, step, "left", op_param_i(node, "left_window_size"));
  kernel_int(l, step, "right", causal ? 0 : op_param_i(node, "right_window_size"));
  kernel_float(l, step, "scale", scale == NULL ? (float)(1 / sqrt((double)s.size->lo)) : scale->f);
  kernel_float(l, step, "softcap", op_param_f(node, "softcap"));
  kernel_int(l, step, "empty_rows", op_param_i(node, "empty_rows"));
  return true;
}

/* ---- decomposition -----------------------------------------------------------------------------
 */

/* attn_mask with a column for each key; NULL without one. */
static Value *whole_mask(Builder *b, const Node *node, const Sizes *s) {
  Value *mask = node_in(node, MASK), *q = node_in(node, Q);
  const Dim *missing = mask == NULL ? NULL : missing_columns(node, s);
  if (mask == NULL || missing == NULL) return mask;
  mask = mask->type.dtype == ONNXC_RT_BOOL ? heads_bias(b, mask, q)
                                           : compose_cast(b, mask, q->type.dtype);
  const Dim *pads[2] = {dim_const(infer_dims(node), 0), missing};
  return BUILD(b, "Pad", mask, build_dims(b, pads, 2), build_like(b, mask, -(double)INFINITY),
               build_ints(b, &(int64_t){-1}, 1));
}

static Value *with_past(Builder *b, const Node *node, uint32_t past, Value *x) {
  if (node_in(node, past) == NULL) return x;
  return compose_concat(b, (Value *[]){node_in(node, past), x}, 2, 2);
}

/* A node in core form. */
static Heads core_heads(const Node *node) {
  bool causal = op_param_i(node, "is_causal") != 0;
  Heads heads = {.scale = op_param_list(node, "scale"), .softcap = op_param_f(node, "softcap")};
  heads.left = op_param_i(node, "left_window_size");
  heads.right = causal ? 0 : op_param_i(node, "right_window_size");
  heads.q = node_in(node, Q);
  heads.k = node_in(node, K);
  heads.v = node_in(node, V);
  heads.mask = node_in(node, MASK);
  heads.lengths = node_in(node, KV_LENGTHS);
  heads.place = node_in(node, PLACE);
  return heads;
}

/* The node in core form, but for the precision of the softmax. */
static Heads heads_of(Builder *b, const Node *node, const Sizes *s) {
  Heads heads = core_heads(node);
  heads.q = heads_apart(b, node_in(node, Q), s->q_heads, s->size);
  heads.k = heads_apart(b, node_in(node, K), s->kv_heads, s->size);
  heads.v = heads_apart(b, node_in(node, V), s->kv_heads, s->v_size);
  heads.k = with_past(b, node, PAST_KEY, heads.k);
  heads.v = with_past(b, node, PAST_VALUE, heads.v);
  heads.mask = whole_mask(b, node, s);
  bool placed = heads.left >= 0 || heads.right >= 0;
  if (placed && !dim_is(s->past, 0)) heads.place = compose_size(b, s->past);
  return heads;
}

/* What is added to the scores, which may be minus infinity; NULL: nothing. */
static Value *total_bias(Builder *b, const Heads *heads) {
  Value *mask = heads->mask, *seen = heads_visible(b, heads);
  if (mask != NULL) {
    mask = mask->type.dtype == ONNXC_RT_BOOL ? heads_bias(b, mask, heads->q)
                                             : compose_cast(b, mask, heads->q->type.dtype);
  }
  if (seen == NULL) return mask;
  seen = heads_bias(b, seen, heads->q);
  return mask == NULL ? seen : BUILD(b, "Add", mask, seen);
}

static Value *scaled_scores(Builder *b, const Attr *scale, Value *q, Value *k) {
  int64_t size;
  if (scale == NULL) dim_is_const(q->type.dims[3], &size); /* check_softmax */
  return heads_scores(b, q, k, scale == NULL ? 1 / sqrt((double)size) : (double)scale->f);
}

/* The probabilities of a query that sees no key. */
static Value *empty_row(Builder *b, const Node *node, Value *softmax) {
  if (op_param_i(node, "empty_rows") == ONNXC_RT_EMPTY_ZERO) return build_like(b, softmax, 0);
  Value *keys = compose_size(b, softmax->type.dims[3]);
  return BUILD(b, "Reciprocal", compose_cast(b, keys, softmax->type.dtype));
}

static Value *probabilities(Builder *b, const Node *node, Value *scores, Value *bias) {
  const Attr *precision = op_param_list(node, "softmax_precision");
  DType dtype = scores->type.dtype;
  if (precision != NULL) scores = compose_cast(b, scores, (DType)precision->i);
  Value *softmax = compose_softmax(b, scores, 3);
  if (bias != NULL && op_param_i(node, "empty_rows") != ONNXC_RT_EMPTY_NAN) {
    Value *most = compose_reduce(b, "ReduceMax", bias, &(int64_t){-1}, 1);
    Value *none = BUILD(b, "Equal", most, build_like(b, most, -(double)INFINITY));
    softmax = BUILD(b, "Where", none, empty_row(b, node, softmax), softmax);
  }
  return compose_cast(b, softmax, dtype);
}

/* As products and softmax; gives the scores as the node wants them. */
static Value *in_parts(Builder *b, Node *node, const Heads *heads) {
  Value *stages[4], *bias = total_bias(b, heads);
  stages[SCORES_RAW] = scaled_scores(b, heads->scale, heads->q, heads->k);
  stages[SCORES_CAPPED] = heads_capped(b, stages[SCORES_RAW], (double)heads->softcap);
  stages[SCORES_BIASED] =
      bias == NULL ? stages[SCORES_CAPPED] : BUILD(b, "Add", stages[SCORES_CAPPED], bias);
  stages[SCORES_SOFTMAX] = probabilities(b, node, stages[SCORES_BIASED], bias);
  compose_give(b, node, SCORES, stages[op_param_i(node, "qk_matmul_output_mode")]);
  Value *v = compose_cast(b, heads->v, heads->k->type.dtype);
  return heads_product(b, stages[SCORES_SOFTMAX], v);
}

static bool decompose_attention(Builder *b, Node *node) {
  Sizes s;
  if (!read_sizes(node, &s) || is_core(node, &s)) return false;
  Heads heads = heads_of(b, node, &s);
  bool whole = node_out(node, SCORES) == NULL && is_precise(node);
  Value *y = whole ? heads_attend(b, &heads) : in_parts(b, node, &heads);
  compose_give(b, node, Y, s.packed ? heads_together(b, y) : y);
  compose_give(b, node, PRESENT_KEY, heads.k);
  compose_give(b, node, PRESENT_VALUE, heads.v);
  return true;
}

/* ---- as ONNX says it ---------------------------------------------------------------------------
 * In words that its first version has, and with a mask that says something of each query and each
 * key: not every tool broadcasts these axes. */

/* Which keys a query sees is all, or what is_causal says. */
static bool sees_in_words(const Heads *heads) {
  return heads->place == NULL && heads->lengths == NULL && heads->left < 0 && heads->right <= 0;
}

/* The mask with axes of one element made as long as the queries and the keys are. */
static Value *spread_mask(Builder *b, const Heads *heads, Value *mask) {
  const Type *type = &mask->type;
  const Dim *dims[4], *whole[] = {heads->q->type.dims[2], heads->k->type.dims[2]};
  bool spreads = false;
  for (int i = 0; i < type->rank; i++) {
    int axis = i - (type->rank - 2);
    bool one = axis >= 0 && dim_is(type->dims[i], 1) && type->dims[i] != whole[axis];
    dims[i] = one ? whole[axis] : type->dims[i];
    spreads = spreads || one;
  }
  return spreads ? BUILD(b, "Expand", mask, build_dims(b, dims, (uint32_t)type->rank)) : mask;
}

/* The mask with what else says which keys a query sees. */
static Value *standard_mask(Builder *b, const Heads *heads) {
  Value *mask = heads->mask;
  bool added = mask != NULL && mask->type.dtype != ONNXC_RT_BOOL;
  if (!sees_in_words(heads)) {
    mask = added ? total_bias(b, heads) : heads_both(b, mask, heads_visible(b, heads));
  }
  return mask == NULL ? NULL : spread_mask(b, heads, mask);
}

static bool standard_attention(Builder *b, Node *node) {
  Sizes s;
  if (!read_sizes(node, &s) || !is_plain(node, &s)) return false;
  Heads heads = core_heads(node);
  if (op_param_i(node, "empty_rows") != ONNXC_RT_EMPTY_ZERO) {
    build_replace(b, node, in_parts(b, node, &heads));
    return true;
  }
  Value *mask = standard_mask(b, &heads);
  if (mask == heads.mask && sees_in_words(&heads)) return false;
  heads.mask = mask;
  if (!sees_in_words(&heads)) heads.left = heads.right = -1;
  heads.lengths = heads.place = NULL;
  build_replace(b, node, heads_attend(b, &heads));
  return true;
}

const OpDef op_Attention = {
    .name = "Attention",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("is_causal", 0),
            PARAM_OPTIONAL("kv_num_heads", ATTR_INT),
            PARAM_INT("left_window_size", -1),
            PARAM_OPTIONAL("q_num_heads", ATTR_INT),
            PARAM_INT("qk_matmul_output_mode", SCORES_RAW),
            PARAM_INT("right_window_size", -1),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_FLOAT("softcap", 0),
            PARAM_OPTIONAL("softmax_precision", ATTR_INT),
            PARAM_INT("empty_rows", ONNXC_RT_EMPTY_ZERO), /* the compiler's own */
            {0},
        },
    .infer = infer_attention,
    OP_KERNEL(onnxc_rt_ref_attention),
    .flags = OP_STRIDED | OP_STORES_ROWS,
    .scratch = attention_scratch,
    .lower = lower_attention,
    .decompose = decompose_attention,
    .standard = standard_attention,
    .macs = attention_macs,
};

/* ---- FlexAttention -----------------------------------------------------------------------------
 * Attention without masks, whose scores and probabilities pass through subgraphs of the model. */

static DType flex_precision(const Node *node) {
  const Attr *precision = op_param_list(node, "softmax_precision");
  if (precision != NULL) return (DType)precision->i;
  DType dtype = input_type(node, Q)->dtype;
  return dtype == ONNXC_RT_F64 ? dtype : ONNXC_RT_F32;
}

static const Graph *modifier(const Node *node, const char *name) {
  const Attr *attr = node_attr(node, name);
  return attr == NULL ? NULL : attr->graph;
}

/* The subgraph turns a tensor into another one of the same type. */
static bool infer_modifier(const Node *node, const char *name, const Type *scores) {
  const Graph *body = modifier(node, name);
  if (body == NULL) return true;
  if (body->inputs.len != 1 || body->outputs.len != 1) {
    return node_error(node, DIAG_INVALID, "attribute %s must have one input and one output", name);
  }
  body->inputs.data[0]->type = *scores;
  if (!infer_graph(node_attr(node, name)->graph)) return false;
  const Type *type = &body->outputs.data[0]->type;
  if (type_equal(type, scores)) return true;
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_INVALID, "attribute %s gives %s, but must give %s", name,
                    type_text(arena, type), type_text(arena, scores));
}

static bool infer_flex_attention(Node *node) {
  static const InputRule rules[] = {INPUT("Q", 4, 4), INPUT("K", 4, 4), INPUT("V", 4, 4)};
  Sizes s;
  if (!check_inputs(node, rules, 3) || !read_sizes(node, &s) || !check_inputs_fit(node, &s)) {
    return false;
  }
  if (!check_softmax(node, &s)) return false;
  const Dim *dims[4];
  tensor_dims(node, &s, s.q_heads, s.q_len, s.kv_len, dims);
  Type scores = type_tensor(node->graph->ctx, flex_precision(node), 4, dims);
  if (!infer_modifier(node, "score_mod", &scores)) return false;
  if (!infer_modifier(node, "prob_mod", &scores)) return false;
  tensor_dims(node, &s, s.q_heads, s.q_len, s.v_size, dims);
  infer_output(node, Y, input_type(node, Q)->dtype, 4, dims);
  return true;
}

static Value *modified(Builder *b, const Node *node, const char *name, Value *x) {
  const Graph *body = modifier(node, name);
  if (body != NULL) build_inline(b, node, body, &x, &x);
  return x;
}

static bool decompose_flex_attention(Builder *b, Node *node) {
  Sizes s;
  if (!read_sizes(node, &s)) return false;
  Value *scores =
      scaled_scores(b, op_param_list(node, "scale"), node_in(node, Q), node_in(node, K));
  scores = compose_cast(b, scores, flex_precision(node));
  scores = modified(b, node, "score_mod", scores);
  Value *softmax = modified(b, node, "prob_mod", compose_softmax(b, scores, 3));
  softmax = compose_cast(b, softmax, input_type(node, Q)->dtype);
  build_replace(b, node, heads_product(b, softmax, node_in(node, V)));
  return true;
}

const OpDef op_preview_FlexAttention = {
    .name = "FlexAttention",
    .domain = "ai.onnx.preview",
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("prob_mod", ATTR_GRAPH),
            PARAM_OPTIONAL("scale", ATTR_FLOAT),
            PARAM_OPTIONAL("score_mod", ATTR_GRAPH),
            PARAM_OPTIONAL("softmax_precision", ATTR_INT),
            {0},
        },
    .infer = infer_flex_attention,
    .decompose = decompose_flex_attention,
    .macs = attention_macs,
};
