/* Makes a graph that fails smaller, as long as it fails on the same route. */
#ifndef ONNXC_TESTS_RANDOM_SHRINK_H
#define ONNXC_TESTS_RANDOM_SHRINK_H

#include "routes.h"

/* Checks one graph in a child process: the route on which it fails, "crash" when the child does
 * not survive, or NULL. `message` (may be NULL) gets what is reported; both are allocated. */
char *check_alone(const RouteOptions *options, const char *text, uint64_t seed, char **message);

/* The least that is left of `text`, allocated. */
char *shrink(const RouteOptions *options, const char *text, uint64_t seed, const char *route);

#endif
