#include "onnxc_rt_reference.h"
#include "reference/conv_shape.h"

int onnxc_rt_ref_conv_integer(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0], *w_zeros = &call->in[3];
  const int64_t x_zero = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_i64(&call->in[2], 0) : 0;
  const int64_t n_zeros = onnxc_rt_has_in(call, 3) ? onnxc_rt_count(w_zeros) : 0;
  onnxc_rt_conv_shape s = onnxc_rt_conv_shape_of(call, &call->in[0], &call->in[1], y);
  for (int64_t place = 0; place < s.window.places; place++) {
    onnxc_rt_window_place(&s.window, place);
    for (int64_t i = 0; i < s.batch * s.filters; i++) {
      const int64_t m = i % s.filters;
      const int64_t w_zero = n_zeros == 0 ? 0 : onnxc_rt_load_i64(w_zeros, n_zeros == 1 ? 0 : m);
      const uint64_t sum = onnxc_rt_conv_u64(&s, i / s.filters, m, x_zero, w_zero);
      onnxc_rt_store_i64(y, i * s.window.places + place, (int64_t)sum);
    }
  }
  return ONNXC_RT_OK;
}
