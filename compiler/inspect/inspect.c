#include "inspect/inspect.h"

#include <string.h>

const View views[] = {
    {"text", "plan", view_text}, {"json", "plan", view_json},   {"dot", "passes", view_dot},
    {"html", "plan", view_html}, {"onnx", "passes", view_onnx}, {NULL, NULL, NULL},
};

/* The bound of a size, where absent means none. */
static int64_t upper(const Dim *d) {
  return d == NULL ? 0 : d->hi;
}

static int64_t add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

Totals inspect_totals(const Steps *steps) {
  Totals totals = {0};
  VEC_EACH(Step *, step, &steps->steps) {
    Steps *bodies[2];
    uint32_t n = step_bodies(*step, bodies);
    totals.steps++;
    totals.macs = add(totals.macs, upper((*step)->macs));
    totals.bytes = add(totals.bytes, upper((*step)->bytes));
    for (uint32_t i = 0; i < n; i++) {
      Totals inner = inspect_totals(bodies[i]);
      totals.steps += inner.steps;
      totals.macs = add(totals.macs, inner.macs);
      totals.bytes = add(totals.bytes, inner.bytes);
    }
  }
  return totals;
}

const char *inspect_kind(StepKind kind) {
  static const char *const names[] = {[STEP_ROW] = "row",
                                      [STEP_CONTRACTION] = "contraction",
                                      [STEP_ATTENTION] = "attention",
                                      [STEP_COPY] = "copy",
                                      [STEP_CALL] = "call",
                                      [STEP_IF] = "if",
                                      [STEP_LOOP] = "loop"};
  return names[kind];
}

static bool takes_graphs(const OpDef *op) {
  for (const OpParam *p = op->params; p != NULL && p->name != NULL; p++) {
    if (p->kind == ATTR_GRAPH) return true;
  }
  return false;
}

const char *inspect_family(const OpDef *op) {
  if (takes_graphs(op)) return "control";
  if (op->macs != NULL) return "contraction";
  if (op->flags & OP_VIEW) return "view";
  if (op->row != NULL) return op->row->axes == NULL ? "elementwise" : "row";
  return *op->domain == '\0' ? "kernel" : "extension";
}

/* ---- labels ------------------------------------------------------------------------------------
 */

enum { SHOWN = 8 }; /* elements of a list */

static const char *join_ints(Arena *arena, const int64_t *values, size_t n) {
  const char *text = "";
  for (size_t i = 0; i < n && i < SHOWN; i++) {
    text = arena_printf(arena, "%s%s%lld", text, i == 0 ? "" : ", ", (long long)values[i]);
  }
  return arena_printf(arena, "[%s%s]", text, n > SHOWN ? ", ..." : "");
}

static const char *join_dims(Arena *arena, const Dim *const *dims, size_t n) {
  const char *text = "";
  for (size_t i = 0; i < n && i < SHOWN; i++) {
    text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", dim_text(arena, dims[i]));
  }
  return arena_printf(arena, "[%s%s]", text, n > SHOWN ? ", ..." : "");
}

static const char *attr_text(Arena *arena, const Attr *attr) {
  switch (attr->kind) {
  case ATTR_INT: return arena_printf(arena, "%lld", (long long)attr->i);
  case ATTR_FLOAT: return arena_printf(arena, "%g", (double)attr->f);
  case ATTR_STRING: return arena_printf(arena, "'%s'", text_escape(arena, attr->s));
  case ATTR_INTS: return join_ints(arena, attr->ints, attr->count);
  case ATTR_DIMS: return join_dims(arena, attr->dims, attr->count);
  case ATTR_FLOATS:
  case ATTR_STRINGS: return arena_printf(arena, "(%zu)", attr->count);
  case ATTR_TENSOR: return "tensor";
  case ATTR_GRAPH: return arena_printf(arena, "graph of %u nodes", attr->graph->n_nodes);
  case ATTR_NONE: break;
  }
  return "";
}

const char *inspect_label(Arena *arena, const Node *node) {
  if (node->op->label != NULL) return node->op->label(arena, node);
  const char *text = "";
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    text = arena_printf(arena, "%s%s%s=%s", text, i == 0 ? "" : " ", node->attrs[i].name,
                        attr_text(arena, &node->attrs[i]));
  }
  return text;
}

int64_t inspect_macs(const Node *node) {
  return node->op->macs == NULL ? 0 : upper(node->op->macs(node));
}

static size_t weight_bytes(const Graph *graph, Map *seen) {
  size_t total = 0;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_in; i++) {
      Value *value = node_in(node, i);
      if (value == NULL || value->constant == NULL || value->producer != NULL) continue;
      if (map_get(seen, map_key(value->constant)) != NULL) continue;
      map_set(seen, map_key(value->constant), value);
      total += value->constant->bytes;
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) total += weight_bytes(node->attrs[i].graph, seen);
    }
  }
  return total;
}

size_t inspect_weight_bytes(const Graph *graph) {
  Map seen = map_on(graph->ctx->arena);
  return weight_bytes(graph, &seen);
}

const char *inspect_number(Arena *arena, uint64_t value) {
  const char *text = arena_printf(arena, "%u", (unsigned)(value % 1000));
  while (value >= 1000) {
    const char *tail = text;
    size_t missing = 3 - strcspn(tail, ",");
    value /= 1000;
    text = arena_printf(arena, "%u,%.*s%s", (unsigned)(value % 1000), (int)missing, "000", tail);
  }
  return text;
}
