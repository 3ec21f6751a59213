#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_reverse_sequence(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *lengths = &call->in[1], *y = &call->out[0];
  const int32_t batch_axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int32_t time_axis = onnxc_rt_axis(call->attr[1].i, x->rank);
  const int64_t stride = onnxc_rt_span(x, time_axis + 1, x->rank);
  onnxc_rt_walk walk;
  for (int64_t i = 0; i < onnxc_rt_count(lengths); i++) {
    const int64_t length = onnxc_rt_load_i64(lengths, i);
    if (length < 0 || length > x->dims[time_axis]) return ONNXC_RT_ERROR_VALUE;
  }
  onnxc_rt_walk_init(&walk, x->dims, x->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int64_t length = onnxc_rt_load_i64(lengths, walk.index[batch_axis]);
    const int64_t time = walk.index[time_axis];
    const int64_t from = time < length ? i + (length - 1 - 2 * time) * stride : i;
    onnxc_rt_copy(y, i, x, from, 1);
  }
  return ONNXC_RT_OK;
}
