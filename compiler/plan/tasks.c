/* The smallest peak by a search through sets of tasks that have run.
 *
 * What is live depends on the set of tasks that have run, not on their order. So a set from which
 * no order stays below a peak is met once and remembered with that peak. Two facts keep the sets
 * few: a task that is comparable to all others divides the list into segments that have nothing to
 * do with one another; and a chain of tasks that stays below the peak and in the end leaves no more
 * live than before is run at once, since an order that runs it later is no better. */
#include "plan/tasks.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* A task that could be next, and the chain behind it as far as each task alone lets the next one
 * run. */
typedef struct Option {
  uint32_t task;
  uint32_t length; /* of the beginning of the chain that leaves no more live than before; 0: none */
  size_t hill, valley; /* the largest need along the chain, and the least that is live behind it */
} Option;

/* A set of tasks with options that are tried one after another. */
typedef struct Frame {
  uint32_t ran;
  size_t first, next, end; /* options */
  size_t bound;            /* least need of what was tried */
} Frame;

/* No order that begins with this set of tasks stays below `peak`. */
typedef struct Bound {
  uint64_t check; /* a second hash of the set */
  size_t peak;
} Bound;

typedef struct Segment {
  uint32_t begin, end;
  size_t given, peak, least;
  uint32_t *order; /* with that peak; NULL: the given one */
} Segment;

typedef struct Search {
  Arena *arena;
  TaskList list;
  uint32_t begin, end; /* the segment at hand */
  uint32_t *waiting;   /* by task: of those that it waits for, how many have not run */
  uint32_t *touched;   /* by piece: of the tasks that touch it, how many have run */
  uint64_t *ready;     /* by task: it is in the segment and could be next; bits */
  size_t live;
  uint32_t *path, ran;            /* the tasks of the segment that have run */
  uint32_t enabled, enabled_task; /* tasks that the last one has made ready */
  uint64_t key, check;            /* hashes of the set of tasks in the path */
  Map bounds;
  Vec(Frame) frames;
  Vec(Option) options;
  size_t tried, limit;
} Search;

/* ---- running tasks -----------------------------------------------------------------------------
 */

static uint64_t hash_task(uint64_t task) {
  uint64_t z = task * UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static void flip(Search *s, uint32_t task) {
  s->key ^= hash_task(2 * (uint64_t)task + 1);
  s->check ^= hash_task(2 * (uint64_t)task + 2);
}

static void set_ready(Search *s, uint32_t task, bool ready) {
  uint64_t bit = UINT64_C(1) << (task % 64);
  if (ready)
    s->ready[task / 64] |= bit;
  else
    s->ready[task / 64] &= ~bit;
}

/* The first ready task from `from` on; `end` when there is none. */
static uint32_t next_ready(const Search *s, uint32_t from) {
  if (from >= s->end) return s->end;
  uint32_t word = from / 64, last = (s->end - 1) / 64;
  uint64_t bits = s->ready[word] & (~UINT64_C(0) << (from % 64));
  while (bits == 0 && word < last) bits = s->ready[++word];
  return bits == 0 ? s->end : word * 64 + (uint32_t)__builtin_ctzll(bits);
}

static void run(Search *s, uint32_t task) {
  const Task *t = &s->list.tasks[task];
  s->tried++;
  s->enabled = 0;
  VEC_EACH(const uint32_t, piece, &t->touches) {
    const Piece *p = &s->list.pieces[*piece];
    if (s->touched[*piece]++ == 0) s->live += p->bytes;
    if (s->touched[*piece] == p->touches) s->live -= p->bytes;
  }
  VEC_EACH(const uint32_t, next, &t->next) {
    if (--s->waiting[*next] != 0 || *next >= s->end) continue;
    set_ready(s, *next, true);
    s->enabled++;
    s->enabled_task = *next;
  }
  set_ready(s, task, false);
  flip(s, task);
  s->path[s->ran++] = task;
}

static void undo(Search *s) {
  uint32_t task = s->path[--s->ran];
  const Task *t = &s->list.tasks[task];
  flip(s, task);
  set_ready(s, task, true);
  VEC_EACH(const uint32_t, next, &t->next) {
    if (s->waiting[*next]++ == 0 && *next < s->end) set_ready(s, *next, false);
  }
  VEC_EACH(const uint32_t, piece, &t->touches) {
    const Piece *p = &s->list.pieces[*piece];
    if (s->touched[*piece] == p->touches) s->live += p->bytes;
    if (--s->touched[*piece] == 0) s->live -= p->bytes;
  }
}

static void undo_to(Search *s, uint32_t ran) {
  while (s->ran > ran) undo(s);
}

/* Whether the task is the first to touch the one piece and the last to touch the other. */
static bool offer_holds(const Search *s, const TaskOffer *offer) {
  return s->touched[offer->out] == 0 &&
         s->touched[offer->in] + 1 == s->list.pieces[offer->in].touches;
}

/* What the task's run would need. Pieces that are taken over end at the first half of it, those
 * that take over begin at the second. */
static size_t need(const Search *s, uint32_t task) {
  const Task *t = &s->list.tasks[task];
  size_t first = s->live + t->inner, second;
  VEC_EACH(const uint32_t, piece, &t->touches) {
    if (s->touched[*piece] == 0) first += s->list.pieces[*piece].bytes;
  }
  second = first;
  for (size_t i = 0; i < t->offers.len; i++) {
    const TaskOffer *offer = &t->offers.data[i];
    bool new_out = true, new_in = true;
    if (!offer_holds(s, offer)) continue;
    for (size_t k = 0; k < i; k++) {
      if (!offer_holds(s, &t->offers.data[k])) continue;
      new_out = new_out && t->offers.data[k].out != offer->out;
      new_in = new_in && t->offers.data[k].in != offer->in;
    }
    if (new_out) first -= s->list.pieces[offer->out].bytes;
    if (new_in) second -= s->list.pieces[offer->in].bytes;
  }
  return first > second ? first : second;
}

/* No order gives the task less. */
static size_t least_need(const TaskList *list, const Task *t) {
  size_t all = t->inner, outs = 0, ins = 0;
  VEC_EACH(const uint32_t, piece, &t->touches) {
    bool out = false, in = false;
    VEC_EACH(const TaskOffer, offer, &t->offers) {
      out = out || offer->out == *piece;
      in = in || offer->in == *piece;
    }
    all += list->pieces[*piece].bytes;
    if (out) outs += list->pieces[*piece].bytes;
    if (in) ins += list->pieces[*piece].bytes;
  }
  return all - (outs < ins ? outs : ins);
}

/* ---- the search --------------------------------------------------------------------------------
 */

static size_t known_bound(const Search *s) {
  const Bound *bound = map_get(&s->bounds, s->key);
  return bound == NULL || bound->check != s->check ? 0 : bound->peak;
}

static void remember(Search *s, size_t peak) {
  Bound *bound = map_get(&s->bounds, s->key);
  if (bound == NULL) {
    bound = ARENA_NEW(s->arena, Bound);
    map_set(&s->bounds, s->key, bound);
  }
  *bound = (Bound){s->check, peak};
}

/* Follows the chain that begins with the task while it needs at most `most`. */
static Option probe(Search *s, uint32_t task, size_t most) {
  Option option = {.task = task, .valley = SIZE_MAX};
  size_t before = s->live;
  uint32_t ran = s->ran;
  for (size_t n = need(s, task); n <= most; n = need(s, task)) {
    run(s, task);
    if (n >= option.hill || s->live < option.valley) option.valley = s->live;
    if (n > option.hill) option.hill = n;
    if (s->live <= before) option.length = s->ran - ran;
    if (option.length != 0 || s->enabled != 1) break;
    task = s->enabled_task;
  }
  undo_to(s, ran);
  return option;
}

static void run_chain(Search *s, const Option *option) {
  uint32_t task = option->task;
  for (uint32_t i = 0; i < option->length; i++) {
    run(s, task);
    task = s->enabled_task;
  }
}

/* Chains that need much more while they run than they leave come first. */
static int compare_options(const void *a, const void *b) {
  const Option *x = a, *y = b;
  size_t x_drop = x->hill - x->valley, y_drop = y->hill - y->valley;
  if (x_drop != y_drop) return x_drop > y_drop ? -1 : 1;
  return x->task < y->task ? -1 : x->task > y->task;
}

/* Whether some order of what is left needs at most `most`; SPENT: nobody knows. */
typedef enum Verdict { FOUND, DEAD, OPEN, SPENT } Verdict;

/* Adds what could be next, from task `from` to before task `to`, to the options; true when that
 * ends with a chain to be run at once. */
static bool gather(Search *s, uint32_t from, uint32_t to, size_t most, size_t *bound) {
  for (uint32_t task = from; (task = next_ready(s, task)) < to; task++) {
    size_t needs = need(s, task);
    if (needs > most && needs < *bound) *bound = needs;
    if (needs > most) continue;
    Option option = probe(s, task, most);
    vec_push(s->arena, &s->options, option);
    if (option.length != 0 || s->tried >= s->limit) return option.length != 0;
  }
  return false;
}

/* Runs what can as well be run at once. OPEN: there are options to try, behind those there were.
 * DEAD: `bound` says what is needed at least. */
static Verdict settle(Search *s, size_t most, size_t *bound) {
  size_t first = s->options.len;
  for (bool falls = true; falls;) {
    uint32_t enabled = s->enabled == 0 ? s->begin : s->enabled_task;
    s->options.len = first;
    if (s->ran == s->end - s->begin) return FOUND;
    *bound = known_bound(s);
    if (*bound > most) return DEAD;
    *bound = SIZE_MAX;
    falls = gather(s, enabled, s->end, most, bound) || gather(s, s->begin, enabled, most, bound);
    if (s->tried >= s->limit) return SPENT;
    if (falls) run_chain(s, &s->options.data[s->options.len - 1]);
  }
  if (s->options.len == first) {
    remember(s, *bound);
    return DEAD;
  }
  qsort(s->options.data + first, s->options.len - first, sizeof(Option), compare_options);
  Frame frame = {.ran = s->ran, .first = first, .next = first, .end = s->options.len};
  frame.bound = *bound;
  vec_push(s->arena, &s->frames, frame);
  return OPEN;
}

/* Goes on at the latest set of tasks that has options left. DEAD: there is none. */
static Verdict advance(Search *s, size_t most, size_t *bound) {
  Frame *frame = &s->frames.data[s->frames.len - 1];
  if (frame->next < frame->end) {
    run(s, s->options.data[frame->next++].task);
    return settle(s, most, bound);
  }
  remember(s, frame->bound);
  *bound = frame->bound;
  s->options.len = frame->first;
  s->frames.len--;
  return DEAD;
}

/* Completes the path when it is FOUND; else leaves it as it is. */
static Verdict search(Search *s, size_t most, size_t *bound) {
  uint32_t ran = s->ran;
  s->frames.len = s->options.len = 0;
  Verdict verdict = settle(s, most, bound);
  while (verdict == OPEN || (verdict == DEAD && s->frames.len != 0)) {
    Frame *frame = &s->frames.data[s->frames.len - 1];
    if (verdict == DEAD) {
      undo_to(s, frame->ran);
      if (*bound < frame->bound) frame->bound = *bound;
    }
    verdict = advance(s, most, bound);
  }
  if (verdict != FOUND) undo_to(s, ran);
  return verdict;
}

/* ---- the smallest peak of a segment ------------------------------------------------------------
 */

enum { HALVINGS = 8, MOST_RELATED = 4096 };

static void enter(Search *s, const Segment *segment) {
  s->begin = segment->begin;
  s->end = segment->end;
  s->ran = 0;
  s->key = s->check = 0;
  s->bounds = map_on(s->arena);
  for (uint32_t task = s->begin; task < s->end; task++) {
    if (s->waiting[task] == 0) set_ready(s, task, true);
  }
}

/* Runs the segment in this order; returns the peak. */
static size_t replay(Search *s, const Segment *segment, const uint32_t *order) {
  size_t peak = 0;
  for (uint32_t i = 0; i < segment->end - segment->begin; i++) {
    uint32_t task = order == NULL ? segment->begin + i : order[i];
    size_t needs = need(s, task);
    if (needs > peak) peak = needs;
    run(s, task);
  }
  return peak;
}

/* Keeps the path that was found. */
static void keep(Search *s, Segment *segment) {
  size_t bytes = s->ran * sizeof *s->path;
  segment->order = arena_copy(s->arena, s->path, bytes);
  undo_to(s, 0);
  segment->peak = replay(s, segment, segment->order);
  undo_to(s, 0);
}

/* A search may spend a part of what is left. */
static void allow(Search *s, size_t part, size_t budget) {
  s->limit = s->tried < budget ? s->tried + (budget - s->tried) / part : budget;
}

static void learn(Segment *segment, size_t bound) {
  if (bound > segment->least) segment->least = bound;
}

/* From below: each peak that is not enough tells the next one that could be. False: spent. */
static bool raise_peak(Search *s, Segment *segment, size_t *low) {
  while (*low < segment->peak) {
    size_t bound = 0;
    Verdict verdict = search(s, *low, &bound);
    if (verdict == SPENT) return false;
    if (verdict == FOUND) {
      keep(s, segment);
      return true;
    }
    learn(segment, bound);
    *low = bound;
  }
  return true;
}

/* Between what is not known to be too low and what was found. */
static void halve_peak(Search *s, Segment *segment, size_t low, size_t budget) {
  for (int i = 0; i < HALVINGS && low < segment->peak && s->tried < budget; i++) {
    size_t bound = 0, most = low + (segment->peak - low) / 2;
    allow(s, 4, budget);
    Verdict verdict = search(s, most, &bound);
    if (verdict == FOUND) keep(s, segment);
    if (verdict != FOUND) low = most + 1;
    if (verdict == DEAD) learn(segment, bound);
  }
}

/* A peak of at most `enough` is not made smaller. */
static void lower_peak(Search *s, Segment *segment, size_t enough, size_t budget) {
  if (segment->given <= enough || segment->given == segment->least || s->tried >= budget) return;
  if (segment->end - segment->begin <= MOST_RELATED)
    learn(segment, least_peak(s->arena, &s->list, segment->begin, segment->end, s->touched));
  size_t low = segment->least > enough ? segment->least : enough;
  if (segment->given <= low) return;
  enter(s, segment);
  allow(s, 4, budget);
  if (!raise_peak(s, segment, &low)) halve_peak(s, segment, low, budget);
}

/* ---- near to the given order -------------------------------------------------------------------
 */

/* Whether the path can be completed; the segment's order is such a completion then. */
static bool completes(Search *s, Segment *segment, size_t most) {
  size_t bound;
  uint32_t ran = s->ran;
  if (search(s, most, &bound) != FOUND) return false;
  memcpy(segment->order, s->path, s->ran * sizeof *s->path);
  undo_to(s, ran);
  return true;
}

/* The first ready task from `from` on that needs at most `most`. */
static uint32_t next_fitting(const Search *s, uint32_t from, size_t most) {
  uint32_t task = next_ready(s, from);
  while (task < s->end && need(s, task) > most) task = next_ready(s, task + 1);
  return task;
}

/* Runs tasks, the first one in the given order each time, as many as leave a completion. */
static void run_in_given_order(Search *s, Segment *segment, size_t most, uint32_t *tasks) {
  uint32_t from = s->ran, good = 0, bad = 0, task;
  while ((task = next_fitting(s, s->begin, most)) < s->end) {
    tasks[bad++] = task;
    run(s, task);
  }
  if (s->ran == s->end - s->begin) {
    memcpy(segment->order, s->path, s->ran * sizeof *s->path);
    return;
  }
  while (bad - good > 1) {
    uint32_t middle = good + (bad - good) / 2;
    undo_to(s, from);
    for (uint32_t i = 0; i < middle; i++) run(s, tasks[i]);
    if (completes(s, segment, most))
      good = middle;
    else
      bad = middle;
  }
  undo_to(s, from);
  for (uint32_t i = 0; i < good; i++) run(s, tasks[i]);
}

/* Runs the first task in the given order that leaves a completion; one does. */
static void run_first(Search *s, Segment *segment, size_t most) {
  uint32_t ran = s->ran, task = next_fitting(s, s->begin, most);
  for (; task != segment->order[ran]; task = next_fitting(s, task + 1, most)) {
    run(s, task);
    if (s->tried < s->limit && completes(s, segment, most)) return;
    undo_to(s, ran);
  }
  run(s, task);
}

/* Among the orders with this peak, the first one when they are compared from the beginning; when
 * the search may not go on the rest is as in the order known. */
static void near_given(Search *s, Segment *segment, size_t most) {
  uint32_t n = segment->end - segment->begin, *tasks = ARENA_ARRAY(s->arena, n, uint32_t);
  while (s->ran < n && s->tried < s->limit) {
    run_in_given_order(s, segment, most, tasks);
    if (s->ran < n) run_first(s, segment, most);
  }
  undo_to(s, 0);
}

/* ---- segments ----------------------------------------------------------------------------------
 */

/* For each task whether it is comparable to all others: each later one waits for it or for one
 * behind it, and each earlier one is waited for by it or one before it. */
static bool *find_cuts(Arena *arena, const TaskList *list) {
  bool *cuts = ARENA_ARRAY(arena, list->n, bool);
  uint32_t *latest = ARENA_ARRAY(arena, list->n, uint32_t); /* 1 + the last it waits for */
  uint32_t reach = 0, *from = ARENA_ARRAY(arena, (size_t)list->n + 1, uint32_t);
  for (uint32_t i = 0; i < list->n; i++) {
    VEC_EACH(const uint32_t, next, &list->tasks[i].next) {
      if (latest[*next] < i + 1) latest[*next] = i + 1;
    }
  }
  from[list->n] = UINT32_MAX;
  for (uint32_t i = list->n; i-- > 0;) from[i] = latest[i] < from[i + 1] ? latest[i] : from[i + 1];
  for (uint32_t i = 0; i < list->n; i++) {
    uint32_t soonest = UINT32_MAX;
    cuts[i] = from[i + 1] > i && reach <= i;
    VEC_EACH(const uint32_t, next, &list->tasks[i].next) {
      if (*next < soonest) soonest = *next;
    }
    if (soonest > reach) reach = soonest;
  }
  return cuts;
}

typedef Vec(Segment) Segments;

/* Each task that divides the list is a segment, and what is between two of them. */
static Segments find_segments(Search *s) {
  Segments segments = {0};
  const bool *cuts = find_cuts(s->arena, &s->list);
  for (uint32_t begin = 0, end; begin < s->list.n; begin = end) {
    for (end = begin + 1; !cuts[begin] && end < s->list.n && !cuts[end];) end++;
    Segment segment = {.begin = begin, .end = end};
    for (uint32_t i = begin; i < end; i++) {
      size_t least = least_need(&s->list, &s->list.tasks[i]);
      if (least > segment.least) segment.least = least;
    }
    vec_push(s->arena, &segments, segment);
  }
  return segments;
}

static Search new_search(Arena *arena, const TaskList *list) {
  Search s = {.arena = arena, .list = *list};
  s.waiting = ARENA_ARRAY(arena, list->n, uint32_t);
  s.touched = ARENA_ARRAY(arena, list->n_pieces, uint32_t);
  s.ready = ARENA_ARRAY(arena, (size_t)list->n / 64 + 1, uint64_t);
  s.path = ARENA_ARRAY(arena, list->n, uint32_t);
  return s;
}

/* Nothing has run. */
static void rewind_search(Search *s) {
  s->live = 0;
  memset(s->touched, 0, s->list.n_pieces * sizeof *s->touched);
  for (uint32_t i = 0; i < s->list.n; i++) s->waiting[i] = s->list.tasks[i].waiting;
}

/* Goes on to the next segment, through the given order, which is not counted; returns its peak. */
static size_t leave(Search *s, const Segment *segment) {
  size_t tried = s->tried;
  s->begin = segment->begin;
  s->end = segment->end;
  s->ran = 0;
  size_t peak = replay(s, segment, NULL);
  s->tried = tried;
  return peak;
}

static size_t find_given(Search *s, Segments *segments) {
  size_t peak = 0;
  rewind_search(s);
  VEC_EACH(Segment, segment, segments) {
    segment->given = segment->peak = leave(s, segment);
    if (segment->end - segment->begin == 1) segment->least = segment->given;
    if (segment->given > peak) peak = segment->given;
  }
  return peak;
}

static void find_peak(Search *s, Segments *segments, TaskOrder *order, size_t budget) {
  VEC_EACH(const Segment, segment, segments) {
    if (segment->least > order->least) order->least = segment->least;
  }
  order->peak = order->least;
  rewind_search(s);
  VEC_EACH(Segment, segment, segments) {
    lower_peak(s, segment, order->peak, budget);
    if (segment->least > order->least) order->least = segment->least;
    if (segment->peak > order->peak) order->peak = segment->peak;
    leave(s, segment);
  }
}

static void find_order(Search *s, Segments *segments, TaskOrder *order, size_t budget) {
  rewind_search(s);
  VEC_EACH(Segment, segment, segments) {
    if (segment->given > order->peak) {
      enter(s, segment);
      s->limit = budget;
      near_given(s, segment, order->peak);
      memcpy(order->tasks + segment->begin, segment->order,
             (segment->end - segment->begin) * sizeof *segment->order);
    }
    leave(s, segment);
  }
}

TaskOrder order_tasks(Arena *arena, const TaskList *list, size_t *budget) {
  TaskOrder order = {.tasks = ARENA_ARRAY(arena, list->n, uint32_t)};
  Arena *scratch = arena_scratch(arena);
  Search s = new_search(scratch, list);
  Segments segments = find_segments(&s);
  for (uint32_t i = 0; i < list->n; i++) order.tasks[i] = i;
  order.given = find_given(&s, &segments);
  find_peak(&s, &segments, &order, *budget - *budget / 4);
  if (order.peak < order.given) find_order(&s, &segments, &order, *budget);
  *budget -= s.tried < *budget ? s.tried : *budget;
  arena_drop(scratch);
  return order;
}
