#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/scatter.h"

/* Where the lines of a sample begin to change. */
static int64_t start_of(const onnxc_rt_call *call, int64_t sample) {
  return onnxc_rt_has_in(call, 2) ? onnxc_rt_load_i64(&call->in[2], sample) : 0;
}

static int check_starts(const onnxc_rt_call *call, int64_t room, int64_t length, int circular) {
  const int64_t samples = length > 0 ? call->in[0].dims[0] : 0;
  for (int64_t i = 0; i < samples; i++) {
    const int64_t at = start_of(call, i);
    if (at < 0 || at > INT32_MAX || room == 0) return ONNXC_RT_ERROR_INDEX;
    if (!circular && at + length > room) return ONNXC_RT_ERROR_INDEX;
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_tensor_scatter(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *past = &call->in[0], *update = &call->in[1], *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, past->rank);
  const int circular = onnxc_rt_attr_is(&call->attr[1], "circular");
  const int64_t room = past->dims[axis], length = update->dims[axis];
  const int64_t inner = onnxc_rt_span(past, axis + 1, past->rank);
  const int64_t lines = onnxc_rt_span(past, 0, axis), per_sample = onnxc_rt_span(past, 1, axis);
  const int status = check_starts(call, room, lines > 0 ? length : 0, circular);
  if (status != ONNXC_RT_OK) return status;
  onnxc_rt_scatter_begin(y, past);
  for (int64_t i = 0; i < lines * length; i++) {
    const int64_t line = i / length, at = start_of(call, line / per_sample) + i % length;
    onnxc_rt_copy(y, (line * room + (circular ? at % room : at)) * inner, update, i * inner, inner);
  }
  return ONNXC_RT_OK;
}
