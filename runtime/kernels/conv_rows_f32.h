/* Input rows as convolutions read them: padded, and split by the stride. Element i of a padded row
 * is at [i % stride][i / stride], so that the inputs of neighbouring outputs are neighbours for
 * every tap. */
#ifndef ONNXC_RT_CONV_ROWS_F32_H
#define ONNXC_RT_CONV_ROWS_F32_H

#include "onnxc_rt_kernels.h"
#include "simd/simd.h"

typedef struct conv_rows {
  const onnxc_rt_conv *conv;
  const float *end; /* of the input, which vector loads may not pass */
  ptrdiff_t phase;  /* length of a part of a row */
} conv_rows;

ONNXC_RT_V_INLINE const float *conv_input_end(const onnxc_rt_conv *c) {
  const ptrdiff_t planes = c->batch * c->in_channels, size = c->in[0] * c->in[1] * c->in[2];
  return planes == 0 ? c->x : c->x + (planes - 1) * onnxc_rt_plane(c->x_plane, c->in) + size;
}

/* Zeros in [from, to), and up to a vector beyond. */
ONNXC_RT_V_INLINE void conv_zero(float *row, ptrdiff_t from, ptrdiff_t to) {
  for (; from < to; from += ONNXC_RT_V_WIDTH) {
    onnxc_rt_v_store(row + from, onnxc_rt_v_splat(0.0f));
  }
}

/* to[i] = from[i stride] for i in [first, last), and up to a vector beyond. */
ONNXC_RT_V_INLINE void conv_copy_phase(float *to, const float *from, ptrdiff_t first,
                                       ptrdiff_t last, ptrdiff_t stride, const float *end) {
  const int room = (last - first + ONNXC_RT_V_WIDTH) * stride <= end - (from + first * stride);
  if (stride == 1 && room) {
    for (ptrdiff_t i = first; i < last; i += ONNXC_RT_V_WIDTH) {
      onnxc_rt_v_store(to + i, onnxc_rt_v_load(from + i));
    }
  } else if (stride == 2 && room) {
    for (ptrdiff_t i = first; i < last; i += ONNXC_RT_V_WIDTH) {
      onnxc_rt_v_store(to + i, onnxc_rt_v_load_even(from + i * 2));
    }
  } else {
    for (ptrdiff_t i = first; i < last; i++) to[i] = from[i * stride];
  }
}

/* Row (z, y) of a channel from the input of output `x` on, zeros where it is outside; writes up to
 * a vector beyond the row. */
ONNXC_RT_V_INLINE void conv_fill_row(const conv_rows *rows, const float *channel, ptrdiff_t z,
                                     ptrdiff_t y, ptrdiff_t x, float *row) {
  const onnxc_rt_conv *c = rows->conv;
  const ptrdiff_t stride = c->stride[2], width = c->in[2], start = x * stride - c->pad[2];
  const int inside = z >= 0 && z < c->in[0] && y >= 0 && y < c->in[1];
  const float *from = channel + (inside ? (z * c->in[1] + y) * width : 0);
  for (ptrdiff_t r = 0; r < stride; r++, row += rows->phase) {
    const ptrdiff_t at = start + r; /* input of the phase's first element */
    ptrdiff_t first = at < 0 ? (stride - 1 - at) / stride : 0;
    ptrdiff_t last = at < width && inside ? (width - at + stride - 1) / stride : 0;
    first = onnxc_rt_min_size(first, rows->phase);
    last = onnxc_rt_max_size(onnxc_rt_min_size(last, rows->phase), first);
    conv_zero(row, 0, first);
    if (first < last) conv_copy_phase(row, from + at, first, last, stride, rows->end);
    conv_zero(row, last, rows->phase);
  }
}

/* The distance in such rows from one tap to the next, whose phase becomes `phase_index`. */
ONNXC_RT_V_INLINE ptrdiff_t conv_next_in_row(const conv_rows *rows, ptrdiff_t *phase_index) {
  const ptrdiff_t stride = rows->conv->stride[2], dilation = rows->conv->dilation[2];
  if (stride == 1) return dilation;
  const ptrdiff_t whole = dilation / stride, part = dilation % stride;
  *phase_index += part;
  if (*phase_index < stride) return whole + part * rows->phase;
  *phase_index -= stride;
  return whole + 1 + (part - stride) * rows->phase;
}

#endif
