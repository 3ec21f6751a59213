/* Faults of the planner, planted: what generated code with --poison must show. */
#ifndef ONNXC_TESTS_RANDOM_PLANT_H
#define ONNXC_TESTS_RANDOM_PLANT_H

#include "stages.h"

/* Changes the plan of a compilation that is through that stage: a buffer on top of another that is
 * in use, or one that the planner takes for dead before its last use. What it did, or NULL: there
 * is no place for a fault. */
const char *plant_fault(Compilation *c, uint64_t seed);

#endif
