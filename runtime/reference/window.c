#include "reference/window.h"

#include <string.h>

static int64_t item(const onnxc_rt_attr *list, int32_t k, int64_t absent) {
  return list->present && k < list->count ? list->ints[k] : absent;
}

void onnxc_rt_window_init(onnxc_rt_window *w, const onnxc_rt_call *call, const onnxc_rt_tensor *in,
                          const onnxc_rt_tensor *out, const int64_t *kernel) {
  memset(w, 0, sizeof *w);
  w->rank = in->rank - 2;
  w->plane = w->places = w->taps = 1;
  for (int32_t k = 0; k < w->rank; k++) {
    w->in[k] = in->dims[k + 2];
    w->out[k] = out->dims[k + 2];
    w->kernel[k] = kernel[k];
    w->dilation[k] = item(&call->attr[1], k, 1);
    w->stride[k] = item(&call->attr[4], k, 1);
    w->plane *= w->in[k];
    w->places *= w->out[k];
    w->taps *= w->kernel[k];
  }
}

void onnxc_rt_window_split(onnxc_rt_window *w, const onnxc_rt_call *call, int32_t k,
                           int64_t total) {
  const int upper = strcmp(call->attr[0].s, "SAME_UPPER") == 0;
  w->begin[k] = upper ? total / 2 : total - total / 2;
  w->end[k] = total - w->begin[k];
}

static void pad_same(onnxc_rt_window *w, const onnxc_rt_call *call, int32_t k) {
  const int64_t extent = (w->kernel[k] - 1) * w->dilation[k] + 1;
  const int64_t total = (w->out[k] - 1) * w->stride[k] + extent - w->in[k];
  onnxc_rt_window_split(w, call, k, total > 0 ? total : 0);
}

void onnxc_rt_window_pad(onnxc_rt_window *w, const onnxc_rt_call *call) {
  for (int32_t k = 0; k < w->rank; k++) {
    switch (call->attr[0].s[0]) {
    case 'S': pad_same(w, call, k); break;
    case 'N':
      w->begin[k] = item(&call->attr[3], k, 0);
      w->end[k] = item(&call->attr[3], w->rank + k, 0);
      break;
    default: break;
    }
  }
}

void onnxc_rt_window_place(onnxc_rt_window *w, int64_t place) {
  for (int32_t k = w->rank - 1; k >= 0; k--) {
    w->origin[k] = place % w->out[k] * w->stride[k] - w->begin[k];
    place /= w->out[k];
  }
}

int64_t onnxc_rt_window_tap(const onnxc_rt_window *w, int64_t tap) {
  int64_t at = 0, size = 1;
  int padding = 0;
  for (int32_t k = w->rank - 1; k >= 0; k--) {
    const int64_t i = w->origin[k] + tap % w->kernel[k] * w->dilation[k];
    tap /= w->kernel[k];
    if (i >= w->in[k] + w->end[k]) return ONNXC_RT_TAP_OUTSIDE;
    if (i < 0 || i >= w->in[k]) padding = 1;
    at += i * size;
    size *= w->in[k];
  }
  return padding ? ONNXC_RT_TAP_PADDING : at;
}
