#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/order.h"

/* Where element `i` of `x` is among the keys, which are sorted; -1: nowhere. */
static int64_t find(const onnxc_rt_tensor *x, int64_t i, const onnxc_rt_tensor *keys) {
  int64_t low = 0, high = keys->dims[0];
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const int order = onnxc_rt_compare(x, i, keys, middle);
    if (order == 0) return middle;
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return -1;
}

int onnxc_rt_ref_lookup(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t n = onnxc_rt_count(x);
  for (int64_t i = 0; i < n; i++) {
    const int64_t found = find(x, i, &call->in[1]);
    if (found >= 0) {
      onnxc_rt_copy(y, i, &call->in[2], found, 1);
    } else if (onnxc_rt_has_in(call, 3)) {
      onnxc_rt_copy(y, i, &call->in[3], 0, 1);
    } else {
      return ONNXC_RT_ERROR_VALUE;
    }
  }
  return ONNXC_RT_OK;
}
