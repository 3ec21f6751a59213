/* Numeric operators of ONNX Runtime that a few of ONNX's make. */
#include "onnxc_rt_reference.h"
#include "ops/check.h"
#include "ops/compose.h"
#include "ops/heads.h"

#include <math.h>
#include <string.h>

/* ---- CDist -------------------------------------------------------------------------------------
 */

static bool infer_cdist(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32) | DT(F64), 0, "A", 2, 2),
      INPUT_OF(DT(F32) | DT(F64), 1, "B", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *a = input_type(node, 0), *b = input_type(node, 1);
  if (!check_size(node, 1, 1, a->dims[1], "the number of columns of A")) return false;
  const char *metric = op_param_s(node, "metric");
  if (strcmp(metric, "euclidean") != 0 && strcmp(metric, "sqeuclidean") != 0) {
    return node_error(node, DIAG_UNSUPPORTED, "metric '%s' is not supported", metric);
  }
  infer_output(node, 0, a->dtype, 2, (const Dim *const[]){a->dims[0], b->dims[0]});
  return true;
}

/* The norm of each row of A less each row of B. */
static bool decompose_cdist(Builder *b, Node *node) {
  Value *x = node_in(node, 0), *y = node_in(node, 1);
  const Dim *one = dim_const(infer_dims(node), 1);
  const Dim *const rows[3] = {x->type.dims[0], one, x->type.dims[1]};
  Value *off = BUILD(b, "Sub", compose_reshape(b, x, rows, 3), y);
  bool square = strcmp(op_param_s(node, "metric"), "sqeuclidean") == 0;
  Value *inputs[2] = {off, build_ints(b, &(int64_t){2}, 1)};
  Node *norm = build_node(b, "", square ? "ReduceSumSquare" : "ReduceL2", inputs, 2, 1);
  node_set_int(norm, "keepdims", 0);
  build_replace(b, node, build_done(b, norm));
  return true;
}

const OpDef op_microsoft_CDist = {
    .name = "CDist",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_STRING("metric", "sqeuclidean"), {0}},
    .infer = infer_cdist,
    .decompose = decompose_cdist,
};

/* ---- Inverse -----------------------------------------------------------------------------------
 */

static bool infer_inverse(Node *node) {
  static const InputRule rules[] = {INPUT_OF(DT(F16) | DT(F32) | DT(F64), 0, "X", 2, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  const Dim *rows = x->dims[x->rank - 2];
  if (!check_size(node, 0, x->rank - 1, rows, "the number of rows")) return false;
  infer_output_type(node, 0, x);
  return true;
}

/* One matrix and the identity that becomes its inverse, of f64. */
static const Dim *inverse_scratch(const Node *node) {
  const Type *x = input_type(node, 0);
  const Dim *n = x->dims[x->rank - 1];
  return dim_mul_i(infer_dims(node), dim_mul(infer_dims(node), n, n), 16);
}

const OpDef op_microsoft_Inverse = {
    .name = "Inverse",
    .domain = "com.microsoft",
    .infer = infer_inverse,
    OP_KERNEL(onnxc_rt_ref_inverse),
    .scratch = inverse_scratch,
};

/* ---- IsAllFinite -------------------------------------------------------------------------------
 */

static bool infer_all_finite(Node *node) {
  bool fine = node->n_formal > 0;
  if (!fine) return node_error(node, DIAG_INVALID, "there must be an input");
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Type *type = infer_tensor(node, i);
    if (type == NULL) return false;
    if ((DTS_FLOAT >> type->dtype & 1) == 0) {
      return node_error(node, DIAG_INVALID, "input %u must be of floats", i);
    }
  }
  infer_output(node, 0, ONNXC_RT_BOOL, 0, NULL);
  return true;
}

/* The number of elements that are not a number, or not finite. */
static Value *count_of(Builder *b, const char *test, Value *x) {
  return compose_reduce_all(b, "ReduceSum", compose_cast(b, BUILD(b, test, x), ONNXC_RT_I64));
}

static bool decompose_all_finite(Builder *b, Node *node) {
  bool nan = op_param_i(node, "isinf_only") == 0, inf = op_param_i(node, "isnan_only") == 0;
  Value *count = build_i64(b, 0);
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *x = node_in(node, i);
    if (nan) count = BUILD(b, "Add", count, count_of(b, "IsNaN", x));
    if (inf) count = BUILD(b, "Add", count, count_of(b, "IsInf", x));
  }
  build_replace(b, node, BUILD(b, "Equal", count, build_i64(b, 0)));
  return true;
}

const OpDef op_microsoft_IsAllFinite = {
    .name = "IsAllFinite",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("isinf_only", 0), PARAM_INT("isnan_only", 0), {0}},
    .infer = infer_all_finite,
    .decompose = decompose_all_finite,
};

/* ---- ComplexMul, ComplexMulConj ----------------------------------------------------------------
 * Real and imaginary parts are the last axis. */

static bool infer_complex_mul(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F16) | DT(F32) | DT(F64), 0, "A", 1, MAX_RANK),
      INPUT_OF(DT(F16) | DT(F32) | DT(F64), 1, "B", 1, MAX_RANK),
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *types[2] = {input_type(node, 0), input_type(node, 1)};
  const Dim *dims[MAX_RANK], *two = dim_const(infer_dims(node), 2);
  int rank;
  for (uint32_t i = 0; i < 2; i++) {
    if (!check_size(node, i, types[i]->rank - 1, two, "the number of parts")) return false;
  }
  if (!infer_broadcast(node, types, 2, &rank, dims)) return false;
  infer_output(node, 0, types[0]->dtype, rank, dims);
  return true;
}

/* (a + bi)(c + di) = ac - bd + (ad + bc)i; the conjugate of the second has -d. */
static bool decompose_complex_mul(Builder *b, Node *node) {
  bool conjugate = strcmp(node->op->name, "ComplexMulConj") == 0;
  Value *x = node_in(node, 0), *y = node_in(node, 1);
  int last_x = x->type.rank - 1, last_y = y->type.rank - 1;
  Value *re_x = compose_slice(b, x, last_x, 0, 1, 1), *im_x = compose_slice(b, x, last_x, 1, 2, 1);
  Value *re_y = compose_slice(b, y, last_y, 0, 1, 1), *im_y = compose_slice(b, y, last_y, 1, 2, 1);
  if (conjugate) im_y = BUILD(b, "Neg", im_y);
  Value *re = BUILD(b, "Sub", BUILD(b, "Mul", re_x, re_y), BUILD(b, "Mul", im_x, im_y));
  Value *im = BUILD(b, "Add", BUILD(b, "Mul", re_x, im_y), BUILD(b, "Mul", im_x, re_y));
  build_replace(b, node, compose_concat(b, (Value *[]){re, im}, 2, re->type.rank - 1));
  return true;
}

#define COMPLEX_MUL(name_)                                                                         \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .infer = infer_complex_mul,                                                                  \
      .decompose = decompose_complex_mul,                                                          \
  }

COMPLEX_MUL(ComplexMul);
COMPLEX_MUL(ComplexMulConj);

/* ---- Rfft, Irfft -------------------------------------------------------------------------------
 * Of the last signal_ndim axes; in complex tensors the parts are one more axis behind. */

static bool is_inverse(const Node *node) {
  return strcmp(node->op->name, "Irfft") == 0;
}

static bool infer_rfft(Node *node) {
  static const InputRule rules[] = {INPUT_OF(DT(F16) | DT(F32) | DT(F64), 0, "X", 1, MAX_RANK - 1)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  DimTable *t = infer_dims(node);
  int axes = x->rank - is_inverse(node);
  if (!check_int(node, "onesided", 1, 1) || !check_int(node, "normalized", 0, 0) ||
      !check_int(node, "signal_ndim", 1, axes)) {
    return false;
  }
  const Dim *dims[MAX_RANK], *two = dim_const(t, 2), *last = x->dims[axes - 1];
  memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
  if (is_inverse(node)) {
    if (!check_size(node, 0, axes, two, "the number of parts")) return false;
    dims[axes - 1] = dim_mul_i(t, dim_add_i(t, last, -1), 2);
  } else {
    dims[axes - 1] = dim_add_i(t, dim_floordiv(t, last, two), 1);
    dims[axes] = two;
  }
  infer_output(node, 0, x->dtype, is_inverse(node) ? axes : axes + 1, dims);
  return true;
}

static Value *transform(Builder *b, Value *x, int axis, const Dim *length, bool inverse,
                        bool onesided) {
  Value *size = length == NULL ? NULL : compose_size(b, length);
  Node *dft = build_node(b, "", "DFT", (Value *[]){x, size, build_i64(b, axis)}, 3, 1);
  node_set_int(dft, "inverse", inverse);
  node_set_int(dft, "onesided", onesided);
  return build_done(b, dft);
}

static bool decompose_rfft(Builder *b, Node *node) {
  const Type *y = &node_out(node, 0)->type;
  const Dim *dims[MAX_RANK];
  Value *x = node_in(node, 0);
  int axes = is_inverse(node) ? y->rank : x->type.rank;
  int first = axes - (int)op_param_i(node, "signal_ndim");
  if (is_inverse(node)) {
    for (int i = first; i < axes - 1; i++) x = transform(b, x, i, NULL, true, false);
    x = transform(b, x, axes - 1, y->dims[axes - 1], true, true);
    build_replace(b, node, compose_reshape(b, x, y->dims, axes));
    return true;
  }
  memcpy(dims, x->type.dims, (size_t)axes * sizeof *dims);
  dims[axes] = dim_const(infer_dims(node), 1);
  x = transform(b, compose_reshape(b, x, dims, axes + 1), axes - 1, NULL, false, true);
  for (int i = first; i < axes - 1; i++) x = transform(b, x, i, NULL, false, false);
  build_replace(b, node, x);
  return true;
}

#define RFFT(name_, n_)                                                                            \
  const OpDef op_microsoft_##name_ = {                                                             \
      .name = #name_,                                                                              \
      .domain = "com.microsoft",                                                                   \
      .params =                                                                                    \
          (const OpParam[]){                                                                       \
              PARAM_INT("normalized", 0),                                                          \
              PARAM_INT("onesided", 1),                                                            \
              n_,                                                                                  \
              {0},                                                                                 \
          },                                                                                       \
      .infer = infer_rfft,                                                                         \
      .decompose = decompose_rfft,                                                                 \
  }

#define SIGNAL_AXES PARAM_INT("signal_ndim", 1)
#define SIGNAL_AXES_REQUIRED PARAM_REQUIRED("signal_ndim", ATTR_INT)

RFFT(Rfft, SIGNAL_AXES);
RFFT(Irfft, SIGNAL_AXES_REQUIRED);

/* ---- MurmurHash3 -------------------------------------------------------------------------------
 * MurmurHash3_x86_32 of each number's bytes, written with the operators on u32. */

static bool infer_murmur(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_INDEX | DT(U32) | DT(U64) | DT(F32) | DT(F64), 0, "X", 0, MAX_RANK)};
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0);
  bool positive = op_param_i(node, "positive") != 0;
  infer_output(node, 0, positive ? ONNXC_RT_U32 : ONNXC_RT_I32, x->rank, x->dims);
  return true;
}

static Value *shift(Builder *b, Value *x, int64_t bits, const char *direction) {
  Node *node = build_node(b, "", "BitShift", (Value *[]){x, build_like(b, x, (double)bits)}, 2, 1);
  node_set_string(node, "direction", direction);
  return build_done(b, node);
}

static Value *rotate(Builder *b, Value *x, int64_t bits) {
  return BUILD(b, "BitwiseOr", shift(b, x, bits, "LEFT"), shift(b, x, 32 - bits, "RIGHT"));
}

static Value *times(Builder *b, Value *x, uint32_t factor) {
  return BUILD(b, "Mul", x, build_like(b, x, (double)factor));
}

static Value *mixed_block(Builder *b, Value *hash, Value *block) {
  block = times(b, rotate(b, times(b, block, 0xcc9e2d51U), 15), 0x1b873593U);
  hash = times(b, rotate(b, BUILD(b, "BitwiseXor", hash, block), 13), 5);
  return BUILD(b, "Add", hash, build_like(b, hash, 0xe6546b64U));
}

/* x ^ x >> bits */
static Value *folded(Builder *b, Value *x, int64_t bits) {
  return BUILD(b, "BitwiseXor", x, shift(b, x, bits, "RIGHT"));
}

static Value *bit_cast(Builder *b, Value *x, DType dtype) {
  if (x->type.dtype == dtype) return x;
  Node *node = build_node(b, "", "BitCast", &x, 1, 1);
  node_set_int(node, "to", dtype);
  return build_done(b, node);
}

static bool decompose_murmur(Builder *b, Node *node) {
  Value *x = node_in(node, 0);
  bool wide = dtype_info(x->type.dtype)->bits == 64;
  Value *bits = bit_cast(b, x, wide ? ONNXC_RT_U64 : ONNXC_RT_U32);
  Value *low = compose_cast(b, bits, ONNXC_RT_U32);
  Value *hash = build_like(b, low, (double)(uint32_t)op_param_i(node, "seed"));
  hash = mixed_block(b, hash, low);
  if (wide) hash = mixed_block(b, hash, compose_cast(b, shift(b, bits, 32, "RIGHT"), ONNXC_RT_U32));
  hash = BUILD(b, "BitwiseXor", hash, build_like(b, hash, wide ? 8 : 4));
  hash = times(b, folded(b, hash, 16), 0x85ebca6bU);
  hash = folded(b, times(b, folded(b, hash, 13), 0xc2b2ae35U), 16);
  build_replace(b, node, bit_cast(b, hash, node_out(node, 0)->type.dtype));
  return true;
}

const OpDef op_microsoft_MurmurHash3 = {
    .name = "MurmurHash3",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_INT("positive", 1), PARAM_INT("seed", 0), {0}},
    .infer = infer_murmur,
    .decompose = decompose_murmur,
};

/* ---- NGramRepeatBlock --------------------------------------------------------------------------
 */

static bool infer_repeat_block(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(I64), 0, "input_ids", 2, 2),
      INPUT_OF(DTS_FLOAT, 0, "scores", 2, 2),
  };
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "ngram_size", 1, 64)) return false;
  const Type *scores = input_type(node, 1);
  if (!check_size(node, 1, 0, input_type(node, 0)->dims[0], "the batch")) return false;
  infer_output_type(node, 0, scores);
  return true;
}

/* Column `place` of the ids, [batch, 1]. */
static Value *column(Builder *b, Value *ids, const Dim *place) {
  Node *gather = build_node(b, "", "Gather", (Value *[]){ids, build_dims(b, &place, 1)}, 2, 1);
  node_set_int(gather, "axis", 1);
  return build_done(b, gather);
}

/* Columns start, start + 1, ..., n of them. */
static Value *columns(Builder *b, Value *ids, const Dim *start, const Dim *n) {
  const Dim *end = dim_add(b->graph->ctx->dims, start, n);
  return BUILD(b, "Slice", ids, build_dims(b, &start, 1), build_dims(b, &end, 1),
               build_ints(b, &(int64_t){1}, 1));
}

/* Where the n - 1 last tokens have come before, the token behind them gets minus infinity. */
static bool decompose_repeat_block(Builder *b, Node *node) {
  DimTable *t = infer_dims(node);
  int64_t n = op_param_i(node, "ngram_size");
  Value *ids = node_in(node, 0), *scores = node_in(node, 1), *same = NULL;
  const Dim *zero = dim_const(t, 0), *length = ids->type.dims[1];
  const Dim *places = dim_max(t, dim_add_i(t, length, 1 - n), zero);
  if (dim_is(places, 0)) {
    build_replace(b, node, scores);
    return true;
  }
  for (int64_t k = 0; k < n - 1; k++) {
    Value *last = column(b, ids, dim_max(t, dim_add_i(t, length, k + 1 - n), zero));
    Value *before = columns(b, ids, dim_const(t, k), places);
    same = heads_both(b, same, BUILD(b, "Equal", before, last));
  }
  Value *tokens = columns(b, ids, dim_const(t, n - 1), places);
  Value *barred = build_like(b, scores, -(double)INFINITY);
  if (same != NULL) {
    barred = BUILD(b, "Where", same, barred, build_like(b, scores, (double)INFINITY));
  }
  barred = BUILD(b, "Expand", barred, build_dims(b, tokens->type.dims, 2));
  Node *scatter = build_node(b, "", "ScatterElements", (Value *[]){scores, tokens, barred}, 3, 1);
  node_set_int(scatter, "axis", 1);
  node_set_string(scatter, "reduction", "min");
  build_replace(b, node, build_done(b, scatter));
  return true;
}

const OpDef op_microsoft_NGramRepeatBlock = {
    .name = "NGramRepeatBlock",
    .domain = "com.microsoft",
    .params = (const OpParam[]){PARAM_REQUIRED("ngram_size", ATTR_INT), {0}},
    .infer = infer_repeat_block,
    .decompose = decompose_repeat_block,
};
