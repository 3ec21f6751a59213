/* The shape of a convolution, for the operators that compute one in their own way. */
#ifndef ONNXC_OPS_CONV_H
#define ONNXC_OPS_CONV_H

#include "ops/window.h"

/* Sizes of the convolution of `x` with `w`. `x` is input `ix` with its axis `channels` made the
 * second; false: reported. */
bool conv_dims(const Node *node, uint32_t ix, int channels, const Type *x, const Type *w,
               const Dim **dims);
/* Sets output 0 from the attributes and inputs X and W (checked tensors of rank 3 up); false:
 * reported. */
bool conv_infer(Node *node, uint32_t ix, uint32_t iw, DType dtype);
/* Multiply-accumulates of that convolution. */
const Dim *conv_macs(const Node *node, uint32_t iw);

#endif
