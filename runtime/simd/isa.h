/* One kernel source, compiled once for each ISA of a target.
 *
 *   neither macro       the function has its plain name and the ISA of the compiler's flags, as in
 *                       single-file output;
 *   ONNXC_RT_ISA=avx2   its name ends in __avx2, and so do those of the kernels it calls;
 *   ONNXC_RT_DISPATCH   its name ends in __base, and the plain name chooses at each call among
 *                       __base, __avx2 and __avx512, which are compiled from the same source.
 *
 * The choice reads the processor's features, which never change: results are the same from run to
 * run on one machine. */
#ifndef ONNXC_RT_ISA_H
#define ONNXC_RT_ISA_H

#define ONNXC_RT_PASTE(name, isa) name##__##isa
#define ONNXC_RT_PASTE_EXPANDED(name, isa) ONNXC_RT_PASTE(name, isa)

#if defined(ONNXC_RT_ISA)
#define ONNXC_RT_VARIANT(name) ONNXC_RT_PASTE_EXPANDED(name, ONNXC_RT_ISA)
#elif defined(ONNXC_RT_DISPATCH)
#define ONNXC_RT_VARIANT(name) ONNXC_RT_PASTE(name, base)
#else
#define ONNXC_RT_VARIANT(name) name
#endif

/* Opens the definition of kernel `name`: int name(const params *call). */
#define ONNXC_RT_KERNEL(name, params)                                                              \
  int ONNXC_RT_VARIANT(name)(const params *call);                                                  \
  int ONNXC_RT_VARIANT(name)(const params *call)

/* Defines the plain name by its variants; stands last in a kernel's source. */
#if defined(ONNXC_RT_DISPATCH)
#define ONNXC_RT_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define ONNXC_RT_HAS_AVX512                                                                        \
  (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&                     \
   __builtin_cpu_supports("avx512bw") && ONNXC_RT_HAS_AVX2)
#define ONNXC_RT_DEFINE_DISPATCH(name, params)                                                     \
  int name##__avx2(const params *call);                                                            \
  int name##__avx512(const params *call);                                                          \
  int name(const params *call) {                                                                   \
    if (__builtin_cpu_supports("avx512f")) return name##__avx512(call);                            \
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                           \
      return name##__avx2(call);                                                                   \
    return name##__base(call);                                                                     \
  }
#else
#define ONNXC_RT_DEFINE_DISPATCH(name, params)
#endif

#endif
