/* Functions of one float. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

#define MATH(name, expression)                                                                     \
  static double name##_of(const onnxc_rt_attr *attr, double x) {                                   \
    (void)attr;                                                                                    \
    return expression;                                                                             \
  }                                                                                                \
  int onnxc_rt_ref_##name(const onnxc_rt_call *call) {                                             \
    return onnxc_rt_map1(call, name##_of, NULL);                                                   \
  }

MATH(acos, acos(x))
MATH(acosh, acosh(x))
MATH(asin, asin(x))
MATH(asinh, asinh(x))
MATH(atan, atan(x))
MATH(atanh, atanh(x))
MATH(ceil, ceil(x))
MATH(cos, cos(x))
MATH(cosh, cosh(x))
MATH(erf, erf(x))
MATH(exp, exp(x))
MATH(floor, floor(x))
MATH(log, log(x))
MATH(reciprocal, 1 / x)
MATH(round, rint(x))
MATH(sin, sin(x))
MATH(sinh, sinh(x))
MATH(sqrt, sqrt(x))
MATH(tan, tan(x))
MATH(tanh, tanh(x))
