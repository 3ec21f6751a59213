#include "plan/plan.h"

#include <string.h>

/* When a buffer is needed. Times are positions of steps, nested ones counted in place. */
typedef struct Life {
  const Buffer *buffer; /* NULL: no step touches it */
  uint32_t first, last;
  uint32_t slot;  /* the buffer whose memory it takes over; itself at first */
  bool succeeded; /* another buffer takes over its memory */
} Life;

/* A pair that a step at this time allows to share memory. */
typedef struct Offer {
  const Buffer *out, *in;
  bool grows;
  uint32_t time;
} Offer;

typedef struct Planner {
  Arena *arena;
  const Steps *root;
  Life *lives; /* by buffer id */
  uint32_t n, clock;
  uint64_t effort;
  Vec(Offer) offers;
} Planner;

/* ---- lifetimes ---------------------------------------------------------------------------------
 */

static void touch(Planner *p, const Buffer *buffer, uint32_t time) {
  Life *life = &p->lives[buffer->id];
  if (buffer->place != BUFFER_ARENA) return;
  if (life->buffer == NULL) *life = (Life){.buffer = buffer, .first = time, .slot = buffer->id};
  life->last = time;
}

static void visit_steps(Planner *p, const Steps *steps);

/* What a loop touches and did not make must be there for the next turn: until the loop ends. */
static void outlive(Planner *p, uint32_t begin, uint32_t end) {
  for (uint32_t i = 0; i < p->n; i++) {
    Life *life = &p->lives[i];
    if (life->buffer != NULL && life->first <= begin && life->last >= begin) life->last = end;
  }
}

static void visit_step(Planner *p, const Step *step) {
  uint32_t time = p->clock++;
  VEC_EACH(Buffer *const, buffer, &step->reads) touch(p, *buffer, time);
  VEC_EACH(Buffer *const, buffer, &step->writes) touch(p, *buffer, time);
  VEC_EACH(const InPlace, pair, &step->in_place) {
    Offer offer = {.out = pair->out, .in = pair->in, .grows = pair->grows, .time = time};
    vec_push(p->arena, &p->offers, offer);
  }
  Steps *bodies[2];
  uint32_t n = step_bodies(step, bodies);
  for (uint32_t i = 0; i < n; i++) visit_steps(p, bodies[i]);
  if (step->kind == STEP_LOOP) outlive(p, time, p->clock++);
}

static void visit_steps(Planner *p, const Steps *steps) {
  VEC_EACH(Step *const, step, &steps->steps) visit_step(p, *step);
}

/* ---- in place ----------------------------------------------------------------------------------
 */

/* The input dies where the output is born, which is not larger unless it may grow. */
static bool offer_holds(const Planner *p, const Offer *offer) {
  const Life *in = &p->lives[offer->in->id], *out = &p->lives[offer->out->id];
  return in->buffer != NULL && out->buffer != NULL && in != out && in->last == offer->time &&
         out->first == offer->time && (offer->grows || offer->out->bytes <= offer->in->bytes);
}

static void accept(Planner *p, const Offer *offer, uint32_t *accepted) {
  Life *in = &p->lives[offer->in->id], *out = &p->lives[offer->out->id];
  if (!offer_holds(p, offer) || in->succeeded || out->slot != offer->out->id) return;
  out->slot = offer->in->id;
  in->succeeded = true;
  ++*accepted;
}

/* Which offers to accept. Equal sizes come first: their memory is used up. A smaller output, then a
 * larger one, begins where its input does, which can be in the way. */
typedef enum Sharing { SHARE_GROWING, SHARE_ANY, SHARE_EQUAL, SHARE_NONE, SHARINGS } Sharing;

static uint32_t share(Planner *p, Sharing sharing) {
  uint32_t accepted = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    p->lives[i].slot = i;
    p->lives[i].succeeded = false;
  }
  VEC_EACH(const Offer, offer, &p->offers) {
    bool equal = offer->out->bytes == offer->in->bytes;
    if (equal && sharing != SHARE_NONE) accept(p, offer, &accepted);
  }
  VEC_EACH(const Offer, offer, &p->offers) {
    bool grows = offer->out->bytes > offer->in->bytes;
    if (sharing == SHARE_GROWING || (sharing == SHARE_ANY && !grows)) accept(p, offer, &accepted);
  }
  return accepted;
}

/* The first of the buffers that take over from one another. Chains get shorter as they are
 * followed, so following all of them takes linear time. */
static uint32_t slot_of(Planner *p, uint32_t id) {
  while (p->lives[id].slot != id) {
    Life *life = &p->lives[id];
    life->slot = p->lives[life->slot].slot;
    id = life->slot;
  }
  return id;
}

/* ---- packing -----------------------------------------------------------------------------------
 */

static bool round_up(size_t bytes, size_t *rounded) {
  bool overflows = __builtin_add_overflow(bytes, ARENA_ALIGN - 1, rounded);
  *rounded -= *rounded % ARENA_ALIGN;
  return !overflows;
}

/* No plan for these steps is smaller: the largest sum of what must be live at once, where an
 * output that may take over an input's memory is counted after it. */
static size_t find_bound(const Planner *p) {
  uint32_t *first = ARENA_ARRAY(p->arena, p->n, uint32_t);
  uint32_t *last = ARENA_ARRAY(p->arena, p->n, uint32_t);
  size_t *rises = ARENA_ARRAY(p->arena, 2 * (size_t)p->clock + 1, size_t);
  for (uint32_t i = 0; i < p->n; i++) {
    first[i] = 2 * p->lives[i].first;
    last[i] = 2 * p->lives[i].last + 1;
  }
  VEC_EACH(const Offer, offer, &p->offers) {
    if (!offer_holds(p, offer)) continue;
    last[offer->in->id] = 2 * offer->time;
    first[offer->out->id] = 2 * offer->time + 1;
  }
  for (uint32_t i = 0; i < p->n; i++) {
    size_t bytes;
    if (p->lives[i].buffer == NULL || !round_up(p->lives[i].buffer->bytes, &bytes)) continue;
    rises[first[i]] += bytes;
    rises[last[i] + 1] -= bytes;
  }
  size_t sum = 0, most = 0;
  for (size_t time = 0; time < 2 * (size_t)p->clock; time++) {
    sum += rises[time];
    if (sum > most) most = sum;
  }
  return most;
}

/* One slot for each buffer. A step counts as two times: where an output takes over the memory of an
 * input, that one ends with the first and the output begins with the second. */
static bool make_slots(Planner *p, PlanSlot *slots, uint32_t *index, uint32_t *n) {
  *n = 0;
  for (uint32_t i = 0; i < p->n; i++) {
    const Life *life = &p->lives[i];
    if (life->buffer == NULL) continue;
    index[i] = *n;
    slots[*n] = (PlanSlot){.first = 2 * life->first + (life->slot != i),
                           .last = 2 * life->last + !life->succeeded};
    if (!round_up(life->buffer->bytes, &slots[(*n)++].size)) return false;
  }
  for (uint32_t i = 0; i < p->n; i++) {
    uint32_t first = slot_of(p, i);
    if (p->lives[i].buffer != NULL && first != i) slots[index[i]].with = 1 + index[first];
  }
  return true;
}

static bool pack_shared(Planner *p, Sharing sharing, Plan *plan, size_t *offsets) {
  PlanSlot *slots = ARENA_ARRAY(p->arena, p->n, PlanSlot);
  uint32_t *index = ARENA_ARRAY(p->arena, p->n, uint32_t), n, shared = share(p, sharing);
  PlanPacking packing;
  if (!make_slots(p, slots, index, &n) ||
      !plan_pack(p->arena, slots, n, plan->bound_bytes, p->effort / SHARINGS, &packing))
    return false;
  p->root->ctx->work += packing.work;
  if (packing.height >= plan->arena_bytes) return true;
  plan->arena_bytes = packing.height;
  plan->packing = packing.strategy;
  plan->in_place = shared;
  for (uint32_t i = 0; i < p->n; i++) {
    if (p->lives[i].buffer != NULL) offsets[i] = slots[index[i]].offset;
  }
  return true;
}

static bool pack(Planner *p, Plan *plan) {
  size_t *offsets = ARENA_ARRAY(p->arena, p->n, size_t);
  *plan = (Plan){.arena_bytes = SIZE_MAX, .bound_bytes = find_bound(p)};
  for (uint32_t i = 0; i < p->n; i++) {
    const Buffer *buffer = p->lives[i].buffer;
    if (buffer == NULL) continue;
    if (__builtin_add_overflow(plan->tensor_bytes, buffer->bytes, &plan->tensor_bytes))
      return false;
  }
  for (Sharing sharing = SHARE_GROWING; sharing < SHARINGS; sharing++) {
    if (!pack_shared(p, sharing, plan, offsets)) return false;
    if (plan->arena_bytes == plan->bound_bytes) break;
  }
  plan->optimal = plan->arena_bytes == plan->bound_bytes;
  VEC_EACH(Buffer *const, buffer, &p->root->buffers) {
    if ((*buffer)->place == BUFFER_ARENA) (*buffer)->offset = offsets[(*buffer)->id];
  }
  return plan->arena_bytes <= PTRDIFF_MAX;
}

bool plan_steps(Steps *steps, uint64_t effort, Plan *plan) {
  Context *ctx = steps->ctx;
  Planner p = {.root = steps, .effort = effort, .n = (uint32_t)steps->buffers.len};
  p.arena = arena_scratch(ctx->arena);
  p.lives = ARENA_ARRAY(p.arena, p.n, Life);
  visit_steps(&p, steps);
  bool packed = pack(&p, plan);
  arena_drop(p.arena);
  if (packed) return true;
  return diag_error(ctx->diag, DIAG_LIMIT, (DiagSite){.graph = steps->graph->name},
                    "the intermediate tensors take more memory than can be addressed; lower the "
                    "bounds of the sizes with --dim");
}
