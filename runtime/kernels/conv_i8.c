/* Convolution of bytes; see onnxc_rt_conv_bytes.
 *
 * Depthwise ones are computed directly, row by row. All others are matrix products for each image
 * and group: the filters by the input under a strip of output positions, which is gathered into
 * panels. Input comes as unsigned bytes, filters as signed ones: where they are not, 128 is added
 * to them or taken away, and to their zero points. The padding has the zero point for its value,
 * so what the zero points take away is
 * x_zero (sum of the filter) + w_zero (sum of the column - k x_zero). */
#include "kernels/conv_depthwise_i8.h"
#include "kernels/dot_i8.h"
#include "simd/dot.h"

#include <string.h>

enum { LINE = ONNXC_RT_DOT_COLUMNS };

/* Output positions that follow one another in one output row. */
typedef struct conv_run {
  ptrdiff_t column, count; /* of the strip */
  ptrdiff_t at[3];         /* of the input of tap 0 of the first of them */
} conv_run;

/* Those of a run whose input of one tap lies within the image, at `offset` in a channel. */
typedef struct conv_piece {
  ptrdiff_t column, count, offset;
} conv_piece;

/* The input of one group under output positions [j, j + columns). */
typedef struct conv_strip {
  const onnxc_rt_conv_bytes *conv;
  const uint8_t *x, *begin, *end; /* the group's channels of the image; the whole input */
  ptrdiff_t j, columns;
  uint8_t zero, flip;
  int shifted;     /* outputs lie as their inputs do, so that a tap is a shift of memory, */
  ptrdiff_t shift; /* by so much */
  int whole;       /* of the tap all columns are within the image */
  ptrdiff_t n_runs, n_pieces;
  conv_run runs[LINE];
  conv_piece pieces[LINE];
  uint8_t mask[LINE]; /* where they are not it is 0, else 0xff */
} conv_strip;

static ptrdiff_t conv_volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

static void conv_find_runs(conv_strip *s) {
  const onnxc_rt_conv_bytes *c = s->conv;
  s->n_runs = 0;
  for (ptrdiff_t done = 0; done < s->columns;) {
    const ptrdiff_t position = s->j + done, row = position / c->out[2];
    const ptrdiff_t out[3] = {row / c->out[1], row % c->out[1], position % c->out[2]};
    conv_run *run = &s->runs[s->n_runs++];
    run->column = done;
    run->count = onnxc_rt_min_size(c->out[2] - out[2], s->columns - done);
    for (int i = 0; i < 3; i++) run->at[i] = out[i] * c->stride[i] - c->pad[i];
    done += run->count;
  }
}

/* What of the run meets the image with the tap whose distance from tap 0 is `tap`. */
static void conv_add_piece(conv_strip *s, const conv_run *run, const ptrdiff_t tap[3]) {
  const onnxc_rt_conv_bytes *c = s->conv;
  const ptrdiff_t stride = c->stride[2], width = c->in[2];
  const ptrdiff_t z = run->at[0] + tap[0], y = run->at[1] + tap[1], x = run->at[2] + tap[2];
  if (z < 0 || z >= c->in[0] || y < 0 || y >= c->in[1] || x >= width) return;
  const ptrdiff_t first = x < 0 ? (stride - 1 - x) / stride : 0;
  const ptrdiff_t last = onnxc_rt_min_size((width - x + stride - 1) / stride, run->count);
  if (first >= last) return;
  conv_piece *piece = &s->pieces[s->n_pieces++];
  piece->column = run->column + first;
  piece->count = last - first;
  piece->offset = (z * c->in[1] + y) * width + x + first * stride;
}

static void conv_take_tap(conv_strip *s, ptrdiff_t index) {
  const onnxc_rt_conv_bytes *c = s->conv;
  const ptrdiff_t row = index / c->kernel[2];
  const ptrdiff_t tap[3] = {row / c->kernel[1] * c->dilation[0],
                            row % c->kernel[1] * c->dilation[1],
                            index % c->kernel[2] * c->dilation[2]};
  ptrdiff_t inside = 0;
  s->n_pieces = 0;
  for (ptrdiff_t i = 0; i < s->n_runs; i++) conv_add_piece(s, &s->runs[i], tap);
  for (ptrdiff_t i = 0; i < s->n_pieces; i++) inside += s->pieces[i].count;
  s->whole = inside == s->columns;
  if (!s->shifted) return;
  const ptrdiff_t *p = c->pad;
  s->shift = ((tap[0] - p[0]) * c->in[1] + tap[1] - p[1]) * c->in[2] + tap[2] - p[2] + s->j;
  memset(s->mask, 0, LINE);
  for (ptrdiff_t i = 0; i < s->n_pieces; i++) {
    memset(s->mask + s->pieces[i].column, 0xff, (size_t)s->pieces[i].count);
  }
}

static const uint8_t *conv_gather(const conv_strip *s, const uint8_t *channel, uint8_t *line) {
  const ptrdiff_t stride = s->conv->stride[2];
  if (!s->whole) memset(line, s->zero, LINE);
  for (ptrdiff_t i = 0; i < s->n_pieces; i++) {
    const conv_piece *piece = &s->pieces[i];
    const uint8_t *from = channel + piece->offset;
    uint8_t *to = line + piece->column;
    if (stride == 1) {
      memcpy(to, from, (size_t)piece->count);
    } else {
      for (ptrdiff_t k = 0; k < piece->count; k++) to[k] = from[k * stride];
    }
  }
  return line;
}

/* The input of the tap in a channel, LINE bytes of which the columns count: in its place, or in
 * `line`. */
static const uint8_t *conv_line(const conv_strip *s, const uint8_t *channel, uint8_t *line) {
  if (!s->shifted || s->shift < s->begin - channel || s->end - channel - LINE < s->shift) {
    return conv_gather(s, channel, line);
  }
  const uint8_t *from = channel + s->shift;
  if (s->whole) return from;
  for (int i = 0; i < LINE; i++) {
    line[i] = (uint8_t)((from[i] & s->mask[i]) | (s->zero & ~s->mask[i]));
  }
  return line;
}

/* Four rows of the matrix under the strip go into its panels as words. */
static void conv_write_words(const conv_strip *s, const uint8_t *const lines[4], ptrdiff_t word,
                             ptrdiff_t words, uint8_t *panels) {
  const ptrdiff_t width = onnxc_rt_min_size(s->conv->strip, ONNXC_RT_PANEL);
  uint8_t *to = panels + 4 * word * width;
  if (width < ONNXC_RT_PANEL) {
    for (ptrdiff_t j = 0; j < s->columns; j++) {
      for (int i = 0; i < 4; i++) *to++ = lines[i][j] ^ s->flip;
    }
    return;
  }
  for (ptrdiff_t j = 0; j < s->columns; j += ONNXC_RT_PANEL, to += 4 * words * width) {
    const uint8_t *const at[4] = {lines[0] + j, lines[1] + j, lines[2] + j, lines[3] + j};
    onnxc_rt_interleave(at, s->flip, to);
  }
}

/* The rows of the matrix are the taps, and of each the channels. */
static void conv_fill_panels(conv_strip *s, ptrdiff_t channels, ptrdiff_t k, uint8_t *panels) {
  const ptrdiff_t words = onnxc_rt_words(k), plane = onnxc_rt_plane(s->conv->x_plane, s->conv->in);
  uint8_t copies[4][LINE] = {{0}};
  conv_find_runs(s);
  for (ptrdiff_t word = 0, channel = 0, tap = 0; word < words; word++) {
    const uint8_t *lines[4];
    for (ptrdiff_t i = 0; i < 4; i++) {
      lines[i] = copies[i];
      if (4 * word + i >= k) continue;
      if (channel == 0) conv_take_tap(s, tap);
      lines[i] = conv_line(s, s->x + channel * plane, copies[i]);
      if (++channel < channels) continue;
      channel = 0;
      tap++;
    }
    conv_write_words(s, lines, word, words, panels);
  }
}

static uint32_t conv_w_zero(const onnxc_rt_conv_bytes *c, ptrdiff_t filter) {
  const uint32_t flipped = c->w_signed != 0 ? 0 : -UINT32_C(128);
  if (c->w_zero == NULL) return flipped;
  const uint8_t *zero = (const uint8_t *)c->w_zero + filter * c->w_zero_stride;
  return (uint32_t)onnxc_rt_byte(zero, c->w_signed) + flipped;
}

static int conv_has_w_zero(const onnxc_rt_conv_bytes *c) {
  for (ptrdiff_t m = 0; m < c->out_channels; m++) {
    if (conv_w_zero(c, m) != 0) return 1;
  }
  return 0;
}

/* The sums of the strip's columns: the product with the ones behind the filters. */
static void conv_sum_columns(const onnxc_rt_dot *strip, const onnxc_rt_conv_bytes *c,
                             int32_t *sums) {
  onnxc_rt_dot d = *strip;
  d.rows = 1;
  d.a = c->packed + c->out_channels * d.a_row;
  d.c = sums;
  d.epilogue = NULL;
  onnxc_rt_dot_i8(&d);
}

/* All filters of the group by the strip. */
static void conv_run_strip(const conv_strip *s, ptrdiff_t image, ptrdiff_t group, int has_w_zero) {
  const onnxc_rt_conv_bytes *c = s->conv;
  const ptrdiff_t filters = c->out_channels / c->groups, out = conv_volume(c->out);
  const ptrdiff_t k = c->in_channels / c->groups * conv_volume(c->kernel);
  const uint32_t x_zero = (uint32_t)(s->zero ^ s->flip);
  int32_t sums[LINE];
  onnxc_rt_dot d = {.columns = s->columns, .words = onnxc_rt_words(k), .a_word = 4};
  d.a_row = 4 * d.words;
  d.panels = c->scratch;
  d.width = onnxc_rt_min_size(c->strip, ONNXC_RT_PANEL);
  d.context = c->context;
  d.column_index = s->j;
  d.c_row = out;
  if (has_w_zero) conv_sum_columns(&d, c, sums);
  if (has_w_zero) d.column = (const uint32_t *)sums;
  d.epilogue = c->epilogue;
  for (ptrdiff_t m = group * filters, end = m + filters; m < end; m += d.rows) {
    const ptrdiff_t row = image * c->out_channels + m;
    d.rows = onnxc_rt_min_size(ONNXC_RT_DOT_ROWS, end - m);
    d.a = c->packed + m * d.a_row;
    d.row = c->first_row + row;
    d.c = c->epilogue == NULL ? c->y + row * out + s->j : NULL;
    for (ptrdiff_t i = 0; i < d.rows; i++) {
      const uint32_t w_zero = conv_w_zero(c, m + i);
      d.first[i] = 0 - x_zero * (c->w_sums[m + i] - (uint32_t)k * w_zero);
      d.factor[i] = 0 - w_zero;
    }
    onnxc_rt_dot_i8(&d);
  }
}

static void conv_run_group(const onnxc_rt_conv_bytes *c, ptrdiff_t image, ptrdiff_t group,
                           int has_w_zero) {
  const ptrdiff_t channels = c->in_channels / c->groups, out = conv_volume(c->out);
  const ptrdiff_t plane = onnxc_rt_plane(c->x_plane, c->in);
  conv_strip s = {.conv = c, .begin = c->x, .flip = c->x_signed != 0 ? 0x80 : 0};
  s.end = s.begin + (c->batch * c->in_channels - 1) * plane + conv_volume(c->in);
  s.x = s.begin + (image * c->in_channels + group * channels) * plane;
  s.zero = c->x_zero == NULL ? 0 : *(const uint8_t *)c->x_zero;
  s.shifted = 1;
  for (int i = 0; i < 3; i++) s.shifted &= c->stride[i] == 1 && c->in[i] == c->out[i];
  for (; s.j < out; s.j += c->strip) {
    s.columns = onnxc_rt_min_size(c->strip, out - s.j);
    conv_fill_panels(&s, channels, channels * conv_volume(c->kernel), c->scratch);
    conv_run_strip(&s, image, group, has_w_zero);
  }
}

int onnxc_rt_conv_i8(const onnxc_rt_conv_bytes *call) {
  if (call->in_channels == call->groups) return onnxc_rt_conv_depthwise_i8(call);
  const int has_w_zero = conv_has_w_zero(call);
  for (ptrdiff_t image = 0; image < call->batch; image++) {
    for (ptrdiff_t group = 0; group < call->groups; group++) {
      conv_run_group(call, image, group, has_w_zero);
    }
  }
  return ONNXC_RT_OK;
}
