/* The two products of attention for few rows, which read K and V in place: bound by reading them
 * once. Its source is kernels/attention_few_f32.c. */
#ifndef ONNXC_RT_ATTENTION_FEW_F32_H
#define ONNXC_RT_ATTENTION_FEW_F32_H

#include "onnxc_rt_kernels.h"

/* Rows of Q against rows of K, or rows of weights against columns of V. */
typedef struct onnxc_rt_attention_few {
  ptrdiff_t rows; /* at most ONNXC_RT_ATTENTION_FEW */
  const float *a; /* [rows][a_row]: Q, or the weights */
  ptrdiff_t a_row;
  const float *b; /* [keys][b_row]: K or V */
  ptrdiff_t b_row;
  ptrdiff_t keys, size; /* size: of a row of b */
  float *c;             /* [rows][c_row] */
  ptrdiff_t c_row;
} onnxc_rt_attention_few;

/* c[rows][keys] = a b^T */
void onnxc_rt_attention_few_scores_f32(const onnxc_rt_attention_few *few);
/* c[rows][size] = a b */
void onnxc_rt_attention_few_values_f32(const onnxc_rt_attention_few *few);

#endif
