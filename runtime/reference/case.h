/* Upper and lower case of code points. */
#ifndef ONNXC_RT_REFERENCE_CASE_H
#define ONNXC_RT_REFERENCE_CASE_H

#include <stdint.h>

/* The mapping to one other code point, or the same; no locale has its own. */
uint32_t onnxc_rt_to_lower(uint32_t code);
uint32_t onnxc_rt_to_upper(uint32_t code);

#endif
