/* Where a Slice begins. */
#ifndef ONNXC_OPS_SLICE_H
#define ONNXC_OPS_SLICE_H

#include "ops/op.h"

typedef struct SliceAxis {
  int axis;
  int64_t step;
  const Dim *start; /* of the first element, in [0, size) unless there is none */
} SliceAxis;

/* The axes that an inferred Slice cuts, at most MAX_RANK of them; false where they are not known.
 */
bool slice_geometry(const Node *node, SliceAxis *axes, int *n);

#endif
