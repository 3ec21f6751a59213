#include "import/importer.h"
#include "import/model_file.h"
#include "import/scan.h"
#include "ops/op.h"

#include <limits.h>
#include <string.h>

enum { N_KINDS = SCHEMA_TYPE_PROTOS + 1 };

/* ---- one converter for each kind ----------------------------------------------------------------
 */

static bool convert_float(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  (void)d;
  attr->f = proto->f;
  return true;
}

static bool convert_int(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  (void)d;
  attr->i = proto->i;
  return true;
}

static const char *convert_text(Draft *d, const ProtobufCBinaryData *bytes) {
  const char *start = bytes->len == 0 ? "" : (const char *)bytes->data;
  if (scan_utf8(bytes->data, bytes->len)) {
    return intern_n(d->scope->importer->ctx->strings, start, bytes->len);
  }
  draft_error(d, DIAG_INVALID, "a text attribute has NUL or malformed UTF-8");
  return NULL;
}

static bool convert_string(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  attr->s = convert_text(d, &proto->s);
  attr->s_size = proto->s.len;
  return attr->s != NULL;
}

static bool convert_floats(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  Arena *arena = d->scope->importer->ctx->arena;
  attr->floats = message_keep(arena, proto->floats, proto->n_floats * sizeof *proto->floats);
  attr->count = proto->n_floats;
  return true;
}

static bool convert_ints(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  Arena *arena = d->scope->importer->ctx->arena;
  attr->ints = message_keep(arena, proto->ints, proto->n_ints * sizeof *proto->ints);
  attr->count = proto->n_ints;
  return true;
}

static bool convert_strings(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  onnxc_rt_string *strings =
      ARENA_ARRAY(d->scope->importer->ctx->arena, proto->n_strings, onnxc_rt_string);
  for (size_t i = 0; i < proto->n_strings; i++) {
    strings[i].bytes = convert_text(d, &proto->strings[i]);
    strings[i].size = (ptrdiff_t)proto->strings[i].len;
    if (strings[i].bytes == NULL) return false;
  }
  attr->strings = strings;
  attr->count = proto->n_strings;
  return true;
}

static bool convert_tensor(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  const TensorSource source = import_source(d->scope->importer, d->site);
  if (proto->t == NULL) return draft_error(d, DIAG_INVALID, "attribute '%s' is empty", attr->name);
  attr->tensor = tensor_import(&source, proto->t);
  return attr->tensor != NULL;
}

static bool convert_sparse(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  const TensorSource source = import_source(d->scope->importer, d->site);
  if (proto->sparse_tensor == NULL) {
    return draft_error(d, DIAG_INVALID, "attribute '%s' is empty", attr->name);
  }
  attr->tensor = tensor_import_sparse(&source, proto->sparse_tensor);
  return attr->tensor != NULL;
}

static bool convert_graph(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  Scope *body;
  if (proto->g == NULL) return draft_error(d, DIAG_INVALID, "attribute '%s' is empty", attr->name);
  attr->graph = import_subgraph(d->scope, proto->g, &body);
  if (attr->graph == NULL) return false;
  vec_push(d->scratch, &d->bodies, body);
  return true;
}

/* A type travels as its text. */
static bool convert_type(Draft *d, const Onnx__AttributeProto *proto, Attr *attr) {
  Context *ctx = d->scope->importer->ctx;
  const Type *type = import_declared(ctx, proto->tp);
  if (type == NULL) {
    return draft_error(d, DIAG_UNSUPPORTED, "attribute '%s': no tensor, sequence or optional type",
                       attr->name);
  }
  attr->s = intern(ctx->strings, type_text(ctx->arena, type));
  attr->s_size = strlen(attr->s);
  return true;
}

static const struct Converter {
  AttrKind kind;
  bool (*convert)(Draft *d, const Onnx__AttributeProto *proto, Attr *attr);
} converters[N_KINDS] = {
    [SCHEMA_FLOAT] = {ATTR_FLOAT, convert_float},
    [SCHEMA_INT] = {ATTR_INT, convert_int},
    [SCHEMA_STRING] = {ATTR_STRING, convert_string},
    [SCHEMA_TENSOR] = {ATTR_TENSOR, convert_tensor},
    [SCHEMA_GRAPH] = {ATTR_GRAPH, convert_graph},
    [SCHEMA_FLOATS] = {ATTR_FLOATS, convert_floats},
    [SCHEMA_INTS] = {ATTR_INTS, convert_ints},
    [SCHEMA_STRINGS] = {ATTR_STRINGS, convert_strings},
    [SCHEMA_SPARSE_TENSOR] = {ATTR_TENSOR, convert_sparse},
    [SCHEMA_TYPE_PROTO] = {ATTR_STRING, convert_type},
};

/* ---- which kind an attribute is ---- */

/* Bit per kind whose field of the message holds something. */
static unsigned filled(const Onnx__AttributeProto *proto) {
  const bool fields[N_KINDS] = {
      [SCHEMA_FLOAT] = proto->has_f,
      [SCHEMA_INT] = proto->has_i,
      [SCHEMA_STRING] = proto->has_s,
      [SCHEMA_TENSOR] = proto->t != NULL,
      [SCHEMA_GRAPH] = proto->g != NULL,
      [SCHEMA_FLOATS] = proto->n_floats != 0,
      [SCHEMA_INTS] = proto->n_ints != 0,
      [SCHEMA_STRINGS] = proto->n_strings != 0,
      [SCHEMA_TENSORS] = proto->n_tensors != 0,
      [SCHEMA_GRAPHS] = proto->n_graphs != 0,
      [SCHEMA_SPARSE_TENSOR] = proto->sparse_tensor != NULL,
      [SCHEMA_SPARSE_TENSORS] = proto->n_sparse_tensors != 0,
      [SCHEMA_TYPE_PROTO] = proto->tp != NULL,
      [SCHEMA_TYPE_PROTOS] = proto->n_type_protos != 0,
  };
  unsigned bits = 0;
  for (int kind = 1; kind < N_KINDS; kind++) bits |= (unsigned)fields[kind] << kind;
  return bits;
}

/* The kind, from the one filled field where old writers left `type` out; 0: reported. A field that
 * is not there counts as zero or empty. */
static int kind_of(Draft *d, const Onnx__AttributeProto *proto) {
  unsigned bits = filled(proto);
  int kind = (int)proto->type;
  if (kind == 0 && __builtin_popcount(bits) == 1) kind = __builtin_ctz(bits);
  if (kind > 0 && kind < N_KINDS && (bits & ~(1u << kind)) == 0) return kind;
  draft_error(d, DIAG_INVALID, "attribute '%.200s': its value is not of its type %s",
              import_text(proto->name), schema_kind_name(kind));
  return 0;
}

/* The attribute of the call that a reference inside a function means. True with NULL: absent. */
static bool follow(Draft *d, const Onnx__AttributeProto *proto,
                   const Onnx__AttributeProto **found) {
  *found = proto;
  const char *reference = import_text(proto->ref_attr_name);
  if (*reference == '\0') return true;
  if (d->scope->call == NULL) {
    return draft_error(d, DIAG_INVALID, "attribute '%.200s' refers to '%.200s' outside a function",
                       import_text(proto->name), reference);
  }
  const char *interned = intern(d->scope->importer->ctx->strings, reference);
  *found = map_get(&d->scope->call->attrs, map_key(interned));
  if (*found == NULL || proto->type == 0 || (*found)->type == proto->type) return true;
  return draft_error(d, DIAG_INVALID, "attribute '%.200s' is of another type than '%.200s'",
                     import_text(proto->name), reference);
}

/* What the definition of an operator without a schema says of the attribute; NULL: nothing. */
static const OpParam *param_of(const Draft *d, const char *name) {
  const OpDef *op = op_find(d->domain, d->op);
  const OpParam *p = op == NULL ? NULL : op->params;
  while (p != NULL && p->name != NULL && strcmp(p->name, name) != 0) p++;
  return p == NULL || p->name == NULL ? NULL : p;
}

static bool check_param(Draft *d, const char *name, int kind) {
  const OpParam *known = param_of(d, name);
  if (known == NULL) {
    return draft_error(d, DIAG_UNSUPPORTED, "attribute '%.200s' is not supported", name);
  }
  if (known->kind == converters[kind].kind) return true;
  return draft_error(d, DIAG_INVALID, "attribute '%s' is %s, which is not its type", name,
                     schema_kind_name(kind));
}

static bool check_known(Draft *d, const char *name, int kind) {
  if (d->schema == NULL) return check_param(d, name, kind);
  const SchemaAttr *known = schema_attr(d->schema, name);
  if (known == NULL) return draft_error(d, DIAG_INVALID, "unknown attribute '%.200s'", name);
  if ((int)known->kind == kind) return true;
  return draft_error(d, DIAG_INVALID, "attribute '%s' is %s, not %s", name, schema_kind_name(kind),
                     schema_kind_name((int)known->kind));
}

static bool import_attr(Draft *d, const Onnx__AttributeProto *proto, const char *name) {
  const Onnx__AttributeProto *value;
  if (!follow(d, proto, &value)) return false;
  if (value == NULL) return true;
  int kind = kind_of(d, value);
  if (kind == 0 || !check_known(d, name, kind)) return false;
  const struct Converter *converter = &converters[kind];
  if (converter->convert == NULL || (kind == SCHEMA_GRAPH && value != proto)) {
    return draft_error(d, DIAG_UNSUPPORTED, "attribute '%s' of type %s is not supported here", name,
                       schema_kind_name(kind));
  }
  Attr attr = {.name = name, .kind = converter->kind};
  if (!converter->convert(d, value, &attr)) return false;
  vec_push(d->scratch, &d->attrs, attr);
  return true;
}

static bool check_required_params(Draft *d) {
  const OpDef *op = op_find(d->domain, d->op);
  bool good = true;
  for (const OpParam *p = op == NULL ? NULL : op->params; p != NULL && p->name != NULL; p++) {
    if (!p->required || draft_attr(d, p->name) != NULL) continue;
    good = draft_error(d, DIAG_INVALID, "attribute '%s' is missing", p->name);
  }
  return good;
}

static bool check_required(Draft *d) {
  if (d->schema == NULL) return check_required_params(d);
  bool good = true;
  for (size_t i = 0; i < d->schema->n_attrs; i++) {
    const SchemaAttr *attr = &d->schema->attrs[i];
    if (!attr->required || draft_attr(d, attr->name) != NULL) continue;
    good = draft_error(d, DIAG_INVALID, "attribute '%s' is missing", attr->name);
  }
  return good;
}

bool attributes_import(Draft *d, const Onnx__NodeProto *proto) {
  Importer *importer = d->scope->importer;
  Map seen = map_on(d->scratch);
  bool good = true;
  for (size_t i = 0; i < proto->n_attribute; i++) {
    const char *name = intern(importer->ctx->strings, import_text(proto->attribute[i]->name));
    if (map_get(&seen, map_key(name)) != NULL) {
      good = draft_error(d, DIAG_INVALID, "attribute '%.200s' is there twice", name);
      continue;
    }
    map_set(&seen, map_key(name), d);
    good &= import_attr(d, proto->attribute[i], name);
  }
  return good && check_required(d);
}
