#include "onnxc_rt_reference.h"
#include "reference/recurrent.h"

enum { X, W, R, B, LENGTHS, W_SCALE = 8, W_ZERO, R_SCALE, R_ZERO };
enum { DIRECTION };
enum { GATES = 4, STEPS = 255 };

/* Numbers in steps of `scale` around `zero`, as DynamicQuantizeLinear finds both. */
typedef struct Quantizer {
  float low, high, scale, zero;
} Quantizer;

static void widen(Quantizer *q, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (x[i] < q->low) q->low = x[i];
    if (x[i] > q->high) q->high = x[i];
  }
}

static void settle(Quantizer *q) {
  q->scale = q->high == q->low ? 1 : (q->high - q->low) / STEPS;
  const float zero = -q->low / q->scale;
  q->zero = zero > STEPS ? STEPS : zero > 0 ? rintf(zero) : 0;
}

static void quantize(const Quantizer *q, const float *x, int64_t n, uint8_t *steps) {
  for (int64_t i = 0; i < n; i++) {
    const float y = rintf(x[i] / q->scale) + q->zero;
    steps[i] = (uint8_t)(y > 0 ? y < STEPS ? y : STEPS : 0);
  }
}

/* ---- products ----------------------------------------------------------------------------------
 */

typedef struct Lstm {
  onnxc_rt_ref_recurrent r;
  Quantizer x, h;
  uint8_t *x_steps, *h_steps; /* of the current step and sequence */
} Lstm;

/* The parameter of column `row` in the current direction: one for all columns, or its own. */
static int64_t parameter_at(const onnxc_rt_ref_recurrent *r, int32_t input, int64_t row) {
  return r->call->in[input].rank < 2 ? r->d : r->d * GATES * r->hidden + row;
}

/* `n` steps times column `row` of the weights at input `w`, which are [directions, n, columns];
 * their scale and zero point are at input `scale` and behind it. */
static double product(const onnxc_rt_ref_recurrent *r, const Quantizer *q, uint8_t *steps,
                      int64_t n, int32_t w, int32_t scale, int64_t row) {
  const onnxc_rt_tensor *in = r->call->in;
  const int64_t columns = GATES * r->hidden;
  const onnxc_rt_tensor left = onnxc_rt_tensor_at(steps, &n, 1, ONNXC_RT_U8);
  const onnxc_rt_line x = {&left, 0, 1, (int64_t)q->zero};
  const int64_t zero = onnxc_rt_load_i64(&in[scale + 1], parameter_at(r, scale + 1, row));
  const onnxc_rt_line y = {&in[w], r->d * n * columns + row, columns, zero};
  const int64_t sum = (int64_t)onnxc_rt_dot_u64(x, y, n);
  const float unit = (float)onnxc_rt_load_f64(&in[scale], parameter_at(r, scale, row));
  return (double)((float)sum * (q->scale * unit));
}

static double bias(const onnxc_rt_ref_recurrent *r, int64_t row) {
  const int64_t rows = GATES * r->hidden, at = r->d * 2 * rows + row;
  const onnxc_rt_tensor *b = &r->call->in[B];
  if (!onnxc_rt_has_in(r->call, B)) return 0;
  return onnxc_rt_load_f64(b, at) + onnxc_rt_load_f64(b, at + rows);
}

static void cell(Lstm *l) {
  onnxc_rt_ref_recurrent *r = &l->r;
  const float *x = (const float *)r->call->in[X].data;
  quantize(&l->x, x + (r->t * r->batch + r->b) * r->input, r->input, l->x_steps);
  quantize(&l->h, (const float *)r->h.data, r->hidden, l->h_steps);
  for (int64_t row = 0; row < GATES * r->hidden; row++) {
    r->gate[row] = bias(r, row) + product(r, &l->x, l->x_steps, r->input, W, W_SCALE, row) +
                   product(r, &l->h, l->h_steps, r->hidden, R, R_SCALE, row);
  }
  onnxc_rt_lstm_cell(r);
}

/* ---- sequences ---------------------------------------------------------------------------------
 * All go on together, since what they have in `h` is quantised together. */

static int64_t length_of(const onnxc_rt_ref_recurrent *r, int64_t b) {
  if (!onnxc_rt_has_in(r->call, LENGTHS)) return r->steps;
  return onnxc_rt_load_i64(&r->call->in[LENGTHS], b);
}

/* The longest; -1 when one is outside. */
static int64_t longest(const onnxc_rt_ref_recurrent *r) {
  int64_t most = 0;
  for (int64_t b = 0; b < r->batch; b++) {
    const int64_t length = length_of(r, b);
    if (length < 0 || length > r->steps) return -1;
    if (length > most) most = length;
  }
  return most;
}

/* Scratch holds c of all sequences, gates, h of all sequences, then the steps. */
static void select(Lstm *l, int64_t b) {
  onnxc_rt_ref_recurrent *r = &l->r;
  double *c = (double *)r->call->scratch;
  float *h = (float *)(c + (r->batch + GATES) * r->hidden);
  r->b = b;
  r->c = c + b * r->hidden;
  r->gate = c + r->batch * r->hidden;
  r->h = onnxc_rt_tensor_at(h + b * r->hidden, &r->hidden, 1, ONNXC_RT_F32);
  l->x_steps = (uint8_t *)(h + r->batch * r->hidden);
  l->h_steps = l->x_steps + r->input;
}

/* ONNX Runtime still has the last state of a sequence one step behind its end; without Y it keeps
 * the states to the end of all. */
static void quantize_states(Lstm *l, int64_t step) {
  onnxc_rt_ref_recurrent *r = &l->r;
  const int has_y = onnxc_rt_has_out(r->call, 0);
  l->h = (Quantizer){0, 0, 1, 0};
  for (int64_t b = 0; b < r->batch; b++) {
    select(l, b);
    if (step > length_of(r, b) && has_y) continue;
    widen(&l->h, (const float *)r->h.data, r->hidden);
  }
  settle(&l->h);
}

static void run_step(Lstm *l, int64_t step, int reverse) {
  onnxc_rt_ref_recurrent *r = &l->r;
  quantize_states(l, step);
  for (int64_t b = 0; b < r->batch; b++) {
    const int64_t length = length_of(r, b);
    if (step >= length) continue;
    select(l, b);
    r->t = reverse ? length - 1 - step : step;
    cell(l);
    onnxc_rt_recurrent_store_y(r);
  }
}

static void run_direction(Lstm *l, int64_t steps) {
  static const char *const activations[] = {"Sigmoid", "Tanh", "Tanh"};
  onnxc_rt_ref_recurrent *r = &l->r;
  const int reverse = r->call->attr[DIRECTION].s[0] == 'r' || r->d == 1;
  onnxc_rt_recurrent_set_activations(r, activations, 3);
  for (int64_t b = 0; b < r->batch; b++) {
    select(l, b);
    onnxc_rt_recurrent_load_states(r, 1);
  }
  for (int64_t step = 0; step < steps; step++) run_step(l, step, reverse);
  for (int64_t b = 0; b < r->batch; b++) {
    select(l, b);
    onnxc_rt_recurrent_store_states(r, 1);
  }
}

int onnxc_rt_ref_dynamic_quantize_lstm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[X], *w = &call->in[R];
  Lstm l = {.x = {0, 0, 1, 0}};
  l.r.call = call;
  l.r.steps = x->dims[0];
  l.r.batch = x->dims[1];
  l.r.input = x->dims[2];
  l.r.directions = w->dims[0];
  l.r.hidden = w->dims[1];
  l.r.gates = GATES;
  const int64_t steps = longest(&l.r);
  if (steps < 0) return ONNXC_RT_ERROR_VALUE;
  widen(&l.x, (const float *)x->data, steps * l.r.batch * l.r.input);
  settle(&l.x);
  if (onnxc_rt_has_out(call, 0)) onnxc_rt_clear(&call->out[0]);
  for (l.r.d = 0; l.r.d < l.r.directions; l.r.d++) run_direction(&l, steps);
  return ONNXC_RT_OK;
}
