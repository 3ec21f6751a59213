/* ai.onnx.ml operators on features: all of them are a few operators of ONNX's own. */
#include "ops/ml.h"

#include <math.h>

static const InputRule one_input[] = {INPUT("X", 1, MAX_RANK)};

/* ---- ArrayFeatureExtractor ---------------------------------------------------------------------
 * Z[..., k] is X[..., Y[k]]; a vector counts as a matrix of one row. */

static bool extractor_infer(Node *node) {
  static const InputRule rules[] = {INPUT("X", 1, MAX_RANK), INPUT("Y", 0, MAX_RANK)};
  const Dim *dims[MAX_RANK];
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  if (!check_indices(node, 1, x->dims[x->rank - 1])) return false;
  int rank = x->rank == 1 ? 2 : x->rank;
  dims[0] = dim_const(infer_dims(node), 1);
  for (int i = 0; i < x->rank - 1; i++) dims[i] = x->dims[i];
  dims[rank - 1] = type_count(node->graph->ctx, input_type(node, 1));
  infer_output(node, 0, x->dtype, rank, dims);
  return true;
}

static bool extractor_decompose(Builder *b, Node *node) {
  const Type *z = &node->out[0]->type;
  Value *indexes = compose_reshape(b, node_in(node, 1), &z->dims[z->rank - 1], 1);
  Node *gather = build_node(b, "", "Gather", (Value *[]){node_in(node, 0), indexes}, 2, 1);
  node_set_int(gather, "axis", -1);
  build_replace(b, node, compose_reshape(b, build_done(b, gather), z->dims, z->rank));
  return true;
}

const OpDef op_ArrayFeatureExtractor = {
    .name = "ArrayFeatureExtractor",
    .domain = ML_DOMAIN,
    .infer = extractor_infer,
    .decompose = extractor_decompose,
};

/* ---- Binarizer ---------------------------------------------------------------------------------
 */

static bool binarizer_infer(Node *node) {
  if (!CHECK_INPUTS(node, one_input)) return false;
  infer_output_type(node, 0, input_type(node, 0));
  return true;
}

/* X > threshold ? 1 : 0; integers are compared in double, as the threshold is no integer. */
static bool binarizer_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  DType dtype = x->type.dtype;
  if (!dtype_is_float(dtype)) x = compose_cast(b, x, ONNXC_RT_F64);
  Value *threshold = build_like(b, x, (double)op_param_f(node, "threshold"));
  build_replace(b, node, compose_cast(b, BUILD(b, "Greater", x, threshold), dtype));
  return true;
}

const OpDef op_Binarizer = {
    .name = "Binarizer",
    .domain = ML_DOMAIN,
    .params = (const OpParam[]){PARAM_FLOAT("threshold", 0), {0}},
    .infer = binarizer_infer,
    .decompose = binarizer_decompose,
};

/* ---- FeatureVectorizer -------------------------------------------------------------------------
 * The features of all inputs behind one another. inputdimensions says how many of each input:
 * more are cut off, fewer are filled up with 0. */

/* Input `i` as a matrix: its rows and how many features they have. */
static void vectorizer_sizes(const Node *node, uint32_t i, const Dim **rows, const Dim **features) {
  const Type *x = input_type(node, i);
  int first = x->rank == 1 ? 0 : 1;
  *rows = first == 0 ? dim_const(infer_dims(node), 1) : x->dims[0];
  *features = dim_product(infer_dims(node), x->dims + first, x->rank - first);
}

/* How many features input `i` gives. */
static const Dim *vectorizer_width(const Node *node, uint32_t i) {
  const Attr *widths = op_param_list(node, "inputdimensions");
  const Dim *rows, *features;
  if (widths != NULL && widths->count != 0) return dim_const(infer_dims(node), widths->ints[i]);
  vectorizer_sizes(node, i, &rows, &features);
  return features;
}

static bool vectorizer_check(const Node *node) {
  const Attr *widths = op_param_list(node, "inputdimensions");
  if (!ml_check_count(node, "inputdimensions", node->n_formal, true)) return false;
  for (size_t i = 0; widths != NULL && i < widths->count; i++) {
    if (widths->ints[i] < 0 || widths->ints[i] > INT32_MAX) {
      return node_error(node, DIAG_INVALID, "inputdimensions[%zu] is no size", i);
    }
  }
  return true;
}

static bool vectorizer_infer(Node *node) {
  const Dim *rows = NULL, *total = dim_const(infer_dims(node), 0);
  if (!vectorizer_check(node)) return false;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Dim *own, *features;
    const Type *x = infer_tensor(node, i);
    if (x == NULL) return false;
    if (x->rank < 1) return node_error(node, DIAG_INVALID, "input %u is a scalar", i);
    vectorizer_sizes(node, i, &own, &features);
    rows = rows == NULL ? own : infer_equal(node, "rows of the inputs", rows, own);
    if (rows == NULL) return false;
    total = dim_add(infer_dims(node), total, vectorizer_width(node, i));
  }
  infer_output(node, 0, ONNXC_RT_F32, 2, (const Dim *[]){rows, total});
  return true;
}

/* A matrix with `width` columns: cut off, or filled up with 0. */
static Value *fit(Builder *b, Value *x, const Dim *width) {
  DimTable *t = b->graph->ctx->dims;
  if (x->type.dims[1] == width) return x;
  const Dim *kept = dim_min(t, x->type.dims[1], width), *zero = dim_const(t, 0);
  const Dim *pads[] = {zero, zero, zero, dim_sub(t, width, kept)};
  x = BUILD(b, "Slice", x, build_ints(b, &(int64_t){0}, 1), build_dims(b, &kept, 1),
            build_ints(b, &(int64_t){1}, 1));
  return dim_is(pads[3], 0) ? x : BUILD(b, "Pad", x, build_dims(b, pads, 4));
}

static bool vectorizer_decompose(Builder *b, Node *node) {
  Value **parts = ARENA_ARRAY(b->graph->ctx->arena, node->n_formal, Value *);
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Dim *dims[2];
    vectorizer_sizes(node, i, &dims[0], &dims[1]);
    Value *x = compose_cast(b, compose_reshape(b, node_in(node, i), dims, 2), ONNXC_RT_F32);
    parts[i] = fit(b, x, vectorizer_width(node, i));
  }
  build_replace(b, node, compose_concat(b, parts, node->n_formal, 1));
  return true;
}

const OpDef op_FeatureVectorizer = {
    .name = "FeatureVectorizer",
    .domain = ML_DOMAIN,
    .params = (const OpParam[]){PARAM_OPTIONAL("inputdimensions", ATTR_INTS), {0}},
    .infer = vectorizer_infer,
    .decompose = vectorizer_decompose,
};

/* ---- Imputer, Scaler ---------------------------------------------------------------------------
 * One number for all features, or one for each. */

/* A list of one element, or of one for each feature of a vector or matrix. */
static bool check_per_feature(const Node *node, const char *name) {
  const Attr *list = op_param_list(node, name);
  const Type *x = input_type(node, 0);
  if (list == NULL || list->count <= 1) return true;
  if (x->rank > 2) {
    return node_error(node, DIAG_UNSUPPORTED,
                      "attribute %s is one for each feature, but input 0 "
                      "has rank %d",
                      name, x->rank);
  }
  const Dim *count = dim_const(infer_dims(node), (int64_t)list->count);
  return infer_equal(node, "features and the elements of an attribute", x->dims[x->rank - 1],
                     count) != NULL;
}

/* Such a list in the type of `x`. */
static Value *per_feature(Builder *b, const Node *node, const char *name, Value *x) {
  Value *list = ml_list(b, node, name);
  if (list->constant->count == 1) list = compose_scalar(b, list);
  return compose_cast(b, list, x->type.dtype);
}

static const char *imputed_list(const Node *node) {
  bool is_float = dtype_is_float(input_type(node, 0)->dtype);
  return is_float ? "imputed_value_floats" : "imputed_value_int64s";
}

static bool imputer_infer(Node *node) {
  if (!CHECK_INPUTS(node, one_input)) return false;
  const Attr *values = op_param_list(node, imputed_list(node));
  if (values == NULL || values->count == 0) {
    return node_error(node, DIAG_INVALID, "attribute %s is missing", imputed_list(node));
  }
  if (!check_per_feature(node, imputed_list(node))) return false;
  infer_output_type(node, 0, input_type(node, 0));
  return true;
}

/* Which elements are to be replaced. */
static Value *is_missing(Builder *b, const Node *node, Value *x) {
  float number = op_param_f(node, "replaced_value_float");
  if (!dtype_is_float(x->type.dtype)) {
    Value *wide = compose_cast(b, x, ONNXC_RT_I64);
    return BUILD(b, "Equal", wide, build_i64(b, op_param_i(node, "replaced_value_int64")));
  }
  if (isnan(number)) return BUILD(b, "IsNaN", x);
  return BUILD(b, "Equal", x, build_like(b, x, (double)number));
}

static bool imputer_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0), *values = per_feature(b, node, imputed_list(node), x);
  build_replace(b, node, BUILD(b, "Where", is_missing(b, node, x), values, x));
  return true;
}

const OpDef op_Imputer = {
    .name = "Imputer",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("imputed_value_floats", ATTR_FLOATS),
            PARAM_OPTIONAL("imputed_value_int64s", ATTR_INTS),
            PARAM_FLOAT("replaced_value_float", 0),
            PARAM_INT("replaced_value_int64", 0),
            {0},
        },
    .infer = imputer_infer,
    .decompose = imputer_decompose,
};

static bool scaler_infer(Node *node) {
  if (!CHECK_INPUTS(node, one_input)) return false;
  if (!check_per_feature(node, "offset") || !check_per_feature(node, "scale")) return false;
  const Type *x = input_type(node, 0);
  infer_output(node, 0, ONNXC_RT_F32, x->rank, x->dims);
  return true;
}

/* (X - offset) * scale, in double for doubles. */
static bool scaler_decompose(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  if (x->type.dtype != ONNXC_RT_F64) x = compose_cast(b, x, ONNXC_RT_F32);
  static const struct { const char *op, *attr; } steps[] = {{"Sub", "offset"}, {"Mul", "scale"}};
  for (int i = 0; i < 2; i++) {
    const Attr *list = op_param_list(node, steps[i].attr);
    if (list == NULL || list->count == 0) continue;
    x = BUILD(b, steps[i].op, x, per_feature(b, node, steps[i].attr, x));
  }
  build_replace(b, node, compose_cast(b, x, ONNXC_RT_F32));
  return true;
}

const OpDef op_Scaler = {
    .name = "Scaler",
    .domain = ML_DOMAIN,
    .params = (const OpParam[]){PARAM_OPTIONAL("offset", ATTR_FLOATS),
                                PARAM_OPTIONAL("scale", ATTR_FLOATS),
                                {0}},
    .infer = scaler_infer,
    .decompose = scaler_decompose,
};

/* ---- Normalizer --------------------------------------------------------------------------------
 * Each row divided by its norm; where that is 0 it stays. MAX is the largest element, not its
 * magnitude. */

static bool normalizer_infer(Node *node) {
  const Dim *rows, *features;
  if (!ml_rows(node, &rows, &features) || !check_choice(node, "norm", "MAX L1 L2")) return false;
  const Type *x = input_type(node, 0);
  infer_output(node, 0, ONNXC_RT_F32, x->rank, x->dims);
  return true;
}

static bool normalizer_decompose(Builder *b, Node *node) {
  const char *norm = op_param_s(node, "norm");
  const int64_t axis = input_type(node, 0)->rank - 1;
  Value *x = compose_cast(b, node_in(node, 0), ONNXC_RT_F32), *y;
  if (*norm == 'L') {
    Node *lp = build_node(b, "", "LpNormalization", &x, 1, 1);
    node_set_int(lp, "axis", axis);
    node_set_int(lp, "p", norm[1] - '0');
    y = build_done(b, lp);
  } else {
    Value *most = compose_reduce(b, "ReduceMax", x, &axis, 1);
    Value *none = BUILD(b, "Equal", most, build_like(b, x, 0));
    y = BUILD(b, "Div", x, BUILD(b, "Where", none, build_like(b, x, 1), most));
  }
  build_replace(b, node, y);
  return true;
}

const OpDef op_Normalizer = {
    .name = "Normalizer",
    .domain = ML_DOMAIN,
    .params = (const OpParam[]){PARAM_STRING("norm", "MAX"), {0}},
    .infer = normalizer_infer,
    .decompose = normalizer_decompose,
};
