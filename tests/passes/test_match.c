/* The matcher: operand orders, alternatives, optional parts, bindings, uses. */
#include "support.h"

#include "ir/text.h"
#include "passes/pass.h"

#include <string.h>

static Graph *parse(Context *ctx, const char *text) {
  Graph *graph = graph_parse(ctx, text, "text");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  return graph;
}

/* Matches the node that computes output `i` of the graph. */
static bool matches(const Pattern *pattern, const Graph *graph, size_t i, Match *m) {
  return pattern_match(pattern, graph->outputs.data[i]->producer, m);
}

static const char *bound(const Match *m, const char *name) {
  const Value *value = match_value(m, name);
  return value == NULL ? "nothing" : value->name;
}

static void commutative_operands_match_in_either_order(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %x: f32[2]\n"
                                  "  output %y\n"
                                  "  output %z\n"
                                  "  const %k = f32[] {3.0}\n"
                                  "  %e = Exp(%x)\n"
                                  "  %y = Add(%e, %k)\n"
                                  "  %z = Sub(%k, %e)\n"
                                  "}\n");
  Match m;
  assert_true(matches(P("Add", SCALAR(3), PM("Exp", NULL, ANY("x"))), graph, 0, &m));
  assert_string_equal(bound(&m, "x"), "x");
  assert_true(matches(P("Add", PM("Exp", "e", ANY("x")), CONST("k")), graph, 0, &m));
  assert_string_equal(bound(&m, "e"), "e");
  assert_true(matches(P("Sub", CONST("k"), ANY("e")), graph, 1, &m));
  assert_false(matches(P("Sub", PM("Exp", NULL, ANY("x")), CONST("k")), graph, 1, &m));
}

/* The first choice of the inner node fits by itself and fails only with the outer one. */
static void choices_are_taken_back(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %a: f32[2]\n"
                                  "  input %b: f32[2]\n"
                                  "  output %y\n"
                                  "  %s = Mul(%a, %b)\n"
                                  "  %y = Sub(%s, %b)\n"
                                  "}\n");
  Match m;
  assert_true(matches(P("Sub", P("Mul", ANY("p"), ANY("q")), ANY("p")), graph, 0, &m));
  assert_string_equal(bound(&m, "p"), "b");
  assert_string_equal(bound(&m, "q"), "a");
}

static void a_name_is_one_value(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %a: f32[2]\n"
                                  "  input %b: f32[2]\n"
                                  "  output %y\n"
                                  "  output %z\n"
                                  "  %y = Mul(%a, %a)\n"
                                  "  %z = Mul(%a, %b)\n"
                                  "}\n");
  Match m;
  assert_true(matches(P("Mul", ANY("x"), ANY("x")), graph, 0, &m));
  assert_false(matches(P("Mul", ANY("x"), ANY("x")), graph, 1, &m));
}

static void parts_may_be_missing(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %x: f32[2]\n"
                                  "  output %y\n"
                                  "  output %z\n"
                                  "  const %k = f32[] {1.0}\n"
                                  "  %c = Cast(%x) {to = 11}\n"
                                  "  %y = Exp(%c)\n"
                                  "  %z = Clip(%x, _, %k)\n"
                                  "}\n");
  Match m;
  assert_true(matches(P("Exp", MAYBE("Cast", ANY("x"))), graph, 0, &m));
  assert_string_equal(bound(&m, "x"), "x");
  assert_true(matches(P("Exp", MAYBE("Neg", ANY("x"))), graph, 0, &m));
  assert_string_equal(bound(&m, "x"), "c");
  assert_true(matches(P("Clip", ANY("x"), OPT("low"), OPT("high")), graph, 1, &m));
  assert_string_equal(bound(&m, "low"), "nothing");
  assert_string_equal(bound(&m, "high"), "k");
  assert_false(matches(P("Clip", ANY("x"), ANY("low")), graph, 1, &m));
}

static void alternatives_are_tried_in_order(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %x: f32[2]\n"
                                  "  output %y\n"
                                  "  %e = Exp(%x)\n"
                                  "  %y = Neg(%e)\n"
                                  "}\n");
  const Pattern *pattern = P("Neg", ORB("all", P("Log", ANY("x")), P("Exp", ANY("x")), ANY("x")));
  Match m;
  assert_true(matches(pattern, graph, 0, &m));
  assert_string_equal(bound(&m, "x"), "x");
  assert_string_equal(bound(&m, "all"), "e");
  assert_true(matches(P("Abs|Neg", ANY("x")), graph, 0, &m));
  assert_false(matches(P("Abs|Negative", ANY("x")), graph, 0, &m));
}

/* What the match holds may be used by the match, and by nobody else. */
static void single_use_looks_outside_of_the_match(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %x: f32[2]\n"
                                  "  output %y\n"
                                  "  output %z\n"
                                  "  output %w\n"
                                  "  %e = Exp(%x)\n"
                                  "  %y = Mul(%e, %e)\n"
                                  "  %f = Log(%x)\n"
                                  "  %z = Neg(%f)\n"
                                  "  %w = Abs(%f)\n"
                                  "}\n");
  Match m;
  assert_true(matches(P("Mul", PB("Exp", "e", ANY("x")), ANY("e")), graph, 0, &m));
  assert_false(matches(P("Neg", P("Log", ANY("x"))), graph, 1, &m));
  assert_true(matches(P("Neg", PM("Log", "f", ANY("x"))), graph, 1, &m));
}

static void scalars_are_compared_as_their_type_can_hold_them(void **state) {
  TEST_BEGIN(state);
  const Graph *graph = parse(ctx, "graph \"g\" {\n"
                                  "  input %x: f32[2]\n"
                                  "  input %h: f16[2]\n"
                                  "  output %y\n"
                                  "  output %z\n"
                                  "  output %w\n"
                                  "  const %k = f32[2] {1.4142135, 1.4142135}\n"
                                  "  const %l = f32[] {1.4141}\n"
                                  "  const %m = f32[] {1.4142135}\n"
                                  "  const %n = i64[1] {1}\n"
                                  "  %y = Div(%x, %k)\n"
                                  "  %z = Div(%x, %l)\n"
                                  "  %c = Cast(%m) {to = 10}\n"
                                  "  %r = Reshape(%c, %n)\n"
                                  "  %w = Div(%h, %r)\n"
                                  "}\n");
  const Pattern *pattern = P("Div", ANY("x"), SCALAR(1.41421356237));
  Match m;
  assert_true(matches(pattern, graph, 0, &m));
  assert_false(matches(pattern, graph, 1, &m));
  assert_true(matches(pattern, graph, 2, &m));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(commutative_operands_match_in_either_order),
      TEST(choices_are_taken_back),
      TEST(a_name_is_one_value),
      TEST(parts_may_be_missing),
      TEST(alternatives_are_tried_in_order),
      TEST(single_use_looks_outside_of_the_match),
      TEST(scalars_are_compared_as_their_type_can_hold_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
