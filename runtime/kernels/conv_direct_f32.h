/* Convolution with few outputs in each group. Its source is kernels/conv_direct_f32.c. */
#ifndef ONNXC_RT_CONV_DIRECT_F32_H
#define ONNXC_RT_CONV_DIRECT_F32_H

#include "onnxc_rt_kernels.h"

int onnxc_rt_conv_direct_f32(const onnxc_rt_conv *call);

#endif
