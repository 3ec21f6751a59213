/* Control flow: operators whose attributes are graphs. */
#include "ops/control.h"
#include "lower/lower.h"
#include "ops/sequence.h"
#include "ops/states.h"

#include <string.h>

static Graph *body_of(const Node *node, const char *name) {
  return node_attr(node, name)->graph;
}

static bool is_scalar(const Node *node, uint32_t i, DType dtype) {
  const Type *type = &node_in(node, i)->type;
  if (type->kind == TYPE_TENSOR && type->dtype == dtype &&
      dim_is(type_count(node->graph->ctx, type), 1)) {
    return true;
  }
  return node_error(node, DIAG_INVALID, "input %u is no single element of type %s", i,
                    dtype_info(dtype)->name);
}

/* ---- If ---- */

/* A size that the branches do not share is known only once one of them was taken. */
static bool join_types(Node *node, uint32_t i, const Value *x, const Value *y) {
  const Type *a = &x->type, *b = &y->type;
  const Dim *dims[MAX_RANK];
  if (a->kind != TYPE_TENSOR || b->kind != TYPE_TENSOR) {
    Type joined;
    if (!states_join(node, a, b, &joined)) return false;
    infer_output_type(node, i, &joined);
    return true;
  }
  if (a->dtype != b->dtype) {
    return node_error(node, DIAG_INVALID,
                      "the branches disagree about the type of output %u: %s and %s", i,
                      dtype_info(a->dtype)->name, dtype_info(b->dtype)->name);
  }
  if (a->rank != b->rank) {
    Arena *arena = node->graph->ctx->arena;
    return node_error(node, DIAG_UNSUPPORTED,
                      "the branches give output %u different ranks: '%s' is %s, '%s' is %s", i,
                      x->name, type_text(arena, a), y->name, type_text(arena, b));
  }
  for (int k = 0; k < a->rank; k++) {
    bool same = a->dims[k] == b->dims[k];
    dims[k] =
        same ? a->dims[k]
             : infer_fresh(node, i, k, a->dims[k]->hi > b->dims[k]->hi ? a->dims[k] : b->dims[k]);
  }
  infer_output(node, i, a->dtype, a->rank, dims);
  return true;
}

/* What one branch yields, where the other one cannot be inferred yet. */
static void take_known(Node *node, const Graph *then_branch, const Graph *else_branch) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (i >= then_branch->outputs.len || i >= else_branch->outputs.len) return;
    const Value *a = then_branch->outputs.data[i], *b = else_branch->outputs.data[i];
    if (node_out(node, i) == NULL) continue;
    if (a->type.kind == TYPE_UNKNOWN)
      node_out(node, i)->type = b->type;
    else if (b->type.kind == TYPE_UNKNOWN)
      node_out(node, i)->type = a->type;
    else
      join_types(node, i, a, b);
  }
}

/* Numbers that either branch may give. */
static void join_contents(Node *node, uint32_t i, const Value *a, const Value *b) {
  const Dim *joined[MAX_CONTENTS];
  if (a->contents == NULL || b->contents == NULL || a->n_contents != b->n_contents) return;
  for (uint32_t k = 0; k < a->n_contents; k++) {
    const Dim *x = a->contents[k], *y = b->contents[k];
    joined[k] = x == y ? x
                       : dim_unknown(infer_dims(node), x->lo < y->lo ? x->lo : y->lo,
                                     x->hi > y->hi ? x->hi : y->hi);
  }
  infer_set_contents(node, i, joined, a->n_contents);
}

static bool check_outputs(const Node *node, const Graph *branch) {
  if (branch->outputs.len == node->n_out) return true;
  return node_error(node, DIAG_INVALID, "a branch has %zu outputs, the node %u",
                    branch->outputs.len, node->n_out);
}

/* The other branch is never taken: what it says does not matter, and need not make sense. */
static bool infer_taken(Node *node, Graph *branch) {
  if (!infer_graph(branch)) return false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *result = branch->outputs.data[i];
    if (node_out(node, i) == NULL) continue;
    infer_output_type(node, i, &result->type);
    if (result->contents != NULL) infer_set_contents(node, i, result->contents, result->n_contents);
  }
  return true;
}

Graph *if_taken(const Node *node) {
  int64_t taken;
  uint32_t n;
  if (!infer_constant_ints(node, 0, &taken, 1, &n)) return NULL;
  return body_of(node, taken != 0 ? "then_branch" : "else_branch");
}

static bool infer_if(Node *node) {
  Graph *then_branch = body_of(node, "then_branch"), *else_branch = body_of(node, "else_branch");
  if (!is_scalar(node, 0, ONNXC_RT_BOOL)) return false;
  if (!check_outputs(node, then_branch) || !check_outputs(node, else_branch)) return false;
  Graph *taken = if_taken(node);
  if (taken != NULL) return infer_taken(node, taken);
  bool known = infer_graph(then_branch);
  if (!infer_graph(else_branch) || !known) {
    if (node->graph->ctx->trying) take_known(node, then_branch, else_branch);
    return false;
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    const Value *a = then_branch->outputs.data[i], *b = else_branch->outputs.data[i];
    if (!join_types(node, i, a, b)) return false;
    join_contents(node, i, a, b);
  }
  return true;
}

const OpDef op_If = {
    .name = "If",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("then_branch", ATTR_GRAPH),
                                PARAM_REQUIRED("else_branch", ATTR_GRAPH),
                                {0}},
    .infer = infer_if,
    .lower = lower_if,
};

/* ---- Loop and Scan ---- */

/* What turns carry from one to the next: `n` values, inputs `in` and on of the node, inputs `inner`
 * and on of the body, outputs `out` and on of the body and the first outputs of the node. */
typedef struct Carried {
  Node *node;
  Graph *body;
  uint32_t n, in, inner, out;
  int64_t most; /* turns; INT64_MAX: any number */
} Carried;

static const Type *type_before(const Carried *c, uint32_t i) {
  return &c->body->inputs.data[c->inner + i]->type;
}

static const Type *type_after(const Carried *c, uint32_t i) {
  return &c->body->outputs.data[c->out + i]->type;
}

static const Type *type_first(const Carried *c, uint32_t i) {
  return &node_in(c->node, c->in + i)->type;
}

static void set_input(Graph *body, uint32_t i, Type type) {
  Value *input = body->inputs.data[i];
  input->type = type;
  input->contents = NULL;
  input->n_contents = 0;
}

/* Whether an axis of a carried value has its size in a symbol of its own. */
static bool is_carried(const Carried *c, uint32_t i, int axis) {
  const Type *before = type_before(c, i), *first = type_first(c, i);
  if (before->kind != TYPE_TENSOR || axis >= before->rank || axis >= first->rank) return false;
  const DimAtom *symbol = dim_as_symbol(before->dims[axis]);
  return symbol != NULL && symbol_of_axis(symbol, axis) && !dim_mentions(first->dims[axis], symbol);
}

/* What is no tensor is the affair of ops/states.h. */
static bool is_tensor(const Carried *c, uint32_t i) {
  return type_first(c, i)->kind == TYPE_TENSOR;
}

static bool keeps_form(const Carried *c, uint32_t i) {
  const Type *before = type_before(c, i), *after = type_after(c, i);
  Arena *arena = c->node->graph->ctx->arena;
  bool same = before->kind == after->kind && before->dtype == after->dtype;
  if (!is_tensor(c, i) || (same && before->rank == after->rank)) return true;
  bool invalid = !same;
  return node_error(c->node, invalid ? DIAG_INVALID : DIAG_UNSUPPORTED,
                    "value %u that is carried changes from %s to %s", i, type_text(arena, before),
                    type_text(arena, after));
}

/* The type that body input `i` has in every turn. Sizes that turned out to change are symbols. */
static Type carried_type(const Carried *c, uint32_t i) {
  const Type *first = type_first(c, i);
  const Dim *dims[MAX_RANK];
  if (!is_tensor(c, i)) return *type_before(c, i);
  for (int k = 0; k < first->rank; k++) {
    dims[k] = is_carried(c, i, k) ? type_before(c, i)->dims[k] : first->dims[k];
  }
  return type_tensor(c->node->graph->ctx, first->dtype, first->rank, dims);
}

/* An axis whose size a turn changes although it is taken to be that of the first turn. */
static bool changes(const Carried *c, uint32_t i, int axis) {
  return type_before(c, i)->dims[axis] != type_after(c, i)->dims[axis] && !is_carried(c, i, axis);
}

/* Marks them all, by carried value; false when there are none. */
static bool find_changes(const Carried *c, uint32_t *axes) {
  bool found = false;
  for (uint32_t i = 0; i < c->n; i++) {
    axes[i] = 0;
    for (int k = 0; is_tensor(c, i) && k < type_before(c, i)->rank; k++) {
      if (changes(c, i, k)) axes[i] |= UINT32_C(1) << k;
    }
    found = found || axes[i] != 0;
  }
  return found;
}

static void free_sizes(const Carried *c, uint32_t i, uint32_t axes) {
  Value *input = c->body->inputs.data[c->inner + i];
  const Type type = input->type;
  const Dim *dims[MAX_RANK];
  for (int k = 0; k < type.rank; k++) {
    bool own = (axes >> k & 1) != 0;
    dims[k] = own ? infer_symbol(input, k, NULL, INT64_MAX) : type.dims[k];
  }
  if (axes != 0) input->type = type_tensor(c->node->graph->ctx, type.dtype, type.rank, dims);
}

/* The most that a carried size can be: it never grows over the first, or over what a turn can make
 * of it, or by more than so much in each turn. */
static int64_t most_carried(const Carried *c, const Dim *first, const Dim *size, const Dim *after) {
  DimTable *t = infer_dims(c->node);
  int64_t most, growth = dim_sub(t, after, size)->hi;
  if (dim_le(t, after, dim_max(t, size, first)) || growth <= 0) return first->hi;
  if (after->hi != INT64_MAX) return after->hi > first->hi ? after->hi : first->hi;
  bool bounded = growth != INT64_MAX && c->most != INT64_MAX && first->hi != INT64_MAX;
  if (!bounded || __builtin_mul_overflow(growth, c->most, &most)) return INT64_MAX;
  return __builtin_add_overflow(most, first->hi, &most) ? INT64_MAX : most;
}

/* True when a bound became smaller. */
static bool bound_sizes(const Carried *c, uint32_t i) {
  bool sharper = false;
  for (int k = 0; is_tensor(c, i) && k < type_after(c, i)->rank; k++) {
    const Dim *size = type_before(c, i)->dims[k];
    if (!is_carried(c, i, k)) continue;
    int64_t before = size->hi;
    dim_limit(size, most_carried(c, type_first(c, i)->dims[k], size, type_after(c, i)->dims[k]));
    sharper = sharper || size->hi < before;
  }
  return sharper;
}

static bool infer_turn(const Carried *c) {
  for (uint32_t i = 0; i < c->n; i++) set_input(c->body, c->inner + i, carried_type(c, i));
  if (!infer_graph(c->body)) return false;
  for (uint32_t i = 0; i < c->n; i++) {
    if (!keeps_form(c, i)) return false;
  }
  return true;
}

/* Infers the body with the sizes of the first turn; those that turn out to change become symbols,
 * and all that was concluded from them is forgotten. */
static bool infer_changes(const Carried *c) {
  Context *ctx = c->node->graph->ctx;
  uint32_t *axes = ARENA_ARRAY(ctx->arena, c->n, uint32_t), first = dims_symbols(ctx->dims);
  size_t checks = ctx->checks.len;
  for (;;) {
    if (!infer_turn(c)) return false;
    if (!find_changes(c, axes)) return true;
    infer_forget(c->body);
    ctx->checks.len = checks;
    dims_forget(ctx->dims, first);
    for (uint32_t i = 0; i < c->n; i++) free_sizes(c, i, axes[i]);
    first = dims_symbols(ctx->dims);
  }
}

/* Bounds hold however often they are made sharper. */
enum { SHARPER = 4 };

/* Infers the body with sizes that hold in every turn. */
static bool infer_turns(const Carried *c) {
  if (!infer_changes(c)) return false;
  for (int round = 0; round < SHARPER; round++) {
    bool sharper = false;
    for (uint32_t i = 0; i < c->n; i++) sharper = bound_sizes(c, i) || sharper;
    if (!sharper) break;
    if (!infer_turn(c)) return false;
  }
  return true;
}

/* What was carried out of the last turn. */
static void give_carried(const Carried *c) {
  for (uint32_t i = 0; i < c->n; i++) {
    const Type *type = type_before(c, i);
    if (is_tensor(c, i)) infer_output(c->node, i, type->dtype, type->rank, type->dims);
  }
}

/* Whether a size is found within each turn. */
static bool varies(const Carried *c, const Dim *size) {
  for (uint32_t i = 0; i < c->n; i++) {
    for (int k = 0; is_tensor(c, i) && k < type_before(c, i)->rank; k++) {
      const DimAtom *symbol = dim_as_symbol(type_before(c, i)->dims[k]);
      if (is_carried(c, i, k) && dim_mentions(size, symbol)) return true;
    }
  }
  return graph_finds_size(c->body, size);
}

/* The results of all turns, one behind the other: an axis of `turns` in front of axis `at`. Sizes
 * found within a turn are the same in all, which is checked. */
static void stack_output(const Carried *c, uint32_t i, const Type *type, int at, const Dim *turns) {
  const Dim *dims[MAX_RANK];
  for (int k = 0; k < type->rank; k++) {
    int axis = k < at ? k : k + 1;
    const Dim *size = type->dims[k];
    dims[axis] = varies(c, size) ? infer_fresh(c->node, i, axis, size) : size;
  }
  dims[at] = turns;
  infer_output(c->node, i, type->dtype, type->rank + 1, dims);
}

static bool check_counts(const Node *node, const Graph *body, size_t inputs, size_t outputs) {
  if (body->inputs.len == inputs && body->outputs.len == outputs) return true;
  return node_error(node, DIAG_INVALID, "the body has %zu inputs and %zu outputs, not %zu and %zu",
                    body->inputs.len, body->outputs.len, inputs, outputs);
}

/* The number of turns, where nothing but the trip count decides about it. */
static const Dim *known_trips(const Node *node, const Graph *body) {
  uint32_t n;
  const Dim *const *trips = node_in(node, 0) == NULL ? NULL : infer_contents(node, 0, &n);
  const Value *first = node_in(node, 1), *next = body->outputs.data[0];
  while (next->producer != NULL && strcmp(next->producer->op->name, "Identity") == 0) {
    next = node_in(next->producer, 0);
  }
  bool begins = first == NULL || (first->constant != NULL && tensor_i64(first->constant, 0) != 0);
  bool goes_on = next == body->inputs.data[1] ||
                 (next->constant != NULL && tensor_i64(next->constant, 0) != 0);
  if (trips == NULL || !begins || !goes_on) return NULL;
  DimTable *t = infer_dims(node);
  return dim_max(t, trips[0], dim_const(t, 0));
}

/* The body knows that the number of its turn is below that of all. */
static void set_counter(const Node *node, Graph *body, int64_t most) {
  Context *ctx = node->graph->ctx;
  set_input(body, 0, type_tensor(ctx, ONNXC_RT_I64, 0, NULL));
  const Dim **contents = ARENA_ARRAY(ctx->arena, 1, const Dim *);
  contents[0] = dim_unknown(ctx->dims, 0, most == INT64_MAX || most == 0 ? most : most - 1);
  body->inputs.data[0]->contents = contents;
  body->inputs.data[0]->n_contents = 1;
  set_input(body, 1, type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL));
}

static bool infer_loop(Node *node) {
  Graph *body = body_of(node, "body");
  uint32_t carried = node->n_formal - 2;
  if (node_in(node, 0) != NULL && !is_scalar(node, 0, ONNXC_RT_I64)) return false;
  if (node_in(node, 1) != NULL && !is_scalar(node, 1, ONNXC_RT_BOOL)) return false;
  if (node->n_out < carried || !check_counts(node, body, carried + 2, 1 + node->n_out))
    return false;
  int64_t most = node_in(node, 0) == NULL ? INT64_MAX : infer_number(node, 0, 0)->hi;
  Carried c = {.node = node, .body = body, .n = carried, .in = 2, .inner = 2, .out = 1};
  c.most = most < 0 ? 0 : most;
  set_counter(node, body, c.most);
  const Dim *bound = sequence_most(node, 0);
  const Dim *always = bound == NULL ? NULL : known_trips(node, body);
  States states = {node, body, carried, 2, 1, always, bound};
  bool composite = states_composite(&states);
  if (composite && !states_settle(&states)) return false;
  if (!infer_turns(&c) || (composite && !states_finish(&states))) return false;
  give_carried(&c);
  const Dim *trips = known_trips(node, body);
  for (uint32_t i = carried; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    const Dim *turns = trips != NULL ? trips : infer_fresh(node, i, 0, bound);
    stack_output(&c, i, &body->outputs.data[1 + i]->type, 0, turns);
  }
  return true;
}

const OpDef op_Loop = {
    .name = "Loop",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("body", ATTR_GRAPH), {0}},
    .infer = infer_loop,
    .lower = lower_loop,
};

/* Entry `i` of a list of axes, 0 where there is none, in [0, rank). */
static bool scan_axis(const Node *node, const char *list, uint32_t i, int rank, int *axis) {
  const Attr *axes = op_param_list(node, list);
  return infer_axis(node, axes == NULL || i >= axes->count ? 0 : axes->ints[i], rank, axis);
}

/* The slice of a scanned input that a turn sees, and the number of turns. */
static bool infer_slice(const Node *node, Graph *body, uint32_t states, uint32_t i,
                        const Dim **turns) {
  const Type *type = infer_tensor(node, states + i);
  const Dim *dims[MAX_RANK];
  int axis, n = 0;
  if (type == NULL || !scan_axis(node, "scan_input_axes", i, type->rank, &axis)) return false;
  for (int k = 0; k < type->rank; k++) {
    if (k != axis) dims[n++] = type->dims[k];
  }
  if (*turns != NULL && dim_never_equal(infer_dims(node), *turns, type->dims[axis])) {
    return node_error(node, DIAG_INVALID, "the scanned inputs differ in length");
  }
  if (*turns != NULL)
    context_assume_equal(node->graph->ctx, *turns, type->dims[axis]);
  else
    *turns = type->dims[axis];
  set_input(body, states + i, type_tensor(node->graph->ctx, type->dtype, n, dims));
  return true;
}

static bool infer_scan(Node *node) {
  Graph *body = body_of(node, "body");
  uint32_t scanned = (uint32_t)op_param_i(node, "num_scan_inputs");
  if (scanned < 1 || scanned > node->n_formal) {
    return node_error(node, DIAG_INVALID, "num_scan_inputs is %u of %u inputs", scanned,
                      node->n_formal);
  }
  uint32_t states = node->n_formal - scanned;
  const Dim *turns = NULL;
  if (node->n_out < states || !check_counts(node, body, node->n_formal, node->n_out)) return false;
  for (uint32_t i = 0; i < scanned; i++) {
    if (!infer_slice(node, body, states, i, &turns)) return false;
  }
  Carried c = {.node = node, .body = body, .n = states, .most = turns->hi};
  if (!infer_turns(&c)) return false;
  give_carried(&c);
  for (uint32_t i = states; i < node->n_out; i++) {
    const Type *type = &body->outputs.data[i]->type;
    int axis;
    if (!scan_axis(node, "scan_output_axes", i - states, type->rank + 1, &axis)) return false;
    if (node_out(node, i) != NULL) stack_output(&c, i, type, axis, turns);
  }
  return true;
}

const OpDef op_Scan = {
    .name = "Scan",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("body", ATTR_GRAPH),
                                PARAM_REQUIRED("num_scan_inputs", ATTR_INT),
                                PARAM_OPTIONAL("scan_input_axes", ATTR_INTS),
                                PARAM_OPTIONAL("scan_input_directions", ATTR_INTS),
                                PARAM_OPTIONAL("scan_output_axes", ATTR_INTS),
                                PARAM_OPTIONAL("scan_output_directions", ATTR_INTS),
                                {0}},
    .infer = infer_scan,
    .lower = lower_scan,
};
