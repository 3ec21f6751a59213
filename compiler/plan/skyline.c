/* The ideas are those of skyline packing and of MiniMalloc (Moffitt, "MiniMalloc: A Lightweight
 * Memory Allocator for Hardware-Accelerated Machine Learning", ASPLOS 2023): only stacks are looked
 * at in which every item lies on another one or on the floor.
 *
 * Time is cut into sections between which the set of live slots changes. Of each section it is
 * known how far it is filled, its floor, and how much is still to come. The lowest place that is
 * left is filled first, so that nothing can come to lie under what is placed later: an item that
 * can lie there does, or is rejected, which means that it will lie on another one of those that
 * are not placed yet. A part of time that no remaining item reaches out of is a problem of its own.
 *
 * Which item comes first decides how soon a solution is found, and for a wrong order that can be
 * never. So several orders are tried for a while each, then new ones, in which items come earlier
 * that live in sections where the search often failed. */
#include "plan/skyline.h"

#include <stdlib.h>
#include <string.h>

/* Sections [begin, end). */
typedef struct Span {
  uint32_t begin, end;
} Span;

/* Slots of one offset. */
typedef struct Item {
  Span span;          /* where it lives */
  size_t *sizes;      /* in each of them */
  size_t most, least; /* of these */
  uint64_t keys[3];   /* what items are ranked by: see Key */
} Item;

typedef enum Key { KEY_TOTAL, KEY_WIDTH, KEY_AREA } Key;

/* What a number was before a change. */
typedef struct Change {
  size_t *where, old;
} Change;

/* The two lowest tops of what can come to lie in a section, and whose the lower one is. */
typedef struct Tops {
  size_t first, second;
  uint32_t item;
} Tops;

typedef struct Search {
  Arena *arena;
  Item *items;
  uint32_t n_items, n_sections;
  size_t height;
  size_t *floors, *rests; /* by section */
  size_t *lows;           /* by item: it cannot lie lower; of a placed one the offset */
  size_t *rejected;       /* by item: whether it is */
  uint64_t *blame;        /* by section: failures there */
  size_t *lowest;         /* by section, for propagate, */
  Tops *tops;             /* and this */
  bool *crossed;          /* by section, for solve */
  bool tightest;          /* the section with the least room comes first, not the first item */
  Vec(Change) changes;
  Vec(uint32_t) lists; /* of items, in their ranks; one on top of the other */
  uint64_t work, limit;
} Search;

/* Items lists[first .. first + n), which live within a span. */
typedef struct Part {
  size_t first, n;
  Span span;
} Part;

/* ---- sections ----------------------------------------------------------------------------------
 */

static int compare_times(const void *a, const void *b) {
  const uint32_t *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

/* The times at which the next thing that happens is the end of a slot: only there a sum can be the
 * largest, and every slot is live at one of them. Returns their number. */
static uint32_t find_sections(Arena *arena, const PlanSlot *slots, uint32_t n, uint32_t *times) {
  uint32_t *firsts = ARENA_ARRAY(arena, n, uint32_t), *lasts = ARENA_ARRAY(arena, n, uint32_t);
  uint32_t kept = 0, i = 0, k = 0;
  for (uint32_t s = 0; s < n; s++) {
    firsts[s] = slots[s].first;
    lasts[s] = slots[s].last;
  }
  qsort(firsts, n, sizeof *firsts, compare_times);
  qsort(lasts, n, sizeof *lasts, compare_times);
  while (i < n) {
    while (i < n && firsts[i] <= lasts[k]) i++;
    times[kept++] = firsts[i - 1];
    while (k < n && (i == n || lasts[k] < firsts[i])) k++;
  }
  return kept;
}

/* The first section at or behind a time. */
static uint32_t section_of(const uint32_t *times, uint32_t n, uint32_t time) {
  uint32_t low = 0, high = n;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (times[middle] < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* ---- items -------------------------------------------------------------------------------------
 */

static void widen(Span *span, Span other) {
  if (other.begin == other.end) return;
  if (span->begin == span->end) *span = other;
  if (span->begin > other.begin) span->begin = other.begin;
  if (span->end < other.end) span->end = other.end;
}

static bool meet(Span a, Span b) {
  return a.begin < b.end && b.begin < a.end;
}

static Span common(Span a, Span b) {
  return (Span){a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

static void set_keys(Search *s, Item *item) {
  item->most = 0;
  item->least = SIZE_MAX;
  for (uint32_t k = item->span.begin; k < item->span.end; k++) {
    size_t size = item->sizes[k - item->span.begin];
    if (size > item->most) item->most = size;
    if (size < item->least) item->least = size;
    if (s->rests[k] > item->keys[KEY_TOTAL]) item->keys[KEY_TOTAL] = s->rests[k];
  }
  if (__builtin_mul_overflow(item->keys[KEY_WIDTH], item->most, &item->keys[KEY_AREA])) {
    item->keys[KEY_AREA] = UINT64_MAX;
  }
}

/* Items from slots; `index[i]` is the item of leader i. */
static void make_items(Search *s, const PlanSlot *slots, const uint32_t *leaders, uint32_t n,
                       uint32_t *index) {
  uint32_t *times = ARENA_ARRAY(s->arena, n, uint32_t);
  s->n_sections = find_sections(s->arena, slots, n, times);
  s->items = ARENA_ARRAY(s->arena, n, Item);
  s->rests = ARENA_ARRAY(s->arena, s->n_sections, size_t);
  for (uint32_t i = 0; i < n; i++) {
    if (leaders[i] != i) continue;
    index[i] = s->n_items;
    s->n_items++;
  }
  for (uint32_t i = 0; i < n; i++) {
    Item *item = &s->items[index[leaders[i]]];
    Span span = {section_of(times, s->n_sections, slots[i].first),
                 section_of(times, s->n_sections, slots[i].last + 1)};
    widen(&item->span, span);
    item->keys[KEY_WIDTH] += (uint64_t)slots[i].last - slots[i].first + 1;
  }
  for (uint32_t i = 0; i < n; i++) {
    Item *item = &s->items[index[leaders[i]]];
    if (item->sizes == NULL)
      item->sizes = ARENA_ARRAY(s->arena, item->span.end - item->span.begin, size_t);
    uint32_t k = section_of(times, s->n_sections, slots[i].first);
    for (; k < s->n_sections && times[k] <= slots[i].last; k++) {
      item->sizes[k - item->span.begin] = slots[i].size;
      s->rests[k] += slots[i].size;
    }
  }
  for (uint32_t i = 0; i < s->n_items; i++) set_keys(s, &s->items[i]);
}

/* Items that can change places. */
static bool alike(const Item *a, const Item *b) {
  return a->span.begin == b->span.begin && a->span.end == b->span.end && a->most == b->most &&
         a->least == a->most && b->least == b->most;
}

/* ---- changes that can be taken back ------------------------------------------------------------
 */

static void change(Search *s, size_t *where, size_t value) {
  Change old = {where, *where};
  if (*where == value) return;
  vec_push(s->arena, &s->changes, old);
  *where = value;
}

static void undo(Search *s, size_t mark) {
  while (s->changes.len > mark) {
    const Change *last = &s->changes.data[--s->changes.len];
    *last->where = last->old;
  }
}

static uint32_t item_at(const Search *s, const Part *part, size_t i) {
  return s->lists.data[part->first + i];
}

/* ---- what follows from what is placed ----------------------------------------------------------
 */

/* Finds of each section the two lowest tops among the items that are left. */
static void find_tops(Search *s, const Part *part, Span span) {
  for (uint32_t i = span.begin; i < span.end; i++) s->tops[i] = (Tops){SIZE_MAX, SIZE_MAX, 0};
  for (size_t i = 0; i < part->n; i++) {
    uint32_t k = item_at(s, part, i);
    Span own = common(s->items[k].span, span);
    size_t top = s->lows[k] + s->items[k].least;
    for (uint32_t j = own.begin; j < own.end; j++) {
      Tops *tops = &s->tops[j];
      if (top < tops->first) {
        *tops = (Tops){top, tops->first, k};
      } else if (top < tops->second) {
        tops->second = top;
      }
    }
  }
}

/* A rejected item lies on another one: the lowest top among those that are left. */
static size_t lowest_top(const Search *s, uint32_t k) {
  Span span = s->items[k].span;
  size_t lowest = SIZE_MAX;
  for (uint32_t i = span.begin; i < span.end; i++) {
    const Tops *tops = &s->tops[i];
    size_t top = tops->item == k ? tops->second : tops->first;
    if (top < lowest) lowest = top;
  }
  return lowest;
}

/* Raises an item to where it can lie; false: nowhere. */
static bool raise_item(Search *s, uint32_t k, Span *changed) {
  Span span = s->items[k].span;
  size_t low = s->lows[k];
  for (uint32_t i = span.begin; i < span.end; i++) {
    if (s->floors[i] > low) low = s->floors[i];
  }
  if (s->rejected[k]) {
    size_t top = lowest_top(s, k);
    if (top > low) low = top;
    if (top == SIZE_MAX) return false;
  }
  if (low != s->lows[k]) widen(changed, span);
  change(s, &s->lows[k], low);
  return true;
}

/* Raises the items that meet `dirty`, which grows by those that were. */
static bool raise_items(Search *s, const Part *part, bool rejected, Span *dirty) {
  Span reached = *dirty, changed = *dirty;
  for (size_t i = 0; rejected && i < part->n; i++) {
    Span span = s->items[item_at(s, part, i)].span;
    if (meet(span, *dirty)) widen(&reached, span);
  }
  if (rejected) find_tops(s, part, reached);
  for (size_t i = 0; i < part->n; i++) {
    uint32_t k = item_at(s, part, i);
    if (meet(s->items[k].span, *dirty) && !raise_item(s, k, &changed)) return false;
  }
  *dirty = changed;
  return true;
}

/* Nothing will lie below the lowest of what is left in a section. False: it is too full. */
static bool raise_floors(Search *s, const Part *part, Span span, Span *changed) {
  for (uint32_t i = span.begin; i < span.end; i++) s->lowest[i] = SIZE_MAX;
  for (size_t i = 0; i < part->n; i++) {
    uint32_t k = item_at(s, part, i);
    Span own = common(s->items[k].span, span);
    for (uint32_t j = own.begin; j < own.end; j++) {
      if (s->lows[k] < s->lowest[j]) s->lowest[j] = s->lows[k];
    }
  }
  for (uint32_t i = span.begin; i < span.end; i++) {
    if (s->rests[i] == 0) continue;
    if (s->lowest[i] > s->floors[i]) {
      change(s, &s->floors[i], s->lowest[i]);
      widen(changed, (Span){i, i + 1});
    }
    if (s->floors[i] <= s->height && s->rests[i] <= s->height - s->floors[i]) continue;
    s->blame[i]++;
    return false;
  }
  return true;
}

static bool any_rejected(const Search *s, const Part *part) {
  for (size_t i = 0; i < part->n; i++) {
    if (s->rejected[item_at(s, part, i)]) return true;
  }
  return false;
}

/* Everything that follows from a change in `dirty`. */
static bool propagate(Search *s, const Part *part, Span dirty) {
  bool rejected = any_rejected(s, part);
  while (dirty.begin != dirty.end) {
    Span before = dirty, changed = {0, 0};
    s->work += part->n;
    if (!raise_items(s, part, rejected, &dirty)) return false;
    bool raised = before.begin != dirty.begin || before.end != dirty.end;
    if (!raise_floors(s, part, dirty, &changed)) return false;
    dirty = rejected && raised ? dirty : changed;
  }
  return true;
}

/* ---- the search --------------------------------------------------------------------------------
 */

/* The section that is filled as little as any and has the least room. */
static uint32_t tightest_section(const Search *s, const Part *part, size_t low) {
  uint32_t best = part->span.begin;
  size_t least = SIZE_MAX;
  for (uint32_t i = part->span.begin; i < part->span.end; i++) {
    size_t room = s->height - s->floors[i] - s->rests[i];
    if (s->rests[i] == 0 || s->floors[i] != low || room >= least) continue;
    least = room;
    best = i;
  }
  return best;
}

/* The first item that can lie at the lowest place, in the tightest section if that is wanted. */
static uint32_t choose_item(const Search *s, const Part *part) {
  size_t low = SIZE_MAX;
  for (size_t i = 0; i < part->n; i++) {
    if (s->lows[item_at(s, part, i)] < low) low = s->lows[item_at(s, part, i)];
  }
  uint32_t section = s->tightest ? tightest_section(s, part, low) : 0, any = UINT32_MAX;
  for (size_t i = 0; i < part->n; i++) {
    uint32_t k = item_at(s, part, i);
    const Item *item = &s->items[k];
    if (s->lows[k] != low) continue;
    if (!s->tightest || (item->span.begin <= section && section < item->span.end)) return k;
    if (any == UINT32_MAX) any = k;
  }
  return any;
}

static bool solve(Search *s, const Part *part, Span dirty);

static bool try_placed(Search *s, const Part *part, uint32_t k) {
  const Item *item = &s->items[k];
  size_t mark = s->changes.len;
  Part rest = *part;
  rest.first = s->lists.len;
  rest.n = part->n - 1;
  for (size_t i = 0; i < part->n; i++) {
    uint32_t other = item_at(s, part, i);
    if (other == k) continue;
    vec_push(s->arena, &s->lists, other);
    if (meet(s->items[other].span, item->span)) change(s, &s->rejected[other], false);
  }
  for (uint32_t i = item->span.begin; i < item->span.end; i++) {
    size_t size = item->sizes[i - item->span.begin];
    change(s, &s->floors[i], s->lows[k] + size);
    change(s, &s->rests[i], s->rests[i] - size);
  }
  if (solve(s, &rest, item->span)) return true;
  s->lists.len = rest.first;
  undo(s, mark);
  return false;
}

static bool reject(Search *s, const Part *part, uint32_t k) {
  change(s, &s->rejected[k], true);
  for (size_t i = 0; i < part->n; i++) {
    uint32_t other = item_at(s, part, i);
    if (alike(&s->items[other], &s->items[k])) change(s, &s->rejected[other], true);
  }
  return propagate(s, part, s->items[k].span);
}

/* One item after the other at the lowest place. */
static bool branch(Search *s, const Part *part) {
  size_t mark = s->changes.len;
  for (bool possible = true; possible;) {
    s->work += part->n;
    if (s->work > s->limit) break;
    uint32_t k = choose_item(s, part);
    if (try_placed(s, part, k)) return true;
    possible = s->work <= s->limit && reject(s, part, k);
  }
  undo(s, mark);
  return false;
}

/* The items of a part that live in the span. */
static Part cut_part(Search *s, const Part *part, Span span) {
  Part cut = {.first = s->lists.len, .span = span};
  for (size_t i = 0; i < part->n; i++) {
    uint32_t k = item_at(s, part, i);
    if (!meet(s->items[k].span, span)) continue;
    vec_push(s->arena, &s->lists, k);
    cut.n++;
  }
  return cut;
}

/* Marks the sections that an item enters from the one before; false: it is all of them. */
static bool has_cuts(Search *s, const Part *part) {
  Span all = part->span;
  memset(s->crossed + all.begin, 0, (all.end - all.begin) * sizeof *s->crossed);
  for (size_t i = 0; i < part->n; i++) {
    Span span = s->items[item_at(s, part, i)].span;
    for (uint32_t k = span.begin + 1; k < span.end; k++) s->crossed[k] = true;
  }
  for (uint32_t i = all.begin + 1; i < all.end; i++) {
    if (!s->crossed[i]) return true;
  }
  return false;
}

/* Each part of time that nothing reaches out of for itself. */
static bool solve_parts(Search *s, const Part *part) {
  size_t begin = s->lists.len, n = 0;
  Vec(Part) parts = {0};
  for (uint32_t i = part->span.begin + 1, last = part->span.begin; i <= part->span.end; i++) {
    if (i < part->span.end && s->crossed[i]) continue;
    Part cut = cut_part(s, part, (Span){last, i});
    if (cut.n != 0) vec_push(s->arena, &parts, cut);
    last = i;
  }
  while (n < parts.len && branch(s, &parts.data[n])) n++;
  if (n < parts.len) s->lists.len = begin;
  return n == parts.len;
}

/* What was changed lies in `dirty`. Takes back nothing: who has tried something does. */
static bool solve(Search *s, const Part *part, Span dirty) {
  if (part->n == 0) return true;
  if (!propagate(s, part, dirty)) return false;
  return has_cuts(s, part) ? solve_parts(s, part) : branch(s, part);
}

/* ---- orders ------------------------------------------------------------------------------------
 */

/* An item and its place in an order: larger keys first. */
typedef struct Rank {
  uint64_t keys[3];
  uint32_t item;
} Rank;

static int compare_ranks(const void *a, const void *b) {
  const Rank *x = a, *y = b;
  for (int i = 0; i < 3; i++) {
    if (x->keys[i] != y->keys[i]) return x->keys[i] > y->keys[i] ? -1 : 1;
  }
  return x->item < y->item ? -1 : x->item > y->item;
}

static const Key orders[][3] = {
    {KEY_TOTAL, KEY_WIDTH, KEY_AREA},
    {KEY_WIDTH, KEY_TOTAL, KEY_AREA},
    {KEY_TOTAL, KEY_AREA, KEY_WIDTH},
};

enum { ORDERS = sizeof orders / sizeof *orders, SCALE = 1024 };

/* A part of the whole as a number up to SCALE. */
static uint64_t share_of(uint64_t part, uint64_t whole) {
  while (whole > UINT32_MAX) {
    whole /= 2;
    part /= 2;
  }
  return whole == 0 ? 0 : part * SCALE / whole;
}

/* How much an item has to do with failures: the most of its sections, or all together. */
static uint64_t blame_of(const Search *s, const Item *item, bool together) {
  uint64_t most = 0, sum = 0;
  for (uint32_t i = item->span.begin; i < item->span.end; i++) {
    sum += s->blame[i];
    if (s->blame[i] > most) most = s->blame[i];
  }
  return together ? sum : most;
}

static uint64_t next_random(uint64_t *random) {
  *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *random >> 33;
}

/* Blame alone, with the first key of an order, or as a factor of that; and chance a third of it. */
static uint64_t mix(uint64_t blame, uint64_t key, uint32_t run) {
  switch (run % 3) {
  case 0: return blame * SCALE;
  case 1: return (blame + key) * SCALE;
  default: return (blame + SCALE) * key;
  }
}

static void mix_blame(const Search *s, Rank *ranks, uint32_t run, uint64_t *random) {
  bool together = run % 2 != 0;
  uint64_t most_key = 0, most_blame = 0;
  for (uint32_t i = 0; i < s->n_items; i++) {
    uint64_t blame = blame_of(s, &s->items[i], together);
    if (ranks[i].keys[0] > most_key) most_key = ranks[i].keys[0];
    if (blame > most_blame) most_blame = blame;
  }
  for (uint32_t i = 0; i < s->n_items; i++) {
    uint64_t blame = share_of(blame_of(s, &s->items[i], together), most_blame);
    uint64_t key = share_of(ranks[i].keys[0], most_key);
    ranks[i].keys[0] = mix(blame, key, run / ORDERS) * (SCALE + next_random(random) % (SCALE / 3));
  }
}

/* The list of all items for a run: first the orders as they are, then with blame. */
static Part rank_items(Search *s, uint32_t run, uint64_t *random) {
  Arena *scratch = arena_scratch(s->arena);
  Rank *ranks = ARENA_ARRAY(scratch, s->n_items, Rank);
  for (uint32_t i = 0; i < s->n_items; i++) {
    for (int k = 0; k < 3; k++) ranks[i].keys[k] = s->items[i].keys[orders[run % ORDERS][k]];
    ranks[i].item = i;
  }
  if (run >= 2 * ORDERS) mix_blame(s, ranks, run, random);
  qsort(ranks, s->n_items, sizeof *ranks, compare_ranks);
  s->lists.len = 0;
  for (uint32_t i = 0; i < s->n_items; i++) vec_push(s->arena, &s->lists, ranks[i].item);
  arena_drop(scratch);
  s->tightest = run / ORDERS % 4 == 0;
  return (Part){.n = s->n_items, .span = {0, s->n_sections}};
}

/* ---- runs --------------------------------------------------------------------------------------
 */

/* Looks in a first run, for each item; later ones get more and more. */
enum { FIRST_LOOKS = 4000, RUNS_OF_A_KIND = 12 };

static void forget(Search *s) {
  undo(s, 0);
  for (uint32_t i = 0; i < s->n_sections; i++) s->blame[i] -= s->blame[i] / 8;
}

static SkylineResult run_all(Search *s, uint64_t *effort) {
  uint64_t random = 1, looks = (uint64_t)FIRST_LOOKS * s->n_items;
  for (uint32_t run = 0; s->work < *effort; run++) {
    Part all = rank_items(s, run, &random);
    s->limit = *effort - s->work < looks ? *effort : s->work + looks;
    if (solve(s, &all, all.span)) return SKYLINE_FOUND;
    if (s->work <= s->limit) return SKYLINE_NONE;
    forget(s);
    if (run % RUNS_OF_A_KIND == RUNS_OF_A_KIND - 1) looks += looks / 4;
  }
  return SKYLINE_ENDED;
}

SkylineResult plan_skyline(Arena *arena, const PlanSlot *slots, const uint32_t *leaders, uint32_t n,
                           size_t height, uint64_t *effort, size_t *offsets) {
  Search s = {.arena = arena_scratch(arena), .height = height};
  uint32_t *index = ARENA_ARRAY(s.arena, n, uint32_t);
  make_items(&s, slots, leaders, n, index);
  s.floors = ARENA_ARRAY(s.arena, s.n_sections, size_t);
  s.lowest = ARENA_ARRAY(s.arena, s.n_sections, size_t);
  s.tops = ARENA_ARRAY(s.arena, s.n_sections, Tops);
  s.blame = ARENA_ARRAY(s.arena, s.n_sections, uint64_t);
  s.crossed = ARENA_ARRAY(s.arena, s.n_sections, bool);
  s.lows = ARENA_ARRAY(s.arena, s.n_items, size_t);
  s.rejected = ARENA_ARRAY(s.arena, s.n_items, size_t);
  SkylineResult result = run_all(&s, effort);
  for (uint32_t i = 0; i < n && result == SKYLINE_FOUND; i++)
    offsets[i] = s.lows[index[leaders[i]]];
  *effort -= s.work < *effort ? s.work : *effort;
  arena_drop(s.arena);
  return result;
}
