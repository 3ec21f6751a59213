/* The graph as text, and back. Every stage of the graph prints; what is printed parses to an equal
 * graph, so a pass test is a text file and needs no ONNX. */
#ifndef ONNXC_IR_TEXT_H
#define ONNXC_IR_TEXT_H

#include "base/text.h"
#include "ir/graph.h"

void graph_print(Out *w, const Graph *graph);
/* NULL: reported with line numbers. Types of all values are as written or inferred when left out.
 */
Graph *graph_parse(Context *ctx, const char *text, const char *name);

#endif
