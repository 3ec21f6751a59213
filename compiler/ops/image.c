/* Images. The decoders are an optional part of the runtime, over libraries that may not be there.
 */
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <string.h>

#ifdef ONNXC_HAS_IMAGES
#define IMAGE_KERNEL OP_KERNEL(onnxc_rt_image_decode)
enum { HAS_DECODERS = 1 };
#else
#define IMAGE_KERNEL .kernel = "onnxc_rt_image_decode"
enum { HAS_DECODERS = 0 };
#endif

/* A file -> [height, width, colours]. */
static bool image_decoder_infer(Node *node) {
  static const InputRule rules[] = {INPUT("encoded_stream", 1, 1)};
  if (!CHECK_INPUTS(node, rules) || !check_choice(node, "pixel_format", "RGB BGR Grayscale")) {
    return false;
  }
  if (!HAS_DECODERS) {
    return node_error(
        node, DIAG_UNSUPPORTED,
        "this onnxc was built without image decoders; build it where libjpeg, libpng, "
        "libtiff (4.5), libwebp and libopenjp2 are installed (Debian's packages: "
        "libjpeg62-turbo-dev libpng-dev libtiff-dev libwebp-dev libopenjp2-7-dev)");
  }
  bool gray = strcmp(op_param_s(node, "pixel_format"), "Grayscale") == 0;
  const Dim *dims[3] = {infer_fresh(node, 0, 0, NULL), infer_fresh(node, 0, 1, NULL),
                        dim_const(infer_dims(node), gray ? 1 : 3)};
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
