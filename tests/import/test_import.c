#include "models.h"

#include "ir/verify.h"
#include "ops/op.h"

static void takes_inputs_constants_and_nodes(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, node, node("Identity", "x", "a"));
  PUSH(m->graph, node, node("Identity", "a", "y"));
  m->graph->node[1]->name = text("second");
  Graph *g = import(m);
  assert_string_equal(g->name, "g");
  assert_int_equal(g->n_nodes, 2);
  assert_int_equal(g->inputs.len, 1);
  assert_string_equal(type_text(fixture.arena, &g->inputs.data[0]->type), "f32[2, 3]");
  assert_ptr_equal(g->outputs.data[0], g->last->out[0]);
  assert_ptr_equal(g->last->in[0].value, g->first->out[0]);
  assert_string_equal(g->first->name, "a");
  assert_string_equal(g->last->origins[0], "second");
  assert_true(infer_graph(g));
  assert_null(graph_verify(g));
}

static void initializers_are_constants_even_as_inputs(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  const float values[] = {1.5f, -0.0f};
  Onnx__TensorProto *w = tensor("w", 1, 1, (int64_t[]){2});
  raw(w, values, sizeof values);
  PUSH(m->graph, initializer, w);
  PUSH(m->graph, input, info("w", 1, 1, (int64_t[]){2}));
  PUSH(m->graph, node, node("Identity", "w", "y"));
  Graph *g = import(m);
  assert_int_equal(g->inputs.len, 1);
  const Value *value = g->first->in[0].value;
  assert_memory_equal(value->constant->data, values, sizeof values);
  m->graph->input[1] = info("w", 1, 1, (int64_t[]){3});
  expect_fault(m, 2, 1, "not of the type of its initializer");
}

static void constants_come_in_every_form(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  Onnx__NodeProto *one = node("Constant", "", "a"), *list = node("Constant", "", "b");
  attribute_float(one, "value_float", 2.5f);
  attribute_ints(list, "value_ints", 2, (int64_t[]){7, -1});
  PUSH(m->graph, node, one);
  PUSH(m->graph, node, list);
  PUSH(m->graph, node, node("Identity", "a", "y"));
  PUSH(m->graph, node, node("Identity", "b", "z"));
  Graph *g = import(m);
  assert_int_equal(g->n_nodes, 2);
  assert_true(tensor_f64(g->first->in[0].value->constant, 0) == 2.5);
  assert_int_equal(tensor_i64(g->last->in[0].value->constant, 1), -1);
  attribute_int(one, "value_int", 1);
  expect_fault(m, 2, 1, "exactly one attribute");
}

static void sizes_become_symbols_with_the_bounds_of_the_options(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  name_axis(m->graph->input[0], 0, "batch");
  name_axis(m->graph->input[0], 1, "?");
  PUSH(m->graph, input, info("z", 1, 1, (int64_t[]){-1}));
  name_axis(m->graph->input[1], 0, "batch");
  PUSH(m->graph, node, node("Identity", "x", "y"));
  Graph *g = import(m);
  assert_string_equal(type_text(fixture.arena, &g->inputs.data[0]->type), "f32[batch, x.1]");
  onnxc_dim dims[] = {{"x.0", 1, 8}, {"x.1", 5, 5}};
  fixture.options.dims = dims;
  fixture.options.n_dims = 2;
  g = import(m);
  assert_string_equal(type_text(fixture.arena, &g->inputs.data[0]->type), "f32[batch, 5]");
  assert_int_equal(g->inputs.data[1]->type.dims[0]->hi, 8);
}

static void refuses_broken_models(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  expect_fault(m, 2, 1, "output 'y' is produced by no node");
  PUSH(m->graph, node, node("Identity", "a", "y"));
  PUSH(m->graph, node, node("Identity", "x", "a"));
  expect_fault(m, 2, 1, "input 'a' is produced by no earlier node");
  m->graph->node[0] = node("Identity", "x", "a");
  m->graph->node[1] = node("Identity", "a", "x");
  PUSH(m->graph, node, node("Identity", "a", "y"));
  expect_fault(m, 2, 1, "value 'x' is defined twice");
  m->graph->node[1] = node("Identity", "-", "b");
  expect_fault(m, 2, 1, "input 0 (input) is missing");
  m->graph->node[1] = node("Identity", "x x", "b");
  expect_fault(m, 2, 1, "2 inputs");
  m->graph->node[1] = node("Identity", "x", "b");
  attribute_int(m->graph->node[1], "axis", 1);
  expect_fault(m, 2, 1, "unknown attribute 'axis'");
  m->graph->node[1] = node("", "x", "b");
  expect_fault(m, 2, 1, "no operator");
  PUSH(m, opset_import, opset("com.microsoft", 1)); /* whose operators have no schema */
  m->graph->node[1] = node("QuickGelu", "x", "b");
  m->graph->node[1]->domain = text("com.microsoft");
  attribute_int(m->graph->node[1], "alpha", 1);
  expect_fault(m, 2, 1, "attribute 'alpha' is INT, which is not its type");
  m->graph->node[1] = node("QuickGelu", "x", "b");
  m->graph->node[1]->domain = text("com.microsoft");
  attribute_int(m->graph->node[1], "beta", 1);
  expect_fault(m, 3, 1, "attribute 'beta' is not supported");
  m->graph->node[1] = node("NGramRepeatBlock", "x x", "b");
  m->graph->node[1]->domain = text("com.microsoft");
  expect_fault(m, 2, 1, "attribute 'ngram_size' is missing");
  m->graph->n_node = 1;
  PUSH(m->graph, node, node("Identity", "a", "y"));
  PUSH(m->graph, output, info("y", 1, 0, NULL));
  expect_fault(m, 2, 1, "output 'y' is there twice");
}

static void refuses_broken_headers(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, node, node("Identity", "x", "y"));
  assert_int_equal(import_code(m), 0);
  m->ir_version = 0;
  expect_fault(m, 2, 1, "ir_version");
  m->ir_version = 99;
  expect_fault(m, 3, 1, "IR version 99");
  m->ir_version = 8;
  PUSH(m, opset_import, opset("ai.onnx", 20));
  assert_int_equal(import_code(m), 0);
  PUSH(m, opset_import, opset("ai.onnx", 19));
  expect_fault(m, 2, 1, "imported twice");
  m->n_opset_import = 0;
  expect_fault(m, 2, 1, "no opset_import");
  m->graph->input[0]->type->tensor_type->elem_type = 99;
  PUSH(m, opset_import, opset("", 20));
  expect_fault(m, 2, 1, "element type 99");
}

static void lists_all_unknown_operators_once(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(1000);
  PUSH(m, opset_import, opset("com.acme", 1));
  PUSH(m->graph, node, node("Frobnicate", "x", "a"));
  PUSH(m->graph, node, node("Frobnicate", "a", "b"));
  PUSH(m->graph, node, node("Launch", "b", "y"));
  m->graph->node[2]->domain = text("com.acme");
  expect_fault(m, 3, 3, "opset 1000 of ai.onnx is newer");
  assert_non_null(strstr(diag_text(fixture.ctx.diag, 1), "operator ai.onnx:Frobnicate"));
  assert_non_null(strstr(diag_text(fixture.ctx.diag, 2), "operator com.acme:Launch"));
}

static void refuses_attributes_that_contradict_their_type(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  Onnx__NodeProto *constant = node("Constant", "", "y");
  Onnx__AttributeProto *value = ATTRIBUTE(constant, "value_int", INT);
  PUSH(m->graph, node, constant);
  value->has_f = 1;
  expect_fault(m, 2, 1, "not of its type INT");
  value->has_f = 0;
  assert_int_equal(import_code(m), 0);
  value->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
  expect_fault(m, 2, 1, "is FLOAT, not INT");
  value->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  attribute_int(constant, "value_int", 1);
  expect_fault(m, 2, 1, "there twice");
}

static void declared_types_must_agree(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, node, node("Identity", "x", "a"));
  PUSH(m->graph, node, node("Identity", "a", "y"));
  PUSH(m->graph, value_info, info("a", 1, 2, (int64_t[]){2, -1}));
  Graph *g = import(m);
  assert_true(infer_graph(g) && import_check_types(g));
  m->graph->value_info[0] = info("a", 1, 2, (int64_t[]){2, 4});
  g = import(m);
  assert_true(infer_graph(g));
  assert_false(import_check_types(g));
  assert_non_null(
      strstr(diag_text(fixture.ctx.diag, 0), "declared as f32[2, 4], but is f32[2, 3]"));
  PUSH(m->graph, value_info, info("a", 1, 2, (int64_t[]){2, 3}));
  expect_fault(m, 2, 1, "two types for 'a'");
}

static void a_million_nodes_take_linear_time(void **state) {
  (void)state;
  Onnx__ModelProto *m = unary_model(20);
  size_t n = 200000;
  Onnx__NodeProto **nodes = ARENA_ARRAY(fixture.arena, n, Onnx__NodeProto *);
  for (size_t i = 0; i < n; i++) {
    const char *from = i == 0 ? "x" : arena_printf(fixture.arena, "v%zu", i);
    const char *to = i + 1 == n ? "y" : arena_printf(fixture.arena, "v%zu", i + 1);
    nodes[i] = node("Identity", from, to);
  }
  m->graph->node = nodes;
  m->graph->n_node = n;
  assert_int_equal(import(m)->n_nodes, n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(takes_inputs_constants_and_nodes),
      TEST(initializers_are_constants_even_as_inputs),
      TEST(constants_come_in_every_form),
      TEST(sizes_become_symbols_with_the_bounds_of_the_options),
      TEST(refuses_broken_models),
      TEST(refuses_broken_headers),
      TEST(lists_all_unknown_operators_once),
      TEST(refuses_attributes_that_contradict_their_type),
      TEST(declared_types_must_agree),
      TEST(a_million_nodes_take_linear_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
