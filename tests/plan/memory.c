#include "memory.h"

enum { GRAIN = ARENA_ALIGN, MOST_TURNS = 3, NOBODY = 0 };

typedef struct Memory {
  const Steps *root;
  Arena *arena;
  uint32_t *owner; /* by grain of the arena: 1 + id of the buffer */
  size_t grains;
  uint64_t seed;
  const char *fault;
} Memory;

uint64_t pick(uint64_t *seed, uint64_t below) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (*seed >> 16) % below;
}

static size_t grain_begin(const Buffer *b) {
  return b->offset / GRAIN;
}

static size_t grain_end(const Buffer *b) {
  return (b->offset + b->bytes + GRAIN - 1) / GRAIN;
}

static bool wrong(Memory *m, const Step *step, const char *what, const Buffer *buffer) {
  m->fault = arena_printf(m->arena, "step %u %s buffer %u", step->id, what, buffer->id);
  return false;
}

static bool read(Memory *m, const Step *step, const Buffer *buffer) {
  if (buffer->place != BUFFER_ARENA) return true;
  for (size_t i = grain_begin(buffer); i < grain_end(buffer); i++) {
    if (m->owner[i] != buffer->id + 1) return wrong(m, step, "finds something else in", buffer);
  }
  return true;
}

static bool meets(const Buffer *a, const Buffer *b) {
  return grain_begin(a) < grain_end(b) && grain_begin(b) < grain_end(a) && a->bytes != 0 &&
         b->bytes != 0;
}

static bool names_pair(const Step *step, const Buffer *out, const Buffer *in) {
  VEC_EACH(const InPlace, pair, &step->in_place) {
    if (pair->out == out && pair->in == in) return true;
  }
  return false;
}

/* Of different buffers, at least one of which is written. */
static bool apart(Memory *m, const Step *step) {
  VEC_EACH(Buffer *const, at, &step->writes) {
    const Buffer *out = *at;
    if (out->place != BUFFER_ARENA) continue;
    VEC_EACH(Buffer *const, in, &step->reads) {
      if ((*in)->place != BUFFER_ARENA || *in == out || !meets(*in, out)) continue;
      if (!names_pair(step, out, *in)) return wrong(m, step, "writes over what it reads to", out);
    }
    VEC_EACH(Buffer *const, other, &step->writes) {
      if ((*other)->place != BUFFER_ARENA || *other == out || !meets(*other, out)) continue;
      return wrong(m, step, "writes twice to", out);
    }
  }
  return true;
}

static bool run(Memory *m, const Steps *steps);

static bool run_nested(Memory *m, const Step *step) {
  if (step->kind == STEP_IF) {
    bool then = pick(&m->seed, 2) == 0;
    return run(m, then ? step->branches.then_steps : step->branches.else_steps);
  }
  if (step->kind != STEP_LOOP) return true;
  for (uint64_t turns = 1 + pick(&m->seed, MOST_TURNS); turns-- > 0;) {
    if (!run(m, step->turns.body)) return false;
  }
  return true;
}

static bool run(Memory *m, const Steps *steps) {
  VEC_EACH(Step *const, at, &steps->steps) {
    const Step *step = *at;
    VEC_EACH(Buffer *const, buffer, &step->reads) {
      if (!read(m, step, *buffer)) return false;
    }
    if (!apart(m, step)) return false;
    VEC_EACH(Buffer *const, buffer, &step->writes) {
      if ((*buffer)->place != BUFFER_ARENA) continue;
      for (size_t i = grain_begin(*buffer); i < grain_end(*buffer); i++) {
        m->owner[i] = (*buffer)->id + 1;
      }
    }
    if (!run_nested(m, step)) return false;
  }
  return true;
}

const char *memory_fault(const Steps *steps, size_t arena_bytes, uint64_t seed, int runs) {
  Memory m = {.root = steps, .arena = arena_scratch(steps->ctx->arena), .seed = seed};
  m.grains = arena_bytes / GRAIN + 1;
  const char *fault = NULL;
  for (int i = 0; i < runs && fault == NULL; i++) {
    m.owner = ARENA_ARRAY(m.arena, m.grains, uint32_t);
    if (!run(&m, steps)) fault = arena_printf(steps->ctx->arena, "%s", m.fault);
  }
  arena_drop(m.arena);
  return fault;
}
