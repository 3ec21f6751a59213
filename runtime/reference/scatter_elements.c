#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/scatter.h"

int onnxc_rt_ref_scatter_elements(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *indices = &call->in[1], *updates = &call->in[2];
  const onnxc_rt_tensor *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  int64_t steps[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  onnxc_rt_copy(y, 0, x, 0, onnxc_rt_count(x));
  onnxc_rt_strides(x->dims, x->rank, steps);
  const int64_t stride = steps[axis];
  steps[axis] = 0;
  onnxc_rt_walk_init(&walk, indices->dims, indices->rank);
  onnxc_rt_walk_steps(&walk, 0, steps);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int64_t index = onnxc_rt_index(onnxc_rt_load_i64(indices, i), x->dims[axis]);
    if (index < 0) return ONNXC_RT_ERROR_INDEX;
    onnxc_rt_scatter_element(&call->attr[1], y, walk.at[0] + index * stride, updates, i);
  }
  return ONNXC_RT_OK;
}
