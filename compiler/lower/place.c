/* Where results are computed: right into the larger ones that they are parts of. */
#include "lower/group.h"

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

/* ---- parts ---- */

/* Whether the step that makes the value can put it anywhere: row programs and epilogues store
 * through any strides, and a Concat is where its inputs are. */
static bool stores_anywhere(const Lowering *l, const Value *value) {
  const Node *maker = value->producer;
  const Group *g = maker == NULL || value->constant != NULL ? NULL : l->groups[maker->id];
  if (g == NULL) return false;
  if (g->root != maker || maker->op->lower == lower_concat) return true;
  return maker->op->takes_epilogue != NULL && maker->op->takes_epilogue(maker);
}

/* Where the input of a view has to be for its output to be at `place`; false: no strides say it. */
static bool place_input(DimTable *t, const Node *node, Operand *place) {
  const Operand out = *place;
  const Type *in = &node->in[0].value->type;
  if ((node->op->flags & OP_VIEW) != 0) return reshape_view(t, &out, in, place);
  if (node->op->lower != lower_transpose) return false;
  const Attr *perm = op_param_list(node, "perm");
  for (int i = 0; i < in->rank; i++) {
    int source = perm == NULL ? in->rank - 1 - i : (int)perm->ints[i];
    place->dims[source] = out.dims[i];
    place->strides[source] = out.strides[i];
  }
  return true;
}

/* `value`, or what it is a view of, gets its place where that is still open. */
static void place_value(Lowering *l, Value *value, Operand place) {
  while (l->outputs[value->id] == 0 && l->targets[value->id].buffer == NULL) {
    if (stores_anywhere(l, value)) {
      l->targets[value->id] = place;
      return;
    }
    const Node *maker = value->producer;
    if (value->constant != NULL || !is_movement(maker)) return;
    if (!place_input(l->ctx->dims, maker, &place)) return;
    value = node_in(maker, 0);
  }
}

void place_inputs_of(Lowering *l, const Node *concat) {
  Operand rest = lower_output(l, node_out(concat, 0));
  for (uint32_t i = 0; i < concat->n_formal; i++) {
    place_value(l, node_in(concat, i), concat_part(l->ctx->dims, concat, i, &rest));
  }
}

void place_parts(Lowering *l, const Groups *order) {
  for (size_t i = order->len; i-- > 0;) {
    const Node *node = order->data[i]->root;
    if (node == NULL || node->op->lower != lower_concat) continue;
    if (dtype_is_packed(node_out(node, 0)->type.dtype)) continue; /* its kernel packs */
    if (!defer_update(l, node)) place_inputs_of(l, node);
  }
}
