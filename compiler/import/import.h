/* From a file to the graph: the only room that knows ONNX messages.
 *
 * What comes out is canonical: operators in their newest form (upgrade.def), functions inlined,
 * Constant nodes and initializers as constants, outer values of subgraphs captured. Types are set
 * for inputs and constants only; inference does the rest. */
#ifndef ONNXC_IMPORT_IMPORT_H
#define ONNXC_IMPORT_IMPORT_H

#include "ir/graph.h"

/* The model at `path`; NULL: reported, every fault of it and not only the first.
 * An initializer that is also an input is a constant, not an input. */
Graph *import_model(Context *ctx, const char *path);

/* Whether operators of ai.onnx by this name become others on import, in every version. */
bool import_replaces(const char *op);
/* Whether the form that an operator of ai.onnx had in that version becomes another one. */
bool import_upgrades(const char *op, int version);

/* After inference: whether it agrees with the types that the model declares. False: reported. */
bool import_check_types(const Graph *graph);

/* Data of any kind. */
typedef struct Datum {
  TypeKind kind;
  const Tensor *tensor;      /* of a tensor; the values of a map */
  const Tensor *keys;        /* of a map */
  const struct Datum *parts; /* of a sequence; of an optional: none or one */
  size_t n;
} Datum;

/* One serialized TensorProto, SequenceProto, OptionalProto or MapProto, as `type` says. False:
 * reported. */
bool import_data_file(Context *ctx, const char *path, const Type *type, Datum *datum);

/* One serialized TensorProto, as test data has them; NULL: reported. */
const Tensor *import_tensor_file(Context *ctx, const char *path);

#endif
