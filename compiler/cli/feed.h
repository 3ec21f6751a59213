/* Tensors from and to files for `run` and `bench`. */
#ifndef ONNXC_CLI_FEED_H
#define ONNXC_CLI_FEED_H

#include "cli/program.h"

/* A .npy file, or a serialized TensorProto (.pb). NULL: *error says why. */
const Tensor *tensor_file(Compilation *c, const char *path, const char **error);

/* The tensors that NAME=FILE options give for the inputs of the graph, in their order; NULL where
 * none is given. NULL, else what is wrong. */
const char *feed_inputs(Compilation *c, const CliList *given, const Tensor **inputs);
/* A made-up tensor for an input of the planned graph, at the upper bounds of its sizes: small
 * numbers between -1 and 1 for floats, 0 for everything else. NULL: it is no tensor. */
const Tensor *feed_sample(Compilation *c, const Value *input);

#endif
