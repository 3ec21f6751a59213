/* Products of one row or one column with a matrix: bound by reading the matrix once, in as many
 * streams as there are sums in registers. Its source is kernels/gemv_f32.c. */
#ifndef ONNXC_RT_GEMV_F32_H
#define ONNXC_RT_GEMV_F32_H

#include "kernels/gemm_core_f32.h"

/* Whether the product is one of those; else it takes the blocked route. */
int onnxc_rt_gemv_fits(const onnxc_rt_gemm *call);

/* Such a product; `pack` of the core is ignored. */
int onnxc_rt_gemv_f32(const onnxc_rt_gemm_core *call);

#endif
