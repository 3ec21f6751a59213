#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* Beyond this many pairs of slots that meet only the strategy that needs no list of them runs. */
enum { MAX_PAIRS = 1 << 22 };

/* What the strategies work on. Slots are named by their index. */
typedef struct Packer {
  Arena *arena;
  const PlanSlot *slots;
  uint32_t n;
  uint32_t *by_first; /* all slots, earliest first */
  size_t *contention; /* largest sum of sizes while the slot lives */
  size_t *meet_begin; /* slots that meet slot i: meet[meet_begin[i]] and on */
  uint32_t *meet;     /* NULL when there are too many, or nobody asks */
  size_t bound;
  uint64_t *work;
} Packer;

/* An entry of an order; sorted by falling key, then falling size, then rising index. */
typedef struct Ranked {
  uint64_t key;
  size_t size;
  uint32_t index;
} Ranked;

static int compare_ranked(const void *a, const void *b) {
  const Ranked *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* The slots in the order of `key`, largest first. */
static uint32_t *order_by(Arena *arena, const Packer *p,
                          uint64_t (*key)(const Packer *p, uint32_t i)) {
  Ranked *ranked = ARENA_ARRAY(arena, p->n, Ranked);
  uint32_t *order = ARENA_ARRAY(arena, p->n, uint32_t);
  for (uint32_t i = 0; i < p->n; i++) ranked[i] = (Ranked){key(p, i), p->slots[i].size, i};
  qsort(ranked, p->n, sizeof *ranked, compare_ranked);
  for (uint32_t i = 0; i < p->n; i++) order[i] = ranked[i].index;
  return order;
}

static uint64_t key_first(const Packer *p, uint32_t i) {
  return UINT32_MAX - p->slots[i].first;
}

static uint64_t key_last(const Packer *p, uint32_t i) {
  return UINT32_MAX - p->slots[i].last;
}

static uint64_t key_size(const Packer *p, uint32_t i) {
  return p->slots[i].size;
}

static uint64_t key_lifetime(const Packer *p, uint32_t i) {
  return (uint64_t)p->slots[i].last - p->slots[i].first;
}

static uint64_t key_area(const Packer *p, uint32_t i) {
  uint64_t area;
  bool overflows = __builtin_mul_overflow(key_lifetime(p, i) + 1, p->slots[i].size, &area);
  return overflows ? UINT64_MAX : area;
}

static uint64_t key_contention(const Packer *p, uint32_t i) {
  return p->contention[i];
}

/* ---- what slots meet --------------------------------------------------------------------------
 */

/* The number of slots, in order of their first time, that begin no later than `time`. */
static uint32_t begun(const Packer *p, uint32_t time) {
  uint32_t low = 0, high = p->n;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (p->slots[p->by_first[middle]].first <= time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Sums of the live sizes when the k-th slot in order of first times begins; they rise only then. */
static size_t *live_sums(const Packer *p) {
  uint32_t *by_last = order_by(p->arena, p, key_last), ended = 0;
  size_t *sums = ARENA_ARRAY(p->arena, p->n, size_t), sum = 0;
  for (uint32_t k = 0; k < p->n; k++) {
    const PlanSlot *slot = &p->slots[p->by_first[k]];
    while (p->slots[by_last[ended]].last < slot->first) sum -= p->slots[by_last[ended++]].size;
    sums[k] = sum += slot->size;
  }
  return sums;
}

/* The bound, and each slot's contention by a tree of maxima over the sums. */
static void find_contention(Packer *p) {
  size_t *sums = live_sums(p), *tree = ARENA_ARRAY(p->arena, 2 * (size_t)p->n, size_t);
  memcpy(tree + p->n, sums, p->n * sizeof *sums);
  for (size_t i = p->n; i-- > 1;)
    tree[i] = tree[2 * i] > tree[2 * i + 1] ? tree[2 * i] : tree[2 * i + 1];
  p->contention = ARENA_ARRAY(p->arena, p->n, size_t);
  for (uint32_t k = 0; k < p->n; k++) {
    uint32_t slot = p->by_first[k];
    size_t most = 0, low = p->n + k, high = p->n + begun(p, p->slots[slot].last);
    for (; low < high; low /= 2, high /= 2) {
      if (low % 2 == 1 && tree[low++] > most) most = tree[low - 1];
      if (high % 2 == 1 && tree[--high] > most) most = tree[high];
    }
    p->contention[slot] = most;
    if (most > p->bound) p->bound = most;
  }
}

/* Lists for each slot those that it meets, unless there are too many. */
static void find_meetings(Packer *p) {
  size_t *begin = ARENA_ARRAY(p->arena, (size_t)p->n + 2, size_t), pairs = 0;
  for (uint32_t k = 0; k < p->n; k++) {
    uint32_t end = begun(p, p->slots[p->by_first[k]].last);
    pairs += end - k - 1;
    *p->work += end - k;
    if (pairs > MAX_PAIRS) return;
    for (uint32_t j = k + 1; j < end; j++) {
      begin[p->by_first[k] + 2]++;
      begin[p->by_first[j] + 2]++;
    }
  }
  for (uint32_t i = 2; i <= p->n; i++) begin[i + 1] += begin[i];
  p->meet = ARENA_ARRAY(p->arena, 2 * pairs + 1, uint32_t);
  for (uint32_t k = 0; k < p->n; k++) {
    uint32_t a = p->by_first[k], end = begun(p, p->slots[a].last);
    for (uint32_t j = k + 1; j < end; j++) {
      uint32_t b = p->by_first[j];
      p->meet[begin[a + 1]++] = b;
      p->meet[begin[b + 1]++] = a;
    }
  }
  p->meet_begin = begin;
}

/* ---- placing slots one by one where they fit --------------------------------------------------
 */

typedef struct Range {
  size_t begin, end;
} Range;

static int compare_ranges(const void *a, const void *b) {
  const Range *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The offset for `size` bytes beside `taken` ranges: in the tightest gap, or in the lowest. */
static size_t fit(Range *taken, size_t n, size_t size, bool tightest) {
  size_t top = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
  qsort(taken, n, sizeof *taken, compare_ranges);
  for (size_t i = 0; i < n; i++) {
    size_t gap = taken[i].begin > top ? taken[i].begin - top : 0;
    if (gap >= size && gap < best_gap) {
      best = top;
      best_gap = tightest ? gap : size;
      if (best_gap == size) break;
    }
    if (taken[i].end > top) top = taken[i].end;
  }
  return best == SIZE_MAX ? top : best;
}

typedef struct Strategy {
  const char *name;
  uint64_t (*key)(const Packer *p, uint32_t i);
  bool tightest;
} Strategy;

/* Largest key first, each where it fits. Returns the height; gives up at `limit`. */
static size_t place_in_order(const Packer *p, const Strategy *strategy, size_t limit,
                             size_t *offsets) {
  Arena *scratch = arena_scratch(p->arena);
  uint32_t *order = order_by(scratch, p, strategy->key);
  Range *taken = ARENA_ARRAY(scratch, p->n, Range);
  bool *placed = ARENA_ARRAY(scratch, p->n, bool);
  size_t height = 0;
  for (uint32_t k = 0; k < p->n && height < limit; k++) {
    uint32_t slot = order[k];
    size_t n = 0, size = p->slots[slot].size;
    *p->work += 1 + p->meet_begin[slot + 1] - p->meet_begin[slot];
    for (size_t m = p->meet_begin[slot]; m < p->meet_begin[slot + 1]; m++) {
      uint32_t other = p->meet[m];
      if (placed[other]) {
        taken[n++] = (Range){offsets[other], offsets[other] + p->slots[other].size};
      }
    }
    offsets[slot] = fit(taken, n, size, strategy->tightest);
    placed[slot] = true;
    if (offsets[slot] + size > height) height = offsets[slot] + size;
  }
  arena_drop(scratch);
  return height;
}

/* ---- placing slots as time goes by -------------------------------------------------------------
 */

/* Free ranges below the top, lowest first, never adjoining. */
typedef struct Free {
  Range *ranges;
  size_t n, top, height;
  uint64_t work;
} Free;

static void remove_range(Free *f, size_t i) {
  f->n--;
  memmove(f->ranges + i, f->ranges + i + 1, (f->n - i) * sizeof *f->ranges);
}

static size_t take(Free *f, size_t size) {
  size_t best = f->n;
  f->work += f->n + 1;
  for (size_t i = 0; i < f->n; i++) {
    size_t gap = f->ranges[i].end - f->ranges[i].begin;
    if (gap < size) continue;
    if (best == f->n || gap < f->ranges[best].end - f->ranges[best].begin) best = i;
  }
  if (best == f->n) {
    size_t offset = f->top;
    f->top += size;
    if (f->top > f->height) f->height = f->top;
    return offset;
  }
  size_t offset = f->ranges[best].begin;
  f->ranges[best].begin += size;
  if (f->ranges[best].begin == f->ranges[best].end) remove_range(f, best);
  return offset;
}

static void give_back(Free *f, Range range) {
  size_t low = 0, high = f->n;
  if (range.begin == range.end) return;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (f->ranges[middle].begin < range.begin) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  memmove(f->ranges + low + 1, f->ranges + low, (f->n - low) * sizeof *f->ranges);
  f->ranges[low] = range;
  f->n++;
  if (low + 1 < f->n && f->ranges[low + 1].begin == range.end) {
    f->ranges[low].end = f->ranges[low + 1].end;
    remove_range(f, low + 1);
  }
  if (low > 0 && f->ranges[low - 1].end == range.begin) {
    f->ranges[low - 1].end = f->ranges[low].end;
    remove_range(f, low);
  }
  if (f->ranges[f->n - 1].end == f->top) f->top = f->ranges[--f->n].begin;
}

/* What a run-time allocator would do: the tightest free range, given back at the end of life. */
static size_t place_over_time(const Packer *p, size_t *offsets) {
  uint32_t *by_last = order_by(p->arena, p, key_last), ended = 0;
  Free f = {.ranges = ARENA_ARRAY(p->arena, (size_t)p->n + 1, Range)};
  for (uint32_t k = 0; k < p->n; k++) {
    uint32_t slot = p->by_first[k];
    for (; p->slots[by_last[ended]].last < p->slots[slot].first; ended++) {
      uint32_t dead = by_last[ended];
      give_back(&f, (Range){offsets[dead], offsets[dead] + p->slots[dead].size});
    }
    offsets[slot] = take(&f, p->slots[slot].size);
  }
  *p->work += f.work;
  return f.height;
}

/* ---- the best of all ---------------------------------------------------------------------------
 */

static const Strategy strategies[] = {
    {"size", key_size, false},
    {"size, tightest", key_size, true},
    {"area", key_area, false},
    {"area, tightest", key_area, true},
    {"lifetime", key_lifetime, false},
    {"lifetime, tightest", key_lifetime, true},
    {"contention", key_contention, false},
    {"contention, tightest", key_contention, true},
    {"first", key_first, false},
};

enum { STRATEGIES = sizeof strategies / sizeof *strategies };

static bool sizes_overflow(const PlanSlot *slots, size_t n) {
  size_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    if (__builtin_add_overflow(sum, slots[i].size, &sum)) return true;
  }
  return n > UINT32_MAX / 2;
}

static void keep_best(PlanSlot *slots, Packer *p, PlanPacking *packing) {
  size_t *offsets = ARENA_ARRAY(p->arena, p->n, size_t);
  packing->bound = p->bound;
  packing->height = place_over_time(p, offsets);
  for (uint32_t i = 0; i < p->n; i++) slots[i].offset = offsets[i];
  if (packing->height > p->bound) find_meetings(p);
  for (size_t s = 0; p->meet != NULL && s < STRATEGIES && packing->height > p->bound; s++) {
    size_t height = place_in_order(p, &strategies[s], packing->height, offsets);
    if (height >= packing->height) continue;
    packing->height = height;
    packing->strategy = strategies[s].name;
    for (uint32_t i = 0; i < p->n; i++) slots[i].offset = offsets[i];
  }
}

bool plan_pack(Arena *arena, PlanSlot *slots, size_t n, PlanPacking *packing) {
  *packing = (PlanPacking){.strategy = "time"};
  if (n == 0) return true;
  if (sizes_overflow(slots, n)) return false;
  Packer p = {.arena = arena_scratch(arena), .slots = slots, .n = (uint32_t)n};
  p.work = &packing->work;
  p.by_first = order_by(p.arena, &p, key_first);
  find_contention(&p);
  keep_best(slots, &p, packing);
  arena_drop(p.arena);
  return true;
}
