/* Attention by blocks of queries and of keys.
 *
 * For each head of K and V and each block of their rows: for each block of the queries that share
 * them, scores by a matrix product, the softmax in place, and the product with V, which joins what
 * earlier blocks of keys have given: those are scaled down when the maximum of a row grows. With
 * one block of keys that never happens, and the softmax is the exact one. Keys that no query of a
 * block sees by their places are not looked at. */
#include "kernels/attention_few_f32.h"
#include "kernels/gemm_core_f32.h"
#include "simd/simd.h"

#include <string.h>

/* Products that are summed before their sum joins those before. */
#define ATTENTION_PART ((ptrdiff_t)128)

/* The rows that share a head of K and V. They form lines in which they are equally far apart: the
 * queries of a head, or the heads of a single query. */
typedef struct attention_group {
  const onnxc_rt_attention *call;
  ptrdiff_t sample, head; /* the first of them */
  ptrdiff_t lines, rows;  /* rows of a line */
  int few;                /* rows at a time, for which panels and tiles do not pay */
  ptrdiff_t row_block, key_block;
  const float *k, *v;
  ptrdiff_t place, length;
  float *scores; /* [row_block][score_row], of a block */
  ptrdiff_t score_row;
  float *bias;                /* [score_row], what is added to a row */
  float *k_panels, *v_panels; /* of a block of keys; NULL: none */
  float *gemm;                /* scratch of matrix products */
  float *most, *sums;         /* [lines][rows], of the scores and of their powers so far */
  float *decay, *factors;     /* [row_block], of earlier and of all results */
} attention_group;

/* Some rows of a line against some keys. */
typedef struct attention_block {
  ptrdiff_t line, row, rows; /* rows [row, row + rows) */
  ptrdiff_t begin, keys;     /* of the panels */
  ptrdiff_t first, end;      /* keys that any of the rows sees; first is a multiple of a panel */
  int starts, ends;          /* whether these are the first, and the last, of those */
} attention_block;

/* ---- places ---- */

static ptrdiff_t attention_clamp(ptrdiff_t x, ptrdiff_t least, ptrdiff_t most) {
  return x < least ? least : x > most ? most : x;
}

static ptrdiff_t attention_size_of(int64_t x) {
  const int64_t far = PTRDIFF_MAX / 4;
  return (ptrdiff_t)(x < -far ? -far : x > far ? far : x);
}

static ptrdiff_t attention_query(const attention_group *g, ptrdiff_t row) {
  return g->call->queries == 1 ? 0 : row;
}

static ptrdiff_t attention_head(const attention_group *g, ptrdiff_t line, ptrdiff_t row) {
  return g->head + (g->call->queries == 1 ? row : line);
}

static ptrdiff_t attention_row_step(const attention_group *g, const ptrdiff_t stride[3]) {
  return g->call->queries == 1 ? stride[1] : stride[2];
}

static ptrdiff_t attention_at(const attention_group *g, const ptrdiff_t stride[3], ptrdiff_t line,
                              ptrdiff_t row) {
  return g->sample * stride[0] + attention_head(g, line, row) * stride[1] +
         attention_query(g, row) * stride[2];
}

/* Keys [first, end) that the row's query sees by its place. */
static ptrdiff_t attention_first(const attention_group *g, ptrdiff_t row) {
  const ptrdiff_t left = g->call->left, place = g->place + attention_query(g, row);
  return left < 0 ? 0 : attention_clamp(place - attention_size_of(left), 0, g->length);
}

static ptrdiff_t attention_end(const attention_group *g, ptrdiff_t row) {
  const ptrdiff_t right = g->call->right, place = g->place + attention_query(g, row);
  return right < 0 ? g->length
                   : attention_clamp(place + attention_size_of(right) + 1, 0, g->length);
}

/* ---- the mask ---- */

/* What the mask adds to the score of key j. */
static float attention_bias(const onnxc_rt_attention *a, ptrdiff_t at) {
  if (a->bias != NULL) return a->bias[at];
  return a->allowed[at] != 0 ? 0.0f : -INFINITY;
}

static ptrdiff_t attention_mask_row(const attention_group *g, ptrdiff_t line, ptrdiff_t row) {
  const ptrdiff_t *stride = g->call->mask_stride;
  return attention_at(g, stride, line, row);
}

/* The same for keys [begin, end) of a row, in place where whole vectors of it can be read. */
static const float *attention_bias_row(const attention_group *g, ptrdiff_t line, ptrdiff_t row,
                                       ptrdiff_t begin, ptrdiff_t end) {
  const onnxc_rt_attention *a = g->call;
  const ptrdiff_t step = a->mask_stride[3], there = onnxc_rt_min_size(end, a->keys);
  const ptrdiff_t at = attention_mask_row(g, line, row);
  if (a->bias != NULL && step == 1 && there == end) return a->bias + at + begin;
  float *const to = g->bias;
  if (a->bias == NULL && step == 1) {
    const uint8_t *const allowed = a->allowed + at + begin;
    for (ptrdiff_t j = 0; j < there - begin; j++) to[j] = allowed[j] != 0 ? 0.0f : -INFINITY;
  } else {
    for (ptrdiff_t j = begin; j < there; j++) to[j - begin] = attention_bias(a, at + j * step);
  }
  for (ptrdiff_t j = there; j < end; j++) to[j - begin] = 0.0f;
  return to;
}

static int attention_has_mask(const onnxc_rt_attention *a) {
  return a->bias != NULL || a->allowed != NULL;
}

/* Whether the mask leaves the row any key. */
static int attention_sees(const attention_group *g, ptrdiff_t line, ptrdiff_t row) {
  const onnxc_rt_attention *a = g->call;
  const ptrdiff_t end = attention_end(g, row);
  ptrdiff_t j = attention_first(g, row);
  if (!attention_has_mask(a)) return j < end;
  const ptrdiff_t at = attention_mask_row(g, line, row);
  while (j < end && attention_bias(a, at + j * a->mask_stride[3]) == -INFINITY) j++;
  return j < end;
}

/* ---- softmax ---- */

static void attention_fill(float *to, ptrdiff_t begin, ptrdiff_t end, float value) {
  for (ptrdiff_t j = begin; j < end; j++) to[j] = value;
}

/* Scores as the softmax takes them, in whole panels; the scale that is left to apply. */
ONNXC_RT_V_INLINE float attention_transform(const attention_group *g, float *scores,
                                            const float *bias, ptrdiff_t begin, ptrdiff_t end) {
  const float scale = g->call->scale, cap = g->call->softcap;
  if (bias == NULL && cap == 0.0f && scale > 0.0f) return scale;
  const onnxc_rt_v factor = onnxc_rt_v_splat(scale);
  for (ptrdiff_t j = begin; j < end && cap != 0.0f; j++) {
    scores[j] = onnxc_rt_tanh_f32(scores[j] * scale / cap) * cap;
  }
  for (ptrdiff_t j = begin; j < end; j += ONNXC_RT_V_WIDTH) {
    onnxc_rt_v x = onnxc_rt_v_load(scores + j);
    if (cap == 0.0f) x *= factor;
    if (bias != NULL) x += onnxc_rt_v_load(bias + j - begin);
    onnxc_rt_v_store(scores + j, x);
  }
  return 1.0f;
}

ONNXC_RT_V_INLINE float attention_most(const float *scores, ptrdiff_t begin, ptrdiff_t end) {
  float lanes[ONNXC_RT_V_WIDTH], most;
  onnxc_rt_v all = onnxc_rt_v_splat(-INFINITY);
  for (ptrdiff_t j = begin; j < end; j += ONNXC_RT_V_WIDTH) {
    all = onnxc_rt_v_max(onnxc_rt_v_load(scores + j), all);
  }
  onnxc_rt_v_store(lanes, all);
  most = lanes[0];
  for (ptrdiff_t i = 1; i < ONNXC_RT_V_WIDTH; i++) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

/* Scores become e^(scale score - most); their sum. */
ONNXC_RT_V_INLINE float attention_powers(float *scores, ptrdiff_t begin, ptrdiff_t end, float scale,
                                         float most) {
  const onnxc_rt_v factor = onnxc_rt_v_splat(scale), least = onnxc_rt_v_splat(-most);
  onnxc_rt_v sum = onnxc_rt_v_splat(0.0f);
  for (ptrdiff_t j = begin; j < end; j += ONNXC_RT_V_WIDTH) {
    const onnxc_rt_v x = onnxc_rt_v_fma(onnxc_rt_v_load(scores + j), factor, least);
    const onnxc_rt_v power = onnxc_rt_v_exp_negative(x);
    onnxc_rt_v_store(scores + j, power);
    sum += power;
  }
  return onnxc_rt_v_sum(sum);
}

/* Row i of the block: scores become weights, 0 for keys that its query does not see. */
static ONNXC_RT_V_FUNCTION void attention_softmax(const attention_group *g,
                                                  const attention_block *b, ptrdiff_t i) {
  const ptrdiff_t row = b->row + i, state = b->line * g->rows + row, panel = ONNXC_RT_PANEL;
  const ptrdiff_t width = b->end - b->first;
  const ptrdiff_t first = attention_clamp(attention_first(g, row) - b->first, 0, width);
  const ptrdiff_t end = attention_clamp(attention_end(g, row) - b->first, first, width);
  const ptrdiff_t from = first / panel * panel, to = (end + panel - 1) / panel * panel;
  float *const scores = g->scores + i * g->score_row;
  const float *bias = NULL;
  g->decay[i] = 1.0f;
  if (first == end) {
    attention_fill(scores, 0, width, 0.0f);
    return;
  }
  if (attention_has_mask(g->call)) {
    bias = attention_bias_row(g, b->line, row, b->first + from, b->first + to);
  }
  const float scale = attention_transform(g, scores, bias, from, to);
  attention_fill(scores, from, first, -INFINITY);
  attention_fill(scores, end, to, -INFINITY);
  const float before = g->most[state], here = attention_most(scores, from, to) * scale;
  const float most = here > before ? here : before;
  if (most == -INFINITY) {
    for (ptrdiff_t j = first; j < end; j++) {
      if (isnan(scores[j])) g->sums[state] = NAN;
    }
    attention_fill(scores, 0, width, 0.0f);
    return;
  }
  const float sum = attention_powers(scores, from, to, scale, most);
  g->decay[i] = onnxc_rt_exp_f32(before - most);
  g->sums[state] = g->sums[state] * g->decay[i] + sum;
  g->most[state] = most;
  attention_fill(scores, 0, first, 0.0f);
  attention_fill(scores, end, width, 0.0f);
}

/* ---- results ---- */

typedef struct attention_target {
  float *y;
  ptrdiff_t y_row;
  const float *decay, *factors;
  int starts, ends;
} attention_target;

/* New sums join those in Y. */
static ONNXC_RT_V_FUNCTION void attention_store(const void *context, float *sums, ptrdiff_t row,
                                                ptrdiff_t column, ptrdiff_t count) {
  const attention_target *t = context;
  float *y = t->y + row * t->y_row + column;
  const float decay = t->decay[row], factor = t->ends ? t->factors[row] : 1.0f;
  const onnxc_rt_v decays = onnxc_rt_v_splat(decay), factors = onnxc_rt_v_splat(factor);
  ptrdiff_t j = 0;
  for (; j + ONNXC_RT_V_WIDTH <= count; j += ONNXC_RT_V_WIDTH) {
    onnxc_rt_v x = onnxc_rt_v_load(sums + j);
    if (!t->starts) x = onnxc_rt_v_fma(onnxc_rt_v_load(y + j), decays, x);
    onnxc_rt_v_store(y + j, x * factors);
  }
  for (; j < count; j++) {
    const float x = t->starts ? sums[j] : y[j] * decay + sums[j];
    y[j] = x * factor;
  }
}

static attention_target attention_target_of(const attention_group *g, const attention_block *b) {
  const onnxc_rt_attention *a = g->call;
  return (attention_target){.y = a->y + attention_at(g, a->y_stride, b->line, b->row),
                            .y_row = attention_row_step(g, a->y_stride),
                            .decay = g->decay,
                            .factors = g->factors,
                            .starts = b->starts,
                            .ends = b->ends};
}

/* A row whose scores are all minus infinity has no softmax, unless the mask has made them so. */
static void attention_find_factors(const attention_group *g, const attention_block *b) {
  for (ptrdiff_t i = 0; i < b->rows; i++) {
    const float sum = g->sums[b->line * g->rows + b->row + i];
    g->factors[i] = sum == 0.0f ? NAN : 1.0f / sum;
  }
}

/* The row's query sees no key. */
static void attention_empty_row(const attention_group *g, ptrdiff_t line, ptrdiff_t row) {
  const onnxc_rt_attention *a = g->call;
  float *y = a->y + attention_at(g, a->y_stride, line, row);
  const ptrdiff_t keys = a->keys;
  const int is_nan = a->empty_rows == ONNXC_RT_EMPTY_NAN && keys != 0;
  attention_fill(y, 0, a->v_size, is_nan ? NAN : 0.0f);
  if (a->empty_rows != ONNXC_RT_EMPTY_MEAN) return;
  for (ptrdiff_t j = 0; j < keys; j++) {
    const float *const v = g->v + j * a->v_stride[2];
    for (ptrdiff_t c = 0; c < a->v_size; c++) y[c] += v[c] / (float)keys;
  }
}

static void attention_fill_unseeing(const attention_group *g, const attention_block *b) {
  for (ptrdiff_t row = b->row; row < b->row + b->rows; row++) {
    const float sum = g->sums[b->line * g->rows + row];
    if (!(sum > 0.0f) && !attention_sees(g, b->line, row)) attention_empty_row(g, b->line, row);
  }
}

/* ---- products ---- */

static void attention_find_scores(const attention_group *g, const attention_block *b) {
  const onnxc_rt_attention *a = g->call;
  const float *q = a->q + attention_at(g, a->q_stride, b->line, b->row);
  const float *k = g->k + b->first * a->k_stride[2];
  const ptrdiff_t q_row = attention_row_step(g, a->q_stride), keys = b->end - b->first;
  if (g->few) {
    onnxc_rt_attention_few_scores_f32(&(onnxc_rt_attention_few){.rows = b->rows,
                                                                .a = q,
                                                                .a_row = q_row,
                                                                .b = k,
                                                                .b_row = a->k_stride[2],
                                                                .keys = keys,
                                                                .size = a->size,
                                                                .c = g->scores,
                                                                .c_row = g->score_row});
    return;
  }
  onnxc_rt_gemm_core core = {.gemm = {.m = b->rows, .k = a->size, .a = q, .a_row = q_row}};
  core.gemm.n = keys;
  core.gemm.a_col = core.gemm.b_row = 1;
  core.gemm.b = k;
  core.gemm.b_col = a->k_stride[2];
  if (g->k_panels != NULL) {
    core.gemm.n = (keys + ONNXC_RT_PANEL - 1) / ONNXC_RT_PANEL * ONNXC_RT_PANEL;
    core.gemm.packed = g->k_panels + (b->first - b->begin) * a->size;
  }
  core.gemm.c = g->scores;
  core.gemm.c_row = g->score_row;
  core.gemm.scratch = g->gemm;
  onnxc_rt_gemm_core_f32(&core);
}

/* For few rows a part of the keys at a time, whose sums are finished before the next. */
static void attention_few_parts(const attention_group *g, const attention_block *b,
                                attention_target *target) {
  const onnxc_rt_attention *a = g->call;
  const int ends = target->ends;
  const ptrdiff_t row = a->v_size;
  for (ptrdiff_t j = b->first, keys; j < b->end; j += keys) {
    keys = onnxc_rt_min_size(ATTENTION_PART, b->end - j);
    onnxc_rt_attention_few_values_f32(&(onnxc_rt_attention_few){.rows = b->rows,
                                                                .a = g->scores + j - b->first,
                                                                .a_row = g->score_row,
                                                                .b = g->v + j * a->v_stride[2],
                                                                .b_row = a->v_stride[2],
                                                                .keys = keys,
                                                                .size = a->v_size,
                                                                .c = g->gemm,
                                                                .c_row = row});
    target->ends = ends && j + keys == b->end;
    for (ptrdiff_t i = 0; i < b->rows; i++) {
      attention_store(target, g->gemm + i * row, i, 0, a->v_size);
      g->decay[i] = 1.0f;
    }
    target->starts = 0;
  }
}

static void attention_find_values(const attention_group *g, const attention_block *b) {
  const onnxc_rt_attention *a = g->call;
  attention_target target = attention_target_of(g, b);
  if (g->few) {
    attention_few_parts(g, b, &target);
    return;
  }
  onnxc_rt_gemm_core core = {.gemm = {.m = b->rows, .n = a->v_size, .a_col = 1, .b_col = 1}};
  core.gemm.k = b->end - b->first;
  core.gemm.a = g->scores;
  core.gemm.a_row = g->score_row;
  core.gemm.b = g->v + b->first * a->v_stride[2];
  core.gemm.b_row = a->v_stride[2];
  if (g->v_panels != NULL) {
    core.gemm.packed = g->v_panels + (b->first - b->begin) * ONNXC_RT_PANEL;
    core.panel_distance = b->keys * ONNXC_RT_PANEL;
  }
  core.gemm.epilogue = attention_store;
  core.gemm.context = &target;
  core.gemm.scratch = g->gemm;
  onnxc_rt_gemm_core_f32(&core);
}

/* ---- blocks ---- */

/* The block's rows against its keys, or those of them that the rows see. */
static void attention_run_block(const attention_group *g, attention_block *b) {
  const ptrdiff_t first = attention_first(g, b->row);
  const ptrdiff_t end = attention_end(g, b->row + b->rows - 1);
  const ptrdiff_t behind = b->begin + b->keys, panel = ONNXC_RT_PANEL;
  b->first = onnxc_rt_max_size(first, b->begin) / panel * panel;
  b->end = onnxc_rt_min_size(end, behind);
  if (b->first >= b->end || first >= end) return;
  b->starts = first >= b->begin;
  b->ends = end <= behind;
  attention_find_scores(g, b);
  for (ptrdiff_t i = 0; i < b->rows; i++) attention_softmax(g, b, i);
  if (b->ends) attention_find_factors(g, b);
  attention_find_values(g, b);
  if (b->ends) attention_fill_unseeing(g, b);
}

static void attention_pack(const attention_group *g, ptrdiff_t begin, ptrdiff_t keys) {
  const onnxc_rt_attention *a = g->call;
  const onnxc_rt_gemm k = {.b = g->k, .b_row = 1, .b_col = a->k_stride[2]};
  const onnxc_rt_gemm v = {.b = g->v, .b_row = a->v_stride[2], .b_col = 1};
  onnxc_rt_gemm_panels_f32(&k, 0, a->size, begin, keys, g->k_panels, a->size * ONNXC_RT_PANEL);
  onnxc_rt_gemm_panels_f32(&v, begin, keys, 0, a->v_size, g->v_panels, keys * ONNXC_RT_PANEL);
}

static void attention_run_keys(const attention_group *g, ptrdiff_t begin, ptrdiff_t keys) {
  if (g->k_panels != NULL) attention_pack(g, begin, keys);
  for (ptrdiff_t line = 0; line < g->lines; line++) {
    for (ptrdiff_t row = 0; row < g->rows; row += g->row_block) {
      const ptrdiff_t rows = onnxc_rt_min_size(g->row_block, g->rows - row);
      attention_block block = {
          .line = line, .row = row, .rows = rows, .begin = begin, .keys = keys};
      attention_run_block(g, &block);
    }
  }
}

static void attention_run_group(const attention_group *g) {
  const ptrdiff_t first = attention_first(g, 0), end = attention_end(g, g->rows - 1);
  for (ptrdiff_t i = 0; i < g->lines * g->rows; i++) {
    const ptrdiff_t line = i / g->rows, row = i % g->rows;
    g->most[i] = -INFINITY;
    g->sums[i] = 0.0f;
    if (attention_first(g, row) >= attention_end(g, row)) attention_empty_row(g, line, row);
  }
  for (ptrdiff_t begin = first / g->key_block * g->key_block; begin < end; begin += g->key_block) {
    attention_run_keys(g, begin, onnxc_rt_min_size(g->key_block, g->length - begin));
  }
}

/* ---- the call ---- */

static ptrdiff_t attention_round_up(ptrdiff_t size, ptrdiff_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

/* The length of equal pieces, multiples of `multiple`, that are about `limit` long at most. */
static ptrdiff_t attention_piece(ptrdiff_t size, ptrdiff_t limit, ptrdiff_t multiple) {
  const ptrdiff_t pieces = onnxc_rt_max_size((size + limit - 1) / limit, 1);
  return attention_round_up((size + pieces - 1) / pieces, multiple);
}

/* Rows of a block of scores, and the way of the products, by the room that there is; whether it
 * holds panels of K and V that several blocks read. */
static int attention_plan_rows(attention_group *g) {
  const onnxc_rt_attention *a = g->call;
  const ptrdiff_t tallest = ONNXC_RT_GEMM_TILE_ROWS, few = ONNXC_RT_ATTENTION_FEW;
  const ptrdiff_t fixed = onnxc_rt_attention_f32_needs(a, 0, 1, 0);
  const ptrdiff_t row = onnxc_rt_attention_f32_needs(a, 1, 1, 0) - fixed;
  ptrdiff_t block = attention_piece(g->rows, ONNXC_RT_ATTENTION_QUERIES, tallest);
  block = onnxc_rt_min_size(block, g->rows);
  const int again = g->lines * g->rows > block;
  const int panels = again && a->room >= onnxc_rt_attention_f32_needs(a, block, 1, 1);
  if (!panels && a->room < fixed + block * row) {
    block = onnxc_rt_max_size(a->room - fixed, 0) / row / tallest * tallest;
  }
  g->few = g->rows <= few || block == 0;
  g->row_block = g->few ? onnxc_rt_min_size(g->rows, few) : block;
  return panels && !g->few;
}

/* What is the same for all groups: sizes of blocks, and where everything is in the scratch. */
static attention_group attention_plan(const onnxc_rt_attention *a) {
  const ptrdiff_t shared = a->heads / a->kv_heads, panel = ONNXC_RT_PANEL;
  attention_group g = {.call = a, .lines = a->queries == 1 ? 1 : shared};
  g.rows = a->queries == 1 ? shared : a->queries;
  g.key_block = attention_piece(onnxc_rt_max_size(a->keys, 1), ONNXC_RT_ATTENTION_KEYS, panel);
  g.score_row = g.key_block;
  const int panels = attention_plan_rows(&g);
  float *free = a->scratch;
  g.scores = free;
  g.bias = free += g.row_block * g.score_row;
  free += g.score_row;
  if (panels) {
    g.k_panels = free;
    g.v_panels = free += g.key_block * a->size;
    free += g.key_block * attention_round_up(a->v_size, panel);
  }
  g.most = free;
  g.sums = free += g.lines * g.rows;
  g.decay = free += g.lines * g.rows;
  g.factors = free += g.row_block;
  g.gemm = free + g.row_block;
  return g;
}

int onnxc_rt_attention_f32(const onnxc_rt_attention *a) {
  if (a->batch == 0 || a->heads == 0 || a->queries == 0 || a->v_size == 0) return ONNXC_RT_OK;
  attention_group g = attention_plan(a);
  const ptrdiff_t shared = a->heads / a->kv_heads;
  for (g.sample = 0; g.sample < a->batch; g.sample++) {
    const ptrdiff_t length = a->lengths == NULL ? a->keys : attention_size_of(a->lengths[g.sample]);
    g.place = a->place;
    if (a->places != NULL) g.place = attention_size_of(a->places[a->each_place ? g.sample : 0]);
    if (a->at_end) g.place = length - a->queries;
    g.length = attention_clamp(length, 0, a->keys);
    for (ptrdiff_t head = 0; head < a->kv_heads; head++) {
      g.head = head * shared;
      g.k = a->k + g.sample * a->k_stride[0] + head * a->k_stride[1];
      g.v = a->v + g.sample * a->v_stride[0] + head * a->v_stride[1];
      attention_run_group(&g);
    }
  }
  return ONNXC_RT_OK;
}
