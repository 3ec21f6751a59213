/* Constants: TensorProto and SparseTensorProto to the dense tensors of the graph. */
#ifndef ONNXC_IMPORT_TENSOR_H
#define ONNXC_IMPORT_TENSOR_H

#include "ir/graph.h"
#include "onnx.pb-c.h"

/* Tensors of one model by their message: a function that is inlined many times shares its
 * constants. */
typedef struct TensorCache {
  Map tensors;
  size_t dense; /* bytes of sparse tensors made dense so far */
} TensorCache;

typedef struct TensorSource {
  Context *ctx;
  const char *model; /* path of the file; external data lies in its folder. NULL: none may be */
  DiagSite site;
  TensorCache *cache; /* NULL: none */
} TensorSource;

enum { SPARSE_MAX_BYTES = 64 << 20 }; /* of a model's sparse tensors made dense */

/* Large data is borrowed from the message where its layout is that of the graph. NULL: reported. */
const Tensor *tensor_import(const TensorSource *source, const Onnx__TensorProto *proto);
const Tensor *tensor_import_sparse(const TensorSource *source,
                                   const Onnx__SparseTensorProto *proto);

#endif
