/* Element types against the operator schemas of ONNX: what each operator allows, and which inputs
 * and outputs share a type. */
#include "ops/types.h"
#include "import/schema.h"

#include <stdio.h>
#include <string.h>

static const SchemaType *type_variable(const OperatorSchema *schema, const char *name) {
  for (size_t i = 0; i < schema->n_types; i++) {
    if (strcmp(schema->types[i].name, name) == 0) return &schema->types[i];
  }
  return NULL;
}

/* Element types that a value of this form may have, as bits. */
static uint32_t allowed_types(const OperatorSchema *schema, const char *type_name,
                              const Type *type) {
  const SchemaType *variable = type_variable(schema, type_name);
  if (variable == NULL) { /* tensor(int64) */
    char name[32];
    if (sscanf(type_name, "tensor(%31[^)])", name) != 1) return UINT32_MAX;
    return type->kind == TYPE_TENSOR ? UINT32_C(1) << dtype_by_name(name) : 0;
  }
  switch (type->kind) {
  case TYPE_TENSOR: return variable->tensors;
  case TYPE_SEQUENCE:
    if (type->element->kind == TYPE_MAP) return variable->maps ? UINT32_MAX : 0;
    return variable->sequences;
  case TYPE_OPTIONAL:
    return type->element->kind == TYPE_SEQUENCE ? variable->optional_sequences
                                                : variable->optionals;
  case TYPE_MAP: return variable->maps ? UINT32_MAX : 0;
  case TYPE_UNKNOWN: break;
  }
  return UINT32_MAX;
}

static DType element_type(const Type *type) {
  while (type->kind != TYPE_TENSOR && type->element != NULL) type = type->element;
  return type->dtype;
}

static const char *list_types(Arena *arena, uint32_t allowed) {
  const char *text = "";
  for (int i = 1; i < 32; i++) {
    if ((allowed >> i & 1) == 0) continue;
    text = arena_printf(arena, "%s%s%s", text, *text == '\0' ? "" : ", ", dtype_info(i)->name);
  }
  return text;
}

static bool check_allowed(const Node *node, const OperatorSchema *schema,
                          const SchemaFormal *formal, const Value *value, const char *verb) {
  uint32_t allowed = allowed_types(schema, formal->type, &value->type);
  DType dtype = element_type(&value->type);
  if (dtype_info((int)dtype)->bits != 0 && (allowed >> dtype & 1) != 0) return true;
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_INVALID, "%s '%s' is %s, but the operator %s %s%s", formal->name,
                    value->name, type_text(arena, &value->type), verb,
                    allowed == 0 ? "another kind of value" : "only ", list_types(arena, allowed));
}

/* The first input before `end` whose type is the same variable. */
static const Value *bound_before(const Node *node, const OperatorSchema *schema, const char *type,
                                 uint32_t end) {
  for (uint32_t i = 0; i < end; i++) {
    const SchemaFormal *formal = schema_input(schema, i);
    const Value *value = node_in(node, i);
    if (value == NULL || formal == NULL || formal->option == SCHEMA_VARIADIC_MIXED) continue;
    if (strcmp(formal->type, type) == 0) return value;
  }
  return NULL;
}

static bool check_bound(const Node *node, const OperatorSchema *schema, const SchemaFormal *formal,
                        const Value *value, uint32_t end) {
  if (formal->option == SCHEMA_VARIADIC_MIXED) return true;
  const Value *other = bound_before(node, schema, formal->type, end);
  if (other == NULL || element_type(&other->type) == element_type(&value->type)) return true;
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_INVALID, "%s '%s' is %s, but '%s' is %s and must have its type",
                    formal->name, value->name, type_text(arena, &value->type), other->name,
                    type_text(arena, &other->type));
}

bool types_check(const Node *node) {
  const OperatorSchema *schema = schema_find(node->op->domain, node->op->name, INT64_MAX);
  bool fine = true;
  if (schema == NULL) return true;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const SchemaFormal *formal = schema_input(schema, i);
    const Value *value = node_in(node, i);
    if (value == NULL || formal == NULL) continue;
    fine = check_allowed(node, schema, formal, value, "takes") &&
           check_bound(node, schema, formal, value, i) && fine;
  }
  return fine;
}

bool types_check_outputs(const Node *node) {
  const OperatorSchema *schema = schema_find(node->op->domain, node->op->name, INT64_MAX);
  bool fine = true;
  if (schema == NULL) return true;
  for (uint32_t i = 0; i < node->n_out; i++) {
    const SchemaFormal *formal = schema_output(schema, i);
    const Value *value = node_out(node, i);
    bool known = value != NULL && value->type.kind != TYPE_UNKNOWN;
    if (known && formal != NULL) fine = check_allowed(node, schema, formal, value, "gives") && fine;
  }
  return fine;
}
