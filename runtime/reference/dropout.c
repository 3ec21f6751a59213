#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/stream.h"

int onnxc_rt_ref_dropout(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int trains = onnxc_rt_has_in(call, 2) && onnxc_rt_load_i64(&call->in[2], 0) != 0;
  const double given = onnxc_rt_has_in(call, 1) ? onnxc_rt_load_f64(&call->in[1], 0) : 0.5;
  const double ratio = trains ? given : 0, factor = 1 / (1 - ratio);
  const uint64_t stream = onnxc_rt_stream(call);
  if (!(ratio >= 0 && ratio < 1)) return ONNXC_RT_ERROR_VALUE;
  for (int64_t i = 0; i < onnxc_rt_count(x); i++) {
    const int kept = onnxc_rt_uniform(stream, (uint64_t)i, 53) >= ratio;
    if (onnxc_rt_has_out(call, 0)) {
      onnxc_rt_store_f64(y, i, kept ? factor * onnxc_rt_load_f64(x, i) : 0);
    }
    if (onnxc_rt_has_out(call, 1)) onnxc_rt_store_i64(&call->out[1], i, kept);
  }
  return ONNXC_RT_OK;
}
