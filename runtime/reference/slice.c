#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int64_t clamp(int64_t at, int64_t low, int64_t high) {
  return at < low ? low : at > high ? high : at;
}

/* Where the slice begins, and how many steps it has up to `end`. */
static int64_t first_index(int64_t start, int64_t dim, int64_t step) {
  if (start < 0) start = start < -dim ? 0 : start + dim;
  return clamp(start, 0, step > 0 ? dim : dim - 1);
}

static int64_t length(int64_t first, int64_t end, int64_t dim, int64_t step) {
  if (end < 0) end = end < -dim ? (step > 0 ? 0 : -1) : end + dim;
  end = step > 0 ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
  if (step > 0) return end > first ? (end - first - 1) / step + 1 : 0;
  if (end >= first) return 0;
  return step < end - first ? 1 : (first - end - 1) / -step + 1;
}

int onnxc_rt_ref_slice(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  int64_t steps[ONNXC_RT_MAX_RANK], start = 0;
  onnxc_rt_walk walk;
  onnxc_rt_strides(x->dims, x->rank, steps);
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[1]); i++) {
    const int64_t given = onnxc_rt_has_in(call, 3) ? onnxc_rt_load_i64(&call->in[3], i) : i;
    const int32_t axis = onnxc_rt_axis(given, x->rank);
    const int64_t step = onnxc_rt_has_in(call, 4) ? onnxc_rt_load_i64(&call->in[4], i) : 1;
    if (axis < 0 || step == 0) return ONNXC_RT_ERROR_VALUE;
    const int64_t dim = x->dims[axis];
    const int64_t first = first_index(onnxc_rt_load_i64(&call->in[1], i), dim, step);
    if (onnxc_rt_has_in(call, 2)) {
      const int64_t size = length(first, onnxc_rt_load_i64(&call->in[2], i), dim, step);
      if (!onnxc_rt_set_dim(y, axis, size)) return ONNXC_RT_ERROR_SHAPE;
    }
    start += first * steps[axis];
    steps[axis] = y->dims[axis] > 1 ? steps[axis] * step : 0; /* a longer step is never taken */
  }
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_steps(&walk, start, steps);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    onnxc_rt_copy(y, i, x, walk.at[0], 1);
  }
  return ONNXC_RT_OK;
}
