/* The driver: what runs at which level and under which flags, limits, counts, verification. */
#include "support.h"

#include "ir/text.h"
#include "passes/run.h"

#include <string.h>

static const char model[] = "graph \"g\" {\n"
                            "  input %x: f32[2, 3]\n"
                            "  output %y\n"
                            "  const %k = f32[] {1.0}\n"
                            "  %a = Identity(%x)\n"
                            "  %b = Mul(%a, %k)\n"
                            "  %s = Sigmoid(%b)\n"
                            "  %y = Mul(%s, %b)\n"
                            "}\n";

static Graph *parse(Context *ctx, const char *text) {
  Graph *graph = graph_parse(ctx, text, "text");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  return graph;
}

static onnxc_options *options_of(void **state) {
  return &((TestContext *)*state)->options;
}

/* Operators left, and what the report says, after the passes that the options enable. */
static const char *run_on(Context *ctx, const char *model_text, PassReport *report) {
  Graph *graph = parse(ctx, model_text);
  *report = (PassReport){0};
  assert_true(passes_run(graph, report));
  const char *text = "";
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    text = arena_printf(ctx->arena, "%s%s%s", text, *text == '\0' ? "" : " ", node->op->name);
  }
  return text;
}

static const char *run(Context *ctx, PassReport *report) {
  return run_on(ctx, model, report);
}

static size_t hits(const PassReport *report, const char *pass, const char *rule) {
  VEC_EACH(PassCount, count, &report->counts) {
    bool same_rule =
        rule == NULL ? count->rule == NULL : count->rule != NULL && strcmp(count->rule, rule) == 0;
    if (same_rule && strcmp(count->pass, pass) == 0) return count->hits;
  }
  return SIZE_MAX;
}

static void levels_add_passes(void **state) {
  TEST_BEGIN(state);
  PassReport report;
  options_of(state)->level = 1; /* -O0 */
  assert_string_equal(run(ctx, &report), "Identity Mul Sigmoid Mul");
  options_of(state)->level = 2;
  assert_string_equal(run(ctx, &report), "Sigmoid Mul");
  options_of(state)->level = 0; /* the default, -O2 */
  assert_string_equal(run(ctx, &report), "Swish");
}

static void the_last_flag_decides(void **state) {
  TEST_BEGIN(state);
  PassReport report;
  const char *flags[] = {"remove-noops", "no-recognise-activations", "no-remove-noops"};
  options_of(state)->pass_flags = flags;
  options_of(state)->n_pass_flags = 2;
  assert_string_equal(run(ctx, &report), "Sigmoid Mul");
  assert_int_equal(hits(&report, "recognise-activations", NULL), SIZE_MAX);
  options_of(state)->n_pass_flags = 3;
  assert_string_equal(run(ctx, &report), "Identity Mul Sigmoid Mul");
  options_of(state)->level = 1;
  options_of(state)->n_pass_flags = 1;
  assert_string_equal(run(ctx, &report), "Sigmoid Mul");
}

static void rules_are_switched(void **state) {
  TEST_BEGIN(state);
  PassReport report;
  const char *flags[] = {"no-swish", "no-identity", "no-constant", "swish"};
  options_of(state)->pass_flags = flags;
  options_of(state)->n_pass_flags = 1; /* a form of recognise-activations */
  assert_string_equal(run(ctx, &report), "Sigmoid Mul");
  options_of(state)->n_pass_flags = 2; /* a pattern of remove-noops */
  assert_string_equal(run(ctx, &report), "Identity Sigmoid Mul");
  options_of(state)->n_pass_flags = 4;
  assert_string_equal(run(ctx, &report), "Identity Swish");
  assert_int_equal(hits(&report, "remove-noops", "identity"), SIZE_MAX);
}

/* What lowering relies on happens whatever the flags. */
static void required_passes_have_no_switches(void **state) {
  TEST_BEGIN(state);
  static const char text[] = "graph \"g\" {\n"
                             "  input %x: f32[2]\n"
                             "  output %y\n"
                             "  %y = Softsign(%x)\n"
                             "}\n";
  PassReport report;
  const char *flags[] = {"no-decompose", "no-Softsign"};
  const char *before = run_on(ctx, text, &report);
  options_of(state)->pass_flags = flags;
  options_of(state)->n_pass_flags = 2;
  assert_string_equal(run_on(ctx, text, &report), before);
}

static void strict_arithmetic_leaves_out_what_rounds(void **state) {
  TEST_BEGIN(state);
  PassReport report;
  options_of(state)->strict_fp = 1;
  assert_string_equal(run(ctx, &report), "Sigmoid Mul");
}

/* The compiler's exp may round otherwise than the one of the machine that the code is for. */
static void strict_arithmetic_folds_only_what_is_exact(void **state) {
  TEST_BEGIN(state);
  static const char text[] = "graph \"g\" {\n"
                             "  input %x: f32[2]\n"
                             "  output %y\n"
                             "  const %k = f32[2] {1.0, 2.0}\n"
                             "  %n = Neg(%k)\n"
                             "  %e = Exp(%n)\n"
                             "  %y = Mul(%x, %e)\n"
                             "}\n";
  PassReport report;
  assert_string_equal(run_on(ctx, text, &report), "Mul");
  options_of(state)->strict_fp = 1;
  assert_string_equal(run_on(ctx, text, &report), "Exp Mul");
}

static void rewrites_are_counted_and_limited(void **state) {
  TEST_BEGIN(state);
  PassReport report;
  run(ctx, &report);
  assert_int_equal(report.rewrites, 3);
  assert_int_equal(hits(&report, "remove-noops", NULL), 2);
  assert_int_equal(hits(&report, "remove-noops", "identity"), 1);
  assert_int_equal(hits(&report, "remove-noops", "mul-1"), 1);
  assert_int_equal(hits(&report, "recognise-activations", "swish"), 1);
  assert_int_equal(hits(&report, "recognise-norms", NULL), 0);
  static const char *const after[] = {"Identity Mul Sigmoid Mul", "Mul Sigmoid Mul", "Sigmoid Mul",
                                      "Swish"};
  for (size_t limit = 0; limit < 4; limit++) {
    options_of(state)->max_rewrites = limit + 1;
    assert_string_equal(run(ctx, &report), after[limit]);
    assert_int_equal(report.rewrites, limit);
  }
}

static void a_changed_result_is_reported(void **state) {
  TEST_BEGIN(state);
  Graph *graph = parse(ctx, model);
  const Samples *samples = samples_take(graph, ctx->arena);
  const PassDef pass = {.name = "wrong"};
  assert_non_null(samples);
  assert_true(samples_agree(samples, graph, &pass));
  Node *node = graph->first->next;
  node_set_input(node, 1, graph_add_constant(graph, "k", tensor_scalar_f32(ctx, 1.25f)));
  assert_false(samples_agree(samples, graph, &pass));
  assert_non_null(
      strstr(diag_text(ctx->diag, 0), "pass 'wrong' changed output 'y': element 0 was"));
  assert_int_equal(diag_exit_code(ctx->diag), 70);
}

static void passes_and_rules_have_names(void **state) {
  TEST_BEGIN(state);
  (void)ctx;
  assert_null(pass_at(pass_count()));
  for (size_t i = 0; i < pass_count(); i++) {
    const PassDef *pass = pass_at(i);
    assert_true(*pass->name != '\0' && *pass->what != '\0');
    assert_true(pass_level(i) >= 0 && pass_level(i) <= 4);
    for (size_t k = 0; k < i; k++) assert_string_not_equal(pass->name, pass_at(k)->name);
    const char *rule;
    for (size_t k = 0; (rule = pass_rule(pass, k)) != NULL; k++) {
      assert_true(*rule != '\0');
      for (size_t j = 0; j < k; j++) assert_string_not_equal(rule, pass_rule(pass, j));
      for (size_t j = 0; j < pass_count(); j++) assert_string_not_equal(rule, pass_at(j)->name);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(levels_add_passes),
      TEST(the_last_flag_decides),
      TEST(rules_are_switched),
      TEST(required_passes_have_no_switches),
      TEST(strict_arithmetic_leaves_out_what_rounds),
      TEST(strict_arithmetic_folds_only_what_is_exact),
      TEST(rewrites_are_counted_and_limited),
      TEST(a_changed_result_is_reported),
      TEST(passes_and_rules_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
