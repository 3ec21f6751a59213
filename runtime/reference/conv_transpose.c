#include "onnxc_rt_reference.h"
#include "reference/dot.h"
#include "reference/window.h"

/* Attributes behind those of a window. */
enum { GROUP = ONNXC_RT_WINDOW_PARAMS, OUTPUT_PADDING, OUTPUT_SHAPE };

typedef struct Shape {
  onnxc_rt_window window; /* slides over y; x has one element for each place */
  const onnxc_rt_tensor *x, *w, *y;
  int64_t channels, filters; /* of one group */
} Shape;

/* Padding follows from the sizes unless it is given. */
static void pad(onnxc_rt_window *w, const onnxc_rt_call *call) {
  const onnxc_rt_attr *extra = &call->attr[OUTPUT_PADDING];
  if (!call->attr[OUTPUT_SHAPE].present && call->attr[0].s[0] != 'S') {
    onnxc_rt_window_pad(w, call);
    return;
  }
  for (int32_t k = 0; k < w->rank; k++) {
    const int64_t extent = (w->kernel[k] - 1) * w->dilation[k] + 1;
    const int64_t more = extra->present && k < extra->count ? extra->ints[k] : 0;
    const int64_t total = (w->out[k] - 1) * w->stride[k] + more + extent - w->in[k];
    onnxc_rt_window_split(w, call, k, total > 0 ? total : 0);
  }
}

/* The element of x that reaches element `at` of y's plane through a tap; -1: none. */
static int64_t source(const onnxc_rt_window *w, int64_t at, int64_t tap) {
  int64_t place = 0, size = 1;
  for (int32_t k = w->rank - 1; k >= 0; k--) {
    const int64_t i = at % w->in[k] + w->begin[k] - tap % w->kernel[k] * w->dilation[k];
    if (i < 0 || i % w->stride[k] != 0 || i / w->stride[k] >= w->out[k]) return -1;
    place += i / w->stride[k] * size;
    size *= w->out[k];
    at /= w->in[k];
    tap /= w->kernel[k];
  }
  return place;
}

/* Image `n`, filter `m` of all groups, element `at` of the plane. */
static double sum_at(const Shape *s, int64_t n, int64_t m, int64_t at) {
  const int64_t channel = m / s->filters * s->channels, taps = s->window.taps;
  double sum = 0;
  for (int64_t tap = 0; tap < taps; tap++) {
    const int64_t place = source(&s->window, at, tap);
    if (place < 0) continue;
    const int64_t x_at = (n * s->x->dims[1] + channel) * s->window.places + place;
    const int64_t w_at = (channel * s->filters + m % s->filters) * taps + tap;
    const onnxc_rt_line x = {s->x, x_at, s->window.places, 0};
    const onnxc_rt_line w = {s->w, w_at, s->filters * taps, 0};
    sum += onnxc_rt_dot_f64(x, w, s->channels);
  }
  return sum;
}

int onnxc_rt_ref_conv_transpose(const onnxc_rt_call *call) {
  Shape s = {.x = &call->in[0], .w = &call->in[1], .y = &call->out[0]};
  const int has_bias = onnxc_rt_has_in(call, 2);
  s.channels = s.x->dims[1] / call->attr[GROUP].i;
  s.filters = s.w->dims[1];
  onnxc_rt_window_init(&s.window, call, s.y, s.x, s.w->dims + 2);
  pad(&s.window, call);
  const int64_t count = onnxc_rt_count(s.y);
  for (int64_t i = 0; i < count; i++) {
    const int64_t image = i / s.window.plane, m = image % s.y->dims[1];
    const double bias = has_bias ? onnxc_rt_load_f64(&call->in[2], m) : 0;
    const double sum = sum_at(&s, image / s.y->dims[1], m, i % s.window.plane);
    onnxc_rt_store_f64(s.y, i, bias + sum);
  }
  return ONNXC_RT_OK;
}
