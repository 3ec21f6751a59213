#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/scatter.h"

static int check_indices(const onnxc_rt_tensor *indices, int64_t size) {
  const int64_t count = onnxc_rt_count(indices);
  for (int64_t i = 0; i < count; i++) {
    if (onnxc_rt_index(onnxc_rt_load_i64(indices, i), size) < 0) return ONNXC_RT_ERROR_INDEX;
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_scatter_elements(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *indices = &call->in[1], *updates = &call->in[2];
  const onnxc_rt_tensor *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  int64_t steps[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  const int status = check_indices(indices, x->dims[axis]);
  if (status != ONNXC_RT_OK) return status;
  onnxc_rt_scatter_begin(y, x);
  onnxc_rt_strides(x->dims, x->rank, steps);
  const int64_t stride = steps[axis];
  steps[axis] = 0;
  onnxc_rt_walk_init(&walk, indices->dims, indices->rank);
  onnxc_rt_walk_steps(&walk, 0, steps);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int64_t index = onnxc_rt_index(onnxc_rt_load_i64(indices, i), x->dims[axis]);
    onnxc_rt_scatter_element(&call->attr[1], y, walk.at[0] + index * stride, updates, i);
  }
  return ONNXC_RT_OK;
}
