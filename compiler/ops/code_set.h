/* Sets of Unicode code points, for the classes of regular expressions. */
#ifndef ONNXC_OPS_CODE_SET_H
#define ONNXC_OPS_CODE_SET_H

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum { MAX_CODE = 0x10FFFF };

typedef struct CodeRange {
  uint32_t first, last;
} CodeRange;

typedef struct CodeSet {
  Vec(CodeRange) ranges; /* in any order, perhaps overlapping, until code_set_finish */
} CodeSet;

void code_set_add(Arena *arena, CodeSet *set, uint32_t first, uint32_t last);
/* Ranges in order that neither overlap nor touch. */
void code_set_finish(CodeSet *set);
/* All other code points; the set is finished before and after. */
void code_set_negate(Arena *arena, CodeSet *set);

/* Which code points differ in case only. */
typedef struct CaseFolds CaseFolds;
const CaseFolds *case_folds(Arena *arena);
/* Adds all that differ in case only from what is in the set; nothing without folds. */
void code_set_fold(Arena *arena, const CaseFolds *folds, CodeSet *set);

/* A class by its name: `d`, `s` or `w` as behind a backslash, or `alpha` and the like of POSIX, all
 * of ASCII but for folds. NULL: there is none. */
const CodeSet *code_set_named(Arena *arena, const CaseFolds *folds, const char *name, size_t length,
                              bool negated);
/* Adds all of another set. */
void code_set_join(Arena *arena, CodeSet *set, const CodeSet *other);

#endif
