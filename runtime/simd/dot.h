/* Sums of products of bytes: vectors of ONNXC_RT_V_WIDTH lanes of 32 bits, each of which holds four
 * bytes or a sum, modulo 2^32. Exact on every target: nothing saturates on the way. */
#ifndef ONNXC_RT_DOT_H
#define ONNXC_RT_DOT_H

#include "simd/simd.h"

#include <stdint.h>
#include <string.h>

#if ONNXC_RT_V_WIDTH == 16 && defined(__AVX512VNNI__)
#include <immintrin.h>
#define ONNXC_RT_DOT(sums, u, s)                                                                   \
  ((onnxc_rt_d)_mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(u), (__m512i)(s)))
#elif ONNXC_RT_V_WIDTH == 8 && defined(__AVXVNNI__)
#include <immintrin.h>
#define ONNXC_RT_DOT(sums, u, s)                                                                   \
  ((onnxc_rt_d)_mm256_dpbusd_avx_epi32((__m256i)(sums), (__m256i)(u), (__m256i)(s)))
#elif ONNXC_RT_V_WIDTH == 4 && defined(__ARM_FEATURE_MATMUL_INT8)
#include <arm_neon.h>
#define ONNXC_RT_DOT(sums, u, s)                                                                   \
  ((onnxc_rt_d)vusdotq_s32((int32x4_t)(sums), (uint8x16_t)(u), (int8x16_t)(s)))
#elif ONNXC_RT_V_WIDTH == 16 && defined(__AVX512BW__)
#include <immintrin.h>
#define ONNXC_RT_PAIRS(a, b) ((onnxc_rt_d)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#elif ONNXC_RT_V_WIDTH == 8 && defined(__AVX2__)
#include <immintrin.h>
#define ONNXC_RT_PAIRS(a, b) ((onnxc_rt_d)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#elif ONNXC_RT_V_WIDTH == 4 && defined(__SSE2__)
#include <emmintrin.h>
#define ONNXC_RT_PAIRS(a, b) ((onnxc_rt_d)_mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#elif ONNXC_RT_V_WIDTH == 1 && defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#include <arm_acle.h>
#define ONNXC_RT_HALVES
#endif

#if ONNXC_RT_V_WIDTH == 1
typedef uint32_t onnxc_rt_d;
typedef int32_t onnxc_rt_d_signed;
#else
typedef uint32_t onnxc_rt_d __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
typedef uint32_t onnxc_rt_d_anywhere
    __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH), aligned(1), may_alias));
typedef int32_t onnxc_rt_d_signed __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
typedef int16_t onnxc_rt_d_halves __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
#endif

ONNXC_RT_V_INLINE onnxc_rt_d onnxc_rt_d_load(const void *from) {
#if ONNXC_RT_V_WIDTH == 1
  onnxc_rt_d x;
  memcpy(&x, from, sizeof x);
  return x;
#else
  return *(const onnxc_rt_d_anywhere *)from;
#endif
}

ONNXC_RT_V_INLINE void onnxc_rt_d_store(void *to, onnxc_rt_d x) {
#if ONNXC_RT_V_WIDTH == 1
  memcpy(to, &x, sizeof x);
#else
  *(onnxc_rt_d_anywhere *)to = x;
#endif
}

ONNXC_RT_V_INLINE onnxc_rt_d onnxc_rt_d_splat(uint32_t x) {
#if ONNXC_RT_V_WIDTH == 1
  return x;
#else
  return x - (onnxc_rt_d){0};
#endif
}

/* sums + the products of the four bytes in each lane of `u`, unsigned, and `s`, signed. Bytes 0 and
 * 2 of a lane, and 1 and 3, are widened to two numbers of 16 bits where those can be multiplied in
 * pairs: a pair of products fits 32 bits. */
ONNXC_RT_V_INLINE onnxc_rt_d onnxc_rt_d_dot(onnxc_rt_d sums, onnxc_rt_d u, onnxc_rt_d s) {
#if defined(ONNXC_RT_DOT)
  return ONNXC_RT_DOT(sums, u, s);
#elif defined(ONNXC_RT_PAIRS)
  const onnxc_rt_d u_even = u & 0x00ff00ffu, u_odd = u >> 8 & 0x00ff00ffu;
  const onnxc_rt_d_halves s_even = (onnxc_rt_d_halves)(s << 8) >> 8;
  const onnxc_rt_d_halves s_odd = (onnxc_rt_d_halves)s >> 8;
  return sums + ONNXC_RT_PAIRS(u_even, s_even) + ONNXC_RT_PAIRS(u_odd, s_odd);
#elif defined(ONNXC_RT_HALVES)
  const int32_t even = __smlad((int16x2_t)__uxtb16(u), __sxtb16(s), (int32_t)sums);
  const uint8x4_t u_odd = u >> 8 | u << 24, s_odd = s >> 8 | s << 24;
  return (uint32_t)__smlad((int16x2_t)__uxtb16(u_odd), __sxtb16(s_odd), even);
#else
  for (int shift = 0; shift < 32; shift += 8) {
    const onnxc_rt_d_signed x = (onnxc_rt_d_signed)(u >> shift & 0xffu);
    const onnxc_rt_d_signed y = (onnxc_rt_d_signed)(s << (24 - shift)) >> 24;
    sums += (onnxc_rt_d)(x * y);
  }
  return sums;
#endif
}

/* Words of one byte of each row: 16 of them, of bytes whose highest bit is turned where `flip` has
 * it. */
#if defined(ONNXC_RT_HAS_SHUFFLE)
typedef uint8_t onnxc_rt_v16 __attribute__((vector_size(16)));
typedef uint8_t onnxc_rt_v16_anywhere __attribute__((vector_size(16), aligned(1), may_alias));

ONNXC_RT_V_INLINE void onnxc_rt_interleave(const uint8_t *const rows[4], uint8_t flip,
                                           uint8_t *to) {
  onnxc_rt_v16 x[4];
  ONNXC_RT_UNROLL(4)
  for (int i = 0; i < 4; i++) x[i] = *(const onnxc_rt_v16_anywhere *)rows[i] ^ flip;
#define ONNXC_RT_LOW(a, b)                                                                         \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ONNXC_RT_HIGH(a, b)                                                                        \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
  const onnxc_rt_v16 low[2] = {ONNXC_RT_LOW(x[0], x[2]), ONNXC_RT_LOW(x[1], x[3])};
  const onnxc_rt_v16 high[2] = {ONNXC_RT_HIGH(x[0], x[2]), ONNXC_RT_HIGH(x[1], x[3])};
  *(onnxc_rt_v16_anywhere *)to = ONNXC_RT_LOW(low[0], low[1]);
  *(onnxc_rt_v16_anywhere *)(to + 16) = ONNXC_RT_HIGH(low[0], low[1]);
  *(onnxc_rt_v16_anywhere *)(to + 32) = ONNXC_RT_LOW(high[0], high[1]);
  *(onnxc_rt_v16_anywhere *)(to + 48) = ONNXC_RT_HIGH(high[0], high[1]);
#undef ONNXC_RT_LOW
#undef ONNXC_RT_HIGH
}
#else
ONNXC_RT_V_INLINE void onnxc_rt_interleave(const uint8_t *const rows[4], uint8_t flip,
                                           uint8_t *to) {
  for (ptrdiff_t j = 0; j < 16; j++) {
    for (int i = 0; i < 4; i++) *to++ = rows[i][j] ^ flip;
  }
}
#endif

#endif
