/* Control flow becomes nested lists of steps over shared buffers.
 *
 * What a branch or turn yields is computed right into the memory of the node's output where it
 * can be. The number of a turn is a size like others, so the slice that a turn reads or writes is
 * an ordinary view whose offset mentions it. */
#include "lower/group.h"

#include <string.h>

/* The values that a subgraph captures live where they live outside. */
static void place_captures(Lowering *l, const Node *holder, const Graph *body) {
  VEC_EACH(Capture, capture, &body->captures) {
    Value *outer = node_in(holder, capture->input);
    if (l->needed[outer->id] || outer->constant != NULL) {
      l->places[capture->inner->id] = lower_operand(l, outer);
    }
  }
}

/* The operand as a value of this type sees it: dense, from the same element on. */
static Operand retyped(DimTable *t, const Operand *place, const Type *type) {
  Operand operand = *place;
  operand.rank = type->rank;
  const Dim *stride = dim_const(t, 1);
  for (int i = type->rank - 1; i >= 0; i--) {
    operand.dims[i] = type->dims[i];
    operand.strides[i] = stride;
    stride = dim_mul(t, stride, type->dims[i]);
  }
  return operand;
}

/* The same elements counted in the sizes of this type. */
static Operand resized(const Operand *place, const Type *type) {
  Operand operand = *place;
  for (int i = 0; i < type->rank; i++) operand.dims[i] = type->dims[i];
  return operand;
}

static bool is_there(DimTable *t, const Operand *place, const Operand *target) {
  return place->buffer == target->buffer && place->offset == target->offset &&
         operand_dense(t, place) && operand_dense(t, target);
}

/* Outputs of a body, each with the place it is wanted in; without buffer: nobody wants it. */
typedef struct Wanted {
  Value *value;
  Operand place;    /* as a value of that type sees it */
  bool direct;      /* may be computed there while the body still runs */
  const Type *room; /* of what there is memory for; NULL: whatever the value can be */
  Vec(SharedSize) shared;
} Wanted;

/* The value that is computed in the place of an output: the one it is a view of. */
static Value *computed(Value *value) {
  while (value->producer != NULL && (value->producer->op->flags & OP_VIEW) != 0) {
    value = value->producer->in[0].value;
  }
  return value->producer != NULL && value->constant == NULL ? value : NULL;
}

static void assign_places(Lowering *l, const Wanted *wanted, size_t n) {
  for (size_t i = 0; i < n; i++) {
    Value *value =
        wanted[i].place.buffer == NULL || !wanted[i].direct ? NULL : computed(wanted[i].value);
    if (value == NULL || l->targets[value->id].buffer != NULL) continue;
    if (!operand_dense(l->ctx->dims, &wanted[i].place)) continue;
    l->targets[value->id] = retyped(l->ctx->dims, &wanted[i].place, &value->type);
  }
}

static bool is_target(const Wanted *wanted, size_t n, const Operand *from) {
  for (size_t i = 0; i < n; i++) {
    if (!wanted[i].direct && wanted[i].place.buffer == from->buffer) return true;
  }
  return false;
}

/* Before a value is moved, that it fits. */
static void limit_sizes(Lowering *l, Step *step, const Type *type, const Type *room) {
  for (int k = 0; k < type->rank; k++) {
    if (type->dims[k]->hi <= room->dims[k]->hi) continue;
    SizeLimit limit = {type->dims[k], room->dims[k]->hi};
    vec_push(l->ctx->arena, &step->limits, limit);
  }
}

/* Results that are not in their places yet go there in the end. One that lies in the place of
 * another is saved first. */
static void deliver(Lowering *l, Wanted *wanted, size_t n) {
  DimTable *t = l->ctx->dims;
  Operand *from = ARENA_ARRAY(l->scratch, n, Operand);
  for (size_t i = 0; i < n; i++) {
    if (wanted[i].place.buffer == NULL) continue;
    Value *value = wanted[i].value;
    from[i] = lower_operand(l, value);
    if (is_there(t, &from[i], &wanted[i].place) || !is_target(wanted, n, &from[i])) continue;
    Operand saved = lower_temporary(l, &value->type, value->name);
    lower_copy(l, value->producer, &value->type, from[i], saved);
    from[i] = saved;
  }
  for (size_t i = 0; i < n; i++) {
    const Value *value = wanted[i].value;
    if (wanted[i].place.buffer == NULL || is_there(t, &from[i], &wanted[i].place)) continue;
    Step *step = lower_copy(l, value->producer, &value->type, from[i], wanted[i].place);
    if (wanted[i].room != NULL) limit_sizes(l, step, &value->type, wanted[i].room);
    VEC_EACH(SharedSize, entry, &wanted[i].shared) vec_push(l->ctx->arena, &step->shared, *entry);
  }
}

/* Steps of a subgraph, ending with its results where they are wanted; NULL: reported. */
static Steps *lower_body(Lowering *outer, const Node *holder, Graph *body, Wanted *wanted,
                         size_t n) {
  Lowering l = *outer;
  l.graph = body;
  l.current = NULL;
  memset(&l.joins, 0, sizeof l.joins);
  memset(&l.updates, 0, sizeof l.updates);
  l.steps = ARENA_NEW(l.ctx->arena, Steps);
  *l.steps = (Steps){.ctx = l.ctx, .graph = body, .outer = outer->steps};
  place_captures(&l, holder, body);
  assign_places(&l, wanted, n);
  for (size_t i = 0; i < n; i++) l.needed[wanted[i].value->id] = true;
  if (!lower_nodes(&l)) return NULL;
  deliver(&l, wanted, n);
  return l.steps;
}

/* ---- If ---- */

static bool lower_branch(Lowering *l, const Node *node, const char *name, Steps **steps) {
  Graph *branch = node_attr(node, name)->graph;
  Wanted *wanted = ARENA_ARRAY(l->scratch, node->n_out, Wanted);
  for (uint32_t i = 0; i < node->n_out; i++) {
    Value *inner = branch->outputs.data[i];
    wanted[i] = (Wanted){.value = inner, .direct = true};
    if (node_out(node, i) == NULL) continue;
    Operand place = lower_output(l, node_out(node, i));
    wanted[i].place = retyped(l->ctx->dims, &place, &inner->type);
  }
  *steps = lower_body(l, node, branch, wanted, node->n_out);
  return *steps != NULL;
}

/* Sizes that the branch taken decides about. */
static void branch_sizes(Lowering *l, Step *step, const Node *node) {
  const Graph *then_branch = node_attr(node, "then_branch")->graph;
  const Graph *else_branch = node_attr(node, "else_branch")->graph;
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *out = node_out(node, i);
    for (int k = 0; out != NULL && k < out->type.rank; k++) {
      const Dim *a = then_branch->outputs.data[i]->type.dims[k];
      const Dim *b = else_branch->outputs.data[i]->type.dims[k];
      if (a == b) continue;
      vec_push(l->ctx->arena, &step->branches.sizes, (BranchSize){out->type.dims[k], a, b});
    }
  }
}

bool lower_if(Lowering *l, Node *node) {
  Operand condition = lower_dense(l, node_in(node, 0));
  Step *step = lower_step(l, STEP_IF);
  step->branches.condition = condition;
  step_reads(step, l->ctx, condition.buffer);
  branch_sizes(l, step, node);
  return lower_branch(l, node, "then_branch", &step->branches.then_steps) &&
         lower_branch(l, node, "else_branch", &step->branches.else_steps);
}

/* ---- Loop and Scan ---- */

/* The part of a stacked tensor that belongs to turn `at`: `axis` is gone. */
static Operand slice_of(DimTable *t, const Operand *whole, int axis, const Dim *at) {
  Operand part = *whole;
  const Dim *distance = dim_mul(t, at, whole->strides[axis]);
  part.offset = whole->offset == NULL ? distance : dim_add(t, whole->offset, distance);
  part.rank--;
  for (int i = axis; i < part.rank; i++) {
    part.dims[i] = whole->dims[i + 1];
    part.strides[i] = whole->strides[i + 1];
  }
  return part;
}

/* The memory that carries a value of this type from turn to turn, with its first value in it. */
static Operand carried_place(Lowering *l, Node *node, uint32_t out, Value *first,
                             const Type *type) {
  Operand from = lower_operand(l, first);
  Value *result = node_out(node, out);
  Operand place = result != NULL ? lower_output(l, result) : lower_temporary(l, type, first->name);
  Step *step = lower_copy(l, node, &first->type, from, retyped(l->ctx->dims, &place, &first->type));
  limit_sizes(l, step, &first->type, type);
  return place;
}

/* A loop on its way: what its body yields, and the number of the turn. */
typedef struct Turning {
  Node *node;
  Graph *body;
  Wanted *wanted;
  Turns turns;
  size_t n;
} Turning;

static Turning turning(Lowering *l, Node *node) {
  Graph *body = node_attr(node, "body")->graph;
  Turning turning = {.node = node, .body = body, .n = body->outputs.len};
  turning.wanted = ARENA_ARRAY(l->scratch, turning.n, Wanted);
  turning.turns.turn = dim_fresh(l->ctx->dims, "turn", 0, INT32_MAX);
  return turning;
}

/* Input `inner` of the body begins as `first` and is what output `out` of the body was before. */
static void carry(Lowering *l, Turning *w, uint32_t inner, uint32_t out, uint32_t i, Value *first) {
  Value *before = w->body->inputs.data[inner], *after = w->body->outputs.data[out];
  Operand place = carried_place(l, w->node, i, first, &before->type);
  l->places[before->id] = place;
  w->wanted[out] = (Wanted){
      .value = after, .place = retyped(l->ctx->dims, &place, &after->type), .room = &before->type};
  for (int k = 0; k < before->type.rank; k++) {
    const Dim *size = before->type.dims[k], *first_size = first->type.dims[k];
    if (size == first_size) continue;
    TurnSize entry = {size, first_size, after->type.dims[k]};
    vec_push(l->ctx->arena, &w->turns.carried, entry);
  }
}

/* Sizes of a stacked result that only the turns tell. */
static void share_sizes(Lowering *l, Turning *w, Wanted *wanted, const Operand *part) {
  const Type *found = &wanted->value->type;
  for (int k = 0; k < part->rank; k++) {
    if (part->dims[k] == found->dims[k]) continue;
    SharedSize entry = {part->dims[k], found->dims[k], w->turns.turn};
    vec_push(l->ctx->arena, &w->turns.shared, entry.size);
    vec_push(l->ctx->arena, &wanted->shared, entry);
  }
}

/* Output `out` of the body is the slice of output `i` of the node that belongs to the turn. */
static void stack(Lowering *l, Turning *w, uint32_t out, uint32_t i, int axis, const Dim *at) {
  Wanted *wanted = &w->wanted[out];
  *wanted = (Wanted){.value = w->body->outputs.data[out], .direct = true};
  if (node_out(w->node, i) == NULL) return;
  Operand whole = lower_output(l, node_out(w->node, i));
  Operand part = slice_of(l->ctx->dims, &whole, axis, at);
  share_sizes(l, w, wanted, &part);
  wanted->place = resized(&part, &wanted->value->type);
  if (wanted->shared.len == 0) return;
  Type *room = ARENA_NEW(l->scratch, Type);
  *room = type_tensor(l->ctx, part.dtype, part.rank, part.dims);
  wanted->direct = false;
  wanted->room = room;
}

static bool finish_loop(Lowering *l, const Turning *w) {
  Step *step = lower_step(l, STEP_LOOP);
  Turns turns = w->turns;
  const Operand *const reads[] = {&turns.trip_count, &turns.first};
  const Operand *const writes[] = {&turns.counter, &turns.condition};
  for (int i = 0; i < 2; i++) {
    if (reads[i]->buffer != NULL) step_reads(step, l->ctx, reads[i]->buffer);
    if (writes[i]->buffer != NULL) step_writes(step, l->ctx, writes[i]->buffer);
  }
  for (size_t i = 0; i < w->n; i++) { /* a part of each in every turn: they live all the while */
    if (w->wanted[i].place.buffer != NULL) step_writes(step, l->ctx, w->wanted[i].place.buffer);
  }
  step->turns = turns;
  step->turns.body = lower_body(l, w->node, w->body, w->wanted, w->n);
  return step->turns.body != NULL;
}

/* Packed elements have no address: what is stacked, inputs from `in` and outputs from `out` on,
 * must have other types. */
static bool check_slices(const Node *node, uint32_t in, uint32_t out) {
  bool packed = false;
  for (uint32_t i = in; i < node->n_formal; i++) {
    packed = packed || dtype_is_packed(node_in(node, i)->type.dtype);
  }
  for (uint32_t i = out; i < node->n_out; i++) {
    const Value *value = node_out(node, i);
    packed = packed || (value != NULL && dtype_is_packed(value->type.dtype));
  }
  return !packed || node_error(node, DIAG_UNSUPPORTED,
                               "slices of a type of fewer than 8 bits are stacked; cast it");
}

static Operand flag_or_none(Lowering *l, Value *value) {
  return value == NULL ? (Operand){0} : lower_dense(l, value);
}

bool lower_loop(Lowering *l, Node *node) {
  uint32_t carried = node->n_formal - 2;
  if (!check_slices(node, node->n_formal, carried)) return false;
  Turning w = turning(l, node);
  Turns *turns = &w.turns;
  turns->trip_count = flag_or_none(l, node_in(node, 0));
  turns->first = flag_or_none(l, node_in(node, 1));
  turns->counter = lower_temporary(l, &w.body->inputs.data[0]->type, "turn");
  turns->condition = lower_temporary(l, &w.body->inputs.data[1]->type, "condition");
  l->places[w.body->inputs.data[0]->id] = turns->counter;
  l->places[w.body->inputs.data[1]->id] = turns->condition;
  w.wanted[0] = (Wanted){.value = w.body->outputs.data[0], .place = turns->condition};
  for (uint32_t i = 0; i < carried; i++) carry(l, &w, 2 + i, 1 + i, i, node_in(node, 2 + i));
  for (uint32_t i = carried; i < node->n_out; i++) {
    stack(l, &w, 1 + i, i, 0, turns->turn);
    if (node_out(node, i) == NULL) continue;
    turns->most = node_out(node, i)->type.dims[0];
    if (node_size_from_data(node, i, 0)) {
      vec_push(l->ctx->arena, &turns->counts, turns->most);
    }
  }
  return finish_loop(l, &w);
}

static int64_t entry(const Node *node, const char *list, uint32_t i) {
  const Attr *values = op_param_list(node, list);
  return values == NULL || i >= values->count ? 0 : values->ints[i];
}

/* Turn `turn` of `turns` takes the slices from the front, or from the back. */
static const Dim *position(DimTable *t, const Dim *turn, const Dim *turns, bool reverse) {
  return reverse ? dim_add_i(t, dim_sub(t, turns, turn), -1) : turn;
}

bool lower_scan(Lowering *l, Node *node) {
  DimTable *t = l->ctx->dims;
  uint32_t scanned = (uint32_t)op_param_i(node, "num_scan_inputs");
  uint32_t states = node->n_formal - scanned;
  if (!check_slices(node, states, states)) return false;
  Turning w = turning(l, node);
  for (uint32_t i = 0; i < scanned; i++) {
    Operand whole = lower_operand(l, node_in(node, states + i));
    int64_t axis = entry(node, "scan_input_axes", i);
    if (axis < 0) axis += whole.rank;
    w.turns.trips = whole.dims[axis];
    bool reverse = entry(node, "scan_input_directions", i) != 0;
    const Dim *at = position(t, w.turns.turn, w.turns.trips, reverse);
    l->places[w.body->inputs.data[states + i]->id] = slice_of(t, &whole, (int)axis, at);
  }
  for (uint32_t i = 0; i < states; i++) carry(l, &w, i, i, i, node_in(node, i));
  for (uint32_t i = states; i < node->n_out; i++) {
    int64_t axis = entry(node, "scan_output_axes", i - states);
    if (axis < 0) axis += w.body->outputs.data[i]->type.rank + 1;
    bool reverse = entry(node, "scan_output_directions", i - states) != 0;
    stack(l, &w, i, i, (int)axis, position(t, w.turns.turn, w.turns.trips, reverse));
  }
  return finish_loop(l, &w);
}
