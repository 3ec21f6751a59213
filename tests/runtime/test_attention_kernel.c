/* Attention against its definition in double, over every kind of mask and place. */
#include "runtime/kernels.h"

VARIANTS(onnxc_rt_attention_f32, onnxc_rt_attention)

typedef struct Case {
  onnxc_rt_attention a;
  ptrdiff_t q_count, k_count, v_count, y_count, mask_count;
  float *q, *k, *v, *bias;
  uint8_t *allowed;
  int64_t lengths[4], places[4];
} Case;

static double bias_of(const onnxc_rt_attention *a, ptrdiff_t at) {
  if (a->bias != NULL) return (double)a->bias[at];
  return a->allowed == NULL || a->allowed[at] != 0 ? 0 : -(double)INFINITY;
}

static bool is_visible(const onnxc_rt_attention *a, ptrdiff_t sample, ptrdiff_t i, ptrdiff_t j) {
  int64_t length = a->lengths == NULL ? a->keys : a->lengths[sample], place = a->place;
  if (a->places != NULL) place = a->places[a->each_place ? sample : 0];
  if (a->at_end) place = length - a->queries;
  return j < length && (a->left < 0 || j >= place + i - a->left) &&
         (a->right < 0 || j <= place + i + a->right);
}

/* The weights of a row of keys, 0 for those that are hidden. */
static void weigh(const onnxc_rt_attention *a, const ptrdiff_t at[3], double *weights) {
  const ptrdiff_t head = at[1] / (a->heads / a->kv_heads);
  double most = -(double)INFINITY, sum = 0;
  for (ptrdiff_t j = 0; j < a->keys; j++) {
    double score = 0, bias = bias_of(a, at[0] * a->mask_stride[0] + at[1] * a->mask_stride[1] +
                                            at[2] * a->mask_stride[2] + j * a->mask_stride[3]);
    const float *q =
        a->q + at[0] * a->q_stride[0] + at[1] * a->q_stride[1] + at[2] * a->q_stride[2];
    const float *k = a->k + at[0] * a->k_stride[0] + head * a->k_stride[1] + j * a->k_stride[2];
    for (ptrdiff_t p = 0; p < a->size; p++) score += (double)q[p] * (double)k[p];
    score *= (double)a->scale;
    const double cap = (double)a->softcap;
    if (cap != 0) score = tanh(score / cap) * cap;
    weights[j] = is_visible(a, at[0], at[2], j) ? score + bias : -(double)INFINITY;
    if (weights[j] > most) most = weights[j];
  }
  for (ptrdiff_t j = 0; j < a->keys; j++) {
    weights[j] = most == -(double)INFINITY ? 0 : exp(weights[j] - most);
    sum += weights[j];
  }
  for (ptrdiff_t j = 0; j < a->keys; j++) {
    const double mean = a->empty_rows == ONNXC_RT_EMPTY_MEAN ? 1 / (double)a->keys : 0;
    weights[j] = sum != 0 ? weights[j] / sum : a->empty_rows == ONNXC_RT_EMPTY_NAN ? NAN : mean;
  }
}

static void check_row(const onnxc_rt_attention *a, const ptrdiff_t at[3], const float *y,
                      const char *variant) {
  double *weights = malloc(((size_t)a->keys + 1) * sizeof *weights);
  const ptrdiff_t head = at[1] / (a->heads / a->kv_heads);
  const float *v = a->v + at[0] * a->v_stride[0] + head * a->v_stride[1];
  weigh(a, at, weights);
  for (ptrdiff_t c = 0; c < a->v_size; c++) {
    double expected = 0, size = 0;
    for (ptrdiff_t j = 0; j < a->keys; j++) {
      expected += weights[j] * (double)v[j * a->v_stride[2] + c];
      size += fabs(weights[j] * (double)v[j * a->v_stride[2] + c]);
    }
    if (size == 0) assert_true(y[c] == 0.0f);
    if (isnan(expected)) {
      assert_true(isnan(y[c]));
      continue;
    }
    if (fabs((double)y[c] - expected) > 2e-6 * size + 1e-30) {
      fail_msg("%s: row (%td, %td, %td), column %td: %g instead of %g", variant, at[0], at[1],
               at[2], c, (double)y[c], expected);
    }
  }
  free(weights);
}

static void check_results(const onnxc_rt_attention *a, const float *y, const char *variant) {
  ptrdiff_t at[3];
  for (at[0] = 0; at[0] < a->batch; at[0]++) {
    for (at[1] = 0; at[1] < a->heads; at[1]++) {
      for (at[2] = 0; at[2] < a->queries; at[2]++) {
        const ptrdiff_t *stride = a->y_stride;
        check_row(a, at, y + at[0] * stride[0] + at[1] * stride[1] + at[2] * stride[2], variant);
      }
    }
  }
}

/* Heads apart or together, with room between the rows; the elements from the first to the last. */
static ptrdiff_t lay_out(uint64_t *seed, ptrdiff_t batch, ptrdiff_t heads, ptrdiff_t rows,
                         ptrdiff_t size, ptrdiff_t stride[3]) {
  const ptrdiff_t gap = random_size(seed, 0, 3);
  const bool together = random_next(seed) % 2;
  stride[1] = together ? size + gap : rows * (size + gap);
  stride[2] = together ? heads * (size + gap) : size + gap;
  stride[0] = heads * rows * (size + gap) + gap;
  if (batch == 0 || heads == 0 || rows == 0 || size == 0) return 0;
  return (batch - 1) * stride[0] + (heads - 1) * stride[1] + (rows - 1) * stride[2] + size;
}

enum { NO_MASK, BIAS, ALLOWED };

static void add_mask(Case *c, uint64_t *seed, int kind) {
  onnxc_rt_attention *a = &c->a;
  ptrdiff_t dims[4] = {a->batch, a->heads, a->queries, a->keys}, count = 1;
  for (int axis = 3; axis >= 0; axis--) {
    const bool moves = axis == 3 ? random_next(seed) % 8 != 0 : random_next(seed) % 2;
    a->mask_stride[axis] = moves ? count : 0;
    if (moves) count *= dims[axis];
  }
  c->mask_count = kind == NO_MASK ? 0 : count;
  c->bias = guarded_random(seed, c->mask_count);
  c->allowed = malloc((size_t)c->mask_count + 1);
  for (ptrdiff_t i = 0; i < c->mask_count; i++) {
    const bool hidden = random_next(seed) % 4 == 0;
    c->allowed[i] = !hidden;
    if (hidden) c->bias[i] = -INFINITY;
  }
  a->bias = kind == BIAS ? c->bias : NULL;
  a->allowed = kind == ALLOWED ? c->allowed : NULL;
}

static void add_places(Case *c, uint64_t *seed, int n) {
  onnxc_rt_attention *a = &c->a;
  a->left = n % 3 == 0 ? random_size(seed, 0, 40) : -1;
  a->right = n % 2 == 0 ? 0 : n % 5 == 0 ? random_size(seed, 0, 20) : -1;
  for (int i = 0; i < 4; i++) {
    c->lengths[i] = random_size(seed, -1, a->keys + 2);
    c->places[i] = random_size(seed, -3, a->keys);
  }
  a->lengths = n % 4 == 1 ? c->lengths : NULL;
  a->places = n % 7 < 2 ? c->places : NULL;
  a->each_place = n % 7 == 1;
  a->place = random_size(seed, -2, a->keys);
  a->at_end = n % 8 == 5;
}

static void make_case(Case *c, uint64_t *seed, int n) {
  onnxc_rt_attention *a = &c->a;
  const bool large = n % 16 == 0;
  a->batch = random_size(seed, 0, 3);
  a->kv_heads = random_size(seed, 1, 2);
  a->heads = a->kv_heads * random_size(seed, 1, n % 3 == 0 ? 6 : 2);
  a->queries = n % 4 == 0 ? 1 : random_size(seed, 0, large ? 230 : 40);
  a->keys = random_size(seed, 0, large ? 1200 : 70);
  a->size = random_size(seed, 0, large ? 40 : 70);
  a->v_size = random_size(seed, 0, large ? 40 : 70);
  a->scale = n % 11 == 0 ? -0.3f : n % 11 == 1 ? 0.0f : 0.4f;
  a->softcap = n % 5 == 0 ? 1.5f : 0.0f;
  a->empty_rows = n % 3;
  c->q_count = lay_out(seed, a->batch, a->heads, a->queries, a->size, a->q_stride);
  c->k_count = lay_out(seed, a->batch, a->kv_heads, a->keys, a->size, a->k_stride);
  c->v_count = lay_out(seed, a->batch, a->kv_heads, a->keys, a->v_size, a->v_stride);
  c->y_count = lay_out(seed, a->batch, a->heads, a->queries, a->v_size, a->y_stride);
  a->q = c->q = guarded_random(seed, c->q_count);
  a->k = c->k = guarded_random(seed, c->k_count);
  a->v = c->v = guarded_random(seed, c->v_count);
  add_mask(c, seed, n / 2 % 3);
  add_places(c, seed, n);
}

static void free_case(Case *c) {
  guarded_free(c->q, c->q_count);
  guarded_free(c->k, c->k_count);
  guarded_free(c->v, c->v_count);
  guarded_free(c->bias, c->mask_count);
  free(c->allowed);
}

/* Mostly with all the room that it can use, else with less. */
static void run_case(Case *c, uint64_t *seed) {
  onnxc_rt_attention *a = &c->a;
  const ptrdiff_t whole = onnxc_rt_attention_f32_scratch(a);
  const ptrdiff_t least = onnxc_rt_attention_f32_least(a);
  a->room = least < whole && random_next(seed) % 3 == 0 ? random_size(seed, least, whole) : whole;
  FOR_EACH_VARIANT(onnxc_rt_attention_f32, v) {
    a->y = guarded_new(c->y_count);
    a->scratch = guarded_new(a->room);
    assert_int_equal(onnxc_rt_attention_f32_variants[v].run(a), ONNXC_RT_OK);
    check_results(a, a->y, onnxc_rt_attention_f32_variants[v].name);
    guarded_free(a->y, c->y_count);
    guarded_free(a->scratch, a->room);
  }
}

static void random_attention_is_right(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int n = 0; n < 480; n++) {
    Case c = {0};
    make_case(&c, &seed, n);
    run_case(&c, &seed);
    free_case(&c);
  }
}

/* Scores that are not finite count as IEEE has it, in one block of keys and in several. */
static void what_is_not_finite_spreads(void **state) {
  (void)state;
  enum { KEYS = 1100 };
  static float k[KEYS], v[KEYS], bias[KEYS];
  const float q[1] = {1.0f};
  float y[1];
  for (ptrdiff_t keys = 7; keys <= KEYS; keys += KEYS - 7) {
    onnxc_rt_attention a = {.batch = 1, .heads = 1, .kv_heads = 1, .queries = 1, .keys = keys};
    a.size = a.v_size = 1;
    a.k_stride[2] = a.v_stride[2] = 1;
    a.q = q, a.k = k, a.v = v, a.y = y;
    a.scale = 1.0f;
    a.left = a.right = -1;
    a.room = onnxc_rt_attention_f32_scratch(&a);
    a.scratch = guarded_new(a.room);
    FOR_EACH_VARIANT(onnxc_rt_attention_f32, i) {
      for (ptrdiff_t j = 0; j < keys; j++) k[j] = -INFINITY, v[j] = 2.0f, bias[j] = 0.0f;
      onnxc_rt_attention_f32_variants[i].run(&a);
      assert_true(isnan(y[0])); /* all of them seen, none with a weight */
      k[keys - 1] = 1.0f;
      onnxc_rt_attention_f32_variants[i].run(&a);
      assert_true(y[0] == 2.0f);
      k[3] = NAN;
      onnxc_rt_attention_f32_variants[i].run(&a);
      assert_true(isnan(y[0]));
      for (ptrdiff_t j = 0; j < keys; j++) k[j] = 1.0f, bias[j] = -INFINITY;
      a.bias = bias;
      a.mask_stride[3] = 1;
      onnxc_rt_attention_f32_variants[i].run(&a);
      assert_true(y[0] == 0.0f); /* none of them seen */
      a.bias = NULL;
    }
    guarded_free(a.scratch, a.room);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_attention_is_right),
      cmocka_unit_test(what_is_not_finite_spreads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
