#include "onnxc_rt_reference.h"
#include "reference/window.h"

typedef struct Best {
  double value;
  int64_t at; /* in the plane; -1: the window meets padding only */
} Best;

/* The first of the largest elements; a NaN is larger than all. */
static Best best_of(const onnxc_rt_window *w, const onnxc_rt_tensor *x, int64_t plane_at) {
  Best best = {-(double)ONNXC_RT_INFINITY, -1};
  for (int64_t tap = 0; tap < w->taps; tap++) {
    const int64_t at = onnxc_rt_window_tap(w, tap);
    if (at < 0) continue;
    const double value = onnxc_rt_load_f64(x, plane_at + at);
    const int larger = value > best.value || (isnan(value) && !isnan(best.value));
    if (larger || best.at < 0) best = (Best){value, at};
  }
  return best;
}

/* Position `at` of a row-major plane counted with the first axis fastest. */
static int64_t column_major(const onnxc_rt_window *w, int64_t at) {
  int64_t result = 0;
  for (int32_t k = w->rank - 1; k >= 0; k--) {
    result = result * w->in[k] + at % w->in[k];
    at /= w->in[k];
  }
  return result;
}

int onnxc_rt_ref_max_pool(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const onnxc_rt_tensor *y = &call->out[onnxc_rt_has_out(call, 0) ? 0 : 1];
  const int by_columns = call->attr[ONNXC_RT_WINDOW_PARAMS].i != 0;
  onnxc_rt_window w;
  onnxc_rt_window_init(&w, call, x, y, call->attr[2].ints);
  onnxc_rt_window_pad(&w, call);
  const int64_t count = onnxc_rt_count(y);
  for (int64_t i = 0; i < count; i++) {
    const int64_t plane_at = i / w.places * w.plane;
    onnxc_rt_window_place(&w, i % w.places);
    const Best best = best_of(&w, x, plane_at);
    if (onnxc_rt_has_out(call, 0)) onnxc_rt_store_f64(y, i, best.value);
    if (!onnxc_rt_has_out(call, 1)) continue;
    const int64_t at = best.at < 0 ? 0 : by_columns ? column_major(&w, best.at) : best.at;
    onnxc_rt_store_i64(&call->out[1], i, plane_at + at);
  }
  return ONNXC_RT_OK;
}
