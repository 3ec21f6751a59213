#include "import/importer.h"

#include <string.h>

bool draft_error(const Draft *d, DiagKind kind, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(d->scope->importer->ctx->diag, kind, d->site, format, args);
  va_end(args);
  return false;
}

Attr *draft_attr(Draft *d, const char *name) {
  VEC_EACH(Attr, attr, &d->attrs) {
    if (strcmp(attr->name, name) == 0) return attr;
  }
  return NULL;
}

void draft_drop(Draft *d, const char *name) {
  Attr *attr = draft_attr(d, name);
  if (attr == NULL) return;
  Attr *end = d->attrs.data + d->attrs.len;
  memmove(attr, attr + 1, (size_t)(end - attr - 1) * sizeof *attr);
  d->attrs.len--;
}

void draft_set(Draft *d, Attr attr) {
  attr.name = intern(d->scope->importer->ctx->strings, attr.name);
  draft_drop(d, attr.name);
  vec_push(d->scratch, &d->attrs, attr);
}

Value *draft_constant(Draft *d, const Tensor *tensor) {
  return graph_add_constant(d->scope->graph, NULL, tensor);
}

/* ---- unknown operators ---- */

/* Each operator is listed once, at its first node. */
static bool report_unknown(const Draft *d, int64_t opset) {
  Importer *importer = d->scope->importer;
  const char *domain = *d->domain == '\0' ? "ai.onnx" : d->domain;
  const char *text = arena_printf(d->scratch, "%.200s:%.200s", domain, d->op);
  text = intern(importer->ctx->strings, text);
  if (map_get(&importer->unknown, map_key(text)) != NULL) return false;
  map_set(&importer->unknown, map_key(text), importer);
  if (opset == 0) return draft_error(d, DIAG_UNSUPPORTED, "operator %s is not supported", text);
  return draft_error(d, DIAG_UNSUPPORTED, "operator %s of opset %lld is not supported", text,
                     (long long)opset);
}

/* The outputs of a node that failed, so that their users are not reported as well. */
static void define_unknown(Scope *scope, const Onnx__NodeProto *proto) {
  for (size_t i = 0; i < proto->n_output; i++) {
    const char *name = intern(scope->importer->ctx->strings, proto->output[i]);
    if (*name == '\0' || map_get(&scope->values, map_key(name)) != NULL) continue;
    map_set(&scope->values, map_key(name), graph_new_value(scope->graph, name));
  }
}

/* ---- inputs and outputs ---- */

static bool check_count(const Draft *d, const char *what, size_t n, int least, int most) {
  if ((int64_t)n >= least && (int64_t)n <= most) return true;
  return draft_error(d, DIAG_INVALID, "%zu %s: %s has %d to %d", n, what, d->op, least, most);
}

static bool may_be_absent(const Draft *d, size_t input) {
  return d->schema == NULL || schema_input(d->schema, input)->option == SCHEMA_OPTIONAL;
}

static bool add_input(Draft *d, const char *name, size_t i) {
  Scope *scope = d->scope;
  Value *value = *name == '\0' ? scope->importer->absent : scope_resolve(scope, name);
  if (value == NULL) {
    return draft_error(d, DIAG_INVALID,
                       "input '%.200s' is produced by no earlier node: nodes must be sorted, "
                       "without cycles",
                       name);
  }
  bool absent = value == scope->importer->absent;
  if (absent && !may_be_absent(d, i)) {
    return draft_error(d, DIAG_INVALID, "input %zu (%s) is missing", i,
                       schema_input(d->schema, i)->name);
  }
  vec_push(d->scratch, &d->in, absent ? NULL : value);
  return true;
}

static bool import_inputs_of(Draft *d, const Onnx__NodeProto *proto) {
  const OperatorSchema *schema = d->schema;
  if (schema != NULL &&
      (!check_count(d, "inputs", proto->n_input, schema->min_inputs, schema->max_inputs) ||
       !check_count(d, "outputs", proto->n_output, schema->min_outputs, schema->max_outputs))) {
    return false;
  }
  bool good = true;
  for (size_t i = 0; i < proto->n_input; i++) good &= add_input(d, proto->input[i], i);
  for (size_t i = 0; i < proto->n_output; i++) {
    vec_push(d->scratch, &d->out, proto->output[i]);
  }
  return good;
}

/* ---- constants ---- */

static bool define(const Draft *d, const char *name, Value *value) {
  return scope_define(d->scope, d->site, name, value);
}

static bool import_constant(const Draft *d) {
  if (d->attrs.len != 1) {
    return draft_error(d, DIAG_INVALID, "exactly one attribute must give the value");
  }
  const Tensor *tensor = tensor_of_attr(d->scope->importer->ctx, &d->attrs.data[0]);
  const char *name = d->out.data[0];
  return define(d, name,
                graph_add_constant(d->scope->graph, scope_value_name(d->scope, name), tensor));
}

/* ---- the node in the graph ---- */

Node *import_append(const Scope *scope, const OpDef *op, const char *name, Value *const *inputs,
                    uint32_t n_inputs, const char *const *out_names, uint32_t n_outputs) {
  Node *node = node_new(scope->graph, op, name, inputs, n_inputs, out_names, n_outputs);
  const char **origin = ARENA_NEW(scope->importer->ctx->arena, const char *);
  *origin = scope->call != NULL ? scope->call->origin : node->name;
  node->origins = origin;
  node->n_origins = 1;
  graph_append(scope->graph, node);
  return node;
}

Node *draft_emit(Draft *d, const char *domain, const char *op, Value *const *inputs, uint32_t n) {
  const OpDef *def = op_find(domain, op);
  if (def != NULL) return import_append(d->scope, def, d->name, inputs, n, NULL, 1);
  draft_error(d, DIAG_UNSUPPORTED, "its older form needs %s, which is not supported", op);
  return NULL;
}

static const OpParam *find_param(const OpDef *op, const char *name) {
  const OpParam *param = op->params;
  while (param != NULL && param->name != NULL && strcmp(param->name, name) != 0) param++;
  return param != NULL && param->name != NULL ? param : NULL;
}

static bool is_default(const Draft *d, const Attr *attr) {
  const SchemaAttr *known = d->schema == NULL ? NULL : schema_attr(d->schema, attr->name);
  if (known == NULL || !known->has_default) return false;
  switch (attr->kind) {
  case ATTR_INT: return attr->i == known->i;
  case ATTR_FLOAT: return attr->f == known->f;
  case ATTR_STRING: return strcmp(attr->s, known->s) == 0;
  default: return false;
  }
}

/* The operator need not know an attribute that says what holds anyway. */
static bool check_params(Draft *d, const OpDef *op) {
  bool good = true;
  for (size_t i = 0; i < d->attrs.len;) {
    Attr *attr = &d->attrs.data[i];
    const OpParam *param = find_param(op, attr->name);
    if (param != NULL && param->kind == attr->kind) {
      i++;
    } else if (param == NULL && is_default(d, attr)) {
      draft_drop(d, attr->name);
    } else {
      good = draft_error(d, DIAG_UNSUPPORTED, "attribute '%.200s' is not supported%s", attr->name,
                         param == NULL ? "" : " with a value of this type");
      i++;
    }
  }
  return good;
}

/* Inputs of the node: the formal ones, then each captured outer value once. `places` tells where.
 */
static void add_captures(Draft *d, Map *places) {
  VEC_EACH(Scope *, body, &d->bodies) {
    VEC_EACH(Captured, captured, &(*body)->captured) {
      if (map_get(places, map_key(captured->outer)) != NULL) continue;
      uint32_t *place = ARENA_NEW(d->scratch, uint32_t);
      *place = (uint32_t)d->in.len;
      map_set(places, map_key(captured->outer), place);
      vec_push(d->scratch, &d->in, captured->outer);
    }
  }
}

static void attach_bodies(const Draft *d, Node *node, const Map *places) {
  VEC_EACH(Scope *, body, &d->bodies) {
    Graph *graph = (*body)->graph;
    graph->holder = node;
    VEC_EACH(Captured, captured, &(*body)->captured) {
      const uint32_t *place = map_get(places, map_key(captured->outer));
      vec_push(graph->ctx->arena, &graph->captures, (Capture){captured->inner, *place});
    }
  }
}

Node *draft_append(Draft *d, const OpDef *op) {
  Importer *importer = d->scope->importer;
  Map places = map_on(d->scratch);
  uint32_t n_formal = (uint32_t)d->in.len, n_out = (uint32_t)d->out.len;
  const char **names = ARENA_ARRAY(d->scratch, n_out, const char *);
  for (uint32_t i = 0; i < n_out; i++) names[i] = scope_value_name(d->scope, d->out.data[i]);
  add_captures(d, &places);
  Node *node = import_append(d->scope, op, d->name, d->in.data, (uint32_t)d->in.len, names, n_out);
  node->n_formal = n_formal;
  node->n_attrs = (uint32_t)d->attrs.len;
  node->attrs = arena_copy(importer->ctx->arena, d->attrs.data, d->attrs.len * sizeof(Attr));
  attach_bodies(d, node, &places);
  return node;
}

static bool define_outputs(const Draft *d, const Node *node) {
  bool good = true;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) good &= define(d, d->out.data[i], node->out[i]);
  }
  return good;
}

static const char *name_of(const Onnx__NodeProto *proto) {
  const char *name = import_text(proto->name);
  return *name == '\0' && proto->n_output != 0 ? proto->output[0] : name;
}

/* Deprecated operators keep the meaning they had last, or had at all. */
static const OperatorSchema *find_schema(const Draft *d, int64_t opset) {
  const OperatorSchema *schema = schema_find(d->domain, d->op, opset);
  if (schema == NULL || (schema->flags & SCHEMA_DEPRECATED) == 0) return schema;
  const OperatorSchema *before = schema_find(d->domain, d->op, schema->since - 1);
  return before == NULL ? schema : before;
}

static bool import_draft(Draft *d, const Onnx__NodeProto *proto) {
  int64_t opset = scope_opset(d->scope, d->domain);
  if (opset == 0) {
    return draft_error(d, DIAG_INVALID, "no opset is imported for the domain '%.200s'",
                       *d->domain == '\0' ? "ai.onnx" : d->domain);
  }
  d->schema = find_schema(d, opset);
  bool contributed = schema_newest(d->domain) == 0 && op_find(d->domain, d->op) != NULL;
  if (d->schema == NULL && !contributed) return report_unknown(d, opset);
  if (!import_inputs_of(d, proto) || !attributes_import(d, proto)) return false;
  if (*d->domain == '\0' && strcmp(d->op, "Constant") == 0) return import_constant(d);
  if (!upgrade_draft(d)) return false;
  const OpDef *op = op_find(d->domain, d->op);
  if (op == NULL) return report_unknown(d, opset);
  return check_params(d, op) && define_outputs(d, draft_append(d, op));
}

static bool import_operator(Scope *scope, const Onnx__NodeProto *proto) {
  Draft d = {.scope = scope, .scratch = arena_scratch(scope->importer->scratch)};
  d.name = name_of(proto);
  d.domain = import_domain(scope->importer, proto->domain);
  d.op = import_text(proto->op_type);
  d.site = (DiagSite){scope->name, d.name, d.op};
  bool good = *d.op == '\0' ? draft_error(&d, DIAG_INVALID, "the node has no operator")
                            : import_draft(&d, proto);
  arena_drop(d.scratch);
  return good;
}

bool import_node(Scope *scope, const Onnx__NodeProto *proto) {
  const Function *function = function_of(scope->importer, proto);
  bool good =
      function != NULL ? function_inline(scope, proto, function) : import_operator(scope, proto);
  if (!good) define_unknown(scope, proto);
  return good;
}
