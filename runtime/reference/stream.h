/* Streams of random numbers, as onnxc_rt.h describes them. */
#ifndef ONNXC_RT_REFERENCE_STREAM_H
#define ONNXC_RT_REFERENCE_STREAM_H

#include "onnxc_rt.h"

/* The stream of a call whose attributes 0 and 1 are its seed, a float or an integer, and its number
 * in the model. */
uint64_t onnxc_rt_stream(const onnxc_rt_call *call);
/* Number `i` of a stream in [0, 1): a multiple of 2^-bits, bits <= 53. */
double onnxc_rt_uniform(uint64_t stream, uint64_t i, int bits);

#endif
