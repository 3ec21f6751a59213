/* Which outputs depend on random numbers. */
#include "ops/expect.h"

/* One letter for each output: r where it is random, - where it is not. */
static const char *outputs(Context *ctx, const char *body) {
  static char letters[16];
  Graph *graph = expect_parse(ctx, body);
  bool random[sizeof letters] = {false};
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  expect_decompose(graph);
  graph_random_outputs(graph, random);
  for (size_t i = 0; i < graph->outputs.len; i++) letters[i] = random[i] ? 'r' : '-';
  letters[graph->outputs.len] = '\0';
  return letters;
}

#define HEAD                                                                                       \
  "input %x: f32[3]\ninput %c: bool[]\noutput %y\noutput %z\n"                                     \
  "%u = RandomUniform() {shape = [3]}\n"

static void it_follows_values(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(outputs(ctx, HEAD "%y = Add(%x, %u)\n%z = Exp(%x)"), "r-");
  assert_string_equal(outputs(ctx, HEAD "%s = Exp(%u)\n%y = Abs(%s)\n%z = Shape(%s)"), "rr");
}

/* Sizes are not random, however they came about. */
static void it_does_not_follow_sizes(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(outputs(ctx, "input %x: f32[3, 3]\noutput %y\n"
                                   "%u = RandomUniformLike(%x)\n%y = EyeLike(%u)"),
                      "-");
}

static void training_makes_dropout_random(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(outputs(ctx, "input %x: f32[3]\noutput %y\n%y = Dropout(%x)"), "-");
  assert_string_equal(outputs(ctx, "input %x: f32[3]\ninput %t: bool[]\noutput %y\noutput %m\n"
                                   "%y, %m = Dropout(%x, _, %t)"),
                      "rr");
  assert_string_equal(outputs(ctx, "input %x: f32[3]\nconst %t = bool[] {1}\n"
                                   "const %r = f32[] {0}\noutput %y\n%y = Dropout(%x, %r, %t)"),
                      "-");
}

static void each_output_of_if_is_its_own(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(outputs(ctx, HEAD "%y, %z = If(%c; %u, %x) {\n"
                                        "then_branch = graph \"then\" {\n"
                                        "capture %v = 1\ncapture %w = 2\noutput %a\noutput %b\n"
                                        "%a = Exp(%v)\n%b = Exp(%w)\n},\n"
                                        "else_branch = graph \"else\" {\n"
                                        "capture %o = 2\noutput %p\noutput %q\n"
                                        "%p = Abs(%o)\n%q = Neg(%o)\n}}"),
                      "r-");
}

/* The second state gets in its second turn what the first one was given by chance. */
static void turns_hand_random_values_on(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(outputs(ctx, "input %x: f32[3]\ninput %n: i64[]\noutput %y\noutput %z\n"
                                   "%y, %z = Loop(%n, _, %x, %x) {body = graph \"body\" {\n"
                                   "input %t: i64[]\ninput %go: bool[]\ninput %a: f32[3]\n"
                                   "input %b: f32[3]\noutput %go\noutput %u\noutput %d\n"
                                   "%u = RandomUniformLike(%a)\n%d = Exp(%a)\n}}"),
                      "rr");
  assert_string_equal(outputs(ctx, "input %x: f32[3]\ninput %n: i64[]\noutput %y\n"
                                   "%y = Loop(%n, _, %x) {body = graph \"body\" {\n"
                                   "input %t: i64[]\ninput %go: bool[]\ninput %a: f32[3]\n"
                                   "output %go\noutput %d\n%d = Exp(%a)\n}}"),
                      "-");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(it_follows_values),
      TEST(it_does_not_follow_sizes),
      TEST(training_makes_dropout_random),
      TEST(each_output_of_if_is_its_own),
      TEST(turns_hand_random_values_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
