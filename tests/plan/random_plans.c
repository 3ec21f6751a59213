/* Random lifetimes and random graphs through the planner and the checker.
 *
 *     random_plans [--lifetimes N] [--graphs N] [--seed S] [--nodes N]
 *
 * Lifetimes: no overlap, not below the bound, and for few slots compared with the best there is.
 * Graphs: as tests/random draws them, up to the plan. The plan must hold when the steps are gone
 * through as they run (memory.h). Then buffers are moved where they do not belong: where such a run
 * goes wrong, the checker must say so. */
#include "memory.h"
#include "random/draw.h"
#include "stages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FEW = 10, MANY = 60, TIMES = 60, SHIFTS = 24, RUNS = 3 };

static struct Settings {
  uint64_t lifetimes, graphs, seed, nodes;
} settings = {.seed = 1, .nodes = 60};

static int failures;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  failures++;
  printf("FAIL ");
  vprintf(format, args);
  putchar('\n');
  va_end(args);
}

/* ---- lifetimes ---------------------------------------------------------------------------------
 */

static bool meet(const PlanSlot *a, const PlanSlot *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* The largest live sum, by looking at every time. */
static size_t live_sum(const PlanSlot *slots, size_t n) {
  size_t most = 0;
  for (uint32_t time = 0; time < 2 * TIMES; time++) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
      if (slots[i].first <= time && time <= slots[i].last) sum += slots[i].size;
    }
    if (sum > most) most = sum;
  }
  return most;
}

/* The least height, by trying all orders: of a best packing, sorted by offset, each slot can sink
 * to the top of those before it that it meets. Pruned at `best`; ends at the bound. */
static void try_orders(const PlanSlot *slots, size_t n, size_t *tops, unsigned placed,
                       size_t height, size_t bound, size_t *best) {
  if (height >= *best || *best == bound) return;
  if (placed == (1u << n) - 1) *best = height;
  for (size_t i = 0; i < n; i++) {
    if (placed & 1u << i) continue;
    size_t floor = 0;
    for (size_t k = 0; k < n; k++) {
      bool below = placed & 1u << k && tops[k] > floor && meet(&slots[i], &slots[k]);
      if (below) floor = tops[k];
    }
    tops[i] = floor + slots[i].size;
    try_orders(slots, n, tops, placed | 1u << i, tops[i] > height ? tops[i] : height, bound, best);
  }
}

static size_t least_height(const PlanSlot *slots, size_t n, size_t bound) {
  size_t tops[FEW], best = SIZE_MAX;
  try_orders(slots, n, tops, 0, 0, bound, &best);
  return best;
}

/* What leaves no room: wherever few slots cannot be packed at the bound, they are of this kind. */
static size_t draw_dense(uint64_t seed, PlanSlot *slots) {
  size_t n = 0, load = 3 + pick(&seed, 6);
  uint32_t times = 5 + (uint32_t)pick(&seed, 8);
  for (int tries = 0; tries < 200 && n < FEW; tries++) {
    uint32_t first = (uint32_t)pick(&seed, times), length = (uint32_t)pick(&seed, 5);
    slots[n] = (PlanSlot){.first = first, .last = first + length, .size = 1 + pick(&seed, 4)};
    if (live_sum(slots, n + 1) <= load) n++;
  }
  return n;
}

static size_t draw_slots(uint64_t seed, PlanSlot *slots) {
  size_t n = 1 + pick(&seed, seed % 2 == 0 ? FEW : MANY);
  uint32_t times = 1 + (uint32_t)pick(&seed, TIMES), longest = 1 + (uint32_t)pick(&seed, times);
  uint64_t sizes = 1 + pick(&seed, 1000), unit = pick(&seed, 2) == 0 ? 1 : ARENA_ALIGN;
  for (size_t i = 0; i < n; i++) {
    uint32_t first = (uint32_t)pick(&seed, times), length = (uint32_t)pick(&seed, longest);
    slots[i] =
        (PlanSlot){.first = first, .last = first + length, .size = unit * pick(&seed, sizes)};
  }
  return n;
}

typedef struct Packed {
  uint64_t sets, at_bound, optimal, few, best, above_bound;
  double worst, gap; /* height over bound: the largest, and the sum of what is above 1 */
} Packed;

static void pack_one(Arena *arena, uint64_t seed, Packed *total) {
  PlanSlot slots[MANY];
  PlanPacking packing;
  size_t n = seed % 4 == 3 ? draw_dense(seed, slots) : draw_slots(seed, slots),
         sum = live_sum(slots, n);
  if (!plan_pack(arena, slots, n, 0, 1 << 27, &packing)) {
    fail("lifetimes %" PRIu64 ": refused", seed);
    return;
  }
  const char *fault = plan_check_slots(arena, slots, n, packing.height);
  if (fault != NULL) fail("lifetimes %" PRIu64 ": %s", seed, fault);
  if (packing.bound != sum || packing.height < sum) {
    fail("lifetimes %" PRIu64 ": height %zu and bound %zu of a live sum of %zu", seed,
         packing.height, packing.bound, sum);
  }
  double ratio = sum == 0 ? 1 : (double)packing.height / (double)sum;
  total->sets++;
  total->at_bound += packing.height == sum;
  total->optimal += packing.optimal;
  total->gap += ratio - 1;
  if (ratio > total->worst) total->worst = ratio;
  if (n > FEW) return;
  size_t least = least_height(slots, n, sum);
  if (packing.height < least) {
    fail("lifetimes %" PRIu64 ": height %zu, but none is below %zu", seed, packing.height, least);
  }
  if (packing.optimal != (packing.height == least)) {
    fail("lifetimes %" PRIu64 ": %zu is %sthe least height, which is %zu", seed, packing.height,
         packing.optimal ? "" : "not said to be ", least);
  }
  total->few++;
  total->best += packing.height == least;
  total->above_bound += least > sum;
}

/* An escape from the packer is a failure. */
static void pack_guarded(Escape *escape, uint64_t seed, Packed *total) {
  Arena *arena = arena_new(escape);
  if (setjmp(escape->target) != 0)
    fail("lifetimes %" PRIu64 ": %s", seed, escape->reason);
  else
    pack_one(arena, seed, total);
  arena_drop(arena);
}

static void run_lifetimes(void) {
  Escape escape = {0};
  Packed total = {.worst = 1};
  for (uint64_t i = 0; i < settings.lifetimes; i++) {
    pack_guarded(&escape, settings.seed * UINT64_C(1000003) + i, &total);
  }
  if (total.sets == 0) return;
  printf("lifetimes: %" PRIu64 " sets, %" PRIu64 " packed at the bound, %" PRIu64
         " as low as can be, worst %.3f of it, "
         "mean %.5f\n",
         total.sets, total.at_bound, total.optimal, total.worst,
         1 + total.gap / (double)total.sets);
  printf("  of up to %d slots: %" PRIu64 ", %" PRIu64
         " packed as low as any packing is, of %" PRIu64 " the least height is above the bound\n",
         FEW, total.few, total.best, total.above_bound);
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

typedef struct Planned {
  uint64_t graphs, steps, loops, branches, in_place;
  uint64_t moved, wrong, refused; /* buffers; runs that then go wrong; plans the checker refuses */
} Planned;

typedef struct Drawing {
  uint64_t seed;
  Planned *total;
} Drawing;

static bool draw(Compilation *c, void *given) {
  c->graph = draw_graph(&c->ctx, ((Drawing *)given)->seed, (uint32_t)settings.nodes);
  c->next = 1; /* behind import */
  return true;
}

static void count_steps(const Steps *steps, Planned *total) {
  VEC_EACH(Step *const, step, &steps->steps) {
    Steps *bodies[2];
    total->steps++;
    total->loops += (*step)->kind == STEP_LOOP;
    total->branches += (*step)->kind == STEP_IF;
    for (uint32_t n = step_bodies(*step, bodies); n-- > 0;) count_steps(bodies[n], total);
  }
}

/* A buffer on top of another, or a little off. */
static void move_some(const Steps *steps, size_t arena_bytes, uint64_t *seed, Planned *total) {
  size_t n = steps->buffers.len;
  Buffer *moved = steps->buffers.data[pick(seed, n)], *to = steps->buffers.data[pick(seed, n)];
  if (moved->place != BUFFER_ARENA || to->place != BUFFER_ARENA) return;
  size_t before = moved->offset, grains = (to->bytes + ARENA_ALIGN - 1) / ARENA_ALIGN;
  moved->offset = to->offset + (pick(seed, 2) == 0 ? 0 : ARENA_ALIGN * pick(seed, grains + 1));
  if (moved->offset <= arena_bytes && moved->bytes <= arena_bytes - moved->offset) {
    const char *wrong = memory_fault(steps, arena_bytes, *seed, RUNS);
    const char *fault = plan_check(steps, arena_bytes);
    total->moved++;
    total->wrong += wrong != NULL;
    total->refused += fault != NULL;
    if (wrong != NULL && fault == NULL) {
      fail("missed: %s, with buffer %u at %zu instead of %zu", wrong, moved->id, moved->offset,
           before);
    }
  }
  moved->offset = before;
}

static bool examine(Compilation *c, void *given) {
  const Drawing *drawing = given;
  Planned *total = drawing->total;
  const Plan *plan = c->plan;
  uint64_t seed = drawing->seed;
  const char *wrong = memory_fault(c->steps, plan->arena_bytes, seed, RUNS);
  if (wrong != NULL) fail("graph %" PRIu64 ": %s", seed, wrong);
  PlanPeak peak = plan_peak(c->steps, c->arena);
  if (peak.bytes < plan->bound_bytes || peak.bytes > plan->arena_bytes) {
    fail("graph %" PRIu64 ": bound %zu, %zu in use, arena %zu", seed, plan->bound_bytes, peak.bytes,
         plan->arena_bytes);
  }
  total->graphs++;
  total->in_place += plan->in_place;
  count_steps(c->steps, total);
  for (int i = 0; i < SHIFTS && c->steps->buffers.len != 0; i++) {
    move_some(c->steps, plan->arena_bytes, &seed, total);
  }
  return true;
}

static void plan_one(uint64_t seed, Planned *total) {
  Drawing drawing = {seed, total};
  onnxc_options options = {.level = 1 + (int)(seed % 4)};
  Compilation *c = compilation_new("random", &options);
  bool done = c != NULL && compilation_guard(c, draw, &drawing) && compilation_run(c, "plan") &&
              compilation_guard(c, examine, &drawing);
  if (!done) fail("graph %" PRIu64 ": %s", seed, c == NULL ? "memory" : onnxc_diagnostic(c, 0));
  onnxc_free(c);
}

static void run_graphs(void) {
  Planned total = {0};
  for (uint64_t i = 0; i < settings.graphs; i++) {
    int before = failures;
    plan_one(settings.seed * UINT64_C(1000003) + i, &total);
    if (failures != before) printf("again: random_plans --seed %" PRIu64 " ...\n", settings.seed);
  }
  if (total.graphs == 0) return;
  printf("graphs: %" PRIu64 ", %" PRIu64 " steps, %" PRIu64 " loops, %" PRIu64 " branches, %" PRIu64
         " outputs in place\n",
         total.graphs, total.steps, total.loops, total.branches, total.in_place);
  printf("  %" PRIu64 " buffers moved: %" PRIu64 " runs go wrong, %" PRIu64 " plans refused\n",
         total.moved, total.wrong, total.refused);
  if (total.wrong == 0) fail("no fault was planted");
}

/* ---- the command -------------------------------------------------------------------------------
 */

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint64_t *value;
  } options[] = {{"--lifetimes", &settings.lifetimes},
                 {"--graphs", &settings.graphs},
                 {"--seed", &settings.seed},
                 {"--nodes", &settings.nodes}};
  enum { N_OPTIONS = sizeof options / sizeof *options };
  for (int i = 1; i < argc; i += 2) {
    size_t k = 0;
    while (k < N_OPTIONS && strcmp(argv[i], options[k].name) != 0) k++;
    if (k == N_OPTIONS || i + 1 == argc) {
      fprintf(stderr, "unknown argument, or one without a value: %s\n", argv[i]);
      return 64;
    }
    *options[k].value = strtoull(argv[i + 1], NULL, 10);
  }
  clock_t begin = clock();
  run_lifetimes();
  run_graphs();
  printf("%d failures, %.1f s\n", failures, (double)(clock() - begin) / CLOCKS_PER_SEC);
  return failures != 0 || settings.lifetimes + settings.graphs == 0;
}
