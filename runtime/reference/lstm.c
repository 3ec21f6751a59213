#include "onnxc_rt_reference.h"
#include "reference/recurrent.h"

enum { GATES = 4 };

static void cell(onnxc_rt_ref_recurrent *r) {
  for (int64_t row = 0; row < GATES * r->hidden; row++) {
    r->gate[row] = onnxc_rt_recurrent_x(r, row) + onnxc_rt_recurrent_h(r, row, &r->h);
  }
  onnxc_rt_lstm_cell(r);
}

int onnxc_rt_ref_lstm(const onnxc_rt_call *call) {
  static const char *const activations[] = {"Sigmoid", "Tanh", "Tanh"};
  return onnxc_rt_recurrent_run(call, GATES, activations, 3, 1, cell);
}
