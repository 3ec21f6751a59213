/* Data beside a model: what its inputs and outputs are in a test. */
#include "import/import.h"
#include "import/model_file.h"
#include "import/tensor.h"

#include <string.h>

static bool no_data(Context *ctx, const char *what) {
  return diag_error(ctx->diag, DIAG_UNSUPPORTED, (DiagSite){0}, "data: %s", what);
}

static bool read_tensor(Context *ctx, const Onnx__TensorProto *proto, Datum *datum) {
  const TensorSource source = {.ctx = ctx};
  *datum = (Datum){.kind = TYPE_TENSOR};
  if (proto != NULL) datum->tensor = tensor_import(&source, proto);
  return datum->tensor != NULL || (proto == NULL && no_data(ctx, "a tensor is missing"));
}

/* ---- maps ----
 *
 * Keys and values are two vectors of one length. */

static bool read_keys(Context *ctx, const Onnx__MapProto *proto, Datum *datum) {
  bool strings = proto->n_string_keys != 0;
  int64_t n = (int64_t)(strings ? proto->n_string_keys : proto->n_keys);
  Tensor *keys = tensor_new(ctx, strings ? ONNXC_RT_STRING : ONNXC_RT_I64, 1, &n);
  if (keys == NULL) return no_data(ctx, "too many keys");
  if (!strings && n != 0) {
    memcpy((void *)(uintptr_t)keys->data, proto->keys, keys->bytes);
  }
  for (int64_t i = 0; strings && i < n; i++) {
    const ProtobufCBinaryData *key = &proto->string_keys[i];
    const char *text = key->len == 0 ? "" : arena_copy(ctx->arena, key->data, key->len);
    ((onnxc_rt_string *)(uintptr_t)keys->data)[i] = (onnxc_rt_string){text, (ptrdiff_t)key->len};
  }
  datum->keys = keys;
  return true;
}

/* The scalars of a sequence as one vector. */
static const Tensor *read_values(Context *ctx, const Onnx__SequenceProto *proto, size_t n) {
  int64_t count = (int64_t)n;
  Tensor *values = NULL;
  size_t size = 0;
  if (proto == NULL || proto->n_tensor_values != n) return NULL;
  for (size_t i = 0; i < n; i++) {
    Datum one;
    if (!read_tensor(ctx, proto->tensor_values[i], &one)) return NULL;
    if (values == NULL) {
      values = tensor_new(ctx, one.tensor->dtype, 1, &count);
      if (values == NULL || n == 0) return values;
      size = values->bytes / n;
    }
    if (one.tensor->count != 1 || one.tensor->dtype != values->dtype) return NULL;
    memcpy((char *)(uintptr_t)values->data + i * size, one.tensor->data, size);
  }
  return values != NULL ? values : tensor_new(ctx, ONNXC_RT_F32, 1, &count);
}

static bool read_map(Context *ctx, const Onnx__MapProto *proto, Datum *datum) {
  *datum = (Datum){.kind = TYPE_MAP};
  if (proto == NULL) return no_data(ctx, "a map is missing");
  if (!read_keys(ctx, proto, datum)) return false;
  datum->tensor = read_values(ctx, proto->values, datum->keys->count);
  return datum->tensor != NULL || no_data(ctx, "the values of a map are not as many scalars");
}

/* ---- sequences and optionals ---- */

static bool read_sequence(Context *ctx, const Onnx__SequenceProto *proto, const Type *type,
                          Datum *datum) {
  *datum = (Datum){.kind = TYPE_SEQUENCE};
  if (proto == NULL) return no_data(ctx, "a sequence is missing");
  bool maps = type->kind == TYPE_MAP;
  size_t n = maps ? proto->n_map_values : proto->n_tensor_values;
  Datum *parts = ARENA_ARRAY(ctx->arena, n, Datum);
  if (proto->n_sequence_values + proto->n_optional_values + proto->n_sparse_tensor_values != 0) {
    return no_data(ctx, "sequences of anything but tensors and maps are not supported");
  }
  for (size_t i = 0; i < n; i++) {
    bool read = maps ? read_map(ctx, proto->map_values[i], &parts[i])
                     : read_tensor(ctx, proto->tensor_values[i], &parts[i]);
    if (!read) return false;
  }
  datum->parts = parts;
  datum->n = n;
  return true;
}

static bool read_optional(Context *ctx, const Onnx__OptionalProto *proto, const Type *type,
                          Datum *datum) {
  Datum *part = ARENA_NEW(ctx->arena, Datum);
  bool sequence = type->kind == TYPE_SEQUENCE;
  *datum = (Datum){.kind = TYPE_OPTIONAL, .parts = part};
  if (sequence ? proto->sequence_value == NULL : proto->tensor_value == NULL) return true;
  datum->n = 1;
  return sequence ? read_sequence(ctx, proto->sequence_value, type->element, part)
                  : read_tensor(ctx, proto->tensor_value, part);
}

static const ProtobufCMessageDescriptor *message_of(const Type *type) {
  switch (type->kind) {
  case TYPE_SEQUENCE: return &onnx__sequence_proto__descriptor;
  case TYPE_OPTIONAL: return &onnx__optional_proto__descriptor;
  case TYPE_MAP: return &onnx__map_proto__descriptor;
  default: return &onnx__tensor_proto__descriptor;
  }
}

static bool read_datum(Context *ctx, const ProtobufCMessage *message, const Type *type,
                       Datum *datum) {
  switch (type->kind) {
  case TYPE_SEQUENCE:
    return read_sequence(ctx, (const Onnx__SequenceProto *)message, type->element, datum);
  case TYPE_OPTIONAL:
    return read_optional(ctx, (const Onnx__OptionalProto *)message, type->element, datum);
  case TYPE_MAP: return read_map(ctx, (const Onnx__MapProto *)message, datum);
  default: return read_tensor(ctx, (const Onnx__TensorProto *)message, datum);
  }
}

bool import_data_file(Context *ctx, const char *path, const Type *type, Datum *datum) {
  Arena *scratch = arena_scratch(ctx->arena);
  const ProtobufCMessage *message =
      message_read(ctx->arena, scratch, ctx->diag, path, message_of(type));
  bool read = message != NULL && read_datum(ctx, message, type, datum);
  arena_drop(scratch);
  return read;
}

const Tensor *import_tensor_file(Context *ctx, const char *path) {
  const Type tensor = {.kind = TYPE_TENSOR};
  Datum datum;
  return import_data_file(ctx, path, &tensor, &datum) ? datum.tensor : NULL;
}
