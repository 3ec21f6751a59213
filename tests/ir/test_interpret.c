/* Graphs run on concrete tensors; the operators here exist for the test alone. */
#include "support.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "ops/op.h"
#include "reference/element.h"

#include <string.h>

/* ---- operators ---------------------------------------------------------------------------------
 */

/* x -> x * scale + bias[0] + ints[0], through scratch. Attributes: scale, bias, ints, name. */
static int affine_kernel(const onnxc_rt_call *call) {
  double *copy = call->scratch;
  if ((uintptr_t)copy % 64 != 0) return ONNXC_RT_ERROR_ALIGN;
  double add = call->attr[1].present ? (double)call->attr[1].floats[0] : 0;
  if (call->attr[2].present) add += (double)call->attr[2].ints[0];
  if (strcmp(call->attr[3].s, "ten") == 0) add += 10;
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[0]); i++) {
    copy[i] = onnxc_rt_load_f64(&call->in[0], i) * call->attr[0].f + add;
    onnxc_rt_store_f64(&call->out[0], i, copy[i]);
  }
  return ONNXC_RT_OK;
}

static const Dim *affine_scratch(const Node *node) {
  return dim_mul_i(node->graph->ctx->dims, type_count(node->graph->ctx, &node->in[0].value->type),
                   8);
}

static const OpParam affine_params[] = {PARAM_FLOAT("scale", 2),
                                        PARAM_OPTIONAL("bias", ATTR_FLOATS),
                                        PARAM_OPTIONAL("ints", ATTR_INTS),
                                        PARAM_STRING("name", "none"),
                                        {0}};
static const OpDef affine = {.name = "Affine",
                             .domain = "",
                             .params = affine_params,
                             .scratch = affine_scratch,
                             OP_KERNEL(affine_kernel)};

/* x -> its elements that are not 0; an error when none is. */
static int nonzero_kernel(const onnxc_rt_call *call) {
  int64_t n = 0;
  for (int64_t i = 0; i < onnxc_rt_count(&call->in[0]); i++) {
    double x = onnxc_rt_load_f64(&call->in[0], i);
    if (x != 0) onnxc_rt_store_f64(&call->out[0], n++, x);
  }
  call->out[0].dims[0] = n;
  return n == 0 ? ONNXC_RT_ERROR_VALUE : ONNXC_RT_OK;
}

static bool nonzero_infer(Node *node) {
  const Dim *kept = infer_fresh(node, 0, 0, node->in[0].value->type.dims[0]);
  infer_output(node, 0, ONNXC_RT_F32, 1, &kept);
  return true;
}

static const OpDef nonzero = {.name = "Kept",
                              .domain = "",
                              .flags = OP_DATA_DEPENDENT,
                              .infer = nonzero_infer,
                              OP_KERNEL(nonzero_kernel)};

static const OpDef branch = {.name = "If", .domain = ""};
static const OpDef mystery = {.name = "Mystery", .domain = ""};

/* ---- helpers -----------------------------------------------------------------------------------
 */

static const Tensor *vector(Context *ctx, const float *values, int64_t n) {
  Tensor *tensor = tensor_new(ctx, ONNXC_RT_F32, 1, &n);
  tensor->data = values;
  return tensor;
}

static Node *append(Graph *graph, const OpDef *op, Value *input, const Dim *size) {
  Node *node = node_new(graph, op, op->name, &input, 1, NULL, 1);
  node->out[0]->type = type_tensor(graph->ctx, ONNXC_RT_F32, 1, &size);
  graph_append(graph, node);
  return node;
}

static void holds(const Tensor *tensor, const float *expected, size_t n) {
  assert_int_equal(tensor->rank, 1);
  assert_int_equal(tensor->dims[0], n);
  assert_int_equal(tensor->count, n);
  assert_memory_equal(tensor->data, expected, n * sizeof *expected);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void attributes_reach_the_kernel(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  Value *x = graph_add_constant(graph, "x", vector(ctx, (float[]){1, 2}, 2));
  Node *node = append(graph, &affine, x, x->type.dims[0]);
  const Tensor *y;
  int error;
  assert_true(interpret_node(node, &x->constant, &y, ctx->arena, 1000, &error));
  holds(y, (float[]){2, 4}, 2);
  node_set_attr(node,
                (Attr){.name = "bias", .kind = ATTR_FLOATS, .floats = (float[]){0.5f}, .count = 1});
  node_set_ints(node, "ints", (int64_t[]){100}, 1);
  node_set_float(node, "scale", 3);
  node_set_string(node, "name", "ten");
  assert_true(interpret_node(node, &x->constant, &y, ctx->arena, 1000, &error));
  holds(y, (float[]){113.5f, 116.5f}, 2);
}

static void the_budget_holds(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  Value *x = graph_add_constant(graph, "x", vector(ctx, (float[]){1, 2}, 2));
  Node *node = append(graph, &affine, x, dim_const(ctx->dims, INT64_C(1) << 40));
  const Tensor *y;
  int error;
  assert_false(interpret_node(node, &x->constant, &y, ctx->arena, 1000, &error));
  assert_int_equal(error, 0);
}

static void kernel_errors_are_returned(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  Value *x = graph_add_constant(graph, "x", vector(ctx, (float[]){0, 0}, 2));
  Node *node = append(graph, &nonzero, x, dim_fresh(ctx->dims, "kept", 0, 2));
  const Tensor *y;
  int error;
  assert_false(interpret_node(node, &x->constant, &y, ctx->arena, 1000, &error));
  assert_int_equal(error, ONNXC_RT_ERROR_VALUE);
  node = append(graph, &mystery, x, x->type.dims[0]);
  assert_false(interpret_node(node, &x->constant, &y, ctx->arena, 1000, &error));
  assert_int_equal(error, 0);
}

static void sizes_are_found_on_the_way(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  const Dim *n = dim_symbol(ctx->dims, "n", 0, 100), *kept = dim_fresh(ctx->dims, "kept", 0, 100);
  Value *x = graph_add_input(graph, "x", type_tensor(ctx, ONNXC_RT_F32, 1, &n));
  Node *filter = append(graph, &nonzero, x, kept);
  Node *scale = append(graph, &affine, filter->out[0], kept);
  graph_add_output(graph, scale->out[0]);
  const Tensor *input = vector(ctx, (float[]){0, 5, 0, 7}, 4), *output;
  const Node *failed;
  assert_true(interpret_graph(graph, (int64_t[]){4, 0}, &input, &output, ctx->arena, &failed));
  holds(output, (float[]){10, 14}, 2);
  input = vector(ctx, (float[]){0}, 1);
  assert_false(interpret_graph(graph, (int64_t[]){1, 0}, &input, &output, ctx->arena, &failed));
  assert_ptr_equal(failed, filter);
}

/* An Expand whose sizes are an input of the graph. */
static void sizes_may_be_data(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_parse(ctx,
                             "graph g { input %x: f32[1] input %s: i64[2] output %y "
                             "%y = Expand(%x, %s) }",
                             "t");
  assert_non_null(graph);
  const Tensor *inputs[] = {vector(ctx, (float[]){7}, 1),
                            tensor_vector_i64(ctx, (int64_t[]){2, 1}, 2)};
  const Tensor *output;
  const Node *failed;
  int64_t *symbols = ARENA_ARRAY(ctx->arena, dims_symbols(ctx->dims), int64_t);
  assert_true(interpret_graph(graph, symbols, inputs, &output, ctx->arena, &failed));
  assert_int_equal(output->dims[0], 2);
  assert_int_equal(output->dims[1], 1);
  assert_memory_equal(output->data, ((float[]){7, 7}), 8);
}

static Graph *scaled_branch(Node *node, const char *name, Value *outer, float scale) {
  Graph *graph = graph_new(node->graph->ctx, name);
  node_set_attr(node, (Attr){.name = name, .kind = ATTR_GRAPH, .graph = graph});
  Value *inner = graph_capture(graph, outer);
  Node *scaled = append(graph, &affine, inner, inner->type.dims[0]);
  node_set_float(scaled, "scale", scale);
  graph_add_output(graph, scaled->out[0]);
  return graph;
}

static void only_one_branch_runs(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  const Dim *n = dim_symbol(ctx->dims, "n", 0, 100);
  Value *c = graph_add_input(graph, "c", type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL));
  Value *x = graph_add_input(graph, "x", type_tensor(ctx, ONNXC_RT_F32, 1, &n));
  Node *node = append(graph, &branch, c, n);
  scaled_branch(node, "then_branch", x, 3);
  append(scaled_branch(node, "else_branch", x, 5), &mystery, NULL, n);
  graph_add_output(graph, node->out[0]);
  Tensor *condition = tensor_new(ctx, ONNXC_RT_BOOL, 0, NULL);
  const Tensor *inputs[] = {condition, vector(ctx, (float[]){1, 2}, 2)}, *output;
  const Node *failed;
  condition->data = &(uint8_t){1};
  assert_true(interpret_graph(graph, (int64_t[]){2}, inputs, &output, ctx->arena, &failed));
  holds(output, (float[]){3, 6}, 2);
  condition->data = &(uint8_t){0};
  assert_false(interpret_graph(graph, (int64_t[]){2}, inputs, &output, ctx->arena, &failed));
  assert_string_equal(failed->name, "Mystery");
}

static void strings_pass_through(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_parse(ctx,
                             "graph g { const %s = string[2] {\"ab\", \"\"} output %t "
                             "%t = Identity(%s) }",
                             "t");
  assert_non_null(graph);
  const Tensor *output;
  const Node *failed;
  assert_true(interpret_graph(graph, NULL, NULL, &output, ctx->arena, &failed));
  assert_true(tensor_equal(output, graph->first->in[0].value->constant));
}

/* ---- Loop and Scan -----------------------------------------------------------------------------
 */

static const OpDef loop = {.name = "Loop", .domain = ""};
static const OpParam scan_params[] = {PARAM_REQUIRED("num_scan_inputs", ATTR_INT), {0}};
static const OpDef scan = {.name = "Scan", .domain = "", .params = scan_params};

static const Tensor *number(Context *ctx, int64_t value) {
  return tensor_scalar_i64(ctx, value);
}

/* x is doubled in each of `trips` turns; the second output holds all of its values. */
static Node *doubling_loop(Context *ctx, Value **inputs, uint32_t n) {
  Graph *graph = graph_new(ctx, "g"), *body = graph_new(ctx, "body");
  const Dim *two = dim_const(ctx->dims, 2);
  const Dim *all[] = {dim_fresh(ctx->dims, "trips", 0, INT64_MAX), two};
  Type flag = type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL),
       row = type_tensor(ctx, ONNXC_RT_F32, 1, &two);
  Node *node = node_new(graph, &loop, "loop", inputs, n, NULL, 2);
  node->out[0]->type = row;
  node->out[1]->type = type_tensor(ctx, ONNXC_RT_F32, 2, all);
  node_set_attr(node, (Attr){.name = "body", .kind = ATTR_GRAPH, .graph = body});
  graph_add_input(body, "i", type_tensor(ctx, ONNXC_RT_I64, 0, NULL));
  Value *condition = graph_add_input(body, "c", flag);
  Node *twice = append(body, &affine, graph_add_input(body, "x", row), two);
  graph_add_output(body, condition);
  graph_add_output(body, twice->out[0]);
  graph_add_output(body, twice->out[0]);
  return node;
}

static void loops_turn(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  Value *x = graph_add_constant(graph, "x", vector(ctx, (float[]){1, 3}, 2));
  for (int64_t trips = 0; trips < 4; trips++) {
    Value *m = graph_add_constant(graph, "m", number(ctx, trips));
    Node *node = doubling_loop(ctx, (Value *[]){m, NULL, x}, 3);
    const Tensor *inputs[] = {m->constant, NULL, x->constant}, *outputs[2];
    int error;
    assert_true(interpret_node(node, inputs, outputs, ctx->arena, 10000, &error));
    holds(outputs[0], (float[]){(float)(1 << trips), (float)(3 << trips)}, 2);
    assert_int_equal(outputs[1]->dims[0], trips);
    static const float expected[] = {2, 6, 4, 12, 8, 24};
    assert_memory_equal(outputs[1]->data, expected, (size_t)trips * 8);
  }
}

static void endless_loops_end(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g");
  Value *x = graph_add_constant(graph, "x", vector(ctx, (float[]){1, 3}, 2));
  Node *node = doubling_loop(ctx, (Value *[]){NULL, NULL, x}, 3);
  const Tensor *inputs[] = {NULL, NULL, x->constant}, *outputs[2];
  int error;
  assert_false(interpret_node(node, inputs, outputs, ctx->arena, 1 << 20, &error));
}

static void scans_follow_their_axes(void **state) {
  TEST_BEGIN(state);
  Graph *graph = graph_new(ctx, "g"), *body = graph_new(ctx, "body");
  const Dim *two = dim_const(ctx->dims, 2), *three = dim_const(ctx->dims, 3);
  Tensor *columns = tensor_new(ctx, ONNXC_RT_F32, 2, (int64_t[]){2, 3});
  columns->data = (float[]){1, 2, 3, 4, 5, 6};
  Value *x = graph_add_constant(graph, "x", columns);
  Node *node = node_new(graph, &scan, "scan", &x, 1, NULL, 1);
  node->out[0]->type = type_tensor(ctx, ONNXC_RT_F32, 2, (const Dim *[]){two, three});
  node_set_attr(node, (Attr){.name = "body", .kind = ATTR_GRAPH, .graph = body});
  node_set_int(node, "num_scan_inputs", 1);
  node_set_ints(node, "scan_input_axes", (int64_t[]){1}, 1);
  node_set_ints(node, "scan_output_axes", (int64_t[]){-1}, 1);
  node_set_ints(node, "scan_input_directions", (int64_t[]){1}, 1);
  Value *column = graph_add_input(body, "column", type_tensor(ctx, ONNXC_RT_F32, 1, &two));
  graph_add_output(body, append(body, &affine, column, two)->out[0]);
  const Tensor *output;
  int error;
  assert_true(interpret_node(node, &x->constant, &output, ctx->arena, 10000, &error));
  assert_memory_equal(output->data, ((float[]){6, 4, 2, 12, 10, 8}), 6 * sizeof(float));
  node_set_ints(node, "scan_output_directions", (int64_t[]){1}, 1);
  assert_true(interpret_node(node, &x->constant, &output, ctx->arena, 10000, &error));
  assert_memory_equal(output->data, ((float[]){2, 4, 6, 8, 10, 12}), 6 * sizeof(float));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(attributes_reach_the_kernel), TEST(the_budget_holds),
      TEST(kernel_errors_are_returned),  TEST(sizes_are_found_on_the_way),
      TEST(only_one_branch_runs),        TEST(strings_pass_through),
      TEST(sizes_may_be_data),           TEST(loops_turn),
      TEST(endless_loops_end),           TEST(scans_follow_their_axes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
