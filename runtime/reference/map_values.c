#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <string.h>

/* Whether key `i` of `a` comes before (-1), is (0) or comes after (1) key `k` of `b`. */
static int order(const onnxc_rt_tensor *a, int64_t i, const onnxc_rt_tensor *b, int64_t k) {
  if (a->dtype == ONNXC_RT_STRING) {
    const onnxc_rt_string *x = (const onnxc_rt_string *)a->data + i;
    const onnxc_rt_string *y = (const onnxc_rt_string *)b->data + k;
    const ptrdiff_t common = x->size < y->size ? x->size : y->size;
    const int way = common == 0 ? 0 : memcmp(x->bytes, y->bytes, (size_t)common);
    if (way != 0) return way < 0 ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
  }
  const int64_t x = onnxc_rt_load_i64(a, i), y = onnxc_rt_load_i64(b, k);
  return (x > y) - (x < y);
}

/* The values of all keys, the least key first. */
static void in_order(const onnxc_rt_tensor *values, const onnxc_rt_tensor *keys,
                     const onnxc_rt_tensor *y) {
  const int64_t n = onnxc_rt_count(keys);
  for (int64_t i = 0; i < n; i++) {
    int64_t before = 0;
    for (int64_t k = 0; k < n; k++) {
      const int way = order(keys, k, keys, i);
      before += way < 0 || (way == 0 && k < i);
    }
    onnxc_rt_copy(y, before, values, i, 1);
  }
}

int onnxc_rt_ref_map_values(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *values = &call->in[0], *keys = &call->in[1], *y = &call->out[0];
  const int64_t n = onnxc_rt_count(keys);
  onnxc_rt_clear(y);
  if (!onnxc_rt_has_in(call, 2)) {
    in_order(values, keys, y);
    return ONNXC_RT_OK;
  }
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[2]); i++) {
    for (int64_t k = 0; k < n; k++) {
      if (order(keys, k, &call->in[2], i) == 0) onnxc_rt_copy(y, i, values, k, 1);
    }
  }
  return ONNXC_RT_OK;
}
