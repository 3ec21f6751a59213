/* Forced into each compilation of the kernels for one ISA among several (cc -include): every
 * function with external linkage in kernels/ gets a name that ends in __ONNXC_RT_ISA. The plain
 * names then come from simd/dispatch.h. Kernels know nothing of this; compiled on their own they
 * have their plain names and the ISA of the compiler's flags. */
#ifndef ONNXC_RT_ISA_H
#define ONNXC_RT_ISA_H

#define ONNXC_RT_PASTE(name, isa) name##__##isa
#define ONNXC_RT_PASTE_EXPANDED(name, isa) ONNXC_RT_PASTE(name, isa)
#define ONNXC_RT_VARIANT(name) ONNXC_RT_PASTE_EXPANDED(name, ONNXC_RT_ISA)

#define onnxc_rt_attention_f32 ONNXC_RT_VARIANT(onnxc_rt_attention_f32)
#define onnxc_rt_attention_few_scores_f32 ONNXC_RT_VARIANT(onnxc_rt_attention_few_scores_f32)
#define onnxc_rt_attention_few_values_f32 ONNXC_RT_VARIANT(onnxc_rt_attention_few_values_f32)
#define onnxc_rt_conv_depthwise_i8 ONNXC_RT_VARIANT(onnxc_rt_conv_depthwise_i8)
#define onnxc_rt_conv_depthwise_f32 ONNXC_RT_VARIANT(onnxc_rt_conv_depthwise_f32)
#define onnxc_rt_conv_f32 ONNXC_RT_VARIANT(onnxc_rt_conv_f32)
#define onnxc_rt_conv_i8 ONNXC_RT_VARIANT(onnxc_rt_conv_i8)
#define onnxc_rt_conv_transpose_f32 ONNXC_RT_VARIANT(onnxc_rt_conv_transpose_f32)
#define onnxc_rt_dot_i8 ONNXC_RT_VARIANT(onnxc_rt_dot_i8)
#define onnxc_rt_gemm_core_f32 ONNXC_RT_VARIANT(onnxc_rt_gemm_core_f32)
#define onnxc_rt_gemm_f32 ONNXC_RT_VARIANT(onnxc_rt_gemm_f32)
#define onnxc_rt_gemm_panels_f32 ONNXC_RT_VARIANT(onnxc_rt_gemm_panels_f32)
#define onnxc_rt_gemm_i8 ONNXC_RT_VARIANT(onnxc_rt_gemm_i8)
#define onnxc_rt_gemv_f32 ONNXC_RT_VARIANT(onnxc_rt_gemv_f32)
#define onnxc_rt_gemv_fits ONNXC_RT_VARIANT(onnxc_rt_gemv_fits)
#define onnxc_rt_gru_f32 ONNXC_RT_VARIANT(onnxc_rt_gru_f32)
#define onnxc_rt_lstm_f32 ONNXC_RT_VARIANT(onnxc_rt_lstm_f32)
#define onnxc_rt_max_pool_i8 ONNXC_RT_VARIANT(onnxc_rt_max_pool_i8)
#define onnxc_rt_pool_f32 ONNXC_RT_VARIANT(onnxc_rt_pool_f32)
#define onnxc_rt_recurrent_f32 ONNXC_RT_VARIANT(onnxc_rt_recurrent_f32)
#define onnxc_rt_recurrent_multiply ONNXC_RT_VARIANT(onnxc_rt_recurrent_multiply)
#define onnxc_rt_resize_f32 ONNXC_RT_VARIANT(onnxc_rt_resize_f32)

#endif
