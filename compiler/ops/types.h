/* Inside inference: element types against the schemas. */
#ifndef ONNXC_OPS_TYPES_H
#define ONNXC_OPS_TYPES_H

#include "ops/op.h"

/* All inputs are of types that the operator allows, and agree where they must. Operators that ONNX
 * does not define pass. */
bool types_check(const Node *node);

#endif
