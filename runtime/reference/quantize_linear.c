#include "onnxc_rt_reference.h"
#include "reference/granularity.h"
#include "reference/minifloat.h"

/* The type of the division: that of attribute `precision`, else that of the scale. */
static int32_t precision_of(const onnxc_rt_call *call) {
  return call->attr[4].i != 0 ? (int32_t)call->attr[4].i : call->in[1].dtype;
}

/* To the type where it has 16 bits, else to float. */
static float rounded(int32_t dtype, double value) {
  if (dtype != ONNXC_RT_F16 && dtype != ONNXC_RT_BF16) return (float)value;
  const unsigned bits = onnxc_rt_minifloat_encode(dtype, value, ONNXC_RT_OVERFLOW_SPECIAL);
  return (float)onnxc_rt_minifloat_decode(dtype, bits);
}

/* The quotient is rounded before it is rounded to a whole number. */
static float quotient(const onnxc_rt_call *call, int64_t i, int64_t at) {
  const int32_t dtype = precision_of(call);
  const float x = rounded(dtype, onnxc_rt_load_f64(&call->in[0], i));
  const float scale = rounded(dtype, onnxc_rt_load_f64(&call->in[1], at));
  return rounded(dtype, (double)(x / scale));
}

static double largest(int32_t dtype) {
  switch (onnxc_rt_class_of(dtype)) {
  case ONNXC_RT_CLASS_INT: return ldexp(1, onnxc_rt_bits(dtype) - 1) - 1;
  case ONNXC_RT_CLASS_UINT: return ldexp(1, onnxc_rt_bits(dtype)) - 1;
  default:
    return onnxc_rt_minifloat_decode(
        dtype, onnxc_rt_minifloat_encode(dtype, HUGE_VAL, ONNXC_RT_OVERFLOW_SATURATE));
  }
}

/* The nearest of what the type holds; a NaN stays. */
static double saturate(int32_t dtype, double value) {
  const onnxc_rt_class cls = onnxc_rt_class_of(dtype);
  const double most = largest(dtype);
  const double least = cls == ONNXC_RT_CLASS_UINT  ? 0
                       : cls == ONNXC_RT_CLASS_INT ? -most - 1
                                                   : -most;
  return value > most ? most : value < least ? least : value;
}

static double zero_at(const onnxc_rt_call *call, int64_t at) {
  return onnxc_rt_has_in(call, 2) ? onnxc_rt_load_f64(&call->in[2], at) : 0;
}

int onnxc_rt_ref_quantize_linear(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(y->dtype) == ONNXC_RT_CLASS_FLOAT;
  const onnxc_rt_granularity g =
      onnxc_rt_granularity_of(x, &call->in[1], call->attr[0].i, call->attr[1].i);
  const int64_t count = onnxc_rt_count(x);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = onnxc_rt_granularity_at(&g, i);
    double value = (double)quotient(call, i, at);
    if (!is_float) value = rint(value) + zero_at(call, at);
    if (!is_float || call->attr[2].i != 0) value = saturate(y->dtype, value);
    onnxc_rt_store_f64(y, i, value);
  }
  return ONNXC_RT_OK;
}
