/* Windows that slide over spatial axes: how convolution and pooling find their elements.
 *
 * The first attributes of a call are auto_pad, dilations, kernel_shape, pads and strides. Spatial
 * axis k is axis k + 2 of the tensors. */
#ifndef ONNXC_RT_REFERENCE_WINDOW_H
#define ONNXC_RT_REFERENCE_WINDOW_H

#include "reference/element.h"

enum { ONNXC_RT_WINDOW_PARAMS = 5 };

/* Taps that meet no element. */
enum {
  ONNXC_RT_TAP_PADDING = -1,
  ONNXC_RT_TAP_OUTSIDE = -2 /* behind the padding, which happens with ceil_mode */
};

typedef struct onnxc_rt_window {
  int32_t rank;
  int64_t in[ONNXC_RT_MAX_RANK], out[ONNXC_RT_MAX_RANK], kernel[ONNXC_RT_MAX_RANK];
  int64_t stride[ONNXC_RT_MAX_RANK], dilation[ONNXC_RT_MAX_RANK];
  int64_t begin[ONNXC_RT_MAX_RANK], end[ONNXC_RT_MAX_RANK]; /* padding */
  int64_t plane, places, taps;                              /* elements of in, out and kernel */
  int64_t origin[ONNXC_RT_MAX_RANK];                        /* of the window placed last */
} onnxc_rt_window;

/* Sizes and attributes without padding. `kernel`: taps along each axis. */
void onnxc_rt_window_init(onnxc_rt_window *w, const onnxc_rt_call *call, const onnxc_rt_tensor *in,
                          const onnxc_rt_tensor *out, const int64_t *kernel);
/* Sets begin and end of a window that slides over `in`. */
void onnxc_rt_window_pad(onnxc_rt_window *w, const onnxc_rt_call *call);
/* The padding of `total` elements along axis k split as auto_pad says; without a word on it the
 * odd one goes in front. */
void onnxc_rt_window_split(onnxc_rt_window *w, const onnxc_rt_call *call, int32_t k, int64_t total);

/* Moves the window to where it computes element `place` of the result's plane. */
void onnxc_rt_window_place(onnxc_rt_window *w, int64_t place);
/* The element of the plane that a tap meets there, or one of ONNXC_RT_TAP_. */
int64_t onnxc_rt_window_tap(const onnxc_rt_window *w, int64_t tap);

#endif
