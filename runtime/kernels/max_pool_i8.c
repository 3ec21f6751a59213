/* Maximum of bytes, one output row at a time; see onnxc_rt_max_pool. */
#include "onnxc_rt_kernels.h"

#include <string.h>

/* results[i] gets from[i stride], for i below count, where both are bytes whose order `flip` makes
 * that of unsigned ones. Instantiated for constant strides. */
ONNXC_RT_INLINE void max_pool_take(uint8_t *restrict results, const uint8_t *restrict from,
                                   ptrdiff_t count, const ptrdiff_t stride, uint8_t flip) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint8_t x = from[i * stride] ^ flip, best = results[i] ^ flip;
    results[i] = (x > best ? x : best) ^ flip;
  }
}

/* All outputs of a row whose tap (z, y, *) meets input row `from`. */
static void max_pool_take_row(const onnxc_rt_max_pool *p, uint8_t *results, const uint8_t *from) {
  const ptrdiff_t stride = p->stride[2];
  const uint8_t flip = p->is_signed != 0 ? 0x80 : 0;
  for (ptrdiff_t tap = 0; tap < p->kernel[2]; tap++) {
    const ptrdiff_t at = tap * p->dilation[2] - p->pad[2]; /* the input that output 0 meets */
    const ptrdiff_t first = at < 0 ? (stride - 1 - at) / stride : 0;
    const ptrdiff_t end = at < p->in[2] ? (p->in[2] - at + stride - 1) / stride : 0;
    const ptrdiff_t last = onnxc_rt_min_size(end, p->out[2]);
    if (first >= last) continue;
    uint8_t *const to = results + first;
    const uint8_t *const x = from + first * stride + at;
    if (stride == 1)
      max_pool_take(to, x, last - first, 1, flip);
    else if (stride == 2)
      max_pool_take(to, x, last - first, 2, flip);
    else
      max_pool_take(to, x, last - first, stride, flip);
  }
}

/* Output row (z, y) of the volume `from`. */
static void max_pool_row(const onnxc_rt_max_pool *p, const uint8_t *from, ptrdiff_t z, ptrdiff_t y,
                         uint8_t *results) {
  memset(results, p->is_signed != 0 ? 0x80 : 0, (size_t)p->out[2]);
  for (ptrdiff_t i = 0; i < p->kernel[0]; i++) {
    const ptrdiff_t in_z = z * p->stride[0] + i * p->dilation[0] - p->pad[0];
    if (in_z < 0 || in_z >= p->in[0]) continue;
    for (ptrdiff_t j = 0; j < p->kernel[1]; j++) {
      const ptrdiff_t in_y = y * p->stride[1] + j * p->dilation[1] - p->pad[1];
      if (in_y < 0 || in_y >= p->in[1]) continue;
      max_pool_take_row(p, results, from + (in_z * p->in[1] + in_y) * p->in[2]);
    }
  }
}

int onnxc_rt_max_pool_i8(const onnxc_rt_max_pool *call) {
  const ptrdiff_t plane = onnxc_rt_plane(call->x_plane, call->in);
  uint8_t *results = call->y;
  for (ptrdiff_t row = 0; row < call->rows; row++) {
    const uint8_t *from = (const uint8_t *)call->x + row * plane;
    for (ptrdiff_t line = 0; line < call->out[0] * call->out[1]; line++) {
      max_pool_row(call, from, line / call->out[1], line % call->out[1], results);
      results += call->out[2];
    }
  }
  return ONNXC_RT_OK;
}
