#include "runtime/math_functions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- accuracy: every STRIDE-th float against double precision ---- */

enum { STRIDE = 4093 };

typedef struct Function {
  const char *name;
  double budget;
  float (*approximation)(float);
  double (*exact)(double);
} Function;

#define MF(name, budget, call, exact, libm)                                                        \
  static float name##_of(float x) {                                                                \
    return call;                                                                                   \
  }                                                                                                \
  static double name##_exactly(double x) {                                                         \
    return exact;                                                                                  \
  }
MATH_FUNCTIONS(MF)
#undef MF

static const Function functions[] = {
#define MF(name, budget, call, exact, libm) {#name, budget, name##_of, name##_exactly},
    MATH_FUNCTIONS(MF)
#undef MF
};

static void check_at(const Function *function, float x) {
  const float got = function->approximation(x);
  const double exact = function->exact((double)x);
  const double error = math_ulps(got, exact);
  if (!(error <= function->budget)) {
    fail_msg("%s(%a) = %a, exactly %a: %g ULP", function->name, (double)x, (double)got, exact,
             error);
  }
  if (exact == 0 && !signbit(exact) != !signbit(got)) {
    fail_msg("%s(%a) has the wrong sign", function->name, (double)x);
  }
}

static void functions_stay_within_their_budget(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += STRIDE) {
      check_at(&functions[i], onnxc_rt_f32_from_bits((uint32_t)bits));
    }
  }
}

static void functions_are_right_at_the_edges(void **state) {
  (void)state;
  static const float edges[] = {
      0.0f,   0x1p-149f, 0x1p-126f, 0x1p-24f,   0.5f,        0.99999994f, 1.0f,     1.0000001f,
      2.0f,   3.84f,     3.93f,     9.01f,      10.0f,       16.635f,     17.33f,   20.0f,
      87.3f,  88.5f,     88.72283f, 88.722845f, 103.972076f, 103.98f,     104.0f,   169.9f,
      170.1f, 1023.0f,   1025.0f,   200.0f,     1e10f,       FLT_MAX,     INFINITY, NAN};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    for (size_t j = 0; j < sizeof edges / sizeof *edges; j++) {
      check_at(&functions[i], edges[j]);
      check_at(&functions[i], -edges[j]);
    }
  }
}

/* ---- selection and rounding ---- */

static void min_and_max_propagate_nan(void **state) {
  (void)state;
  assert_true(onnxc_rt_min_f32(1.0f, 2.0f) == 1.0f && onnxc_rt_max_f32(1.0f, 2.0f) == 2.0f);
  assert_true(onnxc_rt_min_f32(2.0f, 1.0f) == 1.0f && onnxc_rt_max_f32(2.0f, 1.0f) == 2.0f);
  assert_true(isnan(onnxc_rt_min_f32(NAN, 1.0f)) && isnan(onnxc_rt_min_f32(1.0f, NAN)));
  assert_true(isnan(onnxc_rt_max_f32(NAN, 1.0f)) && isnan(onnxc_rt_max_f32(1.0f, NAN)));
  assert_true(onnxc_rt_clamp_f32(5.0f, 0.0f, 1.0f) == 1.0f);
  assert_true(onnxc_rt_clamp_f32(-5.0f, 0.0f, 1.0f) == 0.0f);
  assert_true(isnan(onnxc_rt_clamp_f32(NAN, 0.0f, 1.0f)));
}

static void rounding_takes_halves_to_even(void **state) {
  (void)state;
  for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += STRIDE) {
    const float x = onnxc_rt_f32_from_bits((uint32_t)bits), got = onnxc_rt_round_even_f32(x);
    const float expected = rintf(x);
    assert_true(isnan(x) ? isnan(got)
                         : onnxc_rt_bits_from_f32(got) == onnxc_rt_bits_from_f32(expected));
  }
  for (double x = -6; x <= 6; x += 0.25) assert_true(onnxc_rt_round_even_f64(x) == rint(x));
  assert_true(signbit(onnxc_rt_round_even_f32(-0.25f)) && signbit(onnxc_rt_round_even_f64(-0.25)));
  assert_true(onnxc_rt_round_even_f64(0x1.fffffffffffffp52) == 0x1.fffffffffffffp52);
}

/* ---- 16-bit floats ---- */

/* The value of a half, from its fields. */
static double half_value(uint32_t half) {
  const int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
  const double magnitude = exponent == 31  ? (fraction != 0 ? (double)NAN : (double)INFINITY)
                           : exponent == 0 ? ldexp(fraction, -24)
                                           : ldexp(1024 + fraction, exponent - 25);
  return half >> 15 != 0 ? -magnitude : magnitude;
}

static void every_half_converts_and_returns(void **state) {
  (void)state;
  for (uint32_t half = 0; half < 65536; half++) {
    const float x = onnxc_rt_f32_from_f16((uint16_t)half);
    const double value = half_value(half);
    assert_true(isnan(value) ? isnan(x) : (double)x == value);
    assert_int_equal(signbit(x) != 0, half >> 15);
    const uint16_t back = onnxc_rt_f16_from_f32(x);
    assert_true(isnan(value) ? isnan(onnxc_rt_f32_from_f16(back)) : back == half);
  }
}

/* Between neighbouring halves the boundary is their mean, which goes to the even one. */
static void halves_round_to_nearest_even(void **state) {
  (void)state;
  for (uint32_t half = 0; half < 0x7c00; half++) {
    const double next = half == 0x7bff ? 65536 : half_value(half + 1);
    const float middle = (float)((half_value(half) + next) / 2);
    const uint32_t even = half + (half & 1);
    assert_int_equal(onnxc_rt_f16_from_f32(middle), even);
    assert_int_equal(onnxc_rt_f16_from_f32(nextafterf(middle, 0.0f)), half);
    assert_int_equal(onnxc_rt_f16_from_f32(nextafterf(middle, INFINITY)), half + 1);
    assert_int_equal(onnxc_rt_f16_from_f32(-middle), even | 0x8000u);
  }
}

static void bf16_rounds_to_nearest_even(void **state) {
  (void)state;
  for (uint32_t x = 0; x < 65536; x++) {
    const float value = onnxc_rt_f32_from_bf16((uint16_t)x);
    if (isnan(value)) {
      assert_true(isnan(onnxc_rt_f32_from_bf16(onnxc_rt_bf16_from_f32(value))));
      continue;
    }
    assert_int_equal(onnxc_rt_bf16_from_f32(value), x);
    if (isinf(value)) continue;
    assert_int_equal(onnxc_rt_bf16_from_f32(onnxc_rt_f32_from_bits(x << 16 | 0x8000)), x + (x & 1));
    assert_int_equal(onnxc_rt_bf16_from_f32(onnxc_rt_f32_from_bits(x << 16 | 0x7fff)), x);
    assert_int_equal(onnxc_rt_bf16_from_f32(onnxc_rt_f32_from_bits(x << 16 | 0x8001)), x + 1);
  }
  const float nan_in_low_bits = onnxc_rt_f32_from_bits(0x7f800001);
  assert_true(isnan(onnxc_rt_f32_from_bf16(onnxc_rt_bf16_from_f32(nan_in_low_bits))));
}

/* ---- integers ---- */

#define CHECK_SATURATION(suffix, least, greatest)                                                  \
  assert_true(onnxc_rt_##suffix##_from_f32(NAN) == 0 && onnxc_rt_##suffix##_from_f64(NAN) == 0);   \
  assert_true(onnxc_rt_##suffix##_from_f32(INFINITY) == greatest);                                 \
  assert_true(onnxc_rt_##suffix##_from_f32(-INFINITY) == least);                                   \
  assert_true(onnxc_rt_##suffix##_from_f32((float)greatest) == greatest);                          \
  assert_true(onnxc_rt_##suffix##_from_f64(1e300) == greatest);                                    \
  assert_true(onnxc_rt_##suffix##_from_f64(-1e300) == least);                                      \
  assert_true(onnxc_rt_##suffix##_from_f32(99.9f) == 99);                                          \
  assert_true(onnxc_rt_##suffix##_from_f32(-0.9f) == 0);                                           \
  assert_true(onnxc_rt_##suffix##_from_f64(99.9) == 99);

static void conversion_to_integers_saturates(void **state) {
  (void)state;
  CHECK_SATURATION(i8, INT8_MIN, INT8_MAX)
  CHECK_SATURATION(i16, INT16_MIN, INT16_MAX)
  CHECK_SATURATION(i32, INT32_MIN, INT32_MAX)
  CHECK_SATURATION(i64, INT64_MIN, INT64_MAX)
  CHECK_SATURATION(u8, 0, UINT8_MAX)
  CHECK_SATURATION(u16, 0, UINT16_MAX)
  CHECK_SATURATION(u32, 0, UINT32_MAX)
  CHECK_SATURATION(u64, 0, UINT64_MAX)
  assert_true(onnxc_rt_i32_from_f32(0x1.fffffep30f) == 0x7fffff80);
  assert_true(onnxc_rt_i32_from_f64(2147483647.0) == INT32_MAX);
  assert_true(onnxc_rt_i32_from_f64(-2147483648.9) == INT32_MIN);
  assert_true(onnxc_rt_i64_from_f64(-0x1p63) == INT64_MIN);
}

#define CHECK_SIGNED(suffix, least, greatest)                                                      \
  assert_true(onnxc_rt_div_##suffix(7, 0) == 0 && onnxc_rt_rem_##suffix(7, 0) == 0);               \
  assert_true(onnxc_rt_mod_##suffix(7, 0) == 0 && onnxc_rt_mod_##suffix(least, -1) == 0);          \
  assert_true(onnxc_rt_div_##suffix(least, -1) == least);                                          \
  assert_true(onnxc_rt_rem_##suffix(least, -1) == 0 && onnxc_rt_abs_##suffix(least) == least);     \
  assert_true(onnxc_rt_div_##suffix(-7, 2) == -3 && onnxc_rt_rem_##suffix(-7, 2) == -1);           \
  assert_true(onnxc_rt_mod_##suffix(-7, 3) == 2 && onnxc_rt_mod_##suffix(7, -3) == -2);            \
  assert_true(onnxc_rt_mod_##suffix(-6, 3) == 0 && onnxc_rt_mod_##suffix(-7, -3) == -1);           \
  assert_true(onnxc_rt_add_##suffix(greatest, 1) == least);                                        \
  assert_true(onnxc_rt_sub_##suffix(least, 1) == greatest);                                        \
  assert_true(onnxc_rt_mul_##suffix(least, least) == 0);                                           \
  assert_true(onnxc_rt_mul_##suffix(greatest, greatest) == 1);                                     \
  assert_true(onnxc_rt_neg_##suffix(least) == least && onnxc_rt_abs_##suffix(-5) == 5);

#define CHECK_UNSIGNED(suffix, greatest, width)                                                    \
  assert_true(onnxc_rt_div_##suffix(7, 0) == 0 && onnxc_rt_rem_##suffix(7, 0) == 0);               \
  assert_true(onnxc_rt_mod_##suffix(7, 4) == 3 && onnxc_rt_div_##suffix(7, 2) == 3);               \
  assert_true(onnxc_rt_add_##suffix(greatest, 1) == 0);                                            \
  assert_true(onnxc_rt_sub_##suffix(0, 1) == greatest);                                            \
  assert_true(onnxc_rt_mul_##suffix(greatest, greatest) == 1);                                     \
  assert_true(onnxc_rt_neg_##suffix(1) == greatest && onnxc_rt_abs_##suffix(5) == 5);              \
  assert_true(onnxc_rt_shl_##suffix(3, width - 1) == (uint64_t)1 << (width - 1));                  \
  assert_true(onnxc_rt_shl_##suffix(3, width) == 0 && onnxc_rt_shr_##suffix(3, width) == 0);       \
  assert_true(onnxc_rt_shr_##suffix(greatest, width - 1) == 1);                                    \
  assert_true(onnxc_rt_shl_##suffix(3, greatest) == 0 && onnxc_rt_shl_##suffix(3, 1) == 6);

static void integer_results_are_always_defined(void **state) {
  (void)state;
  CHECK_SIGNED(i8, INT8_MIN, INT8_MAX)
  CHECK_SIGNED(i16, INT16_MIN, INT16_MAX)
  CHECK_SIGNED(i32, INT32_MIN, INT32_MAX)
  CHECK_SIGNED(i64, INT64_MIN, INT64_MAX)
  CHECK_UNSIGNED(u8, UINT8_MAX, 8)
  CHECK_UNSIGNED(u16, UINT16_MAX, 16)
  CHECK_UNSIGNED(u32, UINT32_MAX, 32)
  CHECK_UNSIGNED(u64, UINT64_MAX, 64)
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions_stay_within_their_budget),
      cmocka_unit_test(functions_are_right_at_the_edges),
      cmocka_unit_test(min_and_max_propagate_nan),
      cmocka_unit_test(rounding_takes_halves_to_even),
      cmocka_unit_test(every_half_converts_and_returns),
      cmocka_unit_test(halves_round_to_nearest_even),
      cmocka_unit_test(bf16_rounds_to_nearest_even),
      cmocka_unit_test(conversion_to_integers_saturates),
      cmocka_unit_test(integer_results_are_always_defined),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
