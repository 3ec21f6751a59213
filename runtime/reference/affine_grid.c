#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* The middle of element `i` of `n`, or its place between the corners, in [-1, 1]. */
static double normalised(int64_t i, int64_t n, int align_corners) {
  if (!align_corners) return (2 * (double)i + 1) / (double)n - 1;
  return n == 1 ? 0 : 2 * (double)i / (double)(n - 1) - 1;
}

int onnxc_rt_ref_affine_grid(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *theta = &call->in[0], *y = &call->out[0];
  const int align_corners = call->attr[0].i != 0;
  const int32_t axes = y->rank - 2;
  onnxc_rt_walk walk;
  for (int32_t i = 0; onnxc_rt_has_in(call, 1) && i <= axes; i++) { /* size: n, c, spatial... */
    const int64_t size = onnxc_rt_load_i64(&call->in[1], i == 0 ? 0 : i + 1);
    if (!onnxc_rt_set_dim(y, i, size)) return ONNXC_RT_ERROR_SHAPE;
  }
  if (y->dims[0] != theta->dims[0]) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    const int64_t row = (walk.index[0] * axes + walk.index[axes + 1]) * (axes + 1);
    double sum = onnxc_rt_load_f64(theta, row + axes);
    for (int32_t k = 0; k < axes; k++) { /* the last axis comes first */
      const int32_t axis = axes - k;
      const double at = normalised(walk.index[axis], y->dims[axis], align_corners);
      sum += onnxc_rt_load_f64(theta, row + k) * at;
    }
    onnxc_rt_store_f64(y, i, sum);
  }
  return ONNXC_RT_OK;
}
