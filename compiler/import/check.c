/* After inference: types against what the model declares. */
#include "import/import.h"
#include "onnxc.h"

static bool contradicts(Context *ctx, const Type *declared, const Type *actual) {
  if (declared->kind != actual->kind) return true;
  if (declared->kind != TYPE_TENSOR) return contradicts(ctx, declared->element, actual->element);
  if (declared->dtype != actual->dtype) return true;
  if (declared->rank < 0 || actual->rank < 0) return false;
  if (declared->rank != actual->rank) return true;
  for (int i = 0; i < declared->rank; i++) {
    const Dim *size = declared->dims[i];
    if (size != NULL && dim_never_equal(ctx->dims, size, actual->dims[i])) return true;
  }
  return false;
}

/* Sizes that the user sets may well differ from those the model was exported with. */
static bool check_value(const Graph *graph, const Value *value) {
  Context *ctx = graph->ctx;
  bool known = value != NULL && value->declared != NULL && value->type.kind != TYPE_UNKNOWN;
  if (!known || !contradicts(ctx, value->declared, &value->type)) return true;
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
