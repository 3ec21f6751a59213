/* Operators that put the elements of their inputs elsewhere, by rules that do not look at them. */
#include "lower/lower.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/slice.h"

#include <string.h>

/* ---- Transpose ---------------------------------------------------------------------------------
 */

static bool transpose_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Attr *perm = op_param_list(node, "perm");
  const Dim *dims[MAX_RANK];
  bool taken[MAX_RANK] = {false};
  if (x == NULL) return false;
  if (perm != NULL && perm->count != (size_t)x->rank) {
    return node_error(node, DIAG_INVALID, "perm has %zu axes, but the input has %d", perm->count,
                      x->rank);
  }
  for (int i = 0; i < x->rank; i++) {
    int64_t from = perm == NULL ? x->rank - 1 - i : perm->ints[i];
    if (from < 0 || from >= x->rank || taken[from]) {
      return node_error(node, DIAG_INVALID, "perm is no permutation of the %d axes", x->rank);
    }
    taken[from] = true;
    dims[i] = x->dims[from];
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_Transpose = {
    .name = "Transpose",
    .domain = "",
    .params = (const OpParam[]){PARAM_OPTIONAL("perm", ATTR_INTS), {0}},
    .infer = transpose_infer,
    OP_KERNEL(onnxc_rt_ref_transpose),
    .lower = lower_transpose,
};

/* ---- Concat, Split -----------------------------------------------------------------------------
 */

static bool concat_add(const Node *node, const Type *x, int rank, int axis, const Dim **dims) {
  DimTable *t = infer_dims(node);
  if (x->rank != rank) return node_error(node, DIAG_INVALID, "inputs have different ranks");
  for (int i = 0; i < rank; i++) {
    const Dim *size = x->dims[i];
    dims[i] = i == axis ? dim_add(t, dims[i], size)
                        : infer_equal(node, "sizes of the other axes", dims[i], size);
    if (dims[i] == NULL) return false;
  }
  return true;
}

static bool concat_infer(Node *node) {
  const Type *first = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int axis;
  if (first == NULL || !infer_axis(node, op_param_i(node, "axis"), first->rank, &axis)) {
    return false;
  }
  memcpy(dims, first->dims, (size_t)first->rank * sizeof *dims);
  for (uint32_t k = 1; k < node->n_formal; k++) {
    const Type *x = infer_tensor(node, k);
    if (x == NULL || !concat_add(node, x, first->rank, axis, dims)) return false;
  }
  infer_output(node, 0, first->dtype, first->rank, dims);
  infer_move_contents(node, UINT32_MAX);
  return true;
}

const OpDef op_Concat = {
    .name = "Concat",
    .domain = "",
    .params = (const OpParam[]){PARAM_REQUIRED("axis", ATTR_INT), {0}},
    .infer = concat_infer,
    OP_KERNEL(onnxc_rt_ref_concat),
    .lower = lower_concat,
};

/* Sizes of the parts: as input 1 says, or as equal as the number of outputs allows. */
static bool split_sizes(Node *node, const Dim *whole, int axis, const Dim **sizes) {
  DimTable *t = infer_dims(node);
  const Dim *n = dim_const(t, node->n_out), *sum = dim_const(t, 0);
  uint32_t given = 0;
  const Dim *const *contents = infer_contents(node, 1, &given);
  if (contents != NULL && given != node->n_out) {
    return node_error(node, DIAG_INVALID, "split has %u sizes for %u outputs", given, node->n_out);
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    bool last = i == node->n_out - 1;
    if (contents != NULL) {
      sizes[i] = infer_within(node, contents[i], whole);
    } else if (node_in(node, 1) != NULL) {
      sizes[i] = infer_fresh(node, i, axis, whole);
    } else {
      sizes[i] = last ? dim_sub(t, whole, sum) : dim_ceildiv(t, whole, n);
    }
    if (sizes[i]->hi < 0) return node_error(node, DIAG_INVALID, "output %u has a negative size", i);
    sum = dim_add(t, sum, sizes[i]);
  }
  bool known = contents != NULL;
  return !known || infer_equal(node, "the split axis and the sum of its parts", whole, sum) != NULL;
}

static bool split_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  int axis;
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  const Attr *num_outputs = node_attr(node, "num_outputs");
  if (num_outputs != NULL && num_outputs->i != node->n_out) {
    return node_error(node, DIAG_INVALID, "num_outputs is %lld, but there are %u outputs",
                      (long long)num_outputs->i, node->n_out);
  }
  const Dim *dims[MAX_RANK],
      **sizes = ARENA_ARRAY(node->graph->ctx->arena, node->n_out, const Dim *);
  if (!split_sizes(node, x->dims[axis], axis, sizes)) return false;
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  for (uint32_t i = 0; i < node->n_out; i++) {
    dims[axis] = sizes[i];
    infer_output(node, i, x->dtype, x->rank, dims);
  }
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_Split = {
    .name = "Split",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_INT("axis", 0), PARAM_OPTIONAL("num_outputs", ATTR_INT), {0}},
    .infer = split_infer,
    OP_KERNEL(onnxc_rt_ref_split),
    .lower = lower_split,
};

/* ---- Slice -------------------------------------------------------------------------------------
 */

/* ONNX recommends INT_MAX for "to the end of a dimension of unknown size". */
enum { SLICE_FAR = INT32_MAX };

/* A start or end brought into [low, high]; NULL when its sign is not known. */
static const Dim *slice_bound(DimTable *t, const Dim *at, const Dim *size, const Dim *low,
                              const Dim *high) {
  if (at->lo >= SLICE_FAR) return high;
  if (at->hi <= -SLICE_FAR) return dim_min(t, low, high);
  if (at->hi < 0) return dim_min(t, dim_max(t, dim_add(t, at, size), low), high);
  return at->lo >= 0 ? dim_min(t, dim_max(t, at, low), high) : NULL;
}

static const Dim *slice_size(DimTable *t, const Dim *size, const Dim *start, const Dim *end,
                             int64_t step) {
  const Dim *zero = dim_const(t, 0), *last = dim_add_i(t, size, -1);
  bool forward = step > 0;
  start = slice_bound(t, start, size, zero, forward ? size : last);
  end = slice_bound(t, end, size, forward ? zero : dim_const(t, -1), forward ? size : last);
  if (start == NULL || end == NULL) return NULL;
  const Dim *distance = forward ? dim_sub(t, end, start) : dim_sub(t, start, end);
  uint64_t stride = forward ? (uint64_t)step : 0 - (uint64_t)step;
  int64_t by = stride > SLICE_FAR ? SLICE_FAR : (int64_t)stride;
  return dim_ceildiv(t, dim_max(t, distance, zero), dim_const(t, by));
}

/* The same where nothing is known but bounds: what both ends leave between them. */
static const Dim *slice_most(Node *node, const Dim *size, int i, int64_t step) {
  DimTable *t = infer_dims(node);
  const Dim *start = infer_number(node, 1, (uint32_t)i), *end = infer_number(node, 2, (uint32_t)i);
  const Dim *most = slice_size(t, size, start, end, step);
  if (step != 1 || start->lo < 0 || end->lo < 0 || end->lo >= SLICE_FAR)
    return most != NULL ? most : size;
  const Dim *distance = dim_max(t, dim_sub(t, end, start), dim_const(t, 0));
  return most == NULL || distance->hi < most->hi ? distance : most;
}

typedef struct Slice {
  const Dim *const *starts, *const *ends; /* NULL: not known */
  int64_t axes[MAX_RANK], steps[MAX_RANK];
  bool axes_known, steps_known;
  int n;
} Slice;

static bool slice_read(const Node *node, Slice *s) {
  uint32_t n;
  if (!infer_length(node, 1, &s->n)) return false;
  for (uint32_t i = 2; i <= 4; i++) {
    int length;
    if (i > 2 && node_in(node, i) == NULL) continue;
    if (!infer_length(node, i, &length)) return false;
    if (length != s->n) {
      return node_error(node, DIAG_INVALID, "starts, ends, axes and steps differ in length");
    }
  }
  s->starts = infer_contents(node, 1, &n);
  s->ends = infer_contents(node, 2, &n);
  for (int i = 0; i < s->n; i++) {
    s->axes[i] = i;
    s->steps[i] = 1;
  }
  s->axes_known = node_in(node, 3) == NULL || infer_constant_ints(node, 3, s->axes, MAX_RANK, &n);
  s->steps_known = node_in(node, 4) == NULL || infer_constant_ints(node, 4, s->steps, MAX_RANK, &n);
  return true;
}

static bool slice_axis(Node *node, const Type *x, const Slice *s, int i, const Dim **dims) {
  DimTable *t = infer_dims(node);
  int axis;
  if (!infer_axis(node, s->axes[i], x->rank, &axis)) return false;
  const Dim *size = NULL;
  if (s->steps_known) {
    if (s->steps[i] == 0) return node_error(node, DIAG_INVALID, "steps[%d] is 0", i);
    bool known = s->starts != NULL && s->ends != NULL;
    if (known) size = slice_size(t, x->dims[axis], s->starts[i], s->ends[i], s->steps[i]);
  }
  if (size == NULL && s->steps_known) {
    const Dim *most = slice_most(node, x->dims[axis], i, s->steps[i]);
    if (most->hi < x->dims[axis]->hi) size = infer_fresh(node, 0, axis, most);
  }
  dims[axis] = size != NULL ? size : infer_fresh(node, 0, axis, x->dims[axis]);
  return true;
}

bool slice_geometry(const Node *node, SliceAxis *axes, int *n) {
  DimTable *t = infer_dims(node);
  const Type *x = &node_in(node, 0)->type;
  Slice s;
  if (!slice_read(node, &s) || s.starts == NULL || !s.axes_known || !s.steps_known) return false;
  *n = s.n;
  for (int i = 0; i < s.n; i++) {
    if (!infer_axis(node, s.axes[i], x->rank, &axes[i].axis)) return false;
    const Dim *size = x->dims[axes[i].axis];
    const Dim *most = s.steps[i] > 0 ? size : dim_add_i(t, size, -1);
    axes[i].step = s.steps[i];
    axes[i].start = slice_bound(t, s.starts[i], size, dim_const(t, 0), most);
    if (axes[i].start == NULL) return false;
  }
  return true;
}

static bool slice_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  Slice s;
  if (x == NULL || !slice_read(node, &s)) return false;
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  for (int i = 0; s.axes_known && i < s.n; i++) {
    if (!slice_axis(node, x, &s, i, dims)) return false;
  }
  for (int i = 0; !s.axes_known && i < x->rank; i++) dims[i] = infer_fresh(node, 0, i, x->dims[i]);
  infer_output(node, 0, x->dtype, x->rank, dims);
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_Slice = {
    .name = "Slice",
    .domain = "",
    .shape_inputs = 1 << 2,
    .infer = slice_infer,
    OP_KERNEL(onnxc_rt_ref_slice),
    .lower = lower_slice,
};

/* ---- Expand, Tile ------------------------------------------------------------------------------
 */

static bool check_not_negative(const Node *node, const char *what, const Dim *const *sizes,
                               uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (sizes[i]->hi < 0) return node_error(node, DIAG_INVALID, "%s[%u] is negative", what, i);
  }
  return true;
}

/* The larger of two bounds. */
static const Dim *wider(const Dim *a, const Dim *b) {
  return a->hi > b->hi ? a : b;
}

/* The size that `own` and a number known at run time broadcast to; NULL: that is not known. */
static const Dim *expand_by(const Node *node, const Dim *own, const Dim *given) {
  Context *ctx = node->graph->ctx;
  DimTable *t = ctx->dims;
  const Dim *one = dim_const(t, 1);
  if (dim_is(own, 1)) return infer_within(node, given, NULL);
  if (own->lo < 2) return NULL;
  /* it is 1, or the size itself */
  context_assume_equal(ctx, dim_mul(t, dim_sub(t, given, one), dim_sub(t, given, own)),
                       dim_const(t, 0));
  return own;
}

/* Size `axis` of the expansion of one of size `own` by a number. */
static const Dim *expand_size(Node *node, int axis, const Dim *own, const Dim *number) {
  const Dim *size = NULL;
  if (number->value && !number->opaque) size = expand_by(node, own, number);
  if (!number->value && !number->opaque) {
    size = infer_broadcast_size(node->graph->ctx, own, number);
  }
  return size != NULL ? size : infer_fresh(node, 0, axis, wider(own, number));
}

/* Sizes of an expansion by numbers of which not all are known while compiling. */
static void expand_sizes(Node *node, const Type *x, int given, int rank, const Dim **dims) {
  const Dim *one = dim_const(infer_dims(node), 1);
  for (int i = 0; i < rank; i++) {
    int from_x = i - (rank - x->rank), from_shape = i - (rank - given);
    const Dim *own = from_x < 0 ? one : x->dims[from_x];
    const Dim *number = from_shape < 0 ? one : infer_number(node, 1, (uint32_t)from_shape);
    dims[i] = expand_size(node, i, own, number);
  }
}

static bool any_value(const Dim *const *numbers, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (numbers[i]->value) return true;
  }
  return false;
}

static bool expand_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int rank, given;
  uint32_t n;
  if (x == NULL || !infer_length(node, 1, &given)) return false;
  const Dim *const *shape = infer_contents(node, 1, &n);
  if (shape != NULL && !check_not_negative(node, "shape", shape, n)) return false;
  if (shape == NULL || any_value(shape, n)) {
    rank = given > x->rank ? given : x->rank;
    expand_sizes(node, x, given, rank, dims);
  } else {
    Type target = {.kind = TYPE_TENSOR, .rank = (int)n, .dims = shape};
    if (!infer_broadcast(node, (const Type *const[]){x, &target}, 2, &rank, dims)) return false;
  }
  infer_output(node, 0, x->dtype, rank, dims);
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_Expand = {
    .name = "Expand",
    .domain = "",
    .shape_inputs = 1 << 1,
    .infer = expand_infer,
    OP_KERNEL(onnxc_rt_ref_expand),
    .lower = lower_expand,
};

static bool tile_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int given;
  uint32_t n;
  if (x == NULL || !infer_length(node, 1, &given)) return false;
  if (given != x->rank) {
    return node_error(node, DIAG_INVALID, "repeats has %d elements, but the input has rank %d",
                      given, x->rank);
  }
  DimTable *t = infer_dims(node);
  const Dim *const *repeats = infer_contents(node, 1, &n);
  if (repeats != NULL && !check_not_negative(node, "repeats", repeats, n)) return false;
  for (int i = 0; i < x->rank; i++) {
    const Dim *times = infer_number(node, 1, (uint32_t)i);
    dims[i] = dim_mul(t, x->dims[i], repeats != NULL ? infer_within(node, times, NULL) : times);
    if (repeats == NULL) dims[i] = infer_fresh(node, 0, i, dims[i]);
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_Tile = {
    .name = "Tile",
    .domain = "",
    .shape_inputs = 1 << 1,
    .infer = tile_infer,
    OP_KERNEL(onnxc_rt_ref_tile),
};

/* ---- Pad ---------------------------------------------------------------------------------------
 */

static bool pad_axes(const Node *node, const int64_t *axes, uint32_t n_axes, bool *flags,
                     int rank) {
  for (uint32_t i = 0; i < n_axes; i++) {
    int axis;
    if (!infer_axis(node, axes[i], rank, &axis)) return false;
    if (flags[axis]) return node_error(node, DIAG_INVALID, "axis %d is given twice", axis);
    flags[axis] = true;
  }
  return true;
}

/* The sizes that known pads give. */
static bool pad_sizes(const Node *node, const Type *x, const Dim *const *pads, const int64_t *axes,
                      uint32_t n_axes, const Dim **dims) {
  DimTable *t = infer_dims(node);
  bool flags[MAX_RANK] = {false};
  if (!pad_axes(node, axes, n_axes, flags, x->rank)) return false;
  for (uint32_t i = 0; i < n_axes; i++) {
    const Dim **size = &dims[axes[i] < 0 ? axes[i] + x->rank : axes[i]];
    *size = dim_add(t, *size, dim_add(t, pads[i], pads[n_axes + i]));
    *size = infer_within(node, *size, NULL);
  }
  return check_not_negative(node, "the output's shape", dims, (uint32_t)x->rank);
}

/* A bound of a padded size where nothing but bounds is known of the pads; NULL: none. The pads of
 * any axis may be meant. */
static const Dim *pad_most(const Node *node, const Dim *size, uint32_t n_axes, bool axes_known) {
  DimTable *t = infer_dims(node);
  int64_t most = 0;
  uint32_t n;
  const Dim *const *pads = infer_numbers(node, 1, &n);
  if (pads == NULL || !axes_known || n != 2 * n_axes) return NULL;
  for (uint32_t i = 0; i < n_axes; i++) {
    const Dim *both = dim_add(t, pads[i], pads[n_axes + i]);
    if (both->hi > most) most = both->hi;
  }
  return most == INT64_MAX ? NULL : dim_add_i(t, size, most);
}

static bool pad_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *pads_type = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int64_t axes[MAX_RANK];
  if (x == NULL || pads_type == NULL || !check_choice(node, "mode", "constant reflect edge wrap"))
    return false;
  uint32_t n_axes = (uint32_t)x->rank, n;
  for (int i = 0; i < x->rank; i++) axes[i] = i;
  bool axes_known =
      node_in(node, 3) == NULL || infer_constant_ints(node, 3, axes, MAX_RANK, &n_axes);
  const Dim *const *pads = axes_known ? infer_contents(node, 1, &n) : NULL;
  if (pads != NULL && n != 2 * n_axes) {
    return node_error(node, DIAG_INVALID, "%u pads for %u axes", n, n_axes);
  }
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  if (pads != NULL && !pad_sizes(node, x, pads, axes, n_axes, dims)) return false;
  for (int i = 0; pads == NULL && i < x->rank; i++) {
    dims[i] = infer_fresh(node, 0, i, pad_most(node, x->dims[i], n_axes, axes_known));
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  if (node_in(node, 2) != NULL) infer_move_contents(node, 1 | 1 << 2);
  return true;
}

const OpDef op_Pad = {
    .name = "Pad",
    .domain = "",
    .params = (const OpParam[]){PARAM_STRING("mode", "constant"), {0}},
    .infer = pad_infer,
    OP_KERNEL(onnxc_rt_ref_pad),
    .lower = lower_pad,
};

/* ---- Trilu, ReverseSequence --------------------------------------------------------------------
 */

static bool trilu_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  if (x->rank < 2) return node_error(node, DIAG_INVALID, "the input must have rank 2 or more");
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

const OpDef op_Trilu = {
    .name = "Trilu",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("upper", 1), {0}},
    .infer = trilu_infer,
    OP_KERNEL(onnxc_rt_ref_trilu),
};

static bool reverse_sequence_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *lengths = infer_tensor(node, 1);
  int batch, time;
  if (x == NULL || lengths == NULL) return false;
  if (!infer_axis(node, op_param_i(node, "batch_axis"), x->rank, &batch)) return false;
  if (!infer_axis(node, op_param_i(node, "time_axis"), x->rank, &time)) return false;
  if (lengths->rank != 1 || batch == time) {
    return node_error(node, DIAG_INVALID, "sequence_lens must be a vector, and the axes differ");
  }
  if (infer_equal(node, "the batch axis and the number of lengths", x->dims[batch],
                  lengths->dims[0]) == NULL) {
    return false;
  }
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  return true;
}

const OpDef op_ReverseSequence = {
    .name = "ReverseSequence",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("batch_axis", 1), PARAM_INT("time_axis", 0), {0}},
    .infer = reverse_sequence_infer,
    OP_KERNEL(onnxc_rt_ref_reverse_sequence),
};

/* ---- DepthToSpace, SpaceToDepth ----------------------------------------------------------------
 * Both are a transposition between two views. */

/* Checked input [n, c, h, w] and block size. */
static const Type *blocks_input(Node *node, const Dim **block) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return NULL;
  int64_t size = op_param_i(node, "blocksize");
  if (x->rank != 4 || size < 1) {
    node_error(node, DIAG_INVALID, "the input must have rank 4 and blocksize be positive");
    return NULL;
  }
  *block = dim_const(infer_dims(node), size);
  return x;
}

static const Dim *divide(Node *node, const Dim *size, const Dim *by) {
  DimTable *t = infer_dims(node);
  const Dim *exact = dim_divide_exactly(t, size, by);
  if (exact != NULL) return exact;
  if (!dim_is_const(size, NULL)) return dim_floordiv(t, size, by);
  node_error(node, DIAG_INVALID, "blocksize does not divide the input's sizes");
  return NULL;
}

static bool depth_to_space_infer(Node *node) {
  const Dim *b;
  const Type *x = blocks_input(node, &b);
  if (x == NULL) return false;
  if (!check_choice(node, "mode", "DCR CRD")) return false;
  DimTable *t = infer_dims(node);
  const Dim *depth = divide(node, x->dims[1], dim_mul(t, b, b));
  if (depth == NULL) return false;
  const Dim *dims[4] = {x->dims[0], depth, dim_mul(t, x->dims[2], b), dim_mul(t, x->dims[3], b)};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

static Value *transposed_views(Builder *b, Value *x, const Dim *const *inner, const int64_t *perm,
                               const Type *result) {
  Value *view = compose_reshape(b, x, inner, 6);
  Node *transpose = build_node(b, "", "Transpose", &view, 1, 1);
  node_set_ints(transpose, "perm", perm, 6);
  Value *moved = build_done(b, transpose);
  return compose_reshape(b, moved, result->dims, 4);
}

static bool depth_to_space_decompose(Builder *b, Node *node) {
  static const int64_t dcr[6] = {0, 3, 4, 1, 5, 2}, crd[6] = {0, 1, 4, 2, 5, 3};
  bool depth_first = strcmp(op_param_s(node, "mode"), "DCR") == 0;
  const Type *x = &node_in(node, 0)->type, *y = &node->out[0]->type;
  const Dim *block = dim_const(infer_dims(node), op_param_i(node, "blocksize"));
  const Dim *inner[6] = {x->dims[0], block, block, y->dims[1], x->dims[2], x->dims[3]};
  if (!depth_first) {
    inner[1] = y->dims[1];
    inner[3] = block;
  }
  const int64_t *perm = depth_first ? dcr : crd;
  build_replace(b, node, transposed_views(b, node_in(node, 0), inner, perm, y));
  return true;
}

const OpDef op_DepthToSpace = {
    .name = "DepthToSpace",
    .domain = "",
    .params =
        (const OpParam[]){PARAM_REQUIRED("blocksize", ATTR_INT), PARAM_STRING("mode", "DCR"), {0}},
    .infer = depth_to_space_infer,
    .decompose = depth_to_space_decompose,
};

static bool space_to_depth_infer(Node *node) {
  const Dim *b;
  const Type *x = blocks_input(node, &b);
  if (x == NULL || !check_choice(node, "mode", "DCR CRD")) return false;
  DimTable *t = infer_dims(node);
  const Dim *height = divide(node, x->dims[2], b), *width = divide(node, x->dims[3], b);
  if (height == NULL || width == NULL) return false;
  const Dim *dims[4] = {x->dims[0], dim_mul(t, x->dims[1], dim_mul(t, b, b)), height, width};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

static bool space_to_depth_decompose(Builder *b, Node *node) {
  static const int64_t dcr[6] = {0, 3, 5, 1, 2, 4}, crd[6] = {0, 1, 3, 5, 2, 4};
  const int64_t *perm = strcmp(op_param_s(node, "mode"), "DCR") == 0 ? dcr : crd;
  const Type *x = &node_in(node, 0)->type, *y = &node->out[0]->type;
  const Dim *block = dim_const(infer_dims(node), op_param_i(node, "blocksize"));
  const Dim *inner[6] = {x->dims[0], x->dims[1], y->dims[2], block, y->dims[3], block};
  build_replace(b, node, transposed_views(b, node_in(node, 0), inner, perm, y));
  return true;
}

const OpDef op_SpaceToDepth = {
    .name = "SpaceToDepth",
    .domain = "",
    .params =
        (const OpParam[]){PARAM_REQUIRED("blocksize", ATTR_INT), PARAM_STRING("mode", "DCR"), {0}},
    .infer = space_to_depth_infer,
    .decompose = space_to_depth_decompose,
};

/* ---- CenterCropPad, Col2Im ---------------------------------------------------------------------
 */

static bool center_crop_pad_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Attr *axes = op_param_list(node, "axes");
  const Dim *dims[MAX_RANK];
  int n;
  if (x == NULL || !infer_length(node, 1, &n)) return false;
  if ((axes == NULL ? (size_t)x->rank : axes->count) != (size_t)n) {
    return node_error(node, DIAG_INVALID, "shape has %d elements, which are not one an axis", n);
  }
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  for (int i = 0; i < n; i++) {
    int axis;
    if (!infer_axis(node, axes == NULL ? i : axes->ints[i], x->rank, &axis)) return false;
    dims[axis] = infer_size(node, 1, (uint32_t)i, axis, NULL);
    if (dims[axis] == NULL) return false;
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

const OpDef op_CenterCropPad = {
    .name = "CenterCropPad",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_OPTIONAL("axes", ATTR_INTS), {0}},
    .infer = center_crop_pad_infer,
    OP_KERNEL(onnxc_rt_ref_center_crop_pad),
};

/* input [n, c * block, blocks] -> [n, c, image...]. */
static bool col2im_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int axes, taps;
  uint32_t n;
  if (x == NULL || !check_real(node, 0)) return false;
  if (!infer_length(node, 1, &axes) || !infer_length(node, 2, &taps)) return false;
  if (x->rank != 3 || axes != taps || axes + 2 > MAX_RANK) {
    return node_error(node, DIAG_INVALID, "the input must have rank 3, and the shapes one length");
  }
  int64_t values[2 * MAX_RANK];
  bool lists = check_ints(node, "dilations", axes, 1, 1, values) &&
               check_ints(node, "pads", 2 * axes, 0, 0, values) &&
               check_ints(node, "strides", axes, 1, 1, values);
  if (!lists) return false;
  DimTable *t = infer_dims(node);
  const Dim *const *block = infer_contents(node, 2, &n);
  dims[0] = x->dims[0];
  dims[1] = block != NULL ? dim_floordiv(t, x->dims[1], dim_product(t, block, taps))
                          : infer_fresh(node, 0, 1, x->dims[1]);
  for (int i = 0; i < axes; i++) {
    dims[2 + i] = infer_size(node, 1, (uint32_t)i, 2 + i, NULL);
    if (dims[2 + i] == NULL) return false;
  }
  infer_output(node, 0, x->dtype, axes + 2, dims);
  return true;
}

const OpDef op_Col2Im = {
    .name = "Col2Im",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_OPTIONAL("dilations", ATTR_INTS),
                                PARAM_OPTIONAL("pads", ATTR_INTS),
                                PARAM_OPTIONAL("strides", ATTR_INTS),
                                {0}},
    .infer = col2im_infer,
    OP_KERNEL(onnxc_rt_ref_col2im),
};
