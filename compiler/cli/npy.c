#include "cli/npy.h"

#include "reference/utf8.h"

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
  char text;    /* of strings: U, code points of 32 bits, or S, bytes; else 0 */
  size_t width; /* bytes of an element */
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

enum { MAX_TEXT = 1 << 24 };

/* U12 or S12: all strings have this room. */
static bool read_text_descr(Header *h, const char *at) {
  char *end;
  if ((*at != 'U' && *at != 'S') || at[1] < '1' || at[1] > '9') return false;
  unsigned long long length = strtoull(at + 1, &end, 10);
  if (*end != '\'' || length > MAX_TEXT) return false;
  h->dtype = ONNXC_RT_STRING;
  h->text = *at;
  h->width = (*at == 'U' ? sizeof(uint32_t) : 1) * (size_t)length;
  return true;
}

static bool read_descr(Header *h, const char *at) {
  if (at == NULL || *at != '\'' || at[1] == '\0') return false;
  h->swap = at[1] != machine_order() && (at[1] == '<' || at[1] == '>');
  if (read_text_descr(h, at + 2)) return true;
  for (int i = 0; i < N_TYPES; i++) {
    size_t length = strlen(types[i].descr);
    if (strncmp(at + 2, types[i].descr, length) != 0 || at[2 + length] != '\'') continue;
    h->dtype = types[i].dtype;
    h->width = (size_t)dtype_info(h->dtype)->bits / 8;
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

/* One string out of code points, NUL behind its end. False: one of them is none. */
static bool from_code_points(Arena *arena, const char *from, size_t n, onnxc_rt_string *string) {
  char *to = arena_alloc(arena, n * ONNXC_RT_UTF8_BYTES);
  *string = (onnxc_rt_string){to, 0};
  for (; n > 0; n--) {
    uint32_t last;
    memcpy(&last, from + (n - 1) * sizeof last, sizeof last);
    if (last != 0) break;
  }
  for (size_t i = 0; i < n; i++) {
    uint32_t code;
    memcpy(&code, from + i * sizeof code, sizeof code);
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    string->size += onnxc_rt_utf8_encode(code, to + string->size);
  }
  return true;
}

static const Tensor *make_strings(Context *ctx, const Header *h, const char *data) {
  Tensor *tensor = tensor_new(ctx, ONNXC_RT_STRING, h->rank, h->dims);
  onnxc_rt_string *strings = (onnxc_rt_string *)(uintptr_t)tensor->data;
  for (size_t i = 0; i < tensor->count; i++, data += h->width) {
    if (h->text == 'U') {
      size_t n = h->width / sizeof(uint32_t);
      if (!from_code_points(ctx->arena, data, n, &strings[i])) return NULL;
      continue;
    }
    size_t n = h->width;
    while (n > 0 && data[n - 1] == '\0') n--;
    strings[i] = (onnxc_rt_string){data, (ptrdiff_t)n};
  }
  return tensor;
}

/* The elements as this machine has them, in row-major order. */
static char *read_elements(Arena *arena, const Header *h, size_t count) {
  char *data = arena_alloc(arena, count * h->width);
  if (h->fortran) {
    from_fortran(data, h->data, h, count, h->width);
  } else if (count != 0) {
    memcpy(data, h->data, count * h->width);
  }
  bool complex = dtype_info(h->dtype)->cls == DTYPE_CLASS_COMPLEX;
  size_t unit = h->text == 'U' ? sizeof(uint32_t) : complex ? h->width / 2 : h->width;
  if (h->swap) swap_bytes(data, count * h->width, unit);
  return data;
}

const Tensor *npy_parse(Context *ctx, const void *bytes, size_t size, const char **error) {
  Header h = {0};
  *error = read_header(ctx->arena, &h, bytes, size);
  if (*error != NULL) return NULL;
  size_t total = 1;
  for (int i = 0; i < h.rank; i++) {
    if (__builtin_mul_overflow(total, (size_t)h.dims[i], &total)) total = SIZE_MAX;
  }
  if (total != h.left / h.width || h.left % h.width != 0) {
    *error = "the shape does not fit the size of the file";
    return NULL;
  }
  char *data = read_elements(ctx->arena, &h, total);
  if (h.dtype == ONNXC_RT_STRING) {
    const Tensor *strings = make_strings(ctx, &h, data);
    if (strings == NULL) *error = "an element holds no Unicode text";
    return strings;
  }
  Tensor *tensor = tensor_new(ctx, h.dtype, h.rank, h.dims);
  if (total != 0) tensor->data = data;
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
  bool bytes = descr[1] == '1' && descr[2] == '\0' && *descr != 'U';
  char order = bytes ? '|' : machine_order();
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

/* The code points of a string; false when it is not UTF-8, or ends in a NUL, which NumPy drops. */
static bool count_code_points(onnxc_rt_string string, size_t *n) {
  uint32_t code = 1;
  *n = 0;
  for (ptrdiff_t at = 0; at < string.size; (*n)++) {
    int bytes = onnxc_rt_utf8_decode(string.bytes + at, string.size - at, &code);
    if (bytes == 0) return false;
    at += bytes;
  }
  return code != 0;
}

/* Room for `n` code points, NUL behind the end of the string. */
static void write_string(Out *w, onnxc_rt_string string, size_t n) {
  ptrdiff_t at = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t code = 0;
    if (at < string.size) at += onnxc_rt_utf8_decode(string.bytes + at, string.size - at, &code);
    out_raw(w, &code, sizeof code);
  }
}

static bool write_strings(Out *w, Arena *arena, const Tensor *tensor) {
  const onnxc_rt_string *strings = tensor->data;
  size_t longest = 1, n;
  for (size_t i = 0; i < tensor->count; i++) {
    if (!count_code_points(strings[i], &n)) return false;
    if (n > longest) longest = n;
  }
  write_header(w, arena, arena_printf(arena, "U%zu", longest), tensor);
  for (size_t i = 0; i < tensor->count; i++) write_string(w, strings[i], longest);
  return true;
}

bool npy_write(Out *w, Arena *arena, const Tensor *tensor) {
  if (tensor->dtype == ONNXC_RT_STRING) return write_strings(w, arena, tensor);
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
