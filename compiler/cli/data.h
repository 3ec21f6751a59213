/* Data of the model's inputs and outputs to and from the tensors of the graph that stand for them
 * (passes/flatten_sequences.c). */
#ifndef ONNXC_CLI_DATA_H
#define ONNXC_CLI_DATA_H

#include "cli/program.h"

/* Number of inputs and outputs as the model has them. */
size_t data_inputs(const Graph *graph);
size_t data_outputs(const Graph *graph);
/* The name of output `i`. */
const char *data_output_name(const Graph *graph, size_t i);
/* Sets random[i] where elements of output `i` may depend on random numbers. */
void data_random_outputs(const Graph *graph, bool *random);
/* The graph's inputs from those of the model; NULL, else what is wrong. */
const char *data_pack(const Graph *graph, const Datum *data, const Tensor **tensors);
/* The model's outputs from those of the graph; NULL, else what is wrong. */
const char *data_unpack(const Graph *graph, const Tensor *const *tensors, Datum *data);

#endif
