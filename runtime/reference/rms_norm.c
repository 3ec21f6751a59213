#include "onnxc_rt_reference.h"
#include "reference/element.h"

static double inverse_rms(const onnxc_rt_tensor *x, int64_t at, int64_t n, double epsilon) {
  double squares = 0;
  for (int64_t k = 0; k < n; k++) {
    const double value = onnxc_rt_load_f64(x, at + k);
    squares += value * value;
  }
  return 1 / sqrt(squares / (double)n + epsilon);
}

int onnxc_rt_ref_rms_norm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *scale = &call->in[1];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t n = onnxc_rt_span(x, axis, x->rank);
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, x->dims, x->rank);
  onnxc_rt_walk_broadcast(&walk, scale->dims, scale->rank);
  double inverse = 0;
  for (int64_t at = 0; at < walk.count; at++, onnxc_rt_walk_next(&walk)) {
    if (at % n == 0) inverse = inverse_rms(x, at, n, call->attr[1].f);
    const double y = onnxc_rt_load_f64(x, at) * inverse * onnxc_rt_load_f64(scale, walk.at[0]);
    onnxc_rt_store_f64(&call->out[0], at, y);
  }
  return ONNXC_RT_OK;
}
