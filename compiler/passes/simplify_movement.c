/* simplify-movement: a Gather of indices that follow one another -> Slice, or Concat of two; a
 * ScatterND to such -> Concat; a Slice of what is there already -> that; a view of a Cast -> the
 * Cast of a view; the transposed product of a column and a row -> that of a row and a column.
 *
 * Right bit for bit: elements are moved by other means, or before something that does not care. It
 * leaves movement that is only a matter of strides, and lets elementwise operators meet. */
#include "passes/facts.h"
#include "passes/parts.h"
#include "passes/pass.h"

#include <string.h>

/* ---- Gather ------------------------------------------------------------------------------------
 */

enum { MAX_RUNS = 2 };

/* Constant indices as runs: each of every `n_phases`th index, or of neighbours. */
typedef struct Runs {
  uint32_t n;
  bool alternate;
  Part parts[MAX_RUNS];
} Runs;

typedef struct Indices {
  const Tensor *tensor;
  int64_t size, count; /* of the axis; of them */
} Indices;

static int64_t index_at(const Indices *indices, int64_t i) {
  int64_t index = tensor_i64(indices->tensor, (size_t)i);
  return index < 0 ? index + indices->size : index;
}

static bool are_within(const Indices *indices) {
  for (int64_t i = 0; i < indices->count; i++) {
    if (index_at(indices, i) < 0 || index_at(indices, i) >= indices->size) return false;
  }
  return true;
}

/* The run of every `stride`th index from `first` on, before `end`; its size. */
static int64_t find_run(const Indices *indices, int64_t first, int64_t end, int64_t stride,
                        Part *run) {
  run->start = index_at(indices, first);
  run->size = run->step = 1;
  int64_t last = run->start;
  for (int64_t i = first + stride; i < end; i += stride) {
    int64_t index = index_at(indices, i);
    if (run->size == 1) run->step = index - last;
    if (run->step < 1 || index - last != run->step) break;
    run->size++;
    last = index;
  }
  if (run->step < 1) run->step = 1;
  return run->size;
}

static bool find_alternating(const Indices *indices, Runs *runs) {
  for (runs->n = 2; runs->n <= MAX_RUNS; runs->n++) {
    int64_t each = indices->count / runs->n;
    bool all = each > 1 && indices->count % runs->n == 0;
    for (uint32_t i = 0; all && i < runs->n; i++) {
      all = find_run(indices, i, indices->count, runs->n, &runs->parts[i]) == each;
    }
    if (all) return runs->alternate = true;
  }
  return false;
}

static bool find_runs(const Indices *indices, Runs *runs) {
  *runs = (Runs){0};
  int64_t i = 0;
  for (; i < indices->count && runs->n < MAX_RUNS; runs->n++) {
    int64_t size = find_run(indices, i, indices->count, 1, &runs->parts[runs->n]);
    if (size == 1) break; /* of one: too short to be worth it */
    i += size;
  }
  return i == indices->count || find_alternating(indices, runs);
}

/* Two runs are worth it where distribute-concat takes each to what reads them. */
static bool is_read_by_parts(const Value *gathered) {
  return value_single_use(gathered) && gathered->uses != NULL &&
         part_computes(gathered->uses->user);
}

static bool read_indices(const Node *gather, int axis, Indices *indices) {
  const Value *value = gather->in[1].value;
  *indices = (Indices){.tensor = value->constant, .size = static_dim(gather->in[0].value, axis)};
  if (indices->tensor == NULL || indices->tensor->rank != 1 || indices->size < 1) return false;
  indices->count = (int64_t)indices->tensor->count;
  return indices->count > 1 && are_within(indices);
}

/* Slices, each with a further axis behind it, joined along that. */
static Value *join_alternating(Builder *b, Value **parts, uint32_t n, int axis, const Type *out) {
  for (uint32_t i = 0; i < n; i++) {
    const Dim *dims[MAX_RANK + 1];
    int rank = out->rank;
    for (int k = 0; k < rank; k++) dims[k + (k > axis)] = parts[i]->type.dims[k];
    dims[axis + 1] = dim_const(b->graph->ctx->dims, 1);
    parts[i] = compose_reshape(b, parts[i], dims, rank + 1);
  }
  return compose_reshape(b, compose_concat(b, parts, n, axis + 1), out->dims, out->rank);
}

static Value *slice_runs(Match *m) {
  Value *x = match_value(m, "x"), *parts[MAX_RUNS];
  int axis = param_axis(m->root, x->type.rank);
  Indices indices;
  Runs runs;
  if (x->constant != NULL || !read_indices(m->root, axis, &indices)) return NULL;
  if (!find_runs(&indices, &runs) || (runs.alternate && x->type.rank == MAX_RANK)) return NULL;
  if (runs.n > 1 && !is_read_by_parts(m->root->out[0])) return NULL;
  for (uint32_t i = 0; i < runs.n; i++) {
    const Part *run = &runs.parts[i];
    int64_t end = run->start + (run->size - 1) * run->step + 1;
    parts[i] = compose_slice(&m->builder, x, axis, run->start, end, run->step);
  }
  if (runs.n == 1) return parts[0];
  if (!runs.alternate) return compose_concat(&m->builder, parts, runs.n, axis);
  return join_alternating(&m->builder, parts, runs.n, axis, &m->root->out[0]->type);
}

/* Where one number is an index, GatherND is a Gather. */
static Value *gather_whole(Match *m) {
  Value *x = match_value(m, "x"), *indices = match_value(m, "indices");
  int rank = indices->type.rank;
  if (op_param_i(m->root, "batch_dims") != 0 || rank < 1) return NULL;
  if (!dim_is(indices->type.dims[rank - 1], 1)) return NULL;
  Value *flat = compose_reshape(&m->builder, indices, indices->type.dims, rank - 1);
  return BUILD(&m->builder, "Gather", x, flat);
}

/* ---- ScatterND ---------------------------------------------------------------------------------
 */

/* Rows [start, end) of x, where they are there without copying them. */
static Value *free_rows(Match *m, Value *x, int64_t start, int64_t end) {
  Taker taker = part_taker(&m->builder, false);
  return part_take(&taker, x, &(Part){0, start, 1, end - start});
}

static bool are_free(Match *m, const Value *x, int64_t start, int64_t end) {
  Taker taker = part_taker(&m->builder, false);
  return start == end || part_is_free(&taker, x, &(Part){0, start, 1, end - start});
}

/* Rows that follow one another take the place of those of x. What is left of x has to be there
 * already, as after the assignment of the other rows: to copy it is the kernel's work. */
static Value *join_rows(Match *m) {
  Value *x = match_value(m, "x"), *indices = match_value(m, "indices"), *parts[3];
  const Indices rows = {.tensor = indices->constant,
                        .size = static_dim(x, 0),
                        .count = (int64_t)indices->constant->count};
  Part run;
  uint32_t n = 0;
  if (strcmp(op_param_s(m->root, "reduction"), "none") != 0 || rows.size < 1) return NULL;
  if (indices->type.rank != 2 || !dim_is(indices->type.dims[1], 1)) return NULL;
  if (rows.count < 1 || !are_within(&rows)) return NULL;
  if (find_run(&rows, 0, rows.count, 1, &run) != rows.count || run.step != 1) return NULL;
  int64_t end = run.start + run.size;
  if (!are_free(m, x, 0, run.start) || !are_free(m, x, end, rows.size)) return NULL;
  if (run.start > 0) parts[n++] = free_rows(m, x, 0, run.start);
  parts[n++] = match_value(m, "updates");
  if (end < rows.size) parts[n++] = free_rows(m, x, end, rows.size);
  return compose_concat(&m->builder, parts, n, 0);
}

/* ---- parts -------------------------------------------------------------------------------------
 */

/* The only axis along which a Slice takes less than everything. */
static bool read_slice(const Node *slice, Part *part) {
  const Type *in = &slice->in[0].value->type, *out = &slice->out[0]->type;
  int64_t starts[MAX_RANK], axes[MAX_RANK], steps[MAX_RANK];
  uint32_t n, n_axes = 0, n_steps = 0;
  if (!value_ints(node_in(slice, 1), starts, MAX_RANK, &n) || n != 1) return false;
  axes[0] = 0;
  steps[0] = 1;
  if (node_in(slice, 3) != NULL && !value_ints(node_in(slice, 3), axes, 1, &n_axes)) return false;
  if (node_in(slice, 4) != NULL && !value_ints(node_in(slice, 4), steps, 1, &n_steps)) return false;
  int axis = (int)(axes[0] < 0 ? axes[0] + in->rank : axes[0]);
  int64_t size = static_dim(slice->in[0].value, axis), taken = static_dim(slice->out[0], axis);
  if (size < 1 || taken < 1 || steps[0] < 1 || in->rank != out->rank) return false;
  int64_t start = starts[0] < 0 ? starts[0] + size : starts[0];
  *part = (Part){axis, start < 0 ? 0 : start, steps[0], taken};
  return true;
}

static Value *find_part(Match *m, Value *x, const Part *part) {
  Taker taker = part_taker(&m->builder, false);
  if (x->constant != NULL || !part_is_free(&taker, x, part)) return NULL;
  return part_take(&taker, x, part);
}

static Value *find_slice(Match *m) {
  Part part;
  return read_slice(m->root, &part) ? find_part(m, match_value(m, "x"), &part) : NULL;
}

/* ---- elementwise operators ---------------------------------------------------------------------
 */

/* Numbers that become floats, positions and masks mostly, do so where they meet others. */
static Value *cast_behind(Match *m) {
  Value *x = match_value(m, "x");
  const Value *cast = match_value(m, "cast"), *out = m->root->out[0];
  if (is_float(x) || !is_float(cast)) return NULL;
  Value *view = compose_reshape(&m->builder, x, out->type.dims, out->type.rank);
  return compose_cast(&m->builder, view, out->type.dtype);
}

/* A factor, seen with as many axes as the product has, in the order of the transposed product.
 * Where only axes of size 1 change places it is a reshape. */
static Value *transposed(Match *m, Value *x, const int64_t *perm, int rank) {
  const Dim *dims[MAX_RANK], *out[MAX_RANK];
  int64_t last = -1;
  bool moves = false;
  for (int i = 0; i < rank; i++) {
    int own = i - (rank - x->type.rank);
    dims[i] = own < 0 ? dim_const(x->graph->ctx->dims, 1) : x->type.dims[own];
  }
  for (int i = 0; i < rank; i++) {
    out[i] = dims[perm[i]];
    if (dim_is(out[i], 1)) continue;
    moves = moves || perm[i] < last;
    last = perm[i];
  }
  if (!moves) return compose_reshape(&m->builder, x, out, rank);
  return compose_transpose(&m->builder, compose_reshape(&m->builder, x, dims, rank), perm);
}

static Value *transpose_factors(Match *m) {
  Value *a = match_value(m, "a"), *b = match_value(m, "b");
  const Type *product = &match_value(m, "product")->type;
  int64_t perm[MAX_RANK];
  if (same_dims(&a->type, product) || same_dims(&b->type, product)) return NULL;
  transpose_perm(m->root, perm);
  return BUILD(&m->builder, "Mul", transposed(m, a, perm, product->rank),
               transposed(m, b, perm, product->rank));
}

static const Rule rules[] = {
    RULE("gather-run", P("Gather", ANY("x"), CONST("indices")), slice_runs),
    RULE("gather-nd", P("GatherND", ANY("x"), ANY("indices")), gather_whole),
    RULE("scatter-run", P("ScatterND", ANY("x"), CONST("indices"), ANY("updates")), join_rows),
    RULE("slice", P("Slice", ANY("x")), find_slice),
    RULE("view-of-cast", P("Reshape|Squeeze|Unsqueeze|Flatten", PB("Cast", "cast", ANY("x"))),
         cast_behind),
    RULE("transposed-outer-product", P("Transpose", PB("Mul", "product", ANY("a"), ANY("b"))),
         transpose_factors),
};

const PassDef pass_simplify_movement = {
    .name = "simplify-movement",
    .what = "Gathers, slices and outer products that strides or elementwise operators can say",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
