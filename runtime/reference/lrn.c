#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Sum of squares over `channels` channels, from the one at `at`, at one place of the plane. */
static double squares(const onnxc_rt_tensor *x, int64_t at, int64_t plane, int64_t channels) {
  double sum = 0;
  for (int64_t c = 0; c < channels; c++) {
    const double value = onnxc_rt_load_f64(x, at + c * plane);
    sum += value * value;
  }
  return sum;
}

int onnxc_rt_ref_lrn(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const double alpha = call->attr[0].f, beta = call->attr[1].f, bias = call->attr[2].f;
  const int64_t size = call->attr[3].i, channels = x->dims[1];
  const int64_t plane = onnxc_rt_span(x, 2, x->rank), count = onnxc_rt_count(x);
  for (int64_t at = 0; at < count; at++) {
    const int64_t c = at / plane % channels;
    const int64_t before = c < (size - 1) / 2 ? c : (size - 1) / 2;
    const int64_t after = channels - 1 - c < size / 2 ? channels - 1 - c : size / 2;
    const double sum = squares(x, at - before * plane, plane, before + 1 + after);
    const double y = onnxc_rt_load_f64(x, at) / pow(bias + alpha / (double)size * sum, beta);
    onnxc_rt_store_f64(&call->out[0], at, y);
  }
  return ONNXC_RT_OK;
}
