/* Interpolation along rows and columns; see onnxc_rt_resize. Each row of the input that is needed
 * gets its columns resized once, and waits in a ring for as long as rows of the output are made of
 * it. */
#include "onnxc_rt_kernels.h"
#include "simd/simd.h"

#include <string.h>

/* to = from weight, or that more. */
ONNXC_RT_V_INLINE void resize_scale(float *to, const float *from, float weight, ptrdiff_t count,
                                    const int more) {
  const onnxc_rt_v factor = onnxc_rt_v_splat(weight);
  ptrdiff_t i = 0;
  for (; i + ONNXC_RT_V_WIDTH <= count; i += ONNXC_RT_V_WIDTH) {
    const onnxc_rt_v x = onnxc_rt_v_load(from + i);
    onnxc_rt_v_store(to + i,
                     more ? onnxc_rt_v_fma(x, factor, onnxc_rt_v_load(to + i)) : x * factor);
  }
  for (; i < count; i++) to[i] = more ? to[i] + from[i] * weight : from[i] * weight;
}

/* The sum of `taps` runs of `count` elements, of which number k is at `from` + index[k] `step`. */
static ONNXC_RT_V_FUNCTION void resize_sum(float *to, const float *from, ptrdiff_t step,
                                           const int32_t *index, const float *weights,
                                           ptrdiff_t taps, ptrdiff_t count) {
  resize_scale(to, from + index[0] * step, weights[0], count, 0);
  for (ptrdiff_t k = 1; k < taps; k++) {
    resize_scale(to, from + index[k] * step, weights[k], count, 1);
  }
}

/* The same of single elements, for all columns of a row. Instantiated for constant taps. */
ONNXC_RT_INLINE void resize_elements(const onnxc_rt_resize *r, const float *restrict from,
                                     float *restrict to, const ptrdiff_t taps) {
  const int32_t *restrict index = r->column_index;
  const float *restrict weights = r->column_weights;
  for (ptrdiff_t i = 0; i < r->out[1]; i++) {
    float sum = 0.0f;
    for (ptrdiff_t k = 0; k < taps; k++) sum += from[index[i * taps + k]] * weights[i * taps + k];
    to[i] = sum;
  }
}

static void resize_pick(const onnxc_rt_resize *r, const float *restrict from, float *restrict to) {
  const int32_t *restrict index = r->column_index;
  const ptrdiff_t inner = r->inner;
  if (inner == 1) {
    for (ptrdiff_t i = 0; i < r->out[1]; i++) to[i] = from[index[i]];
  } else {
    for (ptrdiff_t i = 0; i < r->out[1]; i++) {
      memcpy(to + i * inner, from + index[i] * inner, (size_t)inner * sizeof *to);
    }
  }
}

/* All columns of one row of the input. */
static void resize_columns(const onnxc_rt_resize *r, const float *from, float *to) {
  const ptrdiff_t taps = r->taps[1], inner = r->inner;
  if (r->column_weights == NULL) {
    resize_pick(r, from, to);
  } else if (inner == 1 && taps == 2) {
    resize_elements(r, from, to, 2);
  } else if (inner == 1 && taps == 4) {
    resize_elements(r, from, to, 4);
  } else if (inner == 1) {
    resize_elements(r, from, to, taps);
  } else {
    for (ptrdiff_t i = 0; i < r->out[1]; i++) {
      resize_sum(to + i * inner, from, inner, r->column_index + i * taps,
                 r->column_weights + i * taps, taps, inner);
    }
  }
}

/* Where rows of a plane are with their columns resized. */
typedef struct resize_ring {
  const float *x;
  float *slots; /* [taps][width]: row i is in slot i % taps */
  ptrdiff_t width, next;
} resize_ring;

/* Resizes the columns of the rows up to `last`, of which those before `first` are not needed. */
static void resize_advance(const onnxc_rt_resize *r, resize_ring *ring, ptrdiff_t first,
                           ptrdiff_t last) {
  for (ptrdiff_t row = onnxc_rt_max_size(first, ring->next); row <= last; row++) {
    resize_columns(r, ring->x + row * r->in[1] * r->inner,
                   ring->slots + row % r->taps[0] * ring->width);
  }
  ring->next = onnxc_rt_max_size(ring->next, last + 1);
}

static ONNXC_RT_V_FUNCTION void resize_row(const onnxc_rt_resize *r, resize_ring *ring, ptrdiff_t y,
                                           float *to) {
  const ptrdiff_t taps = r->taps[0];
  if (r->row_index == NULL) {
    resize_columns(r, ring->x + y * r->in[1] * r->inner, to);
    return;
  }
  const int32_t *index = r->row_index + y * taps;
  resize_advance(r, ring, index[0], index[taps - 1]);
  if (r->row_weights == NULL) {
    memcpy(to, ring->slots + index[0] % taps * ring->width, (size_t)ring->width * sizeof *to);
    return;
  }
  ptrdiff_t met = 0; /* elements without a weight are not read: infinity times 0 is not 0 */
  for (ptrdiff_t k = 0; k < taps; k++) {
    const float *from = ring->slots + index[k] % taps * ring->width;
    const float weight = r->row_weights[y * taps + k];
    if (weight == 0.0f) continue;
    if (met++ == 0)
      resize_scale(to, from, weight, ring->width, 0);
    else
      resize_scale(to, from, weight, ring->width, 1);
  }
  if (met == 0) memset(to, 0, (size_t)ring->width * sizeof *to);
}

int onnxc_rt_resize_f32(const onnxc_rt_resize *r) {
  const ptrdiff_t width = r->out[1] * r->inner, plane = r->in[0] * r->in[1] * r->inner;
  float *const room = r->scratch + r->taps[0] * width;
  if (width == 0) return ONNXC_RT_OK;
  for (ptrdiff_t i = 0; i < r->planes; i++) {
    resize_ring ring = {r->x + i * plane, r->scratch, width, 0};
    for (ptrdiff_t y = 0; y < r->out[0]; y++) {
      float *to = r->epilogue != NULL ? room : r->y + (i * r->out[0] + y) * width;
      resize_row(r, &ring, y, to);
      if (r->epilogue != NULL) r->epilogue(r->context, to, r->first_row + i, y * width, width);
    }
  }
  return ONNXC_RT_OK;
}
