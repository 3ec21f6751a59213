/* Steps made by hand for the tests of planning. */
#ifndef ONNXC_TESTS_PLAN_MAKE_STEPS_H
#define ONNXC_TESTS_PLAN_MAKE_STEPS_H

#include "support.h"

#include "plan/plan.h"

/* A linear congruential generator: the same cases on every machine. */
static inline uint32_t pick(uint64_t *seed, uint32_t below) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33) % below;
}

static inline Steps *new_steps(Context *ctx, Steps *outer) {
  Steps *steps = ARENA_NEW(ctx->arena, Steps);
  *steps = (Steps){.ctx = ctx, .graph = graph_new(ctx, "g"), .outer = outer};
  return steps;
}

static inline Buffer *new_buffer(Steps *steps, BufferPlace place, size_t bytes) {
  Context *ctx = steps->ctx;
  Buffer *buffer = ARENA_NEW(ctx->arena, Buffer);
  *buffer = (Buffer){.id = (uint32_t)steps->buffers.len, .place = place, .bytes = bytes};
  buffer->name = arena_printf(ctx->arena, "b%u", buffer->id);
  vec_push(ctx->arena, &steps->buffers, buffer);
  return buffer;
}

static inline Step *new_step(Steps *steps, StepKind kind) {
  Step *step = ARENA_NEW(steps->ctx->arena, Step);
  *step = (Step){.id = (uint32_t)steps->steps.len, .kind = kind};
  vec_push(steps->ctx->arena, &steps->steps, step);
  return step;
}

/* A row step that reads `a` and `b` (NULL: neither) and writes `to`. */
static inline Step *compute(Steps *steps, Buffer *to, Buffer *a, Buffer *b) {
  Arena *arena = steps->ctx->arena;
  Step *step = new_step(steps, STEP_ROW);
  if (a != NULL) vec_push(arena, &step->reads, a);
  if (b != NULL && b != a) vec_push(arena, &step->reads, b);
  if (to != NULL) vec_push(arena, &step->writes, to);
  return step;
}

static inline void allow(Steps *steps, Step *step, Buffer *out, Buffer *in) {
  InPlace pair = {.out = out, .in = in};
  vec_push(steps->ctx->arena, &step->in_place, pair);
}

#endif
