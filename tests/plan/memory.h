/* Memory as a run would use it: what plan_check must not miss, derived in a way of its own.
 *
 * The steps are gone through as they would run, with branches and numbers of turns drawn. A buffer
 * that is written owns its memory from then on; one that is read must own all of it. Within a step
 * only pairs that it names may have memory in common. */
#ifndef ONNXC_TESTS_PLAN_MEMORY_H
#define ONNXC_TESTS_PLAN_MEMORY_H

#include "plan/plan.h"

/* NULL, or what goes wrong on one of `runs` runs. */
const char *memory_fault(const Steps *steps, size_t arena_bytes, uint64_t seed, int runs);

/* The next number of a sequence that `seed` begins, below `below`: the same on every machine. */
uint64_t pick(uint64_t *seed, uint64_t below);

#endif
