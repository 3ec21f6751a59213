#include "import/importer.h"

#include <string.h>

Scope *scope_new(Importer *importer, Scope *parent, Graph *graph, const char *name) {
  Scope *scope = ARENA_NEW(importer->scratch, Scope);
  *scope = (Scope){.importer = importer, .parent = parent, .graph = graph, .name = name};
  scope->values = scope->renames = map_on(importer->scratch);
  if (parent != NULL) {
    scope->opsets = parent->opsets;
    scope->call = parent->call;
  }
  return scope;
}

bool scope_error(const Scope *scope, DiagKind kind, const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_verror(scope->importer->ctx->diag, kind, (DiagSite){.graph = scope->name}, format, args);
  va_end(args);
  return false;
}

Value *scope_capture(Scope *scope, Value *outer) {
  Value *inner = map_get(&scope->values, map_key(outer));
  if (inner != NULL) return inner;
  inner = graph_new_value(scope->graph, outer->name);
  inner->type = outer->type;
  inner->constant = outer->constant;
  inner->contents = outer->contents;
  inner->n_contents = outer->n_contents;
  map_set(&scope->values, map_key(outer), inner);
  vec_push(scope->importer->scratch, &scope->captured, (Captured){outer, inner});
  return inner;
}

static Value *resolve(Scope *scope, const char *interned) {
  Value *value = map_get(&scope->values, map_key(interned));
  if (value != NULL || scope->parent == NULL) return value;
  Value *outer = resolve(scope->parent, interned);
  bool there = outer != NULL && outer != scope->importer->absent;
  return there ? scope_capture(scope, outer) : outer;
}

Value *scope_resolve(Scope *scope, const char *name) {
  return resolve(scope, intern(scope->importer->ctx->strings, name));
}

bool scope_define(Scope *scope, DiagSite site, const char *name, Value *value) {
  Importer *importer = scope->importer;
  if (*name == '\0') {
    return diag_error(importer->ctx->diag, DIAG_INVALID, site, "a value has no name");
  }
  const char *interned = intern(importer->ctx->strings, name);
  for (const Scope *s = scope; s != NULL; s = s->parent) {
    if (map_get(&s->values, map_key(interned)) == NULL) continue;
    return diag_error(importer->ctx->diag, DIAG_INVALID, site, "value '%.200s' is defined %s", name,
                      s == scope ? "twice" : "in an outer graph too");
  }
  map_set(&scope->values, map_key(interned), value);
  return true;
}

const char *scope_value_name(const Scope *scope, const char *name) {
  const char *interned = intern(scope->importer->ctx->strings, name);
  const char *renamed = map_get(&scope->renames, map_key(interned));
  return renamed != NULL ? renamed : interned;
}

int64_t scope_opset(const Scope *scope, const char *domain) {
  const int64_t *version = map_get(scope->opsets, map_key(domain));
  return version == NULL ? 0 : *version;
}

const char *import_domain(const Importer *importer, const char *domain) {
  bool standard = domain == NULL || strcmp(domain, "ai.onnx") == 0;
  return intern(importer->ctx->strings, standard ? "" : domain);
}

static bool add_opset(Importer *importer, DiagSite site, const Onnx__OperatorSetIdProto *import,
                      Map *opsets) {
  Diag *diag = importer->ctx->diag;
  const char *domain = import_domain(importer, import->domain);
  const char *shown = *domain == '\0' ? "ai.onnx" : domain;
  int64_t newest = schema_newest(domain);
  if (import->version < 1) {
    return diag_error(diag, DIAG_INVALID, site, "opset of %.200s has no valid version", shown);
  }
  const int64_t *before = map_get(opsets, map_key(domain));
  if (before != NULL && *before == import->version) return true; /* skl2onnx repeats itself */
  if (before != NULL) {
    return diag_error(diag, DIAG_INVALID, site, "opset of %.200s is imported twice", shown);
  }
  map_set(opsets, map_key(domain),
          arena_copy(importer->scratch, &import->version, sizeof import->version));
  if (newest == 0 || import->version <= newest) return true;
  return diag_error(diag, DIAG_UNSUPPORTED, site,
                    "opset %lld of %.200s is newer than the newest known, %lld",
                    (long long)import->version, shown, (long long)newest);
}

bool import_opsets(Importer *importer, const char *where, Onnx__OperatorSetIdProto *const *imports,
                   size_t n, Map *opsets) {
  *opsets = map_on(importer->scratch);
  bool good = true;
  for (size_t i = 0; i < n; i++) {
    good &= add_opset(importer, (DiagSite){.graph = where}, imports[i], opsets);
  }
  return good;
}
