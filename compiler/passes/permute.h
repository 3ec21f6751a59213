/* Operators that work along axes which they name: what becomes of them when the axes of their
 * tensors are permuted. */
#ifndef ONNXC_PASSES_PERMUTE_H
#define ONNXC_PASSES_PERMUTE_H

#include "ops/builder.h"

/* Whether the node is such an operator and its axes are known. Its first `*n_tensors` inputs are
 * permuted like its output; the others say what is done to which axis. */
bool permutes(const Node *node, uint32_t *n_tensors);
/* The same on `inputs`, which are permuted: axis perm[i] of before is axis i now. */
Value *build_permuted(Builder *b, const Node *node, Value **inputs, const int64_t *perm);

#endif
