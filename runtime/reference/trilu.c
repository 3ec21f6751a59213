#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_trilu(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int upper = call->attr[0].i != 0;
  const int64_t rows = y->dims[y->rank - 2], columns = y->dims[y->rank - 1];
  int64_t k = onnxc_rt_has_in(call, 1) ? onnxc_rt_load_i64(&call->in[1], 0) : 0;
  if (k > columns) k = columns; /* as far as it makes a difference */
  if (k < -rows) k = -rows;
  onnxc_rt_clear(y);
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const int64_t row = i / columns % rows, column = i % columns;
    if (upper ? column >= row + k : column <= row + k) onnxc_rt_copy(y, i, x, i, 1);
  }
  return ONNXC_RT_OK;
}
