/* What a model keeps from run to run: which inputs and outputs form its state, and where in the
 * caller's block they live. */
#ifndef ONNXC_LOWER_STATE_H
#define ONNXC_LOWER_STATE_H

#include "ir/graph.h"

/* The name of the output that the options pair with the input; NULL: none. */
const char *state_output(Arena *arena, const Options *options, const char *input);
/* Whether the size is one of a state's input and of no other input: the state knows it, or its
 * first run decides about it. */
bool state_owns_size(const Graph *graph, const DimAtom *symbol);

#endif
