/* C = A B; see onnxc_rt_gemm. */
#include "kernels/gemm_core_f32.h"
#include "kernels/gemv_f32.h"
#include "simd/simd.h"

/* A whole panel of B whose rows are dense. */
ONNXC_RT_V_INLINE void gemm_copy_panel(const float *b, ptrdiff_t b_row, ptrdiff_t depth,
                                       float *panel) {
  for (ptrdiff_t p = 0; p < depth; p++, b += b_row, panel += ONNXC_RT_PANEL) {
    for (ptrdiff_t j = 0; j < ONNXC_RT_PANEL; j += ONNXC_RT_V_WIDTH) {
      onnxc_rt_v_store(panel + j, onnxc_rt_v_load(b + j));
    }
  }
}

/* A whole panel of B whose columns are dense. */
static void gemm_transpose_panel(const float *b, ptrdiff_t b_col, ptrdiff_t depth, float *panel) {
  ptrdiff_t p = 0;
  for (; p + 4 <= depth; p += 4) {
    for (ptrdiff_t j = 0; j < ONNXC_RT_PANEL; j += 4) {
      onnxc_rt_transpose_4x4(b + j * b_col + p, b_col, panel + p * ONNXC_RT_PANEL + j,
                             ONNXC_RT_PANEL);
    }
  }
  onnxc_rt_pack_b(b + p, depth - p, ONNXC_RT_PANEL, 1, b_col, panel + p * ONNXC_RT_PANEL);
}

static ONNXC_RT_V_FUNCTION void gemm_pack(const void *source, ptrdiff_t p, ptrdiff_t depth,
                                          ptrdiff_t j, ptrdiff_t columns, float *panels) {
  const onnxc_rt_gemm *g = source;
  for (; columns > 0; j += ONNXC_RT_PANEL, columns -= ONNXC_RT_PANEL) {
    const float *b = g->b + p * g->b_row + j * g->b_col;
    if (columns >= ONNXC_RT_PANEL && g->b_col == 1) {
      gemm_copy_panel(b, g->b_row, depth, panels);
    } else if (columns >= ONNXC_RT_PANEL && g->b_row == 1) {
      gemm_transpose_panel(b, g->b_col, depth, panels);
    } else {
      const ptrdiff_t width = onnxc_rt_min_size(columns, ONNXC_RT_PANEL);
      onnxc_rt_pack_b(b, depth, width, g->b_row, g->b_col, panels);
    }
    panels += depth * ONNXC_RT_PANEL;
  }
}

ONNXC_RT_KERNEL(onnxc_rt_gemm_f32, onnxc_rt_gemm) {
  if (ONNXC_RT_VARIANT(onnxc_rt_gemv_fits)(call)) return ONNXC_RT_VARIANT(onnxc_rt_gemv_f32)(call);
  const onnxc_rt_gemm_core core = {
      .m = call->m,
      .n = call->n,
      .k = call->k,
      .a = call->a,
      .a_row = call->a_row,
      .a_col = call->a_col,
      .packed = call->packed,
      .pack = gemm_pack,
      .source = call,
      .c = call->c,
      .c_row = call->c_row,
      .epilogue = call->epilogue,
      .context = call->context,
      .first_row = call->first_row,
      .scratch = call->scratch,
  };
  return ONNXC_RT_VARIANT(onnxc_rt_gemm_core_f32)(&core);
}

ONNXC_RT_DEFINE_DISPATCH(onnxc_rt_gemm_f32, onnxc_rt_gemm)
