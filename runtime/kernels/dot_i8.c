/* Sums of products of bytes, by tiles that live in registers. A word, four bytes of a row of A,
 * meets the words of a row of the panel; see onnxc_rt_dot. */
#include "kernels/dot_i8.h"
#include "simd/dot.h"

/* Rows and vectors of a tile by the target's registers. */
#if ONNXC_RT_V_WIDTH == 16
#define DOT_ROWS 12
#define DOT_VECTORS 1
#define DOT_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif ONNXC_RT_V_WIDTH == 8
#define DOT_ROWS 4
#define DOT_VECTORS 2
#define DOT_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4)
#elif ONNXC_RT_V_WIDTH == 4
#define DOT_ROWS 2
#define DOT_VECTORS 4
#define DOT_EACH_ROW_COUNT(X) X(1) X(2)
#else
#define DOT_ROWS 2
#define DOT_VECTORS 2
#define DOT_EACH_ROW_COUNT(X) X(1) X(2)
#endif

#if DOT_ROWS > 4
#define DOT_SUMS DOT_ROWS
#else
#define DOT_SUMS 4
#endif

#define DOT_TILE ((ptrdiff_t)DOT_VECTORS * ONNXC_RT_V_WIDTH)

/* A tile of whole vectors; sums of columns that are not there are in nobody's way. */
typedef struct dot_tile {
  const onnxc_rt_dot *call;
  ptrdiff_t row, column;
  uint32_t *sums; /* [rows][ONNXC_RT_DOT_COLUMNS] */
} dot_tile;

static const uint8_t *dot_panel(const onnxc_rt_dot *d, ptrdiff_t column) {
  const ptrdiff_t panel = column / ONNXC_RT_PANEL;
  return d->panels + 4 * (panel * d->words * d->width + column % ONNXC_RT_PANEL);
}

/* Instantiated for constant sizes below; `stretch` is how many tiles lie side by side, a panel
 * apart. */
ONNXC_RT_V_INLINE void dot_tile_body(const dot_tile *t, const ptrdiff_t rows,
                                     const ptrdiff_t stretch, const int panels_signed) {
  const onnxc_rt_dot *d = t->call;
  onnxc_rt_d sums[DOT_SUMS][DOT_VECTORS];
  const uint8_t *a[(DOT_ROWS + 2) / 3], *panel = dot_panel(d, t->column);
  const ptrdiff_t a_row = d->a_row, a_word = d->a_word;
  const ptrdiff_t step = 4 * d->width, distance = 4 * d->words * d->width;
  ONNXC_RT_UNROLL(12)
  for (ptrdiff_t i = 0; i < rows; i++) {
    if (i % 3 == 0) a[i / 3] = d->a + (t->row + i) * a_row;
  }
  ONNXC_RT_UNROLL(12)
  for (ptrdiff_t i = 0; i < rows * stretch; i++) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t j = 0; j < DOT_VECTORS; j++) sums[i][j] = onnxc_rt_d_splat(0);
  }
  for (ptrdiff_t p = d->words; p > 0; p--, panel += step) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t s = 0; s < stretch; s++) {
      onnxc_rt_d columns[DOT_VECTORS];
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t j = 0; j < DOT_VECTORS; j++) {
        columns[j] = onnxc_rt_d_load(panel + s * distance + 4 * j * ONNXC_RT_V_WIDTH);
      }
      ONNXC_RT_UNROLL(12)
      for (ptrdiff_t i = 0; i < rows; i++) {
        uint32_t word;
        memcpy(&word, a[i / 3] + i % 3 * a_row, sizeof word);
        const onnxc_rt_d factor = onnxc_rt_d_splat(word);
        ONNXC_RT_UNROLL(4)
        for (ptrdiff_t j = 0; j < DOT_VECTORS; j++) {
          onnxc_rt_d *sum = &sums[s * rows + i][j];
          *sum = panels_signed ? onnxc_rt_d_dot(*sum, factor, columns[j])
                               : onnxc_rt_d_dot(*sum, columns[j], factor);
        }
      }
    }
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < rows; i += 3) a[i / 3] += a_word;
  }
  ONNXC_RT_UNROLL(12)
  for (ptrdiff_t i = 0; i < rows * stretch; i++) {
    uint32_t *to = t->sums + i % rows * ONNXC_RT_DOT_COLUMNS + i / rows * ONNXC_RT_PANEL;
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t j = 0; j < DOT_VECTORS; j++) {
      onnxc_rt_d_store(to + j * ONNXC_RT_V_WIDTH, sums[i][j]);
    }
  }
}

typedef void dot_tile_function(const dot_tile *t);

#define DOT_DEFINE(rows)                                                                           \
  static ONNXC_RT_V_FUNCTION void dot_unsigned_##rows(const dot_tile *t) {                         \
    dot_tile_body(t, rows, 1, 0);                                                                  \
  }                                                                                                \
  static ONNXC_RT_V_FUNCTION void dot_signed_##rows(const dot_tile *t) {                           \
    dot_tile_body(t, rows, 1, 1);                                                                  \
  }
DOT_EACH_ROW_COUNT(DOT_DEFINE)

/* [rows - 1][panels are signed] */
#define DOT_ENTRY(rows) {dot_unsigned_##rows, dot_signed_##rows},
static dot_tile_function *const dot_tiles[DOT_ROWS][2] = {DOT_EACH_ROW_COUNT(DOT_ENTRY)};

/* A single row by four panels, whose sums do not wait for one another. */
#if ONNXC_RT_V_WIDTH >= 8
#define DOT_STRETCH 4
static ONNXC_RT_V_FUNCTION void dot_unsigned_long(const dot_tile *t) {
  dot_tile_body(t, 1, DOT_STRETCH, 0);
}
static ONNXC_RT_V_FUNCTION void dot_signed_long(const dot_tile *t) {
  dot_tile_body(t, 1, DOT_STRETCH, 1);
}
static dot_tile_function *const dot_long[2] = {dot_unsigned_long, dot_signed_long};
#endif

static void dot_compute(const onnxc_rt_dot *d, dot_tile *t, ptrdiff_t rows, uint32_t *sums) {
  const int is_signed = d->panels_signed != 0;
#if defined(DOT_STRETCH)
  if (rows == 1 && d->columns > ONNXC_RT_DOT_COLUMNS - ONNXC_RT_PANEL) {
    t->column = 0;
    t->sums = sums;
    dot_long[is_signed](t);
    return;
  }
#endif
  for (t->column = 0; t->column < d->columns; t->column += DOT_TILE) {
    t->sums = sums + t->column;
    dot_tiles[rows - 1][is_signed](t);
  }
}

static void dot_correct(const onnxc_rt_dot *d, ptrdiff_t i, uint32_t *restrict sums) {
  const uint32_t first = d->first[i];
  for (ptrdiff_t j = 0; j < d->columns; j++) sums[j] += first;
  if (d->column != NULL) {
    for (ptrdiff_t j = 0; j < d->columns; j++) sums[j] += d->factor[i] * d->column[j];
  }
  if (d->other_column != NULL) {
    for (ptrdiff_t j = 0; j < d->columns; j++) sums[j] += d->other_factor[i] * d->other_column[j];
  }
}

int onnxc_rt_dot_i8(const onnxc_rt_dot *call) {
  uint32_t sums[DOT_ROWS * ONNXC_RT_DOT_COLUMNS];
  dot_tile t = {.call = call};
  for (ptrdiff_t rows; t.row < call->rows; t.row += rows) {
    rows = onnxc_rt_min_size(DOT_ROWS, call->rows - t.row);
    dot_compute(call, &t, rows, sums);
    for (ptrdiff_t i = 0; i < rows; i++) {
      int32_t *row = (int32_t *)sums + i * ONNXC_RT_DOT_COLUMNS;
      dot_correct(call, t.row + i, sums + i * ONNXC_RT_DOT_COLUMNS);
      if (call->epilogue != NULL) {
        call->epilogue(call->context, row, call->row + t.row + i, call->column_index,
                       call->columns);
      } else {
        memcpy(call->c + (t.row + i) * call->c_row, row, (size_t)call->columns * sizeof *row);
      }
    }
  }
  return ONNXC_RT_OK;
}
