#include "runtime/kernels.h"

VARIANTS(onnxc_rt_lstm_f32, onnxc_rt_recurrent)
VARIANTS(onnxc_rt_gru_f32, onnxc_rt_recurrent)

/* ---- the operators by their definition, one direction of one sequence at a time ---- */

typedef struct Sequence {
  const onnxc_rt_recurrent *call;
  ptrdiff_t gates, direction, index;
  double *h, *c;
} Sequence;

static double clipped(const onnxc_rt_recurrent *call, double x) {
  if (call->clip == 0) return x;
  return fmin(fmax(x, -(double)call->clip), (double)call->clip);
}

static double sigmoid(const onnxc_rt_recurrent *call, double x) {
  return 1 / (1 + exp(-clipped(call, x)));
}

/* Row `row` (gate hidden + unit) of w x + bias. */
static double of_input(const Sequence *s, ptrdiff_t t, ptrdiff_t row) {
  const onnxc_rt_recurrent *call = s->call;
  const ptrdiff_t rows = s->gates * call->hidden;
  const float *x = call->x + (t * call->batch + s->index) * call->input;
  const float *w = call->w + (s->direction * rows + row) * call->input;
  double sum = call->bias == NULL ? 0 : (double)call->bias[s->direction * 2 * rows + row];
  for (ptrdiff_t i = 0; i < call->input; i++) sum += (double)x[i] * (double)w[i];
  return sum;
}

/* The same of r state + bias. */
static double of_state(const Sequence *s, const double *state, ptrdiff_t row) {
  const onnxc_rt_recurrent *call = s->call;
  const ptrdiff_t rows = s->gates * call->hidden;
  const float *r = call->r + (s->direction * rows + row) * call->hidden;
  double sum = call->bias == NULL ? 0 : (double)call->bias[(s->direction * 2 + 1) * rows + row];
  for (ptrdiff_t i = 0; i < call->hidden; i++) sum += state[i] * (double)r[i];
  return sum;
}

static double peephole(const Sequence *s, ptrdiff_t gate, ptrdiff_t unit, double c) {
  const onnxc_rt_recurrent *call = s->call;
  if (call->peephole == NULL) return 0;
  return (double)call->peephole[(s->direction * 3 + gate) * call->hidden + unit] * c;
}

static void lstm_step(const Sequence *s, ptrdiff_t t, double *next_h) {
  const onnxc_rt_recurrent *call = s->call;
  const ptrdiff_t n = call->hidden;
  for (ptrdiff_t j = 0; j < n; j++) {
    double sums[4];
    for (ptrdiff_t gate = 0; gate < 4; gate++) {
      sums[gate] = of_input(s, t, gate * n + j) + of_state(s, s->h, gate * n + j);
    }
    const double in = sigmoid(call, sums[0] + peephole(s, 0, j, s->c[j]));
    const double forget =
        call->input_forget ? 1 - in : sigmoid(call, sums[2] + peephole(s, 2, j, s->c[j]));
    s->c[j] = forget * s->c[j] + in * tanh(clipped(call, sums[3]));
    next_h[j] = sigmoid(call, sums[1] + peephole(s, 1, j, s->c[j])) * tanh(s->c[j]);
  }
}

static void gru_step(const Sequence *s, ptrdiff_t t, double *next_h) {
  const onnxc_rt_recurrent *call = s->call;
  const ptrdiff_t n = call->hidden;
  double reset[64], scaled[64];
  for (ptrdiff_t j = 0; j < n; j++) {
    reset[j] = sigmoid(call, of_input(s, t, n + j) + of_state(s, s->h, n + j));
    scaled[j] = reset[j] * s->h[j];
  }
  for (ptrdiff_t j = 0; j < n; j++) {
    const double z = sigmoid(call, of_input(s, t, j) + of_state(s, s->h, j));
    const double part = call->linear_before_reset ? reset[j] * of_state(s, s->h, 2 * n + j)
                                                  : of_state(s, scaled, 2 * n + j);
    const double next = tanh(clipped(call, of_input(s, t, 2 * n + j) + part));
    next_h[j] = (1 - z) * next + z * s->h[j];
  }
}

static void check_rows(const double *expected, const float *got, ptrdiff_t count,
                       const char *variant) {
  for (ptrdiff_t i = 0; i < count; i++) check_close(expected[i], got[i], 20, variant);
}

static void check_sequence(const onnxc_rt_recurrent *call, ptrdiff_t gates, ptrdiff_t direction,
                           ptrdiff_t index, const char *variant) {
  double h[64] = {0}, c[64] = {0}, next_h[64];
  const Sequence s = {call, gates, direction, index, h, c};
  const ptrdiff_t state = (direction * call->batch + index) * call->hidden;
  const ptrdiff_t length = call->lengths == NULL ? call->steps : call->lengths[index];
  for (ptrdiff_t j = 0; j < call->hidden; j++) {
    if (call->initial_h != NULL) h[j] = (double)call->initial_h[state + j];
    if (call->initial_c != NULL) c[j] = (double)call->initial_c[state + j];
  }
  for (ptrdiff_t i = 0; i < call->steps; i++) {
    const ptrdiff_t t = direction == 1 || call->reverse ? call->steps - 1 - i : i;
    const ptrdiff_t row = (t * call->directions + direction) * call->batch + index;
    static const double zeros[64];
    if (t < length) {
      (gates == 4 ? lstm_step : gru_step)(&s, t, next_h);
      memcpy(h, next_h, sizeof h);
    }
    if (call->y != NULL) {
      check_rows(t < length ? h : zeros, call->y + row * call->hidden, call->hidden, variant);
    }
  }
  if (call->y_h != NULL) check_rows(h, call->y_h + state, call->hidden, variant);
  if (gates == 4 && call->y_c != NULL) check_rows(c, call->y_c + state, call->hidden, variant);
}

/* ---- cases ---- */

static float *maybe(float *memory, uint64_t *seed) {
  return random_size(seed, 0, 2) == 0 ? NULL : memory;
}

static float *pack_directions(const float *weights, const onnxc_rt_recurrent *call, ptrdiff_t gates,
                              ptrdiff_t k) {
  const ptrdiff_t count =
      (ptrdiff_t)onnxc_rt_recurrent_packed_count((size_t)gates, (size_t)call->hidden, (size_t)k);
  float *packed = guarded_new(call->directions * count);
  for (ptrdiff_t i = 0; i < call->directions; i++) {
    onnxc_rt_recurrent_pack(weights + i * gates * call->hidden * k, gates, call->hidden, k,
                            packed + i * count);
  }
  return packed;
}

static void run_variant(onnxc_rt_recurrent call, ptrdiff_t gates, const char *variant,
                        int (*run)(const onnxc_rt_recurrent *), uint64_t *seed) {
  const ptrdiff_t state = call.directions * call.batch * call.hidden;
  const ptrdiff_t scratch = onnxc_rt_recurrent_scratch(&call, gates);
  float *y = guarded_new(call.steps * state), *y_h = guarded_new(state), *y_c = guarded_new(state);
  call.y = maybe(y, seed);
  call.y_h = maybe(y_h, seed);
  call.y_c = maybe(y_c, seed);
  call.scratch = guarded_new(scratch);
  assert_int_equal(run(&call), ONNXC_RT_OK);
  for (ptrdiff_t i = 0; i < call.directions * call.batch; i++) {
    check_sequence(&call, gates, i / call.batch, i % call.batch, variant);
  }
  guarded_free(y, call.steps * state);
  guarded_free(y_h, state);
  guarded_free(y_c, state);
  guarded_free(call.scratch, scratch);
}

static void run_case(onnxc_rt_recurrent call, ptrdiff_t gates, uint64_t *seed) {
  const ptrdiff_t rows = call.directions * gates * call.hidden;
  const ptrdiff_t state = call.directions * call.batch * call.hidden;
  float *x = guarded_random(seed, call.steps * call.batch * call.input);
  float *w = guarded_random(seed, rows * call.input), *r = guarded_random(seed, rows * call.hidden);
  float *bias = guarded_random(seed, 2 * rows), *initial_h = guarded_random(seed, state);
  float *initial_c = guarded_random(seed, state);
  float *weights = guarded_random(seed, call.directions * 3 * call.hidden);
  int32_t lengths[8];
  for (int i = 0; i < 8; i++) lengths[i] = (int32_t)random_size(seed, 0, call.steps);
  call.x = x;
  call.w = w;
  call.r = r;
  call.bias = maybe(bias, seed);
  call.initial_h = maybe(initial_h, seed);
  call.initial_c = gates == 4 ? maybe(initial_c, seed) : NULL;
  call.peephole = gates == 4 ? maybe(weights, seed) : NULL;
  call.lengths = random_size(seed, 0, 1) == 0 ? NULL : lengths;
  float *packed_w = pack_directions(w, &call, gates, call.input);
  float *packed_r = pack_directions(r, &call, gates, call.hidden);
  if (random_size(seed, 0, 1) == 0) {
    call.packed_w = packed_w;
    call.packed_r = packed_r;
  }
  if (gates == 4) {
    FOR_EACH_VARIANT(onnxc_rt_lstm_f32, v) {
      run_variant(call, 4, onnxc_rt_lstm_f32_variants[v].name, onnxc_rt_lstm_f32_variants[v].run,
                  seed);
    }
  } else {
    FOR_EACH_VARIANT(onnxc_rt_gru_f32, v) {
      run_variant(call, 3, onnxc_rt_gru_f32_variants[v].name, onnxc_rt_gru_f32_variants[v].run,
                  seed);
    }
  }
  free(x - GUARD), free(w - GUARD), free(r - GUARD), free(bias - GUARD);
  free(initial_h - GUARD), free(initial_c - GUARD), free(weights - GUARD);
  free(packed_w - GUARD), free(packed_r - GUARD);
}

static void run_random(ptrdiff_t gates, uint64_t seed) {
  for (int i = 0; i < 24; i++) {
    onnxc_rt_recurrent call = {.steps = random_size(&seed, 0, 9),
                               .batch = random_size(&seed, 0, 3),
                               .input = random_size(&seed, 1, 20),
                               .hidden = random_size(&seed, 1, 37)};
    call.directions = random_size(&seed, 1, 2);
    call.reverse = call.directions == 1 && random_size(&seed, 0, 1) == 0;
    call.clip = random_size(&seed, 0, 2) == 0 ? 0.5f : 0.0f;
    call.input_forget = gates == 4 && random_size(&seed, 0, 2) == 0;
    call.linear_before_reset = gates == 3 && random_size(&seed, 0, 1) == 0;
    run_case(call, gates, &seed);
  }
}

static void lstm_is_right(void **state) {
  (void)state;
  run_random(4, 1);
}

static void gru_is_right(void **state) {
  (void)state;
  run_random(3, 2);
}

/* More steps than are multiplied with the weights at a time. */
static void long_sequences_are_right(void **state) {
  (void)state;
  uint64_t seed = 3;
  for (ptrdiff_t gates = 3; gates <= 4; gates++) {
    const onnxc_rt_recurrent call = {.steps = ONNXC_RT_RECURRENT_STEPS + 5,
                                     .batch = 2,
                                     .input = 3,
                                     .hidden = 6,
                                     .directions = 2};
    run_case(call, gates, &seed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lstm_is_right),
      cmocka_unit_test(gru_is_right),
      cmocka_unit_test(long_sequences_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
