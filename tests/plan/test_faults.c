/* A fault of every kind planted in a plan that was sound: the checker says what is wrong. Those of
 * plain chains, of accesses and of declarations are in test_plan.c. */
#include "steps.h"

#include "ir/text.h"
#include "lower/lower.h"

/* ---- buffers that meet ------------------------------------------------------------------------
 */

/* Each arena buffer of the steps in turn on top of `b` and at its last 64 bytes: all that `meets`
 * names are refused, all others accepted. */
static void only_these_meet(Steps *steps, const Buffer *b, const char *meets) {
  VEC_EACH(Buffer *const, at, &steps->buffers) {
    Buffer *other = *at;
    if (other == b || other->place != BUFFER_ARENA) continue;
    size_t before = other->offset, far = SIZE_MAX / 2 / ARENA_ALIGN * ARENA_ALIGN;
    other->offset = far; /* away from all others */
    Buffer *moved = steps->buffers.data[b->id];
    size_t home = moved->offset;
    moved->offset = far + (other->bytes - 1) / ARENA_ALIGN * ARENA_ALIGN;
    const char *fault = plan_check(steps, SIZE_MAX);
    bool expected = strstr(meets, other->name) != NULL;
    if (expected != (fault != NULL && strstr(fault, "overlap while both live") != NULL)) {
      fail_msg("%s on %s: %s", b->name, other->name, fault == NULL ? "accepted" : fault);
    }
    moved->offset = home;
    other->offset = before;
  }
}

static void scratch_meets_what_its_step_has(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 640), *y = new_buffer(steps, BUFFER_OUTPUT, 640);
  Buffer *a = new_buffer(steps, BUFFER_ARENA, 640), *b = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *c = new_buffer(steps, BUFFER_ARENA, 640), *room = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *kept = new_buffer(steps, BUFFER_ARENA, 640);
  room->scratch = true;
  compute(steps, kept, x, NULL);
  compute(steps, a, x, NULL);
  Step *step = compute(steps, b, a, NULL);
  vec_push(ctx->arena, &step->writes, room);
  allow(steps, step, b, a);
  compute(steps, c, b, NULL);
  compute(steps, y, c, kept);
  Plan result;
  plan(steps, &result);
  only_these_meet(steps, room, "b2 b3 b6"); /* not c, which is made later */
  only_these_meet(steps, c, "b3 b6");
}

/* What is read in a turn, however early, is there for the next one. */
static void turns_need_what_was_there(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL), *body = new_steps(ctx, steps);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 640), *y = new_buffer(steps, BUFFER_OUTPUT, 640);
  Buffer *read = new_buffer(steps, BUFFER_ARENA, 640), *sum = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *early = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *late = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *before = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *after = new_buffer(steps, BUFFER_ARENA, 640);
  compute(steps, before, x, NULL);
  compute(steps, read, before, NULL);
  compute(steps, sum, x, NULL); /* the first value of what is carried */
  Step *loop = new_step(steps, STEP_LOOP);
  loop->turns.body = body;
  compute(body, early, read, NULL);
  allow(body, compute(body, late, early, NULL), late, early);
  compute(body, sum, late, sum);
  compute(steps, after, sum, NULL);
  compute(steps, y, after, NULL);
  Plan result;
  plan(steps, &result);
  only_these_meet(steps, read, "b3 b4 b5 b6");
  only_these_meet(steps, sum, "b2 b4 b5 b7");
  only_these_meet(steps, late, "b2 b3 b4"); /* early is in another place than late may take over */
  late->offset = early->offset;
  assert_null(plan_check(steps, SIZE_MAX));
  vec_push(ctx->arena, &steps->steps.data[4]->reads, late);
  finds(steps, SIZE_MAX, "uses what only one turn of a loop has, the buffer 5");
}

/* The last step of a body may not take over what the next turn reads. */
static void turns_take_nothing_over(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL), *body = new_steps(ctx, steps);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 640), *y = new_buffer(steps, BUFFER_OUTPUT, 640);
  Buffer *a = new_buffer(steps, BUFFER_ARENA, 640), *b = new_buffer(steps, BUFFER_ARENA, 640);
  compute(steps, a, x, NULL);
  Step *loop = new_step(steps, STEP_LOOP);
  loop->turns.body = body;
  allow(body, compute(body, b, a, NULL), b, a);
  compute(steps, y, x, NULL);
  Plan result;
  plan(steps, &result);
  assert_int_equal(result.in_place, 0);
  b->offset = a->offset;
  finds(steps, SIZE_MAX, "overlap while both live");
}

static void branches_keep_what_is_read_behind(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL), *yes = new_steps(ctx, steps), *no = new_steps(ctx, steps);
  Buffer *c = new_buffer(steps, BUFFER_INPUT, 1), *y = new_buffer(steps, BUFFER_OUTPUT, 640);
  Buffer *kept = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *result = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *a = new_buffer(steps, BUFFER_ARENA, 640), *b = new_buffer(steps, BUFFER_ARENA, 640);
  Buffer *shared = new_buffer(steps, BUFFER_ARENA, 640);
  compute(steps, kept, c, NULL);
  compute(steps, shared, c, NULL);
  Step *choice = compute(steps, NULL, c, NULL);
  choice->kind = STEP_IF;
  choice->branches = (Branches){.condition = {.buffer = c}, .then_steps = yes, .else_steps = no};
  compute(yes, a, shared, NULL);
  compute(yes, result, a, NULL);
  compute(no, b, shared, NULL);
  compute(no, result, b, NULL);
  compute(steps, y, result, kept);
  Plan planned;
  plan(steps, &planned);
  only_these_meet(steps, kept, "b3 b4 b5 b6");
  only_these_meet(steps, a, "b2 b3 b6"); /* not b, which is of the other branch */
  only_these_meet(steps, result, "b2 b4 b5 b6");
}

/* ---- places ------------------------------------------------------------------------------------
 */

static void places_are_checked(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 640), *y = new_buffer(steps, BUFFER_OUTPUT, 640);
  Buffer *a = new_buffer(steps, BUFFER_ARENA, 640), *z = new_buffer(steps, BUFFER_OUTPUT, 640);
  compute(steps, a, x, NULL);
  compute(steps, y, a, NULL);
  Step *last = compute(steps, z, a, NULL);
  Plan result;
  plan(steps, &result);
  for (size_t offset = 1; offset < ARENA_ALIGN; offset++) {
    a->offset = offset;
    finds(steps, SIZE_MAX, "its offset is not aligned");
  }
  a->offset = 0;
  assert_null(plan_check(steps, 640));
  finds(steps, 639, "its end is outside of the arena");
  a->offset = ARENA_ALIGN;
  finds(steps, 640, "its end is outside of the arena");
  a->offset = 0;
  last->writes.len = 0;
  finds(steps, 640, "buffer 3 'b3': its output is never written");
}

/* ---- the state ---------------------------------------------------------------------------------
 */

static const onnxc_state caches[] = {{"k", "k_next"}, {"h", "h_next"}};

static Steps *with_state(void **state) {
  TestContext *t = *state;
  t->options.states = caches;
  t->options.n_states = 2;
  Graph *graph = graph_parse(&t->ctx,
                             "dim past = 0..7\n"
                             "dim seq = 1..4\n"
                             "graph \"main\" {\n"
                             "  input %x: f32[seq, 8]\n"
                             "  input %k: f32[past, 8]\n"
                             "  input %h: f32[5]\n"
                             "  output %y\n"
                             "  output %k_next\n"
                             "  output %h_next\n"
                             "  %new = Tanh(%x)\n"
                             "  %k_next = Concat(%k, %new) {axis = 0}\n"
                             "  %h_next = Tanh(%h)\n"
                             "  %y = Softmax(%k_next) {axis = -1}\n"
                             "}\n",
                             "test");
  if (graph == NULL) fail_msg("%s", diag_text(t->ctx.diag, 0));
  Steps *steps = lower_graph(graph, true);
  if (steps == NULL) fail_msg("%s", diag_text(t->ctx.diag, 0));
  Plan result;
  plan(steps, &result);
  return steps;
}

static void parts_of_the_state_lie_apart(void **state) {
  TEST_BEGIN(state);
  Steps *steps = with_state(state);
  size_t found = 0;
  VEC_EACH(Buffer *const, buffer, &steps->buffers) {
    if ((*buffer)->place != BUFFER_STATE) continue;
    size_t home = (*buffer)->offset;
    const size_t wrong[] = {0, home - ARENA_ALIGN, home + 1, steps->state.bytes, SIZE_MAX - 63};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
      (*buffer)->offset = wrong[i];
      finds(steps, SIZE_MAX, "is not in its place of the state");
    }
    (*buffer)->offset = home;
    assert_null(plan_check(steps, SIZE_MAX));
    found++;
  }
  assert_int_equal(found, 2);
  steps->state.bytes -= ARENA_ALIGN;
  finds(steps, SIZE_MAX, "is not in its place of the state");
}

/* The operands that write to the state, one position earlier than they should. */
static void what_is_there_of_the_state_is_kept(void **state) {
  TEST_BEGIN(state);
  Steps *steps = with_state(state);
  size_t moved = 0;
  VEC_EACH(Step *const, step, &steps->steps) {
    assert_int_equal((*step)->kind, STEP_ROW);
    VEC_EACH(const RowStore, store, &(*step)->row.stores) {
      Operand *operand = &(*step)->row.operands.data[store->operand];
      if (operand->buffer->place != BUFFER_STATE) continue;
      const Dim *home = operand->offset;
      operand->offset = dim_sub(ctx->dims, home, dim_const(ctx->dims, 1));
      finds(steps, SIZE_MAX, "writes over what is there of the state");
      operand->offset = NULL;
      finds(steps, SIZE_MAX, "writes over what is there of the state");
      operand->offset = home;
      moved++;
    }
  }
  assert_int_equal(moved, 2);
  assert_null(plan_check(steps, SIZE_MAX));
}

/* Its bytes are neither the arena's nor anybody else's to write. */
static void the_state_is_written(void **state) {
  TEST_BEGIN(state);
  Steps *steps = with_state(state);
  size_t checked = 0;
  VEC_EACH(Step *const, step, &steps->steps) {
    if ((*step)->writes.len != 1 || (*step)->writes.data[0]->place != BUFFER_STATE) continue;
    Buffer *part = (*step)->writes.data[0];
    (*step)->writes.len = 0;
    finds(steps, SIZE_MAX, "does not declare that it writes buffer");
    size_t stores = (*step)->row.stores.len;
    (*step)->row.stores.len = 0;
    finds(steps, SIZE_MAX, "its next value is never written");
    (*step)->row.stores.len = stores;
    vec_push(ctx->arena, &(*step)->writes, part);
    checked++;
  }
  assert_int_equal(checked, 2);
  assert_null(plan_check(steps, SIZE_MAX));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(scratch_meets_what_its_step_has),
      TEST(turns_need_what_was_there),
      TEST(turns_take_nothing_over),
      TEST(branches_keep_what_is_read_behind),
      TEST(places_are_checked),
      TEST(parts_of_the_state_lie_apart),
      TEST(what_is_there_of_the_state_is_kept),
      TEST(the_state_is_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
