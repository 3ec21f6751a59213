/* Images. The decoders are an optional part of the runtime, over libraries that may not be there.
 */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <string.h>

#ifdef ONNXC_HAS_IMAGES
#define IMAGE_KERNEL OP_KERNEL(onnxc_rt_image_decode)

/* What a constant file says; else it is found out when the model runs. */
static bool image_size(Node *node, const Dim **dims) {
  const Tensor *file = node_in(node, 0)->constant;
  if (file == NULL) {
    for (int i = 0; i < 2; i++) dims[i] = infer_fresh(node, 0, i, NULL);
    return true;
  }
  int64_t length = (int64_t)file->count, size[2];
  const onnxc_rt_tensor bytes = onnxc_rt_tensor_at(file->data, &length, 1, ONNXC_RT_U8);
  if (onnxc_rt_image_size(&bytes, &size[0], &size[1]) != ONNXC_RT_OK) {
    return node_error(node, DIAG_INVALID, "the constant is no file of a known image format");
  }
  for (int i = 0; i < 2; i++) dims[i] = dim_const(infer_dims(node), size[i]);
  return true;
}
#else
#define IMAGE_KERNEL .kernel = "onnxc_rt_image_decode"

static bool image_size(Node *node, const Dim **dims) {
  (void)dims;
  return node_error(node, DIAG_UNSUPPORTED,
                    "this onnxc was built without image decoders; build it where libjpeg, libpng, "
                    "libtiff (4.5), libwebp and libopenjp2 are installed (Debian's packages: "
                    "libjpeg62-turbo-dev libpng-dev libtiff-dev libwebp-dev libopenjp2-7-dev)");
}
#endif

/* A file -> [height, width, colours]. */
static bool image_decoder_infer(Node *node) {
  static const InputRule rules[] = {INPUT("encoded_stream", 1, 1)};
  const Dim *dims[3];
  if (!CHECK_INPUTS(node, rules) || !check_choice(node, "pixel_format", "RGB BGR Grayscale") ||
      !image_size(node, dims)) {
    return false;
  }
  bool gray = strcmp(op_param_s(node, "pixel_format"), "Grayscale") == 0;
  dims[2] = dim_const(infer_dims(node), gray ? 1 : 3);
  infer_output(node, 0, ONNXC_RT_U8, 3, dims);
  return true;
}

const OpDef op_ImageDecoder = {
    .name = "ImageDecoder",
    .domain = "",
    .flags = OP_DATA_DEPENDENT,
    .params = (const OpParam[]){PARAM_STRING("pixel_format", "RGB"), {0}},
    .infer = image_decoder_infer,
    IMAGE_KERNEL,
    .library = "onnxc_rt_image",
};
