#include "support.h"

#include "ir/dim.h"

#include <string.h>

static const Dim *parse(Context *ctx, const char *text) {
  const char *end;
  const Dim *d = dim_parse(ctx->dims, text, &end);
  assert_non_null(d);
  assert_string_equal(end, "");
  return d;
}

static void equal_expressions_are_the_same_pointer(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *batch = dim_symbol(t, "batch", 1, 8), *seq = dim_symbol(t, "seq", 1, 128);
  const Dim *a = dim_mul(t, dim_add(t, batch, seq), dim_sub(t, batch, seq));
  const Dim *b = dim_sub(t, dim_mul(t, batch, batch), dim_mul(t, seq, seq));
  assert_ptr_equal(a, b);
  assert_ptr_equal(dim_sub(t, a, b), dim_const(t, 0));
  assert_ptr_equal(parse(ctx, "2*batch*(seq + 1)"), parse(ctx, "2*seq*batch + batch + batch"));
}

static void division_is_exact_where_it_can_be(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *batch = dim_symbol(t, "batch", 1, 8), *seq = dim_symbol(t, "seq", 1, 128);
  const Dim *elements = dim_mul_i(t, dim_mul(t, batch, seq), 768);
  assert_ptr_equal(dim_divide_exactly(t, elements, dim_mul_i(t, seq, 64)), dim_mul_i(t, batch, 12));
  const Dim *sum = dim_add(t, batch, seq);
  assert_ptr_equal(dim_floordiv(t, dim_mul(t, sum, seq), sum), seq);
  assert_null(dim_divide_exactly(t, dim_add_i(t, seq, 1), dim_const(t, 2)));
  /* (seq - 1) div 2 + 1 and ceil(seq / 2) are what stride 2 makes of a length */
  const Dim *strided = dim_add_i(t, dim_floordiv(t, dim_add_i(t, seq, -1), dim_const(t, 2)), 1);
  assert_ptr_equal(strided, dim_floordiv(t, dim_add_i(t, seq, 1), dim_const(t, 2)));
  assert_int_equal(strided->lo, 1);
  assert_int_equal(strided->hi, 64);
  /* two strides in turn are one */
  const Dim *five = dim_const(t, 5), *two = dim_const(t, 2);
  const Dim *turns = dim_floordiv(t, dim_add_i(t, dim_floordiv(t, seq, five), 3), two);
  assert_ptr_equal(turns, dim_floordiv(t, dim_add_i(t, seq, 15), dim_const(t, 10)));
}

static void bounds_prove_comparisons(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_symbol(t, "n", 2, 16);
  assert_true(dim_le(t, n, dim_add_i(t, n, 1)));
  assert_true(dim_never_equal(t, n, dim_const(t, -1)));
  assert_false(dim_never_equal(t, n, dim_const(t, 3)));
  assert_ptr_equal(dim_min(t, n, dim_const(t, 20)), n);
  assert_ptr_equal(dim_max(t, dim_add_i(t, n, 3), n), dim_add_i(t, n, 3));
}

static int64_t floor_of(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static void floors_that_are_joined_round_alike(void **state) {
  TEST_BEGIN(state);
  dim_symbol(ctx->dims, "n", 0, 100);
  const Dim *d = parse(ctx, "floordiv(floordiv(n - 50, 3) - 7, 4)");
  assert_ptr_equal(d, parse(ctx, "floordiv(n - 71, 12)"));
  for (int64_t i = 0; i <= 100; i++) {
    int64_t got;
    assert_true(dim_eval(d, &i, &got));
    assert_int_equal(got, floor_of(floor_of(i - 50, 3) - 7, 4));
  }
}

static void evaluation_follows_the_expression(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_symbol(t, "n", 0, 100), *m = dim_symbol(t, "m", 0, 100);
  const Dim *d = parse(ctx, "floordiv(3*n - m + 7, 4) + max(n, m)*min(n, 5)");
  for (int64_t i = 0; i < 20; i++) {
    for (int64_t j = 0; j < 20; j++) {
      int64_t floor = floor_of(3 * i - j + 7, 4), got;
      assert_true(dim_eval(d, (int64_t[]){i, j}, &got));
      assert_int_equal(got, floor + (i > j ? i : j) * (i < 5 ? i : 5));
      assert_true(got >= d->lo && got <= d->hi);
    }
  }
  const Dim *with[] = {dim_const(t, 6), NULL};
  assert_ptr_equal(dim_substitute(t, dim_mul(t, n, m), with, 2), dim_mul_i(t, m, 6));
}

static void text_reads_back(void **state) {
  TEST_BEGIN(state);
  dim_symbol(ctx->dims, "odd name\n\"", 0, 9);
  const Dim *odd = dims_symbol(ctx->dims, 0);
  const char *const texts[] = {"0", "-7", "batch*seq + 2*batch - 1", "floordiv(seq + 1, 2)"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const Dim *d =
        dim_add(ctx->dims, parse(ctx, texts[i]), i % 2 == 0 ? odd : dim_const(ctx->dims, 0));
    assert_ptr_equal(parse(ctx, dim_text(ctx->arena, d)), d);
  }
}

static void extremes_are_compared_by_their_operands(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_symbol(t, "n", 0, INT64_MAX), *m = dim_symbol(t, "m", 0, INT64_MAX);
  assert_true(dim_le(t, dim_max(t, dim_add_i(t, n, -1), dim_const(t, 0)), n));
  assert_true(dim_le(t, dim_min(t, n, m), dim_add_i(t, n, 1)));
  assert_true(dim_le(t, n, dim_max(t, dim_add(t, n, m), m)));
  assert_false(dim_le(t, dim_max(t, n, m), n));
}

static void bounds_become_sharper(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *n = dim_fresh(t, "n", 0, INT64_MAX), *half = parse(ctx, "floordiv(n, 2) + 1");
  assert_int_equal(half->hi, INT64_MAX);
  dim_limit(n, 10);
  assert_int_equal(n->hi, 10);
  assert_ptr_equal(parse(ctx, "floordiv(n, 2) + 1"), half);
  assert_int_equal(half->hi, 6);
  const Dim *again = dim_fresh(t, "n", 0, 5);
  assert_string_equal(dim_as_symbol(again)->name, "n_2");
  dims_forget(t, dim_as_symbol(again)->symbol);
  assert_ptr_not_equal(dim_fresh(t, "n", 0, 7), again);
}

static void unknown_numbers_have_bounds_only(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *a = dim_unknown(t, 0, 5), *b = dim_unknown(t, 0, 5), *n = dim_symbol(t, "n", 1, 8);
  int64_t value, values[] = {3};
  assert_ptr_not_equal(a, b);
  assert_int_equal(dim_add(t, a, n)->hi, 13);
  assert_true(dim_add(t, a, n)->opaque);
  assert_ptr_equal(dim_sub(t, dim_add(t, a, n), a), n);
  assert_false(dim_eval(a, values, &value));
  assert_true(dim_is_const(dim_unknown(t, 4, 4), &value));
}

static void overflow_is_seen(void **state) {
  TEST_BEGIN(state);
  DimTable *t = ctx->dims;
  const Dim *big = dim_const(t, INT64_C(1) << 40);
  assert_false(dims_overflowed(t));
  dim_mul(t, big, big);
  assert_true(dims_overflowed(t));
  assert_false(dims_overflowed(t));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(equal_expressions_are_the_same_pointer),
      TEST(division_is_exact_where_it_can_be),
      TEST(bounds_prove_comparisons),
      TEST(floors_that_are_joined_round_alike),
      TEST(evaluation_follows_the_expression),
      TEST(text_reads_back),
      TEST(extremes_are_compared_by_their_operands),
      TEST(bounds_become_sharper),
      TEST(unknown_numbers_have_bounds_only),
      TEST(overflow_is_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
