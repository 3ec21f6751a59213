/* Which scale and zero point an element of a quantised tensor has: one for all, one for each index
 * of an axis, or one for each block along an axis. */
#ifndef ONNXC_RT_REFERENCE_GRANULARITY_H
#define ONNXC_RT_REFERENCE_GRANULARITY_H

#include "reference/element.h"

typedef struct onnxc_rt_granularity {
  int64_t size, inner; /* of the axis, and elements behind one of its indexes */
  int64_t block, blocks;
} onnxc_rt_granularity;

/* `block` 0: by the shape of `scale`, for all or by axis. */
onnxc_rt_granularity onnxc_rt_granularity_of(const onnxc_rt_tensor *x, const onnxc_rt_tensor *scale,
                                             int64_t axis, int64_t block);
/* The index into the scales of element `i` of x. */
int64_t onnxc_rt_granularity_at(const onnxc_rt_granularity *g, int64_t i);

#endif
