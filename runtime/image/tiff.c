/* TIFF, by libtiff: the first page, upright. */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

typedef struct File {
  const onnxc_rt_image *image;
  uint64_t at;
} File;

static tmsize_t take(thandle_t handle, void *to, tmsize_t n) {
  File *f = (File *)handle;
  const uint64_t left = f->at < f->image->size ? f->image->size - f->at : 0;
  const uint64_t taken = n < 0 ? 0 : (uint64_t)n < left ? (uint64_t)n : left;
  if (taken != 0) memcpy(to, f->image->bytes + f->at, (size_t)taken);
  f->at += taken;
  return (tmsize_t)taken;
}

static tmsize_t refuse(thandle_t handle, void *from, tmsize_t n) {
  (void)handle, (void)from, (void)n;
  return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int from) {
  File *f = (File *)handle;
  const uint64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? f->at : f->image->size;
  f->at = base + offset;
  return f->at;
}

static int leave(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t size_of(thandle_t handle) {
  return ((File *)handle)->image->size;
}

static int say_nothing(TIFF *tiff, void *data, const char *module, const char *format,
                       va_list args) {
  (void)tiff, (void)data, (void)module, (void)format, (void)args;
  return 1;
}

/* What one allocation may take: tables of the file's size, and the pixels that there is room for.
 */
static tmsize_t largest_allocation(const onnxc_rt_image *image) {
  const int64_t *const dims = image->out == NULL ? NULL : image->out->dims;
  const int64_t pixels = dims == NULL ? 0 : dims[0] * dims[1];
  const int64_t least = 1 << 20;
  return (tmsize_t)(least + 16 * pixels + 16 * (int64_t)image->size);
}

static TIFF *open_file(File *f) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) return NULL;
  TIFFOpenOptionsSetErrorHandlerExtR(options, say_nothing, NULL);
  TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, NULL);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, largest_allocation(f->image));
  TIFF *tiff = TIFFClientOpenExt("image", "rm", (thandle_t)f, take, refuse, seek, leave, size_of,
                                 NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  return tiff;
}

static int decode(TIFF *tiff, onnxc_rt_image *image) {
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  if (!onnxc_rt_image_begin(image, width, height)) return 0;
  const size_t pixels = (size_t)width * height;
  uint32_t *const raster = malloc(pixels * sizeof *raster);
  if (raster == NULL) return 0;
  const int decoded =
      TIFFReadRGBAImageOriented(tiff, width, height, raster, ORIENTATION_TOPLEFT, 1);
  for (size_t i = 0; i < pixels && decoded; i++) {
    image->rgb[3 * i] = (unsigned char)TIFFGetR(raster[i]);
    image->rgb[3 * i + 1] = (unsigned char)TIFFGetG(raster[i]);
    image->rgb[3 * i + 2] = (unsigned char)TIFFGetB(raster[i]);
  }
  free(raster);
  return decoded;
}

int onnxc_rt_image_tiff(onnxc_rt_image *image) {
  File f = {image, 0};
  TIFF *const tiff = open_file(&f);
  if (tiff == NULL) return 0;
  const int decoded = decode(tiff, image);
  TIFFClose(tiff);
  return decoded;
}
