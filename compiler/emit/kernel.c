/* Calls of the runtime: kernels with a parameter structure, and reference kernels. */
#include "emit/emitter.h"

#include <inttypes.h>
#include <string.h>

/* ---- kernels ---- */

static void emit_field(Emitter *e, const Field *field, const char *const *indices, int n_loops) {
  out(e->out, ".%s = ", field->name);
  switch (field->kind) {
  case FIELD_DIM: out(e->out, "%s", emit_bare(e, emit_dim(e, field->dims[0]))); break;
  case FIELD_DIMS:
    for (int i = 0; i < field->n; i++) {
      out(e->out, "%s%s", i == 0 ? "{" : ", ", emit_dim(e, field->dims[i]));
    }
    out(e->out, "}");
    break;
  case FIELD_FLOAT: out(e->out, "%s", text_f32(e->arena, field->number)); break;
  case FIELD_SCRATCH: out(e->out, "%s", emit_pointer(e, &field->operand, true)); break;
  case FIELD_OPERAND: {
    const char *at = emit_index(e, indices, field->operand.strides, n_loops);
    out(e->out, "%s%s%s", emit_pointer(e, &field->operand, field->written), at == NULL ? "" : " + ",
        at == NULL ? "" : at);
    break;
  }
  }
  out(e->out, ",\n");
}

/* The number of rows that the turns of the loops before this one have finished. */
static const char *first_row(Emitter *e, const Kernel *kernel, const char *const *indices) {
  const Dim *strides[MAX_RANK], *rows = kernel->rows;
  for (int i = kernel->n_loops - 1; i >= 0; i--) {
    strides[i] = rows;
    rows = dim_mul(e->ctx->dims, rows, kernel->loops[i]);
  }
  const char *text = emit_index(e, indices, strides, kernel->n_loops);
  return text == NULL ? "0" : text;
}

void emit_kernel_step(Emitter *e, const Step *step) {
  const Kernel *kernel = &step->kernel;
  const char *indices[MAX_RANK];
  for (int i = 0; i < kernel->n_loops; i++) {
    indices[i] = arena_printf(e->arena, "i%d", i);
    out(e->out, "for (ptrdiff_t i%d = 0; i%d < %s; i%d++) {\n", i, i, emit_dim(e, kernel->loops[i]),
        i);
    out_indent(e->out, 1);
  }
  out(e->out, "const %s call = {\n", kernel->params);
  out_indent(e->out, 1);
  VEC_EACH(Field, field, &kernel->fields) emit_field(e, field, indices, kernel->n_loops);
  if (kernel->epilogue != NULL) {
    out(e->out, ".epilogue = step_%u_epilogue,\n.context = f,\n", step->id);
    if (kernel->n_loops != 0) out(e->out, ".first_row = %s,\n", first_row(e, kernel, indices));
  }
  out_indent(e->out, -1);
  out(e->out, "};\nconst int status = %s(&call);\n", kernel->function);
  out(e->out, "if (status != ONNXC_RT_OK) return status;\n");
  for (int i = 0; i < kernel->n_loops; i++) {
    out_indent(e->out, -1);
    out(e->out, "}\n");
  }
}

/* ---- reference kernels ---- */

static void emit_dims(Emitter *e, const Operand *operand, const char *name, uint32_t i,
                      const Node *finder) {
  if (operand->rank == 0) return;
  out(e->out, "int64_t %s%u[%d] = {", name, i, operand->rank);
  for (int k = 0; k < operand->rank; k++) {
    const Dim *dim = operand->dims[k];
    bool bound = finder != NULL && node_size_from_data(finder, i, k);
    const char *text = bound ? arena_printf(e->arena, "%" PRId64, dim->hi) : emit_dim(e, dim);
    out(e->out, "%s%s", k == 0 ? "" : ", ", text);
  }
  out(e->out, "};\n");
}

static void emit_tensors(Emitter *e, const Operand *operands, uint32_t n, const char *name,
                         bool written) {
  const char *type = written ? "onnxc_rt_tensor" : "const onnxc_rt_tensor";
  out(e->out, "%s %s[%u] = {\n", type, name, n == 0 ? 1 : n);
  out_indent(e->out, 1);
  if (n == 0) out(e->out, "{0, 0, 0, 0},\n");
  for (uint32_t i = 0; i < n; i++) {
    const Operand *operand = &operands[i];
    if (operand->buffer == NULL) {
      out(e->out, "{0, 0, 0, 0},\n");
      continue;
    }
    const char *dims = operand->rank == 0 ? "NULL" : arena_printf(e->arena, "%s_dims%u", name, i);
    out(e->out, "onnxc_rt_tensor_at(%s, %s, %d, %s),\n", emit_pointer(e, operand, written), dims,
        operand->rank, dtype_info(operand->dtype)->rt_name);
  }
  out_indent(e->out, -1);
  out(e->out, "};\n");
}

/* Symbolic sizes are computed when the step runs. */
static void emit_sizes(Emitter *e, const Attr *attr, uint32_t i) {
  out(e->out, "const int64_t ints%u[] = {", i);
  for (size_t k = 0; k < attr->count; k++) {
    out(e->out, "%s(int64_t)%s", k == 0 ? "" : ", ", emit_dim(e, attr->dims[k]));
  }
  out(e->out, attr->count == 0 ? "0};\n" : "};\n");
}

static void emit_list(Emitter *e, const onnxc_rt_attr *attr, uint32_t i) {
  if (attr->ints != NULL) {
    out(e->out, "static const int64_t ints%u[] = {", i);
    for (int32_t k = 0; k < attr->count; k++) {
      bool least = attr->ints[k] == INT64_MIN;
      if (least)
        out(e->out, "INT64_MIN, ");
      else
        out(e->out, "%" PRId64 "%s", attr->ints[k], k + 1 == attr->count ? "" : ", ");
    }
    out(e->out, attr->count == 0 ? "0};\n" : "};\n");
  }
  if (attr->floats != NULL) {
    out(e->out, "static const float floats%u[] = {", i);
    for (int32_t k = 0; k < attr->count; k++) {
      out(e->out, "%s%s", text_f32(e->arena, attr->floats[k]), k + 1 == attr->count ? "" : ", ");
    }
    out(e->out, attr->count == 0 ? "0};\n" : "};\n");
  }
  if (attr->strings != NULL) {
    const char *name = arena_printf(e->arena, "strings%u", i);
    emit_strings(e, name, attr->strings, (size_t)attr->count);
  }
}

static const char *attr_string(Emitter *e, const onnxc_rt_attr *attr, uint32_t i) {
  if (attr->s == NULL) return "0";
  const onnxc_rt_string string = {attr->s, attr->count};
  return emit_string(e, e->arena, arena_printf(e->arena, "string%u", i), string);
}

static void emit_attr(Emitter *e, const onnxc_rt_attr *attr, const char *string, bool symbolic,
                      uint32_t i) {
  if (!attr->present) {
    out(e->out, "{0, 0, 0, 0, 0, 0, 0, 0},\n");
    return;
  }
  const char *integer =
      attr->i == INT64_MIN ? "INT64_MIN" : arena_printf(e->arena, "INT64_C(%" PRId64 ")", attr->i);
  out(e->out, "{1, %" PRId32 ", %s, %s, %s, ", attr->count, integer, text_f64(e->arena, attr->f),
      string);
  out(e->out, attr->ints == NULL && !symbolic ? "0, " : "ints%u, ", i);
  out(e->out, attr->floats == NULL ? "0, " : "floats%u, ", i);
  out(e->out, attr->strings == NULL ? "0},\n" : "strings%u},\n", i);
}

static const Attr *symbolic_attr(const Node *node, uint32_t i) {
  const Attr *attr = node_attr(node, node->op->params[i].name);
  return attr != NULL && attr->kind == ATTR_DIMS ? attr : NULL;
}

static bool emit_attrs(Emitter *e, const Node *node) {
  size_t n = op_param_count(node->op);
  if (n == 0) return false;
  const onnxc_rt_attr *attrs = op_call_attrs(e->arena, node);
  const char **strings = ARENA_ARRAY(e->arena, n, const char *);
  bool constant = true;
  for (uint32_t i = 0; i < n; i++) {
    const Attr *symbolic = symbolic_attr(node, i);
    constant = constant && symbolic == NULL;
    if (symbolic != NULL)
      emit_sizes(e, symbolic, i);
    else if (attrs[i].present)
      emit_list(e, &attrs[i], i);
    strings[i] = attr_string(e, &attrs[i], i);
  }
  out(e->out, "%sconst onnxc_rt_attr attributes[] = {\n", constant ? "static " : "");
  out_indent(e->out, 1);
  for (uint32_t i = 0; i < n; i++) {
    emit_attr(e, &attrs[i], strings[i], symbolic_attr(node, i) != NULL, i);
  }
  out_indent(e->out, -1);
  out(e->out, "};\n");
  return true;
}

/* Sizes that only the kernel could know become part of the frame. */
static void emit_found_sizes(Emitter *e, const Call *call) {
  for (uint32_t i = 0; i < call->n_out; i++) {
    for (int k = 0; call->out[i].buffer != NULL && k < call->out[i].rank; k++) {
      if (!node_size_from_data(call->node, i, k)) continue;
      const char *found = arena_printf(e->arena, "(ptrdiff_t)out_dims%u[%d]", i, k);
      emit_found_size(e, call->out[i].dims[k], found);
    }
  }
}

/* What random numbers depend on beside the node. */
static void emit_random(Emitter *e) {
  out(e->out, ",\n    .seed = f->env == NULL ? 0 : f->env->seed, .turn = f->random_turn");
}

void emit_call_step(Emitter *e, const Step *step) {
  const Call *call = &step->call;
  for (uint32_t i = 0; i < call->n_in; i++) {
    if (call->in[i].buffer != NULL) emit_dims(e, &call->in[i], "in_dims", i, NULL);
  }
  for (uint32_t i = 0; i < call->n_out; i++) {
    if (call->out[i].buffer != NULL) emit_dims(e, &call->out[i], "out_dims", i, call->node);
  }
  emit_tensors(e, call->in, call->n_in, "in", false);
  emit_tensors(e, call->out, call->n_out, "out", true);
  bool attributes = emit_attrs(e, call->node);
  out(e->out, "const onnxc_rt_call call = {.in = in, .out = out, .n_in = %u, .n_out = %u",
      call->n_in, call->n_out);
  if (attributes) out(e->out, ", .attr = attributes");
  if (call->scratch != NULL) out(e->out, ", .scratch = f->arena + %zu", call->scratch->offset);
  if (op_makes_text(call->node)) out(e->out, ", .text = &f->text");
  if (call->node->op->flags & OP_NONDETERMINISTIC) emit_random(e);
  out(e->out, "};\n");
  out(e->out, "const int status = %s(&call);\n", call->node->op->kernel);
  out(e->out, "if (status != ONNXC_RT_OK) return status;\n");
  emit_found_sizes(e, call);
  emit_ready_checks(e, "SHAPE");
}
