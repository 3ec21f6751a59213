#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int64_t clamp(int64_t at, int32_t rank) {
  if (at < 0) at += rank;
  return at < 0 ? 0 : at > rank ? rank : at;
}

int onnxc_rt_ref_shape(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t start = clamp(call->attr[0].i, x->rank);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) onnxc_rt_store_i64(y, i, x->dims[start + i]);
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_size(const onnxc_rt_call *call) {
  onnxc_rt_store_i64(&call->out[0], 0, onnxc_rt_count(&call->in[0]));
  return ONNXC_RT_OK;
}
