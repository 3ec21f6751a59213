/* Convolution with few outputs in each group, an output row of some of them at a time. The input
 * rows under it wait in rings, one for each input channel, as conv_rows_f32.h has them. */
#include "kernels/conv_direct_f32.h"
#include "kernels/conv_rows_f32.h"

#include <string.h>

/* Vectors of sums at a time, of all outputs together, as the target has registers. */
#if ONNXC_RT_V_WIDTH == 16
#define DIRECT_SUMS 16
#else
#define DIRECT_SUMS 8
#endif

typedef struct conv_direct {
  const onnxc_rt_conv *conv;
  conv_rows input;
  ptrdiff_t channels, outputs; /* of a group */
  ptrdiff_t row, span;         /* size of a padded row; rows of a ring */
  float *rings;                /* [channels][kernel[0]][span][row] */
  float *results;              /* [outputs][result_row] */
  ptrdiff_t result_row;
} conv_direct;

/* A row of some outputs. */
typedef struct direct_row {
  const float *weights, *bias; /* of the first of them; bias: NULL: none */
  ptrdiff_t slot;              /* of the first input row under it */
} direct_row;

/* Vectors [x, x + vectors W) of the row, of all outputs. Instantiated for constant sizes. Sums over
 * one channel join the whole ones: an error of a sum grows with its length. */
ONNXC_RT_V_INLINE void direct_sum(const conv_direct *f, const direct_row *r, ptrdiff_t x,
                                  const ptrdiff_t outputs, const ptrdiff_t vectors) {
  const onnxc_rt_conv *c = f->conv;
  const ptrdiff_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
  onnxc_rt_v whole[DIRECT_SUMS], sums[DIRECT_SUMS];
  ONNXC_RT_UNROLL(16)
  for (ptrdiff_t i = 0; i < outputs * vectors; i++) {
    whole[i] = onnxc_rt_v_splat(r->bias == NULL ? 0.0f : r->bias[i / vectors]);
  }
  const float *ring = f->rings + x;
  for (ptrdiff_t channel = 0; channel < f->channels; channel++) {
    const float *weights = r->weights + channel * taps;
    ONNXC_RT_UNROLL(16)
    for (ptrdiff_t i = 0; i < outputs * vectors; i++) sums[i] = onnxc_rt_v_splat(0.0f);
    for (ptrdiff_t z = 0; z < c->kernel[0]; z++, ring += f->span * f->row) {
      for (ptrdiff_t y = 0; y < c->kernel[1]; y++) {
        ptrdiff_t slot = r->slot + y * c->dilation[1];
        slot -= slot >= f->span ? f->span : 0;
        const float *from = ring + slot * f->row;
        ptrdiff_t phase = 0;
        for (ptrdiff_t tap = 0; tap < c->kernel[2]; tap++, weights++) {
          onnxc_rt_v in[DIRECT_SUMS];
          ONNXC_RT_UNROLL(16)
          for (ptrdiff_t v = 0; v < vectors; v++) {
            in[v] = onnxc_rt_v_load(from + v * ONNXC_RT_V_WIDTH);
          }
          ONNXC_RT_UNROLL(16)
          for (ptrdiff_t i = 0; i < outputs * vectors; i++) {
            const onnxc_rt_v weight = onnxc_rt_v_splat(weights[i / vectors * f->channels * taps]);
            sums[i] = onnxc_rt_v_fma(weight, in[i % vectors], sums[i]);
          }
          from += conv_next_in_row(&f->input, &phase);
        }
      }
    }
    ONNXC_RT_UNROLL(16)
    for (ptrdiff_t i = 0; i < outputs * vectors; i++) whole[i] += sums[i];
  }
  ONNXC_RT_UNROLL(16)
  for (ptrdiff_t i = 0; i < outputs * vectors; i++) {
    float *to = f->results + i / vectors * f->result_row + x;
    onnxc_rt_v_store(to + i % vectors * ONNXC_RT_V_WIDTH, whole[i]);
  }
}

/* The whole row; what is beyond its end goes into the room behind the results. */
ONNXC_RT_V_INLINE void direct_sum_row(const conv_direct *f, const direct_row *r,
                                      const ptrdiff_t outputs) {
  const ptrdiff_t vectors = outputs == 1 && DIRECT_SUMS > 8 ? 8 : DIRECT_SUMS / outputs;
  const ptrdiff_t width = f->conv->out[2], vector = ONNXC_RT_V_WIDTH;
  ptrdiff_t x = 0;
  for (; width - x > (vectors - 1) * vector; x += vectors * vector) {
    direct_sum(f, r, x, outputs, vectors);
  }
  if (vectors > 4 && width - x > 3 * vector) {
    direct_sum(f, r, x, outputs, 4);
    x += 4 * vector;
  }
  if (vectors > 2 && width - x > vector) {
    direct_sum(f, r, x, outputs, 2);
    x += 2 * vector;
  }
  for (; x < width; x += vector) direct_sum(f, r, x, outputs, 1);
}

static ONNXC_RT_V_FUNCTION void direct_compute(const conv_direct *f, const direct_row *r,
                                               ptrdiff_t outputs) {
  switch (outputs) {
  case 1: direct_sum_row(f, r, 1); break;
  case 2: direct_sum_row(f, r, 2); break;
  case 3: direct_sum_row(f, r, 3); break;
  case 4: direct_sum_row(f, r, 4); break;
  case 5: direct_sum_row(f, r, 5); break;
  case 6: direct_sum_row(f, r, 6); break;
  case 7: direct_sum_row(f, r, 7); break;
  default: direct_sum_row(f, r, ONNXC_RT_CONV_DIRECT); break;
  }
}

/* Brings padded rows [from, to) under output plane `z` into the rings. */
static ONNXC_RT_V_FUNCTION void direct_fill(const conv_direct *f, const float *x, ptrdiff_t z,
                                            ptrdiff_t from, ptrdiff_t to) {
  const onnxc_rt_conv *c = f->conv;
  float *ring = f->rings;
  for (ptrdiff_t channel = 0; channel < f->channels; channel++) {
    const float *plane = x + channel * onnxc_rt_plane(c->x_plane, c->in);
    for (ptrdiff_t tap = 0; tap < c->kernel[0]; tap++, ring += f->span * f->row) {
      const ptrdiff_t in_z = z * c->stride[0] + tap * c->dilation[0] - c->pad[0];
      for (ptrdiff_t y = from; y < to; y++) {
        conv_fill_row(&f->input, plane, in_z, y - c->pad[1], 0, ring + y % f->span * f->row);
      }
    }
  }
}

/* Hands over the row that begins at `column` of `outputs` outputs, of which `row` is the first. */
static void direct_finish(const conv_direct *f, ptrdiff_t row, ptrdiff_t column,
                          ptrdiff_t outputs) {
  const onnxc_rt_conv *c = f->conv;
  const ptrdiff_t plane = c->out[0] * c->out[1] * c->out[2], width = c->out[2];
  for (ptrdiff_t i = 0; i < outputs; i++) {
    float *results = f->results + i * f->result_row;
    if (c->epilogue != NULL) {
      c->epilogue(c->context, results, c->first_row + row + i, column, width);
    } else {
      memcpy(c->y + (row + i) * plane + column, results, (size_t)width * sizeof *results);
    }
  }
}

/* The row that begins at `column` of all outputs of a group, of which `output` is the first. */
static void direct_outputs(const conv_direct *f, ptrdiff_t image, ptrdiff_t output, ptrdiff_t slot,
                           ptrdiff_t column) {
  const onnxc_rt_conv *c = f->conv;
  const ptrdiff_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2], end = output + f->outputs;
  const ptrdiff_t parts = (f->outputs + ONNXC_RT_CONV_DIRECT - 1) / ONNXC_RT_CONV_DIRECT;
  const ptrdiff_t part = (f->outputs + parts - 1) / parts;
  for (ptrdiff_t count; output < end; output += count) {
    count = onnxc_rt_min_size(part, end - output);
    const direct_row row = {.weights = c->w + output * f->channels * taps,
                            .bias = c->bias == NULL ? NULL : c->bias + output,
                            .slot = slot};
    direct_compute(f, &row, count);
    direct_finish(f, image * c->out_channels + output, column, count);
  }
}

static void direct_group(const conv_direct *f, const float *x, ptrdiff_t image, ptrdiff_t group) {
  const onnxc_rt_conv *c = f->conv;
  for (ptrdiff_t z = 0; z < c->out[0]; z++) {
    ptrdiff_t filled = 0; /* rows below this one are in the rings, or no longer needed */
    for (ptrdiff_t y = 0; y < c->out[1]; y++) {
      const ptrdiff_t top = y * c->stride[1], end = top + f->span;
      direct_fill(f, x, z, onnxc_rt_max_size(filled, top), end);
      filled = end;
      direct_outputs(f, image, group * f->outputs, top % f->span, (z * c->out[1] + y) * c->out[2]);
    }
  }
}

int onnxc_rt_conv_direct_f32(const onnxc_rt_conv *c) {
  conv_direct f = {
      .conv = c, .channels = c->in_channels / c->groups, .outputs = c->out_channels / c->groups};
  f.input = (conv_rows){c, conv_input_end(c), onnxc_rt_conv_phase(c, c->out[2])};
  f.row = f.input.phase * c->stride[2] + ONNXC_RT_PANEL;
  f.span = (c->kernel[1] - 1) * c->dilation[1] + 1;
  f.result_row = c->out[2] + ONNXC_RT_PANEL;
  f.rings = c->scratch;
  f.results = f.rings + f.channels * c->kernel[0] * f.span * f.row;
  if (c->out[2] == 0) return ONNXC_RT_OK;
  for (ptrdiff_t image = 0; image < c->batch; image++) {
    for (ptrdiff_t group = 0; group < c->groups; group++) {
      const ptrdiff_t channel = image * c->in_channels + group * f.channels;
      direct_group(&f, c->x + channel * onnxc_rt_plane(c->x_plane, c->in), image, group);
    }
  }
  return ONNXC_RT_OK;
}
