#include "onnxc_rt_reference.h"
#include "reference/matmul_shape.h"

int onnxc_rt_ref_matmul(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(y->dtype) == ONNXC_RT_CLASS_FLOAT;
  onnxc_rt_matmul_shape s = onnxc_rt_matmul_shape_of(&call->in[0], &call->in[1]);
  int64_t at = 0;
  for (int64_t batch = 0; batch < s.batch.count; batch++, onnxc_rt_walk_next(&s.batch)) {
    for (int64_t i = 0; i < s.m * s.n; i++, at++) {
      const onnxc_rt_line row = onnxc_rt_matmul_row(&s, i / s.n);
      const onnxc_rt_line column = onnxc_rt_matmul_column(&s, i % s.n);
      if (is_float) {
        onnxc_rt_store_f64(y, at, onnxc_rt_dot_f64(row, column, s.k));
      } else {
        onnxc_rt_store_i64(y, at, (int64_t)onnxc_rt_dot_u64(row, column, s.k));
      }
    }
  }
  return ONNXC_RT_OK;
}
