/* Lowering: from graph to steps and buffers.
 *
 * Nodes with an OpRow are gathered into groups that become row programs or epilogues (fuse.c); the
 * others are lowered by their `lower` hook, or called through their reference kernel. */
#ifndef ONNXC_LOWER_LOWER_H
#define ONNXC_LOWER_LOWER_H

#include "lower/step.h"

/* NULL: reported. `fuse` false keeps every node a step of its own. */
Steps *lower_graph(Graph *graph, bool fuse);

/* ---- for OpDef.lower ---------------------------------------------------------------------------
 */

/* Where a value lives, through any views. */
Operand lower_operand(Lowering *l, Value *value);
/* The same, row-major without gaps: copied by a step of its own when it is not. */
Operand lower_dense(Lowering *l, Value *value);
/* Where each part of a value along axis 0 is row-major without gaps; the parts may be apart. */
Operand lower_batches(Lowering *l, Value *value);
/* Where a value of rank 3 up is, if each part of it along the first two axes is row-major without
 * gaps and there are `*apart` elements from one to the next, NULL: they follow one another. Else
 * false. */
bool lower_planes(Lowering *l, Value *value, Operand *x, const Dim **apart);
/* A new dense place for an output of the node being lowered. */
Operand lower_output(Lowering *l, Value *value);
/* `value` is the part of an existing buffer that `view` says; nothing is moved. */
void lower_alias(Lowering *l, Value *value, Operand view);
/* A step that copies `from` to `to`, both over the type's dims, for the sake of `node`. */
Step *lower_copy(Lowering *l, const Node *node, const Type *type, Operand from, Operand to);
/* Scratch memory of this many bytes for the step. */
Buffer *lower_scratch(Lowering *l, const Dim *bytes);
/* Rearranged constant data; equal data is stored once. `data` lives as long as the context. */
Operand lower_weight(Lowering *l, const char *name, DType dtype, size_t count, const void *data);
/* A step for the node being lowered; the caller fills its kind's part and the accesses. */
Step *lower_step(Lowering *l, StepKind kind);
void step_reads(Step *step, Context *ctx, Buffer *buffer);
void step_writes(Step *step, Context *ctx, Buffer *buffer);

/* A kernel call that a contraction or call step makes; members in any order. */
Step *lower_kernel(Lowering *l, StepKind kind, const char *function, const char *params);
/* Calls the kernel once for each part of `x` along axis 0 when these are apart: `rows` are those
 * of one call. False: they are not, and one call serves all. */
bool kernel_batches(Lowering *l, Step *step, const Operand *x, const Dim *rows);
void kernel_dim(Lowering *l, Step *step, const char *member, const Dim *value);
void kernel_int(Lowering *l, Step *step, const char *member, int64_t value);
void kernel_dims(Lowering *l, Step *step, const char *member, const Dim *const *values, int n);
void kernel_float(Lowering *l, Step *step, const char *member, float value);
void kernel_input(Lowering *l, Step *step, const char *member, Operand operand);
/* The same for an operand that all calls share. */
void kernel_shared(Lowering *l, Step *step, const char *member, Operand operand);
void kernel_output(Lowering *l, Step *step, const char *member, Operand operand);
void kernel_scratch(Lowering *l, Step *step, const char *member, const Dim *bytes);
/* Another value of member `roomy` would be faster and need that much. Slowest first. */
void kernel_room(Lowering *l, Step *step, const char *roomy, int64_t value, size_t bytes);
/* Fuses the nodes behind the contraction, if there are any, as its epilogue, which also stores a
 * result that has its place in something larger: members `epilogue`,
 * `context` and `first_row` are set. The first `row_axes` axes of `value` count rows, the others
 * columns. False: there are none, and the kernel stores `value` itself. */
bool kernel_epilogue(Lowering *l, Step *step, Value *value, int row_axes);

/* ---- lowerings, for the operators that share them ---- */

bool lower_transpose(Lowering *l, Node *node);
bool lower_expand(Lowering *l, Node *node);
bool lower_slice(Lowering *l, Node *node);
bool lower_split(Lowering *l, Node *node);
bool lower_gather(Lowering *l, Node *node);
bool lower_concat(Lowering *l, Node *node);
bool lower_pad(Lowering *l, Node *node);
bool lower_if(Lowering *l, Node *node);
bool lower_loop(Lowering *l, Node *node);
bool lower_scan(Lowering *l, Node *node);

/* A step out = a x b on the GEMM kernel: `a` [..., m, k] and `b` [..., k, n] in any strides, their
 * leading axes broadcast to those of `batch`. `b_value`, when it is a constant matrix without
 * batch, is packed at compile time. The first `row_axes` axes of `out` count rows. */
void lower_product(Lowering *l, Operand a, Operand b, const Value *b_value, const Type *batch,
                   Value *out, int row_axes);

/* The operands of a MatMul as matrices: a vector is one of a single row on the left, of a single
 * column on the right. `batch` has the axes of the result `out` but for the last two; the first
 * `row_axes` axes of that count rows. */
typedef struct ProductViews {
  Operand a, b;
  Type batch;
  int row_axes;
} ProductViews;
ProductViews lower_product_views(Lowering *l, const Node *node, uint32_t a, uint32_t b);

/* The same of bytes, less zero points, into sums of type i32. A zero point is one number, or one
 * for each row of `a` where that has no batch, for each column of `b`; no buffer: 0. */
void lower_byte_product(Lowering *l, const ProductViews *views, const Operand zeros[2],
                        const Value *b_value, Value *out);

/* Whether an operand is row-major without gaps. */
bool operand_dense(DimTable *t, const Operand *operand);
/* Whether elements of equal index are in the same place. */
bool operand_same(const Operand *a, const Operand *b);
Context *lower_context(Lowering *l);

#endif
