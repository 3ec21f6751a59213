/* How the operands of a matrix product lie, batches broadcast as NumPy's matmul does it. */
#ifndef ONNXC_RT_REFERENCE_MATMUL_SHAPE_H
#define ONNXC_RT_REFERENCE_MATMUL_SHAPE_H

#include "reference/dot.h"
#include "reference/element.h"

typedef struct onnxc_rt_matmul_shape {
  const onnxc_rt_tensor *a, *b;
  int64_t m, n, k;
  onnxc_rt_walk batch; /* at[0]: matrix of A, at[1]: matrix of B, in matrices */
} onnxc_rt_matmul_shape;

/* Vectors are taken as a row (A) or a column (B). */
onnxc_rt_matmul_shape onnxc_rt_matmul_shape_of(const onnxc_rt_tensor *a, const onnxc_rt_tensor *b);

/* Row `i` of A and column `j` of B in the current batch. */
onnxc_rt_line onnxc_rt_matmul_row(const onnxc_rt_matmul_shape *s, int64_t i);
onnxc_rt_line onnxc_rt_matmul_column(const onnxc_rt_matmul_shape *s, int64_t j);

#endif
