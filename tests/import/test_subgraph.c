/* Bodies of If and Loop: captures, names, limits. */
#include "models.h"

#include "ir/verify.h"
#include "ops/op.h"

static Onnx__GraphProto *branch(const char *input, const char *output) {
  Onnx__GraphProto *made = graph(output);
  PUSH(made, node, node("Identity", input, output));
  PUSH(made, output, info(output, 1, 0, NULL));
  made->output[0]->type->tensor_type->shape = NULL;
  return made;
}

static Onnx__NodeProto *if_node(const char *output, Onnx__GraphProto *yes, Onnx__GraphProto *no) {
  Onnx__NodeProto *made = node("If", "c", output);
  attribute_graph(made, "then_branch", yes);
  attribute_graph(made, "else_branch", no);
  return made;
}

static Onnx__ModelProto *if_model(Onnx__GraphProto *yes, Onnx__GraphProto *no) {
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, input, info("c", ONNXC_RT_BOOL, 0, NULL));
  PUSH(m->graph, node, if_node("y", yes, no));
  return m;
}

static Graph *sound(const Onnx__ModelProto *m) {
  Graph *g = import(m);
  if (g == NULL) fail_msg("%s", diag_text(fixture.ctx.diag, 0));
  assert_true(infer_graph(g));
  assert_null(graph_verify(g));
  return g;
}

static void outer_values_are_captured_once(void **state) {
  (void)state;
  const Node *n = sound(if_model(branch("x", "a"), branch("x", "b")))->first;
  assert_int_equal(n->n_formal, 1);
  assert_int_equal(n->n_in, 2);
  assert_string_equal(n->in[1].value->name, "x");
  for (uint32_t i = 0; i < 2; i++) {
    const Graph *body = n->attrs[i].graph;
    assert_ptr_equal(body->holder, n);
    assert_int_equal(body->captures.len, 1);
    assert_int_equal(body->captures.data[0].input, 1);
    assert_ptr_equal(body->first->in[0].value, body->captures.data[0].inner);
  }
}

static void captures_pass_through_every_level(void **state) {
  (void)state;
  Onnx__GraphProto *inner = branch("x", "t0");
  for (int i = 1; i <= 20; i++) {
    const char *name = arena_printf(fixture.arena, "t%d", i);
    Onnx__GraphProto *outer = graph(name);
    const char *other = arena_printf(fixture.arena, "e%d", i);
    PUSH(outer, node, if_node(name, inner, branch("x", other)));
    PUSH(outer, output, info(name, 1, 0, NULL));
    outer->output[0]->type->tensor_type->shape = NULL;
    inner = outer;
  }
  const Node *n = sound(if_model(inner, branch("x", "e")))->first;
  for (int i = 0; i < 20; i++) n = node_attr(n, "then_branch")->graph->first;
  assert_int_equal(n->n_in, 2);
}

static void outer_names_may_not_be_reused(void **state) {
  (void)state;
  expect_fault(if_model(branch("x", "c"), branch("x", "b")), 2, 1, "in an outer graph too");
  sound(if_model(branch("x", "a"), branch("x", "a")));
}

static void later_and_unknown_values_cannot_be_captured(void **state) {
  (void)state;
  expect_fault(if_model(branch("z", "a"), branch("x", "b")), 2, 1, "input 'z' is produced by no");
  Onnx__ModelProto *m = if_model(branch("z", "a"), branch("x", "b"));
  PUSH(m->graph, node, node("Identity", "x", "z"));
  expect_fault(m, 2, 1, "input 'z' is produced by no");
}

static void bodies_may_return_outer_values(void **state) {
  (void)state;
  Onnx__GraphProto *direct = graph("direct");
  PUSH(direct, output, info("x", 1, 2, (int64_t[]){2, 3}));
  const Node *n = sound(if_model(direct, branch("x", "b")))->first;
  const Graph *body = node_attr(n, "then_branch")->graph;
  assert_ptr_equal(body->outputs.data[0], body->captures.data[0].inner);
}

static void bodies_have_initializers_of_their_own(void **state) {
  (void)state;
  Onnx__GraphProto *yes = branch("w", "a");
  Onnx__TensorProto *w = tensor("w", 1, 2, (int64_t[]){2, 3});
  raw(w, (float[6]){0}, 24);
  PUSH(yes, initializer, w);
  const Node *n = sound(if_model(yes, branch("x", "b")))->first;
  assert_int_equal(node_attr(n, "then_branch")->graph->captures.len, 0);
  PUSH(yes, initializer, w);
  expect_fault(if_model(yes, branch("x", "b")), 2, 1, "defined twice");
}

static void branches_are_required(void **state) {
  (void)state;
  Onnx__ModelProto *m = if_model(branch("x", "a"), branch("x", "b"));
  m->graph->node[0]->n_attribute = 1;
  expect_fault(m, 2, 1, "attribute 'else_branch' is missing");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(outer_values_are_captured_once), TEST(captures_pass_through_every_level),
      TEST(outer_names_may_not_be_reused),  TEST(later_and_unknown_values_cannot_be_captured),
      TEST(bodies_may_return_outer_values), TEST(bodies_have_initializers_of_their_own),
      TEST(branches_are_required),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
