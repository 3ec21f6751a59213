/* C[1][n] = A[1][k] B, or C[m][1] = A B[k][1]; see gemv_f32.h. */
#include "kernels/gemv_f32.h"
#include "simd/simd.h"

enum {
  GEMV_SUMS = 8,   /* vectors, or columns, summed at a time */
  GEMV_PART = 128, /* products summed before they join the whole sum, which is more exact */
  GEMV_AHEAD = 16 * ONNXC_RT_PANEL,
  GEMV_SPAN = GEMV_SUMS * ONNXC_RT_V_WIDTH
};

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

int onnxc_rt_gemv_fits(const onnxc_rt_gemm *g) {
  return gemv_down(g) || gemv_along(g);
}

/* Hands over results [from, from + count) of the row, or of the column. */
static void gemv_finish(const onnxc_rt_gemm_core *core, float *results, ptrdiff_t from,
                        ptrdiff_t count) {
  const onnxc_rt_gemm *g = &core->gemm;
  const int is_row = gemv_is_row(g);
  for (ptrdiff_t i = 0; core->bias != NULL && i < count; i++) {
    results[i] += core->bias[is_row ? 0 : from + i];
  }
  if (g->epilogue == NULL) {
    const ptrdiff_t step = is_row ? 1 : g->c_row;
    for (ptrdiff_t i = 0; i < count; i++) g->c[(from + i) * step] = results[i];
  } else if (is_row) {
    g->epilogue(g->context, results, g->first_row, from, count);
  } else {
    for (ptrdiff_t i = 0; i < count; i++) {
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
  for (ptrdiff_t p = 0; p < g->k;) {
    onnxc_rt_v part[GEMV_SUMS];
    ONNXC_RT_UNROLL(8)
    for (ptrdiff_t i = 0; i < vectors; i++) part[i] = onnxc_rt_v_splat(0.0f);
    for (const ptrdiff_t end = onnxc_rt_min_size(p + GEMV_PART, g->k); p < end; p++) {
      const onnxc_rt_v factor = onnxc_rt_v_splat(g->a[p * g->a_col]);
      ONNXC_RT_UNROLL(8)
      for (ptrdiff_t i = 0; i < vectors; i++) {
        ONNXC_RT_PREFETCH(b[i] + p * step + GEMV_AHEAD);
        part[i] = onnxc_rt_v_fma(factor, onnxc_rt_v_load(b[i] + p * step), part[i]);
      }
    }
    ONNXC_RT_UNROLL(8)
    for (ptrdiff_t i = 0; i < vectors; i++) sums[i] += part[i];
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

static ONNXC_RT_V_FUNCTION void gemv_run_down(const onnxc_rt_gemm_core *core) {
  const onnxc_rt_gemm *g = &core->gemm;
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
    gemv_finish(core, results, j, onnxc_rt_min_size(count, g->n - j));
  }
}

/* ---- along dense lines of the matrix: scalar products ---- */

/* results[i] = vector * line i of the matrix, for 1 or GEMV_SUMS lines */
ONNXC_RT_V_INLINE void gemv_along_body(const float *vector, const float *matrix, ptrdiff_t line,
                                       ptrdiff_t k, float *results, const ptrdiff_t lines) {
  onnxc_rt_v sums[GEMV_SUMS];
  ONNXC_RT_UNROLL(8)
  for (ptrdiff_t i = 0; i < lines; i++) sums[i] = onnxc_rt_v_splat(0.0f);
  ptrdiff_t p = 0;
  for (; p + ONNXC_RT_V_WIDTH <= k; p += ONNXC_RT_V_WIDTH) {
    const onnxc_rt_v factor = onnxc_rt_v_load(vector + p);
    ONNXC_RT_UNROLL(8)
    for (ptrdiff_t i = 0; i < lines; i++) {
      ONNXC_RT_PREFETCH(matrix + i * line + p + GEMV_AHEAD);
      sums[i] = onnxc_rt_v_fma(factor, onnxc_rt_v_load(matrix + i * line + p), sums[i]);
    }
  }
  ONNXC_RT_UNROLL(2)
  for (ptrdiff_t i = 0; i + 4 <= lines; i += 4) onnxc_rt_v_sum_4(sums + i, results + i);
  if (lines == 1) results[0] = onnxc_rt_v_sum(sums[0]);
  for (ptrdiff_t i = 0; i < lines && p < k; i++) {
    for (ptrdiff_t q = p; q < k; q++) results[i] += vector[q] * matrix[i * line + q];
  }
}

static ONNXC_RT_V_FUNCTION void gemv_run_along(const onnxc_rt_gemm_core *core) {
  const onnxc_rt_gemm *g = &core->gemm;
  const int is_row = gemv_is_row(g);
  const float *vector = is_row ? g->a : g->b, *matrix = is_row ? g->b : g->a;
  const ptrdiff_t count = is_row ? g->n : g->m, line = is_row ? g->b_col : g->a_row;
  float *results = g->scratch;
  ptrdiff_t j = 0;
  for (; j + GEMV_SUMS <= count; j += GEMV_SUMS) {
    gemv_along_body(vector, matrix + j * line, line, g->k, results, GEMV_SUMS);
    gemv_finish(core, results, j, GEMV_SUMS);
  }
  for (; j < count; j++) {
    gemv_along_body(vector, matrix + j * line, line, g->k, results, 1);
    gemv_finish(core, results, j, 1);
  }
}

int onnxc_rt_gemv_f32(const onnxc_rt_gemm_core *core) {
  if (gemv_down(&core->gemm)) {
    gemv_run_down(core);
  } else {
    gemv_run_along(core);
  }
  return ONNXC_RT_OK;
}
