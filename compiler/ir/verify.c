#include "ir/verify.h"

#include "ops/op.h"

#include <string.h>

/* State of one check, over the graph and its subgraphs. Both arrays are indexed by value id. */
typedef struct Check {
  Arena *arena;
  uint32_t n_values;
  const Value **defined; /* values that may be used at this point */
  uint32_t *uses;        /* times that nodes seen so far read the value */
  const char *fault;
} Check;

/* Records the first fault. Always false. */
__attribute__((format(printf, 4, 5))) static bool fault(Check *c, const Graph *graph,
                                                        const Node *node, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *what = arena_vprintf(c->arena, format, args);
  va_end(args);
  const char *where = graph->name == NULL ? "" : graph->name;
  if (node != NULL) {
    where = arena_printf(c->arena, "%s/node '%s' (%s)", where, node->name == NULL ? "" : node->name,
                         node->op == NULL ? "no operator" : node->op->name);
  }
  c->fault = arena_printf(c->arena, "%s: %s", where, what);
  return false;
}

/* Elements of sequences and optionals may differ in rank. */
static bool type_known(const Type *type, bool nested) {
  switch (type->kind) {
  case TYPE_UNKNOWN: break;
  case TYPE_SEQUENCE:
  case TYPE_MAP:
  case TYPE_OPTIONAL: return type->element != NULL && type_known(type->element, true);
  case TYPE_TENSOR:
    if (dtype_info(type->dtype)->cls == DTYPE_CLASS_NONE) return false;
    if (type->rank < 0 || type->rank > MAX_RANK) return nested && type->rank == -1;
    for (int i = 0; i < type->rank; i++) {
      if (type->dims[i] == NULL) return false;
    }
    return true;
  }
  return false;
}

static bool constant_fits(const Value *value) {
  const Tensor *tensor = value->constant;
  const Type *type = &value->type;
  if (type->kind != TYPE_TENSOR || tensor->dtype != type->dtype || tensor->rank != type->rank) {
    return false;
  }
  for (int i = 0; i < tensor->rank; i++) {
    int64_t lo = type->dims[i]->lo, hi = type->dims[i]->hi;
    if (tensor->dims[i] < lo || tensor->dims[i] > hi) return false;
  }
  return true;
}

/* `value` comes into being here. */
static bool define(Check *c, const Graph *graph, const Node *node, const Value *value) {
  if (value->name == NULL) return fault(c, graph, node, "a value has no name");
  if (value->graph != graph) {
    return fault(c, graph, node, "value '%s' belongs to another graph", value->name);
  }
  if (value->id >= c->n_values || c->defined[value->id] != NULL) {
    return fault(c, graph, node, "value '%s' is defined twice", value->name);
  }
  if (value->producer != node) {
    return fault(c, graph, node, "value '%s' names another producer", value->name);
  }
  if (!type_known(&value->type, false)) {
    return fault(c, graph, node, "the type of value '%s' is not known", value->name);
  }
  if (value->constant != NULL && !constant_fits(value)) {
    return fault(c, graph, node, "the type of value '%s' is not that of its constant", value->name);
  }
  c->defined[value->id] = value;
  return true;
}

/* `value` is read here: it was defined before, or is a constant that is met for the first time. */
static bool readable(Check *c, const Graph *graph, const Node *node, const Value *value) {
  if (value->id < c->n_values && c->defined[value->id] == value && value->graph == graph) {
    return true;
  }
  if (value->producer == NULL && value->constant != NULL) return define(c, graph, NULL, value);
  return fault(c, graph, node, "value '%s' is used before it is defined", value->name);
}

static bool check_inputs(Check *c, const Node *node) {
  if (node->n_formal > node->n_in)
    return fault(c, node->graph, node, "more formal inputs than inputs");
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Use *use = &node->in[i];
    if (use->user != node) return fault(c, node->graph, node, "input %u names another user", i);
    if (use->value == NULL) continue;
    if (!readable(c, node->graph, node, use->value)) return false;
    if (use->link == NULL || *use->link != use) {
      return fault(c, node->graph, node, "input %u is not among the uses of '%s'", i,
                   use->value->name);
    }
    c->uses[use->value->id]++;
  }
  return true;
}

static bool check_outputs(Check *c, const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    const Value *value = node->out[i];
    if (value == NULL) continue;
    if (!define(c, node->graph, node, value)) return false;
    if (value->output_index != i) {
      return fault(c, node->graph, node, "value '%s' names another output", value->name);
    }
  }
  return true;
}

static const OpParam *find_param(const OpDef *op, const char *name) {
  for (const OpParam *p = op->params; p != NULL && p->name != NULL; p++) {
    if (strcmp(p->name, name) == 0) return p;
  }
  return NULL;
}

static bool check_attrs(Check *c, const Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    const Attr *attr = &node->attrs[i];
    const OpParam *param = find_param(node->op, attr->name);
    if (param == NULL) {
      return fault(c, node->graph, node, "the operator has no attribute '%s'", attr->name);
    }
    if (param->kind != attr->kind) {
      return fault(c, node->graph, node, "attribute '%s' is of the wrong kind", attr->name);
    }
    if (node_attr(node, attr->name) != attr) {
      return fault(c, node->graph, node, "attribute '%s' is there twice", attr->name);
    }
  }
  for (const OpParam *p = node->op->params; p != NULL && p->name != NULL; p++) {
    if (p->required && node_attr(node, p->name) == NULL) {
      return fault(c, node->graph, node, "attribute '%s' is missing", p->name);
    }
  }
  return true;
}

static bool check_captures(Check *c, const Graph *graph) {
  const Node *holder = graph->holder;
  VEC_EACH(const Capture, capture, &graph->captures) {
    if (holder == NULL) return fault(c, graph, NULL, "a main graph captures values");
    if (capture->input < holder->n_formal || capture->input >= holder->n_in ||
        holder->in[capture->input].value == NULL) {
      return fault(c, graph, holder, "input %u is no captured value", capture->input);
    }
    if (!define(c, graph, NULL, capture->inner)) return false;
    if (!type_equal(&capture->inner->type, &holder->in[capture->input].value->type)) {
      return fault(c, graph, holder, "captured value '%s' has another type inside",
                   capture->inner->name);
    }
  }
  return true;
}

/* The list of uses holds what the nodes of the graph read, and nothing else. */
static bool check_uses(Check *c, const Value *value) {
  uint32_t n = 0;
  for (const Use *use = value->uses; use != NULL; use = use->next, n++) {
    const Node *user = use->user;
    if (use->value != value || user == NULL || use < user->in || use >= user->in + user->n_in ||
        n == c->uses[value->id]) {
      return fault(c, value->graph, user, "the uses of value '%s' are wrong", value->name);
    }
  }
  if (n == c->uses[value->id]) return true;
  return fault(c, value->graph, NULL, "a use of value '%s' is not in its list", value->name);
}

static bool check_graph(Check *c, const Graph *graph);

static bool check_node(Check *c, const Node *node) {
  if (node->op == NULL || node->name == NULL) {
    return fault(c, node->graph, node, "no operator or no name");
  }
  if (!check_attrs(c, node) || !check_inputs(c, node)) return false;
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    const Graph *inner = node->attrs[i].graph;
    if (inner->holder != node) return fault(c, inner, node, "the subgraph names another holder");
    if (!check_graph(c, inner)) return false;
  }
  return check_outputs(c, node);
}

static bool check_nodes(Check *c, const Graph *graph) {
  uint32_t n = 0;
  const Node *last = NULL;
  for (const Node *node = graph->first; node != NULL; last = node, node = node->next) {
    if (node->graph != graph || node->prev != last || n++ == graph->n_nodes) {
      return fault(c, graph, node, "the list of nodes is broken");
    }
    if (!check_node(c, node)) return false;
  }
  if (n == graph->n_nodes && graph->last == last) return true;
  return fault(c, graph, NULL, "the list of nodes does not end where the graph says");
}

static bool check_graph(Check *c, const Graph *graph) {
  VEC_EACH(Value *const, input, &graph->inputs) {
    if (!define(c, graph, NULL, *input)) return false;
  }
  if (!check_captures(c, graph) || !check_nodes(c, graph)) return false;
  VEC_EACH(Value *const, output, &graph->outputs) {
    if (!readable(c, graph, NULL, *output)) return false;
  }
  return true;
}

const char *graph_verify(const Graph *graph) {
  Arena *scratch = arena_scratch(graph->ctx->arena);
  Check c = {.arena = graph->ctx->arena, .n_values = graph->ctx->n_values};
  c.defined = ARENA_ARRAY(scratch, c.n_values, const Value *);
  c.uses = ARENA_ARRAY(scratch, c.n_values, uint32_t);
  bool sound = check_graph(&c, graph);
  for (uint32_t i = 0; sound && i < c.n_values; i++) {
    sound = c.defined[i] == NULL || check_uses(&c, c.defined[i]);
  }
  arena_drop(scratch);
  return c.fault;
}
