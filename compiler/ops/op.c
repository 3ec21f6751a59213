#include "ops/op.h"

#include <string.h>

#define OP(symbol) extern const OpDef op_##symbol;
#include "ops/ops.def"
#undef OP

#define OP(symbol) &op_##symbol,
static const OpDef *const table[] = {
#include "ops/ops.def"
};
#undef OP

enum { N_OPS = sizeof table / sizeof *table };

size_t op_count(void) {
  return N_OPS;
}

const OpDef *op_at(size_t i) {
  return i < N_OPS ? table[i] : NULL;
}

/* The order of ops.def: by name, then by domain. */
static int compare(const OpDef *op, const char *domain, const char *name) {
  int order = strcmp(op->name, name);
  return order != 0 ? order : strcmp(op->domain, domain);
}

const OpDef *op_find(const char *domain, const char *name) {
  size_t low = 0, high = N_OPS;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(table[middle], domain, name);
    if (order == 0) return table[middle];
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

size_t op_param_count(const OpDef *op) {
  size_t n = 0;
  while (op->params != NULL && op->params[n].name != NULL) n++;
  return n;
}

static const OpParam *find_param(const Node *node, const char *name) {
  for (const OpParam *p = node->op->params; p != NULL && p->name != NULL; p++) {
    if (strcmp(p->name, name) == 0) return p;
  }
  escape_raise(arena_escape(node->graph->ctx->arena), 70, "operator has no such parameter");
}

int64_t op_param_i(const Node *node, const char *name) {
  const OpParam *param = find_param(node, name);
  const Attr *attr = node_attr(node, name);
  return attr != NULL ? attr->i : param->i;
}

float op_param_f(const Node *node, const char *name) {
  const OpParam *param = find_param(node, name);
  const Attr *attr = node_attr(node, name);
  return attr != NULL ? attr->f : param->f;
}

const char *op_param_s(const Node *node, const char *name) {
  const OpParam *param = find_param(node, name);
  const Attr *attr = node_attr(node, name);
  return attr != NULL ? attr->s : param->s;
}

const Attr *op_param_list(const Node *node, const char *name) {
  (void)find_param(node, name);
  return node_attr(node, name);
}
