/* What the operators on sequences tell the pass that makes tensors of them. */
#ifndef ONNXC_OPS_SEQUENCE_H
#define ONNXC_OPS_SEQUENCE_H

#include "ops/bag.h"
#include "ops/builder.h"

extern const OpDef op_Optional, op_SequenceConstruct, op_SequenceEmpty, op_SequenceErase,
    op_SequenceInsert, op_SplitToSequence;

/* How SplitToSequence cuts: into parts of `chunk`, or of the sizes in `given`. */
typedef struct Cuts {
  Value *x;
  int axis;
  int64_t chunk;           /* 0: as given, or as is known at run time only */
  const Dim *const *given; /* NULL: not known */
  uint32_t n_given;
  const Dim *parts; /* their number; NULL: not known */
  bool squeezed;    /* the axis, of size 1, is dropped */
} Cuts;

/* False: reported. */
bool sequence_cuts(const Node *node, Cuts *cuts);
/* The rank of the tensors in a bag; where they differ, `extra` less than that of `declared`. False:
 * reported. */
bool bag_rank(const Node *node, const Bag *bag, const Type *declared, int extra, int *rank);
/* The rank of the tensor that the node takes out of the bag: output 0. False: reported. */
bool sequence_element(const Node *node, const Bag *bag, int *rank);
/* The rank, and axis in it, of what ConcatFromSequence makes of the bag. False: reported. */
bool sequence_joined(const Node *node, const Bag *bag, int *rank, int *axis);

/* The most that the scalar integer in input `i` can be; NULL: not known. */
const Dim *sequence_most(const Node *node, uint32_t i);

#endif
