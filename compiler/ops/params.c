#include "ops/op.h"

#include <string.h>

/* An absent attribute: its default, or not present. */
static onnxc_rt_attr default_attr(const OpParam *param) {
  onnxc_rt_attr attr = {.present = param->has_default};
  attr.i = param->i;
  attr.f = (double)param->f;
  attr.s = param->s;
  if (param->s != NULL) attr.count = (int32_t)strlen(param->s);
  return attr;
}

static onnxc_rt_attr call_attr(const Attr *from) {
  onnxc_rt_attr attr = {.present = 1, .i = from->i, .f = (double)from->f, .s = from->s};
  attr.count = (int32_t)(from->kind == ATTR_STRING ? from->s_size : from->count);
  attr.ints = from->ints;
  attr.floats = from->floats;
  attr.strings = from->strings;
  return attr;
}

onnxc_rt_attr *op_call_attrs(Arena *arena, const Node *node) {
  size_t n = op_param_count(node->op);
  onnxc_rt_attr *attrs = ARENA_ARRAY(arena, n, onnxc_rt_attr);
  for (size_t i = 0; i < n; i++) {
    const OpParam *param = &node->op->params[i];
    const Attr *attr = node_attr(node, param->name);
    attrs[i] = attr != NULL ? call_attr(attr) : default_attr(param);
  }
  return attrs;
}
