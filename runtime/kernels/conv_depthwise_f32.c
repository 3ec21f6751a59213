/* Convolution with a single input channel in each group, a few output rows at a time; the input
 * rows under the kernel wait in a ring, as conv_rows_f32.h has them. */
#include "kernels/conv_depthwise_f32.h"
#include "kernels/conv_rows_f32.h"

#include <string.h>

enum {
  DEPTHWISE_SUMS = 4, /* vectors of outputs at a time, in a row or in several */
  /* Sums of at least so many taps join the whole sum, and of at most so many of a kernel row: an
   * error of a sum grows with its length. */
  DEPTHWISE_PART = 8,
  DEPTHWISE_TAPS = 32
};

typedef struct depthwise {
  const onnxc_rt_conv *conv;
  conv_rows input;
  ptrdiff_t row, span; /* size of a padded row; rows of a ring */
  float *rings;        /* [kernel[0]][span][row] */
  float *results;      /* output rows, and room for a vector beyond */
} depthwise;

/* Consecutive output rows of one channel. */
typedef struct depthwise_block {
  const float *weights;
  float bias;
  ptrdiff_t slot; /* of the first input row under them */
  float *to;
} depthwise_block;

/* Vectors [x, x + vectors W) of `rows` output rows; writes up to a vector beyond each row. */
ONNXC_RT_V_INLINE void depthwise_sum(const depthwise *d, const depthwise_block *b, ptrdiff_t x,
                                     const ptrdiff_t rows, const ptrdiff_t vectors) {
  const onnxc_rt_conv *c = d->conv;
  const float *weights = b->weights, *from[DEPTHWISE_SUMS];
  onnxc_rt_v sums[DEPTHWISE_SUMS], whole[DEPTHWISE_SUMS];
  ptrdiff_t summed = 0;
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t i = 0; i < rows * vectors; i++) {
    whole[i] = onnxc_rt_v_splat(b->bias);
    sums[i] = onnxc_rt_v_splat(0.0f);
  }
  for (ptrdiff_t z = 0; z < c->kernel[0]; z++) {
    for (ptrdiff_t y = 0; y < c->kernel[1]; y++) {
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t i = 0; i < rows; i++) {
        ptrdiff_t slot = b->slot + i * c->stride[1] + y * c->dilation[1];
        slot -= slot >= d->span ? d->span : 0;
        from[i] = d->rings + (z * d->span + slot) * d->row + x;
      }
      ptrdiff_t at = 0, phase = 0;
      for (ptrdiff_t tap = 0; tap < c->kernel[2];) {
        const ptrdiff_t end = onnxc_rt_min_size(tap + DEPTHWISE_TAPS, c->kernel[2]);
        summed += end - tap;
        for (; tap < end; tap++) {
          const onnxc_rt_v weight = onnxc_rt_v_splat(*weights++);
          ONNXC_RT_UNROLL(4)
          for (ptrdiff_t i = 0; i < rows * vectors; i++) {
            const float *in = from[i / vectors] + at + i % vectors * ONNXC_RT_V_WIDTH;
            sums[i] = onnxc_rt_v_fma(weight, onnxc_rt_v_load(in), sums[i]);
          }
          at += conv_next_in_row(&d->input, &phase);
        }
        if (summed < DEPTHWISE_PART) continue;
        summed = 0;
        ONNXC_RT_UNROLL(4)
        for (ptrdiff_t i = 0; i < rows * vectors; i++) {
          whole[i] += sums[i];
          sums[i] = onnxc_rt_v_splat(0.0f);
        }
      }
    }
  }
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t i = 0; i < rows * vectors; i++) {
    float *to = b->to + i / vectors * c->out[2] + x;
    onnxc_rt_v_store(to + i % vectors * ONNXC_RT_V_WIDTH, whole[i] + sums[i]);
  }
}

static ONNXC_RT_V_FUNCTION void depthwise_one_row(const depthwise *d, const depthwise_block *b) {
  const ptrdiff_t vector = ONNXC_RT_V_WIDTH, width = d->conv->out[2];
  ptrdiff_t x = 0;
  for (; width - x > 3 * vector; x += 4 * vector) depthwise_sum(d, b, x, 1, 4);
  const ptrdiff_t rest = width - x;
  if (rest > 2 * vector) {
    depthwise_sum(d, b, x, 1, 3);
  } else if (rest > vector) {
    depthwise_sum(d, b, x, 1, 2);
  } else if (rest > 0) {
    depthwise_sum(d, b, x, 1, 1);
  }
}

/* How many output rows to compute together: short rows leave sums for others. */
static ptrdiff_t depthwise_rows(const onnxc_rt_conv *c) {
  const ptrdiff_t vector = ONNXC_RT_V_WIDTH;
  if (c->out[2] <= vector) return DEPTHWISE_SUMS;
  return c->out[2] <= 2 * vector ? DEPTHWISE_SUMS / 2 : 1;
}

static ONNXC_RT_V_FUNCTION void depthwise_compute(const depthwise *d, const depthwise_block *b,
                                                  ptrdiff_t rows) {
  if (rows == 4) {
    depthwise_sum(d, b, 0, 4, 1);
  } else if (rows == 3) {
    depthwise_sum(d, b, 0, 3, 1);
  } else if (rows == 2 && d->conv->out[2] <= ONNXC_RT_V_WIDTH) {
    depthwise_sum(d, b, 0, 2, 1);
  } else if (rows == 2) {
    depthwise_sum(d, b, 0, 2, 2);
  } else {
    depthwise_one_row(d, b);
  }
}

/* Brings padded rows [from, to) under output plane `z` into the rings. */
static ONNXC_RT_V_FUNCTION void depthwise_fill(const depthwise *d, const float *channel,
                                               ptrdiff_t z, ptrdiff_t from, ptrdiff_t to) {
  const onnxc_rt_conv *c = d->conv;
  for (ptrdiff_t tap = 0; tap < c->kernel[0]; tap++) {
    const ptrdiff_t in_z = z * c->stride[0] + tap * c->dilation[0] - c->pad[0];
    for (ptrdiff_t y = from; y < to; y++) {
      float *row = d->rings + (tap * d->span + y % d->span) * d->row;
      conv_fill_row(&d->input, channel, in_z, y - c->pad[1], 0, row);
    }
  }
}

/* Where results of `count` elements from `at` on are computed: in Y if that leaves room for the
 * vector beyond. */
static float *depthwise_results(const depthwise *d, ptrdiff_t at, ptrdiff_t count) {
  const onnxc_rt_conv *c = d->conv;
  const ptrdiff_t all = c->batch * c->out_channels * c->out[0] * c->out[1] * c->out[2];
  return c->epilogue == NULL && at + count + ONNXC_RT_V_WIDTH <= all ? c->y + at : d->results;
}

static void depthwise_finish(const onnxc_rt_conv *c, ptrdiff_t row, ptrdiff_t column,
                             ptrdiff_t count, float *results) {
  if (c->epilogue != NULL) {
    c->epilogue(c->context, results, c->first_row + row, column, count);
    return;
  }
  float *y = c->y + row * c->out[0] * c->out[1] * c->out[2] + column;
  if (results != y) memcpy(y, results, (size_t)count * sizeof *results);
}

/* Output plane `z` of output row `row` (image and channel). */
static void depthwise_plane(const depthwise *d, const float *channel, ptrdiff_t row, ptrdiff_t z) {
  const onnxc_rt_conv *c = d->conv;
  const ptrdiff_t reach = (c->kernel[1] - 1) * c->dilation[1] + 1, together = depthwise_rows(c);
  const ptrdiff_t plane = c->out[1] * c->out[2], taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
  depthwise_block block = {.weights = c->w + row % c->out_channels * taps};
  block.bias = c->bias == NULL ? 0.0f : c->bias[row % c->out_channels];
  ptrdiff_t filled = 0; /* padded rows below this one are in the rings, or no longer needed */
  for (ptrdiff_t y = 0, rows; y < c->out[1]; y += rows) {
    rows = onnxc_rt_min_size(together, c->out[1] - y);
    const ptrdiff_t top = y * c->stride[1], end = top + (rows - 1) * c->stride[1] + reach;
    const ptrdiff_t column = z * plane + y * c->out[2], count = rows * c->out[2];
    depthwise_fill(d, channel, z, onnxc_rt_max_size(filled, top), end);
    filled = end;
    block.slot = top % d->span;
    block.to = depthwise_results(d, row * c->out[0] * plane + column, count);
    depthwise_compute(d, &block, rows);
    depthwise_finish(c, row, column, count, block.to);
  }
}

int onnxc_rt_conv_depthwise_f32(const onnxc_rt_conv *call) {
  const ptrdiff_t plane = onnxc_rt_plane(call->x_plane, call->in);
  const ptrdiff_t multiplier = call->out_channels / call->groups;
  depthwise d = {.conv = call};
  d.input = (conv_rows){call, conv_input_end(call), onnxc_rt_conv_phase(call, call->out[2])};
  d.row = d.input.phase * call->stride[2] + ONNXC_RT_PANEL;
  d.span = onnxc_rt_conv_ring(call);
  d.rings = call->scratch;
  d.results = d.rings + call->kernel[0] * d.span * d.row;
  if (call->out[2] == 0) return ONNXC_RT_OK;
  for (ptrdiff_t row = 0; row < call->batch * call->out_channels; row++) {
    const float *channel = call->x + row / multiplier * plane;
    for (ptrdiff_t z = 0; z < call->out[0]; z++) depthwise_plane(&d, channel, row, z);
  }
  return ONNXC_RT_OK;
}
