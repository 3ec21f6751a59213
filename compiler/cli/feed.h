/* Tensors from and to files for `run` and `bench`. */
#ifndef ONNXC_CLI_FEED_H
#define ONNXC_CLI_FEED_H

#include "cli/program.h"

/* The data that NAME=FILE options give for the inputs of the imported graph, in their order; of
 * TYPE_UNKNOWN where none is given. Files are .npy, or the serialized message (.pb) of the input's
 * kind. NULL, else what is wrong. */
const char *feed_inputs(Compilation *c, const CliList *given, Datum *inputs);
/* By symbol: the upper bounds of sizes; of what has been appended to a state at most `history`. */
const int64_t *feed_sizes(Compilation *c, size_t history);
/* A made-up tensor for an input of the planned graph with these sizes: small numbers between -1 and
 * 1 for floats, 0 for everything else. NULL: it is no tensor. */
const Tensor *feed_sample(Compilation *c, const Value *input, const int64_t *sizes);

#endif
