/* The blocked matrix product that gemm, convolution and recurrent kernels share; they differ in
 * where the panels of B come from. Its source is kernels/gemm_core_f32.c. */
#ifndef ONNXC_RT_GEMM_CORE_F32_H
#define ONNXC_RT_GEMM_CORE_F32_H

#include "onnxc_rt_kernels.h"

/* Writes rows [p, p + depth) of columns [j, j + columns) of B, at most TILE_COLUMNS of them, as
 * panels [depth][16] at a `distance` of (depth + 1) 16; what is in the last row of a panel, or
 * beyond the columns, does not matter. */
typedef void onnxc_rt_gemm_pack(const void *source, ptrdiff_t p, ptrdiff_t depth, ptrdiff_t j,
                                ptrdiff_t columns, float *panels, ptrdiff_t distance);

typedef struct onnxc_rt_gemm_core {
  onnxc_rt_gemm gemm;
  const float *bias;        /* [m], added to the rows; NULL: none */
  onnxc_rt_gemm_pack *pack; /* where the panels come from instead of `b`; NULL: from there */
  const void *source;
  ptrdiff_t panel_distance; /* of `packed`, which may be the part of k of longer panels; 0: 16 k */
} onnxc_rt_gemm_core;

int onnxc_rt_gemm_core_f32(const onnxc_rt_gemm_core *call);

/* Writes those panels of `b`, any number of columns, at any distance from 16 depth on; then all of
 * them is right, with zeros beyond the columns. */
void onnxc_rt_gemm_panels_f32(const onnxc_rt_gemm *g, ptrdiff_t p, ptrdiff_t depth, ptrdiff_t j,
                              ptrdiff_t columns, float *panels, ptrdiff_t distance);

#endif
