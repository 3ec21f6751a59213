/* Activation functions. `a` and `b` are the first two attributes, where the function has them. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

static double sigmoid(double x) {
  const double e = exp(-fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

static double softplus(double x) {
  return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double gelu(const onnxc_rt_attr *approximate, double x) {
  if (onnxc_rt_attr_is(approximate, "tanh")) {
    const double sqrt_2_over_pi = 0.79788456080286535588;
    return 0.5 * x * (1 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x)));
  }
  return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double clamp01(double x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double shrink(double bias, double limit, double x) {
  if (x < -limit) return x + bias;
  return x > limit ? x - bias : isnan(x) ? x : 0;
}

#define ACTIVATION(name, expression)                                                               \
  static double name##_of(const onnxc_rt_attr *attr, double x) {                                   \
    return expression;                                                                             \
  }                                                                                                \
  int onnxc_rt_ref_##name(const onnxc_rt_call *call) {                                             \
    return onnxc_rt_map1(call, name##_of, NULL);                                                   \
  }
#define a attr[0].f
#define b attr[1].f

ACTIVATION(celu, x < 0 ? a * expm1(x / a) : x)
ACTIVATION(elu, x < 0 ? a * expm1(x) : x)
ACTIVATION(gelu, gelu(attr, x))
ACTIVATION(hard_sigmoid, clamp01(a *x + b))
ACTIVATION(hard_swish, ((void)attr, x *clamp01(x / 6 + 0.5)))
ACTIVATION(leaky_relu, x < 0 ? a * x : x)
ACTIVATION(mish, ((void)attr, x *tanh(softplus(x))))
ACTIVATION(selu, x > 0 ? b * x : b * a * expm1(x))
ACTIVATION(shrink, shrink(a, b, x))
ACTIVATION(sigmoid, ((void)attr, sigmoid(x)))
ACTIVATION(softplus, ((void)attr, softplus(x)))
ACTIVATION(softsign, ((void)attr, x / (1 + fabs(x))))
ACTIVATION(swish, x *sigmoid(a *x))
ACTIVATION(thresholded_relu, x > a || isnan(x) ? x : 0)
