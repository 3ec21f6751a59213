/* A loop may put into a sequence what it did not hold before, so the type of the state is found by
 * trying: the body is inferred with the state as it begins, what a turn yields is joined to that,
 * and again until nothing changes. The number of tensors is a symbol meanwhile, so that what a turn
 * adds to it shows; times the turns that gives the capacity. */
#include "ops/states.h"

#include "onnxc.h"
#include "ops/sequence.h"

#include <string.h>

/* A type taken apart: a tensor, sequence, optional tensor or optional sequence. */
typedef struct Form {
  bool optional, sequence;
  Bag bag;
} Form;

static bool form_of(const Node *node, const Type *type, Form *form) {
  Context *ctx = node->graph->ctx;
  *form = (Form){.optional = type->kind == TYPE_OPTIONAL};
  if (form->optional && type->element->kind == TYPE_SEQUENCE) type = type->element;
  form->sequence = type->kind == TYPE_SEQUENCE;
  if (type->kind == TYPE_TENSOR) {
    form->bag = bag_of_tensor(ctx, type);
    return true;
  }
  if (!type_is_bag(type)) {
    return node_error(node, DIAG_UNSUPPORTED, "values of type %s cannot leave a subgraph",
                      type_text(ctx->arena, type));
  }
  form->bag = bag_of(ctx, type);
  return true;
}

static Type form_type(Context *ctx, const Form *form) {
  if (!form->sequence) return bag_type(ctx, &form->bag, TYPE_OPTIONAL);
  Type type = bag_type(ctx, &form->bag, TYPE_SEQUENCE);
  if (!form->optional) return type;
  const Type *element = arena_copy(ctx->arena, &type, sizeof type);
  return (Type){.kind = TYPE_OPTIONAL, .element = element};
}

/* Elements and kind; capacity and length stay. */
static bool form_join(const Node *node, Form *form, const Form *other) {
  if (form->sequence != other->sequence) {
    return node_error(node, DIAG_INVALID, "a value is a sequence here and none there");
  }
  if (form->bag.dtype != other->bag.dtype) {
    return node_error(node, DIAG_INVALID, "elements are %s here and %s there",
                      dtype_info(form->bag.dtype)->name, dtype_info(other->bag.dtype)->name);
  }
  form->optional = form->optional || other->optional;
  bag_join(node->graph->ctx, &form->bag, &other->bag);
  return true;
}

static const Dim *larger(DimTable *t, const Dim *a, const Dim *b) {
  if (dim_le(t, a, b)) return b;
  return dim_le(t, b, a) ? a : dim_max(t, a, b);
}

bool states_join(const Node *node, const Type *a, const Type *b, Type *joined) {
  Form form, other;
  if (!form_of(node, a, &form) || !form_of(node, b, &other)) return false;
  bag_leave(node, &form.bag);
  bag_leave(node, &other.bag);
  if (!form_join(node, &form, &other)) return false;
  Items *items = &form.bag.items;
  items->capacity = larger(infer_dims(node), items->capacity, other.bag.items.capacity);
  if (items->length != other.bag.items.length) items->length = NULL;
  *joined = form_type(node->graph->ctx, &form);
  return true;
}

/* ---- loops -------------------------------------------------------------------------------------
 */

static const Type *first_type(const States *s, uint32_t i) {
  return &node_in(s->node, s->in + i)->type;
}

static const Type *next_type(const States *s, uint32_t i) {
  return &s->body->outputs.data[s->out + i]->type;
}

bool states_composite(const States *s) {
  for (uint32_t i = 0; i < s->n; i++) {
    if (first_type(s, i)->kind != TYPE_TENSOR) return true;
  }
  return false;
}

/* A state on its way to its type. */
typedef struct State {
  bool composite;
  Form form;
  const Dim *first;             /* capacity as the loop begins */
  const Dim *count;             /* the symbol that stands for capacity and length before a turn */
  const Dim *capacity, *length; /* after it */
} State;

static void enter_turn(const States *s, const State *states) {
  Context *ctx = s->node->graph->ctx;
  infer_forget(s->body);
  for (uint32_t i = 0; i < s->n; i++) {
    Value *input = s->body->inputs.data[s->in + i];
    if (states[i].composite)
      input->type = form_type(ctx, &states[i].form);
    else if (input->type.kind == TYPE_UNKNOWN) /* else it may have sizes of its own */
      input->type = *first_type(s, i);
  }
}

/* One try, of which no message and no assumption remains. */
static void try_turn(const States *s, State *states) {
  Context *ctx = s->node->graph->ctx;
  Diag *diag = ctx->diag;
  size_t checks = ctx->checks.len;
  for (uint32_t i = 0; i < s->n; i++) {
    Items *items = &states[i].form.bag.items;
    if (states[i].form.sequence) items->capacity = items->length = states[i].count;
  }
  enter_turn(s, states);
  bool trying = ctx->trying;
  ctx->diag = diag_new(ctx->arena, "");
  ctx->trying = true;
  infer_graph(s->body);
  ctx->trying = trying;
  ctx->diag = diag;
  ctx->checks.len = checks;
}

/* The state takes in what a turn yields. Sets `*changed` where it did not cover that. */
static bool take_turn(const States *s, uint32_t i, State *state, bool *changed) {
  Form next;
  if (!state->composite || next_type(s, i)->kind == TYPE_UNKNOWN) return true;
  if (!form_of(s->node, next_type(s, i), &next)) return false;
  state->capacity = next.bag.items.capacity;
  state->length = next.bag.items.length;
  bag_leave(s->node, &next.bag);
  bool covered = bag_covers(s->node->graph->ctx, &state->form.bag, &next.bag) &&
                 (state->form.optional || !next.optional);
  *changed = *changed || !covered;
  return form_join(s->node, &state->form, &next);
}

/* ---- how many there can be ---- */

/* A capacity of at least `least` that the user may bound, and that nothing else does. */
static const Dim *open_capacity(const States *s, uint32_t i, int64_t least) {
  Context *ctx = s->node->graph->ctx;
  const Value *out = node_out(s->node, i), *named = out != NULL ? out : node_in(s->node, s->in + i);
  const char *name = arena_printf(ctx->arena, "%s_capacity", named->name);
  const onnxc_dim *given = context_bounds(ctx, name);
  int64_t most = given == NULL ? INT64_MAX : given->hi;
  const Items *before = out == NULL ? NULL : out->type.items;
  const DimAtom *symbol = before == NULL ? NULL : dim_as_symbol(before->capacity);
  if (symbol != NULL && strncmp(symbol->name, name, strlen(name)) == 0) return before->capacity;
  return dim_fresh(ctx->dims, name, least < most ? least : most, most);
}

static bool mentions_counts(const States *s, const State *states, const Dim *dim) {
  for (uint32_t i = 0; i < s->n; i++) {
    const DimAtom *symbol = states[i].count == NULL ? NULL : dim_as_symbol(states[i].count);
    if (symbol != NULL && dim_mentions(dim, symbol)) return true;
  }
  return false;
}

/* The expression where all counts are `count`; false: that is no constant. */
static bool value_at(const States *s, const State *states, const Dim *dim, int64_t count,
                     int64_t *value) {
  DimTable *t = infer_dims(s->node);
  uint32_t n = dims_symbols(t);
  const Dim **with = ARENA_ARRAY(s->node->graph->ctx->arena, n, const Dim *);
  for (uint32_t i = 0; i < s->n; i++) {
    const DimAtom *symbol = states[i].count == NULL ? NULL : dim_as_symbol(states[i].count);
    if (symbol != NULL) with[symbol->symbol] = dim_const(t, count);
  }
  return dim_is_const(dim_substitute(t, dim, with, n), value);
}

/* Capacities after a turn grow with those before it as max(count, floor) + growth. */
typedef struct Growth {
  int64_t floor, growth;
} Growth;

static bool growth_of(const States *s, const State *states, const Dim *capacity, Growth *g) {
  enum { MANY = 1 << 20 };
  int64_t none, many, back;
  if (!value_at(s, states, capacity, 0, &none)) return false;
  if (!value_at(s, states, capacity, MANY, &many)) return false;
  g->growth = many - MANY;
  g->floor = none > g->growth ? none - g->growth : 0;
  if (!value_at(s, states, capacity, g->floor, &back)) return false;
  return back <= g->floor + g->growth;
}

/* All states that may take over one another's sequences: the first capacity and growth of any. */
static const Dim *common_capacity(const States *s, const State *states, Growth *common) {
  DimTable *t = infer_dims(s->node);
  const Dim *first = dim_const(t, 0);
  for (uint32_t i = 0; i < s->n; i++) {
    Growth g;
    if (states[i].count == NULL) continue;
    first = larger(t, first, states[i].first);
    if (states[i].capacity == NULL || !mentions_counts(s, states, states[i].capacity)) continue;
    if (!growth_of(s, states, states[i].capacity, &g)) return NULL;
    if (g.growth > common->growth) common->growth = g.growth;
    if (g.floor > common->floor) common->floor = g.floor;
  }
  return first;
}

/* Whether the capacity mentions the counts of other states. */
static bool mentions_others(const States *s, const State *states, uint32_t i) {
  for (uint32_t k = 0; k < s->n; k++) {
    const DimAtom *symbol = states[k].count == NULL ? NULL : dim_as_symbol(states[k].count);
    if (k != i && symbol != NULL && dim_mentions(states[i].capacity, symbol)) return true;
  }
  return false;
}

static const Dim *capacity_of(const States *s, const State *states, uint32_t i) {
  DimTable *t = infer_dims(s->node);
  const State *state = &states[i];
  const Dim *first = state->first;
  Growth g = {0, 0};
  if (state->capacity == NULL) return first;
  if (!mentions_counts(s, states, state->capacity)) {
    const Dim *other = state->capacity;
    if (!dim_is_outer(s->node, other)) other = dim_const(t, other->hi);
    return larger(t, first, other);
  }
  if (mentions_others(s, states, i))
    first = common_capacity(s, states, &g);
  else if (!growth_of(s, states, state->capacity, &g))
    first = NULL;
  if (first == NULL || (g.growth > 0 && s->most == NULL)) {
    return open_capacity(s, i, state->first->lo);
  }
  first = larger(t, first, dim_const(t, g.floor));
  if (g.growth <= 0) return first;
  return dim_add(t, first, dim_mul_i(t, dim_max(t, s->most, dim_const(t, 0)), g.growth));
}

/* The number in the end, where every turn adds the same. */
static const Dim *length_of(const States *s, const State *state, const Dim *first) {
  DimTable *t = infer_dims(s->node);
  int64_t growth;
  if (s->trips == NULL || first == NULL || state->length == NULL) return NULL;
  if (!dim_is_const(dim_sub(t, state->length, state->count), &growth)) return NULL;
  if (growth < 0) return NULL;
  return dim_add(t, first, dim_mul_i(t, s->trips, growth));
}

/* Loops that carry sequences and hold one another are tried over and over again. */
static bool check_nesting(const Node *node) {
  enum { DEEPEST = 5 };
  int depth = 0;
  for (const Graph *graph = node->graph; graph->holder != NULL; graph = graph->holder->graph) {
    for (uint32_t i = 0; i < graph->holder->n_formal; i++) {
      const Value *value = node_in(graph->holder, i);
      if (value == NULL || value->type.kind == TYPE_TENSOR) continue;
      depth++;
      break;
    }
  }
  return depth < DEEPEST ||
         node_error(node, DIAG_LIMIT, "loops that carry sequences nest too deeply");
}

bool states_settle(const States *s) {
  enum { TRIES = 4 };
  Context *ctx = s->node->graph->ctx;
  State *states = ARENA_ARRAY(ctx->arena, s->n, State);
  bool changed = true;
  if (!check_nesting(s->node)) return false;
  for (uint32_t i = 0; i < s->n; i++) {
    states[i].composite = first_type(s, i)->kind != TYPE_TENSOR;
    if (!states[i].composite) continue;
    if (!form_of(s->node, first_type(s, i), &states[i].form)) return false;
    if (!states[i].form.sequence) continue;
    states[i].first = states[i].form.bag.items.capacity;
    int64_t least = states[i].first->lo;
    states[i].count = dim_fresh(ctx->dims, "count", least, least < INT32_MAX ? INT32_MAX : least);
  }
  for (int k = 0; k < TRIES && changed; k++) {
    try_turn(s, states);
    changed = false;
    for (uint32_t i = 0; i < s->n; i++) {
      if (!take_turn(s, i, &states[i], &changed)) return false;
    }
  }
  if (changed) {
    return node_error(s->node, DIAG_UNSUPPORTED,
                      "the tensors of a sequence that is carried grow from turn to turn");
  }
  for (uint32_t i = 0; i < s->n; i++) {
    if (!states[i].form.sequence) continue;
    Form first;
    if (!form_of(s->node, first_type(s, i), &first)) return false;
    Items *items = &states[i].form.bag.items;
    items->capacity = capacity_of(s, states, i);
    items->length = NULL;
    /* what outputs of the node are until states_finish comes by */
    Value *out = node_out(s->node, i);
    if (out == NULL) continue;
    Form last = states[i].form;
    last.bag.items.length = length_of(s, &states[i], first.bag.items.length);
    out->type = form_type(ctx, &last);
  }
  for (uint32_t i = 0; i < s->n; i++) {
    bool optional = states[i].composite && !states[i].form.sequence;
    if (!optional) continue;
    Items *items = &states[i].form.bag.items;
    items->capacity = dim_const(ctx->dims, 1);
    items->length = NULL;
  }
  enter_turn(s, states);
  return true;
}

bool states_finish(const States *s) {
  Context *ctx = s->node->graph->ctx;
  for (uint32_t i = 0; i < s->n; i++) {
    Form state, next;
    Value *out = node_out(s->node, i);
    const Type *type = &s->body->inputs.data[s->in + i]->type;
    if (type->kind == TYPE_TENSOR) continue;
    if (!form_of(s->node, type, &state) || !form_of(s->node, next_type(s, i), &next)) return false;
    bag_leave(s->node, &next.bag);
    bool covered = bag_covers(ctx, &state.bag, &next.bag) && state.sequence == next.sequence &&
                   (state.optional || !next.optional);
    if (!covered) {
      return node_error(s->node, DIAG_UNSUPPORTED, "value %u that is carried changes from %s to %s",
                        i, type_text(ctx->arena, type), type_text(ctx->arena, next_type(s, i)));
    }
    if (out == NULL) continue;
    const Items *known = state.sequence ? out->type.kind == TYPE_OPTIONAL ? out->type.element->items
                                                                          : out->type.items
                                        : NULL;
    if (known != NULL) state.bag.items.length = known->length;
    if (state.sequence && state.optional && !next.optional) {
      state.optional = false; /* it is so only as the loop begins */
      state.bag.items.length = NULL;
    }
    out->type = form_type(ctx, &state);
  }
  return true;
}
