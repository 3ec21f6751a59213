#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- disjoint intervals ------------------------------------------------------------------------
 */

/* Memory [begin, end) is held at times [from, until]. */
typedef struct Hold {
  uint64_t from, until;
  size_t begin, end;
  uint32_t id;
} Hold;

/* Holds that are live at one time, lowest memory first; disjoint. */
typedef struct Live {
  const Hold **holds;
  size_t n;
} Live;

static int by_from(const void *a, const void *b) {
  const Hold *const *x = a, *const *y = b;
  if ((*x)->from != (*y)->from) return (*x)->from < (*y)->from ? -1 : 1;
  return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static int by_until(const void *a, const void *b) {
  const Hold *const *x = a, *const *y = b;
  if ((*x)->until != (*y)->until) return (*x)->until < (*y)->until ? -1 : 1;
  return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Index of the first live hold that begins at or above `begin`. */
static size_t live_position(const Live *live, size_t begin) {
  size_t low = 0, high = live->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (live->holds[middle]->begin < begin) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* NULL, or the live hold that `hold` collides with. */
static const Hold *live_enter(Live *live, const Hold *hold) {
  size_t at = live_position(live, hold->begin);
  if (at < live->n && live->holds[at]->begin < hold->end) return live->holds[at];
  if (at > 0 && live->holds[at - 1]->end > hold->begin) return live->holds[at - 1];
  memmove(live->holds + at + 1, live->holds + at, (live->n - at) * sizeof *live->holds);
  live->holds[at] = hold;
  live->n++;
  return NULL;
}

static void live_leave(Live *live, const Hold *hold) {
  size_t at = live_position(live, hold->begin);
  live->n--;
  memmove(live->holds + at, live->holds + at + 1, (live->n - at) * sizeof *live->holds);
}

/* True, or false with a pair of holds that share memory at one time. Sweeps over time. */
static bool disjoint(Arena *arena, const Hold *holds, size_t n, const Hold *pair[2]) {
  const Hold **enter = ARENA_ARRAY(arena, n, const Hold *);
  const Hold **leave = ARENA_ARRAY(arena, n, const Hold *);
  Live live = {.holds = ARENA_ARRAY(arena, n, const Hold *)};
  size_t used = 0, left = 0;
  for (size_t i = 0; i < n; i++) {
    if (holds[i].begin == holds[i].end) continue;
    enter[used] = leave[used] = &holds[i];
    used++;
  }
  qsort(enter, used, sizeof *enter, by_from);
  qsort(leave, used, sizeof *leave, by_until);
  for (size_t i = 0; i < used; i++) {
    while (leave[left]->until < enter[i]->from) live_leave(&live, leave[left++]);
    pair[0] = live_enter(&live, enter[i]);
    pair[1] = enter[i];
    if (pair[0] != NULL) return false;
  }
  return true;
}

const char *plan_check_slots(Arena *arena, const PlanSlot *slots, size_t n, size_t height) {
  Arena *scratch = arena_scratch(arena);
  Hold *holds = ARENA_ARRAY(scratch, n, Hold);
  const char *fault = NULL;
  for (size_t i = 0; i < n && fault == NULL; i++) {
    const PlanSlot *s = &slots[i];
    if (s->last < s->first || s->size > height || s->offset > height - s->size) {
      fault = arena_printf(arena, "slot %zu is empty in time or above the height", i);
    }
    holds[i] = (Hold){s->first, s->last, s->offset, s->offset + s->size, (uint32_t)i};
  }
  const Hold *pair[2];
  if (fault == NULL && !disjoint(scratch, holds, n, pair)) {
    fault = arena_printf(arena, "slots %u and %u overlap", pair[0]->id, pair[1]->id);
  }
  arena_drop(scratch);
  return fault;
}

/* ---- steps ------------------------------------------------------------------------------------
 */

/* What is known of a buffer. */
typedef struct Track {
  uint32_t reads, writes; /* time of the last step that declares the access */
  bool written, in_then;  /* on the path at hand */
  bool passing;           /* made within a turn of a loop that has ended */
} Track;

/* A pair of buffers that the step at this time lets share memory. */
typedef struct Allowed {
  const InPlace *pair;
  uint32_t time;
} Allowed;

typedef Vec(uint32_t) Ids;

typedef struct Checker {
  Arena *arena, *scratch;
  const Steps *root;
  PlanLives lives;
  Track *tracks; /* by buffer id */
  uint32_t n, time;
  Vec(Allowed) allowed;
  Ids written; /* buffers written on the path at hand, in order */
  const char *fault;
} Checker;

/* Records what is wrong at a step. Always false. */
static bool fault(Checker *c, const Step *step, const char *what, const Buffer *buffer) {
  c->fault =
      arena_printf(c->arena, "step %u %s buffer %u '%s'", step->id, what, buffer->id, buffer->name);
  return false;
}

static bool known(const Checker *c, const Buffer *buffer) {
  return buffer->id < c->n && c->root->buffers.data[buffer->id] == buffer;
}

/* Inputs, weights and the state are there all the while. */
static bool is_given(const Buffer *buffer) {
  return buffer->place == BUFFER_INPUT || buffer->place == BUFFER_WEIGHT ||
         buffer->place == BUFFER_STATE;
}

static bool see(Checker *c, const Step *step, const Buffer *buffer) {
  if (!known(c, buffer)) return fault(c, step, "has the unknown", buffer);
  if (buffer->scratch && c->lives.of[buffer->id].first != c->time) {
    return fault(c, step, "is not the only one with the scratch", buffer);
  }
  if (!c->tracks[buffer->id].passing) return true;
  return fault(c, step, "uses what only one turn of a loop has, the", buffer);
}

static bool check_read(Checker *c, const Step *step, const Buffer *buffer) {
  if (!see(c, step, buffer)) return false;
  if (!is_given(buffer) && !c->tracks[buffer->id].written) {
    return fault(c, step, "reads before anything was written to", buffer);
  }
  c->tracks[buffer->id].reads = c->time;
  return true;
}

static bool check_write(Checker *c, const Step *step, const Buffer *buffer) {
  if (!see(c, step, buffer)) return false;
  if (buffer->place == BUFFER_INPUT || buffer->place == BUFFER_WEIGHT) {
    return fault(c, step, "writes to the read-only", buffer);
  }
  Track *track = &c->tracks[buffer->id];
  track->writes = c->time;
  if (!track->written) vec_push(c->scratch, &c->written, buffer->id);
  track->written = true;
  return true;
}

/* ---- accesses are declared ---------------------------------------------------------------------
 */

static bool reads(Checker *c, const Step *step, const Buffer *buffer) {
  if (buffer == NULL || (known(c, buffer) && c->tracks[buffer->id].reads == c->time)) return true;
  return fault(c, step, "does not declare that it reads", buffer);
}

static bool writes(Checker *c, const Step *step, const Buffer *buffer) {
  if (buffer == NULL || (known(c, buffer) && c->tracks[buffer->id].writes == c->time)) return true;
  return fault(c, step, "does not declare that it writes", buffer);
}

/* Whether the step changes in place what nobody has read or written before, and nobody but it finds
 * there as it was. */
static bool updates_state(const Checker *c, const Step *step, const Operand *operand) {
  const Call *call = &step->call;
  if (step->kind != STEP_CALL || !step->reference || operand != &call->out[0]) return false;
  if ((call->node->op->flags & OP_UPDATE) == 0 || call->in[0].offset != operand->offset)
    return false;
  for (uint32_t i = 0; i < call->n_in; i++) {
    if ((call->in[i].buffer == operand->buffer) != (i == 0)) return false;
  }
  return c->lives.of[operand->buffer->id].first == c->time;
}

/* What the next run finds is written, and nothing of what this one has found: behind the length of
 * what is appended to, and in the other half of what is replaced. */
static bool writes_state(Checker *c, const Step *step, const Operand *operand) {
  DimTable *t = c->root->ctx->dims;
  const Buffer *buffer = operand->buffer;
  if (buffer == NULL || buffer->place != BUFFER_STATE) return true;
  const State *state = &c->root->state.states.data[buffer->index];
  const Dim *zero = dim_const(t, 0), *begin = state->to.offset;
  const Dim *at = operand->offset == NULL ? zero : operand->offset;
  if (state->kind == STATE_UPDATED && updates_state(c, step, operand)) return true;
  if (state->kind == STATE_APPENDED) {
    begin = dim_mul(t, state->length, state->from.strides[state->axis]);
  }
  if (state->kind != STATE_UPDATED && dim_sub(t, at, begin)->lo >= 0) return true;
  return fault(c, step, "writes over what is there of the state", buffer);
}

static bool check_program(Checker *c, const Step *step, const RowProgram *program) {
  VEC_EACH(const RowInst, inst, &program->insts) {
    bool loads = inst->op == ROW_LOAD || inst->op == ROW_GATHER;
    if (!loads || inst->operand == ROW_ACCUMULATORS) continue;
    if (!reads(c, step, program->operands.data[inst->operand].buffer)) return false;
  }
  VEC_EACH(const RowStore, store, &program->stores) {
    const Operand *operand = &program->operands.data[store->operand];
    if (!writes(c, step, operand->buffer) || !writes_state(c, step, operand)) return false;
  }
  return writes(c, step, program->row_buffer);
}

static bool check_kernel(Checker *c, const Step *step, const Kernel *kernel) {
  VEC_EACH(const Field, field, &kernel->fields) {
    if (field->kind != FIELD_OPERAND && field->kind != FIELD_SCRATCH) continue;
    const Buffer *buffer = field->operand.buffer;
    if (!(field->written ? writes : reads)(c, step, buffer)) return false;
    if (field->written && !writes_state(c, step, &field->operand)) return false;
  }
  return kernel->epilogue == NULL || check_program(c, step, kernel->epilogue);
}

static bool check_call(Checker *c, const Step *step, const Call *call) {
  for (uint32_t i = 0; i < call->n_in; i++) {
    if (!reads(c, step, call->in[i].buffer)) return false;
  }
  for (uint32_t i = 0; i < call->n_out; i++) {
    if (!writes(c, step, call->out[i].buffer) || !writes_state(c, step, &call->out[i]))
      return false;
  }
  return writes(c, step, call->scratch);
}

static bool check_steps(Checker *c, const Steps *steps);

/* Takes back what was written since `mark`; returns it. */
static Ids rewind_writes(Checker *c, size_t mark) {
  Ids ids = {0};
  for (size_t i = mark; i < c->written.len; i++) {
    c->tracks[c->written.data[i]].written = false;
    vec_push(c->scratch, &ids, c->written.data[i]);
  }
  c->written.len = mark;
  return ids;
}

/* Behind the branches only that is written which both have written. */
static bool check_branches(Checker *c, const Step *step, const Branches *branches) {
  size_t mark = c->written.len;
  if (!reads(c, step, branches->condition.buffer)) return false;
  if (!check_steps(c, branches->then_steps)) return false;
  Ids then_ids = rewind_writes(c, mark);
  if (!check_steps(c, branches->else_steps)) return false;
  Ids else_ids = rewind_writes(c, mark);
  VEC_EACH(const uint32_t, id, &then_ids) c->tracks[*id].in_then = true;
  VEC_EACH(const uint32_t, id, &else_ids) {
    if (!c->tracks[*id].in_then) continue;
    c->tracks[*id].written = true;
    vec_push(c->scratch, &c->written, *id);
  }
  VEC_EACH(const uint32_t, id, &then_ids) c->tracks[*id].in_then = false;
  return true;
}

/* The loop ends at a time of its own. What the turns write counts as written behind it: without a
 * turn there is nothing of it to read. */
static bool check_turns(Checker *c, const Step *step, const Turns *turns) {
  uint32_t begin = c->time;
  bool declared = reads(c, step, turns->trip_count.buffer) && reads(c, step, turns->first.buffer) &&
                  writes(c, step, turns->condition.buffer) &&
                  writes(c, step, turns->counter.buffer);
  if (!declared || !check_steps(c, turns->body)) return false;
  c->time++;
  for (uint32_t i = 0; i < c->n; i++) {
    uint32_t first = c->lives.of[i].first;
    if (first <= begin || first > c->time) continue;
    c->tracks[i].passing = !is_given(c->root->buffers.data[i]);
  }
  return true;
}

static bool check_kind(Checker *c, const Step *step) {
  switch (step->kind) {
  case STEP_ROW:
  case STEP_COPY: return check_program(c, step, &step->row);
  case STEP_CONTRACTION:
  case STEP_ATTENTION: return check_kernel(c, step, &step->kernel);
  case STEP_CALL:
    return !step->reference ? check_kernel(c, step, &step->kernel)
                            : check_call(c, step, &step->call);
  case STEP_IF: return check_branches(c, step, &step->branches);
  case STEP_LOOP: return check_turns(c, step, &step->turns);
  }
  c->fault = arena_printf(c->arena, "step %u is of an unknown kind", step->id);
  return false;
}

static bool check_step(Checker *c, const Step *step) {
  c->time++;
  VEC_EACH(Buffer *const, buffer, &step->reads) {
    if (!check_read(c, step, *buffer)) return false;
  }
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    if (!check_write(c, step, *buffer)) return false;
  }
  VEC_EACH(const InPlace, pair, &step->in_place) {
    if (!reads(c, step, pair->in) || !writes(c, step, pair->out)) return false;
    if (pair->grows && step->in_place.len != 1) {
      return fault(c, step, "lets several outputs share memory and grow, among them", pair->out);
    }
    Allowed allowed = {.pair = pair, .time = c->time};
    vec_push(c->scratch, &c->allowed, allowed);
  }
  return check_kind(c, step);
}

static bool check_steps(Checker *c, const Steps *steps) {
  VEC_EACH(Step *const, step, &steps->steps) {
    if (!check_step(c, *step)) return false;
  }
  return true;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static bool check_bounds(Checker *c, size_t arena_bytes) {
  VEC_EACH(Buffer *const, each, &c->root->buffers) {
    const Buffer *buffer = *each;
    const char *wrong = NULL;
    if (buffer->place == BUFFER_OUTPUT && !c->tracks[buffer->id].written) {
      wrong = "output is never written";
    }
    if (buffer->place == BUFFER_WEIGHT && buffer->index >= c->root->weights.len) {
      wrong = "weight does not exist";
    }
    bool used = c->lives.of[buffer->id].first != 0; /* others have no place */
    if (buffer->place == BUFFER_ARENA && used) {
      if (buffer->offset % ARENA_ALIGN != 0) wrong = "offset is not aligned";
      if (buffer->bytes > arena_bytes || buffer->offset > arena_bytes - buffer->bytes) {
        wrong = "end is outside of the arena";
      }
    }
    if (buffer->place == BUFFER_STATE && !c->tracks[buffer->id].writes) {
      wrong = "next value is never written";
    }
    if (wrong == NULL) continue;
    c->fault = arena_printf(c->arena, "buffer %u '%s': its %s", buffer->id, buffer->name, wrong);
    return false;
  }
  return true;
}

/* Times are halved so that, where a step allows it and the input dies there, the output is born
 * after that in the same place. */
static void allow_in_place(const Checker *c, Hold *holds) {
  VEC_EACH(const Allowed, allowed, &c->allowed) {
    const Buffer *in = allowed->pair->in, *out = allowed->pair->out;
    if (!plan_takes_over(&c->lives, allowed->pair, allowed->time)) continue;
    bool fits = out->bytes <= in->bytes || allowed->pair->grows;
    if (in->offset != out->offset || !fits) continue;
    holds[in->id].until = 2 * (uint64_t)allowed->time;
    holds[out->id].from = 2 * (uint64_t)allowed->time + 1;
  }
}

/* Parts of the state follow one another behind the numbers that it begins with. */
static bool check_state(Checker *c) {
  const StateBlock *block = &c->root->state;
  size_t end = (2 + block->sizes.len) * sizeof(int64_t);
  VEC_EACH(Buffer *const, each, &c->root->buffers) {
    const Buffer *buffer = *each;
    if (buffer->place != BUFFER_STATE) continue;
    bool behind = buffer->offset % ARENA_ALIGN == 0 && buffer->offset >= end;
    bool inside = buffer->offset <= block->bytes && buffer->bytes <= block->bytes - buffer->offset;
    end = buffer->offset + buffer->bytes;
    if (behind && inside) continue;
    c->fault = arena_printf(c->arena, "buffer %u '%s' is not in its place of the state", buffer->id,
                            buffer->name);
    return false;
  }
  return true;
}

static bool check_overlaps(Checker *c) {
  Hold *holds = ARENA_ARRAY(c->scratch, c->n, Hold);
  for (uint32_t i = 0; i < c->n; i++) {
    const Buffer *buffer = c->root->buffers.data[i];
    const PlanLife *life = &c->lives.of[i];
    if (buffer->place != BUFFER_ARENA || life->first == 0) continue;
    holds[i] = (Hold){.from = 2 * (uint64_t)life->first,
                      .until = 2 * (uint64_t)life->last + 1,
                      .begin = buffer->offset,
                      .end = buffer->offset + buffer->bytes,
                      .id = i};
  }
  allow_in_place(c, holds);
  const Hold *pair[2];
  if (disjoint(c->scratch, holds, c->n, pair)) return true;
  const Buffer *a = c->root->buffers.data[pair[0]->id], *b = c->root->buffers.data[pair[1]->id];
  c->fault = arena_printf(c->arena, "buffers %u '%s' and %u '%s' overlap while both live", a->id,
                          a->name, b->id, b->name);
  return false;
}

static bool check_ids(Checker *c) {
  for (uint32_t i = 0; i < c->n; i++) {
    if (c->root->buffers.data[i]->id == i) continue;
    c->fault = arena_printf(c->arena, "buffer %u has the number of another", i);
    return false;
  }
  return true;
}

const char *plan_check(const Steps *steps, size_t arena_bytes) {
  Checker c = {.arena = steps->ctx->arena, .root = steps, .n = (uint32_t)steps->buffers.len};
  c.scratch = arena_scratch(c.arena);
  c.lives = plan_lives(steps, c.scratch);
  c.tracks = ARENA_ARRAY(c.scratch, c.n, Track);
  if (check_ids(&c) && check_steps(&c, steps) && check_bounds(&c, arena_bytes) && check_state(&c)) {
    check_overlaps(&c);
  }
  arena_drop(c.scratch);
  return c.fault;
}
