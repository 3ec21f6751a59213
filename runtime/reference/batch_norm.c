#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_batch_norm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const int64_t channels = x->rank < 2 ? 1 : x->dims[1], count = onnxc_rt_count(x);
  const int64_t plane = onnxc_rt_span(x, 2, x->rank);
  for (int64_t at = 0; at < count; at++) {
    const int64_t c = at / plane % channels;
    const double variance = onnxc_rt_load_f64(&call->in[4], c) + call->attr[0].f;
    const double factor = onnxc_rt_load_f64(&call->in[1], c) / sqrt(variance);
    const double off = onnxc_rt_load_f64(x, at) - onnxc_rt_load_f64(&call->in[3], c);
    onnxc_rt_store_f64(&call->out[0], at, off * factor + onnxc_rt_load_f64(&call->in[2], c));
  }
  return ONNXC_RT_OK;
}
