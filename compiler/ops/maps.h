/* What the operators on maps tell the pass that makes tensors of them. */
#ifndef ONNXC_OPS_MAPS_H
#define ONNXC_OPS_MAPS_H

#include "ops/op.h"

/* The list of keys in one of two attributes; NULL: reported. */
const Tensor *map_keys(const Node *node, const char *ints, const char *strings);
/* The keys of ZipMap. */
const Tensor *zip_map_keys(const Node *node);
/* The element type that CastMap gives. False: reported. */
bool cast_map_target(const Node *node, DType *dtype);

#endif
