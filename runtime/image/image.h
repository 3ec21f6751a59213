/* Inside onnxc_rt_image: what the decoders share. */
#ifndef ONNXC_RT_IMAGE_IMAGE_H
#define ONNXC_RT_IMAGE_IMAGE_H

#include "onnxc_rt.h"

typedef struct onnxc_rt_image {
  const unsigned char *bytes; /* of the file */
  size_t size;
  const onnxc_rt_tensor *out; /* NULL: only the size is asked for */
  int64_t width, height;      /* known after image_begin */
  unsigned char *rgb;         /* three bytes a pixel, row by row */
  int too_large;
} onnxc_rt_image;

/* The decoder has found out the size: makes room for the pixels. False: not acceptable. */
int onnxc_rt_image_begin(onnxc_rt_image *image, int64_t width, int64_t height);

/* Decodes the bytes; false when they are corrupt or not supported. Nothing is printed. */
typedef int onnxc_rt_image_decoder(onnxc_rt_image *image);

onnxc_rt_image_decoder onnxc_rt_image_bmp, onnxc_rt_image_jpeg, onnxc_rt_image_jpeg2000,
    onnxc_rt_image_png, onnxc_rt_image_pnm, onnxc_rt_image_tiff, onnxc_rt_image_webp;

#endif
