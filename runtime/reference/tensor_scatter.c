#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_tensor_scatter(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *past = &call->in[0], *update = &call->in[1], *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, past->rank);
  const int circular = onnxc_rt_attr_is(&call->attr[1], "circular");
  const int64_t room = past->dims[axis], length = update->dims[axis];
  const int64_t inner = onnxc_rt_span(past, axis + 1, past->rank);
  const int64_t lines = onnxc_rt_span(past, 0, axis), per_sample = onnxc_rt_span(past, 1, axis);
  onnxc_rt_copy(y, 0, past, 0, onnxc_rt_count(past));
  for (int64_t i = 0; i < lines * length; i++) {
    const int64_t line = i / length, k = i % length;
    int64_t at = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_i64(&call->in[2], line / per_sample) : 0;
    if (at < 0 || at > INT32_MAX) return ONNXC_RT_ERROR_INDEX;
    at = circular && room > 0 ? (at + k) % room : at + k;
    if (at >= room) return ONNXC_RT_ERROR_INDEX;
    onnxc_rt_copy(y, (line * room + at) * inner, update, i * inner, inner);
  }
  return ONNXC_RT_OK;
}
