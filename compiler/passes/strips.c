/* strips: y = chain(x) -> y = Concat(chain(Slice(x)), chain(Slice(x)), ...), along the height.
 *
 * Right because a row of what convolutions, pools and elementwise operators make depends on some
 * rows of their input only: a strip of the result is computed from those, with the padding that is
 * left there. Each number is the sum of the same products, so results are the same.
 *
 * Worth it where memory counts most: of what lies between x and y only a strip is there at a time.
 * Rows that two strips need are computed twice, so this is for -Os. Which chains, and how many
 * strips, the memory plan decides: the steps are lowered as they are, chains around the time that
 * needs the most memory are weighed by what would be live then, and the best of them are tried. */
#include "ops/compose.h"
#include "passes/chain.h"
#include "passes/measure.h"
#include "passes/run.h"

#include <stdlib.h>
#include <string.h>

enum {
  MAX_CHAIN = 64,  /* steps */
  MAX_STRIPS = 32, /* of a chain */
  MAX_TRIALS = 16, /* of plans for the sake of one chain */
  MAX_CHAINS = 16  /* in strips */
};

/* ---- chains, and what they would need ----------------------------------------------------------
 */

/* A value inside that would be there in strips. Times are those of the steps of the chain alone. */
typedef struct Inner {
  const Value *value;
  size_t row; /* bytes */
  uint32_t first, last;
  const Value *taker; /* takes over the memory at the last time; NULL: none does */
} Inner;

typedef struct Candidate {
  const Measure *m;
  Chain chain;
  uint32_t from, exit; /* steps */
  const Buffer *result;
  Vec(uint32_t) steps; /* of the chain */
  Vec(Inner) inner;
  size_t others, beside; /* live at most without the chain, and while it is computed */
  int64_t strip;         /* rows of the exit */
  size_t need;
  int64_t macs; /* more than before */
} Candidate;

typedef struct Begin {
  const Measure *m;
  uint32_t step;
} Begin;

static bool is_made_before(const void *context, const Value *value) {
  const Begin *begin = context;
  const Buffer *home = begin->m->homes[value->id];
  return home != NULL && begin->m->lives[home->id].step < begin->step;
}

/* The step is one of the chain's: what it writes, but for scratch, lies inside. */
static bool is_inside(const Candidate *c, const Step *step) {
  bool any = false;
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    if ((*buffer)->scratch) continue;
    if ((*buffer)->value == NULL || !c->chain.inside[(*buffer)->value->id]) return false;
    any = true;
  }
  return any;
}

/* Which of the chain's times the time is; steps that only copy something are none of its own. */
static uint32_t own_time(const Candidate *c, uint32_t time) {
  uint32_t k = 0;
  while (k + 1 < c->steps.len && c->steps.data[k] < time / 2) k++;
  return 2 * k + time % 2;
}

/* Whether the buffer goes with the chain. */
static bool is_replaced(const Candidate *c, const Buffer *buffer) {
  return buffer == c->result || (buffer->value != NULL && c->chain.inside[buffer->value->id]);
}

/* Strips of a value lie in memory like those of what takes it over, unless only some rows of one
 * are read for it. The exit's lie elsewhere. */
static bool is_taken(const Candidate *c, const Inner *inner, const Rows *rows) {
  if (inner->taker == NULL || inner->taker == c->chain.exit) return false;
  Rows own = rows[inner->value->id], taker = rows[inner->taker->id];
  bool same = own.begin == taker.begin && own.end == taker.end;
  return same || value_single_use(inner->value);
}

static void find_inner(const Measure *m, Candidate *c) {
  for (uint32_t i = c->from; i <= c->exit; i++) {
    if (is_inside(c, m->steps->steps.data[i])) vec_push(m->arena, &c->steps, i);
  }
  for (uint32_t i = 0; i < m->n_buffers; i++) {
    const Life *life = &m->lives[i];
    const Value *value = life->buffer == NULL ? NULL : life->buffer->value;
    int64_t height;
    if (value == NULL || life->buffer == c->result || !is_replaced(c, life->buffer)) continue;
    dim_is_const(value->type.dims[ROWS_AXIS], &height);
    Inner inner = {.value = value, .row = life->buffer->bytes / (size_t)height};
    inner.taker = measure_taker(m, life);
    inner.first = own_time(c, life->first);
    inner.last = own_time(c, life->last);
    vec_push(m->arena, &c->inner, inner);
  }
}

static void take_away(size_t *live, const Life *life) {
  for (uint32_t t = life->first; t <= life->last; t++) live[t] -= measure_bytes(life->buffer);
}

static void add_until(size_t *live, const Life *life, uint32_t first, uint32_t last) {
  for (uint32_t t = first; t <= last; t++) live[t] += measure_bytes(life->buffer);
}

/* What the chain reads stays until its last step, where the result begins and all else is done. */
static void find_others(const Measure *m, Candidate *c) {
  Arena *scratch = arena_scratch(m->arena);
  size_t *live = ARENA_ARRAY(scratch, 2 * (size_t)m->n, size_t);
  bool *seen = ARENA_ARRAY(scratch, m->n_buffers, bool);
  uint32_t end = 2 * c->exit + 1;
  memcpy(live, m->live, 2 * (size_t)m->n * sizeof *live);
  for (uint32_t k = 0; k < c->steps.len; k++) {
    const Step *step = m->steps->steps.data[c->steps.data[k]];
    VEC_EACH(Buffer *const, at, &step->writes) {
      const Life *life = &m->lives[(*at)->id];
      if (seen[(*at)->id]) continue;
      seen[(*at)->id] = true;
      take_away(live, life);
      if (*at == c->result) add_until(live, life, 2 * c->exit, life->last);
    }
  }
  for (uint32_t k = 0; k < c->steps.len; k++) {
    const Step *step = m->steps->steps.data[c->steps.data[k]];
    VEC_EACH(Buffer *const, at, &step->reads) {
      const Life *life = &m->lives[(*at)->id];
      if (!seen[(*at)->id]) add_until(live, life, life->last + 1, end);
      seen[(*at)->id] = true;
    }
  }
  for (uint32_t t = 0; t < 2 * m->n; t++) c->others = live[t] > c->others ? live[t] : c->others;
  c->beside = live[end] > live[end - 1] ? live[end] : live[end - 1];
  arena_drop(scratch);
}

/* What is live of the chain itself while it makes a strip. */
static size_t strip_need(const Measure *m, const Candidate *c, const Rows *rows, size_t *live) {
  size_t most = 0;
  memset(live, 0, 2 * c->steps.len * sizeof *live);
  VEC_EACH(const Inner, inner, &c->inner) {
    Rows made = rows[inner->value->id];
    size_t bytes = plan_rounded((size_t)(made.end - made.begin) * inner->row);
    uint32_t last = is_taken(c, inner, rows) ? inner->last : inner->last | 1;
    for (uint32_t t = inner->first; t <= last; t++) live[t] += bytes;
  }
  for (uint32_t t = 0; t < 2 * c->steps.len; t++) {
    VEC_EACH(Buffer *const, at, &m->steps->steps.data[c->steps.data[t / 2]]->writes) {
      if ((*at)->scratch) live[t] += plan_rounded((*at)->bytes);
    }
    most = live[t] > most ? live[t] : most;
  }
  return most;
}

/* With strips of so many rows. False: not possible. */
static bool weigh(const Measure *m, Candidate *c, Rows *rows, size_t *live) {
  int64_t height, macs = 0;
  size_t most = 0;
  dim_is_const(c->chain.exit->type.dims[ROWS_AXIS], &height);
  for (int64_t begin = 0; begin < height; begin += c->strip) {
    int64_t end = begin + c->strip < height ? begin + c->strip : height;
    if (!chain_rows(&c->chain, (Rows){begin, end}, rows)) return false;
    size_t need = strip_need(m, c, rows, live);
    most = need > most ? need : most;
    macs += chain_macs(&c->chain, rows);
  }
  if (!chain_rows(&c->chain, (Rows){0, height}, rows)) return false;
  c->macs = macs - chain_macs(&c->chain, rows);
  c->need = c->beside + most > c->others ? c->beside + most : c->others;
  return true;
}

/* ---- search ------------------------------------------------------------------------------------
 */

typedef Vec(Candidate) Candidates;

static double score_of(const Candidate *c) {
  return measure_score(c->need, (double)(c->m->macs + c->macs));
}

/* All numbers of strips of one chain that lower the peak at a price that is right. */
static void add_strips(const Measure *m, const Candidate *chain, Candidates *list) {
  Arena *scratch = arena_scratch(m->arena);
  Rows *rows = ARENA_ARRAY(scratch, m->steps->ctx->n_values, Rows);
  size_t *live = ARENA_ARRAY(scratch, 2 * chain->steps.len, size_t);
  int64_t height, last = 0;
  dim_is_const(chain->chain.exit->type.dims[ROWS_AXIS], &height);
  for (int64_t n = 2; n <= height && n <= MAX_STRIPS; n++) {
    Candidate c = *chain;
    c.strip = (height + n - 1) / n;
    if (c.strip == last) continue;
    last = c.strip;
    if (!weigh(m, &c, rows, live) || c.need >= m->most) continue;
    if (score_of(&c) >= measure_score(m->most, (double)m->macs)) continue;
    vec_push(m->arena, list, c);
  }
  arena_drop(scratch);
}

/* Chains that end with the value in the buffer and reach back to the peak at least. */
static void add_chains(const Measure *m, const Buffer *result, Candidates *list) {
  Begin begin = {m, m->peak + 1};
  uint32_t exit = m->lives[result->id].step;
  size_t nodes = 0;
  while (begin.step-- > 0 && exit - begin.step < MAX_CHAIN) {
    Candidate c = {.m = m, .from = begin.step, .exit = exit, .result = result};
    if (!chain_find(m->arena, result->value, is_made_before, &begin, &c.chain)) continue;
    if (c.chain.nodes.len == nodes) continue;
    nodes = c.chain.nodes.len;
    find_inner(m, &c);
    if (c.inner.len == 0 || c.steps.len == 0) continue;
    find_others(m, &c);
    if (c.others < m->most) add_strips(m, &c, list);
  }
}

static int compare_scores(const void *a, const void *b) {
  const Candidate *x = a, *y = b;
  double a_score = score_of(x), b_score = score_of(y);
  if (a_score < b_score || b_score < a_score) return a_score < b_score ? -1 : 1;
  return x->need < y->need ? -1 : x->need > y->need;
}

static void find_candidates(const Measure *m, Candidates *list) {
  for (uint32_t i = 0; i < m->n_buffers; i++) {
    const Life *life = &m->lives[i];
    if (life->buffer == NULL || life->buffer->value == NULL || life->step < m->peak) continue;
    if (value_is_output(life->buffer->value) || !chain_takes(life->buffer->value->producer))
      continue;
    add_chains(m, life->buffer, list);
  }
  if (list->len > 1) qsort(list->data, list->len, sizeof *list->data, compare_scores);
}

/* ---- trial -------------------------------------------------------------------------------------
 */

static Value *build_strips(Arena *scratch, const Candidate *c) {
  int64_t height, n = 0;
  dim_is_const(c->chain.exit->type.dims[ROWS_AXIS], &height);
  Rows *rows = ARENA_ARRAY(scratch, c->chain.exit->graph->ctx->n_values, Rows);
  Value *strips[MAX_STRIPS];
  for (int64_t begin = 0; begin < height; begin += c->strip) {
    int64_t end = begin + c->strip < height ? begin + c->strip : height;
    chain_rows(&c->chain, (Rows){begin, end}, rows);
    strips[n++] = chain_build(scratch, &c->chain, rows);
  }
  Builder b = builder_at(c->chain.exit->producer);
  return compose_concat(&b, strips, (uint32_t)n, ROWS_AXIS);
}

/* Plans the graph with the chain in strips, and leaves it as it was. What is planned is what the
 * candidate needs, which can be more than what is live. */
static bool try_candidate(PassRun *run, Candidate *c) {
  Arena *scratch = arena_scratch(run->scratch);
  Value *exit = c->chain.exit, *joined = build_strips(scratch, c);
  graph_replace(exit, joined);
  c->need = measure_arena(exit->graph, scratch);
  graph_replace(joined, exit);
  arena_drop(scratch);
  pass_prune(run, joined->producer);
  return c->need != SIZE_MAX;
}

static void apply(PassRun *run, const Candidate *c) {
  Node *node = c->chain.exit->producer;
  Value *joined = build_strips(run->scratch, c);
  Builder b = builder_at(node);
  build_replace(&b, node, joined);
  pass_prune(run, node);
}

/* The candidate among the first that has the best plan; NULL: all are worse than none. */
static const Candidate *find_best(PassRun *run, const Measure *m, Candidates *list) {
  double least = measure_score(m->plan.arena_bytes, (double)m->macs);
  const Candidate *best = NULL;
  for (size_t i = 0; i < list->len && i < MAX_TRIALS; i++) {
    Candidate *c = &list->data[i];
    if (!try_candidate(run, c) || c->need >= m->plan.arena_bytes || score_of(c) >= least) continue;
    least = score_of(c);
    best = c;
  }
  return best;
}

/* Puts the best chain there is into strips; false: there is none. */
static bool improve(PassRun *run, Graph *graph) {
  Arena *scratch = arena_scratch(run->scratch);
  Candidates list = {0};
  const Candidate *best = NULL;
  Measure m;
  if (measure_graph(graph, scratch, &m)) {
    find_candidates(&m, &list);
    best = find_best(run, &m, &list);
  }
  bool done = best != NULL && pass_hit(run, "chain");
  if (done) {
    pass_adds(run, best->macs, 0);
    apply(run, best);
  }
  arena_drop(scratch);
  return done;
}

static bool has_windows(const Graph *graph) {
  const Node *node = graph->first;
  while (node != NULL && !chain_slides(node)) node = node->next;
  return node != NULL;
}

static bool run_strips(PassRun *run, Graph *graph) {
  bool more = graph->holder == NULL && has_windows(graph); /* the plan is that of the whole */
  for (int i = 0; more && i < MAX_CHAINS && pass_may(run); i++) more = improve(run, graph);
  return true;
}

const PassDef pass_strips = {
    .name = "strips",
    .what = "Images are computed strip by strip where that takes less memory",
    .changes = (const char *const[]){"chain", NULL},
    .run = run_strips,
};
