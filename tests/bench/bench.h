/* What the benchmarks of kernels share: time, memory, and the speed of nothing but FMA. */
#ifndef ONNXC_TESTS_BENCH_H
#define ONNXC_TESTS_BENCH_H

#include "onnxc_rt_kernels.h"
#include "simd/simd.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PROBE_SUMS = 12, PROBE_TURNS = 1 << 18 };

/* Of this process: others may use the machine meanwhile. */
static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* GFLOP/s of independent FMAs. */
ONNXC_RT_V_FUNCTION static inline double probe(float *sink) {
  onnxc_rt_v sums[PROBE_SUMS];
  const onnxc_rt_v x = onnxc_rt_v_splat(0.999f), y = onnxc_rt_v_splat(0.001f);
  ONNXC_RT_UNROLL(12)
  for (int i = 0; i < PROBE_SUMS; i++) sums[i] = onnxc_rt_v_splat((float)i);
  const double start = now();
  for (int turn = 0; turn < PROBE_TURNS; turn++) {
    ONNXC_RT_UNROLL(4)
    for (int again = 0; again < 4; again++) {
      ONNXC_RT_UNROLL(12)
      for (int i = 0; i < PROBE_SUMS; i++) sums[i] = onnxc_rt_v_fma(sums[i], x, y);
    }
  }
  const double seconds = now() - start;
  ONNXC_RT_UNROLL(12)
  for (int i = 0; i < PROBE_SUMS; i++) *sink += onnxc_rt_v_sum(sums[i]);
  return 8e-9 * PROBE_SUMS * ONNXC_RT_V_WIDTH * PROBE_TURNS / seconds;
}

static inline float *floats(ptrdiff_t count) {
  const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
  float *memory = aligned_alloc(64, bytes);
  if (memory == NULL) exit(1);
  for (ptrdiff_t i = 0; i < count; i++) memory[i] = (float)(i % 17) * 0.125f - 1.0f;
  return memory;
}

#endif
