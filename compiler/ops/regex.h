/* Regular expressions in the syntax of RE2, as the automaton of runtime/reference/automaton.h.
 *
 * Not supported are classes by properties of Unicode (\p) and single bytes (\C). What only says
 * which of several matches to take (groups, reluctant repetition) has no meaning here. */
#ifndef ONNXC_OPS_REGEX_H
#define ONNXC_OPS_REGEX_H

#include "base/diag.h"
#include "base/vec.h"

#include <stdint.h>

typedef struct Regex {
  Vec(int64_t) states; /* the first is where it begins */
  Vec(int64_t) ranges; /* of classes: first and last code point of each */
  DiagKind kind;       /* of the error */
  const char *error;   /* text in the arena; NULL: none */
  size_t at;           /* the byte of the pattern that it is about */
} Regex;

/* The automaton for full matches of a pattern in UTF-8; false with the error. */
bool regex_compile(Arena *arena, const char *pattern, size_t size, Regex *regex);

#endif
