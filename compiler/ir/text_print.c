#include "ir/text.h"

#include "ir/text_form.h"
#include "ops/op.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { INLINE_ELEMENTS = 16, LINE_BYTES = 32 };

typedef struct Printer {
  Out *w;
  Arena *arena;
  /* By value id: 0 not yet named, n for the nth value of this name in its graph. */
  uint32_t *ordinals;
} Printer;

/* ---- names and literals ---- */

static void print_string(Printer *p, onnxc_rt_string string) {
  out(p->w, "\"");
  const char *text = text_c_string(p->arena, string.bytes, (size_t)string.size);
  out_bytes(p->w, text, strlen(text));
  out(p->w, "\"");
}

static void print_text(Printer *p, const char *text) {
  print_string(p, (onnxc_rt_string){text, (ptrdiff_t)strlen(text)});
}

static bool is_word(const char *name) {
  if (isdigit((unsigned char)*name) || *name == '-' || strncmp(name, "//", 2) == 0) return false;
  size_t n = 0;
  while (text_in_word(name[n])) n++;
  return n != 0 && name[n] == '\0';
}

static void print_value(Printer *p, const Value *value) {
  if (value == NULL) {
    out(p->w, "_");
    return;
  }
  out(p->w, "%%");
  if (is_word(value->name)) {
    out_bytes(p->w, value->name, strlen(value->name));
  } else {
    print_text(p, value->name);
  }
  if (p->ordinals[value->id] > 1) out(p->w, "#%u", p->ordinals[value->id]);
}

static void print_dims(Printer *p, const Dim *const *dims, size_t n) {
  for (size_t i = 0; i < n; i++) {
    out(p->w, "%s%s", i == 0 ? "" : ", ", dim_text(p->arena, dims[i]));
  }
}

static void print_typed(Printer *p, const Value *value) {
  print_value(p, value);
  out(p->w, ": %s", type_text(p->arena, &value->type));
}

/* ---- tensors -----------------------------------------------------------------------------------
 */

static uint64_t unit_at(const void *data, size_t unit, size_t i) {
  const unsigned char *at = (const unsigned char *)data + i * unit;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  switch (unit) {
  case 1: return *at;
  case 2: memcpy(&u16, at, unit); return u16;
  case 4: memcpy(&u32, at, unit); return u32;
  default: memcpy(&u64, at, unit); return u64;
  }
}

static void print_float(Printer *p, double value, uint64_t bits) {
  if (isnan(value)) {
    out(p->w, "#%" PRIx64, bits);
  } else {
    out(p->w, "%a", value);
  }
}

static void print_f32(Printer *p, float value) {
  print_float(p, (double)value, unit_at(&value, sizeof value, 0));
}

static void print_element(Printer *p, const Tensor *tensor, size_t i) {
  const onnxc_rt_string *strings = tensor->data;
  switch (dtype_info(tensor->dtype)->cls) {
  case DTYPE_CLASS_STRING: print_string(p, strings[i]); break;
  case DTYPE_CLASS_FLOAT:
    print_float(p, tensor_f64(tensor, i), unit_at(tensor->data, text_unit(tensor->dtype), i));
    break;
  case DTYPE_CLASS_UINT: out(p->w, "%" PRIu64, (uint64_t)tensor_i64(tensor, i)); break;
  default: out(p->w, "%" PRId64, tensor_i64(tensor, i)); break;
  }
}

static void print_bits(Printer *p, const Tensor *tensor) {
  size_t unit = text_unit(tensor->dtype), n = tensor->bytes / unit, in_line = LINE_BYTES / unit;
  out(p->w, "bits {\n");
  out_indent(p->w, 1);
  for (size_t i = 0; i < n; i++) {
    const char *end = i + 1 == n || (i + 1) % in_line == 0 ? "\n" : " ";
    out(p->w, "%0*" PRIx64 "%s", (int)(2 * unit), unit_at(tensor->data, unit, i), end);
  }
  out_indent(p->w, -1);
  out(p->w, "}");
}

/* Elements that the parser turns back into the same bits. */
static bool has_elements(const Tensor *tensor) {
  const DTypeInfo *info = dtype_info(tensor->dtype);
  if (info->cls == DTYPE_CLASS_STRING) return true;
  if (tensor->count > INLINE_ELEMENTS || info->cls == DTYPE_CLASS_COMPLEX) return false;
  return info->bits >= (info->cls == DTYPE_CLASS_FLOAT ? 32 : 8);
}

static void print_data(Printer *p, const Tensor *tensor) {
  if (!has_elements(tensor)) {
    print_bits(p, tensor);
    return;
  }
  out(p->w, "{");
  for (size_t i = 0; i < tensor->count; i++) {
    out(p->w, "%s", i == 0 ? "" : ", ");
    print_element(p, tensor, i);
  }
  out(p->w, "}");
}

static void print_tensor(Printer *p, const Tensor *tensor) {
  out(p->w, "%s[", dtype_info(tensor->dtype)->name);
  for (int i = 0; i < tensor->rank; i++) {
    out(p->w, "%s%" PRId64, i == 0 ? "" : ", ", tensor->dims[i]);
  }
  out(p->w, "] ");
  print_data(p, tensor);
}

/* ---- attributes --------------------------------------------------------------------------------
 */

static void print_graph(Printer *p, const Graph *graph);

/* Item `i` of an attribute of one of the list kinds. */
static void print_item(Printer *p, const Attr *attr, size_t i) {
  switch (attr->kind) {
  case ATTR_INTS: out(p->w, "%" PRId64, attr->ints[i]); break;
  case ATTR_FLOATS: print_f32(p, attr->floats[i]); break;
  case ATTR_STRINGS: print_string(p, attr->strings[i]); break;
  default: out(p->w, "%s", dim_text(p->arena, attr->dims[i])); break;
  }
}

static void print_list(Printer *p, const Attr *attr, const char *kind) {
  bool shown = attr->count == 0 || attr->kind == ATTR_DIMS;
  out(p->w, "%s[", shown ? kind : "");
  for (size_t i = 0; i < attr->count; i++) {
    out(p->w, "%s", i == 0 ? "" : ", ");
    print_item(p, attr, i);
  }
  out(p->w, "]");
}

static void print_attr(Printer *p, const Attr *attr) {
  out(p->w, "%s = ", attr->name);
  switch (attr->kind) {
  case ATTR_NONE: break;
  case ATTR_INT: out(p->w, "%" PRId64, attr->i); break;
  case ATTR_FLOAT: print_f32(p, attr->f); break;
  case ATTR_STRING: print_string(p, (onnxc_rt_string){attr->s, (ptrdiff_t)attr->s_size}); break;
  case ATTR_INTS: print_list(p, attr, "ints"); break;
  case ATTR_FLOATS: print_list(p, attr, "floats"); break;
  case ATTR_STRINGS: print_list(p, attr, "strings"); break;
  case ATTR_DIMS: print_list(p, attr, "dims"); break;
  case ATTR_TENSOR: print_tensor(p, attr->tensor); break;
  case ATTR_GRAPH: print_graph(p, attr->graph); break;
  }
}

static void print_attrs(Printer *p, const Node *node) {
  if (node->n_attrs == 0) return;
  out(p->w, " {");
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    out(p->w, "%s", i == 0 ? "" : ", ");
    print_attr(p, &node->attrs[i]);
  }
  out(p->w, "}");
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static void print_contents(Printer *p, const Value *value) {
  if (!value_contents_known(value)) return;
  out(p->w, " <");
  print_dims(p, value->contents, value->n_contents);
  out(p->w, ">");
}

static void print_results(Printer *p, const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    out(p->w, "%s", i == 0 ? "" : ", ");
    if (node->out[i] == NULL) {
      out(p->w, "_");
    } else {
      print_typed(p, node->out[i]);
      print_contents(p, node->out[i]);
    }
  }
}

static void print_operands(Printer *p, const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    out(p->w, "%s", i == 0 && node->n_formal != 0 ? "" : i == node->n_formal ? "; " : ", ");
    print_value(p, node->in[i].value);
  }
}

static bool origin_is_name(const Node *node) {
  if (*node->name == '\0') return node->n_origins == 0;
  return node->n_origins == 1 && strcmp(node->origins[0], node->name) == 0;
}

static void print_names(Printer *p, const Node *node) {
  if (*node->name != '\0') {
    out(p->w, " ");
    print_text(p, node->name);
  }
  if (origin_is_name(node)) return;
  out(p->w, " from");
  for (uint32_t i = 0; i < node->n_origins; i++) {
    out(p->w, " ");
    print_text(p, node->origins[i]);
  }
}

static void print_node(Printer *p, const Node *node) {
  print_results(p, node);
  const char *domain = node->op->domain;
  out(p->w, " = %s%s%s(", domain, *domain == '\0' ? "" : ".", node->op->name);
  print_operands(p, node);
  out(p->w, ")");
  print_attrs(p, node);
  print_names(p, node);
  out(p->w, "\n");
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

typedef Vec(const Value *) Values;

/* Gives values of one graph their ordinals, in the order in which the text defines them. */
typedef struct Naming {
  Printer *printer;
  Strings *strings;
  Map last; /* name -> the value that got it last */
  Values constants;
} Naming;

static void name_value(Naming *n, const Value *value) {
  uint32_t *ordinals = n->printer->ordinals;
  uint64_t key = map_key(intern(n->strings, value->name));
  const Value **last = map_get(&n->last, key);
  ordinals[value->id] = last == NULL ? 1 : ordinals[(*last)->id] + 1;
  if (last == NULL) map_set(&n->last, key, last = ARENA_NEW(n->printer->arena, const Value *));
  *last = value;
}

/* A value that is read: constants are found by their readers. */
static void name_constant(Naming *n, const Value *value) {
  if (value == NULL || value->constant == NULL || value->producer != NULL) return;
  if (n->printer->ordinals[value->id] != 0) return;
  name_value(n, value);
  vec_push(n->printer->arena, &n->constants, value);
}

/* Names all values; the graph's constants are returned in the order of their first use. */
static Values name_values(Printer *p, const Graph *graph) {
  Naming n = {.printer = p, .strings = graph->ctx->strings, .last = map_on(p->arena)};
  VEC_EACH(Value *, input, &graph->inputs) name_value(&n, *input);
  VEC_EACH(Capture, capture, &graph->captures) name_value(&n, capture->inner);
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_in; i++) name_constant(&n, node->in[i].value);
  }
  VEC_EACH(Value *, output, &graph->outputs) name_constant(&n, *output);
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_out; i++) {
      if (node->out[i] != NULL) name_value(&n, node->out[i]);
    }
  }
  return n.constants;
}

static void print_interface(Printer *p, const Graph *graph) {
  VEC_EACH(Value *, input, &graph->inputs) {
    out(p->w, "input ");
    print_typed(p, *input);
    print_contents(p, *input);
    out(p->w, "\n");
  }
  VEC_EACH(Capture, capture, &graph->captures) {
    out(p->w, "capture ");
    print_typed(p, capture->inner);
    out(p->w, " = %u\n", capture->input);
  }
  VEC_EACH(Value *, output, &graph->outputs) {
    out(p->w, "output ");
    print_typed(p, *output);
    out(p->w, "\n");
  }
}

static void print_graph(Printer *p, const Graph *graph) {
  Values constants = name_values(p, graph);
  out(p->w, "graph ");
  print_text(p, graph->name);
  out(p->w, " {\n");
  out_indent(p->w, 1);
  print_interface(p, graph);
  VEC_EACH(const Value *, constant, &constants) {
    out(p->w, "const ");
    print_value(p, *constant);
    out(p->w, " = ");
    print_tensor(p, (*constant)->constant);
    out(p->w, "\n");
  }
  for (const Node *node = graph->first; node != NULL; node = node->next) print_node(p, node);
  out_indent(p->w, -1);
  out(p->w, "}");
}

static void print_symbols(Printer *p, const DimTable *dims) {
  for (uint32_t i = 0; i < dims_symbols(dims); i++) {
    const Dim *symbol = dims_symbol(dims, i);
    out(p->w, "dim %s = %" PRId64 "..", dim_text(p->arena, symbol), symbol->lo);
    if (symbol->hi != INT64_MAX) out(p->w, "%" PRId64, symbol->hi);
    out(p->w, "\n");
  }
}

void graph_print(Out *w, const Graph *graph) {
  Arena *scratch = arena_scratch(graph->ctx->arena);
  Printer p = {.w = w, .arena = scratch};
  p.ordinals = ARENA_ARRAY(scratch, graph->ctx->n_values, uint32_t);
  print_symbols(&p, graph->ctx->dims);
  print_graph(&p, graph);
  out(w, "\n");
  arena_drop(scratch);
}
