/* Sizes and addresses as C expressions. */
#include "emit/emitter.h"

#include <inttypes.h>
#include <string.h>

static const char *atom_text(Emitter *e, const DimAtom *atom) {
  static const char *const functions[] = {[DIM_FLOORDIV] = "onnxc_rt_floordiv",
                                          [DIM_MIN] = "onnxc_rt_min_size",
                                          [DIM_MAX] = "onnxc_rt_max_size"};
  if (atom->kind == DIM_SYMBOL) {
    e->used[atom->symbol] = true;
    return arena_printf(e->arena, "f->%s", e->sizes[atom->symbol]);
  }
  return arena_printf(e->arena, "%s(%s, %s)", functions[atom->kind], emit_dim(e, atom->a),
                      emit_dim(e, atom->b));
}

static const char *term_text(Emitter *e, const DimTerm *term, uint64_t size) {
  const char *text =
      size != 1 || term->n_atoms == 0 ? arena_printf(e->arena, "%" PRIu64, size) : "";
  for (uint32_t i = 0; i < term->n_atoms; i++) {
    text = arena_printf(e->arena, "%s%s%s", text, *text == '\0' ? "" : " * ",
                        atom_text(e, term->atoms[i]));
  }
  return text;
}

const char *emit_dim(Emitter *e, const Dim *dim) {
  if (dim->n_terms == 0) return "0";
  const char *text = "";
  for (uint32_t i = 0; i < dim->n_terms; i++) {
    const DimTerm *term = &dim->terms[i];
    bool negative = term->coefficient < 0;
    uint64_t size = negative ? 0 - (uint64_t)term->coefficient : (uint64_t)term->coefficient;
    const char *sign = i == 0 ? (negative ? "-" : "") : (negative ? " - " : " + ");
    text = arena_printf(e->arena, "%s%s%s", text, sign, term_text(e, term, size));
  }
  const DimTerm *first = &dim->terms[0];
  bool primary = dim->n_terms == 1 &&
                 (first->n_atoms == 0 || (first->n_atoms == 1 && first->coefficient == 1));
  return primary && first->coefficient > 0 ? text : arena_printf(e->arena, "(%s)", text);
}

const char *emit_bare(Emitter *e, const char *text) {
  size_t n = strlen(text);
  int depth = 0;
  for (size_t i = 0; i < n; i++) {
    if (text[i] == '(') depth++;
    if (text[i] == ')') depth--;
    if (depth == 0 && i + 1 < n) return text;
  }
  return *text == '(' ? arena_printf(e->arena, "%.*s", (int)n - 2, text + 1) : text;
}

const char *emit_index(Emitter *e, const char *const *indices, const Dim *const *strides, int n) {
  const char *text = NULL;
  for (int i = 0; i < n; i++) {
    if (dim_is(strides[i], 0)) continue;
    const char *term = dim_is(strides[i], 1)
                           ? indices[i]
                           : arena_printf(e->arena, "%s * %s", indices[i], emit_dim(e, strides[i]));
    text = text == NULL ? term : arena_printf(e->arena, "%s + %s", text, term);
  }
  return text;
}

const char *emit_pointer_type(Emitter *e, DType dtype, bool written) {
  return arena_printf(e->arena, "%s%s *", written ? "" : "const ", dtype_info(dtype)->c_type);
}

static const char *base_text(Emitter *e, const Operand *operand, bool written) {
  const Buffer *buffer = operand->buffer;
  switch (buffer->place) {
  case BUFFER_INPUT: return arena_printf(e->arena, "f->in->%s", e->inputs[buffer->index]);
  case BUFFER_OUTPUT: return arena_printf(e->arena, "f->out->%s", e->outputs[buffer->index]);
  case BUFFER_WEIGHT: return e->weight_names[buffer->index];
  case BUFFER_ARENA:
  case BUFFER_STATE: break;
  }
  return arena_printf(e->arena, "(%s)(%svoid *)(f->%s + %zu)",
                      emit_pointer_type(e, operand->dtype, written), written ? "" : "const ",
                      buffer->place == BUFFER_STATE ? "state" : "arena", buffer->offset);
}

const char *emit_pointer(Emitter *e, const Operand *operand, bool written) {
  const char *base = base_text(e, operand, written);
  if (operand->offset == NULL || dim_is(operand->offset, 0)) return base;
  bool pairs = dtype_component(operand->dtype) != operand->dtype; /* the pointer is to halves */
  const Dim *offset = dim_mul_i(e->ctx->dims, operand->offset, pairs ? 2 : 1);
  return arena_printf(e->arena, "%s + %s", base, emit_dim(e, offset));
}
