/* The built-in interpreter: runs a graph on concrete tensors through the reference kernels. Serves
 * constant folding, --verify-passes and tests. */
#ifndef ONNXC_IR_INTERPRET_H
#define ONNXC_IR_INTERPRET_H

#include "ir/graph.h"

/* Evaluates one node on constant inputs (NULL: absent). Results in `arena`; false when the node
 * cannot be evaluated (no kernel, an output over `budget` bytes, or the kernel returned an error,
 * which is stored in *error: one of ONNXC_RT_ERROR_*, 0 otherwise). Nothing is reported. */
bool interpret_node(const Node *node, const Tensor *const *inputs, const Tensor **outputs,
                    Arena *arena, size_t budget, int *error);

/* Runs the graph. `symbols` has a value for each symbol of the context that graph inputs mention
 * (by index); data-dependent ones are found on the way. False with *failed set to the node that
 * could not run. */
bool interpret_graph(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                     const Tensor **outputs, Arena *arena, const Node **failed);

/* The same with every float that an input holds or a kernel computes moved by a few units in its
 * last place, as `seed` says: how far results move is how much rounding matters to them. */
bool interpret_rounded(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                       const Tensor **outputs, Arena *arena, const Node **failed, uint64_t seed);

/* The same with the largest f16 in place of each infinity that a kernel computes from operands that
 * are none: results that this moves hang on a value that left the range of f16. */
bool interpret_saturated(const Graph *graph, const int64_t *symbols, const Tensor *const *inputs,
                         const Tensor **outputs, Arena *arena, const Node **failed);

/* Runs the graph for the sake of its sizes: largest[i] grows to the largest size that symbol `i`
 * had in any turn of any loop. False as above; what was found until then is kept. */
bool interpret_sizes(const Graph *graph, const Tensor *const *inputs, int64_t *largest,
                     Arena *arena, const Node **failed);

#endif
