#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_dims(const onnxc_rt_call *call) {
  int64_t count = onnxc_rt_count(&call->out[0]);
  for (int64_t i = 0; i < count; i++) {
    onnxc_rt_store_i64(&call->out[0], i, call->attr[0].ints[i]);
  }
  return ONNXC_RT_OK;
}
