/* BMP: all headers of Windows and OS/2, 1 to 32 bits a pixel, plain, with masks, or run lengths. */
#include "image/image.h"

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, MASKS = 3, ALPHA_MASKS = 6 };

typedef struct Bmp {
  onnxc_rt_image *image;
  size_t pixels;  /* where they begin */
  size_t palette; /* where it begins; `colours` entries of `entry` bytes */
  uint32_t colours, entry;
  uint32_t bits, compression;
  uint32_t masks[3];
  int64_t width, height;
  int downward; /* the first row is the top one */
} Bmp;

/* A little-endian number of up to 4 bytes; 0 past the end. */
static uint32_t number(const Bmp *b, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) {
    const size_t k = at + (size_t)i;
    value = value << 8 | (k < b->image->size ? b->image->bytes[k] : 0);
  }
  return value;
}

static int64_t signed_number(const Bmp *b, size_t at) {
  const uint32_t value = number(b, at, 4);
  return value > INT32_MAX ? (int64_t)value - (INT64_C(1) << 32) : (int64_t)value;
}

/* ---- headers -----------------------------------------------------------------------------------
 */

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, OS2_HEADER = 64 };

static void read_core(Bmp *b) {
  b->width = number(b, FILE_HEADER + 4, 2);
  b->height = number(b, FILE_HEADER + 6, 2);
  b->bits = number(b, FILE_HEADER + 10, 2);
  b->entry = 3;
}

static void read_masks(Bmp *b, uint32_t header) {
  static const uint32_t five[3] = {0x7C00, 0x3E0, 0x1F}, eight[3] = {0xFF0000, 0xFF00, 0xFF};
  const int given = b->compression == MASKS || b->compression == ALPHA_MASKS;
  for (size_t k = 0; k < 3; k++) {
    const uint32_t usual = b->bits == 16 ? five[k] : eight[k];
    b->masks[k] = given ? number(b, FILE_HEADER + INFO_HEADER + 4 * k, 4) : usual;
  }
  if (given && header == INFO_HEADER) b->palette += b->compression == MASKS ? 12 : 16;
}

static void read_info(Bmp *b, uint32_t header) {
  b->width = signed_number(b, FILE_HEADER + 4);
  b->height = signed_number(b, FILE_HEADER + 8);
  b->bits = number(b, FILE_HEADER + 14, 2);
  b->compression = header >= 20 ? number(b, FILE_HEADER + 16, 4) : PLAIN;
  b->colours = header >= 36 ? number(b, FILE_HEADER + 32, 4) : 0;
  b->entry = 4;
  b->downward = b->height < 0;
  if (b->downward) b->height = -b->height;
}

static int is_known(const Bmp *b) {
  const uint32_t bits = b->bits;
  switch (b->compression) {
  case PLAIN:
    return bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16 || bits == 24 ||
           bits == 32;
  case RLE8: return bits == 8;
  case RLE4: return bits == 4;
  case MASKS:
  case ALPHA_MASKS: return bits == 16 || bits == 32;
  default: return 0;
  }
}

static int read_headers(Bmp *b) {
  const uint32_t header = number(b, FILE_HEADER, 4);
  b->pixels = number(b, 10, 4);
  b->palette = FILE_HEADER + (size_t)header;
  if (b->image->size < FILE_HEADER + CORE_HEADER || header > 1024) return 0;
  if (header == CORE_HEADER) {
    read_core(b);
  } else if (header >= 16) {
    read_info(b, header);
  } else {
    return 0;
  }
  read_masks(b, header);
  const uint32_t most = b->bits > 8 ? 0 : 1U << b->bits;
  if (b->colours == 0 || b->colours > most) b->colours = most;
  const int other_codes = header == OS2_HEADER && b->compression > RLE4;
  return is_known(b) && !other_codes && b->pixels <= b->image->size;
}

/* ---- pixels ------------------------------------------------------------------------------------
 */

static unsigned char *pixel_at(const Bmp *b, int64_t x, int64_t row) {
  const int64_t y = b->downward ? row : b->height - 1 - row;
  return b->image->rgb + 3 * (y * b->width + x);
}

static int put_index(const Bmp *b, unsigned char *rgb, uint32_t index) {
  const size_t at = b->palette + (size_t)index * b->entry;
  if (index >= b->colours || at + 3 > b->image->size) return 0;
  for (size_t k = 0; k < 3; k++) rgb[k] = b->image->bytes[at + 2 - k];
  return 1;
}

/* The part of a pixel under a mask, stretched to 8 bits. */
static unsigned char under(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  while ((mask & 1) == 0) {
    mask >>= 1;
    pixel >>= 1;
  }
  return (unsigned char)(((uint64_t)(pixel & mask) * 255 + mask / 2) / mask);
}

static int put_pixel(const Bmp *b, unsigned char *rgb, size_t row, int64_t x) {
  const size_t bit = (size_t)x * b->bits, at = row + bit / 8;
  if (b->bits <= 8) {
    const uint32_t byte = number(b, at, 1), shift = 8 - b->bits - (uint32_t)(bit % 8);
    return put_index(b, rgb, byte >> shift & ((1U << b->bits) - 1));
  }
  const uint32_t pixel = number(b, at, (int)b->bits / 8);
  for (int k = 0; k < 3; k++) rgb[k] = under(pixel, b->masks[k]);
  return 1;
}

static int read_rows(const Bmp *b) {
  const size_t stride = ((size_t)b->width * b->bits + 31) / 32 * 4;
  const size_t used = ((size_t)b->width * b->bits + 7) / 8;
  for (int64_t row = 0; row < b->height; row++) {
    const size_t start = b->pixels + (size_t)row * stride;
    if (start > b->image->size || b->image->size - start < used) return 0;
    for (int64_t x = 0; x < b->width; x++) {
      if (!put_pixel(b, pixel_at(b, x, row), start, x)) return 0;
    }
  }
  return 1;
}

/* ---- run lengths -------------------------------------------------------------------------------
 */

typedef struct Runs {
  size_t at;
  int64_t x, row;
} Runs;

/* Index `i` of those that start at a byte: one a byte, or two. */
static uint32_t index_at(const Bmp *b, size_t at, uint32_t i) {
  if (b->bits == 8) return number(b, at + i, 1);
  const uint32_t byte = number(b, at + i / 2, 1);
  return i % 2 == 0 ? byte >> 4 : byte & 15;
}

static int put_run(const Bmp *b, Runs *r, uint32_t n, size_t at, int repeats) {
  const uint32_t period = b->bits == 8 ? 1 : 2;
  for (uint32_t i = 0; i < n; i++, r->x++) {
    if (r->x >= b->width || r->row >= b->height) return 0;
    const uint32_t index = index_at(b, at, repeats ? i % period : i);
    if (!put_index(b, pixel_at(b, r->x, r->row), index)) return 0;
  }
  return 1;
}

/* Escapes: the end of a row, the end, a move, or indexes as they are. False when it is over. */
static int escape(const Bmp *b, Runs *r, uint32_t code, int *good) {
  if (code == 1) return 0;
  if (code == 0) {
    r->x = 0;
    r->row++;
  } else if (code == 2) {
    r->x += number(b, r->at, 1);
    r->row += number(b, r->at + 1, 1);
    r->at += 2;
  } else {
    const size_t bytes = b->bits == 8 ? code : (code + 1) / 2;
    *good = r->at + bytes <= b->image->size && put_run(b, r, code, r->at, 0);
    r->at += bytes + bytes % 2;
  }
  return *good;
}

static int read_runs(const Bmp *b) {
  Runs r = {b->pixels, 0, 0};
  int good = 1;
  for (;;) {
    if (b->image->size < 2 || r.at > b->image->size - 2) return 0;
    const uint32_t n = number(b, r.at, 1), code = number(b, r.at + 1, 1);
    r.at += 2;
    if (n != 0) {
      if (!put_run(b, &r, n, r.at - 1, 1)) return 0;
    } else if (!escape(b, &r, code, &good)) {
      return good;
    }
  }
}

int onnxc_rt_image_bmp(onnxc_rt_image *image) {
  Bmp b = {image, 0, 0, 0, 0, 0, PLAIN, {0, 0, 0}, 0, 0, 0};
  if (!read_headers(&b)) return 0;
  if (!onnxc_rt_image_begin(image, b.width, b.height)) return 0;
  return b.compression == RLE8 || b.compression == RLE4 ? read_runs(&b) : read_rows(&b);
}
