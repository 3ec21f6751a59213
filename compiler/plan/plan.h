/* The memory plan: when every step runs, and where in the arena every intermediate lives.
 *
 * plan_steps derives the lifetime of each buffer from the steps, lets outputs take over the memory
 * of inputs that die there, and packs what is left. plan_check shares no code with it: it proves
 * the result sound before anything is emitted. */
#ifndef ONNXC_PLAN_PLAN_H
#define ONNXC_PLAN_PLAN_H

#include "base/text.h"
#include "lower/step.h"

typedef struct Plan {
  size_t arena_bytes;       /* what the generated function needs */
  size_t bound_bytes;       /* no plan for this order of steps needs less */
  bool optimal;             /* proven: none needs less than arena_bytes */
  size_t tensor_bytes;      /* all arena buffers side by side */
  uint32_t in_place;        /* buffers that took over the memory of another one */
  const char *packing;      /* the strategy that won */
  size_t model_order_bytes; /* what bound_bytes is in the model's order of steps */
  bool order_optimal;       /* proven: no order of the steps has a smaller bound */
} Plan;

/* Sets the offsets of all arena buffers. `effort` is what plan_pack may spend. False: reported. */
bool plan_steps(Steps *steps, uint64_t effort, Plan *plan);

/* The same after the steps, nested ones too, were put into the order that needs least (order.c). As
 * long as nothing is gained they stay as they are. The search ends when it has tried `budget` steps
 * somewhere; 0: all stay. The effort for offsets is in proportion to it. */
bool plan_in_best_order(Steps *steps, size_t budget, Plan *plan);
enum { PLAN_BUDGET = 1000000 };

/* What a buffer of that many bytes takes in the arena, if that can be counted. */
static inline size_t plan_rounded(size_t bytes) {
  return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* Gives kernels that were planned with little scratch what is free anyway while they run. */
void plan_rooms(Steps *steps, size_t arena_bytes);

/* NULL when the steps may run in an arena of this size, else what is wrong (in the arena of the
 * context): no two live buffers overlap, in-place where a step allows it excepted; what is read was
 * written before on every path; inputs and weights are never written; outputs are; all offsets are
 * aligned and inside; accesses are declared. */
const char *plan_check(const Steps *steps, size_t arena_bytes);

/* ---- lives: when buffers are in use, read off the steps without the planner's help -------------
 */

/* Times count all steps from 1 on, nested ones in place; a loop ends at a time of its own. Both are
 * included; 0: no step uses it. */
typedef struct PlanLife {
  uint32_t first, last;
} PlanLife;

typedef struct PlanLives {
  const PlanLife *of; /* by buffer id */
  Step *const *steps; /* by time; a loop stands at its end, too */
  uint32_t end;       /* the last time */
} PlanLives;

PlanLives plan_lives(const Steps *steps, Arena *arena);
bool plan_is_live(const PlanLives *lives, const Buffer *buffer, uint32_t time);
/* Whether the step at this time lets `out` have memory of `in`, for which nobody else has a use. */
bool plan_takes_over(const PlanLives *lives, const InPlace *pair, uint32_t time);

/* Where the most memory is in use. What lies between the buffers then is the plan's waste: the
 * arena is larger by that much. */
typedef struct PlanPeak {
  size_t bytes;
  Vec(const Step *) steps;     /* at which so much is in use */
  Vec(const Buffer *) buffers; /* in use at the first of them */
} PlanPeak;

/* Of steps with a plan. */
PlanPeak plan_peak(const Steps *steps, Arena *arena);

/* ---- packing: intervals of time with sizes, without knowledge of steps -------------------------
 */

/* Occupies [offset, offset + size) from `first` to `last`, both included. Slots that take over from
 * one another have one offset: then `with` is 1 + the index of the first of them, which has 0, as
 * all others have. They follow one another in time without gaps. */
typedef struct PlanSlot {
  uint32_t first, last;
  size_t size, offset;
  uint32_t with;
} PlanSlot;

typedef struct PlanPacking {
  size_t height, bound; /* of all slots, and the largest sum of sizes at one time */
  bool optimal;         /* proven: no height is less */
  const char *strategy;
  uint64_t work; /* slots that were compared */
} PlanPacking;

/* Sets all offsets; they are sums of sizes, so sizes that are multiples of an alignment give
 * aligned offsets. False when the sum of all sizes overflows. Time is near O(n log n + n k), k
 * slots being live at a time. Where the height is above the bound a search (skyline.c) looks for
 * less, which may look at slots `effort` times, hundreds of millions a second; none goes below
 * `enough`. */
bool plan_pack(Arena *arena, PlanSlot *slots, size_t n, size_t enough, uint64_t effort,
               PlanPacking *packing);

/* NULL when the slots are disjoint and below `height`. */
const char *plan_check_slots(Arena *arena, const PlanSlot *slots, size_t n, size_t height);

/* Packs a file of lifetimes in the format of MiniMalloc (`id,lower,upper,size`, upper excluded) and
 * writes it with a column `offset`, then a line that begins with `#` and gives height and bound.
 * A column `offset` of the file is a plan that is made anew, or with `check` only checked.
 * False: reported; also when the height exceeds `capacity`, unless that is 0. */
typedef struct PlanCsv {
  const char *path;
  size_t capacity;
  bool check;
  uint64_t effort;
} PlanCsv;
bool plan_csv(Arena *arena, Diag *diag, const PlanCsv *csv, Out *w);

#endif
