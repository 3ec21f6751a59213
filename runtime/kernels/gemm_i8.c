/* C = (A - a_zero) (B - b_zero) of bytes; see onnxc_rt_gemm_bytes.
 *
 * Of the products of the bytes as they are, the zero points take away
 * a_zero (sum of B's column) + b_zero (sum of A's row - k a_zero). The panels of B have the sign
 * that A has not, which adds to b_zero what it adds to B. */
#include "kernels/dot_i8.h"

#include <string.h>

/* A few rows of A as words, and what their zero points do. */
typedef struct gemm_rows {
  ptrdiff_t i, count;
  const uint8_t *a;
  ptrdiff_t a_row;
  uint32_t zero[ONNXC_RT_DOT_ROWS], rest[ONNXC_RT_DOT_ROWS]; /* sum of the row - k zero */
} gemm_rows;

/* A block of columns. */
typedef struct gemm_columns {
  ptrdiff_t j, count;
  const uint8_t *panels;
  const uint32_t *sums;
} gemm_columns;

static uint32_t gemm_a_zero(const onnxc_rt_gemm_bytes *g, ptrdiff_t i) {
  if (g->a_zero == NULL) return 0;
  return (uint32_t)onnxc_rt_byte((const uint8_t *)g->a_zero + i * g->a_zero_stride, g->a_signed);
}

/* Of the panels. */
static uint32_t gemm_b_zero(const onnxc_rt_gemm_bytes *g, ptrdiff_t j) {
  const uint32_t flipped = g->a_signed != g->b_signed ? 0 : g->b_signed != 0 ? 128 : -UINT32_C(128);
  if (g->b_zero == NULL) return flipped;
  const uint8_t *zero = (const uint8_t *)g->b_zero + j * g->b_zero_stride;
  return (uint32_t)onnxc_rt_byte(zero, g->b_signed) + flipped;
}

static uint32_t gemm_row_sum(const uint8_t *a, ptrdiff_t bytes, ptrdiff_t is_signed) {
  const uint8_t flip = is_signed != 0 ? 0x80 : 0; /* to bytes that are 128 larger */
  uint32_t sum = 0;
  for (ptrdiff_t p = 0; p < bytes; p++) sum += (uint8_t)(a[p] ^ flip);
  return sum - (uint32_t)bytes * flip;
}

/* Rows that have gaps, or end within a word, are copied. */
static void gemm_copy_rows(const onnxc_rt_gemm_bytes *g, gemm_rows *rows, uint8_t *to) {
  rows->a = to;
  rows->a_row = 4 * onnxc_rt_words(g->k);
  for (ptrdiff_t i = 0; i < rows->count; i++, to += rows->a_row) {
    const uint8_t *from = (const uint8_t *)g->a + (rows->i + i) * g->a_row;
    if (g->a_col == 1) {
      memcpy(to, from, (size_t)g->k);
    } else {
      for (ptrdiff_t p = 0; p < g->k; p++) to[p] = from[p * g->a_col];
    }
    memset(to + g->k, 0, (size_t)(rows->a_row - g->k));
  }
}

static void gemm_take_rows(const onnxc_rt_gemm_bytes *g, gemm_rows *rows) {
  const ptrdiff_t bytes = 4 * onnxc_rt_words(g->k);
  rows->a = (const uint8_t *)g->a + rows->i * g->a_row;
  rows->a_row = g->a_row;
  if (!onnxc_rt_gemm_i8_in_place(g->k, g->a_col)) gemm_copy_rows(g, rows, g->scratch);
  const int corrected = g->b_zero != NULL || gemm_b_zero(g, 0) != 0;
  for (ptrdiff_t i = 0; i < rows->count; i++) {
    rows->zero[i] = gemm_a_zero(g, rows->i + i);
    rows->rest[i] = 0;
    if (!corrected) continue;
    rows->rest[i] = gemm_row_sum(rows->a + i * rows->a_row, bytes, g->a_signed) -
                    (uint32_t)g->k * rows->zero[i];
  }
}

/* The rows by columns [j, j + count) of the block. */
static void gemm_part(const onnxc_rt_gemm_bytes *g, const gemm_rows *rows,
                      const gemm_columns *block, ptrdiff_t j, ptrdiff_t count) {
  uint32_t zeros[ONNXC_RT_DOT_COLUMNS];
  const ptrdiff_t words = onnxc_rt_words(g->k);
  onnxc_rt_dot d = {.rows = rows->count, .columns = count, .words = words, .a = rows->a};
  d.a_row = rows->a_row;
  d.a_word = 4;
  d.panels = block->panels + (j - block->j) * words * 4;
  d.width = ONNXC_RT_PANEL;
  d.panels_signed = g->a_signed == 0;
  d.column = block->sums + (j - block->j);
  const int each = g->b_zero != NULL && g->b_zero_stride != 0;
  for (ptrdiff_t c = 0; each && c < count; c++) zeros[c] = gemm_b_zero(g, j + c);
  if (each) d.other_column = zeros;
  for (ptrdiff_t i = 0; i < rows->count; i++) {
    d.factor[i] = 0 - rows->zero[i];
    if (each)
      d.other_factor[i] = 0 - rows->rest[i];
    else
      d.first[i] = 0 - rows->rest[i] * gemm_b_zero(g, 0);
  }
  d.c = g->epilogue == NULL ? g->c + rows->i * g->c_row + j : NULL;
  d.c_row = g->c_row;
  d.epilogue = g->epilogue;
  d.context = g->context;
  d.row = g->first_row + rows->i;
  d.column_index = j;
  onnxc_rt_dot_i8(&d);
}

static void gemm_block(const onnxc_rt_gemm_bytes *g, const gemm_columns *block) {
  const ptrdiff_t end = block->j + block->count;
  gemm_rows rows = {0};
  for (; rows.i < g->m; rows.i += rows.count) {
    rows.count = onnxc_rt_min_size(ONNXC_RT_DOT_ROWS, g->m - rows.i);
    gemm_take_rows(g, &rows);
    for (ptrdiff_t j = block->j; j < end; j += ONNXC_RT_DOT_COLUMNS) {
      gemm_part(g, &rows, block, j, onnxc_rt_min_size(ONNXC_RT_DOT_COLUMNS, end - j));
    }
  }
}

int onnxc_rt_gemm_i8(const onnxc_rt_gemm_bytes *call) {
  const onnxc_rt_gemm_bytes *g = call;
  gemm_columns block = {0, g->n, g->packed, g->column_sums};
  if (g->m == 0 || g->n == 0) return ONNXC_RT_OK;
  if (g->packed != NULL) {
    gemm_block(g, &block);
    return ONNXC_RT_OK;
  }
  uint32_t sums[ONNXC_RT_DOT_COLUMNS];
  const int in_place = onnxc_rt_gemm_i8_in_place(g->k, g->a_col);
  uint8_t *panels = (uint8_t *)g->scratch + onnxc_rt_gemm_i8_scratch(g->m, g->n, g->k, in_place, 1);
  block.panels = panels;
  block.sums = sums;
  for (; block.j < g->n; block.j += block.count) {
    const uint8_t *b = (const uint8_t *)g->b + block.j * g->b_col;
    block.count = onnxc_rt_min_size(ONNXC_RT_DOT_COLUMNS, g->n - block.j);
    onnxc_rt_pack_bytes(b, g->k, block.count, g->b_row, g->b_col,
                        g->a_signed == g->b_signed ? 0x80 : 0, g->a_signed == 0, panels, sums);
    gemm_block(g, &block);
  }
  return ONNXC_RT_OK;
}
