/* Arithmetic of two numbers, and of any number of them. Integers wrap around; a division by zero
 * gives zero. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

static uint64_t magnitude(uint64_t x, int is_signed) {
  return onnxc_rt_less(x, 0, is_signed) ? 0 - x : x;
}

static uint64_t div_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  (void)attr;
  if (b == 0) return 0;
  const uint64_t quotient = magnitude(a, is_signed) / magnitude(b, is_signed);
  return onnxc_rt_less(a, 0, is_signed) != onnxc_rt_less(b, 0, is_signed) ? 0 - quotient : quotient;
}

/* fmod: the remainder has the sign of `a`; else that of `b`. */
static uint64_t mod_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  if (b == 0) return 0;
  const uint64_t rest = a - div_int(attr, a, b, is_signed) * b;
  const int differ = onnxc_rt_less(a, 0, is_signed) != onnxc_rt_less(b, 0, is_signed);
  return attr[0].i == 0 && rest != 0 && differ ? rest + b : rest;
}

static double mod_f64(const onnxc_rt_attr *attr, double a, double b) {
  const double rest = fmod(a, b);
  if (attr[0].i != 0) return rest;
  if (rest == 0) return copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

/* NaN wins. */
static double max_f64(const onnxc_rt_attr *attr, double a, double b) {
  (void)attr;
  return isnan(a) || a > b ? a : b;
}

static double min_f64(const onnxc_rt_attr *attr, double a, double b) {
  (void)attr;
  return isnan(a) || a < b ? a : b;
}

static uint64_t max_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  (void)attr;
  return onnxc_rt_less(a, b, is_signed) ? b : a;
}

static uint64_t min_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  (void)attr;
  return onnxc_rt_less(b, a, is_signed) ? b : a;
}

#define OPERATOR(name, operator_)                                                                  \
  static double name##_f64(const onnxc_rt_attr *attr, double a, double b) {                        \
    (void)attr;                                                                                    \
    return a operator_ b;                                                                          \
  }                                                                                                \
  static uint64_t name##_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {   \
    (void)attr;                                                                                    \
    (void)is_signed;                                                                               \
    return a operator_ b;                                                                          \
  }
OPERATOR(add, +)
OPERATOR(sub, -)
OPERATOR(mul, *)

static double div_f64(const onnxc_rt_attr *attr, double a, double b) {
  (void)attr;
  return a / b;
}

#define KERNEL2(name)                                                                              \
  int onnxc_rt_ref_##name(const onnxc_rt_call *call) {                                             \
    return onnxc_rt_map2(call, name##_f64, name##_int);                                            \
  }
KERNEL2(add)
KERNEL2(sub)
KERNEL2(mul)
KERNEL2(div)
KERNEL2(mod)

int onnxc_rt_ref_max(const onnxc_rt_call *call) {
  return onnxc_rt_fold(call, max_f64, max_int, 1);
}

int onnxc_rt_ref_min(const onnxc_rt_call *call) {
  return onnxc_rt_fold(call, min_f64, min_int, 1);
}

int onnxc_rt_ref_sum(const onnxc_rt_call *call) {
  return onnxc_rt_fold(call, add_f64, add_int, 1);
}

int onnxc_rt_ref_mean(const onnxc_rt_call *call) {
  return onnxc_rt_fold(call, add_f64, add_int, call->n_in);
}
