/* After inference: types against what the model declares. */
#include "import/import.h"
#include "import/importer.h"
#include "onnxc.h"

bool declared_contradicts(Context *ctx, const Type *declared, const Type *other) {
  if (declared->kind != other->kind) return true;
  if (declared->kind != TYPE_TENSOR) {
    Type element = *declared->element; /* whose sizes may be mere bounds */
    if (element.kind == TYPE_TENSOR) element.rank = -1;
    return declared_contradicts(ctx, &element, other->element);
  }
  if (declared->dtype != other->dtype) return true;
  if (declared->rank < 0 || other->rank < 0) return false;
  if (declared->rank != other->rank) return true;
  for (int i = 0; i < declared->rank; i++) {
    const Dim *a = declared->dims[i], *b = other->dims[i];
    if (a != NULL && b != NULL && dim_never_equal(ctx->dims, a, b)) return true;
  }
  return false;
}

/* Sizes that the user sets may well differ from those the model was exported with. */
static bool check_value(const Graph *graph, const Value *value) {
  Context *ctx = graph->ctx;
  bool known = value != NULL && value->declared != NULL && value->type.kind != TYPE_UNKNOWN;
  if (!known || !declared_contradicts(ctx, value->declared, &value->type)) return true;
  DiagSite site = {graph->name, NULL, NULL};
  const char *declared = type_text(ctx->arena, value->declared);
  const char *actual = type_text(ctx->arena, &value->type);
  bool resized = ctx->options != NULL && ctx->options->n_dims != 0 &&
                 value->declared->kind == TYPE_TENSOR &&
                 value->declared->dtype == value->type.dtype;
  if (!resized) {
    return diag_error(ctx->diag, DIAG_INVALID, site, "value '%.200s' is declared as %s, but is %s",
                      value->name, declared, actual);
  }
  diag_warning(ctx->diag, site, "value '%.200s' is declared as %s, but is %s", value->name,
               declared, actual);
  return true;
}

bool import_check_types(const Graph *graph) {
  bool good = true;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_out; i++) good &= check_value(graph, node->out[i]);
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) good &= import_check_types(node->attrs[i].graph);
    }
  }
  return good;
}
