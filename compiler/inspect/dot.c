/* The graph for Graphviz: `onnxc inspect model.onnx --format dot | dot -Tsvg`. */
#include "inspect/inspect.h"

#include <string.h>

static const struct {
  const char *family, *colour;
} colours[] = {{"contraction", "#a6cee3"}, {"elementwise", "#fdd0a2"}, {"row", "#b2df8a"},
               {"view", "#e0e0e0"},        {"control", "#cab2d6"},     {"kernel", "#fff2ae"},
               {"extension", "#f4cae4"}};

static const char *colour_of(const OpDef *op) {
  const char *family = inspect_family(op);
  size_t i = 0;
  while (strcmp(colours[i].family, family) != 0) i++;
  return colours[i].colour;
}

/* The body of a quoted string; DOT has no general escapes. */
static const char *dot_text(Arena *a, const char *text) {
  const char *ascii = text_escape(a, text);
  char *body = arena_copy(a, ascii, strlen(ascii) + 1);
  for (char *at = body; *at != '\0'; at++) {
    if (*at == '"') *at = '\'';
    if (*at == '\\') *at = '/';
  }
  return body;
}

static void dot_edges(Arena *a, Out *w, const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node_in(node, i);
    if (value == NULL || (value->producer == NULL && value->constant != NULL)) continue;
    const char *label = dot_text(a, type_text(a, &value->type));
    if (value->producer != NULL) {
      out(w, "n%u -> n%u [label=\"%s\"];\n", value->producer->id, node->id, label);
    } else {
      out(w, "v%u -> n%u [label=\"%s\"];\n", value->id, node->id, label);
    }
  }
}

/* A subgraph is a box of its own; the edges of its captures end at the node that holds it. */
static void dot_graph(Arena *a, Out *w, const Graph *graph) {
  VEC_EACH(Value *, v, &graph->inputs) {
    out(w, "v%u [label=\"%s\", shape=ellipse];\n", (*v)->id, dot_text(a, (*v)->name));
  }
  VEC_EACH(Capture, capture, &graph->captures) {
    out(w, "v%u [label=\"%s\", shape=plaintext];\n", capture->inner->id,
        dot_text(a, capture->inner->name));
  }
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    out(w, "n%u [label=\"%s\\n%s\", fillcolor=\"%s\"];\n", node->id, dot_text(a, node->op->name),
        dot_text(a, inspect_label(a, node)), colour_of(node->op));
    dot_edges(a, w, node);
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind != ATTR_GRAPH) continue;
      out(w, "subgraph cluster_%u_%u {\nlabel=\"%s of %s\";\n", node->id, i,
          dot_text(a, node->attrs[i].name), dot_text(a, node->name));
      out_indent(w, 1);
      dot_graph(a, w, node->attrs[i].graph);
      out_indent(w, -1);
      out(w, "}\n");
    }
  }
  for (size_t i = 0; i < graph->outputs.len; i++) {
    const Value *value = graph->outputs.data[i];
    const char *holder = graph->holder == NULL ? "main" : arena_printf(a, "n%u", graph->holder->id);
    out(w, "o_%s_%zu [label=\"%s\", shape=ellipse];\n", holder, i, dot_text(a, value->name));
    if (value->producer != NULL) out(w, "n%u -> o_%s_%zu;\n", value->producer->id, holder, i);
  }
}

bool view_dot(Compilation *c, Out *w) {
  out(w, "digraph \"%s\" {\n", dot_text(c->arena, c->graph->name));
  out_indent(w, 1);
  out(w, "node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n");
  out(w, "edge [fontname=\"sans-serif\", fontsize=9];\n");
  dot_graph(c->arena, w, c->graph);
  out_indent(w, -1);
  out(w, "}\n");
  return true;
}
