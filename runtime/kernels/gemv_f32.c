/* C[1][n] = A[1][k] B, or C[m][1] = A B[k][1]; see gemv_f32.h. */
#include "kernels/gemv_f32.h"
#include "simd/simd.h"

#include <string.h>

enum {
  GEMV_SUMS = 8, /* vectors, or columns, summed at a time */
  GEMV_AHEAD = 16 * ONNXC_RT_PANEL,
  GEMV_SPAN = GEMV_SUMS * ONNXC_RT_V_WIDTH
};

#if defined(__GNUC__)
#define GEMV_PREFETCH(address) __builtin_prefetch(address)
#else
#define GEMV_PREFETCH(address) ((void)0)
#endif

/* What differs between one row of results and one column of them. */
typedef struct gemv_view {
  const onnxc_rt_gemm *g;
  const float *vector; /* [k] */
  const float *matrix; /* line j at j line */
  ptrdiff_t count, line;
} gemv_view;

static int gemv_is_row(const onnxc_rt_gemm *g) {
  return g->m == 1;
}

static int gemv_down(const onnxc_rt_gemm *g) {
  return gemv_is_row(g) && (g->packed != NULL || g->b_col == 1);
}

static int gemv_along(const onnxc_rt_gemm *g) {
  const int matrix_is_dense = gemv_is_row(g) ? g->b_row == 1 : g->n == 1 && g->a_col == 1;
  const int vector_is_dense = gemv_is_row(g) ? g->a_col == 1 : g->b_row == 1;
  return g->packed == NULL && matrix_is_dense && vector_is_dense;
}

int ONNXC_RT_VARIANT(onnxc_rt_gemv_fits)(const onnxc_rt_gemm *g) {
  return gemv_down(g) || gemv_along(g);
}

/* Hands over results [from, from + count) of the row, or of the column. */
static void gemv_finish(const onnxc_rt_gemm *g, float *results, ptrdiff_t from, ptrdiff_t count) {
  if (g->epilogue == NULL && gemv_is_row(g)) {
    memcpy(g->c + from, results, (size_t)count * sizeof *results);
  } else if (g->epilogue != NULL && gemv_is_row(g)) {
    g->epilogue(g->context, results, g->first_row, from, count);
  } else {
    for (ptrdiff_t i = 0; i < count; i++) {
      if (g->epilogue == NULL)
        g->c[(from + i) * g->c_row] = results[i];
      else
        g->epilogue(g->context, results + i, g->first_row + from + i, 0, 1);
    }
  }
}

/* ---- down the columns: vectors of B's rows, one factor for all ---- */

ONNXC_RT_V_INLINE void gemv_down_body(const onnxc_rt_gemm *g, ptrdiff_t j, float *results,
                                      const ptrdiff_t vectors) {
  onnxc_rt_v sums[GEMV_SUMS];
  const float *b[GEMV_SUMS];
  const ptrdiff_t step = g->packed != NULL ? ONNXC_RT_PANEL : g->b_row;
  ONNXC_RT_UNROLL(8)
  for (ptrdiff_t i = 0; i < vectors; i++) {
    const ptrdiff_t column = j + i * ONNXC_RT_V_WIDTH, inside = column % ONNXC_RT_PANEL;
    b[i] = g->packed != NULL ? g->packed + (column - inside) * g->k + inside : g->b + column;
    sums[i] = onnxc_rt_v_splat(0.0f);
  }
  for (ptrdiff_t p = 0; p < g->k; p++) {
    const onnxc_rt_v factor = onnxc_rt_v_splat(g->a[p * g->a_col]);
    ONNXC_RT_UNROLL(8)
    for (ptrdiff_t i = 0; i < vectors; i++) {
      GEMV_PREFETCH(b[i] + p * step + GEMV_AHEAD);
      sums[i] = onnxc_rt_v_fma(factor, onnxc_rt_v_load(b[i] + p * step), sums[i]);
    }
  }
  ONNXC_RT_UNROLL(8)
  for (ptrdiff_t i = 0; i < vectors; i++) {
    onnxc_rt_v_store(results + i * ONNXC_RT_V_WIDTH, sums[i]);
  }
}

/* Fewer columns of an unpacked B than a vector has. */
static void gemv_down_rest(const onnxc_rt_gemm *g, ptrdiff_t j, float *results) {
  for (ptrdiff_t column = j; column < g->n; column++) {
    float sum = 0.0f;
    for (ptrdiff_t p = 0; p < g->k; p++) sum += g->a[p * g->a_col] * g->b[p * g->b_row + column];
    results[column - j] = sum;
  }
}

static ONNXC_RT_V_FUNCTION void gemv_run_down(const onnxc_rt_gemm *g) {
  const ptrdiff_t readable =
      g->packed != NULL ? (ptrdiff_t)onnxc_rt_packed_count((size_t)g->n, 1) : g->n;
  float *results = g->scratch;
  for (ptrdiff_t j = 0, count; j < g->n; j += count) {
    if (j + GEMV_SPAN <= readable) {
      count = GEMV_SPAN;
      gemv_down_body(g, j, results, GEMV_SUMS);
    } else if (j + ONNXC_RT_V_WIDTH <= readable) {
      count = ONNXC_RT_V_WIDTH;
      gemv_down_body(g, j, results, 1);
    } else {
      count = g->n - j;
      gemv_down_rest(g, j, results);
    }
    gemv_finish(g, results, j, onnxc_rt_min_size(count, g->n - j));
  }
}

/* ---- along dense lines of the matrix: scalar products ---- */

ONNXC_RT_V_INLINE void gemv_along_body(const gemv_view *v, ptrdiff_t j, float *results,
                                       const ptrdiff_t lines) {
  onnxc_rt_v sums[GEMV_SUMS];
  const float *line[GEMV_SUMS];
  const ptrdiff_t k = v->g->k;
  ONNXC_RT_UNROLL(8)
  for (ptrdiff_t i = 0; i < lines; i++) {
    line[i] = v->matrix + (j + i) * v->line;
    sums[i] = onnxc_rt_v_splat(0.0f);
  }
  ptrdiff_t p = 0;
  for (; p + ONNXC_RT_V_WIDTH <= k; p += ONNXC_RT_V_WIDTH) {
    const onnxc_rt_v factor = onnxc_rt_v_load(v->vector + p);
    ONNXC_RT_UNROLL(8)
    for (ptrdiff_t i = 0; i < lines; i++) {
      GEMV_PREFETCH(line[i] + p + GEMV_AHEAD);
      sums[i] = onnxc_rt_v_fma(factor, onnxc_rt_v_load(line[i] + p), sums[i]);
    }
  }
  ONNXC_RT_UNROLL(8)
  for (ptrdiff_t i = 0; i < lines; i++) {
    results[i] = onnxc_rt_v_sum(sums[i]);
    for (ptrdiff_t q = p; q < k; q++) results[i] += v->vector[q] * line[i][q];
  }
}

static ONNXC_RT_V_FUNCTION void gemv_run_along(const gemv_view *v) {
  float *results = v->g->scratch;
  ptrdiff_t j = 0;
  for (; j + GEMV_SUMS <= v->count; j += GEMV_SUMS) {
    gemv_along_body(v, j, results, GEMV_SUMS);
    gemv_finish(v->g, results, j, GEMV_SUMS);
  }
  for (; j < v->count; j++) {
    gemv_along_body(v, j, results, 1);
    gemv_finish(v->g, results, j, 1);
  }
}

int ONNXC_RT_VARIANT(onnxc_rt_gemv_f32)(const onnxc_rt_gemm *g) {
  if (gemv_down(g)) {
    gemv_run_down(g);
  } else if (gemv_is_row(g)) {
    const gemv_view row = {.g = g, .vector = g->a, .matrix = g->b, .count = g->n, .line = g->b_col};
    gemv_run_along(&row);
  } else {
    const gemv_view column = {
        .g = g, .vector = g->b, .matrix = g->a, .count = g->m, .line = g->a_row};
    gemv_run_along(&column);
  }
  return ONNXC_RT_OK;
}
