/* Forms of operators that only the compiler knows become those of ONNX, which compute the same. */
#include "ops/expect.h"

#include "inspect/onnx.h"

static void standardise(Graph *graph) {
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    Node *before = node->prev;
    Builder builder = builder_at(node);
    next = node->next;
    if (node->op->standard == NULL || !node->op->standard(&builder, node)) continue;
    graph_remove(node);
    next = before == NULL ? graph->first : before->next;
  }
}

static const Tensor *value_of(Context *ctx, const Graph *graph) {
  const Tensor *outputs[4] = {NULL};
  const Node *failed = NULL;
  if (!interpret_graph(graph, NULL, NULL, outputs, ctx->arena, &failed)) {
    fail_msg("%s cannot run", failed->op->name);
  }
  return outputs[0];
}

static unsigned count(const Graph *graph, const char *op) {
  unsigned n = 0;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    n += strcmp(node->op->name, op) == 0 && *node->op->domain == '\0';
  }
  return n;
}

/* The graph has `n` nodes `op` in its standard form, and is of that opset. */
static void becomes(Context *ctx, const char *body, const char *op, unsigned n, int64_t opset) {
  Graph *graph = expect_parse(ctx, body);
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  const Tensor *before = value_of(ctx, graph);
  double *expected = ARENA_ARRAY(ctx->arena, before->count, double);
  for (size_t i = 0; i < before->count; i++) expected[i] = tensor_f64(before, i);
  standardise(graph);
  const char *fault = graph_verify(graph);
  if (fault != NULL) fail_msg("%s in\n%s", fault, body);
  expect_tensor(value_of(ctx, graph), expected, 1e-6, body);
  assert_int_equal(count(graph, op), n);
  assert_int_equal(export_opset(graph), opset);
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    assert_non_null(export_op_name(node));
  }
}

#define QKV                                                                                        \
  "  output %y\n"                                                                                  \
  "  const %q = f32[1, 2, 3, 2] {1, 2, -1, 0.5, 3, -2, 0, 1, 2, 2, -1, -1}\n"                      \
  "  const %k = f32[1, 2, 4, 2] {1, 0, 0, 1, 2, -1, 1, 1, -2, 0, 1, 3, 0, 0, 1, -1}\n"             \
  "  const %v = f32[1, 2, 4, 2] {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}\n"                \
  "  const %few = i64[1] {3}\n  const %two = i64[] {2}\n"                                          \
  "  const %some = bool[1, 1, 1, 4] {1, 0, 1, 1}\n  const %none = bool[1, 1, 1, 4] {0, 0, 0, 0}\n" \
  "  const %bias = f32[1, 2, 1, 4] {1, 0, -1, 0.5, 0, 2, 1, -2}\n"

static void what_a_query_sees_becomes_the_mask(void **state) {
  TEST_BEGIN(state);
  static const char *const forms[] = {
      "%y = Attention(%q, %k, %v) {left_window_size = 1}",
      "%y = Attention(%q, %k, %v) {left_window_size = 1, right_window_size = 1}",
      "%y = Attention(%q, %k, %v, %some) {right_window_size = 1}",
      "%y = Attention(%q, %k, %v, %bias) {left_window_size = 1, is_causal = 1, scale = 0.25}",
      "%y = Attention(%q, %k, %v, %none) {softcap = 2.0}",
      "%y = Attention(%q, %k, %v, _, _, _, %few)",
      "%y = Attention(%q, %k, %v, %bias, _, _, %few) {is_causal = 1}",
      "%y = Attention(%q, %k, %v, _, _, _, _, %two) {is_causal = 1}",
      "%y = Attention(%q, %k, %v, %some, _, _, _, %two) {left_window_size = 1}",
      "%y = Attention(%q, %k, %v, %some)",
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    becomes(ctx, arena_printf(ctx->arena, "%s  %s\n", QKV, forms[i]), "Attention", 1, 23);
  }
}

static void what_is_standard_stays(void **state) {
  TEST_BEGIN(state);
  Graph *graph = expect_parse(ctx, QKV "  %y = Attention(%q, %k, %v) {is_causal = 1}\n");
  const Node *node = graph->first;
  standardise(graph);
  assert_ptr_equal(graph->first, node);
  assert_null(node->next);
}

/* With `empty_rows` a query that sees no key gives NaN, or the mean of the values. */
static void empty_rows_are_said_in_parts(void **state) {
  TEST_BEGIN(state);
  for (int rows = 1; rows <= 2; rows++) {
    const char *attend = QKV "  %y = Attention(%q, %k, %v, %none)";
    const char *body = arena_printf(ctx->arena, "%s {empty_rows = %d}\n", attend, rows);
    becomes(ctx, body, "Attention", 0, 18);
  }
}

static void pools_of_bytes_are_dequantised(void **state) {
  TEST_BEGIN(state);
  becomes(ctx,
          "  output %y\n  const %x = u8[1, 1, 3, 3] {1, 2, 3, 40, 50, 60, 70, 80, 255}\n"
          "  const %s = f32[] {0.5}\n  const %z = u8[] {9}\n"
          "  %y = onnxc.AveragePool(%x, %s, %z)"
          " {kernel_shape = [2, 2], pads = [1, 0, 0, 1], count_include_pad = 1}\n",
          "AveragePool", 1, 18);
}

static void equal_zero_points_become_one(void **state) {
  TEST_BEGIN(state);
  Graph *graph =
      expect_parse(ctx, "  output %y\n  const %x = u8[1, 1, 2, 2] {1, 2, 3, 4}\n"
                        "  const %w = i8[2, 1, 1, 1] {3, -4}\n  const %zx = u8[] {1}\n"
                        "  const %zw = i8[2] {5, 5}\n  %y = ConvInteger(%x, %w, %zx, %zw)\n");
  standardise(graph);
  assert_int_equal(node_in(graph->first, 3)->type.rank, 0);
  const double expected[] = {0, -2, -4, -6, 0, -9, -18, -27};
  expect_tensor(value_of(ctx, graph), expected, 0, "ConvInteger");
}

static void rolls_join_two_parts_of_each_axis(void **state) {
  TEST_BEGIN(state);
  becomes(ctx,
          "  output %y\n  const %x = i32[2, 3, 2] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}\n"
          "  %y = onnxc.Roll(%x) {shifts = [1, -1, 0]}\n",
          "Concat", 2, 18);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_a_query_sees_becomes_the_mask), TEST(what_is_standard_stays),
      TEST(empty_rows_are_said_in_parts),       TEST(pools_of_bytes_are_dequantised),
      TEST(equal_zero_points_become_one),       TEST(rolls_join_two_parts_of_each_axis),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
