/* Positions of the greatest and the least element along an axis; NaN counts as either. */
#include "onnxc_rt_reference.h"
#include "reference/order.h"

static int is_nan(const onnxc_rt_tensor *x, int64_t i) {
  return onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_FLOAT && isnan(onnxc_rt_load_f64(x, i));
}

/* Positive when element `a` is more of what is looked for than `b`; 0 when they are equal. */
static int better(const onnxc_rt_tensor *x, int64_t a, int64_t b, int greatest) {
  const int order = onnxc_rt_compare(x, a, x, b);
  return greatest || is_nan(x, a) || is_nan(x, b) ? order : -order;
}

static int find(const onnxc_rt_call *call, int greatest) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const int last_wins = call->attr[2].i != 0;
  const int64_t dim = x->dims[axis], inner = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t lines = onnxc_rt_count(y);
  if (dim == 0 && lines != 0) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t i = 0; i < lines; i++) {
    const int64_t start = i / inner * dim * inner + i % inner;
    int64_t found = 0;
    for (int64_t k = 1; k < dim; k++) {
      const int order = better(x, start + k * inner, start + found * inner, greatest);
      if (order > 0 || (order == 0 && last_wins)) found = k;
    }
    onnxc_rt_store_i64(y, i, found);
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_arg_max(const onnxc_rt_call *call) {
  return find(call, 1);
}

int onnxc_rt_ref_arg_min(const onnxc_rt_call *call) {
  return find(call, 0);
}
