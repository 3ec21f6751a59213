#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_lp_norm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int square = call->attr[1].i == 2;
  const int64_t n = x->dims[axis], step = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t rows = n == 0 ? 0 : onnxc_rt_count(x) / n;
  for (int64_t i = 0; i < rows; i++) {
    const int64_t at = i / step * step * n + i % step;
    double norm = 0;
    for (int64_t k = 0; k < n; k++) {
      const double value = onnxc_rt_load_f64(x, at + k * step);
      norm += square ? value * value : fabs(value);
    }
    if (square) norm = sqrt(norm);
    for (int64_t k = 0; k < n; k++) {
      const double value = onnxc_rt_load_f64(x, at + k * step);
      onnxc_rt_store_f64(&call->out[0], at + k * step, norm == 0 ? 0 : value / norm);
    }
  }
  return ONNXC_RT_OK;
}
