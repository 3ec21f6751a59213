/* The graph: values and nodes in topological order, owned by the arena of a compilation.
 *
 * Pointers are stable; nobody frees. Operators are canonical (ONNX's newest form, see ops/op.h).
 * Subgraphs (If, Loop, Scan) see outer values only through explicit captures, so each graph is
 * closed: the captured outer value is an extra input of the node that holds the subgraph. */
#ifndef ONNXC_IR_GRAPH_H
#define ONNXC_IR_GRAPH_H

#include "base/diag.h"
#include "base/map.h"
#include "base/vec.h"
#include "ir/dim.h"
#include "ir/dtype.h"

typedef struct Graph Graph;
typedef struct Node Node;
typedef struct Value Value;
typedef struct OpDef OpDef;
typedef struct onnxc_options Options;

/* A fact about run-time sizes that inference took for granted: a equals b. The generated function
 * checks it as soon as it knows both; where a branch or a body relies on it, in there. */
typedef struct SizeCheck {
  const Dim *a, *b;
  const Graph *graph; /* that relies on it, with its subgraphs; NULL: any */
} SizeCheck;

/* Element `index` of a graph input, from which sizes may be computed: a symbol, or the constant
 * that the user promises. */
typedef struct InputNumber {
  const Value *input;
  uint32_t index;
  const Dim *number;
} InputNumber;

/* What every stage of one compilation shares. */
typedef struct Context {
  Arena *arena;
  Diag *diag;
  Strings *strings;
  DimTable *dims;
  const Options *options;     /* see onnxc.h */
  uint32_t n_values, n_nodes; /* ids given so far */
  uint64_t work; /* nodes, values and groups looked at: what must grow as the model does */
  Arena *nodes,
      *values;       /* their own, so that a walk over them is one through memory; see graph.c */
  uint32_t n_graphs; /* made so far: with 1, no node holds another */
  bool trying; /* inference is repeated until types settle: what is known of some branch will do */
  const Graph *scope; /* that is being inferred; NULL: none in particular */
  Vec(SizeCheck) checks;
  Vec(InputNumber) numbers;
  bool *dims_used;            /* by option of --dim: it named something */
  Vec(const Dim *) unbounded; /* symbols for want of whose bounds no memory could be planned */
  Vec(const char *) sources;  /* files beside the model that were read: no output replaces them */
} Context;

/* Records that the graph in scope takes a to equal b, once. */
void context_assume_equal(Context *ctx, const Dim *a, const Dim *b);
/* The last bounds that --dim gives for a name; NULL: none. */
const struct onnxc_dim *context_bounds(Context *ctx, const char *name);

/* ---- types ---- */

typedef enum TypeKind {
  TYPE_UNKNOWN,
  TYPE_TENSOR,
  TYPE_SEQUENCE,
  TYPE_OPTIONAL,
  TYPE_MAP
} TypeKind;

enum { MAX_RANK = 16, MAX_CONTENTS = 256 };

/* How many tensors a sequence may hold, an optional of a tensor (as a sequence of at most one) or a
 * map, and how they vary. The sizes in the element's type are those of every tensor, or their
 * bounds on the axes that vary. */
typedef struct Items {
  const Dim *capacity; /* the most there can be */
  const Dim *length;   /* how many there are; NULL: known at run time only */
  const Dim *slot;     /* elements of the largest tensor */
  uint32_t ragged;     /* bit i: axis i varies */
  bool mixed;          /* ranks vary: the element's is the highest, and every axis varies */
} Items;

typedef struct Type {
  TypeKind kind;
  DType dtype;                /* of a tensor, or of the keys of a map */
  int rank;                   /* of a tensor; -1 while unknown */
  const Dim *const *dims;     /* `rank` sizes */
  const struct Type *element; /* of a sequence or optional; the values of a map */
  const Items *items;         /* of a sequence, map or optional of a tensor; NULL: not known */
} Type;

Type type_tensor(Context *ctx, DType dtype, int rank, const Dim *const *dims); /* copies dims */
bool type_equal(const Type *a, const Type *b);
/* Number of elements of a tensor type of known rank. */
const Dim *type_count(Context *ctx, const Type *type);
/* All sizes constant: true, with the sizes in `dims` (MAX_RANK of them; may be NULL). */
bool type_static(const Type *type, int64_t *dims);
/* `f32[batch, seq, 768]`. */
const char *type_text(Arena *arena, const Type *type);

/* A dense row-major constant. Data is borrowed (from the model's file or the arena), aligned to
 * its element; sub-byte types are packed. For strings `data` is an array of onnxc_rt_string. */
typedef struct Tensor {
  DType dtype;
  int rank;
  const int64_t *dims;
  size_t count, bytes;
  const void *data;
} Tensor;

/* Zeroed; NULL (reported by nobody) when the sizes overflow. `data` is writable by the maker. */
Tensor *tensor_new(Context *ctx, DType dtype, int rank, const int64_t *dims);
Tensor *tensor_scalar_i64(Context *ctx, int64_t value);
Tensor *tensor_scalar_f32(Context *ctx, float value);
Tensor *tensor_vector_i64(Context *ctx, const int64_t *values, size_t n);
bool tensor_equal(const Tensor *a, const Tensor *b);
/* Bytes of the elements and of all that strings point to. */
size_t tensor_weight(const Tensor *tensor);
/* Element `i` of any real type, converted. */
double tensor_f64(const Tensor *tensor, size_t i);
int64_t tensor_i64(const Tensor *tensor, size_t i);
/* The same backwards, by the maker of the tensor. */
void tensor_set_f64(Tensor *tensor, size_t i, double value);
void tensor_set_i64(Tensor *tensor, size_t i, int64_t value);

/* ---- values and nodes ---- */

/* One input of a node; a member of the list of uses of its value. */
typedef struct Use {
  Value *value; /* NULL: the optional input is absent */
  Node *user;
  struct Use *next, **link;
} Use;

struct Value {
  uint32_t id;      /* unique within the compilation */
  const char *name; /* interned, as in the model or made up; not NULL */
  Graph *graph;
  Type type;
  Node *producer; /* NULL for graph inputs, captures and constants */
  uint32_t output_index;
  const Tensor *constant; /* the whole value where it is known */
  const Type *declared;   /* as the model says, with NULL for sizes it leaves open; NULL: nothing */
  /* Symbolic contents of a small tensor of numbers (bool as 0 and 1), in row-major order: one
   * expression an element, opaque where only its bounds are known; NULL when nothing is known. */
  const Dim *const *contents;
  uint32_t n_contents;
  const char *about; /* of an input or output of the model: what a reader is told beside its type */
  Use *uses;         /* by nodes; graph outputs are not uses */
  uint32_t n_outputs; /* times it is an output of its graph */
};

typedef enum AttrKind {
  ATTR_NONE,
  ATTR_INT,
  ATTR_FLOAT,
  ATTR_STRING,
  ATTR_INTS,
  ATTR_FLOATS,
  ATTR_STRINGS,
  ATTR_TENSOR,
  ATTR_GRAPH,
  ATTR_DIMS /* symbolic integers; only in the compiler's own operators */
} AttrKind;

typedef struct Attr {
  const char *name; /* interned */
  AttrKind kind;
  size_t count; /* elements of the list kinds */
  int64_t i;
  float f;
  const char *s; /* NUL-terminated; may hold any bytes before that */
  size_t s_size;
  const int64_t *ints;
  const float *floats;
  const onnxc_rt_string *strings; /* each is NUL-terminated, too */
  const Tensor *tensor;
  Graph *graph;
  const Dim *const *dims;
} Attr;

struct Node {
  uint32_t id;
  const OpDef *op;
  const char *name; /* interned; not NULL, may be empty */
  Graph *graph;
  Node *prev, *next; /* in topological order */
  Use *in;           /* n_in of them: n_formal formal ones, then those that subgraphs capture */
  uint32_t n_in, n_formal, n_out, n_attrs;
  Value **out; /* NULL: the optional output is absent */
  Attr *attrs;
  const char *const *origins; /* names of the ONNX nodes it stands for, in their order */
  uint32_t n_origins;
};

/* Value `inner` of a subgraph stands for input `input` of the node that holds it. */
typedef struct Capture {
  Value *inner;
  uint32_t input;
} Capture;

/* An input or output of the model that is no tensor, the `index`th of all: `n` tensors of the
 * graph, from `first` on, stand for it. */
typedef struct Composite {
  const char *name;
  Type type;
  uint32_t index, first, n;
} Composite;

struct Graph {
  Context *ctx;
  const char *name;
  Node *holder; /* the node whose attribute this is; NULL for the main graph */
  Node *first, *last;
  Vec(Value *) inputs;
  Vec(Value *) outputs; /* a value may be there twice, and may be an input */
  Vec(Capture) captures;
  Vec(Composite) composite_inputs, composite_outputs; /* of the main graph */
  uint32_t n_nodes;
};

Graph *graph_new(Context *ctx, const char *name);
/* Ids are given by graph_new_value and node_new; both count from 0 within a context. */
Value *graph_new_value(Graph *graph, const char *name);
Value *graph_add_input(Graph *graph, const char *name, Type type);
/* The elements of a small tensor as contents of a value; NULL: not few, or no integers of 63 bits.
 */
const Dim *const *graph_contents(Context *ctx, const Tensor *tensor);
Value *graph_add_constant(Graph *graph, const char *name, const Tensor *tensor);
void graph_add_output(Graph *graph, Value *value);
/* The inner value that stands for `outer` (a value of the holder's graph), captured on demand. */
Value *graph_capture(Graph *graph, Value *outer);
/* `inner`, a value of the graph without producer, stands for `outer` from here on. */
void graph_capture_as(Graph *graph, Value *outer, Value *inner);
/* The outputs of a graph become these. */
void graph_set_outputs(Graph *graph, Value *const *values, size_t n);

/* A node of `op` with its outputs made (names from `out_names`, or derived when that or one of
 * them is NULL; out_names[i] empty: absent), not yet placed. Inputs may be NULL. */
Node *node_new(Graph *graph, const OpDef *op, const char *name, Value *const *inputs,
               uint32_t n_inputs, const char *const *out_names, uint32_t n_outputs);
void graph_append(Graph *graph, Node *node);
void graph_insert_before(Node *position, Node *node);
/* Unlink a node whose outputs have no uses. */
void graph_remove(Node *node);
void node_set_input(Node *node, uint32_t i, Value *value); /* i < n_in; NULL makes it absent */
void node_add_input(Node *node, Value *value);             /* a further formal input */
void node_remove_capture(Node *node, uint32_t i); /* an input that no subgraph reads any more */
void node_add_output(Node *node, const char *name);
/* The outputs become these values, which may be new or some that it has; NULL: absent. */
void node_set_outputs(Node *node, Value *const *values, uint32_t n);
/* The formal inputs become these; what subgraphs capture stays. */
void node_set_formal(Node *node, Value *const *inputs, uint32_t n);
/* The outputs change owner: `node` becomes the producer of `value` as its output `i`. */
void node_take_output(Node *node, uint32_t i, Value *value);
/* Every use of `from`, and every graph output that is `from`, becomes `to` (same graph). */
void graph_replace(Value *from, Value *to);
/* Add the origins of `from` to those of `to`, without repeats. */
void node_add_origins(Node *to, const Node *from);

static inline Value *node_in(const Node *node, uint32_t i) {
  return i < node->n_in ? node->in[i].value : NULL;
}
static inline Value *node_out(const Node *node, uint32_t i) {
  return i < node->n_out ? node->out[i] : NULL;
}

static inline bool value_is_output(const Value *value) { /* of its graph */
  return value->n_outputs != 0;
}
/* Contents that generated code can compute: none of them is opaque. */
bool value_contents_known(const Value *value);
uint32_t value_uses(const Value *value);   /* by nodes and as graph output */
bool value_single_use(const Value *value); /* by one node, or as one output */

/* ---- attributes ---- */

/* NULL when absent; defaults are the operator's affair, see op_param_* in ops/op.h. */
const Attr *node_attr(const Node *node, const char *name);
void node_set_attr(Node *node, Attr attr); /* replaces one of the same name */
void node_copy_attrs(Node *to, const Node *from);
void node_set_int(Node *node, const char *name, int64_t value);
void node_set_float(Node *node, const char *name, float value);
void node_set_string(Node *node, const char *name, const char *value);
void node_set_ints(Node *node, const char *name, const int64_t *values, size_t n);

/* The attribute's value as a tensor, borrowed: numbers and texts are scalars, lists vectors. NULL:
 * it is of another kind. */
const Tensor *tensor_of_attr(Context *ctx, const Attr *attr);

/* ---- errors ---- */

/* diag_error at a node: `graph/node 'name' (Op)`. Always false. */
bool node_error(const Node *node, DiagKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
