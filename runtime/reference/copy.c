#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_copy(const onnxc_rt_call *call) {
  onnxc_rt_copy(&call->out[0], 0, &call->in[0], 0, onnxc_rt_count(&call->out[0]));
  return ONNXC_RT_OK;
}
