/* Steps and buffers as text: what --dump shows after lowering. */
#include "inspect/inspect.h"

static const char *place_name(const Buffer *buffer) {
  static const char *const names[] = {[BUFFER_ARENA] = "arena",
                                      [BUFFER_INPUT] = "input",
                                      [BUFFER_OUTPUT] = "output",
                                      [BUFFER_WEIGHT] = "weight",
                                      [BUFFER_STATE] = "state"};
  return buffer->scratch ? "scratch" : names[buffer->place];
}

static void print_buffer(Arena *a, Out *w, const Buffer *b) {
  out(w, "b%u: %s %s[%s] %zu bytes", b->id, place_name(b), dtype_info(b->dtype)->name,
      dim_text(a, b->count), b->bytes);
  if (b->place == BUFFER_ARENA || b->place == BUFFER_STATE) out(w, " at %zu", b->offset);
  out(w, " '%s'\n", text_escape(a, b->name));
}

/* `[offset; strides]`, or with extents where a kernel needs them: `[offset; 4:12, 3:1]` */
static void print_strided(Arena *a, Out *w, const Operand *o, int n_strides, bool dims) {
  out(w, "[%s;", o->offset == NULL ? "0" : dim_text(a, o->offset));
  for (int i = 0; i < n_strides; i++) {
    out(w, "%s", i == 0 ? " " : ", ");
    if (dims && o->dims[i] != NULL) out(w, "%s:", dim_text(a, o->dims[i]));
    out(w, "%s", o->strides[i] == NULL ? "0" : dim_text(a, o->strides[i]));
  }
  out(w, "]");
}

static void print_operand(Arena *a, Out *w, const Operand *o, int n_strides, bool dims) {
  if (o->buffer == NULL) {
    out(w, "_");
    return;
  }
  out(w, "b%u", o->buffer->id);
  print_strided(a, w, o, n_strides, dims);
}

/* ---- row programs ------------------------------------------------------------------------------
 */

static const char *row_op_name(RowOp op) {
  static const char *const names[] = {
      [ROW_LOAD] = "load",       [ROW_GATHER] = "gather",   [ROW_POSITION] = "position",
      [ROW_INDEX] = "index",     [ROW_CONST] = "const",     [ROW_DIM] = "dim",
      [ROW_CONVERT] = "convert", [ROW_SUM] = "sum",         [ROW_PROD] = "prod",
      [ROW_MAXIMUM] = "maximum", [ROW_MINIMUM] = "minimum",
#define RI(name, arity, cost, f32_c, f64_c, int_c) [ROW_##name] = #name,
      ROW_INSTRUCTIONS(RI)
#undef RI
  };
  return names[op];
}

static void print_load(Arena *a, Out *w, const RowProgram *p, uint32_t operand) {
  if (operand == ROW_ACCUMULATORS) {
    out(w, " accumulators");
    return;
  }
  const Operand *o = &p->operands.data[operand];
  out(w, " ");
  if (o->buffer != NULL) out(w, "b%u", o->buffer->id);
  print_strided(a, w, o, p->n_outer + p->n_inner, false);
}

static void print_inst(Arena *a, Out *w, const RowProgram *p, size_t i) {
  const RowInst *inst = &p->insts.data[i];
  out(w, "r%zu: %s%s = %s", i, dtype_info(inst->dtype)->name, inst->element ? "" : " row",
      row_op_name(inst->op));
  switch (inst->op) {
  case ROW_LOAD:
  case ROW_POSITION: print_load(a, w, p, inst->operand); break;
  case ROW_GATHER:
    print_load(a, w, p, inst->operand);
    out(w, " + r%u * %s", inst->a[0], dim_text(a, inst->dim));
    break;
  case ROW_INDEX: out(w, " r%u of %s", inst->a[0], dim_text(a, inst->dim)); break;
  case ROW_DIM: out(w, " %s", dim_text(a, inst->dim)); break;
  case ROW_CONST:
    if (dtype_is_float(inst->dtype))
      out(w, " %a", inst->number);
    else
      out(w, " %lld", (long long)inst->integer);
    break;
  default:
    for (int k = 0; k < 3 && inst->a[k] != ROW_NONE; k++) out(w, " r%u", inst->a[k]);
  }
  out(w, "\n");
}

static void print_row(Arena *a, Out *w, const RowProgram *p) {
  out(w, "over (");
  for (int i = 0; i < p->n_outer + p->n_inner; i++) {
    out(w, "%s%s", i == 0 ? "" : i == p->n_outer ? "; " : ", ", dim_text(a, p->extents[i]));
  }
  out(w, ")\n");
  for (size_t i = 0; i < p->insts.len; i++) print_inst(a, w, p, i);
  VEC_EACH(RowStore, store, &p->stores) {
    print_operand(a, w, &p->operands.data[store->operand], p->n_outer + p->n_inner, false);
    out(w, " = r%u\n", store->value);
  }
}

/* ---- kernels and calls -------------------------------------------------------------------------
 */

static void print_field(Arena *a, Out *w, const Field *f, int n_loops) {
  out(w, ".%s = ", f->name);
  switch (f->kind) {
  case FIELD_FLOAT: out(w, "%a", (double)f->number); break;
  case FIELD_DIM: out(w, "%s", dim_text(a, f->dims[0])); break;
  case FIELD_DIMS:
    for (int i = 0; i < f->n; i++) out(w, "%s%s", i == 0 ? "" : ", ", dim_text(a, f->dims[i]));
    break;
  case FIELD_OPERAND:
  case FIELD_SCRATCH: print_operand(a, w, &f->operand, n_loops, false); break;
  }
  out(w, "\n");
}

static void print_kernel(Arena *a, Out *w, const Kernel *k) {
  out(w, "%s", k->function);
  for (int i = 0; i < k->n_loops; i++) {
    out(w, "%s%s", i == 0 ? " over " : ", ", dim_text(a, k->loops[i]));
  }
  out(w, "\n");
  VEC_EACH(Field, field, &k->fields) print_field(a, w, field, k->n_loops);
  if (k->epilogue == NULL) return;
  out(w, "epilogue ");
  print_row(a, w, k->epilogue);
}

static void print_call(Arena *a, Out *w, const Call *call) {
  out(w, "%s %s", call->node->op->kernel, inspect_label(a, call->node));
  for (uint32_t i = 0; i < call->n_in; i++) {
    out(w, "%s", i == 0 ? " in " : ", ");
    print_operand(a, w, &call->in[i], call->in[i].rank, true);
  }
  for (uint32_t i = 0; i < call->n_out; i++) {
    out(w, "%s", i == 0 ? " out " : ", ");
    print_operand(a, w, &call->out[i], call->out[i].rank, true);
  }
  out(w, "\n");
}

/* ---- lists -------------------------------------------------------------------------------------
 */

static void print_accesses(Out *w, const Step *step) {
  out(w, "reads");
  VEC_EACH(Buffer *, b, &step->reads) out(w, " b%u", (*b)->id);
  out(w, " writes");
  VEC_EACH(Buffer *, b, &step->writes) out(w, " b%u", (*b)->id);
  VEC_EACH(InPlace, pair, &step->in_place) out(w, " b%u=b%u", pair->out->id, pair->in->id);
  out(w, "\n");
}

static void print_list(Arena *a, Out *w, const Steps *steps);

static void print_step(Arena *a, Out *w, const Step *step) {
  out(w, "step %u %s:", step->id, inspect_kind(step->kind));
  for (uint32_t i = 0; i < step->n_ops; i++) out(w, " %s", step->ops[i]);
  for (uint32_t i = 0; i < step->n_nodes; i++) {
    out(w, "%s'%s'", i == 0 ? " from " : ", ", text_escape(a, step->nodes[i]));
  }
  out(w, "\n");
  out_indent(w, 1);
  print_accesses(w, step);
  Steps *bodies[2];
  uint32_t n = step_bodies(step, bodies);
  if (step->kind == STEP_ROW || step->kind == STEP_COPY)
    print_row(a, w, &step->row);
  else if (n == 0 && step->reference)
    print_call(a, w, &step->call);
  else if (n == 0)
    print_kernel(a, w, &step->kernel);
  for (uint32_t i = 0; i < n; i++) print_list(a, w, bodies[i]);
  out_indent(w, -1);
}

static void print_list(Arena *a, Out *w, const Steps *steps) {
  out(w, "steps of '%s' {\n", text_escape(a, steps->graph->name));
  out_indent(w, 1);
  VEC_EACH(Step *, step, &steps->steps) print_step(a, w, *step);
  out_indent(w, -1);
  out(w, "}\n");
}

/* ---- one line ----------------------------------------------------------------------------------
 */

static void print_extents(Arena *a, Out *w, const RowProgram *p) {
  out(w, " over ");
  for (int i = 0; i < p->n_outer + p->n_inner; i++) {
    out(w, "%s%s", i == 0 ? "" : ", ", dim_text(a, p->extents[i]));
  }
}

static void print_sizes(Arena *a, Out *w, const Field *f) {
  if (f->kind != FIELD_DIM && f->kind != FIELD_DIMS) return;
  bool plain = true;
  for (int i = 0; i < f->n; i++) plain = plain && f->dims[i]->lo >= 0 && f->dims[i]->hi <= 1;
  if (plain) return;
  for (int i = 0; i < f->n; i++) {
    if (i == 0) out(w, " %s=", f->name);
    out(w, "%s%s", i == 0 ? "" : "x", dim_text(a, f->dims[i]));
  }
}

const char *inspect_work(Arena *arena, const Step *step) {
  Out *w = out_memory(arena);
  Steps *bodies[2];
  out(w, "%s", inspect_kind(step->kind));
  for (uint32_t i = 0; i < step->n_ops; i++) out(w, " %s", step->ops[i]);
  if (step->kind == STEP_ROW || step->kind == STEP_COPY) {
    print_extents(arena, w, &step->row);
  } else if (step_bodies(step, bodies) == 0 && step->reference) {
    out(w, ": %s", step->call.node->op->kernel);
  } else if (step_bodies(step, bodies) == 0) {
    out(w, ": %s", step->kernel.function);
    VEC_EACH(const Field, field, &step->kernel.fields) print_sizes(arena, w, field);
  }
  return out_text(w, NULL);
}

void inspect_steps(const Steps *steps, Arena *arena, Out *w) {
  VEC_EACH(Buffer *, buffer, &steps->buffers) print_buffer(arena, w, *buffer);
  print_list(arena, w, steps);
}
