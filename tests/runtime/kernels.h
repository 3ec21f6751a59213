/* What the tests of kernels share: every variant that this processor runs, random numbers, and
 * memory with guards around it. */
#ifndef ONNXC_TESTS_RUNTIME_KERNELS_H
#define ONNXC_TESTS_RUNTIME_KERNELS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simd/dispatch.h"

/* ---- variants ---- */

/* VARIANTS(kernel, params): a table `kernel_variants` of the plain name, the portable form, and on
 * dispatching targets each ISA. */
#if defined(ONNXC_RT_DISPATCH)
/* Kernels of bytes have one ISA more. */
#define VARIANTS_I8(kernel, params)                                                                \
  typedef int kernel##_type(const params *call);                                                   \
  kernel##_type kernel##__scalar, kernel##__base, kernel##__avx2, kernel##__avx512,                \
      kernel##__vnni;                                                                              \
  static const struct {                                                                            \
    const char *name;                                                                              \
    kernel##_type *run;                                                                            \
  } kernel##_variants[] = {                                                                        \
      {"plain", kernel},        {"scalar", kernel##__scalar}, {"base", kernel##__base},            \
      {"avx2", kernel##__avx2}, {"avx512", kernel##__avx512}, {"vnni", kernel##__vnni}};
#define VARIANTS(kernel, params)                                                                   \
  typedef int kernel##_type(const params *call);                                                   \
  kernel##_type kernel##__scalar, kernel##__base, kernel##__avx2, kernel##__avx512;                \
  static const struct {                                                                            \
    const char *name;                                                                              \
    kernel##_type *run;                                                                            \
  } kernel##_variants[] = {{"plain", kernel},                                                      \
                           {"scalar", kernel##__scalar},                                           \
                           {"base", kernel##__base},                                               \
                           {"avx2", kernel##__avx2},                                               \
                           {"avx512", kernel##__avx512}};
#else
#define VARIANTS(kernel, params)                                                                   \
  typedef int kernel##_type(const params *call);                                                   \
  kernel##_type kernel##__scalar;                                                                  \
  static const struct {                                                                            \
    const char *name;                                                                              \
    kernel##_type *run;                                                                            \
  } kernel##_variants[] = {{"plain", kernel}, {"scalar", kernel##__scalar}};
#define VARIANTS_I8 VARIANTS
#endif

static inline bool variant_runs(const char *name) {
  (void)name;
#if defined(ONNXC_RT_DISPATCH)
  if (strcmp(name, "vnni") == 0) return ONNXC_RT_HAS_VNNI;
  if (strcmp(name, "avx512") == 0) return ONNXC_RT_HAS_AVX512;
  if (strcmp(name, "avx2") == 0) return ONNXC_RT_HAS_AVX2;
#endif
  return true;
}

#define FOR_EACH_VARIANT(kernel, i)                                                                \
  for (size_t i = 0; i < sizeof kernel##_variants / sizeof *kernel##_variants; i++)                \
    if (variant_runs(kernel##_variants[i].name))

/* ---- random numbers ---- */

static inline uint32_t random_next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

static inline ptrdiff_t random_size(uint64_t *state, ptrdiff_t low, ptrdiff_t high) {
  return low + (ptrdiff_t)(random_next(state) % (uint32_t)(high - low + 1));
}

/* ---- memory ---- */

#define GUARD 16 /* floats on each side, all of them this: */
#define GUARD_VALUE -12345.0f

/* `count` floats aligned to 64 bytes, all NaN, with guards around them. */
static inline float *guarded_new(ptrdiff_t count) {
  const size_t guards = (size_t)2 * GUARD, total = ((size_t)count + guards + 15) / 16 * 16;
  float *memory = aligned_alloc(64, total * sizeof *memory);
  for (size_t i = 0; i < total; i++) memory[i] = GUARD_VALUE;
  for (ptrdiff_t i = 0; i < count; i++) memory[GUARD + i] = NAN;
  return memory + GUARD;
}

static inline float *guarded_random(uint64_t *state, ptrdiff_t count) {
  float *memory = guarded_new(count);
  for (ptrdiff_t i = 0; i < count; i++) {
    memory[i] = (float)random_size(state, -1000, 1000) / 1000.0f;
  }
  return memory;
}

static inline void guarded_free(float *memory, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < GUARD; i++) {
    if (memory[i - GUARD] != GUARD_VALUE || memory[count + i] != GUARD_VALUE) {
      fail_msg("written outside of %td floats", count);
    }
  }
  free(memory - GUARD);
}

/* `got` equals `expected`, the sum of products that are `scale` large altogether. */
static inline void check_close(double expected, float got, double scale, const char *variant) {
  if (!(fabs((double)got - expected) <= 1e-6 * (scale + 1))) {
    fail_msg("%s: %g instead of %g", variant, (double)got, expected);
  }
}

/* ---- an epilogue that records ---- */

typedef struct Recorder {
  float *results; /* [rows][columns], NaN where nothing came yet */
  ptrdiff_t rows, columns, first_row;
} Recorder;

static inline void record(const void *context, float *accumulators, ptrdiff_t row, ptrdiff_t column,
                          ptrdiff_t count) {
  const Recorder *recorder = context;
  row -= recorder->first_row;
  assert_true(row >= 0 && row < recorder->rows);
  assert_true(column >= 0 && count > 0 && column + count <= recorder->columns);
  for (ptrdiff_t j = 0; j < count; j++) {
    float *result = &recorder->results[row * recorder->columns + column + j];
    assert_true(isnan(*result));
    *result = accumulators[j];
    accumulators[j] = NAN; /* they are the epilogue's to overwrite */
  }
}

#endif
