/* What inference refuses, and in which words. */
#include "support.h"

#include "ir/text.h"
#include "ops/op.h"

#include <string.h>

/* Nodes over %x: f32[2, 3], %i: i64[2], %n: f32[n]. */
static void is_refused(Context *ctx, const char *nodes, const char *expected) {
  const char *text = arena_printf(ctx->arena,
                                  "graph \"main\" {\n"
                                  "  input %%x: f32[2, 3]\n"
                                  "  input %%i: i64[2]\n"
                                  "  input %%n: f32[n]\n"
                                  "%s}\n",
                                  nodes);
  size_t before = diag_errors(ctx->diag);
  Graph *graph = graph_parse(ctx, text, "test");
  if (graph != NULL) infer_graph(graph);
  const char *message = diag_text(ctx->diag, before);
  if (message == NULL) fail_msg("accepted: %s", nodes);
  if (strstr(message, expected) == NULL) fail_msg("'%s' lacks '%s'", message, expected);
}

static void shapes_are_checked(void **state) {
  TEST_BEGIN(state);
  is_refused(ctx, "  const %s = i64[2] {-1, -1}\n  %y = Reshape(%x, %s)\n", "more than one -1");
  is_refused(ctx, "  const %s = i64[1] {4}\n  %y = Reshape(%x, %s)\n", "numbers of elements");
  is_refused(ctx, "  const %s = i64[2] {4, -1}\n  %y = Reshape(%x, %s)\n", "do not divide");
  is_refused(ctx, "  %y = Transpose(%x) {perm = ints[0, 0]}\n", "no permutation");
  is_refused(ctx, "  %y = Concat(%x, %x) {axis = 2}\n", "axis 2 is outside [-2, 2)");
  is_refused(ctx, "  const %s = i64[2] {2, 2}\n  %a, %b = Split(%x, %s)\n", "sum of its parts");
  is_refused(ctx, "  const %a = i64[1] {1}\n  %y = Squeeze(%x, %a)\n", "squeezed axis");
  is_refused(ctx, "  const %z = f32[4] {0, 0, 0, 0}\n  %y = Add(%x, %z)\n", "do not broadcast");
  is_refused(ctx, "  const %a = i64[1] {5}\n  %y = Gather(%x, %a)\n", "index 5 is outside");
  is_refused(ctx, "  const %k = i64[1] {4}\n  %v, %j = TopK(%x, %k)\n", "larger than the axis");
}

static void types_are_checked(void **state) {
  TEST_BEGIN(state);
  is_refused(ctx, "  %y = Add(%x, %i)\n", "must have its type");
  is_refused(ctx, "  %y = Sin(%i)\n", "takes only");
  is_refused(ctx, "  %y = Gather(%x, %x)\n", "takes only i32, i64");
  is_refused(ctx, "  %y = EyeLike(%x) {dtype = 999}\n", "gives only");
  is_refused(ctx, "  %y: f32[3, 2] = Relu(%x)\n", "is declared f32[3, 2]");
}

static void values_are_checked(void **state) {
  TEST_BEGIN(state);
  is_refused(ctx, "  const %z = i64[] {0}\n  %y = Div(%i, %z)\n", "divisor is 0");
  is_refused(ctx,
             "  const %a = i32[1] {-2147483648}\n  const %b = i32[] {-1}\n  %y = Div(%a, %b)\n",
             "leaves the range");
  is_refused(ctx, "  const %a = i64[] {0}\n  %y = Range(%a, %a, %a)\n", "delta is 0");
  is_refused(ctx, "  const %s = i64[2] {4294967296, 4294967296}\n  %y = Expand(%n, %s)\n",
             "leaves the range");
}

/* Sizes that cannot be compared are taken to be equal, and checked at run time. */
static void equal_sizes_are_assumed(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = graph_parse(ctx,
                                   "graph \"main\" {\n"
                                   "  input %a: f32[n]\n"
                                   "  input %b: f32[5]\n"
                                   "  output %y\n"
                                   "  %y = Add(%a, %b)\n"
                                   "}\n",
                                   "test");
  assert_non_null(graph);
  assert_string_equal(type_text(ctx->arena, &graph->outputs.data[0]->type), "f32[5]");
  assert_int_equal(ctx->checks.len, 1);
}

/* Sizes that depend on data keep their symbol when the node is inferred again. */
static void sizes_from_data_are_stable(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_parse(ctx,
                             "graph \"main\" {\n"
                             "  input %a: f32[4, 6]\n"
                             "  input %s: i64[3]\n"
                             "  output %y\n"
                             "  %y = Reshape(%a, %s)\n"
                             "}\n",
                             "test");
  assert_non_null(graph);
  const Type before = graph->outputs.data[0]->type;
  assert_true(node_sizes_from_data(graph->first));
  assert_int_equal(before.dims[0]->hi, 24);
  assert_true(infer_graph(graph));
  assert_true(type_equal(&before, &graph->outputs.data[0]->type));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(shapes_are_checked),      TEST(types_are_checked),          TEST(values_are_checked),
      TEST(equal_sizes_are_assumed), TEST(sizes_from_data_are_stable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
