/* Tensor data in files beside the model.
 *
 * A model may name only regular files inside its own folder: no absolute path, no `..`, no link of
 * either kind on the way. Every file is opened below its folder's descriptor and checked through
 * the descriptor that is then read, so exchanging names meanwhile gains nothing. */
#ifndef ONNXC_IMPORT_EXTERNAL_H
#define ONNXC_IMPORT_EXTERNAL_H

#include "ir/graph.h"
#include "onnx.pb-c.h"

/* The `bytes` bytes that external_data of `tensor` names, read into the arena of the context, which
 * remembers the file. `model` is the path of the model's file. NULL: reported. */
const void *external_load(Context *ctx, DiagSite site, const char *model,
                          const Onnx__TensorProto *tensor, size_t bytes);

#endif
