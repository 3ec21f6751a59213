#include "onnxc_rt_reference.h"
#include "reference/decimal.h"
#include "reference/element.h"

static int read_float(onnxc_rt_string string, const onnxc_rt_tensor *y, int64_t i) {
  double value;
  if (!onnxc_rt_read_f64(string, &value)) return 0;
  onnxc_rt_store_f64(y, i, value);
  return 1;
}

/* What is negative wraps around in unsigned types. */
static int read_integer(onnxc_rt_string string, const onnxc_rt_tensor *y, int64_t i) {
  uint64_t magnitude;
  int negative;
  if (!onnxc_rt_read_u64(string, &magnitude, &negative)) return 0;
  const uint64_t most = (uint64_t)INT64_MAX + (uint64_t)(negative != 0);
  if (y->dtype == ONNXC_RT_I64 && magnitude > most) return 0;
  onnxc_rt_store_u64(y, i, negative ? 0 - magnitude : magnitude);
  return 1;
}

int onnxc_rt_ref_read_numbers(const onnxc_rt_call *call) {
  const onnxc_rt_string *strings = (const onnxc_rt_string *)call->in[0].data;
  const onnxc_rt_tensor *y = &call->out[0];
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const int read =
        y->dtype == ONNXC_RT_F64 ? read_float(strings[i], y, i) : read_integer(strings[i], y, i);
    if (!read) return ONNXC_RT_ERROR_VALUE;
  }
  return ONNXC_RT_OK;
}
