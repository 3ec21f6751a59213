/* Branches and loops as C control flow over the functions of their steps. */
#include "emit/emitter.h"

void emit_call_of(Emitter *e, const Step *step) {
  if (e->profile) out(e->out, "onnxc_harness_enter(%u);\n", step->id);
  out(e->out, "if (status == ONNXC_RT_OK) status = step_%u(f);\n", step->id);
  if (e->profile) out(e->out, "onnxc_harness_leave(%u);\n", step->id);
  if (step->kind != STEP_IF) emit_deaths(e, step);
}

void emit_calls(Emitter *e, const Steps *steps) {
  VEC_EACH(Step *const, step, &steps->steps) emit_call_of(e, *step);
}

/* What a nested list relies on and is known before its first step. */
static void emit_entry_checks(Emitter *e, const Graph *graph) {
  const Graph *outer = e->scope;
  e->scope = graph;
  emit_ready_checks(e, "SHAPE");
  e->scope = outer;
}

static void emit_branch(Emitter *e, const Step *step, bool then) {
  const Branches *branches = &step->branches;
  out_indent(e->out, 1);
  emit_deaths(e, step); /* here: what the branch makes may lie there */
  const Steps *steps = then ? branches->then_steps : branches->else_steps;
  emit_entry_checks(e, steps->graph);
  emit_calls(e, steps);
  VEC_EACH(BranchSize, size, &branches->sizes) {
    emit_found_size(e, size->size, emit_dim(e, then ? size->then_size : size->else_size));
  }
  out_indent(e->out, -1);
}

void emit_if_step(Emitter *e, const Step *step) {
  const Branches *branches = &step->branches;
  out(e->out, "const uint8_t *const condition = %s;\n",
      emit_pointer(e, &branches->condition, false));
  out(e->out, "int status = ONNXC_RT_OK;\nif (condition[0] != 0) {\n");
  emit_branch(e, step, true);
  out(e->out, "} else {\n");
  emit_branch(e, step, false);
  out(e->out, "}\nif (status != ONNXC_RT_OK) return status;\n");
  emit_ready_checks(e, "SHAPE");
}

/* How many turns there are at most, before any condition. */
static const char *limit_text(Emitter *e, const Turns *turns) {
  if (turns->trips != NULL) return emit_dim(e, turns->trips);
  if (turns->trip_count.buffer == NULL) return "INT64_MAX";
  return arena_printf(e->arena, "*(%s)", emit_pointer(e, &turns->trip_count, false));
}

static void emit_condition(Emitter *e, const Turns *turns) {
  if (turns->condition.buffer == NULL) return;
  out(e->out, "uint8_t *const condition = %s;\n", emit_pointer(e, &turns->condition, true));
  const char *first = turns->first.buffer == NULL
                          ? "1"
                          : arena_printf(e->arena, "*(%s)", emit_pointer(e, &turns->first, false));
  out(e->out, "*condition = %s;\n", first);
}

/* Sizes that a turn has changed, all at once: one may depend on another. */
static void emit_next_sizes(Emitter *e, const Turns *turns) {
  if (turns->carried.len == 0) return;
  out(e->out, "if (status != ONNXC_RT_OK) return status;\n");
  for (size_t i = 0; i < turns->carried.len; i++) {
    const char *next = emit_bare(e, emit_dim(e, turns->carried.data[i].next));
    out(e->out, "const ptrdiff_t next%zu = %s;\n", i, next);
  }
  for (size_t i = 0; i < turns->carried.len; i++) {
    emit_found_size(e, turns->carried.data[i].size, arena_printf(e->arena, "next%zu", i));
  }
}

void emit_loop_step(Emitter *e, const Step *step) {
  const Turns *turns = &step->turns;
  emit_condition(e, turns);
  out(e->out, "const int64_t limit = %s;\n", limit_text(e, turns));
  out(e->out, "int status = ONNXC_RT_OK;\nptrdiff_t turn = 0;\n");
  if (e->draws) out(e->out, "const uint64_t outer_turn = f->random_turn;\n");
  VEC_EACH(const TurnSize, entry, &turns->carried) {
    emit_found_size(e, entry->size, emit_bare(e, emit_dim(e, entry->first)));
  }
  VEC_EACH(const Dim *const, size, &turns->shared) emit_size(e, *size, "0");
  out(e->out, "for (; status == ONNXC_RT_OK && turn < limit%s; turn++) {\n",
      turns->condition.buffer == NULL ? "" : " && *condition != 0");
  out_indent(e->out, 1);
  if (turns->most != NULL && turns->trips == NULL) {
    out(e->out, "if (turn >= %lld) return ONNXC_RT_ERROR_SHAPE;\n", (long long)turns->most->hi);
  }
  if (e->draws) out(e->out, "f->random_turn = onnxc_rt_turn(outer_turn, turn);\n");
  emit_size(e, turns->turn, "turn");
  if (turns->counter.buffer != NULL) {
    out(e->out, "*(%s) = turn;\n", emit_pointer(e, &turns->counter, true));
  }
  emit_entry_checks(e, turns->body->graph);
  emit_calls(e, turns->body);
  emit_next_sizes(e, turns);
  out_indent(e->out, -1);
  out(e->out, "}\nif (status != ONNXC_RT_OK) return status;\n");
  if (e->draws) out(e->out, "f->random_turn = outer_turn;\n");
  VEC_EACH(const Dim *, count, &turns->counts) emit_found_size(e, *count, "turn");
  emit_ready_checks(e, "SHAPE");
}
