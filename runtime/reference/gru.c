#include "onnxc_rt_reference.h"
#include "reference/recurrent.h"

/* Rows of W and R in this order. */
enum { GATE_Z, GATE_R, GATE_H, GATES };
enum { F, G };
enum { LINEAR_BEFORE_RESET = ONNXC_RT_RECURRENT_PARAMS };

/* The recurrent part of the candidate: reset before the product, or after it. */
static double candidate(const onnxc_rt_ref_recurrent *r, int64_t k, const double *reset) {
  const int64_t row = GATE_H * r->hidden + k;
  if (r->call->attr[LINEAR_BEFORE_RESET].i != 0) {
    return reset[k] * onnxc_rt_recurrent_h(r, row, &r->h);
  }
  return onnxc_rt_recurrent_h(r, row, &r->h2);
}

static void cell(onnxc_rt_ref_recurrent *r) {
  const int64_t n = r->hidden;
  double *update = r->gate + GATE_Z * n, *reset = r->gate + GATE_R * n;
  double *fresh = r->gate + GATE_H * n;
  for (int64_t row = 0; row < 2 * n; row++) {
    const double sum = onnxc_rt_recurrent_x(r, row) + onnxc_rt_recurrent_h(r, row, &r->h);
    r->gate[row] = onnxc_rt_recurrent_activate(r, F, sum);
  }
  for (int64_t k = 0; k < n; k++) {
    onnxc_rt_store_f64(&r->h2, k, reset[k] * onnxc_rt_load_f64(&r->h, k));
  }
  for (int64_t k = 0; k < n; k++) {
    const double sum = onnxc_rt_recurrent_x(r, GATE_H * n + k) + candidate(r, k, reset);
    fresh[k] = onnxc_rt_recurrent_activate(r, G, sum);
  }
  for (int64_t k = 0; k < n; k++) {
    const double h = (1 - update[k]) * fresh[k] + update[k] * onnxc_rt_load_f64(&r->h, k);
    onnxc_rt_store_f64(&r->h, k, h);
  }
}

int onnxc_rt_ref_gru(const onnxc_rt_call *call) {
  static const char *const activations[] = {"Sigmoid", "Tanh"};
  return onnxc_rt_recurrent_run(call, GATES, activations, 2, 0, cell);
}
