/* LSTM, GRU and RNN. */
#include "ops/expect.h"

#define X "output %y\n const %x = f32[2, 1, 1] {0.5, -1}\n"
#define LSTM_WEIGHTS                                                                               \
  "const %w = f32[1, 4, 1] {0.1, 0.2, 0.3, 0.4}\n const %r = f32[1, 4, 1] {0.5, 0.6, 0.7, 0.8}\n"  \
  "const %b = f32[1, 8] {0.05, 0.06, 0.07, 0.08, 0, 0, 0, 0}\n"
#define GRU_WEIGHTS                                                                                \
  "const %w = f32[1, 3, 1] {0.1, 0.2, 0.3}\n const %r = f32[1, 3, 1] {0.5, 0.6, 0.7}\n"            \
  "const %b = f32[1, 6] {0.05, 0.06, 0.07, 0, 0, 0.5}\n"
#define RNN_WEIGHTS "const %w = f32[1, 1, 1] {0.4}\n const %r = f32[1, 1, 1] {0.5}\n"

static void lstm_keeps_a_cell(void **state) {
  TEST_BEGIN(state);
  EXPECT(X LSTM_WEIGHTS "%y = LSTM(%x, %w, %r, %b)", "f32[2, 1, 1, 1]", 0.07682838, -0.02874416);
  EXPECT("output %c\n const %x = f32[2, 1, 1] {0.5, -1}\n" LSTM_WEIGHTS
         "_, _, %c = LSTM(%x, %w, %r, %b) {hidden_size = 1}",
         "f32[1, 1, 1]", -0.06039159);
}

static void gru_resets_before_or_after(void **state) {
  TEST_BEGIN(state);
  EXPECT(X GRU_WEIGHTS "%y = GRU(%x, %w, %r, %b)", "f32[2, 1, 1, 1]", 0.29304476, 0.32387850);
  EXPECT(X GRU_WEIGHTS "%y = GRU(%x, %w, %r, %b) {linear_before_reset = 1}", "f32[2, 1, 1, 1]",
         0.21574621, 0.15640086);
}

static void rnn_goes_both_ways(void **state) {
  TEST_BEGIN(state);
  EXPECT(X RNN_WEIGHTS "%y = RNN(%x, %w, %r)", "f32[2, 1, 1, 1]", 0.19737532, -0.29251312);
  EXPECT(X RNN_WEIGHTS "%y = RNN(%x, %w, %r) {direction = \"reverse\", activations = [\"Relu\"]}",
         "f32[2, 1, 1, 1]", 0.2, 0);
  EXPECT("output %y\n const %x = f32[1, 2, 1] {0.5, -1}\n"
         "const %w = f32[2, 1, 1] {0.4, 0.4}\n const %r = f32[2, 1, 1] {0.5, 0.5}\n"
         "%y = RNN(%x, %w, %r) {direction = \"bidirectional\", layout = 1, clip = 0.25,"
         "activations = [\"Affine\", \"LeakyRelu\"], activation_alpha = [2.0, 0.1]}",
         "f32[1, 2, 2, 1]", 0.4, 0.1875, -0.4, -0.025);
}

static void sequences_may_end_early(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[2, 2, 1] {1, 1, 1, 1}\n const %n = i32[2] {1, 2}\n" RNN_WEIGHTS
         "%y = RNN(%x, %w, %r, _, %n) {activations = [\"Relu\"]}",
         "f32[2, 1, 2, 1]", 0.4, 0.4, 0, 0.6);
}

static void wrong_weights_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %x: f32[t, b, 3]\n input %w: f32[1, 8, 4]\n input %r: f32[1, 8, 2]\n"
                 "output %y\n %y = LSTM(%x, %w, %r)",
                 "has size 4 on axis 2");
  expect_refused(ctx,
                 "input %x: f32[t, b, 3]\n input %w: f32[1, 8, 3]\n input %r: f32[1, 8, 2]\n"
                 "output %y\n %y = LSTM(%x, %w, %r) {direction = \"bidirectional\"}",
                 "has size 1 on axis 0");
  expect_refused(ctx,
                 "input %x: f32[t, b, 3]\n input %w: f32[1, 2, 3]\n input %r: f32[1, 2, 2]\n"
                 "output %y\n %y = RNN(%x, %w, %r) {activations = [\"Gelu\"]}",
                 "unknown function 'Gelu'");
  expect_refused(ctx,
                 "input %x: f32[t, b, 3]\n input %w: f32[1, 2, 3]\n input %r: f32[1, 2, 2]\n"
                 "output %y\n %y = RNN(%x, %w, %r) {hidden_size = 3}",
                 "hidden_size is 3, but R has 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(lstm_keeps_a_cell),       TEST(gru_resets_before_or_after), TEST(rnn_goes_both_ways),
      TEST(sequences_may_end_early), TEST(wrong_weights_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
