/* Where results are computed: right into the larger ones that they are parts of. */
#include "lower/group.h"

#include <string.h>

/* ---- movement that is only a matter of strides ----
 */

bool is_movement(const Node *node) {
  bool (*const views[])(Lowering *, Node *) = {lower_transpose, lower_expand, lower_slice,
                                               lower_split};
  if (node == NULL || node_sizes_from_data(node)) return false;
  if ((node->op->flags & OP_VIEW) != 0) return true;
  if (node->op->lower == lower_gather) {
    const Value *index = node_in(node, 1);
    return index->constant != NULL && index->constant->count == 1;
  }
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
    if (node->op->lower == views[i]) return true;
  }
  return false;
}

Value *shown_value(Value *value) {
  while (value->constant == NULL && is_movement(value->producer)) {
    value = node_in(value->producer, 0);
  }
  return value;
}

static bool shows_all(const Node *node) {
  return is_movement(node) &&
         ((node->op->flags & OP_VIEW) != 0 || node->op->lower == lower_transpose);
}

Value *whole_value(Value *value) {
  while (value->constant == NULL && shows_all(value->producer)) {
    value = node_in(value->producer, 0);
  }
  return value;
}

/* ---- parts ---- */

static bool stores_rows(const Operand *place) {
  return place->rank == 0 || dim_is(place->strides[place->rank - 1], 1);
}

bool split_axes(DimTable *t, const Operand *place, const Dim *const *dims, int rank, Split *split) {
  int part = 0;
  *split = (Split){.rank = place->rank};
  memcpy(split->dims, place->dims, (size_t)place->rank * sizeof *place->dims);
  for (int k = 0; k < rank; k++) {
    const Dim *size = dim_const(t, 1);
    split->first[k] = part;
    while (size != dims[k]) {
      if (part == place->rank) return false;
      size = dim_mul(t, size, place->dims[part++]);
    }
  }
  split->first[rank] = part;
  return part == place->rank;
}

/* A place with more axes than the value: the parts of those that the value has. */
static bool in_parts(const Value *value, const Operand *place) {
  return place->rank > value->type.rank;
}

/* Whether the step can walk over the value in these parts. All that it stores in parts has the
 * same. */
static bool walks_in_parts(const Lowering *l, const Value *value, const Operand *place) {
  const Group *g = l->groups[value->producer->id];
  const Type *type = &value->type;
  Split split;
  if (g->rank != type->rank ||
      memcmp(g->shape, type->dims, (size_t)g->rank * sizeof *g->shape) != 0)
    return false;
  if (!split_axes(l->ctx->dims, place, g->shape, g->rank, &split)) return false;
  return g->split == NULL ||
         (g->split->rank == split.rank &&
          memcmp(g->split->dims, split.dims, (size_t)split.rank * sizeof *split.dims) == 0);
}

/* Whether the step that makes the value can put it there: row programs and epilogues store through
 * any strides, and a Concat is where its inputs are. */
static bool stores_at(const Lowering *l, const Value *value, const Operand *place) {
  const Node *maker = value->producer;
  const Group *g = maker == NULL || value->constant != NULL ? NULL : l->groups[maker->id];
  if (g == NULL) return false;
  if (in_parts(value, place)) {
    bool walks =
        g->root != maker || (maker->op->takes_epilogue != NULL && maker->op->takes_epilogue(maker));
    return walks && walks_in_parts(l, value, place);
  }
  if (g->root != maker || maker->op->lower == lower_concat) return true;
  if ((maker->op->flags & OP_STORES_ROWS) != 0 && stores_rows(place)) {
    return value->type.dtype == ONNXC_RT_F32;
  }
  return maker->op->takes_epilogue != NULL && maker->op->takes_epilogue(maker);
}

bool place_input(DimTable *t, const Node *node, Operand *place) {
  const Operand out = *place;
  const Value *in_value = node->in[0].value;
  const Type *in = &in_value->type;
  Split split;
  if ((node->op->flags & OP_VIEW) != 0) {
    if (reshape_view(t, &out, in, place)) return true;
    *place = out;
    return in_parts(in_value, place) && split_axes(t, place, in->dims, in->rank, &split);
  }
  if (in_parts(node->out[0], place)) return false;
  if (node->op->lower != lower_transpose) return false;
  const Attr *perm = op_param_list(node, "perm");
  for (int i = 0; i < in->rank; i++) {
    int source = perm == NULL ? in->rank - 1 - i : (int)perm->ints[i];
    place->dims[source] = out.dims[i];
    place->strides[source] = out.strides[i];
  }
  return true;
}

/* What has to be stored, and where, for `value` to be at `place`; NULL: that cannot be, or has its
 * place already. */
static Value *open_value(const Lowering *l, Value *value, Operand *place) {
  while (l->outputs[value->id] == 0 && l->targets[value->id].buffer == NULL) {
    if (stores_at(l, value, place)) return value;
    const Node *maker = value->producer;
    if (value->constant != NULL || !is_movement(maker)) return NULL;
    if (!place_input(l->ctx->dims, maker, place)) return NULL;
    value = node_in(maker, 0);
  }
  return NULL;
}

/* The step that makes the value stores it there. */
static void set_target(Lowering *l, const Value *value, Operand place) {
  l->targets[value->id] = place;
  if (!in_parts(value, &place)) return;
  Group *g = l->groups[value->producer->id];
  Split *split = ARENA_NEW(l->scratch, Split);
  split_axes(l->ctx->dims, &place, g->shape, g->rank, split);
  g->split = split;
}

/* ---- layouts ---- */

/* Whether somebody cannot read the value where it is a view with these strides, so that it would be
 * copied. */
static bool needs_dense(const Lowering *l, const Value *value, const Operand *view) {
  Operand other;
  if (l->outputs[value->id] != 0) return true;
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Node *user = use->user;
    bool strided = user->op->row != NULL || (user->op->flags & OP_STRIDED) != 0 ||
                   user->op->lower == lower_concat;
    if (strided || l->groups[user->id] == NULL) continue;
    if (!needed_at_run_time(user, (uint32_t)(use - user->in))) continue;
    if (!is_movement(user)) return true;
    bool whole = (user->op->flags & OP_VIEW) != 0;
    if (whole && !reshape_view(l->ctx->dims, view, &node_out(user, 0)->type, &other)) return true;
  }
  return false;
}

/* Whether whoever reads the value, besides by movement, can do so through any strides. */
static bool read_anywhere(const Lowering *l, const Value *value) {
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Node *user = use->user;
    bool strided = user->op->row != NULL || (user->op->flags & OP_STRIDED) != 0;
    if (!strided && !is_movement(user) && l->groups[user->id] != NULL) return false;
  }
  return true;
}

/* Whether nobody reads the value from memory but `view`, and its own step. */
static bool read_only_by(const Lowering *l, const Value *value, const Node *view) {
  if (value_is_output(value)) return false;
  const Group *own = l->groups[value->producer->id];
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Group *user = l->groups[use->user->id];
    if (user == NULL || use->user == view) continue;
    if (user != own || own->root == use->user) return false;
  }
  return true;
}

/* Whether everybody else who reads a value on the way from the one that is stored to `view`, which
 * is at `place`, can do so where it is then. */
static bool all_read_there(const Lowering *l, const Node *view, const Value *stored,
                           Operand place) {
  for (;;) {
    const Value *value = node_in(view, 0);
    if (!place_input(l->ctx->dims, view, &place)) return false;
    bool reads = in_parts(value, &place) ? read_only_by(l, value, view) : read_anywhere(l, value);
    if (!reads || value == stored) return reads;
    view = value->producer;
  }
}

/* Gives the values on that way their places where a view of what is stored in parts has none. */
static void place_views(Lowering *l, const Node *view, const Value *stored, Operand place) {
  while (node_in(view, 0) != stored && place_input(l->ctx->dims, view, &place)) {
    l->targets[node_in(view, 0)->id] = place;
    view = node_in(view, 0)->producer;
  }
}

/* Puts the value there, where it can be; what is stored in parts also gives the views on the way
 * their places, and only if everybody can read it so. */
static void place_value(Lowering *l, Value *value, Operand place) {
  const Operand there = place;
  Value *stored = open_value(l, value, &place);
  if (stored == NULL) return;
  const bool parts = in_parts(stored, &place);
  if (parts && !all_read_there(l, value->producer, stored, there)) return;
  set_target(l, stored, place);
  if (!parts) return;
  l->targets[value->id] = there;
  place_views(l, value->producer, stored, there);
}

void place_inputs_of(Lowering *l, const Node *concat) {
  Operand rest = lower_output(l, node_out(concat, 0));
  for (uint32_t i = 0; i < concat->n_formal; i++) {
    place_value(l, node_in(concat, i), concat_part(l->ctx->dims, concat, i, &rest));
  }
}

/* A transposition that would be copied is done by the step that makes its input, where everything
 * else that reads that can read it there. */
static void place_transposed(Lowering *l, const Node *node) {
  Value *in = node_in(node, 0), *out = node_out(node, 0);
  Operand place = dense_operand(l, NULL, &out->type), view = place;
  const Operand from = dense_operand(l, NULL, &in->type);
  const Attr *perm = op_param_list(node, "perm");
  if (l->targets[out->id].buffer != NULL || perm == NULL) return;
  for (int i = 0; i < view.rank; i++) view.strides[i] = from.strides[perm->ints[i]];
  if (!needs_dense(l, out, &view)) return;
  Operand there = place;
  if (!place_input(l->ctx->dims, node, &place)) return;
  Value *stored = open_value(l, in, &place);
  if (stored == NULL || !all_read_there(l, node, stored, there)) return;
  place = lower_output(l, out);
  place_input(l->ctx->dims, node, &place);
  place_value(l, in, place);
}

/* A product reads its left input in tiles, one element of each of some rows at a time. Rows that
 * are a multiple of 2 KB apart lie in the same few sets of a cache and drive one another out. */
enum { SAME_SETS = 512, BETWEEN_ROWS = 16, ROWS_THAT_MATTER = 8 }; /* in floats */

static bool is_product(const Node *node) {
  const OpDef *op = node->op;
  return (op->flags & OP_STRIDED) != 0 && op->takes_epilogue != NULL && op->takes_epilogue(node);
}

/* The value with a gap behind each of its rows, and the room that it takes then. */
static Operand rows_apart(Lowering *l, const Type *type, const Dim **count) {
  DimTable *t = l->ctx->dims;
  Operand place = dense_operand(l, NULL, type);
  const Dim *stride = dim_add_i(t, type->dims[type->rank - 1], BETWEEN_ROWS);
  for (int i = type->rank - 2; i >= 0; i--) {
    place.strides[i] = stride;
    stride = dim_mul(t, stride, type->dims[i]);
  }
  *count = stride;
  return place;
}

/* Moves the rows of a product's left input apart, where its step can store them so and everybody
 * reads them there. */
static void place_apart(Lowering *l, const Node *product) {
  Value *in = node_in(product, 0);
  const Type *type = &in->type;
  const int64_t all = type_count(l->ctx, type)->hi;
  int64_t row;
  if (type->rank < 2 || !dim_is_const(type->dims[type->rank - 1], &row) || row == 0) return;
  if (row % SAME_SETS != 0 || all / row < ROWS_THAT_MATTER) return;
  const Dim *count;
  const Operand there = rows_apart(l, type, &count);
  Operand place = there;
  const Value *stored = open_value(l, in, &place);
  if (stored == NULL || needs_dense(l, in, &there) || !read_anywhere(l, in)) return;
  if (stored != in && !all_read_there(l, in->producer, stored, there)) return;
  place = there;
  place.buffer = lower_buffer(l, BUFFER_ARENA, type->dtype, count, in->name);
  place_value(l, in, place);
}

void place_parts(Lowering *l, const Groups *order) {
  for (size_t i = order->len; i-- > 0;) {
    const Node *node = order->data[i]->root;
    const Value *out = node == NULL ? NULL : node_out(node, 0);
    if (out == NULL || dtype_is_packed(out->type.dtype)) continue; /* kernels pack */
    if (node->op->lower == lower_transpose) place_transposed(l, node);
    if (is_product(node)) place_apart(l, node);
    if (node->op->lower == lower_concat && !defer_update(l, node)) place_inputs_of(l, node);
  }
}
