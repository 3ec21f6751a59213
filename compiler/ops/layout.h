/* Data with channels last, as the NHWC operators of ONNX Runtime have it: between it and ONNX's
 * own order, where they are axis 1. */
#ifndef ONNXC_OPS_LAYOUT_H
#define ONNXC_OPS_LAYOUT_H

#include "ops/builder.h"

/* The type of such data, of rank 2 up, with channels second, and back. */
Type layout_second(const Node *node, const Type *type);
Type layout_last(const Node *node, const Type *type);
/* The data likewise. */
Value *layout_to_second(Builder *b, Value *x);
Value *layout_to_last(Builder *b, Value *x);

#endif
