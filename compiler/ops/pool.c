/* Pooling: over windows, and over whole planes, which is a reduction. */
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/layout.h"
#include "ops/window.h"

/* ---- windows -----------------------------------------------------------------------------------
 */

static bool pool_sizes(const Node *node, const Type *x, const Dim **dims) {
  Window window;
  if (!window_read(node, x->rank - 2, NULL, &window)) return false;
  window.ceil = op_param_i(node, "ceil_mode") != 0;
  dims[0] = x->dims[0];
  dims[1] = x->dims[1];
  return window_slide(node, &window, x, dims + 2);
}

static bool infer_float_pool(Node *node) {
  static const InputRule rules[] = {INPUT("X", 3, MAX_RANK)};
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, rules) || !pool_sizes(node, input_type(node, 0), dims)) return false;
  const Type *x = input_type(node, 0);
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

static bool infer_max_pool(Node *node) {
  static const InputRule rules[] = {INPUT("X", 3, MAX_RANK)};
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, rules) || !pool_sizes(node, input_type(node, 0), dims)) return false;
  if (!check_int(node, "storage_order", 0, 1)) return false;
  const Type *x = input_type(node, 0);
  infer_output(node, 0, x->dtype, x->rank, dims);
  infer_output(node, 1, ONNXC_RT_I64, x->rank, dims);
  return true;
}

/* The kernel knows up to three spatial axes, and no indices. */
static bool has_kernel(const Node *node) {
  const Value *y = node_out(node, 0);
  return y != NULL && node_out(node, 1) == NULL && y->type.dtype == ONNXC_RT_F32 &&
         y->type.rank <= 2 + SPATIAL;
}

static bool is_bytes(const Type *type) {
  return type->dtype == ONNXC_RT_I8 || type->dtype == ONNXC_RT_U8;
}

static const Dim *scratch_bytes(const Node *node, const Geometry *g) {
  onnxc_rt_pool pool = {.rows = 1};
  for (int k = 0; k < SPATIAL; k++) {
    pool.in[k] = (ptrdiff_t)g->in[k]->hi;
    pool.out[k] = (ptrdiff_t)g->out[k]->hi;
  }
  int64_t line = is_bytes(input_type(node, 0)) ? g->in[SPATIAL - 1]->hi : 0;
  return dim_const(infer_dims(node), 4 * ((int64_t)onnxc_rt_pool_f32_scratch(&pool) + line));
}

/* Quantised data, with its scale and zero point. */
static void add_bytes(Lowering *l, Step *step, const Node *node, const Operand operands[3]) {
  kernel_input(l, step, "bytes", operands[0]);
  kernel_int(l, step, "bytes_signed", input_type(node, 0)->dtype == ONNXC_RT_I8);
  kernel_shared(l, step, "scale", operands[1]);
  if (operands[2].buffer != NULL) kernel_shared(l, step, "zero", operands[2]);
}

/* A row is the plane of one channel. */
static bool lower_pool(Lowering *l, Node *node, bool average, bool count_include_pad) {
  Value *y = node_out(node, 0);
  Geometry g;
  if (!has_kernel(node) || !window_kernel(node, NULL, &g)) return false;
  const Dim *plane;
  Operand x[3] = {{0}};
  if (!lower_planes(l, node_in(node, 0), &x[0], &plane)) x[0] = lower_batches(l, node_in(node, 0));
  for (uint32_t i = 1; i < node->n_formal; i++) {
    if (node_in(node, i) != NULL) x[i] = lower_dense(l, node_in(node, i));
  }
  Step *step = lower_kernel(l, STEP_CALL, "onnxc_rt_pool_f32", "onnxc_rt_pool");
  bool apart = plane == NULL && kernel_batches(l, step, &x[0], y->type.dims[1]);
  kernel_dim(l, step, "rows", dim_product(infer_dims(node), y->type.dims + apart, 2 - apart));
  window_fields(l, step, &g);
  kernel_dims(l, step, "pad_end", g.pad_end, SPATIAL);
  kernel_int(l, step, "average", average);
  kernel_int(l, step, "count_include_pad", count_include_pad);
  if (plane != NULL) kernel_dim(l, step, "x_plane", plane);
  if (is_bytes(input_type(node, 0)))
    add_bytes(l, step, node, x);
  else
    kernel_input(l, step, "x", x[0]);
  kernel_scratch(l, step, "scratch", scratch_bytes(node, &g));
  if (!kernel_epilogue(l, step, y, 2)) kernel_output(l, step, "y", lower_output(l, y));
  return true;
}

/* Maxima of bytes are bytes, and stored at once. */
static bool lower_max_pool_bytes(Lowering *l, Node *node) {
  Value *y = node_out(node, 0);
  Geometry g;
  if (y == NULL || node_out(node, 1) != NULL || y->type.rank > 2 + SPATIAL) return false;
  if (!window_kernel(node, NULL, &g)) return false;
  const Dim *plane;
  Operand x, to = lower_output(l, y);
  if (!lower_planes(l, node_in(node, 0), &x, &plane)) x = lower_dense(l, node_in(node, 0));
  Step *step = lower_kernel(l, STEP_CALL, "onnxc_rt_max_pool_i8", "onnxc_rt_max_pool");
  kernel_dim(l, step, "rows", dim_product(infer_dims(node), y->type.dims, 2));
  window_fields(l, step, &g);
  kernel_int(l, step, "is_signed", y->type.dtype == ONNXC_RT_I8);
  if (plane != NULL) kernel_dim(l, step, "x_plane", plane);
  kernel_input(l, step, "x", x);
  kernel_output(l, step, "y", to);
  return true;
}

static bool lower_max_pool(Lowering *l, Node *node) {
  if (is_bytes(input_type(node, 0))) return lower_max_pool_bytes(l, node);
  return lower_pool(l, node, false, false);
}

static bool lower_average_pool(Lowering *l, Node *node) {
  return lower_pool(l, node, true, op_param_i(node, "count_include_pad") != 0);
}

const OpDef op_MaxPool = {
    .name = "MaxPool",
    .domain = "",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("storage_order", 0),
            PARAM_INT("ceil_mode", 0),
            {0},
        },
    .infer = infer_max_pool,
    OP_KERNEL(onnxc_rt_ref_max_pool),
    .lower = lower_max_pool,
    .takes_epilogue = has_kernel,
};

/* MaxPool of ONNX Runtime on bytes that have channels last. */
static bool infer_nhwc_max_pool(Node *node) {
  static const InputRule rules[] = {INPUT_OF(DTS_BYTE, 0, "x", 3, MAX_RANK)};
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, rules)) return false;
  Type x = layout_second(node, input_type(node, 0));
  if (!pool_sizes(node, &x, dims)) return false;
  Type y = type_tensor(node->graph->ctx, x.dtype, x.rank, dims);
  y = layout_last(node, &y);
  infer_output_type(node, 0, &y);
  return true;
}

static bool decompose_nhwc_max_pool(Builder *b, Node *node) {
  Value *x = layout_to_second(b, node_in(node, 0));
  Node *pool = build_node(b, "", "MaxPool", &x, 1, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(pool, node->attrs[i]);
  build_replace(b, node, layout_to_last(b, build_done(b, pool)));
  return true;
}

const OpDef op_microsoft_NhwcMaxPool = {
    .name = "NhwcMaxPool",
    .domain = "com.microsoft",
    .params = (const OpParam[]){WINDOW_PARAMS, PARAM_INT("ceil_mode", 0), {0}},
    .infer = infer_nhwc_max_pool,
    .decompose = decompose_nhwc_max_pool,
};

const OpDef op_AveragePool = {
    .name = "AveragePool",
    .domain = "",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("count_include_pad", 0),
            PARAM_INT("ceil_mode", 0),
            {0},
        },
    .infer = infer_float_pool,
    OP_KERNEL(onnxc_rt_ref_average_pool),
    .lower = lower_average_pool,
    .takes_epilogue = has_kernel,
};

/* The same of bytes with a scale and a zero point, into f32. */
static bool infer_byte_pool(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_BYTE, 0, "X", 3, MAX_RANK),
      INPUT_OF(DT(F32), 0, "scale", 0, 0),
      INPUT_OPTIONAL_OF(DTS_BYTE, 1, "zero_point", 0, 0),
  };
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, rules) || !pool_sizes(node, input_type(node, 0), dims)) return false;
  infer_output(node, 0, ONNXC_RT_F32, input_type(node, 0)->rank, dims);
  return true;
}

static bool standard_byte_pool(Builder *b, Node *node) {
  Value *inputs[] = {node_in(node, 0), node_in(node, 1), node_in(node, 2)};
  Value *x = build(b, "DequantizeLinear", inputs, inputs[2] == NULL ? 2 : 3);
  Node *pool = build_node(b, "", "AveragePool", &x, 1, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(pool, node->attrs[i]);
  build_replace(b, node, build_done(b, pool));
  return true;
}

const OpDef op_onnxc_AveragePool = {
    .name = "AveragePool",
    .domain = "onnxc",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("count_include_pad", 0),
            PARAM_INT("ceil_mode", 0),
            {0},
        },
    .infer = infer_byte_pool,
    OP_KERNEL(onnxc_rt_ref_average_pool),
    .lower = lower_average_pool,
    .standard = standard_byte_pool,
    .takes_epilogue = has_kernel,
};

static bool infer_lp_pool(Node *node) {
  return check_int(node, "p", 1, INT32_MAX) && infer_float_pool(node);
}

const OpDef op_LpPool = {
    .name = "LpPool",
    .domain = "",
    .params =
        (const OpParam[]){
            WINDOW_PARAMS,
            PARAM_INT("p", 2),
            PARAM_INT("ceil_mode", 0),
            {0},
        },
    .infer = infer_lp_pool,
    OP_KERNEL(onnxc_rt_ref_lp_pool),
};

/* ---- whole planes ------------------------------------------------------------------------------
 */

static bool infer_global(Node *node) {
  static const InputRule rules[] = {INPUT("X", 3, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const Dim *dims[MAX_RANK] = {x->dims[0], x->dims[1]};
  for (int i = 2; i < x->rank; i++) dims[i] = dim_const(infer_dims(node), 1);
  infer_output(node, 0, x->dtype, x->rank, dims);
  return true;
}

/* `op` over the spatial axes of `x`, which stay with size 1. */
static Value *reduce_plane(Builder *b, const char *op, Value *x) {
  int64_t axes[MAX_RANK];
  int n = x->type.rank - 2;
  for (int i = 0; i < n; i++) axes[i] = i + 2;
  return compose_reduce(b, op, x, axes, (size_t)n);
}

static bool decompose_average(Builder *b, Node *node) {
  build_replace(b, node, reduce_plane(b, "ReduceMean", node_in(node, 0)));
  return true;
}

static bool decompose_max(Builder *b, Node *node) {
  build_replace(b, node, reduce_plane(b, "ReduceMax", node_in(node, 0)));
  return true;
}

const OpDef op_GlobalAveragePool = {
    .name = "GlobalAveragePool",
    .domain = "",
    .infer = infer_global,
    .decompose = decompose_average,
};

const OpDef op_GlobalMaxPool = {
    .name = "GlobalMaxPool",
    .domain = "",
    .infer = infer_global,
    .decompose = decompose_max,
};

static bool infer_global_lp(Node *node) {
  return check_int(node, "p", 1, INT32_MAX) && infer_global(node);
}

/* (sum of |x|^p)^(1/p) */
static bool decompose_lp(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  double p = (double)op_param_i(node, "p");
  if (p < 3) {
    build_replace(b, node, reduce_plane(b, p < 2 ? "ReduceL1" : "ReduceL2", x));
    return true;
  }
  Value *power = BUILD(b, "Pow", BUILD(b, "Abs", x), build_like(b, x, p));
  Value *sum = reduce_plane(b, "ReduceSum", power);
  build_replace(b, node, BUILD(b, "Pow", sum, build_like(b, x, 1 / p)));
  return true;
}

const OpDef op_GlobalLpPool = {
    .name = "GlobalLpPool",
    .domain = "",
    .params = (const OpParam[]){PARAM_INT("p", 2), {0}},
    .infer = infer_global_lp,
    .decompose = decompose_lp,
};
