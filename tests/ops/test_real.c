/* Numbers of floats that come from sizes. */
#include "support.h"

#include "ops/real.h"

#include <math.h>

static void halves_are_rounded_exactly(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_symbol(t, "n", 1, 100), *two = dim_const(t, 2);
  const Dim *half = real_mul(t, n, dim_quotient(t, dim_const(t, 1), two));
  assert_true(half->opaque);
  assert_ptr_equal(real_floor(t, half), dim_floordiv(t, n, two));
  assert_ptr_equal(real_ceil(t, half), dim_ceildiv(t, n, two));
  assert_ptr_equal(real_truncate(t, half), dim_floordiv(t, n, two));
  assert_ptr_equal(real_add(t, half, half), n);
  assert_ptr_equal(real_mul(t, half, two), n);
  const Dim *more = real_add(t, half, dim_const(t, 1));
  assert_ptr_equal(real_floor(t, more), dim_add_i(t, dim_floordiv(t, n, two), 1));
}

/* n / 3 * 3 may come out below n. */
static void thirds_are_rounded_but_not_multiplied(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_symbol(t, "n", 1, 100), *three = dim_const(t, 3);
  const Dim *third = real_div(t, n, three);
  assert_ptr_equal(real_ceil(t, third), dim_ceildiv(t, n, three));
  const Dim *whole = real_mul(t, third, three);
  assert_true(whole->opaque);
  assert_true(whole->lo <= 1 && whole->hi >= 100 && whole->hi <= 103);
}

static void other_numbers_keep_their_bounds(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *x = real_about(t, -1.5, 2.5), *any = dim_unknown(t, INT64_MIN, INT64_MAX);
  assert_int_equal(x->lo, -2);
  assert_int_equal(x->hi, 3);
  const Dim *product = real_mul(t, x, dim_const(t, -4));
  assert_true(product->lo <= -12 && product->hi >= 8 && product->hi < 20);
  assert_int_equal(real_add(t, x, any)->hi, INT64_MAX);
  assert_int_equal(real_div(t, any, x)->hi, INT64_MAX);
  assert_int_equal(real_about(t, (double)NAN, 1)->lo, INT64_MIN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(halves_are_rounded_exactly),
      TEST(thirds_are_rounded_but_not_multiplied),
      TEST(other_numbers_keep_their_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
