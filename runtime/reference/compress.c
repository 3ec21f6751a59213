#include "onnxc_rt_reference.h"
#include "reference/element.h"

int onnxc_rt_ref_compress(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *condition = &call->in[1], *y = &call->out[0];
  const int flat = !call->attr[0].present;
  const int32_t axis = flat ? 0 : onnxc_rt_axis(call->attr[0].i, x->rank);
  const int64_t dim = flat ? onnxc_rt_count(x) : x->dims[axis];
  const int64_t outer = flat ? 1 : onnxc_rt_span(x, 0, axis);
  const int64_t inner = flat ? 1 : onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t given = onnxc_rt_count(condition);
  int64_t kept = 0, at = 0;
  for (int64_t i = 0; i < given; i++) kept += onnxc_rt_load_i64(condition, i) != 0;
  if (given > dim || !onnxc_rt_set_dim(y, axis, kept)) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; i < given; i++) {
    if (onnxc_rt_load_i64(condition, i) == 0) continue;
    for (int64_t o = 0; o < outer; o++) {
      onnxc_rt_copy(y, (o * kept + at) * inner, x, (o * dim + i) * inner, inner);
    }
    at++;
  }
  return ONNXC_RT_OK;
}
