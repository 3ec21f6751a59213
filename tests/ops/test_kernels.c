/* Reference kernels at the edges: what ONNX leaves open is defined, and never undefined behaviour.
 */
#include "support.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "ops/op.h"

#include <string.h>

/* Runs the only node of a graph whose inputs are constants and prints output `y`. */
static const char *run(Context *ctx, const char *nodes) {
  const char *text = arena_printf(ctx->arena, "graph \"main\" {\n  output %%y\n%s}\n", nodes);
  const Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  const Tensor *y;
  const Node *failed;
  if (!interpret_graph(graph, NULL, NULL, &y, ctx->arena, &failed)) return "error";
  const char *out = "";
  for (size_t i = 0; i < y->count; i++) {
    out = arena_printf(ctx->arena, "%s%s%g", out, i == 0 ? "" : " ", tensor_f64(y, i));
  }
  return out;
}

static void integers_wrap_around(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(run(ctx, "  const %a = u8[3] {250, 0, 16}\n  const %b = u8[3] {10, 1, 16}\n"
                               "  %y = Add(%a, %b)\n"),
                      "4 1 32");
  assert_string_equal(run(ctx, "  const %a = i8[2] {-128, 127}\n  %y = Neg(%a)\n"), "-128 -127");
  assert_string_equal(run(ctx, "  const %a = i8[2] {-128, 127}\n  %y = Abs(%a)\n"), "-128 127");
  assert_string_equal(run(ctx, "  const %a = i32[2] {65536, 3}\n  const %b = i32[2] {2, -1}\n"
                               "  %y = Pow(%a, %b)\n"),
                      "0 0");
}

static void division_is_defined(void **state) {
  TEST_BEGIN(state);
  const char *numbers = "  const %a = i32[5] {7, -7, 7, -7, -2147483648}\n"
                        "  const %c = i32[5] {2, 2, -2, -2, -1}\n  %b = Identity(%c)\n";
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = Div(%%a, %%b)\n", numbers)),
                      "3 -3 -3 3 -2.14748e+09");
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = Mod(%%a, %%b)\n", numbers)),
                      "1 1 -1 -1 0");
  assert_string_equal(
      run(ctx, arena_printf(ctx->arena, "%s  %%y = Mod(%%a, %%b) {fmod = 1}\n", numbers)),
      "1 -1 1 -1 0");
  assert_string_equal(run(ctx, "  const %a = u8[2] {5, 9}\n  const %c = u8[2] {0, 2}\n"
                               "  %b = Identity(%c)\n  %y = Div(%a, %b)\n"),
                      "0 4");
}

static void shifts_past_the_width_leave_the_sign(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(run(ctx,
                          "  const %a = u8[3] {255, 255, 255}\n  const %b = u8[3] {1, 8, 200}\n"
                          "  %y = BitShift(%a, %b) {direction = \"LEFT\"}\n"),
                      "254 0 0");
  assert_string_equal(run(ctx, "  const %a = i8[2] {-8, 64}\n  const %b = i8[2] {1, 100}\n"
                               "  %y = BitShift(%a, %b) {direction = \"RIGHT\"}\n"),
                      "-4 0");
}

static void casts_saturate(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(run(ctx, "  const %a = f32[4] {1e10, -1e10, 3.9, -3.9}\n"
                               "  %y = Cast(%a) {to = 6}\n"),
                      "2.14748e+09 -2.14748e+09 3 -3");
  assert_string_equal(run(ctx, "  const %a = f32[3] {inf, -inf, #7fc00000}\n"
                               "  %y = Cast(%a) {to = 2}\n"),
                      "255 0 0");
  assert_string_equal(run(ctx, "  const %a = i32[2] {300, -1}\n  %y = Cast(%a) {to = 2}\n"),
                      "44 255");
}

static void nan_wins(void **state) {
  TEST_BEGIN(state);
  const char *numbers = "  const %a = f32[3] {1, #7fc00000, 3}\n  const %b = f32[3] {2, 2, 2}\n";
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = Max(%%a, %%b)\n", numbers)),
                      "2 nan 3");
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = ReduceMin(%%a)\n", numbers)),
                      "nan");
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = ArgMax(%%a)\n", numbers)), "1");
  assert_string_equal(run(ctx, arena_printf(ctx->arena, "%s  %%y = Relu(%%a)\n", numbers)),
                      "1 nan 3");
}

static void empty_tensors_reduce_to_the_start(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(run(ctx, "  const %a = f32[0, 2] {}\n  const %x = i64[1] {0}\n"
                               "  %y = ReduceSum(%a, %x)\n"),
                      "0 0");
  assert_string_equal(run(ctx, "  const %a = f32[0, 1] {}\n  const %x = i64[1] {0}\n"
                               "  %y = ReduceMax(%a, %x)\n"),
                      "-inf");
  assert_string_equal(run(ctx, "  const %a = i8[0, 1] {}\n  const %x = i64[1] {0}\n"
                               "  %y = ReduceMin(%a, %x)\n"),
                      "127");
  assert_string_equal(run(ctx, "  const %a = f32[0] {}\n  const %b = f32[1] {4}\n"
                               "  %y = Concat(%a, %b) {axis = 0}\n"),
                      "4");
}

static void slices_reach_to_the_ends(void **state) {
  TEST_BEGIN(state);
  const char *format = "  const %%a = f32[4] {0, 1, 2, 3}\n"
                       "  const %%s = i64[1] {%s}\n  const %%e = i64[1] {%s}\n"
                       "  const %%t = i64[1] {%s}\n  const %%x = i64[1] {0}\n"
                       "  %%b = Identity(%%s)\n  %%y = Slice(%%a, %%b, %%e, %%x, %%t)\n";
  const char *least = "-9223372036854775808", *most = "9223372036854775807";
  static const char *const cases[][4] = {
      {"", "", "1", "0 1 2 3"}, {"-1", "", "-1", "3 2 1 0"}, {"1", "", "2", "1 3"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool forward = *cases[i][2] != '-';
    const char *start = *cases[i][0] == '\0' ? least : cases[i][0];
    const char *nodes =
        arena_printf(ctx->arena, format, start, forward ? most : least, cases[i][2]);
    assert_string_equal(run(ctx, nodes), cases[i][3]);
  }
  assert_string_equal(run(ctx, arena_printf(ctx->arena, format, most, least, least)), "3");
}

static void indexes_outside_are_errors(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(run(ctx, "  const %a = f32[2] {1, 2}\n  const %c = i64[2] {0, 2}\n"
                               "  %i = Identity(%c)\n  %y = Gather(%a, %i)\n"),
                      "error");
  assert_string_equal(run(ctx, "  const %a = f32[2] {1, 2}\n  const %c = i64[2] {-1, -2}\n"
                               "  %i = Identity(%c)\n  %y = Gather(%a, %i)\n"),
                      "2 1");
  assert_string_equal(run(ctx, "  const %a = f32[2] {1, 2}\n  const %c = i64[1, 1] {7}\n"
                               "  const %u = f32[1] {9}\n  %i = Identity(%c)\n"
                               "  %y = ScatterND(%a, %i, %u)\n"),
                      "error");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(integers_wrap_around),
      TEST(division_is_defined),
      TEST(shifts_past_the_width_leave_the_sign),
      TEST(casts_saturate),
      TEST(nan_wins),
      TEST(empty_tensors_reduce_to_the_start),
      TEST(slices_reach_to_the_ends),
      TEST(indexes_outside_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
