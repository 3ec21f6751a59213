/* Types of sequences and optionals at the edges of subgraphs. */
#ifndef ONNXC_OPS_STATES_H
#define ONNXC_OPS_STATES_H

#include "ops/bag.h"

/* The type of a value that is of type `a` or of type `b`, at least one of them no tensor, outside
 * the subgraphs of `node`. False: reported. */
bool states_join(const Node *node, const Type *a, const Type *b, Type *joined);

/* What a loop carries: inputs [in, in + n) of the body and of the node are outputs [out, out + n)
 * of the body before and [0, n) of the node in the end. */
typedef struct States {
  Node *node;
  Graph *body;
  uint32_t n, in, out;
  const Dim *trips; /* turns that are always made; NULL: not known */
  const Dim *most;  /* turns at most; NULL: not known */
} States;

/* Whether one of them is no tensor. */
bool states_composite(const States *states);
/* Gives the body's inputs types that hold in every turn, by inferring the body until nothing
 * changes. It is left to be inferred once more, by the caller. False: reported. */
bool states_settle(const States *states);
/* After that: checks what the turns yield and sets the outputs of the node that are no tensors.
 * False: reported. */
bool states_finish(const States *states);

#endif
