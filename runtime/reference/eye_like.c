#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_eye_like(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t k = call->attr[0].i, rows = y->dims[0], columns = y->dims[1];
  onnxc_rt_clear(y);
  if (k >= columns || k <= -rows) return ONNXC_RT_OK;
  for (int64_t row = k < 0 ? -k : 0; row < rows && row + k < columns; row++) {
    onnxc_rt_store_i64(y, row * columns + row + k, 1);
  }
  return ONNXC_RT_OK;
}
