/* Subgraphs dissolved into the graph that holds them. */
#ifndef ONNXC_OPS_INLINE_H
#define ONNXC_OPS_INLINE_H

#include "ops/builder.h"

/* Copies the nodes of `body`, a subgraph of `holder`, to the builder's position. `inputs` stand for
 * its inputs, the holder's own for what it captured; outputs[i] is what became of its output i.
 * Subgraphs of its nodes change their holder, so the body is of no more use; and as the inputs may
 * be less general than the body's were, what follows has to be inferred again. */
void build_inline(Builder *b, const Node *holder, const Graph *body, Value *const *inputs,
                  Value **outputs);

#endif
