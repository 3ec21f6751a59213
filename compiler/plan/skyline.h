/* Exact packing: whether slots fit below a height, by a search through all ways to stack them. */
#ifndef ONNXC_PLAN_SKYLINE_H
#define ONNXC_PLAN_SKYLINE_H

#include "plan/plan.h"

typedef enum SkylineResult {
  SKYLINE_FOUND,
  SKYLINE_NONE, /* proven: they do not fit */
  SKYLINE_ENDED /* the effort was used up */
} SkylineResult;

/* Sets `offsets` when they fit. `leaders[i]` is the slot whose offset slot i shares, itself if
 * none; slots of one offset follow one another in time without gaps. `effort` is what may be spent,
 * in looks at a slot; what was spent is taken off. Equal arguments give equal results everywhere.
 */
SkylineResult plan_skyline(Arena *arena, const PlanSlot *slots, const uint32_t *leaders, uint32_t n,
                           size_t height, uint64_t *effort, size_t *offsets);

#endif
