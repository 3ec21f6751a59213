/* C = A B; see onnxc_rt_gemm. */
#include "kernels/gemm_core_f32.h"

int onnxc_rt_gemm_f32(const onnxc_rt_gemm *call) {
  const onnxc_rt_gemm_core core = {.gemm = *call};
  return onnxc_rt_gemm_core_f32(&core);
}
