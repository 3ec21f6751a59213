/* Convolution of bytes with a single input channel in each group, some output rows at a time.
 *
 * The input under them waits in a band, in 16 bits and less its zero point, as onnxc_rt_band has
 * it. A tap is a shift of that, so all rows are summed as if they were one, and what is between
 * them is left out in the end. Input is read before any output behind its beginning is written, so
 * outputs may lie over the input where they need no more room. */
#include "kernels/conv_depthwise_i8.h"
#include "kernels/dot_i8.h"

#include <string.h>

enum { TOGETHER = 4 }; /* taps that are added at a time */

typedef struct depthwise {
  const onnxc_rt_conv_bytes *conv;
  onnxc_rt_band size;
  uint32_t *sums; /* [outputs][columns], and a vector beyond */
  int32_t
      *lines; /* where the band has the first input of a line of taps: [kernel[0]][kernel[1]], */
  int32_t *places;  /* and how much further that of each tap in it is: [kernel[2]] */
  int16_t *band;    /* [kernel[0]][stride[1]][stride[2]][rows][columns], and a vector beyond */
  int16_t *weights; /* of the filter, less their zero point */
} depthwise;

/* to[i] = from[i stride] - zero, of bytes that `flip` makes unsigned, for i below count. */
static void depthwise_widen(const uint8_t *from, ptrdiff_t stride, uint8_t flip, uint8_t zero,
                            ptrdiff_t count, int16_t *to) {
  if (stride == 1) {
    for (ptrdiff_t i = 0; i < count; i++) to[i] = (int16_t)((from[i] ^ flip) - zero);
  } else {
    for (ptrdiff_t i = 0; i < count; i++) to[i] = (int16_t)((from[i * stride] ^ flip) - zero);
  }
}

/* How many steps it takes to come so far. */
static ptrdiff_t depthwise_steps(ptrdiff_t distance, ptrdiff_t stride) {
  if (distance <= 0) return 0;
  return stride == 1 ? distance : (distance + stride - 1) / stride;
}

/* Row (z, y) of the channel, into row `row` of the parts from `part` on, whose padding in front and
 * behind is there. */
static void depthwise_fill_row(const depthwise *d, const uint8_t *channel, ptrdiff_t z, ptrdiff_t y,
                               ptrdiff_t part, ptrdiff_t row) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t stride = c->stride[2], width = c->in[2], columns = d->size.columns;
  const int inside = z >= 0 && z < c->in[0] && y >= 0 && y < c->in[1];
  const uint8_t flip = c->x_signed != 0 ? 0x80 : 0;
  const uint8_t zero = (c->x_zero == NULL ? 0 : *(const uint8_t *)c->x_zero) ^ flip;
  for (ptrdiff_t r = 0; r < stride; r++, part++) {
    const ptrdiff_t at = r - c->pad[2]; /* input of the part's first element */
    const ptrdiff_t first = depthwise_steps(-at, stride), end = depthwise_steps(width - at, stride);
    const ptrdiff_t count = onnxc_rt_min_size(end, columns) - first;
    int16_t *to = d->band + (part * d->size.rows + row) * columns;
    if (!inside) {
      memset(to, 0, (size_t)columns * sizeof *to);
    } else if (count > 0) {
      const uint8_t *from = channel + (z * c->in[1] + y) * width + first * stride + at;
      depthwise_widen(from, stride, flip, zero, count, to + first);
    }
  }
}

/* The input under output rows [y, y + outputs) of output plane `z`; that under the rows before is
 * there, but for y = 0. */
static void depthwise_fill_band(const depthwise *d, const uint8_t *channel, ptrdiff_t z,
                                ptrdiff_t y) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t rows = d->size.rows, columns = d->size.columns;
  const ptrdiff_t kept = y == 0 ? 0 : rows - d->size.outputs;
  for (ptrdiff_t part = 0; kept > 0 && part < d->size.parts; part++) {
    int16_t *to = d->band + part * rows * columns;
    memmove(to, to + d->size.outputs * columns, (size_t)(kept * columns) * sizeof *to);
  }
  for (ptrdiff_t k = 0; k < c->kernel[0]; k++) {
    const ptrdiff_t in_z = z * c->stride[0] + k * c->dilation[0] - c->pad[0];
    for (ptrdiff_t row = kept; row < rows; row++) {
      for (ptrdiff_t r = 0; r < c->stride[1]; r++) {
        depthwise_fill_row(d, channel, in_z, (y + row) * c->stride[1] + r - c->pad[1],
                           (k * c->stride[1] + r) * c->stride[2], row);
      }
    }
  }
}

static void depthwise_take_filter(const depthwise *d, ptrdiff_t filter) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2];
  const uint8_t *w = (const uint8_t *)c->w + filter * taps;
  const uint8_t *zeros = c->w_zero;
  const int32_t zero =
      zeros == NULL ? 0 : onnxc_rt_byte(zeros + filter * c->w_zero_stride, c->w_signed);
  for (ptrdiff_t k = 0; k < taps; k++) {
    d->weights[k] = (int16_t)(onnxc_rt_byte(w + k, c->w_signed) - zero);
  }
}

/* A vector of the sums. Four products of numbers of 9 bits fit 32. */
static void depthwise_add(uint32_t *restrict sums, const int16_t *const from[TOGETHER],
                          const int16_t weights[TOGETHER], ptrdiff_t at) {
  const int16_t *a = from[0] + at, *b = from[1] + at, *c = from[2] + at, *e = from[3] + at;
  const int32_t wa = weights[0], wb = weights[1], wc = weights[2], we = weights[3];
  for (ptrdiff_t i = 0; i < ONNXC_RT_PANEL; i++) {
    sums[i] += (uint32_t)(wa * a[i] + wb * b[i] + wc * c[i] + we * e[i]);
  }
}

static void depthwise_find_taps(const depthwise *d) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t rows = d->size.rows, columns = d->size.columns;
  for (ptrdiff_t line = 0; line < c->kernel[0] * c->kernel[1]; line++) {
    const ptrdiff_t z = line / c->kernel[1], y = line % c->kernel[1] * c->dilation[1];
    const ptrdiff_t part = (z * c->stride[1] + y % c->stride[1]) * c->stride[2];
    d->lines[line] = (int32_t)((part * rows + y / c->stride[1]) * columns);
  }
  for (ptrdiff_t tap = 0; tap < c->kernel[2]; tap++) {
    const ptrdiff_t x = tap * c->dilation[2];
    d->places[tap] = (int32_t)(x % c->stride[2] * rows * columns + x / c->stride[2]);
  }
}

/* Sums of `rows` output rows, one behind the other. */
static void depthwise_sum(const depthwise *d, ptrdiff_t rows) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t taps = c->kernel[0] * c->kernel[1] * c->kernel[2], vector = ONNXC_RT_PANEL;
  const ptrdiff_t width = c->out[2], columns = d->size.columns;
  const ptrdiff_t count = ((rows - 1) * columns + width + vector - 1) / vector * vector;
  ptrdiff_t line = 0, place = 0;
  memset(d->sums, 0, (size_t)count * sizeof *d->sums);
  for (ptrdiff_t k = 0; k < taps; k += TOGETHER) {
    const int16_t *from[TOGETHER];
    int16_t weights[TOGETHER] = {0};
    for (ptrdiff_t i = 0; i < TOGETHER; i++) {
      from[i] = d->band + d->lines[line] + d->places[place];
      if (k + i < taps) weights[i] = d->weights[k + i];
      if (k + i + 1 >= taps) continue; /* the last one again, with weight 0 */
      if (++place < c->kernel[2]) continue;
      place = 0;
      line++;
    }
    for (ptrdiff_t i = 0; i < count; i += vector) depthwise_add(d->sums + i, from, weights, i);
  }
  for (ptrdiff_t y = 1; y < rows && width < columns; y++) {
    memmove(d->sums + y * width, d->sums + y * columns, (size_t)width * sizeof *d->sums);
  }
}

/* Output plane `z` of output row `row` (image and filter). */
static void depthwise_plane(const depthwise *d, const uint8_t *channel, ptrdiff_t row,
                            ptrdiff_t z) {
  const onnxc_rt_conv_bytes *c = d->conv;
  const ptrdiff_t plane = c->out[1] * c->out[2];
  for (ptrdiff_t y = 0; y < c->out[1]; y += d->size.outputs) {
    const ptrdiff_t rows = onnxc_rt_min_size(d->size.outputs, c->out[1] - y);
    const ptrdiff_t column = z * plane + y * c->out[2], count = rows * c->out[2];
    int32_t *sums = (int32_t *)d->sums;
    depthwise_fill_band(d, channel, z, y);
    depthwise_sum(d, rows);
    if (c->epilogue != NULL) {
      c->epilogue(c->context, sums, c->first_row + row, column, count);
    } else {
      memcpy(c->y + row * c->out[0] * plane + column, sums, (size_t)count * sizeof *sums);
    }
  }
}

int onnxc_rt_conv_depthwise_i8(const onnxc_rt_conv_bytes *call) {
  const onnxc_rt_conv_bytes *c = call;
  const ptrdiff_t plane = onnxc_rt_plane(c->x_plane, c->in);
  const ptrdiff_t multiplier = c->out_channels / c->groups;
  depthwise d = {.conv = c, .size = onnxc_rt_conv_band(c), .sums = c->scratch};
  if (c->out[0] * c->out[1] * c->out[2] == 0) return ONNXC_RT_OK;
  d.lines = (int32_t *)d.sums + d.size.outputs * d.size.columns + ONNXC_RT_PANEL;
  d.places = d.lines + c->kernel[0] * c->kernel[1];
  d.band = (int16_t *)(void *)(d.places + c->kernel[2]);
  d.weights = d.band + d.size.parts * d.size.rows * d.size.columns + ONNXC_RT_PANEL;
  memset(d.band, 0, (size_t)(d.weights - d.band) * sizeof *d.band);
  depthwise_find_taps(&d);
  for (ptrdiff_t row = 0; row < c->batch * c->out_channels; row++) {
    const uint8_t *channel = (const uint8_t *)c->x + row / multiplier * plane;
    depthwise_take_filter(&d, row % c->out_channels);
    for (ptrdiff_t z = 0; z < c->out[0]; z++) depthwise_plane(&d, channel, row, z);
  }
  return ONNXC_RT_OK;
}
