/* The functions of onnxc_rt_math.h that approximate, for their test and their benchmark. */
#ifndef ONNXC_TESTS_MATH_FUNCTIONS_H
#define ONNXC_TESTS_MATH_FUNCTIONS_H

#include "onnxc_rt_math.h"

/* MF(name, ULP that it may be off, call for a float x, exact for a double x, libm for a float x) */
#define MATH_FUNCTIONS(MF)                                                                         \
  MF(exp, 2, onnxc_rt_exp_f32(x), exp(x), expf(x))                                                 \
  MF(expm1, 2, onnxc_rt_expm1_f32(x), expm1(x), expm1f(x))                                         \
  MF(tanh, 2, onnxc_rt_tanh_f32(x), tanh(x), tanhf(x))                                             \
  MF(sigmoid, 2, onnxc_rt_sigmoid_f32(x), onnxc_rt_sigmoid_f64(x), 1.0f / (1.0f + expf(-x)))       \
  MF(log, 2, onnxc_rt_log_f32(x), log(x), logf(x))                                                 \
  MF(log1p, 2, onnxc_rt_log1p_f32(x), log1p(x), log1pf(x))                                         \
  MF(erf, 2, onnxc_rt_erf_f32(x), erf(x), erff(x))                                                 \
  MF(softplus, 4, onnxc_rt_softplus_f32(x), onnxc_rt_softplus_f64(x), log1pf(expf(x)))             \
  MF(gelu, 4, onnxc_rt_gelu_f32(x), onnxc_rt_gelu_f64(x), 0.5f * x * erfcf(-0.70710678f * x))      \
  MF(gelu_tanh, 4, onnxc_rt_gelu_tanh_f32(x), onnxc_rt_gelu_tanh_f64(x),                           \
     0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x))))                         \
  MF(swish, 4, onnxc_rt_swish_f32(x, 1.0f), onnxc_rt_swish_f64(x, 1.0), x / (1.0f + expf(-x)))     \
  MF(quick_gelu, 4, onnxc_rt_swish_f32(x, 1.702f), onnxc_rt_swish_f64(x, (double)1.702f),          \
     x / (1.0f + expf(-1.702f * x)))                                                               \
  MF(mish, 4, onnxc_rt_mish_f32(x), onnxc_rt_mish_f64(x), x *tanhf(log1pf(expf(x))))

/* How far `got` is from the exact value, in units of the last place of a float there. */
static inline double math_ulps(float got, double exact) {
  const float rounded = (float)exact;
  if (isnan(exact)) return isnan(got) ? 0 : (double)INFINITY;
  if (isinf(rounded) || got == rounded) return got == rounded ? 0 : (double)INFINITY;
  const float near = fabsf(rounded);
  const double ulp = near == FLT_MAX ? 0x1p104 : (double)(nextafterf(near, INFINITY) - near);
  return fabs((double)got - exact) / ulp;
}

#endif
