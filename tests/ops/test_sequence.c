/* Sequences are taken apart while compiling: what reads them reads what was put in. */
#include "support.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "ops/builder.h"

#include <string.h>

static void decompose(Graph *graph) {
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    next = node->next;
    Builder b = builder_at(node);
    if (node->op->decompose != NULL && node->op->decompose(&b, node)) graph_remove(node);
  }
}

/* Nothing reads what makes sequences any more. */
static void drop_unread(Graph *graph) {
  for (Node *node = graph->last, *before; node != NULL; node = before) {
    before = node->prev;
    if (value_uses(node->out[0]) == 0) graph_remove(node);
  }
}

/* The elements of %z, which `nodes` compute from %x = [[0, 1], [2, 3], [4, 5]] and %y = [6, 7]. */
static const char *result(Context *ctx, const char *nodes) {
  const char *text = arena_printf(ctx->arena,
                                  "graph \"main\" {\n"
                                  "  input %%x: f32[3, 2]\n"
                                  "  input %%y: f32[2]\n"
                                  "  input %%i: i64[]\n"
                                  "  output %%z\n"
                                  "  const %%zero = i64[] {0}\n"
                                  "  const %%last = i64[] {-1}\n"
                                  "  const %%two = i64[] {2}\n"
                                  "%s}\n",
                                  nodes);
  Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  decompose(graph);
  drop_unread(graph);
  float x[6] = {0, 1, 2, 3, 4, 5}, y[2] = {6, 7};
  int64_t i = 1;
  const Tensor tensors[3] = {{ONNXC_RT_F32, 2, (int64_t[]){3, 2}, 6, sizeof x, x},
                             {ONNXC_RT_F32, 1, (int64_t[]){2}, 2, sizeof y, y},
                             {ONNXC_RT_I64, 0, NULL, 1, sizeof i, &i}};
  const Tensor *inputs[3] = {&tensors[0], &tensors[1], &tensors[2]}, *z;
  const Node *failed;
  if (!interpret_graph(graph, NULL, inputs, &z, ctx->arena, &failed)) {
    fail_msg("%s does not run", failed->op->name);
  }
  const char *out = type_text(ctx->arena, &graph->outputs.data[0]->type);
  for (size_t k = 0; k < z->count; k++) {
    out = arena_printf(ctx->arena, "%s %g", out, tensor_f64(z, k));
  }
  return out;
}

static void sequences_are_built_in_steps(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(result(ctx, "  %e = SequenceEmpty() {dtype = 1}\n"
                                  "  %a = SequenceInsert(%e, %y)\n"
                                  "  %n = Neg(%y)\n"
                                  "  %b = SequenceInsert(%a, %n, %zero)\n"
                                  "  %z = ConcatFromSequence(%b) {axis = 0, new_axis = 1}\n"),
                      "f32[2, 2] -6 -7 6 7");
  assert_string_equal(result(ctx, "  %n = Neg(%y)\n"
                                  "  %a = SequenceConstruct(%n, %y, %n)\n"
                                  "  %b = SequenceErase(%a, %last)\n"
                                  "  %z = ConcatFromSequence(%b) {axis = 0}\n"),
                      "f32[4] -6 -7 6 7");
  assert_string_equal(result(ctx, "  %a = SequenceConstruct(%x, %y)\n"
                                  "  %z = SequenceAt(%a, %last)\n"),
                      "f32[2] 6 7");
}

static void tensors_are_cut(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x, %two)\n"
                                  "  %z = SequenceAt(%s, %last)\n"),
                      "f32[1, 2] 4 5");
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x) {keepdims = 0}\n"
                                  "  %z = SequenceAt(%s, %i)\n"),
                      "f32[2] 2 3");
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x) {axis = 1}\n"
                                  "  %z = SequenceAt(%s, %i)\n"),
                      "f32[3, 1] 1 3 5");
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x) {keepdims = 0}\n"
                                  "  %z = ConcatFromSequence(%s) {axis = 1, new_axis = 1}\n"),
                      "f32[2, 3] 0 2 4 1 3 5");
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x) {keepdims = 0}\n"
                                  "  %z = ConcatFromSequence(%s) {axis = 0}\n"),
                      "f32[6] 0 1 2 3 4 5");
  assert_string_equal(result(ctx, "  %s = SplitToSequence(%x, %two)\n"
                                  "  %z = SequenceLength(%s)\n"),
                      "i64[] 2");
}

static void optionals_hold_their_value(void **state) {
  TEST_BEGIN(state);
  assert_string_equal(result(ctx, "  %o = Optional(%y)\n  %z = OptionalGetElement(%o)\n"),
                      "f32[2] 6 7");
  assert_string_equal(result(ctx, "  %z = OptionalHasElement(%y)\n"), "bool[] 1");
  assert_string_equal(result(ctx, "  %z = OptionalHasElement()\n"), "bool[] 0");
}

static void positions_outside_are_refused(void **state) {
  TEST_BEGIN(state);
  assert_null(graph_parse(ctx,
                          "graph \"main\" {\n"
                          "  input %x: f32[2]\n"
                          "  output %z\n"
                          "  const %two = i64[] {2}\n"
                          "  %s = SequenceConstruct(%x, %x)\n"
                          "  %z = SequenceAt(%s, %two)\n"
                          "}\n",
                          "test"));
  assert_non_null(strstr(diag_text(ctx->diag, 0), "position 2 is outside"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sequences_are_built_in_steps),
      TEST(tensors_are_cut),
      TEST(optionals_hold_their_value),
      TEST(positions_outside_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
