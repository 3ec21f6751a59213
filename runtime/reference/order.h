/* The order of elements of one tensor, and sorting of positions by it. */
#ifndef ONNXC_RT_REFERENCE_ORDER_H
#define ONNXC_RT_REFERENCE_ORDER_H

#include "reference/element.h"

/* Negative, 0 or positive as element `a` of `x` is less than, equal to or greater than element `b`
 * of `y`, which have one type. NaN is greater than all numbers and equal to NaN;
 * strings are in byte order. */
int onnxc_rt_compare(const onnxc_rt_tensor *x, int64_t a, const onnxc_rt_tensor *y, int64_t b);

/* What a sort needs to know: whether position `a` comes before `b`. */
typedef int onnxc_rt_before(const void *context, int64_t a, int64_t b);

/* Sorts positions in place, without further memory; equal ones end in no particular order. */
void onnxc_rt_sort(int64_t *positions, int64_t n, onnxc_rt_before *before, const void *context);

#endif
