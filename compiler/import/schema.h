/* The operator schemas of ONNX, all versions, as const tables made from schemas/operators.def. */
#ifndef ONNXC_IMPORT_SCHEMA_H
#define ONNXC_IMPORT_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those of AttributeProto.AttributeType. */
typedef enum SchemaKind {
  SCHEMA_FLOAT = 1,
  SCHEMA_INT,
  SCHEMA_STRING,
  SCHEMA_TENSOR,
  SCHEMA_GRAPH,
  SCHEMA_FLOATS,
  SCHEMA_INTS,
  SCHEMA_STRINGS,
  SCHEMA_TENSORS,
  SCHEMA_GRAPHS,
  SCHEMA_SPARSE_TENSOR,
  SCHEMA_SPARSE_TENSORS,
  SCHEMA_TYPE_PROTO,
  SCHEMA_TYPE_PROTOS
} SchemaKind;

typedef enum SchemaOption {
  SCHEMA_SINGLE,
  SCHEMA_OPTIONAL,
  SCHEMA_VARIADIC,
  SCHEMA_VARIADIC_MIXED /* each of its own type */
} SchemaOption;

enum { SCHEMA_DEPRECATED = 1, SCHEMA_FUNCTION = 2 };

/* An input or output. `type` names one of the operator's types, or is concrete: tensor(int64). */
typedef struct SchemaFormal {
  const char *name, *type;
  SchemaOption option;
} SchemaFormal;

typedef struct SchemaAttr {
  const char *name;
  SchemaKind kind;
  bool required, has_default;
  size_t count; /* of ints or strings */
  int64_t i;
  float f;
  const char *s;
  const int64_t *ints;
  const char *const *strings;
} SchemaAttr;

/* Element types allowed in each form, bit n for TensorProto.DataType n. */
typedef struct SchemaType {
  const char *name;
  uint32_t tensors, sequences, optionals, optional_sequences;
  bool maps;
} SchemaType;

typedef struct OperatorSchema {
  const char *domain, *name;
  int since;
  unsigned flags;
  int min_inputs, max_inputs, min_outputs, max_outputs; /* a maximum is INT_MAX when open */
  size_t n_inputs, n_outputs, n_attrs, n_types;
  const SchemaFormal *inputs, *outputs;
  const SchemaAttr *attrs; /* sorted by name */
  const SchemaType *types;
} OperatorSchema;

/* All schemas, sorted by domain, name and version. */
size_t schema_count(void);
const OperatorSchema *schema_at(size_t i);
/* The newest schema that `opset` of `domain` has; NULL when there is none. "ai.onnx" is "". */
const OperatorSchema *schema_find(const char *domain, const char *name, int64_t opset);
/* Newest known version of a domain; 0 for an unknown domain. */
int64_t schema_newest(const char *domain);

/* Formal parameter of actual input or output `i`; a variadic one takes all further ones. NULL when
 * there is none. */
const SchemaFormal *schema_input(const OperatorSchema *schema, size_t i);
const SchemaFormal *schema_output(const OperatorSchema *schema, size_t i);
const SchemaAttr *schema_attr(const OperatorSchema *schema, const char *name); /* NULL: unknown */

/* "FLOAT", "INTS", ...; "unknown" for other numbers. */
const char *schema_kind_name(int kind);

#endif
