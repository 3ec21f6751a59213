#include "reference/utf8.h"

int onnxc_rt_utf8_decode(const char *bytes, ptrdiff_t left, uint32_t *code) {
  /* The least code point that needs so many bytes, and the marks of their first one. */
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char first = left > 0 ? (unsigned char)bytes[0] : 0xFF;
  const int n = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (n == 0 || first >= 0xF8 || n > left) return 0;
  *code = n == 1 ? first : first & (0x7FU >> n);
  for (int i = 1; i < n; i++) {
    const unsigned char next = (unsigned char)bytes[i];
    if ((next & 0xC0) != 0x80) return 0;
    *code = *code << 6 | (next & 0x3FU);
  }
  const int surrogate = *code >= 0xD800 && *code < 0xE000;
  return *code >= least[n] && *code <= 0x10FFFF && !surrogate ? n : 0;
}

int onnxc_rt_utf8_encode(uint32_t code, char *bytes) {
  static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
  const int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (int i = n - 1; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80U | (code & 0x3FU));
  bytes[0] = (char)(marks[n] | code);
  return n;
}
