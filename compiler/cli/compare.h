/* Comparing tensors as numpy.allclose(equal_nan=True) does, with what is worst. */
#ifndef ONNXC_CLI_COMPARE_H
#define ONNXC_CLI_COMPARE_H

#include "ir/graph.h"

typedef struct Tolerance {
  double relative, absolute;
} Tolerance;

/* NULL when |actual - expected| <= absolute + relative * |expected| for every element and dtype and
 * shape agree; else what differs, with the largest error and its place (text in `arena`). */
const char *compare_tensors(Arena *arena, const Tensor *actual, const Tensor *expected,
                            Tolerance tolerance);
/* The same for dtype and shape only. */
const char *compare_types(Arena *arena, const Tensor *actual, const Tensor *expected);
/* `f32[2, 3]` */
const char *tensor_type_text(Arena *arena, const Tensor *tensor);

#endif
