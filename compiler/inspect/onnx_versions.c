/* The oldest form of ONNX that says the same, since not every tool knows the newest one. */
#include "import/import.h"
#include "import/schema.h"
#include "inspect/onnx.h"
#include "ops/op.h"

#include <string.h>

/* Older forms than those of this opset are left alone: what operators meant changed more often
 * than their schemas say. */
enum { OLDEST = 18 };

/* Values of attributes that came later than the attributes, or meant something else before. */
static const struct {
  const char *op, *attr, *text; /* NULL: the number is meant */
  int64_t number;
  int since;
} later_values[] = {
    {"AveragePool", "ceil_mode", NULL, 1, 22}, /* no window starts behind the end */
    {"LpPool", "ceil_mode", NULL, 1, 22},
    {"MaxPool", "ceil_mode", NULL, 1, 22},
    {"Pad", "mode", "wrap", 0, 19},
    {"Resize", "coordinate_transformation_mode", "half_pixel_symmetric", 0, 19},
};

static bool has_value(const OperatorSchema *schema, const Attr *attr) {
  for (size_t i = 0; i < sizeof later_values / sizeof *later_values; i++) {
    const char *text = later_values[i].text;
    bool named = strcmp(schema->name, later_values[i].op) == 0 &&
                 strcmp(attr->name, later_values[i].attr) == 0;
    if (!named || schema->since >= later_values[i].since) continue;
    if (text == NULL ? attr->i == later_values[i].number : strcmp(attr->s, text) == 0) return false;
  }
  return true;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

static bool same_default(const SchemaAttr *a, const SchemaAttr *b) {
  if (a == NULL || b == NULL || a->has_default != b->has_default) return false;
  if (!a->has_default) return a->required == b->required;
  bool same_text = a->s == b->s || (a->s != NULL && b->s != NULL && strcmp(a->s, b->s) == 0);
  return a->kind == b->kind && a->i == b->i && a->f == b->f && same_text && a->count == 0 &&
         b->count == 0;
}

/* The attribute says what is so without it. */
static bool is_default(const SchemaAttr *schema, const Attr *attr) {
  if (schema == NULL || !schema->has_default) return false;
  switch (attr->kind) {
  case ATTR_INT: return attr->i == schema->i;
  case ATTR_FLOAT: return attr->f == schema->f;
  case ATTR_STRING: return schema->s != NULL && strcmp(attr->s, schema->s) == 0;
  default: return false;
  }
}

static bool attrs_fit(const Node *node, const OperatorSchema *older, const OperatorSchema *newest) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    const Attr *attr = &node->attrs[i];
    const SchemaAttr *now = schema_attr(newest, attr->name);
    if (now == NULL) continue; /* the compiler's own */
    bool known = schema_attr(older, attr->name) != NULL && has_value(older, attr);
    if (!known && !is_default(now, attr)) return false;
  }
  for (size_t i = 0; i < older->n_attrs; i++) {
    const SchemaAttr *then = &older->attrs[i];
    if (node_attr(node, then->name) != NULL) continue;
    if (!same_default(then, schema_attr(newest, then->name))) return false;
  }
  return true;
}

/* ---- inputs and outputs ------------------------------------------------------------------------
 */

/* Of sequences, optionals and maps nothing is said. */
static bool takes_type(const OperatorSchema *schema, const SchemaFormal *formal, const Type *type) {
  if (formal == NULL || type->kind != TYPE_TENSOR) return false;
  for (size_t i = 0; i < schema->n_types; i++) {
    if (strcmp(schema->types[i].name, formal->type) != 0) continue;
    return (schema->types[i].tensors >> (unsigned)type->dtype & 1) != 0;
  }
  return true; /* a concrete type, the same in all versions */
}

static bool values_fit(const Node *node, const OperatorSchema *older) {
  uint32_t n_in = node->n_formal, n_out = node->n_out;
  while (n_in > 0 && node_in(node, n_in - 1) == NULL) n_in--;
  while (n_out > 0 && node_out(node, n_out - 1) == NULL) n_out--;
  if ((int64_t)n_in < older->min_inputs || (int64_t)n_in > older->max_inputs) return false;
  if ((int64_t)n_out > older->max_outputs) return false;
  for (uint32_t i = 0; i < n_in; i++) {
    const Value *value = node_in(node, i);
    if (value != NULL && !takes_type(older, schema_input(older, i), &value->type)) return false;
  }
  for (uint32_t i = 0; i < n_out; i++) {
    const Value *value = node_out(node, i);
    if (value != NULL && !takes_type(older, schema_output(older, i), &value->type)) return false;
  }
  return true;
}

static bool says_the_same(const Node *node, const OperatorSchema *older,
                          const OperatorSchema *newest) {
  bool changed =
      (older->flags & SCHEMA_DEPRECATED) != 0 || import_upgrades(older->name, older->since);
  return !changed && values_fit(node, older) && attrs_fit(node, older, newest);
}

/* ---- the model ---------------------------------------------------------------------------------
 */

static const OperatorSchema *oldest_form(const Node *node, const char *op) {
  const OperatorSchema *newest = schema_find("", op, schema_newest("")), *found = newest;
  while (found != NULL && found->since > OLDEST) {
    const OperatorSchema *older = schema_find("", op, found->since - 1);
    if (older == NULL || !says_the_same(node, older, newest)) break;
    found = older;
  }
  return found;
}

/* The oldest form of Identity that takes the type: what the graph gives may be a constant. */
static int64_t since_type(const Type *type) {
  const OperatorSchema *form = schema_find("", "Identity", schema_newest("")), *older = form;
  while (older != NULL && takes_type(older, schema_input(older, 0), type)) {
    form = older;
    older = form->since <= OLDEST ? NULL : schema_find("", "Identity", form->since - 1);
  }
  return form->since;
}

int64_t export_opset(const Graph *graph) {
  int64_t opset = OLDEST;
  VEC_EACH(Value *, output, &graph->outputs) {
    int64_t since = since_type(&(*output)->type);
    if (since > opset) opset = since;
  }
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    const char *op = export_op_name(node);
    const OperatorSchema *form =
        op == NULL || *export_domain(node) != '\0' ? NULL : oldest_form(node, op);
    if (form != NULL && form->since > opset) opset = form->since;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind != ATTR_GRAPH) continue;
      int64_t inner = export_opset(node->attrs[i].graph);
      if (inner > opset) opset = inner;
    }
  }
  return opset;
}

bool export_has_attr(const Node *node, const char *op, const Attr *attr, int64_t opset) {
  if (*export_domain(node) != '\0') return true;
  const OperatorSchema *schema = schema_find("", op, opset);
  return schema == NULL || schema_attr(schema, attr->name) != NULL;
}

int64_t export_ir_version(int64_t opset) {
  static const struct {
    int64_t opset, version;
  } rows[] = {{18, 8}, {20, 9}, {22, 10}, {23, 11}, {24, 12}, {27, 13}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (opset <= rows[i].opset) return rows[i].version;
  }
  return ONNX__VERSION__IR_VERSION;
}
