/* What rewrites and lowering ask about control flow. */
#ifndef ONNXC_OPS_CONTROL_H
#define ONNXC_OPS_CONTROL_H

#include "ops/op.h"

/* The branch that an If takes in every run; NULL: that is not known. The other one may not be
 * inferred. */
Graph *if_taken(const Node *node);

#endif
