/* Matrix products: MatMul and Gemm. */
#include "ops/expect.h"

static void products_broadcast_their_batches(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %a = f32[2, 3] {1, 2, 3, 4, 5, 6}\n"
         "const %b = f32[3, 2] {1, 0, 0, 1, 1, 1}\n %y = MatMul(%a, %b)",
         "f32[2, 2]", 4, 5, 10, 11);
  EXPECT("output %y\n const %a = f32[3] {1, 2, 3}\n const %b = f32[3] {4, 5, 6}\n"
         "%y = MatMul(%a, %b)",
         "f32[]", 32);
  EXPECT("output %y\n const %a = f64[2, 1, 1, 2] {1, 2, 3, 4}\n"
         "const %b = f64[2, 2, 1] {1, 1, 2, 0}\n %y = MatMul(%a, %b)",
         "f64[2, 2, 1, 1]", 3, 2, 7, 6);
  EXPECT("output %y\n const %a = f32[2, 0] {}\n const %b = f32[0, 2] {}\n %y = MatMul(%a, %b)",
         "f32[2, 2]", 0, 0, 0, 0);
}

static void integer_products_wrap(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %a = i32[1, 2] {2147483647, 1}\n const %b = i32[2, 1] {2, 3}\n"
         "%y = MatMul(%a, %b)",
         "i32[1, 1]", 1);
}

static void gemm_transposes_scales_and_adds(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %a = f32[3, 2] {1, 4, 2, 5, 3, 6}\n"
         "const %b = f32[2, 3] {1, 0, 1, 0, 1, 1}\n const %c = f32[2] {10, 20}\n"
         "%y = Gemm(%a, %b, %c) {transA = 1, transB = 1, alpha = 0x1p-1, beta = 0x1p+1}",
         "f32[2, 2]", 22, 42.5, 25, 45.5);
}

static void sizes_stay_symbolic(void **state) {
  TEST_BEGIN(state);
  expect_inferred(ctx,
                  "input %a: f32[batch, seq, 8]\n input %b: f32[8, 4]\n output %y\n"
                  "%y = MatMul(%a, %b)",
                  "f32[batch, seq, 4]");
  expect_inferred(ctx,
                  "input %a: f32[m, 8]\n input %b: f32[4, 8]\n output %y\n"
                  "%y = Gemm(%a, %b) {transB = 1}",
                  "f32[m, 4]");
}

static void wrong_operands_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %a: f32[2, 3]\n input %b: f32[4, 2]\n output %y\n"
                 "%y = MatMul(%a, %b)",
                 "3 columns of the first matrix do not meet 4 rows");
  expect_refused(ctx,
                 "input %a: f32[2, 3]\n input %b: f64[3, 2]\n output %y\n"
                 "%y = MatMul(%a, %b)",
                 "must have its type");
  expect_refused(ctx, "input %a: f32[]\n input %b: f32[3, 2]\n output %y\n %y = MatMul(%a, %b)",
                 "input A is f32[]");
  expect_refused(ctx,
                 "input %a: f32[2, 3]\n input %b: f32[3, 2]\n input %c: f32[3]\n output %y\n"
                 "%y = Gemm(%a, %b, %c)",
                 "does not broadcast");
  expect_refused(ctx, "input %a: f32[2, 3]\n output %y\n %y = MatMul(%a)", "input B is required");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(products_broadcast_their_batches), TEST(integer_products_wrap),
      TEST(gemm_transposes_scales_and_adds),  TEST(sizes_stay_symbolic),
      TEST(wrong_operands_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
