/* Operators of ONNX Runtime that differ from ONNX's own in little but their form. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"

#include <string.h>

/* ---- BiasAdd, BiasSplitGelu --------------------------------------------------------------------
 */

static bool infer_bias_add(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "bias", 1, 1),
      INPUT_OF(DTS_FLOAT, 1, "skip", 1, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!check_size(node, 1, 0, x->dims[x->rank - 1], "the last axis of X")) return false;
  if (!check_sizes(node, 2, x->rank, x->dims, "X")) return false;
  infer_output_type(node, 0, x);
  return true;
}

static bool decompose_bias_add(Builder *b, Node *node) {
  Value *sum = BUILD(b, "Add", node_in(node, 0), node_in(node, 1));
  build_replace(b, node, BUILD(b, "Add", sum, node_in(node, 2)));
  return true;
}

const OpDef op_microsoft_BiasAdd = {
    .name = "BiasAdd",
    .domain = "com.microsoft",
    .infer = infer_bias_add,
    .decompose = decompose_bias_add,
};

static bool infer_split_gelu(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "bias", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const Dim *dims[MAX_RANK], *last = x->dims[x->rank - 1];
  int64_t width;
  if (!check_size(node, 1, 0, last, "the last axis of X")) return false;
  if (!dim_is_const(last, &width) || width % 2 != 0) {
    return node_error(node, DIAG_INVALID, "the last axis of X must be constant and even");
  }
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  dims[x->rank - 1] = dim_const(infer_dims(node), width / 2);
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

/* left * gelu(right), the halves of X + bias */
static bool decompose_split_gelu(Builder *b, Node *node) {
  Value *sum = BUILD(b, "Add", node_in(node, 0), node_in(node, 1));
  int axis = sum->type.rank - 1;
  int64_t width = sum->type.dims[axis]->lo;
  Value *left = compose_slice(b, sum, axis, 0, width / 2, 1);
  Value *right = compose_slice(b, sum, axis, width / 2, width, 1);
  build_replace(b, node, BUILD(b, "Mul", left, BUILD(b, "Gelu", right)));
  return true;
}

const OpDef op_microsoft_BiasSplitGelu = {
    .name = "BiasSplitGelu",
    .domain = "com.microsoft",
    .infer = infer_split_gelu,
    .decompose = decompose_split_gelu,
};

/* ---- BiasDropout, BitmaskDropout, BitmaskBiasDropout -------------------------------------------
 */

static bool has_bias(const Node *node) {
  return strstr(node->op->name, "Bias") != NULL;
}

static bool has_bitmask(const Node *node) {
  return strstr(node->op->name, "Bitmask") != NULL;
}

static bool infer_bias_dropout(Node *node) {
  static const InputRule with_bias[] = {
      INPUT_OF(DTS_FLOAT, 0, "data", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "bias", 1, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "residual", 1, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 0, "ratio", 0, 1),
      INPUT_OPTIONAL_OF(DT(BOOL), 0, "training_mode", 0, 1),
  };
  static const InputRule plain[] = {
      INPUT_OF(DTS_FLOAT, 0, "data", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 0, "ratio", 0, 1),
      INPUT_OPTIONAL_OF(DT(BOOL), 0, "training_mode", 0, 1),
  };
  bool fine = has_bias(node) ? CHECK_INPUTS(node, with_bias) : CHECK_INPUTS(node, plain);
  if (!fine) return false;
  const Type *x = input_type(node, 0);
  if (has_bias(node) && (!check_broadcasts_to(node, 1, x->rank, x->dims) ||
                         !check_broadcasts_to(node, 2, x->rank, x->dims))) {
    return false;
  }
  if (has_bitmask(node) && node_out(node, 1) != NULL) {
    return node_error(node, DIAG_UNSUPPORTED, "the mask in bits is not supported as an output");
  }
  infer_output_type(node, 0, x);
  if (!has_bitmask(node)) infer_output(node, 1, ONNXC_RT_BOOL, x->rank, x->dims);
  return true;
}

static bool decompose_bias_dropout(Builder *b, Node *node) {
  uint32_t ratio = has_bias(node) ? 3 : 1;
  Value *x = node_in(node, 0), *residual = has_bias(node) ? node_in(node, 2) : NULL;
  if (has_bias(node)) x = BUILD(b, "Add", x, node_in(node, 1));
  Value *inputs[3] = {x, node_in(node, ratio), node_in(node, ratio + 1)};
  Node *dropout = build_node(b, "", "Dropout", inputs, 3, 2);
  const Attr *seed = node_attr(node, "seed");
  if (seed != NULL) node_set_attr(dropout, *seed);
  Value *y = build_done(b, dropout);
  compose_give(b, node, 0, residual == NULL ? y : BUILD(b, "Add", y, residual));
  compose_give(b, node, 1, node_out(dropout, 1));
  return true;
}

#define DROPOUT(name_)                                                                             \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .params = (const OpParam[]){PARAM_OPTIONAL("seed", ATTR_INT), {0}},                          \
      .infer = infer_bias_dropout,                                                                 \
      .decompose = decompose_bias_dropout,                                                         \
  }

DROPOUT(BiasDropout);
DROPOUT(BitmaskBiasDropout);
DROPOUT(BitmaskDropout);

/* ---- BiasSoftmax -------------------------------------------------------------------------------
 */

static bool infer_bias_softmax(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "data", 1, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "bias", 1, MAX_RANK),
  };
  int axis;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "axis"), x->rank, &axis)) return false;
  if (!check_broadcasts_to(node, 1, x->rank, x->dims)) return false;
  infer_output_type(node, 0, x);
  return true;
}

/* Over all axes from `axis` on. The bias broadcasts by itself, to either side. */
static bool decompose_bias_softmax(Builder *b, Node *node) {
  Value *sum = BUILD(b, "Add", node_in(node, 0), node_in(node, 1));
  Node *softmax = build_node(b, "onnxc", "FlatSoftmax", &sum, 1, 1);
  node_set_int(softmax, "axis", op_param_i(node, "axis"));
  node_set_string(softmax, "op", "Softmax");
  build_replace(b, node, build_done(b, softmax));
  return true;
}

const OpDef op_microsoft_BiasSoftmax = {
    .name = "BiasSoftmax",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("axis", 1),
            PARAM_REQUIRED("is_inner_broadcast", ATTR_INT),
            {0},
        },
    .infer = infer_bias_softmax,
    .decompose = decompose_bias_softmax,
};

/* ---- ExpandDims --------------------------------------------------------------------------------
 */

static bool infer_expand_dims(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 0, MAX_RANK - 1),
      INPUT_OF(DT(I32), 0, "axis", 0, 1),
  };
  int64_t given;
  uint32_t n;
  int axis;
  if (!CHECK_INPUTS(node, rules) || !check_number(node, 1)) return false;
  if (!infer_constant_ints(node, 1, &given, 1, &n) || n != 1) {
    return node_error(node, DIAG_UNSUPPORTED, "input axis must be constant");
  }
  const Type *x = input_type(node, 0);
  const Dim *dims[MAX_RANK];
  if (!infer_axis(node, given, x->rank + 1, &axis)) return false;
  for (int i = 0, k = 0; i <= x->rank; i++) {
    dims[i] = i == axis ? dim_const(infer_dims(node), 1) : x->dims[k++];
  }
  infer_output(node, 0, x->dtype, x->rank + 1, dims);
  infer_pass_contents(node, 0);
  return true;
}

static bool decompose_expand_dims(Builder *b, Node *node) {
  const Type *y = &node_out(node, 0)->type;
  build_replace(b, node, compose_reshape(b, node_in(node, 0), y->dims, y->rank));
  return true;
}

const OpDef op_microsoft_ExpandDims = {
    .name = "ExpandDims",
    .domain = "com.microsoft",
    .shape_inputs = 1 << 1,
    .infer = infer_expand_dims,
    .decompose = decompose_expand_dims,
};

/* ---- as ONNX has them --------------------------------------------------------------------------
 */

static Value *as_scalar(Builder *b, Value *x) {
  return x == NULL ? NULL : compose_scalar(b, x);
}

static bool infer_as_onnx(Node *node) {
  return op_find("", node->op->name)->infer(node);
}

static bool give_as_onnx(Builder *b, Node *node, Node *same) {
  compose_keep_sizes(node, 0, same, 0);
  build_replace(b, node, build_done(b, same));
  return true;
}

static bool infer_gather_nd(Node *node) {
  static const InputRule rules[] = {
      INPUT("data", 1, MAX_RANK),
      INPUT_OF(DTS_INDEX, 0, "indices", 1, MAX_RANK),
  };
  return CHECK_INPUTS(node, rules) && infer_as_onnx(node);
}

static bool decompose_gather_nd(Builder *b, Node *node) {
  Value *inputs[2] = {node_in(node, 0), compose_cast(b, node_in(node, 1), ONNXC_RT_I64)};
  return give_as_onnx(b, node, build_node(b, "", "GatherND", inputs, 2, 1));
}

const OpDef op_microsoft_GatherND = {
    .name = "GatherND",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("batch_dims", 0), {0}},
    .infer = infer_gather_nd,
    .decompose = decompose_gather_nd,
};

static bool infer_trilu(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_REAL | DT(BOOL), 0, "X", 2, MAX_RANK),
      INPUT_OPTIONAL_OF(DT(I64), 0, "k", 0, 1),
  };
  return CHECK_INPUTS(node, rules) && check_number(node, 1) && infer_as_onnx(node);
}

static bool decompose_trilu(Builder *b, Node *node) {
  Value *inputs[2] = {node_in(node, 0), as_scalar(b, node_in(node, 1))};
  Node *same = build_node(b, "", "Trilu", inputs, inputs[1] == NULL ? 1 : 2, 1);
  node_set_int(same, "upper", op_param_i(node, "upper"));
  return give_as_onnx(b, node, same);
}

const OpDef op_microsoft_Trilu = {
    .name = "Trilu",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("upper", 1), {0}},
    .infer = infer_trilu,
    .decompose = decompose_trilu,
};

/* pads may have an axis of 1 in front. */
static bool infer_pad(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "data", 1, MAX_RANK),
      INPUT_OF(DT(I64), 0, "pads", 1, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "value", 0, 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_number(node, 2)) return false;
  const Type *pads = input_type(node, 1);
  const Dim *one = dim_const(infer_dims(node), 1);
  const Dim *count = dim_const(infer_dims(node), 2 * (int64_t)input_type(node, 0)->rank);
  if (pads->rank == 2 && !check_size(node, 1, 0, one, "the number of rows")) return false;
  return check_size(node, 1, pads->rank - 1, count, "twice the rank of data") &&
         check_choice(node, "mode", "constant reflect edge") && infer_as_onnx(node);
}

static bool decompose_pad(Builder *b, Node *node) {
  const Dim *count = dim_const(infer_dims(node), 2 * (int64_t)input_type(node, 0)->rank);
  Value *inputs[3] = {node_in(node, 0), compose_reshape(b, node_in(node, 1), &count, 1),
                      as_scalar(b, node_in(node, 2))};
  Node *same = build_node(b, "", "Pad", inputs, inputs[2] == NULL ? 2 : 3, 1);
  node_set_string(same, "mode", op_param_s(node, "mode"));
  return give_as_onnx(b, node, same);
}

const OpDef op_microsoft_Pad = {
    .name = "Pad",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_STRING("mode", "constant"), {0}},
    .infer = infer_pad,
    .decompose = decompose_pad,
};

/* Two modes have other names. */
static bool infer_grid_sample(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 4, 4),
      INPUT_OF(DTS_FLOAT, 1, "Grid", 4, 4),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0), *grid = input_type(node, 1);
  const Dim *two = dim_const(infer_dims(node), 2);
  if (!check_size(node, 1, 0, x->dims[0], "the batch")) return false;
  if (!check_size(node, 1, 3, two, "the number of coordinates")) return false;
  if (!check_choice(node, "mode", "bilinear nearest bicubic")) return false;
  if (!check_choice(node, "padding_mode", "zeros border reflection")) return false;
  const Dim *dims[4] = {x->dims[0], x->dims[1], grid->dims[1], grid->dims[2]};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

static bool decompose_grid_sample(Builder *b, Node *node) {
  const char *mode = op_param_s(node, "mode");
  Value *inputs[2] = {node_in(node, 0), node_in(node, 1)};
  Node *same = build_node(b, "", "GridSample", inputs, 2, 1);
  node_set_int(same, "align_corners", op_param_i(node, "align_corners"));
  /* bilinear and bicubic, of which ONNX has more dimensions */
  node_set_string(same, "mode", strncmp(mode, "bi", 2) == 0 ? mode + 2 : mode);
  node_set_string(same, "padding_mode", op_param_s(node, "padding_mode"));
  return give_as_onnx(b, node, same);
}

const OpDef op_microsoft_GridSample = {
    .name = "GridSample",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("align_corners", 0),
            PARAM_STRING("mode", "bilinear"),
            PARAM_STRING("padding_mode", "zeros"),
            {0},
        },
    .infer = infer_grid_sample,
    .decompose = decompose_grid_sample,
};

/* ---- Unique ------------------------------------------------------------------------------------
 * In the order of first occurrence; without the places of these. */

static bool infer_unique(Node *node) {
  static const InputRule rules[] = {INPUT("x", 1, 1)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const Dim *size = infer_fresh(node, 0, 0, x->dims[0]);
  const Dim *counts = node_out(node, 2) == NULL ? NULL : infer_fresh(node, 2, 0, x->dims[0]);
  infer_output(node, 0, x->dtype, 1, &size);
  infer_output(node, 1, ONNXC_RT_I64, 1, x->dims);
  if (counts != NULL) infer_output(node, 2, ONNXC_RT_I64, 1, &counts);
  return true;
}

static bool decompose_unique(Builder *b, Node *node) {
  static const uint32_t output[] = {0, 2, 3}; /* of ONNX's operator */
  Node *unique = build_node(b, "", "Unique", (Value *[]){node_in(node, 0)}, 1, 4);
  node_set_int(unique, "sorted", 0);
  for (uint32_t i = 0; i < 3; i++) compose_keep_sizes(node, i, unique, output[i]);
  build_done(b, unique);
  for (uint32_t i = 0; i < 3; i++) compose_give(b, node, i, node_out(unique, output[i]));
  return true;
}

const OpDef op_microsoft_Unique = {
    .name = "Unique",
    .domain = "com.microsoft",
    .infer = infer_unique,
    .decompose = decompose_unique,
};

/* ---- Range -------------------------------------------------------------------------------------
 */

static bool infer_range(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32) | DT(F64) | DT(I16) | DTS_INDEX, 0, "start", 0, 1),
      INPUT_OF(DT(F32) | DT(F64) | DT(I16) | DTS_INDEX, 1, "limit", 0, 1),
      INPUT_OPTIONAL_OF(DT(F32) | DT(F64) | DT(I16) | DTS_INDEX, 1, "delta", 0, 1),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  for (uint32_t i = 0; i < 3; i++) {
    if (!check_number(node, i)) return false;
  }
  return infer_as_onnx(node);
}

static bool decompose_range(Builder *b, Node *node) {
  Value *delta = as_scalar(b, node_in(node, 2));
  if (delta == NULL) delta = build_like(b, node_in(node, 0), 1);
  Value *inputs[3] = {as_scalar(b, node_in(node, 0)), as_scalar(b, node_in(node, 1)), delta};
  return give_as_onnx(b, node, build_node(b, "", "Range", inputs, 3, 1));
}

const OpDef op_microsoft_Range = {
    .name = "Range",
    .domain = "com.microsoft",
    .shape_inputs = 1 << 1,
    .infer = infer_range,
    .decompose = decompose_range,
};

/* ---- ReduceSumInteger --------------------------------------------------------------------------
 */

static DType wide_type(const Node *node) {
  return input_type(node, 0)->dtype == ONNXC_RT_U8 ? ONNXC_RT_U32 : ONNXC_RT_I32;
}

static bool infer_reduce_sum(Node *node) {
  static const InputRule rules[] = {INPUT_OF(DTS_BYTE, 0, "data", 0, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const Attr *axes = op_param_list(node, "axes");
  const Dim *dims[MAX_RANK];
  bool reduced[MAX_RANK] = {false};
  int rank = 0;
  for (size_t i = 0; i < axes->count; i++) {
    int axis;
    if (!infer_axis(node, axes->ints[i], x->rank, &axis)) return false;
    reduced[axis] = true;
  }
  for (int i = 0; i < x->rank; i++) {
    bool all = axes->count == 0;
    if (!reduced[i] && !all)
      dims[rank++] = x->dims[i];
    else if (op_param_i(node, "keepdims") != 0)
      dims[rank++] = dim_const(infer_dims(node), 1);
  }
  infer_output(node, 0, wide_type(node), rank, dims);
  return true;
}

static bool decompose_reduce_sum(Builder *b, Node *node) {
  const Attr *axes = op_param_list(node, "axes");
  Value *x = compose_cast(b, node_in(node, 0), wide_type(node));
  Value *inputs[2] = {x, build_ints(b, axes->ints, axes->count)};
  Node *sum = build_node(b, "", "ReduceSum", inputs, axes->count == 0 ? 1 : 2, 1);
  node_set_int(sum, "keepdims", op_param_i(node, "keepdims") != 0);
  build_replace(b, node, build_done(b, sum));
  return true;
}

const OpDef op_microsoft_ReduceSumInteger = {
    .name = "ReduceSumInteger",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_REQUIRED("axes", ATTR_INTS),
            PARAM_REQUIRED("keepdims", ATTR_INT),
            {0},
        },
    .infer = infer_reduce_sum,
    .decompose = decompose_reduce_sum,
};

/* ---- UnfoldTensor ------------------------------------------------------------------------------
 */

/* Places of slices of `size` on the axis. */
static const Dim *slices(const Node *node, int axis) {
  DimTable *t = infer_dims(node);
  const Dim *room = dim_add_i(t, input_type(node, 0)->dims[axis], -op_param_i(node, "size"));
  return dim_add_i(t, dim_floordiv(t, room, dim_const(t, op_param_i(node, "step"))), 1);
}

static bool infer_unfold(Node *node) {
  static const InputRule rules[] = {INPUT("input", 1, MAX_RANK - 1)};
  int axis;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!infer_axis(node, op_param_i(node, "dim"), x->rank, &axis)) return false;
  if (!check_int(node, "size", 1, INT32_MAX) || !check_int(node, "step", 1, INT32_MAX)) {
    return false;
  }
  if (x->dims[axis]->hi < op_param_i(node, "size")) {
    return node_error(node, DIAG_INVALID, "attribute size is over that of the axis");
  }
  const Dim *dims[MAX_RANK];
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  dims[axis] = slices(node, axis);
  dims[x->rank] = dim_const(infer_dims(node), op_param_i(node, "size"));
  infer_output(node, 0, x->dtype, x->rank + 1, dims);
  return true;
}

/* Elements by their indices, slices * step + 0, 1, ..., whose axis then goes to the end. */
static bool decompose_unfold(Builder *b, Node *node) {
  DimTable *t = infer_dims(node);
  int rank = input_type(node, 0)->rank;
  int64_t axis = op_param_i(node, "dim"), perm[MAX_RANK];
  if (axis < 0) axis += rank;
  Value *start = heads_column(b, slices(node, (int)axis));
  start = BUILD(b, "Mul", start, build_i64(b, op_param_i(node, "step")));
  Value *within = heads_places(b, dim_const(t, op_param_i(node, "size")));
  Value *inputs[2] = {node_in(node, 0), BUILD(b, "Add", start, within)};
  Node *gather = build_node(b, "", "Gather", inputs, 2, 1);
  node_set_int(gather, "axis", axis);
  for (int i = 0; i < rank; i++) perm[i] = i <= axis ? i : i + 1;
  perm[rank] = axis + 1;
  build_replace(b, node, compose_transpose(b, build_done(b, gather), perm));
  return true;
}

const OpDef op_microsoft_UnfoldTensor = {
    .name = "UnfoldTensor",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("dim", -1),
            PARAM_REQUIRED("size", ATTR_INT),
            PARAM_INT("step", 1),
            {0},
        },
    .infer = infer_unfold,
    .decompose = decompose_unfold,
};

/* ---- ConvTransposeWithDynamicPads --------------------------------------------------------------
 */

typedef struct Spatial {
  int64_t strides[MAX_RANK], dilations[MAX_RANK], extra[MAX_RANK];
  int64_t pads[2 * MAX_RANK];
} Spatial;

static bool read_spatial(const Node *node, int n, Spatial *s) {
  uint32_t count = 0;
  memset(s->pads, 0, sizeof s->pads);
  if (!check_choice(node, "auto_pad", "NOTSET") ||
      !check_ints(node, "strides", n, 1, 1, s->strides) ||
      !check_ints(node, "dilations", n, 1, 1, s->dilations) ||
      !check_ints(node, "output_padding", n, 0, 0, s->extra)) {
    return false;
  }
  if (node_in(node, 2) == NULL) return true;
  bool known = infer_constant_ints(node, 2, s->pads, 2 * MAX_RANK, &count);
  if (known && count == 2 * (uint32_t)n) return true;
  return known ? node_error(node, DIAG_INVALID, "there must be two pads for each spatial axis")
               : node_error(node, DIAG_UNSUPPORTED, "input Pads must be constant");
}

/* (x - 1) * stride + (kernel - 1) * dilation + 1 + output_padding - pads */
static const Dim *spread_size(const Node *node, const Spatial *s, int i) {
  DimTable *t = infer_dims(node);
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  int n = x->rank - 2;
  const Dim *size = dim_mul_i(t, dim_add_i(t, x->dims[i + 2], -1), s->strides[i]);
  size = dim_add(t, size, dim_mul_i(t, dim_add_i(t, w->dims[i + 2], -1), s->dilations[i]));
  size = dim_sub(t, dim_add_i(t, size, s->extra[i] + 1), dim_const(t, s->pads[i]));
  return dim_sub(t, size, dim_const(t, s->pads[n + i]));
}

static bool infer_dynamic_pads(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "X", 3, MAX_RANK),
      INPUT_OF(DTS_FLOAT, 1, "W", 3, MAX_RANK),
      INPUT_OPTIONAL_OF(DT(I64), 0, "Pads", 1, 1),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "B", 1, 1),
  };
  Spatial s;
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  if (x->rank != w->rank) return node_error(node, DIAG_INVALID, "X and W have different ranks");
  DimTable *t = infer_dims(node);
  int n = x->rank - 2;
  if (!read_spatial(node, n, &s) || !check_int(node, "group", 1, INT32_MAX)) return false;
  const Dim *dims[MAX_RANK] = {x->dims[0], dim_mul_i(t, w->dims[1], op_param_i(node, "group"))};
  if (!check_size(node, 1, 0, x->dims[1], "the number of channels of X")) return false;
  if (node_in(node, 3) != NULL && !check_size(node, 3, 0, dims[1], "the number of filters")) {
    return false;
  }
  for (int i = 0; i < n; i++) {
    dims[i + 2] = spread_size(node, &s, i);
    if (dims[i + 2]->hi < 0) return node_error(node, DIAG_INVALID, "nothing is left by the pads");
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

static bool decompose_dynamic_pads(Builder *b, Node *node) {
  static const char *const kept[] = {"dilations", "group", "kernel_shape", "output_padding",
                                     "strides"};
  Spatial s;
  int n = input_type(node, 0)->rank - 2;
  if (!read_spatial(node, n, &s)) return false;
  Value *inputs[3] = {node_in(node, 0), node_in(node, 1), node_in(node, 3)};
  Node *conv = build_node(b, "", "ConvTranspose", inputs, inputs[2] == NULL ? 2 : 3, 1);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    const Attr *attr = node_attr(node, kept[i]);
    if (attr != NULL) node_set_attr(conv, *attr);
  }
  node_set_ints(conv, "pads", s.pads, 2 * (size_t)n);
  build_replace(b, node, build_done(b, conv));
  return true;
}

const OpDef op_microsoft_ConvTransposeWithDynamicPads = {
    .name = "ConvTransposeWithDynamicPads",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_STRING("auto_pad", "NOTSET"),
            PARAM_OPTIONAL("dilations", ATTR_INTS),
            PARAM_INT("group", 1),
            PARAM_OPTIONAL("kernel_shape", ATTR_INTS),
            PARAM_OPTIONAL("output_padding", ATTR_INTS),
            PARAM_OPTIONAL("strides", ATTR_INTS),
            {0},
        },
    .infer = infer_dynamic_pads,
    .decompose = decompose_dynamic_pads,
};

/* ---- SampleOp, TorchEmbedding ------------------------------------------------------------------
 */

static bool infer_sample_op(Node *node) {
  static const InputRule rules[] = {INPUT("X", 0, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  infer_output_type(node, 0, input_type(node, 0));
  return true;
}

static bool decompose_sample_op(Builder *b, Node *node) {
  build_replace(b, node, BUILD(b, "Identity", node_in(node, 0)));
  return true;
}

const OpDef op_microsoft_SampleOp = {
    .name = "SampleOp",
    .domain = "com.microsoft",
    .infer = infer_sample_op,
    .decompose = decompose_sample_op,
};

/* The last two inputs only matter to training. */
static bool infer_embedding(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_REAL, 0, "weight", 2, 2),
      INPUT_OF(DT(I64), 0, "indices", 0, MAX_RANK - 1),
      INPUT_OPTIONAL_OF(DT(I64), 0, "padding_idx", 0, 0),
      INPUT_OPTIONAL_OF(DT(BOOL), 0, "scale_grad_by_freq", 0, 0),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *weight = input_type(node, 0), *indices = input_type(node, 1);
  const Dim *dims[MAX_RANK];
  if (indices->rank > 0) memcpy(dims, indices->dims, (size_t)indices->rank * sizeof *dims);
  dims[indices->rank] = weight->dims[1];
  infer_output(node, 0, weight->dtype, indices->rank + 1, dims);
  return true;
}

static bool decompose_embedding(Builder *b, Node *node) {
  build_replace(b, node, BUILD(b, "Gather", node_in(node, 0), node_in(node, 1)));
  return true;
}

const OpDef op_microsoft_TorchEmbedding = {
    .name = "TorchEmbedding",
    .domain = "com.microsoft",
    .infer = infer_embedding,
    .decompose = decompose_embedding,
};
