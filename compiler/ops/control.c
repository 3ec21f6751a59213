/* Control flow: operators whose attributes are graphs. */
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
static bool join_types(Node *node, uint32_t i, const Type *a, const Type *b) {
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
    return node_error(node, DIAG_UNSUPPORTED,
                      "the branches give output %u different ranks, %d and %d", i, a->rank,
                      b->rank);
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
    const Type *a = &then_branch->outputs.data[i]->type, *b = &else_branch->outputs.data[i]->type;
    if (node_out(node, i) == NULL) continue;
    if (a->kind == TYPE_UNKNOWN)
      node_out(node, i)->type = *b;
    else if (b->kind == TYPE_UNKNOWN)
      node_out(node, i)->type = *a;
    else
      join_types(node, i, a, b);
  }
}

static bool infer_if(Node *node) {
  Graph *then_branch = body_of(node, "then_branch"), *else_branch = body_of(node, "else_branch");
  if (!is_scalar(node, 0, ONNXC_RT_BOOL)) return false;
  bool known = infer_graph(then_branch);
  if (!infer_graph(else_branch) || !known) {
    if (node->graph->ctx->trying) take_known(node, then_branch, else_branch);
    return false;
  }
  if (then_branch->outputs.len != node->n_out || else_branch->outputs.len != node->n_out) {
    return node_error(node, DIAG_INVALID, "the branches have %zu and %zu outputs, the node %u",
                      then_branch->outputs.len, else_branch->outputs.len, node->n_out);
  }
  int64_t taken;
  uint32_t n;
  bool settled = infer_constant_ints(node, 0, &taken, 1, &n);
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    const Type *a = &then_branch->outputs.data[i]->type, *b = &else_branch->outputs.data[i]->type;
    if (settled)
      node_out(node, i)->type = taken != 0 ? *a : *b;
    else if (!join_types(node, i, a, b))
      return false;
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

/* What a turn carries to the next keeps its type: the sizes of the first turn are those of all. */
static bool carries(const Node *node, uint32_t i, const Type *before, const Type *after) {
  if (type_equal(before, after)) return true;
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_UNSUPPORTED, "value %u that is carried changes from %s to %s", i,
                    type_text(arena, before), type_text(arena, after));
}

static void set_input(Graph *body, uint32_t i, Type type) {
  body->inputs.data[i]->type = type;
}

/* The type with an axis of `size` put in front of axis `at`, as output `i`. */
static void stack_output(Node *node, uint32_t i, const Type *type, int at, const Dim *size) {
  const Dim *dims[MAX_RANK];
  for (int k = 0; k < at; k++) dims[k] = type->dims[k];
  dims[at] = size;
  for (int k = at; k < type->rank; k++) dims[k + 1] = type->dims[k];
  infer_output(node, i, type->dtype, type->rank + 1, dims);
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

static bool infer_loop(Node *node) {
  Context *ctx = node->graph->ctx;
  Graph *body = body_of(node, "body");
  uint32_t carried = node->n_formal - 2, scans = node->n_out - carried;
  if (node_in(node, 0) != NULL && !is_scalar(node, 0, ONNXC_RT_I64)) return false;
  if (node_in(node, 1) != NULL && !is_scalar(node, 1, ONNXC_RT_BOOL)) return false;
  if (node->n_out < carried || !check_counts(node, body, carried + 2, 1 + node->n_out))
    return false;
  set_input(body, 0, type_tensor(ctx, ONNXC_RT_I64, 0, NULL));
  set_input(body, 1, type_tensor(ctx, ONNXC_RT_BOOL, 0, NULL));
  const Dim *trips = known_trips(node, body), *bound = sequence_most(node, 0);
  States states = {node, body, carried, 2, 1, trips, bound};
  bool composite = states_composite(&states);
  for (uint32_t i = 0; i < carried; i++) set_input(body, 2 + i, node_in(node, 2 + i)->type);
  if (composite && !states_settle(&states)) return false;
  if (!infer_graph(body) || (composite && !states_finish(&states))) return false;
  trips = known_trips(node, body);
  for (uint32_t i = 0; i < carried; i++) {
    if (node_in(node, 2 + i)->type.kind != TYPE_TENSOR) continue;
    const Type *type = &node_in(node, 2 + i)->type;
    if (!carries(node, i, type, &body->outputs.data[1 + i]->type)) return false;
    if (node_out(node, i) != NULL) infer_output(node, i, type->dtype, type->rank, type->dims);
  }
  for (uint32_t i = carried; i < carried + scans; i++) {
    const Type *type = &body->outputs.data[1 + i]->type;
    if (node_out(node, i) == NULL) continue;
    stack_output(node, i, type, 0, trips != NULL ? trips : infer_fresh(node, i, 0, bound));
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
  for (uint32_t i = 0; i < states; i++) set_input(body, i, node_in(node, i)->type);
  for (uint32_t i = 0; i < scanned; i++) {
    if (!infer_slice(node, body, states, i, &turns)) return false;
  }
  if (!infer_graph(body)) return false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Type *type = &body->outputs.data[i]->type;
    int axis = 0;
    if (i < states && !carries(node, i, &node_in(node, i)->type, type)) return false;
    if (i >= states && !scan_axis(node, "scan_output_axes", i - states, type->rank + 1, &axis))
      return false;
    if (node_out(node, i) == NULL) continue;
    if (i < states)
      infer_output(node, i, type->dtype, type->rank, type->dims);
    else
      stack_output(node, i, type, axis, turns);
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
