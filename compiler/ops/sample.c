/* Sampling of images and selection of boxes. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

/* ---- GridSample, AffineGrid --------------------------------------------------------------------
 */

static bool grid_sample_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *grid = infer_tensor(node, 1);
  const Dim *dims[MAX_RANK];
  if (x == NULL || grid == NULL) return false;
  if (!check_choice(node, "mode", "linear nearest cubic")) return false;
  if (!check_choice(node, "padding_mode", "zeros border reflection")) return false;
  if (x->dtype == ONNXC_RT_STRING && *op_param_s(node, "mode") != 'n') {
    return node_error(node, DIAG_INVALID, "strings can only be sampled with mode nearest");
  }
  if (x->rank < 3 || grid->rank != x->rank) {
    return node_error(node, DIAG_INVALID, "the input has rank %d, the grid %d", x->rank,
                      grid->rank);
  }
  const Dim *axes = dim_const(infer_dims(node), x->rank - 2);
  dims[0] = infer_equal(node, "batch sizes", x->dims[0], grid->dims[0]);
  bool fits = dims[0] != NULL && infer_equal(node, "the grid's last size and the spatial axes",
                                             grid->dims[grid->rank - 1], axes) != NULL;
  if (!fits) return false;
  dims[1] = x->dims[1];
  for (int i = 2; i < x->rank; i++) dims[i] = grid->dims[i - 1];
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

const OpDef op_GridSample = {
    .name = "GridSample",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("align_corners", 0),
                                PARAM_STRING("mode", "linear"),
                                PARAM_STRING("padding_mode", "zeros"),
                                {0}},
    .infer = grid_sample_infer,
    OP_KERNEL(onnxc_rt_ref_grid_sample),
};

/* theta [n, axes, axes + 1] and size (n, c, spatial...) -> grid [n, spatial..., axes]. */
static bool affine_grid_infer(Node *node) {
  const Type *theta = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  int n;
  if (theta == NULL || infer_tensor(node, 1) == NULL || !infer_length(node, 1, &n)) return false;
  if (theta->rank != 3 || n < 4 || n > 5) {
    return node_error(node, DIAG_INVALID, "theta must have rank 3 and size 4 or 5 elements");
  }
  int axes = n - 2;
  for (int i = 0; i <= axes; i++) {
    dims[i] = infer_size(node, 1, i == 0 ? 0 : (uint32_t)i + 1, i, NULL);
    if (dims[i] == NULL) return false;
  }
  DimTable *t = infer_dims(node);
  dims[axes + 1] = dim_const(t, axes);
  bool fits = infer_equal(node, "sizes of theta", theta->dims[1], dim_const(t, axes)) != NULL &&
              infer_equal(node, "sizes of theta", theta->dims[2], dim_const(t, axes + 1)) != NULL;
  if (!fits) return false;
  infer_output(node, 0, theta->dtype, axes + 2, dims);
  return true;
}

const OpDef op_AffineGrid = {
    .name = "AffineGrid",
    .domain = "",
    .shape_inputs = 1 << 1,
    .params = (const OpParam[]){PARAM_INT("align_corners", 0), {0}},
    .infer = affine_grid_infer,
    OP_KERNEL(onnxc_rt_ref_affine_grid),
};

/* ---- NonMaxSuppression, RoiAlign ---------------------------------------------------------------
 */

/* boxes [n, boxes, 4], scores [n, classes, boxes] -> [found, 3]. */
static bool non_max_suppression_infer(Node *node) {
  const Type *boxes = infer_tensor(node, 0), *scores = infer_tensor(node, 1);
  int64_t most;
  uint32_t n;
  if (boxes == NULL || scores == NULL) return false;
  if (boxes->rank != 3 || scores->rank != 3) {
    return node_error(node, DIAG_INVALID, "boxes and scores must have rank 3");
  }
  DimTable *t = infer_dims(node);
  bool fits = infer_equal(node, "batch sizes", boxes->dims[0], scores->dims[0]) != NULL &&
              infer_equal(node, "numbers of boxes", boxes->dims[1], scores->dims[2]) != NULL &&
              infer_equal(node, "the box size and 4", boxes->dims[2], dim_const(t, 4)) != NULL;
  if (!fits) return false;
  const Dim *per_class = boxes->dims[1];
  if (node_in(node, 2) == NULL) per_class = dim_const(t, 0);
  bool known = infer_constant_ints(node, 2, &most, 1, &n) && n == 1;
  if (known) per_class = dim_min(t, per_class, dim_const(t, most > 0 ? most : 0));
  const Dim *bound = dim_mul(t, dim_mul(t, scores->dims[0], scores->dims[1]), per_class);
  const Dim *dims[2] = {infer_fresh(node, 0, 0, bound), dim_const(t, 3)};
  infer_output(node, 0, ONNXC_RT_I64, 2, dims);
  return true;
}

static const Dim *non_max_suppression_scratch(const Node *node) {
  return dim_mul_i(infer_dims(node), node_in(node, 0)->type.dims[1], 8);
}

const OpDef op_NonMaxSuppression = {
    .name = "NonMaxSuppression",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_INT("center_point_box", 0), {0}},
    .infer = non_max_suppression_infer,
    OP_KERNEL(onnxc_rt_ref_non_max_suppression),
    .scratch = non_max_suppression_scratch,
};

static bool roi_align_infer(Node *node) {
  const Type *x = infer_tensor(node, 0), *rois = infer_tensor(node, 1);
  const Type *images = infer_tensor(node, 2);
  if (x == NULL || rois == NULL || images == NULL) return false;
  if (x->rank != 4 || rois->rank != 2 || images->rank != 1) {
    return node_error(node, DIAG_INVALID, "ranks must be 4, 2 and 1");
  }
  bool words =
      check_choice(node, "coordinate_transformation_mode", "half_pixel output_half_pixel") &&
      check_choice(node, "mode", "avg max");
  int64_t height = op_param_i(node, "output_height"), width = op_param_i(node, "output_width");
  if (!words) return false;
  if (height < 1 || width < 1 || op_param_i(node, "sampling_ratio") < 0) {
    return node_error(node, DIAG_INVALID, "sizes of the output must be positive");
  }
  DimTable *t = infer_dims(node);
  const Dim *regions = infer_equal(node, "numbers of regions", rois->dims[0], images->dims[0]);
  if (regions == NULL) return false;
  if (infer_equal(node, "the region size and 4", rois->dims[1], dim_const(t, 4)) == NULL) {
    return false;
  }
  const Dim *dims[4] = {regions, x->dims[1], dim_const(t, height), dim_const(t, width)};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

const OpDef op_RoiAlign = {
    .name = "RoiAlign",
    .domain = "",
    .params = (const OpParam[]){PARAM_STRING("coordinate_transformation_mode", "half_pixel"),
                                PARAM_STRING("mode", "avg"),
                                PARAM_INT("sampling_ratio", 0),
                                PARAM_FLOAT("spatial_scale", 1),
                                PARAM_INT("output_height", 1),
                                PARAM_INT("output_width", 1),
                                {0}},
    .infer = roi_align_infer,
    OP_KERNEL(onnxc_rt_ref_roi_align),
};

/* ---- DeformConv, MaxUnpool ---------------------------------------------------------------------
 */

static const InputRule deform_conv_inputs[] = {
    INPUT("X", 4, 4),
    INPUT("W", 4, 4),
    INPUT("offset", 4, 4),
    INPUT_OPTIONAL("B", 1, 1),
    INPUT_OPTIONAL("mask", 4, 4),
};

/* The sizes of the output are those of the offsets, which must fit the window. */
static bool check_window(const Node *node, const int64_t *dilations, const int64_t *pads,
                         const int64_t *strides) {
  DimTable *t = infer_dims(node);
  const Type *x = input_type(node, 0), *w = input_type(node, 1), *offset = input_type(node, 2);
  for (int i = 0; i < 2; i++) {
    const Dim *reach = dim_mul_i(t, dim_add_i(t, w->dims[2 + i], -1), dilations[i]);
    const Dim *room = dim_add_i(t, dim_sub(t, x->dims[2 + i], reach), pads[i] + pads[2 + i] - 1);
    const Dim *size = dim_add_i(t, dim_floordiv(t, room, dim_const(t, strides[i])), 1);
    if (infer_equal(node, "sizes of the output and of offset", size, offset->dims[2 + i]) == NULL) {
      return false;
    }
  }
  return true;
}

/* Channels divide into groups, and offset and mask have what each group needs. */
static bool check_groups(const Node *node, int64_t groups, int64_t offset_groups) {
  DimTable *t = infer_dims(node);
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  int64_t in, out;
  bool known = dim_is_const(x->dims[1], &in) && dim_is_const(w->dims[0], &out);
  if (!known || in % groups != 0 || out % groups != 0 || in % offset_groups != 0) {
    return node_error(node, DIAG_INVALID, "the channels do not divide into groups");
  }
  const Dim *taps = dim_mul_i(t, dim_mul(t, w->dims[2], w->dims[3]), offset_groups);
  return check_size(node, 1, 1, dim_const(t, in / groups), "the channels of a group") &&
         check_size(node, 2, 1, dim_mul_i(t, taps, 2), "two offsets a kernel element") &&
         check_size(node, 2, 0, x->dims[0], "the batch") &&
         (node_in(node, 3) == NULL || check_size(node, 3, 0, w->dims[0], "the output channels")) &&
         (node_in(node, 4) == NULL ||
          check_sizes(node, 4, 4,
                      (const Dim *const[]){x->dims[0], taps, input_type(node, 2)->dims[2],
                                           input_type(node, 2)->dims[3]},
                      "one number a kernel element"));
}

static bool deform_conv_infer(Node *node) {
  int64_t dilations[2], pads[4], strides[2];
  if (!CHECK_INPUTS(node, deform_conv_inputs)) return false;
  bool lists =
      check_ints(node, "dilations", 2, 1, 1, dilations) &&
      check_ints(node, "pads", 4, 0, 0, pads) && check_ints(node, "strides", 2, 1, 1, strides) &&
      check_int(node, "group", 1, INT32_MAX) && check_int(node, "offset_group", 1, INT32_MAX);
  if (!lists || !check_window(node, dilations, pads, strides)) return false;
  if (!check_groups(node, op_param_i(node, "group"), op_param_i(node, "offset_group")))
    return false;
  const Type *x = input_type(node, 0), *w = input_type(node, 1), *offset = input_type(node, 2);
  const Dim *dims[4] = {x->dims[0], w->dims[0], offset->dims[2], offset->dims[3]};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

const OpDef op_DeformConv = {
    .name = "DeformConv",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("group", 1),
                                PARAM_INT("offset_group", 1),
                                PARAM_OPTIONAL("dilations", ATTR_INTS),
                                PARAM_OPTIONAL("pads", ATTR_INTS),
                                PARAM_OPTIONAL("strides", ATTR_INTS),
                                PARAM_OPTIONAL("kernel_shape", ATTR_INTS),
                                {0}},
    .infer = deform_conv_infer,
    OP_KERNEL(onnxc_rt_ref_deform_conv),
};

static const InputRule max_unpool_inputs[] = {
    INPUT("X", 3, MAX_RANK),
    INPUT("I", 3, MAX_RANK),
    INPUT_OPTIONAL("output_shape", 1, 1),
};

static bool max_unpool_infer(Node *node) {
  int64_t kernel[MAX_RANK], pads[2 * MAX_RANK], strides[MAX_RANK];
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, max_unpool_inputs)) return false;
  const Type *x = input_type(node, 0);
  int axes = x->rank - 2;
  bool fits = check_ints(node, "kernel_shape", axes, 1, 1, kernel) &&
              check_ints(node, "pads", 2 * axes, 0, 0, pads) &&
              check_ints(node, "strides", axes, 1, 1, strides) &&
              check_sizes(node, 1, x->rank, x->dims, "the sizes of X");
  if (!fits) return false;
  DimTable *t = infer_dims(node);
  for (int i = 0; i < x->rank; i++) {
    dims[i] = x->dims[i];
    if (node_in(node, 2) != NULL) {
      dims[i] = infer_size(node, 2, (uint32_t)i, i, NULL);
    } else if (i >= 2) {
      int k = i - 2;
      const Dim *steps = dim_mul_i(t, dim_add_i(t, x->dims[i], -1), strides[k]);
      dims[i] = dim_add_i(t, steps, kernel[k] - pads[k] - pads[axes + k]);
    }
    if (dims[i] == NULL) return false;
    if (dims[i]->hi < 0) return node_error(node, DIAG_INVALID, "pads exceed what is unpooled");
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

const OpDef op_MaxUnpool = {
    .name = "MaxUnpool",
    .domain = "",
    .shape_inputs = 1 << 2,
    .params = (const OpParam[]){PARAM_REQUIRED("kernel_shape", ATTR_INTS),
                                PARAM_OPTIONAL("pads", ATTR_INTS),
                                PARAM_OPTIONAL("strides", ATTR_INTS),
                                {0}},
    .infer = max_unpool_infer,
    OP_KERNEL(onnxc_rt_ref_max_unpool),
};
