#include "plan/skyline.h"

#include <stdlib.h>
#include <string.h>

/* Beyond this many pairs of slots that meet only the strategy that needs no list of them runs, and
 * beyond this many slots there is no search. */
enum { MAX_PAIRS = 1 << 22, MAX_SEARCHED = 4096 };

/* What the strategies work on. Slots are named by their index. A hull is the slots of one offset
 * as if they were one: named by the first of them. */
typedef struct Packer {
  Arena *arena;
  const PlanSlot *slots;
  uint32_t n;
  uint32_t *leaders;  /* by slot: the first one at its offset */
  uint32_t *next;     /* by slot: another one at its offset, or itself */
  PlanSlot *hulls;    /* by leader */
  uint32_t *by_first; /* all slots, earliest first */
  size_t *contention; /* by leader: largest sum of sizes while it lives */
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

typedef uint64_t KeyOf(const Packer *p, const PlanSlot *slot, uint32_t i);

static bool leads(const Packer *p, uint32_t i) {
  return p->leaders[i] == i;
}

/* All slots in the order of `key`, largest first, or the hulls; their number. */
static uint32_t order_by(Arena *arena, const Packer *p, bool hulls, KeyOf *key, uint32_t **order) {
  const PlanSlot *slots = hulls ? p->hulls : p->slots;
  Ranked *ranked = ARENA_ARRAY(arena, p->n, Ranked);
  uint32_t n = 0;
  *order = ARENA_ARRAY(arena, p->n, uint32_t);
  for (uint32_t i = 0; i < p->n; i++) {
    if (hulls && !leads(p, i)) continue;
    ranked[n++] = (Ranked){key(p, &slots[i], i), slots[i].size, i};
  }
  qsort(ranked, n, sizeof *ranked, compare_ranked);
  for (uint32_t i = 0; i < n; i++) (*order)[i] = ranked[i].index;
  return n;
}

static uint64_t key_first(const Packer *p, const PlanSlot *slot, uint32_t i) {
  (void)p, (void)i;
  return UINT32_MAX - slot->first;
}

static uint64_t key_last(const Packer *p, const PlanSlot *slot, uint32_t i) {
  (void)p, (void)i;
  return UINT32_MAX - slot->last;
}

static uint64_t key_size(const Packer *p, const PlanSlot *slot, uint32_t i) {
  (void)p, (void)i;
  return slot->size;
}

static uint64_t key_lifetime(const Packer *p, const PlanSlot *slot, uint32_t i) {
  (void)p, (void)i;
  return (uint64_t)slot->last - slot->first;
}

static uint64_t key_area(const Packer *p, const PlanSlot *slot, uint32_t i) {
  uint64_t area;
  bool overflows = __builtin_mul_overflow(key_lifetime(p, slot, i) + 1, slot->size, &area);
  return overflows ? UINT64_MAX : area;
}

static uint64_t key_contention(const Packer *p, const PlanSlot *slot, uint32_t i) {
  (void)slot;
  return p->contention[i];
}

static void find_hulls(Packer *p) {
  p->leaders = ARENA_ARRAY(p->arena, p->n, uint32_t);
  p->next = ARENA_ARRAY(p->arena, p->n, uint32_t);
  p->hulls = ARENA_ARRAY(p->arena, p->n, PlanSlot);
  for (uint32_t i = 0; i < p->n; i++) {
    p->leaders[i] = p->slots[i].with == 0 ? i : p->slots[i].with - 1;
    p->next[i] = i;
    p->hulls[i] = p->slots[i];
  }
  for (uint32_t i = 0; i < p->n; i++) {
    if (leads(p, i)) continue;
    uint32_t leader = p->leaders[i];
    PlanSlot *hull = &p->hulls[leader];
    p->next[i] = p->next[leader] == leader ? i : p->next[leader];
    p->next[leader] = i;
    if (p->slots[i].size > hull->size) hull->size = p->slots[i].size;
    if (p->slots[i].first < hull->first) hull->first = p->slots[i].first;
    if (p->slots[i].last > hull->last) hull->last = p->slots[i].last;
  }
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
  uint32_t *by_last, ended = 0;
  order_by(p->arena, p, false, key_last, &by_last);
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
    size_t *contention = &p->contention[p->leaders[slot]];
    if (most > *contention) *contention = most;
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

/* What another slot takes up: offsets from `low` on are too high for a slot of this size to end
 * below it. */
typedef struct Taken {
  size_t low, end;
} Taken;

static int compare_taken(const void *a, const void *b) {
  const Taken *x = a, *y = b;
  if (x->low != y->low) return x->low < y->low ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The offset beside all that is taken: in the tightest gap, or in the lowest. */
static size_t fit(Taken *taken, size_t n, bool tightest) {
  size_t top = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
  qsort(taken, n, sizeof *taken, compare_taken);
  for (size_t i = 0; i < n; i++) {
    if (top < taken[i].low && taken[i].low - top < best_gap) {
      best = top;
      best_gap = tightest ? taken[i].low - top : 1;
      if (best_gap == 1) break;
    }
    if (taken[i].end > top) top = taken[i].end;
  }
  return best == SIZE_MAX ? top : best;
}

typedef struct Strategy {
  const char *name;
  KeyOf *key;
  bool tightest;
} Strategy;

/* Adds what the placed slots that meet slot `i` take up. */
static size_t add_taken(const Packer *p, uint32_t i, const size_t *offsets, const bool *placed,
                        Taken *taken, size_t n) {
  size_t size = p->slots[i].size;
  *p->work += 1 + p->meet_begin[i + 1] - p->meet_begin[i];
  for (size_t m = p->meet_begin[i]; m < p->meet_begin[i + 1]; m++) {
    uint32_t other = p->meet[m];
    size_t begin = offsets[other];
    if (!placed[other]) continue;
    taken[n++] = (Taken){begin < size ? 0 : begin - size + 1, begin + p->slots[other].size};
  }
  return n;
}

/* Puts a hull where it fits; returns where it ends. */
static size_t place_hull(const Packer *p, uint32_t leader, bool tightest, size_t *offsets,
                         bool *placed, Taken *taken) {
  size_t n = 0;
  for (uint32_t i = leader, last = p->n; i != last; last = i, i = p->next[i]) {
    n = add_taken(p, i, offsets, placed, taken, n);
  }
  size_t offset = fit(taken, n, tightest);
  for (uint32_t i = leader, last = p->n; i != last; last = i, i = p->next[i]) {
    offsets[i] = offset;
    placed[i] = true;
  }
  return offset + p->hulls[leader].size;
}

/* Largest key first, each where it fits. Returns the height; gives up at `limit`. */
static size_t place_in_order(const Packer *p, const Strategy *strategy, size_t limit,
                             size_t *offsets) {
  Arena *scratch = arena_scratch(p->arena);
  uint32_t *order, n = order_by(scratch, p, true, strategy->key, &order);
  Taken *taken = ARENA_ARRAY(scratch, p->meet_begin[p->n] + 1, Taken);
  bool *placed = ARENA_ARRAY(scratch, p->n, bool);
  size_t height = 0;
  for (uint32_t k = 0; k < n && height < limit; k++) {
    size_t end = place_hull(p, order[k], strategy->tightest, offsets, placed, taken);
    if (end > height) height = end;
  }
  arena_drop(scratch);
  return height;
}

/* ---- placing slots as time goes by -------------------------------------------------------------
 */

typedef struct Range {
  size_t begin, end;
} Range;

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
  uint32_t *by_first, *by_last, ended = 0, n = order_by(p->arena, p, true, key_first, &by_first);
  order_by(p->arena, p, true, key_last, &by_last);
  Free f = {.ranges = ARENA_ARRAY(p->arena, (size_t)n + 1, Range)};
  for (uint32_t k = 0; k < n; k++) {
    uint32_t hull = by_first[k];
    for (; p->hulls[by_last[ended]].last < p->hulls[hull].first; ended++) {
      uint32_t dead = by_last[ended];
      give_back(&f, (Range){offsets[dead], offsets[dead] + p->hulls[dead].size});
    }
    offsets[hull] = take(&f, p->hulls[hull].size);
  }
  *p->work += f.work;
  for (uint32_t i = 0; i < p->n; i++) offsets[i] = offsets[p->leaders[i]];
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

static void keep(PlanSlot *slots, const Packer *p, const size_t *offsets, size_t height,
                 const char *strategy, PlanPacking *packing) {
  packing->height = height;
  packing->strategy = strategy;
  for (uint32_t i = 0; i < p->n; i++) slots[i].offset = offsets[i];
}

static void keep_best(PlanSlot *slots, Packer *p, size_t enough, PlanPacking *packing) {
  size_t *offsets = ARENA_ARRAY(p->arena, p->n, size_t);
  size_t height = place_over_time(p, offsets);
  keep(slots, p, offsets, height, "time", packing);
  if (packing->height > enough) find_meetings(p);
  for (size_t s = 0; p->meet != NULL && s < STRATEGIES && packing->height > enough; s++) {
    height = place_in_order(p, &strategies[s], packing->height, offsets);
    if (height < packing->height) {
      keep(slots, p, offsets, height, strategies[s].name, packing);
    }
  }
}

/* What all heights are multiples of. */
static size_t find_grain(const Packer *p) {
  size_t grain = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    for (size_t size = p->slots[i].size; size != 0;) {
      size_t rest = grain % size;
      grain = size;
      size = rest;
    }
  }
  return grain == 0 ? 1 : grain;
}

static size_t height_of(const Packer *p, const size_t *offsets) {
  size_t height = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    if (offsets[i] + p->slots[i].size > height) height = offsets[i] + p->slots[i].size;
  }
  return height;
}

/* Searches between what is enough and what there is, by halves but for the first, as most often the
 * bound can be reached. */
static void search(PlanSlot *slots, const Packer *p, size_t enough, uint64_t effort,
                   PlanPacking *packing) {
  size_t *offsets = ARENA_ARRAY(p->arena, p->n, size_t), grain = find_grain(p);
  size_t low = enough, refuted = 0; /* no height up to this one will do */
  for (size_t at = low; low < packing->height; at = low + (packing->height - low) / 2) {
    at -= at % grain;
    if (at < low) at = low;
    uint64_t part = effort / 2, rest = part;
    SkylineResult result = plan_skyline(p->arena, slots, p->leaders, p->n, at, &rest, offsets);
    effort -= part - rest;
    *p->work += part - rest;
    if (result == SKYLINE_FOUND) {
      keep(slots, p, offsets, height_of(p, offsets), "search", packing);
    } else {
      low = at + grain;
    }
    if (result == SKYLINE_NONE) refuted = at;
  }
  packing->optimal = refuted != 0 && refuted + grain >= packing->height;
}

bool plan_pack(Arena *arena, PlanSlot *slots, size_t n, size_t enough, uint64_t effort,
               PlanPacking *packing) {
  *packing = (PlanPacking){.strategy = "time", .optimal = true};
  if (n == 0) return true;
  if (sizes_overflow(slots, n)) return false;
  Packer p = {.arena = arena_scratch(arena), .slots = slots, .n = (uint32_t)n};
  p.work = &packing->work;
  find_hulls(&p);
  order_by(p.arena, &p, false, key_first, &p.by_first);
  find_contention(&p);
  if (p.bound > enough) enough = p.bound;
  keep_best(slots, &p, enough, packing);
  packing->bound = p.bound;
  packing->optimal = false;
  if (packing->height > enough && p.meet != NULL && p.n <= MAX_SEARCHED) {
    search(slots, &p, enough, effort, packing);
  }
  packing->optimal = packing->optimal || packing->height == p.bound;
  arena_drop(p.arena);
  return true;
}
