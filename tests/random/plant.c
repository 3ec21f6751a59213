#include "plant.h"

#include "plan/memory.h"

#include <string.h>

enum { TRIES = 60, RUNS = 3 };

/* A buffer on top of another, so that a step finds something else in one of them. (Within one step
 * it may be that each element is read before another is written there.) */
static const char *plant_overlap(Compilation *c, uint64_t *seed) {
  const Steps *steps = c->steps;
  for (int i = 0; i < TRIES && steps->buffers.len != 0; i++) {
    Buffer *moved = steps->buffers.data[pick(seed, steps->buffers.len)];
    const Buffer *to = steps->buffers.data[pick(seed, steps->buffers.len)];
    if (moved->place != BUFFER_ARENA || to->place != BUFFER_ARENA) continue;
    if (to->offset + moved->bytes > c->plan->arena_bytes) continue;
    size_t before = moved->offset;
    moved->offset = to->offset;
    const char *wrong = memory_fault(steps, c->plan->arena_bytes, *seed, RUNS);
    if (wrong != NULL && strstr(wrong, "finds something else") != NULL)
      return arena_printf(c->arena, "buffer %u on %u: %s", moved->id, to->id, wrong);
    moved->offset = before;
  }
  return NULL;
}

static void drop(Step *step, size_t i) {
  step->reads.len--;
  for (; i < step->reads.len; i++) step->reads.data[i] = step->reads.data[i + 1];
}

/* The step no longer says that it reads one of its buffers, which dies earlier for that: with a new
 * plan, its memory may be somebody else's by then. */
static const char *plant_early_death(Compilation *c, uint64_t *seed) {
  PlanLives lives = plan_lives(c->steps, c->arena);
  for (int i = 0; i < TRIES && lives.end != 0; i++) {
    uint32_t time = 1 + (uint32_t)pick(seed, lives.end);
    Step *step = (Step *)(uintptr_t)lives.steps[time];
    if (step->reads.len == 0) continue;
    size_t k = pick(seed, step->reads.len);
    Buffer *buffer = step->reads.data[k];
    const PlanLife *life = &lives.of[buffer->id];
    if (buffer->place != BUFFER_ARENA || life->last != time || life->first == time) continue;
    drop(step, k);
    PlanLives after = plan_lives(c->steps, c->arena);
    if (after.of[buffer->id].last < time && plan_steps(c->steps, 0, c->plan)) {
      return arena_printf(c->arena, "buffer %u dies before step %u", buffer->id, step->id);
    }
    vec_push(c->arena, &step->reads, buffer);
  }
  return NULL;
}

const char *plant_fault(Compilation *c, uint64_t seed) {
  bool overlap = pick(&seed, 2) == 0;
  const char *done = overlap ? plant_overlap(c, &seed) : plant_early_death(c, &seed);
  if (done != NULL) return done;
  return overlap ? plant_early_death(c, &seed) : plant_overlap(c, &seed);
}
