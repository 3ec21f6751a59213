#include "onnxc_rt_reference.h"
#include "reference/conv_shape.h"

int onnxc_rt_ref_conv(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int has_bias = onnxc_rt_has_in(call, 2);
  onnxc_rt_conv_shape s = onnxc_rt_conv_shape_of(call, &call->in[0], &call->in[1], y);
  for (int64_t place = 0; place < s.window.places; place++) {
    onnxc_rt_window_place(&s.window, place);
    for (int64_t i = 0; i < s.batch * s.filters; i++) {
      const int64_t m = i % s.filters;
      const double bias = has_bias ? onnxc_rt_load_f64(&call->in[2], m) : 0;
      const double sum = bias + onnxc_rt_conv_f64(&s, i / s.filters, m);
      onnxc_rt_store_f64(y, i * s.window.places + place, sum);
    }
  }
  return ONNXC_RT_OK;
}
