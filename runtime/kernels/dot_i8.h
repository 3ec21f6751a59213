/* What products of matrices of bytes share: sums of products over panels. Its source is
 * kernels/dot_i8.c. */
#ifndef ONNXC_RT_DOT_I8_H
#define ONNXC_RT_DOT_I8_H

#include "onnxc_rt_kernels.h"

/* C[rows][columns] = A[rows][4 words] P[4 words][columns] + corrections, modulo 2^32. One of A and
 * P is unsigned, the other signed. */
typedef struct onnxc_rt_dot {
  ptrdiff_t rows, columns; /* at most ONNXC_RT_DOT_ROWS, ONNXC_RT_DOT_COLUMNS */
  ptrdiff_t words;
  const uint8_t *a; /* word p of row i at i a_row + p a_word bytes */
  ptrdiff_t a_row, a_word;
  const uint8_t *panels; /* [ceil(columns / width)][words][width][4], and 64 bytes behind that */
  ptrdiff_t width;       /* columns of a panel; other than ONNXC_RT_PANEL if there is only one */
  ptrdiff_t panels_signed;
  /* (i, j) gets first[i] + factor[i] column[j] + other_factor[i] other_column[j]. */
  uint32_t first[ONNXC_RT_DOT_ROWS], factor[ONNXC_RT_DOT_ROWS], other_factor[ONNXC_RT_DOT_ROWS];
  const uint32_t *column, *other_column; /* NULL: 0 */
  int32_t *c; /* element (i, j) at i c_row + j; ignored with an epilogue */
  ptrdiff_t c_row;
  onnxc_rt_epilogue_i32 *epilogue; /* gets row and column of (0, 0) and those behind */
  const void *context;
  ptrdiff_t row, column_index;
} onnxc_rt_dot;

int onnxc_rt_dot_i8(const onnxc_rt_dot *call);

/* The byte at `from`, as a number. */
ONNXC_RT_INLINE int32_t onnxc_rt_byte(const void *from, ptrdiff_t is_signed) {
  return is_signed != 0 ? *(const int8_t *)from : *(const uint8_t *)from;
}

#endif
