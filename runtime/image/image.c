/* ImageDecoder: finds out the format, and brings the pixels to the layout that is asked for. */
#include "image/image.h"

#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <stdlib.h>
#include <string.h>

static const struct {
  const char *magic;
  size_t size, at;
  onnxc_rt_image_decoder *decode;
} formats[] = {
    {"BM", 2, 0, onnxc_rt_image_bmp},
    {"\xFF\xD8\xFF", 3, 0, onnxc_rt_image_jpeg},
    {"\xFF\x4F\xFF\x51", 4, 0, onnxc_rt_image_jpeg2000},
    {"\0\0\0\x0CjP  \r\n\x87\n", 12, 0, onnxc_rt_image_jpeg2000},
    {"\x89PNG\r\n\x1A\n", 8, 0, onnxc_rt_image_png},
    {"P1", 2, 0, onnxc_rt_image_pnm},
    {"P2", 2, 0, onnxc_rt_image_pnm},
    {"P3", 2, 0, onnxc_rt_image_pnm},
    {"P4", 2, 0, onnxc_rt_image_pnm},
    {"P5", 2, 0, onnxc_rt_image_pnm},
    {"P6", 2, 0, onnxc_rt_image_pnm},
    {"II*\0", 4, 0, onnxc_rt_image_tiff},
    {"MM\0*", 4, 0, onnxc_rt_image_tiff},
    {"II+\0", 4, 0, onnxc_rt_image_tiff},
    {"MM\0+", 4, 0, onnxc_rt_image_tiff},
    {"WEBP", 4, 8, onnxc_rt_image_webp},
};

static onnxc_rt_image_decoder *find_decoder(const onnxc_rt_image *image) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    const size_t at = formats[i].at, size = formats[i].size;
    const int long_enough = image->size >= at + size;
    if (long_enough && memcmp(image->bytes + at, formats[i].magic, size) == 0) {
      return formats[i].decode;
    }
  }
  return NULL;
}

static int is_gray(const onnxc_rt_image *image) {
  return image->out->dims[2] == 1;
}

int onnxc_rt_image_begin(onnxc_rt_image *image, int64_t width, int64_t height) {
  if (width < 1 || height < 1) return 0;
  image->width = width;
  image->height = height;
  if (image->out == NULL) return 0;
  image->too_large =
      !onnxc_rt_set_dim(image->out, 0, height) || !onnxc_rt_set_dim(image->out, 1, width);
  if (image->too_large) return 0;
  const size_t bytes = 3 * (size_t)width * (size_t)height;
  image->rgb = is_gray(image) ? malloc(bytes) : (unsigned char *)image->out->data;
  if (image->rgb == NULL) return 0;
  memset(image->rgb, 0, bytes); /* what a decoder leaves out is black */
  return 1;
}

/* Luma as ITU-R BT.601 weighs the colours, in 16 bits behind the point. */
static unsigned char luma(const unsigned char *rgb) {
  return (unsigned char)((19595U * rgb[0] + 38470U * rgb[1] + 7471U * rgb[2] + 32768U) >> 16);
}

static void finish(const onnxc_rt_image *image, int swapped) {
  unsigned char *const out = (unsigned char *)image->out->data;
  const int64_t pixels = image->width * image->height;
  for (int64_t i = 0; i < pixels && is_gray(image); i++) out[i] = luma(image->rgb + 3 * i);
  for (int64_t i = 0; i < pixels && swapped; i++) {
    const unsigned char red = out[3 * i];
    out[3 * i] = out[3 * i + 2];
    out[3 * i + 2] = red;
  }
}

static onnxc_rt_image image_of(const onnxc_rt_tensor *file, const onnxc_rt_tensor *out) {
  const unsigned char *const bytes = (const unsigned char *)file->data;
  const onnxc_rt_image image = {bytes, (size_t)file->dims[0], out, 0, 0, NULL, 0};
  return image;
}

int onnxc_rt_image_size(const onnxc_rt_tensor *file, int64_t *height, int64_t *width) {
  onnxc_rt_image image = image_of(file, NULL);
  onnxc_rt_image_decoder *const decode = find_decoder(&image);
  if (decode != NULL) decode(&image);
  *height = image.height;
  *width = image.width;
  return image.height != 0 ? ONNXC_RT_OK : ONNXC_RT_ERROR_VALUE;
}

int onnxc_rt_image_decode(const onnxc_rt_call *call) {
  onnxc_rt_image image = image_of(&call->in[0], &call->out[0]);
  onnxc_rt_image_decoder *const decode = find_decoder(&image);
  const int decoded = decode != NULL && decode(&image);
  if (decoded) finish(&image, onnxc_rt_attr_is(&call->attr[0], "BGR"));
  if (is_gray(&image)) free(image.rgb);
  if (image.too_large) return ONNXC_RT_ERROR_SHAPE;
  return decoded ? ONNXC_RT_OK : ONNXC_RT_ERROR_VALUE;
}
