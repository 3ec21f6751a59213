/* Operators that pick or place elements by index or by value. */
#include "lower/lower.h"
#include "lower/row.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <string.h>

/* Appends sizes [begin, end) of a type; false (reported) past the limit of ranks. */
static bool append_dims(const Node *node, const Dim **dims, int *rank, const Type *from, int begin,
                        int end) {
  for (int i = begin; i < end; i++) {
    if (*rank == MAX_RANK) return node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK);
    dims[(*rank)++] = from->dims[i];
  }
  return true;
}

/* ---- Gather, GatherElements, GatherND ----------------------------------------------------------
 */

static bool gather_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *indices = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int axis, rank = 0;
  if (x == NULL || indices == NULL) return false;
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_indices(node, 1, x->dims[axis])) return false;
  bool fits = append_dims(node, dims, &rank, x, 0, axis) &&
              append_dims(node, dims, &rank, indices, 0, indices->rank) &&
              append_dims(node, dims, &rank, x, axis + 1, x->rank);
  if (!fits) return false;
  infer_output(node, 0, x->dtype, rank, dims);
  infer_move_contents(node, 1);
  infer_picked_contents(node, 0);
  return true;
}

/* Input 1 as an index into an axis of that size. Constant ones have been checked. */
static RowRef row_indices(RowBuilder *b, const Node *node, const int *axes, const Dim *size) {
  const Tensor *constant = node_in(node, 1)->constant;
  RowRef index = row_input_at(b, node, 1, axes);
  bool checked = constant != NULL && size->lo == size->hi;
  for (size_t i = 0; checked && i < constant->count; i++) checked = tensor_i64(constant, i) >= 0;
  return checked ? row_convert(b, ONNXC_RT_I64, index) : row_index(b, index, size);
}

static int gather_axis(const Node *node) {
  int64_t axis = op_param_i(node, "axis");
  return (int)(axis < 0 ? axis + node_in(node, 0)->type.rank : axis);
}

/* A single constant index is a slice, which moves nothing. */
static bool is_slice(const Node *node) {
  const Tensor *constant = node_in(node, 1)->constant;
  return constant != NULL && constant->count == 1;
}

/* Axes of the data in front of `axis` come first in the output, then those of the indices. */
static bool gather_emit(RowBuilder *b, const Node *node) {
  if (is_slice(node)) return false;
  const Type *x = &node_in(node, 0)->type;
  int axis = gather_axis(node), places[MAX_RANK], added = node_in(node, 1)->type.rank;
  for (int k = 0; k < MAX_RANK; k++) places[k] = axis + k;
  RowRef index = row_indices(b, node, places, x->dims[axis]);
  for (int k = 0; k < MAX_RANK; k++) places[k] = k <= axis ? k : k + added - 1;
  row_output(b, node, 0, row_gather(b, node, 0, axis, places, index));
  return true;
}

const OpDef op_Gather = {
    .name = "Gather",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", 0), {0}},
    .infer = gather_infer,
    OP_KERNEL(onnxc_rt_ref_gather),
    .row = &(const OpRow){NULL, gather_emit},
    .whole_inputs = 1 << 0 | 1 << 1,
    .lower = lower_gather,
};

/* Sizes of `part` do not exceed those of `whole`, the axis apart. */
static bool check_within(const Node *node, const Type *part, const Type *whole, int axis) {
  if (part->rank != whole->rank) {
    return node_error(node, DIAG_INVALID, "indices have rank %d, the data %d", part->rank,
                      whole->rank);
  }
  for (int i = 0; i < part->rank; i++) {
    if (i != axis && part->dims[i]->lo > whole->dims[i]->hi) {
      return node_error(node, DIAG_INVALID, "indices are larger than the data along axis %d", i);
    }
  }
  return true;
}

static bool gather_elements_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *indices = infer_tensor(node, 1);
  int axis;
  if (x == NULL || indices == NULL) return false;
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_within(node, indices, x, axis)) return false;
  if (!check_indices(node, 1, x->dims[axis])) return false;
  infer_output(node, 0, x->dtype, x->rank, indices->dims);
  infer_move_contents(node, 1);
  return true;
}

static bool gather_elements_emit(RowBuilder *b, const Node *node) {
  const Type *x = &node_in(node, 0)->type;
  int axis = gather_axis(node), places[MAX_RANK];
  for (int k = 0; k < MAX_RANK; k++) places[k] = k;
  RowRef index = row_indices(b, node, places, x->dims[axis]);
  row_output(b, node, 0, row_gather(b, node, 0, axis, places, index));
  return true;
}

const OpDef op_GatherElements = {
    .name = "GatherElements",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", 0), {0}},
    .infer = gather_elements_infer,
    OP_KERNEL(onnxc_rt_ref_gather_elements),
    .row = &(const OpRow){NULL, gather_elements_emit},
    .whole_inputs = 1 << 0,
};

/* The length of the index tuples that input 1 holds; -1: reported. */
static int tuple_length(const Node *node, const Type *indices, int most) {
  int64_t depth;
  if (indices->rank < 1 || !dim_is_const(indices->dims[indices->rank - 1], &depth)) {
    node_error(node, DIAG_UNSUPPORTED, "the last size of indices must be constant");
    return -1;
  }
  if (depth < 1 || depth > most) {
    node_error(node, DIAG_INVALID, "index tuples have %lld elements, for %d axes", (long long)depth,
               most);
    return -1;
  }
  return (int)depth;
}

static bool gather_nd_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *indices = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int rank = 0;
  if (x == NULL || indices == NULL) return false;
  int64_t batch = op_param_i(node, "batch_dims");
  if (batch < 0 || batch >= x->rank || batch >= indices->rank) {
    return node_error(node, DIAG_INVALID, "batch_dims is %lld", (long long)batch);
  }
  int depth = tuple_length(node, indices, x->rank - (int)batch);
  if (depth < 0) return false;
  for (int i = 0; i < batch; i++) {
    if (infer_equal(node, "batch sizes", x->dims[i], indices->dims[i]) == NULL) return false;
  }
  bool fits = append_dims(node, dims, &rank, indices, 0, indices->rank - 1) &&
              append_dims(node, dims, &rank, x, (int)batch + depth, x->rank);
  if (!fits) return false;
  infer_output(node, 0, x->dtype, rank, dims);
  infer_move_contents(node, 1);
  return true;
}

const OpDef op_GatherND = {
    .name = "GatherND",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("batch_dims", 0), {0}},
    .infer = gather_nd_infer,
    OP_KERNEL(onnxc_rt_ref_gather_nd),
};

/* ---- ScatterElements, ScatterND ----------------------------------------------------------------
 */

static bool plain_scatter(const Node *node) {
  return strcmp(op_param_s(node, "reduction"), "none") == 0;
}

static bool equal_sizes(const Node *node, const Type *a, int a_at, const Type *b, int b_at, int n) {
  for (int i = 0; i < n; i++) {
    const Dim *p = a->dims[a_at + i], *q = b->dims[b_at + i];
    if (infer_equal(node, "sizes of the updates and of their places", p, q) == NULL) return false;
  }
  return true;
}

static bool check_reduction(const Node *node) {
  if (!check_choice(node, "reduction", "none add mul max min")) return false;
  return strcmp(op_param_s(node, "reduction"), "none") == 0 || check_real(node, 0);
}

static bool scatter_elements_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *indices = infer_tensor(node, 1);
  const Type *updates = infer_tensor(node, 2);
  int axis;
  if (x == NULL || indices == NULL || updates == NULL || !check_reduction(node)) return false;
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_within(node, indices, x, axis)) return false;
  if (updates->rank != indices->rank) {
    return node_error(node, DIAG_INVALID, "updates and indices have different ranks");
  }
  if (!equal_sizes(node, updates, 0, indices, 0, indices->rank)) return false;
  if (!check_indices(node, 1, x->dims[axis])) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  if (plain_scatter(node)) infer_move_contents(node, 1 | 1 << 2);
  return true;
}

const OpDef op_ScatterElements = {
    .name = "ScatterElements",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", 0), PARAM_STRING("reduction", "none"), {0}},
    .flags = OP_UPDATE,
    .infer = scatter_elements_infer,
    OP_KERNEL(onnxc_rt_ref_scatter_elements),
};

static bool scatter_nd_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *indices = infer_tensor(node, 1);
  const Type *updates = infer_tensor(node, 2);
  if (x == NULL || indices == NULL || updates == NULL || !check_reduction(node)) return false;
  int depth = tuple_length(node, indices, x->rank);
  if (depth < 0) return false;
  int places = indices->rank - 1, slice = x->rank - depth;
  if (updates->rank != places + slice) {
    return node_error(node, DIAG_INVALID, "updates have rank %d instead of %d", updates->rank,
                      places + slice);
  }
  if (!equal_sizes(node, updates, 0, indices, 0, places)) return false;
  if (!equal_sizes(node, updates, places, x, depth, slice)) return false;
  infer_output(node, 0, x->dtype, x->rank, x->dims);
  if (plain_scatter(node)) infer_move_contents(node, 1 | 1 << 2);
  return true;
}

const OpDef op_ScatterND = {
    .name = "ScatterND",
    .domain = "",
    .params = (const OpParam[]){PARAM_STRING("reduction", "none"), {0}},
    .flags = OP_UPDATE,
    .infer = scatter_nd_infer,
    OP_KERNEL(onnxc_rt_ref_scatter_nd),
};

/* ---- NonZero, Compress -------------------------------------------------------------------------
 */

static bool non_zero_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  if (x == NULL) return false;
  const Dim *dims[2] = {dim_const(infer_dims(node), x->rank),
                        infer_fresh(node, 0, 1, type_count(node->graph->ctx, x))};
  infer_output(node, 0, ONNXC_RT_I64, 2, dims);
  return true;
}

const OpDef op_NonZero = {
    .name = "NonZero",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .infer = non_zero_infer,
    OP_KERNEL(onnxc_rt_ref_non_zero),
};

static bool compress_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *condition = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  int axis = 0, rank = 1;
  if (x == NULL || condition == NULL) return false;
  if (condition->rank != 1) return node_error(node, DIAG_INVALID, "condition must be a vector");
  const Dim *bound = type_count(node->graph->ctx, x);
  if (node_attr(node, "axis") != NULL) {
    if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
    rank = x->rank;
    bound = x->dims[axis];
    memcpy(dims, x->dims, (size_t)rank * sizeof *dims);
  }
  dims[axis] = infer_fresh(node, 0, axis, dim_min(infer_dims(node), bound, condition->dims[0]));
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

const OpDef op_Compress = {
    .name = "Compress",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_OPTIONAL("axis", ATTR_INT), {0}},
    .infer = compress_infer,
    OP_KERNEL(onnxc_rt_ref_compress),
};

/* ---- OneHot, TopK ------------------------------------------------------------------------------
 */

static bool one_hot_infer(Node *node) {
  const Type *indices = infer_tensor(node, 0), *values = infer_tensor(node, 2);
  const Dim *dims[MAX_RANK];
  int axis, rank = 0;
  if (indices == NULL || values == NULL) return false;
  if (!infer_axis(node, op_param_i(node, "axis"), indices->rank + 1, &axis)) return false;
  if (indices->rank == MAX_RANK) {
    return node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK);
  }
  const Dim *depth = infer_size(node, 1, 0, axis, NULL);
  if (depth == NULL) return false;
  append_dims(node, dims, &rank, indices, 0, axis);
  dims[rank++] = depth;
  append_dims(node, dims, &rank, indices, axis, indices->rank);
  infer_output(node, 0, values->dtype, rank, dims);
  return true;
}

const OpDef op_OneHot = {
    .name = "OneHot",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_INT("axis", -1), {0}},
    .infer = one_hot_infer,
    OP_KERNEL(onnxc_rt_ref_one_hot),
};

static bool top_k_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int axis;
  if (x == NULL || !infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  dims[axis] = infer_size(node, 1, 0, axis, x->dims[axis]);
  if (dims[axis] == NULL) return false;
  if (dims[axis]->lo > x->dims[axis]->hi) {
    return node_error(node, DIAG_INVALID, "k is larger than the axis");
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  infer_output(node, 1, ONNXC_RT_I64, x->rank, dims);
  infer_index_contents(node, 1, x->dims[axis]);
  return true;
}

static const Dim *top_k_scratch(const Node *node) {
  const Type *x = &node_in(node, 0)->type;
  int64_t axis = op_param_i(node, "axis");
  return dim_mul_i(infer_dims(node), x->dims[axis < 0 ? axis + x->rank : axis], 8);
}

const OpDef op_TopK = {
    .name = "TopK",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params =
        (const OpParam[]){
            PARAM_INT("axis", -1), PARAM_INT("largest", 1), PARAM_INT("sorted", 1), {0}},
    .infer = top_k_infer,
    OP_KERNEL(onnxc_rt_ref_top_k),
    .scratch = top_k_scratch,
};

/* ---- Unique ------------------------------------------------------------------------------------
 */

static bool unique_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int axis = 0, rank = 1;
  if (x == NULL) return false;
  const Dim *n = type_count(node->graph->ctx, x);
  if (node_attr(node, "axis") != NULL) {
    if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
    rank = x->rank;
    memcpy(dims, x->dims, (size_t)rank * sizeof *dims);
    n = x->dims[axis];
  }
  dims[axis] = infer_fresh(node, 0, axis, n);
  infer_output(node, 0, x->dtype, rank, dims);
  for (uint32_t i = 1; i <= 3; i++) {
    const Dim *size = i == 2 ? n : infer_fresh(node, i, 0, n);
    infer_output(node, i, ONNXC_RT_I64, 1, &size);
  }
  return true;
}

static const Dim *unique_scratch(const Node *node) {
  const Type *x = &node_in(node, 0)->type;
  const Attr *axis = node_attr(node, "axis");
  const Dim *n = axis == NULL ? type_count(node->graph->ctx, x)
                              : x->dims[axis->i < 0 ? axis->i + x->rank : axis->i];
  return dim_mul_i(infer_dims(node), n, 8);
}

const OpDef op_Unique = {
    .name = "Unique",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_OPTIONAL("axis", ATTR_INT), PARAM_INT("sorted", 1), {0}},
    .infer = unique_infer,
    OP_KERNEL(onnxc_rt_ref_unique),
    .scratch = unique_scratch,
};

/* ---- TensorScatter -----------------------------------------------------------------------------
 */

static bool tensor_scatter_infer(Node *node) {
  const Type *past = infer_tensor(node, 0), *update = infer_tensor(node, 1);
  int axis;
  if (past == NULL || update == NULL) return false;
  if (!infer_axis(node, op_param_i(node, "axis"), past->rank, &axis)) return false;
  if (!check_choice(node, "mode", "linear circular")) return false;
  if (axis == 0 || update->rank != past->rank) {
    return node_error(node, DIAG_INVALID, "the axis is the batch, or the ranks differ");
  }
  for (int i = 0; i < past->rank; i++) {
    if (i == axis) continue;
    if (infer_equal(node, "sizes of the other axes", past->dims[i], update->dims[i]) == NULL) {
      return false;
    }
  }
  infer_output(node, 0, past->dtype, past->rank, past->dims);
  return true;
}

const OpDef op_TensorScatter = {
    .name = "TensorScatter",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("axis", -2), PARAM_STRING("mode", "linear"), {0}},
    .flags = OP_UPDATE,
    .infer = tensor_scatter_infer,
    OP_KERNEL(onnxc_rt_ref_tensor_scatter),
};
