/* Text output: an indenting writer over memory or a file, and escapes for every place where text
 * from a model may end up. */
#ifndef ONNXC_BASE_TEXT_H
#define ONNXC_BASE_TEXT_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct Out Out;

/* A writer into memory of `arena`, or to `file` (borrowed; the caller closes it). */
Out *out_memory(Arena *arena);
Out *out_file(Arena *arena, FILE *file);

/* printf. Every line gets the current indentation; preprocessor lines (`#` first) none. */
void out(Out *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_bytes(Out *w, const char *bytes, size_t size);
/* Bytes as they are, no indentation: for binary files. */
void out_raw(Out *w, const void *bytes, size_t size);
void out_indent(Out *w, int levels); /* two spaces each; may be negative */

/* Text so far (memory writers), NUL-terminated; `size` may be NULL. */
const char *out_text(Out *w, size_t *size);
/* False when a write failed; errno is that of the first failure. */
bool out_ok(const Out *w);

/* Printable ASCII: control, bidi and non-ASCII bytes become \xNN, so a line stays a line. */
const char *text_escape(Arena *arena, const char *text);
const char *text_escape_bytes(Arena *arena, const char *bytes, size_t size);
/* Safe inside a C block comment: printable ASCII without asterisks (so that no comment begins or
 * ends), trigraphs and backslashes; those become %NN. */
const char *text_comment(Arena *arena, const char *text);
/* The body of a JSON or C string literal (JSON escapes are also valid for what we print). */
const char *text_json(Arena *arena, const char *text);
/* The body of a C string literal: octal escapes for everything but plain ASCII. */
const char *text_c_string(Arena *arena, const char *bytes, size_t size);
/* A C99 hexadecimal literal that reads back bit for bit; NaN and infinities as expressions of
 * the runtime header. `text_f32` ends in `f`. */
const char *text_f32(Arena *arena, float value);
const char *text_f64(Arena *arena, double value);

#endif
