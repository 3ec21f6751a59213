#include "kernels/attention_few_f32.h"
#include "simd/simd.h"

enum {
  ATTENTION_FEW_KEYS = 4,    /* rows of K at a time */
  ATTENTION_FEW_VECTORS = 4, /* vectors of a row of V at a time */
  ATTENTION_FEW_AHEAD = 512  /* floats */
};

/* ---- scores ---- */

/* Products of `rows` rows of Q with `keys` rows of K, 1 or ATTENTION_FEW_KEYS, from key j on. */
ONNXC_RT_V_INLINE void attention_few_dots(const onnxc_rt_attention_few *f, ptrdiff_t j,
                                          const ptrdiff_t rows, const ptrdiff_t keys) {
  onnxc_rt_v sums[ONNXC_RT_ATTENTION_FEW][ATTENTION_FEW_KEYS];
  const float *const a = f->a, *const b = f->b + j * f->b_row;
  const ptrdiff_t a_row = f->a_row, b_row = f->b_row, size = f->size;
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t r = 0; r < rows; r++) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < keys; i++) sums[r][i] = onnxc_rt_v_splat(0.0f);
  }
  ptrdiff_t p = 0;
  for (; p + ONNXC_RT_V_WIDTH <= size; p += ONNXC_RT_V_WIDTH) {
    onnxc_rt_v key[ATTENTION_FEW_KEYS];
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < keys; i++) {
      ONNXC_RT_PREFETCH(b + i * b_row + p + ATTENTION_FEW_AHEAD);
      key[i] = onnxc_rt_v_load(b + i * b_row + p);
    }
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t r = 0; r < rows; r++) {
      const onnxc_rt_v query = onnxc_rt_v_load(a + r * a_row + p);
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t i = 0; i < keys; i++) {
        sums[r][i] = onnxc_rt_v_fma(query, key[i], sums[r][i]);
      }
    }
  }
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t r = 0; r < rows; r++) {
    float *const to = f->c + r * f->c_row + j;
    if (keys == ATTENTION_FEW_KEYS) {
      onnxc_rt_v_sum_4(sums[r], to);
    } else {
      to[0] = onnxc_rt_v_sum(sums[r][0]);
    }
    for (ptrdiff_t rest = p; rest < size; rest++) {
      for (ptrdiff_t i = 0; i < keys; i++) to[i] += a[r * a_row + rest] * b[i * b_row + rest];
    }
  }
}

ONNXC_RT_V_INLINE void attention_few_scores(const onnxc_rt_attention_few *f, const ptrdiff_t rows) {
  ptrdiff_t j = 0;
  for (; j + ATTENTION_FEW_KEYS <= f->keys; j += ATTENTION_FEW_KEYS) {
    attention_few_dots(f, j, rows, ATTENTION_FEW_KEYS);
  }
  for (; j < f->keys; j++) attention_few_dots(f, j, rows, 1);
}

ONNXC_RT_V_FUNCTION void onnxc_rt_attention_few_scores_f32(const onnxc_rt_attention_few *f) {
  switch (f->rows) {
  case 1: attention_few_scores(f, 1); break;
  case 2: attention_few_scores(f, 2); break;
  case 3: attention_few_scores(f, 3); break;
  default: attention_few_scores(f, ONNXC_RT_ATTENTION_FEW); break;
  }
}

/* ---- values ---- */

/* Columns [j, j + vectors) of the results. */
ONNXC_RT_V_INLINE void attention_few_columns(const onnxc_rt_attention_few *f, ptrdiff_t j,
                                             const ptrdiff_t rows, const ptrdiff_t vectors) {
  onnxc_rt_v sums[ONNXC_RT_ATTENTION_FEW][ATTENTION_FEW_VECTORS];
  const float *a = f->a, *b = f->b + j;
  const ptrdiff_t a_row = f->a_row, b_row = f->b_row;
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t r = 0; r < rows; r++) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < vectors; i++) sums[r][i] = onnxc_rt_v_splat(0.0f);
  }
  for (ptrdiff_t p = f->keys; p > 0; p--, a++, b += b_row) {
    onnxc_rt_v value[ATTENTION_FEW_VECTORS];
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < vectors; i++) {
      ONNXC_RT_PREFETCH(b + i * ONNXC_RT_V_WIDTH + ATTENTION_FEW_AHEAD);
      value[i] = onnxc_rt_v_load(b + i * ONNXC_RT_V_WIDTH);
    }
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t r = 0; r < rows; r++) {
      const onnxc_rt_v weight = onnxc_rt_v_splat(a[r * a_row]);
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t i = 0; i < vectors; i++) {
        sums[r][i] = onnxc_rt_v_fma(weight, value[i], sums[r][i]);
      }
    }
  }
  ONNXC_RT_UNROLL(4)
  for (ptrdiff_t r = 0; r < rows; r++) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < vectors; i++) {
      onnxc_rt_v_store(f->c + r * f->c_row + j + i * ONNXC_RT_V_WIDTH, sums[r][i]);
    }
  }
}

static void attention_few_column(const onnxc_rt_attention_few *f, ptrdiff_t j) {
  for (ptrdiff_t r = 0; r < f->rows; r++) {
    float sum = 0.0f;
    for (ptrdiff_t p = 0; p < f->keys; p++) sum += f->a[r * f->a_row + p] * f->b[p * f->b_row + j];
    f->c[r * f->c_row + j] = sum;
  }
}

ONNXC_RT_V_INLINE void attention_few_values(const onnxc_rt_attention_few *f, const ptrdiff_t rows) {
  const ptrdiff_t width = ONNXC_RT_V_WIDTH, span = ATTENTION_FEW_VECTORS * width;
  ptrdiff_t j = 0;
  for (; j + span <= f->size; j += span) attention_few_columns(f, j, rows, ATTENTION_FEW_VECTORS);
  for (; j + width <= f->size; j += width) attention_few_columns(f, j, rows, 1);
  for (; j < f->size; j++) attention_few_column(f, j);
}

ONNXC_RT_V_FUNCTION void onnxc_rt_attention_few_values_f32(const onnxc_rt_attention_few *f) {
  switch (f->rows) {
  case 1: attention_few_values(f, 1); break;
  case 2: attention_few_values(f, 2); break;
  case 3: attention_few_values(f, 3); break;
  default: attention_few_values(f, ONNXC_RT_ATTENTION_FEW); break;
  }
}
