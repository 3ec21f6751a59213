#include "onnxc_rt_reference.h"
#include "reference/granularity.h"

int onnxc_rt_ref_dequantize_linear(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const onnxc_rt_granularity g =
      onnxc_rt_granularity_of(x, &call->in[1], call->attr[0].i, call->attr[1].i);
  const int64_t count = onnxc_rt_count(x);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = onnxc_rt_granularity_at(&g, i);
    const double zero = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_f64(&call->in[2], at) : 0;
    const float off = (float)(onnxc_rt_load_f64(x, i) - zero);
    const float y = off * (float)onnxc_rt_load_f64(&call->in[1], at);
    onnxc_rt_store_f64(&call->out[0], i, (double)y);
  }
  return ONNXC_RT_OK;
}
