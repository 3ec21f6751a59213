#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int64_t listed(const onnxc_rt_attr *attr, int32_t i, int64_t otherwise) {
  return attr->present ? attr->ints[i] : otherwise;
}

/* The sizes that the indices count in: those that were pooled. */
static void pooled_sizes(const onnxc_rt_call *call, int64_t *dims) {
  const onnxc_rt_tensor *x = &call->in[0];
  const onnxc_rt_attr *kernel = &call->attr[0], *pads = &call->attr[1], *strides = &call->attr[2];
  dims[0] = x->dims[0];
  dims[1] = x->dims[1];
  for (int32_t i = 0; i < x->rank - 2; i++) {
    const int64_t padding = listed(pads, i, 0) + listed(pads, x->rank - 2 + i, 0);
    dims[2 + i] = (x->dims[2 + i] - 1) * listed(strides, i, 1) - padding + kernel->ints[i];
  }
}

/* Where element `index` of a tensor of sizes `from` lies in one of sizes `to`; -1: nowhere. */
static int64_t place(int64_t index, const int64_t *from, const onnxc_rt_tensor *to) {
  int64_t at = 0, stride = 1;
  for (int32_t i = to->rank - 1; i >= 0; i--) {
    const int64_t k = index % from[i];
    if (k >= to->dims[i]) return -1;
    at += k * stride;
    stride *= to->dims[i];
    index /= from[i];
  }
  return at;
}

int onnxc_rt_ref_max_unpool(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  int64_t from[ONNXC_RT_MAX_RANK], count = 1;
  for (int32_t i = 0; onnxc_rt_has_in(call, 2) && i < y->rank; i++) {
    const int64_t size = onnxc_rt_load_i64(&call->in[2], i);
    if (!onnxc_rt_set_dim(y, i, size)) return ONNXC_RT_ERROR_SHAPE;
  }
  pooled_sizes(call, from);
  for (int32_t i = 0; i < y->rank; i++) count *= from[i];
  onnxc_rt_clear(y);
  for (int64_t i = 0; i < onnxc_rt_count(x); i++) {
    const int64_t index = onnxc_rt_load_i64(&call->in[1], i);
    if (index < 0 || index >= count) return ONNXC_RT_ERROR_INDEX;
    const int64_t to = place(index, from, y);
    if (to < 0) return ONNXC_RT_ERROR_INDEX;
    onnxc_rt_copy(y, to, x, i, 1);
  }
  return ONNXC_RT_OK;
}
