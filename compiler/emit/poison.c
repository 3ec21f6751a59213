/* --poison: what nothing lives in has all bits set, which is NaN in every floating-point type. A
 * step that reads memory which the plan has not kept for it, or that nobody has written, then
 * spoils the result instead of finding what happens to be there.
 *
 * When a buffer dies is read off the steps; what the planner thinks has no part in it. */
#include "emit/emitter.h"
#include "onnxc.h"

void emit_poison_begin(Emitter *e) {
  if (!e->ctx->options->poison || e->plan->arena_bytes == 0) return;
  e->lives = ARENA_NEW(e->arena, PlanLives);
  *e->lives = plan_lives(e->steps, e->arena);
  uint32_t most = 0;
  for (uint32_t time = 1; time <= e->lives->end; time++) {
    if (e->lives->steps[time]->id > most) most = e->lives->steps[time]->id;
  }
  e->deaths = ARENA_ARRAY(e->arena, (size_t)most + 1, Deaths);
  VEC_EACH(Buffer *const, buffer, &e->steps->buffers) {
    uint32_t last = e->lives->of[(*buffer)->id].last;
    if ((*buffer)->place != BUFFER_ARENA || last == 0) continue;
    vec_push(e->arena, &e->deaths[e->lives->steps[last]->id], *buffer);
  }
  out(e->out,
      "/* Nothing lives in this part of the arena. */\n"
      "static void poison(struct %s_frame *f, size_t offset, size_t bytes) {\n"
      "  memset(f->arena + offset, 0xFF, bytes);\n}\n\n",
      e->interface->name);
}

/* [begin, end) of a buffer but for what outputs of the step take over, pairs from `i` on. */
static void poison_range(Emitter *e, const Step *step, const Buffer *dead, size_t i, size_t begin,
                         size_t end) {
  uint32_t time = e->lives->of[dead->id].last;
  for (; i < step->in_place.len; i++) {
    const InPlace *pair = &step->in_place.data[i];
    if (pair->in != dead || !plan_takes_over(e->lives, pair, time)) continue;
    if (e->lives->of[pair->out->id].last == time) continue; /* which dies as well */
    size_t from = pair->out->offset, to = from + pair->out->bytes;
    if (to <= begin || from >= end) continue;
    if (from > begin) poison_range(e, step, dead, i + 1, begin, from);
    begin = to;
  }
  if (begin >= end) return;
  out(e->out, "poison(f, %zu, %zu); /* %s */\n", begin, end - begin,
      text_comment(e->arena, dead->name));
}

void emit_deaths(Emitter *e, const Step *step) {
  if (e->deaths == NULL) return;
  VEC_EACH(const Buffer *const, dead, &e->deaths[step->id]) {
    poison_range(e, step, *dead, 0, (*dead)->offset, (*dead)->offset + (*dead)->bytes);
  }
}
