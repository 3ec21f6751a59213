#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_concat(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, y->rank);
  const int64_t outer = onnxc_rt_span(y, 0, axis), row = onnxc_rt_span(y, axis, y->rank);
  int64_t at = 0;
  for (int32_t k = 0; k < call->n_in; k++) {
    const onnxc_rt_tensor *x = &call->in[k];
    const int64_t part = onnxc_rt_span(x, axis, x->rank);
    for (int64_t i = 0; i < outer; i++) onnxc_rt_copy(y, i * row + at, x, i * part, part);
    at += part;
  }
  return ONNXC_RT_OK;
}
