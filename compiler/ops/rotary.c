/* RotaryEmbedding: pairs of elements of a head turned by an angle that depends on the place. */
#include "ops/check.h"
#include "ops/compose.h"

enum { X, COS, SIN, PLACES };

typedef struct Sizes {
  const Dim *batch, *length;
  int64_t heads, size, turned; /* of one head, and how much of it is turned */
  bool packed;                 /* the heads lie side by side in the last of three axes */
} Sizes;

/* ---- inference ---------------------------------------------------------------------------------
 */

static bool read_sizes(const Node *node, Sizes *s) {
  const Type *x = input_type(node, X);
  int64_t last;
  s->packed = x->rank == 3;
  s->batch = x->dims[0];
  s->length = x->dims[s->packed ? 1 : 2];
  s->heads = 1;
  if (s->packed) {
    if (!check_int(node, "num_heads", 1, INT32_MAX)) return false;
    s->heads = op_param_i(node, "num_heads");
  }
  if (!dim_is_const(x->dims[x->rank - 1], &last) || last % s->heads != 0) {
    return node_error(node, DIAG_INVALID,
                      "the last axis of X must be constant, and divided by "
                      "num_heads");
  }
  s->size = last / s->heads;
  s->turned = op_param_i(node, "rotary_embedding_dim");
  if (s->turned == 0) s->turned = s->size;
  if (s->turned > 0 && s->turned <= s->size && s->turned % 2 == 0) return true;
  return node_error(node, DIAG_INVALID,
                    "rotary_embedding_dim must be even, above 0 and at most the head size %lld",
                    (long long)s->size);
}

/* A row of the caches for each place: by position_ids, or already gathered. */
static bool check_caches(const Node *node, const Sizes *s) {
  DimTable *t = infer_dims(node);
  const Dim *half = dim_const(t, s->turned / 2), *places[2] = {s->batch, s->length};
  bool by_id = node_in(node, PLACES) != NULL;
  for (uint32_t i = COS; i <= SIN; i++) {
    const Dim *rows = by_id ? input_type(node, COS)->dims[0] : s->batch;
    const Dim *cache[3] = {rows, by_id ? half : s->length, half};
    const char *meaning =
        by_id ? "[places, half the turned size]" : "[batch, length, half the turned size]";
    if (!check_sizes(node, i, by_id ? 2 : 3, cache, meaning)) return false;
  }
  return !by_id || check_sizes(node, PLACES, 2, places, "[batch, length]");
}

static bool infer_rotary(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 3, 4),
      INPUT("cos_cache", 2, 3),
      INPUT("sin_cache", 2, 3),
      INPUT_OPTIONAL("position_ids", 2, 2),
  };
  Sizes s;
  if (!CHECK_INPUTS(node, rules) || !read_sizes(node, &s) || !check_caches(node, &s)) return false;
  infer_output_type(node, 0, input_type(node, X));
  return true;
}

/* ---- decomposition -----------------------------------------------------------------------------
 */

/* A cache as [batch, 1, length, half], or with the 1 behind the length where heads are packed. */
static Value *cache_rows(Builder *b, const Node *node, const Sizes *s, uint32_t i) {
  DimTable *t = infer_dims(node);
  Value *cache = node_in(node, i);
  if (node_in(node, PLACES) != NULL) {
    cache = BUILD(b, "Gather", cache, node_in(node, PLACES));
  }
  const Dim *one = dim_const(t, 1), *half = dim_const(t, s->turned / 2);
  const Dim *dims[4] = {s->batch, s->packed ? s->length : one, s->packed ? one : s->length, half};
  return compose_reshape(b, cache, dims, 4);
}

/* The two members of each pair, put together again in the same order. */
static Value *join(Builder *b, const Sizes *s, Value *x, Value *y, bool interleaved) {
  if (!interleaved) return compose_concat(b, (Value *[]){x, y}, 2, 3);
  DimTable *t = b->graph->ctx->dims;
  const Dim *const *d = x->type.dims;
  const Dim *apart[5] = {d[0], d[1], d[2], d[3], dim_const(t, 1)};
  const Dim *joined[4] = {d[0], d[1], d[2], dim_const(t, s->turned)};
  Value *parts[2] = {compose_reshape(b, x, apart, 5), compose_reshape(b, y, apart, 5)};
  return compose_reshape(b, compose_concat(b, parts, 2, 4), joined, 4);
}

/* (x * cos - y * sin, x * sin + y * cos) */
static Value *turn(Builder *b, const Node *node, const Sizes *s, Value *heads) {
  bool interleaved = op_param_i(node, "interleaved") != 0;
  int64_t half = s->turned / 2, step = interleaved ? 2 : 1;
  Value *x = compose_slice(b, heads, 3, 0, interleaved ? s->turned : half, step);
  Value *y = compose_slice(b, heads, 3, interleaved ? 1 : half, s->turned, step);
  Value *cosine = cache_rows(b, node, s, COS), *sine = cache_rows(b, node, s, SIN);
  Value *first = BUILD(b, "Sub", BUILD(b, "Mul", x, cosine), BUILD(b, "Mul", y, sine));
  Value *second = BUILD(b, "Add", BUILD(b, "Mul", x, sine), BUILD(b, "Mul", y, cosine));
  return join(b, s, first, second, interleaved);
}

static bool decompose_rotary(Builder *b, Node *node) {
  Sizes s;
  if (!read_sizes(node, &s)) return false;
  DimTable *t = infer_dims(node);
  Value *x = node_in(node, X);
  const Dim *dims[4] = {s.batch, s.length, dim_const(t, s.heads), dim_const(t, s.size)};
  Value *heads = s.packed ? compose_reshape(b, x, dims, 4) : x;
  Value *y = turn(b, node, &s, heads);
  if (s.turned < s.size) {
    Value *rest = compose_slice(b, heads, 3, s.turned, s.size, 1);
    y = compose_concat(b, (Value *[]){y, rest}, 2, 3);
  }
  build_replace(b, node, compose_reshape(b, y, x->type.dims, x->type.rank));
  return true;
}

const OpDef op_RotaryEmbedding = {
    .name = "RotaryEmbedding",
    .domain = "",
    .params =
        (const OpParam[]){
            PARAM_INT("interleaved", 0),
            PARAM_INT("num_heads", 0),
            PARAM_INT("rotary_embedding_dim", 0),
            {0},
        },
    .infer = infer_rotary,
    .decompose = decompose_rotary,
};

/* ---- com.microsoft -----------------------------------------------------------------------------
 * Places come before the caches, or are one number, the place of the first token. Without
 * rotary_embedding_dim the caches say how large a head is. */

enum { MS_X, MS_PLACES, MS_COS, MS_SIN };

/* The attributes that ONNX's operator takes. */
static bool ms_attributes(const Node *node, int64_t *heads, int64_t *turned) {
  const Type *x = input_type(node, MS_X);
  int64_t width, half;
  *heads = op_param_i(node, "num_heads");
  if (!dim_is_const(x->dims[x->rank - 1], &width) ||
      !dim_is_const(input_type(node, MS_COS)->dims[1], &half)) {
    return node_error(node, DIAG_UNSUPPORTED, "the last axes of inputs must be constant");
  }
  if (half > INT32_MAX) {
    return node_error(node, DIAG_LIMIT, "a row of the caches is over 2^31");
  }
  *turned = 2 * half;
  if (op_param_i(node, "rotary_embedding_dim") == 0 && half > 0) {
    *heads = x->rank == 4 ? 1 : width / *turned;
    if (x->rank == 4 ? width == *turned : width % *turned == 0) return true;
  } else if (op_param_i(node, "rotary_embedding_dim") == *turned && *turned > 0) {
    if (x->rank == 4) *heads = 1;
    if (*heads > 0 && width % *heads == 0 && *turned <= width / *heads) return true;
  }
  return node_error(node, DIAG_INVALID,
                    "caches with %lld in a row do not fit heads of the last axis, %lld, with "
                    "num_heads %lld and rotary_embedding_dim %lld",
                    (long long)half, (long long)width, (long long)op_param_i(node, "num_heads"),
                    (long long)op_param_i(node, "rotary_embedding_dim"));
}

static bool infer_ms_rotary(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DTS_FLOAT, 0, "input", 3, 4),
      INPUT_OF(DT(I64), 0, "position_ids", 1, 2),
      INPUT_OF(DTS_FLOAT, 1, "cos_cache", 2, 2),
      INPUT_OF(DTS_FLOAT, 1, "sin_cache", 2, 2),
  };
  int64_t heads, turned;
  if (!CHECK_INPUTS(node, rules) || !ms_attributes(node, &heads, &turned)) return false;
  const Type *x = input_type(node, MS_X), *places = input_type(node, MS_PLACES);
  const Dim *all[2] = {x->dims[0], x->dims[x->rank - 2]};
  bool fits = places->rank == 1 ? check_number(node, MS_PLACES)
                                : check_sizes(node, MS_PLACES, 2, all, "[batch, length]");
  if (!fits || !check_sizes(node, MS_SIN, 2, input_type(node, MS_COS)->dims, "that of cos_cache")) {
    return false;
  }
  if (op_param_f(node, "scale") != 1) {
    return node_error(node, DIAG_UNSUPPORTED, "a scale other than 1 is not supported");
  }
  infer_output_type(node, 0, x);
  return true;
}

/* position_ids as [batch, length] */
static Value *ms_places(Builder *b, const Node *node) {
  const Type *x = input_type(node, MS_X);
  const Dim *all[2] = {x->dims[0], x->dims[x->rank - 2]};
  Value *places = node_in(node, MS_PLACES);
  if (places->type.rank == 2) return places;
  Value *counted = BUILD(b, "Range", build_i64(b, 0), compose_size(b, all[1]), build_i64(b, 1));
  return BUILD(b, "Expand", BUILD(b, "Add", counted, places), build_dims(b, all, 2));
}

static bool decompose_ms_rotary(Builder *b, Node *node) {
  int64_t heads, turned;
  if (!ms_attributes(node, &heads, &turned)) return false;
  Value *inputs[4] = {node_in(node, MS_X), node_in(node, MS_COS), node_in(node, MS_SIN),
                      ms_places(b, node)};
  Node *rotary = build_node(b, "", "RotaryEmbedding", inputs, 4, 1);
  node_set_int(rotary, "interleaved", op_param_i(node, "interleaved"));
  node_set_int(rotary, "num_heads", heads);
  node_set_int(rotary, "rotary_embedding_dim", turned);
  build_replace(b, node, build_done(b, rotary));
  return true;
}

const OpDef op_microsoft_RotaryEmbedding = {
    .name = "RotaryEmbedding",
    .domain = "com.microsoft",
    .params =
        (const OpParam[]){
            PARAM_INT("interleaved", 0),
            PARAM_INT("is_packed_batching", 0), /* only lifts a limit on the length */
            PARAM_INT("num_heads", 0),
            PARAM_INT("rotary_embedding_dim", 0),
            PARAM_FLOAT("scale", 1),
            {0},
        },
    .infer = infer_ms_rotary,
    .decompose = decompose_ms_rotary,
};
