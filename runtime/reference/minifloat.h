/* Floating-point formats narrower than binary32, as bit patterns: binary16, bfloat16, the float8
 * kinds and float4. */
#ifndef ONNXC_RT_REFERENCE_MINIFLOAT_H
#define ONNXC_RT_REFERENCE_MINIFLOAT_H

#include "onnxc_rt.h"

/* What becomes of infinities and of values that round past the largest one. */
typedef enum onnxc_rt_overflow {
  ONNXC_RT_OVERFLOW_SPECIAL, /* infinity, or NaN where there is none, or the largest value */
  ONNXC_RT_OVERFLOW_SATURATE /* the largest value */
} onnxc_rt_overflow;

/* Rounding of float8e8m0, which holds powers of two only. */
typedef enum onnxc_rt_round {
  ONNXC_RT_ROUND_UP,
  ONNXC_RT_ROUND_DOWN,
  ONNXC_RT_ROUND_NEAREST /* ties go up */
} onnxc_rt_round;

/* `dtype`: F16, BF16, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ or F4E2M1. Encoding rounds to
 * nearest, ties to even, in one step. */
double onnxc_rt_minifloat_decode(int32_t dtype, unsigned bits);
unsigned onnxc_rt_minifloat_encode(int32_t dtype, double value, onnxc_rt_overflow overflow);

double onnxc_rt_e8m0_decode(unsigned bits);
unsigned onnxc_rt_e8m0_encode(double value, onnxc_rt_round round, onnxc_rt_overflow overflow);

#endif
