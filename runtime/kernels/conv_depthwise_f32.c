/* Convolution with a single input channel in each group, one output row at a time; the input rows
 * under the kernel wait in a ring, as conv_rows_f32.h has them. */
#include "kernels/conv_depthwise_f32.h"
#include "kernels/conv_rows_f32.h"

#include <string.h>

enum { DEPTHWISE_VECTORS = 4 }; /* of outputs at a time */

typedef struct depthwise {
  const onnxc_rt_conv *conv;
  conv_rows input;
  ptrdiff_t row, span; /* size of a padded row; rows of the ring */
  float *rings;        /* [kernel[0]][span][row] */
  float *results;      /* one output row, rounded up to vectors */
} depthwise;

/* Outputs [x, x + vectors) of the row whose first input rows are in `slot` of the rings. */
ONNXC_RT_V_INLINE void depthwise_sum(const depthwise *d, const float *weights, float bias,
                                     ptrdiff_t slot, ptrdiff_t x, const ptrdiff_t vectors) {
  const onnxc_rt_conv *c = d->conv;
  onnxc_rt_v sums[DEPTHWISE_VECTORS];
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t i = 0; i < vectors; i++) sums[i] = onnxc_rt_v_splat(bias);
  for (ptrdiff_t z = 0; z < c->kernel[0]; z++) {
    ptrdiff_t at = slot;
    for (ptrdiff_t y = 0; y < c->kernel[1]; y++, at += c->dilation[1]) {
      if (at >= d->span) at -= d->span;
      const float *from = d->rings + (z * d->span + at) * d->row + x;
      ptrdiff_t phase = 0;
      for (ptrdiff_t tap = 0; tap < c->kernel[2]; tap++) {
        const onnxc_rt_v weight = onnxc_rt_v_splat(*weights++);
        ONNXC_RT_UNROLL(4)
        for (ptrdiff_t i = 0; i < vectors; i++) {
          const onnxc_rt_v in = onnxc_rt_v_load(from + i * ONNXC_RT_V_WIDTH);
          sums[i] = onnxc_rt_v_fma(weight, in, sums[i]);
        }
        from += conv_next_in_row(&d->input, &phase);
      }
    }
  }
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t i = 0; i < vectors; i++) {
    onnxc_rt_v_store(d->results + x + i * ONNXC_RT_V_WIDTH, sums[i]);
  }
}

static ONNXC_RT_V_FUNCTION void depthwise_row(const depthwise *d, const float *weights, float bias,
                                              ptrdiff_t slot) {
  const ptrdiff_t width = d->conv->out[2], wide = DEPTHWISE_VECTORS * ONNXC_RT_V_WIDTH;
  ptrdiff_t x = 0;
  for (; x + wide <= width; x += wide) {
    depthwise_sum(d, weights, bias, slot, x, DEPTHWISE_VECTORS);
  }
  for (; x < width; x += ONNXC_RT_V_WIDTH) depthwise_sum(d, weights, bias, slot, x, 1);
}

static void depthwise_finish(const onnxc_rt_conv *c, ptrdiff_t row, ptrdiff_t column,
                             float *results) {
  if (c->epilogue != NULL) {
    c->epilogue(c->context, results, c->first_row + row, column, c->out[2]);
  } else {
    const ptrdiff_t rows = c->out[0] * c->out[1] * c->out[2];
    memcpy(c->y + row * rows + column, results, (size_t)c->out[2] * sizeof *results);
  }
}

/* Output channel `channel` of one image. */
static void depthwise_channel(const depthwise *d, ptrdiff_t image, ptrdiff_t channel) {
  const onnxc_rt_conv *c = d->conv;
  const ptrdiff_t in_channel = channel / (c->out_channels / c->groups);
  const float *x = c->x + (image * c->in_channels + in_channel) * c->in[0] * c->in[1] * c->in[2];
  const float *weights = c->w + channel * c->kernel[0] * c->kernel[1] * c->kernel[2];
  const float bias = c->bias == NULL ? 0.0f : c->bias[channel];
  for (ptrdiff_t z = 0; z < c->out[0]; z++) {
    ptrdiff_t filled = 0; /* padded rows below this one are in the rings, or no longer needed */
    for (ptrdiff_t y = 0; y < c->out[1]; y++) {
      const ptrdiff_t top = y * c->stride[1];
      for (filled = onnxc_rt_max_size(filled, top); filled < top + d->span; filled++) {
        for (ptrdiff_t tap = 0; tap < c->kernel[0]; tap++) {
          conv_fill_row(&d->input, x, z * c->stride[0] + tap * c->dilation[0] - c->pad[0],
                        filled - c->pad[1], 0,
                        d->rings + (tap * d->span + filled % d->span) * d->row);
        }
      }
      depthwise_row(d, weights, bias, top % d->span);
      depthwise_finish(c, image * c->out_channels + channel, (z * c->out[1] + y) * c->out[2],
                       d->results);
    }
  }
}

int onnxc_rt_conv_depthwise_f32(const onnxc_rt_conv *call) {
  depthwise d = {.conv = call};
  d.input = (conv_rows){call, conv_input_end(call), onnxc_rt_conv_phase(call, call->out[2])};
  d.row = d.input.phase * call->stride[2] + ONNXC_RT_PANEL;
  d.span = (call->kernel[1] - 1) * call->dilation[1] + 1;
  d.rings = call->scratch;
  d.results = d.rings + call->kernel[0] * d.span * d.row;
  if (call->out[2] == 0) return ONNXC_RT_OK;
  for (ptrdiff_t image = 0; image < call->batch; image++) {
    for (ptrdiff_t channel = 0; channel < call->out_channels; channel++) {
      depthwise_channel(&d, image, channel);
    }
  }
  return ONNXC_RT_OK;
}
