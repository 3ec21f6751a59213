#include "plan/plan.h"

/* Steps being walked. */
typedef struct Walk {
  const Steps *root;
  PlanLife *lives;
  Step **steps; /* NULL: they are only counted */
  uint32_t time;
} Walk;

static void pass_moment(Walk *w, Step *step) {
  w->time++;
  if (w->steps != NULL) w->steps[w->time] = step;
}

static void use(Walk *w, const Buffer *buffer) {
  if (w->steps == NULL || buffer->id >= w->root->buffers.len) return;
  PlanLife *life = &w->lives[buffer->id];
  if (life->first == 0) life->first = w->time;
  life->last = w->time;
}

/* What the turns use and was there before them is there for the last of them. */
static void outlive_turns(Walk *w, uint32_t begin) {
  for (size_t i = 0; w->steps != NULL && i < w->root->buffers.len; i++) {
    PlanLife *life = &w->lives[i];
    if (life->first != 0 && life->first <= begin && life->last >= begin) life->last = w->time;
  }
}

static void walk(Walk *w, const Steps *steps) {
  VEC_EACH(Step *const, at, &steps->steps) {
    Step *step = *at;
    pass_moment(w, step);
    uint32_t begin = w->time;
    VEC_EACH(Buffer *const, buffer, &step->reads) use(w, *buffer);
    VEC_EACH(Buffer *const, buffer, &step->writes) use(w, *buffer);
    Steps *bodies[2];
    uint32_t n = step_bodies(step, bodies);
    for (uint32_t i = 0; i < n; i++) walk(w, bodies[i]);
    if (step->kind != STEP_LOOP) continue;
    pass_moment(w, step);
    outlive_turns(w, begin);
  }
}

PlanLives plan_lives(const Steps *steps, Arena *arena) {
  Walk w = {.root = steps};
  walk(&w, steps);
  uint32_t end = w.time;
  w = (Walk){.root = steps,
             .lives = ARENA_ARRAY(arena, steps->buffers.len, PlanLife),
             .steps = ARENA_ARRAY(arena, (size_t)end + 1, Step *)};
  walk(&w, steps);
  return (PlanLives){.of = w.lives, .steps = w.steps, .end = end};
}

/* ---- the peak ----------------------------------------------------------------------------------
 */

static size_t taken_end(const Buffer *buffer) {
  return buffer->offset + (buffer->bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* Bytes that two buffers have in common. */
static size_t common(const Buffer *a, const Buffer *b) {
  size_t begin = a->offset > b->offset ? a->offset : b->offset;
  size_t end = taken_end(a) < taken_end(b) ? taken_end(a) : taken_end(b);
  return begin < end ? end - begin : 0;
}

bool plan_takes_over(const PlanLives *lives, const InPlace *pair, uint32_t time) {
  return pair->in->place == BUFFER_ARENA && pair->out->place == BUFFER_ARENA &&
         pair->in != pair->out && lives->of[pair->in->id].last == time &&
         lives->of[pair->out->id].first == time;
}

bool plan_is_live(const PlanLives *lives, const Buffer *buffer, uint32_t time) {
  const PlanLife *life = &lives->of[buffer->id];
  return buffer->place == BUFFER_ARENA && life->first != 0 && life->first <= time &&
         time <= life->last;
}

/* By time: bytes in use, memory that an output takes over from an input counted once. */
static size_t *live_bytes(const Steps *steps, const PlanLives *lives, Arena *arena) {
  size_t *bytes = ARENA_ARRAY(arena, (size_t)lives->end + 2, size_t);
  VEC_EACH(Buffer *const, at, &steps->buffers) {
    const Buffer *buffer = *at;
    const PlanLife *life = &lives->of[buffer->id];
    if (buffer->place != BUFFER_ARENA || life->first == 0) continue;
    bytes[life->first] += taken_end(buffer) - buffer->offset;
    bytes[life->last + 1] -= taken_end(buffer) - buffer->offset;
  }
  for (uint32_t time = 1; time <= lives->end; time++) bytes[time] += bytes[time - 1];
  for (uint32_t time = 1; time <= lives->end; time++) {
    VEC_EACH(const InPlace, pair, &lives->steps[time]->in_place) {
      if (plan_takes_over(lives, pair, time)) bytes[time] -= common(pair->out, pair->in);
    }
  }
  return bytes;
}

PlanPeak plan_peak(const Steps *steps, Arena *arena) {
  PlanPeak peak = {0};
  PlanLives lives = plan_lives(steps, arena);
  const size_t *bytes = live_bytes(steps, &lives, arena);
  for (uint32_t time = 1; time <= lives.end; time++) {
    if (bytes[time] > peak.bytes) peak.bytes = bytes[time];
  }
  uint32_t first = 0;
  for (uint32_t time = 1; time <= lives.end && peak.bytes != 0; time++) {
    if (bytes[time] != peak.bytes) continue;
    if (first == 0) first = time;
    vec_push(arena, &peak.steps, lives.steps[time]);
  }
  VEC_EACH(Buffer *const, buffer, &steps->buffers) {
    if (first != 0 && plan_is_live(&lives, *buffer, first)) vec_push(arena, &peak.buffers, *buffer);
  }
  return peak;
}
