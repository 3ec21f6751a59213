/* The order of steps that needs the least memory.
 *
 * Steps keep their order where one needs what another has done: where both touch a buffer and one
 * of them writes to it, unless both write apart, and behind a step that finds a size. Each list is
 * ordered for itself, inner ones first: a nested list is a part of the step that holds it, with a
 * peak of its own for what only it touches. */
#include "plan/plan.h"
#include "plan/tasks.h"

#include "base/map.h"
#include "ops/op.h"

#include <string.h>

enum { NO_LIST = UINT32_MAX, MOST_WRITERS = 64 };

/* A list of steps and the one around it. */
typedef struct List {
  Steps *steps;
  Step **given; /* its order before */
  uint32_t outer, depth;
} List;

/* What is known of a buffer; of its accesses, in the list at hand. */
typedef struct Access {
  uint32_t list;    /* the innermost one that holds all steps that touch the buffer */
  uint32_t piece;   /* what the buffer is in that list, */
  uint32_t touched; /* and 1 + the step there that touched it last */
  uint32_t begun;   /* 1 + the list that the following is about: */
  Numbers before;   /* steps that the latest write waits for, */
  Numbers writers;  /* the steps of that, */
  Numbers readers;  /* and those that read behind it */
} Access;

typedef struct Orderer {
  Arena *arena;
  const Steps *root;
  Access *accesses; /* by buffer id */
  Vec(List) lists;  /* inner ones behind those around them */
  Map indices;      /* of lists, plus 1, by their steps */
  size_t *peaks;    /* by list: of what belongs to it, and to those inside of it */
  size_t budget;
  bool changed, proven;
} Orderer;

/* The tasks of a list, as far as they are known. */
typedef struct Builder {
  Orderer *o;
  uint32_t list, n;
  Task *tasks;
  Vec(Piece) pieces;
  uint32_t *linked; /* by task: 1 + the latest task that waits for it */
  uint32_t finder;  /* 1 + the latest step that finds sizes */
  uint32_t update;  /* 1 + the latest step that changes the state in place */
} Builder;

/* ---- lists and what belongs to them ------------------------------------------------------------
 */

static uint32_t list_around(const Orderer *o, uint32_t a, uint32_t b) {
  const List *lists = o->lists.data;
  while (a != b) {
    if (lists[a].depth >= lists[b].depth)
      a = lists[a].outer;
    else
      b = lists[b].outer;
  }
  return a;
}

static void claim(Orderer *o, Buffer *const *buffers, size_t n, uint32_t list) {
  for (size_t i = 0; i < n; i++) {
    Access *access = &o->accesses[buffers[i]->id];
    access->list = access->list == NO_LIST ? list : list_around(o, access->list, list);
  }
}

static void add_list(Orderer *o, Steps *steps, uint32_t outer, uint32_t depth) {
  uint32_t at = (uint32_t)o->lists.len;
  List list = {.steps = steps, .outer = outer, .depth = depth};
  list.given = arena_copy(o->arena, steps->steps.data, steps->steps.len * sizeof(Step *));
  vec_push(o->arena, &o->lists, list);
  map_set(&o->indices, map_key(steps), (void *)(uintptr_t)(at + 1));
  VEC_EACH(Step *const, step, &steps->steps) {
    Steps *bodies[2];
    claim(o, (*step)->reads.data, (*step)->reads.len, at);
    claim(o, (*step)->writes.data, (*step)->writes.len, at);
    uint32_t n = step_bodies(*step, bodies);
    for (uint32_t i = 0; i < n; i++) add_list(o, bodies[i], at, depth + 1);
  }
}

/* ---- what waits for what -----------------------------------------------------------------------
 */

static void link_tasks(Builder *b, uint32_t first, uint32_t second) {
  if (first == second || b->linked[first] == second + 1) return;
  b->linked[first] = second + 1;
  vec_push(b->o->arena, &b->tasks[first].next, second);
  b->tasks[second].waiting++;
}

static void link_all(Builder *b, const Numbers *first, uint32_t second) {
  VEC_EACH(const uint32_t, task, first) link_tasks(b, *task, second);
}

static Access *access_of(Builder *b, const Buffer *buffer, uint32_t task) {
  Access *access = &b->o->accesses[buffer->id];
  if (access->begun != b->list + 1) {
    access->begun = b->list + 1;
    access->before.len = access->writers.len = access->readers.len = 0;
  }
  if (buffer->place != BUFFER_ARENA || access->list != b->list) return access;
  if (access->touched == 0) {
    access->piece = (uint32_t)b->pieces.len;
    vec_push(b->o->arena, &b->pieces, (Piece){.bytes = plan_rounded(buffer->bytes)});
  }
  if (access->touched != task + 1) {
    vec_push(b->o->arena, &b->tasks[task].touches, access->piece);
    b->pieces.data[access->piece].touches++;
  }
  access->touched = task + 1;
  return access;
}

static bool is_constant(const Buffer *buffer) {
  return buffer->place == BUFFER_INPUT || buffer->place == BUFFER_WEIGHT;
}

static void add_reads(Builder *b, const Step *step, uint32_t task) {
  Steps *bodies[2];
  VEC_EACH(Buffer *const, buffer, &step->reads) {
    if (is_constant(*buffer)) continue;
    Access *access = access_of(b, *buffer, task);
    link_all(b, &access->writers, task);
    vec_push(b->o->arena, &access->readers, task);
  }
  for (uint32_t n = step_bodies(step, bodies); n-- > 0;) {
    VEC_EACH(Step *const, inner, &bodies[n]->steps) add_reads(b, *inner, task);
  }
}

/* Whether the step writes to the buffer apart from the latest writers, behind whom nobody reads. */
static bool joins_writers(Builder *b, const Access *access, const Step *step,
                          const Buffer *buffer) {
  if (access->readers.len != 0 || access->writers.len > MOST_WRITERS) return false;
  Step *const *steps = b->o->lists.data[b->list].given;
  VEC_EACH(const uint32_t, writer, &access->writers) {
    if (!writes_apart(b->o->arena, steps[*writer], step, buffer)) return false;
  }
  return access->writers.len != 0;
}

static void add_writes(Builder *b, const Step *step, uint32_t task) {
  Steps *bodies[2];
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    Access *access = access_of(b, *buffer, task);
    if (!joins_writers(b, access, step, *buffer)) {
      access->before.len = 0;
      VEC_EACH(const uint32_t, t, &access->writers) vec_push(b->o->arena, &access->before, *t);
      VEC_EACH(const uint32_t, t, &access->readers) vec_push(b->o->arena, &access->before, *t);
      access->writers.len = access->readers.len = 0;
    }
    vec_push(b->o->arena, &access->writers, task);
    link_all(b, &access->before, task);
  }
  for (uint32_t n = step_bodies(step, bodies); n-- > 0;) {
    VEC_EACH(Step *const, inner, &bodies[n]->steps) add_writes(b, *inner, task);
  }
}

/* ---- sizes and the state -----------------------------------------------------------------------
 */

/* Whether sizes that others may use are known only behind the step. */
static bool finds_sizes(const Step *step) {
  Steps *bodies[2];
  bool finds = step->shared.len != 0 || (step->reference && node_sizes_from_data(step->call.node));
  if (step->kind == STEP_IF) finds = finds || step->branches.sizes.len != 0;
  if (step->kind == STEP_LOOP) {
    const Turns *turns = &step->turns;
    finds = finds || turns->counts.len + turns->carried.len + turns->shared.len != 0;
  }
  for (uint32_t n = step_bodies(step, bodies); n-- > 0;) {
    VEC_EACH(Step *const, inner, &bodies[n]->steps) finds = finds || finds_sizes(*inner);
  }
  return finds;
}

static bool updates_state(const Orderer *o, const Step *step) {
  VEC_EACH(Buffer *const, buffer, &step->writes) {
    if ((*buffer)->place != BUFFER_STATE) continue;
    if (o->root->state.states.data[(*buffer)->index].kind == STATE_UPDATED) return true;
  }
  return false;
}

/* What came behind a step that finds sizes stays there: it may use them, or rely on what is checked
 * when they are known. What came before an update of the state stays there: when it fails, the
 * state is as it was. */
static void add_barriers(Builder *b, const Step *step, uint32_t task) {
  if (b->finder != 0) link_tasks(b, b->finder - 1, task);
  if (finds_sizes(step)) b->finder = task + 1;
  if (!updates_state(b->o, step)) return;
  for (uint32_t first = b->update == 0 ? 0 : b->update - 1; first < task; first++) {
    link_tasks(b, first, task);
  }
  b->update = task + 1;
}

/* ---- ordering a list ---------------------------------------------------------------------------
 */

/* Both pieces belong to this list; a pair that never holds is left out. */
static void add_offers(Builder *b, const Step *step, uint32_t task) {
  VEC_EACH(const InPlace, pair, &step->in_place) {
    const Access *out = &b->o->accesses[pair->out->id], *in = &b->o->accesses[pair->in->id];
    bool both = pair->out->place == BUFFER_ARENA && pair->in->place == BUFFER_ARENA;
    if (!both || out->list != b->list || in->list != b->list || in == out) continue;
    if (!pair->grows && pair->out->bytes > pair->in->bytes) continue;
    TaskOffer offer = {.out = out->piece, .in = in->piece};
    vec_push(b->o->arena, &b->tasks[task].offers, offer);
  }
}

static size_t inner_peak(const Orderer *o, const Step *step) {
  Steps *bodies[2];
  size_t peak = 0;
  for (uint32_t n = step_bodies(step, bodies); n-- > 0;) {
    size_t list = (uintptr_t)map_get(&o->indices, map_key(bodies[n])) - 1;
    if (o->peaks[list] > peak) peak = o->peaks[list];
  }
  return peak;
}

static TaskList make_tasks(Orderer *o, uint32_t list) {
  const Steps *steps = o->lists.data[list].steps;
  Builder b = {.o = o, .list = list, .n = (uint32_t)steps->steps.len};
  b.tasks = ARENA_ARRAY(o->arena, b.n, Task);
  b.linked = ARENA_ARRAY(o->arena, b.n, uint32_t);
  for (uint32_t i = 0; i < b.n; i++) {
    const Step *step = steps->steps.data[i];
    add_reads(&b, step, i);
    add_writes(&b, step, i);
    add_barriers(&b, step, i);
    add_offers(&b, step, i);
    b.tasks[i].inner = inner_peak(o, step);
  }
  return (TaskList){b.tasks, b.pieces.data, b.n, (uint32_t)b.pieces.len};
}

static void order_list(Orderer *o, uint32_t at) {
  List *list = &o->lists.data[at];
  TaskList tasks = make_tasks(o, at);
  TaskOrder order = order_tasks(o->arena, &tasks, &o->budget);
  o->peaks[at] = order.peak;
  o->changed = o->changed || order.peak < order.given;
  o->proven = o->proven && order.peak == order.least;
  for (uint32_t i = 0; i < tasks.n; i++) list->steps->steps.data[i] = list->given[order.tasks[i]];
}

static void restore(const Orderer *o) {
  VEC_EACH(const List, list, &o->lists) {
    if (list->steps->steps.len == 0) continue;
    memcpy(list->steps->steps.data, list->given, list->steps->steps.len * sizeof(Step *));
  }
}

static void number(const Steps *steps, uint32_t *next) {
  VEC_EACH(Step *const, step, &steps->steps) {
    Steps *bodies[2];
    (*step)->id = (*next)++;
    uint32_t n = step_bodies(*step, bodies);
    for (uint32_t i = 0; i < n; i++) number(bodies[i], next);
  }
}

static void order_steps(Orderer *o, Steps *steps) {
  o->accesses = ARENA_ARRAY(o->arena, steps->buffers.len, Access);
  for (size_t i = 0; i < steps->buffers.len; i++) o->accesses[i].list = NO_LIST;
  o->indices = map_on(o->arena);
  add_list(o, steps, 0, 0);
  o->peaks = ARENA_ARRAY(o->arena, o->lists.len, size_t);
  for (uint32_t list = (uint32_t)o->lists.len; list-- > 0;) order_list(o, list);
}

/* Whether all buffers side by side can be counted. */
static bool can_add_up(const Steps *steps) {
  size_t sum = 0;
  VEC_EACH(Buffer *const, buffer, &steps->buffers) {
    if ((*buffer)->place != BUFFER_ARENA) continue;
    if (__builtin_add_overflow(sum, (*buffer)->bytes, &sum)) return false;
    if (__builtin_add_overflow(sum, (size_t)ARENA_ALIGN, &sum)) return false;
  }
  return steps->steps.len < NO_LIST / 2;
}

/* For offsets, in looks at slots, each of which is much less than a step tried. */
static uint64_t effort_of(size_t budget) {
  enum { LOOKS = 32 };
  return budget > UINT64_MAX / LOOKS ? UINT64_MAX : (uint64_t)budget * LOOKS;
}

/* Plans the steps in their new order, and goes back where that takes no less memory. */
static bool improve(Orderer *o, Steps *steps, Plan *plan) {
  uint32_t next = 0;
  Plan found;
  if (!plan_steps(steps, effort_of(o->budget), &found)) return false;
  if (found.arena_bytes >= plan->arena_bytes) {
    restore(o);
    o->proven = false;
    return plan_steps(steps, effort_of(o->budget), plan);
  }
  number(steps, &next);
  *plan = found;
  return true;
}

bool plan_in_best_order(Steps *steps, size_t budget, Plan *plan) {
  if (!plan_steps(steps, effort_of(budget), plan)) return false;
  size_t model = plan->bound_bytes;
  Orderer o = {.root = steps, .budget = budget, .proven = budget != 0 && can_add_up(steps)};
  o.arena = arena_scratch(steps->ctx->arena);
  if (o.proven) order_steps(&o, steps);
  bool planned = !o.changed || improve(&o, steps, plan);
  plan->model_order_bytes = model;
  plan->order_optimal = o.proven;
  arena_drop(o.arena);
  return planned;
}
