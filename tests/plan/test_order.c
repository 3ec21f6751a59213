/* Orders of steps: known ones, and random ones beside the best of all orders. */
#include "make_steps.h"

#include <string.h>

enum { PLENTY = 1000000 };

static Plan plan_within(Steps *steps, size_t budget) {
  Plan plan;
  assert_true(plan_in_best_order(steps, budget, &plan));
  const char *fault = plan_check(steps, plan.arena_bytes);
  if (fault != NULL) fail_msg("%s", fault);
  assert_true(plan.arena_bytes >= plan.bound_bytes);
  for (uint32_t i = 0; i < steps->steps.len; i++) {
    if (i > 0) assert_true(steps->steps.data[i - 1]->id < steps->steps.data[i]->id);
  }
  return plan;
}

static void in_order(const Steps *steps, Step *const *expected) {
  for (size_t i = 0; i < steps->steps.len; i++) {
    assert_ptr_equal(steps->steps.data[i], expected[i]);
  }
}

/* ---- known orders ------------------------------------------------------------------------------
 */

/* x -> wide -> narrow twice, which meet in y. The wide ones come first in the model. */
typedef struct Fork {
  Steps *steps;
  Buffer *x, *wide[2], *narrow[2], *y;
  Step *widen[2], *shrink[2], *join;
} Fork;

static Fork new_fork(Context *ctx, Steps *steps, Buffer *x, Buffer *y) {
  Fork f = {.steps = steps, .x = x, .y = y};
  (void)ctx;
  for (int i = 0; i < 2; i++) f.wide[i] = new_buffer(steps, BUFFER_ARENA, 64000);
  for (int i = 0; i < 2; i++) f.narrow[i] = new_buffer(steps, BUFFER_ARENA, 640);
  for (int i = 0; i < 2; i++) f.widen[i] = compute(steps, f.wide[i], x, NULL);
  for (int i = 0; i < 2; i++) f.shrink[i] = compute(steps, f.narrow[i], f.wide[i], NULL);
  f.join = compute(steps, y, f.narrow[0], f.narrow[1]);
  return f;
}

static Fork plain_fork(Context *ctx) {
  Steps *steps = new_steps(ctx, NULL);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 64), *y = new_buffer(steps, BUFFER_OUTPUT, 64);
  return new_fork(ctx, steps, x, y);
}

static void branches_run_one_after_the_other(void **state) {
  TEST_BEGIN(state);
  Fork f = plain_fork(ctx);
  Plan plan = plan_within(f.steps, PLENTY);
  in_order(f.steps, (Step *[]){f.widen[0], f.shrink[0], f.widen[1], f.shrink[1], f.join});
  assert_int_equal(plan.model_order_bytes, 2 * 64000 + 640);
  assert_int_equal(plan.bound_bytes, 64000 + 2 * 640);
  assert_int_equal(plan.arena_bytes, plan.bound_bytes);
  assert_true(plan.order_optimal);
}

static void without_budget_all_stays(void **state) {
  TEST_BEGIN(state);
  Fork f = plain_fork(ctx);
  Plan plan = plan_within(f.steps, 0);
  in_order(f.steps, (Step *[]){f.widen[0], f.widen[1], f.shrink[0], f.shrink[1], f.join});
  assert_int_equal(plan.bound_bytes, 2 * 64000 + 640);
  assert_int_equal(plan.model_order_bytes, plan.bound_bytes);
  assert_false(plan.order_optimal);
}

/* A third branch in the model's order needs no more than the best order of the others. */
static void what_gains_nothing_stays(void **state) {
  TEST_BEGIN(state);
  Steps *steps = new_steps(ctx, NULL);
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 64), *y = new_buffer(steps, BUFFER_OUTPUT, 64);
  Buffer *z = new_buffer(steps, BUFFER_ARENA, 64);
  Fork small = new_fork(ctx, steps, x, z), large = new_fork(ctx, steps, z, y);
  for (int i = 0; i < 2; i++) small.wide[i]->bytes = 6400;
  plan_within(steps, PLENTY);
  in_order(steps, (Step *[]){small.widen[0], small.widen[1], small.shrink[0], small.shrink[1],
                             small.join, large.widen[0], large.shrink[0], large.widen[1],
                             large.shrink[1], large.join});
}

static void outputs_that_take_over_count_once(void **state) {
  TEST_BEGIN(state);
  Fork f = plain_fork(ctx);
  for (int i = 0; i < 2; i++) {
    f.narrow[i]->bytes = 64000;
    allow(f.steps, f.shrink[i], f.narrow[i], f.wide[i]);
  }
  Plan plan = plan_within(f.steps, PLENTY);
  in_order(f.steps, (Step *[]){f.widen[0], f.widen[1], f.shrink[0], f.shrink[1], f.join});
  assert_int_equal(plan.bound_bytes, 2 * 64000);
  assert_true(plan.order_optimal);
}

/* ---- what may not move -------------------------------------------------------------------------
 */

static uint32_t position(const Steps *steps, const Step *step) {
  for (uint32_t i = 0; i < steps->steps.len; i++) {
    if (steps->steps.data[i] == step) return i;
  }
  fail_msg("the step is lost");
  return 0;
}

static void a_write_waits_for_reads(void **state) {
  TEST_BEGIN(state);
  Fork f = plain_fork(ctx);
  Step *again = compute(f.steps, f.wide[1], f.x, NULL); /* overwrites what shrink[1] reads */
  vec_push(ctx->arena, &f.join->reads, f.wide[1]);      /* and is not what join reads */
  plan_within(f.steps, PLENTY);
  assert_true(position(f.steps, f.shrink[1]) < position(f.steps, again));
  assert_true(position(f.steps, f.join) < position(f.steps, again));
}

static void sizes_are_found_before_they_are_used(void **state) {
  TEST_BEGIN(state);
  for (int finds = 0; finds < 2; finds++) {
    Fork f = plain_fork(ctx);
    Step *finder = new_step(f.steps, STEP_IF);
    finder->branches.then_steps = new_steps(ctx, f.steps);
    finder->branches.else_steps = new_steps(ctx, f.steps);
    finder->branches.condition.buffer = f.narrow[0];
    vec_push(ctx->arena, &finder->reads, f.narrow[0]);
    if (finds) vec_push(ctx->arena, &finder->branches.sizes, (BranchSize){0});
    /* Runs behind shrink[0]; in the model it comes before what could well run first. */
    Step *given[] = {f.widen[0], f.shrink[0], finder, f.widen[1], f.shrink[1], f.join};
    memcpy(f.steps->steps.data, given, sizeof given);
    for (uint32_t i = 0; i < 6; i++) given[i]->id = i;
    f.wide[0]->bytes = 640; /* better last */
    f.narrow[0]->bytes = 6400;
    Plan plan = plan_within(f.steps, PLENTY);
    assert_true(plan.order_optimal);
    assert_int_equal(plan.bound_bytes, finds ? 64000 + 6400 + 640 : 64000 + 640);
    bool moved = position(f.steps, f.widen[1]) < position(f.steps, finder);
    assert_int_equal(moved, !finds);
  }
}

static void the_state_changes_behind_what_came_before(void **state) {
  TEST_BEGIN(state);
  for (int updates = 0; updates < 2; updates++) {
    Fork f = plain_fork(ctx);
    State entry = {.kind = updates ? STATE_UPDATED : STATE_REPLACED};
    vec_push(ctx->arena, &f.steps->state.states, entry);
    f.steps->state.bytes = 1 << 20;
    Buffer *kept = new_buffer(f.steps, BUFFER_STATE, 64);
    kept->offset = 64;
    Step *change = compute(f.steps, kept, f.wide[0], NULL);
    plan_within(f.steps, PLENTY);
    bool last = position(f.steps, change) == f.steps->steps.len - 1;
    assert_int_equal(last, updates);
  }
}

/* ---- lists within lists ------------------------------------------------------------------------
 */

static void bodies_are_ordered_for_themselves(void **state) {
  TEST_BEGIN(state);
  for (StepKind kind = STEP_IF; kind <= STEP_LOOP; kind++) {
    Steps *steps = new_steps(ctx, NULL), *body = new_steps(ctx, steps);
    Buffer *x = new_buffer(steps, BUFFER_INPUT, 64), *z = new_buffer(steps, BUFFER_ARENA, 640);
    Buffer *y = new_buffer(steps, BUFFER_OUTPUT, 64);
    compute(steps, z, x, NULL);
    Step *step = new_step(steps, kind);
    Fork f = new_fork(ctx, steps, x, z); /* the buffers are those of all lists */
    steps->steps.len = 2;
    Step *inner[] = {f.widen[0], f.widen[1], f.shrink[0], f.shrink[1], f.join};
    for (int i = 0; i < 5; i++) vec_push(ctx->arena, &body->steps, inner[i]);
    if (kind == STEP_LOOP) {
      step->turns = (Turns){.body = body};
      vec_push(ctx->arena, &step->writes, z);
    } else {
      step->branches = (Branches){.then_steps = body, .else_steps = new_steps(ctx, steps)};
      step->branches.condition.buffer = x;
      vec_push(ctx->arena, &step->reads, x);
    }
    Step *last = compute(steps, y, z, NULL);
    Plan plan = plan_within(steps, PLENTY);
    in_order(body, (Step *[]){f.widen[0], f.shrink[0], f.widen[1], f.shrink[1], f.join});
    assert_ptr_equal(steps->steps.data[2], last);
    assert_int_equal(plan.model_order_bytes, 2 * 64000 + 2 * 640);
    assert_int_equal(plan.bound_bytes, 64000 + 3 * 640);
    assert_true(plan.order_optimal);
  }
}

/* ---- random steps ------------------------------------------------------------------------------
 */

enum { MOST = 10, BUFFERS = 40 };

/* Steps that write whole buffers, parts of some that others write to, and scratch; some over. */
static Steps *random_graph(Context *ctx, uint64_t seed, uint32_t n) {
  Steps *steps = new_steps(ctx, NULL);
  uint32_t sizes = 1 + pick(&seed, 20), recent = 1 + pick(&seed, 8);
  Buffer *last = new_buffer(steps, BUFFER_INPUT, 64);
  Vec(Buffer *) made = {0};
  vec_push(ctx->arena, &made, last);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t from = made.len > recent ? (uint32_t)made.len - recent : 0;
    Buffer *a = made.data[from + pick(&seed, (uint32_t)made.len - from)];
    Buffer *b = made.data[from + pick(&seed, (uint32_t)made.len - from)];
    bool part = last->place == BUFFER_ARENA && pick(&seed, 6) == 0;
    BufferPlace place = i + 1 == n || pick(&seed, 12) == 0 ? BUFFER_OUTPUT : BUFFER_ARENA;
    size_t bytes = 1 + 100 * (size_t)pick(&seed, sizes);
    Buffer *to = part ? last : new_buffer(steps, place, bytes);
    Step *step = compute(steps, to, a, b);
    if (!part) vec_push(ctx->arena, &made, to);
    if (place == BUFFER_ARENA) last = to;
    if (pick(&seed, 3) == 0 && a != to) allow(steps, step, to, a);
    if (pick(&seed, 3) == 0 && b != to) allow(steps, step, to, b);
    step->in_place.len = a == b && step->in_place.len == 2 ? 1 : step->in_place.len;
    if (step->in_place.len == 1) step->in_place.data[0].grows = pick(&seed, 2) == 0;
    if (pick(&seed, 4) != 0) continue;
    Buffer *scratch = new_buffer(steps, BUFFER_ARENA, 1 + 100 * (size_t)pick(&seed, sizes));
    scratch->scratch = true;
    vec_push(ctx->arena, &step->writes, scratch);
  }
  return steps;
}

static bool holds(Buffer *const *buffers, size_t n, const Buffer *buffer) {
  for (size_t i = 0; i < n; i++) {
    if (buffers[i] == buffer) return true;
  }
  return false;
}

static bool writes(const Step *step, const Buffer *buffer) {
  return holds(step->writes.data, step->writes.len, buffer);
}

static bool touches(const Step *step, const Buffer *buffer) {
  return holds(step->reads.data, step->reads.len, buffer) || writes(step, buffer);
}

/* All orders, by the definition of what is live. */
typedef struct Truth {
  Step *given[MOST];
  Buffer *buffers[BUFFERS];
  uint32_t n, n_buffers, before[MOST]; /* by step: those that must have run */
  uint32_t touching[BUFFERS];          /* by buffer: steps that touch it */
  size_t best[1 << MOST];              /* by set of steps that have run; 0: not known */
} Truth;

static void learn_truth(Truth *t, const Steps *steps) {
  *t = (Truth){.n = (uint32_t)steps->steps.len, .n_buffers = (uint32_t)steps->buffers.len};
  assert_true(t->n <= MOST && t->n_buffers <= BUFFERS);
  for (uint32_t i = 0; i < t->n; i++) t->given[i] = steps->steps.data[i];
  for (uint32_t k = 0; k < t->n_buffers; k++) {
    Buffer *buffer = t->buffers[k] = steps->buffers.data[k];
    for (uint32_t i = 0; i < t->n; i++) {
      if (!touches(t->given[i], buffer)) continue;
      t->touching[k] |= 1U << i;
      for (uint32_t j = 0; j < i; j++) {
        if (!touches(t->given[j], buffer)) continue;
        if (writes(t->given[i], buffer) || writes(t->given[j], buffer)) t->before[i] |= 1U << j;
      }
    }
  }
}

static bool is_taken_over(const Truth *t, uint32_t ran, uint32_t i, const Buffer *out,
                          const Buffer *in) {
  bool dies = ((ran | 1U << i) & t->touching[in->id]) == t->touching[in->id];
  bool born = (ran & t->touching[out->id]) == 0;
  return dies && born && out->place == BUFFER_ARENA && in->place == BUFFER_ARENA;
}

/* In one half of the step: what begins by taking over is not there in the first, what it takes over
 * is not there in the second. */
static size_t live_at(const Truth *t, uint32_t ran, uint32_t i, int half) {
  size_t sum = 0;
  for (uint32_t k = 0; k < t->n_buffers; k++) {
    const Buffer *buffer = t->buffers[k];
    uint32_t touching = t->touching[k];
    bool begun = ((ran | 1U << i) & touching) != 0, ended = (touching & ~ran) == 0;
    if (buffer->place != BUFFER_ARENA || !begun || ended) continue;
    bool absent = false;
    VEC_EACH(const InPlace, pair, &t->given[i]->in_place) {
      if (!pair->grows && pair->out->bytes > pair->in->bytes) continue;
      if (!is_taken_over(t, ran, i, pair->out, pair->in)) continue;
      absent = absent || (half == 0 ? pair->out : pair->in) == buffer;
    }
    if (!absent) sum += plan_rounded(buffer->bytes);
  }
  return sum;
}

static size_t need_of(const Truth *t, uint32_t ran, uint32_t i) {
  size_t first = live_at(t, ran, i, 0), second = live_at(t, ran, i, 1);
  return first > second ? first : second;
}

static size_t best_behind(Truth *t, uint32_t ran) {
  if (ran + 1 == 1U << t->n) return 0;
  if (t->best[ran] != 0) return t->best[ran] - 1;
  size_t best = SIZE_MAX;
  for (uint32_t i = 0; i < t->n; i++) {
    if ((ran >> i & 1) != 0 || (t->before[i] & ~ran) != 0) continue;
    size_t behind = best_behind(t, ran | 1U << i), needs = need_of(t, ran, i);
    if (needs > behind) behind = needs;
    if (behind < best) best = behind;
  }
  t->best[ran] = best + 1;
  return best;
}

static size_t peak_of(const Truth *t, const Steps *steps) {
  size_t peak = 0;
  uint32_t ran = 0;
  VEC_EACH(Step *const, step, &steps->steps) {
    uint32_t i = 0;
    while (t->given[i] != *step) i++;
    assert_true((t->before[i] & ~ran) == 0);
    size_t needs = need_of(t, ran, i);
    if (needs > peak) peak = needs;
    ran |= 1U << i;
  }
  return peak;
}

/* The first order of all that have the best peak, compared step by step. */
static void is_first_of_the_best(Truth *t, const Steps *steps, size_t best) {
  uint32_t ran = 0;
  VEC_EACH(Step *const, step, &steps->steps) {
    uint32_t i = 0;
    while ((ran >> i & 1) != 0 || (t->before[i] & ~ran) != 0 || need_of(t, ran, i) > best ||
           best_behind(t, ran | 1U << i) > best) {
      i++;
    }
    assert_ptr_equal(t->given[i], *step);
    ran |= 1U << i;
  }
}

static void random_orders_are_the_best(void **state) {
  TEST_BEGIN(state);
  static Truth t;
  uint32_t improved = 0, declined = 0;
  for (uint64_t seed = 0; seed < 4000; seed++) {
    Steps *steps = random_graph(ctx, seed, 2 + seed % (MOST - 1));
    learn_truth(&t, steps);
    size_t given = peak_of(&t, steps), best = best_behind(&t, 0);
    Plan plan = plan_within(steps, PLENTY);
    assert_int_equal(plan.model_order_bytes, given);
    assert_int_equal(plan.bound_bytes, peak_of(&t, steps));
    assert_true(plan.order_optimal == (plan.bound_bytes == best));
    if (plan.bound_bytes != best) {
      declined++; /* it cannot be packed */
      continue;
    }
    improved += best < given;
    if (best == given)
      in_order(steps, t.given);
    else
      is_first_of_the_best(&t, steps, best);
  }
  assert_true(improved > 400 && declined < improved / 20);
}

/* ---- budgets -----------------------------------------------------------------------------------
 */

static void random_orders_are_never_worse(void **state) {
  TEST_BEGIN(state);
  uint32_t improved = 0, open = 0;
  for (uint64_t seed = 0; seed < 300; seed++) {
    uint32_t n = 20 + (uint32_t)seed % 100;
    Steps *steps = random_graph(ctx, seed, n), *again = random_graph(ctx, seed, n);
    Steps *before = random_graph(ctx, seed, n);
    size_t budget = (size_t)16 << seed % 16;
    Plan plan = plan_within(steps, budget), same = plan_within(again, budget), given;
    assert_true(plan_steps(before, 0, &given)); /* no more than what a budget comes with */
    assert_true(plan.arena_bytes <= given.arena_bytes);
    assert_int_equal(plan.arena_bytes, same.arena_bytes);
    assert_int_equal(plan.order_optimal, same.order_optimal);
    for (uint32_t i = 0; i < n; i++) {
      assert_int_equal(steps->steps.data[i]->writes.data[0]->id,
                       again->steps.data[i]->writes.data[0]->id);
    }
    improved += plan.arena_bytes < given.arena_bytes;
    open += !plan.order_optimal;
  }
  assert_true(improved > 80 && open > 50);
}

/* Branches that grow and shrink by amounts of their own: sets of them without number. */
static Steps *many_branches(Context *ctx, uint32_t branches, uint32_t length) {
  Steps *steps = new_steps(ctx, NULL);
  uint64_t seed = 1;
  Buffer *x = new_buffer(steps, BUFFER_INPUT, 64), *y = new_buffer(steps, BUFFER_OUTPUT, 64);
  Buffer **ends = ARENA_ARRAY(ctx->arena, branches, Buffer *);
  for (uint32_t k = 0; k < length; k++) {
    for (uint32_t i = 0; i < branches; i++) {
      Buffer *to = new_buffer(steps, BUFFER_ARENA, 64 * (size_t)(1 + pick(&seed, 1000)));
      compute(steps, to, k == 0 ? x : ends[i], NULL);
      ends[i] = to;
    }
  }
  Step *join = compute(steps, y, NULL, NULL);
  for (uint32_t i = 0; i < branches; i++) vec_push(ctx->arena, &join->reads, ends[i]);
  return steps;
}

static void a_spent_budget_ends_the_search(void **state) {
  TEST_BEGIN(state);
  Plan little = plan_within(many_branches(ctx, 40, 6), 1000);
  assert_false(little.order_optimal);
  assert_int_equal(little.bound_bytes, little.model_order_bytes);
  Plan more = plan_within(many_branches(ctx, 40, 6), PLENTY);
  assert_false(more.order_optimal);
  assert_int_equal(more.model_order_bytes, 1532736);
  assert_int_equal(more.bound_bytes, 1072576);       /* what a method for chains alone gives */
  plan_within(many_branches(ctx, 3000, 10), PLENTY); /* far too large, and still soon over */
}

static void long_chains_take_no_search(void **state) {
  TEST_BEGIN(state);
  enum { LENGTH = 100000 };
  Steps *steps = new_steps(ctx, NULL);
  Buffer *from = new_buffer(steps, BUFFER_INPUT, 64);
  for (uint32_t i = 0; i < LENGTH; i++) {
    Buffer *to = new_buffer(steps, i + 1 < LENGTH ? BUFFER_ARENA : BUFFER_OUTPUT, 64);
    compute(steps, to, from, NULL);
    from = to;
  }
  Plan plan = plan_within(steps, 1);
  assert_true(plan.order_optimal);
  assert_int_equal(plan.arena_bytes, 128);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(branches_run_one_after_the_other),
      TEST(without_budget_all_stays),
      TEST(what_gains_nothing_stays),
      TEST(outputs_that_take_over_count_once),
      TEST(a_write_waits_for_reads),
      TEST(sizes_are_found_before_they_are_used),
      TEST(the_state_changes_behind_what_came_before),
      TEST(bodies_are_ordered_for_themselves),
      TEST(random_orders_are_the_best),
      TEST(random_orders_are_never_worse),
      TEST(a_spent_budget_ends_the_search),
      TEST(long_chains_take_no_search),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
