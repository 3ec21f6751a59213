/* One operator, in one place.
 *
 * A file in ops/ defines `const OpDef op_NAME` for each operator of its family; a row in ops.def
 * puts it into the table. The graph knows operators only in their canonical form: the newest
 * version of ONNX (or the contributed domain); the importer upgrades older nodes. */
#ifndef ONNXC_OPS_OP_H
#define ONNXC_OPS_OP_H

#include "ir/graph.h"

typedef struct RowBuilder RowBuilder; /* lower/row.h */
typedef struct Lowering Lowering;     /* lower/lower.h */
typedef struct Builder Builder;       /* ops/builder.h */

enum {
  OP_COMMUTATIVE = 1,      /* the first two inputs may be swapped */
  OP_NONDETERMINISTIC = 2, /* never folded, merged or moved */
  OP_VIEW = 4,             /* output 0 holds the elements of input 0 in the same order */
  OP_DATA_DEPENDENT = 8,   /* sizes of outputs are known only after the kernel has run */
  OP_COMPOSITE = 16,   /* of sequences, optionals or maps: passes/flatten_sequences.c takes it */
  OP_STRIDED = 32,     /* `lower` reads operands of 32-bit floats through any strides */
  OP_STORES_ROWS = 64, /* and writes output 0 through any whose last one is 1 */
  OP_UPDATE = 128,     /* output 0 is input 0 with elements changed; the kernel can be given both in
                          one place, where it changes nothing before an error */
};

/* One attribute as the reference kernel sees it: its position in the kernel's list is its position
 * in OpDef.params. Attributes that only the compiler reads are listed too, after those. */
typedef struct OpParam {
  const char *name; /* NULL ends the list */
  AttrKind kind;
  int64_t i;     /* default of INT */
  float f;       /* default of FLOAT */
  const char *s; /* default of STRING; NULL: none */
  bool required, has_default;
} OpParam;

#define PARAM_INT(name_, default_)                                                                 \
  { .name = name_, .kind = ATTR_INT, .i = default_, .has_default = true }
#define PARAM_FLOAT(name_, default_)                                                               \
  { .name = name_, .kind = ATTR_FLOAT, .f = default_, .has_default = true }
#define PARAM_STRING(name_, default_)                                                              \
  { .name = name_, .kind = ATTR_STRING, .s = default_, .has_default = true }
#define PARAM_OPTIONAL(name_, kind_)                                                               \
  { .name = name_, .kind = kind_ }
#define PARAM_REQUIRED(name_, kind_)                                                               \
  { .name = name_, .kind = kind_, .required = true }

/* How an operator whose output elements are computed row by row joins a row program (lower/row.h).
 * `axes` says which axes of input 0 form the row: it sets flags[axis] for each, and returns false
 * when this node cannot be one. Elementwise operators leave it NULL: any axes do. */
typedef struct OpRow {
  bool (*axes)(const Node *node, bool *flags);
  /* Emits the instructions; false (nothing emitted) when dtype or attributes are out of its reach,
   * which leaves the node to its kernel. */
  bool (*emit)(RowBuilder *b, const Node *node);
} OpRow;

struct OpDef {
  const char *name;
  const char *domain; /* "" for ai.onnx; "onnxc" for the compiler's own */
  uint32_t flags;
  /* Inputs that only decide about sizes (bit i: input i). They are not needed at run time once
   * the output types are known. */
  uint32_t shape_inputs;
  const OpParam *params; /* NULL: none */

  /* Sets the types of all outputs, and contents where they are known; called with all input types
   * known, possibly again after a rewrite. False: reported. */
  bool (*infer)(Node *node);

  /* The reference kernel and the name it links by: runtime/reference/. */
  onnxc_rt_kernel *eval;
  const char *kernel;
  const char *library; /* the optional part of the runtime that holds it; NULL: onnxc_rt */
  /* Bytes of scratch the kernel needs; NULL: none. */
  const Dim *(*scratch)(const Node *node);
  /* Whether the kernel makes strings of bytes that are in none of its inputs and attributes, and so
   * needs memory for text; NULL: never. */
  bool (*makes_text)(const Node *node);

  /* These refine the default, which is a call of `kernel`; the first that takes the node does. */
  const OpRow *row; /* joins row programs */
  /* With `row`: inputs (bit i: input i) of which an element of the output may need any element,
   * and not only those that broadcast to it, so that another step computes them. Not 0: not
   * elementwise. */
  uint32_t whole_inputs;
  bool (*lower)(Lowering *lowering, Node *node); /* false: nothing done, take the default */
  /* With `lower`: whether it will not decline this node and end in kernel_epilogue, so that the
   * elementwise operators behind it can be computed on the finished accumulators. NULL: never. */
  bool (*takes_epilogue)(const Node *node);
  /* Rewritten into other operators after import, by build_replace for each output that is there.
   * False: this node cannot be and stays, and nothing was built, or an error was reported. */
  bool (*decompose)(Builder *builder, Node *node);
  /* The same behind all passes for those who write ONNX, where the form that stays is not one of
   * ONNX, or not one that other tools have. It may change inputs instead, and is false then. */
  bool (*standard)(Builder *builder, Node *node);

  /* What inspection shows behind the name: the attributes that matter; NULL: all of them. */
  const char *(*label)(Arena *arena, const Node *node);
  /* Multiply-accumulates; NULL: none. */
  const Dim *(*macs)(const Node *node);
};

static inline bool op_makes_text(const Node *node) {
  return node->op->makes_text != NULL && node->op->makes_text(node);
}

#define OP_KERNEL(function) .eval = function, .kernel = #function

const OpDef *op_find(const char *domain, const char *name); /* NULL when unsupported */
size_t op_count(void);
const OpDef *op_at(size_t i); /* in the order of ops.def */

/* Whether a node is of `op`, for rules that need a look. */
#define node_is(node, op_) ((node) != NULL && (node)->op == &(op_))

/* Attribute values with the operator's defaults. The attribute must be in `params`. */
int64_t op_param_i(const Node *node, const char *name);
float op_param_f(const Node *node, const char *name);
const char *op_param_s(const Node *node, const char *name);    /* NULL: absent */
const Attr *op_param_list(const Node *node, const char *name); /* NULL: absent */

size_t op_param_count(const OpDef *op);
/* The attributes of a call in kernel order, op_param_count of them, defaults filled in: for the
 * interpreter and the emitter. Tensors and graphs are only marked present; so are symbolic sizes,
 * whose values are the caller's to give. */
onnxc_rt_attr *op_call_attrs(Arena *arena, const Node *node);

/* ---- helpers for infer -------------------------------------------------------------------------
 * Each reports at the node and returns false (or NULL) when something is wrong. */

/* Input `i` is there and a tensor of known rank; its type, else NULL. */
const Type *infer_tensor(const Node *node, uint32_t i);
/* An axis in [-rank, rank) brought to [0, rank). */
bool infer_axis(const Node *node, int64_t axis, int rank, int *result);
/* Sets output `i` (when present) to a tensor of that type. */
void infer_output(Node *node, uint32_t i, DType dtype, int rank, const Dim *const *dims);
/* The same for any type, sequences and optionals included. A type that the output already has is a
 * declaration: contradicting it is an error. */
void infer_output_type(Node *node, uint32_t i, const Type *type);
/* NumPy broadcasting of `n` types. A dim of 1 gives way; two others must be equal, which is assumed
 * (and checked at run time) where it is not provable. */
bool infer_broadcast(Node *node, const Type *const *types, int n, int *rank, const Dim **dims);
/* The size that `a` and `b` broadcast to; NULL when they cannot. Sizes of which none is provably 1
 * are taken to be equal. */
const Dim *infer_broadcast_size(Context *ctx, const Dim *a, const Dim *b);
/* The integers of input `i` where they are known: constants and symbolic contents. NULL: not known
 * (nothing reported). `*n` their number. */
const Dim *const *infer_contents(const Node *node, uint32_t i, uint32_t *n);
/* The numbers of input `i` as far as anything is known of them: opaque ones, and those of floats,
 * too. NULL: nothing is. */
const Dim *const *infer_numbers(const Node *node, uint32_t i, uint32_t *n);
/* Number `k` of those; one without bounds where nothing is known. */
const Dim *infer_number(const Node *node, uint32_t i, uint32_t k);
/* The same where every element is a constant: true with up to `max` values. */
bool infer_constant_ints(const Node *node, uint32_t i, int64_t *values, uint32_t max, uint32_t *n);
/* The number of integers in input `i`, a vector (or scalar: 1) of at most MAX_RANK of them. */
bool infer_length(const Node *node, uint32_t i, int *n);
/* Sets the contents of output `i`. */
void infer_set_contents(Node *node, uint32_t i, const Dim *const *contents, uint32_t n);
/* Output 0 has the contents of input `i`, where they are known. */
void infer_pass_contents(Node *node, uint32_t i);
/* Contents of all outputs of an operator that only moves elements: `data` has bit i for each input
 * whose elements it moves; the other inputs must be constant. */
void infer_move_contents(Node *node, uint32_t data);
/* Contents of output 0 of an elementwise operator of all inputs. The function returns NULL where
 * nothing can be said of the result. Arguments and results may be opaque. */
typedef const Dim *infer_element(const Node *node, const Dim *const *args);
void infer_map_contents(Node *node, infer_element *element);
/* Every element of output `i` is within these bounds. */
void infer_bounded_contents(Node *node, uint32_t i, int64_t lo, int64_t hi);
/* Every element of output `i` is an index into an axis of this size. */
void infer_index_contents(Node *node, uint32_t i, const Dim *size);
/* Every element of output 0 is one of input `i`; says nothing where contents are set already. */
void infer_picked_contents(Node *node, uint32_t i);
/* Sizes that must agree, the more definite of them; NULL (reported) when they never do. */
const Dim *infer_equal(const Node *node, const char *what, const Dim *a, const Dim *b);
/* A fresh size for a data-dependent axis of output `i`, at most `bound` (NULL: any), which may be
 * opaque; the user may bound it too. Returns the size it had when the node was inferred before, so
 * that repeated inference is stable. */
const Dim *infer_fresh(Node *node, uint32_t i, int axis, const Dim *bound);
/* A symbol for a size of `value` that is found at run time: `before` where that is one already. */
const Dim *infer_symbol(Value *value, int axis, const Dim *before, int64_t hi);
/* Whether a symbol is one that infer_symbol has made for that axis. */
bool symbol_of_axis(const DimAtom *symbol, int axis);
/* A number of an input as a size of at most `bound` (NULL: any): what is not provable is taken to
 * be so, and checked at run time. Other expressions are returned as they are. */
const Dim *infer_within(const Node *node, const Dim *size, const Dim *bound);
/* The size of an axis of output 0 that is element `k` of input `i`, a number of any type; a fresh
 * one where that is not known. */
const Dim *infer_size(Node *node, uint32_t i, uint32_t k, int axis, const Dim *bound);
/* Gives integer inputs of the main graph that have few elements their symbolic contents. */
void infer_input_numbers(Graph *graph);
/* Whether size `axis` of output `i` is such: known only after the node's kernel has run. */
bool node_size_from_data(const Node *node, uint32_t i, int axis);
bool node_sizes_from_data(const Node *node); /* any of them */
/* Whether `size` mentions such a size of any node of the graph. */
bool graph_finds_size(const Graph *graph, const Dim *size);
/* The context's table of dims. */
static inline DimTable *infer_dims(const Node *node) {
  return node->graph->ctx->dims;
}

/* Infers one node, or a graph in order with its subgraphs; all errors reported, not only the
 * first. A node whose inputs failed is skipped silently. */
bool infer_node(Node *node);
/* Takes back what was inferred of the nodes of a graph, and of those in its subgraphs. */
void infer_forget(Graph *graph);
bool infer_graph(Graph *graph);

/* ---- randomness --------------------------------------------------------------------------------
 */

/* Whether a node of the graph or of its subgraphs draws random numbers. */
bool graph_draws(const Graph *graph);
/* Sets random[i] where the elements of output `i` of the main graph may depend on such numbers. */
void graph_random_outputs(const Graph *graph, bool *random);

#endif
