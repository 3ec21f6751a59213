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

/* A row of packed weights. */
typedef struct Packed {
  const onnxc_rt_call *call;
  const unsigned char *bytes;
  int64_t n, k, bits, block_size, blocks;
} Packed;

/* Whole bytes: the last may hold more numbers than the block. */
#define UNPACK(BITS)                                                                               \
  static void unpack_##BITS(const unsigned char *bytes, int64_t n, float zero, float scale,        \
                            float *to) {                                                           \
    enum { PER_BYTE = 8 / (BITS) };                                                                \
    for (int64_t i = 0; i * PER_BYTE < n; i++) {                                                   \
      for (int k = 0; k < PER_BYTE; k++) {                                                         \
        const int number = (bytes[i] >> (k * (BITS))) & ((1 << (BITS)) - 1);                       \
        to[i * PER_BYTE + k] = ((float)number - zero) * scale;                                     \
      }                                                                                            \
    }                                                                                              \
  }

UNPACK(2)
UNPACK(4)
UNPACK(8)

static float scale_of(const Packed *p, int64_t block) {
  return (float)onnxc_rt_load_f64(&p->call->in[SCALES], p->n * p->blocks + block);
}

static void unpack_blocks(const Packed *p, float *row) {
  for (int64_t block = 0; block < p->blocks; block++) {
    const int64_t begin = block * p->block_size, left = p->k - begin;
    const int64_t n = left < p->block_size ? left : p->block_size;
    const unsigned char *bytes = p->bytes + begin * p->bits / 8;
    const float zero = zero_of(p->call, p->n, p->blocks, block), scale = scale_of(p, block);
    switch (p->bits) {
    case 2: unpack_2(bytes, n, zero, scale, row + begin); break;
    case 4: unpack_4(bytes, n, zero, scale, row + begin); break;
    default: unpack_8(bytes, n, zero, scale, row + begin); break;
    }
  }
}

/* Weights whose blocks are not in order. */
static int unpack_groups(const Packed *p, float *row) {
  for (int64_t i = 0; i < p->k; i++) {
    const int64_t block = onnxc_rt_load_i64(&p->call->in[GROUPS], i);
    if (block < 0 || block >= p->blocks) return ONNXC_RT_ERROR_INDEX;
    const float zero = zero_of(p->call, p->n, p->blocks, block);
    row[i] = ((float)number_at(p->bytes, i, p->bits) - zero) * scale_of(p, block);
  }
  return ONNXC_RT_OK;
}

static int unpack(const onnxc_rt_call *call, int64_t n, float *row) {
  const int64_t k = call->attr[0].i, bits = call->attr[BITS].i, size = call->attr[BLOCK_SIZE].i;
  const int64_t blocks = (k + size - 1) / size;
  const unsigned char *bytes = (const unsigned char *)call->in[B].data;
  const Packed p = {call, bytes + n * blocks * (size * bits / 8), n, k, bits, size, blocks};
  if (onnxc_rt_has_in(call, GROUPS)) return unpack_groups(&p, row);
  unpack_blocks(&p, row);
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_matmul_nbits(const onnxc_rt_call *call) {
  return onnxc_rt_matmul_rows(call, BIAS, unpack);
}
