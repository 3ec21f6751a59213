/* Comparing data as numpy.allclose(equal_nan=True) does, with what is worst. */
#ifndef ONNXC_CLI_COMPARE_H
#define ONNXC_CLI_COMPARE_H

#include "import/import.h"

typedef struct Tolerance {
  double relative, absolute;
  bool types_only; /* elements are not compared */
} Tolerance;

/* NULL when |actual - expected| <= absolute + relative * |expected| for every element and dtype and
 * shape agree; else what differs, with the largest error and its place (text in `arena`). */
const char *compare_tensors(Arena *arena, const Tensor *actual, const Tensor *expected,
                            Tolerance tolerance);
/* The same for data of any kind. */
const char *compare_data(Arena *arena, const Datum *actual, const Datum *expected,
                         Tolerance tolerance);
/* `f32[2, 3]` */
const char *tensor_type_text(Arena *arena, const Tensor *tensor);

#endif
