/* Code points in UTF-8. */
#ifndef ONNXC_RT_REFERENCE_UTF8_H
#define ONNXC_RT_REFERENCE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { ONNXC_RT_UTF8_BYTES = 4 /* of the longest sequence */ };

/* The bytes of the sequence at the beginning of `left` ones, and its code point; 0 when it is
 * malformed: cut off, longer than needed, a surrogate, or past U+10FFFF. */
int onnxc_rt_utf8_decode(const char *bytes, ptrdiff_t left, uint32_t *code);
/* Writes the sequence and returns its bytes. */
int onnxc_rt_utf8_encode(uint32_t code, char *bytes);

#endif
