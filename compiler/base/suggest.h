/* "Did you mean": the candidate with the fewest edits from a word that was not understood. */
#ifndef ONNXC_BASE_SUGGEST_H
#define ONNXC_BASE_SUGGEST_H

#include <stddef.h>

typedef struct Suggestion {
  const char *word; /* what was typed */
  const char *best; /* NULL while nothing is close enough to be meant */
  size_t distance;
} Suggestion;

/* Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; texts of 64
 * bytes and more are never close. */
size_t edit_distance(const char *a, const char *b);
void suggest_offer(Suggestion *s, const char *candidate);

#endif
