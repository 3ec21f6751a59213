/* Strings: comparing them, and making new ones. */
#ifndef ONNXC_RT_REFERENCE_TEXT_H
#define ONNXC_RT_REFERENCE_TEXT_H

#include "onnxc_rt.h"

int onnxc_rt_string_equal(const onnxc_rt_string *a, const onnxc_rt_string *b);
/* Below, at or above 0 as `a` is before, at or behind `b` in the order of their bytes, which is
 * that of code points in UTF-8. */
int onnxc_rt_string_compare(const onnxc_rt_string *a, const onnxc_rt_string *b);
/* Memory for `size` more bytes; NULL when there is no room for them. */
char *onnxc_rt_text_take(onnxc_rt_text *text, ptrdiff_t size);

#endif
