#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Where element `at` of a padded axis comes from; -1: from outside. */
static int64_t reflect(int64_t at, int64_t dim) {
  if (dim == 1) return 0;
  const int64_t period = 2 * (dim - 1);
  at = (at % period + period) % period;
  return at < dim ? at : period - at;
}

static int64_t source(char mode, int64_t at, int64_t dim) {
  if (at >= 0 && at < dim) return at;
  if (dim == 0) return -1;
  switch (mode) {
  case 'r': return reflect(at, dim);
  case 'e': return at < 0 ? 0 : dim - 1;
  case 'w': return (at % dim + dim) % dim;
  default: return -1;
  }
}

/* The pads in front of each axis, and the sizes that they give. */
static int read_pads(const onnxc_rt_call *call, int64_t *front) {
  const onnxc_rt_tensor *x = &call->in[0], *pads = &call->in[1];
  const int64_t n = onnxc_rt_count(pads) / 2;
  for (int32_t i = 0; i < x->rank; i++) front[i] = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t given = onnxc_rt_has_in(call, 3) ? onnxc_rt_load_i64(&call->in[3], i) : i;
    const int32_t axis = onnxc_rt_axis(given, x->rank);
    const int64_t after = onnxc_rt_load_i64(pads, n + i), limit = INT64_MAX / 4;
    if (axis < 0) return 0;
    front[axis] = onnxc_rt_load_i64(pads, i);
    if (front[axis] > limit || after > limit || front[axis] < -limit || after < -limit) return 0;
    if (!onnxc_rt_set_dim(&call->out[0], axis, x->dims[axis] + front[axis] + after)) return 0;
  }
  return 1;
}

/* Position in the data of the element at `walk`; -1: padding. */
static int64_t position(const onnxc_rt_tensor *x, const onnxc_rt_walk *walk, const int64_t *front,
                        const int64_t *strides, char mode) {
  int64_t from = 0;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    const int64_t at = source(mode, walk->index[axis] - front[axis], x->dims[axis]);
    if (at < 0) return -1;
    from += at * strides[axis];
  }
  return from;
}

int onnxc_rt_ref_pad(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const char mode = call->attr[0].present ? call->attr[0].s[0] : 'c';
  int64_t strides[ONNXC_RT_MAX_RANK], front[ONNXC_RT_MAX_RANK];
  onnxc_rt_walk walk;
  if (!read_pads(call, front)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_strides(x->dims, x->rank, strides);
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  if (!onnxc_rt_has_in(call, 2)) onnxc_rt_clear(y);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int64_t from = position(x, &walk, front, strides, mode);
    if (from >= 0) {
      onnxc_rt_copy(y, i, x, from, 1);
    } else if (onnxc_rt_has_in(call, 2)) {
      onnxc_rt_copy(y, i, &call->in[2], 0, 1);
    }
  }
  return ONNXC_RT_OK;
}
