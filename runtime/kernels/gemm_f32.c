/* C = A B; see onnxc_rt_gemm. */
#include "kernels/gemm_core_f32.h"

ONNXC_RT_KERNEL(onnxc_rt_gemm_f32, onnxc_rt_gemm) {
  const onnxc_rt_gemm_core core = {.gemm = *call};
  return ONNXC_RT_VARIANT(onnxc_rt_gemm_core_f32)(&core);
}

ONNXC_RT_DEFINE_DISPATCH(onnxc_rt_gemm_f32, onnxc_rt_gemm)
