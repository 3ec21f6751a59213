#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "reference/dot.h"
#include "reference/element.h"

enum { Q, K, V, MASK, LENGTHS = 6, PLACE };

typedef struct Attention {
  const onnxc_rt_call *call;
  int64_t heads, kv_heads, q_len, kv_len, size, v_size;
  int64_t left, right; /* the window; -1: no bound */
  double scale, softcap;
  int64_t empty_rows;
  onnxc_rt_tensor weights; /* [kv_len] in the scratch */
} Attention;

static Attention attention_of(const onnxc_rt_call *call, int64_t *scores_dims) {
  const onnxc_rt_attr *attr = call->attr;
  const int64_t *q = call->in[Q].dims, *k = call->in[K].dims;
  Attention a = {.call = call, .heads = q[1], .kv_heads = k[1], .q_len = q[2], .kv_len = k[2]};
  a.size = q[3];
  a.v_size = call->in[V].dims[3];
  a.left = attr[2].i;
  a.right = attr[0].i != 0 ? 0 : attr[5].i;
  a.scale = attr[6].present ? attr[6].f : 1 / sqrt((double)a.size);
  a.softcap = attr[7].f;
  a.empty_rows = attr[9].i;
  scores_dims[0] = a.kv_len;
  a.weights = onnxc_rt_tensor_at(call->scratch, scores_dims, 1, ONNXC_RT_F64);
  return a;
}

static int64_t clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : x;
}

/* A number for sample `b`, or the one that serves all. */
static int64_t number_of(const onnxc_rt_tensor *x, int64_t b) {
  return onnxc_rt_load_i64(x, onnxc_rt_count(x) == 1 ? 0 : b);
}

/* The keys that query `i` may see by their places: [*first, *end). */
static void visible_keys(const Attention *a, int64_t b, int64_t i, int64_t *first, int64_t *end) {
  const onnxc_rt_call *call = a->call;
  const int64_t far = (int64_t)1 << 48;
  int64_t length = a->kv_len, place = 0;
  if (onnxc_rt_has_in(call, LENGTHS)) {
    length = clamp(number_of(&call->in[LENGTHS], b), -far, far);
    place = length - a->q_len;
  }
  if (onnxc_rt_has_in(call, PLACE)) place = clamp(number_of(&call->in[PLACE], b), -far, far);
  length = clamp(length, 0, a->kv_len);
  *first = a->left < 0 ? 0 : clamp(place + i - a->left, 0, length);
  *end = a->right < 0 ? length : clamp(place + i + a->right + 1, 0, length);
}

/* What the mask adds to the score of key `j`. */
static double mask_bias(const Attention *a, const int64_t *at, int64_t j) {
  const onnxc_rt_tensor *mask = &a->call->in[MASK];
  if (!onnxc_rt_has_in(a->call, MASK)) return 0;
  const int64_t index[4] = {at[0], at[1], at[2], j};
  int64_t place = 0;
  for (int axis = 0; axis < 4; axis++) {
    place = place * mask->dims[axis] + (mask->dims[axis] == 1 ? 0 : index[axis]);
  }
  const double value = onnxc_rt_load_f64(mask, place);
  if (mask->dtype != ONNXC_RT_BOOL) return value;
  return value != 0 ? 0 : -(double)INFINITY;
}

/* The scores of keys [first, end) into the weights; their maximum, or NaN when there is one.
 * `*seen`: whether the mask leaves any of them. */
static double score_row(const Attention *a, const int64_t *at, int64_t first, int64_t end,
                        int *seen) {
  const onnxc_rt_tensor *q = &a->call->in[Q], *k = &a->call->in[K];
  const int64_t kv_head = at[1] / (a->heads / a->kv_heads);
  const int64_t query = ((at[0] * a->heads + at[1]) * a->q_len + at[2]) * a->size;
  const int64_t keys = (at[0] * a->kv_heads + kv_head) * a->kv_len * a->size;
  double most = -(double)INFINITY, *scores = (double *)a->weights.data;
  *seen = 0;
  for (int64_t j = first; j < end; j++) {
    const onnxc_rt_line row = {q, query, 1, 0}, key = {k, keys + j * a->size, 1, 0};
    const double bias = mask_bias(a, at, j);
    double score = onnxc_rt_dot_f64(row, key, a->size) * a->scale;
    if (a->softcap != 0) score = tanh(score / a->softcap) * a->softcap;
    score += bias;
    /* next to large numbers that hide keys, scores must vanish as they do in sums of floats */
    scores[j] = q->dtype == ONNXC_RT_F64 ? score : (double)(float)score;
    *seen = *seen || !(isinf(bias) && bias < 0);
    if (scores[j] > most || isnan(scores[j])) most = scores[j];
  }
  return most;
}

static void attend_row(const Attention *a, const int64_t *at) {
  const onnxc_rt_tensor *v = &a->call->in[V], *y = &a->call->out[0];
  const int64_t kv_head = at[1] / (a->heads / a->kv_heads);
  const int64_t values = (at[0] * a->kv_heads + kv_head) * a->kv_len * a->v_size;
  const int64_t result = ((at[0] * a->heads + at[1]) * a->q_len + at[2]) * a->v_size;
  double sum = 0, *weights = (double *)a->weights.data;
  int64_t first, end;
  int seen;
  visible_keys(a, at[0], at[2], &first, &end);
  const double most = score_row(a, at, first, end, &seen);
  for (int64_t j = first; j < end; j++) sum += weights[j] = exp(weights[j] - most);
  if (!seen && (a->empty_rows != ONNXC_RT_EMPTY_NAN || a->kv_len == 0)) {
    first = 0; /* of nothing, or of all alike */
    end = a->empty_rows == ONNXC_RT_EMPTY_MEAN ? a->kv_len : 0;
    for (int64_t j = 0; j < end; j++) weights[j] = 1;
    sum = end == 0 ? 1 : (double)end;
  }
  for (int64_t c = 0; c < a->v_size; c++) {
    const onnxc_rt_line column = {v, values + first * a->v_size + c, a->v_size, 0};
    const onnxc_rt_line line = {&a->weights, first, 1, 0};
    onnxc_rt_store_f64(y, result + c, onnxc_rt_dot_f64(line, column, end - first) / sum);
  }
}

int onnxc_rt_ref_attention(const onnxc_rt_call *call) {
  int64_t dims[1];
  const Attention a = attention_of(call, dims);
  const int64_t rows = call->in[Q].dims[0] * a.heads * a.q_len;
  for (int64_t i = 0; i < rows; i++) {
    const int64_t at[3] = {i / a.q_len / a.heads, i / a.q_len % a.heads, i % a.q_len};
    attend_row(&a, at);
  }
  return ONNXC_RT_OK;
}
