/* The shape of a matrix product, for the operators that compute one in their own way. */
#ifndef ONNXC_OPS_MATMUL_H
#define ONNXC_OPS_MATMUL_H

#include "ops/op.h"

/* Sizes of the product of two tensors; false: reported. */
bool matmul_dims(Node *node, const Type *a, const Type *b, int *rank, const Dim **dims);
/* Sets output 0 to the product of inputs `ia` and `ib` (checked tensors); false: reported. */
bool matmul_infer(Node *node, uint32_t ia, uint32_t ib, DType dtype);
/* Multiply-accumulates of that product. */
const Dim *matmul_macs(const Node *node, uint32_t ia);

#endif
