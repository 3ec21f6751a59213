#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* The sums that a reduction is made of. */
typedef struct Totals {
  double loss, weight;
} Totals;

/* The loss of one sample and its weight; false when the class is outside. */
static int sample_loss(const onnxc_rt_call *call, int64_t i, double *loss, double *weight) {
  const onnxc_rt_tensor *x = &call->in[0], *target = &call->in[1];
  const onnxc_rt_attr *ignored = &call->attr[1];
  const int64_t classes = x->dims[1], inner = onnxc_rt_span(x, 2, x->rank);
  const int64_t wanted = onnxc_rt_load_i64(target, i);
  *loss = *weight = 0;
  if (ignored->present && wanted == ignored->i) return 1;
  if (wanted < 0 || wanted >= classes) return 0;
  *weight = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_f64(&call->in[2], wanted) : 1;
  const int64_t at = (i / inner * classes + wanted) * inner + i % inner;
  *loss = -onnxc_rt_load_f64(x, at) * *weight;
  return 1;
}

int onnxc_rt_ref_nll_loss(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int none = onnxc_rt_attr_is(&call->attr[0], "none");
  Totals totals = {0, 0};
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[1]); i++) {
    double loss, weight;
    if (!sample_loss(call, i, &loss, &weight)) return ONNXC_RT_ERROR_INDEX;
    if (none) onnxc_rt_store_f64(y, i, loss);
    totals.loss += loss;
    totals.weight += weight;
  }
  const int mean = onnxc_rt_attr_is(&call->attr[0], "mean");
  if (!none) onnxc_rt_store_f64(y, 0, mean ? totals.loss / totals.weight : totals.loss);
  return ONNXC_RT_OK;
}
