/* Sizes that are found while the generated code runs, and the checks that wait for them. */
#include "emit/emitter.h"

static bool is_known(const Emitter *e, const Dim *dim) {
  for (uint32_t i = 0; i < dims_symbols(e->ctx->dims); i++) {
    if (e->known[i]) continue;
    if (dim_mentions(dim, dim_as_symbol(dims_symbol(e->ctx->dims, i)))) return false;
  }
  return true;
}

void emit_ready_checks(Emitter *e, const char *code) {
  for (size_t i = 0; i < e->ctx->checks.len; i++) {
    const SizeCheck *check = &e->ctx->checks.data[i];
    if (e->checked[i] || !is_known(e, check->a) || !is_known(e, check->b)) continue;
    e->checked[i] = true;
    out(e->out, "if (%s != %s) return ONNXC_RT_ERROR_%s;\n", emit_dim(e, check->a),
        emit_dim(e, check->b), code);
  }
}

void emit_size(Emitter *e, const Dim *symbol, const char *value) {
  uint32_t index = dim_as_symbol(symbol)->symbol;
  out(e->out, "f->%s = %s;\n", e->sizes[index], value);
  e->known[index] = true;
}
