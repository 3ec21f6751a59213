#include "onnxc_rt_reference.h"
#include "reference/window.h"

/* What bytes stand for where there is a scale, rounded as DequantizeLinear does it. */
static double element(const onnxc_rt_call *call, int64_t i) {
  const double x = onnxc_rt_load_f64(&call->in[0], i);
  if (!onnxc_rt_has_in(call, 1)) return x;
  const double zero = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_f64(&call->in[2], 0) : 0;
  return (double)((float)(x - zero) * (float)onnxc_rt_load_f64(&call->in[1], 0));
}

/* Mean over the elements that the window meets, and over its padding where that counts. Sums of f32
 * are f32 at each step: where such a mean is quantised next, halves must fall as they do in others'
 * single precision. */
static double mean_of(const onnxc_rt_window *w, const onnxc_rt_call *call, int64_t plane_at,
                      int with_padding) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t tap = 0; tap < w->taps; tap++) {
    const int64_t at = onnxc_rt_window_tap(w, tap);
    if (at >= 0) sum += element(call, plane_at + at);
    if (call->out[0].dtype == ONNXC_RT_F32) sum = (double)(float)sum;
    n += at >= 0 || (with_padding && at == ONNXC_RT_TAP_PADDING);
  }
  return n == 0 ? 0 : sum / (double)n;
}

int onnxc_rt_ref_average_pool(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int with_padding = call->attr[ONNXC_RT_WINDOW_PARAMS].i != 0;
  onnxc_rt_window w;
  onnxc_rt_window_init(&w, call, x, y, call->attr[2].ints);
  onnxc_rt_window_pad(&w, call);
  const int64_t count = onnxc_rt_count(y);
  for (int64_t i = 0; i < count; i++) {
    onnxc_rt_window_place(&w, i % w.places);
    onnxc_rt_store_f64(y, i, mean_of(&w, call, i / w.places * w.plane, with_padding));
  }
  return ONNXC_RT_OK;
}
