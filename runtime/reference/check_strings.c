#include "onnxc_rt_reference.h"

int onnxc_rt_check_strings(const onnxc_rt_string *strings, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    if (strings[i].size < 0) return ONNXC_RT_ERROR_VALUE;
    if (strings[i].bytes == NULL && strings[i].size != 0) return ONNXC_RT_ERROR_NULL;
  }
  return ONNXC_RT_OK;
}
