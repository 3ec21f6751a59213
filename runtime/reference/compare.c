/* Comparisons and logic: the result is bool. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"
#include "reference/text.h"

#define COMPARISON(name, float_expression, int_expression)                                         \
  static double name##_f64(const onnxc_rt_attr *attr, double a, double b) {                        \
    (void)attr;                                                                                    \
    return float_expression ? 1 : 0;                                                               \
  }                                                                                                \
  static uint64_t name##_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {   \
    (void)attr;                                                                                    \
    (void)is_signed;                                                                               \
    return (int_expression) ? 1 : 0;                                                               \
  }
#define KERNEL(name)                                                                               \
  int onnxc_rt_ref_##name(const onnxc_rt_call *call) {                                             \
    return onnxc_rt_map2(call, name##_f64, name##_int);                                            \
  }

COMPARISON(equal, a == b, a == b)
COMPARISON(greater, a > b, onnxc_rt_less(b, a, is_signed))
COMPARISON(greater_or_equal, a >= b, !onnxc_rt_less(a, b, is_signed))
COMPARISON(less, a < b, onnxc_rt_less(a, b, is_signed))
COMPARISON(less_or_equal, a <= b, !onnxc_rt_less(b, a, is_signed))
COMPARISON(and, a != 0 && b != 0, a != 0 && b != 0)
COMPARISON(or, a != 0 || b != 0, a != 0 || b != 0)
COMPARISON(xor, (a != 0) != (b != 0), (a != 0) != (b != 0))

KERNEL(greater)
KERNEL(greater_or_equal)
KERNEL(less)
KERNEL(less_or_equal)
KERNEL(and)
KERNEL(or)
KERNEL(xor)

static int equal_strings(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
  const onnxc_rt_string *p = (const onnxc_rt_string *)a->data;
  const onnxc_rt_string *q = (const onnxc_rt_string *)b->data;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_broadcast(&walk, a->dims, a->rank);
  onnxc_rt_walk_broadcast(&walk, b->dims, b->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    onnxc_rt_store_i64(y, i, onnxc_rt_string_equal(&p[walk.at[0]], &q[walk.at[1]]));
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_equal(const onnxc_rt_call *call) {
  if (call->in[0].dtype == ONNXC_RT_STRING) return equal_strings(call);
  return onnxc_rt_map2(call, equal_f64, equal_int);
}
