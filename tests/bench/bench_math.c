/* The functions of onnxc_rt_math.h: nanoseconds an element in a plain loop, against libm's, and
 * with --exhaustive the largest error over all 2^32 floats (minutes for each function).
 *
 *   bench_math [--exhaustive] [NAME...] */
#include "onnxc_rt_math.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { COUNT = 4096, REPEATS = 2000 };

#define LOOP(name, call)                                                                           \
  static void name(const float *restrict x, float *restrict y) {                                   \
    for (int i = 0; i < COUNT; i++) y[i] = call(x[i]);                                             \
  }

static double exact_sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static double exact_softplus(double x) {
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static float libm_sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

static float libm_softplus(float x) {
  return log1pf(expf(x));
}

LOOP(loop_exp, onnxc_rt_exp_f32)
LOOP(loop_expm1, onnxc_rt_expm1_f32)
LOOP(loop_tanh, onnxc_rt_tanh_f32)
LOOP(loop_sigmoid, onnxc_rt_sigmoid_f32)
LOOP(loop_log, onnxc_rt_log_f32)
LOOP(loop_log1p, onnxc_rt_log1p_f32)
LOOP(loop_softplus, onnxc_rt_softplus_f32)
LOOP(loop_erf, onnxc_rt_erf_f32)
LOOP(libm_loop_exp, expf)
LOOP(libm_loop_expm1, expm1f)
LOOP(libm_loop_tanh, tanhf)
LOOP(libm_loop_sigmoid, libm_sigmoid)
LOOP(libm_loop_log, logf)
LOOP(libm_loop_log1p, log1pf)
LOOP(libm_loop_softplus, libm_softplus)
LOOP(libm_loop_erf, erff)

typedef struct Function {
  const char *name;
  void (*ours)(const float *, float *);
  void (*libm)(const float *, float *);
  double (*exact)(double);
} Function;

static const Function functions[] = {
    {"exp", loop_exp, libm_loop_exp, exp},
    {"expm1", loop_expm1, libm_loop_expm1, expm1},
    {"tanh", loop_tanh, libm_loop_tanh, tanh},
    {"sigmoid", loop_sigmoid, libm_loop_sigmoid, exact_sigmoid},
    {"log", loop_log, libm_loop_log, log},
    {"log1p", loop_log1p, libm_loop_log1p, log1p},
    {"softplus", loop_softplus, libm_loop_softplus, exact_softplus},
    {"erf", loop_erf, libm_loop_erf, erf},
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

static double ulps(float got, double exact) {
  if (isnan(exact) || isinf((float)exact)) {
    return (isnan(exact) && isnan(got)) || got == (float)exact ? 0 : INFINITY;
  }
  const float near = fabsf((float)exact);
  const double ulp = (double)(nextafterf(near, INFINITY) - near);
  return fabs((double)got - exact) / (near == FLT_MAX ? 0x1p104 : ulp);
}

static void exhaust(const Function *function) {
  static float x[COUNT], y[COUNT];
  double worst = 0;
  float where = 0;
  for (uint64_t base = 0; base < (uint64_t)1 << 32; base += COUNT) {
    for (uint32_t i = 0; i < COUNT; i++) x[i] = onnxc_rt_f32_from_bits((uint32_t)base + i);
    function->ours(x, y);
    for (int i = 0; i < COUNT; i++) {
      const double error = ulps(y[i], function->exact((double)x[i]));
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
