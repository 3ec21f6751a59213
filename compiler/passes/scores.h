/* Numbers that hide keys from queries. */
#ifndef ONNXC_PASSES_SCORES_H
#define ONNXC_PASSES_SCORES_H

#include "ops/op.h"

/* A score this low has no weight beside that of a key that is not hidden: scores that are not meant
 * to hide never come near it. */
#define LOW_SCORE (-1e3)

/* Whether adding the number to a score gives the number itself, or minus infinity: for all scores
 * up to 32, since they vanish in rounding. Then adding hides like replacing does. */
bool score_vanishes(DType dtype, double low);

#endif
