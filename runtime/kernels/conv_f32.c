/* Convolution; see onnxc_rt_conv.
 *
 * Depthwise ones are computed directly, row by row. All others are matrix products for each image
 * and group: the weights are A[out_channels / groups][in_channels / groups * taps], and B has a
 * row for each of those products and a column for each output position; strips of it are gathered
 * from the image when the product needs them. A 1x1 kernel without stride or pad reads the image
 * as B. */
#include "kernels/conv_depthwise_f32.h"
#include "kernels/conv_rows_f32.h"
#include "kernels/gemm_core_f32.h"

/* One image's channels of one group. */
typedef struct conv_image {
  const onnxc_rt_conv *conv;
  const float *x;
  float *box; /* for conv_strip */
} conv_image;

/* Output positions of a panel that follow one another in one output row. */
typedef struct conv_run {
  ptrdiff_t column; /* of the panel */
  ptrdiff_t offset; /* of the input of tap 0 in the box */
} conv_run;

/* Output positions [j, j + columns), and the box of input rows under them: for one channel at a
 * time it holds rows [z, z + planes) x [y, y + rows) from output x on. */
typedef struct conv_strip {
  const conv_image *image;
  conv_rows input;
  ptrdiff_t z, y, x, planes, rows;
  ptrdiff_t n_runs[2]; /* of the panels */
  conv_run runs[2][ONNXC_RT_PANEL];
} conv_strip;

static ptrdiff_t conv_volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* What a kernel of `taps` covers beyond its first element. */
static ptrdiff_t conv_reach(const onnxc_rt_conv *c, int axis) {
  return (c->kernel[axis] - 1) * c->dilation[axis];
}

static void conv_find_box(conv_strip *s, ptrdiff_t j, ptrdiff_t columns) {
  const onnxc_rt_conv *c = s->image->conv;
  const ptrdiff_t row = j / c->out[2], last_row = (j + columns - 1) / c->out[2];
  const ptrdiff_t plane = row / c->out[1], last_plane = last_row / c->out[1];
  const ptrdiff_t first = plane == last_plane ? row % c->out[1] : 0;
  const ptrdiff_t last = plane == last_plane ? last_row % c->out[1] : c->out[1] - 1;
  s->x = row == last_row ? j % c->out[2] : 0;
  s->z = plane * c->stride[0] - c->pad[0];
  s->y = first * c->stride[1] - c->pad[1];
  s->planes = (last_plane - plane) * c->stride[0] + conv_reach(c, 0) + 1;
  s->rows = (last - first) * c->stride[1] + conv_reach(c, 1) + 1;
  s->input.conv = c;
  s->input.end = conv_input_end(c);
  s->input.phase = (row == last_row ? columns : c->out[2]) + conv_reach(c, 2) / c->stride[2] + 1 +
                   ONNXC_RT_PANEL;
}

static void conv_find_runs(conv_strip *s, ptrdiff_t j, ptrdiff_t columns) {
  const onnxc_rt_conv *c = s->image->conv;
  const ptrdiff_t row = s->input.phase * c->stride[2];
  s->n_runs[0] = s->n_runs[1] = 0;
  for (ptrdiff_t done = 0, length; done < columns; done += length) {
    const ptrdiff_t position = j + done, panel = done / ONNXC_RT_PANEL;
    const ptrdiff_t column = done % ONNXC_RT_PANEL, x = position % c->out[2];
    const ptrdiff_t y = position / c->out[2] % c->out[1], z = position / c->out[2] / c->out[1];
    const ptrdiff_t in_z = z * c->stride[0] - c->pad[0] - s->z;
    const ptrdiff_t in_y = y * c->stride[1] - c->pad[1] - s->y;
    s->runs[panel][s->n_runs[panel]++] =
        (conv_run){column, (in_z * s->rows + in_y) * row + x - s->x};
    length = onnxc_rt_min_size(c->out[2] - x, ONNXC_RT_PANEL - column);
  }
}

static ONNXC_RT_V_FUNCTION void conv_fill_box(const conv_strip *s, ptrdiff_t channel) {
  const onnxc_rt_conv *c = s->image->conv;
  const float *from = s->image->x + channel * conv_volume(c->in);
  float *row = s->image->box;
  for (ptrdiff_t z = s->z; z < s->z + s->planes; z++) {
    for (ptrdiff_t y = s->y; y < s->y + s->rows; y++, row += s->input.phase * c->stride[2]) {
      conv_fill_row(&s->input, from, z, y, s->x, row);
    }
  }
}

/* One row of the strip's panels, for the tap whose offset in the box is `tap`. Every run is copied
 * at the full width of a panel, the next one over what is too much. */
ONNXC_RT_V_INLINE void conv_copy_runs(const conv_strip *s, ptrdiff_t tap, float *panel,
                                      ptrdiff_t distance) {
  for (ptrdiff_t i = 0; i < 2; i++, panel += distance) {
    for (ptrdiff_t r = 0; r < s->n_runs[i]; r++) {
      const float *from = s->image->box + s->runs[i][r].offset + tap;
      float *to = panel + s->runs[i][r].column;
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
  for (ptrdiff_t z = 0; z < c->kernel[0]; z++) {
    for (ptrdiff_t y = 0; y < c->kernel[1]; y++) {
      ptrdiff_t at = (z * c->dilation[0] * s->rows + y * c->dilation[1]) * row, phase = 0;
      for (ptrdiff_t x = 0; x < c->kernel[2]; x++, index++) {
        if (index >= p && index < end) {
          conv_copy_runs(s, at, panel, distance);
          panel += ONNXC_RT_PANEL;
        }
        at += conv_next_in_row(&s->input, &phase);
      }
    }
  }
  return panel;
}

static void conv_pack(const void *source, ptrdiff_t p, ptrdiff_t depth, ptrdiff_t j,
                      ptrdiff_t columns, float *panels, ptrdiff_t distance) {
  conv_strip strip = {.image = source};
  const ptrdiff_t taps = conv_volume(strip.image->conv->kernel), end = p + depth;
  conv_find_box(&strip, j, columns);
  conv_find_runs(&strip, j, columns);
  while (p < end) {
    const ptrdiff_t channel = p / taps, first = p % taps;
    const ptrdiff_t last = onnxc_rt_min_size(taps, first + end - p);
    conv_fill_box(&strip, channel);
    panels = conv_copy_taps(&strip, first, last, panels, distance);
    p += last - first;
  }
}

/* Whether B is the image as it is. */
static int conv_is_pointwise(const onnxc_rt_conv *c) {
  for (int i = 0; i < 3; i++) {
    if (c->kernel[i] != 1 || c->stride[i] != 1 || c->pad[i] != 0 || c->in[i] != c->out[i]) return 0;
  }
  return 1;
}

static void conv_run_group(const onnxc_rt_conv *c, ptrdiff_t image_index, ptrdiff_t group) {
  const ptrdiff_t in_channels = c->in_channels / c->groups, in = conv_volume(c->in);
  const ptrdiff_t rows = c->out_channels / c->groups, columns = conv_volume(c->out);
  const ptrdiff_t k = in_channels * conv_volume(c->kernel);
  const ptrdiff_t channel = group * rows, row = image_index * c->out_channels + channel;
  const conv_image image = {c, c->x + (image_index * c->in_channels + group * in_channels) * in,
                            c->scratch + onnxc_rt_gemm_f32_scratch(rows, columns, k)};
  onnxc_rt_gemm_core core = {
      .gemm = {.m = rows, .n = columns, .k = k, .a_row = k, .a_col = 1, .c_row = columns}};
  core.gemm.a = c->w + channel * k;
  core.gemm.b = image.x;
  core.gemm.b_row = columns;
  core.gemm.b_col = 1;
  core.gemm.c = c->y == NULL ? NULL : c->y + row * columns;
  core.gemm.epilogue = c->epilogue;
  core.gemm.context = c->context;
  core.gemm.first_row = c->first_row + row;
  core.gemm.scratch = c->scratch;
  core.bias = c->bias == NULL ? NULL : c->bias + channel;
  core.pack = conv_is_pointwise(c) ? NULL : conv_pack;
  core.source = &image;
  ONNXC_RT_VARIANT(onnxc_rt_gemm_core_f32)(&core);
}

ONNXC_RT_KERNEL(onnxc_rt_conv_f32, onnxc_rt_conv) {
  if (call->in_channels == call->groups) {
    return ONNXC_RT_VARIANT(onnxc_rt_conv_depthwise_f32)(call);
  }
  for (ptrdiff_t image = 0; image < call->batch; image++) {
    for (ptrdiff_t group = 0; group < call->groups; group++) conv_run_group(call, image, group);
  }
  return ONNXC_RT_OK;
}

ONNXC_RT_DEFINE_DISPATCH(onnxc_rt_conv_f32, onnxc_rt_conv)
