/* What an update does to the element that it meets. */
#ifndef ONNXC_RT_REFERENCE_SCATTER_H
#define ONNXC_RT_REFERENCE_SCATTER_H

#include "reference/element.h"

/* reduction: none, add, mul, max or min (absent: none). */
void onnxc_rt_scatter_element(const onnxc_rt_attr *reduction, const onnxc_rt_tensor *to,
                              int64_t to_at, const onnxc_rt_tensor *from, int64_t from_at);
/* y = x, of one shape and perhaps in one place. */
void onnxc_rt_scatter_begin(const onnxc_rt_tensor *y, const onnxc_rt_tensor *x);

#endif
