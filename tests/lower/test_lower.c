/* Which steps graphs become, on graphs in text form. */
#include "support.h"

#include "ir/text.h"
#include "lower/lower.h"
#include "ops/op.h"
#include "plan/plan.h"

#include <string.h>

/* Lowered, planned and checked. */
static Steps *lower(Context *ctx, const char *text) {
  Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  Steps *steps = lower_graph(graph, true);
  if (steps == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  Plan plan;
  assert_true(plan_steps(steps, &plan));
  const char *fault = plan_check(steps, plan.arena_bytes);
  if (fault != NULL) fail_msg("%s", fault);
  return steps;
}

/* `row(Add LayerNormalization) call(NonZero)` */
static const char *summary(const Steps *steps) {
  static const char *const kinds[] = {"row", "contraction", "attention", "copy", "call", "if", "loop"};
  Arena *arena = steps->ctx->arena;
  const char *text = "";
  VEC_EACH(Step *, step, &steps->steps) {
    text = arena_printf(arena, "%s%s%s(", text, *text == '\0' ? "" : " ", kinds[(*step)->kind]);
    for (uint32_t i = 0; i < (*step)->n_ops; i++) {
      text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : " ", (*step)->ops[i]);
    }
    text = arena_printf(arena, "%s)", text);
  }
  return text;
}

static void views_move_nothing(void **state) {
  TEST_BEGIN(state);
  Steps *steps = lower(ctx, "dim batch = 1..8\n"
                            "graph \"main\" {\n"
                            "  input %x: f32[batch, 6, 4]\n"
                            "  output %y\n"
                            "  const %starts = i64[1] {1}\n"
                            "  const %ends = i64[1] {5}\n"
                            "  const %axes = i64[1] {1}\n"
                            "  const %shape = i64[3] {0, 2, 8}\n"
                            "  %s = Slice(%x, %starts, %ends, %axes)\n"
                            "  %t = Transpose(%s) {perm = [0, 2, 1]}\n"
                            "  %y = Reshape(%t, %shape)\n"
                            "}\n");
  /* All three are one copy, right to the output. */
  assert_string_equal(summary(steps), "copy(Transpose)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(views_move_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
