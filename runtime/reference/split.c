#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_split(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t outer = onnxc_rt_span(x, 0, axis), row = onnxc_rt_span(x, axis, x->rank);
  int64_t at = 0;
  for (int32_t k = 0; k < call->n_out; k++) {
    const onnxc_rt_tensor *y = &call->out[k];
    if (onnxc_rt_has_in(call, 1)) {
      const int64_t size = onnxc_rt_load_i64(&call->in[1], k);
      if (!onnxc_rt_set_dim(y, axis, size)) return ONNXC_RT_ERROR_SHAPE;
    }
    const int64_t part = onnxc_rt_span(y, axis, y->rank);
    if (part > row - at) return ONNXC_RT_ERROR_SHAPE;
    for (int64_t i = 0; i < outer; i++) onnxc_rt_copy(y, i * part, x, i * row + at, part);
    at += part;
  }
  return at == row || outer == 0 ? ONNXC_RT_OK : ONNXC_RT_ERROR_SHAPE;
}
