/* Convolution and pooling. */
#include "ops/expect.h"

#define X44                                                                                        \
  "output %y\n const %x = f32[1, 1, 4, 4] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "    \
  "16}\n"
#define X5 "output %y\n const %x = f32[1, 1, 5] {1, 2, 3, 4, 5}\n"

static void convolution_slides(void **state) {
  TEST_BEGIN(state);
  EXPECT(X44 "const %w = f32[1, 1, 2, 2] {1, 0, 0, 1}\n const %b = f32[1] {100}\n"
             "%y = Conv(%x, %w, %b) {strides = [2, 2]}",
         "f32[1, 1, 2, 2]", 107, 111, 123, 127);
  EXPECT(X5 "const %w = f32[1, 1, 3] {1, 10, 100}\n"
            "%y = Conv(%x, %w) {dilations = [2], pads = [2, 1]}",
         "f32[1, 1, 4]", 310, 420, 531, 42);
  EXPECT(X5 "const %w = f32[1, 1, 2] {1, 10}\n %y = Conv(%x, %w) {auto_pad = \"SAME_LOWER\"}",
         "f32[1, 1, 5]", 10, 21, 32, 43, 54);
  EXPECT(X5 "const %w = f32[1, 1, 2] {1, 10}\n %y = Conv(%x, %w) {auto_pad = \"SAME_UPPER\"}",
         "f32[1, 1, 5]", 21, 32, 43, 54, 5);
  EXPECT("output %y\n const %x = f64[1, 2, 2] {1, 2, 3, 4}\n const %w = f64[4, 1, 1] {1, 2, 3, 4}\n"
         "%y = Conv(%x, %w) {group = 2}",
         "f64[1, 4, 2]", 1, 2, 2, 4, 9, 12, 12, 16);
}

static void transposed_convolution_spreads(void **state) {
  TEST_BEGIN(state);
  const char *x = "output %y\n const %x = f32[1, 1, 2] {1, 2}\n"
                  "const %w = f32[1, 1, 3] {1, 10, 100}\n";
  EXPECT(arena_printf(ctx->arena, "%s%%y = ConvTranspose(%%x, %%w) {strides = [2]}", x),
         "f32[1, 1, 5]", 1, 10, 102, 20, 200);
  EXPECT(arena_printf(ctx->arena,
                      "%s%%y = ConvTranspose(%%x, %%w) {strides = [2], pads = [1, 1], "
                      "output_padding = [1]}",
                      x),
         "f32[1, 1, 4]", 10, 102, 20, 200);
  EXPECT(arena_printf(ctx->arena,
                      "%s%%y = ConvTranspose(%%x, %%w) {strides = [2], auto_pad = \"SAME_UPPER\"}",
                      x),
         "f32[1, 1, 4]", 1, 10, 102, 20);
  EXPECT(arena_printf(ctx->arena,
                      "%s%%y = ConvTranspose(%%x, %%w) {strides = [2], output_shape = [4]}", x),
         "f32[1, 1, 4]", 10, 102, 20, 200);
}

static void pools_take_the_largest(void **state) {
  TEST_BEGIN(state);
  EXPECT(X44 "%y = MaxPool(%x) {kernel_shape = [2, 2], strides = [2, 2]}", "f32[1, 1, 2, 2]", 6, 8,
         14, 16);
  EXPECT("output %i\n const %x = f32[1, 2, 2, 2] {4, 1, 2, 3, 5, 5, 9, 5}\n"
         "%y, %i = MaxPool(%x) {kernel_shape = [2, 2]}",
         "i64[1, 2, 1, 1]", 0, 6);
  EXPECT("output %i\n const %x = f32[1, 2, 2, 2] {1, 4, 2, 3, 5, 5, 9, 5}\n"
         "%y, %i = MaxPool(%x) {kernel_shape = [2, 2], storage_order = 1}",
         "i64[1, 2, 1, 1]", 2, 5);
  EXPECT(X5 "%y = MaxPool(%x) {kernel_shape = [2], strides = [3], ceil_mode = 1}", "f32[1, 1, 2]",
         2, 5);
  EXPECT("output %y\n const %x = i8[1, 1, 3] {-5, -7, -6}\n"
         "%y = MaxPool(%x) {kernel_shape = [2], pads = [1, 0]}",
         "i8[1, 1, 3]", -5, -5, -6);
}

static void pools_take_means_and_norms(void **state) {
  TEST_BEGIN(state);
  EXPECT(X5 "%y = AveragePool(%x) {kernel_shape = [3], pads = [1, 1], strides = [2]}",
         "f32[1, 1, 3]", 1.5, 3, 4.5);
  EXPECT(X5 "%y = AveragePool(%x) {kernel_shape = [3], pads = [1, 1], strides = [2], "
            "count_include_pad = 1}",
         "f32[1, 1, 3]", 1, 3, 3);
  EXPECT(X5 "%y = AveragePool(%x) {kernel_shape = [2], strides = [2], ceil_mode = 1, "
            "count_include_pad = 1}",
         "f32[1, 1, 3]", 1.5, 3.5, 5);
  EXPECT("output %y\n const %x = f32[1, 1, 2] {3, -4}\n %y = LpPool(%x) {kernel_shape = [2]}",
         "f32[1, 1, 1]", 5);
}

static void sizes_stay_symbolic(void **state) {
  TEST_BEGIN(state);
  expect_inferred(ctx,
                  "input %x: f32[n, 3, h, 32]\n input %w: f32[8, 3, 3, 3]\n output %y\n"
                  "%y = Conv(%x, %w) {pads = [1, 1, 1, 1]}",
                  "f32[n, 8, h, 32]");
  expect_inferred(ctx,
                  "input %x: f32[n, 3, 4*h, 32]\n input %w: f32[8, 3, 3, 3]\n output %y\n"
                  "%y = Conv(%x, %w) {auto_pad = \"SAME_UPPER\", strides = [2, 2]}",
                  "f32[n, 8, 2*h, 16]");
}

static void wrong_windows_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %x: f32[1, 3, 8, 8]\n input %w: f32[8, 2, 3, 3]\n output %y\n"
                 "%y = Conv(%x, %w)",
                 "has size 3 on axis 1, but group * axis 1 of W is 2");
  expect_refused(ctx,
                 "input %x: f32[1, 3, 2, 8]\n input %w: f32[8, 3, 3, 3]\n output %y\n"
                 "%y = Conv(%x, %w)",
                 "does not fit into spatial axis 0");
  expect_refused(ctx,
                 "input %x: f32[1, 3, 8, 8]\n input %w: f32[8, 3, 3, 3]\n output %y\n"
                 "%y = Conv(%x, %w) {strides = [0, 1]}",
                 "attribute strides has 0");
  expect_refused(ctx,
                 "input %x: f32[1, 3, 8, 8]\n input %w: f32[8, 3, 3, 3]\n output %y\n"
                 "%y = Conv(%x, %w) {pads = [1, 1]}",
                 "attribute pads has 2 values, but needs 4");
  expect_refused(ctx,
                 "input %x: f32[1, 3, 8, 8]\n output %y\n"
                 "%y = MaxPool(%x) {kernel_shape = [2, 2], auto_pad = \"SAME\"}",
                 "attribute auto_pad is 'SAME'");
  expect_refused(ctx, "input %x: f32[1, 3, 8, 8]\n output %y\n %y = AveragePool(%x)",
                 "kernel_shape is required");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(convolution_slides),     TEST(transposed_convolution_spreads),
      TEST(pools_take_the_largest), TEST(pools_take_means_and_norms),
      TEST(sizes_stay_symbolic),    TEST(wrong_windows_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
