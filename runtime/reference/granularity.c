#include "reference/granularity.h"

onnxc_rt_granularity onnxc_rt_granularity_of(const onnxc_rt_tensor *x, const onnxc_rt_tensor *scale,
                                             int64_t axis, int64_t block) {
  const int one = block == 0 && scale->rank < 2 && onnxc_rt_count(scale) == 1;
  const int32_t at = one ? -1 : onnxc_rt_axis(axis, x->rank);
  onnxc_rt_granularity g = {1, 1, 0, 1};
  if (at < 0) return g;
  g.size = x->dims[at];
  g.inner = onnxc_rt_span(x, at + 1, x->rank);
  g.block = block;
  g.blocks = block == 0 ? 1 : scale->dims[at];
  return g;
}

int64_t onnxc_rt_granularity_at(const onnxc_rt_granularity *g, int64_t i) {
  const int64_t inner = i % g->inner, row = i / g->inner;
  if (g->block == 0) return row % g->size;
  const int64_t block = row % g->size / g->block;
  return (row / g->size * g->blocks + block) * g->inner + inner;
}
