#include "onnxc_rt_reference.h"
#include "reference/weight_rows.h"

enum { B = 1, ABSMAX, NO_BIAS };
enum { BLOCK_SIZE = ONNXC_RT_WEIGHT_ROWS_PARAMS, QUANT_TYPE };
enum { CODES = 16 };

/* What the codes of 4 bits stand for: quant_type 0 is FP4, 1 is NF4, whose values are quantiles of
 * the normal distribution. */
static const float codebooks[2][CODES] = {
    {0, 0.005208333333F, 0.66666667F, 1, 0.33333333F, 0.5F, 0.16666667F, 0.25F, 0, -0.005208333333F,
     -0.66666667F, -1, -0.33333333F, -0.5F, -0.16666667F, -0.25F},
    {-1, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F, -0.28444138169288635F,
     -0.18477343022823334F, -0.09105003625154495F, 0, 0.07958029955625534F, 0.16093020141124725F,
     0.24611230194568634F, 0.33791524171829224F, 0.44070982933044434F, 0.5626170039176941F,
     0.7229568362236023F, 1},
};

/* The first of two codes has the high bits; blocks go on from row to row. */
static int unpack(const onnxc_rt_call *call, int64_t n, float *row) {
  const unsigned char *bytes = (const unsigned char *)call->in[B].data;
  const float *codes = codebooks[call->attr[QUANT_TYPE].i];
  const int64_t k = call->attr[0].i;
  for (int64_t i = n * k; i < (n + 1) * k; i++) {
    const unsigned code = (unsigned)bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & (CODES - 1);
    const double most = onnxc_rt_load_f64(&call->in[ABSMAX], i / call->attr[BLOCK_SIZE].i);
    row[i - n * k] = codes[code] * (float)most;
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_matmul_bnb4(const onnxc_rt_call *call) {
  return onnxc_rt_matmul_rows(call, NO_BIAS, unpack);
}
