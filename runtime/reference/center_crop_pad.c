#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int32_t axis_of(const onnxc_rt_call *call, int32_t i) {
  const onnxc_rt_attr *axes = &call->attr[0];
  return axes->present ? onnxc_rt_axis(axes->ints[i], call->in[0].rank) : i;
}

/* Where element `at` of the output comes from along an axis; -1: padding. */
static int64_t source(int64_t at, int64_t from, int64_t to) {
  const int64_t index = from > to ? at + (from - to) / 2 : at - (to - from) / 2;
  return index >= 0 && index < from ? index : -1;
}

int onnxc_rt_ref_center_crop_pad(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  onnxc_rt_walk walk;
  for (int32_t i = 0; onnxc_rt_has_in(call, 1) && i < onnxc_rt_count(&call->in[1]); i++) {
    const int64_t size = onnxc_rt_load_i64(&call->in[1], i);
    if (!onnxc_rt_set_dim(y, axis_of(call, i), size)) return ONNXC_RT_ERROR_SHAPE;
  }
  onnxc_rt_clear(y);
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    int64_t from = 0;
    for (int32_t axis = 0; axis < x->rank && from >= 0; axis++) {
      const int64_t index = source(walk.index[axis], x->dims[axis], y->dims[axis]);
      from = index < 0 ? -1 : from * x->dims[axis] + index;
    }
    if (from >= 0) onnxc_rt_copy(y, i, x, from, 1);
  }
  return ONNXC_RT_OK;
}
