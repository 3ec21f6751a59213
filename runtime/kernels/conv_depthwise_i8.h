/* Convolution of bytes with a single input channel in each group, as onnxc_rt_conv_i8 has it. Its
 * source is kernels/conv_depthwise_i8.c. */
#ifndef ONNXC_RT_CONV_DEPTHWISE_I8_H
#define ONNXC_RT_CONV_DEPTHWISE_I8_H

#include "onnxc_rt_kernels.h"

int onnxc_rt_conv_depthwise_i8(const onnxc_rt_conv_bytes *call);

#endif
