/* Reverse-mode differentiation: what the engine, gradient.c, and the rules for each operator,
 * gradient_rules.c, know of one another. */
#ifndef ONNXC_OPS_GRADIENT_H
#define ONNXC_OPS_GRADIENT_H

#include "ops/compose.h"

typedef struct Tape Tape; /* the gradients found so far */

/* One node of the differentiated graph on the way back. */
typedef struct Backward {
  Tape *tape;
  Builder *b;
  Node *node;
  Value *const *g; /* of each output: the gradient of y with respect to it; NULL: it has none */
} Backward;

/* Whether anybody asks for the gradient with respect to input `i`. */
bool backward_wants(const Backward *k, uint32_t i);
/* Adds to that gradient; `g` may have the sizes that the input was broadcast to. */
void backward_give(const Backward *k, uint32_t i, Value *g);
/* Instead of a rule: differentiates the nodes that were built behind `mark` (NULL: all of them),
 * where outputs[i] stands for output `i` of the node. */
Node *backward_mark(const Backward *k);
bool backward_through(const Backward *k, Node *mark, Value *const *outputs);

/* Gives what the node's inputs get from its outputs. False, with nothing reported: this form of
 * the operator is out of reach. */
typedef bool GradientRule(const Backward *k);
/* NULL: there is none. */
GradientRule *gradient_rule(const OpDef *op);

#endif
