#include "reference/recurrent.h"

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C };
enum { DIRECTION, CLIP, ACTIVATIONS, ALPHA, BETA };

/* ---- the cell's arithmetic ---------------------------------------------------------------------
 */

static double bias(const onnxc_rt_ref_recurrent *r, int64_t part, int64_t row) {
  if (!onnxc_rt_has_in(r->call, B)) return 0;
  return onnxc_rt_load_f64(&r->call->in[B], (r->d * 2 + part) * r->gates * r->hidden + row);
}

double onnxc_rt_recurrent_x(const onnxc_rt_ref_recurrent *r, int64_t row) {
  const int64_t at = r->t * r->batch + r->b;
  const int64_t w_at = (r->d * r->gates * r->hidden + row) * r->input;
  const onnxc_rt_line x = {&r->call->in[X], at * r->input, 1, 0}, w = {&r->call->in[W], w_at, 1, 0};
  return bias(r, 0, row) + onnxc_rt_dot_f64(x, w, r->input);
}

double onnxc_rt_recurrent_h(const onnxc_rt_ref_recurrent *r, int64_t row,
                            const onnxc_rt_tensor *h) {
  const int64_t at = (r->d * r->gates * r->hidden + row) * r->hidden;
  const onnxc_rt_line x = {h, 0, 1, 0}, w = {&r->call->in[R], at, 1, 0};
  return bias(r, 1, row) + onnxc_rt_dot_f64(x, w, r->hidden);
}

double onnxc_rt_recurrent_activate(const onnxc_rt_ref_recurrent *r, int i, double x) {
  const onnxc_rt_attr *clip = &r->call->attr[CLIP];
  if (clip->present && x > clip->f) x = clip->f;
  if (clip->present && x < -clip->f) x = -clip->f;
  return r->f[i].apply(x, r->f[i].alpha, r->f[i].beta);
}

/* ---- states ------------------------------------------------------------------------------------
 */

/* Where the state of the current sequence and direction lies in initial_h, Y_h and their like. */
static int64_t state_at(const onnxc_rt_ref_recurrent *r) {
  return (r->d * r->batch + r->b) * r->hidden;
}

void onnxc_rt_recurrent_load_states(onnxc_rt_ref_recurrent *r, int has_c) {
  const int has_h = onnxc_rt_has_in(r->call, INITIAL_H);
  const int64_t at = state_at(r);
  for (int64_t k = 0; k < r->hidden; k++) {
    const double h = has_h ? onnxc_rt_load_f64(&r->call->in[INITIAL_H], at + k) : 0;
    onnxc_rt_store_f64(&r->h, k, h);
    if (!has_c) continue;
    const int given = onnxc_rt_has_in(r->call, INITIAL_C);
    r->c[k] = given ? onnxc_rt_load_f64(&r->call->in[INITIAL_C], at + k) : 0;
  }
}

void onnxc_rt_recurrent_store_states(const onnxc_rt_ref_recurrent *r, int has_c) {
  const onnxc_rt_tensor *out = r->call->out;
  const int64_t at = state_at(r);
  if (onnxc_rt_has_out(r->call, 1)) onnxc_rt_copy(&out[1], at, &r->h, 0, r->hidden);
  if (!has_c || !onnxc_rt_has_out(r->call, 2)) return;
  for (int64_t k = 0; k < r->hidden; k++) onnxc_rt_store_f64(&out[2], at + k, r->c[k]);
}

void onnxc_rt_recurrent_store_y(const onnxc_rt_ref_recurrent *r) {
  if (!onnxc_rt_has_out(r->call, 0)) return;
  const int64_t row = (r->t * r->directions + r->d) * r->batch + r->b;
  onnxc_rt_copy(&r->call->out[0], row * r->hidden, &r->h, 0, r->hidden);
}

/* ---- sequences ---------------------------------------------------------------------------------
 */

/* Y is 0 behind the end of a sequence. The reverse direction begins at that end. */
static void run_sequence(onnxc_rt_ref_recurrent *r, int64_t length, int reverse,
                         onnxc_rt_cell *cell) {
  for (int64_t i = 0; i < length; i++) {
    r->t = reverse ? length - 1 - i : i;
    cell(r);
    onnxc_rt_recurrent_store_y(r);
  }
}

static int run_direction(onnxc_rt_ref_recurrent *r, int reverse, int has_c, onnxc_rt_cell *cell) {
  for (r->b = 0; r->b < r->batch; r->b++) {
    int64_t length = r->steps;
    if (onnxc_rt_has_in(r->call, LENGTHS)) {
      length = onnxc_rt_load_i64(&r->call->in[LENGTHS], r->b);
    }
    if (length < 0 || length > r->steps) return ONNXC_RT_ERROR_VALUE;
    onnxc_rt_recurrent_load_states(r, has_c);
    run_sequence(r, length, reverse, cell);
    onnxc_rt_recurrent_store_states(r, has_c);
  }
  return ONNXC_RT_OK;
}

static void init(onnxc_rt_ref_recurrent *r, const onnxc_rt_call *call, int64_t gates) {
  const onnxc_rt_tensor *x = &call->in[X];
  double *scratch = (double *)call->scratch;
  r->call = call;
  r->gates = gates;
  r->steps = x->dims[0];
  r->batch = x->dims[1];
  r->input = x->dims[2];
  r->directions = call->in[R].dims[0];
  r->hidden = call->in[R].dims[2];
  r->h = (onnxc_rt_tensor){scratch, &r->hidden, 1, x->dtype};
  r->h2 = (onnxc_rt_tensor){scratch + r->hidden, &r->hidden, 1, x->dtype};
  r->c = scratch + 2 * r->hidden;
  r->gate = scratch + 3 * r->hidden;
}

void onnxc_rt_recurrent_set_activations(onnxc_rt_ref_recurrent *r, const char *const *fallback,
                                        int32_t n) {
  const onnxc_rt_attr *attr = r->call->attr;
  for (int32_t i = 0; i < n; i++) {
    r->f[i] = onnxc_rt_activation_of(&attr[ACTIVATIONS], &attr[ALPHA], &attr[BETA],
                                     (int32_t)r->d * n + i, fallback[i]);
  }
}

int onnxc_rt_recurrent_run(const onnxc_rt_call *call, int64_t gates, const char *const *fallback,
                           int32_t n, int has_c, onnxc_rt_cell *cell) {
  onnxc_rt_ref_recurrent r;
  init(&r, call, gates);
  if (onnxc_rt_has_out(call, 0)) onnxc_rt_clear(&call->out[0]);
  for (r.d = 0; r.d < r.directions; r.d++) {
    const int reverse = call->attr[DIRECTION].s[0] == 'r' || r.d == 1;
    onnxc_rt_recurrent_set_activations(&r, fallback, n);
    const int error = run_direction(&r, reverse, has_c, cell);
    if (error != ONNXC_RT_OK) return error;
  }
  return ONNXC_RT_OK;
}
