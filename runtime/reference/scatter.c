#include "reference/scatter.h"

static double combine_f64(char how, double a, double b) {
  switch (how) {
  case 'a': return a + b;
  case 'm': return a * b;
  case '>': return isnan(a) || a > b ? a : b;
  default: return isnan(a) || a < b ? a : b;
  }
}

static uint64_t combine_bits(char how, uint64_t a, uint64_t b, int is_signed) {
  const uint64_t sign = is_signed ? (uint64_t)1 << 63 : 0; /* order of signed as of unsigned */
  switch (how) {
  case 'a': return a + b;
  case 'm': return a * b;
  case '>': return (a ^ sign) > (b ^ sign) ? a : b;
  default: return (a ^ sign) < (b ^ sign) ? a : b;
  }
}

void onnxc_rt_scatter_begin(const onnxc_rt_tensor *y, const onnxc_rt_tensor *x) {
  if (y->data != x->data) onnxc_rt_copy(y, 0, x, 0, onnxc_rt_count(x));
}

void onnxc_rt_scatter_element(const onnxc_rt_attr *reduction, const onnxc_rt_tensor *to,
                              int64_t to_at, const onnxc_rt_tensor *from, int64_t from_at) {
  if (!reduction->present || onnxc_rt_attr_is(reduction, "none")) {
    onnxc_rt_copy(to, to_at, from, from_at, 1);
    return;
  }
  const char how = onnxc_rt_attr_is(reduction, "max")   ? '>'
                   : onnxc_rt_attr_is(reduction, "min") ? '<'
                                                        : reduction->s[0];
  if (onnxc_rt_class_of(to->dtype) == ONNXC_RT_CLASS_FLOAT) {
    const double a = onnxc_rt_load_f64(to, to_at), b = onnxc_rt_load_f64(from, from_at);
    onnxc_rt_store_f64(to, to_at, combine_f64(how, a, b));
  } else {
    const int is_signed = onnxc_rt_class_of(to->dtype) == ONNXC_RT_CLASS_INT;
    const uint64_t a = (uint64_t)onnxc_rt_load_i64(to, to_at);
    const uint64_t b = (uint64_t)onnxc_rt_load_i64(from, from_at);
    onnxc_rt_store_u64(to, to_at, combine_bits(how, a, b, is_signed));
  }
}
