/* Regular expressions in the syntax of RE2, as the automaton of runtime/reference/automaton.h.
 *
 * Not supported are classes by properties of Unicode (\p) and single bytes (\C). The longest match
 * is the one that is taken, so what else says which one (order, reluctant repetition) has no
 * meaning here, and neither do groups. */
#ifndef ONNXC_OPS_REGEX_H
#define ONNXC_OPS_REGEX_H

#include "base/diag.h"
#include "base/vec.h"

#include <stdint.h>

typedef struct Regex {
  Vec(int64_t) states, begins; /* the state where each pattern begins */
  Vec(int64_t) ranges;         /* of classes: first and last code point of each */
  DiagKind kind;               /* of the error */
  const char *error;           /* text in the arena; NULL: none */
  size_t at;                   /* the byte of the pattern that it is about */
} Regex;

/* Adds a pattern in UTF-8 to an automaton, which is zeros at first; false with the error. */
bool regex_add(Arena *arena, const char *pattern, size_t size, Regex *regex);

#endif
