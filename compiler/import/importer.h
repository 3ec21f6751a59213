/* Private to the room: the state of an import, and the interfaces between its files. */
#ifndef ONNXC_IMPORT_IMPORTER_H
#define ONNXC_IMPORT_IMPORTER_H

#include "import/schema.h"
#include "import/tensor.h"
#include "ir/graph.h"
#include "onnx.pb-c.h"
#include "ops/op.h"

enum {
  IMPORT_MAX_DEPTH = 256,       /* subgraphs and function calls inside one another */
  IMPORT_MAX_INLINED = 1 << 20, /* nodes, names and lines of text that calls may add */
  IMPORT_NEWEST_IR = ONNX__VERSION__IR_VERSION
};

typedef struct Function Function;

typedef struct Importer {
  Context *ctx;
  Arena *scratch; /* names and scopes, gone after the import */
  const char *path;
  Map functions; /* by function_key */
  Map unknown;   /* operators already reported, by interned text */
  TensorCache tensors;
  Value *absent; /* what a function's formal input means when the call leaves it out */
  int depth;
  uint64_t inlined;
} Importer;

/* The expansion of one call of a function. */
typedef struct Call {
  const Function *function;
  const char *origin; /* name of the node in the model that it all came from */
  Map attrs;          /* interned name -> AttributeProto, free of references */
} Call;

/* ---- names (scope.c) ---------------------------------------------------------------------------
 */

typedef struct Captured {
  Value *outer, *inner;
} Captured;

/* What a name means: in a graph, in a subgraph (which also sees its parent), or in the body of a
 * function (which sees only its own, though its values live in the caller's graph). */
typedef struct Scope {
  Importer *importer;
  struct Scope *parent; /* of a subgraph */
  Graph *graph;
  const char *name;  /* for messages */
  const Map *opsets; /* interned domain -> int64_t version */
  const Call *call;  /* inside the body of a function */
  Map values;        /* interned name -> Value; also outer Value -> inner Value */
  Map renames;       /* of a function: interned output -> the caller's name for it */
  Vec(Captured) captured;
} Scope;

Scope *scope_new(Importer *importer, Scope *parent, Graph *graph, const char *name);
/* The value of a name, captured into this graph when it is an outer one; NULL: unknown. */
Value *scope_resolve(Scope *scope, const char *name);
/* The value of a subgraph that stands for `outer`, a value of its parent. */
Value *scope_capture(Scope *scope, Value *outer);
/* Gives `name` its one meaning; false: reported (it has one here or outside, or is empty). */
bool scope_define(Scope *scope, DiagSite site, const char *name, Value *value);
/* The name that the value defined as `name` gets. */
const char *scope_value_name(const Scope *scope, const char *name);
/* diag_error in the scope. */
bool scope_error(const Scope *scope, DiagKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Version of a domain's operator set; 0 when the model imports none. */
int64_t scope_opset(const Scope *scope, const char *domain);
/* Interned; "ai.onnx" and absent are "". */
const char *import_domain(const Importer *importer, const char *domain);
TensorSource import_source(Importer *importer, DiagSite site);
static inline const char *import_text(const char *text) {
  return text == NULL ? "" : text;
}
/* domain -> version of opset_import. False: reported. */
bool import_opsets(Importer *importer, const char *where, Onnx__OperatorSetIdProto *const *imports,
                   size_t n, Map *opsets);

/* ---- types (type.c) ---- */

/* Inputs of the main graph: unknown sizes become symbols, with the bounds the options give. */
bool import_inputs(Scope *scope, const Onnx__GraphProto *proto);
/* A type as a declaration: sizes that are no constants are NULL. NULL: none, or not one of ours. */
const Type *import_declared(Context *ctx, const Onnx__TypeProto *proto);
/* Whether no value can be of both types; sizes may be NULL in either. */
bool declared_contradicts(Context *ctx, const Type *declared, const Type *other);

/* ---- graphs (import.c) ---- */

/* The body of a node, with its scope in `*inner` for the captures. NULL: reported. */
Graph *import_subgraph(Scope *scope, const Onnx__GraphProto *proto, Scope **inner);
bool import_nodes(Scope *scope, Onnx__NodeProto *const *nodes, size_t n);

/* ---- nodes (node.c, attribute.c, upgrade.c) ---- */

/* A node on its way in: the importer fills it, the upgrade rewrites it, then it is appended. */
typedef struct Draft {
  Scope *scope;
  Arena *scratch; /* goes with the draft */
  DiagSite site;
  const OperatorSchema *schema; /* NULL: of a contributed domain */
  const char *name, *domain, *op;
  Vec(Value *) in;
  Vec(const char *) out; /* names of values; empty: absent */
  Vec(Attr) attrs;
  Vec(Scope *) bodies; /* of its graph attributes */
} Draft;

bool import_node(Scope *scope, const Onnx__NodeProto *proto);
bool draft_error(const Draft *d, DiagKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The attribute, NULL when absent; the pointer is valid until one is added. */
Attr *draft_attr(Draft *d, const char *name);
void draft_drop(Draft *d, const char *name);
void draft_set(Draft *d, Attr attr);
Value *draft_constant(Draft *d, const Tensor *tensor);
/* Appends the node itself, its bodies attached. Its outputs have yet to get their meanings. */
Node *draft_append(Draft *d, const OpDef *op);
/* Appends a helper node in front of the draft; NULL: reported. */
Node *draft_emit(Draft *d, const char *domain, const char *op, Value *const *inputs, uint32_t n);

/* Fills d->attrs from the message, references resolved, duplicates and contradictions refused. */
bool attributes_import(Draft *d, const Onnx__NodeProto *proto);

/* Appends a node to the scope's graph, with its origin. `op` is in the table. */
Node *import_append(const Scope *scope, const OpDef *op, const char *name, Value *const *inputs,
                    uint32_t n_inputs, const char *const *out_names, uint32_t n_outputs);

/* Brings the draft to the newest form of its operator. False: reported. */
bool upgrade_draft(Draft *d);

/* ---- functions (function.c) ---- */

/* Collects the model's functions; refuses recursion. False: reported. */
bool functions_collect(Importer *importer, const Onnx__ModelProto *model);
/* NULL when the node is no call. */
const Function *function_of(const Importer *importer, const Onnx__NodeProto *node);
bool function_inline(Scope *scope, const Onnx__NodeProto *node, const Function *function);

#endif
