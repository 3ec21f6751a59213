#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/minifloat.h"

static onnxc_rt_round round_mode(const onnxc_rt_attr *attr) {
  if (onnxc_rt_attr_is(attr, "down")) return ONNXC_RT_ROUND_DOWN;
  return onnxc_rt_attr_is(attr, "nearest") ? ONNXC_RT_ROUND_NEAREST : ONNXC_RT_ROUND_UP;
}

static int is_float8(int32_t dtype) {
  return dtype >= ONNXC_RT_F8E4M3FN && dtype <= ONNXC_RT_F8E5M2FNUZ;
}

/* float8 has its own rules for what is too large. */
static void to_float8(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const onnxc_rt_overflow overflow =
      call->attr[0].i != 0 ? ONNXC_RT_OVERFLOW_SATURATE : ONNXC_RT_OVERFLOW_SPECIAL;
  const onnxc_rt_round round = round_mode(&call->attr[1]);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const double value = onnxc_rt_load_f64(x, i);
    ((uint8_t *)y->data)[i] = (uint8_t)(y->dtype == ONNXC_RT_F8E8M0
                                            ? onnxc_rt_e8m0_encode(value, round, overflow)
                                            : onnxc_rt_minifloat_encode(y->dtype, value, overflow));
  }
}

static void convert(const onnxc_rt_tensor *x, const onnxc_rt_tensor *y) {
  const onnxc_rt_class cls = onnxc_rt_class_of(x->dtype);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    if (cls == ONNXC_RT_CLASS_FLOAT) {
      onnxc_rt_store_f64(y, i, onnxc_rt_load_f64(x, i));
    } else if (cls == ONNXC_RT_CLASS_INT) {
      onnxc_rt_store_i64(y, i, onnxc_rt_load_i64(x, i));
    } else {
      onnxc_rt_store_u64(y, i, (uint64_t)onnxc_rt_load_i64(x, i));
    }
  }
}

int onnxc_rt_ref_cast(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  if (x->dtype == y->dtype) return onnxc_rt_ref_copy(call);
  if (is_float8(y->dtype) || y->dtype == ONNXC_RT_F8E8M0) {
    to_float8(call);
  } else {
    convert(x, y);
  }
  return ONNXC_RT_OK;
}
