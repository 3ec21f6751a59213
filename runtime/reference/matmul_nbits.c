#include "onnxc_rt_reference.h"
#include "reference/weight_rows.h"

enum { B = 1, SCALES, ZEROS, GROUPS, BIAS };
enum { BITS = ONNXC_RT_WEIGHT_ROWS_PARAMS, BLOCK_SIZE };

/* Number `i` of those that fill bytes from the low bits on. */
static unsigned number_at(const unsigned char *bytes, int64_t i, int64_t bits) {
  return (unsigned)(bytes[i * bits / 8] >> (i * bits % 8)) & ((1U << bits) - 1U);
}

/* The zero point of a block; rows of packed ones begin at a byte. */
static float zero_of(const onnxc_rt_call *call, int64_t n, int64_t blocks, int64_t block) {
  const onnxc_rt_tensor *zeros = &call->in[ZEROS];
  const int64_t bits = call->attr[BITS].i;
  if (!onnxc_rt_has_in(call, ZEROS)) return (float)(1 << (bits - 1));
  if (zeros->dtype != ONNXC_RT_U8) return (float)onnxc_rt_load_f64(zeros, n * blocks + block);
  const unsigned char *row = (const unsigned char *)zeros->data + n * ((blocks * bits + 7) / 8);
  return (float)number_at(row, block, bits);
}

/* Weights [begin, end) of row `n`, which share a scale and zero point. */
static void unpack_block(const onnxc_rt_call *call, int64_t n, int64_t block, int64_t begin,
                         int64_t end, float *row) {
  const int64_t k = call->attr[0].i, bits = call->attr[BITS].i, size = call->attr[BLOCK_SIZE].i;
  const int64_t blocks = (k + size - 1) / size;
  const unsigned char *bytes =
      (const unsigned char *)call->in[B].data + n * blocks * (size * bits / 8);
  const float scale = (float)onnxc_rt_load_f64(&call->in[SCALES], n * blocks + block);
  const float zero = zero_of(call, n, blocks, block);
  for (int64_t i = begin; i < end; i++) {
    row[i] = ((float)number_at(bytes, i, bits) - zero) * scale;
  }
}

static int unpack(const onnxc_rt_call *call, int64_t n, float *row) {
  const int64_t k = call->attr[0].i, size = call->attr[BLOCK_SIZE].i;
  const int64_t blocks = (k + size - 1) / size;
  const int grouped = onnxc_rt_has_in(call, GROUPS);
  const int64_t step = grouped ? 1 : size;
  for (int64_t begin = 0; begin < k; begin += step) {
    const int64_t end = begin + step < k ? begin + step : k;
    const int64_t block = grouped ? onnxc_rt_load_i64(&call->in[GROUPS], begin) : begin / size;
    if (block < 0 || block >= blocks) return ONNXC_RT_ERROR_INDEX;
    unpack_block(call, n, block, begin, end, row);
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_matmul_nbits(const onnxc_rt_call *call) {
  return onnxc_rt_matmul_rows(call, BIAS, unpack);
}
