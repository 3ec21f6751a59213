/* Operators that change the sizes and keep the elements. Sizes are computed here only where the
 * input that gives them is there. */
#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int finish(const onnxc_rt_call *call) {
  if (onnxc_rt_count(&call->out[0]) != onnxc_rt_count(&call->in[0])) return ONNXC_RT_ERROR_SHAPE;
  return onnxc_rt_ref_copy(call);
}

/* The size that -1 stands for: what the other sizes leave of the input. A size that is copied
 * counts on neither side, so that one of 0 leaves the same as any other. -1: they are too large. */
static int64_t rest(const onnxc_rt_call *call, int allow_zero) {
  const onnxc_rt_tensor *x = &call->in[0], *shape = &call->in[1];
  const int32_t rank = call->out[0].rank;
  int64_t known = 1, total = 1;
  for (int32_t i = 0; i < rank || i < x->rank; i++) {
    const int64_t size = i < rank ? onnxc_rt_load_i64(shape, i) : -1;
    if (size == 0 && !allow_zero) continue;
    if (size > INT32_MAX || known > INT64_MAX / INT32_MAX) return -1;
    if (size >= 0) known *= size;
    if (i < x->rank) total *= x->dims[i];
  }
  return known == 0 ? 0 : total / known;
}

int onnxc_rt_ref_reshape(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int allow_zero = call->attr[0].i != 0;
  if (onnxc_rt_has_in(call, 1)) {
    const int64_t left = rest(call, allow_zero);
    if (left < 0) return ONNXC_RT_ERROR_SHAPE;
    for (int32_t i = 0; i < y->rank; i++) {
      int64_t size = onnxc_rt_load_i64(&call->in[1], i);
      if (size == 0 && !allow_zero) size = i < x->rank ? x->dims[i] : -2;
      if (size == -1) size = left;
      if (!onnxc_rt_set_dim(y, i, size)) return ONNXC_RT_ERROR_SHAPE;
    }
  }
  return finish(call);
}

/* Bit i: axis i is among the axes of input 1, which count in `rank`. */
static uint32_t axes_of(const onnxc_rt_call *call, int32_t rank) {
  uint32_t axes = 0;
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[1]); i++) {
    const int32_t axis = onnxc_rt_axis(onnxc_rt_load_i64(&call->in[1], i), rank);
    if (axis >= 0) axes |= (uint32_t)1 << axis;
  }
  return axes;
}

int onnxc_rt_ref_squeeze(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  if (onnxc_rt_has_in(call, 1)) {
    const uint32_t axes = axes_of(call, x->rank);
    int32_t at = 0;
    for (int32_t i = 0; i < x->rank; i++) {
      if (axes >> i & 1U) continue;
      if (at == y->rank || !onnxc_rt_set_dim(y, at++, x->dims[i])) return ONNXC_RT_ERROR_SHAPE;
    }
  }
  return finish(call);
}

int onnxc_rt_ref_unsqueeze(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  if (onnxc_rt_has_in(call, 1)) {
    const uint32_t axes = axes_of(call, y->rank);
    int32_t at = 0;
    for (int32_t i = 0; i < y->rank; i++) {
      const int64_t size = axes >> i & 1U ? 1 : at < x->rank ? x->dims[at++] : -1;
      if (!onnxc_rt_set_dim(y, i, size)) return ONNXC_RT_ERROR_SHAPE;
    }
  }
  return finish(call);
}
