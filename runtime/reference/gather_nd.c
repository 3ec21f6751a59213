#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_gather_nd(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *indices = &call->in[1], *y = &call->out[0];
  const int32_t batch_dims = (int32_t)call->attr[0].i;
  const int32_t depth = (int32_t)indices->dims[indices->rank - 1];
  const int64_t batches = onnxc_rt_span(x, 0, batch_dims);
  const int64_t tuples = onnxc_rt_span(indices, batch_dims, indices->rank - 1);
  const int64_t slice = onnxc_rt_span(x, batch_dims + depth, x->rank);
  int64_t strides[ONNXC_RT_MAX_RANK];
  onnxc_rt_strides(x->dims, x->rank, strides);
  const int64_t batch_stride = onnxc_rt_span(x, batch_dims, x->rank);
  for (int64_t i = 0; i < batches * tuples; i++) {
    int64_t from = i / tuples * batch_stride;
    for (int32_t k = 0; k < depth; k++) {
      const int32_t axis = batch_dims + k;
      const int64_t given = onnxc_rt_load_i64(indices, i * depth + k);
      const int64_t index = onnxc_rt_index(given, x->dims[axis]);
      if (index < 0) return ONNXC_RT_ERROR_INDEX;
      from += index * strides[axis];
    }
    onnxc_rt_copy(y, i * slice, x, from, slice);
  }
  return ONNXC_RT_OK;
}
