/* Gradient: the node becomes nodes that compute dy/dx for each of its xs, by going back from y
 * over the graph in front of it.
 *
 * ONNX names xs, zs and y in attributes. The importer has made them inputs, so that rewriting may
 * rename and replace what they mean: values for xs and zs, then xs and zs themselves, then y. */
#include "ops/gradient.h"

#include "ops/check.h"

struct Tape {
  Builder *b;
  Node *node;    /* Gradient */
  Map variables; /* by id: xs and zs, behind which nothing is differentiated */
  Map wanted;    /* by id: xs and what depends on them */
  Map found;     /* by id: the gradient with respect to a value */
};

static uint32_t list_length(const Node *node, const char *attr) {
  const Attr *list = op_param_list(node, attr);
  return list == NULL ? 0 : (uint32_t)list->count;
}

/* Independent variables: xs, then zs. */
static uint32_t variables(const Node *node) {
  return list_length(node, "xs") + list_length(node, "zs");
}

/* ---- inference ---------------------------------------------------------------------------------
 */

static bool check_float(const Node *node, uint32_t i, const char *what) {
  const Type *type = infer_tensor(node, i);
  if (type == NULL || dtype_is_float(type->dtype)) return type != NULL;
  return node_error(node, DIAG_INVALID, "%s '%s' is %s, but must be a tensor of floats", what,
                    node_in(node, i)->name, type_text(node->graph->ctx->arena, type));
}

static bool infer_gradient(Node *node) {
  uint32_t n = variables(node), n_xs = list_length(node, "xs");
  if (node->n_formal != 2 * n + 1 || node->n_out > n_xs) {
    return node_error(node, DIAG_INVALID, "%u inputs and %u outputs for %u xs and %u zs",
                      node->n_formal < n + 1 ? 0 : node->n_formal - n - 1, node->n_out, n_xs,
                      n - n_xs);
  }
  for (uint32_t i = 0; i < n; i++) {
    const Type *given = infer_tensor(node, i), *named = infer_tensor(node, n + i);
    if (given == NULL || named == NULL) return false;
    if (!check_sizes(node, i, named->rank, named->dims, "the variable")) return false;
    if (given->dtype != named->dtype || (i < n_xs && !check_float(node, n + i, "x"))) {
      return node_error(node, DIAG_INVALID, "input %u does not have the type of its variable", i);
    }
    if (i < n_xs) infer_output_type(node, i, named);
  }
  return check_float(node, 2 * n, "y");
}

/* ---- gradients found so far --------------------------------------------------------------------
 */

static void put(Map *map, const Value *key, Value *value) {
  map_set(map, key->id, value);
}

static Value *get(const Map *map, const Value *key) {
  return key == NULL ? NULL : map_get(map, key->id);
}

/* Sums over the axes along which a value of type `to` was broadcast. */
static Value *undo_broadcast(Builder *b, Value *g, const Type *to) {
  int64_t axes[MAX_RANK];
  size_t n = 0;
  int more = g->type.rank - to->rank;
  for (int i = 0; i < g->type.rank; i++) {
    bool summed = i < more || (dim_is(to->dims[i - more], 1) && !dim_is(g->type.dims[i], 1));
    if (summed) axes[n++] = i;
  }
  return compose_reshape(b, compose_reduce(b, "ReduceSum", g, axes, n), to->dims, to->rank);
}

static Value *filled(Builder *b, const Value *like, double number) {
  const Type *type = &like->type;
  return BUILD(b, "Expand", build_like(b, like, number),
               build_dims(b, type->dims, (uint32_t)type->rank));
}

static void add_to(Tape *tape, const Value *value, Value *g) {
  Value *before = get(&tape->found, value);
  put(&tape->found, value, before == NULL ? g : BUILD(tape->b, "Add", before, g));
}

bool backward_wants(const Backward *k, uint32_t i) {
  return get(&k->tape->wanted, node_in(k->node, i)) != NULL;
}

void backward_give(const Backward *k, uint32_t i, Value *g) {
  const Value *value = node_in(k->node, i);
  if (!backward_wants(k, i)) return;
  g = undo_broadcast(k->b, g, &value->type);
  add_to(k->tape, value, compose_cast(k->b, g, value->type.dtype));
}

/* ---- over the nodes ----------------------------------------------------------------------------
 */

static bool reads_wanted(const Tape *tape, const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (get(&tape->wanted, node_in(node, i)) != NULL) return true;
  }
  return false;
}

/* Marks what depends on xs; integers and truth values do not, as far as derivatives go. */
static void mark_wanted(Tape *tape, Node *first, const Node *behind) {
  for (Node *node = first; node != behind; node = node->next) {
    if (!reads_wanted(tape, node)) continue;
    for (uint32_t i = 0; i < node->n_out; i++) {
      Value *value = node->out[i];
      bool is_float =
          value != NULL && value->type.kind == TYPE_TENSOR && dtype_is_float(value->type.dtype);
      if (is_float && get(&tape->variables, value) == NULL) put(&tape->wanted, value, value);
    }
  }
}

/* Each gradient of a gradient may have several times its nodes. What a graph may grow to goes by
 * the number of nodes that the model has in front of this one. */
static bool has_room(const Tape *tape) {
  enum { LEAST = 1 << 14, FACTOR = 64 };
  const Node *node = tape->node;
  if (node->graph->n_nodes <= LEAST + FACTOR * (uint64_t)node->id) return true;
  return node_error(node, DIAG_LIMIT, "differentiation makes the graph too large");
}

static bool go_back(Tape *tape, Node *node) {
  Arena *arena = node->graph->ctx->arena;
  Value **g = ARENA_ARRAY(arena, node->n_out, Value *);
  bool any = false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    bool ends = get(&tape->variables, node->out[i]) != NULL;
    if (!ends) g[i] = get(&tape->found, node->out[i]);
    any = any || g[i] != NULL;
  }
  if (!any || !reads_wanted(tape, node)) return true;
  GradientRule *rule = gradient_rule(node->op);
  if (rule != NULL && rule(&(Backward){tape, tape->b, node, g})) return true;
  return node_error(
      tape->node, DIAG_UNSUPPORTED, "the gradient of %s%s, at node '%s'", node->op->name,
      rule == NULL ? " is not supported" : " in this form is not supported", node->name);
}

/* From `last` back to the node behind `mark`; what is built on the way stands behind `last`. */
static bool go_back_over(Tape *tape, Node *last, const Node *mark) {
  bool done = true;
  for (Node *node = last; node != mark; node = node->prev) {
    if (!has_room(tape)) return false;
    done = go_back(tape, node) && done;
  }
  return done;
}

Node *backward_mark(const Backward *k) {
  return k->b->before->prev;
}

bool backward_through(const Backward *k, Node *mark, Value *const *outputs) {
  Node *first = mark == NULL ? k->b->graph->first : mark->next, *last = k->b->before->prev;
  mark_wanted(k->tape, first, k->b->before);
  for (uint32_t i = 0; i < k->node->n_out; i++) {
    if (k->g[i] != NULL) add_to(k->tape, outputs[i], k->g[i]);
  }
  return go_back_over(k->tape, last, mark);
}

/* ---- other values for the variables ------------------------------------------------------------
 */

/* `node` again, of other inputs. */
static bool replay_node(Tape *tape, Map *again, Node *node) {
  Value **inputs = ARENA_ARRAY(tape->node->graph->ctx->arena, node->n_in, Value *);
  bool differs = false;
  for (uint32_t i = 0; i < node->n_in; i++) {
    Value *other = get(again, node_in(node, i));
    inputs[i] = other == NULL ? node_in(node, i) : other;
    differs = differs || other != NULL;
  }
  if (!differs) return true;
  if (node->n_in != node->n_formal) {
    return node_error(tape->node, DIAG_UNSUPPORTED,
                      "evaluating %s, at node '%s', for other variables is not supported",
                      node->op->name, node->name);
  }
  Node *copy =
      build_node(tape->b, node->op->domain, node->op->name, inputs, node->n_in, node->n_out);
  copy->n_attrs = node->n_attrs;
  copy->attrs = arena_copy(node->graph->ctx->arena, node->attrs, node->n_attrs * sizeof(Attr));
  build_done(tape->b, copy);
  for (uint32_t i = 0; i < node->n_out; i++) {
    bool ends = node->out[i] == NULL || get(again, node->out[i]) != NULL;
    if (!ends) put(again, node->out[i], copy->out[i]);
  }
  return true;
}

/* The value that `y` has when the variables have the given values. Each variable becomes a value of
 * its own, also where one tensor is given for two of them, and stands in vars. */
static Value *replay(Tape *tape, Value *y, Value **vars) {
  Node *node = tape->node;
  uint32_t n = variables(node);
  Map again = map_on(node->graph->ctx->arena);
  bool differs = false;
  for (uint32_t i = 0; i < n; i++) {
    vars[i] = node_in(node, n + i);
    if (node_in(node, i) == vars[i]) continue;
    vars[i] = BUILD(tape->b, "Identity", node_in(node, i));
    put(&again, node_in(node, n + i), vars[i]);
    differs = true;
  }
  Node *last = y->producer;
  for (Node *at = node->graph->first; differs && last != NULL; at = at->next) {
    if (!has_room(tape) || !replay_node(tape, &again, at)) return NULL;
    if (at == last) break;
  }
  Value *other = get(&again, y);
  return other == NULL ? y : other;
}

/* ---- the node ----------------------------------------------------------------------------------
 */

static bool differentiate(Tape *tape, Value *y, Value *const *vars) {
  uint32_t n = variables(tape->node), n_xs = list_length(tape->node, "xs");
  for (uint32_t i = 0; i < n; i++) put(&tape->variables, vars[i], vars[i]);
  for (uint32_t i = 0; i < n_xs; i++) put(&tape->wanted, vars[i], vars[i]);
  put(&tape->found, y, filled(tape->b, y, 1));
  if (y->producer == NULL) return true;
  mark_wanted(tape, y->graph->first, y->producer->next);
  return go_back_over(tape, y->producer, NULL);
}

static bool decompose_gradient(Builder *b, Node *node) {
  Arena *arena = node->graph->ctx->arena;
  Tape tape = {b, node, map_on(arena), map_on(arena), map_on(arena)};
  uint32_t n = variables(node);
  Value **vars = ARENA_ARRAY(arena, n, Value *);
  Value *y = replay(&tape, node_in(node, 2 * n), vars);
  if (y == NULL || !differentiate(&tape, y, vars)) return false;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node_out(node, i) == NULL) continue;
    Value *g = get(&tape.found, vars[i]);
    build_replace_output(b, node, i, g != NULL ? g : filled(b, vars[i], 0));
  }
  return true;
}

const OpDef op_training_Gradient = {
    .name = "Gradient",
    .domain = "ai.onnx.preview.training",
    .params = (const OpParam[]){PARAM_REQUIRED("xs", ATTR_STRINGS),
                                PARAM_OPTIONAL("zs", ATTR_STRINGS),
                                PARAM_REQUIRED("y", ATTR_STRING),
                                {0}},
    .infer = infer_gradient,
    .decompose = decompose_gradient,
};
