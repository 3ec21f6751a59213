/* Functions of the model: bodies inlined, attributes and outputs bound, recursion refused. */
#include "models.h"

#include "ir/verify.h"
#include "ops/op.h"

static Onnx__FunctionProto *function(const char *name, const char *input, const char *output) {
  Onnx__FunctionProto *made = NEW(Onnx__FunctionProto, ONNX__FUNCTION_PROTO__INIT);
  made->name = text(name);
  made->domain = text("local");
  PUSH(made, input, text(input));
  PUSH(made, output, text(output));
  PUSH(made, opset_import, opset("", 13));
  PUSH(made, opset_import, opset("local", 1));
  return made;
}

static Onnx__NodeProto *call(const char *name, const char *inputs, const char *outputs) {
  Onnx__NodeProto *made = node(name, inputs, outputs);
  made->domain = text("local");
  return made;
}

/* y = F(x) in the main graph. */
static Onnx__ModelProto *calling_model(Onnx__FunctionProto *f) {
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m, opset_import, opset("local", 1));
  PUSH(m, functions, f);
  PUSH(m->graph, node, call(f->name, "x", "y"));
  return m;
}

static Graph *sound(const Onnx__ModelProto *m) {
  Graph *g = import(m);
  if (g == NULL) fail_msg("%s", diag_text(fixture.ctx.diag, 0));
  assert_true(infer_graph(g));
  assert_null(graph_verify(g));
  return g;
}

static void bodies_take_the_place_of_calls(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "c");
  PUSH(f, node, node("Identity", "a", "x"));
  PUSH(f, node, node("Identity", "x", "c"));
  Onnx__ModelProto *m = calling_model(f);
  m->graph->node[0]->name = text("the call");
  Graph *g = sound(m);
  assert_int_equal(g->n_nodes, 2);
  assert_string_equal(g->outputs.data[0]->name, "y");
  assert_string_equal(g->first->origins[0], "the call");
  assert_ptr_equal(g->first->in[0].value, g->inputs.data[0]);
}

static void functions_call_one_another(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "b"), *h = function("H", "a", "b");
  PUSH(h, node, node("Identity", "a", "b"));
  PUSH(f, node, call("H", "a", "t"));
  PUSH(f, node, call("H", "t", "b"));
  Onnx__ModelProto *m = calling_model(f);
  PUSH(m, functions, h);
  assert_int_equal(sound(m)->n_nodes, 2);
}

static void results_passed_through_are_copied(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "a");
  PUSH(f, output, text("b"));
  PUSH(f, output, text("b"));
  PUSH(f, node, node("Identity", "a", "b"));
  Onnx__ModelProto *m = calling_model(f);
  m->graph->node[0] = call("F", "x", "y z w");
  PUSH(m->graph, output, info("z", 1, 0, NULL));
  PUSH(m->graph, output, info("w", 1, 0, NULL));
  Graph *g = sound(m);
  for (size_t i = 0; i < 3; i++) {
    assert_string_equal(g->outputs.data[i]->name, m->graph->output[i]->name);
  }
}

/* F(a) = TopK-like use of attributes: Flatten(a, axis = @axis). */
static Onnx__FunctionProto *flattening(void) {
  Onnx__FunctionProto *f = function("F", "a", "b");
  Onnx__NodeProto *flatten = node("Flatten", "a", "b");
  ATTRIBUTE(flatten, "axis", INT)->ref_attr_name = text("at");
  PUSH(f, node, flatten);
  return f;
}

static void attributes_follow_references(void **state) {
  (void)state;
  Onnx__FunctionProto *f = flattening();
  PUSH(f, attribute, text("at"));
  Onnx__ModelProto *m = calling_model(f);
  assert_null(node_attr(sound(m)->first, "axis"));
  attribute_int(m->graph->node[0], "at", 2);
  assert_int_equal(node_attr(sound(m)->first, "axis")->i, 2);
  attribute_int(m->graph->node[0], "other", 2);
  expect_fault(m, 2, 1, "no attribute other");
}

static void attributes_have_defaults(void **state) {
  (void)state;
  Onnx__FunctionProto *f = flattening();
  Onnx__NodeProto *holder = node("", "", "");
  attribute_int(holder, "at", 0);
  PUSH(f, attribute_proto, holder->attribute[0]);
  Onnx__ModelProto *m = calling_model(f);
  assert_int_equal(node_attr(sound(m)->first, "axis")->i, 0);
  attribute_int(m->graph->node[0], "at", 1);
  assert_int_equal(node_attr(sound(m)->first, "axis")->i, 1);
}

static void references_outside_functions_are_refused(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, node, flattening()->node[0]);
  m->graph->node[0]->input[0] = text("x");
  m->graph->node[0]->output[0] = text("y");
  expect_fault(m, 2, 1, "outside a function");
}

static void absent_inputs_stay_absent(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "b");
  PUSH(f, input, text("axes"));
  PUSH(f, node, node("Squeeze", "a axes", "b"));
  Onnx__ModelProto *m = calling_model(f);
  assert_null(sound(m)->first->in[1].value);
  f->node[0] = node("Identity", "axes", "b");
  expect_fault(m, 2, 1, "input 0 (input) is missing");
}

static void recursion_is_refused_even_uncalled(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "b"), *h = function("H", "a", "b");
  PUSH(f, node, call("H", "a", "b"));
  PUSH(h, node, call("F", "a", "b"));
  Onnx__ModelProto *m = calling_model(f);
  PUSH(m, functions, h);
  expect_fault(m, 2, 1, "calls itself");
  m->graph->node[0] = node("Identity", "x", "y");
  expect_fault(m, 2, 1, "calls itself");
  /* through the body of an If */
  Onnx__NodeProto *branch = node("If", "a", "b");
  Onnx__GraphProto *body = graph("then");
  PUSH(body, node, call("F", "a", "t"));
  attribute_graph(branch, "then_branch", body);
  h->node[0] = branch;
  expect_fault(m, 2, 1, "calls itself");
}

static void exploding_expansions_reach_the_limit(void **state) {
  (void)state;
  Onnx__FunctionProto *first = function("F0", "a", "b");
  PUSH(first, node, node("Identity", "a", "b"));
  Onnx__ModelProto *m = calling_model(first);
  for (int i = 1; i < 64; i++) {
    const char *callee = arena_printf(fixture.arena, "F%d", i - 1);
    Onnx__FunctionProto *f = function(arena_printf(fixture.arena, "F%d", i), "a", "b");
    PUSH(f, node, call(callee, "a", "t"));
    PUSH(f, node, call(callee, "t", "b"));
    PUSH(m, functions, f);
  }
  m->graph->node[0] = call("F10", "x", "y");
  assert_int_equal(sound(m)->n_nodes, 1024);
  m->graph->node[0] = call("F63", "x", "y");
  expect_fault(m, 4, 1, "too large");
}

static void calls_are_checked(void **state) {
  (void)state;
  Onnx__FunctionProto *f = function("F", "a", "b");
  PUSH(f, node, node("Identity", "a", "b"));
  Onnx__ModelProto *m = calling_model(f);
  m->graph->node[0] = call("F", "x x", "y");
  expect_fault(m, 2, 1, "too many inputs");
  m->graph->node[0] = call("F", "x", "y z");
  expect_fault(m, 2, 1, "too many outputs");
  m->graph->node[0] = call("F", "z", "y");
  expect_fault(m, 2, 1, "no earlier value");
  m->graph->node[0] = call("F", "x", "y");
  f->output[0] = text("c");
  expect_fault(m, 2, 1, "does not produce its output c");
  f->output[0] = text("b");
  f->n_opset_import = 0;
  expect_fault(m, 2, 1, "no opset is imported");
  PUSH(f, opset_import, opset("", 13));
  PUSH(m, functions, f);
  expect_fault(m, 2, 1, "defined twice");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(bodies_take_the_place_of_calls),
      TEST(functions_call_one_another),
      TEST(results_passed_through_are_copied),
      TEST(attributes_follow_references),
      TEST(attributes_have_defaults),
      TEST(references_outside_functions_are_refused),
      TEST(absent_inputs_stay_absent),
      TEST(recursion_is_refused_even_uncalled),
      TEST(exploding_expansions_reach_the_limit),
      TEST(calls_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
