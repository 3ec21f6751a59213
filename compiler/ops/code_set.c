#include "ops/code_set.h"

#include "reference/case.h"

#include <stdlib.h>
#include <string.h>

void code_set_add(Arena *arena, CodeSet *set, uint32_t first, uint32_t last) {
  vec_push(arena, &set->ranges, (CodeRange){first, last});
}

void code_set_join(Arena *arena, CodeSet *set, const CodeSet *other) {
  VEC_EACH(CodeRange, range, &other->ranges) vec_push(arena, &set->ranges, *range);
}

/* ---- order -------------------------------------------------------------------------------------
 */

static int by_first(const void *a, const void *b) {
  const CodeRange *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

void code_set_finish(CodeSet *set) {
  size_t kept = 0;
  CodeRange *ranges = set->ranges.data;
  if (set->ranges.len == 0) return;
  qsort(ranges, set->ranges.len, sizeof *ranges, by_first);
  for (size_t i = 1; i < set->ranges.len; i++) {
    if (ranges[i].first > ranges[kept].last + 1) {
      ranges[++kept] = ranges[i];
    } else if (ranges[i].last > ranges[kept].last) {
      ranges[kept].last = ranges[i].last;
    }
  }
  set->ranges.len = kept + 1;
}

void code_set_negate(Arena *arena, CodeSet *set) {
  CodeSet others = {0};
  uint32_t next = 0;
  VEC_EACH(CodeRange, range, &set->ranges) {
    if (range->first > next) code_set_add(arena, &others, next, range->first - 1);
    next = range->last + 1;
  }
  if (next <= MAX_CODE) code_set_add(arena, &others, next, MAX_CODE);
  *set = others;
}

/* ---- case --------------------------------------------------------------------------------------
 */

/* Code points are alike when they have one key. */
typedef struct Fold {
  uint32_t code, key;
} Fold;

struct CaseFolds {
  Vec(Fold) by_code, by_key;
};

static int order_by_code(const void *a, const void *b) {
  const Fold *x = a, *y = b;
  return (x->code > y->code) - (x->code < y->code);
}

static int order_by_key(const void *a, const void *b) {
  const Fold *x = a, *y = b;
  int order = (x->key > y->key) - (x->key < y->key);
  return order != 0 ? order : order_by_code(a, b);
}

/* Both letters of Turkish that have a counterpart in other languages' alphabets stay alone. */
static uint32_t key_of(uint32_t code) {
  enum { DOTTED_CAPITAL = 0x130, DOTLESS_SMALL = 0x131 };
  if (code == DOTTED_CAPITAL || code == DOTLESS_SMALL) return code;
  return onnxc_rt_to_lower(onnxc_rt_to_upper(code));
}

const CaseFolds *case_folds(Arena *arena) {
  enum { LAST_CASED = 0x1FFFF };
  CaseFolds *folds = ARENA_NEW(arena, CaseFolds);
  for (uint32_t code = 0; code <= LAST_CASED; code++) {
    uint32_t key = key_of(code);
    if (key == code) continue;
    vec_push(arena, &folds->by_code, (Fold){code, key});
    vec_push(arena, &folds->by_code, (Fold){key, key}); /* several times perhaps */
  }
  folds->by_key.data = arena_copy(arena, folds->by_code.data, folds->by_code.len * sizeof(Fold));
  folds->by_key.len = folds->by_code.len;
  qsort(folds->by_code.data, folds->by_code.len, sizeof(Fold), order_by_code);
  qsort(folds->by_key.data, folds->by_key.len, sizeof(Fold), order_by_key);
  return folds;
}

/* The first that is not in front of `wanted`. */
static size_t find(const Fold *folds, size_t n, Fold wanted,
                   int (*order)(const void *a, const void *b)) {
  size_t low = 0;
  while (n > 0) {
    size_t half = n / 2;
    bool front = order(&folds[low + half], &wanted) < 0;
    low = front ? low + half + 1 : low;
    n = front ? n - half - 1 : half;
  }
  return low;
}

/* What is in the range need not be added. */
static void add_alike(Arena *arena, const CaseFolds *folds, CodeSet *set, uint32_t key,
                      CodeRange range) {
  const Fold *by_key = folds->by_key.data;
  size_t i = find(by_key, folds->by_key.len, (Fold){0, key}, order_by_key);
  for (; i < folds->by_key.len && by_key[i].key == key; i++) {
    uint32_t code = by_key[i].code;
    if (code < range.first || code > range.last) code_set_add(arena, set, code, code);
  }
}

void code_set_fold(Arena *arena, const CaseFolds *folds, CodeSet *set) {
  if (folds == NULL) return;
  code_set_finish(set);
  const Fold *by_code = folds->by_code.data;
  size_t given = set->ranges.len;
  for (size_t k = 0; k < given; k++) {
    CodeRange range = set->ranges.data[k];
    size_t i = find(by_code, folds->by_code.len, (Fold){range.first, 0}, order_by_code);
    for (; i < folds->by_code.len && by_code[i].code <= range.last; i++) {
      add_alike(arena, folds, set, by_code[i].key, range);
    }
  }
}

/* ---- names -------------------------------------------------------------------------------------
 */

/* First and last characters of `n` ranges. */
static const struct {
  const char *name;
  int n;
  const char *ends;
} classes[] = {
    {"d", 1, "09"},           {"s", 3, "\t\n\f\r  "},
    {"w", 4, "09AZ__az"},     {"alnum", 3, "09AZaz"},
    {"alpha", 2, "AZaz"},     {"ascii", 1, "\0\x7f"},
    {"blank", 2, "\t\t  "},   {"cntrl", 2, "\0\x1f\x7f\x7f"},
    {"digit", 1, "09"},       {"graph", 1, "!~"},
    {"lower", 1, "az"},       {"print", 1, " ~"},
    {"punct", 4, "!/:@[`{~"}, {"space", 2, "\t\r  "},
    {"upper", 1, "AZ"},       {"word", 4, "09AZ__az"},
    {"xdigit", 3, "09AFaf"},
};

const CodeSet *code_set_named(Arena *arena, const CaseFolds *folds, const char *name, size_t length,
                              bool negated) {
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    if (strlen(classes[i].name) != length || memcmp(classes[i].name, name, length) != 0) continue;
    CodeSet *set = ARENA_NEW(arena, CodeSet);
    for (int k = 0; k < classes[i].n; k++) {
      const char *ends = classes[i].ends + (ptrdiff_t)2 * k;
      code_set_add(arena, set, (uint32_t)ends[0], (uint32_t)ends[1]);
    }
    code_set_fold(arena, folds, set);
    code_set_finish(set);
    if (negated) code_set_negate(arena, set);
    return set;
  }
  return NULL;
}
