/* Activation functions. `a` and `b` are the first two attributes, where the function has them. */
#include "onnxc_rt_math.h"
#include "onnxc_rt_reference.h"
#include "reference/map.h"

static double clamp01(double x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double shrink(double bias, double limit, double x) {
  if (x < -limit) return x + bias;
  return x > limit ? x - bias : 0;
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
ACTIVATION(gelu, onnxc_rt_attr_is(attr, "tanh") ? onnxc_rt_gelu_tanh_f64(x) : onnxc_rt_gelu_f64(x))
ACTIVATION(hard_sigmoid, clamp01(a *x + b))
ACTIVATION(hard_swish, ((void)attr, x *clamp01((x + 3) / 6)))
ACTIVATION(leaky_relu, x < 0 ? a * x : x)
ACTIVATION(mish, ((void)attr, onnxc_rt_mish_f64(x)))
ACTIVATION(selu, x > 0 ? b * x : b * a * expm1(x))
ACTIVATION(shrink, shrink(a, b, x))
ACTIVATION(sigmoid, ((void)attr, onnxc_rt_sigmoid_f64(x)))
ACTIVATION(softplus, ((void)attr, onnxc_rt_softplus_f64(x)))
ACTIVATION(softsign, ((void)attr, x / (1 + fabs(x))))
ACTIVATION(swish, onnxc_rt_swish_f64(x, a))
ACTIVATION(thresholded_relu, x > a ? x : 0)
