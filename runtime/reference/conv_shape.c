#include "reference/conv_shape.h"

onnxc_rt_conv_shape onnxc_rt_conv_shape_of(const onnxc_rt_call *call, const onnxc_rt_tensor *x,
                                           const onnxc_rt_tensor *w, const onnxc_rt_tensor *y) {
  onnxc_rt_conv_shape s = {.x = x, .w = w, .batch = x->dims[0], .filters = w->dims[0]};
  s.group_filters = w->dims[0] / call->attr[ONNXC_RT_WINDOW_PARAMS].i;
  s.channels = w->dims[1];
  onnxc_rt_window_init(&s.window, call, x, y, w->dims + 2);
  onnxc_rt_window_pad(&s.window, call);
  return s;
}

/* The channels of the group that one tap multiplies. */
static onnxc_rt_line x_line(const onnxc_rt_conv_shape *s, int64_t n, int64_t m, int64_t at) {
  const int64_t plane = n * s->x->dims[1] + m / s->group_filters * s->channels;
  return (onnxc_rt_line){s->x, plane * s->window.plane + at, s->window.plane, 0};
}

static onnxc_rt_line w_line(const onnxc_rt_conv_shape *s, int64_t m, int64_t tap) {
  return (onnxc_rt_line){s->w, m * s->channels * s->window.taps + tap, s->window.taps, 0};
}

double onnxc_rt_conv_f64(const onnxc_rt_conv_shape *s, int64_t n, int64_t m) {
  double sum = 0;
  for (int64_t tap = 0; tap < s->window.taps; tap++) {
    const int64_t at = onnxc_rt_window_tap(&s->window, tap);
    if (at >= 0) sum += onnxc_rt_dot_f64(x_line(s, n, m, at), w_line(s, m, tap), s->channels);
  }
  return sum;
}

uint64_t onnxc_rt_conv_u64(const onnxc_rt_conv_shape *s, int64_t n, int64_t m, int64_t x_zero,
                           int64_t w_zero) {
  uint64_t sum = 0;
  for (int64_t tap = 0; tap < s->window.taps; tap++) {
    const int64_t at = onnxc_rt_window_tap(&s->window, tap);
    if (at < 0) continue;
    onnxc_rt_line x = x_line(s, n, m, at), w = w_line(s, m, tap);
    x.zero = x_zero;
    w.zero = w_zero;
    sum += onnxc_rt_dot_u64(x, w, s->channels);
  }
  return sum;
}
