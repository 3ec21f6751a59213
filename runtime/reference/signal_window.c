/* Windows of signal processing: a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n). */
#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int fill(const onnxc_rt_call *call, double a0, double a1, double a2) {
  const onnxc_rt_tensor *y = &call->out[0];
  const double pi = 3.14159265358979323846;
  if (onnxc_rt_has_in(call, 0)) {
    const int64_t size = onnxc_rt_load_i64(&call->in[0], 0);
    if (!onnxc_rt_set_dim(y, 0, size)) return ONNXC_RT_ERROR_SHAPE;
  }
  const int periodic = call->attr[0].i != 0;
  const double n = (double)(periodic ? y->dims[0] : y->dims[0] - 1);
  for (int64_t i = 0; i < y->dims[0]; i++) {
    const double angle = n > 0 ? 2 * pi * (double)i / n : pi;
    onnxc_rt_store_f64(y, i, a0 - a1 * cos(angle) + a2 * cos(2 * angle));
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_hann_window(const onnxc_rt_call *call) {
  return fill(call, 0.5, 0.5, 0);
}

int onnxc_rt_ref_hamming_window(const onnxc_rt_call *call) {
  return fill(call, 25.0 / 46, 1 - 25.0 / 46, 0);
}

int onnxc_rt_ref_blackman_window(const onnxc_rt_call *call) {
  return fill(call, 0.42, 0.5, 0.08);
}
