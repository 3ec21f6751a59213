/* Operators on bits. A shift by the width or more leaves nothing but the sign. */
#include "onnxc_rt_reference.h"
#include "reference/map.h"

#define BITWISE(name, operator_)                                                                   \
  static uint64_t name##_int(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {   \
    (void)attr;                                                                                    \
    (void)is_signed;                                                                               \
    return a operator_ b;                                                                          \
  }                                                                                                \
  int onnxc_rt_ref_##name(const onnxc_rt_call *call) {                                             \
    return onnxc_rt_map2(call, NULL, name##_int);                                                  \
  }
BITWISE(bitwise_and, &)
BITWISE(bitwise_or, |)
BITWISE(bitwise_xor, ^)

static uint64_t shift_left(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  (void)attr;
  (void)is_signed;
  return b < 64 ? a << b : 0;
}

/* Arithmetic for signed types: the sign fills what is left empty. */
static uint64_t shift_right(const onnxc_rt_attr *attr, uint64_t a, uint64_t b, int is_signed) {
  const uint64_t fill = onnxc_rt_less(a, 0, is_signed) ? UINT64_MAX : 0;
  (void)attr;
  return b < 64 ? ((a ^ fill) >> b) ^ fill : fill;
}

int onnxc_rt_ref_bit_shift(const onnxc_rt_call *call) {
  const int left = onnxc_rt_attr_is(&call->attr[0], "LEFT");
  return onnxc_rt_map2(call, NULL, left ? shift_left : shift_right);
}
