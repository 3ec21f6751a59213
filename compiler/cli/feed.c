#include "cli/feed.h"
#include "cli/npy.h"
#include "import/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const void *read_file(Arena *arena, const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  char *bytes = NULL;
  long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  if (length >= 0 && fseek(file, 0, SEEK_SET) == 0) {
    bytes = arena_alloc(arena, (size_t)length + 1);
    *size = fread(bytes, 1, (size_t)length, file);
  }
  fclose(file);
  return bytes;
}

static const Tensor *npy_file(Compilation *c, const char *path, const char **error) {
  size_t size;
  const void *bytes = read_file(c->arena, path, &size);
  const char *wrong = strerror(errno);
  const Tensor *tensor = bytes == NULL ? NULL : npy_parse(&c->ctx, bytes, size, &wrong);
  if (tensor == NULL) *error = arena_printf(c->arena, "%s: %s", path, wrong);
  return tensor;
}

static bool is_npy(const char *path) {
  size_t length = strlen(path);
  return length > 4 && strcmp(path + length - 4, ".npy") == 0;
}

/* The file as data of that type; NULL, else what is wrong. */
static const char *data_file(Compilation *c, const char *path, const Type *type, Datum *datum) {
  const char *error = NULL;
  if (type->kind != TYPE_TENSOR || !is_npy(path)) {
    return import_data_file(&c->ctx, path, type, datum) ? NULL : onnxc_diagnostic(c, 0);
  }
  *datum = (Datum){.kind = TYPE_TENSOR, .tensor = npy_file(c, path, &error)};
  return error;
}

static const char *input_names(Compilation *c) {
  const char *text = "";
  VEC_EACH(Value *, input, &c->graph->inputs) {
    text = arena_printf(c->arena, "%s%s'%s'", text, *text == '\0' ? "" : ", ",
                        text_escape(c->arena, (*input)->name));
  }
  return text;
}

const char *feed_inputs(Compilation *c, const CliList *given, Datum *inputs) {
  VEC_EACH(const char *, item, given) {
    const char *equals = strrchr(*item, '=');
    size_t i = 0, length = equals == NULL ? 0 : (size_t)(equals - *item);
    if (equals == NULL) return arena_printf(c->arena, "--input '%s' is not NAME=FILE", *item);
    for (; i < c->graph->inputs.len; i++) {
      const char *name = c->graph->inputs.data[i]->name;
      if (strlen(name) == length && memcmp(name, *item, length) == 0) break;
    }
    if (i == c->graph->inputs.len) {
      return arena_printf(c->arena, "the model has no input '%.*s'; it has %s", (int)length, *item,
                          input_names(c));
    }
    const char *wrong = data_file(c, equals + 1, &c->graph->inputs.data[i]->type, &inputs[i]);
    if (wrong != NULL) return wrong;
  }
  return NULL;
}

/* Knuth's linear congruential generator; the top 24 bits, scaled. */
static double next_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*state >> 40) / (double)(1 << 23) - 1.0;
}

/* Bits of an IEEE binary16 of small magnitude, rounded towards zero. */
static uint16_t half_bits(double value) {
  uint16_t sign = value < 0 ? 0x8000 : 0;
  double magnitude = value < 0 ? -value : value;
  int exponent = 0;
  while (magnitude != 0 && magnitude < 1 && exponent > -14) {
    magnitude *= 2;
    exponent--;
  }
  if (magnitude < 1) return sign;
  return (uint16_t)(sign | (uint16_t)((exponent + 15) << 10) | (uint16_t)((magnitude - 1) * 1024));
}

/* Integers stay 0; strings are digits, which may be words or numbers. */
static void fill(Tensor *tensor) {
  static const char digits[] = "0123456789";
  void *data = (void *)(uintptr_t)tensor->data;
  uint64_t state = 1;
  for (size_t i = 0; i < tensor->count; i++) {
    double value = next_random(&state);
    if (tensor->dtype == ONNXC_RT_F32) ((float *)data)[i] = (float)value;
    if (tensor->dtype == ONNXC_RT_F64) ((double *)data)[i] = value;
    if (tensor->dtype == ONNXC_RT_F16) ((uint16_t *)data)[i] = half_bits(value);
    if (tensor->dtype == ONNXC_RT_STRING) {
      ((onnxc_rt_string *)data)[i] = (onnxc_rt_string){&digits[i % 10], 1};
    }
  }
}

const int64_t *feed_sizes(Compilation *c, size_t history) {
  const DimTable *t = c->ctx.dims;
  int64_t *sizes = ARENA_ARRAY(c->arena, dims_symbols(t), int64_t), other;
  for (uint32_t i = 0; i < dims_symbols(t); i++) sizes[i] = dims_symbol(t, i)->hi;
  VEC_EACH(const StateSize, entry, &c->steps->state.sizes) {
    int64_t *size = &sizes[dim_as_symbol(entry->size)->symbol];
    if (entry->next != NULL && history < (uint64_t)*size) *size = (int64_t)history;
  }
  VEC_EACH(const SizeCheck, check, &c->ctx.checks) {
    const DimAtom *a = dim_as_symbol(check->a), *b = dim_as_symbol(check->b);
    if (a != NULL && dim_eval(check->b, sizes, &other)) {
      sizes[a->symbol] = other;
    } else if (b != NULL && dim_eval(check->a, sizes, &other)) {
      sizes[b->symbol] = other;
    }
  }
  return sizes;
}

const Tensor *feed_sample(Compilation *c, const Value *input, const int64_t *sizes) {
  int64_t dims[MAX_RANK];
  if (input->type.kind != TYPE_TENSOR || input->type.rank < 0) return NULL;
  for (int i = 0; i < input->type.rank; i++) {
    if (!dim_eval(input->type.dims[i], sizes, &dims[i])) return NULL;
  }
  Tensor *tensor = tensor_new(&c->ctx, input->type.dtype, input->type.rank, dims);
  if (tensor != NULL) fill(tensor);
  return tensor;
}
