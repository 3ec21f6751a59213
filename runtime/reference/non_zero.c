#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Of strings the empty one is. */
static int is_zero(const onnxc_rt_tensor *x, int64_t i) {
  if (x->dtype == ONNXC_RT_STRING) return ((const onnxc_rt_string *)x->data)[i].size == 0;
  int32_t parts, zero = 1;
  const onnxc_rt_tensor numbers = onnxc_rt_components(x, &parts);
  const int is_float = onnxc_rt_class_of(numbers.dtype) == ONNXC_RT_CLASS_FLOAT;
  for (int32_t k = 0; k < parts; k++) {
    const int64_t at = i * parts + k;
    zero = zero &&
           (is_float ? onnxc_rt_load_f64(&numbers, at) == 0 : onnxc_rt_load_i64(&numbers, at) == 0);
  }
  return zero;
}

int onnxc_rt_ref_non_zero(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  onnxc_rt_walk walk;
  int64_t found = 0, at = 0;
  for (int64_t i = 0; i < onnxc_rt_count(x); i++) found += !is_zero(x, i);
  if (!onnxc_rt_set_dim(y, 1, found)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_walk_init(&walk, x->dims, x->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    if (is_zero(x, i)) continue;
    for (int32_t axis = 0; axis < x->rank; axis++) {
      onnxc_rt_store_i64(y, axis * found + at, walk.index[axis]);
    }
    at++;
  }
  return ONNXC_RT_OK;
}
