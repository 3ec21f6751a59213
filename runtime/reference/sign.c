/* Functions of one number of any type, and tests of floats. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

static double abs_f64(const onnxc_rt_attr *attr, double x) {
  (void)attr;
  return fabs(x);
}

static uint64_t abs_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  return onnxc_rt_less(x, 0, is_signed) ? 0 - x : x;
}

int onnxc_rt_ref_abs(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, abs_f64, abs_int);
}

static double neg_f64(const onnxc_rt_attr *attr, double x) {
  (void)attr;
  return -x;
}

static uint64_t neg_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  (void)is_signed;
  return 0 - x;
}

int onnxc_rt_ref_neg(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, neg_f64, neg_int);
}

static double relu_f64(const onnxc_rt_attr *attr, double x) {
  (void)attr;
  return x < 0 ? 0 : x;
}

static uint64_t relu_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  return onnxc_rt_less(x, 0, is_signed) ? 0 : x;
}

int onnxc_rt_ref_relu(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, relu_f64, relu_int);
}

static double sign_f64(const onnxc_rt_attr *attr, double x) {
  (void)attr;
  return x > 0 ? 1 : x < 0 ? -1 : x;
}

static uint64_t sign_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  return onnxc_rt_less(x, 0, is_signed) ? UINT64_MAX : x != 0;
}

int onnxc_rt_ref_sign(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, sign_f64, sign_int);
}

static uint64_t not_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  (void)is_signed;
  return x == 0;
}

int onnxc_rt_ref_not(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, NULL, not_int);
}

static uint64_t bitwise_not_int(const onnxc_rt_attr *attr, uint64_t x, int is_signed) {
  (void)attr;
  (void)is_signed;
  return ~x;
}

int onnxc_rt_ref_bitwise_not(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, NULL, bitwise_not_int);
}

static double is_nan_f64(const onnxc_rt_attr *attr, double x) {
  (void)attr;
  return isnan(x) ? 1 : 0;
}

int onnxc_rt_ref_is_nan(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, is_nan_f64, NULL);
}

static double is_inf_f64(const onnxc_rt_attr *attr, double x) {
  return isinf(x) && attr[x < 0 ? 0 : 1].i != 0 ? 1 : 0;
}

int onnxc_rt_ref_is_inf(const onnxc_rt_call *call) {
  return onnxc_rt_map1(call, is_inf_f64, NULL);
}
