/* The oldest opset in which a graph says the same. */
#include "support.h"

#include "inspect/onnx.h"
#include "ir/text.h"

static const Graph *parse(Context *ctx, const char *nodes) {
  const char *text = arena_printf(ctx->arena,
                                  "graph \"main\" {\n"
                                  "  input %%x: f32[1, 2, 8, 8]\n"
                                  "  output %%y\n"
                                  "%s}\n",
                                  nodes);
  const Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  return graph;
}

static void is_of(Context *ctx, int64_t opset, const char *nodes) {
  assert_int_equal(export_opset(parse(ctx, nodes)), opset);
}

static void old_operators_stay_old(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 18, "  %y = Relu(%x)\n");
  is_of(ctx, 18, "  %a = Softmax(%x)\n  %y = Add(%a, %x)\n");
  is_of(ctx, 18, "  %y = AveragePool(%x) {kernel_shape = [2, 2]}\n");
}

static void operators_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 20, "  %y = Gelu(%x)\n");
  is_of(ctx, 23, "  %y = Attention(%x, %x, %x)\n");
  is_of(ctx, 24, "  %a = Gelu(%x)\n  %y = Swish(%a)\n");
}

static void attributes_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 19, "  %y = AveragePool(%x) {kernel_shape = [2, 2], dilations = [2, 2]}\n");
  is_of(ctx, 25, "  %y = Attention(%x, %x, %x) {left_window_size = 2}\n");
}

static void values_of_attributes_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  const char *const modes[] = {"reflect", "wrap"};
  for (int i = 0; i < 2; i++) {
    is_of(ctx, 18 + i,
          arena_printf(ctx->arena,
                       "  const %%p = i64[8] {0, 0, 1, 1, 0, 0, 1, 1}\n"
                       "  %%y = Pad(%%x, %%p) {mode = \"%s\"}\n",
                       modes[i]));
  }
}

/* A window that starts behind the end counted until then. */
static void meanings_of_attributes_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 18, "  %y = MaxPool(%x) {kernel_shape = [2, 2], ceil_mode = 0}\n");
  is_of(ctx, 22, "  %y = MaxPool(%x) {kernel_shape = [2, 2], ceil_mode = 1}\n");
}

static void types_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 18, "  %y = Cast(%x) {to = 10}\n");
  is_of(ctx, 19, "  %y = Cast(%x) {to = 17}\n");
  is_of(ctx, 21, "  %y = Cast(%x) {to = 22}\n");
  is_of(ctx, 19, "  const %y = f8e5m2[1] {#60}\n");
}

static void inputs_came_with_an_opset(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 24, "  const %n = i64[1] {5}\n  %y = Attention(%x, %x, %x, _, _, _, %n)\n");
}

/* GroupNormalization had a scale for each group. */
static void what_operators_meant_counts(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 21,
        "  const %s = f32[2] {1, 2}\n"
        "  %y = GroupNormalization(%x, %s, %s) {num_groups = 2}\n");
}

static void subgraphs_count(void **state) {
  TEST_BEGIN(state);
  is_of(ctx, 20,
        "  const %c = bool[] {1}\n"
        "  %y = If(%c; %x) {then_branch = graph \"then\" {\n"
        "    capture %a: f32[1, 2, 8, 8] = 1\n    output %b\n    %b = Gelu(%a)\n  },\n"
        "  else_branch = graph \"else\" {\n"
        "    capture %a: f32[1, 2, 8, 8] = 1\n    output %b\n    %b = Relu(%a)\n  }}\n");
}

static void what_goes_without_saying_is_not_said(void **state) {
  TEST_BEGIN(state);
  const char *cast = "  %y = Cast(%x) {to = 10, saturate = 1}\n";
  const Node *node = parse(ctx, cast)->first;
  is_of(ctx, 18, cast);
  assert_true(export_has_attr(node, "Cast", node_attr(node, "to"), 18));
  assert_false(export_has_attr(node, "Cast", node_attr(node, "saturate"), 18));
  assert_true(export_has_attr(node, "Cast", node_attr(node, "saturate"), 19));
}

static void formats_go_with_opsets(void **state) {
  (void)state;
  assert_int_equal(export_ir_version(18), 8);
  assert_int_equal(export_ir_version(21), 10);
  assert_int_equal(export_ir_version(23), 11);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(old_operators_stay_old),
      TEST(operators_came_with_an_opset),
      TEST(attributes_came_with_an_opset),
      TEST(values_of_attributes_came_with_an_opset),
      TEST(meanings_of_attributes_came_with_an_opset),
      TEST(types_came_with_an_opset),
      TEST(inputs_came_with_an_opset),
      TEST(what_operators_meant_counts),
      TEST(subgraphs_count),
      TEST(what_goes_without_saying_is_not_said),
      cmocka_unit_test(formats_go_with_opsets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
