/* The graph as an ONNX model again: what the compiler understood, for any tool that reads ONNX. */
#include "inspect/onnx.h"

#include "import/schema.h"
#include "ops/builder.h"

#include <string.h>

extern const OpDef op_onnxc_Dims;

#define EXPORT_NEW(arena, Type, INIT) export_message(arena, sizeof(Type), &(const Type)INIT)

static void *export_message(Arena *arena, size_t size, const void *initial) {
  return arena_copy(arena, initial, size);
}

/* Messages want text that they could change, and do not. */
static char *text_of(const char *text) {
  return (char *)(uintptr_t)text;
}

/* ---- names -------------------------------------------------------------------------------------
 */

static char *unique_in(Exporter *x, Map *taken, const char *text) {
  const char *name = intern(x->strings, text);
  for (unsigned i = 1; map_get(taken, map_key(name)) != NULL; i++) {
    name = intern(x->strings, arena_printf(x->arena, "%s_%u", text, i));
  }
  map_set(taken, map_key(name), text_of(name));
  return text_of(name);
}

char *export_unique(Exporter *x, const char *text) {
  return unique_in(x, &x->taken, *text == '\0' ? "value" : text);
}

static char *name_value(Exporter *x, const Value *value) {
  char *name = map_get(&x->names, map_key(value));
  if (name != NULL) return name;
  name = export_unique(x, value->name);
  map_set(&x->names, map_key(value), name);
  return name;
}

/* ---- tensors -----------------------------------------------------------------------------------
 */

static void fill_strings(Arena *arena, Onnx__TensorProto *proto, const Tensor *tensor) {
  const onnxc_rt_string *strings = tensor->data;
  proto->n_string_data = tensor->count;
  proto->string_data = ARENA_ARRAY(arena, tensor->count, ProtobufCBinaryData);
  for (size_t i = 0; i < tensor->count; i++) {
    proto->string_data[i].len = (size_t)strings[i].size;
    proto->string_data[i].data = (uint8_t *)(uintptr_t)strings[i].bytes;
  }
}

static Onnx__TensorProto *export_tensor(Arena *arena, const Tensor *tensor, char *name) {
  Onnx__TensorProto *proto = EXPORT_NEW(arena, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
  proto->name = name;
  proto->has_data_type = true;
  proto->data_type = (int32_t)tensor->dtype;
  proto->n_dims = (size_t)tensor->rank;
  proto->dims = arena_copy(arena, tensor->dims, (size_t)tensor->rank * sizeof *tensor->dims);
  if (tensor->dtype == ONNXC_RT_STRING) {
    fill_strings(arena, proto, tensor);
    return proto;
  }
  proto->has_raw_data = true;
  proto->raw_data.len = tensor->bytes;
  proto->raw_data.data = (uint8_t *)(uintptr_t)tensor->data;
  return proto;
}

char *export_ints(ExportGraph *g, const int64_t *values, size_t n) {
  Exporter *x = g->exporter;
  char *name = export_unique(x, "ints");
  const Tensor *tensor = tensor_vector_i64(x->ctx, values, n);
  vec_push(x->arena, &g->initializers, export_tensor(x->arena, tensor, name));
  return name;
}

/* ---- types -------------------------------------------------------------------------------------
 */

static Onnx__TensorShapeProto *export_shape(Arena *arena, const Type *type) {
  Onnx__TensorShapeProto *shape =
      EXPORT_NEW(arena, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
  shape->n_dim = (size_t)type->rank;
  shape->dim = ARENA_ARRAY(arena, shape->n_dim, Onnx__TensorShapeProto__Dimension *);
  for (int i = 0; i < type->rank; i++) {
    Onnx__TensorShapeProto__Dimension *dim = EXPORT_NEW(arena, Onnx__TensorShapeProto__Dimension,
                                                        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
    if (dim_is_const(type->dims[i], &dim->dim_value)) {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    } else {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dim->dim_param = text_of(dim_text(arena, type->dims[i]));
    }
    shape->dim[i] = dim;
  }
  return shape;
}

static Onnx__TypeProto *export_type(Arena *arena, const Type *type) {
  Onnx__TypeProto *proto = EXPORT_NEW(arena, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
  if (type->kind == TYPE_TENSOR) {
    proto->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    proto->tensor_type = EXPORT_NEW(arena, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    proto->tensor_type->has_elem_type = true;
    proto->tensor_type->elem_type = (int32_t)type->dtype;
    if (type->rank >= 0) proto->tensor_type->shape = export_shape(arena, type);
  } else if (type->kind == TYPE_SEQUENCE) {
    proto->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
    proto->sequence_type =
        EXPORT_NEW(arena, Onnx__TypeProto__Sequence, ONNX__TYPE_PROTO__SEQUENCE__INIT);
    proto->sequence_type->elem_type = export_type(arena, type->element);
  } else if (type->kind == TYPE_OPTIONAL) {
    proto->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
    proto->optional_type =
        EXPORT_NEW(arena, Onnx__TypeProto__Optional, ONNX__TYPE_PROTO__OPTIONAL__INIT);
    proto->optional_type->elem_type = export_type(arena, type->element);
  }
  return proto;
}

static Onnx__ValueInfoProto *export_info(Exporter *x, const Value *value, char *name) {
  Onnx__ValueInfoProto *info =
      EXPORT_NEW(x->arena, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
  info->name = name;
  info->type = export_type(x->arena, &value->type);
  return info;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

static Onnx__GraphProto *export_graph(Exporter *x, const Graph *graph);

static ProtobufCBinaryData bytes_of(const char *bytes, size_t size) {
  return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes};
}

static void fill_texts(Arena *arena, Onnx__AttributeProto *proto, const Attr *attr) {
  proto->n_strings = attr->count;
  proto->strings = ARENA_ARRAY(arena, attr->count, ProtobufCBinaryData);
  for (size_t i = 0; i < attr->count; i++) {
    proto->strings[i] = bytes_of(attr->strings[i].bytes, (size_t)attr->strings[i].size);
  }
}

#define KIND(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

static const Onnx__AttributeProto__AttributeType attr_types[] = {
    [ATTR_INT] = KIND(INT),       [ATTR_FLOAT] = KIND(FLOAT),   [ATTR_STRING] = KIND(STRING),
    [ATTR_INTS] = KIND(INTS),     [ATTR_FLOATS] = KIND(FLOATS), [ATTR_STRINGS] = KIND(STRINGS),
    [ATTR_TENSOR] = KIND(TENSOR), [ATTR_GRAPH] = KIND(GRAPH),
};

static Onnx__AttributeProto *new_attr(Arena *arena, const char *name, AttrKind kind) {
  Onnx__AttributeProto *proto =
      EXPORT_NEW(arena, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
  proto->name = text_of(name);
  proto->has_type = true;
  proto->type = attr_types[kind];
  return proto;
}

/* NULL: reported. */
static Onnx__AttributeProto *export_attr(Exporter *x, const Node *node, const Attr *attr) {
  if (attr->kind == ATTR_DIMS || attr->kind == ATTR_NONE) {
    node_error(node, DIAG_UNSUPPORTED, "attribute '%s' has no ONNX form", attr->name);
    return NULL;
  }
  Onnx__AttributeProto *proto = new_attr(x->arena, attr->name, attr->kind);
  proto->has_i = attr->kind == ATTR_INT;
  proto->i = attr->i;
  proto->has_f = attr->kind == ATTR_FLOAT;
  proto->f = attr->f;
  proto->has_s = attr->kind == ATTR_STRING;
  if (proto->has_s) proto->s = bytes_of(attr->s, attr->s_size);
  if (attr->kind == ATTR_STRINGS) fill_texts(x->arena, proto, attr);
  if (attr->kind == ATTR_TENSOR) proto->t = export_tensor(x->arena, attr->tensor, NULL);
  if (attr->kind == ATTR_INTS) {
    proto->n_ints = attr->count;
    proto->ints = arena_copy(x->arena, attr->ints, attr->count * sizeof *attr->ints);
  }
  if (attr->kind == ATTR_FLOATS) {
    proto->n_floats = attr->count;
    proto->floats = arena_copy(x->arena, attr->floats, attr->count * sizeof *attr->floats);
  }
  if (attr->kind != ATTR_GRAPH) return proto;
  proto->g = export_graph(x, attr->graph);
  return proto->g == NULL ? NULL : proto;
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static Onnx__NodeProto *new_node(Arena *arena, const char *domain, const char *op, size_t n_in,
                                 size_t n_out) {
  Onnx__NodeProto *node = EXPORT_NEW(arena, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
  node->domain = text_of(domain);
  node->op_type = text_of(op);
  node->n_input = n_in;
  node->input = ARENA_ARRAY(arena, n_in, char *);
  node->n_output = n_out;
  node->output = ARENA_ARRAY(arena, n_out, char *);
  return node;
}

char *export_op(ExportGraph *g, const char *op, char *const *inputs, size_t n) {
  Arena *arena = g->exporter->arena;
  Onnx__NodeProto *node = new_node(arena, "", op, n, 1);
  for (size_t i = 0; i < n; i++) node->input[i] = inputs[i];
  node->output[0] = export_unique(g->exporter, "size");
  vec_push(arena, &g->nodes, node);
  return node->output[0];
}

static void add_attr(Arena *arena, Onnx__NodeProto *node, Onnx__AttributeProto *attr) {
  Onnx__AttributeProto **longer = ARENA_ARRAY(arena, node->n_attribute + 1, Onnx__AttributeProto *);
  for (size_t i = 0; i < node->n_attribute; i++) longer[i] = node->attribute[i];
  longer[node->n_attribute++] = attr;
  node->attribute = longer;
}

void export_int_attr(ExportGraph *g, Onnx__NodeProto *node, const char *name, int64_t value) {
  Arena *arena = g->exporter->arena;
  Onnx__AttributeProto *proto = new_attr(arena, name, ATTR_INT);
  proto->has_i = true;
  proto->i = value;
  add_attr(arena, node, proto);
}

/* The name of a value where a node or an output refers to it; constants become initializers of the
 * graph they belong to when they are first referred to. */
static char *refer(ExportGraph *g, const Value *value) {
  Exporter *x = g->exporter;
  bool first = map_get(&x->names, map_key(value)) == NULL;
  char *name = name_value(x, value);
  if (first && value->producer == NULL && value->constant != NULL) {
    vec_push(x->arena, &g->initializers, export_tensor(x->arena, value->constant, name));
  }
  return name;
}

/* Attributes that the compiler has added to operators of others mean nothing to them. */
static bool is_own(const Attr *attr) {
  return strncmp(attr->name, "onnxc_", 6) == 0;
}

static bool export_attrs(Exporter *x, const Node *node, Onnx__NodeProto *proto) {
  const char *op = export_op_name(node);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (is_own(&node->attrs[i])) continue;
    if (!export_has_attr(node, op, &node->attrs[i], x->opset)) continue;
    Onnx__AttributeProto *attr = export_attr(x, node, &node->attrs[i]);
    if (attr == NULL) return false;
    add_attr(x->arena, proto, attr);
  }
  return true;
}

/* Inner values that stand for outer ones get their names: ONNX subgraphs see outer names. */
static void name_captures(ExportGraph *g, const Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    VEC_EACH(Capture, capture, &node->attrs[i].graph->captures) {
      char *outer = refer(g, node_in(node, capture->input));
      map_set(&g->exporter->names, map_key(capture->inner), outer);
    }
  }
}

static void note_outputs(ExportGraph *g, const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) {
      export_note_sizes(g->exporter, node->out[i], name_value(g->exporter, node->out[i]));
    }
  }
}

/* The compiler's own operators that are one of ONNX but for added attributes. */
const char *export_op_name(const Node *node) {
  static const char *const forms[][2] = {
      {"FullMatch", "RegexFullMatch"}, {"ReadNumbers", "Cast"}, {"WriteNumbers", "Cast"}};
  if (strcmp(node->op->domain, "onnxc") != 0) return node->op->name;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (strcmp(node->op->name, forms[i][0]) == 0) return forms[i][1];
  }
  return NULL;
}

const char *export_domain(const Node *node) {
  return strcmp(node->op->domain, "onnxc") == 0 ? "" : node->op->domain;
}

static bool export_node(ExportGraph *g, const Node *node) {
  Exporter *x = g->exporter;
  const char *domain = export_domain(node), *op = export_op_name(node);
  if (node_is(node, op_onnxc_Dims)) return export_dims(g, node);
  if (op == NULL) {
    return node_error(node, DIAG_UNSUPPORTED, "the compiler's own operator has no ONNX form");
  }
  Onnx__NodeProto *proto = new_node(x->arena, domain, op, node->n_formal, node->n_out);
  proto->name = *node->name == '\0' ? text_of("") : unique_in(x, &x->node_names, node->name);
  for (uint32_t i = 0; i < node->n_formal; i++) {
    Value *value = node_in(node, i);
    proto->input[i] = value == NULL ? text_of("") : refer(g, value);
  }
  name_captures(g, node);
  for (uint32_t i = 0; i < node->n_out; i++) {
    proto->output[i] = node->out[i] == NULL ? text_of("") : name_value(x, node->out[i]);
  }
  if (!export_attrs(x, node, proto)) return false;
  vec_push(x->arena, &g->nodes, proto);
  note_outputs(g, node);
  return true;
}

/* ---- graphs ------------------------------------------------------------------------------------
 */

/* An output is a result of this graph and of one place: what is not goes through an Identity. */
static bool is_direct(const Graph *graph, size_t i) {
  const Value *value = graph->outputs.data[i];
  bool direct = value->producer != NULL;
  for (size_t before = 0; before < i; before++) {
    direct = direct && graph->outputs.data[before] != value;
  }
  return direct;
}

static Onnx__ValueInfoProto *export_output(ExportGraph *g, size_t i) {
  Exporter *x = g->exporter;
  const Value *value = g->graph->outputs.data[i];
  char *name = refer(g, value);
  if (is_direct(g->graph, i)) return export_info(x, value, name);
  Onnx__NodeProto *copy = new_node(x->arena, "", "Identity", 1, 1);
  copy->input[0] = name;
  copy->output[0] = g->outputs[i];
  vec_push(x->arena, &g->nodes, copy);
  return export_info(x, value, g->outputs[i]);
}

/* The interface keeps its names: they are given out first. */
static void name_interface(ExportGraph *g) {
  Exporter *x = g->exporter;
  VEC_EACH(Value *, value, &g->graph->inputs) {
    export_note_sizes(x, *value, name_value(x, *value));
  }
  g->outputs = ARENA_ARRAY(x->arena, g->graph->outputs.len, char *);
  for (size_t i = 0; i < g->graph->outputs.len; i++) {
    const Value *value = g->graph->outputs.data[i];
    g->outputs[i] = is_direct(g->graph, i) ? name_value(x, value) : export_unique(x, value->name);
  }
}

static Onnx__GraphProto *finish_graph(ExportGraph *g) {
  Exporter *x = g->exporter;
  Onnx__GraphProto *proto = EXPORT_NEW(x->arena, Onnx__GraphProto, ONNX__GRAPH_PROTO__INIT);
  proto->name = text_of(*g->graph->name == '\0' ? "graph" : g->graph->name);
  proto->n_input = g->graph->inputs.len;
  proto->input = ARENA_ARRAY(x->arena, proto->n_input, Onnx__ValueInfoProto *);
  for (size_t i = 0; i < proto->n_input; i++) {
    const Value *input = g->graph->inputs.data[i];
    proto->input[i] = export_info(x, input, name_value(x, input));
  }
  proto->n_output = g->graph->outputs.len;
  proto->output = ARENA_ARRAY(x->arena, proto->n_output, Onnx__ValueInfoProto *);
  for (size_t i = 0; i < proto->n_output; i++) proto->output[i] = export_output(g, i);
  proto->n_node = g->nodes.len;
  proto->node = g->nodes.data;
  proto->n_initializer = g->initializers.len;
  proto->initializer = g->initializers.data;
  return proto;
}

/* NULL: reported. */
static Onnx__GraphProto *export_graph(Exporter *x, const Graph *graph) {
  ExportGraph g = {.exporter = x, .graph = graph};
  uint32_t n = dims_symbols(x->ctx->dims);
  SizeSource *outer = arena_copy(x->arena, x->sources, n * sizeof *outer);
  bool ok = true;
  name_interface(&g);
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    ok = export_node(&g, node) && ok;
  }
  Onnx__GraphProto *proto = ok ? finish_graph(&g) : NULL;
  x->sources = outer; /* what is inside is not seen outside */
  return proto;
}

/* ---- the model ---------------------------------------------------------------------------------
 */

static bool standardise_node(Node *node, bool optimised) {
  Builder builder = builder_at(node);
  bool own = strcmp(node->op->domain, "onnxc") == 0;
  if (optimised && node->op->standard != NULL) return node->op->standard(&builder, node);
  return own && node->op->decompose != NULL && node->op->decompose(&builder, node);
}

/* Forms of operators that only the compiler knows become those of ONNX, in subgraphs too; so does
 * what they are made of. Before the passes only the importer's operators are such. */
static void standardise(Graph *graph, bool optimised) {
  for (Node *node = graph->first, *next; node != NULL; node = next) {
    Node *before = node->prev;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) standardise(node->attrs[i].graph, optimised);
    }
    if (standardise_node(node, optimised)) {
      graph_remove(node);
      next = before == NULL ? graph->first : before->next;
    } else {
      next = node->next;
    }
  }
}

typedef Vec(Onnx__OperatorSetIdProto *) OpsetList;

/* Contributed domains have one version. */
static int64_t domain_version(const char *domain) {
  int64_t newest = schema_newest(domain);
  return newest == 0 ? 1 : newest;
}

static void add_domain(Exporter *x, const char *domain, OpsetList *opsets) {
  VEC_EACH(Onnx__OperatorSetIdProto *, known, opsets) {
    if (strcmp((*known)->domain, domain) == 0) return;
  }
  Onnx__OperatorSetIdProto *opset =
      EXPORT_NEW(x->arena, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
  opset->domain = text_of(domain);
  opset->has_version = true;
  opset->version = *domain == '\0' ? x->opset : domain_version(domain);
  vec_push(x->arena, opsets, opset);
}

static void add_domains(Exporter *x, const Graph *graph, OpsetList *opsets) {
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    if (strcmp(node->op->domain, "onnxc") != 0) add_domain(x, node->op->domain, opsets);
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind == ATTR_GRAPH) add_domains(x, node->attrs[i].graph, opsets);
    }
  }
}

typedef struct Sink {
  ProtobufCBuffer base;
  Out *out;
} Sink;

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes) {
  out_raw(((Sink *)buffer)->out, bytes, size);
}

void inspect_write_tensor(Out *w, Arena *arena, const Tensor *tensor) {
  Sink sink = {{append}, w};
  Onnx__TensorProto *proto = export_tensor(arena, tensor, text_of(""));
  protobuf_c_message_pack_to_buffer(&proto->base, &sink.base);
}

bool view_onnx(Compilation *c, Out *w) {
  standardise(c->graph, strcmp(stages[c->next].name, "passes") != 0);
  Exporter x = {.ctx = &c->ctx, .arena = c->arena, .strings = strings_new(c->arena)};
  x.names = map_on(c->arena);
  x.taken = map_on(c->arena);
  x.node_names = map_on(c->arena);
  x.sources = ARENA_ARRAY(c->arena, dims_symbols(c->ctx.dims), SizeSource);
  x.opset = export_opset(c->graph);
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  model.has_ir_version = true;
  model.ir_version = export_ir_version(x.opset);
  model.producer_name = text_of("onnxc");
  model.producer_version = text_of(onnxc_version());
  OpsetList opsets = {0};
  add_domain(&x, "", &opsets);
  add_domains(&x, c->graph, &opsets);
  model.n_opset_import = opsets.len;
  model.opset_import = opsets.data;
  model.graph = export_graph(&x, c->graph);
  if (model.graph == NULL) return false;
  Sink sink = {{append}, w};
  protobuf_c_message_pack_to_buffer(&model.base, &sink.base);
  return true;
}
