/* Comparison with tolerance. */
#include "cli/compare.h"
#include "support.h"

#include <math.h>
#include <string.h>

static const Tensor *floats(Context *ctx, const float *values, int64_t n) {
  Tensor *tensor = tensor_new(ctx, ONNXC_RT_F32, 1, &n);
  memcpy((void *)(uintptr_t)tensor->data, values, tensor->bytes);
  return tensor;
}

static const Tolerance tolerance = {1e-3, 1e-7, false};

static void within_tolerance(void **state) {
  TEST_BEGIN(state);
  const Tensor *a = floats(ctx, (float[]){1, -100, NAN, INFINITY, 0}, 5);
  const Tensor *b = floats(ctx, (float[]){1.0009f, -100.05f, NAN, INFINITY, 5e-8f}, 5);
  assert_null(compare_tensors(ctx->arena, a, b, tolerance));
}

static void outside(void **state) {
  TEST_BEGIN(state);
  const Tensor *a = floats(ctx, (float[]){1, 2, 3}, 3), *b = floats(ctx, (float[]){1, 2.5f, 7}, 3);
  assert_string_equal(compare_tensors(ctx->arena, a, b, tolerance),
                      "2 of 3 elements differ, the largest error is 4: 3 instead of 7 at [2]");
  a = floats(ctx, (float[]){NAN, 1}, 2);
  b = floats(ctx, (float[]){1, 1}, 2);
  assert_non_null(compare_tensors(ctx->arena, a, b, tolerance));
  assert_non_null(compare_tensors(ctx->arena, b, a, tolerance));
}

static void shapes_and_types(void **state) {
  TEST_BEGIN(state);
  const Tensor *a = floats(ctx, (float[]){1, 2}, 2);
  assert_string_equal(compare_tensors(ctx->arena, a, tensor_scalar_i64(ctx, 1), tolerance),
                      "f32[2] instead of i64[]");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(within_tolerance), TEST(outside), TEST(shapes_and_types)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
