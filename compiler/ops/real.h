/* Arithmetic on the numbers of floats that come from sizes (ir/dim.h). Integers and their quotients
 * are followed as far as floats hold them exactly; of all else the bounds are. */
#ifndef ONNXC_OPS_REAL_H
#define ONNXC_OPS_REAL_H

#include "ir/dim.h"

/* Some number within these bounds; infinities: none. */
const Dim *real_about(DimTable *t, double lo, double hi);

const Dim *real_add(DimTable *t, const Dim *a, const Dim *b);
const Dim *real_sub(DimTable *t, const Dim *a, const Dim *b);
const Dim *real_mul(DimTable *t, const Dim *a, const Dim *b);
const Dim *real_div(DimTable *t, const Dim *a, const Dim *b);

/* To integers: down, up, to the nearest, towards 0. */
const Dim *real_floor(DimTable *t, const Dim *a);
const Dim *real_ceil(DimTable *t, const Dim *a);
const Dim *real_round(DimTable *t, const Dim *a);
const Dim *real_truncate(DimTable *t, const Dim *a);

#endif
