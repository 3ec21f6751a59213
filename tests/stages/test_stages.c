/* The stage driver: exit codes, stops, and a state that later stages go on from. */
#include "import/models.h"
#include "stages.h"

static const onnxc_dim bounded = {"batch", 1, 8};

/* Compiles y = Neg(x) over float[batch, 3]. */
static onnxc_result *compile(const onnxc_options *options) {
  Onnx__ModelProto *m = unary_model(20);
  name_axis(m->graph->input[0], 0, "batch");
  PUSH(m->graph, node, node("Neg", "x", "y"));
  assert_int_equal(import_code(m), 0);
  return onnxc_compile(fixture.path, options);
}

static void all_stages(void **state) {
  (void)state;
  onnxc_result *result = compile(&(onnxc_options){.dims = &bounded, .n_dims = 1});
  assert_int_equal(onnxc_exit_code(result), 0);
  assert_null(onnxc_diagnostic(result, 0));
  assert_non_null(result->interface);
  assert_int_equal(result->imported_nodes, 1);
  onnxc_free(result);
}

static void stops_where_told(void **state) {
  (void)state;
  const onnxc_options options = {.dims = &bounded, .n_dims = 1, .stop_after = "passes"};
  onnxc_result *result = compile(&options);
  assert_int_equal(onnxc_exit_code(result), 0);
  assert_null(result->steps);
  assert_true(compilation_run(result, "lower"));
  assert_non_null(result->steps);
  assert_null(result->plan);
  onnxc_free(result);
}

static void unbounded_size(void **state) {
  (void)state;
  onnxc_result *result = compile(NULL);
  assert_int_equal(onnxc_exit_code(result), DIAG_INVALID);
  assert_non_null(strstr(onnxc_diagnostic(result, 0), "--dim batch="));
  assert_null(onnxc_diagnostic(result, 1));
  onnxc_free(result);
}

static void wrong_options(void **state) {
  (void)state;
  static const onnxc_options wrong[] = {
      {.dump = "during:passes"}, {.dump = "after:nonsense"}, {.stop_after = "nonsense"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    onnxc_result *result = onnxc_compile("unread.onnx", &wrong[i]);
    assert_int_equal(onnxc_exit_code(result), DIAG_USAGE);
    onnxc_free(result);
  }
}

static void missing_file(void **state) {
  (void)state;
  onnxc_result *result = onnxc_compile("/nonexistent/model.onnx", NULL);
  assert_int_equal(onnxc_exit_code(result), DIAG_IO);
  onnxc_free(result);
}

/* Weights of the output may have the name of the model's own. */
static void sources_are_kept(void **state) {
  (void)state;
  const float bias[] = {1, 2, 3};
  Onnx__ModelProto *m = unary_model(20);
  Onnx__TensorProto *b = tensor("b", ONNXC_RT_F32, 1, (int64_t[]){3});
  external(b, "location", "model.weights.bin");
  PUSH(m->graph, initializer, b);
  PUSH(m->graph, node, node("Add", "x b", "y"));
  write_file("model.weights.bin", bias, sizeof bias);
  assert_int_equal(import_code(m), 0);
  onnxc_result *result =
      onnxc_compile(fixture.path, &(onnxc_options){.weights = ONNXC_WEIGHTS_FILE});
  assert_int_equal(onnxc_exit_code(result), 0);
  assert_int_equal(onnxc_write(result, fixture.folder), DIAG_IO);
  assert_non_null(strstr(onnxc_diagnostic(result, 0), "would replace an input"));
  onnxc_free(result);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(all_stages),     TEST(stops_where_told),
                                     TEST(unbounded_size), TEST(wrong_options),
                                     TEST(missing_file),   TEST(sources_are_kept)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
