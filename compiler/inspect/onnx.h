/* Private to the onnx view: a model under construction. */
#ifndef ONNXC_INSPECT_ONNX_H
#define ONNXC_INSPECT_ONNX_H

#include "inspect/inspect.h"
#include "onnx.pb-c.h"

/* Where the size that a symbol stands for can be read: an axis of a value. */
typedef struct SizeSource {
  const char *value; /* NULL: nowhere yet */
  int axis;
} SizeSource;

typedef struct Exporter {
  Context *ctx;
  Arena *arena;
  Strings *strings;
  Map names;           /* Value -> exported name */
  Map taken;           /* interned name -> itself */
  Map node_names;      /* those of nodes, which are a space of their own */
  SizeSource *sources; /* by symbol */
  int64_t opset;       /* of ai.onnx */
} Exporter;

/* A graph under construction. */
typedef struct ExportGraph {
  Exporter *exporter;
  const Graph *graph;
  char **outputs; /* names */
  Vec(Onnx__NodeProto *) nodes;
  Vec(Onnx__TensorProto *) initializers;
} ExportGraph;

/* A name like `text` that nothing in the model has. */
char *export_unique(Exporter *x, const char *text);
/* An initializer with these elements; its name. */
char *export_ints(ExportGraph *g, const int64_t *values, size_t n);
/* Appends a node of ai.onnx with one output; the output's name. */
char *export_op(ExportGraph *g, const char *op, char *const *inputs, size_t n);
void export_int_attr(ExportGraph *g, Onnx__NodeProto *node, const char *name, int64_t value);

/* The operator and its domain that the node is written as; NULL: it has no ONNX form. */
const char *export_op_name(const Node *node);
const char *export_domain(const Node *node);

/* The oldest opset of ai.onnx in which all nodes of the graph and its subgraphs mean what they do,
 * and the version of the format that goes with it. */
int64_t export_opset(const Graph *graph);
int64_t export_ir_version(int64_t opset);
/* Whether the attribute is one of the operator in that opset; one that is not says nothing. */
bool export_has_attr(const Node *node, const char *op, const Attr *attr, int64_t opset);

/* The nodes that compute onnxc.Dims from the shapes of values: Shape, integer arithmetic, Concat,
 * Reshape, Cast. False: reported. */
bool export_dims(ExportGraph *g, const Node *node);
/* Remembers the sizes that can be read off a value. */
void export_note_sizes(Exporter *x, const Value *value, const char *name);

#endif
