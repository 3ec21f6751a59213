#include "cli/npy.h"

#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, ALIGN = 64 };

/* `descr` without the byte order. */
static const struct {
  const char *descr;
  DType dtype;
} types[] = {
    {"f4", ONNXC_RT_F32}, {"f8", ONNXC_RT_F64},   {"f2", ONNXC_RT_F16}, {"i1", ONNXC_RT_I8},
    {"i2", ONNXC_RT_I16}, {"i4", ONNXC_RT_I32},   {"i8", ONNXC_RT_I64}, {"u1", ONNXC_RT_U8},
    {"u2", ONNXC_RT_U16}, {"u4", ONNXC_RT_U32},   {"u8", ONNXC_RT_U64}, {"b1", ONNXC_RT_BOOL},
    {"c8", ONNXC_RT_C64}, {"c16", ONNXC_RT_C128},
};
enum { N_TYPES = sizeof types / sizeof *types };

static char machine_order(void) {
  const uint16_t one = 1;
  return *(const uint8_t *)&one == 1 ? '<' : '>';
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct Header {
  const char *data; /* past the header */
  size_t left;
  DType dtype;
  bool swap, fortran;
  int rank;
  int64_t dims[MAX_RANK];
} Header;

/* Text behind `'key':` in the dictionary; NULL: not there. */
static const char *find_key(const char *dictionary, const char *key) {
  const char *at = strstr(dictionary, key);
  if (at == NULL) return NULL;
  at += strlen(key);
  return at + strspn(at, ": ");
}

static bool read_descr(Header *h, const char *at) {
  if (at == NULL || *at != '\'' || at[1] == '\0') return false;
  h->swap = at[1] != machine_order() && (at[1] == '<' || at[1] == '>');
  for (int i = 0; i < N_TYPES; i++) {
    size_t length = strlen(types[i].descr);
    if (strncmp(at + 2, types[i].descr, length) != 0 || at[2 + length] != '\'') continue;
    h->dtype = types[i].dtype;
    return true;
  }
  return false;
}

/* (2, 3), (2,) or () */
static bool read_shape(Header *h, const char *at) {
  if (at == NULL || *at++ != '(') return false;
  for (at += strspn(at, " "); *at != ')'; at += strspn(at, ", ")) {
    if (h->rank == MAX_RANK || *at < '0' || *at > '9') return false;
    char *end;
    h->dims[h->rank++] = strtoll(at, &end, 10);
    at = end;
  }
  return true;
}

static const char *read_dictionary(Header *h, const char *dictionary) {
  const char *order = find_key(dictionary, "'fortran_order'");
  if (!read_descr(h, find_key(dictionary, "'descr'"))) return "element type not supported";
  if (order == NULL) return "malformed header";
  h->fortran = strncmp(order, "True", 4) == 0;
  return read_shape(h, find_key(dictionary, "'shape'")) ? NULL : "malformed shape";
}

static const char *read_header(Arena *arena, Header *h, const unsigned char *bytes, size_t size) {
  if (size < 12 || memcmp(bytes, magic, MAGIC) != 0) return "not a .npy file";
  bool wide = bytes[6] >= 2;
  size_t start = wide ? 12 : 10, length = bytes[8] | (size_t)bytes[9] << 8;
  if (wide) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (bytes[6] < 1 || bytes[6] > 3) return "unknown version of the .npy format";
  if (length > size - start) return "truncated header";
  char *dictionary = arena_alloc(arena, length + 1);
  memcpy(dictionary, bytes + start, length);
  h->data = (const char *)bytes + start + length;
  h->left = size - start - length;
  return read_dictionary(h, dictionary);
}

static void swap_bytes(char *data, size_t bytes, size_t width) {
  for (; bytes >= width; bytes -= width, data += width) {
    for (size_t i = 0; i < width / 2; i++) {
      char low = data[i];
      data[i] = data[width - 1 - i];
      data[width - 1 - i] = low;
    }
  }
}

/* Column-major `from` to row-major `to`: counts up the index of the last axis first. */
static void from_fortran(char *to, const char *from, const Header *h, size_t count, size_t width) {
  size_t index[MAX_RANK] = {0}, stride[MAX_RANK] = {0}, step = 1, at = 0;
  for (int axis = 0; axis < h->rank; axis++) {
    stride[axis] = step;
    step *= (size_t)h->dims[axis];
  }
  for (size_t i = 0; i < count; i++) {
    memcpy(to + i * width, from + at * width, width);
    for (int axis = h->rank - 1; axis >= 0; axis--) {
      at += stride[axis];
      if (++index[axis] < (size_t)h->dims[axis]) break;
      at -= stride[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

const Tensor *npy_parse(Context *ctx, const void *bytes, size_t size, const char **error) {
  Header h = {0};
  *error = read_header(ctx->arena, &h, bytes, size);
  if (*error != NULL) return NULL;
  size_t total = 1, width = (size_t)dtype_info(h.dtype)->bits / 8;
  for (int i = 0; i < h.rank; i++) {
    if (__builtin_mul_overflow(total, (size_t)h.dims[i], &total)) total = SIZE_MAX;
  }
  if (total != h.left / width || h.left % width != 0) {
    *error = "the shape does not fit the size of the file";
    return NULL;
  }
  Tensor *tensor = tensor_new(ctx, h.dtype, h.rank, h.dims);
  if (tensor->bytes == 0) return tensor;
  char *data = (char *)(uintptr_t)tensor->data; /* tensor_new: writable by its maker */
  if (h.fortran) {
    from_fortran(data, h.data, &h, tensor->count, width);
  } else {
    memcpy(data, h.data, tensor->bytes);
  }
  bool complex = dtype_info(h.dtype)->cls == DTYPE_CLASS_COMPLEX;
  if (h.swap) swap_bytes(data, tensor->bytes, complex ? width / 2 : width);
  return tensor;
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *descr_of(DType dtype) {
  for (int i = 0; i < N_TYPES; i++) {
    if (types[i].dtype == dtype) return types[i].descr;
  }
  return NULL;
}

static void write_header(Out *w, Arena *arena, const char *descr, const Tensor *tensor) {
  const char *shape = "";
  for (int i = 0; i < tensor->rank; i++) {
    shape = arena_printf(arena, "%s%lld,%s", shape, (long long)tensor->dims[i],
                         i + 1 < tensor->rank ? " " : "");
  }
  char order = descr[1] == '1' && descr[2] == '\0' ? '|' : machine_order();
  const char *text = arena_printf(
      arena, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }", order, descr, shape);
  size_t used = MAGIC + 4 + strlen(text) + 1, length = (used + ALIGN - 1) / ALIGN * ALIGN - 10;
  out_raw(w, magic, MAGIC);
  out_raw(w, (const char[]){1, 0, (char)(length & 0xff), (char)(length >> 8)}, 4);
  out(w, "%-*s\n", (int)length - 1, text);
}

/* Elements of a type that NumPy does not have, one by one. */
static void write_widened(Out *w, const Tensor *tensor, bool to_float) {
  for (size_t i = 0; i < tensor->count; i++) {
    float real = to_float ? (float)tensor_f64(tensor, i) : 0;
    int8_t integer = to_float ? 0 : (int8_t)tensor_i64(tensor, i);
    out_raw(w, to_float ? (const void *)&real : (const void *)&integer, to_float ? 4 : 1);
  }
}

bool npy_write(Out *w, Arena *arena, const Tensor *tensor) {
  if (tensor->dtype == ONNXC_RT_STRING) return false;
  const char *descr = descr_of(tensor->dtype);
  if (descr != NULL) {
    write_header(w, arena, descr, tensor);
    out_raw(w, tensor->data, tensor->bytes);
    return true;
  }
  bool to_float = dtype_is_float(tensor->dtype);
  write_header(w, arena, to_float ? "f4" : "i1", tensor);
  write_widened(w, tensor, to_float);
  return true;
}
