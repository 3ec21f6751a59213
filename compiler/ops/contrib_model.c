/* Larger pieces of models that ONNX Runtime has as one operator. */
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"

#include <float.h>
#include <math.h>
#include <string.h>

static Value *reduced(Builder *b, const char *op, Value *x, int64_t axis) {
  Node *node = build_node(b, "", op, (Value *[]){x, build_ints(b, &axis, 1)}, 2, 1);
  node_set_int(node, "keepdims", 0);
  return build_done(b, node);
}

static Value *scaled(Builder *b, Value *x, double factor) {
  return BUILD(b, "Mul", x, build_like(b, x, factor));
}

static Value *plus(Builder *b, Value *x, double term) {
  return BUILD(b, "Add", x, build_like(b, x, term));
}

/* ---- RelativePositionBias ----------------------------------------------------------------------
 * A learned number for each head and bucket of distances, as in T5. */

static bool infer_relative_bias(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "bias_table", 2, 2),
      INPUT_OF(DT(I64), 0, "query_length", 0, 1),
      INPUT_OF(DT(I64), 0, "key_length", 0, 1),
  };
  int64_t buckets;
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "max_distance", 1, INT32_MAX)) return false;
  const Type *table = input_type(node, 0);
  const Dim *dims[4] = {dim_const(infer_dims(node), 1), table->dims[1]};
  for (uint32_t i = 1; i <= 2; i++) {
    uint32_t n;
    const Dim *const *length = infer_contents(node, i, &n);
    if (length == NULL || n != 1) {
      return node_error(node, DIAG_UNSUPPORTED,
                        "query_length and key_length must be constants or sizes");
    }
    dims[i + 1] = length[0];
  }
  if (!dim_is_const(table->dims[0], &buckets) || buckets < 4) {
    return node_error(node, DIAG_UNSUPPORTED, "the number of buckets must be constant, at least 4");
  }
  bool both = op_param_i(node, "is_bidirectional") != 0;
  if (op_param_i(node, "max_distance") <= buckets / (both ? 4 : 2)) {
    return node_error(node, DIAG_INVALID,
                      "max_distance must be over what single buckets hold, %lld",
                      (long long)buckets / (both ? 4 : 2));
  }
  infer_output(node, 0, table->dtype, 4, dims);
  return true;
}

/* Distances up to `exact` have a bucket each; larger ones share those that are left, `n` in all,
 * on a logarithmic scale up to the largest. */
static Value *bucket_of(Builder *b, const Node *node, Value *distance, int64_t n) {
  int64_t exact = n / 2;
  double ratio = (double)op_param_i(node, "max_distance") / (double)exact;
  Value *far = BUILD(b, "Max", distance, build_i64(b, 1));
  far = scaled(b, compose_cast(b, far, ONNXC_RT_F32), 1 / (double)exact);
  far = scaled(b, BUILD(b, "Log", far), (double)(n - exact) / log(ratio));
  far = BUILD(b, "Add", compose_cast(b, far, ONNXC_RT_I64), build_i64(b, exact));
  far = BUILD(b, "Min", far, build_i64(b, n - 1));
  return BUILD(b, "Where", BUILD(b, "Less", distance, build_i64(b, exact)), distance, far);
}

/* The table's elements lie head by head, whatever its shape says. */
static bool decompose_relative_bias(Builder *b, Node *node) {
  const Type *table = input_type(node, 0), *y = &node_out(node, 0)->type;
  int64_t buckets = table->dims[0]->lo;
  Value *off = BUILD(b, "Sub", heads_places(b, y->dims[3]), heads_column(b, y->dims[2])), *bucket;
  if (op_param_i(node, "is_bidirectional") != 0) {
    Value *later = BUILD(b, "Greater", off, build_i64(b, 0));
    Value *half = BUILD(b, "Where", later, build_i64(b, buckets / 2), build_i64(b, 0));
    bucket = BUILD(b, "Add", half, bucket_of(b, node, BUILD(b, "Abs", off), buckets / 2));
  } else {
    bucket = bucket_of(b, node, BUILD(b, "Max", BUILD(b, "Neg", off), build_i64(b, 0)), buckets);
  }
  const Dim *const heads[2] = {table->dims[1], table->dims[0]};
  Value *inputs[2] = {compose_reshape(b, node_in(node, 0), heads, 2), bucket};
  Node *gather = build_node(b, "", "Gather", inputs, 2, 1);
  node_set_int(gather, "axis", 1);
  build_replace(b, node, compose_reshape(b, build_done(b, gather), y->dims, 4));
  return true;
}

const OpDef op_microsoft_RelativePositionBias = {
    .name = "RelativePositionBias",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("is_bidirectional", 0),
            PARAM_REQUIRED("max_distance", ATTR_INT),
            {0},
        },
    .infer = infer_relative_bias,
    .decompose = decompose_relative_bias,
};

/* ---- GatedRelativePositionBias -----------------------------------------------------------------
 */

enum { QUERY, QUERY_BIAS, REL_POS, GATE_WEIGHT, GATE_BIAS, ECO_A, TOKEN_OFFSET };

static bool infer_gated_bias(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "query_layer", 3, 3),
      INPUT_OF(DTS_FLOAT, 1, "query_bias", 1, 1),
      INPUT_OF(DTS_FLOAT, 1, "rel_pos", 4, 4),
      INPUT_OF(DTS_FLOAT, 1, "weight", 2, 2),
      INPUT_OF(DTS_FLOAT, 1, "bias", 1, 1),
      INPUT_OF(DTS_FLOAT, 1, "eco_a", 4, 4),
      INPUT_OPTIONAL_OF(DT(I32), 0, "token_offset", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "num_heads", 1, INT32_MAX)) return false;
  if (node_in(node, TOKEN_OFFSET) != NULL) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "tokens without padding (token_offset) are not "
                      "supported");
  }
  const Type *q = input_type(node, QUERY), *weight = input_type(node, GATE_WEIGHT);
  DimTable *t = infer_dims(node);
  int64_t heads = op_param_i(node, "num_heads"), gates;
  if (!dim_is_const(weight->dims[1], &gates) || gates == 0 || gates % 2 != 0) {
    return node_error(node, DIAG_INVALID, "the columns of weight must be constant and even");
  }
  const Dim *one = dim_const(t, 1), *n = dim_const(t, heads), *length = q->dims[1];
  const Dim *width = dim_mul_i(t, weight->dims[0], heads);
  const Dim *square[4] = {one, n, length, length}, *eco[4] = {one, n, one, one};
  if (!check_size(node, QUERY, 2, width, "the heads together") ||
      !check_size(node, QUERY_BIAS, 0, width, "the heads together") ||
      !check_size(node, GATE_BIAS, 0, weight->dims[1], "the columns of weight") ||
      !check_sizes(node, REL_POS, 4, square, "[1, heads, length, length]") ||
      !check_sizes(node, ECO_A, 4, eco, "[1, heads, 1, 1]")) {
    return false;
  }
  const Dim *dims[4] = {q->dims[0], n, length, length};
  infer_output(node, 0, q->dtype, 4, dims);
  return true;
}

/* (u * (r * eco_a - 1) + 2) * rel_pos, u and r gates that each query computes from itself */
static bool decompose_gated_bias(Builder *b, Node *node) {
  DimTable *t = infer_dims(node);
  const Type *weight = input_type(node, GATE_WEIGHT);
  Value *q = BUILD(b, "Add", node_in(node, QUERY), node_in(node, QUERY_BIAS));
  q = heads_apart(b, q, op_param_i(node, "num_heads"), weight->dims[0]);
  Value *gates =
      BUILD(b, "Add", BUILD(b, "MatMul", q, node_in(node, GATE_WEIGHT)), node_in(node, GATE_BIAS));
  const Dim *const *d = gates->type.dims, *two = dim_const(t, 2);
  const Dim *const apart[5] = {d[0], d[1], d[2], two, dim_floordiv(t, d[3], two)};
  gates = BUILD(b, "Sigmoid", reduced(b, "ReduceSum", compose_reshape(b, gates, apart, 5), 4));
  Value *u = compose_slice(b, gates, 3, 0, 1, 1), *r = compose_slice(b, gates, 3, 1, 2, 1);
  Value *inner = plus(b, BUILD(b, "Mul", r, node_in(node, ECO_A)), -1);
  Value *gate = plus(b, BUILD(b, "Mul", u, inner), 2);
  build_replace(b, node, BUILD(b, "Mul", gate, node_in(node, REL_POS)));
  return true;
}

const OpDef op_microsoft_GatedRelativePositionBias = {
    .name = "GatedRelativePositionBias",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_REQUIRED("num_heads", ATTR_INT), {0}},
    .infer = infer_gated_bias,
    .decompose = decompose_gated_bias,
};

/* ---- WordConvEmbedding -------------------------------------------------------------------------
 */

static bool infer_word_conv(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(I32), 0, "Sequence", 2, 2),
      INPUT_OF(DT(F32), 0, "W", 4, 4),
      INPUT_OF(DT(F32), 0, "B", 1, 1),
      INPUT_OF(DT(F32), 0, "C", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *words = input_type(node, 0), *w = input_type(node, 1), *c = input_type(node, 3);
  const Dim *shape[4] = {w->dims[0], dim_const(infer_dims(node), 1), w->dims[2], c->dims[1]};
  if (!check_sizes(node, 1, 4, shape, "[filters, 1, window, size of a character]")) return false;
  if (!check_size(node, 2, 0, w->dims[0], "the number of filters")) return false;
  if (!dim_is_const(w->dims[2], NULL) || words->dims[1]->hi < w->dims[2]->lo) {
    return node_error(node, DIAG_INVALID, "the window must be constant and within a word");
  }
  infer_output(node, 0, ONNXC_RT_F32, 2, (const Dim *const[]){words->dims[0], w->dims[0]});
  return true;
}

/* The largest tanh(convolution) over as many characters of each word as there are numbers above 0
 * in it, or over a window where that is more. A word whose first number is not above 0 gives 0. */
static bool decompose_word_conv(Builder *b, Node *node) {
  DimTable *t = infer_dims(node);
  Value *words = node_in(node, 0), *w = node_in(node, 1);
  const Dim *one = dim_const(t, 1), *window = w->type.dims[2];
  Value *letters = BUILD(b, "Gather", node_in(node, 3), words);
  const Dim *const image[4] = {words->type.dims[0], one, words->type.dims[1],
                               letters->type.dims[2]};
  Value *y = BUILD(b, "Conv", compose_reshape(b, letters, image, 4), w, node_in(node, 2));
  const Dim *const *d = y->type.dims; /* [words, filters, places, 1] */
  y = compose_reshape(b, BUILD(b, "Tanh", y), d, 3);
  Value *there = BUILD(b, "Greater", words, build_like(b, words, 0));
  Value *length =
      compose_reduce(b, "ReduceSum", compose_cast(b, there, ONNXC_RT_I64), &(int64_t){1}, 1);
  const Dim *const each[3] = {words->type.dims[0], one, one};
  Value *last =
      BUILD(b, "Sub", BUILD(b, "Max", length, compose_size(b, window)), compose_size(b, window));
  Value *inside = BUILD(b, "LessOrEqual", heads_places(b, d[2]), compose_reshape(b, last, each, 3));
  y = reduced(b, "ReduceMax", BUILD(b, "Where", inside, y, build_like(b, y, -2)), 2);
  Value *some = compose_slice(b, there, 1, 0, 1, 1);
  build_replace(b, node, BUILD(b, "Where", some, y, build_like(b, y, 0)));
  return true;
}

const OpDef op_microsoft_WordConvEmbedding = {
    .name = "WordConvEmbedding",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("char_embedding_size", 0), /* these repeat what the shapes say */
            PARAM_INT("conv_window_size", 0),
            PARAM_INT("embedding_size", 0),
            {0},
        },
    .infer = infer_word_conv,
    .decompose = decompose_word_conv,
};

/* ---- CropAndResize -----------------------------------------------------------------------------
 */

static bool infer_crop(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F16) | DT(F32) | DT(F64), 0, "X", 4, 4),
      INPUT_OF(DT(F16) | DT(F32) | DT(F64), 1, "rois", 2, 2),
      INPUT_OF(DT(I32), 0, "batch_indices", 1, 1),
      INPUT_OF(DT(I32), 0, "crop_size", 1, 1),
  };
  int64_t size[2];
  uint32_t n;
  if (!CHECK_INPUTS(node, rules) || !check_choice(node, "mode", "bilinear nearest")) return false;
  const Type *x = input_type(node, 0), *rois = input_type(node, 1);
  const Dim *four = dim_const(infer_dims(node), 4);
  if (!check_size(node, 1, 1, four, "the number of corners")) return false;
  if (!check_size(node, 2, 0, rois->dims[0], "the number of rois")) return false;
  if (!infer_constant_ints(node, 3, size, 2, &n)) {
    return node_error(node, DIAG_UNSUPPORTED, "input crop_size must be constant");
  }
  if (n != 2 || size[0] < 1 || size[1] < 1) {
    return node_error(node, DIAG_INVALID, "crop_size must be two numbers above 0");
  }
  const Dim *dims[4] = {rois->dims[0], x->dims[1], dim_const(infer_dims(node), size[0]),
                        dim_const(infer_dims(node), size[1])};
  infer_output(node, 0, x->dtype, 4, dims);
  return true;
}

/* For each roi the coordinates of `n` points from one side to the other, 0 to 1 being the image;
 * of a single point the middle. [rois, n] */
static Value *points(Builder *b, Value *rois, int side, int64_t n) {
  Value *from = compose_slice(b, rois, 1, side, side + 1, 1);
  Value *to = compose_slice(b, rois, 1, side + 2, side + 3, 1);
  if (n == 1) return scaled(b, BUILD(b, "Add", from, to), 0.5);
  Value *steps =
      compose_cast(b, heads_places(b, dim_const(b->graph->ctx->dims, n)), rois->type.dtype);
  Value *step = scaled(b, BUILD(b, "Sub", to, from), 1 / (double)(n - 1));
  return BUILD(b, "Add", from, BUILD(b, "Mul", step, steps));
}

/* Whether points are in an image of that size; in one of size 1 all of them are. */
static Value *within(Builder *b, Value *x, const Dim *size) {
  const Dim *last = dim_add_i(b->graph->ctx->dims, size, -1);
  Value *most = compose_cast(b, compose_size(b, last), x->type.dtype);
  Value *pixel = BUILD(b, "Mul", x, most);
  return BUILD(b, "And", BUILD(b, "GreaterOrEqual", pixel, build_like(b, pixel, 0)),
               BUILD(b, "LessOrEqual", pixel, most));
}

static bool decompose_crop(Builder *b, Node *node) {
  const Type *y = &node_out(node, 0)->type;
  int64_t high = y->dims[2]->lo, wide = y->dims[3]->lo;
  const Dim *one = dim_const(infer_dims(node), 1);
  const Dim *const column[4] = {y->dims[0], y->dims[2], one, one};
  const Dim *const row[4] = {y->dims[0], one, y->dims[3], one};
  const Dim *const places[4] = {y->dims[0], y->dims[2], y->dims[3], one};
  const Dim *const mask[4] = {y->dims[0], one, y->dims[2], y->dims[3]};
  Value *images = BUILD(b, "Gather", node_in(node, 0), node_in(node, 2));
  Value *down = compose_reshape(b, points(b, node_in(node, 1), 0, high), column, 4);
  Value *along = compose_reshape(b, points(b, node_in(node, 1), 1, wide), row, 4);
  Value *inside = BUILD(b, "And", within(b, down, images->type.dims[2]),
                        within(b, along, images->type.dims[3]));
  Value *shape = build_dims(b, places, 4);
  Value *grid[2] = {BUILD(b, "Expand", along, shape), BUILD(b, "Expand", down, shape)};
  Value *samples[2] = {images, plus(b, scaled(b, compose_concat(b, grid, 2, 3), 2), -1)};
  Node *sample = build_node(b, "", "GridSample", samples, 2, 1);
  bool nearest = strcmp(op_param_s(node, "mode"), "nearest") == 0;
  node_set_int(sample, "align_corners", 1);
  node_set_string(sample, "mode", nearest ? "nearest" : "linear");
  node_set_string(sample, "padding_mode", "border");
  Value *crops = build_done(b, sample);
  Value *other = build_like(b, crops, (double)op_param_f(node, "extrapolation_value"));
  build_replace(b, node, BUILD(b, "Where", compose_reshape(b, inside, mask, 4), crops, other));
  return true;
}

const OpDef op_microsoft_CropAndResize = {
    .name = "CropAndResize",
    .domain = "com.microsoft",
    .shape_inputs = 1 << 3,
    .params =
        (const OpParam[]){
            PARAM_FLOAT("extrapolation_value", 0),
            PARAM_STRING("mode", "bilinear"),
            {0},
        },
    .infer = infer_crop,
    .decompose = decompose_crop,
};

/* ---- MoE ---------------------------------------------------------------------------------------
 * Every token goes through k of the experts, which a router rates. Here it goes through all of
 * them, as batched products, and those not chosen have the weight 0. */

enum { TOKENS, ROUTER, FC1, FC1_BIAS, FC2, FC2_BIAS, FC3, FC3_BIAS };
enum { SEPARATE, INTERLEAVED, SIDE_BY_SIDE }; /* attribute swiglu_fusion */

typedef struct Experts {
  const Dim *tokens, *hidden;
  int64_t experts, inner;
  bool gated; /* the activation is of one half and multiplies another */
} Experts;

static bool activation_is(const Node *node, const char *name) {
  return strcmp(op_param_s(node, "activation_type"), name) == 0;
}

static bool read_experts(const Node *node, Experts *e) {
  const Type *x = input_type(node, TOKENS), *fc1 = input_type(node, FC1);
  DimTable *t = infer_dims(node);
  int64_t rows;
  e->tokens = dim_product(t, x->dims, x->rank - 1);
  e->hidden = x->dims[x->rank - 1];
  bool glu = activation_is(node, "swiglu") || activation_is(node, "geglu");
  bool fused = glu && op_param_i(node, "swiglu_fusion") != SEPARATE;
  e->gated = glu || node_in(node, FC3) != NULL;
  if (!dim_is_const(fc1->dims[0], &e->experts) || !dim_is_const(fc1->dims[1], &rows)) {
    return node_error(node, DIAG_UNSUPPORTED, "the sizes of the experts must be constant");
  }
  e->inner = fused ? rows / 2 : rows;
  bool fits = fused ? rows % 2 == 0 && node_in(node, FC3) == NULL
                    : !glu || (node_in(node, FC3) != NULL && activation_is(node, "swiglu"));
  if (fits) return true;
  return node_error(node, DIAG_INVALID,
                    "the gate and what it multiplies must be in fc1_experts_weights or, without "
                    "swiglu_fusion, in fc1_experts_weights and fc3_experts_weights");
}

static bool check_experts(const Node *node, const Experts *e) {
  DimTable *t = infer_dims(node);
  const Dim *n = dim_const(t, e->experts), *inner = dim_const(t, e->inner);
  const Dim *rows = input_type(node, FC1)->dims[1];
  const Dim *const router[2] = {e->tokens, n};
  const Dim *const fc1[3] = {n, rows, e->hidden}, *const fc2[3] = {n, e->hidden, inner};
  const Dim *const fc3[3] = {n, inner, e->hidden};
  const Dim *const *const weights[] = {fc1, fc2, fc3};
  if (!check_sizes(node, ROUTER, 2, router, "[tokens, experts]")) return false;
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t input = FC1 + 2 * i;
    if (node_in(node, input) != NULL &&
        !check_sizes(node, input, 3, weights[i], "[experts, outputs, inputs]")) {
      return false;
    }
    if (node_in(node, input + 1) != NULL &&
        !check_sizes(node, input + 1, 2, weights[i], "[experts, outputs]")) {
      return false;
    }
  }
  return check_int(node, "k", 1, e->experts);
}

static bool infer_moe(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "input", 2, 3),
      INPUT_OF(DTS_FLOAT, 1, "router_probs", 2, 2),
      INPUT_OF(DTS_FLOAT, 1, "fc1_experts_weights", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "fc1_experts_bias", 2, 2),
      INPUT_OF(DTS_FLOAT, 1, "fc2_experts_weights", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "fc2_experts_bias", 2, 2),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "fc3_experts_weights", 3, 3),
      INPUT_OPTIONAL_OF(DTS_FLOAT, 1, "fc3_experts_bias", 2, 2),
  };
  Experts e;
  if (!CHECK_INPUTS(node, rules) ||
      !check_choice(node, "activation_type", "relu relu2 gelu silu identity swiglu geglu") ||
      !check_int(node, "swiglu_fusion", SEPARATE, SIDE_BY_SIDE) || !read_experts(node, &e) ||
      !check_experts(node, &e)) {
    return false;
  }
  if (op_param_i(node, "use_sparse_mixer") != 0) {
    return node_error(node, DIAG_UNSUPPORTED, "use_sparse_mixer is not supported");
  }
  infer_output_type(node, 0, input_type(node, TOKENS));
  return true;
}

/* The weight of each expert for each token, [experts, tokens, 1]. */
static Value *routing(Builder *b, const Node *node, const Experts *e) {
  DimTable *t = infer_dims(node);
  Value *rates = compose_softmax(b, node_in(node, ROUTER), 1);
  int64_t k = op_param_i(node, "k");
  Node *top = build_node(b, "", "TopK", (Value *[]){rates, build_ints(b, &k, 1)}, 2, 2);
  Value *best = build_done(b, top);
  if (op_param_i(node, "normalize_routing_weights") != 0) {
    best = BUILD(b, "Div", best, compose_reduce(b, "ReduceSum", best, &(int64_t){1}, 1));
  }
  Value *none = BUILD(b, "Expand", build_like(b, best, 0), build_dims(b, rates->type.dims, 2));
  Node *scatter =
      build_node(b, "", "ScatterElements", (Value *[]){none, node_out(top, 1), best}, 3, 1);
  node_set_int(scatter, "axis", 1);
  Value *weights = compose_transpose(b, build_done(b, scatter), (const int64_t[]){1, 0});
  const Dim *const dims[3] = {dim_const(t, e->experts), e->tokens, dim_const(t, 1)};
  return compose_reshape(b, weights, dims, 3);
}

/* x @ weights^T + bias for each expert. */
static Value *layer(Builder *b, const Node *node, uint32_t weights, Value *x) {
  const Dim *one = dim_const(infer_dims(node), 1);
  Value *w = compose_transpose(b, node_in(node, weights), (const int64_t[]){0, 2, 1});
  Value *y = BUILD(b, "MatMul", x, w), *bias = node_in(node, weights + 1);
  if (bias == NULL) return y;
  const Dim *const row[3] = {bias->type.dims[0], one, bias->type.dims[1]};
  return BUILD(b, "Add", y, compose_reshape(b, bias, row, 3));
}

static Value *tanh_gelu(Builder *b, Value *x) {
  Node *gelu = build_node(b, "", "Gelu", &x, 1, 1);
  node_set_string(gelu, "approximate", "tanh");
  return build_done(b, gelu);
}

static Value *activated(Builder *b, const Node *node, Value *x) {
  if (activation_is(node, "identity")) return x;
  if (activation_is(node, "gelu") || activation_is(node, "geglu")) return tanh_gelu(b, x);
  if (activation_is(node, "silu")) return BUILD(b, "Mul", x, BUILD(b, "Sigmoid", x));
  x = BUILD(b, "Relu", x);
  return activation_is(node, "relu") ? x : BUILD(b, "Mul", x, x);
}

/* G * sigmoid(alpha * G) * (L + beta), G and L clipped at the limit */
static Value *swiglu(Builder *b, const Node *node, Value *gate, Value *linear) {
  const Attr *given = op_param_list(node, "swiglu_limit");
  if (given != NULL) {
    Value *limit = build_like(b, gate, (double)given->f);
    gate = BUILD(b, "Min", gate, limit);
    linear = BUILD(b, "Clip", linear, build_like(b, gate, -(double)given->f), limit);
  }
  Value *sigmoid =
      BUILD(b, "Sigmoid", scaled(b, gate, (double)op_param_f(node, "activation_alpha")));
  linear = plus(b, linear, (double)op_param_f(node, "activation_beta"));
  return BUILD(b, "Mul", BUILD(b, "Mul", gate, sigmoid), linear);
}

/* What the second layer takes, of all experts. */
static Value *inner_layer(Builder *b, const Node *node, const Experts *e, Value *x) {
  Value *gate = layer(b, node, FC1, x), *linear = NULL;
  if (node_in(node, FC3) != NULL) {
    linear = layer(b, node, FC3, x);
  } else if (e->gated) {
    bool mixed = op_param_i(node, "swiglu_fusion") == INTERLEAVED;
    Value *both = gate;
    gate = compose_slice(b, both, 2, 0, mixed ? 2 * e->inner : e->inner, mixed ? 2 : 1);
    linear = compose_slice(b, both, 2, mixed ? 1 : e->inner, 2 * e->inner, mixed ? 2 : 1);
  }
  if (activation_is(node, "swiglu")) return swiglu(b, node, gate, linear);
  Value *y = activated(b, node, gate);
  return linear == NULL ? y : BUILD(b, "Mul", y, linear);
}

static bool decompose_moe(Builder *b, Node *node) {
  Experts e;
  if (!read_experts(node, &e)) return false;
  Value *x = node_in(node, TOKENS);
  const Dim *const rows[3] = {dim_const(infer_dims(node), 1), e.tokens, e.hidden};
  Value *inner = inner_layer(b, node, &e, compose_reshape(b, x, rows, 3));
  Value *y = BUILD(b, "Mul", layer(b, node, FC2, inner), routing(b, node, &e));
  build_replace(b, node,
                compose_reshape(b, reduced(b, "ReduceSum", y, 0), x->type.dims, x->type.rank));
  return true;
}

const OpDef op_microsoft_MoE = {
    .name = "MoE",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_FLOAT("activation_alpha", 1),
            PARAM_FLOAT("activation_beta", 0),
            PARAM_STRING("activation_type", "relu"),
            PARAM_INT("k", 1),
            PARAM_INT("normalize_routing_weights", 0),
            PARAM_INT("swiglu_fusion", SEPARATE),
            PARAM_OPTIONAL("swiglu_limit", ATTR_FLOAT),
            PARAM_INT("use_sparse_mixer", 0),
            {0},
        },
    .infer = infer_moe,
    .decompose = decompose_moe,
};
