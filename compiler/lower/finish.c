/* The last touch on steps: what nobody reads goes, what stays is numbered and measured. */
#include "lower/group.h"

#include <string.h>

uint32_t step_bodies(const Step *step, Steps **bodies) {
  if (step->kind == STEP_IF) {
    bodies[0] = step->branches.then_steps;
    bodies[1] = step->branches.else_steps;
    return 2;
  }
  if (step->kind != STEP_LOOP) return 0;
  bodies[0] = step->turns.body;
  return 1;
}

/* A turn reads what an earlier one has written, so all reads of a body count from its end on. */
static void mark_body(const Steps *body, bool *read) {
  VEC_EACH(Step *const, step, &body->steps) {
    Steps *lists[2];
    VEC_EACH(Buffer *const, b, &(*step)->reads) read[(*b)->id] = true;
    for (uint32_t n = step_bodies(*step, lists); n-- > 0;) mark_body(lists[n], read);
  }
}

static bool drop_unread(Steps *steps, bool *read);

/* Whether anything that the step does is of use; unread parts of nested lists go. */
static bool is_live(Step *step, bool *read) {
  Steps *lists[2];
  bool live = step->reference && node_sizes_from_data(step->call.node);
  VEC_EACH(Buffer *, b, &step->writes) {
    live = live || (*b)->place == BUFFER_OUTPUT || (*b)->place == BUFFER_STATE || read[(*b)->id];
  }
  if (step->kind == STEP_IF && step->branches.sizes.len != 0) live = true;
  if (step->kind == STEP_LOOP) {
    const Turns *turns = &step->turns;
    live = live || turns->counts.len + turns->carried.len + turns->shared.len != 0;
    if (turns->condition.buffer != NULL) read[turns->condition.buffer->id] = true;
    mark_body(turns->body, read);
  }
  for (uint32_t n = step_bodies(step, lists); n-- > 0;) live = drop_unread(lists[n], read) || live;
  return live;
}

/* True when steps are left. */
static bool drop_unread(Steps *steps, bool *read) {
  size_t n = steps->steps.len, kept = n;
  for (size_t i = n; i-- > 0;) {
    Step *step = steps->steps.data[i];
    if (!is_live(step, read)) continue;
    VEC_EACH(Buffer *, b, &step->reads) read[(*b)->id] = true;
    steps->steps.data[--kept] = step;
  }
  memmove(steps->steps.data, steps->steps.data + kept, (n - kept) * sizeof(Step *));
  steps->steps.len = n - kept;
  return steps->steps.len != 0;
}

/* A weight goes when all its readers have a rearranged copy. Weights follow one another in the
 * order of their buffers. */
static void drop_unread_weights(Steps *steps, const bool *read) {
  uint32_t kept = 0, weights = 0;
  for (uint32_t i = 0; i < steps->buffers.len; i++) {
    Buffer *buffer = steps->buffers.data[i];
    if (buffer->place == BUFFER_WEIGHT) {
      if (!read[i]) continue;
      steps->weights.data[weights] = steps->weights.data[buffer->index];
      buffer->index = weights++;
    }
    buffer->id = kept;
    steps->buffers.data[kept++] = buffer;
  }
  steps->buffers.len = kept;
  steps->weights.len = weights;
}

static const Dim *traffic(DimTable *t, Buffer *const *buffers, size_t n) {
  const Dim *sum = dim_const(t, 0);
  for (size_t i = 0; i < n; i++) {
    if (buffers[i]->scratch) continue;
    int64_t bits = dtype_info(buffers[i]->dtype)->bits;
    const Dim *bytes = dim_ceildiv(t, dim_mul_i(t, buffers[i]->count, bits), dim_const(t, 8));
    sum = dim_add(t, sum, bytes);
  }
  return sum;
}

static void number(Steps *steps, uint32_t *next) {
  DimTable *t = steps->ctx->dims;
  VEC_EACH(Step *, at, &steps->steps) {
    Step *step = *at;
    Steps *lists[2];
    step->id = (*next)++;
    step->bytes = dim_add(t, traffic(t, step->reads.data, step->reads.len),
                          traffic(t, step->writes.data, step->writes.len));
    uint32_t n = step_bodies(step, lists);
    for (uint32_t k = 0; k < n; k++) number(lists[k], next);
  }
}

void finish_steps(Steps *steps, Arena *scratch) {
  uint32_t next = 0;
  bool *read = ARENA_ARRAY(scratch, steps->buffers.len, bool);
  drop_unread(steps, read);
  drop_unread_weights(steps, read);
  number(steps, &next);
}
