#include "base/suggest.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  if (n >= LONGEST || m >= LONGEST) return SIZE_MAX;
  size_t rows[3][LONGEST], *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= m; j++) last[j] = j;
  for (size_t i = 1; i <= n; i++) {
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = least(row[j], before[j - 2] + 1);
      }
    }
    size_t *oldest = before;
    before = last;
    last = row;
    row = oldest;
  }
  return last[m];
}

/* A third of the letters may be wrong; more is another word. */
void suggest_offer(Suggestion *s, const char *candidate) {
  size_t distance = edit_distance(s->word, candidate);
  if (distance > (strlen(s->word) + 2) / 3) return;
  if (s->best != NULL && distance >= s->distance) return;
  s->best = candidate;
  s->distance = distance;
}
