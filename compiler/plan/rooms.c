#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* When a buffer is live, in steps of the outermost list; what nested ones touch is live all the
 * time of the step that holds them. */
typedef struct Life {
  const Buffer *buffer; /* NULL: not in the arena, or no step touches it */
  uint32_t first, last;
} Life;

typedef struct Range {
  size_t begin, end;
} Range;

static void touch_all(Life *lives, Buffer *const *buffers, size_t n, uint32_t time) {
  for (size_t i = 0; i < n; i++) {
    Life *life = &lives[buffers[i]->id];
    if (buffers[i]->place != BUFFER_ARENA) continue;
    if (life->buffer == NULL) *life = (Life){.buffer = buffers[i], .first = time};
    life->last = time;
  }
}

static void touch(Life *lives, const Step *step, uint32_t time) {
  Steps *bodies[2];
  touch_all(lives, step->reads.data, step->reads.len, time);
  touch_all(lives, step->writes.data, step->writes.len, time);
  uint32_t n = step_bodies(step, bodies);
  for (uint32_t i = 0; i < n; i++) {
    VEC_EACH(Step *const, inner, &bodies[i]->steps) touch(lives, *inner, time);
  }
}

static int compare_ranges(const void *a, const void *b) {
  const Range *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* The largest range that no buffer but `except` has at the time. */
static Range find_free(const Life *lives, uint32_t n, uint32_t time, const Buffer *except,
                       size_t arena_bytes, Range *taken) {
  size_t count = 0, top = 0;
  Range best = {0, 0};
  for (uint32_t i = 0; i < n; i++) {
    const Buffer *buffer = lives[i].buffer;
    if (buffer == NULL || buffer == except || lives[i].first > time || lives[i].last < time)
      continue;
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
  uint32_t n = (uint32_t)steps->buffers.len;
  Life *lives = ARENA_ARRAY(arena, n, Life);
  Range *taken = ARENA_ARRAY(arena, (size_t)n + 1, Range);
  for (uint32_t i = 0; i < steps->steps.len; i++) touch(lives, steps->steps.data[i], i);
  for (uint32_t i = 0; i < steps->steps.len; i++) {
    Step *step = steps->steps.data[i];
    bool roomy = step->kind == STEP_CONTRACTION && step->kernel.rooms.len != 0;
    if (!roomy) continue;
    Buffer *scratch = find_field(&step->kernel, "scratch")->operand.buffer;
    Range free = find_free(lives, n, i, scratch, arena_bytes, taken);
    VEC_EACH(const Room, room, &step->kernel.rooms) {
      if (room->bytes > scratch->bytes && room->bytes <= free.end - free.begin)
        take_room(steps->ctx->dims, &step->kernel, room, scratch, free);
    }
  }
  arena_drop(arena);
}
