/* The state in the generated code. It begins with numbers, which a run reads first and changes
 * last: until then what they describe stays as it is. */
#include "emit/emitter.h"

#include <inttypes.h>

static const StateBlock *block_of(const Emitter *e) {
  return &e->steps->state;
}

static const char *size_name(const Emitter *e, const Dim *size) {
  return e->sizes[dim_as_symbol(size)->symbol];
}

void emit_state_macros(Emitter *e, Out *w) {
  const StateBlock *block = block_of(e);
  const char *upper = e->interface->upper;
  out(w,
      "/* What the model keeps from run to run: memory of the caller's, aligned, that %s_reset\n",
      e->interface->name);
  out(w,
      " * makes, for one run at a time. It holds these inputs, which outputs take the place of:\n");
  VEC_EACH(const State, s, &block->states) {
    out(w, " *   %s: %s", text_comment(e->arena, s->past->name),
        text_comment(e->arena, type_text(e->arena, &s->past->type)));
    if (s->kind == STATE_UPDATED) out(w, ", in place");
    if (s->kind == STATE_APPENDED) {
      const char *length = text_comment(e->arena, dim_as_symbol(s->length)->name);
      out(w, ", %s from 0 to %" PRId64, length, s->capacity);
    }
    out(w, ", then %s\n", text_comment(e->arena, s->present->name));
  }
  out(w, " */\n#define %s_STATE_BYTES %zu\n#define %s_STATE_ALIGN %d\n\n", upper, block->bytes,
      upper, ARENA_ALIGN);
}

void emit_state_struct(Emitter *e) {
  out(e->out, "/* What the state begins with. */\nstruct %s_state {\n", e->interface->name);
  out_indent(e->out, 1);
  out(e->out, "uint64_t layout;\nint64_t %s;\n", size_name(e, block_of(e)->turn));
  VEC_EACH(const StateSize, entry, &block_of(e)->sizes) {
    out(e->out, "int64_t %s;%s\n", size_name(e, entry->size),
        entry->next == NULL ? " /* -1: the next run says it */" : "");
  }
  out_indent(e->out, -1);
  out(e->out, "};\n\n");
}

void emit_state_checks(Emitter *e, const char *pointer) {
  emit_check(e, arena_printf(e->arena, "%s == NULL", pointer), "NULL");
  emit_check(
      e,
      arena_printf(e->arena, "(uintptr_t)%s %% %s_STATE_ALIGN != 0", pointer, e->interface->upper),
      "ALIGN");
}

static void emit_view(Emitter *e, bool written) {
  const char *name = e->interface->name, *type = written ? "" : "const ";
  out(e->out, "%sstruct %s_state *const state = (%sstruct %s_state *)(%svoid *)f->state;\n", type,
      name, type, name, type);
}

/* Numbers that no run leaves are refused, whatever wrote them. */
static void emit_length(Emitter *e, const StateSize *entry) {
  const char *name = size_name(e, entry->size);
  emit_check(e, arena_printf(e->arena, "state->%s < 0", name), "STATE");
  emit_check(e, arena_printf(e->arena, "state->%s > %" PRId64, name, entry->size->hi), "FULL");
  emit_size(e, entry->size, arena_printf(e->arena, "(ptrdiff_t)state->%s", name));
}

void emit_state_sizes(Emitter *e) {
  const StateBlock *block = block_of(e);
  const char *turn = size_name(e, block->turn);
  emit_view(e, false);
  emit_check(e, arena_printf(e->arena, "state->layout != UINT64_C(%" PRIu64 ")", block->layout),
             "STATE");
  emit_check(e, arena_printf(e->arena, "state->%s != 0 && state->%s != 1", turn, turn), "STATE");
  emit_size(e, block->turn, arena_printf(e->arena, "(ptrdiff_t)state->%s", turn));
  VEC_EACH(const StateSize, entry, &block->sizes) {
    const char *name = size_name(e, entry->size);
    if (entry->next != NULL) {
      emit_length(e, entry);
    } else {
      const char *now = emit_dim(e, entry->size);
      emit_check(e, arena_printf(e->arena, "state->%s >= 0 && state->%s != %s", name, name, now),
                 "STATE");
    }
  }
  VEC_EACH(const StateSize, entry, &block->sizes) {
    if (entry->next == NULL || entry->most >= entry->next->hi) continue;
    emit_check(e, arena_printf(e->arena, "%s > %" PRId64, emit_dim(e, entry->next), entry->most),
               "FULL");
  }
}

static bool is_updated(const Buffer *buffer, const StateBlock *block) {
  return buffer->place == BUFFER_STATE && block->states.data[buffer->index].kind == STATE_UPDATED;
}

static bool has_updates(const StateBlock *block) {
  VEC_EACH(const State, s, &block->states) {
    if (s->kind == STATE_UPDATED) return true;
  }
  return false;
}

static bool is_update(const Step *step, const StateBlock *block) {
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    if (is_updated(*buffer, block)) return true;
  }
  return false;
}

void emit_state_calls(Emitter *e) {
  bool updates = false;
  VEC_EACH(Step *const, step, &e->steps->steps) {
    emit_call_of(e, *step);
    if (updates || !is_update(*step, block_of(e))) continue;
    updates = true;
    out(e->out, "if (status == ONNXC_RT_OK) begin_updates(f);\n");
  }
}

static void emit_begin_updates(Emitter *e) {
  if (!has_updates(block_of(e))) return;
  out(e->out, "/* From the first update in place to the end of the run this is no state. */\n");
  out(e->out, "static void begin_updates(struct %s_frame *f) {\n", e->interface->name);
  out_indent(e->out, 1);
  emit_view(e, true);
  out(e->out, "state->layout = UINT64_C(%" PRIu64 ");\n", ~block_of(e)->layout);
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}

static void emit_leave(Emitter *e) {
  const StateBlock *block = block_of(e);
  const char *turn = size_name(e, block->turn);
  out(e->out,
      "/* The next values become the present ones. */\nstatic void leave(struct %s_frame *f) {\n",
      e->interface->name);
  out_indent(e->out, 1);
  emit_view(e, true);
  if (has_updates(block)) out(e->out, "state->layout = UINT64_C(%" PRIu64 ");\n", block->layout);
  out(e->out, "state->%s = 1 - state->%s;\n", turn, turn);
  VEC_EACH(const StateSize, entry, &block->sizes) {
    const Dim *next = entry->next == NULL ? entry->size : entry->next;
    out(e->out, "state->%s = %s;\n", size_name(e, entry->size), emit_bare(e, emit_dim(e, next)));
  }
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}

static void emit_reset(Emitter *e) {
  const StateBlock *block = block_of(e);
  const char *name = e->interface->name;
  out(e->out, "int %s_reset(void *state) {\n", name);
  out_indent(e->out, 1);
  emit_state_checks(e, "state");
  out(e->out, "unsigned char *const bytes = (unsigned char *)state;\n");
  out(e->out, "struct %s_state *const begin = (struct %s_state *)state;\n", name, name);
  out(e->out, "for (size_t i = 0; i < %zu; i++) bytes[i] = 0;\n", block->clear_bytes);
  out(e->out, "begin->layout = UINT64_C(%" PRIu64 ");\n", block->layout);
  VEC_EACH(const StateSize, entry, &block->sizes) {
    if (entry->next == NULL) out(e->out, "begin->%s = -1;\n", size_name(e, entry->size));
  }
  out(e->out, "return ONNXC_RT_OK;\n");
  out_indent(e->out, -1);
  out(e->out, "}\n\n");
}

void emit_state_functions(Emitter *e) {
  emit_begin_updates(e);
  emit_leave(e);
  emit_reset(e);
}
