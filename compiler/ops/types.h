/* Inside inference: element types against the schemas. */
#ifndef ONNXC_OPS_TYPES_H
#define ONNXC_OPS_TYPES_H

#include "ops/op.h"

/* All inputs are of types that the operator allows, and agree where they must. Operators that ONNX
 * does not define pass. */
bool types_check(const Node *node);
/* All outputs, once they are inferred, are of types that the operator allows. */
bool types_check_outputs(const Node *node);

#endif
