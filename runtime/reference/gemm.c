#include "onnxc_rt_reference.h"
#include "reference/dot.h"
#include "reference/element.h"

static double gemm_f64(const onnxc_rt_call *call, onnxc_rt_line row, onnxc_rt_line column,
                       int64_t k, int64_t c_at) {
  double sum = call->attr[0].f * onnxc_rt_dot_f64(row, column, k);
  if (c_at >= 0) sum += call->attr[1].f * onnxc_rt_load_f64(&call->in[2], c_at);
  return sum;
}

/* Integer products are exact; the factors are floats by definition, and cut the result. */
static int64_t gemm_i64(const onnxc_rt_call *call, onnxc_rt_line row, onnxc_rt_line column,
                        int64_t k, int64_t c_at) {
  const double alpha = call->attr[0].f, beta = call->attr[1].f;
  const uint64_t product = onnxc_rt_dot_u64(row, column, k);
  const uint64_t c = c_at >= 0 ? (uint64_t)onnxc_rt_load_i64(&call->in[2], c_at) : 0;
  if (alpha == 1 && beta == 1) return (int64_t)(product + c);
  const double scaled = alpha * (double)(int64_t)product + beta * (double)(int64_t)c;
  return onnxc_rt_f64_to_i64(scaled);
}

int onnxc_rt_ref_gemm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
  const int trans_a = call->attr[2].i != 0, trans_b = call->attr[3].i != 0;
  const int has_c = onnxc_rt_has_in(call, 2);
  const int is_float = onnxc_rt_class_of(y->dtype) == ONNXC_RT_CLASS_FLOAT;
  const int64_t k = a->dims[trans_a ? 0 : 1];
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, 2);
  if (has_c) onnxc_rt_walk_broadcast(&walk, call->in[2].dims, call->in[2].rank);
  for (int64_t at = 0; at < walk.count; at++, onnxc_rt_walk_next(&walk)) {
    const int64_t i = walk.index[0], j = walk.index[1], c_at = has_c ? walk.at[0] : -1;
    const onnxc_rt_line row = {a, trans_a ? i : i * k, trans_a ? a->dims[1] : 1, 0};
    const onnxc_rt_line column = {b, trans_b ? j * k : j, trans_b ? 1 : b->dims[1], 0};
    if (is_float) {
      onnxc_rt_store_f64(y, at, gemm_f64(call, row, column, k, c_at));
    } else {
      onnxc_rt_store_i64(y, at, gemm_i64(call, row, column, k, c_at));
    }
  }
  return ONNXC_RT_OK;
}
