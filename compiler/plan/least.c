/* What a task needs in every order: the pieces that it touches, and those that a task before it in
 * every order has begun and one behind it in every order will touch. */
#include "plan/tasks.h"

#include <string.h>

/* Rows of bits, one for each task of the segment. */
typedef struct Relation {
  uint64_t *bits;
  size_t words;
} Relation;

/* Tasks of the segment that touch a piece; and whether others do. */
typedef struct Touchers {
  Numbers tasks; /* counted from the beginning of the segment */
  bool earlier, later;
} Touchers;

typedef struct Bounder {
  Arena *arena;
  const TaskList *list;
  uint32_t begin, n;
  Relation before, behind; /* the tasks that run before a task in every order, or behind it */
  Touchers *touchers;      /* by piece */
  Numbers pieces;          /* that have some */
} Bounder;

static uint64_t *row(const Relation *relation, uint32_t task) {
  return relation->bits + task * relation->words;
}

static bool has(const uint64_t *bits, uint32_t task) {
  return (bits[task / 64] >> (task % 64) & 1) != 0;
}

static void include(uint64_t *bits, uint32_t task) {
  bits[task / 64] |= UINT64_C(1) << (task % 64);
}

static void unite(uint64_t *bits, const uint64_t *others, size_t words) {
  for (size_t i = 0; i < words; i++) bits[i] |= others[i];
}

static Relation new_relation(const Bounder *b) {
  Relation relation = {.words = (size_t)b->n / 64 + 1};
  relation.bits = ARENA_ARRAY(b->arena, b->n * relation.words, uint64_t);
  return relation;
}

static void relate(Bounder *b) {
  b->before = new_relation(b);
  b->behind = new_relation(b);
  for (uint32_t i = 0; i < b->n; i++) {
    VEC_EACH(const uint32_t, next, &b->list->tasks[b->begin + i].next) {
      if (*next >= b->begin + b->n) continue;
      unite(row(&b->before, *next - b->begin), row(&b->before, i), b->before.words);
      include(row(&b->before, *next - b->begin), i);
    }
  }
  for (uint32_t i = b->n; i-- > 0;) {
    VEC_EACH(const uint32_t, next, &b->list->tasks[b->begin + i].next) {
      if (*next >= b->begin + b->n) continue;
      unite(row(&b->behind, i), row(&b->behind, *next - b->begin), b->behind.words);
      include(row(&b->behind, i), *next - b->begin);
    }
  }
}

static void find_touchers(Bounder *b, const uint32_t *touched) {
  b->touchers = ARENA_ARRAY(b->arena, b->list->n_pieces, Touchers);
  for (uint32_t i = 0; i < b->n; i++) {
    VEC_EACH(const uint32_t, piece, &b->list->tasks[b->begin + i].touches) {
      Touchers *touchers = &b->touchers[*piece];
      if (touchers->tasks.len == 0) vec_push(b->arena, &b->pieces, *piece);
      vec_push(b->arena, &touchers->tasks, i);
    }
  }
  for (uint32_t p = 0; p < b->list->n_pieces; p++) {
    if (b->touchers[p].tasks.len == 0 && touched[p] != 0 && touched[p] < b->list->pieces[p].touches)
      vec_push(b->arena, &b->pieces, p);
    b->touchers[p].earlier = touched[p] != 0;
    b->touchers[p].later = touched[p] + b->touchers[p].tasks.len < b->list->pieces[p].touches;
  }
}

/* The tasks at which a piece is live in every order: one that touches it is, or runs before, and
 * one is, or runs behind. */
static void find_live(const Bounder *b, uint32_t piece, uint64_t *live, uint64_t *dying) {
  const Touchers *touchers = &b->touchers[piece];
  size_t words = b->before.words;
  memset(live, touchers->earlier ? 0xff : 0, words * sizeof *live);
  memset(dying, touchers->later ? 0xff : 0, words * sizeof *dying);
  VEC_EACH(const uint32_t, task, &touchers->tasks) {
    unite(live, row(&b->behind, *task), words);
    unite(dying, row(&b->before, *task), words);
    include(live, *task);
    include(dying, *task);
  }
  for (size_t i = 0; i < words; i++) live[i] &= dying[i];
}

static bool touches_any(const Bounder *b, uint32_t piece, const uint64_t *tasks) {
  VEC_EACH(const uint32_t, task, &b->touchers[piece].tasks) {
    if (has(tasks, *task)) return true;
  }
  return false;
}

/* Whether the offer holds in some order, as far as that is known. */
static bool may_hold(const Bounder *b, const TaskOffer *offer, uint32_t task) {
  return !b->touchers[offer->out].earlier && !b->touchers[offer->in].later &&
         !touches_any(b, offer->out, row(&b->before, task)) &&
         !touches_any(b, offer->in, row(&b->behind, task));
}

/* What the task may save in each half of its run. */
static size_t saving(const Bounder *b, uint32_t task) {
  const Task *t = &b->list->tasks[b->begin + task];
  size_t outs = 0, ins = 0;
  VEC_EACH(const uint32_t, piece, &t->touches) {
    bool out = false, in = false;
    VEC_EACH(const TaskOffer, offer, &t->offers) {
      if (offer->out != *piece && offer->in != *piece) continue;
      if (!may_hold(b, offer, task)) continue;
      out = out || offer->out == *piece;
      in = in || offer->in == *piece;
    }
    if (out) outs += b->list->pieces[*piece].bytes;
    if (in) ins += b->list->pieces[*piece].bytes;
  }
  return outs < ins ? outs : ins;
}

size_t least_peak(Arena *arena, const TaskList *list, uint32_t begin, uint32_t end,
                  const uint32_t *touched) {
  Bounder b = {.arena = arena_scratch(arena), .list = list, .begin = begin, .n = end - begin};
  size_t least = 0, *sums = ARENA_ARRAY(b.arena, (size_t)b.n + 64, size_t);
  relate(&b);
  find_touchers(&b, touched);
  uint64_t *live = ARENA_ARRAY(b.arena, b.before.words, uint64_t);
  uint64_t *dying = ARENA_ARRAY(b.arena, b.before.words, uint64_t);
  VEC_EACH(const uint32_t, piece, &b.pieces) {
    find_live(&b, *piece, live, dying);
    for (size_t word = 0; word < b.before.words; word++) {
      for (uint64_t bits = live[word]; bits != 0; bits &= bits - 1) {
        sums[64 * word + (size_t)__builtin_ctzll(bits)] += list->pieces[*piece].bytes;
      }
    }
  }
  for (uint32_t i = 0; i < b.n; i++) {
    size_t needs = sums[i] + list->tasks[begin + i].inner - saving(&b, i);
    if (needs > least) least = needs;
  }
  arena_drop(b.arena);
  return least;
}
