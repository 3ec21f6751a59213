/* Inner products: what the contractions among the reference kernels are made of. */
#ifndef ONNXC_RT_REFERENCE_DOT_H
#define ONNXC_RT_REFERENCE_DOT_H

#include "onnxc_rt.h"

/* Elements at, at + step, at + 2 * step, ... of a tensor, less `zero`. */
typedef struct onnxc_rt_line {
  const onnxc_rt_tensor *tensor;
  int64_t at, step, zero;
} onnxc_rt_line;

/* The sum of the products of the first `n` elements, in double; `zero` is not looked at. */
double onnxc_rt_dot_f64(onnxc_rt_line a, onnxc_rt_line b, int64_t n);
/* The same of integers, modulo 2^64. */
uint64_t onnxc_rt_dot_u64(onnxc_rt_line a, onnxc_rt_line b, int64_t n);

#endif
