#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Sizes from input 1, broadcast with those of the data. */
static int set_dims(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t given = onnxc_rt_count(&call->in[1]);
  for (int32_t i = 0; i < y->rank; i++) {
    const int64_t from_x = i - (y->rank - x->rank), from_shape = i - (y->rank - given);
    const int64_t a = from_x >= 0 ? x->dims[from_x] : 1;
    const int64_t b = from_shape >= 0 ? onnxc_rt_load_i64(&call->in[1], from_shape) : 1;
    if (a != b && a != 1 && b != 1) return 0;
    if (!onnxc_rt_set_dim(y, i, a == 1 ? b : a)) return 0;
  }
  return 1;
}

int onnxc_rt_ref_expand(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  onnxc_rt_walk walk;
  if (onnxc_rt_has_in(call, 1) && !set_dims(call)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_broadcast(&walk, x->dims, x->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    onnxc_rt_copy(y, i, x, walk.at[0], 1);
  }
  return ONNXC_RT_OK;
}
