#include "onnxc_rt_reference.h"
#include "reference/decimal.h"
#include "reference/element.h"
#include "reference/text.h"

static int write_number(const onnxc_rt_tensor *x, int64_t i, char *bytes) {
  const onnxc_rt_class cls = onnxc_rt_class_of(x->dtype);
  if (cls == ONNXC_RT_CLASS_FLOAT) return onnxc_rt_write_f64(onnxc_rt_load_f64(x, i), bytes);
  const int64_t value = onnxc_rt_load_i64(x, i);
  const int negative = cls == ONNXC_RT_CLASS_INT && value < 0;
  return onnxc_rt_write_u64(negative ? 0 - (uint64_t)value : (uint64_t)value, negative, bytes);
}

int onnxc_rt_ref_write_numbers(const onnxc_rt_call *call) {
  onnxc_rt_string *strings = (onnxc_rt_string *)call->out[0].data;
  for (int64_t i = 0; i < onnxc_rt_count(&call->out[0]); i++) {
    char bytes[ONNXC_RT_DECIMAL_BYTES];
    const ptrdiff_t used = call->text->used;
    const int n = write_number(&call->in[0], i, bytes);
    if (!onnxc_rt_text_put(call->text, bytes, n)) return ONNXC_RT_ERROR_TEXT;
    strings[i] = onnxc_rt_text_since(call->text, used);
  }
  return ONNXC_RT_OK;
}
