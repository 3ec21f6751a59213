/* Convolution; see onnxc_rt_conv.
 *
 * Depthwise ones are computed directly, row by row. All others are matrix products for each image
 * and group: the weights are A[out_channels / groups][in_channels / groups * taps], and B has a
 * row for each of those products and a column for each output position; strips of it are gathered
 * from the image when the product needs them. A 1x1 kernel without stride or pad reads the image
 * as B, and so do frames of a signal, which overlap in it. */
#include "kernels/conv_depthwise_f32.h"
#include "kernels/conv_rows_f32.h"
#include "kernels/gemm_core_f32.h"

/* One image's channels of one group. */
typedef struct conv_image {
  const onnxc_rt_conv *conv;
  const float *x;
  float *box; /* for conv_strip */
} conv_image;

/* Output positions that follow one another in one output row; their input rows start at (z, y). */
typedef struct conv_run {
  ptrdiff_t z, y, x; /* x: of the first output */
} conv_run;

/* The part of a run within one panel. */
typedef struct conv_piece {
  ptrdiff_t column; /* of the panel */
  ptrdiff_t offset; /* of the input of tap 0 in the box */
} conv_piece;

/* Output positions [j, j + columns), and the input under them: for one channel at a time the box
 * holds, for each run, the kernel[0] kernel[1] rows that it reads. */
typedef struct conv_strip {
  const conv_image *image;
  conv_rows input;
  ptrdiff_t n_runs, n_pieces[2]; /* pieces of each panel */
  conv_run runs[ONNXC_RT_GEMM_TILE_COLUMNS];
  conv_piece pieces[2][ONNXC_RT_PANEL];
} conv_strip;

static ptrdiff_t conv_volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* Adds the output positions from `position` on as a run. */
static void conv_add_run(conv_strip *s, ptrdiff_t position) {
  const onnxc_rt_conv *c = s->image->conv;
  const ptrdiff_t row = position / c->out[2];
  conv_run *run = &s->runs[s->n_runs++];
  run->z = row / c->out[1] * c->stride[0] - c->pad[0];
  run->y = row % c->out[1] * c->stride[1] - c->pad[1];
  run->x = position % c->out[2];
}

static void conv_find_runs(conv_strip *s, ptrdiff_t j, ptrdiff_t columns) {
  const onnxc_rt_conv *c = s->image->conv;
  const ptrdiff_t longest = onnxc_rt_min_size(columns, c->out[2]);
  s->input = (conv_rows){c, conv_input_end(c), onnxc_rt_conv_phase(c, longest)};
  const ptrdiff_t box = c->kernel[0] * c->kernel[1] * c->stride[2] * s->input.phase;
  s->n_runs = s->n_pieces[0] = s->n_pieces[1] = 0;
  for (ptrdiff_t done = 0, length; done < columns; done += length) {
    const ptrdiff_t x = (j + done) % c->out[2], panel = done / ONNXC_RT_PANEL;
    const ptrdiff_t column = done % ONNXC_RT_PANEL;
    if (done == 0 || x == 0) conv_add_run(s, j + done);
    conv_piece *piece = &s->pieces[panel][s->n_pieces[panel]++];
    piece->column = column;
    piece->offset = (s->n_runs - 1) * box + x - s->runs[s->n_runs - 1].x;
    length = onnxc_rt_min_size(c->out[2] - x, ONNXC_RT_PANEL - column);
  }
}

static ONNXC_RT_V_FUNCTION void conv_fill_box(const conv_strip *s, ptrdiff_t channel) {
  const onnxc_rt_conv *c = s->image->conv;
  const float *from = s->image->x + channel * onnxc_rt_plane(c->x_plane, c->in);
  float *row = s->image->box;
  for (const conv_run *run = s->runs; run < s->runs + s->n_runs; run++) {
    for (ptrdiff_t z = 0; z < c->kernel[0]; z++) {
      for (ptrdiff_t y = 0; y < c->kernel[1]; y++, row += s->input.phase * c->stride[2]) {
        conv_fill_row(&s->input, from, run->z + z * c->dilation[0], run->y + y * c->dilation[1],
                      run->x, row);
      }
    }
  }
}

/* One row of the strip's panels, for the tap whose offset in the box is `tap`. Every piece is
 * copied at the full width of a panel, the next one over what is too much. */
ONNXC_RT_V_INLINE void conv_copy_pieces(const conv_strip *s, ptrdiff_t tap, float *panel,
                                        ptrdiff_t distance) {
  for (ptrdiff_t i = 0; i < 2; i++, panel += distance) {
    for (ptrdiff_t r = 0; r < s->n_pieces[i]; r++) {
      const float *from = s->image->box + s->pieces[i][r].offset + tap;
      float *to = panel + s->pieces[i][r].column;
      for (ptrdiff_t k = 0; k < ONNXC_RT_PANEL; k += ONNXC_RT_V_WIDTH) {
        onnxc_rt_v_store(to + k, onnxc_rt_v_load(from + k));
      }
    }
  }
}

/* Rows [p, end) of a channel's taps; returns the panel row after them. */
static ONNXC_RT_V_FUNCTION float *conv_copy_taps(const conv_strip *s, ptrdiff_t p, ptrdiff_t end,
                                                 float *panel, ptrdiff_t distance) {
  const onnxc_rt_conv *c = s->image->conv;
  const ptrdiff_t row = s->input.phase * c->stride[2];
  ptrdiff_t index = 0;
  for (ptrdiff_t y = 0; y < c->kernel[0] * c->kernel[1]; y++) {
    ptrdiff_t at = y * row, phase = 0;
    for (ptrdiff_t x = 0; x < c->kernel[2]; x++, index++) {
      if (index >= p && index < end) {
        conv_copy_pieces(s, at, panel, distance);
        panel += ONNXC_RT_PANEL;
      }
      at += conv_next_in_row(&s->input, &phase);
    }
  }
  return panel;
}

static void conv_pack(const void *source, ptrdiff_t p, ptrdiff_t depth, ptrdiff_t j,
                      ptrdiff_t columns, float *panels, ptrdiff_t distance) {
  conv_strip strip = {.image = source};
  const ptrdiff_t taps = conv_volume(strip.image->conv->kernel), end = p + depth;
  conv_find_runs(&strip, j, columns);
  while (p < end) {
    const ptrdiff_t channel = p / taps, first = p % taps;
    const ptrdiff_t last = onnxc_rt_min_size(taps, first + end - p);
    conv_fill_box(&strip, channel);
    panels = conv_copy_taps(&strip, first, last, panels, distance);
    p += last - first;
  }
}

/* Whether every tap meets the element of its own output. */
static int conv_is_pointwise(const onnxc_rt_conv *c) {
  for (int i = 0; i < 3; i++) {
    if (c->kernel[i] != 1 || c->stride[i] != 1 || c->pad[i] != 0 || c->in[i] != c->out[i]) return 0;
  }
  return 1;
}

/* Whether each output is made of a stretch of the only input row: frames of a signal. */
static int conv_is_framed(const onnxc_rt_conv *c) {
  const ptrdiff_t last = (c->out[2] - 1) * c->stride[2] + (c->kernel[2] - 1) * c->dilation[2];
  return c->in_channels == c->groups && c->in[0] * c->in[1] == 1 && c->out[0] * c->out[1] == 1 &&
         c->kernel[0] * c->kernel[1] == 1 && c->pad[0] == 0 && c->pad[1] == 0 && c->pad[2] == 0 &&
         last < c->in[2];
}

/* Where B is the image as it is, sets how; false where it has to be gathered. */
static int conv_find_b(const onnxc_rt_conv *c, onnxc_rt_gemm *gemm) {
  const int pointwise = conv_is_pointwise(c);
  gemm->b_row = pointwise ? onnxc_rt_plane(c->x_plane, c->in) : c->dilation[2];
  gemm->b_col = pointwise ? 1 : c->stride[2];
  return pointwise || conv_is_framed(c);
}

static void conv_run_group(const onnxc_rt_conv *c, ptrdiff_t image_index, ptrdiff_t group) {
  const ptrdiff_t in_channels = c->in_channels / c->groups;
  const ptrdiff_t plane = onnxc_rt_plane(c->x_plane, c->in);
  const ptrdiff_t rows = c->out_channels / c->groups, columns = conv_volume(c->out);
  const ptrdiff_t k = in_channels * conv_volume(c->kernel);
  const ptrdiff_t channel = group * rows, row = image_index * c->out_channels + channel;
  const conv_image image = {c, c->x + (image_index * c->in_channels + group * in_channels) * plane,
                            c->scratch + onnxc_rt_gemm_f32_scratch(rows, columns, k, 0)};
  onnxc_rt_gemm_core core = {
      .gemm = {.m = rows, .n = columns, .k = k, .a_row = k, .a_col = 1, .c_row = columns}};
  core.gemm.a = c->w + channel * k;
  core.gemm.b = image.x;
  core.gemm.c = c->y == NULL ? NULL : c->y + row * columns;
  core.gemm.epilogue = c->epilogue;
  core.gemm.context = c->context;
  core.gemm.first_row = c->first_row + row;
  core.gemm.scratch = c->scratch;
  core.bias = c->bias == NULL ? NULL : c->bias + channel;
  core.pack = conv_find_b(c, &core.gemm) ? NULL : conv_pack;
  core.source = &image;
  onnxc_rt_gemm_core_f32(&core);
}

int onnxc_rt_conv_f32(const onnxc_rt_conv *call) {
  if (onnxc_rt_conv_is_depthwise(call)) {
    return onnxc_rt_conv_depthwise_f32(call);
  }
  for (ptrdiff_t image = 0; image < call->batch; image++) {
    for (ptrdiff_t group = 0; group < call->groups; group++) conv_run_group(call, image, group);
  }
  return ONNXC_RT_OK;
}
