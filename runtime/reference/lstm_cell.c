#include "reference/recurrent.h"

/* Rows of W and R, and peepholes, in this order. */
enum { GATE_I, GATE_O, GATE_F, GATE_C };
enum { F, G, H };
enum { INPUT_FORGET = ONNXC_RT_RECURRENT_PARAMS, INPUT_P = 7 };

static double peephole(const onnxc_rt_ref_recurrent *r, int64_t gate, int64_t k, double c) {
  if (!onnxc_rt_has_in(r->call, INPUT_P)) return 0;
  return c * onnxc_rt_load_f64(&r->call->in[INPUT_P], (r->d * 3 + gate) * r->hidden + k);
}

void onnxc_rt_lstm_cell(onnxc_rt_ref_recurrent *r) {
  const int coupled = r->call->attr[INPUT_FORGET].i != 0;
  const int64_t n = r->hidden;
  for (int64_t k = 0; k < n; k++) {
    const double before = r->c[k], *gate = r->gate + k;
    const double in = gate[GATE_I * n] + peephole(r, GATE_I, k, before);
    const double i = onnxc_rt_recurrent_activate(r, F, in);
    const double forget = gate[GATE_F * n] + peephole(r, GATE_F, k, before);
    const double f = coupled ? 1 - i : onnxc_rt_recurrent_activate(r, F, forget);
    const double c = f * before + i * onnxc_rt_recurrent_activate(r, G, gate[GATE_C * n]);
    const double out = gate[GATE_O * n] + peephole(r, GATE_O, k, c);
    const double shown = r->f[H].apply(c, r->f[H].alpha, r->f[H].beta);
    r->c[k] = c;
    onnxc_rt_store_f64(&r->h, k, onnxc_rt_recurrent_activate(r, F, out) * shown);
  }
}
