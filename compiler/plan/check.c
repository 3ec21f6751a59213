#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- disjoint intervals ------------------------------------------------------------------------
 */

/* Memory [begin, end) is held at times [from, until]. */
typedef struct Hold {
  uint64_t from, until;
  size_t begin, end;
  uint32_t id;
} Hold;

/* Holds that are live at one time, lowest memory first; disjoint. */
typedef struct Live {
  const Hold **holds;
  size_t n;
} Live;

static int by_from(const void *a, const void *b) {
  const Hold *const *x = a, *const *y = b;
  if ((*x)->from != (*y)->from) return (*x)->from < (*y)->from ? -1 : 1;
  return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static int by_until(const void *a, const void *b) {
  const Hold *const *x = a, *const *y = b;
  if ((*x)->until != (*y)->until) return (*x)->until < (*y)->until ? -1 : 1;
  return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Index of the first live hold that begins at or above `begin`. */
static size_t live_position(const Live *live, size_t begin) {
  size_t low = 0, high = live->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (live->holds[middle]->begin < begin) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* NULL, or the live hold that `hold` collides with. */
static const Hold *live_enter(Live *live, const Hold *hold) {
  size_t at = live_position(live, hold->begin);
  if (at < live->n && live->holds[at]->begin < hold->end) return live->holds[at];
  if (at > 0 && live->holds[at - 1]->end > hold->begin) return live->holds[at - 1];
  memmove(live->holds + at + 1, live->holds + at, (live->n - at) * sizeof *live->holds);
  live->holds[at] = hold;
  live->n++;
  return NULL;
}

static void live_leave(Live *live, const Hold *hold) {
  size_t at = live_position(live, hold->begin);
  live->n--;
  memmove(live->holds + at, live->holds + at + 1, (live->n - at) * sizeof *live->holds);
}

/* True, or false with a pair of holds that share memory at one time. Sweeps over time. */
static bool disjoint(Arena *arena, const Hold *holds, size_t n, const Hold *pair[2]) {
  const Hold **enter = ARENA_ARRAY(arena, n, const Hold *);
  const Hold **leave = ARENA_ARRAY(arena, n, const Hold *);
  Live live = {.holds = ARENA_ARRAY(arena, n, const Hold *)};
  size_t used = 0, left = 0;
  for (size_t i = 0; i < n; i++) {
    if (holds[i].begin == holds[i].end) continue;
    enter[used] = leave[used] = &holds[i];
    used++;
  }
  qsort(enter, used, sizeof *enter, by_from);
  qsort(leave, used, sizeof *leave, by_until);
  for (size_t i = 0; i < used; i++) {
    while (leave[left]->until < enter[i]->from) live_leave(&live, leave[left++]);
    pair[0] = live_enter(&live, enter[i]);
    pair[1] = enter[i];
    if (pair[0] != NULL) return false;
  }
  return true;
}

const char *plan_check_slots(Arena *arena, const PlanSlot *slots, size_t n, size_t height) {
  Arena *scratch = arena_scratch(arena);
  Hold *holds = ARENA_ARRAY(scratch, n, Hold);
  const char *fault = NULL;
  for (size_t i = 0; i < n && fault == NULL; i++) {
    const PlanSlot *s = &slots[i];
    if (s->last < s->first || s->size > height || s->offset > height - s->size) {
      fault = arena_printf(arena, "slot %zu is empty in time or above the height", i);
    }
    holds[i] = (Hold){s->first, s->last, s->offset, s->offset + s->size, (uint32_t)i};
  }
  const Hold *pair[2];
  if (fault == NULL && !disjoint(scratch, holds, n, pair)) {
    fault = arena_printf(arena, "slots %u and %u overlap", pair[0]->id, pair[1]->id);
  }
  arena_drop(scratch);
  return fault;
}
