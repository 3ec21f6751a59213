/* Sizes that are found while the generated code runs, and the checks that wait for them. */
#include "emit/emitter.h"

#include <inttypes.h>

static bool is_known(const Emitter *e, const Dim *dim) {
  for (uint32_t i = 0; i < dims_symbols(e->ctx->dims); i++) {
    if (e->known[i]) continue;
    if (dim_mentions(dim, dim_as_symbol(dims_symbol(e->ctx->dims, i)))) return false;
  }
  return true;
}

/* Whether the graph whose steps are emitted is `graph` or inside of it. */
static bool in_scope(const Emitter *e, const Graph *graph) {
  const Graph *at = e->scope;
  while (at != NULL && at != graph) at = at->holder == NULL ? NULL : at->holder->graph;
  return at == graph;
}

void emit_ready_checks(Emitter *e, const char *code) {
  for (size_t i = 0; i < e->ctx->checks.len; i++) {
    const SizeCheck *check = &e->ctx->checks.data[i];
    if (e->checked[i] || !in_scope(e, check->graph)) continue;
    if (!is_known(e, check->a) || !is_known(e, check->b)) continue;
    e->checked[i] = true;
    out(e->out, "if (%s != %s) return ONNXC_RT_ERROR_%s;\n", emit_dim(e, check->a),
        emit_dim(e, check->b), code);
  }
}

/* Sizes of inputs were checked on entry. */
static void emit_bounds(Emitter *e, const Dim *symbol, const char *name) {
  if (symbol->lo > 0) {
    out(e->out, "if (f->%s < %" PRId64 ") return ONNXC_RT_ERROR_SHAPE;\n", name, symbol->lo);
  }
  if (symbol->hi != INT64_MAX) {
    out(e->out, "if (f->%s > %" PRId64 ") return ONNXC_RT_ERROR_SHAPE;\n", name, symbol->hi);
  }
}

void emit_size(Emitter *e, const Dim *symbol, const char *value) {
  uint32_t index = dim_as_symbol(symbol)->symbol;
  out(e->out, "f->%s = %s;\n", e->sizes[index], value);
  e->known[index] = e->used[index] = true;
}

void emit_found_size(Emitter *e, const Dim *symbol, const char *value) {
  emit_size(e, symbol, value);
  emit_bounds(e, symbol, e->sizes[dim_as_symbol(symbol)->symbol]);
}
