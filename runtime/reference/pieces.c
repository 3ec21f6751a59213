#include "reference/pieces.h"

#include "reference/utf8.h"

#include <string.h>

static int is_space(uint32_t code) {
  static const uint32_t ranges[][2] = {
      {0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
      {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    if (code >= ranges[i][0] && code <= ranges[i][1]) return 1;
  }
  return 0;
}

/* The bytes of the white space that a string begins with, or of all else before some of it. Bytes
 * that are no UTF-8 are no white space. */
static ptrdiff_t span(onnxc_rt_string string, int spaces) {
  ptrdiff_t at = 0;
  while (at < string.size) {
    uint32_t code = 0;
    const int bytes = onnxc_rt_utf8_decode(string.bytes + at, string.size - at, &code);
    if ((bytes != 0 && is_space(code)) != spaces) break;
    at += bytes == 0 ? 1 : bytes;
  }
  return at;
}

static onnxc_rt_string behind(onnxc_rt_string string, ptrdiff_t bytes) {
  if (bytes != 0) string.bytes += bytes;
  string.size -= bytes;
  return string;
}

/* The bytes up to the last that is no white space. */
static ptrdiff_t trimmed(onnxc_rt_string string) {
  ptrdiff_t at = 0, end = 0;
  while (at < string.size) {
    at += span(behind(string, at), 1);
    const ptrdiff_t word = span(behind(string, at), 0);
    at += word;
    if (word != 0) end = at;
  }
  return end;
}

onnxc_rt_split onnxc_rt_split_begin(onnxc_rt_string string, onnxc_rt_string delimiter,
                                    int64_t splits) {
  onnxc_rt_split split = {string, delimiter, splits, string.size == 0};
  if (delimiter.size == 0) split.rest.size = trimmed(string);
  return split;
}

static int next_word(onnxc_rt_split *s, onnxc_rt_string *piece) {
  *piece = s->rest = behind(s->rest, span(s->rest, 1));
  if (s->rest.size == 0) return 0;
  if (s->splits != 0) piece->size = span(s->rest, 0);
  s->rest = behind(s->rest, piece->size);
  if (s->splits > 0) s->splits--;
  return 1;
}

/* Where the delimiter begins; the end without one. */
static ptrdiff_t find(onnxc_rt_string string, onnxc_rt_string delimiter) {
  for (ptrdiff_t at = 0; at + delimiter.size <= string.size; at++) {
    if (memcmp(string.bytes + at, delimiter.bytes, (size_t)delimiter.size) == 0) return at;
  }
  return string.size;
}

int onnxc_rt_split_next(onnxc_rt_split *s, onnxc_rt_string *piece) {
  if (s->delimiter.size == 0) return next_word(s, piece);
  if (s->ended) return 0;
  *piece = s->rest;
  if (s->splits != 0) piece->size = find(s->rest, s->delimiter);
  s->ended = piece->size == s->rest.size;
  if (!s->ended) s->rest = behind(s->rest, piece->size + s->delimiter.size);
  if (s->splits > 0) s->splits--;
  return 1;
}

int64_t onnxc_rt_split_count(onnxc_rt_split split) {
  onnxc_rt_string piece;
  int64_t n = 0;
  while (onnxc_rt_split_next(&split, &piece)) n++;
  return n;
}
