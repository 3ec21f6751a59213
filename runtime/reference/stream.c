#include "reference/stream.h"

#include <string.h>

uint64_t onnxc_rt_stream(const onnxc_rt_call *call) {
  const onnxc_rt_attr *seed = &call->attr[0];
  uint64_t start = 0;
  if (seed->present) {
    memcpy(&start, &seed->f, sizeof start);
    start += (uint64_t)seed->i;
  } else {
    start = onnxc_rt_mix(call->seed + ONNXC_RT_GAMMA) + (uint64_t)call->attr[1].i;
  }
  return onnxc_rt_mix(onnxc_rt_mix(start + ONNXC_RT_GAMMA) + call->turn);
}

double onnxc_rt_uniform(uint64_t stream, uint64_t i, int bits) {
  const uint64_t z = onnxc_rt_mix(stream + (i + 1) * ONNXC_RT_GAMMA);
  return (double)(z >> (64 - bits)) / (double)(UINT64_C(1) << bits);
}
