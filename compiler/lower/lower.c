#include "lower/lower.h"

#include "lower/group.h"

#include <string.h>

/* ---- buffers ---- */

/* Buffers and weights belong to the outermost list. */
static Steps *root_steps(const Lowering *l) {
  Steps *steps = l->steps;
  while (steps->outer != NULL) steps = steps->outer;
  return steps;
}

/* False when it is known already. */
static bool add_unbounded(Context *ctx, const Dim *symbol) {
  VEC_EACH(const Dim *, known, &ctx->unbounded) {
    if (*known == symbol) return false;
  }
  vec_push(ctx->arena, &ctx->unbounded, symbol);
  return true;
}

/* Once for each symbol without bound in the size of a buffer; false when there is none. */
static bool report_unbounded(Lowering *l, const Dim *count, const char *buffer) {
  bool found = false;
  for (uint32_t i = 0; i < dims_symbols(l->ctx->dims); i++) {
    const DimAtom *symbol = dim_as_symbol(dims_symbol(l->ctx->dims, i));
    bool unbounded = symbol->hi == INT64_MAX || symbol->lo == INT64_MIN;
    if (!unbounded || !dim_mentions(count, symbol)) continue;
    found = true;
    if (!add_unbounded(l->ctx, dims_symbol(l->ctx->dims, i))) continue;
    diag_error(l->ctx->diag, DIAG_UNSUPPORTED, (DiagSite){.graph = l->graph->name},
               "'%s' depends on data and has no bound, so no memory can be planned for '%s' (%s "
               "elements); add --dim %s=%s..HI",
               symbol->name, buffer, dim_text(l->scratch, count), symbol->name,
               symbol->value ? "LO" : "0");
  }
  return found;
}

Buffer *lower_buffer(Lowering *l, BufferPlace place, DType dtype, const Dim *count,
                     const char *name) {
  Buffer *buffer = ARENA_NEW(l->ctx->arena, Buffer);
  *buffer = (Buffer){.id = (uint32_t)root_steps(l)->buffers.len,
                     .place = place,
                     .dtype = dtype,
                     .count = count,
                     .name = name};
  int64_t most = count->hi < 0 ? 0 : count->hi;
  DiagSite site = {.graph = l->graph->name};
  if (most == INT64_MAX && report_unbounded(l, count, name)) {
    buffer->bytes = 0;
  } else if (most == INT64_MAX || !dtype_bytes(dtype, (size_t)most, &buffer->bytes) ||
             buffer->bytes > PTRDIFF_MAX) {
    diag_error(l->ctx->diag, DIAG_LIMIT, site,
               "'%s' may take more memory than can be addressed (%s elements)", name,
               dim_text(l->scratch, count));
    buffer->bytes = 0;
  }
  vec_push(l->ctx->arena, &root_steps(l)->buffers, buffer);
  return buffer;
}

static void dense_strides(DimTable *t, Operand *operand) {
  const Dim *stride = dim_const(t, 1);
  for (int i = operand->rank - 1; i >= 0; i--) {
    operand->strides[i] = stride;
    stride = dim_mul(t, stride, operand->dims[i]);
  }
}

void take_shape(Operand *operand, const Type *type) {
  operand->rank = type->rank;
  for (int i = 0; i < type->rank; i++) operand->dims[i] = type->dims[i];
}

Operand dense_operand(Lowering *l, Buffer *buffer, const Type *type) {
  Operand operand = {.buffer = buffer, .dtype = type->dtype};
  take_shape(&operand, type);
  dense_strides(l->ctx->dims, &operand);
  return operand;
}

bool operand_dense(DimTable *t, const Operand *operand) {
  const Dim *stride = dim_const(t, 1);
  for (int i = operand->rank - 1; i >= 0; i--) {
    if (operand->strides[i] != stride && !dim_is(operand->dims[i], 1)) return false;
    stride = dim_mul(t, stride, operand->dims[i]);
  }
  return true;
}

bool operand_same(const Operand *a, const Operand *b) {
  bool same = a->buffer == b->buffer && a->offset == b->offset && a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) {
    same = a->strides[i] == b->strides[i] || dim_is(a->dims[i], 1);
  }
  return same;
}

static bool same_weight(const Weight *weight, DType dtype, size_t bytes, const void *data) {
  return weight->dtype == dtype && weight->bytes == bytes &&
         (bytes == 0 || memcmp(weight->data, data, bytes) == 0);
}

static Buffer *weight_buffer(Lowering *l, const char *name, DType dtype, size_t count,
                             const void *data) {
  size_t bytes;
  if (!dtype_bytes(dtype, count, &bytes)) {
    escape_raise(arena_escape(l->ctx->arena), 4, "a weight is too large");
  }
  uint64_t hash = hash_bytes(HASH_SEED, data, bytes);
  Buffer *known = map_get(l->weights, hash);
  if (known != NULL &&
      same_weight(&root_steps(l)->weights.data[known->index], dtype, bytes, data)) {
    return known;
  }
  Buffer *buffer =
      lower_buffer(l, BUFFER_WEIGHT, dtype, dim_const(l->ctx->dims, (int64_t)count), name);
  buffer->index = (uint32_t)root_steps(l)->weights.len;
  Weight weight = {.name = name, .dtype = dtype, .count = count, .bytes = bytes, .data = data};
  vec_push(l->ctx->arena, &root_steps(l)->weights, weight);
  map_set(l->weights, hash, buffer);
  return buffer;
}

Operand lower_weight(Lowering *l, const char *name, DType dtype, size_t count, const void *data) {
  const Dim *dims[] = {dim_const(l->ctx->dims, (int64_t)count)};
  Type type = type_tensor(l->ctx, dtype, 1, dims);
  return dense_operand(l, weight_buffer(l, name, dtype, count, data), &type);
}

Buffer *lower_scratch(Lowering *l, const Dim *bytes) {
  Buffer *buffer = lower_buffer(l, BUFFER_ARENA, ONNXC_RT_U8, bytes, "scratch");
  buffer->scratch = true;
  return buffer;
}

Context *lower_context(Lowering *l) {
  return l->ctx;
}

/* ---- where values live ---- */

Operand lower_operand(Lowering *l, Value *value) {
  Operand *place = &l->places[value->id];
  if (place->buffer == NULL && value->constant != NULL) {
    const Tensor *tensor = value->constant;
    Buffer *buffer = weight_buffer(l, value->name, tensor->dtype, tensor->count, tensor->data);
    *place = dense_operand(l, buffer, &value->type);
  }
  if (place->buffer == NULL) {
    escape_raise(arena_escape(l->ctx->arena), 70, "a value is read before it is lowered");
  }
  return *place;
}

Operand lower_temporary(Lowering *l, const Type *type, const char *name) {
  Buffer *buffer = lower_buffer(l, BUFFER_ARENA, type->dtype, type_count(l->ctx, type), name);
  return dense_operand(l, buffer, type);
}

Operand lower_output(Lowering *l, Value *value) {
  Operand *place = &l->places[value->id];
  if (place->buffer != NULL) return *place;
  if (l->targets[value->id].buffer != NULL) return *place = l->targets[value->id];
  uint32_t output = l->outputs[value->id];
  BufferPlace where = output != 0 ? BUFFER_OUTPUT : BUFFER_ARENA;
  Buffer *buffer =
      lower_buffer(l, where, value->type.dtype, type_count(l->ctx, &value->type), value->name);
  if (output != 0) buffer->index = output - 1;
  buffer->value = value;
  *place = dense_operand(l, buffer, &value->type);
  return *place;
}

void lower_alias(Lowering *l, Value *value, Operand view) {
  l->places[value->id] = view;
}

Operand lower_dense(Lowering *l, Value *value) {
  Operand from = lower_operand(l, value);
  if (operand_dense(l->ctx->dims, &from) && from.offset == NULL) return from;
  bool placed = l->targets[value->id].buffer != NULL;
  if (placed && l->dense[value->id].buffer != NULL) return l->dense[value->id];
  if (!placed) l->places[value->id] = (Operand){0};
  Operand to = placed ? lower_temporary(l, &value->type, value->name) : lower_output(l, value);
  if (placed) l->dense[value->id] = to;
  lower_copy(l, value->producer, &value->type, from, to);
  return to;
}

Operand lower_batches(Lowering *l, Value *value) {
  Operand from = lower_operand(l, value), part = from;
  part.rank--;
  memmove(part.dims, from.dims + 1, (size_t)part.rank * sizeof *part.dims);
  memmove(part.strides, from.strides + 1, (size_t)part.rank * sizeof *part.strides);
  return operand_dense(l->ctx->dims, &part) ? from : lower_dense(l, value);
}

/* Whether the parts of a view along the first two axes are row-major without gaps and follow one
 * another with the same distance. */
static bool has_planes(DimTable *t, const Operand *view) {
  const Dim *stride = dim_const(t, 1);
  for (int i = view->rank - 1; i >= 2; i--) {
    if (view->strides[i] != stride && !dim_is(view->dims[i], 1)) return false;
    stride = dim_mul(t, stride, view->dims[i]);
  }
  return dim_is(view->dims[0], 1) ||
         view->strides[0] == dim_mul(t, view->dims[1], view->strides[1]);
}

bool lower_planes(Lowering *l, Value *value, Operand *x, const Dim **apart) {
  DimTable *t = l->ctx->dims;
  *x = lower_operand(l, value);
  bool dense = operand_dense(t, x);
  bool planes = !dense && has_planes(t, x);
  *apart = planes ? x->strides[1] : NULL;
  return dense || planes;
}

/* ---- steps ---- */

static bool holds(Buffer *const *list, size_t n, const Buffer *buffer) {
  for (size_t i = 0; i < n; i++) {
    if (list[i] == buffer) return true;
  }
  return false;
}

void step_reads(Step *step, Context *ctx, Buffer *buffer) {
  if (!holds(step->reads.data, step->reads.len, buffer)) {
    vec_push(ctx->arena, &step->reads, buffer);
  }
}

void step_writes(Step *step, Context *ctx, Buffer *buffer) {
  if (!holds(step->writes.data, step->writes.len, buffer)) {
    vec_push(ctx->arena, &step->writes, buffer);
  }
}

typedef Vec(const char *) Names;

static void add_name(Arena *arena, Names *names, const char *name) {
  VEC_EACH(const char *, known, names) {
    if (strcmp(*known, name) == 0) return;
  }
  vec_push(arena, names, name);
}

/* What the step is made of: operators in order, the nodes of the model they came from, the work. */
static void describe(Lowering *l, Step *step, Node *const *nodes, size_t n) {
  Names ops = {0}, names = {0};
  step->macs = dim_const(l->ctx->dims, 0);
  for (size_t i = 0; i < n; i++) {
    vec_push(l->ctx->arena, &ops, nodes[i]->op->name);
    for (uint32_t k = 0; k < nodes[i]->n_origins; k++) {
      add_name(l->ctx->arena, &names, nodes[i]->origins[k]);
    }
    if (nodes[i]->op->macs != NULL) {
      step->macs = dim_add(l->ctx->dims, step->macs, nodes[i]->op->macs(nodes[i]));
    }
  }
  step->ops = ops.data;
  step->n_ops = (uint32_t)ops.len;
  step->nodes = names.data;
  step->n_nodes = (uint32_t)names.len;
}

static Step *step_new(Lowering *l, StepKind kind) {
  Step *step = ARENA_NEW(l->ctx->arena, Step);
  *step = (Step){.id = (uint32_t)l->steps->steps.len, .kind = kind};
  vec_push(l->ctx->arena, &l->steps->steps, step);
  return step;
}

Step *lower_step(Lowering *l, StepKind kind) {
  Step *step = step_new(l, kind);
  const Group *g = l->current;
  Vec(Node *) nodes = {0};
  if (g->root != NULL) vec_push(l->scratch, &nodes, g->root);
  VEC_EACH(Node *, node, &g->rows) vec_push(l->scratch, &nodes, *node);
  describe(l, step, nodes.data, nodes.len);
  return step;
}

/* Packed elements move by whole bytes, so only all of them can. */
static Type as_bytes(Lowering *l, const Type *type, Operand *operand) {
  DimTable *t = l->ctx->dims;
  const Dim *per_byte = dim_const(t, 8 / dtype_info(type->dtype)->bits);
  const Dim *bytes[] = {dim_ceildiv(t, type_count(l->ctx, type), per_byte)};
  operand->dtype = ONNXC_RT_U8;
  operand->rank = 1;
  operand->strides[0] = dim_const(t, 1);
  return type_tensor(l->ctx, ONNXC_RT_U8, 1, bytes);
}

Step *lower_copy(Lowering *l, const Node *node, const Type *type, Operand from, Operand to) {
  Type bytes;
  if (dtype_is_packed(type->dtype)) {
    bytes = as_bytes(l, type, &from);
    as_bytes(l, type, &to);
    type = &bytes;
  }
  Step *step = step_new(l, STEP_COPY);
  Node *maker = (Node *)(uintptr_t)node;
  describe(l, step, &maker, node == NULL ? 0 : 1);
  step->macs = dim_const(l->ctx->dims, 0);
  row_copy(&step->row, l->ctx, type->rank, type->dims, from, to);
  step_reads(step, l->ctx, from.buffer);
  step_writes(step, l->ctx, to.buffer);
  return step;
}

/* ---- views ---- */

static int skip_ones(const Dim *const *dims, int i, int rank) {
  while (i < rank && dim_is(dims[i], 1)) i++;
  return i;
}

/* Old axes [*i, end) and new axes [*j, end) that hold the same elements, the fewest. */
static bool match_axes(DimTable *t, const Operand *from, const Type *to, int i, int j, int *i_end,
                       int *j_end) {
  const Dim *a = from->dims[i++], *b = to->dims[j++];
  while (a != b) {
    bool grow_a = dim_le(t, a, b);
    if (grow_a ? i == from->rank : j == to->rank) return false;
    if (grow_a)
      a = dim_mul(t, a, from->dims[i++]);
    else
      b = dim_mul(t, b, to->dims[j++]);
  }
  *i_end = i;
  *j_end = j;
  return true;
}

bool reshape_view(DimTable *t, const Operand *from, const Type *to, Operand *view) {
  *view = *from;
  view->rank = to->rank;
  for (int k = 0; k < to->rank; k++) {
    view->dims[k] = to->dims[k];
    view->strides[k] = dim_const(t, 0);
  }
  int i = skip_ones(from->dims, 0, from->rank), j = skip_ones(to->dims, 0, to->rank);
  while (i < from->rank && j < to->rank) {
    int i_end, j_end;
    if (!match_axes(t, from, to, i, j, &i_end, &j_end)) return false;
    for (int k = i; k + 1 < i_end; k++) {
      if (from->strides[k] != dim_mul(t, from->strides[k + 1], from->dims[k + 1])) return false;
    }
    const Dim *stride = from->strides[i_end - 1];
    for (int k = j_end - 1; k >= j; k--) {
      view->strides[k] = stride;
      stride = dim_mul(t, stride, to->dims[k]);
    }
    i = skip_ones(from->dims, i_end, from->rank);
    j = skip_ones(to->dims, j_end, to->rank);
  }
  return i == from->rank && j == to->rank;
}

bool show_all(DimTable *t, const Node *node, const Operand *from, Operand *view) {
  const Type *type = &node->out[0]->type;
  if (node->op->lower == lower_transpose) {
    transposed_view(node, from, view);
    return true;
  }
  if (!operand_dense(t, from)) return reshape_view(t, from, type, view);
  *view = (Operand){.buffer = from->buffer, .offset = from->offset, .dtype = type->dtype};
  take_shape(view, type);
  dense_strides(t, view);
  return true;
}

static void lower_view(Lowering *l, Node *node) {
  DimTable *t = l->ctx->dims;
  Operand from = lower_operand(l, node_in(node, 0)), view;
  if (from.rank > node_in(node, 0)->type.rank) { /* in parts, which were chosen for the view */
    lower_output(l, node_out(node, 0));
    return;
  }
  if (!show_all(t, node, &from, &view)) {
    from = lower_dense(l, node_in(node, 0));
    show_all(t, node, &from, &view);
  }
  lower_alias(l, node_out(node, 0), view);
}

/* ---- nodes ---- */

static void lower_row_group(Lowering *l, Group *g) {
  place_updates(l, g);
  Step *step = lower_step(l, STEP_ROW);
  RowBuilder b = row_builder(l, g, &step->row);
  row_build(&b, step);
}

static bool all_tensors(const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    if (in != NULL && in->type.kind != TYPE_TENSOR) return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *out = node_out(node, i);
    if (out != NULL && out->type.kind != TYPE_TENSOR) return false;
  }
  return true;
}

static bool lower_call(Lowering *l, Node *node) {
  if (node->op->eval == NULL || !all_tensors(node)) {
    return node_error(node, DIAG_UNSUPPORTED, "this form of the operator is not supported");
  }
  Operand *in = ARENA_ARRAY(l->ctx->arena, node->n_in, Operand);
  for (uint32_t i = 0; i < node->n_in; i++) {
    bool wanted = needed_at_run_time(node, i);
    if (node_in(node, i) != NULL && (wanted || node_in(node, i)->constant != NULL)) {
      in[i] = lower_dense(l, node_in(node, i));
    }
  }
  Step *step = lower_step(l, STEP_CALL);
  step->reference = true;
  step->call = (Call){.node = node, .n_in = node->n_in, .n_out = node->n_out, .in = in};
  step->call.out = ARENA_ARRAY(l->ctx->arena, node->n_out, Operand);
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (in[i].buffer != NULL) step_reads(step, l->ctx, in[i].buffer);
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    step->call.out[i] = lower_output(l, node_out(node, i));
    step_writes(step, l->ctx, step->call.out[i].buffer);
  }
  if (node->op->scratch != NULL) {
    step->call.scratch = lower_scratch(l, node->op->scratch(node));
    step_writes(step, l->ctx, step->call.scratch);
  }
  return true;
}

/* Whether the node makes packed elements, which have no address: no view can take parts of them,
 * and the kernel moves them. */
static bool moves_packed(const Node *node) {
  const Value *out = node_out(node, 0);
  bool tensor = out != NULL && out->type.kind == TYPE_TENSOR;
  return tensor && dtype_is_packed(out->type.dtype) && (node->op->flags & OP_VIEW) == 0;
}

static bool lower_group(Lowering *l, Group *g) {
  l->current = g;
  if (g->root == NULL) {
    lower_row_group(l, g);
    return true;
  }
  bool has_kernel = g->root->op->eval != NULL;
  if (has_kernel && (node_sizes_from_data(g->root) || moves_packed(g->root))) {
    return lower_call(l, g->root);
  }
  size_t errors = diag_errors(l->ctx->diag);
  if (g->root->op->lower != NULL && g->root->op->lower(l, g->root)) return true;
  if (diag_errors(l->ctx->diag) != errors) return false;
  if ((g->root->op->flags & OP_VIEW) != 0) {
    lower_view(l, g->root);
    return true;
  }
  return lower_call(l, g->root);
}

/* ---- the graph's inputs and outputs ---- */

static bool place_inputs(Lowering *l) {
  uint32_t index = 0;
  bool ok = true;
  VEC_EACH(Value *, input, &l->graph->inputs) {
    const Type *type = &(*input)->type;
    index++;
    if (l->places[(*input)->id].buffer != NULL) continue; /* in the state */
    if (type->kind != TYPE_TENSOR) {
      ok = diag_error(l->ctx->diag, DIAG_UNSUPPORTED, (DiagSite){.graph = l->graph->name},
                      "input '%s' of type %s is not supported", (*input)->name,
                      type_text(l->scratch, type));
      continue;
    }
    Buffer *buffer =
        lower_buffer(l, BUFFER_INPUT, type->dtype, type_count(l->ctx, type), (*input)->name);
    buffer->index = index - 1;
    l->places[(*input)->id] = dense_operand(l, buffer, type);
  }
  return ok;
}

/* An output is computed right into the caller's memory where its value, or the value it is a view
 * of, is computed at all and not wanted twice. */
static bool is_view(const Node *node) {
  return node != NULL && (node->op->flags & OP_VIEW) != 0 && !node_sizes_from_data(node);
}

static void assign_outputs(Lowering *l) {
  for (uint32_t i = 0; i < l->graph->outputs.len; i++) {
    Value *value = l->graph->outputs.data[i];
    if (state_of_output(l->steps, i) != NULL) continue;
    while (is_view(value->producer)) {
      value = value->producer->in[0].value;
    }
    if (value->producer != NULL && value->constant == NULL && l->outputs[value->id] == 0) {
      l->outputs[value->id] = i + 1;
    }
  }
}

static void finish_outputs(Lowering *l) {
  for (uint32_t i = 0; i < l->graph->outputs.len; i++) {
    Value *value = l->graph->outputs.data[i];
    Operand from = lower_operand(l, value);
    const State *state = state_of_output(l->steps, i);
    if (state != NULL) {
      if (!operand_same(&from, &state->to)) {
        lower_copy(l, value->producer, &value->type, from, state->to);
      }
      continue;
    }
    bool there = from.buffer->place == BUFFER_OUTPUT && from.buffer->index == i;
    if (there && from.offset == NULL && operand_dense(l->ctx->dims, &from)) continue;
    Buffer *buffer = lower_buffer(l, BUFFER_OUTPUT, value->type.dtype,
                                  type_count(l->ctx, &value->type), value->name);
    buffer->index = i;
    lower_copy(l, value->producer, &value->type, from, dense_operand(l, buffer, &value->type));
  }
}

static bool is_lost(const Lowering *l, const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node_in(node, i);
    if (value != NULL && value->producer != NULL && l->lost[value->producer->id]) return true;
  }
  return false;
}

/* Whether a group reads what could not be lowered. */
static bool group_is_lost(const Lowering *l, const Group *g) {
  bool lost = g->root != NULL && is_lost(l, g->root);
  VEC_EACH(Node *, node, &g->rows) lost = lost || is_lost(l, *node);
  return lost;
}

static void lose_group(Lowering *l, const Group *g) {
  if (g->root != NULL) l->lost[g->root->id] = true;
  VEC_EACH(Node *, node, &g->rows) l->lost[(*node)->id] = true;
}

/* After an error the nodes that do not need the refused one are still looked at, so that every
 * fault is reported. */
bool lower_nodes(Lowering *l) {
  bool ok = true;
  Groups order = {0};
  find_needed(l);
  fuse_nodes(l, &order);
  if (l->fuse) place_parts(l, &order);
  VEC_EACH(Group *, g, &order) {
    if ((ok || !group_is_lost(l, *g)) && lower_group(l, *g)) continue;
    lose_group(l, *g);
    ok = false;
  }
  return ok;
}

Steps *lower_graph(Graph *graph, bool fuse) {
  Context *ctx = graph->ctx;
  Lowering l = {.graph = graph, .ctx = ctx, .fuse = fuse, .scratch = arena_scratch(ctx->arena)};
  Map weights = map_on(l.scratch);
  l.steps = ARENA_NEW(ctx->arena, Steps);
  *l.steps = (Steps){.ctx = ctx, .graph = graph};
  l.groups = ARENA_ARRAY(l.scratch, ctx->n_nodes, Group *);
  l.lost = ARENA_ARRAY(l.scratch, ctx->n_nodes, bool);
  l.positions = ARENA_ARRAY(l.scratch, ctx->n_nodes, uint32_t);
  l.needed = ARENA_ARRAY(l.scratch, ctx->n_values, bool);
  l.places = ARENA_ARRAY(l.scratch, ctx->n_values, Operand);
  l.targets = ARENA_ARRAY(l.scratch, ctx->n_values, Operand);
  l.dense = ARENA_ARRAY(l.scratch, ctx->n_values, Operand);
  l.outputs = ARENA_ARRAY(l.scratch, ctx->n_values, uint32_t);
  l.weights = &weights;
  bool ok = lower_states(&l);
  ok = place_inputs(&l) && ok;
  assign_outputs(&l);
  ok = ok && lower_nodes(&l);
  if (ok) finish_outputs(&l);
  ok = ok && diag_errors(ctx->diag) == 0;
  if (ok) finish_steps(l.steps, l.scratch);
  arena_drop(l.scratch);
  return ok ? l.steps : NULL;
}
