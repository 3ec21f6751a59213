/* Pooling, one output row at a time: the input rows under it become one, of which each tap is taken
 * into all outputs whose input it meets; see onnxc_rt_pool. */
#include "onnxc_rt_kernels.h"

/* results[i] gets from[i stride], for i below count. Instantiated for constant strides. */
ONNXC_RT_INLINE void pool_take_maximum(float *results, const float *from, ptrdiff_t count,
                                       const ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < count; i++) {
    results[i] = onnxc_rt_max_f32(results[i], from[i * stride]);
  }
}

ONNXC_RT_INLINE void pool_take_sum(float *results, const float *from, ptrdiff_t count,
                                   const ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < count; i++) results[i] += from[i * stride];
}

/* The same for the outputs of a row whose tap along it meets input row `from`. */
ONNXC_RT_INLINE void pool_take_taps(const onnxc_rt_pool *p, float *restrict results,
                                    const float *restrict from, const ptrdiff_t stride) {
  for (ptrdiff_t tap = 0; tap < p->kernel[2]; tap++) {
    const ptrdiff_t at = tap * p->dilation[2] - p->pad[2]; /* the input that output 0 meets */
    const ptrdiff_t first = at < 0 ? (stride - 1 - at) / stride : 0;
    const ptrdiff_t end = at < p->in[2] ? (p->in[2] - at + stride - 1) / stride : 0;
    const ptrdiff_t count = onnxc_rt_min_size(end, p->out[2]) - first;
    if (count <= 0) continue;
    if (p->average != 0)
      pool_take_sum(results + first, from + first * stride + at, count, stride);
    else
      pool_take_maximum(results + first, from + first * stride + at, count, stride);
  }
}

static void pool_take_row(const onnxc_rt_pool *p, float *results, const float *from) {
  switch (p->stride[2]) {
  case 1: pool_take_taps(p, results, from, 1); break;
  case 2: pool_take_taps(p, results, from, 2); break;
  case 3: pool_take_taps(p, results, from, 3); break;
  default: pool_take_taps(p, results, from, p->stride[2]); break;
  }
}

/* to[i] = the sum or the maximum of a[i] and b[i], of which `to` may be one. */
static void pool_join(const onnxc_rt_pool *p, float *to, const float *a, const float *b) {
  if (p->average != 0) {
    for (ptrdiff_t i = 0; i < p->in[2]; i++) to[i] = a[i] + b[i];
  } else {
    for (ptrdiff_t i = 0; i < p->in[2]; i++) to[i] = onnxc_rt_max_f32(a[i], b[i]);
  }
}

/* How many taps of output `o` lie in [low, high) of an axis. */
static ptrdiff_t pool_count(const onnxc_rt_pool *p, int axis, ptrdiff_t o, ptrdiff_t low,
                            ptrdiff_t high) {
  const ptrdiff_t begin = o * p->stride[axis] - p->pad[axis];
  if (begin >= low && begin + (p->kernel[axis] - 1) * p->dilation[axis] < high) {
    return p->kernel[axis];
  }
  ptrdiff_t count = 0;
  for (ptrdiff_t tap = 0; tap < p->kernel[axis]; tap++) {
    const ptrdiff_t at = begin + tap * p->dilation[axis];
    count += at >= low && at < high;
  }
  return count;
}

static ptrdiff_t pool_divisor(const onnxc_rt_pool *p, int axis, ptrdiff_t o) {
  if (p->count_include_pad == 0) return pool_count(p, axis, o, 0, p->in[axis]);
  return pool_count(p, axis, o, -p->pad[axis], p->in[axis] + p->pad_end[axis]);
}

static void pool_divide(const onnxc_rt_pool *p, ptrdiff_t z, ptrdiff_t y, float *results) {
  const ptrdiff_t lines = pool_divisor(p, 0, z) * pool_divisor(p, 1, y);
  for (ptrdiff_t x = 0; x < p->out[2]; x++) {
    const ptrdiff_t divisor = lines * pool_divisor(p, 2, x);
    results[x] /= (float)onnxc_rt_max_size(divisor, 1);
  }
}

/* Input row (z, y) of volume `row`, in its place, or in `room` as f32. */
static const float *pool_line(const onnxc_rt_pool *p, ptrdiff_t row, ptrdiff_t z, ptrdiff_t y,
                              float *room) {
  const ptrdiff_t at = row * onnxc_rt_plane(p->x_plane, p->in) + (z * p->in[1] + y) * p->in[2];
  if (p->x != NULL) return p->x + at;
  const float scale = *p->scale;
  if (p->bytes_signed != 0) {
    const int8_t *from = (const int8_t *)p->bytes + at;
    const int32_t zero = p->zero == NULL ? 0 : *(const int8_t *)p->zero;
    for (ptrdiff_t i = 0; i < p->in[2]; i++) room[i] = (float)(from[i] - zero) * scale;
  } else {
    const uint8_t *from = (const uint8_t *)p->bytes + at;
    const int32_t zero = p->zero == NULL ? 0 : *(const uint8_t *)p->zero;
    for (ptrdiff_t i = 0; i < p->in[2]; i++) room[i] = (float)(from[i] - zero) * scale;
  }
  return room;
}

/* The input rows under output row (z, y) of volume `row` as one; NULL: there are none. */
static const float *pool_lines(const onnxc_rt_pool *p, ptrdiff_t row, ptrdiff_t z, ptrdiff_t y) {
  float *const joined = p->scratch + p->out[2], *const room = joined + p->in[2];
  const float *lines = NULL;
  for (ptrdiff_t i = 0; i < p->kernel[0]; i++) {
    const ptrdiff_t in_z = z * p->stride[0] + i * p->dilation[0] - p->pad[0];
    if (in_z < 0 || in_z >= p->in[0]) continue;
    for (ptrdiff_t j = 0; j < p->kernel[1]; j++) {
      const ptrdiff_t in_y = y * p->stride[1] + j * p->dilation[1] - p->pad[1];
      if (in_y < 0 || in_y >= p->in[1]) continue;
      const float *line = pool_line(p, row, in_z, in_y, lines == NULL ? joined : room);
      if (lines != NULL) pool_join(p, joined, lines, line);
      lines = lines == NULL ? line : joined;
    }
  }
  return lines;
}

static void pool_row(const onnxc_rt_pool *p, ptrdiff_t row, ptrdiff_t z, ptrdiff_t y,
                     float *results) {
  const float *lines = pool_lines(p, row, z, y);
  for (ptrdiff_t x = 0; x < p->out[2]; x++) results[x] = p->average != 0 ? 0.0f : -INFINITY;
  if (lines != NULL) pool_take_row(p, results, lines);
  if (p->average != 0) pool_divide(p, z, y, results);
}

int onnxc_rt_pool_f32(const onnxc_rt_pool *call) {
  const ptrdiff_t out = call->out[0] * call->out[1] * call->out[2];
  if (out == 0) return ONNXC_RT_OK;
  for (ptrdiff_t row = 0; row < call->rows; row++) {
    for (ptrdiff_t column = 0; column < out; column += call->out[2]) {
      const ptrdiff_t line = column / call->out[2];
      float *results = call->epilogue != NULL ? call->scratch : call->y + row * out + column;
      pool_row(call, row, line / call->out[1], line % call->out[1], results);
      if (call->epilogue != NULL) {
        call->epilogue(call->context, results, call->first_row + row, column, call->out[2]);
      }
    }
  }
  return ONNXC_RT_OK;
}
