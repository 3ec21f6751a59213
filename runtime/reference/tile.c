#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int set_dims(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  for (int32_t i = 0; i < x->rank; i++) {
    const int64_t times = onnxc_rt_load_i64(&call->in[1], i);
    if (times < 0 || (x->dims[i] != 0 && times > INT64_MAX / x->dims[i])) return 0;
    if (!onnxc_rt_set_dim(y, i, x->dims[i] * times)) return 0;
  }
  return 1;
}

int onnxc_rt_ref_tile(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  int64_t strides[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  if (onnxc_rt_has_in(call, 1) && !set_dims(call)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_strides(x->dims, x->rank, strides);
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    int64_t from = 0;
    for (int32_t axis = 0; axis < x->rank; axis++) {
      from += walk.index[axis] % x->dims[axis] * strides[axis];
    }
    onnxc_rt_copy(y, i, x, from, 1);
  }
  return ONNXC_RT_OK;
}
