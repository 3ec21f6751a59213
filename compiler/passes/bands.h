/* Matrices of two numbers, one inside a band along the diagonal and one outside: causal masks and
 * windows, in whatever way they are computed. */
#ifndef ONNXC_PASSES_BANDS_H
#define ONNXC_PASSES_BANDS_H

#include "ops/builder.h"

/* Rows i and columns j, the last two axes: first <= j - i <= last; NULL: no bound. Not both are. */
typedef struct Band {
  const Dim *first, *last;
  double inside, outside;
} Band;

/* Whether the value is one, the same for all indexes of other axes. A band with one bound is always
 * given as the side that is `inside`; its complement is found by band_turn. */
bool band_of(Value *value, Band *band);
/* What is inside becomes what is outside. False: there are two bounds. */
bool band_turn(DimTable *t, Band *band);

#endif
