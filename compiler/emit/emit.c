#include "emit/emit.h"

#include "emit/emitter.h"
#include "emit/names.h"
#include "onnxc.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ---- the interface ---- */

static bool mentioned_by(const Value *value, const DimAtom *symbol) {
  for (int i = 0; i < value->type.rank; i++) {
    if (dim_mentions(value->type.dims[i], symbol)) return true;
  }
  return false;
}

static bool mentioned_by_any(Value *const *values, size_t n, const DimAtom *symbol) {
  for (size_t i = 0; i < n; i++) {
    if (mentioned_by(values[i], symbol)) return true;
  }
  return false;
}

/* Of outputs that are the caller's. */
static bool mentioned_by_outputs(const EmitInterface *i, const DimAtom *symbol) {
  VEC_EACH(const EmitMember, m, &i->outputs) {
    if (m->value != NULL && mentioned_by(m->value, symbol)) return true;
  }
  return false;
}

/* Whether the state knows the size: how much has been appended. */
static bool is_length(const Steps *steps, const Dim *size) {
  VEC_EACH(const StateSize, entry, &steps->state.sizes) {
    if (entry->size == size && entry->next != NULL) return true;
  }
  return false;
}

static const char *upper_case(Arena *arena, const char *name) {
  char *upper = arena_printf(arena, "%s", name);
  for (char *at = upper; *at != '\0'; at++) *at = (char)toupper((unsigned char)*at);
  return upper;
}

static bool make_text(const Steps *steps) {
  Steps *bodies[2];
  VEC_EACH(Step *, step, &steps->steps) {
    bool calls = (*step)->kind == STEP_CALL && (*step)->reference;
    if (calls && op_makes_text((*step)->call.node)) return true;
    for (uint32_t i = step_bodies(*step, bodies); i-- > 0;) {
      if (make_text(bodies[i])) return true;
    }
  }
  return false;
}

const EmitInterface *emit_interface(const Steps *steps, const char *name) {
  Arena *arena = steps->ctx->arena;
  const Graph *graph = steps->graph;
  EmitInterface *i = ARENA_NEW(arena, EmitInterface);
  i->name = name_clean(arena, name);
  i->upper = upper_case(arena, i->name);
  NameScope in_names = name_scope(arena), out_names = name_scope(arena);
  i->makes_text = make_text(steps);
  i->keeps_state = steps->state.bytes != 0;
  name_unique(&in_names, "weights");
  if (i->keeps_state) name_unique(&in_names, "state");
  if (i->makes_text) {
    name_unique(&out_names, "text");
    name_unique(&out_names, "text_bytes");
  }
  for (uint32_t s = 0; s < dims_symbols(steps->ctx->dims); s++) {
    const Dim *size = dims_symbol(steps->ctx->dims, s);
    const DimAtom *symbol = dim_as_symbol(size);
    if (is_length(steps, size)) continue;
    if (mentioned_by_any(graph->inputs.data, graph->inputs.len, symbol)) {
      vec_push(arena, &i->inputs, (EmitMember){name_unique(&in_names, symbol->name), NULL, size});
    }
  }
  for (size_t k = 0; k < graph->inputs.len; k++) {
    Value *v = graph->inputs.data[k];
    if (state_of_input(steps, k) != NULL) continue;
    vec_push(arena, &i->inputs, (EmitMember){name_unique(&in_names, v->name), v, NULL});
  }
  for (size_t k = 0; k < graph->outputs.len; k++) {
    Value *v = graph->outputs.data[k];
    if (state_of_output(steps, k) != NULL) continue;
    vec_push(arena, &i->outputs, (EmitMember){name_unique(&out_names, v->name), v, NULL});
  }
  for (uint32_t s = 0; s < dims_symbols(steps->ctx->dims); s++) {
    const Dim *size = dims_symbol(steps->ctx->dims, s);
    const DimAtom *symbol = dim_as_symbol(size);
    if (mentioned_by_any(graph->inputs.data, graph->inputs.len, symbol)) continue;
    if (mentioned_by_outputs(i, symbol)) {
      vec_push(arena, &i->outputs, (EmitMember){name_unique(&out_names, symbol->name), NULL, size});
    }
  }
  return i;
}

/* ---- the header ---- */

static const char *bounds_text(Emitter *e, const Dim *size) {
  if (size->lo == size->hi) return arena_printf(e->arena, "%" PRId64, size->lo);
  return arena_printf(e->arena, "%" PRId64 " to %" PRId64, size->lo, size->hi);
}

static void emit_member(Emitter *e, Out *w, const EmitMember *m, bool written) {
  if (m->value == NULL) {
    const char *symbol = text_comment(e->arena, dim_as_symbol(m->size)->name);
    out(w, "int64_t %s; /* %s: %s%s */\n", m->name, symbol, bounds_text(e, m->size),
        written ? ", set by the run" : "");
    return;
  }
  const char *about = m->value->about;
  out(w, "%s%s; /* %s: %s%s%s */\n", emit_pointer_type(e, m->value->type.dtype, written), m->name,
      text_comment(e->arena, m->value->name),
      text_comment(e->arena, type_text(e->arena, &m->value->type)), about == NULL ? "" : ", ",
      about == NULL ? "" : text_comment(e->arena, about));
}

static void emit_struct(Emitter *e, Out *w, const EmitMember *members, size_t n, bool written) {
  const char *kind = written ? "outputs" : "inputs";
  out(w, "typedef struct %s_%s {\n", e->interface->name, kind);
  out_indent(w, 1);
  for (size_t i = 0; i < n; i++) emit_member(e, w, &members[i], written);
  bool weights = !written && e->weights_from_caller;
  if (weights) {
    out(w, "const void *weights; /* contents of %s.weights.bin, aligned to %d */\n",
        e->interface->name, ARENA_ALIGN);
  }
  if (written && e->interface->makes_text) {
    out(w, "char *text; /* memory for the bytes of new strings; too little of it is an error,\n"
           "             ONNXC_RT_ERROR_TEXT, after which more may do */\n"
           "ptrdiff_t text_bytes; /* its size */\n");
  }
  bool state = !written && e->interface->keeps_state;
  if (state) {
    out(w, "void *state; /* %s_STATE_BYTES, aligned, that %s_reset has made */\n",
        e->interface->upper, e->interface->name);
  }
  if (n == 0 && !weights && !state) out(w, "char none;\n");
  out_indent(w, -1);
  out(w, "} %s_%s;\n\n", e->interface->name, kind);
}

static bool has_strings(const EmitInterface *i) {
  VEC_EACH(EmitMember, m, &i->outputs) {
    if (m->value != NULL && m->value->type.dtype == ONNXC_RT_STRING) return true;
  }
  return false;
}

static const char strings_live[] = "\n * The bytes of strings in the outputs are those of the "
                                   "inputs, constants of the program, or "
                                   "new\n * ones in `text`, and live as long as these.";

static void emit_header(Emitter *e, const EmitFiles *files) {
  Out *w = files->header;
  const char *name = e->interface->name, *upper = e->interface->upper;
  out(w, "/* Generated by onnxc %s from the graph '%s'. */\n", onnxc_version(),
      text_comment(e->arena, e->steps->graph->name));
  out(w, "#ifndef %s_H\n#define %s_H\n\n#include \"onnxc_rt.h\"\n\n", upper, upper);
  out(w, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  out(w, "/* Memory for intermediate values: the caller's, aligned, contents unspecified. */\n");
  out(w, "#define %s_ARENA_BYTES %zu\n#define %s_ARENA_ALIGN %d\n\n", upper, e->plan->arena_bytes,
      upper, ARENA_ALIGN);
  emit_weights_header(e, files);
  if (e->interface->keeps_state) emit_state_macros(e, w);
  emit_struct(e, w, e->interface->inputs.data, e->interface->inputs.len, false);
  emit_struct(e, w, e->interface->outputs.data, e->interface->outputs.len, true);
  out(w,
      "/* 0, or an ONNXC_RT_ERROR code. Tensors are dense and row-major; those of the outputs "
      "have\n"
      " * room for the largest sizes. The arena may be used by one run at a time. `env` may be "
      "NULL.%s\n"
      " */\n",
      has_strings(e->interface) ? strings_live : "");
  out(w, "int %s_run(const %s_inputs *inputs, %s_outputs *outputs, void *arena,\n", name, name,
      name);
  out(w, "%*sconst onnxc_rt_env *env);\n\n", (int)strlen(name) + 9, "");
  if (e->interface->keeps_state) {
    out(w,
        "/* Makes it a state without history. 0, or an ONNXC_RT_ERROR code. */\n"
        "int %s_reset(void *state);\n\n",
        name);
  }
  out(w, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- the source ---- */

static void emit_names(Emitter *e, const char *title, const char *const *names, uint32_t n) {
  size_t width = 0;
  for (uint32_t i = 0; i < n; i++) {
    const char *text = text_comment(e->arena, names[i]);
    bool first = i == 0, wrap = width + strlen(text) > 88;
    if (first || wrap) {
      out(e->out, "%s * %s", first ? "" : ",\n", first ? title : "    ");
      width = strlen(title);
    } else {
      out(e->out, ", ");
    }
    out(e->out, "%s", text);
    width += strlen(text) + 2;
  }
  if (n != 0) out(e->out, "\n");
}

void emit_comment(Emitter *e, const Step *step) {
  static const char *const kinds[] = {[STEP_ROW] = "row program",
                                      [STEP_CONTRACTION] = "contraction",
                                      [STEP_ATTENTION] = "attention",
                                      [STEP_COPY] = "copy",
                                      [STEP_CALL] = "call",
                                      [STEP_IF] = "if",
                                      [STEP_LOOP] = "loop"};
  out(e->out, "/* Step %u: %s\n", step->id, kinds[step->kind]);
  emit_names(e, "of ", step->ops, step->n_ops);
  emit_names(e, "from ", step->nodes, step->n_nodes);
  out(e->out, " */\n");
}

static bool is_kernel(const Step *step) {
  return step->kind == STEP_CONTRACTION || step->kind == STEP_ATTENTION ||
         (step->kind == STEP_CALL && !step->reference);
}

static void emit_steps(Emitter *e, const Steps *steps);

void emit_check(Emitter *e, const char *condition, const char *code) {
  out(e->out, "if (%s) return ONNXC_RT_ERROR_%s;\n", condition, code);
}

/* What each turn of a loop knows, which is set in the function behind those of its steps. */
static void know_turns(Emitter *e, const Turns *turns) {
  e->known[dim_as_symbol(turns->turn)->symbol] = true;
  VEC_EACH(const TurnSize, entry, &turns->carried) {
    e->known[dim_as_symbol(entry->size)->symbol] = true;
  }
}

/* Functions of nested steps stand in front of the one that calls them. */
static void emit_nested(Emitter *e, const Step *step) {
  if (step->kind == STEP_IF) {
    emit_steps(e, step->branches.then_steps);
    emit_steps(e, step->branches.else_steps);
  }
  if (step->kind == STEP_LOOP) {
    know_turns(e, &step->turns);
    emit_steps(e, step->turns.body);
  }
}

static void emit_body(Emitter *e, const Step *step) {
  switch (step->kind) {
  case STEP_ROW:
  case STEP_COPY: emit_row_step(e, step); break;
  case STEP_IF: emit_if_step(e, step); break;
  case STEP_LOOP: emit_loop_step(e, step); break;
  default:
    if (is_kernel(step))
      emit_kernel_step(e, step);
    else
      emit_call_step(e, step);
  }
}

/* That what the step moves fits where it goes. */
static void emit_room(Emitter *e, const Step *step) {
  VEC_EACH(const SizeLimit, limit, &step->limits) {
    const char *size = emit_dim(e, limit->size);
    emit_check(e, arena_printf(e->arena, "%s > %" PRId64, size, limit->most), "SHAPE");
  }
  VEC_EACH(const SharedSize, entry, &step->shared) {
    const char *found = emit_dim(e, entry->found), *size = emit_dim(e, entry->size);
    out(e->out, "if (%s == 0) %s = %s;\n", emit_dim(e, entry->turn), size, emit_bare(e, found));
    emit_check(e, arena_printf(e->arena, "%s != %s", size, found), "SHAPE");
  }
}

static void emit_step(Emitter *e, const Step *step) {
  emit_nested(e, step);
  if (is_kernel(step) && step->kernel.epilogue != NULL) emit_epilogue(e, step);
  emit_comment(e, step);
  out(e->out, "static int step_%u(struct %s_frame *f) {\n", step->id, e->interface->name);
  out_indent(e->out, 1);
  emit_room(e, step);
  emit_body(e, step);
  out(e->out, "return ONNXC_RT_OK;\n");
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}

static void emit_steps(Emitter *e, const Steps *steps) {
  const Graph *outer = e->scope;
  e->scope = steps->graph;
  VEC_EACH(Step *, step, &steps->steps) emit_step(e, *step);
  e->scope = outer;
}

static void emit_frame(Emitter *e) {
  out(e->out, "/* What every step sees. */\nstruct %s_frame {\n", e->interface->name);
  out_indent(e->out, 1);
  out(e->out, "const %s_inputs *in;\nconst %s_outputs *out;\n", e->interface->name,
      e->interface->name);
  out(e->out, "unsigned char *arena;\nconst onnxc_rt_env *env;\n");
  if (e->interface->makes_text) out(e->out, "onnxc_rt_text text;\n");
  if (e->draws) out(e->out, "uint64_t random_turn; /* of the loops around */\n");
  if (e->interface->keeps_state) out(e->out, "unsigned char *state;\n");
  for (uint32_t i = 0; i < dims_symbols(e->ctx->dims); i++) {
    out(e->out, "ptrdiff_t %s;\n", e->sizes[i]);
  }
  out_indent(e->out, -1);
  out(e->out, "};\n\n");
}

/* Everything that a caller can get wrong, before anything is touched. */
static void emit_checks(Emitter *e) {
  const EmitInterface *i = e->interface;
  emit_check(e, "inputs == NULL || outputs == NULL", "NULL");
  VEC_EACH(EmitMember, m, &i->inputs) {
    if (m->value == NULL) {
      const char *text = arena_printf(e->arena, "inputs->%s < %" PRId64 " || inputs->%s > %" PRId64,
                                      m->name, m->size->lo, m->name, m->size->hi);
      emit_check(e, text, "DIM");
    } else {
      emit_check(e, arena_printf(e->arena, "inputs->%s == NULL", m->name), "NULL");
    }
  }
  VEC_EACH(EmitMember, m, &i->outputs) {
    if (m->value != NULL)
      emit_check(e, arena_printf(e->arena, "outputs->%s == NULL", m->name), "NULL");
  }
  if (i->makes_text) emit_check(e, "outputs->text == NULL", "NULL");
  if (e->weights_from_caller) emit_check(e, "inputs->weights == NULL", "NULL");
  if (i->keeps_state) emit_state_checks(e, "inputs->state");
  if (e->plan->arena_bytes == 0) return;
  emit_check(e, "arena == NULL", "NULL");
  emit_check(e, arena_printf(e->arena, "(uintptr_t)arena %% %s_ARENA_ALIGN != 0", i->upper),
             "ALIGN");
}

static const char *size_member(const EmitMember *members, size_t n, const Dim *size) {
  for (size_t i = 0; i < n; i++) {
    if (members[i].size == size) return members[i].name;
  }
  return NULL;
}

static void emit_string_checks(Emitter *e) {
  const char *declared = "int ";
  VEC_EACH(EmitMember, m, &e->interface->inputs) {
    if (m->value == NULL || m->value->type.dtype != ONNXC_RT_STRING) continue;
    const char *count = emit_bare(e, emit_dim(e, type_count(e->ctx, &m->value->type)));
    out(e->out, "%sstatus = onnxc_rt_check_strings(f->in->%s, %s);\n", declared, m->name, count);
    out(e->out, "if (status != ONNXC_RT_OK) return status;\n");
    declared = "";
  }
}

static const char *value_member(const EmitMember *members, size_t n, const Value *value) {
  for (size_t i = 0; i < n; i++) {
    if (members[i].value == value) return members[i].name;
  }
  return NULL;
}

static const char *number_text(Emitter *e, const InputNumber *entry) {
  const EmitInterface *i = e->interface;
  VEC_EACH(const State, s, &e->steps->state.states) {
    if (s->past != entry->input) continue;
    return arena_printf(e->arena, "(%s)[%u]", emit_pointer(e, &s->from, false), entry->index);
  }
  const char *member = value_member(i->inputs.data, i->inputs.len, entry->input);
  return arena_printf(e->arena, "f->in->%s[%u]", member, entry->index);
}

/* Numbers of the inputs from which sizes are computed. One without bounds is held to 32 bits, so
 * that what is computed from it does not overflow. */
static void emit_number(Emitter *e, const InputNumber *entry) {
  const DimAtom *symbol = dim_as_symbol(entry->number);
  int64_t lo = entry->number->lo, hi = entry->number->hi;
  if (symbol != NULL && !e->used[symbol->symbol]) return;
  bool holds_more = entry->input->type.dtype == ONNXC_RT_I64;
  if (lo < INT32_MIN) lo = INT32_MIN;
  if (hi > INT32_MAX) hi = INT32_MAX;
  const char *text = number_text(e, entry);
  if (holds_more || lo != INT32_MIN) {
    emit_check(e, arena_printf(e->arena, "%s < %" PRId64, text, lo), "SHAPE");
  }
  if (holds_more || hi != INT32_MAX) {
    emit_check(e, arena_printf(e->arena, "%s > %" PRId64, text, hi), "SHAPE");
  }
  if (symbol != NULL) emit_size(e, entry->number, arena_printf(e->arena, "(ptrdiff_t)%s", text));
}

/* The checks that need nothing but what the inputs say, as text. From here on that is known. */
static const char *entry_checks(Emitter *e) {
  const EmitInterface *i = e->interface;
  Out *file = e->out;
  for (uint32_t s = 0; s < dims_symbols(e->ctx->dims); s++) {
    const Dim *size = dims_symbol(e->ctx->dims, s);
    bool input = size_member(i->inputs.data, i->inputs.len, size) != NULL;
    e->known[s] = input || dim_as_symbol(size)->value || is_length(e->steps, size);
  }
  if (i->keeps_state) e->known[dim_as_symbol(e->steps->state.turn)->symbol] = true;
  e->scope = e->steps->graph;
  e->out = out_memory(e->arena);
  emit_ready_checks(e, "DIM");
  const char *text = out_text(e->out, NULL);
  e->out = file;
  return text;
}

/* Takes over the sizes of the inputs and checks what was concluded from them. It stands behind the
 * steps, which say what they use. */
static void emit_enter(Emitter *e, const char *checks) {
  const EmitInterface *i = e->interface;
  VEC_EACH(EmitMember, m, &i->outputs) {
    if (m->value == NULL) emit_dim(e, m->size); /* which makes it one that is used */
  }
  out(e->out, "static int enter(struct %s_frame *f) {\n", i->name);
  out_indent(e->out, 1);
  for (uint32_t s = 0; s < dims_symbols(e->ctx->dims); s++) {
    const Dim *size = dims_symbol(e->ctx->dims, s);
    const char *from = size_member(i->inputs.data, i->inputs.len, size);
    if (from != NULL) emit_size(e, size, arena_printf(e->arena, "(ptrdiff_t)f->in->%s", from));
  }
  if (i->keeps_state) emit_state_sizes(e);
  VEC_EACH(const InputNumber, entry, &e->ctx->numbers) emit_number(e, entry);
  out_bytes(e->out, checks, strlen(checks));
  emit_string_checks(e);
  out(e->out, "(void)f;\nreturn ONNXC_RT_OK;\n");
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}

static void emit_run(Emitter *e) {
  const EmitInterface *i = e->interface;
  out(e->out, "int %s_run(const %s_inputs *inputs, %s_outputs *outputs, void *arena,\n", i->name,
      i->name, i->name);
  out(e->out, "%*sconst onnxc_rt_env *env) {\n", (int)strlen(i->name) + 9, "");
  out_indent(e->out, 1);
  emit_checks(e);
  out(e->out,
      "struct %s_frame frame = {.in = inputs, .out = outputs, .arena = arena, .env = env};\n",
      i->name);
  out(e->out, "struct %s_frame *const f = &frame;\n", i->name);
  if (i->makes_text) {
    out(e->out, "f->text.bytes = outputs->text;\nf->text.size = outputs->text_bytes;\n");
  }
  if (i->keeps_state) out(e->out, "f->state = inputs->state;\n");
  if (e->deaths != NULL) out(e->out, "poison(f, 0, %s_ARENA_BYTES);\n", i->upper);
  out(e->out, "int status = enter(f);\n");
  emit_state_calls(e);
  if (i->keeps_state) out(e->out, "if (status == ONNXC_RT_OK) leave(f);\n");
  VEC_EACH(EmitMember, m, &i->outputs) {
    if (m->value != NULL) continue;
    out(e->out, "outputs->%s = (int64_t)%s;\n", m->name, emit_dim(e, m->size));
  }
  out(e->out, "return status;\n");
  out_indent(e->out, -1);
  out(e->out, "}\n");
}

/* ---- all of it ---- */

/* Members of the frame: sizes of inputs under their name there, others under their own. */
static void name_sizes(Emitter *e) {
  NameScope scope = name_scope(e->arena);
  static const char *const members[] = {"in",   "out",         "arena", "env",
                                        "text", "random_turn", "state"};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) name_unique(&scope, members[i]);
  e->sizes = ARENA_ARRAY(e->arena, dims_symbols(e->ctx->dims) + 1, const char *);
  for (uint32_t i = 0; i < dims_symbols(e->ctx->dims); i++) {
    e->sizes[i] = name_unique(&scope, dim_as_symbol(dims_symbol(e->ctx->dims, i))->name);
  }
}

/* By position in the graph's list; NULL for what is in the state. */
static const char **tensor_names(Emitter *e, Value *const *values, size_t n_values,
                                 const EmitMember *members, size_t n) {
  const char **names = ARENA_ARRAY(e->arena, n_values + 1, const char *);
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    if (members[i].value == NULL) continue;
    while (values[at] != members[i].value) at++;
    names[at++] = members[i].name;
  }
  return names;
}

void emit_files(const Steps *steps, const Plan *plan, const EmitInterface *interface,
                const EmitFiles *files) {
  Emitter e = {.steps = steps,
               .plan = plan,
               .interface = interface,
               .ctx = steps->ctx,
               .arena = arena_scratch(steps->ctx->arena),
               .out = files->source,
               .draws = graph_draws(steps->graph),
               .profile = files->profile,
               .weights_from_caller = files->weights != NULL && !files->incbin};
  name_sizes(&e);
  const Graph *graph = steps->graph;
  e.inputs = tensor_names(&e, graph->inputs.data, graph->inputs.len, interface->inputs.data,
                          interface->inputs.len);
  e.outputs = tensor_names(&e, graph->outputs.data, graph->outputs.len, interface->outputs.data,
                           interface->outputs.len);
  e.known = ARENA_ARRAY(e.arena, dims_symbols(e.ctx->dims) + 1, bool);
  e.used = ARENA_ARRAY(e.arena, dims_symbols(e.ctx->dims) + 1, bool);
  e.checked = ARENA_ARRAY(e.arena, e.ctx->checks.len + 1, bool);
  e.weight_names = ARENA_ARRAY(e.arena, steps->weights.len + 1, const char *);
  emit_header(&e, files);
  out(e.out, "/* Generated by onnxc %s from the graph '%s'. */\n", onnxc_version(),
      text_comment(e.arena, steps->graph->name));
  out(e.out, "#include \"%s.h\"\n\n#include \"onnxc_rt_kernels.h\"\n", interface->name);
  out(e.out, "#include \"onnxc_rt_math.h\"\n#include \"onnxc_rt_reference.h\"\n\n");
  if (e.profile) out(e.out, "#include \"onnxc_harness.h\"\n\n");
  emit_weights(&e, files);
  emit_frame(&e);
  emit_poison_begin(&e);
  const char *checks = entry_checks(&e);
  emit_steps(&e, steps);
  if (interface->keeps_state) emit_state_struct(&e);
  emit_enter(&e, checks);
  if (interface->keeps_state) emit_state_functions(&e);
  emit_run(&e);
  arena_drop(e.arena);
}
