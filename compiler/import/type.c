#include "import/importer.h"

#include "onnxc.h"
#include "ops/bag.h"

#include <string.h>

/* Names that exporters write for "unknown"; two axes of one such name need not agree. */
static const char *const placeholders[] = {"", "?", "None", "-1"};

typedef struct Inputs {
  Scope *scope;
  Map symbols; /* interned symbol -> option that an axis with this symbol has */
} Inputs;

/* The symbol of an axis; NULL for none. */
static const char *symbol_of(const Inputs *in, const Onnx__TensorShapeProto__Dimension *dim) {
  if (dim->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) return NULL;
  for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++) {
    if (strcmp(dim->dim_param, placeholders[i]) == 0) return NULL;
  }
  return intern(in->scope->importer->ctx->strings, dim->dim_param);
}

static const onnxc_dim *find_option(const Inputs *in, const char *name) {
  return context_bounds(in->scope->importer->ctx, name);
}

static const char *axis_name(const Inputs *in, const char *input, int axis) {
  return arena_printf(in->scope->importer->scratch, "%s.%d", input, axis);
}

/* An option for one axis bounds its symbol, and so every axis that shares it. */
static void collect_symbols(Inputs *in, const Onnx__ValueInfoProto *info) {
  const Onnx__TypeProto *type = info->type;
  if (type != NULL && type->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE) {
    type = type->optional_type->elem_type;
  }
  if (type == NULL || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return;
  const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
  for (size_t i = 0; shape != NULL && i < shape->n_dim; i++) {
    const char *symbol = symbol_of(in, shape->dim[i]);
    if (symbol == NULL || map_get(&in->symbols, map_key(symbol)) != NULL) continue;
    const onnxc_dim *option = find_option(in, symbol);
    if (option == NULL) option = find_option(in, axis_name(in, info->name, (int)i));
    if (option != NULL) map_set(&in->symbols, map_key(symbol), (void *)(uintptr_t)option);
  }
}

/* NULL: reported. */
static const Dim *import_dim(Inputs *in, const char *input, int axis,
                             const Onnx__TensorShapeProto__Dimension *dim) {
  DimTable *dims = in->scope->importer->ctx->dims;
  if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
    if (dim->dim_value >= 0) return dim_const(dims, dim->dim_value);
    if (dim->dim_value < -1) {
      scope_error(in->scope, DIAG_INVALID, "input '%.200s': negative size of axis %d", input, axis);
      return NULL;
    }
  }
  const char *symbol = symbol_of(in, dim), *own = axis_name(in, input, axis);
  const onnxc_dim *option = find_option(in, own);
  if (option == NULL && symbol != NULL) option = map_get(&in->symbols, map_key(symbol));
  int64_t lo = option == NULL ? 0 : option->lo, hi = option == NULL ? INT64_MAX : option->hi;
  if (lo < 0) {
    scope_error(in->scope, DIAG_USAGE, "--dim %.200s: a size is not negative", option->name);
    return NULL;
  }
  if (lo == hi) return dim_const(dims, lo);
  return dim_symbol(dims, symbol == NULL ? own : symbol, lo, hi);
}

static bool check_dtype(const Inputs *in, const char *input, int dtype) {
  if (dtype_info((DType)dtype)->bits != 0) return true;
  bool newer = dtype > 0 && dtype <= ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT6E3M2;
  return scope_error(in->scope, newer ? DIAG_UNSUPPORTED : DIAG_INVALID,
                     "input '%.200s': element type %d is not supported", input, dtype);
}

static bool import_tensor_type(Inputs *in, const char *input, const Onnx__TypeProto__Tensor *proto,
                               Type *type) {
  if (!check_dtype(in, input, proto->elem_type)) return false;
  if (proto->shape == NULL) {
    *type = (Type){.kind = TYPE_TENSOR, .dtype = (DType)proto->elem_type, .rank = -1};
    return true;
  }
  const Dim *dims[MAX_RANK];
  for (size_t i = 0; i < proto->shape->n_dim; i++) {
    dims[i] = import_dim(in, input, (int)i, proto->shape->dim[i]);
    if (dims[i] == NULL) return false;
  }
  *type = type_tensor(in->scope->importer->ctx, (DType)proto->elem_type, (int)proto->shape->n_dim,
                      dims);
  return true;
}

/* ---- sequences, optionals and maps ----
 *
 * What the model leaves open about one of them has names for --dim: NAME_length, NAME_rank for the
 * axes of its tensors and NAME.AXIS for their sizes. */

static const onnxc_dim *find_part(const Inputs *in, const char *input, const char *part) {
  return find_option(in, arena_printf(in->scope->importer->scratch, "%s_%s", input, part));
}

static const Dim *import_length(const Inputs *in, const char *input) {
  Context *ctx = in->scope->importer->ctx;
  const onnxc_dim *option = find_part(in, input, "length");
  int64_t lo = option == NULL ? 0 : option->lo, hi = option == NULL ? INT64_MAX : option->hi;
  if (lo == hi) return dim_const(ctx->dims, lo);
  return dim_symbol(ctx->dims, arena_printf(ctx->arena, "%s_length", input), lo, hi);
}

/* The size of an axis of all tensors of a sequence, or its bound and `*ragged`. */
static const Dim *import_element_dim(Inputs *in, const char *input, int axis,
                                     const Onnx__TensorShapeProto__Dimension *dim, bool *ragged) {
  DimTable *dims = in->scope->importer->ctx->dims;
  const char *own = axis_name(in, input, axis), *symbol = dim == NULL ? NULL : symbol_of(in, dim);
  const onnxc_dim *option = find_option(in, own);
  if (option == NULL && symbol != NULL) option = find_option(in, symbol);
  bool fixed = dim != NULL && dim->dim_value >= 0 &&
               dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  if (option == NULL && fixed) return dim_const(dims, dim->dim_value);
  *ragged = option == NULL || option->lo != option->hi;
  return option != NULL ? dim_const(dims, option->hi) : dim_symbol(dims, own, 0, INT64_MAX);
}

/* The tensors that a sequence of this element type holds. */
static bool import_bag(Inputs *in, const char *input, const Onnx__TypeProto__Tensor *proto,
                       Bag *bag) {
  Context *ctx = in->scope->importer->ctx;
  const Onnx__TensorShapeProto *shape = proto->shape;
  const onnxc_dim *rank = find_part(in, input, "rank");
  if (!check_dtype(in, input, proto->elem_type)) return false;
  *bag = bag_empty(ctx, (DType)proto->elem_type);
  bag->items.capacity = bag->items.length = import_length(in, input);
  bag->rank = shape == NULL ? -1 : (int)shape->n_dim;
  if (rank != NULL && rank->hi > MAX_RANK) {
    return scope_error(in->scope, DIAG_LIMIT, "input '%.200s': ranks end at %d", input, MAX_RANK);
  }
  if (rank != NULL) bag->rank = (int)rank->hi;
  bag->items.mixed = rank != NULL && rank->lo != rank->hi;
  for (int i = 0; i < bag->rank; i++) {
    bool there = shape != NULL && (size_t)i < shape->n_dim, ragged = false;
    bag->dims[i] = import_element_dim(in, input, i, there ? shape->dim[i] : NULL, &ragged);
    if (ragged || bag->items.mixed) bag->items.ragged |= UINT32_C(1) << i;
  }
  bag->items.slot = dim_product(ctx->dims, bag->dims, bag->rank < 0 ? 0 : bag->rank);
  if (bag->items.mixed)
    bag->items.slot = dim_max(ctx->dims, bag->items.slot, dim_const(ctx->dims, 1));
  if (dim_is(bag->items.capacity, 0)) bag->rank = -1; /* whatever is declared, there is none */
  return true;
}

static bool unsupported_type(const Inputs *in, const char *input, const char *what) {
  return scope_error(in->scope, DIAG_UNSUPPORTED, "input '%.200s': %s are not supported", input,
                     what);
}

static bool import_sequence(Inputs *in, const char *input, const Onnx__TypeProto *element,
                            Type *type) {
  Bag bag;
  if (element == NULL || element->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
    return unsupported_type(in, input, "sequences of anything but tensors");
  }
  if (!import_bag(in, input, element->tensor_type, &bag)) return false;
  *type = bag_type(in->scope->importer->ctx, &bag, TYPE_SEQUENCE);
  return true;
}

/* A tensor that may be absent has sizes like one that may not. */
static bool import_optional_tensor(Inputs *in, const char *input,
                                   const Onnx__TypeProto__Tensor *proto, Type *type) {
  Context *ctx = in->scope->importer->ctx;
  Type tensor;
  if (!import_tensor_type(in, input, proto, &tensor)) return false;
  const onnxc_dim *rank = find_part(in, input, "rank");
  if (rank != NULL && tensor.rank < 0) {
    if (rank->lo != rank->hi) return unsupported_type(in, input, "optionals of different ranks");
    if (rank->hi > MAX_RANK) {
      return scope_error(in->scope, DIAG_LIMIT, "input '%.200s': ranks end at %d", input, MAX_RANK);
    }
    const Dim *dims[MAX_RANK];
    const Onnx__TensorShapeProto__Dimension open = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
    for (int i = 0; i < (int)rank->hi; i++) dims[i] = import_dim(in, input, i, &open);
    tensor = type_tensor(ctx, tensor.dtype, (int)rank->hi, dims);
  }
  Bag bag = bag_empty(ctx, tensor.dtype);
  if (tensor.rank >= 0) bag = bag_of_tensor(ctx, &tensor);
  bag.items.capacity = dim_const(ctx->dims, 1);
  bag.items.length = NULL;
  *type = bag_type(ctx, &bag, TYPE_OPTIONAL);
  return true;
}

static bool import_optional(Inputs *in, const char *input, const Onnx__TypeProto *element,
                            Type *type) {
  switch (element == NULL ? ONNX__TYPE_PROTO__VALUE__NOT_SET : element->value_case) {
  case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
    return import_optional_tensor(in, input, element->tensor_type, type);
  case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: {
    Type *sequence = ARENA_NEW(in->scope->importer->ctx->arena, Type);
    *type = (Type){.kind = TYPE_OPTIONAL, .element = sequence};
    return import_sequence(in, input, element->sequence_type->elem_type, sequence);
  }
  default: return unsupported_type(in, input, "optionals of anything but tensors and sequences");
  }
}

static bool import_map(Inputs *in, const char *input, const Onnx__TypeProto__Map *proto,
                       Type *type) {
  Context *ctx = in->scope->importer->ctx;
  const Onnx__TypeProto *value = proto->value_type;
  if (value == NULL || value->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
    return unsupported_type(in, input, "maps to anything but numbers and texts");
  }
  int dtype = value->tensor_type->elem_type;
  if (!check_dtype(in, input, proto->key_type) || !check_dtype(in, input, dtype)) return false;
  Type *element = ARENA_NEW(ctx->arena, Type);
  Items *items = ARENA_NEW(ctx->arena, Items);
  const Dim *length = import_length(in, input);
  *element = type_tensor(ctx, (DType)dtype, 0, NULL);
  *items = (Items){.capacity = length, .length = length, .slot = dim_const(ctx->dims, 1)};
  *type =
      (Type){.kind = TYPE_MAP, .dtype = (DType)proto->key_type, .element = element, .items = items};
  return true;
}

static bool import_type(Inputs *in, const char *input, const Onnx__TypeProto *proto, Type *type) {
  switch (proto == NULL ? ONNX__TYPE_PROTO__VALUE__NOT_SET : proto->value_case) {
  case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
    return import_tensor_type(in, input, proto->tensor_type, type);
  case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
    return import_sequence(in, input, proto->sequence_type->elem_type, type);
  case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
    return import_optional(in, input, proto->optional_type->elem_type, type);
  case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return import_map(in, input, proto->map_type, type);
  case ONNX__TYPE_PROTO__VALUE__NOT_SET:
    return scope_error(in->scope, DIAG_INVALID, "input '%.200s' has no type", input);
  default: return unsupported_type(in, input, "sparse tensors and opaque types");
  }
}

/* An input that an initializer made a constant must have the type of that. */
static bool check_constant(const Scope *scope, const char *name, const Value *value,
                           const Type *type) {
  bool agrees = type->kind == TYPE_TENSOR && type->dtype == value->type.dtype;
  if (agrees && type->rank >= 0) {
    agrees = type->rank == value->type.rank;
    for (int i = 0; agrees && i < type->rank; i++) {
      agrees = !dim_never_equal(scope->importer->ctx->dims, type->dims[i], value->type.dims[i]);
    }
  }
  return agrees || scope_error(scope, DIAG_INVALID,
                               "input '%.200s' is not of the type of its initializer", name);
}

static bool import_input(Inputs *in, const Onnx__ValueInfoProto *info, Map *seen) {
  Scope *scope = in->scope;
  const char *name = import_text(info->name);
  const char *interned = intern(scope->importer->ctx->strings, name);
  Type type = {0};
  bool good = import_type(in, name, info->type, &type);
  if (map_get(seen, map_key(interned)) != NULL) {
    return scope_error(scope, DIAG_INVALID, "input '%.200s' is there twice", name);
  }
  map_set(seen, map_key(interned), in);
  Value *constant = map_get(&scope->values, map_key(interned));
  if (constant != NULL) return good && check_constant(scope, name, constant, &type);
  Value *value = graph_add_input(scope->graph, name, type);
  return scope_define(scope, (DiagSite){.graph = scope->name}, name, value) && good;
}

bool import_inputs(Scope *scope, const Onnx__GraphProto *proto) {
  Inputs in = {.scope = scope};
  in.symbols = map_on(scope->importer->scratch);
  Map seen = map_on(scope->importer->scratch);
  for (size_t i = 0; i < proto->n_input; i++) {
    if (proto->input[i]->name != NULL) collect_symbols(&in, proto->input[i]);
  }
  bool good = true;
  for (size_t i = 0; i < proto->n_input; i++) good &= import_input(&in, proto->input[i], &seen);
  return good;
}

/* ---- declarations -------------------------------------------------------------------------------
 */

static const Type *declared_tensor(Context *ctx, const Onnx__TypeProto__Tensor *proto) {
  Type *type = ARENA_NEW(ctx->arena, Type);
  *type = (Type){.kind = TYPE_TENSOR, .dtype = (DType)proto->elem_type, .rank = -1};
  if (proto->shape == NULL) return type;
  const Dim **dims = ARENA_ARRAY(ctx->arena, proto->shape->n_dim, const Dim *);
  for (size_t i = 0; i < proto->shape->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = proto->shape->dim[i];
    bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    if (known && dim->dim_value >= 0) dims[i] = dim_const(ctx->dims, dim->dim_value);
  }
  type->rank = (int)proto->shape->n_dim;
  type->dims = dims;
  return type;
}

static const Type *declared_element(Context *ctx, TypeKind kind, const Onnx__TypeProto *proto) {
  const Type *element = import_declared(ctx, proto);
  if (element == NULL) return NULL;
  Type *type = ARENA_NEW(ctx->arena, Type);
  *type = (Type){.kind = kind, .element = element};
  return type;
}

const Type *import_declared(Context *ctx, const Onnx__TypeProto *proto) {
  switch (proto == NULL ? ONNX__TYPE_PROTO__VALUE__NOT_SET : proto->value_case) {
  case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return declared_tensor(ctx, proto->tensor_type);
  case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
    return declared_element(ctx, TYPE_SEQUENCE, proto->sequence_type->elem_type);
  case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
    return declared_element(ctx, TYPE_OPTIONAL, proto->optional_type->elem_type);
  case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: {
    Type *type = (Type *)(uintptr_t)declared_element(ctx, TYPE_MAP, proto->map_type->value_type);
    if (type != NULL) type->dtype = (DType)proto->map_type->key_type;
    return type;
  }
  default: return NULL;
  }
}
