#include "passes/measure.h"

#include "lower/lower.h"
#include "onnxc.h"

enum { BUDGET = PLAN_BUDGET / 100 };

static void touch(Measure *m, const Buffer *buffer, uint32_t step, bool written) {
  Life *life = &m->lives[buffer->id];
  if (life->buffer == NULL) *life = (Life){.buffer = buffer, .first = 2 * step};
  life->last = 2 * step + 1;
  if (written) life->step = step;
}

static void touch_step(Measure *m, const Step *step, uint32_t at) {
  Steps *bodies[2];
  VEC_EACH(Buffer *const, buffer, &step->reads) touch(m, *buffer, at, false);
  VEC_EACH(Buffer *const, buffer, &step->writes) touch(m, *buffer, at, true);
  uint32_t n = step_bodies(step, bodies);
  for (uint32_t i = 0; i < n; i++) {
    VEC_EACH(Step *const, inner, &bodies[i]->steps) touch_step(m, *inner, at);
  }
}

/* An input that dies where an output is born that may take over its memory. */
static bool takes_over(const Measure *m, const InPlace *pair, uint32_t step) {
  const Life *in = &m->lives[pair->in->id], *out = &m->lives[pair->out->id];
  return in->last / 2 == step && out->first / 2 == step &&
         (pair->grows || pair->out->bytes <= pair->in->bytes);
}

size_t measure_bytes(const Buffer *buffer) {
  return buffer->place == BUFFER_ARENA ? plan_rounded(buffer->bytes) : 0;
}

static void find_lives(Measure *m) {
  for (uint32_t i = 0; i < m->n; i++) touch_step(m, m->steps->steps.data[i], i);
  for (uint32_t i = 0; i < m->n; i++) {
    VEC_EACH(const InPlace, pair, &m->steps->steps.data[i]->in_place) {
      if (!takes_over(m, pair, i)) continue;
      m->lives[pair->in->id].last = 2 * i;
      m->lives[pair->out->id].first = 2 * i + 1;
    }
  }
  for (uint32_t i = 0; i < m->n_buffers; i++) {
    const Life *life = &m->lives[i];
    if (life->buffer == NULL) continue;
    if (life->buffer->value != NULL) m->homes[life->buffer->value->id] = life->buffer;
    for (uint32_t t = life->first; t <= life->last; t++) m->live[t] += measure_bytes(life->buffer);
  }
}

static bool plan_graph(Graph *graph, Arena *arena, Measure *m) {
  Context *ctx = graph->ctx, own = *ctx;
  *m = (Measure){.arena = arena};
  ctx->arena = arena;
  ctx->diag = diag_new(arena, "");
  m->steps = lower_graph(graph, ctx->options->level != 1);
  size_t budget = ctx->options->level == 1 ? 0 : BUDGET;
  bool planned = m->steps != NULL && plan_in_best_order(m->steps, budget, &m->plan);
  *ctx = own;
  return planned;
}

static void study(Measure *m) {
  int64_t macs;
  m->n = (uint32_t)m->steps->steps.len;
  m->n_buffers = (uint32_t)m->steps->buffers.len;
  m->lives = ARENA_ARRAY(m->arena, m->n_buffers, Life);
  m->homes = ARENA_ARRAY(m->arena, m->steps->ctx->n_values, const Buffer *);
  m->live = ARENA_ARRAY(m->arena, 2 * (size_t)m->n, size_t);
  find_lives(m);
  for (uint32_t t = 0; t < 2 * m->n; t++) {
    if (m->live[t] <= m->most) continue;
    m->most = m->live[t];
    m->peak = t / 2;
  }
  for (uint32_t i = 0; i < m->n; i++) {
    const Step *step = m->steps->steps.data[i];
    if (dim_is_const(step->macs, &macs)) m->macs += macs;
    if (step->bytes != NULL) m->traffic += (double)step->bytes->hi;
  }
}

bool measure_graph(Graph *graph, Arena *arena, Measure *m) {
  bool planned = plan_graph(graph, arena, m);
  if (planned) study(m);
  return planned;
}

size_t measure_arena(Graph *graph, Arena *arena) {
  Measure m;
  return plan_graph(graph, arena, &m) ? m.plan.arena_bytes : SIZE_MAX;
}

const Value *measure_taker(const Measure *m, const Life *life) {
  if (life->last % 2 != 0) return NULL;
  VEC_EACH(const InPlace, pair, &m->steps->steps.data[life->last / 2]->in_place) {
    if (pair->in == life->buffer && m->lives[pair->out->id].first == life->last + 1) {
      return pair->out->value;
    }
  }
  return NULL;
}

double measure_score(size_t need, double work) {
  return (double)need * (double)need * (work + 1);
}
