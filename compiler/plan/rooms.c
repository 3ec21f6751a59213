#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct Range {
  size_t begin, end;
} Range;

static int compare_ranges(const void *a, const void *b) {
  const Range *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* The largest range that no buffer but `except` has at the time. */
static Range find_free(const Steps *steps, const PlanLives *lives, uint32_t time,
                       const Buffer *except, size_t arena_bytes, Range *taken) {
  size_t count = 0, top = 0;
  Range best = {0, 0};
  VEC_EACH(Buffer *const, at, &steps->buffers) {
    const Buffer *buffer = *at;
    if (buffer == except || !plan_is_live(lives, buffer, time)) continue;
    taken[count++] = (Range){buffer->offset, buffer->offset + buffer->bytes};
  }
  taken[count] = (Range){arena_bytes, arena_bytes};
  qsort(taken, count, sizeof *taken, compare_ranges);
  for (size_t i = 0; i <= count; i++) {
    bool more = taken[i].begin > top && taken[i].begin - top > best.end - best.begin;
    if (more) best = (Range){top, taken[i].begin};
    if (taken[i].end > top) top = (taken[i].end + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  }
  return best;
}

static Field *find_field(Kernel *kernel, const char *name) {
  VEC_EACH(Field, field, &kernel->fields) {
    if (strcmp(field->name, name) == 0) return field;
  }
  return NULL;
}

static void take_room(DimTable *t, Kernel *kernel, const Room *room, Buffer *scratch, Range free) {
  find_field(kernel, kernel->roomy)->dims[0] = dim_const(t, room->value);
  scratch->count = dim_const(t, (int64_t)room->bytes);
  scratch->bytes = room->bytes;
  scratch->offset = free.begin;
}

void plan_rooms(Steps *steps, size_t arena_bytes) {
  Arena *arena = arena_scratch(steps->ctx->arena);
  Range *taken = ARENA_ARRAY(arena, steps->buffers.len + 1, Range);
  PlanLives lives = plan_lives(steps, arena);
  for (uint32_t time = 1; time <= lives.end; time++) {
    Kernel *kernel = &lives.steps[time]->kernel;
    if (lives.steps[time]->kind != STEP_CONTRACTION || kernel->rooms.len == 0) continue;
    Buffer *scratch = find_field(kernel, "scratch")->operand.buffer;
    Range free = find_free(steps, &lives, time, scratch, arena_bytes, taken);
    VEC_EACH(const Room, room, &kernel->rooms) {
      if (room->bytes > scratch->bytes && room->bytes <= free.end - free.begin)
        take_room(steps->ctx->dims, kernel, room, scratch, free);
    }
  }
  arena_drop(arena);
}
