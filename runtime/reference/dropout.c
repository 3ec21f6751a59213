#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_dropout(const onnxc_rt_call *call) {
  const int trains = onnxc_rt_has_in(call, 2) && onnxc_rt_load_i64(&call->in[2], 0) != 0;
  const double ratio = onnxc_rt_has_in(call, 1) ? onnxc_rt_load_f64(&call->in[1], 0) : 0.5;
  if (trains && ratio != 0) return ONNXC_RT_ERROR_VALUE;
  for (int64_t i = 0; onnxc_rt_has_out(call, 1) && i < onnxc_rt_count(&call->out[1]); i++) {
    onnxc_rt_store_i64(&call->out[1], i, 1);
  }
  return onnxc_rt_ref_copy(call);
}
