/* Convolution and its transposed form. */
#include "ops/conv.h"

#include "lower/lower.h"
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <string.h>

/* ---- shared with the quantised forms -----------------------------------------------------------
 */

static bool check_ranks(const Node *node, const Type *x, const Type *w) {
  if (x->rank == w->rank) return true;
  return node_error(node, DIAG_INVALID,
                    "input X has rank %d and W rank %d; both need N or M, C and the spatial axes",
                    x->rank, w->rank);
}

/* The groups split axis `axis` of W evenly. */
static bool check_groups(const Node *node, const Type *w, int axis, int64_t *groups) {
  if (!check_int(node, "group", 1, INT32_MAX)) return false;
  *groups = op_param_i(node, "group");
  int64_t filters;
  if (!dim_is_const(w->dims[axis], &filters) || filters % *groups == 0) return true;
  return node_error(node, DIAG_INVALID, "group of %lld does not divide the %lld on axis %d of W",
                    (long long)*groups, (long long)filters, axis);
}

bool conv_dims(const Node *node, uint32_t ix, int channels, const Type *x, const Type *w,
               const Dim **dims) {
  DimTable *t = infer_dims(node);
  Window window;
  int64_t groups;
  if (!check_ranks(node, x, w) || !check_groups(node, w, 0, &groups)) return false;
  if (!check_size(node, ix, channels, dim_mul_i(t, w->dims[1], groups), "group * axis 1 of W")) {
    return false;
  }
  dims[0] = x->dims[0];
  dims[1] = w->dims[0];
  return window_read(node, x->rank - 2, w, &window) && window_slide(node, &window, x, dims + 2);
}

bool conv_infer(Node *node, uint32_t ix, uint32_t iw, DType dtype) {
  const Type *x = input_type(node, ix);
  const Dim *dims[MAX_RANK];
  if (!conv_dims(node, ix, 1, x, input_type(node, iw), dims)) return false;
  infer_output(node, 0, dtype, x->rank, dims);
  return true;
}

const Dim *conv_macs(const Node *node, uint32_t iw) {
  const Type *w = input_type(node, iw);
  Context *ctx = node->graph->ctx;
  const Dim *depth = dim_product(ctx->dims, w->dims + 1, w->rank - 1);
  return dim_mul(ctx->dims, type_count(ctx, &node_out(node, 0)->type), depth);
}

/* ---- lowering ----------------------------------------------------------------------------------
 */

/* What the two kernels differ in. */
typedef struct Recipe {
  const char *function;
  ptrdiff_t (*scratch)(const onnxc_rt_conv *conv);
  bool planes; /* knows of an x_plane */
} Recipe;

/* The kernels know up to three spatial axes. */
static bool has_kernel(const Node *node) {
  const Type *y = &node_out(node, 0)->type;
  return y->dtype == ONNXC_RT_F32 && y->rank <= 2 + SPATIAL;
}

/* The scratch of the largest sizes serves all. */
static const Dim *scratch_bytes(const Node *node, const Geometry *g, const Recipe *recipe) {
  const Type *x = input_type(node, 0), *y = &node_out(node, 0)->type;
  onnxc_rt_conv conv = {.batch = (ptrdiff_t)x->dims[0]->hi,
                        .groups = (ptrdiff_t)op_param_i(node, "group"),
                        .in_channels = (ptrdiff_t)x->dims[1]->hi,
                        .out_channels = (ptrdiff_t)y->dims[1]->hi};
  for (int k = 0; k < SPATIAL; k++) {
    conv.in[k] = (ptrdiff_t)g->in[k]->hi;
    conv.out[k] = (ptrdiff_t)g->out[k]->hi;
    conv.kernel[k] = (ptrdiff_t)g->kernel[k]->hi;
    conv.stride[k] = (ptrdiff_t)g->stride[k]->hi;
    conv.dilation[k] = (ptrdiff_t)g->dilation[k]->hi;
  }
  return dim_const(infer_dims(node), 4 * (int64_t)recipe->scratch(&conv));
}

/* A step of a convolution kernel; w is dense, and each image of x, or each of its channels. */
static bool lower_to(Lowering *l, Node *node, const Geometry *g, const Recipe *recipe) {
  Value *y = node_out(node, 0);
  Value *x = node_in(node, 0);
  Operand data, weights = lower_dense(l, node_in(node, 1)), bias = {0};
  const Dim *plane = NULL;
  if (!recipe->planes || !lower_planes(l, x, &data, &plane)) data = lower_batches(l, x);
  if (node_in(node, 2) != NULL) bias = lower_dense(l, node_in(node, 2));
  Step *step = lower_kernel(l, STEP_CONTRACTION, recipe->function, "onnxc_rt_conv");
  bool apart = plane == NULL && kernel_batches(l, step, &data, y->type.dims[1]);
  kernel_dim(l, step, "batch", apart ? dim_const(infer_dims(node), 1) : y->type.dims[0]);
  kernel_int(l, step, "groups", op_param_i(node, "group"));
  kernel_dim(l, step, "in_channels", input_type(node, 0)->dims[1]);
  kernel_dim(l, step, "out_channels", y->type.dims[1]);
  window_fields(l, step, g);
  kernel_input(l, step, "x", data);
  if (plane != NULL) kernel_dim(l, step, "x_plane", plane);
  kernel_shared(l, step, "w", weights);
  if (bias.buffer != NULL) kernel_shared(l, step, "bias", bias);
  kernel_scratch(l, step, "scratch", scratch_bytes(node, g, recipe));
  if (!kernel_epilogue(l, step, y, 2)) kernel_output(l, step, "y", lower_output(l, y));
  return true;
}

/* ---- Conv --------------------------------------------------------------------------------------
 */

static const InputRule rules[] = {
    INPUT("X", 3, MAX_RANK),
    INPUT("W", 3, MAX_RANK),
    INPUT_OPTIONAL("B", 1, 1),
};

static bool check_bias(const Node *node, const Dim *filters) {
  return node_in(node, 2) == NULL || check_size(node, 2, 0, filters, "the number of filters");
}

static bool infer_conv(Node *node) {
  if (!CHECK_INPUTS(node, rules)) return false;
  return check_bias(node, input_type(node, 1)->dims[0]) &&
         conv_infer(node, 0, 1, input_type(node, 0)->dtype);
}

static const Dim *macs(const Node *node) {
  return conv_macs(node, 1);
}

static bool lower_conv(Lowering *l, Node *node) {
  static const Recipe recipe = {"onnxc_rt_conv_f32", onnxc_rt_conv_f32_scratch, true};
  Geometry g;
  return has_kernel(node) && window_kernel(node, input_type(node, 1), &g) &&
         lower_to(l, node, &g, &recipe);
}

const OpDef op_Conv = {
    .name = "Conv",
    .domain = "",
    .params = (const OpParam[]){WINDOW_PARAMS, PARAM_INT("group", 1), {0}},
    .infer = infer_conv,
    OP_KERNEL(onnxc_rt_ref_conv),
    .lower = lower_conv,
    .takes_epilogue = has_kernel,
    .macs = macs,
};

/* ---- ConvTranspose -----------------------------------------------------------------------------
 */

/* output_shape as given, which may have batch and channels in front. */
static bool given_shape(const Node *node, int rank, const Dim **out) {
  const Attr *attr = op_param_list(node, "output_shape");
  size_t n = (size_t)rank, front = attr->count == n + 2 ? 2 : 0;
  if (attr->count != n && front == 0) {
    return node_error(node, DIAG_INVALID, "attribute output_shape has %zu values, but needs %d",
                      attr->count, rank);
  }
  for (size_t k = 0; k < n; k++) {
    if (attr->ints[front + k] < 1) {
      return node_error(node, DIAG_INVALID, "attribute output_shape has %lld; sizes begin at 1",
                        (long long)attr->ints[front + k]);
    }
    out[k] = dim_const(infer_dims(node), attr->ints[front + k]);
  }
  return true;
}

static bool computed_shape(const Node *node, const Window *window, const Type *x, const Dim **out) {
  int64_t extra[MAX_RANK];
  DimTable *t = infer_dims(node);
  if (!check_ints(node, "output_padding", window->rank, 0, 0, extra)) return false;
  for (int k = 0; k < window->rank; k++) {
    out[k] = window_transposed(node, window, k, x->dims[k + 2]);
    if (window->pad != WINDOW_SAME) out[k] = dim_add_i(t, out[k], extra[k]);
    if (out[k]->hi < 0) {
      return node_error(node, DIAG_INVALID, "pads take more than all of spatial axis %d", k);
    }
    if (out[k]->lo < 0) out[k] = dim_max(t, out[k], dim_const(t, 0));
  }
  return true;
}

static bool infer_conv_transpose(Node *node) {
  if (!CHECK_INPUTS(node, rules) || !check_ranks(node, input_type(node, 0), input_type(node, 1)))
    return false;
  const Type *x = input_type(node, 0), *w = input_type(node, 1);
  DimTable *t = infer_dims(node);
  Window window;
  int64_t groups;
  if (!check_groups(node, w, 0, &groups)) return false;
  if (!check_size(node, 1, 0, x->dims[1], "the number of channels of X")) return false;
  const Dim *dims[MAX_RANK] = {x->dims[0], dim_mul_i(t, w->dims[1], groups)};
  if (!check_bias(node, dims[1]) || !window_read(node, x->rank - 2, w, &window)) return false;
  bool given = op_param_list(node, "output_shape") != NULL;
  if (!(given ? given_shape(node, window.rank, dims + 2)
              : computed_shape(node, &window, x, dims + 2))) {
    return false;
  }
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

/* Every element of X meets the filters of its group once. */
static const Dim *transpose_macs(const Node *node) {
  const Type *w = input_type(node, 1);
  Context *ctx = node->graph->ctx;
  const Dim *filter = dim_product(ctx->dims, w->dims + 1, w->rank - 1);
  return dim_mul(ctx->dims, type_count(ctx, input_type(node, 0)), filter);
}

static bool lower_conv_transpose(Lowering *l, Node *node) {
  static const Recipe recipe = {"onnxc_rt_conv_transpose_f32", onnxc_rt_conv_transpose_f32_scratch,
                                false};
  Geometry g;
  return has_kernel(node) && window_kernel_transposed(node, input_type(node, 1), &g) &&
         lower_to(l, node, &g, &recipe);
}

const OpDef op_ConvTranspose = {
    .name = "ConvTranspose",
    .domain = "",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("group", 1),
            PARAM_OPTIONAL("output_padding", ATTR_INTS),
            PARAM_OPTIONAL("output_shape", ATTR_INTS),
            {0},
        },
    .infer = infer_conv_transpose,
    OP_KERNEL(onnxc_rt_ref_conv_transpose),
    .lower = lower_conv_transpose,
    .takes_epilogue = has_kernel,
    .macs = transpose_macs,
};
