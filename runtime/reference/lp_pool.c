#include "onnxc_rt_reference.h"
#include "reference/window.h"

static double norm_of(const onnxc_rt_window *w, const onnxc_rt_tensor *x, int64_t plane_at,
                      double p) {
  double sum = 0;
  for (int64_t tap = 0; tap < w->taps; tap++) {
    const int64_t at = onnxc_rt_window_tap(w, tap);
    if (at >= 0) sum += pow(fabs(onnxc_rt_load_f64(x, plane_at + at)), p);
  }
  return pow(sum, 1 / p);
}

int onnxc_rt_ref_lp_pool(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const double p = (double)call->attr[ONNXC_RT_WINDOW_PARAMS].i;
  onnxc_rt_window w;
  onnxc_rt_window_init(&w, call, x, y, call->attr[2].ints);
  onnxc_rt_window_pad(&w, call);
  const int64_t count = onnxc_rt_count(y);
  for (int64_t i = 0; i < count; i++) {
    onnxc_rt_window_place(&w, i % w.places);
    onnxc_rt_store_f64(y, i, norm_of(&w, x, i / w.places * w.plane, p));
  }
  return ONNXC_RT_OK;
}
