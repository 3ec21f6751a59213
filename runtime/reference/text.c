#include "reference/text.h"

#include <string.h>

int onnxc_rt_string_equal(const onnxc_rt_string *a, const onnxc_rt_string *b) {
  return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, (size_t)a->size) == 0);
}

int onnxc_rt_string_compare(const onnxc_rt_string *a, const onnxc_rt_string *b) {
  const ptrdiff_t common = a->size < b->size ? a->size : b->size;
  const int order = common == 0 ? 0 : memcmp(a->bytes, b->bytes, (size_t)common);
  return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

int onnxc_rt_text_put(onnxc_rt_text *text, const char *bytes, ptrdiff_t size) {
  if (size > text->size - text->used) return 0;
  if (size != 0) memcpy(text->bytes + text->used, bytes, (size_t)size);
  text->used += size;
  return 1;
}

onnxc_rt_string onnxc_rt_text_since(const onnxc_rt_text *text, ptrdiff_t used) {
  const onnxc_rt_string string = {text->bytes + used, text->used - used};
  return string;
}
