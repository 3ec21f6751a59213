#include "onnxc_rt_reference.h"
#include "reference/recurrent.h"

static void cell(onnxc_rt_ref_recurrent *r) {
  for (int64_t row = 0; row < r->hidden; row++) {
    const double sum = onnxc_rt_recurrent_x(r, row) + onnxc_rt_recurrent_h(r, row, &r->h);
    r->gate[row] = onnxc_rt_recurrent_activate(r, 0, sum);
  }
  for (int64_t k = 0; k < r->hidden; k++) onnxc_rt_store_f64(&r->h, k, r->gate[k]);
}

int onnxc_rt_ref_rnn(const onnxc_rt_call *call) {
  static const char *const activations[] = {"Tanh"};
  return onnxc_rt_recurrent_run(call, 1, activations, 1, 0, cell);
}
