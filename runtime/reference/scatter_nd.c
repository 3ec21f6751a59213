#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/scatter.h"

/* Where the slice of tuple `i` begins; -1: outside of x. */
static int64_t place_of(const onnxc_rt_tensor *x, const onnxc_rt_tensor *indices, int64_t i) {
  const int32_t depth = (int32_t)indices->dims[indices->rank - 1];
  int64_t strides[ONNXC_RT_MAX_RANK], to = 0;
  onnxc_rt_strides(x->dims, x->rank, strides);
  for (int32_t k = 0; k < depth; k++) {
    const int64_t index = onnxc_rt_index(onnxc_rt_load_i64(indices, i * depth + k), x->dims[k]);
    if (index < 0) return -1;
    to += index * strides[k];
  }
  return to;
}

int onnxc_rt_ref_scatter_nd(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *indices = &call->in[1], *updates = &call->in[2];
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t tuples = onnxc_rt_span(indices, 0, indices->rank - 1);
  const int64_t slice = onnxc_rt_span(x, (int32_t)indices->dims[indices->rank - 1], x->rank);
  for (int64_t i = 0; i < tuples; i++) {
    if (place_of(x, indices, i) < 0) return ONNXC_RT_ERROR_INDEX;
  }
  onnxc_rt_scatter_begin(y, x);
  for (int64_t i = 0; i < tuples; i++) {
    const int64_t to = place_of(x, indices, i);
    for (int64_t j = 0; j < slice; j++) {
      onnxc_rt_scatter_element(&call->attr[0], y, to + j, updates, i * slice + j);
    }
  }
  return ONNXC_RT_OK;
}
