#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_one_hot(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *indices = &call->in[0], *values = &call->in[2], *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, y->rank);
  if (onnxc_rt_has_in(call, 1)) {
    const int64_t given = onnxc_rt_load_i64(&call->in[1], 0);
    if (!onnxc_rt_set_dim(y, axis, given)) return ONNXC_RT_ERROR_SHAPE;
  }
  const int64_t depth = y->dims[axis];
  const int64_t outer = onnxc_rt_span(y, 0, axis), inner = onnxc_rt_span(y, axis + 1, y->rank);
  for (int64_t i = 0; i < outer * depth * inner; i++) onnxc_rt_copy(y, i, values, 0, 1);
  for (int64_t i = 0; i < outer * inner; i++) {
    const int64_t hot = onnxc_rt_index(onnxc_rt_load_i64(indices, i), depth);
    if (hot < 0) continue; /* an index outside is all off */
    onnxc_rt_copy(y, (i / inner * depth + hot) * inner + i % inner, values, 1, 1);
  }
  return ONNXC_RT_OK;
}
