/* WebP without animation, by libwebp. */
#include "image/image.h"

#include <webp/decode.h>

int onnxc_rt_image_webp(onnxc_rt_image *image) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(image->bytes, image->size, &features) != VP8_STATUS_OK) return 0;
  if (features.has_animation || !onnxc_rt_image_begin(image, features.width, features.height)) {
    return 0;
  }
  const size_t stride = 3 * (size_t)features.width, bytes = stride * (size_t)features.height;
  return WebPDecodeRGBInto(image->bytes, image->size, image->rgb, bytes, (int)stride) != NULL;
}
