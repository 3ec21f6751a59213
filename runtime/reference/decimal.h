/* Numbers as decimal text and back, correctly rounded. */
#ifndef ONNXC_RT_REFERENCE_DECIMAL_H
#define ONNXC_RT_REFERENCE_DECIMAL_H

#include "onnxc_rt.h"

enum { ONNXC_RT_DECIMAL_BYTES = 24 /* of the longest number that is written */ };

/* As printf's %.8g writes it, with NaN, INF and -INF for what is not finite. Returns the bytes. */
int onnxc_rt_write_f64(double value, char *text);
int onnxc_rt_write_u64(uint64_t value, int negative, char *text);
/* The number that a string begins with, after white space: plain or scientific, or infinity or NaN
 * in any case. 0 when there is none. */
int onnxc_rt_read_f64(onnxc_rt_string string, double *value);
/* The same for an integer as a sign and a magnitude; also 0 when it exceeds 64 bits. */
int onnxc_rt_read_u64(onnxc_rt_string string, uint64_t *magnitude, int *negative);

#endif
