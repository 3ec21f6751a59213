/* Resize: nearest, linear and cubic interpolation. */
#include "lower/lower.h"
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/real.h"

#include <math.h>
#include <string.h>

enum { X, ROI, SCALES, SIZES };

/* Some exporters write an empty tensor for an input that is left out. */
static bool given(const Node *node, uint32_t i) {
  const Type *type = input_type(node, i);
  return type != NULL && !(type->rank == 1 && dim_is(type->dims[0], 0));
}

/* ---- axes --------------------------------------------------------------------------------------
 */

/* The axes that are resized, in the order of scales and sizes; their number, or -1: reported. */
static int resized_axes(const Node *node, int *axes) {
  const Attr *attr = op_param_list(node, "axes");
  int rank = input_type(node, X)->rank;
  int n = attr == NULL ? rank : (int)attr->count;
  bool seen[MAX_RANK] = {false};
  for (int k = 0; k < n; k++) {
    axes[k] = k;
    if (attr == NULL) continue;
    if (!infer_axis(node, attr->ints[k], rank, &axes[k])) return -1;
    if (seen[axes[k]]) {
      node_error(node, DIAG_INVALID, "attribute axes names axis %d twice", axes[k]);
      return -1;
    }
    seen[axes[k]] = true;
  }
  return n;
}

static bool check_length(const Node *node, uint32_t i, int n, const char *name) {
  const Dim *length = input_type(node, i)->dims[0];
  if (!dim_never_equal(infer_dims(node), length, dim_const(infer_dims(node), n))) return true;
  return node_error(node, DIAG_INVALID, "input %s has %s elements, but needs %d", name,
                    dim_text(node->graph->ctx->arena, length), n);
}

/* ---- sizes from scales -------------------------------------------------------------------------
 */

/* `scale` as the fraction of small numbers that it is the float of. */
static bool as_fraction(float scale, int64_t *numerator, int64_t *denominator) {
  for (int64_t q = 1; q <= 4096; q++) {
    double p = rint((double)scale * (double)q);
    if (p < 1 || p > 0x1p30 || (float)(p / (double)q) != scale) continue;
    *numerator = (int64_t)p;
    *denominator = q;
    return true;
  }
  return false;
}

/* The size of axis `axis` of Y; known only at run time where no small fraction tells it. */
static const Dim *scaled(Node *node, int axis, const Dim *size, float scale) {
  DimTable *t = infer_dims(node);
  int64_t value, numerator, denominator;
  if (dim_is_const(size, &value)) return dim_const(t, (int64_t)floorf((float)value * scale));
  if (as_fraction(scale, &numerator, &denominator)) {
    return dim_floordiv(t, dim_mul_i(t, size, numerator), dim_const(t, denominator));
  }
  double most = (double)size->hi * (double)scale;
  return infer_fresh(node, 0, axis, size->hi == INT64_MAX ? NULL : real_about(t, 0, most));
}

static bool sizes_from_scales(Node *node, const int *axes, int n, const Dim **dims) {
  const Tensor *scales = node_in(node, SCALES)->constant;
  if (!check_length(node, SCALES, n, "scales")) return false;
  for (int k = 0; k < n; k++) {
    const Dim *size = dims[axes[k]];
    if (scales == NULL) {
      const Dim *scale = infer_number(node, SCALES, (uint32_t)k);
      dims[axes[k]] = infer_fresh(node, 0, axes[k], real_mul(infer_dims(node), size, scale));
      continue;
    }
    float scale = (float)tensor_f64(scales, (size_t)k);
    bool fits = scale > 0 && (double)scale * (double)size->lo < 0x1p31;
    if (!fits) {
      return node_error(node, DIAG_INVALID, "scales has %g for axis %d, which is out of range",
                        (double)scale, axes[k]);
    }
    dims[axes[k]] = scaled(node, axes[k], size, scale);
  }
  return true;
}

/* ---- sizes as given ----------------------------------------------------------------------------
 */

/* All axes by the ratio of one of them, whichever is the least (not_larger) or the greatest; false
 * when that is not known. */
static bool common_ratio(const Node *node, const int *axes, int n, const Dim *const *sizes,
                         const Dim *const *dims, float *ratio) {
  bool least = strcmp(op_param_s(node, "keep_aspect_ratio_policy"), "not_larger") == 0;
  for (int k = 0; k < n; k++) {
    int64_t in, out;
    if (!dim_is_const(dims[axes[k]], &in) || !dim_is_const(sizes[k], &out)) return false;
    float own = (float)out / (float)in;
    if (k == 0 || (least ? own < *ratio : own > *ratio)) *ratio = own;
  }
  return true;
}

static bool keep_aspect(Node *node, const int *axes, int n, const Dim *const *sizes,
                        const Dim **dims) {
  float ratio = 0;
  bool known = common_ratio(node, axes, n, sizes, dims, &ratio);
  for (int k = 0; k < n; k++) {
    double size = known ? floor((double)(ratio * (float)dims[axes[k]]->lo) + 0.5) : 0;
    if (!(size < 0x1p31)) return node_error(node, DIAG_INVALID, "sizes makes Y too large");
    dims[axes[k]] =
        known ? dim_const(infer_dims(node), (int64_t)size) : infer_fresh(node, 0, axes[k], NULL);
  }
  return true;
}

static bool sizes_as_given(Node *node, const int *axes, int n, const Dim **dims) {
  uint32_t count;
  bool stretch = strcmp(op_param_s(node, "keep_aspect_ratio_policy"), "stretch") == 0;
  const Dim *const *sizes = infer_contents(node, SIZES, &count);
  if (!check_length(node, SIZES, n, "sizes")) return false;
  for (int k = 0; sizes != NULL && k < n; k++) {
    if (sizes[k]->hi >= 0) continue;
    return node_error(node, DIAG_INVALID, "sizes has %lld for axis %d", (long long)sizes[k]->hi,
                      axes[k]);
  }
  if (sizes != NULL && !stretch) return keep_aspect(node, axes, n, sizes, dims);
  for (int k = 0; k < n; k++) {
    const Dim *size = infer_number(node, SIZES, (uint32_t)k);
    dims[axes[k]] =
        sizes != NULL ? infer_within(node, size, NULL) : infer_fresh(node, 0, axes[k], size);
  }
  return true;
}

/* ---- inference ---------------------------------------------------------------------------------
 */

static bool check_attributes(const Node *node) {
  static const char *const choices[][2] = {
      {"mode", "nearest linear cubic"},
      {"coordinate_transformation_mode", "half_pixel pytorch_half_pixel half_pixel_symmetric "
                                         "asymmetric align_corners tf_crop_and_resize"},
      {"nearest_mode", "round_prefer_floor round_prefer_ceil floor ceil"},
      {"keep_aspect_ratio_policy", "stretch not_larger not_smaller"},
  };
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    if (!check_choice(node, choices[i][0], choices[i][1])) return false;
  }
  const char *transform = op_param_s(node, "coordinate_transformation_mode");
  bool extrapolates = strcmp(transform, "tf_crop_and_resize") == 0;
  if (extrapolates && !check_real(node, X)) return false;
  DType dtype = input_type(node, X)->dtype;
  bool real = dtype_is_float(dtype) || dtype_is_integer(dtype);
  if (real || *op_param_s(node, "mode") == 'n') return true;
  return node_error(node, DIAG_INVALID, "elements of type %s can only be resized with mode nearest",
                    dtype_info(dtype)->name);
}

static bool check_roi(const Node *node, int n) {
  if (strcmp(op_param_s(node, "coordinate_transformation_mode"), "tf_crop_and_resize") != 0) {
    return true;
  }
  if (given(node, ROI)) return check_length(node, ROI, 2 * n, "roi");
  return node_error(node, DIAG_INVALID, "tf_crop_and_resize needs input roi");
}

static bool infer_resize(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 1, MAX_RANK),
      INPUT_OPTIONAL("roi", 1, 1),
      INPUT_OPTIONAL("scales", 1, 1),
      INPUT_OPTIONAL("sizes", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_attributes(node)) return false;
  if (given(node, SCALES) == given(node, SIZES)) {
    return node_error(node, DIAG_INVALID, "exactly one of scales and sizes must be given");
  }
  int axes[MAX_RANK], n = resized_axes(node, axes);
  if (n < 0 || !check_roi(node, n)) return false;
  const Type *x = input_type(node, X);
  const Dim *dims[MAX_RANK];
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  bool done = given(node, SCALES) ? sizes_from_scales(node, axes, n, dims)
                                  : sizes_as_given(node, axes, n, dims);
  if (done) infer_output(node, 0, x->dtype, x->rank, dims);
  return done;
}

/* ---- repetition --------------------------------------------------------------------------------
 * Nearest elements at a whole ratio s are elements repeated s times: a broadcast between views. */

/* Whether element i / s, rounded down, is what output element i becomes. */
static bool repeats(const Node *node, int64_t ratio) {
  if (*op_param_s(node, "mode") != 'n') return false;
  const char *transform = op_param_s(node, "coordinate_transformation_mode");
  const char *nearest = op_param_s(node, "nearest_mode");
  if (strcmp(transform, "asymmetric") == 0) {
    return strcmp(nearest, "floor") == 0 ||
           (ratio <= 2 && strcmp(nearest, "round_prefer_floor") == 0);
  }
  return strstr(transform, "half_pixel") != NULL && strncmp(nearest, "round", 5) == 0;
}

/* Whether places are computed with this very ratio, and not with that of a size that was cut to a
 * whole number, or within a region. */
static bool scales_by(const Node *node, int axis, int64_t ratio) {
  const Attr *attr = op_param_list(node, "axes");
  const Tensor *scales = given(node, SCALES) ? node_in(node, SCALES)->constant : NULL;
  int axes[MAX_RANK], k = 0, n = resized_axes(node, axes);
  while (k < n && axes[k] != axis) k++;
  if (attr != NULL && k == n) return true;
  if (strcmp(op_param_s(node, "coordinate_transformation_mode"), "tf_crop_and_resize") == 0) {
    return false;
  }
  if (scales != NULL) return tensor_f64(scales, (size_t)k) == (double)ratio;
  bool stretch = strcmp(op_param_s(node, "keep_aspect_ratio_policy"), "stretch") == 0;
  return !given(node, SCALES) && stretch;
}

/* The whole ratio of an axis; 0 when there is none. */
static int64_t whole_ratio(const Node *node, int axis, const Dim *const *out) {
  const Dim *in = input_type(node, X)->dims[axis];
  int64_t ratio = 1;
  if (in != out[axis]) {
    const Dim *quotient = dim_divide_exactly(infer_dims(node), out[axis], in);
    bool whole = quotient != NULL && dim_is_const(quotient, &ratio) && ratio > 0;
    if (!whole || !repeats(node, ratio)) return 0;
  }
  return scales_by(node, axis, ratio) ? ratio : 0;
}

static bool decompose_resize(Builder *b, Node *node) {
  const Type *x = input_type(node, X), *y = &node_out(node, 0)->type;
  DimTable *t = infer_dims(node);
  const Dim *split[2 * MAX_RANK], *wide[2 * MAX_RANK];
  uint32_t n = 0;
  for (int axis = 0; axis < x->rank; axis++, n++) {
    int64_t ratio = whole_ratio(node, axis, y->dims);
    if (ratio == 0 || n + 2 > MAX_RANK) return false;
    split[n] = wide[n] = x->dims[axis];
    if (ratio == 1) continue;
    split[++n] = dim_const(t, 1);
    wide[n] = dim_const(t, ratio);
  }
  Value *value = compose_reshape(b, node_in(node, X), split, (int)n);
  value = BUILD(b, "Expand", value, build_dims(b, wide, n));
  build_replace(b, node, compose_reshape(b, value, y->dims, y->rank));
  return true;
}

/* ---- the fast kernel ---------------------------------------------------------------------------
 * Along an axis every element is a weighted sum of some, which a table says. */

enum { ROWS, COLUMNS };

/* The axes that are resized as those of planes; a single one is that of columns. -1: none. */
typedef struct Planes {
  int axis[2];
} Planes;

static bool is_known(const Type *type, int axis) {
  int64_t size;
  return dim_is_const(type->dims[axis], &size) && size > 0 && size <= INT32_MAX;
}

/* Whether the tables can be made now: by constant numbers, and not by a region, outside of which
 * there is something else. */
static bool is_regular(const Node *node) {
  const char *transform = op_param_s(node, "coordinate_transformation_mode");
  if (strcmp(transform, "tf_crop_and_resize") == 0) return false;
  return node_in(node, given(node, SCALES) ? SCALES : SIZES)->constant != NULL;
}

/* One or two axes are resized, of known sizes, and those between them have one element. */
static bool find_planes(const Node *node, Planes *planes) {
  const Type *x = input_type(node, X), *y = &node_out(node, 0)->type;
  if (y->dtype != ONNXC_RT_F32 || !is_regular(node)) return false;
  bool between = false;
  *planes = (Planes){{-1, -1}};
  for (int axis = 0; axis < x->rank; axis++) {
    if (whole_ratio(node, axis, y->dims) == 1) {
      between |= planes->axis[COLUMNS] >= 0 && !dim_is(x->dims[axis], 1);
      continue;
    }
    if (!is_known(x, axis) || !is_known(y, axis)) return false;
    if (planes->axis[ROWS] >= 0 || between) return false;
    planes->axis[ROWS] = planes->axis[COLUMNS];
    planes->axis[COLUMNS] = axis;
  }
  return planes->axis[COLUMNS] >= 0;
}

static bool has_kernel(const Node *node) {
  Planes planes;
  return find_planes(node, &planes);
}

/* The call of the reference kernel, without elements of X and Y. */
static void fill_call(Lowering *l, const Node *node, onnxc_rt_call *call) {
  Arena *arena = lower_context(l)->arena;
  const Type *x = input_type(node, X), *y = &node_out(node, 0)->type;
  onnxc_rt_tensor *in = ARENA_ARRAY(arena, node->n_in, onnxc_rt_tensor);
  onnxc_rt_tensor *out = ARENA_NEW(arena, onnxc_rt_tensor);
  in[X] = (onnxc_rt_tensor){.dims = ARENA_ARRAY(arena, (size_t)x->rank, int64_t), .rank = x->rank};
  *out = (onnxc_rt_tensor){.dims = ARENA_ARRAY(arena, (size_t)x->rank, int64_t), .rank = x->rank};
  for (int i = 0; i < x->rank; i++) {
    in[X].dims[i] = x->dims[i]->hi;
    out->dims[i] = y->dims[i]->hi;
  }
  for (uint32_t i = SCALES; i < node->n_in; i++) {
    const Tensor *numbers = node_in(node, i) == NULL ? NULL : node_in(node, i)->constant;
    if (numbers == NULL) continue;
    in[i] = (onnxc_rt_tensor){.data = (void *)(uintptr_t)numbers->data,
                              .dims = (int64_t *)(uintptr_t)numbers->dims,
                              .rank = numbers->rank,
                              .dtype = (int32_t)numbers->dtype};
  }
  *call = (onnxc_rt_call){.in = in,
                          .out = out,
                          .attr = op_call_attrs(arena, node),
                          .n_in = (int32_t)node->n_in,
                          .n_out = 1};
}

/* The table of one axis as members of the kernel; the number of its taps. */
static ptrdiff_t add_table(Lowering *l, Step *step, Node *node, int axis, const char *index_name,
                           const char *weights_name) {
  if (axis < 0) return 1;
  onnxc_rt_call call;
  fill_call(l, node, &call);
  int64_t taps = onnxc_rt_resize_taps(&call, axis);
  size_t count = (size_t)(taps * call.out[0].dims[axis]);
  int32_t *index = ARENA_ARRAY(lower_context(l)->arena, count, int32_t);
  float *weights = ARENA_ARRAY(lower_context(l)->arena, count, float);
  onnxc_rt_resize_table(&call, axis, index, weights);
  kernel_shared(l, step, index_name, lower_weight(l, node->name, ONNXC_RT_I32, count, index));
  if (*op_param_s(node, "mode") != 'n') {
    kernel_shared(l, step, weights_name, lower_weight(l, node->name, ONNXC_RT_F32, count, weights));
  }
  return (ptrdiff_t)taps;
}

/* Planes, rows, columns and what is behind them. */
static bool lower_resize(Lowering *l, Node *node) {
  Planes planes;
  if (!find_planes(node, &planes)) return false;
  DimTable *t = infer_dims(node);
  Value *y = node_out(node, 0);
  const Type *x = input_type(node, X);
  const Dim *one = dim_const(t, 1), *in[2] = {one, one}, *out[2] = {one, one};
  for (int i = ROWS; i <= COLUMNS; i++) {
    if (planes.axis[i] < 0) continue;
    in[i] = x->dims[planes.axis[i]];
    out[i] = y->type.dims[planes.axis[i]];
  }
  int front = planes.axis[planes.axis[ROWS] < 0 ? COLUMNS : ROWS];
  int behind = planes.axis[COLUMNS] + 1;
  const Dim *inner = dim_product(t, x->dims + behind, x->rank - behind);
  Operand data = lower_dense(l, node_in(node, X));
  Step *step = lower_kernel(l, STEP_CALL, "onnxc_rt_resize_f32", "onnxc_rt_resize");
  kernel_dim(l, step, "planes", dim_product(t, x->dims, front));
  kernel_dims(l, step, "in", in, 2);
  kernel_dims(l, step, "out", out, 2);
  kernel_dim(l, step, "inner", inner);
  kernel_input(l, step, "x", data);
  onnxc_rt_resize largest = {.out = {1, (ptrdiff_t)out[COLUMNS]->hi},
                             .inner = (ptrdiff_t)inner->hi};
  largest.taps[ROWS] = add_table(l, step, node, planes.axis[ROWS], "row_index", "row_weights");
  largest.taps[COLUMNS] =
      add_table(l, step, node, planes.axis[COLUMNS], "column_index", "column_weights");
  const Dim *taps[2] = {dim_const(t, largest.taps[ROWS]), dim_const(t, largest.taps[COLUMNS])};
  kernel_dims(l, step, "taps", taps, 2);
  kernel_scratch(l, step, "scratch", dim_const(t, 4 * onnxc_rt_resize_f32_scratch(&largest)));
  if (!kernel_epilogue(l, step, y, front)) kernel_output(l, step, "y", lower_output(l, y));
  return true;
}

const OpDef op_Resize = {
    .name = "Resize",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_STRING("mode", "nearest"),
            PARAM_STRING("coordinate_transformation_mode", "half_pixel"),
            PARAM_STRING("nearest_mode", "round_prefer_floor"),
            PARAM_FLOAT("cubic_coeff_a", -0.75F),
            PARAM_INT("exclude_outside", 0),
            PARAM_FLOAT("extrapolation_value", 0),
            PARAM_INT("antialias", 0),
            PARAM_OPTIONAL("axes", ATTR_INTS),
            PARAM_STRING("keep_aspect_ratio_policy", "stretch"),
            {0},
        },
    .infer = infer_resize,
    OP_KERNEL(onnxc_rt_ref_resize),
    .decompose = decompose_resize,
    .lower = lower_resize,
    .takes_epilogue = has_kernel,
};
