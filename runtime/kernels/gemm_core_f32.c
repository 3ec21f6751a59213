/* C = A B, by tiles that live in registers.
 *
 * For each block of rows, each block of columns and each block of k: for each pair of panels of B,
 * which stay in L1 or L2, all tiles of the rows, whose part of A stays in L2. A is read in place,
 * B from panels. With one block of k a tile is finished at once; with several, unfinished results
 * wait in a block of scratch. */
#include "kernels/gemm_core_f32.h"
#include "kernels/gemv_f32.h"
#include "simd/simd.h"

#include <string.h>

/* Rows and vectors of a tile by the target's registers; GEMM_EACH_ROW_COUNT lists the heights that
 * have a function. */
#if ONNXC_RT_V_WIDTH == 16
#define GEMM_ROWS 12
#define GEMM_VECTORS 2
#define GEMM_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif ONNXC_RT_V_WIDTH == 8
#define GEMM_ROWS 6
#define GEMM_VECTORS 2
#define GEMM_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#elif ONNXC_RT_V_WIDTH == 4 && defined(__aarch64__)
#define GEMM_ROWS 8
#define GEMM_VECTORS 2
#define GEMM_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#else
#define GEMM_ROWS 4
#define GEMM_VECTORS (ONNXC_RT_V_WIDTH == 4 ? 2 : 4)
#define GEMM_EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4)
#endif

#define GEMM_COLUMNS ((ptrdiff_t)GEMM_VECTORS * ONNXC_RT_V_WIDTH)
#define GEMM_AHEAD ((ptrdiff_t)32 * ONNXC_RT_PANEL) /* panels are fetched this far ahead */

/* and of the next panels each tile fetches so much for a product: 8 tiles fetch two panels. */
#define GEMM_NEXT ((ptrdiff_t)ONNXC_RT_PANEL / 4)

/* At most so many products are summed before their sum joins those before it: an error of a sum
 * grows with its length, so a long one is more exact in parts. */
#define GEMM_PART ((ptrdiff_t)128)

/* One tile: c[rows][vectors] = init[rows] + a b, or before + (init + a b). */
typedef struct gemm_tile {
  ptrdiff_t k;
  const float *a;
  ptrdiff_t a_row, a_col;
  const float *b; /* vector j of row p at b + p b_row + j b_vector */
  ptrdiff_t b_row, b_vector;
  const float *init, *before; /* before: NULL, or sums of earlier products, which may be c */
  ptrdiff_t before_row;
  float *c;
  ptrdiff_t c_row;
  const float *next; /* fetched meanwhile, at GEMM_NEXT from product to product */
} gemm_tile;

/* Instantiated for constant sizes below. Rows are addressed from every third one, which leaves x86
 * enough registers for pointers. */
ONNXC_RT_V_INLINE void gemm_tile_body(const gemm_tile *t, const ptrdiff_t rows,
                                      const ptrdiff_t vectors) {
  onnxc_rt_v sums[GEMM_ROWS][GEMM_VECTORS];
  const float *a[(GEMM_ROWS + 2) / 3];
  const ptrdiff_t a_row = t->a_row, a_col = t->a_col;
  const ptrdiff_t b_row = t->b_row, b_vector = t->b_vector;
  const float *b = t->b, *next = t->next;
  ONNXC_RT_UNROLL(12)
  for (ptrdiff_t i = 0; i < rows; i++) {
    if (i % 3 == 0) a[i / 3] = t->a + i * a_row;
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t j = 0; j < vectors; j++) {
      sums[i][j] = onnxc_rt_v_splat(t->init[i]);
    }
  }
  for (ptrdiff_t p = t->k; p > 0; p--) {
    onnxc_rt_v row[GEMM_VECTORS];
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t j = 0; j < vectors; j++) {
      row[j] = onnxc_rt_v_load(b + j * b_vector);
      if (j * ONNXC_RT_V_WIDTH % ONNXC_RT_PANEL == 0) {
        ONNXC_RT_PREFETCH(b + j * b_vector + GEMM_AHEAD);
      }
    }
    b += b_row;
    ONNXC_RT_PREFETCH(next);
    next += GEMM_NEXT;
    ONNXC_RT_UNROLL(12)
    for (ptrdiff_t i = 0; i < rows; i++) {
      const onnxc_rt_v factor = onnxc_rt_v_splat(a[i / 3][i % 3 * a_row]);
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t j = 0; j < vectors; j++) {
        sums[i][j] = onnxc_rt_v_fma(factor, row[j], sums[i][j]);
      }
    }
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t i = 0; i < rows; i += 3) a[i / 3] += a_col;
  }
  if (t->before != NULL) {
    const float *const before = t->before;
    const ptrdiff_t before_row = t->before_row;
    ONNXC_RT_UNROLL(12)
    for (ptrdiff_t i = 0; i < rows; i++) {
      ONNXC_RT_UNROLL(4)
      for (ptrdiff_t j = 0; j < vectors; j++) {
        sums[i][j] += onnxc_rt_v_load(before + i * before_row + j * ONNXC_RT_V_WIDTH);
      }
    }
  }
  float *const c = t->c;
  const ptrdiff_t c_row = t->c_row;
  ONNXC_RT_UNROLL(12)
  for (ptrdiff_t i = 0; i < rows; i++) {
    ONNXC_RT_UNROLL(4)
    for (ptrdiff_t j = 0; j < vectors; j++) {
      onnxc_rt_v_store(c + i * c_row + j * ONNXC_RT_V_WIDTH, sums[i][j]);
    }
  }
}

typedef void gemm_tile_function(const gemm_tile *t);

#define GEMM_DEFINE(rows)                                                                          \
  static ONNXC_RT_V_FUNCTION void gemm_tile_narrow_##rows(const gemm_tile *t) {                    \
    gemm_tile_body(t, rows, 1);                                                                    \
  }                                                                                                \
  static ONNXC_RT_V_FUNCTION void gemm_tile_wide_##rows(const gemm_tile *t) {                      \
    gemm_tile_body(t, rows, GEMM_VECTORS);                                                         \
  }
GEMM_EACH_ROW_COUNT(GEMM_DEFINE)

/* [rows - 1][more than one vector] */
#define GEMM_ENTRY(rows) {gemm_tile_narrow_##rows, gemm_tile_wide_##rows},
static gemm_tile_function *const gemm_tiles[GEMM_ROWS][2] = {GEMM_EACH_ROW_COUNT(GEMM_ENTRY)};

static const float gemm_zeros[GEMM_ROWS];

static ptrdiff_t gemm_round_up(ptrdiff_t size, ptrdiff_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

/* The length of equal pieces, multiples of `multiple`, that are about `limit` long at most. */
static ptrdiff_t gemm_piece(ptrdiff_t size, ptrdiff_t limit, ptrdiff_t multiple) {
  const ptrdiff_t pieces = (size + limit - 1) / limit;
  return gemm_round_up((size + pieces - 1) / pieces, multiple);
}

/* A whole panel of B whose rows are dense. */
ONNXC_RT_V_INLINE void gemm_copy_panel(const float *b, ptrdiff_t b_row, ptrdiff_t depth,
                                       float *panel) {
  for (ptrdiff_t p = 0; p < depth; p++, b += b_row, panel += ONNXC_RT_PANEL) {
    for (ptrdiff_t j = 0; j < ONNXC_RT_PANEL; j += ONNXC_RT_V_WIDTH) {
      onnxc_rt_v_store(panel + j, onnxc_rt_v_load(b + j));
    }
  }
}

/* A whole panel of B whose columns are dense. */
static void gemm_transpose_panel(const float *b, ptrdiff_t b_col, ptrdiff_t depth, float *panel) {
  ptrdiff_t p = 0;
  for (; p + 4 <= depth; p += 4) {
    for (ptrdiff_t j = 0; j < ONNXC_RT_PANEL; j += 4) {
      onnxc_rt_transpose_4x4(b + j * b_col + p, b_col, panel + p * ONNXC_RT_PANEL + j,
                             ONNXC_RT_PANEL);
    }
  }
  onnxc_rt_pack_b(b + p, depth - p, ONNXC_RT_PANEL, 1, b_col, panel + p * ONNXC_RT_PANEL);
}

ONNXC_RT_V_FUNCTION void onnxc_rt_gemm_panels_f32(const onnxc_rt_gemm *g, ptrdiff_t p,
                                                  ptrdiff_t depth, ptrdiff_t j, ptrdiff_t columns,
                                                  float *panels, ptrdiff_t distance) {
  for (; columns > 0; j += ONNXC_RT_PANEL, columns -= ONNXC_RT_PANEL) {
    const float *b = g->b + p * g->b_row + j * g->b_col;
    if (columns >= ONNXC_RT_PANEL && g->b_col == 1) {
      gemm_copy_panel(b, g->b_row, depth, panels);
    } else if (columns >= ONNXC_RT_PANEL && g->b_row == 1) {
      gemm_transpose_panel(b, g->b_col, depth, panels);
    } else {
      const ptrdiff_t width = onnxc_rt_min_size(columns, ONNXC_RT_PANEL);
      onnxc_rt_pack_b(b, depth, width, g->b_row, g->b_col, panels);
    }
    panels += distance;
  }
}

/* A block of rows, columns and k, and where its results wait. */
typedef struct gemm_block {
  ptrdiff_t i, rows, j, columns, p, depth;
  int first, last; /* of the blocks of k */
  float *panels;
  float *waiting; /* [rows][waiting_row]; one tile when there is a single block of k */
  ptrdiff_t waiting_row;
} gemm_block;

/* Hands finished results to the epilogue or to C. */
static void gemm_finish(const onnxc_rt_gemm_core *core, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t j,
                        ptrdiff_t columns, float *from, ptrdiff_t from_row) {
  const onnxc_rt_gemm *g = &core->gemm;
  for (ptrdiff_t end = i + rows; i < end; i++, from += from_row) {
    if (g->epilogue != NULL) {
      g->epilogue(g->context, from, g->first_row + i, j, columns);
    } else {
      memcpy(g->c + i * g->c_row + j, from, (size_t)columns * sizeof *from);
    }
  }
}

/* Where the tile at (i, j) waits. */
static float *gemm_waiting(const gemm_block *block, ptrdiff_t i, ptrdiff_t j) {
  if (block->first && block->last) return block->waiting;
  return block->waiting + (i - block->i) * block->waiting_row + (j - block->j);
}

/* Panels of B, or columns of B itself. */
typedef struct gemm_panels {
  const float *b;
  ptrdiff_t row, distance; /* from row to row, and from panel to panel */
  const float *next;       /* those that will be read after these, as far apart; NULL: none */
} gemm_panels;

/* What a tile fetches: of the next panels the part that falls to it, so that memory is read evenly
 * and not by the first tile alone. */
static void gemm_fetch_next(const gemm_block *block, const gemm_panels *panels, ptrdiff_t i,
                            gemm_tile *t) {
  const ptrdiff_t panel = block->depth * ONNXC_RT_PANEL;
  const ptrdiff_t at = (i - block->i) / GEMM_ROWS * block->depth * GEMM_NEXT;
  t->next = panels->b;
  if (panels->next == NULL || at >= 2 * panel) return;
  t->next = panels->next + (at < panel ? at : at - panel + panels->distance);
}

/* The tile over `k` products; its sums wait at `waiting` between the parts. Changes the tile. */
static void gemm_sum_parts(gemm_tile_function *tile, gemm_tile *t, ptrdiff_t k, float *waiting,
                           ptrdiff_t waiting_row) {
  float *const c = t->c;
  const ptrdiff_t c_row = t->c_row;
  for (; k > GEMM_PART; k -= GEMM_PART) {
    t->k = GEMM_PART;
    t->c = waiting;
    t->c_row = waiting_row;
    tile(t);
    t->a += GEMM_PART * t->a_col;
    t->b += GEMM_PART * t->b_row;
    t->next += GEMM_PART * GEMM_NEXT;
    t->init = gemm_zeros;
    t->before = waiting;
    t->before_row = waiting_row;
  }
  t->k = k;
  t->c = c;
  t->c_row = c_row;
  tile(t);
}

/* All tiles of the block's rows by the columns [j, j + columns) of one tile, which begin `part`
 * columns into the panels. */
static void gemm_column(const onnxc_rt_gemm_core *core, const gemm_block *block, ptrdiff_t j,
                        ptrdiff_t columns, const gemm_panels *panels, ptrdiff_t part) {
  const onnxc_rt_gemm *g = &core->gemm;
  const int direct = g->epilogue == NULL && columns == GEMM_COLUMNS;
  const float *b = panels->b + part / ONNXC_RT_PANEL * panels->distance + part % ONNXC_RT_PANEL;
  gemm_tile t = {.a_row = g->a_row, .a_col = g->a_col, .b_row = panels->row};
  t.b_vector = ONNXC_RT_V_WIDTH == ONNXC_RT_PANEL ? panels->distance : ONNXC_RT_V_WIDTH;
  for (ptrdiff_t i = block->i, rows; i < block->i + block->rows; i += rows) {
    rows = onnxc_rt_min_size(GEMM_ROWS, block->i + block->rows - i);
    float *const waiting = gemm_waiting(block, i, j);
    t.a = g->a + i * g->a_row + block->p * g->a_col;
    t.b = b;
    t.c = direct ? g->c + i * g->c_row + j : waiting;
    t.c_row = direct ? g->c_row : block->waiting_row;
    t.init = block->first && core->bias != NULL ? core->bias + i : gemm_zeros;
    t.before = block->first ? NULL : t.c;
    t.before_row = t.c_row;
    gemm_fetch_next(block, panels, i, &t);
    gemm_sum_parts(gemm_tiles[rows - 1][columns > ONNXC_RT_V_WIDTH], &t, block->depth, waiting,
                   block->waiting_row);
    if (block->last && !direct) gemm_finish(core, i, rows, j, columns, t.c, t.c_row);
  }
}

/* Whether to read B in place: its rows are dense, whole panels are there, and too few rows of A use
 * them to pay for packing. */
static int gemm_reads_in_place(const onnxc_rt_gemm *g, ptrdiff_t columns) {
  return g->b_col == 1 && columns % ONNXC_RT_PANEL == 0 && g->m <= (ptrdiff_t)2 * GEMM_ROWS;
}

/* The panels of B that follow those of columns from j on in the block's part of k. */
static const float *gemm_next_panels(const onnxc_rt_gemm *g, const gemm_block *block, ptrdiff_t j,
                                     ptrdiff_t distance) {
  ptrdiff_t p = block->p;
  j += ONNXC_RT_GEMM_TILE_COLUMNS;
  if (j >= block->j + block->columns) {
    p = block->last ? 0 : p + block->depth;
    if (!block->last) j = block->j;
  }
  return j >= g->n ? NULL : g->packed + j / ONNXC_RT_PANEL * distance + p * ONNXC_RT_PANEL;
}

/* The panels of columns [j, j + columns) in the block's part of k. */
static gemm_panels gemm_find_panels(const onnxc_rt_gemm_core *core, const gemm_block *block,
                                    ptrdiff_t j, ptrdiff_t columns) {
  const onnxc_rt_gemm *g = &core->gemm;
  const ptrdiff_t p = block->p, distance = (block->depth + 1) * ONNXC_RT_PANEL;
  if (g->packed != NULL) {
    const ptrdiff_t apart = core->panel_distance,
                    whole = apart == 0 ? g->k * ONNXC_RT_PANEL : apart;
    const float *panels = g->packed + j / ONNXC_RT_PANEL * whole + p * ONNXC_RT_PANEL;
    return (gemm_panels){panels, ONNXC_RT_PANEL, whole, gemm_next_panels(g, block, j, whole)};
  }
  if (core->pack != NULL) {
    core->pack(core->source, p, block->depth, j, columns, block->panels, distance);
  } else if (gemm_reads_in_place(g, columns)) {
    return (gemm_panels){g->b + p * g->b_row + j, g->b_row, ONNXC_RT_PANEL, NULL};
  } else {
    onnxc_rt_gemm_panels_f32(g, p, block->depth, j, columns, block->panels, distance);
  }
  return (gemm_panels){block->panels, ONNXC_RT_PANEL, distance, NULL};
}

static void gemm_run_block(const onnxc_rt_gemm_core *core, const gemm_block *block) {
  const ptrdiff_t end = block->j + block->columns;
  for (ptrdiff_t j = block->j; j < end; j += ONNXC_RT_GEMM_TILE_COLUMNS) {
    const ptrdiff_t columns = onnxc_rt_min_size(ONNXC_RT_GEMM_TILE_COLUMNS, end - j);
    const gemm_panels panels = gemm_find_panels(core, block, j, columns);
    for (ptrdiff_t part = 0; part < columns; part += GEMM_COLUMNS) {
      const ptrdiff_t width = onnxc_rt_min_size(GEMM_COLUMNS, columns - part);
      gemm_column(core, block, j + part, width, &panels, part);
    }
  }
}

/* Sizes of the blocks: several of k only beyond GEMM_K_BLOCK, and then results of a block of rows
 * by columns wait in scratch; rows such that their part of A fits L2 beside the panels. */
static void gemm_plan_blocks(const onnxc_rt_gemm *g, gemm_block *block) {
  const int one_block = g->k <= ONNXC_RT_GEMM_K_BLOCK;
  const ptrdiff_t multiple = (ptrdiff_t)2 * ONNXC_RT_GEMM_TILE_ROWS; /* of every ISA's tile */
  block->depth = g->k > 0 ? gemm_piece(g->k, ONNXC_RT_GEMM_K_BLOCK, 1) : 0;
  block->columns = gemm_round_up(g->n, ONNXC_RT_GEMM_TILE_COLUMNS);
  ptrdiff_t row_limit = ONNXC_RT_GEMM_A_BLOCK / onnxc_rt_max_size(block->depth, 1);
  if (!one_block) {
    block->columns = onnxc_rt_min_size(block->columns, ONNXC_RT_GEMM_COLUMN_BLOCK);
    row_limit = ONNXC_RT_GEMM_BLOCK / block->columns;
  }
  block->rows = gemm_piece(g->m, row_limit / multiple * multiple, GEMM_ROWS);
  block->waiting = g->scratch;
  if (g->packed == NULL) block->waiting += ONNXC_RT_GEMM_TILE_COLUMNS * (block->depth + 1);
  block->waiting_row = one_block ? ONNXC_RT_GEMM_TILE_COLUMNS : block->columns;
}

int onnxc_rt_gemm_core_f32(const onnxc_rt_gemm_core *core) {
  const onnxc_rt_gemm *g = &core->gemm;
  if (g->m == 0 || g->n == 0) return ONNXC_RT_OK;
  if (core->pack == NULL && core->panel_distance == 0 && onnxc_rt_gemv_fits(g)) {
    return onnxc_rt_gemv_f32(core);
  }
  gemm_block whole = {.panels = g->scratch};
  gemm_plan_blocks(g, &whole);
  gemm_block block = whole;
  for (block.i = 0; block.i < g->m; block.i += whole.rows) {
    block.rows = onnxc_rt_min_size(whole.rows, g->m - block.i);
    for (block.j = 0; block.j < g->n; block.j += whole.columns) {
      block.columns = onnxc_rt_min_size(whole.columns, g->n - block.j);
      block.p = 0;
      do { /* once for k = 0, whose results are the bias */
        block.depth = onnxc_rt_min_size(whole.depth, g->k - block.p);
        block.first = block.p == 0;
        block.last = block.p + block.depth == g->k;
        gemm_run_block(core, &block);
        block.p += block.depth;
      } while (!block.last);
    }
  }
  return ONNXC_RT_OK;
}
