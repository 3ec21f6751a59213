#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* max(ceil((limit - start) / delta), 0); -1 when that is no size. */
static int64_t length_f64(double start, double limit, double delta) {
  const double length = ceil((limit - start) / delta);
  if (!(length > 0)) return isnan(length) ? -1 : 0;
  return length < 9e18 ? (int64_t)length : -1;
}

static int64_t length_i64(int64_t start, int64_t limit, int64_t delta) {
  if (delta > 0 ? limit <= start : limit >= start) return 0;
  const uint64_t distance =
      delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
  const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
  const uint64_t length = (distance - 1) / step + 1;
  return length <= (uint64_t)INT64_MAX ? (int64_t)length : -1;
}

/* input 0 + i * input 2 */
static void fill(const onnxc_rt_call *call, int is_float) {
  const onnxc_rt_tensor *y = &call->out[0];
  for (int64_t i = 0; i < y->dims[0]; i++) {
    if (is_float) {
      const double delta = onnxc_rt_load_f64(&call->in[2], 0);
      onnxc_rt_store_f64(y, i, onnxc_rt_load_f64(&call->in[0], 0) + (double)i * delta);
    } else {
      const uint64_t start = (uint64_t)onnxc_rt_load_i64(&call->in[0], 0);
      const uint64_t delta = (uint64_t)onnxc_rt_load_i64(&call->in[2], 0);
      onnxc_rt_store_u64(y, i, start + (uint64_t)i * delta);
    }
  }
}

int onnxc_rt_ref_range(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *start = &call->in[0], *limit = &call->in[1], *delta = &call->in[2];
  const int is_float = onnxc_rt_class_of(start->dtype) == ONNXC_RT_CLASS_FLOAT;
  if (onnxc_rt_load_f64(delta, 0) == 0) return ONNXC_RT_ERROR_VALUE;
  if (onnxc_rt_has_in(call, 1)) {
    const int64_t length =
        is_float ? length_f64(onnxc_rt_load_f64(start, 0), onnxc_rt_load_f64(limit, 0),
                              onnxc_rt_load_f64(delta, 0))
                 : length_i64(onnxc_rt_load_i64(start, 0), onnxc_rt_load_i64(limit, 0),
                              onnxc_rt_load_i64(delta, 0));
    if (!onnxc_rt_set_dim(&call->out[0], 0, length)) return ONNXC_RT_ERROR_SHAPE;
  }
  fill(call, is_float);
  return ONNXC_RT_OK;
}
