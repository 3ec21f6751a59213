/* The fast kernels that generated code calls. Each takes a structure of parameters, returns
 * ONNXC_RT_OK, and allocates nothing: `scratch` comes from the caller, aligned to 64 bytes, of the
 * size (in floats) that the kernel's _scratch function gives. Those sizes grow with every argument,
 * so bounds of dynamic dimensions give a bound. Results depend on the parameters and the ISA only.
 *
 * Sizes are in elements. A member that is left out of an initialiser is zero, and means what its
 * comment says of zero or NULL. The source of onnxc_rt_NAME is kernels/NAME.c. */
#ifndef ONNXC_RT_KERNELS_H
#define ONNXC_RT_KERNELS_H

#include "onnxc_rt.h"
#include "onnxc_rt_math.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- matrix product ---- */

/* Weights are packed into panels of 16 columns: [ceil(n / 16)][k][16], zero beyond n. */
#define ONNXC_RT_PANEL 16

/* Loops are blocked at these sizes, on every ISA. */
#define ONNXC_RT_GEMM_K_BLOCK 1024
#define ONNXC_RT_GEMM_ROW_BLOCK 144
#define ONNXC_RT_GEMM_COLUMN_BLOCK 256
#define ONNXC_RT_GEMM_TILE_ROWS 12 /* the largest tile */
#define ONNXC_RT_GEMM_TILE_COLUMNS 32

/* C[m][n] = A[m][k] B[k][n] */
typedef struct onnxc_rt_gemm {
  ptrdiff_t m, n, k;
  const float *a; /* element (i, p) at i a_row + p a_col */
  ptrdiff_t a_row, a_col;
  const float *b; /* element (p, j) at p b_row + j b_col; ignored when packed */
  ptrdiff_t b_row, b_col;
  const float *packed; /* panels of B; NULL: packed into scratch, piece by piece */
  float *c;            /* element (i, j) at i c_row + j; ignored with an epilogue */
  ptrdiff_t c_row;
  onnxc_rt_epilogue *epilogue; /* NULL: stored to c */
  const void *context;         /* for the epilogue */
  ptrdiff_t first_row;         /* row i comes to the epilogue as first_row + i */
  float *scratch;              /* onnxc_rt_gemm_f32_scratch(m, n, k) */
} onnxc_rt_gemm;

/* Room for a pair of panels, and for unfinished results: a tile, or a block when k is blocked. */
ONNXC_RT_INLINE ptrdiff_t onnxc_rt_gemm_f32_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  const ptrdiff_t columns = n < ONNXC_RT_GEMM_COLUMN_BLOCK ? n : ONNXC_RT_GEMM_COLUMN_BLOCK;
  const ptrdiff_t panels = ONNXC_RT_GEMM_TILE_COLUMNS * onnxc_rt_min_size(k, ONNXC_RT_GEMM_K_BLOCK);
  const ptrdiff_t tile = ONNXC_RT_GEMM_TILE_ROWS * ONNXC_RT_GEMM_TILE_COLUMNS;
  const ptrdiff_t block = onnxc_rt_min_size(m, ONNXC_RT_GEMM_ROW_BLOCK) * (columns + 31);
  return panels + (k > ONNXC_RT_GEMM_K_BLOCK ? tile + block : tile);
}

int onnxc_rt_gemm_f32(const onnxc_rt_gemm *call);

/* The floats that the panels of a B[k][n] take. */
ONNXC_RT_INLINE size_t onnxc_rt_packed_count(size_t n, size_t k) {
  return (n + ONNXC_RT_PANEL - 1) / ONNXC_RT_PANEL * ONNXC_RT_PANEL * k;
}

/* Writes the panels of B[k][n], whose element (p, j) is at p row + j col. */
ONNXC_RT_INLINE void onnxc_rt_pack_b(const float *b, ptrdiff_t k, ptrdiff_t n, ptrdiff_t row,
                                     ptrdiff_t col, float *panels) {
  for (ptrdiff_t first = 0; first < n; first += ONNXC_RT_PANEL) {
    for (ptrdiff_t p = 0; p < k; p++) {
      for (ptrdiff_t j = first; j < first + ONNXC_RT_PANEL; j++) {
        *panels++ = j < n ? b[p * row + j * col] : 0.0f;
      }
    }
  }
}

#ifdef __cplusplus
}
#endif

#endif
