#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/order.h"

/* One line of the input along the axis. */
typedef struct Line {
  const onnxc_rt_tensor *x;
  int64_t start, stride;
  int largest;
} Line;

static int comes_before(const void *context, int64_t a, int64_t b) {
  const Line *line = (const Line *)context;
  const int order = onnxc_rt_compare(line->x, line->start + a * line->stride, line->x,
                                     line->start + b * line->stride);
  if (order == 0) return a < b;
  return line->largest ? order > 0 : order < 0;
}

int onnxc_rt_ref_top_k(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  int64_t *positions = (int64_t *)call->scratch;
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t dim = x->dims[axis], inner = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t k = onnxc_rt_has_in(call, 1)
                        ? onnxc_rt_load_i64(&call->in[1], 0)
                        : call->out[onnxc_rt_has_out(call, 0) ? 0 : 1].dims[axis];
  if (k < 0 || k > dim) return ONNXC_RT_ERROR_VALUE;
  for (int32_t i = 0; i < call->n_out; i++) {
    const int fits = !onnxc_rt_has_out(call, i) || onnxc_rt_set_dim(&call->out[i], axis, k);
    if (!fits) return ONNXC_RT_ERROR_SHAPE;
  }
  const int64_t lines = onnxc_rt_span(x, 0, axis) * inner;
  for (int64_t i = 0; i < lines; i++) {
    const Line line = {x, i / inner * dim * inner + i % inner, inner, call->attr[1].i != 0};
    for (int64_t j = 0; j < dim; j++) positions[j] = j;
    onnxc_rt_sort(positions, dim, comes_before, &line);
    for (int64_t j = 0; j < k; j++) {
      const int64_t to = (i / inner * k + j) * inner + i % inner;
      const int64_t from = line.start + positions[j] * inner;
      if (onnxc_rt_has_out(call, 0)) onnxc_rt_copy(&call->out[0], to, x, from, 1);
      if (onnxc_rt_has_out(call, 1)) onnxc_rt_store_i64(&call->out[1], to, positions[j]);
    }
  }
  return ONNXC_RT_OK;
}
