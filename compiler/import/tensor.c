#include "import/tensor.h"

#include "import/external.h"
#include "import/model_file.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "raw_data is little-endian and taken as it is");

/* The message's fields that may hold the data. */
typedef enum Field {
  FIELD_NONE, /* no such dtype */
  FIELD_FLOAT,
  FIELD_INT32,
  FIELD_INT64,
  FIELD_DOUBLE,
  FIELD_UINT64,
  FIELD_STRING,
  FIELD_RAW,
  FIELD_EXTERNAL,
  N_FIELDS
} Field;

static const char *const field_names[] = {[FIELD_NONE] = "",
                                          [FIELD_FLOAT] = "float_data",
                                          [FIELD_INT32] = "int32_data",
                                          [FIELD_INT64] = "int64_data",
                                          [FIELD_DOUBLE] = "double_data",
                                          [FIELD_UINT64] = "uint64_data",
                                          [FIELD_STRING] = "string_data",
                                          [FIELD_RAW] = "raw_data",
                                          [FIELD_EXTERNAL] = "external_data"};

/* The typed field of each dtype, the stored values one entry takes (a packed byte of a sub-byte
 * type is one), and the range of an entry where the field is wider. */
static const struct Storage {
  Field field;
  int bytes; /* of one entry once stored */
  int64_t low, high;
} storages[] = {
    [ONNXC_RT_F32] = {FIELD_FLOAT, 4, 0, 0},
    [ONNXC_RT_U8] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_I8] = {FIELD_INT32, 1, INT8_MIN, INT8_MAX},
    [ONNXC_RT_U16] = {FIELD_INT32, 2, 0, UINT16_MAX},
    [ONNXC_RT_I16] = {FIELD_INT32, 2, INT16_MIN, INT16_MAX},
    [ONNXC_RT_I32] = {FIELD_INT32, 4, INT32_MIN, INT32_MAX},
    [ONNXC_RT_I64] = {FIELD_INT64, 8, 0, 0},
    [ONNXC_RT_STRING] = {FIELD_STRING, sizeof(onnxc_rt_string), 0, 0},
    [ONNXC_RT_BOOL] = {FIELD_INT32, 1, 0, 1},
    [ONNXC_RT_F16] = {FIELD_INT32, 2, 0, UINT16_MAX},
    [ONNXC_RT_F64] = {FIELD_DOUBLE, 8, 0, 0},
    [ONNXC_RT_U32] = {FIELD_UINT64, 4, 0, UINT32_MAX},
    [ONNXC_RT_U64] = {FIELD_UINT64, 8, 0, 0},
    [ONNXC_RT_C64] = {FIELD_FLOAT, 4, 0, 0},
    [ONNXC_RT_C128] = {FIELD_DOUBLE, 8, 0, 0},
    [ONNXC_RT_BF16] = {FIELD_INT32, 2, 0, UINT16_MAX},
    [ONNXC_RT_F8E4M3FN] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_F8E4M3FNUZ] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_F8E5M2] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_F8E5M2FNUZ] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_U4] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_I4] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_F4E2M1] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_F8E8M0] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_U2] = {FIELD_INT32, 1, 0, UINT8_MAX},
    [ONNXC_RT_I2] = {FIELD_INT32, 1, 0, UINT8_MAX},
};

/* One tensor on its way in. */
typedef struct Reader {
  const TensorSource *source;
  const Onnx__TensorProto *proto;
  const struct Storage *storage;
  Tensor *tensor;
} Reader;

static bool fault(const Reader *r, const char *what) {
  const char *name = r->proto->name == NULL ? "" : r->proto->name;
  return diag_error(r->source->ctx->diag, DIAG_INVALID, r->source->site, "tensor '%s': %s", name,
                    what);
}

static size_t field_length(const Onnx__TensorProto *proto, Field field) {
  const size_t lengths[N_FIELDS] = {[FIELD_FLOAT] = proto->n_float_data,
                                    [FIELD_INT32] = proto->n_int32_data,
                                    [FIELD_INT64] = proto->n_int64_data,
                                    [FIELD_DOUBLE] = proto->n_double_data,
                                    [FIELD_UINT64] = proto->n_uint64_data,
                                    [FIELD_STRING] = proto->n_string_data,
                                    [FIELD_RAW] = proto->raw_data.len,
                                    [FIELD_EXTERNAL] = proto->data_location ==
                                                       ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL};
  return lengths[field];
}

/* Which field holds the data: at most one may. An empty tensor may have none. */
static bool find_field(const Reader *r, Field *found) {
  *found = r->proto->has_raw_data ? FIELD_RAW : r->storage->field;
  int n = 0;
  for (Field field = FIELD_FLOAT; field < N_FIELDS; field++) {
    if (field_length(r->proto, field) == 0) continue;
    *found = field;
    n++;
  }
  if (n > 1) return fault(r, "its data is in two fields");
  bool fits = *found == r->storage->field || *found == FIELD_EXTERNAL ||
              (*found == FIELD_RAW && r->storage->field != FIELD_STRING);
  if (fits) return true;
  return diag_error(r->source->ctx->diag, DIAG_INVALID, r->source->site,
                    "tensor '%s': %s cannot hold %s", r->proto->name == NULL ? "" : r->proto->name,
                    field_names[*found], dtype_info((DType)r->proto->data_type)->name);
}

/* Sizes must be representable even beside a zero. */
static bool check_sizes(const Reader *r) {
  size_t count = 1, bytes;
  for (size_t i = 0; i < r->proto->n_dims; i++) {
    int64_t dim = r->proto->dims[i];
    if (dim < 0) return fault(r, "negative dimension");
    if (__builtin_mul_overflow(count, (size_t)(dim == 0 ? 1 : dim), &count)) {
      return fault(r, "its size overflows");
    }
  }
  bool fits = dtype_bytes((DType)r->proto->data_type, count, &bytes) && bytes < PTRDIFF_MAX;
  return fits || fault(r, "its size overflows");
}

/* The tensor without data. Sizes are checked. */
static Tensor *make_header(const Reader *r) {
  const Onnx__TensorProto *proto = r->proto;
  Arena *arena = r->source->ctx->arena;
  Tensor *tensor = ARENA_NEW(arena, Tensor);
  *tensor = (Tensor){.dtype = (DType)proto->data_type, .rank = (int)proto->n_dims, .count = 1};
  for (size_t i = 0; i < proto->n_dims; i++) tensor->count *= (size_t)proto->dims[i];
  tensor->dims = arena_copy(arena, proto->dims, proto->n_dims * sizeof *proto->dims);
  dtype_bytes(tensor->dtype, tensor->count, &tensor->bytes);
  return tensor;
}

/* int32_data and uint64_data hold narrower types an element each. */
static bool narrow(const Reader *r, Field field, size_t entries) {
  const struct Storage *storage = r->storage;
  uint8_t *to = arena_alloc(r->source->ctx->arena, r->tensor->bytes);
  r->tensor->data = to;
  for (size_t i = 0; i < entries; i++, to += storage->bytes) {
    int64_t value =
        field == FIELD_INT32 ? r->proto->int32_data[i] : (int64_t)r->proto->uint64_data[i];
    if (value < storage->low || value > storage->high) {
      return fault(r, "a value is outside the range of its type");
    }
    memcpy(to, &value, (size_t)storage->bytes);
  }
  return true;
}

static bool take_strings(const Reader *r) {
  onnxc_rt_string *strings = ARENA_ARRAY(r->source->ctx->arena, r->tensor->count, onnxc_rt_string);
  for (size_t i = 0; i < r->tensor->count; i++) {
    const ProtobufCBinaryData *from = &r->proto->string_data[i];
    const char *bytes = message_keep(r->source->ctx->arena, from->data, from->len);
    strings[i] = (onnxc_rt_string){bytes, (ptrdiff_t)from->len};
  }
  r->tensor->data = strings;
  return true;
}

/* The values as they are in the message. */
static bool take(const Reader *r, const void *data) {
  r->tensor->data = message_keep(r->source->ctx->arena, data, r->tensor->bytes);
  return true;
}

static bool take_field(const Reader *r, Field field) {
  const Onnx__TensorProto *proto = r->proto;
  size_t entries = r->tensor->bytes / (size_t)r->storage->bytes;
  if (field_length(proto, field) != entries) {
    return fault(r, "the number of values is not that of its shape");
  }
  if (r->tensor->dtype == ONNXC_RT_I32) return take(r, proto->int32_data);
  if (r->tensor->dtype == ONNXC_RT_U64) return take(r, proto->uint64_data);
  switch (field) {
  case FIELD_FLOAT: return take(r, proto->float_data);
  case FIELD_DOUBLE: return take(r, proto->double_data);
  case FIELD_INT64: return take(r, proto->int64_data);
  case FIELD_STRING: return take_strings(r);
  default: return narrow(r, field, entries);
  }
}

static bool take_raw(const Reader *r) {
  if (r->proto->raw_data.len == r->tensor->bytes) return take(r, r->proto->raw_data.data);
  return fault(r, "the length of raw_data is not that of its shape");
}

static bool take_external(const Reader *r) {
  Context *ctx = r->source->ctx;
  if (r->source->model == NULL) return fault(r, "external data is only for models");
  if (r->storage->field == FIELD_STRING) return fault(r, "strings cannot be external");
  r->tensor->data =
      external_load(ctx, r->source->site, r->source->model, r->proto, r->tensor->bytes);
  return r->tensor->data != NULL;
}

/* Bytes as they came: a bool must be 0 or 1, and the unused bits of the last packed byte 0. */
static bool check_bytes(const Reader *r) {
  const Tensor *t = r->tensor;
  const uint8_t *bytes = t->data;
  int bits = dtype_info(t->dtype)->bits;
  size_t used = t->count * (size_t)bits % 8;
  if (bits < 8 && used != 0 && bytes[t->bytes - 1] >> used != 0) {
    return fault(r, "bits behind the last element are set");
  }
  for (size_t i = 0; t->dtype == ONNXC_RT_BOOL && i < t->bytes; i++) {
    if (bytes[i] > 1) return fault(r, "a bool is neither 0 nor 1");
  }
  return true;
}

static bool take_data(const Reader *r) {
  Field field;
  if (!find_field(r, &field)) return false;
  bool taken = field == FIELD_RAW        ? take_raw(r)
               : field == FIELD_EXTERNAL ? take_external(r)
                                         : take_field(r, field);
  if (!taken || !check_bytes(r)) return false;
  if (r->tensor->bytes == 0) r->tensor->data = "";
  return true;
}

static bool check_dtype(Reader *r) {
  int dtype = r->proto->data_type;
  bool known = dtype > 0 && dtype < (int)(sizeof storages / sizeof *storages);
  if (!known) {
    bool newer = dtype > 0 && dtype <= ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT6E3M2;
    return diag_error(r->source->ctx->diag, newer ? DIAG_UNSUPPORTED : DIAG_INVALID,
                      r->source->site, "tensor '%s': element type %d is not supported",
                      r->proto->name == NULL ? "" : r->proto->name, dtype);
  }
  r->storage = &storages[dtype];
  return true;
}

/* What was made of a message before; NULL: nothing. */
static const Tensor *recall(const TensorSource *source, const void *proto) {
  return source->cache == NULL ? NULL : map_get(&source->cache->tensors, map_key(proto));
}

static const Tensor *remember(const TensorSource *source, const void *proto, Tensor *tensor) {
  if (source->cache != NULL) map_set(&source->cache->tensors, map_key(proto), tensor);
  return tensor;
}

const Tensor *tensor_import(const TensorSource *source, const Onnx__TensorProto *proto) {
  const Tensor *known = recall(source, proto);
  if (known != NULL) return known;
  Reader r = {.source = source, .proto = proto};
  if (!check_dtype(&r) || !check_sizes(&r)) return NULL;
  if (proto->segment != NULL) {
    fault(&r, "segments are not supported: store it in one piece");
    return NULL;
  }
  r.tensor = make_header(&r);
  return take_data(&r) ? remember(source, proto, r.tensor) : NULL;
}

/* ---- sparse tensors ---------------------------------------------------------------------------
 */

typedef struct Sparse {
  const TensorSource *source;
  const Onnx__SparseTensorProto *proto;
  const Tensor *values, *indices;
  Tensor *dense;
} Sparse;

static bool sparse_fault(const Sparse *s, DiagKind kind, const char *what) {
  return diag_error(s->source->ctx->diag, kind, s->source->site, "sparse tensor '%s': %s",
                    s->proto->values->name == NULL ? "" : s->proto->values->name, what);
}

static bool check_parts(const Sparse *s) {
  int64_t n = s->values->rank == 1 ? s->values->dims[0] : -1;
  const Tensor *at = s->indices;
  if (n < 0) return sparse_fault(s, DIAG_INVALID, "its values are no vector");
  if (dtype_info(s->values->dtype)->bits < 8 || s->values->dtype == ONNXC_RT_STRING) {
    return sparse_fault(s, DIAG_UNSUPPORTED, "packed types and strings cannot be sparse");
  }
  bool linear = at->rank == 1, tuples = at->rank == 2 && at->dims[1] == (int64_t)s->proto->n_dims;
  bool fits = at->dtype == ONNXC_RT_I64 && (linear || tuples) && at->dims[0] == n;
  return fits || sparse_fault(s, DIAG_INVALID, "its indices do not fit its values and shape");
}

/* Linear position of value `i`; -1 outside. */
static int64_t position(const Sparse *s, size_t i) {
  const int64_t *at = s->indices->data;
  if (s->indices->rank == 1) return at[i] < (int64_t)s->dense->count ? at[i] : -1;
  int64_t linear = 0;
  for (size_t axis = 0; axis < s->proto->n_dims; axis++) {
    int64_t index = at[i * s->proto->n_dims + axis];
    if (index < 0 || index >= s->proto->dims[axis]) return -1;
    linear = linear * s->proto->dims[axis] + index;
  }
  return linear;
}

static bool scatter(const Sparse *s) {
  size_t size = s->values->count == 0 ? 0 : s->values->bytes / s->values->count;
  uint8_t *to = arena_alloc(s->source->ctx->arena, s->dense->bytes);
  s->dense->data = to;
  int64_t before = -1;
  for (size_t i = 0; i < s->values->count; i++) {
    int64_t at = position(s, i);
    if (at <= before) return sparse_fault(s, DIAG_INVALID, "indices unsorted or outside");
    memcpy(to + (size_t)at * size, (const uint8_t *)s->values->data + i * size, size);
    before = at;
  }
  return true;
}

/* Few values can stand for many bytes, so all of a model share one limit. */
static bool within_limit(const Sparse *s) {
  TensorCache alone = {0}, *cache = s->source->cache == NULL ? &alone : s->source->cache;
  if (s->dense->bytes > SPARSE_MAX_BYTES || cache->dense > SPARSE_MAX_BYTES - s->dense->bytes) {
    return sparse_fault(s, DIAG_LIMIT, "more than 64 MB when made dense");
  }
  cache->dense += s->dense->bytes;
  return true;
}

const Tensor *tensor_import_sparse(const TensorSource *source,
                                   const Onnx__SparseTensorProto *proto) {
  const Tensor *known = recall(source, proto);
  if (known != NULL) return known;
  Sparse s = {.source = source, .proto = proto};
  if (proto->values == NULL || proto->indices == NULL) {
    diag_error(source->ctx->diag, DIAG_INVALID, source->site, "a sparse tensor lacks a part");
    return NULL;
  }
  s.values = tensor_import(source, proto->values);
  s.indices = tensor_import(source, proto->indices);
  if (s.values == NULL || s.indices == NULL || !check_parts(&s)) return NULL;
  Onnx__TensorProto whole = *proto->values;
  whole.dims = proto->dims;
  whole.n_dims = proto->n_dims;
  const Reader header = {.source = source, .proto = &whole};
  if (!check_sizes(&header)) return NULL;
  s.dense = make_header(&header);
  return within_limit(&s) && scatter(&s) ? remember(source, proto, s.dense) : NULL;
}
