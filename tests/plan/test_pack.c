/* Random lifetimes through the packer, its search and the checker, which share no code. */
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

static bool pack(Context *ctx, PlanSlot *slots, size_t n, PlanPacking *packing) {
  return plan_pack(ctx->arena, slots, n, 0, 1 << 27, packing);
}

static void random_plans_are_sound(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 3000, MOST = 60 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    PlanSlot slots[MOST];
    PlanPacking packing;
    size_t n = 1 + seed % MOST;
    random_slots(seed, slots, n);
    assert_true(plan_pack(ctx->arena, slots, n, 0, 1 << 16, &packing));
    assert_null(plan_check_slots(ctx->arena, slots, n, packing.height));
    assert_int_equal(packing.bound, live_sum(slots, n));
    assert_true(packing.height >= packing.bound && packing.height <= 3 * packing.bound);
  }
}

/* ---- the search --------------------------------------------------------------------------------
 */

/* The least height of any order in which slots are put where they fit lowest, which is the least of
 * all, since a plan in which nothing can sink is made by the order of its offsets. */
typedef struct Brute {
  PlanSlot slots[8];
  size_t n, best;
} Brute;

static bool together(const PlanSlot *slots, size_t i, size_t j) {
  size_t a = slots[i].with == 0 ? i : slots[i].with - 1;
  return a == (slots[j].with == 0 ? j : slots[j].with - 1);
}

/* The lowest offset of slot i and those with it beside the placed ones. */
static size_t lowest(const Brute *b, size_t i, unsigned placed) {
  for (size_t offset = 0;; offset++) {
    bool fits = true;
    for (size_t m = 0; m < b->n; m++) {
      const PlanSlot *one = &b->slots[m];
      if (!together(b->slots, i, m)) continue;
      for (size_t j = 0; j < b->n; j++) {
        const PlanSlot *other = &b->slots[j];
        bool live = one->first <= other->last && other->first <= one->last;
        if ((placed >> j & 1) == 0 || !live) continue;
        fits =
            fits && (offset + one->size <= other->offset || other->offset + other->size <= offset);
      }
    }
    if (fits) return offset;
  }
}

static void try_all(Brute *b, unsigned placed, size_t height) {
  if (height >= b->best) return;
  if (placed + 1 == 1u << b->n) b->best = height;
  for (size_t i = 0; i < b->n; i++) {
    if (placed >> i & 1 || b->slots[i].with != 0) continue;
    unsigned now = placed;
    size_t offset = lowest(b, i, placed), top = height;
    for (size_t m = 0; m < b->n; m++) {
      if (!together(b->slots, i, m)) continue;
      b->slots[m].offset = offset;
      now |= 1u << m;
      if (offset + b->slots[m].size > top) top = offset + b->slots[m].size;
    }
    try_all(b, now, top);
  }
}

/* Some slots begin where another one ends, at its offset. */
static void chain_some(uint64_t *seed, PlanSlot *slots, size_t n) {
  for (size_t i = 1; i < n; i++) {
    if (pick(seed, 3) != 0) continue;
    uint32_t before = (uint32_t)i - 1;
    slots[i].first = slots[before].last + 1;
    slots[i].last = slots[i].first + pick(seed, 4);
    slots[i].with = slots[before].with == 0 ? 1 + before : slots[before].with;
  }
}

static void small_plans_are_optimal(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 3000 };
  size_t above = 0;
  for (uint64_t seed = 0; seed < CASES; seed++) {
    uint64_t random = seed + 77;
    Brute b = {.n = 2 + seed % 6, .best = SIZE_MAX};
    PlanPacking packing;
    for (size_t i = 0; i < b.n; i++) {
      uint32_t first = pick(&random, 6);
      b.slots[i] = (PlanSlot){.first = first, .last = first + pick(&random, 5)};
      b.slots[i].size = 1 + pick(&random, 9);
    }
    chain_some(&random, b.slots, b.n);
    assert_true(pack(ctx, b.slots, b.n, &packing));
    assert_null(plan_check_slots(ctx->arena, b.slots, b.n, packing.height));
    assert_true(packing.optimal);
    above += packing.height > packing.bound;
    try_all(&b, 0, 0);
    assert_int_equal(packing.height, b.best);
  }
  assert_true(above > 0); /* heights that only a search can prove */
}

/* Cuts the time and space of slot i in two, the second of which becomes slot n. */
static void cut(uint64_t *seed, PlanSlot *slots, size_t i, size_t n) {
  PlanSlot *one = &slots[i];
  slots[n] = *one;
  if (pick(seed, 2) == 0 && one->last > one->first) {
    one->last = one->first + pick(seed, one->last - one->first);
    slots[n].first = one->last + 1;
  } else if (one->size > 1) {
    one->size = 1 + pick(seed, (uint32_t)one->size - 1);
    slots[n].size -= one->size;
  } else {
    slots[n].size = 0;
  }
}

/* A rectangle without gaps is put together again from its parts. */
static void tight_plans_are_found(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 200, MOST = 60, HEIGHT = 1000 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    uint64_t random = seed;
    PlanSlot slots[MOST] = {{.last = 99, .size = HEIGHT}};
    PlanPacking packing;
    size_t n = 1, most = 5 + seed % (MOST - 5);
    for (; n < most; n++) cut(&random, slots, pick(&random, (uint32_t)n), n);
    assert_true(pack(ctx, slots, n, &packing));
    assert_null(plan_check_slots(ctx->arena, slots, n, packing.height));
    assert_int_equal(packing.height, HEIGHT);
    assert_true(packing.optimal);
  }
}

/* The effort decides, and nothing but it. */
static void searches_are_repeatable(void **state) {
  TEST_BEGIN(state);
  enum { N = 60 };
  PlanSlot slots[N], again[N];
  PlanPacking packing, other;
  random_slots(4, slots, N);
  memcpy(again, slots, sizeof slots);
  assert_true(plan_pack(ctx->arena, slots, N, 0, 1 << 16, &packing));
  assert_true(plan_pack(ctx->arena, again, N, 0, 1 << 16, &other));
  assert_memory_equal(slots, again, sizeof slots);
  assert_true(plan_pack(ctx->arena, again, N, 0, 0, &other));
  assert_true(packing.height <= other.height);
}

static void planted_overlaps_are_found(void **state) {
  TEST_BEGIN(state);
  enum { CASES = 1000, N = 20 };
  for (uint64_t seed = 0; seed < CASES; seed++) {
    PlanSlot slots[N];
    PlanPacking packing;
    uint64_t random = seed;
    random_slots(seed, slots, N);
    assert_true(pack(ctx, slots, N, &packing));
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
  assert_true(pack(ctx, slots, 2, &packing));
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
  assert_true(pack(ctx, slots, N, &packing));
  assert_int_equal(packing.height, 128);
  assert_null(plan_check_slots(ctx->arena, slots, N, 128));
}

static void many_live_at_once_is_fast(void **state) {
  TEST_BEGIN(state);
  enum { N = 50000 };
  PlanSlot *slots = ARENA_ARRAY(ctx->arena, N, PlanSlot);
  for (uint32_t i = 0; i < N; i++) slots[i] = (PlanSlot){.first = i, .last = N + i, .size = 64};
  PlanPacking packing;
  assert_true(pack(ctx, slots, N, &packing));
  assert_int_equal(packing.height, packing.bound);
  assert_null(plan_check_slots(ctx->arena, slots, N, packing.height));
}

static void sizes_may_be_huge(void **state) {
  TEST_BEGIN(state);
  PlanSlot slots[] = {{.first = 0, .last = 0, .size = SIZE_MAX},
                      {.first = 1, .last = 1, .size = 1}};
  PlanPacking packing;
  assert_true(pack(ctx, slots, 1, &packing));
  assert_int_equal(packing.height, SIZE_MAX);
  assert_false(pack(ctx, slots, 2, &packing));
  assert_true(pack(ctx, slots, 0, &packing));
}

/* The text of the plan of a file with these lines; NULL with the error in the diagnostics. */
static const char *plan_text(Context *ctx, const char *lines, size_t capacity, bool check) {
  char path[] = "/tmp/onnxc_plan_XXXXXX";
  int fd = mkstemp(path);
  FILE *file = fdopen(fd, "w");
  fputs(lines, file);
  fclose(file);
  Out *w = out_memory(ctx->arena);
  PlanCsv csv = {.path = path, .capacity = capacity, .check = check, .effort = 1 << 27};
  bool planned = plan_csv(ctx->arena, ctx->diag, &csv, w);
  remove(path);
  return planned ? out_text(w, NULL) : NULL;
}

static void lifetimes_come_from_files(void **state) {
  TEST_BEGIN(state);
  const char *lines = "id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\nb3,0,9,4\nb4,9,21,4\nb5,0,21,4\n";
  const char *text = plan_text(ctx, lines, 12, false);
  assert_non_null(text);
  assert_non_null(strstr(text, "id,lower,upper,size,offset\nb1,0,3,4,"));
  assert_non_null(strstr(text, "# height 12, lower bound 12, gap 0.0 %, optimal"));
  assert_null(plan_text(ctx, lines, 11, false));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_LIMIT);
}

static void plans_in_files_are_checked(void **state) {
  TEST_BEGIN(state);
  const char *good = "id,lower,upper,size,offset\na,0,2,4,0\nb,1,3,4,4\nc,2,4,4,0\n# a remark\n";
  assert_string_equal(plan_text(ctx, good, 0, true), "# height 8, no overlaps\n");
  assert_non_null(plan_text(ctx, good, 8, false));
  assert_null(plan_text(ctx, good, 7, true));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_LIMIT);
  assert_null(plan_text(ctx, "id,lower,upper,size\na,0,2,4\n", 0, true));
  assert_null(plan_text(ctx, "id,lower,upper,size,offset\na,0,2,4,0\nb,1,3,4,3\n", 0, true));
  assert_non_null(strstr(diag_text(ctx->diag, 2), "overlap"));
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
                                    "id,lower,upper,size\na,0,1,3x\n",
                                    "id,lower,upper,size,offset\na,0,1,3\n",
                                    "id,lower,upper,size,offset\na,0,1,3,x\n",
                                    "id,lower,upper,size,offset\na,0,1,3,18446744073709551615\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_null(plan_text(ctx, bad[i], 0, false));
    assert_int_equal(diag_errors(ctx->diag), i + 1);
  }
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(random_plans_are_sound),    TEST(planted_overlaps_are_found),
      TEST(heights_are_checked),       TEST(a_chain_needs_two),
      TEST(many_live_at_once_is_fast), TEST(sizes_may_be_huge),
      TEST(lifetimes_come_from_files), TEST(malformed_files_are_refused),
      TEST(small_plans_are_optimal),   TEST(tight_plans_are_found),
      TEST(searches_are_repeatable),   TEST(plans_in_files_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
