/* Matrix products on the GEMM kernel. */
#include "lower/group.h"

#include "onnxc_rt_kernels.h"

#include <string.h>

/* A product seen as loops around [m, k] x [k, n]. Strides of the loops come first in the operands.
 */
typedef struct Product {
  const Dim *m, *n, *k;
  int n_loops;
  const Dim *loops[MAX_RANK];
  Operand a, b;
} Product;

/* The operand with `axes` axes in front of its matrix; those it lacks do not move. */
static Operand with_batch(DimTable *t, const Operand *matrix, int axes) {
  Operand wide = *matrix;
  wide.rank = axes + 2;
  int missing = wide.rank - matrix->rank;
  for (int i = 0; i < wide.rank; i++) {
    bool there = i >= missing;
    wide.dims[i] = there ? matrix->dims[i - missing] : dim_const(t, 1);
    bool moves = there && !(i < axes && dim_is(wide.dims[i], 1));
    wide.strides[i] = moves ? matrix->strides[i - missing] : dim_const(t, 0);
  }
  return wide;
}

/* A batch axis next to the rows joins them when B does not move along it: one tall product. */
static bool fold_into_rows(DimTable *t, Product *p) {
  int last = p->n_loops - 1;
  if (last < 0 || !dim_is(p->b.strides[last], 0)) return false;
  const Dim *step = p->a.strides[last], *row = p->a.strides[p->n_loops];
  if (dim_is(p->m, 1))
    row = p->a.strides[p->n_loops] = step;
  else if (step != dim_mul(t, row, p->m))
    return false;
  p->m = dim_mul(t, p->m, p->loops[last]);
  p->n_loops--;
  for (int i = last; i < p->n_loops + 2; i++) {
    p->a.strides[i] = p->a.strides[i + 1];
    p->b.strides[i] = p->b.strides[i + 1];
  }
  p->a.strides[last] = row;
  return true;
}

static void drop_unit_loops(Product *p) {
  int kept = 0;
  for (int i = 0; i < p->n_loops + 2; i++) {
    if (i < p->n_loops && dim_is(p->loops[i], 1)) continue;
    if (i < p->n_loops) p->loops[kept] = p->loops[i];
    p->a.strides[kept] = p->a.strides[i];
    p->b.strides[kept++] = p->b.strides[i];
  }
  p->n_loops = kept - 2;
}

static Product product_of(Lowering *l, const Operand *a, const Operand *b, const Type *out_batch) {
  Product p = {.n_loops = out_batch->rank};
  DimTable *t = l->ctx->dims;
  p.a = with_batch(t, a, p.n_loops);
  p.b = with_batch(t, b, p.n_loops);
  for (int i = 0; i < p.n_loops; i++) p.loops[i] = out_batch->dims[i];
  p.m = p.a.dims[p.n_loops];
  p.k = p.a.dims[p.n_loops + 1];
  p.n = p.b.dims[p.n_loops + 1];
  drop_unit_loops(&p);
  while (fold_into_rows(t, &p)) {
  }
  return p;
}

/* Panels of a constant [k, n] matrix, as the kernel reads them. */
static bool pack_constant(Lowering *l, Step *step, const Value *b, const Product *p) {
  int64_t n, k;
  bool plain = b->constant != NULL && b->type.rank == 2;
  if (!plain || !dim_is_const(p->n, &n) || !dim_is_const(p->k, &k)) return false;
  size_t count = onnxc_rt_packed_count((size_t)n, (size_t)k);
  float *panels = ARENA_ARRAY(l->ctx->arena, count, float);
  onnxc_rt_pack_b(b->constant->data, (ptrdiff_t)k, (ptrdiff_t)n, (ptrdiff_t)n, 1, panels);
  Operand packed = lower_weight(l, b->name, ONNXC_RT_F32, count, panels);
  for (int i = 0; i < p->n_loops; i++) packed.strides[i] = dim_const(l->ctx->dims, 0);
  kernel_input(l, step, "packed", packed);
  return true;
}

/* The scratch of the largest sizes serves all. */
static void add_scratch(Lowering *l, Step *step, const Product *p, bool packed) {
  ptrdiff_t floats = onnxc_rt_gemm_f32_scratch((ptrdiff_t)p->m->hi, (ptrdiff_t)p->n->hi,
                                               (ptrdiff_t)p->k->hi, packed);
  kernel_scratch(l, step, "scratch", dim_const(l->ctx->dims, 4 * (int64_t)floats));
}

/* The dense result as the loops walk over it. */
static Operand result_of(Lowering *l, const Product *p, Value *out) {
  DimTable *t = l->ctx->dims;
  Operand c = lower_output(l, out);
  const Dim *stride = dim_mul(t, p->m, p->n);
  for (int i = p->n_loops - 1; i >= 0; i--) {
    c.strides[i] = stride;
    stride = dim_mul(t, stride, p->loops[i]);
  }
  return c;
}

/* Members that products of all types have. */
static void add_sizes(Lowering *l, Step *step, const Product *p) {
  step->kernel.n_loops = p->n_loops;
  memcpy(step->kernel.loops, p->loops, sizeof p->loops);
  step->kernel.rows = p->m;
  kernel_dim(l, step, "m", p->m);
  kernel_dim(l, step, "n", p->n);
  kernel_dim(l, step, "k", p->k);
  kernel_input(l, step, "a", p->a);
  kernel_dim(l, step, "a_row", p->a.strides[p->n_loops]);
  kernel_dim(l, step, "a_col", p->a.strides[p->n_loops + 1]);
}

static void add_b(Lowering *l, Step *step, const Product *p) {
  kernel_input(l, step, "b", p->b);
  kernel_dim(l, step, "b_row", p->b.strides[p->n_loops]);
  kernel_dim(l, step, "b_col", p->b.strides[p->n_loops + 1]);
}

static void add_result(Lowering *l, Step *step, const Product *p, Value *out, int row_axes) {
  if (kernel_epilogue(l, step, out, row_axes)) return;
  kernel_output(l, step, "c", result_of(l, p, out));
  kernel_dim(l, step, "c_row", p->n);
}

void lower_product(Lowering *l, Operand a, Operand b, const Value *b_value, const Type *batch,
                   Value *out, int row_axes) {
  Product p = product_of(l, &a, &b, batch);
  Step *step = lower_kernel(l, STEP_CONTRACTION, "onnxc_rt_gemm_f32", "onnxc_rt_gemm");
  add_sizes(l, step, &p);
  bool packed = pack_constant(l, step, b_value, &p);
  if (!packed) add_b(l, step, &p);
  add_scratch(l, step, &p, packed);
  add_result(l, step, &p, out, row_axes);
}

ProductViews lower_product_views(Lowering *l, const Node *node, uint32_t a, uint32_t b) {
  const Type *out = &node_out(node, 0)->type;
  DimTable *t = l->ctx->dims;
  ProductViews v = {lower_operand(l, node_in(node, a)), lower_operand(l, node_in(node, b)), *out,
                    0};
  bool row = v.a.rank > 1, column = v.b.rank > 1;
  if (!row) {
    v.a.dims[1] = v.a.dims[0];
    v.a.strides[1] = v.a.strides[0];
    v.a.dims[0] = dim_const(t, 1);
    v.a.strides[0] = dim_const(t, 0);
    v.a.rank = 2;
  }
  if (!column) {
    v.b.dims[1] = dim_const(t, 1);
    v.b.strides[1] = dim_const(t, 0);
    v.b.rank = 2;
  }
  v.batch.rank -= row + column;
  v.row_axes = out->rank - column;
  return v;
}

/* ---- products of bytes -------------------------------------------------------------------------
 */

static bool is_signed(DType dtype) {
  return dtype == ONNXC_RT_I8;
}

/* Panels of a constant [k, n] matrix of bytes, and the sums of its columns. */
static bool pack_constant_bytes(Lowering *l, Step *step, const Value *b, const Product *p) {
  int64_t n, k;
  bool plain = b->constant != NULL && b->type.rank == 2;
  if (!plain || !dim_is_const(p->n, &n) || !dim_is_const(p->k, &k)) return false;
  Arena *arena = l->ctx->arena;
  size_t bytes = onnxc_rt_packed_bytes((size_t)n, (size_t)k);
  uint8_t *panels = ARENA_ARRAY(arena, bytes, uint8_t);
  uint32_t *sums = ARENA_ARRAY(arena, (size_t)n, uint32_t);
  bool a_signed = is_signed(p->a.dtype), flips = a_signed == is_signed(b->type.dtype);
  onnxc_rt_pack_bytes(b->constant->data, (ptrdiff_t)k, (ptrdiff_t)n, (ptrdiff_t)n, 1,
                      flips ? 0x80 : 0, !a_signed, panels, sums);
  Operand packed = lower_weight(l, b->name, ONNXC_RT_U8, bytes, panels);
  Operand column_sums = lower_weight(l, b->name, ONNXC_RT_U32, (size_t)n, sums);
  for (int i = 0; i < p->n_loops; i++) {
    packed.strides[i] = column_sums.strides[i] = dim_const(l->ctx->dims, 0);
  }
  kernel_input(l, step, "packed", packed);
  kernel_input(l, step, "column_sums", column_sums);
  return true;
}

/* The scratch of the largest sizes serves all. */
static void add_byte_scratch(Lowering *l, Step *step, const Product *p, bool packed) {
  DimTable *t = l->ctx->dims;
  bool in_place =
      dim_is(dim_mod(t, p->k, dim_const(t, 4)), 0) && dim_is(p->a.strides[p->n_loops + 1], 1);
  ptrdiff_t bytes = onnxc_rt_gemm_i8_scratch((ptrdiff_t)p->m->hi, (ptrdiff_t)p->n->hi,
                                             (ptrdiff_t)p->k->hi, in_place, packed);
  kernel_scratch(l, step, "scratch", dim_const(t, bytes));
}

static void add_zero(Lowering *l, Step *step, const Product *p, Operand zero, const char *member,
                     const char *stride) {
  if (zero.buffer == NULL) return;
  bool many = zero.rank != 0 && !dim_is(zero.dims[zero.rank - 1], 1);
  for (int i = 0; i < p->n_loops; i++) zero.strides[i] = dim_const(l->ctx->dims, 0);
  kernel_input(l, step, member, zero);
  kernel_int(l, step, stride, many);
}

void lower_byte_product(Lowering *l, const ProductViews *views, const Operand zeros[2],
                        const Value *b_value, Value *out) {
  Product p = product_of(l, &views->a, &views->b, &views->batch);
  Step *step = lower_kernel(l, STEP_CONTRACTION, "onnxc_rt_gemm_i8", "onnxc_rt_gemm_bytes");
  add_sizes(l, step, &p);
  kernel_int(l, step, "a_signed", is_signed(p.a.dtype));
  kernel_int(l, step, "b_signed", is_signed(p.b.dtype));
  add_zero(l, step, &p, zeros[0], "a_zero", "a_zero_stride");
  add_zero(l, step, &p, zeros[1], "b_zero", "b_zero_stride");
  bool packed = pack_constant_bytes(l, step, b_value, &p);
  if (!packed) add_b(l, step, &p);
  add_byte_scratch(l, step, &p, packed);
  add_result(l, step, &p, out, views->row_axes);
}
