#include "reference/matmul_shape.h"

static int32_t batch_rank(const onnxc_rt_tensor *t) {
  return t->rank > 2 ? t->rank - 2 : 0;
}

/* Size of axis `axis` of the batch of rank `rank`, as `t` has it. */
static int64_t batch_dim(const onnxc_rt_tensor *t, int32_t rank, int32_t axis) {
  const int32_t own = axis - (rank - batch_rank(t));
  return own < 0 ? 1 : t->dims[own];
}

static void init_batch(onnxc_rt_matmul_shape *s) {
  const int32_t ra = batch_rank(s->a), rb = batch_rank(s->b), rank = ra > rb ? ra : rb;
  int64_t dims[ONNXC_RT_MAX_RANK];
  for (int32_t i = 0; i < rank; i++) {
    const int64_t da = batch_dim(s->a, rank, i), db = batch_dim(s->b, rank, i);
    dims[i] = da == 1 ? db : da;
  }
  onnxc_rt_walk_init(&s->batch, dims, rank);
  onnxc_rt_walk_broadcast(&s->batch, s->a->dims, ra);
  onnxc_rt_walk_broadcast(&s->batch, s->b->dims, rb);
}

onnxc_rt_matmul_shape onnxc_rt_matmul_shape_of(const onnxc_rt_tensor *a, const onnxc_rt_tensor *b) {
  onnxc_rt_matmul_shape s = {.a = a, .b = b};
  s.m = a->rank < 2 ? 1 : a->dims[a->rank - 2];
  s.k = a->dims[a->rank - 1];
  s.n = b->rank < 2 ? 1 : b->dims[b->rank - 1];
  init_batch(&s);
  return s;
}

onnxc_rt_line onnxc_rt_matmul_row(const onnxc_rt_matmul_shape *s, int64_t i) {
  return (onnxc_rt_line){s->a, (s->batch.at[0] * s->m + i) * s->k, 1, 0};
}

onnxc_rt_line onnxc_rt_matmul_column(const onnxc_rt_matmul_shape *s, int64_t j) {
  return (onnxc_rt_line){s->b, s->batch.at[1] * s->k * s->n + j, s->n, 0};
}
