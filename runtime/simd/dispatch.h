/* A kernel's plain name, chosen at each call among the variants that are compiled from its source.
 * The choice reads the processor's features, which never change: results are the same from run to
 * run on one machine. */
#ifndef ONNXC_RT_DISPATCH_H
#define ONNXC_RT_DISPATCH_H

#include "onnxc_rt_kernels.h"

#define ONNXC_RT_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define ONNXC_RT_HAS_AVX512                                                                        \
  (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&                     \
   __builtin_cpu_supports("avx512bw") && ONNXC_RT_HAS_AVX2)

#define ONNXC_RT_HAS_VNNI (__builtin_cpu_supports("avx512vnni") && ONNXC_RT_HAS_AVX512)

#define ONNXC_RT_DEFINE_DISPATCH(name, params)                                                     \
  int name##__base(const params *call);                                                            \
  int name##__avx2(const params *call);                                                            \
  int name##__avx512(const params *call);                                                          \
  int name(const params *call) {                                                                   \
    if (ONNXC_RT_HAS_AVX512) return name##__avx512(call);                                          \
    if (ONNXC_RT_HAS_AVX2) return name##__avx2(call);                                              \
    return name##__base(call);                                                                     \
  }

/* The same of products of bytes, which have one variant more. */
#define ONNXC_RT_DEFINE_DISPATCH_I8(name, params)                                                  \
  int name##__base(const params *call);                                                            \
  int name##__avx2(const params *call);                                                            \
  int name##__avx512(const params *call);                                                          \
  int name##__vnni(const params *call);                                                            \
  int name(const params *call) {                                                                   \
    if (ONNXC_RT_HAS_VNNI) return name##__vnni(call);                                              \
    if (ONNXC_RT_HAS_AVX512) return name##__avx512(call);                                          \
    if (ONNXC_RT_HAS_AVX2) return name##__avx2(call);                                              \
    return name##__base(call);                                                                     \
  }

#endif
