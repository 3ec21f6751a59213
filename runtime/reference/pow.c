#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Wraps around. A negative exponent leaves what is left of a fraction: 1, -1 or 0. */
static int64_t pow_int(int64_t base, int64_t exponent) {
  uint64_t result = 1, square = (uint64_t)base;
  if (exponent < 0) {
    if (base == 1 || base == -1) return exponent % 2 != 0 ? base : 1;
    return 0;
  }
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0) result *= square;
    square *= square;
  }
  return (int64_t)result;
}

int onnxc_rt_ref_pow(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *e = &call->in[1], *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_FLOAT ||
                       onnxc_rt_class_of(e->dtype) == ONNXC_RT_CLASS_FLOAT;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_broadcast(&walk, x->dims, x->rank);
  onnxc_rt_walk_broadcast(&walk, e->dims, e->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    if (is_float) {
      const double base = onnxc_rt_load_f64(x, walk.at[0]);
      onnxc_rt_store_f64(y, i, pow(base, onnxc_rt_load_f64(e, walk.at[1])));
    } else {
      const int64_t base = onnxc_rt_load_i64(x, walk.at[0]);
      onnxc_rt_store_i64(y, i, pow_int(base, onnxc_rt_load_i64(e, walk.at[1])));
    }
  }
  return ONNXC_RT_OK;
}
