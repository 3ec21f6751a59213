/* Elementwise kernels: one function for floats and one for integers, applied to every element.
 *
 * Integers travel as the bits of 64-bit numbers, sign-extended where the type is signed; what a
 * function returns is cut to the type that is stored, so + - * wrap around by themselves. A kernel
 * without integer function computes integers in double. */
#ifndef ONNXC_RT_REFERENCE_MAP_H
#define ONNXC_RT_REFERENCE_MAP_H

#include "reference/element.h"

typedef double onnxc_rt_f64_map1(const onnxc_rt_attr *attr, double x);
typedef uint64_t onnxc_rt_int_map1(const onnxc_rt_attr *attr, uint64_t x, int is_signed);
typedef double onnxc_rt_f64_map2(const onnxc_rt_attr *attr, double a, double b);
typedef uint64_t onnxc_rt_int_map2(const onnxc_rt_attr *attr, uint64_t a, uint64_t b,
                                   int is_signed);

/* Output 0 is the function of input 0, or of inputs 0 and 1, broadcast. */
int onnxc_rt_map1(const onnxc_rt_call *call, onnxc_rt_f64_map1 *f, onnxc_rt_int_map1 *g);
int onnxc_rt_map2(const onnxc_rt_call *call, onnxc_rt_f64_map2 *f, onnxc_rt_int_map2 *g);
/* Output 0 is the function of all inputs, from the first to the last, broadcast; a sum of floats
 * is divided by `divisor`. */
int onnxc_rt_fold(const onnxc_rt_call *call, onnxc_rt_f64_map2 *f, onnxc_rt_int_map2 *g,
                  double divisor);

/* Order of integers: whether a < b. */
int onnxc_rt_less(uint64_t a, uint64_t b, int is_signed);

#endif
