#include "ir/interpreter.h"

#include "ops/op.h"

#include <math.h>
#include <string.h>

/* NODE_BYTES is what a node of a graph costs beside its results: it makes loops end. TEXT_BYTES is
 * the memory for text that a kernel is given first. */
enum { SCRATCH_ALIGN = 64, NODE_BYTES = 64, TEXT_BYTES = 4096 };

/* What interpret_graph may spend. */
static const size_t graph_budget = UINT32_MAX;

/* ---- sizes -------------------------------------------------------------------------------------
 */

const Dim *run_known_size(const Run *run, const Dim *dim) {
  if (dim->lo == dim->hi) return dim;
  return dim_substitute(run->ctx->dims, dim, run->sizes, run->n_sizes);
}

/* The size, or its bound where it depends on data that nobody has seen. False when unbounded. */
static bool size_of(const Run *run, const Dim *dim, int64_t *size) {
  *size = run_known_size(run, dim)->hi;
  return *size != INT64_MAX;
}

/* Symbols that `type` names directly have the sizes of `tensor` from here on. */
static void learn_sizes(Run *run, const Type *type, const Tensor *tensor) {
  if (type->kind != TYPE_TENSOR || type->rank != tensor->rank) return;
  for (int i = 0; i < tensor->rank; i++) {
    const DimAtom *symbol = dim_as_symbol(type->dims[i]);
    if (symbol == NULL || symbol->symbol >= run->n_sizes) continue;
    int64_t *largest = run->largest == NULL ? NULL : &run->largest[symbol->symbol];
    if (largest != NULL && tensor->dims[i] > *largest) *largest = tensor->dims[i];
    if (run->sizes[symbol->symbol] == NULL) {
      run->sizes[symbol->symbol] = dim_const(run->ctx->dims, tensor->dims[i]);
    }
  }
}

/* The same for symbols that are elements of an input. */
static void learn_numbers(Run *run, const Value *input, const Tensor *tensor) {
  for (uint32_t k = 0; k < input->n_contents && k < tensor->count; k++) {
    const DimAtom *symbol = dim_as_symbol(input->contents[k]);
    if (symbol == NULL || symbol->symbol >= run->n_sizes) continue;
    run->sizes[symbol->symbol] = dim_const(run->ctx->dims, tensor_i64(tensor, k));
  }
}

bool run_spend(Run *run, size_t bytes) {
  bool affordable = bytes <= run->budget;
  if (affordable) run->budget -= bytes;
  return affordable;
}

/* ---- calls of kernels --------------------------------------------------------------------------
 */

/* The tensor as kernels read it; they write no inputs. */
static onnxc_rt_tensor call_input(const Tensor *tensor) {
  if (tensor == NULL) return (onnxc_rt_tensor){0};
  return (onnxc_rt_tensor){.data = (void *)(uintptr_t)tensor->data,
                           .dims = (int64_t *)(uintptr_t)tensor->dims,
                           .rank = tensor->rank,
                           .dtype = (int32_t)tensor->dtype};
}

/* Elements of these sizes; false when they overflow. */
static bool count_elements(const int64_t *dims, int rank, size_t *count) {
  *count = 1;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 0 || __builtin_mul_overflow(*count, (size_t)dims[i], count)) return false;
  }
  return true;
}

static bool sizes_known(const Run *run, const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Type *type = node->out[i] == NULL ? NULL : &node->out[i]->type;
    for (int k = 0; type != NULL && type->kind == TYPE_TENSOR && k < type->rank; k++) {
      const Dim *size = run_known_size(run, type->dims[k]);
      if (size->lo != size->hi) return false;
    }
  }
  return true;
}

/* The node on its own, with its inputs as constants and its outputs inferred from them: sizes that
 * are data to the graph are known here. NULL when that is an error. */
static const Node *inferred_alone(const Run *run, const Node *node, const Tensor *const *inputs) {
  Context *ctx = ARENA_NEW(run->arena, Context);
  *ctx = *run->ctx;
  ctx->arena = run->arena;
  ctx->nodes = ctx->values = NULL;
  ctx->diag = diag_new(run->arena, "");
  memset(&ctx->checks, 0, sizeof ctx->checks);
  Graph *graph = graph_new(ctx, "");
  Value **constants = ARENA_ARRAY(run->arena, node->n_in, Value *);
  const char **names = ARENA_ARRAY(run->arena, node->n_out, const char *);
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (inputs[i] != NULL) constants[i] = graph_add_constant(graph, NULL, inputs[i]);
  }
  for (uint32_t i = 0; i < node->n_out; i++) names[i] = node->out[i] == NULL ? "" : NULL;
  Node *alone = node_new(graph, node->op, node->name, constants, node->n_in, names, node->n_out);
  alone->attrs = node->attrs;
  alone->n_attrs = node->n_attrs;
  return infer_node(alone) ? alone : NULL;
}

static bool call_output(Run *run, const Type *type, onnxc_rt_tensor *output) {
  size_t count, bytes;
  if (type->kind != TYPE_TENSOR || type->rank < 0) return false;
  int64_t *dims = ARENA_ARRAY(run->arena, (size_t)type->rank, int64_t);
  for (int i = 0; i < type->rank; i++) {
    if (!size_of(run, type->dims[i], &dims[i])) return false;
  }
  if (!count_elements(dims, type->rank, &count)) return false;
  if (!dtype_bytes(type->dtype, count, &bytes) || !run_spend(run, bytes)) return false;
  void *data = arena_alloc(run->arena, bytes);
  *output = (onnxc_rt_tensor){
      .data = data, .dims = dims, .rank = type->rank, .dtype = (int32_t)type->dtype};
  return true;
}

static const Tensor *call_result(Arena *arena, const onnxc_rt_tensor *output) {
  Tensor *tensor = ARENA_NEW(arena, Tensor);
  *tensor = (Tensor){.dtype = (DType)output->dtype,
                     .rank = output->rank,
                     .dims = output->dims,
                     .data = output->data};
  count_elements(output->dims, output->rank, &tensor->count);
  dtype_bytes(tensor->dtype, tensor->count, &tensor->bytes);
  return tensor;
}

static bool call_scratch(Run *run, const Node *node, void **scratch) {
  int64_t bytes;
  *scratch = NULL;
  if (node->op->scratch == NULL) return true;
  if (!size_of(run, node->op->scratch(node), &bytes) || bytes < 0) return false;
  if ((uint64_t)bytes > run->budget || !run_spend(run, (size_t)bytes)) return false;
  uintptr_t start = (uintptr_t)arena_alloc(run->arena, (size_t)bytes + SCRATCH_ALIGN);
  *scratch = (void *)((start + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN);
  return true;
}

/* Attributes whose sizes are symbolic get their values. */
static bool call_attrs(Run *run, const Node *node, onnxc_rt_attr **attrs) {
  *attrs = op_call_attrs(run->arena, node);
  for (size_t i = 0; i < op_param_count(node->op); i++) {
    const Attr *attr = node_attr(node, node->op->params[i].name);
    if (attr == NULL || attr->kind != ATTR_DIMS) continue;
    int64_t *sizes = ARENA_ARRAY(run->arena, attr->count, int64_t);
    for (size_t k = 0; k < attr->count; k++) {
      if (!size_of(run, attr->dims[k], &sizes[k])) return false;
    }
    (*attrs)[i].ints = sizes;
  }
  return true;
}

/* Calls the kernel, with more and more memory for text until it is enough or the budget is spent.
 */
static bool call_kernel(Run *run, const Node *node, onnxc_rt_call *call) {
  size_t size = op_makes_text(node) ? TEXT_BYTES : 0;
  do {
    run->error = ONNXC_RT_OK;
    if (!run_spend(run, size)) return false;
    onnxc_rt_text text = {.bytes = arena_alloc(run->arena, size), .size = (ptrdiff_t)size};
    call->text = &text;
    run->error = node->op->eval(call);
    size *= 2;
  } while (run->error == ONNXC_RT_ERROR_TEXT && size != 0);
  return run->error == ONNXC_RT_OK;
}

static bool run_kernel(Run *run, const Node *node, const Tensor *const *inputs,
                       const Tensor **outputs) {
  onnxc_rt_tensor *in = ARENA_ARRAY(run->arena, node->n_in, onnxc_rt_tensor);
  onnxc_rt_tensor *out = ARENA_ARRAY(run->arena, node->n_out, onnxc_rt_tensor);
  onnxc_rt_attr *attrs;
  onnxc_rt_call call = {.in = in, .out = out, .turn = run->turn};
  const Node *sized = sizes_known(run, node) ? node : inferred_alone(run, node, inputs);
  if (sized == NULL) return false;
  for (uint32_t i = 0; i < node->n_in; i++) in[i] = call_input(inputs[i]);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    if (!call_output(run, &sized->out[i]->type, &out[i])) return false;
  }
  if (!call_attrs(run, node, &attrs) || !call_scratch(run, node, &call.scratch)) return false;
  call.attr = attrs;
  call.n_in = (int32_t)node->n_in;
  call.n_out = (int32_t)node->n_out;
  if (!call_kernel(run, node, &call)) return false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) outputs[i] = call_result(run->arena, &out[i]);
  }
  return true;
}

/* ---- noise -------------------------------------------------------------------------------------
 */

/* Uniform in [-1, 1), from a sequence. */
static double draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*state >> 33) / (double)(UINT64_C(1) << 30) - 1;
}

enum { NOISE_UNITS = 4 };

/* The tensor, or a copy whose elements have moved. */
static const Tensor *with_noise(Run *run, const Tensor *tensor) {
  if (tensor == NULL || run->noise == NULL || !dtype_is_float(tensor->dtype)) return tensor;
  double unit = NOISE_UNITS * dtype_epsilon(tensor->dtype);
  Tensor *moved = ARENA_NEW(run->arena, Tensor);
  *moved = *tensor;
  moved->data = arena_copy(run->arena, tensor->data, tensor->bytes);
  for (size_t i = 0; i < tensor->count; i++) {
    tensor_set_f64(moved, i, tensor_f64(tensor, i) * (1 + unit * draw(run->noise)));
  }
  return moved;
}

/* ---- the range of f16 ---------------------------------------------------------------------------
 */

static bool has_infinity(const Tensor *tensor) {
  if (tensor == NULL || !dtype_is_float(tensor->dtype)) return false;
  for (size_t i = 0; i < tensor->count; i++) {
    if (isinf(tensor_f64(tensor, i))) return true;
  }
  return false;
}

/* The result, or a copy without infinities that no input has. */
static const Tensor *saturated(Run *run, const Node *node, const Tensor *const *inputs,
                               const Tensor *tensor) {
  static const double largest = 65504;
  if (!run->saturates || tensor == NULL || tensor->dtype != ONNXC_RT_F16) return tensor;
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (has_infinity(inputs[i])) return tensor;
  }
  if (!has_infinity(tensor)) return tensor;
  Tensor *finite = ARENA_NEW(run->arena, Tensor);
  *finite = *tensor;
  finite->data = arena_copy(run->arena, tensor->data, tensor->bytes);
  for (size_t i = 0; i < tensor->count; i++) {
    double element = tensor_f64(tensor, i);
    if (isinf(element)) tensor_set_f64(finite, i, copysign(largest, element));
  }
  return finite;
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

static const Tensor *tensor_of(const Run *run, const Value *value) {
  if (value == NULL) return NULL;
  return value->constant != NULL ? value->constant : map_get(&run->values, value->id);
}

void run_set_value(Run *run, const Value *value, const Tensor *tensor) {
  if (tensor == NULL) return;
  map_set(&run->values, value->id, (void *)(uintptr_t)tensor);
  learn_sizes(run, &value->type, tensor);
}

static bool all_tensors(const Node *node, const Tensor *const *inputs) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (node->in[i].value != NULL && inputs[i] == NULL) return false;
  }
  return true;
}

static bool evaluate(Run *run, const Node *node, const Tensor *const *inputs,
                     const Tensor **outputs) {
  if (!all_tensors(node, inputs)) return false;
  if (node->op->eval != NULL) {
    bool done = run_kernel(run, node, inputs, outputs);
    for (uint32_t i = 0; done && i < node->n_out; i++) {
      outputs[i] = with_noise(run, saturated(run, node, inputs, outputs[i]));
    }
    return done;
  }
  RunControl *control = run_control(node->op);
  return control != NULL && control(run, node, inputs, outputs);
}

static bool run_node(Run *run, const Node *node) {
  const Tensor **inputs = ARENA_ARRAY(run->arena, node->n_in, const Tensor *);
  const Tensor **outputs = ARENA_ARRAY(run->arena, node->n_out, const Tensor *);
  for (uint32_t i = 0; i < node->n_in; i++) inputs[i] = tensor_of(run, node->in[i].value);
  if (!run_spend(run, NODE_BYTES) || !evaluate(run, node, inputs, outputs)) {
    if (run->failed == NULL) run->failed = node;
    return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) run_set_value(run, node->out[i], outputs[i]);
  }
  return true;
}

bool run_graph(Run *run, const Graph *graph, const Tensor **outputs) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (!run_node(run, node)) return false;
  }
  for (size_t i = 0; i < graph->outputs.len; i++) {
    outputs[i] = tensor_of(run, graph->outputs.data[i]);
  }
  return true;
}

bool interpret_node(const Node *node, const Tensor *const *inputs, const Tensor **outputs,
                    Arena *arena, size_t budget, int *error) {
  Context *ctx = node->graph->ctx;
  Run run = {.ctx = ctx, .arena = arena, .budget = budget, .values = map_on(arena)};
  bool evaluated = evaluate(&run, node, inputs, outputs);
  *error = run.error;
  return evaluated;
}

/* The sizes of the symbols that inputs of the graph mention. */
static void take_symbols(Run *run, const Graph *graph, const int64_t *symbols) {
  VEC_EACH(Value *, input, &graph->inputs) {
    const Type *type = &(*input)->type;
    for (int i = 0; type->kind == TYPE_TENSOR && i < type->rank; i++) {
      for (uint32_t s = 0; s < run->n_sizes; s++) {
        const DimAtom *symbol = dim_as_symbol(dims_symbol(run->ctx->dims, s));
        if (run->sizes[s] != NULL || !dim_mentions(type->dims[i], symbol)) continue;
        run->sizes[s] = dim_const(run->ctx->dims, symbols[s]);
      }
    }
  }
}

static Run run_begin(const Graph *graph, Arena *arena) {
  Context *ctx = graph->ctx;
  Run run = {
      .ctx = ctx, .arena = arena, .budget = graph_budget, .n_sizes = dims_symbols(ctx->dims)};
  run.values = map_on(arena);
  run.sizes = ARENA_ARRAY(arena, run.n_sizes, const Dim *);
  return run;
}

static void take_inputs(Run *run, const Graph *graph, const Tensor *const *inputs) {
  for (size_t i = 0; i < graph->inputs.len; i++) {
    run_set_value(run, graph->inputs.data[i], with_noise(run, inputs[i]));
    learn_numbers(run, graph->inputs.data[i], inputs[i]);
  }
}

static bool interpret(Run *run, const Graph *graph, const int64_t *symbols,
                      const Tensor *const *inputs, const Tensor **outputs, const Node **failed) {
  take_symbols(run, graph, symbols);
  take_inputs(run, graph, inputs);
  bool finished = run_graph(run, graph, outputs);
  *failed = run->failed;
  return finished;
}

bool interpret_graph(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                     const Tensor **outputs, Arena *arena, const Node **failed) {
  Run run = run_begin(graph, arena);
  return interpret(&run, graph, symbols, inputs, outputs, failed);
}

bool interpret_rounded(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                       const Tensor **outputs, Arena *arena, const Node **failed, uint64_t seed) {
  Run run = run_begin(graph, arena);
  run.noise = &seed;
  return interpret(&run, graph, symbols, inputs, outputs, failed);
}

bool interpret_saturated(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                         const Tensor **outputs, Arena *arena, const Node **failed) {
  Run run = run_begin(graph, arena);
  run.saturates = true;
  return interpret(&run, graph, symbols, inputs, outputs, failed);
}

bool interpret_sizes(const Graph *graph, const Tensor *const *inputs, int64_t *largest,
                     Arena *arena, const Node **failed) {
  Run run = run_begin(graph, arena);
  const Tensor **outputs = ARENA_ARRAY(arena, graph->outputs.len, const Tensor *);
  run.largest = largest;
  take_inputs(&run, graph, inputs);
  bool finished = run_graph(&run, graph, outputs);
  *failed = run.failed;
  return finished;
}
