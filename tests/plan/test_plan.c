/* Steps through the planner and the checker, which share no code; faults of every kind planted. */
#include "steps.h"

#include <string.h>

/* x -> a -> b -> y, of which b may replace a. */
typedef struct Chain {
  Steps *steps;
  Buffer *x, *a, *b, *y;
  Step *first, *second, *third;
  Plan plan;
} Chain;

static Chain new_chain(Context *ctx) {
  Chain c = {.steps = new_steps(ctx, NULL)};
  c.x = new_buffer(c.steps, BUFFER_INPUT, 400);
  c.a = new_buffer(c.steps, BUFFER_ARENA, 400);
  c.b = new_buffer(c.steps, BUFFER_ARENA, 400);
  c.y = new_buffer(c.steps, BUFFER_OUTPUT, 400);
  c.first = compute(c.steps, c.a, c.x, NULL);
  c.second = compute(c.steps, c.b, c.a, NULL);
  c.third = compute(c.steps, c.y, c.b, NULL);
  return c;
}

static Chain planned_chain(Context *ctx) {
  Chain c = new_chain(ctx);
  plan(c.steps, &c.plan);
  return c;
}

/* ---- plans -------------------------------------------------------------------------------------
 */

static void buffers_that_meet_lie_apart(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  assert_int_equal(c.plan.arena_bytes, 2 * 448);
  assert_int_equal(c.plan.bound_bytes, 2 * 448);
  assert_int_equal(c.plan.tensor_bytes, 800);
}

static void outputs_take_over_dying_inputs(void **state) {
  TEST_BEGIN(state);
  Chain c = new_chain(ctx);
  allow(c.steps, c.second, c.b, c.a);
  plan(c.steps, &c.plan);
  assert_int_equal(c.plan.arena_bytes, 448);
  assert_int_equal(c.plan.bound_bytes, 448);
  assert_int_equal(c.plan.in_place, 1);
  c = new_chain(ctx);
  allow(c.steps, c.second, c.b, c.a);
  vec_push(ctx->arena, &c.third->reads, c.a); /* read later: not in place */
  plan(c.steps, &c.plan);
  assert_int_equal(c.plan.arena_bytes, 2 * 448);
  c = new_chain(ctx);
  allow(c.steps, c.second, c.b, c.a);
  c.b->bytes = 800; /* too large for it */
  plan(c.steps, &c.plan);
  assert_int_equal(c.plan.arena_bytes, 448 + 832);
}

static void growing_outputs_take_over_smaller_inputs(void **state) {
  TEST_BEGIN(state);
  Chain c = new_chain(ctx);
  allow(c.steps, c.second, c.b, c.a);
  c.second->in_place.data[0].grows = true;
  c.b->bytes = 800;
  plan(c.steps, &c.plan);
  assert_int_equal(c.plan.arena_bytes, 832);
  allow(c.steps, c.second, c.b, c.a);
  finds(c.steps, c.plan.arena_bytes, "grow");
}

static void an_input_is_taken_over_once(void **state) {
  TEST_BEGIN(state);
  Chain c = new_chain(ctx);
  Buffer *twin = new_buffer(c.steps, BUFFER_ARENA, 400);
  vec_push(ctx->arena, &c.second->writes, twin);
  vec_push(ctx->arena, &c.third->reads, twin);
  allow(c.steps, c.second, c.b, c.a);
  allow(c.steps, c.second, twin, c.a);
  plan(c.steps, &c.plan);
  assert_int_equal(c.plan.arena_bytes, 2 * 448);
  assert_true(c.b->offset == c.a->offset || twin->offset == c.a->offset);
}

/* A small output that lives long would keep a large input's memory. */
static void sharing_that_costs_is_declined(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *large = new_buffer(steps, BUFFER_ARENA, 64000),
         *flag = new_buffer(steps, BUFFER_ARENA, 64);
  Buffer *other = new_buffer(steps, BUFFER_ARENA, 64000), *y = new_buffer(steps, BUFFER_OUTPUT, 64);
  compute(steps, large, NULL, NULL);
  allow(steps, compute(steps, flag, large, NULL), flag, large);
  compute(steps, other, NULL, NULL);
  compute(steps, y, other, flag);
  Plan result;
  plan(steps, &result);
  assert_int_equal(result.arena_bytes, 64064);
}

static void branches_may_share_memory(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL), *yes = new_steps(ctx, steps), *no = new_steps(ctx, steps);
  Buffer *c = new_buffer(steps, BUFFER_INPUT, 1), *y = new_buffer(steps, BUFFER_OUTPUT, 64);
  Buffer *a = new_buffer(steps, BUFFER_ARENA, 640), *b = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *result = new_buffer(steps, BUFFER_ARENA, 64);
  Step *choice = compute(steps, NULL, c, NULL);
  choice->kind = STEP_IF;
  choice->branches = (Branches){.condition = {.buffer = c}, .then_steps = yes, .else_steps = no};
  compute(yes, a, c, NULL);
  compute(yes, result, a, NULL);
  compute(no, b, c, NULL);
  compute(no, result, b, NULL);
  compute(steps, y, result, NULL);
  Plan found;
  plan(steps, &found);
  assert_int_equal(found.arena_bytes, 640 + 64);
  no->steps.len = 1; /* only one branch writes the result */
  finds(steps, found.arena_bytes, "step 1 reads before anything was written to buffer 4 'b4'");
}

static void sizes_that_overflow_are_reported(void **state) {
  TEST_BEGIN(state);
  Chain c = new_chain(ctx);
  c.a->bytes = c.b->bytes = PTRDIFF_MAX;
  assert_false(plan_steps(c.steps, 1 << 16, &c.plan));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_LIMIT);
}

/* ---- planted faults ----------------------------------------------------------------------------
 */

static void overlaps_are_found(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  c.b->offset = c.a->offset;
  finds(c.steps, 10000, "buffers 1 'b1' and 2 'b2' overlap while both live");
  c.b->offset = c.a->offset + 384;
  finds(c.steps, 10000, "overlap");
  allow(c.steps, c.second, c.b, c.a);
  finds(c.steps, 10000, "overlap"); /* allowed, but not at the same place */
  c.b->offset = c.a->offset;
  assert_null(plan_check(c.steps, 10000));
  c.b->bytes = 401;
  finds(c.steps, 10000, "overlap");
  c.b->bytes = 400;
  vec_push(ctx->arena, &c.third->reads, c.a); /* the input lives on */
  finds(c.steps, 10000, "overlap");
}

static void taking_over_twice_is_found(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  Buffer *twin = new_buffer(c.steps, BUFFER_ARENA, 400);
  vec_push(ctx->arena, &c.second->writes, twin);
  allow(c.steps, c.second, c.b, c.a);
  allow(c.steps, c.second, twin, c.a);
  c.b->offset = twin->offset = c.a->offset;
  finds(c.steps, 10000, "buffers 2 'b2' and 4 'b4' overlap");
}

static void offsets_are_checked(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  finds(c.steps, c.plan.arena_bytes - 64, "its end is outside of the arena");
  c.b->offset = SIZE_MAX - 63;
  finds(c.steps, c.plan.arena_bytes, "its end is outside of the arena");
  c.b->offset = 32;
  finds(c.steps, c.plan.arena_bytes, "its offset is not aligned");
}

static void accesses_are_checked(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  c.steps->steps.data[0] = c.second;
  c.steps->steps.data[1] = c.first;
  finds(c.steps, 10000, "step 1 reads before anything was written to buffer 1 'b1'");
  c = planned_chain(ctx);
  c.third->writes.len = 0;
  finds(c.steps, 10000, "buffer 3 'b3': its output is never written");
  c = planned_chain(ctx);
  vec_push(ctx->arena, &c.third->writes, c.x);
  finds(c.steps, 10000, "step 2 writes to the read-only buffer 0 'b0'");
  c = planned_chain(ctx);
  c.x->place = BUFFER_WEIGHT;
  finds(c.steps, 10000, "its weight does not exist");
  c = planned_chain(ctx);
  c.b->scratch = true;
  finds(c.steps, 10000, "step 2 is not the only one with the scratch buffer 2 'b2'");
  c = planned_chain(ctx);
  c.b->id = 1;
  finds(c.steps, 10000, "buffer 2 has the number of another");
  c = planned_chain(ctx);
  Chain other = planned_chain(ctx);
  vec_push(ctx->arena, &c.third->reads, other.x);
  finds(c.steps, 10000, "step 2 has the unknown buffer 0 'b0'");
}

static void undeclared_accesses_are_found(void **state) {
  TEST_BEGIN(state);
  Chain c = planned_chain(ctx);
  Operand a = {.buffer = c.a};
  vec_push(ctx->arena, &c.third->row.operands, a);
  vec_push(ctx->arena, &c.third->row.insts, (RowInst){.op = ROW_LOAD});
  finds(c.steps, 10000, "step 2 does not declare that it reads buffer 1 'b1'");
  c.third->row.insts.len = 0;
  vec_push(ctx->arena, &c.third->row.stores, (RowStore){0});
  finds(c.steps, 10000, "step 2 does not declare that it writes buffer 1 'b1'");
  c = planned_chain(ctx);
  c.third->kind = STEP_CONTRACTION;
  Field field = {.kind = FIELD_OPERAND, .operand = a};
  field.operand.buffer = c.a;
  vec_push(ctx->arena, &c.third->kernel.fields, field);
  finds(c.steps, 10000, "step 2 does not declare that it reads buffer 1 'b1'");
  c.third->kernel.fields.data[0].written = true;
  finds(c.steps, 10000, "step 2 does not declare that it writes buffer 1 'b1'");
  c = planned_chain(ctx);
  a.buffer = c.a;
  c.third->kind = STEP_CALL;
  c.third->reference = true;
  c.third->call = (Call){.n_in = 1, .in = &a};
  finds(c.steps, 10000, "step 2 does not declare that it reads buffer 1 'b1'");
  c.third->call = (Call){.n_out = 1, .out = &a};
  finds(c.steps, 10000, "step 2 does not declare that it writes buffer 1 'b1'");
  c.third->call = (Call){.scratch = c.a};
  finds(c.steps, 10000, "step 2 does not declare that it writes buffer 1 'b1'");
  c = planned_chain(ctx);
  allow(c.steps, c.third, c.y, c.a);
  finds(c.steps, 10000, "step 2 does not declare that it reads buffer 1 'b1'");
}

/* ---- random steps ------------------------------------------------------------------------------
 */

static Steps *random_steps(Context *ctx, uint64_t seed) {
  Steps *steps = new_steps(ctx, NULL);
  uint32_t n = 2 + pick(&seed, 30), sizes = 1 + pick(&seed, 20);
  new_buffer(steps, BUFFER_INPUT, 64);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t oldest = steps->buffers.len > 12 ? (uint32_t)steps->buffers.len - 12 : 0;
    uint32_t recent = (uint32_t)steps->buffers.len - oldest;
    Buffer *a = steps->buffers.data[oldest + pick(&seed, recent)];
    Buffer *b = steps->buffers.data[oldest + pick(&seed, recent)];
    BufferPlace place = i + 1 == n ? BUFFER_OUTPUT : BUFFER_ARENA;
    Buffer *to = new_buffer(steps, place, 1 + 100 * pick(&seed, sizes));
    Step *step = compute(steps, to, a, b);
    if (pick(&seed, 2) != 0) allow(steps, step, to, a);
    if (pick(&seed, 2) != 0) allow(steps, step, to, b);
  }
  return steps;
}

static void random_steps_are_planned_soundly(void **state) {
  TEST_BEGIN(state);
  uint32_t in_place = 0;
  for (uint64_t seed = 0; seed < 3000; seed++) {
    Plan result;
    plan(random_steps(ctx, seed), &result);
    in_place += result.in_place;
  }
  assert_true(in_place > 3000);
}

/* Wherever a buffer is moved on top of one that lives at the same time, the checker sees it. */
static void random_overlaps_are_found(void **state) {
  TEST_BEGIN(state);
  uint32_t planted = 0;
  for (uint64_t seed = 0; seed < 2000; seed++) {
    uint64_t random = seed;
    Plan result;
    Steps *steps = random_steps(ctx, seed);
    plan(steps, &result);
    Step *step = steps->steps.data[pick(&random, (uint32_t)steps->steps.len)];
    if (step->reads.len < 2) continue;
    Buffer *a = step->reads.data[0], *b = step->reads.data[1];
    if (a->place != BUFFER_ARENA || b->place != BUFFER_ARENA) continue;
    a->offset = b->offset;
    finds(steps, SIZE_MAX, "overlap while both live");
    planted++;
  }
  assert_true(planted > 500);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(buffers_that_meet_lie_apart),
      TEST(outputs_take_over_dying_inputs),
      TEST(growing_outputs_take_over_smaller_inputs),
      TEST(an_input_is_taken_over_once),
      TEST(sharing_that_costs_is_declined),
      TEST(branches_may_share_memory),
      TEST(sizes_that_overflow_are_reported),
      TEST(overlaps_are_found),
      TEST(taking_over_twice_is_found),
      TEST(offsets_are_checked),
      TEST(accesses_are_checked),
      TEST(undeclared_accesses_are_found),
      TEST(random_steps_are_planned_soundly),
      TEST(random_overlaps_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
