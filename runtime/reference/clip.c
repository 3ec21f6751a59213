#include "onnxc_rt_reference.h"
#include "reference/order.h"

/* The bounds are kept as elements: every value is one that is there. NaN stays, and bounds nothing.
 */
int onnxc_rt_ref_clip(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_FLOAT;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    onnxc_rt_copy(y, i, x, i, 1);
    if (is_float && isnan(onnxc_rt_load_f64(x, i))) continue;
    for (int32_t k = 1; k <= 2; k++) {
      if (!onnxc_rt_has_in(call, k)) continue;
      if (is_float && isnan(onnxc_rt_load_f64(&call->in[k], 0))) continue;
      const int order = onnxc_rt_compare(y, i, &call->in[k], 0);
      if (k == 1 ? order < 0 : order > 0) onnxc_rt_copy(y, i, &call->in[k], 0, 1);
    }
  }
  return ONNXC_RT_OK;
}
