#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_gather(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *indices = &call->in[1], *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t outer = onnxc_rt_span(x, 0, axis), inner = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t n = onnxc_rt_count(indices), dim = x->dims[axis];
  for (int64_t k = 0; k < n; k++) {
    const int64_t index = onnxc_rt_index(onnxc_rt_load_i64(indices, k), dim);
    if (index < 0) return ONNXC_RT_ERROR_INDEX;
    for (int64_t i = 0; i < outer; i++) {
      onnxc_rt_copy(y, (i * n + k) * inner, x, (i * dim + index) * inner, inner);
    }
  }
  return ONNXC_RT_OK;
}
