/* NumPy's .npy files, format versions 1 to 3. */
#ifndef ONNXC_CLI_NPY_H
#define ONNXC_CLI_NPY_H

#include "base/text.h"
#include "ir/graph.h"

/* The tensor in `size` bytes of a file, in row-major order and the machine's byte order. NULL with
 * *error set to what is wrong. */
const Tensor *npy_parse(Context *ctx, const void *bytes, size_t size, const char **error);
/* Types that NumPy does not have are widened: small floats to float32, small integers to int8.
 * False for strings that NumPy cannot hold: no UTF-8, or a NUL at the end. */
bool npy_write(Out *w, Arena *arena, const Tensor *tensor);

#endif
