#include "ir/graph.h"

#include "ir/text.h"
#include "onnxc.h"
#include "ops/op.h"
#include "reference/text.h"

#include <string.h>

static bool is_within(const Graph *inner, const Graph *outer) {
  while (inner != NULL && inner != outer) {
    inner = inner->holder == NULL ? NULL : inner->holder->graph;
  }
  return inner == outer;
}

/* The innermost graph that both are in. */
static const Graph *common_graph(const Graph *a, const Graph *b) {
  while (!is_within(b, a)) a = a->holder == NULL ? NULL : a->holder->graph;
  return a;
}

void context_assume_equal(Context *ctx, const Dim *a, const Dim *b) {
  if (a == b) return;
  VEC_EACH(SizeCheck, check, &ctx->checks) {
    bool known = (check->a == a && check->b == b) || (check->a == b && check->b == a);
    if (!known) continue;
    check->graph = common_graph(check->graph, ctx->scope);
    return;
  }
  vec_push(ctx->arena, &ctx->checks, (SizeCheck){a, b, ctx->scope});
}

const onnxc_dim *context_bounds(Context *ctx, const char *name) {
  size_t n = ctx->options == NULL ? 0 : ctx->options->n_dims;
  const onnxc_dim *found = NULL;
  for (size_t i = 0; i < n; i++) {
    if (strcmp(ctx->options->dims[i].name, name) != 0) continue;
    if (ctx->dims_used == NULL) ctx->dims_used = ARENA_ARRAY(ctx->arena, n, bool);
    ctx->dims_used[i] = true;
    found = &ctx->options->dims[i];
  }
  return found;
}

/* ---- types ------------------------------------------------------------------------------------
 */

Type type_tensor(Context *ctx, DType dtype, int rank, const Dim *const *dims) {
  Type type = {.kind = TYPE_TENSOR, .dtype = dtype, .rank = rank};
  if (rank > 0) type.dims = arena_copy(ctx->arena, dims, (size_t)rank * sizeof *dims);
  return type;
}

static bool items_equal(const Items *a, const Items *b) {
  if (a == NULL || b == NULL) return a == b;
  return a->capacity == b->capacity && a->length == b->length && a->slot == b->slot &&
         a->ragged == b->ragged && a->mixed == b->mixed;
}

bool type_equal(const Type *a, const Type *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == TYPE_UNKNOWN) return true;
  if (a->kind != TYPE_TENSOR) {
    return a->dtype == b->dtype && type_equal(a->element, b->element) &&
           items_equal(a->items, b->items);
  }
  if (a->dtype != b->dtype || a->rank != b->rank) return false;
  return a->rank <= 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

const Dim *type_count(Context *ctx, const Type *type) {
  return dim_product(ctx->dims, type->dims, type->rank);
}

bool type_static(const Type *type, int64_t *dims) {
  if (type->kind != TYPE_TENSOR || type->rank < 0) return false;
  for (int i = 0; i < type->rank; i++) {
    if (!dim_is_const(type->dims[i], dims == NULL ? NULL : &dims[i])) return false;
  }
  return true;
}

const char *type_text(Arena *arena, const Type *type) {
  switch (type->kind) {
  case TYPE_UNKNOWN: return "?";
  case TYPE_SEQUENCE: return arena_printf(arena, "seq(%s)", type_text(arena, type->element));
  case TYPE_OPTIONAL: return arena_printf(arena, "optional(%s)", type_text(arena, type->element));
  case TYPE_MAP:
    return arena_printf(arena, "map(%s, %s)", dtype_info(type->dtype)->name,
                        type_text(arena, type->element));
  case TYPE_TENSOR: break;
  }
  const char *text = arena_printf(arena, "%s[", dtype_info(type->dtype)->name);
  if (type->rank < 0) return arena_printf(arena, "%s?]", text);
  for (int i = 0; i < type->rank; i++) {
    const char *size = type->dims[i] == NULL ? "?" : dim_text(arena, type->dims[i]);
    text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", size);
  }
  return arena_printf(arena, "%s]", text);
}

/* ---- constants ---------------------------------------------------------------------------------
 */

Tensor *tensor_new(Context *ctx, DType dtype, int rank, const int64_t *dims) {
  size_t count = 1, bytes;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 0 || __builtin_mul_overflow(count, (size_t)dims[i], &count)) return NULL;
  }
  if (!dtype_bytes(dtype, count, &bytes)) return NULL;
  Tensor *tensor = ARENA_NEW(ctx->arena, Tensor);
  *tensor = (Tensor){.dtype = dtype, .rank = rank, .count = count, .bytes = bytes};
  tensor->dims = arena_copy(ctx->arena, dims, (size_t)rank * sizeof *dims);
  tensor->data = arena_alloc(ctx->arena, bytes);
  return tensor;
}

static Tensor *tensor_of(Context *ctx, DType dtype, int rank, const int64_t *dims,
                         const void *data) {
  Tensor *tensor = tensor_new(ctx, dtype, rank, dims);
  if (tensor == NULL) escape_raise(arena_escape(ctx->arena), 70, "tensor size overflows");
  tensor->data = arena_copy(ctx->arena, data, tensor->bytes);
  return tensor;
}

Tensor *tensor_scalar_i64(Context *ctx, int64_t value) {
  return tensor_of(ctx, ONNXC_RT_I64, 0, NULL, &value);
}

Tensor *tensor_scalar_f32(Context *ctx, float value) {
  return tensor_of(ctx, ONNXC_RT_F32, 0, NULL, &value);
}

Tensor *tensor_vector_i64(Context *ctx, const int64_t *values, size_t n) {
  return tensor_of(ctx, ONNXC_RT_I64, 1, &(int64_t){(int64_t)n}, values);
}

static bool strings_equal(const Tensor *a, const Tensor *b) {
  const onnxc_rt_string *x = a->data, *y = b->data;
  for (size_t i = 0; i < a->count; i++) {
    if (!onnxc_rt_string_equal(&x[i], &y[i])) return false;
  }
  return true;
}

bool tensor_equal(const Tensor *a, const Tensor *b) {
  if (a == b) return true;
  if (a->dtype != b->dtype || a->rank != b->rank || a->count != b->count) return false;
  for (int i = 0; i < a->rank; i++) {
    if (a->dims[i] != b->dims[i]) return false;
  }
  if (a->dtype == ONNXC_RT_STRING) return strings_equal(a, b);
  return a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0;
}

size_t tensor_weight(const Tensor *tensor) {
  const onnxc_rt_string *strings = tensor->dtype == ONNXC_RT_STRING ? tensor->data : NULL;
  size_t bytes = tensor->bytes;
  for (size_t i = 0; strings != NULL && i < tensor->count; i++) {
    if (__builtin_add_overflow(bytes, (size_t)strings[i].size, &bytes)) return SIZE_MAX;
  }
  return bytes;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* An arena within that of the context, made when it is first asked for. */
static Arena *own_arena(Context *ctx, Arena **arena) {
  if (*arena == NULL) *arena = arena_scratch(ctx->arena);
  return *arena;
}

Graph *graph_new(Context *ctx, const char *name) {
  Graph *graph = ARENA_NEW(ctx->arena, Graph);
  ctx->n_graphs++;
  *graph = (Graph){.ctx = ctx, .name = intern(ctx->strings, name)};
  return graph;
}

Value *graph_new_value(Graph *graph, const char *name) {
  Context *ctx = graph->ctx;
  Value *value = ARENA_NEW(own_arena(ctx, &ctx->values), Value);
  *value = (Value){.id = ctx->n_values++, .graph = graph};
  value->name =
      name != NULL ? intern(ctx->strings, name) : arena_printf(ctx->arena, "v%u", value->id);
  return value;
}

Value *graph_add_input(Graph *graph, const char *name, Type type) {
  Value *value = graph_new_value(graph, name);
  value->type = type;
  vec_push(graph->ctx->arena, &graph->inputs, value);
  return value;
}

const Dim *const *graph_contents(Context *ctx, const Tensor *tensor) {
  bool whole = dtype_is_integer(tensor->dtype) || tensor->dtype == ONNXC_RT_BOOL;
  if (!whole || tensor->count > MAX_CONTENTS) return NULL;
  const Dim **contents = ARENA_ARRAY(ctx->arena, tensor->count, const Dim *);
  for (size_t i = 0; i < tensor->count; i++) {
    int64_t number = tensor_i64(tensor, i);
    if (tensor->dtype == ONNXC_RT_U64 && number < 0) return NULL;
    contents[i] = dim_const(ctx->dims, number);
  }
  return contents;
}

/* Constants of few integers are their own contents. */
static void constant_contents(Context *ctx, Value *value, const Tensor *tensor) {
  value->contents = tensor->rank <= 1 ? graph_contents(ctx, tensor) : NULL;
  if (value->contents != NULL) value->n_contents = (uint32_t)tensor->count;
}

Value *graph_add_constant(Graph *graph, const char *name, const Tensor *tensor) {
  Context *ctx = graph->ctx;
  Value *value = graph_new_value(graph, name);
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) dims[i] = dim_const(ctx->dims, tensor->dims[i]);
  value->type = type_tensor(ctx, tensor->dtype, tensor->rank, dims);
  value->constant = tensor;
  constant_contents(ctx, value, tensor);
  return value;
}

void graph_add_output(Graph *graph, Value *value) {
  vec_push(graph->ctx->arena, &graph->outputs, value);
  value->n_outputs++;
}

void graph_set_outputs(Graph *graph, Value *const *values, size_t n) {
  VEC_EACH(Value *, output, &graph->outputs) (*output)->n_outputs--;
  graph->outputs.len = 0;
  for (size_t i = 0; i < n; i++) graph_add_output(graph, values[i]);
}

bool value_contents_known(const Value *value) {
  for (uint32_t i = 0; value->contents != NULL && i < value->n_contents; i++) {
    if (value->contents[i]->opaque) return false;
  }
  return value->contents != NULL;
}

bool value_single_use(const Value *value) {
  if (value->uses == NULL) return value->n_outputs == 1;
  return value->uses->next == NULL && value->n_outputs == 0;
}

uint32_t value_uses(const Value *value) {
  uint32_t n = 0;
  for (const Use *use = value->uses; use != NULL; use = use->next) n++;
  return n + value->n_outputs;
}

/* ---- uses --------------------------------------------------------------------------------------
 */

static void use_attach(Use *use, Node *user, Value *value) {
  *use = (Use){.value = value, .user = user};
  if (value == NULL) return;
  use->next = value->uses;
  use->link = &value->uses;
  if (use->next != NULL) use->next->link = &use->next;
  value->uses = use;
}

static void use_detach(Use *use) {
  if (use->value == NULL) return;
  *use->link = use->next;
  if (use->next != NULL) use->next->link = use->link;
  use->value = NULL;
}

void node_set_input(Node *node, uint32_t i, Value *value) {
  use_detach(&node->in[i]);
  use_attach(&node->in[i], node, value);
}

/* A further input at position `at`. Uses move, so their links are made anew. */
static void insert_input(Node *node, uint32_t at, Value *value) {
  Use *wider = ARENA_ARRAY(node->graph->ctx->arena, node->n_in + 1, Use);
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *moved = node->in[i].value;
    use_detach(&node->in[i]);
    use_attach(&wider[i + (i >= at)], node, moved);
  }
  use_attach(&wider[at], node, value);
  node->in = wider;
  node->n_in++;
}

/* Captures refer to inputs by index; those at and behind `at` move up by one. */
static void shift_captures(Node *node, uint32_t at) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    VEC_EACH(Capture, capture, &node->attrs[i].graph->captures)
      capture->input += capture->input >= at;
  }
}

void node_add_input(Node *node, Value *value) {
  shift_captures(node, node->n_formal);
  insert_input(node, node->n_formal, value);
  node->n_formal++;
}

static uint32_t holder_input(Node *holder, Value *outer) {
  for (uint32_t i = holder->n_formal; i < holder->n_in; i++) {
    if (holder->in[i].value == outer) return i;
  }
  insert_input(holder, holder->n_in, outer);
  return holder->n_in - 1;
}

Value *graph_capture(Graph *graph, Value *outer) {
  uint32_t input = holder_input(graph->holder, outer);
  VEC_EACH(Capture, capture, &graph->captures) {
    if (capture->input == input) return capture->inner;
  }
  Value *inner = graph_new_value(graph, outer->name);
  graph_capture_as(graph, outer, inner);
  return inner;
}

void graph_capture_as(Graph *graph, Value *outer, Value *inner) {
  inner->type = outer->type;
  inner->constant = outer->constant;
  inner->contents = outer->contents;
  inner->n_contents = outer->n_contents;
  Capture capture = {inner, holder_input(graph->holder, outer)};
  vec_push(graph->ctx->arena, &graph->captures, capture);
}

/* Forgets input `at` and moves the indexes behind it down. */
static void unshift_captures(Graph *graph, uint32_t at) {
  size_t kept = 0;
  VEC_EACH(Capture, capture, &graph->captures) {
    if (capture->input == at) continue;
    capture->input -= capture->input > at;
    graph->captures.data[kept++] = *capture;
  }
  graph->captures.len = kept;
}

void node_remove_capture(Node *node, uint32_t at) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind == ATTR_GRAPH) unshift_captures(node->attrs[i].graph, at);
  }
  for (uint32_t i = at; i + 1 < node->n_in; i++) node_set_input(node, i, node->in[i + 1].value);
  use_detach(&node->in[--node->n_in]);
}

void graph_replace(Value *from, Value *to) {
  if (from == to) return;
  while (from->uses != NULL) {
    Use *use = from->uses;
    Node *user = use->user;
    use_detach(use);
    use_attach(use, user, to);
  }
  if (from->n_outputs == 0) return;
  VEC_EACH(Value *, output, &from->graph->outputs) {
    if (*output == from) *output = to;
  }
  to->n_outputs += from->n_outputs;
  from->n_outputs = 0;
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static Value *new_output(Node *node, uint32_t i, const char *name) {
  Value *value = graph_new_value(node->graph, name);
  value->producer = node;
  value->output_index = i;
  return value;
}

Node *node_new(Graph *graph, const OpDef *op, const char *name, Value *const *inputs,
               uint32_t n_inputs, const char *const *out_names, uint32_t n_outputs) {
  Context *ctx = graph->ctx;
  Node *node = ARENA_NEW(own_arena(ctx, &ctx->nodes), Node);
  *node =
      (Node){.id = ctx->n_nodes++, .op = op, .graph = graph, .n_in = n_inputs, .n_out = n_outputs};
  node->name = intern(ctx->strings, name == NULL ? "" : name);
  node->n_formal = n_inputs;
  node->in = ARENA_ARRAY(ctx->arena, n_inputs, Use);
  for (uint32_t i = 0; i < n_inputs; i++) use_attach(&node->in[i], node, inputs[i]);
  node->out = ARENA_ARRAY(ctx->arena, n_outputs, Value *);
  for (uint32_t i = 0; i < n_outputs; i++) {
    const char *out_name = out_names == NULL ? NULL : out_names[i];
    if (out_name == NULL || *out_name != '\0') node->out[i] = new_output(node, i, out_name);
  }
  return node;
}

void node_add_output(Node *node, const char *name) {
  Value **wider = ARENA_ARRAY(node->graph->ctx->arena, node->n_out + 1, Value *);
  if (node->n_out != 0) memcpy(wider, node->out, node->n_out * sizeof *wider);
  wider[node->n_out] = new_output(node, node->n_out, name);
  node->out = wider;
  node->n_out++;
}

void node_set_outputs(Node *node, Value *const *values, uint32_t n) {
  node->out = arena_copy(node->graph->ctx->arena, values, n * sizeof *values);
  node->n_out = n;
  for (uint32_t i = 0; i < n; i++) {
    if (values[i] == NULL) continue;
    values[i]->producer = node;
    values[i]->output_index = i;
  }
}

void node_set_formal(Node *node, Value *const *inputs, uint32_t n) {
  uint32_t captured = node->n_in - node->n_formal;
  Use *in = ARENA_ARRAY(node->graph->ctx->arena, n + captured, Use);
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *value = node->in[i].value;
    use_detach(&node->in[i]);
    if (i >= node->n_formal) use_attach(&in[n + i - node->n_formal], node, value);
  }
  for (uint32_t i = 0; i < n; i++) use_attach(&in[i], node, inputs[i]);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    VEC_EACH(Capture, capture, &node->attrs[i].graph->captures)
      capture->input = capture->input - node->n_formal + n;
  }
  node->in = in;
  node->n_formal = n;
  node->n_in = n + captured;
}

void node_take_output(Node *node, uint32_t i, Value *value) {
  if (value->producer != NULL) value->producer->out[value->output_index] = NULL;
  node->out[i] = value;
  value->producer = node;
  value->output_index = i;
}

void graph_append(Graph *graph, Node *node) {
  node->prev = graph->last;
  node->next = NULL;
  *(graph->last == NULL ? &graph->first : &graph->last->next) = node;
  graph->last = node;
  graph->n_nodes++;
}

void graph_insert_before(Node *position, Node *node) {
  Graph *graph = position->graph;
  node->prev = position->prev;
  node->next = position;
  *(position->prev == NULL ? &graph->first : &position->prev->next) = node;
  position->prev = node;
  graph->n_nodes++;
}

void graph_remove(Node *node) {
  Graph *graph = node->graph;
  for (uint32_t i = 0; i < node->n_in; i++) use_detach(&node->in[i]);
  *(node->prev == NULL ? &graph->first : &node->prev->next) = node->next;
  *(node->next == NULL ? &graph->last : &node->next->prev) = node->prev;
  node->prev = node->next = NULL;
  graph->n_nodes--;
}

static bool has_origin(const Node *node, const char *name) {
  for (uint32_t i = 0; i < node->n_origins; i++) {
    if (node->origins[i] == name) return true;
  }
  return false;
}

/* Readers of lists longer than this are helped no more; and chains that melt into one node stay
 * linear in time and memory. */
enum { MAX_ORIGINS = 48 };

void node_add_origins(Node *to, const Node *from) {
  if (to->n_origins == 0 || from->n_origins >= MAX_ORIGINS) {
    to->origins = from->origins;
    to->n_origins = from->n_origins;
    return;
  }
  uint32_t n = to->n_origins, room = MAX_ORIGINS > n ? MAX_ORIGINS - n : 0, fresh = 0;
  for (uint32_t i = 0; i < from->n_origins; i++) fresh += !has_origin(to, from->origins[i]);
  if (fresh > room) fresh = room;
  if (fresh == 0) return;
  const char **origins = ARENA_ARRAY(to->graph->ctx->arena, n + fresh, const char *);
  memcpy(origins, to->origins, n * sizeof *origins);
  for (uint32_t i = 0; fresh != 0; i++) {
    if (has_origin(to, from->origins[i])) continue;
    origins[n++] = from->origins[i];
    fresh--;
  }
  to->origins = origins;
  to->n_origins = n;
}

/* ---- attributes ---------------------------------------------------------------------------------
 */

const Attr *node_attr(const Node *node, const char *name) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
  }
  return NULL;
}

void node_set_attr(Node *node, Attr attr) {
  Context *ctx = node->graph->ctx;
  attr.name = intern(ctx->strings, attr.name);
  if (attr.kind == ATTR_GRAPH) attr.graph->holder = node;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].name == attr.name) {
      node->attrs[i] = attr;
      return;
    }
  }
  Attr *wider = ARENA_ARRAY(ctx->arena, node->n_attrs + 1, Attr);
  if (node->n_attrs != 0) memcpy(wider, node->attrs, node->n_attrs * sizeof *wider);
  wider[node->n_attrs++] = attr;
  node->attrs = wider;
}

void node_copy_attrs(Node *to, const Node *from) {
  for (uint32_t i = 0; i < from->n_attrs; i++) node_set_attr(to, from->attrs[i]);
}

void node_set_int(Node *node, const char *name, int64_t value) {
  node_set_attr(node, (Attr){.name = name, .kind = ATTR_INT, .i = value});
}

void node_set_float(Node *node, const char *name, float value) {
  node_set_attr(node, (Attr){.name = name, .kind = ATTR_FLOAT, .f = value});
}

void node_set_string(Node *node, const char *name, const char *value) {
  const char *s = intern(node->graph->ctx->strings, value);
  node_set_attr(node, (Attr){.name = name, .kind = ATTR_STRING, .s = s, .s_size = strlen(s)});
}

void node_set_ints(Node *node, const char *name, const int64_t *values, size_t n) {
  const int64_t *ints = arena_copy(node->graph->ctx->arena, values, n * sizeof *values);
  node_set_attr(node, (Attr){.name = name, .kind = ATTR_INTS, .ints = ints, .count = n});
}

/* ---- errors -------------------------------------------------------------------------------------
 */

bool node_error(const Node *node, DiagKind kind, const char *format, ...) {
  DiagSite site = {node->graph->name, node->name, node->op == NULL ? NULL : node->op->name};
  va_list args;
  va_start(args, format);
  diag_verror(node->graph->ctx->diag, kind, site, format, args);
  va_end(args);
  return false;
}
