/* The vector vocabulary that kernels are written in: one set of operations on vectors of
 * ONNXC_RT_V_WIDTH floats, on GCC's vector extensions (GCC, clang), as wide as the target that the
 * compiler's flags name. Without such a target, or with ONNXC_RT_SCALAR, vectors are floats.
 *
 * A kernel's source is compiled once for each ISA (simd/isa.h). */
#ifndef ONNXC_RT_SIMD_H
#define ONNXC_RT_SIMD_H

#include "onnxc_rt_math.h"

#include <stddef.h>

#if defined(ONNXC_RT_SCALAR) || !defined(__GNUC__)
#define ONNXC_RT_V_WIDTH 1
#elif defined(__AVX512F__)
#define ONNXC_RT_V_WIDTH 16
#elif defined(__AVX__)
#define ONNXC_RT_V_WIDTH 8
#elif defined(__SSE2__) || defined(__ARM_NEON) || defined(__ALTIVEC__) || defined(__wasm_simd128__)
#define ONNXC_RT_V_WIDTH 4
#else
#define ONNXC_RT_V_WIDTH 1
#endif

#if ONNXC_RT_V_WIDTH == 16 || (ONNXC_RT_V_WIDTH > 1 && defined(__FMA__))
#include <immintrin.h>
#elif ONNXC_RT_V_WIDTH > 1 && defined(__ARM_FEATURE_FMA)
#include <arm_neon.h>
#endif

/* clang keeps 512-bit vectors whole only in functions that say so. */
#if defined(__clang__) && ONNXC_RT_V_WIDTH == 16
#define ONNXC_RT_V_FUNCTION __attribute__((min_vector_width(512)))
#else
#define ONNXC_RT_V_FUNCTION
#endif

#if defined(__GNUC__)
#define ONNXC_RT_V_INLINE static inline __attribute__((always_inline, unused)) ONNXC_RT_V_FUNCTION
#else
#define ONNXC_RT_V_INLINE static inline
#endif

/* ONNXC_RT_UNROLL(n) before a loop of at most n turns: unroll it completely, so that an array
 * indexed by its counter lives in registers. */
#if defined(__clang__)
#define ONNXC_RT_PRAGMA(text) _Pragma(#text)
#define ONNXC_RT_UNROLL(n) ONNXC_RT_PRAGMA(clang loop unroll(full))
#elif defined(__GNUC__)
#define ONNXC_RT_PRAGMA(text) _Pragma(#text)
#define ONNXC_RT_UNROLL(n) ONNXC_RT_PRAGMA(GCC unroll n)
#else
#define ONNXC_RT_UNROLL(n)
#endif

/* Asks for a cache line that will be read soon; the address need not be valid. */
#if ONNXC_RT_V_WIDTH > 1
#define ONNXC_RT_PREFETCH(address) __builtin_prefetch(address)
#else
#define ONNXC_RT_PREFETCH(address) ((void)(address))
#endif

/* ---- what depends on the representation ---- */

#if ONNXC_RT_V_WIDTH == 1

typedef float onnxc_rt_v;

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_splat(float x) {
  return x;
}

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_load(const float *from) {
  return *from;
}

ONNXC_RT_V_INLINE void onnxc_rt_v_store(float *to, onnxc_rt_v x) {
  *to = x;
}

#else

typedef float onnxc_rt_v __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
typedef int32_t onnxc_rt_vi __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
typedef uint32_t onnxc_rt_vu __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH)));
typedef float onnxc_rt_v_anywhere
    __attribute__((vector_size(4 * ONNXC_RT_V_WIDTH), aligned(4), may_alias));

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_splat(float x) {
  return x - (onnxc_rt_v){0.0f}; /* minus zero: exact for every x */
}

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_load(const float *from) {
  return *(const onnxc_rt_v_anywhere *)from;
}

ONNXC_RT_V_INLINE void onnxc_rt_v_store(float *to, onnxc_rt_v x) {
  *(onnxc_rt_v_anywhere *)to = x;
}

#endif

/* ---- arithmetic ---- */

/* a * b + c, rounded once where the target can. */
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_fma(onnxc_rt_v a, onnxc_rt_v b, onnxc_rt_v c) {
#if ONNXC_RT_V_WIDTH == 16
  return (onnxc_rt_v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif ONNXC_RT_V_WIDTH == 8 && defined(__FMA__)
  return (onnxc_rt_v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif ONNXC_RT_V_WIDTH == 4 && defined(__FMA__)
  return (onnxc_rt_v)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#elif ONNXC_RT_V_WIDTH == 4 && defined(__ARM_FEATURE_FMA)
  return (onnxc_rt_v)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

/* ---- choices ---- */

/* Lane by lane the larger of two; b where either is NaN. */
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_max(onnxc_rt_v a, onnxc_rt_v b) {
#if ONNXC_RT_V_WIDTH == 1
  return a > b ? a : b;
#elif ONNXC_RT_V_WIDTH == 16
  return (onnxc_rt_v)_mm512_max_ps((__m512)a, (__m512)b);
#else
  const onnxc_rt_vi larger = a > b;
  return (onnxc_rt_v)(((onnxc_rt_vi)a & larger) | ((onnxc_rt_vi)b & ~larger));
#endif
}

/* e^x for x up to 0, 1 ULP; 0 where that is under 2^-126. NaN stays. */
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_exp_negative(onnxc_rt_v x) {
#if ONNXC_RT_V_WIDTH == 1
  return x < -87.0f ? 0.0f : onnxc_rt_exp_f32(x);
#else
  const onnxc_rt_v shifter = onnxc_rt_v_splat(0x1.8p23f); /* leaves an integer in the low bits */
  const onnxc_rt_v shifted = onnxc_rt_v_fma(x, onnxc_rt_v_splat(0x1.715476p0f), shifter);
  const onnxc_rt_v n = shifted - shifter;
  onnxc_rt_v r = onnxc_rt_v_fma(n, onnxc_rt_v_splat(-ONNXC_RT_LN2_HI), x);
  r = onnxc_rt_v_fma(n, onnxc_rt_v_splat(-ONNXC_RT_LN2_LO), r);
  onnxc_rt_v q = onnxc_rt_v_splat(0x1.6db5b2p-10f);
  q = onnxc_rt_v_fma(q, r, onnxc_rt_v_splat(0x1.123c78p-7f));
  q = onnxc_rt_v_fma(q, r, onnxc_rt_v_splat(0x1.55545cp-5f));
  q = onnxc_rt_v_fma(q, r, onnxc_rt_v_splat(0x1.55548ep-3f));
  q = onnxc_rt_v_fma(q, r, onnxc_rt_v_splat(0.5f));
  const onnxc_rt_v rest = onnxc_rt_v_fma(r * r, q, r) + onnxc_rt_v_splat(1.0f);
  const onnxc_rt_vu bits = (onnxc_rt_vu)shifted;
  const onnxc_rt_v scale = (onnxc_rt_v)((bits << 23) + (127u << 23));
  const onnxc_rt_vi tiny = x < onnxc_rt_v_splat(-87.0f);
  return (onnxc_rt_v)((onnxc_rt_vi)(rest * scale) & ~tiny);
#endif
}

#if defined(__has_builtin)
#if ONNXC_RT_V_WIDTH > 1 && __has_builtin(__builtin_shufflevector)
#define ONNXC_RT_HAS_SHUFFLE
#endif
#endif

/* ---- reductions over the lanes, by halves ---- */

ONNXC_RT_V_INLINE float onnxc_rt_v_sum(onnxc_rt_v x) {
  float lanes[ONNXC_RT_V_WIDTH];
  onnxc_rt_v_store(lanes, x);
  for (ptrdiff_t half = ONNXC_RT_V_WIDTH / 2; half > 0; half /= 2) {
    for (ptrdiff_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/* Sums of parts of two vectors: of halves, quarters and eighths of what is still to be summed. */
#if defined(ONNXC_RT_HAS_SHUFFLE) && ONNXC_RT_V_WIDTH == 16
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_halves(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
         __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                 31);
}

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_quarters(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
         __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
#elif defined(ONNXC_RT_HAS_SHUFFLE) && ONNXC_RT_V_WIDTH == 8
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_halves(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
         __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_quarters(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13) +
         __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
}
#elif defined(ONNXC_RT_HAS_SHUFFLE)
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_halves(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_sum_quarters(onnxc_rt_v a, onnxc_rt_v b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
#endif

/* The sums of four vectors; the same additions. */
ONNXC_RT_V_INLINE void onnxc_rt_v_sum_4(const onnxc_rt_v x[4], float *to) {
#if defined(ONNXC_RT_HAS_SHUFFLE)
  enum { WIDTH = ONNXC_RT_V_WIDTH, EACH = WIDTH / 4 };
  float lanes[WIDTH];
  const onnxc_rt_v a = onnxc_rt_v_sum_halves(x[0], x[1]), b = onnxc_rt_v_sum_halves(x[2], x[3]);
  onnxc_rt_v sums = onnxc_rt_v_sum_quarters(a, b); /* of each, WIDTH / 4 numbers in a row */
#if ONNXC_RT_V_WIDTH == 16
  sums += __builtin_shufflevector(sums, sums, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  sums += __builtin_shufflevector(sums, sums, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif ONNXC_RT_V_WIDTH == 8
  sums += __builtin_shufflevector(sums, sums, 1, 0, 3, 2, 5, 4, 7, 6);
#endif
  onnxc_rt_v_store(lanes, sums);
  for (ptrdiff_t i = 0; i < 4; i++) to[i] = lanes[i * EACH];
#else
  for (ptrdiff_t i = 0; i < 4; i++) to[i] = onnxc_rt_v_sum(x[i]);
#endif
}

/* ---- movement ---- */

/* Elements 0, 2, 4, ... of two vectors' worth of memory. */
ONNXC_RT_V_INLINE onnxc_rt_v onnxc_rt_v_load_even(const float *from) {
#if defined(ONNXC_RT_HAS_SHUFFLE)
  const onnxc_rt_v a = onnxc_rt_v_load(from), b = onnxc_rt_v_load(from + ONNXC_RT_V_WIDTH);
#if ONNXC_RT_V_WIDTH == 16
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif ONNXC_RT_V_WIDTH == 8
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
  return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
#else
  float lanes[ONNXC_RT_V_WIDTH];
  for (ptrdiff_t i = 0; i < ONNXC_RT_V_WIDTH; i++) lanes[i] = from[2 * i];
  return onnxc_rt_v_load(lanes);
#endif
}

/* to[j][i] = from[i][j] for four rows and columns. */
#if defined(ONNXC_RT_HAS_SHUFFLE)
typedef float onnxc_rt_v4 __attribute__((vector_size(16)));
typedef float onnxc_rt_v4_anywhere __attribute__((vector_size(16), aligned(4), may_alias));

ONNXC_RT_V_INLINE void onnxc_rt_transpose_4x4(const float *from, ptrdiff_t from_row, float *to,
                                              ptrdiff_t to_row) {
  const onnxc_rt_v4 a = *(const onnxc_rt_v4_anywhere *)from;
  const onnxc_rt_v4 b = *(const onnxc_rt_v4_anywhere *)(from + from_row);
  const onnxc_rt_v4 c = *(const onnxc_rt_v4_anywhere *)(from + 2 * from_row);
  const onnxc_rt_v4 d = *(const onnxc_rt_v4_anywhere *)(from + 3 * from_row);
  const onnxc_rt_v4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const onnxc_rt_v4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const onnxc_rt_v4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const onnxc_rt_v4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(onnxc_rt_v4_anywhere *)to = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  *(onnxc_rt_v4_anywhere *)(to + to_row) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  *(onnxc_rt_v4_anywhere *)(to + 2 * to_row) =
      __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  *(onnxc_rt_v4_anywhere *)(to + 3 * to_row) =
      __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}
#else
ONNXC_RT_V_INLINE void onnxc_rt_transpose_4x4(const float *from, ptrdiff_t from_row, float *to,
                                              ptrdiff_t to_row) {
  for (ptrdiff_t i = 0; i < 4; i++) {
    for (ptrdiff_t j = 0; j < 4; j++) to[j * to_row + i] = from[i * from_row + j];
  }
}
#endif

#endif
