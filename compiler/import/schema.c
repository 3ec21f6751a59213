#include "import/schema.h"

#include <limits.h>
#include <string.h>

/* operators.def is read once for each array: the rows of one kind become the array's elements, all
 * other macros expand to nothing. Each array of an operator ends in an empty element, so that none
 * is without elements. */

#define UNBOUNDED INT_MAX
#define DEPRECATED SCHEMA_DEPRECATED
#define FUNCTION SCHEMA_FUNCTION

#define DTYPE(name, number) BIT_##name = number,
#define DOMAIN(...)
#define OPERATOR(...)
#define INPUT(...)
#define OUTPUT(...)
#define ATTR(...)
#define ATTR_INT(...)
#define ATTR_FLOAT(...)
#define ATTR_STRING(...)
#define ATTR_INTS(...)
#define ATTR_STRINGS(...)
#define TYPE(...)
#define END

enum {
#include "operators.def"
};
#undef DTYPE
#define DTYPE(...)

typedef struct Domain {
  const char *name;
  int64_t newest;
} Domain;

#undef DOMAIN
#define DOMAIN(name, newest) {name, newest},
static const Domain domains[] = {
#include "operators.def"
};
#undef DOMAIN
#define DOMAIN(...)

#undef END
#define END                                                                                        \
  { 0 }                                                                                            \
  }                                                                                                \
  ;

#undef OPERATOR
#undef INPUT
#define OPERATOR(name, since, ...) static const SchemaFormal inputs_##name##_##since[] = {
#define INPUT(name, type, option) {name, type, SCHEMA_##option},
#include "operators.def"
#undef INPUT
#define INPUT(...)

#undef OPERATOR
#undef OUTPUT
#define OPERATOR(name, since, ...) static const SchemaFormal outputs_##name##_##since[] = {
#define OUTPUT(name, type, option) {name, type, SCHEMA_##option},
#include "operators.def"
#undef OUTPUT
#define OUTPUT(...)

#define NEED_REQUIRED true
#define NEED_OPTIONAL false
#define LIST(type, ...)                                                                            \
  (const type[]){__VA_ARGS__}, .count = sizeof((const type[]){__VA_ARGS__}) / sizeof(type)

#undef OPERATOR
#undef ATTR
#undef ATTR_INT
#undef ATTR_FLOAT
#undef ATTR_STRING
#undef ATTR_INTS
#undef ATTR_STRINGS
#define OPERATOR(name, since, ...) static const SchemaAttr attrs_##name##_##since[] = {
#define ATTR(name_, kind_, necessity)                                                              \
  {.name = name_, .kind = SCHEMA_##kind_, .required = NEED_##necessity},
#define WITH_DEFAULT(name_, kind_, ...)                                                            \
  {.name = name_, .kind = SCHEMA_##kind_, .has_default = true, __VA_ARGS__},
#define ATTR_INT(name, value) WITH_DEFAULT(name, INT, .i = value)
#define ATTR_FLOAT(name, value) WITH_DEFAULT(name, FLOAT, .f = value)
#define ATTR_STRING(name, value) WITH_DEFAULT(name, STRING, .s = value)
#define ATTR_INTS(name, ...) WITH_DEFAULT(name, INTS, .ints = LIST(int64_t, __VA_ARGS__))
#define ATTR_STRINGS(name, ...)                                                                    \
  WITH_DEFAULT(name, STRINGS, .strings = LIST(char *const, __VA_ARGS__))
#include "operators.def"
#undef ATTR
#undef ATTR_INT
#undef ATTR_FLOAT
#undef ATTR_STRING
#undef ATTR_INTS
#undef ATTR_STRINGS
#define ATTR(...)
#define ATTR_INT(...)
#define ATTR_FLOAT(...)
#define ATTR_STRING(...)
#define ATTR_INTS(...)
#define ATTR_STRINGS(...)

#undef OPERATOR
#undef TYPE
#define OPERATOR(name, since, ...) static const SchemaType types_##name##_##since[] = {
#define B(dtype) | UINT32_C(1) << BIT_##dtype
#define TYPE(name, tensors, sequences, optionals, optional_sequences, maps)                        \
  {name, 0 tensors, 0 sequences, 0 optionals, 0 optional_sequences, maps},
#include "operators.def"
#undef TYPE
#define TYPE(...)

#define ARRAY(field, array) .n_##field = sizeof(array) / sizeof *(array)-1, .field = array

#undef OPERATOR
#undef END
#define END
#define OPERATOR(name_, since_, domain_, min_in, max_in, min_out, max_out, flags_)                 \
  {.domain = domain_,                                                                              \
   .name = #name_,                                                                                 \
   .since = since_,                                                                                \
   .flags = flags_,                                                                                \
   .min_inputs = min_in,                                                                           \
   .max_inputs = max_in,                                                                           \
   .min_outputs = min_out,                                                                         \
   .max_outputs = max_out,                                                                         \
   ARRAY(inputs, inputs_##name_##_##since_),                                                       \
   ARRAY(outputs, outputs_##name_##_##since_),                                                     \
   ARRAY(attrs, attrs_##name_##_##since_),                                                         \
   ARRAY(types, types_##name_##_##since_)},
static const OperatorSchema schemas[] = {
#include "operators.def"
};

enum { N_SCHEMAS = sizeof schemas / sizeof *schemas, N_DOMAINS = sizeof domains / sizeof *domains };

size_t schema_count(void) {
  return N_SCHEMAS;
}

const OperatorSchema *schema_at(size_t i) {
  return &schemas[i];
}

static const char *canonical_domain(const char *domain) {
  return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

/* The order of operators.def. */
static int compare(const OperatorSchema *schema, const char *domain, const char *name,
                   int64_t version) {
  int order = strcmp(schema->domain, domain);
  if (order == 0) order = strcmp(schema->name, name);
  return order != 0 ? order : (schema->since > version) - (schema->since < version);
}

const OperatorSchema *schema_find(const char *domain, const char *name, int64_t opset) {
  domain = canonical_domain(domain);
  size_t low = 0, high = N_SCHEMAS; /* those before low are not past the wanted one */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&schemas[middle], domain, name, opset) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return NULL;
  const OperatorSchema *found = &schemas[low - 1];
  return compare(found, domain, name, found->since) == 0 ? found : NULL;
}

int64_t schema_newest(const char *domain) {
  domain = canonical_domain(domain);
  for (size_t i = 0; i < N_DOMAINS; i++) {
    if (strcmp(domains[i].name, domain) == 0) return domains[i].newest;
  }
  return 0;
}

static const SchemaFormal *formal(const SchemaFormal *formals, size_t n, size_t i) {
  if (i < n) return &formals[i];
  bool open = n != 0 && formals[n - 1].option >= SCHEMA_VARIADIC;
  return open ? &formals[n - 1] : NULL;
}

const SchemaFormal *schema_input(const OperatorSchema *schema, size_t i) {
  return formal(schema->inputs, schema->n_inputs, i);
}

const SchemaFormal *schema_output(const OperatorSchema *schema, size_t i) {
  return formal(schema->outputs, schema->n_outputs, i);
}

const SchemaAttr *schema_attr(const OperatorSchema *schema, const char *name) {
  for (size_t i = 0; i < schema->n_attrs; i++) {
    if (strcmp(schema->attrs[i].name, name) == 0) return &schema->attrs[i];
  }
  return NULL;
}

const char *schema_kind_name(int kind) {
  static const char *const names[] = {"unknown",        "FLOAT",      "INT",        "STRING",
                                      "TENSOR",         "GRAPH",      "FLOATS",     "INTS",
                                      "STRINGS",        "TENSORS",    "GRAPHS",     "SPARSE_TENSOR",
                                      "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};
  return names[kind > 0 && kind < (int)(sizeof names / sizeof *names) ? kind : 0];
}
