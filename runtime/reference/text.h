/* Strings: comparing them, and making new ones. */
#ifndef ONNXC_RT_REFERENCE_TEXT_H
#define ONNXC_RT_REFERENCE_TEXT_H

#include "onnxc_rt.h"

int onnxc_rt_string_equal(const onnxc_rt_string *a, const onnxc_rt_string *b);
/* Below, at or above 0 as `a` is before, at or behind `b` in the order of their bytes, which is
 * that of code points in UTF-8. */
int onnxc_rt_string_compare(const onnxc_rt_string *a, const onnxc_rt_string *b);

/* Appends bytes; 0 when there is no room for them. */
int onnxc_rt_text_put(onnxc_rt_text *text, const char *bytes, ptrdiff_t size);
/* What was appended since `used` had this value. */
onnxc_rt_string onnxc_rt_text_since(const onnxc_rt_text *text, ptrdiff_t used);

#endif
