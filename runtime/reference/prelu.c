#include "onnxc_rt_reference.h"
#include "reference/map.h"

static double prelu_f64(const onnxc_rt_attr *attr, double x, double slope) {
  (void)attr;
  return x < 0 ? slope * x : x;
}

static uint64_t prelu_int(const onnxc_rt_attr *attr, uint64_t x, uint64_t slope, int is_signed) {
  (void)attr;
  return onnxc_rt_less(x, 0, is_signed) ? slope * x : x;
}

int onnxc_rt_ref_prelu(const onnxc_rt_call *call) {
  return onnxc_rt_map2(call, prelu_f64, prelu_int);
}
