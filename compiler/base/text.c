#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { FILE_BUFFER = 1 << 16 };

struct Out {
  Arena *arena;
  FILE *file;
  char *data;
  size_t len, cap;
  int indent;
  bool line_start, failed;
  int error;
};

Out *out_memory(Arena *arena) {
  Out *w = ARENA_NEW(arena, Out);
  *w = (Out){.arena = arena, .line_start = true};
  return w;
}

Out *out_file(Arena *arena, FILE *file) {
  Out *w = out_memory(arena);
  w->file = file;
  return w;
}

static void reserve(Out *w, size_t more) {
  size_t need = w->len + more + 1;
  if (need <= w->cap) return;
  size_t cap = w->cap == 0 ? 4096 : w->cap;
  while (cap < need) cap *= 2;
  char *data = arena_alloc(w->arena, cap);
  if (w->len != 0) memcpy(data, w->data, w->len);
  w->data = data;
  w->cap = cap;
}

static void append(Out *w, const char *bytes, size_t size) {
  if (w->file != NULL) {
    if (!w->failed && fwrite(bytes, 1, size, w->file) != size) {
      w->failed = true;
      w->error = errno;
    }
    return;
  }
  reserve(w, size);
  memcpy(w->data + w->len, bytes, size);
  w->len += size;
  w->data[w->len] = '\0';
}

void out_bytes(Out *w, const char *bytes, size_t size) {
  while (size != 0) {
    const char *end = memchr(bytes, '\n', size);
    size_t length = end == NULL ? size : (size_t)(end - bytes) + 1;
    if (w->line_start && *bytes != '\n' && *bytes != '#') {
      for (int i = 0; i < w->indent; i++) append(w, "  ", 2);
    }
    append(w, bytes, length);
    w->line_start = end != NULL;
    bytes += length;
    size -= length;
  }
}

void out_raw(Out *w, const void *bytes, size_t size) {
  if (size != 0) append(w, bytes, size);
}

void out(Out *w, const char *format, ...) {
  char local[512];
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(local, sizeof local, format, args);
  va_end(args);
  if (length >= 0 && (size_t)length < sizeof local) {
    out_bytes(w, local, (size_t)length);
  } else {
    const char *text = arena_vprintf(w->arena, format, again);
    out_bytes(w, text, strlen(text));
  }
  va_end(again);
}

void out_indent(Out *w, int levels) {
  w->indent += levels;
}

const char *out_text(Out *w, size_t *size) {
  reserve(w, 0);
  w->data[w->len] = '\0';
  if (size != NULL) *size = w->len;
  return w->data;
}

bool out_ok(const Out *w) {
  if (w->failed) errno = w->error;
  return !w->failed;
}

/* Every byte of `text` through one table row: which bytes stand for themselves, and the form of
 * the others. `widest` bounds the form's length. */
static const char *escape_bytes(Arena *arena, const char *bytes, size_t size, const char *special,
                                const char *form, size_t widest) {
  char *result = arena_array(arena, size + 1, widest), *at = result;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c >= 0x20 && c < 0x7f && strchr(special, c) == NULL) {
      *at++ = (char)c;
    } else {
      at += sprintf(at, form, (unsigned)c);
    }
  }
  *at = '\0';
  return result;
}

const char *text_escape_bytes(Arena *arena, const char *bytes, size_t size) {
  return escape_bytes(arena, bytes, size, "", "\\x%02x", 5);
}

const char *text_escape(Arena *arena, const char *text) {
  return text_escape_bytes(arena, text, strlen(text));
}

const char *text_comment(Arena *arena, const char *text) {
  return escape_bytes(arena, text, strlen(text), "*\\?%", "%%%02x", 5);
}

/* Bytes from 0x80 on are UTF-8 that JSON takes as it is. */
const char *text_json(Arena *arena, const char *text) {
  char *result = arena_array(arena, strlen(text) + 1, 7), *at = result;
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
      at += sprintf(at, "\\u%04x", (unsigned)c);
    } else {
      *at++ = (char)c;
    }
  }
  *at = '\0';
  return result;
}

const char *text_c_string(Arena *arena, const char *bytes, size_t size) {
  return escape_bytes(arena, bytes, size, "\"\\?", "\\%03o", 5);
}

const char *text_f64(Arena *arena, double value) {
  if (isnan(value)) return "(double)ONNXC_RT_NAN"; /* a float */
  if (isinf(value)) return value > 0 ? "(double)ONNXC_RT_INFINITY" : "(double)-ONNXC_RT_INFINITY";
  if (value == floor(value) && fabs(value) < 1e6) {
    return arena_printf(arena, "%s%.1f", signbit(value) && value == 0 ? "-" : "",
                        value == 0 ? 0.0 : value);
  }
  return arena_printf(arena, "%a", value);
}

const char *text_f32(Arena *arena, float value) {
  if (isnan(value)) return "ONNXC_RT_NAN";
  if (isinf(value)) return value > 0 ? "ONNXC_RT_INFINITY" : "-ONNXC_RT_INFINITY";
  return arena_printf(arena, "%sf", text_f64(arena, (double)value));
}
