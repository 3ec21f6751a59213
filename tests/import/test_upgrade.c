/* Older forms of operators: what they become, as a list of operators and facts of the last node. */
#include "models.h"

#include "ops/op.h"

/* `y = OP(inputs)` of one opset; x is f32[2, 3]. Further inputs are constants that the case adds.
 */
static Onnx__NodeProto *old_node(Onnx__ModelProto **m, int64_t version, const char *op,
                                 const char *inputs) {
  *m = unary_model(version);
  PUSH((*m)->graph, node, node(op, inputs, "y"));
  return (*m)->graph->node[0];
}

static void constant_floats(Onnx__ModelProto *m, const char *name, int64_t n, const float *values) {
  Onnx__TensorProto *t = tensor(name, ONNXC_RT_F32, 1, &n);
  raw(t, values, (size_t)n * sizeof *values);
  PUSH(m->graph, initializer, t);
}

/* The graph, whose operators are `ops` in order. */
static Graph *upgraded(const Onnx__ModelProto *m, const char *ops) {
  Graph *g = import(m);
  if (g == NULL) fail_msg("%s", diag_text(fixture.ctx.diag, 0));
  const char *found = "";
  for (const Node *n = g->first; n != NULL; n = n->next) {
    found = arena_printf(fixture.arena, "%s%s%s", found, *found ? " " : "", n->op->name);
  }
  assert_string_equal(found, ops);
  return g;
}

static void expect_ints(const Node *of, uint32_t input, size_t n, const int64_t *values) {
  const Tensor *constant = node_in(of, input)->constant;
  assert_non_null(constant);
  assert_int_equal(constant->count, n);
  for (size_t i = 0; i < n; i++) assert_int_equal(tensor_i64(constant, i), values[i]);
}

static void integer_attributes_become_inputs(void **state) {
  (void)state;
  static const struct {
    int64_t version;
    const char *op, *attr;
    uint32_t input;
  } cases[] = {{11, "Squeeze", "axes", 1}, {11, "Unsqueeze", "axes", 1}, {4, "Reshape", "shape", 1},
               {11, "Split", "split", 1},  {2, "Pad", "pads", 1},        {1, "Pad", "paddings", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Onnx__ModelProto *m;
    const int64_t values[] = {0, 1, 0, 1};
    attribute_ints(old_node(&m, cases[i].version, cases[i].op, "x"), cases[i].attr, 4, values);
    const Node *n = upgraded(m, cases[i].op)->first;
    expect_ints(n, cases[i].input, 4, values);
    assert_null(node_attr(n, cases[i].attr));
  }
}

static void slices_take_three_inputs(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *slice = old_node(&m, 9, "Slice", "x");
  attribute_ints(slice, "starts", 1, (int64_t[]){1});
  attribute_ints(slice, "ends", 1, (int64_t[]){-1});
  const Node *n = upgraded(m, "Slice")->first;
  assert_int_equal(n->n_in, 3);
  expect_ints(n, 2, 1, (int64_t[]){-1});
  attribute_ints(slice, "axes", 1, (int64_t[]){1});
  expect_ints(upgraded(m, "Slice")->first, 3, 1, (int64_t[]){1});
}

static void scalars_become_inputs_of_the_type_of_the_data(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  attribute_float(old_node(&m, 6, "Clip", "x"), "max", 6);
  const Node *clip = upgraded(m, "Clip")->first;
  assert_null(node_in(clip, 1));
  assert_true(tensor_f64(node_in(clip, 2)->constant, 0) == 6);
  m->graph->input[0]->type->tensor_type->elem_type = ONNXC_RT_F16;
  upgraded(m, "CastLike Clip");
}

static void broadcasting_by_axis_becomes_alignment(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *add = old_node(&m, 6, "Add", "x b");
  constant_floats(m, "b", 2, (float[]){1, 2});
  attribute_int(add, "broadcast", 1);
  upgraded(m, "Add");
  attribute_int(add, "axis", 0);
  Graph *g = upgraded(m, "AlignAxis Add");
  assert_true(infer_graph(g));
  assert_string_equal(type_text(fixture.arena, &g->first->out[0]->type), "f32[2, 1]");
}

static void softmax_saw_a_matrix(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *softmax = old_node(&m, 11, "LogSoftmax", "x");
  const Node *n = upgraded(m, "FlatSoftmax")->first;
  assert_int_equal(node_attr(n, "axis")->i, 1);
  assert_string_equal(node_attr(n, "op")->s, "LogSoftmax");
  attribute_int(softmax, "axis", -1);
  upgraded(m, "LogSoftmax");
}

static void split_counts_its_outputs(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *split = old_node(&m, 13, "Split", "x");
  PUSH(split, output, text("z"));
  assert_int_equal(node_attr(upgraded(m, "Split")->first, "num_outputs")->i, 2);
}

static void upsample_becomes_resize(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *upsample = old_node(&m, 9, "Upsample", "x s");
  constant_floats(m, "s", 2, (float[]){2, 2});
  attribute_text(upsample, "mode", "linear");
  const Node *n = upgraded(m, "Resize")->first;
  assert_null(node_in(n, 1));
  assert_string_equal(node_in(n, 2)->name, "s");
  assert_string_equal(node_attr(n, "coordinate_transformation_mode")->s, "asymmetric");
  assert_string_equal(node_attr(n, "mode")->s, "linear");
  upsample = old_node(&m, 1, "Upsample", "x");
  attribute_float(upsample, "height_scale", 2);
  attribute_float(upsample, "width_scale", 3);
  n = upgraded(m, "Resize")->first;
  assert_true(tensor_f64(node_in(n, 2)->constant, 3) == 3);
}

static void single_changes(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  attribute_text(old_node(&m, 1, "Cast", "x"), "to", "FLOAT16");
  assert_int_equal(node_attr(upgraded(m, "Cast")->first, "to")->i, ONNXC_RT_F16);
  old_node(&m, 1, "Concat", "x x");
  assert_int_equal(node_attr(upgraded(m, "Concat")->first, "axis")->i, 1);
  attribute_int(old_node(&m, 1, "TopK", "x"), "k", 2);
  PUSH(m->graph->node[0], output, text("i"));
  expect_ints(upgraded(m, "TopK")->first, 1, 1, (int64_t[]){2});
  old_node(&m, 9, "Scatter", "x i x");
  Onnx__TensorProto *at = tensor("i", ONNXC_RT_I64, 2, (int64_t[]){2, 3});
  raw(at, (int64_t[]){0, 0, 0, 0, 0, 0}, 48);
  PUSH(m->graph, initializer, at);
  upgraded(m, "ScatterElements");
  attribute_ints(old_node(&m, 5, "Relu", "x"), "consumed_inputs", 1, (int64_t[]){0});
  upgraded(m, "Relu");
  attribute_float(old_node(&m, 1, "Selu", "x"), "gamma", 2);
  assert_true(node_attr(upgraded(m, "Selu")->first, "alpha")->f == 1.6732f);
}

static void retired_operators_are_spelled_out(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  Onnx__NodeProto *crop = old_node(&m, 7, "Crop", "x");
  attribute_ints(crop, "border", 4, (int64_t[]){1, 2, 3, 0});
  const Node *slice = upgraded(m, "Slice")->first;
  expect_ints(slice, 1, 2, (int64_t[]){2, 1});
  expect_ints(slice, 2, 2, (int64_t[]){INT64_MAX, -3});
  attribute_float(old_node(&m, 7, "Affine", "x"), "alpha", 2);
  upgraded(m, "Mul Add");
  old_node(&m, 7, "ScaledTanh", "x");
  upgraded(m, "Mul Tanh Mul");
  old_node(&m, 7, "ParametricSoftplus", "x");
  upgraded(m, "Mul Softplus Mul");
}

static void what_has_no_newer_form_is_unsupported(void **state) {
  (void)state;
  Onnx__ModelProto *m;
  old_node(&m, 1, "Tile", "x x x");
  expect_fault(m, 3, 1, "version 1 of the operator has no newer equivalent");
  assert_non_null(strstr(diag_text(fixture.ctx.diag, 0), "node 'y' (Tile)"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(integer_attributes_become_inputs),
      TEST(slices_take_three_inputs),
      TEST(scalars_become_inputs_of_the_type_of_the_data),
      TEST(broadcasting_by_axis_becomes_alignment),
      TEST(softmax_saw_a_matrix),
      TEST(split_counts_its_outputs),
      TEST(upsample_becomes_resize),
      TEST(single_changes),
      TEST(retired_operators_are_spelled_out),
      TEST(what_has_no_newer_form_is_unsupported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
