#include "onnxc_rt_reference.h"
#include "reference/matmul_shape.h"

/* One zero point for all, for each of `n` rows (or columns), or for those of each matrix. */
static int64_t zero_at(const onnxc_rt_call *call, int32_t input, int64_t matrix, int64_t n,
                       int64_t i) {
  if (!onnxc_rt_has_in(call, input)) return 0;
  const onnxc_rt_tensor *zeros = &call->in[input];
  const int64_t count = onnxc_rt_count(zeros);
  return onnxc_rt_load_i64(zeros, count == 1 ? 0 : zeros->rank < 2 ? i : (matrix * n + i) % count);
}

int onnxc_rt_ref_matmul_integer(const onnxc_rt_call *call) {
  onnxc_rt_matmul_shape s = onnxc_rt_matmul_shape_of(&call->in[0], &call->in[1]);
  int64_t at = 0;
  for (int64_t batch = 0; batch < s.batch.count; batch++, onnxc_rt_walk_next(&s.batch)) {
    for (int64_t i = 0; i < s.m * s.n; i++, at++) {
      onnxc_rt_line row = onnxc_rt_matmul_row(&s, i / s.n);
      onnxc_rt_line column = onnxc_rt_matmul_column(&s, i % s.n);
      row.zero = zero_at(call, 2, s.batch.at[0], s.m, i / s.n);
      column.zero = zero_at(call, 3, s.batch.at[1], s.n, i % s.n);
      onnxc_rt_store_i64(&call->out[0], at, (int64_t)onnxc_rt_dot_u64(row, column, s.k));
    }
  }
  return ONNXC_RT_OK;
}
