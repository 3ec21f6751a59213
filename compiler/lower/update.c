/* Updates in place: results that take the memory of what they are computed from, where nothing else
 * reads that and each element is stored where it was read.
 *
 * y = f(x), with x a part of something larger, like the normalised queries of one product with keys
 * and values. And y = Concat(f(x1), g(x2), x3) of all parts of x, where one row program makes f and
 * g from parts of x at the same places, like a rotary embedding of a part of each head: what stays
 * the same is not copied. Whether strides allow it is known when the row program is lowered; until
 * then the places of its results are left open. */
#include "lower/group.h"

#include <string.h>

enum { MAX_JOINS = 4, MAX_LEAVES = 16, MAX_DEPTH = 16 };

struct Update {
  Value *x;
  const Group *group; /* that makes the parts */
  uint32_t n_joins, n_made, n_kept;
  const Node *joins[MAX_JOINS]; /* concatenations, outer ones first; the first is y */
  Value *made[MAX_LEAVES];      /* parts that the group computes */
  Value *kept[MAX_LEAVES];      /* parts of x that stay */
};

/* ---- finding -----------------------------------------------------------------------------------
 */

static bool joins_for(const Update *u, const Node *node) {
  for (uint32_t i = 0; i < u->n_joins; i++) {
    if (u->joins[i] == node) return true;
  }
  return false;
}

static bool add_value(Value **list, uint32_t *n, Value *value) {
  if (*n == MAX_LEAVES) return false;
  list[(*n)++] = value;
  return true;
}

static bool add_join(const Lowering *l, Update *u, const Node *concat);

static bool add_part(const Lowering *l, Update *u, Value *part) {
  Value *value = whole_value(part);
  const Node *maker = value->producer;
  if (maker == NULL || value->constant != NULL || l->groups[maker->id] == NULL) return false;
  if (l->outputs[value->id] != 0 || l->targets[value->id].buffer != NULL) return false;
  if (maker->op->lower == lower_concat) return add_join(l, u, maker);
  if (is_movement(maker)) return value == part && add_value(u->kept, &u->n_kept, value);
  const Group *g = l->groups[maker->id];
  if (u->group == NULL) u->group = g;
  return g == u->group && g->root == NULL && add_value(u->made, &u->n_made, value);
}

static bool add_join(const Lowering *l, Update *u, const Node *concat) {
  if (u->n_joins == MAX_JOINS) return false;
  u->joins[u->n_joins++] = concat;
  for (uint32_t i = 0; i < concat->n_formal; i++) {
    if (!add_part(l, u, node_in(concat, i))) return false;
  }
  return true;
}

/* The value of the type of y that `value` is a part of; NULL: there is none. */
static Value *origin_of(Value *value, const Type *type) {
  while (value->constant == NULL && !type_equal(&value->type, type)) {
    if (!is_movement(value->producer)) return NULL;
    value = node_in(value->producer, 0);
  }
  return value->constant == NULL ? value : NULL;
}

/* The origin of what the first part is computed from, inside of the group. */
static Value *find_origin(const Lowering *l, const Update *u) {
  const Type *type = &node_out(u->joins[0], 0)->type;
  Vec(Node *) stack = {0};
  bool *seen = ARENA_ARRAY(l->scratch, l->ctx->n_nodes, bool);
  vec_push(l->scratch, &stack, u->made[0]->producer);
  while (stack.len != 0) {
    const Node *node = stack.data[--stack.len];
    seen[node->id] = true;
    for (uint32_t i = 0; i < node->n_in; i++) {
      Value *in = node_in(node, i);
      if (in == NULL || in->constant != NULL || in->producer == NULL) continue;
      Node *maker = in->producer;
      if (l->groups[maker->id] == u->group) {
        if (!seen[maker->id]) vec_push(l->scratch, &stack, maker);
        continue;
      }
      Value *origin = origin_of(in, type);
      if (origin != NULL && origin != in) return origin;
    }
  }
  return NULL;
}

static bool is_part_of(Value *value, const Value *x) {
  while (value != x && value->constant == NULL && is_movement(value->producer)) {
    value = node_in(value->producer, 0);
  }
  return value == x;
}

/* Whether the group updates the same memory for another concatenation already. */
static bool is_taken(const Lowering *l, const Update *u) {
  VEC_EACH(Update *const, other, &l->updates) {
    if (is_part_of(u->x, (*other)->x) || is_part_of((*other)->x, u->x)) return true;
  }
  return false;
}

/* ---- who reads ---------------------------------------------------------------------------------
 */

static bool reads_at_run_time(const Lowering *l, const Use *use) {
  const Node *user = use->user;
  return l->groups[user->id] != NULL && needed_at_run_time(user, (uint32_t)(use - user->in));
}

/* Whether only the group and the concatenations read the value. */
static bool only_read_here(const Lowering *l, const Update *u, const Value *value, int depth) {
  if (value_is_output(value) || depth > MAX_DEPTH) return false;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Node *user = use->user;
    if (!reads_at_run_time(l, use) || joins_for(u, user)) continue;
    if (l->groups[user->id] == u->group) continue;
    if (!is_movement(user)) return false;
    for (uint32_t i = 0; i < user->n_out; i++) {
      const Value *out = node_out(user, i);
      if (out != NULL && !only_read_here(l, u, out, depth + 1)) return false;
    }
  }
  return true;
}

/* Whether everything that reads the value can do so through strides. */
static bool takes_strides(const Lowering *l, const Value *value, int depth) {
  if (depth > MAX_DEPTH || value->type.dtype != ONNXC_RT_F32) return false;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Node *user = use->user;
    bool strided = user->op->row != NULL || (user->op->flags & OP_STRIDED) != 0 ||
                   user->op->lower == lower_concat;
    if (!reads_at_run_time(l, use)) continue;
    if (!is_movement(user)) {
      if (!strided) return false;
      continue;
    }
    for (uint32_t i = 0; i < user->n_out; i++) {
      const Value *out = node_out(user, i);
      if (out != NULL && !takes_strides(l, out, depth + 1)) return false;
    }
  }
  return true;
}

/* The constant elements [first, end) of one axis that a view shows all of or some of. */
typedef struct Range {
  int64_t axis, first, end;
} Range;

static bool range_of_gather(const Node *node, Range *range) {
  const Type *data = &node->in[0].value->type;
  int64_t axis = op_param_i(node, "axis");
  range->axis = axis < 0 ? axis + data->rank : axis;
  range->first = tensor_i64(node->in[1].value->constant, 0);
  range->end = range->first + 1;
  return range->first >= 0;
}

static bool range_of_slice(const Node *node, Range *range) {
  const Type *data = &node->in[0].value->type;
  int64_t start, axis = 0, step = 1, size, taken;
  uint32_t n;
  if (!infer_constant_ints(node, 1, &start, 1, &n) || n != 1) return false;
  if (node_in(node, 3) != NULL && !infer_constant_ints(node, 3, &axis, 1, &n)) return false;
  if (node_in(node, 4) != NULL && !infer_constant_ints(node, 4, &step, 1, &n)) return false;
  if (axis < 0) axis += data->rank;
  if (step < 1 || !dim_is_const(data->dims[axis], &size) || start >= size) return false;
  if (!dim_is_const(node->out[0]->type.dims[axis], &taken) || taken < 1) return false;
  int64_t first = start < 0 ? start + size : start;
  *range = (Range){.axis = axis, .first = first < 0 ? 0 : first};
  range->end = range->first + (taken - 1) * step + 1;
  return true;
}

static bool range_of(const Node *node, Range *range) {
  if (!is_movement(node)) return false;
  if (node->op->lower == lower_gather) return range_of_gather(node, range);
  return node->op->lower == lower_slice && range_of_slice(node, range);
}

/* Whether the two views have no element in common. */
static bool are_disjoint(const Node *view, const Node *other) {
  Range a, b;
  return range_of(view, &a) && range_of(other, &b) && a.axis == b.axis &&
         (a.end <= b.first || b.end <= a.first);
}

/* Whether `view` shows what no other reader of its input does. Parts of a Split are disjoint. */
static bool shows_alone(const Lowering *l, const Node *view) {
  const Value *value = node_in(view, 0);
  if (view->op->lower == lower_expand || value_is_output(value)) return false;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    if (use->user == view || !reads_at_run_time(l, use)) continue;
    if (!are_disjoint(view, use->user)) return false;
  }
  return true;
}

/* Whether the memory of the value is its own, and made here. */
static bool owns_memory(const Lowering *l, const Value *value) {
  while (value->constant == NULL && is_movement(value->producer)) {
    if (!shows_alone(l, value->producer)) return false;
    value = node_in(value->producer, 0);
  }
  const Node *maker = value->producer;
  if (maker == NULL || value->constant != NULL || value_is_output(value)) return false;
  if (l->outputs[value->id] != 0 || l->targets[value->id].buffer != NULL) return false;
  return maker->op->lower != lower_if && maker->op->lower != lower_loop &&
         maker->op->lower != lower_scan && maker->op->lower != lower_concat;
}

bool defer_update(Lowering *l, const Node *concat) {
  const Value *y = node_out(concat, 0);
  Update u = {0};
  VEC_EACH(Update *const, known, &l->updates) {
    if (joins_for(*known, concat)) return true;
  }
  if (l->outputs[y->id] != 0 || l->targets[y->id].buffer != NULL) return false;
  if (!add_join(l, &u, concat) || u.group == NULL || u.group->has_axes) return false;
  u.x = find_origin(l, &u);
  if (u.x == NULL || !only_read_here(l, &u, u.x, 0) || !owns_memory(l, u.x)) return false;
  if (is_taken(l, &u) || !takes_strides(l, y, 0)) return false;
  vec_push(l->scratch, &l->updates, arena_copy(l->scratch, &u, sizeof u));
  return true;
}

/* ---- placing -----------------------------------------------------------------------------------
 */

static bool is_kept(const Update *u, const Value *value) {
  for (uint32_t i = 0; i < u->n_kept; i++) {
    if (u->kept[i] == value) return true;
  }
  return false;
}

/* Whether what stays is where it is to be. A view of x can be lowered before its turn comes. */
static bool kept_in_place(Lowering *l, const Update *u) {
  for (uint32_t k = 0; k < u->n_joins; k++) {
    const Node *concat = u->joins[k];
    Operand rest = lower_output(l, node_out(concat, 0));
    for (uint32_t i = 0; i < concat->n_formal; i++) {
      Value *in = node_in(concat, i);
      Operand part = concat_part(l->ctx->dims, concat, i, &rest);
      if (!is_kept(u, in)) continue;
      Node *maker = in->producer;
      if (node_in(maker, 0) != u->x || !maker->op->lower(l, maker)) return false;
      Operand from = lower_operand(l, in);
      if (!operand_same(&from, &part)) return false;
    }
  }
  return true;
}

/* Whether the operand is where one of the results goes, element by element. */
static bool meets_result(Lowering *l, const Update *u, Value *in) {
  Operand from = lower_operand(l, in);
  for (uint32_t i = 0; i < u->n_made; i++) {
    const Value *made = u->made[i];
    if (type_equal(&in->type, &made->type) && operand_same(&from, &l->targets[made->id]))
      return true;
  }
  return false;
}

/* Whether the value has an element for each turn of the group. */
static bool is_walked(const Group *g, const Type *type) {
  if (type->rank != g->rank) return false;
  for (int k = 0; k < type->rank; k++) {
    if (type->dims[k] != g->shape[k]) return false;
  }
  return true;
}

static bool walks_alike(const Update *u) {
  for (uint32_t i = 0; i < u->n_made; i++) {
    if (!is_walked(u->group, &u->made[i]->type)) return false;
  }
  return true;
}

/* Whether each turn reads no elements of x but those that it changes. Nothing else that it reads is
 * in that memory. */
static bool reads_in_place(Lowering *l, const Update *u) {
  VEC_EACH(Node *const, row, &u->group->rows) {
    for (uint32_t i = 0; i < (*row)->n_in; i++) {
      Value *in = node_in(*row, i);
      if (in == NULL || !is_part_of(in, u->x)) continue;
      if ((*row)->op->whole_inputs != 0 || !meets_result(l, u, in)) return false;
    }
  }
  return true;
}

static void take_back(Lowering *l, const Update *u) {
  for (uint32_t i = 0; i < u->n_joins; i++) {
    uint32_t id = node_out(u->joins[i], 0)->id;
    l->places[id] = l->targets[id] = (Operand){0};
  }
  for (uint32_t i = 0; i < u->n_made; i++) l->targets[u->made[i]->id] = (Operand){0};
}

static void place_joins(Lowering *l, const Update *u) {
  for (uint32_t i = 0; i < u->n_joins; i++) place_inputs_of(l, u->joins[i]);
}

static void place_joined(Lowering *l, const Update *u) {
  Operand x = lower_operand(l, u->x);
  l->places[node_out(u->joins[0], 0)->id] = x;
  place_joins(l, u);
  if (x.buffer->place == BUFFER_ARENA && walks_alike(u) && kept_in_place(l, u) &&
      reads_in_place(l, u)) {
    return;
  }
  take_back(l, u);
  place_joins(l, u);
}

/* ---- whole parts -------------------------------------------------------------------------------
 */

static bool is_read_outside(const Lowering *l, const Group *g, const Value *value) {
  if (value_is_output(value)) return true;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    if (reads_at_run_time(l, use) && l->groups[use->user->id] != g) return true;
  }
  return false;
}

/* The only result of the group; NULL: there are several. Everything else is computed for it, so
 * that nothing is read once it is stored. */
static Value *only_result(const Lowering *l, const Group *g) {
  Value *result = NULL;
  VEC_EACH(Node *const, row, &g->rows) {
    for (uint32_t i = 0; i < (*row)->n_out; i++) {
      Value *out = node_out(*row, i);
      if (out == NULL || !is_read_outside(l, g, out)) continue;
      if (result != NULL) return NULL;
      result = out;
    }
  }
  return result;
}

/* Whether `x` is a part of something larger that the group reads as it is, and nobody else does. */
static bool is_own_part(const Lowering *l, const Group *g, Value *x) {
  const Value *memory = shown_value(x);
  if (memory == x || memory->constant != NULL || value_is_output(x)) return false;
  if (type_count(l->ctx, &memory->type) == type_count(l->ctx, &x->type)) return false;
  for (const Use *use = x->uses; use != NULL; use = use->next) {
    if (reads_at_run_time(l, use) && l->groups[use->user->id] != g) return false;
  }
  return owns_memory(l, x);
}

/* y = f(x), with x a part of something larger, goes where x is: the normalised queries of a product
 * of queries, keys and values. What is a tensor of its own is left to the plan. */
static void place_result(Lowering *l, const Group *g) {
  Value *y = only_result(l, g);
  if (y == NULL || l->outputs[y->id] != 0 || l->targets[y->id].buffer != NULL) return;
  if (l->places[y->id].buffer != NULL || !is_walked(g, &y->type)) return;
  VEC_EACH(Node *const, row, &g->rows) {
    for (uint32_t i = 0; i < (*row)->n_in; i++) {
      Value *in = node_in(*row, i);
      if (in == NULL || in->constant != NULL || !type_equal(&in->type, &y->type)) continue;
      if (!is_own_part(l, g, in) || !takes_strides(l, y, 0)) continue;
      Operand x = lower_operand(l, in);
      if (x.buffer->place != BUFFER_ARENA) continue;
      l->places[y->id] = x;
      return;
    }
  }
}

void place_updates(Lowering *l, const Group *g) {
  VEC_EACH(Update *const, u, &l->updates) {
    if ((*u)->group == g) place_joined(l, *u);
  }
  if (l->fuse) place_result(l, g);
}
