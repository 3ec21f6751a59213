/* Resize. */
#include "ops/expect.h"

#define X4 "output %y\n const %x = f32[4] {1, 2, 3, 4}\n"
#define TO(n) "const %n = i64[1] {" #n "}\n"
#define BY(s) "const %s = f32[1] {" #s "}\n"

static void nearest_elements_are_taken(void **state) {
  TEST_BEGIN(state);
  EXPECT(X4 BY(2) "%y = Resize(%x, _, %s)", "f32[8]", 1, 1, 2, 2, 3, 3, 4, 4);
  EXPECT(X4 TO(6) "%y = Resize(%x, _, _, %n)", "f32[6]", 1, 1, 2, 3, 3, 4);
  EXPECT(X4 TO(3) "%y = Resize(%x, _, _, %n) {coordinate_transformation_mode = \"asymmetric\", "
                  "nearest_mode = \"ceil\"}",
         "f32[3]", 1, 3, 4);
  EXPECT("output %y\n const %x = u8[1, 2, 2] {1, 2, 3, 4}\n const %s = f32[2] {1, 2}\n"
         "%y = Resize(%x, _, %s) {axes = [1, -1]}",
         "u8[1, 2, 4]", 1, 1, 2, 2, 3, 3, 4, 4);
}

static void lines_and_curves_go_between(void **state) {
  TEST_BEGIN(state);
  EXPECT(X4 TO(2) "%y = Resize(%x, _, _, %n) {mode = \"linear\"}", "f32[2]", 1.5, 3.5);
  EXPECT(X4 TO(3) "%y = Resize(%x, _, _, %n) {mode = \"linear\", "
                  "coordinate_transformation_mode = \"align_corners\"}",
         "f32[3]", 1, 2.5, 4);
  EXPECT(X4 TO(2) "%y = Resize(%x, _, _, %n) {mode = \"linear\", antialias = 1}", "f32[2]", 1.625,
         3.375);
  EXPECT(X4 TO(2) "%y = Resize(%x, _, _, %n) {mode = \"cubic\"}", "f32[2]", 1.40625, 3.59375);
  EXPECT(X4 TO(2) "%y = Resize(%x, _, _, %n) {mode = \"cubic\", exclude_outside = 1}", "f32[2]",
         1.37142857, 3.62857143);
}

static void regions_are_cropped(void **state) {
  TEST_BEGIN(state);
  EXPECT(X4 TO(3) "const %r = f32[2] {0.5, 1.5}\n"
                  "%y = Resize(%x, %r, _, %n) {mode = \"linear\", extrapolation_value = 9.0, "
                  "coordinate_transformation_mode = \"tf_crop_and_resize\"}",
         "f32[3]", 2.5, 4, 9);
}

static void sizes_stay_symbolic(void **state) {
  TEST_BEGIN(state);
  expect_inferred(ctx,
                  "input %x: f32[n, h]\n output %y\n const %s = f32[2] {1, 2.5}\n"
                  "%y = Resize(%x, _, %s)",
                  "f32[n, 2*h + floordiv(h, 2)]");
}

static void wrong_sizes_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx, "input %x: f32[2, 4]\n output %y\n %y = Resize(%x)", "exactly one of");
  expect_refused(ctx,
                 "input %x: f32[2, 4]\n output %y\n const %s = f32[1] {2}\n"
                 "%y = Resize(%x, _, %s)",
                 "scales has 1 elements, but needs 2");
  expect_refused(ctx,
                 "input %x: f32[4]\n output %y\n const %s = f32[1] {-2}\n"
                 "%y = Resize(%x, _, %s)",
                 "out of range");
  expect_refused(ctx,
                 "input %x: f32[4]\n output %y\n const %s = f32[1] {1e30}\n"
                 "%y = Resize(%x, _, %s)",
                 "out of range");
  expect_refused(ctx,
                 "input %x: bool[4]\n output %y\n const %s = f32[1] {2}\n"
                 "%y = Resize(%x, _, %s) {mode = \"linear\"}",
                 "only be resized with mode nearest");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nearest_elements_are_taken), TEST(lines_and_curves_go_between),
      TEST(regions_are_cropped),        TEST(sizes_stay_symbolic),
      TEST(wrong_sizes_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
