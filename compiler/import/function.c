#include "import/importer.h"

#include <string.h>

/* A function of the model. */
struct Function {
  const Onnx__FunctionProto *proto;
  const char *domain, *name, *overload; /* interned */
  Function *next;                       /* of the same key */
  Map opsets;
  Vec(Function *) callees; /* one entry a call, those in subgraphs too */
  uint64_t size;           /* what one call costs, the calls inside it included */
  enum { UNVISITED, ACTIVE, DONE } state;
};

typedef Vec(Function *) FunctionList;

static uint64_t function_key(const char *domain, const char *name, const char *overload) {
  const char *const parts[] = {domain, name, overload};
  return hash_bytes(HASH_SEED, parts, sizeof parts);
}

static Function *find(const Importer *importer, const char *domain, const char *name,
                      const char *overload) {
  Function *f = map_get(&importer->functions, function_key(domain, name, overload));
  while (f != NULL && !(f->domain == domain && f->name == name && f->overload == overload)) {
    f = f->next;
  }
  return f;
}

static Function *callee(const Importer *importer, const Onnx__NodeProto *node) {
  if (importer->functions.len == 0) return NULL;
  Strings *strings = importer->ctx->strings;
  return find(importer, import_domain(importer, node->domain),
              intern(strings, import_text(node->op_type)),
              intern(strings, import_text(node->overload)));
}

const Function *function_of(const Importer *importer, const Onnx__NodeProto *node) {
  return callee(importer, node);
}

/* ---- collection --------------------------------------------------------------------------------
 */

static bool add_function(Importer *importer, const Onnx__FunctionProto *proto, FunctionList *all) {
  Strings *strings = importer->ctx->strings;
  Function *f = ARENA_NEW(importer->scratch, Function);
  f->proto = proto;
  f->domain = import_domain(importer, proto->domain);
  f->name = intern(strings, import_text(proto->name));
  f->overload = intern(strings, import_text(proto->overload));
  DiagSite site = {.graph = f->name};
  if (find(importer, f->domain, f->name, f->overload) != NULL) {
    return diag_error(importer->ctx->diag, DIAG_INVALID, site, "the function is defined twice");
  }
  uint64_t key = function_key(f->domain, f->name, f->overload);
  f->next = map_get(&importer->functions, key);
  map_set(&importer->functions, key, f);
  vec_push(importer->scratch, all, f);
  return import_opsets(importer, f->name, proto->opset_import, proto->n_opset_import, &f->opsets);
}

/* Each name and each line of text that inlining reads again counts as much as a node. */
enum { LINE = 64 };

static uint64_t text_cost(const char *text) {
  return 1 + (text == NULL ? 0 : strlen(text) / LINE);
}

static uint64_t texts_cost(char *const *texts, size_t n) {
  uint64_t cost = n;
  for (size_t i = 0; i < n; i++) cost += strlen(texts[i]) / LINE;
  return cost;
}

static uint64_t attribute_cost(const Onnx__AttributeProto *attr) {
  uint64_t cost = text_cost(attr->name) + attr->s.len / LINE;
  for (size_t i = 0; i < attr->n_strings; i++) cost += 1 + attr->strings[i].len / LINE;
  return cost;
}

static void collect_calls(const Importer *importer, Function *f, Onnx__NodeProto *const *nodes,
                          size_t n);

static void collect_attribute(const Importer *importer, Function *f,
                              const Onnx__AttributeProto *attr) {
  const Onnx__GraphProto *body = attr->g;
  f->size += attribute_cost(attr);
  if (body == NULL) return;
  f->size += body->n_input + body->n_output + body->n_value_info + body->n_initializer;
  collect_calls(importer, f, body->node, body->n_node);
}

/* Adds up the cost and collects calls; as deep as the scan lets messages nest. */
static void collect_calls(const Importer *importer, Function *f, Onnx__NodeProto *const *nodes,
                          size_t n) {
  for (size_t i = 0; i < n; i++) {
    const Onnx__NodeProto *node = nodes[i];
    Function *called = callee(importer, node);
    if (called != NULL) vec_push(importer->scratch, &f->callees, called);
    f->size += text_cost(node->name) + texts_cost(node->input, node->n_input) +
               texts_cost(node->output, node->n_output);
    for (size_t a = 0; a < node->n_attribute; a++) {
      collect_attribute(importer, f, node->attribute[a]);
    }
  }
}

static void collect_function(const Importer *importer, Function *f) {
  const Onnx__FunctionProto *proto = f->proto;
  f->size = texts_cost(proto->input, proto->n_input) + texts_cost(proto->output, proto->n_output) +
            texts_cost(proto->attribute, proto->n_attribute) + proto->n_attribute_proto;
  collect_calls(importer, f, proto->node, proto->n_node);
}

typedef struct Visit {
  Function *function;
  size_t next; /* callee to look at */
} Visit;

typedef Vec(Visit) VisitStack;

static void finish(Function *f) {
  for (size_t i = 0; i < f->callees.len; i++) {
    if (__builtin_add_overflow(f->size, f->callees.data[i]->size, &f->size)) f->size = UINT64_MAX;
  }
  f->state = DONE;
}

/* Depth-first over the calls with a stack of its own: a call of an active function is recursion. */
static bool visit(Importer *importer, VisitStack *stack, Function *root) {
  bool good = true;
  stack->len = 0;
  vec_push(importer->scratch, stack, (Visit){root, 0});
  root->state = ACTIVE;
  while (stack->len != 0) {
    Visit *top = &stack->data[stack->len - 1];
    if (top->next == top->function->callees.len) {
      finish(top->function);
      stack->len--;
      continue;
    }
    Function *called = top->function->callees.data[top->next++];
    if (called->state == ACTIVE) {
      good = diag_error(importer->ctx->diag, DIAG_INVALID, (DiagSite){.graph = called->name},
                        "the function calls itself");
    } else if (called->state == UNVISITED) {
      called->state = ACTIVE;
      vec_push(importer->scratch, stack, (Visit){called, 0});
    }
  }
  return good;
}

bool functions_collect(Importer *importer, const Onnx__ModelProto *model) {
  FunctionList all = {0};
  VisitStack stack = {0};
  importer->functions = map_on(importer->scratch);
  bool good = true;
  for (size_t i = 0; i < model->n_functions; i++) {
    good &= add_function(importer, model->functions[i], &all);
  }
  VEC_EACH(Function *, f, &all) collect_function(importer, *f);
  VEC_EACH(Function *, f, &all) {
    if ((*f)->state == UNVISITED) good &= visit(importer, &stack, *f);
  }
  return good;
}

/* ---- inlining ----------------------------------------------------------------------------------
 */

typedef struct Inlining {
  Scope *outer, *inner;
  const Onnx__NodeProto *node;
  const Function *function;
  DiagSite site;
  Call *call;
} Inlining;

static bool fault(const Inlining *in, DiagKind kind, const char *what, const char *detail) {
  return diag_error(in->outer->importer->ctx->diag, kind, in->site, "%s%.200s", what, detail);
}

/* The attribute that a call passes: its own, or what that refers to in the function around. True
 * with NULL: absent. */
static bool passed(const Inlining *in, const Onnx__AttributeProto *attr,
                   const Onnx__AttributeProto **value) {
  const char *reference = import_text(attr->ref_attr_name);
  *value = attr;
  if (*reference == '\0') return true;
  if (in->outer->call == NULL) {
    return fault(in, DIAG_INVALID, "a reference to an attribute outside a function: ", reference);
  }
  const char *interned = intern(in->outer->importer->ctx->strings, reference);
  *value = map_get(&in->outer->call->attrs, map_key(interned));
  return true;
}

static bool bind_attr(const Inlining *in, const Onnx__AttributeProto *attr, const Map *formal) {
  const char *name = intern(in->outer->importer->ctx->strings, import_text(attr->name));
  if (map_get(formal, map_key(name)) == NULL) {
    return fault(in, DIAG_INVALID, "the function has no attribute ", name);
  }
  if (map_get(&in->call->attrs, map_key(name)) != NULL) {
    return fault(in, DIAG_INVALID, "attribute is there twice: ", name);
  }
  const Onnx__AttributeProto *value;
  if (!passed(in, attr, &value)) return false;
  if (value != NULL) map_set(&in->call->attrs, map_key(name), (void *)(uintptr_t)value);
  return true;
}

static void bind_defaults(const Inlining *in) {
  const Onnx__FunctionProto *proto = in->function->proto;
  for (size_t i = 0; i < proto->n_attribute_proto; i++) {
    Onnx__AttributeProto *attr = proto->attribute_proto[i];
    const char *name = intern(in->outer->importer->ctx->strings, import_text(attr->name));
    if (map_get(&in->call->attrs, map_key(name)) == NULL) {
      map_set(&in->call->attrs, map_key(name), attr);
    }
  }
}

static bool bind_attrs(const Inlining *in) {
  const Onnx__FunctionProto *proto = in->function->proto;
  Strings *strings = in->outer->importer->ctx->strings;
  Map formal = map_on(in->outer->importer->scratch);
  for (size_t i = 0; i < proto->n_attribute; i++) {
    map_set(&formal, map_key(intern(strings, proto->attribute[i])), in->call);
  }
  for (size_t i = 0; i < proto->n_attribute_proto; i++) {
    map_set(&formal, map_key(intern(strings, import_text(proto->attribute_proto[i]->name))),
            in->call);
  }
  bool good = true;
  for (size_t i = 0; i < in->node->n_attribute; i++) {
    good &= bind_attr(in, in->node->attribute[i], &formal);
  }
  bind_defaults(in);
  return good;
}

/* Formal inputs mean the actual values. */
static bool bind_inputs(const Inlining *in) {
  const Onnx__FunctionProto *proto = in->function->proto;
  if (in->node->n_input > proto->n_input) return fault(in, DIAG_INVALID, "too many inputs", "");
  bool good = true;
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *actual = i < in->node->n_input ? in->node->input[i] : "";
    Value *value = *actual == '\0' ? in->outer->importer->absent : scope_resolve(in->outer, actual);
    if (value == NULL) {
      good = fault(in, DIAG_INVALID, "no earlier value is called ", actual);
    } else {
      good &= scope_define(in->inner, in->site, proto->input[i], value);
    }
  }
  return good;
}

/* Values that are outputs get the caller's names at once. */
static bool bind_outputs(const Inlining *in) {
  const Onnx__FunctionProto *proto = in->function->proto;
  Strings *strings = in->outer->importer->ctx->strings;
  if (in->node->n_output > proto->n_output) return fault(in, DIAG_INVALID, "too many outputs", "");
  for (size_t i = 0; i < in->node->n_output; i++) {
    if (*in->node->output[i] == '\0') continue;
    map_set(&in->inner->renames, map_key(intern(strings, proto->output[i])),
            (void *)(uintptr_t)scope_value_name(in->outer, in->node->output[i]));
  }
  return true;
}

/* A result that keeps another name (an input passed through, a value returned twice) gets its own
 * by an Identity. */
static bool return_output(const Inlining *in, const char *formal, const char *actual) {
  Value *value = scope_resolve(in->inner, formal);
  if (value == NULL || value == in->outer->importer->absent) {
    return fault(in, DIAG_INVALID, "the function does not produce its output ", formal);
  }
  const char *name = scope_value_name(in->outer, actual);
  if (strcmp(value->name, name) != 0) {
    const OpDef *identity = op_find("", "Identity");
    value = import_append(in->inner, identity, in->call->origin, &value, 1, &name, 1)->out[0];
  }
  return scope_define(in->outer, in->site, actual, value);
}

static bool return_outputs(const Inlining *in) {
  bool good = true;
  for (size_t i = 0; i < in->node->n_output; i++) {
    if (*in->node->output[i] == '\0') continue;
    good &= return_output(in, in->function->proto->output[i], in->node->output[i]);
  }
  return good;
}

static bool expand(Inlining *in) {
  const Onnx__FunctionProto *proto = in->function->proto;
  if (!bind_attrs(in) || !bind_inputs(in) || !bind_outputs(in)) return false;
  return import_nodes(in->inner, proto->node, proto->n_node) && return_outputs(in);
}

static const char *origin_of(const Scope *scope, const Onnx__NodeProto *node) {
  if (scope->call != NULL) return scope->call->origin;
  const char *name = import_text(node->name);
  if (*name == '\0' && node->n_output != 0) name = node->output[0];
  return intern(scope->importer->ctx->strings, name);
}

bool function_inline(Scope *scope, const Onnx__NodeProto *node, const Function *function) {
  Importer *importer = scope->importer;
  Inlining in = {.outer = scope, .node = node, .function = function};
  in.site = (DiagSite){scope->name, import_text(node->name), function->name};
  in.call = ARENA_NEW(importer->scratch, Call);
  *in.call = (Call){.function = function, .origin = origin_of(scope, node)};
  in.call->attrs = map_on(importer->scratch);
  in.inner = scope_new(importer, NULL, scope->graph, function->name);
  in.inner->opsets = &function->opsets;
  in.inner->call = in.call;
  if (scope->call == NULL &&
      __builtin_add_overflow(importer->inlined, function->size, &importer->inlined)) {
    importer->inlined = UINT64_MAX;
  }
  if (importer->inlined > IMPORT_MAX_INLINED || importer->depth >= IMPORT_MAX_DEPTH) {
    return fault(&in, DIAG_LIMIT, "inlining its functions makes the model too large", "");
  }
  importer->depth++;
  bool good = expand(&in);
  importer->depth--;
  return good;
}
