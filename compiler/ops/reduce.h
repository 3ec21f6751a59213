/* What reductions reduce. */
#ifndef ONNXC_OPS_REDUCE_H
#define ONNXC_OPS_REDUCE_H

#include "ops/op.h"

/* Sets flags of the axes that go, where they are known; `*known` false: they are no constants.
 * False: reported. */
bool reduced_axes(const Node *node, bool *flags, bool *known);

#endif
