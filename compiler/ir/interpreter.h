/* Private to the interpreter. */
#ifndef ONNXC_IR_INTERPRETER_H
#define ONNXC_IR_INTERPRETER_H

#include "ir/interpret.h"

/* One evaluation. A symbol whose size is not known yet gets it from the first tensor that has it.
 */
typedef struct Run {
  Context *ctx;
  Arena *arena;
  size_t budget; /* what is left for results and the running of nodes, in bytes */
  int error;
  Map values;        /* value id -> Tensor */
  const Dim **sizes; /* by symbol; NULL: not known */
  uint32_t n_sizes;
  uint64_t turn;    /* of the loops around, for random numbers */
  int64_t *largest; /* by symbol: the largest size it had so far; NULL: not asked for */
  uint64_t *noise;  /* state of the generator that moves results; NULL: they stay as computed */
  bool saturates;   /* see interpret_saturated */
  const Node *failed;
} Run;

void run_set_value(Run *run, const Value *value, const Tensor *tensor);
/* Runs the nodes of a graph whose inputs and captures have their values. */
bool run_graph(Run *run, const Graph *graph, const Tensor **outputs);
/* The size as far as it is known. */
const Dim *run_known_size(const Run *run, const Dim *dim);
/* Takes `bytes` from the budget; false when it is spent. */
bool run_spend(Run *run, size_t bytes);

/* Operators that run subgraphs: NULL for others. */
typedef bool RunControl(Run *run, const Node *node, const Tensor *const *inputs,
                        const Tensor **outputs);
RunControl *run_control(const OpDef *op);

#endif
