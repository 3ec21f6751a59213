/* Steps made by hand, for tests of the planner and the checker. */
#ifndef ONNXC_TESTS_PLAN_STEPS_H
#define ONNXC_TESTS_PLAN_STEPS_H

#include "make_steps.h"

#include <string.h>

/* Plans steps that the checker then accepts. */
static inline void plan(Steps *steps, Plan *result) {
  assert_true(plan_steps(steps, 1 << 16, result));
  const char *fault = plan_check(steps, result->arena_bytes);
  if (fault != NULL) fail_msg("%s", fault);
  assert_true(result->arena_bytes >= result->bound_bytes);
}

/* The checker refuses the steps and says this. */
static inline void finds(const Steps *steps, size_t bytes, const char *expected) {
  const char *fault = plan_check(steps, bytes);
  if (fault == NULL || strstr(fault, expected) == NULL) {
    fail_msg("'%s' expected, got '%s'", expected, fault == NULL ? "nothing" : fault);
  }
}

#endif
