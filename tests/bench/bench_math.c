/* The functions of onnxc_rt_math.h: nanoseconds an element in a plain loop, against libm's, and
 * with --exhaustive the largest error over all 2^32 floats (minutes for each function).
 *
 *   bench_math [--exhaustive] [NAME...] */
#include "runtime/math_functions.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { COUNT = 4096, REPEATS = 2000 };

typedef struct Function {
  const char *name;
  void (*ours)(const float *, float *);
  void (*libm)(const float *, float *);
  double (*exact)(double);
} Function;

#define MF(name, budget, call, exact_call, libm_call)                                              \
  static void name##_loop(const float *restrict from, float *restrict to) {                        \
    for (int i = 0; i < COUNT; i++) {                                                              \
      const float x = from[i];                                                                     \
      to[i] = call;                                                                                \
    }                                                                                              \
  }                                                                                                \
  static void name##_libm_loop(const float *restrict from, float *restrict to) {                   \
    for (int i = 0; i < COUNT; i++) {                                                              \
      const float x = from[i];                                                                     \
      to[i] = libm_call;                                                                           \
    }                                                                                              \
  }                                                                                                \
  static double name##_exactly(double x) {                                                         \
    return exact_call;                                                                             \
  }
MATH_FUNCTIONS(MF)
#undef MF

static const Function functions[] = {
#define MF(name, budget, call, exact, libm) {#name, name##_loop, name##_libm_loop, name##_exactly},
    MATH_FUNCTIONS(MF)
#undef MF
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double nanoseconds(void (*loop)(const float *, float *)) {
  static float x[COUNT], y[COUNT];
  for (int i = 0; i < COUNT; i++) x[i] = (float)i * (8.0f / COUNT) + 0.01f;
  loop(x, y);
  const double start = now();
  for (int i = 0; i < REPEATS; i++) loop(x, y);
  return 1e9 * (now() - start) / ((double)COUNT * REPEATS);
}

static void exhaust(const Function *function) {
  static float x[COUNT], y[COUNT];
  double worst = 0;
  float where = 0;
  for (uint64_t base = 0; base < (uint64_t)1 << 32; base += COUNT) {
    for (uint32_t i = 0; i < COUNT; i++) x[i] = onnxc_rt_f32_from_bits((uint32_t)base + i);
    function->ours(x, y);
    for (int i = 0; i < COUNT; i++) {
      const double error = math_ulps(y[i], function->exact((double)x[i]));
      if (error > worst) worst = error, where = x[i];
    }
  }
  printf("%-10s largest error %.3f ULP at %a\n", function->name, worst, (double)where);
}

static bool wanted(const char *name, int argc, char **argv) {
  bool named = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], name) == 0) return true;
    named |= argv[i][0] != '-';
  }
  return !named;
}

int main(int argc, char **argv) {
  const bool exhaustive = argc > 1 && strcmp(argv[1], "--exhaustive") == 0;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    const Function *function = &functions[i];
    if (!wanted(function->name, argc, argv)) continue;
    printf("%-10s %.2f ns an element, libm %.2f\n", function->name, nanoseconds(function->ours),
           nanoseconds(function->libm));
    if (exhaustive) exhaust(function);
  }
  return 0;
}
