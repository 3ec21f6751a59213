#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* The element that comes `shift` behind element `i` of an axis, whose end is followed by its
 * beginning. */
static int64_t rolled(int64_t i, int64_t shift, int64_t size) {
  const int64_t at = (i + shift % size) % size;
  return at < 0 ? at + size : at;
}

int onnxc_rt_ref_roll(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t *shifts = call->attr[0].ints;
  int64_t strides[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  onnxc_rt_strides(x->dims, x->rank, strides);
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    int64_t from = 0;
    for (int32_t k = 0; k < x->rank; k++) {
      from += rolled(walk.index[k], shifts[k], x->dims[k]) * strides[k];
    }
    onnxc_rt_copy(y, i, x, from, 1);
  }
  return ONNXC_RT_OK;
}
