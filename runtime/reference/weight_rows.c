#include "reference/weight_rows.h"

#include "reference/dot.h"

/* Column `n` of the result. */
static void multiply_row(const onnxc_rt_call *call, int64_t n, const onnxc_rt_tensor *row,
                         double bias) {
  const onnxc_rt_tensor *a = &call->in[0], *y = &call->out[0];
  const int64_t k = call->attr[0].i, columns = call->attr[1].i, m = onnxc_rt_count(y) / columns;
  const onnxc_rt_line w = {row, 0, 1, 0};
  for (int64_t i = 0; i < m; i++) {
    const onnxc_rt_line x = {a, i * k, 1, 0};
    onnxc_rt_store_f64(y, i * columns + n, onnxc_rt_dot_f64(x, w, k) + bias);
  }
}

int onnxc_rt_matmul_rows(const onnxc_rt_call *call, int32_t bias, onnxc_rt_unpack_row *unpack) {
  int64_t k = call->attr[0].i;
  const onnxc_rt_tensor row = onnxc_rt_tensor_at(call->scratch, &k, 1, ONNXC_RT_F32);
  const int has_bias = onnxc_rt_has_in(call, bias);
  for (int64_t n = 0; n < call->attr[1].i; n++) {
    const int error = unpack(call, n, (float *)call->scratch);
    if (error != ONNXC_RT_OK) return error;
    multiply_row(call, n, &row, has_bias ? onnxc_rt_load_f64(&call->in[bias], n) : 0);
  }
  return ONNXC_RT_OK;
}
