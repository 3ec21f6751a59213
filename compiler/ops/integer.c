/* Products of quantised operands. The integer forms are contractions of their own; the others
 * are those with a scale behind. */
#include "lower/lower.h"
#include "onnxc.h"
#include "onnxc_rt_kernels.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/conv.h"
#include "ops/layout.h"
#include "ops/matmul.h"
#include "ops/window.h"

#include <string.h>

/* ---- zero points and scales --------------------------------------------------------------------
 */

/* A scale or zero point `i` of matrix `of`: one number, or one for each of its rows (columns). */
static bool check_per_line(const Node *node, uint32_t i, uint32_t of, bool rows) {
  const Type *own = input_type(node, i), *matrix = input_type(node, of);
  if (own == NULL || is_number(own)) return true;
  int line = rows ? matrix->rank - 2 : matrix->rank - 1;
  if (line < 0) return check_sizes(node, i, 0, NULL, "that of a vector");
  if (own->rank < 2) return check_size(node, i, 0, matrix->dims[line], "the number of lines");
  const Dim *sizes[MAX_RANK];
  for (int k = 0; k < matrix->rank; k++) sizes[k] = matrix->dims[k];
  sizes[rows ? matrix->rank - 1 : matrix->rank - 2] = dim_const(infer_dims(node), 1);
  return check_sizes(node, i, matrix->rank, sizes, "one for each line of the matrix");
}

static bool check_per_filter(const Node *node, uint32_t i, uint32_t w) {
  const Type *type = input_type(node, i);
  if (type == NULL || is_number(type)) return true;
  return check_sizes(node, i, 1, input_type(node, w)->dims, "one for each filter");
}

/* ---- MatMulInteger -----------------------------------------------------------------------------
 */

static bool infer_matmul_integer(Node *node) {
  static const InputRule rules[] = {
      INPUT("A", 1, MAX_RANK),
      INPUT("B", 1, MAX_RANK),
      INPUT_OPTIONAL("a_zero_point", 0, MAX_RANK),
      INPUT_OPTIONAL("b_zero_point", 0, MAX_RANK),
  };
  return CHECK_INPUTS(node, rules) && check_per_line(node, 2, 0, true) &&
         check_per_line(node, 3, 1, false) && matmul_infer(node, 0, 1, ONNXC_RT_I32);
}

static const Dim *matmul_integer_macs(const Node *node) {
  return matmul_macs(node, 0);
}

/* Where zero points are, when they are there. */
static void lower_zeros(Lowering *l, const Node *node, Operand zeros[2]) {
  for (uint32_t i = 0; i < 2; i++) {
    Value *zero = node_in(node, 2 + i);
    if (zero != NULL) zeros[i] = lower_dense(l, zero);
  }
}

/* The kernel knows zero points of rows and columns, but none that change with the batch. */
static bool has_matmul_kernel(const Node *node) {
  const Type *a = input_type(node, 0), *a_zero = input_type(node, 2);
  const Type *b = input_type(node, 1), *b_zero = input_type(node, 3);
  bool rows = a_zero == NULL || is_number(a_zero) || a->rank == 2;
  return rows && (b_zero == NULL || b_zero->rank < 2 || b->rank == 2);
}

static bool lower_matmul_integer(Lowering *l, Node *node) {
  Operand zeros[2] = {{0}, {0}};
  if (!has_matmul_kernel(node)) return false;
  ProductViews views = lower_product_views(l, node, 0, 1);
  lower_zeros(l, node, zeros);
  lower_byte_product(l, &views, zeros, node_in(node, 1), node_out(node, 0));
  return true;
}

const OpDef op_MatMulInteger = {
    .name = "MatMulInteger",
    .domain = "",
    .infer = infer_matmul_integer,
    OP_KERNEL(onnxc_rt_ref_matmul_integer),
    .lower = lower_matmul_integer,
    .takes_epilogue = has_matmul_kernel,
    .macs = matmul_integer_macs,
};

/* ---- ConvInteger -------------------------------------------------------------------------------
 */

static bool infer_conv_integer(Node *node) {
  static const InputRule rules[] = {
      INPUT("x", 3, MAX_RANK),
      INPUT("w", 3, MAX_RANK),
      INPUT_OPTIONAL("x_zero_point", 0, 1),
      INPUT_OPTIONAL("w_zero_point", 0, 1),
  };
  return CHECK_INPUTS(node, rules) && check_number(node, 2) && check_per_filter(node, 3, 1) &&
         conv_infer(node, 0, 1, ONNXC_RT_I32);
}

static const Dim *conv_integer_macs(const Node *node) {
  return conv_macs(node, 1);
}

/* The kernel knows up to three spatial axes, and constant filters unless each has one channel. */
static bool is_depthwise(const Node *node) {
  return dim_is(input_type(node, 0)->dims[1], op_param_i(node, "group"));
}

static bool has_conv_kernel(const Node *node) {
  bool filters = node_in(node, 1)->constant != NULL || is_depthwise(node);
  return filters && input_type(node, 0)->rank <= 2 + SPATIAL;
}

/* The sizes at their largest, for the scratch. */
static onnxc_rt_conv_bytes largest_conv(const Node *node, const Geometry *g) {
  const Type *x = input_type(node, 0), *y = &node_out(node, 0)->type;
  onnxc_rt_conv_bytes conv = {.batch = (ptrdiff_t)x->dims[0]->hi,
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
  return conv;
}

/* A wide strip takes less time, but what it gathers shall take little memory beside the input and
 * the output, and stay in the cache. With -Os it has what is free anyway. */
static ptrdiff_t choose_strip(const Options *options, const onnxc_rt_conv_bytes *conv) {
  enum { CACHED = 1 << 16, SHARE = 4, SMALL = 1 }; /* bytes; a part of the others; positions */
  if (options->level == ONNXC_LEVEL_SMALL) return SMALL;
  if (conv->in_channels == conv->groups) return ONNXC_RT_DEPTHWISE_STRIP;
  double outputs = 1, inputs = 1;
  for (int k = 0; k < SPATIAL; k++) {
    outputs *= (double)conv->out[k];
    inputs *= (double)conv->in[k];
  }
  double memory = (inputs * (double)conv->in_channels + outputs * (double)conv->out_channels);
  ptrdiff_t strip = ONNXC_RT_PANEL;
  onnxc_rt_conv_bytes wider = *conv;
  while (strip < ONNXC_RT_DOT_COLUMNS && (double)strip < outputs) {
    wider.strip = strip + ONNXC_RT_PANEL;
    ptrdiff_t bytes = onnxc_rt_conv_i8_scratch(&wider);
    if (bytes > CACHED || (double)bytes > memory / SHARE) break;
    strip = wider.strip;
  }
  return strip;
}

static void offer_strips(Lowering *l, Step *step, const onnxc_rt_conv_bytes *conv) {
  static const ptrdiff_t strips[] = {2, 4, 8, 16, 32, 48, 64, 128};
  bool depthwise = conv->in_channels == conv->groups;
  onnxc_rt_conv_bytes wider = *conv;
  for (size_t i = 0; i < sizeof strips / sizeof *strips; i++) {
    wider.strip = strips[i];
    if (wider.strip <= conv->strip || (!depthwise && wider.strip > ONNXC_RT_DOT_COLUMNS)) continue;
    kernel_room(l, step, "strip", wider.strip, (size_t)onnxc_rt_conv_i8_scratch(&wider));
  }
}

/* The filters as the kernel reads them. */
static void pack_filters(Lowering *l, Step *step, const Value *w) {
  Arena *arena = lower_context(l)->arena;
  size_t filters = (size_t)w->constant->dims[0], channels = (size_t)w->constant->dims[1];
  size_t k = filters == 0 ? 0 : w->constant->count / filters;
  size_t bytes = onnxc_rt_conv_packed_bytes(filters, k);
  uint8_t *packed = ARENA_ARRAY(arena, bytes, uint8_t);
  uint32_t *sums = ARENA_ARRAY(arena, filters, uint32_t);
  onnxc_rt_conv_pack(w->constant->data, (ptrdiff_t)filters, (ptrdiff_t)channels,
                     (ptrdiff_t)(channels == 0 ? 0 : k / channels),
                     w->type.dtype == ONNXC_RT_I8 ? 0 : 0x80, packed, sums);
  kernel_input(l, step, "packed", lower_weight(l, w->name, ONNXC_RT_U8, bytes, packed));
  kernel_input(l, step, "w_sums", lower_weight(l, w->name, ONNXC_RT_U32, filters, sums));
}

static void add_filters(Lowering *l, Step *step, Node *node, Operand w, Operand zero) {
  if (is_depthwise(node))
    kernel_input(l, step, "w", w);
  else
    pack_filters(l, step, node_in(node, 1));
  kernel_int(l, step, "w_signed", node_in(node, 1)->type.dtype == ONNXC_RT_I8);
  if (zero.buffer == NULL) return;
  kernel_input(l, step, "w_zero", zero);
  kernel_int(l, step, "w_zero_stride", !is_number(input_type(node, 3)));
}

/* Whether results may be stored over the input, where they need no more room: the kernel computes a
 * strip of positions from all channels there before it stores any, or a depthwise one some rows of
 * a channel, whose input it has read before, as far as the results reach into it. */
static bool may_overwrite(const Node *node, const Geometry *g) {
  bool depthwise = is_depthwise(node);
  if (!depthwise && op_param_i(node, "group") != 1) return false;
  for (int k = 0; k < SPATIAL; k++) {
    if (depthwise && k == 0 && !dim_is(g->in[k], 1)) return false;
    bool point = dim_is(g->kernel[k], 1) && dim_is(g->stride[k], 1) && dim_is(g->pad[k], 0);
    if (!depthwise && (!point || g->in[k] != g->out[k])) return false;
    if (depthwise && g->pad[k]->hi > (g->kernel[k]->lo - 1) * g->dilation[k]->lo) return false;
    if (depthwise && !dim_le(infer_dims(node), g->out[k], g->in[k])) return false;
  }
  return true;
}

/* Offers the input's memory to what the epilogue stores, each of bytes. More channels than the
 * input has would lie over the next image. */
static void offer_input(Lowering *l, Step *step, const Node *node, Buffer *input) {
  Context *ctx = lower_context(l);
  const Type *x = input_type(node, 0), *y = &node_out(node, 0)->type;
  bool grows = !dim_le(ctx->dims, y->dims[1], x->dims[1]), alone = step->in_place.len == 0;
  if (grows && (is_depthwise(node) || !dim_is(x->dims[0], 1) || !alone)) return;
  if (grows && step->kernel.epilogue->stores.len != 1) return;
  VEC_EACH(const RowStore, store, &step->kernel.epilogue->stores) {
    const Operand *to = &step->kernel.epilogue->operands.data[store->operand];
    bool bytes = dtype_info(to->dtype)->bits == 8 && to->buffer->count == type_count(ctx, y);
    bool planned = to->buffer->place == BUFFER_ARENA && input->place == BUFFER_ARENA;
    if (!bytes || !planned) continue;
    vec_push(ctx->arena, &step->in_place, (InPlace){to->buffer, input, grows});
  }
}

static bool reads_again(const Step *step, const Buffer *input) {
  VEC_EACH(const Operand, operand, &step->kernel.epilogue->operands) {
    if (operand->buffer == input) return true;
  }
  return false;
}

static bool lower_conv_integer(Lowering *l, Node *node) {
  Value *y = node_out(node, 0);
  Operand zeros[2] = {{0}, {0}}, w = {0};
  Geometry g;
  if (!has_conv_kernel(node) || !window_kernel(node, input_type(node, 1), &g)) return false;
  const Dim *apart = NULL;
  Operand x;
  if (!lower_planes(l, node_in(node, 0), &x, &apart)) x = lower_dense(l, node_in(node, 0));
  if (is_depthwise(node)) w = lower_dense(l, node_in(node, 1));
  lower_zeros(l, node, zeros);
  onnxc_rt_conv_bytes largest = largest_conv(node, &g);
  largest.strip = choose_strip(lower_context(l)->options, &largest);
  Step *step = lower_kernel(l, STEP_CONTRACTION, "onnxc_rt_conv_i8", "onnxc_rt_conv_bytes");
  kernel_dim(l, step, "batch", y->type.dims[0]);
  kernel_int(l, step, "groups", op_param_i(node, "group"));
  kernel_dim(l, step, "in_channels", input_type(node, 0)->dims[1]);
  kernel_dim(l, step, "out_channels", y->type.dims[1]);
  window_fields(l, step, &g);
  kernel_input(l, step, "x", x);
  if (apart != NULL) kernel_dim(l, step, "x_plane", apart);
  kernel_int(l, step, "x_signed", node_in(node, 0)->type.dtype == ONNXC_RT_I8);
  if (zeros[0].buffer != NULL) kernel_input(l, step, "x_zero", zeros[0]);
  add_filters(l, step, node, w, zeros[1]);
  kernel_int(l, step, "strip", largest.strip);
  kernel_scratch(l, step, "scratch",
                 dim_const(infer_dims(node), (int64_t)onnxc_rt_conv_i8_scratch(&largest)));
  if (lower_context(l)->options->level == ONNXC_LEVEL_SMALL) offer_strips(l, step, &largest);
  if (!kernel_epilogue(l, step, y, 2)) {
    kernel_output(l, step, "y", lower_output(l, y));
  } else if (may_overwrite(node, &g) && apart == NULL && x.offset == NULL &&
             !reads_again(step, x.buffer)) {
    offer_input(l, step, node, x.buffer);
  }
  return true;
}

static const OpParam conv_params[] = {WINDOW_PARAMS, PARAM_INT("group", 1), {0}};

/* A zero point for each filter, where all are one number, is one for all: not every tool knows
 * more. */
static bool standard_conv_integer(Builder *b, Node *node) {
  Value *zeros = node_in(node, 3);
  const Tensor *each = zeros == NULL ? NULL : zeros->constant;
  if (each == NULL || each->count < 2) return false;
  for (size_t i = 1; i < each->count; i++) {
    if (tensor_i64(each, i) != tensor_i64(each, 0)) return false;
  }
  node_set_input(node, 3, build_like(b, zeros, (double)tensor_i64(each, 0)));
  return false;
}

const OpDef op_ConvInteger = {
    .name = "ConvInteger",
    .domain = "",
    .params = conv_params,
    .infer = infer_conv_integer,
    OP_KERNEL(onnxc_rt_ref_conv_integer),
    .lower = lower_conv_integer,
    .takes_epilogue = has_conv_kernel,
    .standard = standard_conv_integer,
    .macs = conv_integer_macs,
};

/* ---- QLinearMatMul -----------------------------------------------------------------------------
 */

/* The inputs of both QLinear products. */
enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO, BIAS };

static bool check_scales(const Node *node) {
  return check_scale(node, A_SCALE) && check_scale(node, B_SCALE) && check_scale(node, Y_SCALE);
}

/* A vector with one element for each index of axis `axis` of `rank`, so that it broadcasts. */
static Value *along(Builder *b, Value *x, int axis, int rank) {
  if (is_number(&x->type)) return compose_scalar(b, x);
  if (x->type.rank != 1 || axis == rank - 1) return x;
  const Dim *dims[MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i == axis ? x->type.dims[0] : dim_const(b->graph->ctx->dims, 1);
  }
  return compose_reshape(b, x, dims, rank);
}

/* sum * (scale / y_scale), rounded and quantised; the scale broadcasts to the sum. */
static Value *requantize(Builder *b, Value *sum, Value *scale, Value *y_scale, Value *y_zero) {
  y_scale = compose_cast(b, y_scale, ONNXC_RT_F32);
  scale = BUILD(b, "Div", scale, along(b, y_scale, 0, 1));
  Value *y = BUILD(b, "Mul", compose_cast(b, sum, ONNXC_RT_F32), scale);
  return BUILD(b, "QuantizeLinear", y, build_f32(b, 1), along(b, y_zero, 0, 1));
}

static bool infer_qlinear_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT("a", 1, MAX_RANK),
      INPUT("a_scale", 0, MAX_RANK),
      INPUT("a_zero_point", 0, MAX_RANK),
      INPUT("b", 1, MAX_RANK),
      INPUT("b_scale", 0, MAX_RANK),
      INPUT("b_zero_point", 0, MAX_RANK),
      INPUT("y_scale", 0, MAX_RANK),
      INPUT("y_zero_point", 0, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  for (uint32_t i = A_SCALE; i <= A_ZERO; i++) {
    if (!check_per_line(node, i, A, true) || !check_per_line(node, i + B, B, false)) return false;
  }
  return check_number(node, Y_SCALE) && check_number(node, Y_ZERO) && check_scales(node) &&
         matmul_infer(node, A, B, input_type(node, Y_ZERO)->dtype);
}

/* Floating-point types of 8 bits have no integer product. */
static Value *float_product(Builder *b, const Node *node) {
  Value *one = build_f32(b, 1);
  Value *x = BUILD(b, "DequantizeLinear", node_in(node, A), one);
  return BUILD(b, "MatMul", x, BUILD(b, "DequantizeLinear", node_in(node, B), one));
}

/* Zero points may be absent. */
static Value *integer_product(Builder *b, Value *x, Value *y, Value *x_zero, Value *y_zero) {
  Value *inputs[4] = {x, y, x_zero, y_zero};
  return build(b, "MatMulInteger", inputs, y_zero != NULL ? 4 : x_zero != NULL ? 3 : 2);
}

static bool decompose_qlinear_matmul(Builder *b, Node *node) {
  bool is_float = dtype_is_float(input_type(node, A)->dtype);
  Value *sum = is_float ? float_product(b, node)
                        : integer_product(b, node_in(node, A), node_in(node, B),
                                          node_in(node, A_ZERO), node_in(node, B_ZERO));
  int rank = input_type(node, A)->rank;
  Value *a_scale = compose_cast(b, node_in(node, A_SCALE), ONNXC_RT_F32);
  Value *b_scale = compose_cast(b, node_in(node, B_SCALE), ONNXC_RT_F32);
  Value *scale = BUILD(b, "Mul", along(b, a_scale, rank - 2, rank), along(b, b_scale, 0, 1));
  sum = requantize(b, sum, scale, node_in(node, Y_SCALE), node_in(node, Y_ZERO));
  build_replace(b, node, sum);
  return true;
}

static const Dim *qlinear_matmul_macs(const Node *node) {
  return matmul_macs(node, A);
}

const OpDef op_QLinearMatMul = {
    .name = "QLinearMatMul",
    .domain = "",
    .infer = infer_qlinear_matmul,
    .decompose = decompose_qlinear_matmul,
    .macs = qlinear_matmul_macs,
};

/* ---- QLinearConv -------------------------------------------------------------------------------
 */

/* The parameters behind inputs that are checked. */
static bool check_qlinear_conv(const Node *node) {
  static const uint32_t scalars[] = {A_SCALE, A_ZERO, Y_SCALE, Y_ZERO};
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    if (!check_number(node, scalars[i])) return false;
  }
  if (!check_per_filter(node, B_SCALE, B) || !check_per_filter(node, B_ZERO, B)) return false;
  if (node_in(node, BIAS) != NULL &&
      !check_size(node, BIAS, 0, input_type(node, B)->dims[0], "the number of filters")) {
    return false;
  }
  return check_scales(node);
}

static bool infer_qlinear_conv(Node *node) {
  static const InputRule rules[] = {
      INPUT("x", 3, MAX_RANK), INPUT("x_scale", 0, 1),      INPUT("x_zero_point", 0, 1),
      INPUT("w", 3, MAX_RANK), INPUT("w_scale", 0, 1),      INPUT("w_zero_point", 0, 1),
      INPUT("y_scale", 0, 1),  INPUT("y_zero_point", 0, 1), INPUT_OPTIONAL("B", 1, 1),
  };
  return CHECK_INPUTS(node, rules) && check_qlinear_conv(node) &&
         conv_infer(node, A, B, input_type(node, Y_ZERO)->dtype);
}

static bool decompose_qlinear_conv(Builder *b, Node *node) {
  Value *inputs[4] = {node_in(node, A), node_in(node, B), node_in(node, A_ZERO),
                      node_in(node, B_ZERO)};
  int rank = inputs[0]->type.rank;
  Node *conv = build_node(b, "", "ConvInteger", inputs, 4, 1);
  node_copy_attrs(conv, node);
  Value *sum = build_done(b, conv);
  if (node_in(node, BIAS) != NULL) {
    sum = BUILD(b, "Add", sum, along(b, node_in(node, BIAS), 1, rank));
  }
  Value *w_scale = along(b, node_in(node, B_SCALE), 1, rank);
  Value *scale = BUILD(b, "Mul", along(b, node_in(node, A_SCALE), 1, rank), w_scale);
  sum = requantize(b, sum, scale, node_in(node, Y_SCALE), node_in(node, Y_ZERO));
  build_replace(b, node, sum);
  return true;
}

static const Dim *qlinear_conv_macs(const Node *node) {
  return conv_macs(node, B);
}

const OpDef op_QLinearConv = {
    .name = "QLinearConv",
    .domain = "",
    .params = conv_params,
    .infer = infer_qlinear_conv,
    .decompose = decompose_qlinear_conv,
    .macs = qlinear_conv_macs,
};

/* ---- QLinearConv of ONNX Runtime ---------------------------------------------------------------
 * The same, for data that may have channels last. */

static bool channels_last(const Node *node) {
  return op_param_i(node, "channels_last") != 0;
}

static bool infer_microsoft_conv(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_BYTE, 0, "x", 3, MAX_RANK),     INPUT_OF(DT(F32), 0, "x_scale", 0, 1),
      INPUT_OF(DTS_BYTE, 1, "x_zero_point", 0, 1), INPUT_OF(DTS_BYTE, 0, "w", 3, MAX_RANK),
      INPUT_OF(DT(F32), 0, "w_scale", 0, 1),       INPUT_OF(DTS_BYTE, 4, "w_zero_point", 0, 1),
      INPUT_OF(DT(F32), 0, "y_scale", 0, 1),       INPUT_OF(DTS_BYTE, 0, "y_zero_point", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "B", 1, 1),
  };
  if (!CHECK_INPUTS(node, rules) || !check_qlinear_conv(node)) return false;
  const Type *given = input_type(node, A), *w = input_type(node, B);
  Type x = channels_last(node) ? layout_second(node, given) : *given;
  const Dim *dims[MAX_RANK];
  if (!conv_dims(node, A, channels_last(node) ? x.rank - 1 : 1, &x, w, dims)) return false;
  Type y = type_tensor(node->graph->ctx, input_type(node, Y_ZERO)->dtype, x.rank, dims);
  if (channels_last(node)) y = layout_last(node, &y);
  infer_output_type(node, 0, &y);
  return true;
}

static bool decompose_microsoft_conv(Builder *b, Node *node) {
  Value *inputs[BIAS + 1];
  for (uint32_t i = 0; i <= BIAS; i++) inputs[i] = node_in(node, i);
  if (channels_last(node)) inputs[A] = layout_to_second(b, inputs[A]);
  Node *conv = build_node(b, "", "QLinearConv", inputs, inputs[BIAS] == NULL ? BIAS : BIAS + 1, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (strcmp(node->attrs[i].name, "channels_last") != 0) node_set_attr(conv, node->attrs[i]);
  }
  Value *y = build_done(b, conv);
  build_replace(b, node, channels_last(node) ? layout_to_last(b, y) : y);
  return true;
}

const OpDef op_microsoft_QLinearConv = {
    .name = "QLinearConv",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){WINDOW_PARAMS, PARAM_INT("group", 1), PARAM_INT("channels_last", 0), {0}},
    .infer = infer_microsoft_conv,
    .decompose = decompose_microsoft_conv,
    .macs = qlinear_conv_macs,
};

/* ---- MatMulInteger16 ---------------------------------------------------------------------------
 */

static bool infer_matmul_integer16(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(I16), 0, "A", 1, MAX_RANK),
      INPUT_OF(DT(I16), 0, "B", 1, MAX_RANK),
  };
  return CHECK_INPUTS(node, rules) && matmul_infer(node, 0, 1, ONNXC_RT_I32);
}

const OpDef op_microsoft_MatMulInteger16 = {
    .name = "MatMulInteger16",
    .domain = "com.microsoft",
    .infer = infer_matmul_integer16,
    OP_KERNEL(onnxc_rt_ref_matmul_integer),
    .macs = matmul_integer_macs,
};

/* ---- MatMulIntegerToFloat, DynamicQuantizeMatMul -----------------------------------------------
 */

/* sum * scale + bias, in f32; the bias may be absent. */
static void give_float(Builder *b, Node *node, Value *sum, Value *scale, Value *bias) {
  Value *y = BUILD(b, "Mul", compose_cast(b, sum, ONNXC_RT_F32), scale);
  build_replace(b, node, bias == NULL ? y : BUILD(b, "Add", y, bias));
}

static bool check_bias(const Node *node, uint32_t i) {
  const Type *y = &node_out(node, 0)->type;
  return check_broadcasts_to(node, i, y->rank, y->dims);
}

static bool infer_matmul_to_float(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_BYTE, 0, "A", 1, MAX_RANK),
      INPUT_OF(DTS_BYTE, 0, "B", 1, MAX_RANK),
      INPUT_OF(DT(F32), 0, "a_scale", 0, 1),
      INPUT_OF(DT(F32), 0, "b_scale", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_BYTE, 1, "a_zero_point", 0, 1),
      INPUT_OPTIONAL_OF(DTS_BYTE, 2, "b_zero_point", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DT(F32), 0, "bias", 1, 1),
  };
  return CHECK_INPUTS(node, rules) && check_number(node, 2) && check_number(node, 4) &&
         check_scale(node, 2) && check_scale(node, 3) && check_per_line(node, 3, 1, false) &&
         check_per_line(node, 5, 1, false) && matmul_infer(node, 0, 1, ONNXC_RT_F32) &&
         check_bias(node, 6);
}

static bool decompose_matmul_to_float(Builder *b, Node *node) {
  Value *sum =
      integer_product(b, node_in(node, 0), node_in(node, 1), node_in(node, 4), node_in(node, 5));
  Value *scale =
      BUILD(b, "Mul", compose_scalar(b, node_in(node, 2)), along(b, node_in(node, 3), 0, 1));
  give_float(b, node, sum, scale, node_in(node, 6));
  return true;
}

const OpDef op_microsoft_MatMulIntegerToFloat = {
    .name = "MatMulIntegerToFloat",
    .domain = "com.microsoft",
    .infer = infer_matmul_to_float,
    .decompose = decompose_matmul_to_float,
    .macs = matmul_integer_macs,
};

static bool infer_dynamic_matmul(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32), 0, "A", 1, MAX_RANK),
      INPUT_OF(DTS_BYTE, 0, "B", 1, MAX_RANK),
      INPUT_OF(DT(F32), 0, "b_scale", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DTS_BYTE, 2, "b_zero_point", 0, MAX_RANK),
      INPUT_OPTIONAL_OF(DT(F32), 0, "bias", 1, 1),
  };
  return CHECK_INPUTS(node, rules) && check_scale(node, 2) && check_per_line(node, 2, 1, false) &&
         check_per_line(node, 3, 1, false) && matmul_infer(node, 0, 1, ONNXC_RT_F32) &&
         check_bias(node, 4);
}

static bool decompose_dynamic_matmul(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  Node *quantize = build_node(b, "", "DynamicQuantizeLinear", &x, 1, 3);
  build_done(b, quantize);
  Value *sum = integer_product(b, node_out(quantize, 0), node_in(node, 1), node_out(quantize, 2),
                               node_in(node, 3));
  Value *scale = BUILD(b, "Mul", node_out(quantize, 1), along(b, node_in(node, 2), 0, 1));
  give_float(b, node, sum, scale, node_in(node, 4));
  return true;
}

const OpDef op_microsoft_DynamicQuantizeMatMul = {
    .name = "DynamicQuantizeMatMul",
    .domain = "com.microsoft",
    .infer = infer_dynamic_matmul,
    .decompose = decompose_dynamic_matmul,
    .macs = matmul_integer_macs,
};

/* ---- QGemm -------------------------------------------------------------------------------------
 */

/* Its inputs from the bias on; those in front of it are as above. */
enum { GEMM_C = 6, GEMM_Y_SCALE, GEMM_Y_ZERO };

/* The parameters behind inputs that are checked; `columns` of B. */
static bool check_qgemm(const Node *node, const Dim *columns) {
  static const uint32_t scalars[] = {A_SCALE, A_ZERO, GEMM_Y_SCALE, GEMM_Y_ZERO};
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
    if (!check_number(node, scalars[i])) return false;
  }
  for (uint32_t i = B_SCALE; i <= B_ZERO; i++) {
    bool one = is_number(input_type(node, i));
    if (!one && !check_size(node, i, 0, columns, "the number of columns")) return false;
  }
  if (node_in(node, GEMM_Y_ZERO) != NULL && node_in(node, GEMM_Y_SCALE) == NULL) {
    return node_error(node, DIAG_INVALID, "y_zero_point is there, but y_scale is not");
  }
  return check_scale(node, A_SCALE) && check_scale(node, B_SCALE) &&
         check_scale(node, GEMM_Y_SCALE);
}

static bool infer_qgemm(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_BYTE, 0, "A", 2, 2),
      INPUT_OF(DT(F32), 0, "a_scale", 0, 1),
      INPUT_OF(DTS_BYTE, 1, "a_zero_point", 0, 1),
      INPUT_OF(DTS_BYTE, 0, "B", 2, 2),
      INPUT_OF(DT(F32), 0, "b_scale", 0, 1),
      INPUT_OF(DTS_BYTE, 4, "b_zero_point", 0, 1),
      INPUT_OPTIONAL_OF(DT(I32), 0, "C", 0, 2),
      INPUT_OPTIONAL_OF(DT(F32), 0, "y_scale", 0, 1),
      INPUT_OPTIONAL_OF(DTS_BYTE, 0, "y_zero_point", 0, 1),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *a = input_type(node, A), *b = input_type(node, B);
  const Type *y_zero = input_type(node, GEMM_Y_ZERO);
  int ta = op_param_i(node, "transA") != 0, tb = op_param_i(node, "transB") != 0;
  const Dim *dims[2] = {a->dims[ta], b->dims[!tb]};
  if (!check_size(node, B, tb, a->dims[!ta], "the inner size of A")) return false;
  if (!check_qgemm(node, dims[1]) || !check_broadcasts_to(node, GEMM_C, 2, dims)) return false;
  infer_output(node, 0, y_zero == NULL ? ONNXC_RT_F32 : y_zero->dtype, 2, dims);
  return true;
}

static Value *transposed(Builder *b, const Node *node, uint32_t i, const char *attr) {
  Value *x = node_in(node, i);
  return op_param_i(node, attr) == 0 ? x : BUILD(b, "Transpose", x);
}

static bool decompose_qgemm(Builder *b, Node *node) {
  Value *x = transposed(b, node, A, "transA"), *y = transposed(b, node, B, "transB");
  Value *sum = integer_product(b, x, y, node_in(node, A_ZERO), node_in(node, B_ZERO));
  Value *bias = node_in(node, GEMM_C);
  Value *y_scale = node_in(node, GEMM_Y_SCALE), *y_zero = node_in(node, GEMM_Y_ZERO);
  if (bias != NULL) sum = BUILD(b, "Add", sum, bias);
  Value *scale = BUILD(b, "Mul", build_f32(b, op_param_f(node, "alpha")),
                       compose_scalar(b, node_in(node, A_SCALE)));
  scale = BUILD(b, "Mul", scale, along(b, node_in(node, B_SCALE), 0, 1));
  if (y_zero != NULL) {
    build_replace(b, node, requantize(b, sum, scale, y_scale, y_zero));
    return true;
  }
  if (y_scale != NULL) scale = BUILD(b, "Div", scale, compose_scalar(b, y_scale));
  give_float(b, node, sum, scale, NULL);
  return true;
}

static const Dim *qgemm_macs(const Node *node) {
  const Type *a = input_type(node, A);
  Context *ctx = node->graph->ctx;
  const Dim *depth = a->dims[op_param_i(node, "transA") == 0];
  return dim_mul(ctx->dims, type_count(ctx, &node_out(node, 0)->type), depth);
}

const OpDef op_microsoft_QGemm = {
    .name = "QGemm",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("alpha", 1), PARAM_INT("transA", 0), PARAM_INT("transB", 0), {0}},
    .infer = infer_qgemm,
    .decompose = decompose_qgemm,
    .macs = qgemm_macs,
};
