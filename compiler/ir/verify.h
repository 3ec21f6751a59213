/* The structural invariants of a graph, checked after import and after every pass. */
#ifndef ONNXC_IR_VERIFY_H
#define ONNXC_IR_VERIFY_H

#include "ir/graph.h"

/* NULL when the graph is sound, else what is wrong and where (text in the graph's arena): order,
 * use lists, owners, captures, types known, attributes known to the operator and of its kind. */
const char *graph_verify(const Graph *graph);

#endif
