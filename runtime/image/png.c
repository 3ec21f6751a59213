/* PNG, by libpng. */
#include "image/image.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct Png {
  png_structp codec;
  png_infop info;
  onnxc_rt_image *image;
  size_t at; /* bytes read */
  jmp_buf escape;
  unsigned char **rows;
} Png;

static void fail(png_structp codec, png_const_charp message) {
  (void)message;
  longjmp(((Png *)png_get_error_ptr(codec))->escape, 1);
}

static void ignore(png_structp codec, png_const_charp message) {
  (void)codec;
  (void)message;
}

static void take(png_structp codec, png_bytep to, size_t n) {
  Png *p = (Png *)png_get_io_ptr(codec);
  if (n > p->image->size - p->at) png_error(codec, "");
  memcpy(to, p->image->bytes + p->at, n);
  p->at += n;
}

/* All forms become three bytes a pixel; gamma is left as it is. */
static void ask_for_rgb(png_structp codec) {
  png_set_expand(codec);
  png_set_scale_16(codec);
  png_set_gray_to_rgb(codec);
  png_set_strip_alpha(codec);
  png_set_interlace_handling(codec);
}

static int decode(Png *p) {
  png_read_info(p->codec, p->info);
  const png_uint_32 width = png_get_image_width(p->codec, p->info);
  const png_uint_32 height = png_get_image_height(p->codec, p->info);
  if (!onnxc_rt_image_begin(p->image, width, height)) return 0;
  ask_for_rgb(p->codec);
  png_read_update_info(p->codec, p->info);
  if (png_get_rowbytes(p->codec, p->info) != 3 * (size_t)width) return 0;
  p->rows = malloc(height * sizeof *p->rows);
  if (p->rows == NULL) return 0;
  for (size_t i = 0; i < height; i++) p->rows[i] = p->image->rgb + 3 * i * width;
  png_read_image(p->codec, p->rows);
  png_read_end(p->codec, NULL);
  return 1;
}

/* Everything that is changed behind setjmp is in *p. */
static int guarded(Png *p) {
  if (setjmp(p->escape) != 0) return 0;
  p->codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, p, fail, ignore);
  if (p->codec == NULL) return 0;
  p->info = png_create_info_struct(p->codec);
  if (p->info == NULL) return 0;
  png_set_read_fn(p->codec, p, take);
  return decode(p);
}

int onnxc_rt_image_png(onnxc_rt_image *image) {
  Png p;
  memset(&p, 0, sizeof p);
  p.image = image;
  const int decoded = guarded(&p);
  png_destroy_read_struct(&p.codec, &p.info, NULL);
  free(p.rows);
  return decoded;
}
