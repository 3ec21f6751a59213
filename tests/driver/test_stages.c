/* The stage driver: exit codes, stops, and running short of memory at every allocation. */
#include "stages.h"
#include "support.h"

#include "onnx.pb-c.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/onnxc-stages-XXXXXX";

/* y = Identity(x) over float[batch, 3]. */
static size_t pack_model(uint8_t *bytes) {
  Onnx__TensorShapeProto__Dimension batch = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT,
                                    three = batch;
  batch.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  batch.dim_param = (char[]){"batch"};
  three.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  three.dim_value = 3;
  Onnx__TensorShapeProto shape = ONNX__TENSOR_SHAPE_PROTO__INIT;
  shape.n_dim = 2;
  shape.dim = (Onnx__TensorShapeProto__Dimension *[]){&batch, &three};
  Onnx__TypeProto__Tensor tensor = ONNX__TYPE_PROTO__TENSOR__INIT;
  tensor.has_elem_type = 1;
  tensor.elem_type = ONNXC_RT_F32;
  tensor.shape = &shape;
  Onnx__TypeProto type = ONNX__TYPE_PROTO__INIT;
  type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type.tensor_type = &tensor;
  Onnx__ValueInfoProto x = ONNX__VALUE_INFO_PROTO__INIT, y = ONNX__VALUE_INFO_PROTO__INIT;
  x.name = (char[]){"x"};
  y.name = (char[]){"y"};
  x.type = y.type = &type;
  Onnx__NodeProto node = ONNX__NODE_PROTO__INIT;
  node.op_type = (char[]){"Identity"};
  node.n_input = node.n_output = 1;
  node.input = (char *[]){x.name};
  node.output = (char *[]){y.name};
  Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
  graph.name = (char[]){"g"};
  graph.n_node = graph.n_input = graph.n_output = 1;
  graph.node = (Onnx__NodeProto *[]){&node};
  graph.input = (Onnx__ValueInfoProto *[]){&x};
  graph.output = (Onnx__ValueInfoProto *[]){&y};
  Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
  opset.domain = (char[]){""};
  opset.has_version = 1;
  opset.version = 17;
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  model.has_ir_version = 1;
  model.ir_version = 8;
  model.n_opset_import = 1;
  model.opset_import = (Onnx__OperatorSetIdProto *[]){&opset};
  model.graph = &graph;
  return onnx__model_proto__pack(&model, bytes);
}

static int make_model(void **state) {
  (void)state;
  uint8_t bytes[1024];
  size_t size = pack_model(bytes);
  int fd = mkstemp(path);
  bool ok = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
  return fd < 0 || close(fd) != 0 || !ok;
}

static int remove_model(void **state) {
  (void)state;
  return unlink(path);
}

static const onnxc_dim bounded = {"batch", 1, 8};
static const onnxc_options bounded_options = {.dims = &bounded, .n_dims = 1};

static void all_stages(void **state) {
  (void)state;
  onnxc_result *result = onnxc_compile(path, &bounded_options);
  assert_int_equal(onnxc_exit_code(result), 0);
  assert_null(onnxc_diagnostic(result, 0));
  assert_non_null(result->interface);
  assert_int_equal(result->imported_nodes, 1);
  onnxc_free(result);
}

static void stops_where_told(void **state) {
  (void)state;
  onnxc_options options = bounded_options;
  options.stop_after = "passes";
  onnxc_result *result = onnxc_compile(path, &options);
  assert_int_equal(onnxc_exit_code(result), 0);
  assert_null(result->steps);
  assert_true(compilation_run(result, "lower"));
  assert_non_null(result->steps);
  assert_null(result->plan);
  onnxc_free(result);
}

static void unbounded_size(void **state) {
  (void)state;
  onnxc_result *result = onnxc_compile(path, NULL);
  assert_int_equal(onnxc_exit_code(result), DIAG_INVALID);
  assert_non_null(strstr(onnxc_diagnostic(result, 0), "--dim batch="));
  onnxc_free(result);
}

static void wrong_options(void **state) {
  (void)state;
  static const onnxc_options wrong[] = {
      {.dump = "during:passes"}, {.dump = "after:nonsense"}, {.stop_after = "nonsense"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    onnxc_result *result = onnxc_compile(path, &wrong[i]);
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

/* Every allocation after the first ones of the compilation itself fails once. */
static void short_of_memory(void **state) {
  (void)state;
  bool done = false;
  for (size_t nth = 1; !done; nth++) {
    Compilation *c = compilation_new(path, &bounded_options);
    assert_non_null(c);
    c->escape.fail_after = c->escape.allocations + nth;
    done = compilation_run(c, NULL);
    assert_int_equal(onnxc_exit_code(c), done ? 0 : DIAG_LIMIT);
    if (!done) assert_non_null(strstr(onnxc_diagnostic(c, 0), "out of memory"));
    onnxc_free(c);
    assert_true(nth < 10000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_stages),     cmocka_unit_test(stops_where_told),
      cmocka_unit_test(unbounded_size), cmocka_unit_test(wrong_options),
      cmocka_unit_test(missing_file),   cmocka_unit_test(short_of_memory),
  };
  return cmocka_run_group_tests(tests, make_model, remove_model);
}
