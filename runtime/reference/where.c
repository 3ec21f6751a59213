#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_where(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *condition = &call->in[0], *y = &call->out[0];
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int32_t k = 0; k < 3; k++) {
    onnxc_rt_walk_broadcast(&walk, call->in[k].dims, call->in[k].rank);
  }
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int32_t chosen = onnxc_rt_load_i64(condition, walk.at[0]) != 0 ? 1 : 2;
    onnxc_rt_copy(y, i, &call->in[chosen], walk.at[chosen], 1);
  }
  return ONNXC_RT_OK;
}
