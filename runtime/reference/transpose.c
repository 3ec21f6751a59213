#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_transpose(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const onnxc_rt_attr *perm = &call->attr[0];
  int64_t strides[ONNXC_RT_MAX_RANK], steps[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  onnxc_rt_strides(x->dims, x->rank, strides);
  for (int32_t i = 0; i < x->rank; i++) {
    steps[i] = strides[perm->present ? perm->ints[i] : x->rank - 1 - i];
  }
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_steps(&walk, 0, steps);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    onnxc_rt_copy(y, i, x, walk.at[0], 1);
  }
  return ONNXC_RT_OK;
}
