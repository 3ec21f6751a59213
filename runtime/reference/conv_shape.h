/* Convolution at one place of one output channel: what its reference kernels share.
 *
 * Attributes of the calls: those of a window, then group. */
#ifndef ONNXC_RT_REFERENCE_CONV_SHAPE_H
#define ONNXC_RT_REFERENCE_CONV_SHAPE_H

#include "reference/dot.h"
#include "reference/window.h"

typedef struct onnxc_rt_conv_shape {
  onnxc_rt_window window;
  const onnxc_rt_tensor *x, *w;
  int64_t batch, filters;          /* N and M */
  int64_t group_filters, channels; /* of one group */
} onnxc_rt_conv_shape;

onnxc_rt_conv_shape onnxc_rt_conv_shape_of(const onnxc_rt_call *call, const onnxc_rt_tensor *x,
                                           const onnxc_rt_tensor *w, const onnxc_rt_tensor *y);

/* The sum for image `n` and filter `m` where the window is placed. */
double onnxc_rt_conv_f64(const onnxc_rt_conv_shape *s, int64_t n, int64_t m);
/* The same of integers modulo 2^64, less their zero points; padding counts as the zero point. */
uint64_t onnxc_rt_conv_u64(const onnxc_rt_conv_shape *s, int64_t n, int64_t m, int64_t x_zero,
                           int64_t w_zero);

#endif
