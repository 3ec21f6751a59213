/* Softmax and the normalisations. */
#include "ops/expect.h"

#define X23 "output %y\n const %x = f32[2, 3] {1, 2, 3, 4, 6, 8}\n"

static void softmax_runs_along_its_axis(void **state) {
  TEST_BEGIN(state);
  EXPECT(X23 "%y = Softmax(%x)", "f32[2, 3]", 0.09003057, 0.24472847, 0.66524096, 0.01587624,
         0.11731043, 0.86681333);
  EXPECT(X23 "%y = Softmax(%x) {axis = 0}", "f32[2, 3]", 0.04742587, 0.01798621, 0.00669285,
         0.95257413, 0.98201379, 0.99330715);
  EXPECT(X23 "%y = LogSoftmax(%x) {axis = 1}", "f32[2, 3]", -2.40760596, -1.40760596, -0.40760596,
         -4.14293163, -2.14293163, -0.14293163);
  EXPECT("output %y\n const %x = f32[2] {1000, 1001}\n %y = Softmax(%x)", "f32[2]", 0.26894142,
         0.73105858);
}

static void layers_are_normalised(void **state) {
  TEST_BEGIN(state);
  EXPECT(X23 "const %s = f32[3] {1, 2, 1}\n const %b = f32[3] {0, 0, 1}\n"
             "%y = LayerNormalization(%x, %s, %b) {epsilon = 0.0}",
         "f32[2, 3]", -1.22474487, 0, 2.22474487, -1.22474487, 0, 2.22474487);
  EXPECT("output %m\n output %i\n const %x = f32[2, 3] {1, 2, 3, 4, 6, 8}\n"
         "const %s = f32[1] {1}\n"
         "_, %m, %i = LayerNormalization(%x, %s)",
         "f32[2, 1]", 2, 6);
  EXPECT(X23 "const %s = f32[3] {1, 2, 1}\n %y = RMSNormalization(%x, %s) {epsilon = 0.0}",
         "f32[2, 3]", 0.46291005, 1.85164020, 1.38873015, 0.64326752, 1.92980254, 1.28653503);
}

static void channels_are_normalised(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[1, 2, 2] {1, 2, 3, 4}\n const %s = f32[2] {1, 2}\n"
         "const %b = f32[2] {0, 1}\n const %m = f32[2] {1, 3}\n const %v = f32[2] {4, 1}\n"
         "%y = BatchNormalization(%x, %s, %b, %m, %v) {epsilon = 0.0}",
         "f32[1, 2, 2]", 0, 0.5, 1, 3);
  EXPECT("output %y\n const %x = f32[1, 2, 2] {1, 2, 3, 7}\n const %s = f32[2] {1, 2}\n"
         "const %b = f32[2] {0, 1}\n %y = InstanceNormalization(%x, %s, %b) {epsilon = 0.0}",
         "f32[1, 2, 2]", -1, 1, -1, 3);
  EXPECT("output %y\n const %x = f32[1, 4, 1] {1, 2, 3, 7}\n const %s = f32[4] {1, 2, 3, 4}\n"
         "const %b = f32[4] {0, 0, 0, 1}\n"
         "%y = GroupNormalization(%x, %s, %b) {epsilon = 0.0, num_groups = 2}",
         "f32[1, 4, 1]", -1, 2, -3, 5);
}

static void batches_are_their_own_statistics(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[2, 1, 2] {1, 2, 3, 6}\n const %s = f32[1] {1}\n"
         "const %b = f32[1] {0}\n const %m = f32[1] {1}\n const %v = f32[1] {4}\n"
         "%y, %rm, %rv = BatchNormalization(%x, %s, %b, %m, %v) {training_mode = 1, epsilon = 0.0}",
         "f32[2, 1, 2]", -1.06904497, -0.53452248, 0, 1.60356745);
  EXPECT(
      "output %rv\n const %x = f32[2, 1, 2] {1, 2, 3, 6}\n const %s = f32[1] {1}\n"
      "%y, %rm, %rv = BatchNormalization(%x, %s, %s, %s, %s) {training_mode = 1, momentum = 0.5}",
      "f32[1]", 2.25);
}

static void other_norms(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[2, 2] {3, 4, 0, 0}\n %y = LpNormalization(%x)", "f32[2, 2]",
         0.6, 0.8, 0, 0);
  EXPECT("output %y\n const %x = f32[2, 2] {3, -1, 0, 4}\n"
         "%y = LpNormalization(%x) {axis = 0, p = 1}",
         "f32[2, 2]", 1, -0.2, 0, 0.8);
  EXPECT("output %y\n const %x = f32[1, 3, 1] {1, 2, 3}\n"
         "%y = LRN(%x) {alpha = 3.0, beta = 1.0, bias = 1.0, size = 3}",
         "f32[1, 3, 1]", 1.0 / 6, 2.0 / 15, 3.0 / 14);
}

static void wrong_norms_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx, "input %x: f32[2, 3]\n output %y\n %y = Softmax(%x) {axis = 2}",
                 "axis 2 is outside [-2, 2)");
  expect_refused(ctx, "input %x: i32[2, 3]\n output %y\n %y = Softmax(%x)", "takes only f32");
  expect_refused(ctx,
                 "input %x: f32[2, 3]\n input %s: f32[2]\n output %y\n"
                 "%y = LayerNormalization(%x, %s)",
                 "does not broadcast to f32[2, 3]");
  expect_refused(ctx,
                 "input %x: f32[1, 4, 2]\n input %s: f32[4]\n output %y\n"
                 "%y = GroupNormalization(%x, %s, %s) {num_groups = 3}",
                 "num_groups of 3 does not divide the 4 channels");
  expect_refused(ctx,
                 "input %x: f32[1, 2, 2]\n input %s: f32[2]\n output %y\n"
                 "%y, %m = BatchNormalization(%x, %s, %s, %s, %s)",
                 "only training_mode gives running statistics");
  expect_refused(ctx, "input %x: f32[2, 3]\n output %y\n %y = LpNormalization(%x) {p = 3}",
                 "attribute p is 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(softmax_runs_along_its_axis),      TEST(layers_are_normalised),
      TEST(channels_are_normalised),          TEST(other_norms),
      TEST(batches_are_their_own_statistics), TEST(wrong_norms_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
