#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/stream.h"

enum { ALL_BITS = 53 };

/* Significant bits of a float type. */
static int precision(int32_t dtype) {
  switch (dtype) {
  case ONNXC_RT_F64: return ALL_BITS;
  case ONNXC_RT_F16: return 11;
  case ONNXC_RT_BF16: return 8;
  default: return 24;
  }
}

/* Box and Muller: two uniform numbers give a normal one. */
static double normal(uint64_t stream, uint64_t i) {
  const double radius = sqrt(-2 * log(1 - onnxc_rt_uniform(stream, 2 * i, ALL_BITS)));
  const double turn = onnxc_rt_uniform(stream, 2 * i + 1, ALL_BITS);
  return radius * cos(2 * 3.14159265358979323846 * turn);
}

int onnxc_rt_ref_random_normal(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const uint64_t stream = onnxc_rt_stream(call);
  const double scale = call->attr[2].f, mean = call->attr[3].f;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    onnxc_rt_store_f64(y, i, mean + scale * normal(stream, (uint64_t)i));
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_random_uniform(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const uint64_t stream = onnxc_rt_stream(call);
  const double high = call->attr[2].f, low = call->attr[3].f;
  const int bits = precision(y->dtype);
  const volatile double width = high - low;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    /* volatile: fused with the addition, the product would be rounded differently. */
    const volatile double offset = width * onnxc_rt_uniform(stream, (uint64_t)i, bits);
    onnxc_rt_store_f64(y, i, low + offset);
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_bernoulli(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const uint64_t stream = onnxc_rt_stream(call);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const double number = onnxc_rt_uniform(stream, (uint64_t)i, ALL_BITS);
    onnxc_rt_store_i64(y, i, number < onnxc_rt_load_f64(x, i));
  }
  return ONNXC_RT_OK;
}
