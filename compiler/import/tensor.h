/* Constants: TensorProto and SparseTensorProto to the dense tensors of the graph. */
#ifndef ONNXC_IMPORT_TENSOR_H
#define ONNXC_IMPORT_TENSOR_H

#include "ir/graph.h"
#include "onnx.pb-c.h"

typedef struct TensorSource {
  Context *ctx;
  const char *model; /* path of the file; external data lies in its folder. NULL: none may be */
  DiagSite site;
} TensorSource;

enum { SPARSE_MAX_BYTES = 64 << 20 }; /* of a sparse tensor made dense */

/* Data is borrowed from the message where its layout is that of the graph. NULL: reported. */
const Tensor *tensor_import(const TensorSource *source, const Onnx__TensorProto *proto);
const Tensor *tensor_import_sparse(const TensorSource *source,
                                   const Onnx__SparseTensorProto *proto);

#endif
