#include "import/import.h"

#include "import/importer.h"
#include "import/model_file.h"

#include <string.h>

enum { FIRST_IR_WITH_OPSETS = 3 };

/* ---- the parts of a graph ---- */

/* A tensor that could not be read leaves a value without type, so that its users are not reported
 * as well. */
static bool define_constant(Scope *scope, const char *name, const Tensor *tensor) {
  if (tensor == NULL && *name == '\0') return false;
  Value *value = tensor == NULL ? graph_new_value(scope->graph, name)
                                : graph_add_constant(scope->graph, name, tensor);
  return scope_define(scope, (DiagSite){.graph = scope->name}, name, value) && tensor != NULL;
}

TensorSource import_source(Importer *importer, DiagSite site) {
  return (TensorSource){importer->ctx, importer->path, site, &importer->tensors};
}

static bool import_initializers(Scope *scope, const Onnx__GraphProto *proto) {
  Importer *importer = scope->importer;
  const TensorSource source = import_source(importer, (DiagSite){.graph = scope->name});
  bool good = true;
  for (size_t i = 0; i < proto->n_initializer; i++) {
    const Onnx__TensorProto *tensor = proto->initializer[i];
    good &= define_constant(scope, import_text(tensor->name), tensor_import(&source, tensor));
  }
  for (size_t i = 0; i < proto->n_sparse_initializer; i++) {
    const Onnx__SparseTensorProto *sparse = proto->sparse_initializer[i];
    const Tensor *dense = tensor_import_sparse(&source, sparse);
    const char *name = sparse->values == NULL ? "" : import_text(sparse->values->name);
    good &= define_constant(scope, name, dense);
  }
  return good;
}

bool import_nodes(Scope *scope, Onnx__NodeProto *const *nodes, size_t n) {
  bool good = true;
  for (size_t i = 0; i < n; i++) good &= import_node(scope, nodes[i]);
  return good;
}

static bool import_outputs(Scope *scope, const Onnx__GraphProto *proto) {
  Map seen = map_on(scope->importer->scratch);
  bool good = true, main = scope->parent == NULL;
  for (size_t i = 0; i < proto->n_output; i++) {
    const char *name = intern(scope->importer->ctx->strings, import_text(proto->output[i]->name));
    Value *value = scope_resolve(scope, name);
    if (value == NULL || value == scope->importer->absent) {
      good = scope_error(scope, DIAG_INVALID, "output '%.200s' is produced by no node", name);
    } else if (main && map_get(&seen, map_key(name)) != NULL) {
      good = scope_error(scope, DIAG_INVALID, "output '%.200s' is there twice", name);
    } else {
      map_set(&seen, map_key(name), value);
      graph_add_output(scope->graph, value);
    }
  }
  return good;
}

/* Attaches what the model says about types, for import_check_types. */
static bool declare(Scope *scope, Onnx__ValueInfoProto *const *infos, size_t n) {
  Context *ctx = scope->importer->ctx;
  bool good = true;
  for (size_t i = 0; i < n; i++) {
    const char *name = intern(ctx->strings, import_text(infos[i]->name));
    Value *value = map_get(&scope->values, map_key(name));
    const Type *type = value == NULL ? NULL : import_declared(ctx, infos[i]->type);
    if (type == NULL) continue;
    if (value->declared != NULL && declared_contradicts(ctx, value->declared, type)) {
      good = scope_error(scope, DIAG_INVALID, "the model declares two types for '%.200s'", name);
    }
    value->declared = type;
  }
  return good;
}

/* Nodes and what follows them; inputs and initializers are there. */
static bool import_body(Scope *scope, const Onnx__GraphProto *proto) {
  bool good = import_nodes(scope, proto->node, proto->n_node);
  good &= import_outputs(scope, proto);
  good &= declare(scope, proto->value_info, proto->n_value_info);
  return declare(scope, proto->output, proto->n_output) && good;
}

/* ---- subgraphs ---- */

/* The holder's inference sets the types of the inputs of a body. */
static bool import_body_inputs(Scope *scope, const Onnx__GraphProto *proto) {
  bool good = true;
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = import_text(proto->input[i]->name);
    Value *value = graph_add_input(scope->graph, name, (Type){0});
    good &= scope_define(scope, (DiagSite){.graph = scope->name}, name, value);
  }
  return declare(scope, proto->input, proto->n_input) && good;
}

Graph *import_subgraph(Scope *outer, const Onnx__GraphProto *proto, Scope **inner) {
  Importer *importer = outer->importer;
  Graph *graph = graph_new(importer->ctx, import_text(proto->name));
  Scope *scope = scope_new(importer, outer, graph, graph->name);
  *inner = scope;
  if (importer->depth >= IMPORT_MAX_DEPTH) {
    scope_error(scope, DIAG_LIMIT, "subgraphs and functions nest too deeply");
    return NULL;
  }
  importer->depth++;
  bool good = import_initializers(scope, proto);
  good &= import_body_inputs(scope, proto);
  good &= import_body(scope, proto);
  importer->depth--;
  return good ? graph : NULL;
}

/* ---- the model ---- */

static bool check_version(const Importer *importer, const Onnx__ModelProto *model) {
  Diag *diag = importer->ctx->diag;
  if (model->ir_version < 1) {
    return diag_error(diag, DIAG_INVALID, (DiagSite){0}, "no valid ir_version: not an ONNX model");
  }
  if (model->ir_version <= IMPORT_NEWEST_IR) return true;
  return diag_error(diag, DIAG_UNSUPPORTED, (DiagSite){0},
                    "IR version %lld is newer than the newest known, %d",
                    (long long)model->ir_version, IMPORT_NEWEST_IR);
}

/* Models older than opset_import are of opset 1. */
static bool model_opsets(Importer *importer, const Onnx__ModelProto *model, Map *opsets) {
  Onnx__OperatorSetIdProto first = ONNX__OPERATOR_SET_ID_PROTO__INIT, *implied[] = {&first};
  first.version = 1;
  if (model->n_opset_import != 0) {
    return import_opsets(importer, NULL, model->opset_import, model->n_opset_import, opsets);
  }
  import_opsets(importer, NULL, implied, 1, opsets);
  return model->ir_version < FIRST_IR_WITH_OPSETS ||
         diag_error(importer->ctx->diag, DIAG_INVALID, (DiagSite){0}, "no opset_import");
}

static Graph *import_main(Importer *importer, const Onnx__GraphProto *proto, const Map *opsets) {
  Graph *graph = graph_new(importer->ctx, import_text(proto->name));
  Scope *scope = scope_new(importer, NULL, graph, graph->name);
  scope->opsets = opsets;
  importer->absent = graph_new_value(graph, "");
  bool good = import_initializers(scope, proto);
  good &= import_inputs(scope, proto);
  good &= import_body(scope, proto);
  return good ? graph : NULL;
}

static Graph *import_proto(Importer *importer, const Onnx__ModelProto *model) {
  Map opsets;
  if (!check_version(importer, model)) return NULL;
  if (model->graph == NULL) {
    diag_error(importer->ctx->diag, DIAG_INVALID, (DiagSite){0}, "the model has no graph");
    return NULL;
  }
  bool good = model_opsets(importer, model, &opsets);
  if (!functions_collect(importer, model)) return NULL; /* inlining might not end */
  Graph *graph = import_main(importer, model->graph, &opsets);
  return good ? graph : NULL;
}

Graph *import_model(Context *ctx, const char *path) {
  Importer importer = {.ctx = ctx, .scratch = arena_scratch(ctx->arena), .path = path};
  importer.unknown = map_on(importer.scratch);
  importer.tensors.tensors = map_on(importer.scratch);
  ProtobufCMessage *message =
      message_read(ctx->arena, importer.scratch, ctx->diag, path, &onnx__model_proto__descriptor);
  Graph *graph = NULL;
  if (message != NULL) graph = import_proto(&importer, (const Onnx__ModelProto *)message);
  arena_drop(importer.scratch);
  return graph;
}
