#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Mean and 1 / standard deviation of `n` elements from `at`. */
typedef struct Moments {
  double mean, inverse;
} Moments;

static Moments moments_of(const onnxc_rt_tensor *x, int64_t at, int64_t n, double epsilon) {
  double sum = 0, squares = 0;
  for (int64_t k = 0; k < n; k++) sum += onnxc_rt_load_f64(x, at + k);
  const double mean = sum / (double)n;
  for (int64_t k = 0; k < n; k++) {
    const double off = onnxc_rt_load_f64(x, at + k) - mean;
    squares += off * off;
  }
  return (Moments){mean, 1 / sqrt(squares / (double)n + epsilon)};
}

static void store_moments(const onnxc_rt_call *call, int64_t i, Moments m) {
  if (onnxc_rt_has_out(call, 1)) onnxc_rt_store_f64(&call->out[1], i, m.mean);
  if (onnxc_rt_has_out(call, 2)) onnxc_rt_store_f64(&call->out[2], i, m.inverse);
}

int onnxc_rt_ref_layer_norm(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *scale = &call->in[1];
  const int has_bias = onnxc_rt_has_in(call, 2);
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t n = onnxc_rt_span(x, axis, x->rank);
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, x->dims, x->rank);
  onnxc_rt_walk_broadcast(&walk, scale->dims, scale->rank);
  if (has_bias) onnxc_rt_walk_broadcast(&walk, call->in[2].dims, call->in[2].rank);
  Moments m = {0, 0};
  for (int64_t at = 0; at < walk.count; at++, onnxc_rt_walk_next(&walk)) {
    if (at % n == 0) {
      m = moments_of(x, at, n, call->attr[1].f);
      store_moments(call, at / n, m);
    }
    double y = (onnxc_rt_load_f64(x, at) - m.mean) * m.inverse;
    y *= onnxc_rt_load_f64(scale, walk.at[0]);
    if (has_bias) y += onnxc_rt_load_f64(&call->in[2], walk.at[1]);
    if (onnxc_rt_has_out(call, 0)) onnxc_rt_store_f64(&call->out[0], at, y);
  }
  return ONNXC_RT_OK;
}
