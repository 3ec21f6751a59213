/* PBM, PGM and PPM, as text and binary. */
#include "image/image.h"

typedef struct Reader {
  const unsigned char *at, *end;
} Reader;

static int is_space(int c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(Reader *r) {
  while (r->at < r->end && (is_space(*r->at) || *r->at == '#')) {
    const int comment = *r->at == '#';
    while (comment && r->at < r->end && *r->at != '\n' && *r->at != '\r') r->at++;
    if (!comment) r->at++;
  }
}

/* A decimal number up to `most`, behind white space; -1 when there is none. */
static int64_t read_number(Reader *r, int64_t most) {
  skip_space(r);
  int64_t value = -1;
  for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
    value = (value < 0 ? 0 : 10 * value) + (*r->at - '0');
    if (value > most) return -1;
  }
  return value;
}

/* A bit of a bitmap as text: digits need no space between them. */
static int64_t read_digit(Reader *r) {
  skip_space(r);
  return r->at < r->end && (*r->at == '0' || *r->at == '1') ? *r->at++ - '0' : -1;
}

static int64_t read_binary(Reader *r, int64_t most) {
  const int bytes = most > 255 ? 2 : 1;
  int64_t value = 0;
  if (r->end - r->at < bytes) return -1;
  for (int i = 0; i < bytes; i++) value = 256 * value + *r->at++;
  return value > most ? -1 : value;
}

/* One row of a binary bitmap: eight pixels a byte, 1 is black. */
static int read_bits(Reader *r, unsigned char *rgb, int64_t width) {
  if (r->end - r->at < (width + 7) / 8) return 0;
  for (int64_t x = 0; x < width; x++) {
    const int black = r->at[x / 8] >> (7 - x % 8) & 1;
    for (int k = 0; k < 3; k++) rgb[3 * x + k] = black ? 0 : 255;
  }
  r->at += (width + 7) / 8;
  return 1;
}

static int read_row(Reader *r, unsigned char *rgb, int64_t width, char kind, int64_t most) {
  if (kind == '4') return read_bits(r, rgb, width);
  const int colours = kind == '3' || kind == '6';
  for (int64_t i = 0; i < 3 * width; i++) {
    if (!colours && i % 3 != 0) {
      rgb[i] = rgb[i - 1];
      continue;
    }
    const int64_t value = kind == '1'  ? read_digit(r)
                          : kind < '4' ? read_number(r, most)
                                       : read_binary(r, most);
    if (value < 0) return 0;
    rgb[i] = (unsigned char)((255 * (kind == '1' ? 1 - value : value) + most / 2) / most);
  }
  return 1;
}

int onnxc_rt_image_pnm(onnxc_rt_image *image) {
  Reader r = {image->bytes + 2, image->bytes + image->size};
  const char kind = (char)image->bytes[1];
  const int64_t width = read_number(&r, INT32_MAX), height = read_number(&r, INT32_MAX);
  const int64_t most = kind == '1' || kind == '4' ? 1 : read_number(&r, 65535);
  if (most < 1 || r.at == r.end || !is_space(*r.at)) return 0;
  r.at++;
  if (!onnxc_rt_image_begin(image, width, height)) return 0;
  for (int64_t y = 0; y < height; y++) {
    if (!read_row(&r, image->rgb + 3 * y * width, width, kind, most)) return 0;
  }
  return 1;
}
