/* Random lifetimes through the packer and the checker, which share no code. */
#include "support.h"

#include "plan/plan.h"

#include <string.h>

/* A linear congruential generator: the same cases on every machine. */
static uint32_t pick(uint64_t *seed, uint32_t below) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33) % below;
}

static void random_slots(uint64_t seed, PlanSlot *slots, size_t n) {
  uint32_t times = 1 + pick(&seed, 60), longest = 1 + pick(&seed, times);
  for (size_t i = 0; i < n; i++) {
    uint32_t first = pick(&seed, times), length = pick(&seed, longest);
    slots[i] = (PlanSlot){.first = first, .last = first + length, .size = pick(&seed, 1000)};
  }
}

/* The largest live sum, by looking at every time. */
static size_t live_sum(const PlanSlot *slots, size_t n) {
  size_t most = 0;
  for (uint32_t time = 0; time < 200; time++) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
      if (slots[i].first <= time && time <= slots[i].last) sum += slots[i].size;
    }
    if (sum > most) most = sum;
  }
  return most;
}

static void random_plans_are_sound(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 3000, MOST = 60 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    PlanSlot slots[MOST];
    PlanPacking packing;
    size_t n = 1 + seed % MOST;
    random_slots(seed, slots, n);
    assert_true(plan_pack(ctx->arena, slots, n, &packing));
    assert_null(plan_check_slots(ctx->arena, slots, n, packing.height));
    assert_int_equal(packing.bound, live_sum(slots, n));
    assert_true(packing.height >= packing.bound && packing.height <= 3 * packing.bound);
  }
}

static void planted_overlaps_are_found(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 1000, N = 20 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    PlanSlot slots[N];
    PlanPacking packing;
    uint64_t random = seed;
    random_slots(seed, slots, N);
    assert_true(plan_pack(ctx->arena, slots, N, &packing));
    PlanSlot *a = &slots[pick(&random, N)], *b = &slots[pick(&random, N)];
    if (a == b || a->size == 0 || b->size == 0 || a->last < b->first || b->last < a->first)
      continue;
    a->offset = b->offset + pick(&random, (uint32_t)b->size);
    assert_non_null(plan_check_slots(ctx->arena, slots, N, SIZE_MAX));
  }
}

static void heights_are_checked(void **state) {
  TEST_BEGIN(state);
  PlanSlot slots[] = {{.first = 0, .last = 1, .size = 8}, {.first = 1, .last = 2, .size = 8}};
  PlanPacking packing;
  assert_true(plan_pack(ctx->arena, slots, 2, &packing));
  assert_int_equal(packing.height, 16);
  assert_non_null(plan_check_slots(ctx->arena, slots, 2, 15));
  slots[1].offset = SIZE_MAX - 4;
  assert_non_null(plan_check_slots(ctx->arena, slots, 2, SIZE_MAX));
}

static void a_chain_needs_two(void **state) {
  TEST_BEGIN(state);
  enum { N = 200000 };
  PlanSlot *slots = ARENA_ARRAY(ctx->arena, N, PlanSlot);
  for (uint32_t i = 0; i < N; i++) slots[i] = (PlanSlot){.first = i, .last = i + 1, .size = 64};
  PlanPacking packing;
  assert_true(plan_pack(ctx->arena, slots, N, &packing));
  assert_int_equal(packing.height, 128);
  assert_null(plan_check_slots(ctx->arena, slots, N, 128));
}

static void many_live_at_once_is_fast(void **state) {
  TEST_BEGIN(state);
  enum { N = 50000 };
  PlanSlot *slots = ARENA_ARRAY(ctx->arena, N, PlanSlot);
  for (uint32_t i = 0; i < N; i++) slots[i] = (PlanSlot){.first = i, .last = N + i, .size = 64};
  PlanPacking packing;
  assert_true(plan_pack(ctx->arena, slots, N, &packing));
  assert_int_equal(packing.height, packing.bound);
  assert_null(plan_check_slots(ctx->arena, slots, N, packing.height));
}

static void sizes_may_be_huge(void **state) {
  TEST_BEGIN(state);
  PlanSlot slots[] = {{.first = 0, .last = 0, .size = SIZE_MAX},
                      {.first = 1, .last = 1, .size = 1}};
  PlanPacking packing;
  assert_true(plan_pack(ctx->arena, slots, 1, &packing));
  assert_int_equal(packing.height, SIZE_MAX);
  assert_false(plan_pack(ctx->arena, slots, 2, &packing));
  assert_true(plan_pack(ctx->arena, slots, 0, &packing));
}

/* The text of the plan of a file with these lines; NULL with the error in the diagnostics. */
static const char *plan_text(Context *ctx, const char *lines, size_t capacity) {
  char path[] = "/tmp/onnxc_plan_XXXXXX";
  int fd = mkstemp(path);
  FILE *file = fdopen(fd, "w");
  fputs(lines, file);
  fclose(file);
  Out *w = out_memory(ctx->arena);
  bool planned = plan_csv(ctx->arena, ctx->diag, path, capacity, w);
  remove(path);
  return planned ? out_text(w, NULL) : NULL;
}

static void lifetimes_come_from_files(void **state) {
  TEST_BEGIN(state);
  const char *lines = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n";
  const char *text = plan_text(ctx, lines, 12);
  assert_non_null(text);
  assert_non_null(strstr(text, "id,lower,upper,size,offset\nb1,0,3,4,"));
  assert_non_null(strstr(text, "# height 12, lower bound 12, gap 0.0 %"));
  assert_null(plan_text(ctx, lines, 11));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_LIMIT);
}

static void malformed_files_are_refused(void **state) {
  TEST_BEGIN(state);
  static const char *const bad[] = {"",
                                    "id,lower,upper\n",
                                    "id,lower,upper,size\na,1,2\n",
                                    "id,lower,upper,size\na,1,2,3,4\n",
                                    "id,lower,upper,size\na,2,2,3\n",
                                    "id,lower,upper,size\na,-1,2,3\n",
                                    "id,lower,upper,size\na,0,4294967296,3\n",
                                    "id,lower,upper,size\na,0,1,99999999999999999999\n",
                                    "id,lower,upper,size\na,0,1,3x\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_null(plan_text(ctx, bad[i], 0));
    assert_int_equal(diag_errors(ctx->diag), i + 1);
  }
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(random_plans_are_sound),    TEST(planted_overlaps_are_found),  TEST(heights_are_checked),
      TEST(a_chain_needs_two),         TEST(many_live_at_once_is_fast),   TEST(sizes_may_be_huge),
      TEST(lifetimes_come_from_files), TEST(malformed_files_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
