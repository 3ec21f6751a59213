/* Transposed convolution; see onnxc_rt_conv_transpose_f32.
 *
 * For each image and group a matrix product gives what every input contributes through every tap:
 * [out_channels / groups * taps][in], whose rows are added to the outputs as they are finished. */
#include "kernels/gemm_core_f32.h"

#include <string.h>

typedef struct transpose_sums {
  const onnxc_rt_conv *conv;
  float *sums; /* [out_channels / groups][out] */
} transpose_sums;

static ptrdiff_t transpose_volume(const ptrdiff_t size[3]) {
  return size[0] * size[1] * size[2];
}

/* Adds one input row's products with tap `x` of the kernel to the output row `to`. */
static void transpose_add_run(const onnxc_rt_conv *c, float *restrict to,
                              const float *restrict products, ptrdiff_t x, ptrdiff_t count) {
  const ptrdiff_t stride = c->stride[2];
  const ptrdiff_t first = x < 0 ? (stride - 1 - x) / stride : 0;
  const ptrdiff_t end = x < c->out[2] ? (c->out[2] - x + stride - 1) / stride : 0;
  const ptrdiff_t last = onnxc_rt_min_size(end, count);
  for (ptrdiff_t i = first; i < last; i++) to[x + i * stride] += products[i];
}

/* The epilogue of the product: row (channel, tap), columns are inputs. */
static void transpose_add(const void *context, float *products, ptrdiff_t row, ptrdiff_t column,
                          ptrdiff_t count) {
  const transpose_sums *t = context;
  const onnxc_rt_conv *c = t->conv;
  const ptrdiff_t taps = transpose_volume(c->kernel), tap = row % taps;
  float *sums = t->sums + row / taps * transpose_volume(c->out);
  const ptrdiff_t tap_x = tap % c->kernel[2] * c->dilation[2] - c->pad[2];
  const ptrdiff_t tap_y = tap / c->kernel[2] % c->kernel[1] * c->dilation[1] - c->pad[1];
  const ptrdiff_t tap_z = tap / c->kernel[2] / c->kernel[1] * c->dilation[0] - c->pad[0];
  for (ptrdiff_t length; count > 0; column += length, products += length, count -= length) {
    const ptrdiff_t in_x = column % c->in[2], line = column / c->in[2];
    length = onnxc_rt_min_size(c->in[2] - in_x, count);
    const ptrdiff_t y = line % c->in[1] * c->stride[1] + tap_y;
    const ptrdiff_t z = line / c->in[1] * c->stride[0] + tap_z;
    if (y < 0 || y >= c->out[1] || z < 0 || z >= c->out[0]) continue;
    transpose_add_run(c, sums + (z * c->out[1] + y) * c->out[2], products,
                      in_x * c->stride[2] + tap_x, length);
  }
}

/* Adds the bias and hands over one channel's sums. */
static void transpose_finish(const onnxc_rt_conv *c, ptrdiff_t image, ptrdiff_t channel,
                             float *sums) {
  const ptrdiff_t columns = transpose_volume(c->out), row = image * c->out_channels + channel;
  const float bias = c->bias == NULL ? 0.0f : c->bias[channel];
  for (ptrdiff_t i = 0; i < columns; i++) sums[i] += bias;
  if (columns == 0) return;
  if (c->epilogue != NULL) {
    c->epilogue(c->context, sums, c->first_row + row, 0, columns);
  } else {
    memcpy(c->y + row * columns, sums, (size_t)columns * sizeof *sums);
  }
}

static void transpose_group(const onnxc_rt_conv *c, ptrdiff_t image, ptrdiff_t group) {
  const ptrdiff_t in_channels = c->in_channels / c->groups, in = transpose_volume(c->in);
  const ptrdiff_t channels = c->out_channels / c->groups, out = transpose_volume(c->out);
  const ptrdiff_t rows = channels * transpose_volume(c->kernel);
  const transpose_sums sums = {c, c->scratch + onnxc_rt_gemm_f32_scratch(rows, in, in_channels, 0)};
  onnxc_rt_gemm_core core = {
      .gemm = {.m = rows, .n = in, .k = in_channels, .a_row = 1, .a_col = rows, .b_col = 1}};
  core.gemm.a = c->w + group * in_channels * rows;
  core.gemm.b = c->x + (image * c->in_channels + group * in_channels) * in;
  core.gemm.b_row = in;
  core.gemm.epilogue = transpose_add;
  core.gemm.context = &sums;
  core.gemm.scratch = c->scratch;
  memset(sums.sums, 0, (size_t)(channels * out) * sizeof *sums.sums);
  onnxc_rt_gemm_core_f32(&core);
  for (ptrdiff_t channel = 0; channel < channels; channel++) {
    transpose_finish(c, image, group * channels + channel, sums.sums + channel * out);
  }
}

int onnxc_rt_conv_transpose_f32(const onnxc_rt_conv *call) {
  for (ptrdiff_t image = 0; image < call->batch; image++) {
    for (ptrdiff_t group = 0; group < call->groups; group++) transpose_group(call, image, group);
  }
  return ONNXC_RT_OK;
}
