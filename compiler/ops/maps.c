/* Operators on maps (ai.onnx.ml). As tensors a map is its keys and values, two vectors of one
 * length; the sequence of maps that ZipMap makes is the keys, which all maps share, and a matrix of
 * values. The pass flatten-sequences makes of these operators the compiler's own on such tensors.
 */
#include "ops/maps.h"

#include "onnxc_rt_reference.h"

#include <string.h>

#define ML "ai.onnx.ml"

/* ---- constant keys ----------------------------------------------------------------------------
 */

const Tensor *map_keys(const Node *node, const char *ints, const char *strings) {
  const Attr *numbers = node_attr(node, ints), *texts = node_attr(node, strings);
  Context *ctx = node->graph->ctx;
  if ((numbers == NULL) == (texts == NULL)) {
    node_error(node, DIAG_INVALID, "exactly one of '%s' and '%s' must be there", ints, strings);
    return NULL;
  }
  if (numbers != NULL) return tensor_vector_i64(ctx, numbers->ints, numbers->count);
  Tensor *keys = tensor_new(ctx, ONNXC_RT_STRING, 1, &(int64_t){(int64_t)texts->count});
  for (size_t i = 0; i < texts->count; i++) {
    ((onnxc_rt_string *)(uintptr_t)keys->data)[i] = texts->strings[i];
  }
  return keys;
}

/* ---- ZipMap ------------------------------------------------------------------------------------
 */

const Tensor *zip_map_keys(const Node *node) {
  return map_keys(node, "classlabels_int64s", "classlabels_strings");
}

static bool zip_map_infer(Node *node) {
  Context *ctx = node->graph->ctx;
  const Type *x = infer_tensor(node, 0);
  const Tensor *keys = zip_map_keys(node);
  if (x == NULL || keys == NULL) return false;
  if (x->rank != 1 && x->rank != 2) {
    return node_error(node, DIAG_INVALID, "X must have one or two axes");
  }
  const Dim *n = dim_const(ctx->dims, (int64_t)keys->count);
  const Dim *rows = x->rank == 2 ? x->dims[0] : dim_const(ctx->dims, 1);
  if (infer_equal(node, "the number of classes and that of columns", n, x->dims[x->rank - 1]) ==
      NULL) {
    return false;
  }
  Type *value = ARENA_NEW(ctx->arena, Type), *map = ARENA_NEW(ctx->arena, Type);
  Items *pairs = ARENA_NEW(ctx->arena, Items), *maps = ARENA_NEW(ctx->arena, Items);
  *pairs = (Items){.capacity = n, .length = n, .slot = dim_const(ctx->dims, 1)};
  *maps = (Items){.capacity = rows, .length = rows, .slot = n};
  *value = type_tensor(ctx, x->dtype, 0, NULL);
  *map = (Type){.kind = TYPE_MAP, .dtype = keys->dtype, .element = value, .items = pairs};
  const Type type = {.kind = TYPE_SEQUENCE, .element = map, .items = maps};
  infer_output_type(node, 0, &type);
  return true;
}

const OpDef op_ZipMap = {
    .name = "ZipMap",
    .domain = ML,
    .flags = OP_COMPOSITE,
    .infer = zip_map_infer,
    .params = (const OpParam[]){PARAM_OPTIONAL("classlabels_int64s", ATTR_INTS),
                                PARAM_OPTIONAL("classlabels_strings", ATTR_STRINGS),
                                {0}},
};

/* ---- CastMap, DictVectorizer -------------------------------------------------------------------
 */

static const Type *map_input(const Node *node) {
  const Value *x = node_in(node, 0);
  if (x != NULL && x->type.kind == TYPE_MAP && x->type.items != NULL) return &x->type;
  node_error(node, DIAG_INVALID, "input 0 must be a map");
  return NULL;
}

static bool check_text(const Node *node, const char *param, const char *const *allowed,
                       int *which) {
  const char *text = op_param_s(node, param);
  for (*which = 0; allowed[*which] != NULL; ++*which) {
    if (strcmp(text, allowed[*which]) == 0) return true;
  }
  return node_error(node, DIAG_INVALID, "%s is '%s'", param, text);
}

bool cast_map_target(const Node *node, DType *dtype) {
  static const char *const names[] = {"TO_FLOAT", "TO_INT64", "TO_STRING", NULL};
  static const DType dtypes[] = {ONNXC_RT_F32, ONNXC_RT_I64, ONNXC_RT_STRING};
  int which;
  if (!check_text(node, "cast_to", names, &which)) return false;
  *dtype = dtypes[which];
  return true;
}

static bool cast_map_infer(Node *node) {
  static const char *const forms[] = {"DENSE", "SPARSE", NULL};
  const Type *map = map_input(node);
  DType dtype;
  int form;
  if (map == NULL || !cast_map_target(node, &dtype)) return false;
  if (!check_text(node, "map_form", forms, &form)) return false;
  if (map->dtype != ONNXC_RT_I64) {
    return node_error(node, DIAG_INVALID, "the keys of the map must be i64");
  }
  bool text = dtype == ONNXC_RT_STRING, from_text = map->element->dtype == ONNXC_RT_STRING;
  if (text != from_text) {
    return node_error(node, DIAG_UNSUPPORTED, "texts and numbers are not converted");
  }
  int64_t most = op_param_i(node, "max_map");
  if (form == 1 && most < 0) return node_error(node, DIAG_INVALID, "max_map is negative");
  DimTable *t = infer_dims(node);
  const Dim *n = form == 1 ? dim_const(t, most) : map->items->capacity;
  infer_output(node, 0, dtype, 2, (const Dim *[]){dim_const(t, 1), n});
  return true;
}

const OpDef op_CastMap = {
    .name = "CastMap",
    .domain = ML,
    .flags = OP_COMPOSITE,
    .infer = cast_map_infer,
    .params = (const OpParam[]){PARAM_STRING("cast_to", "TO_FLOAT"),
                                PARAM_STRING("map_form", "DENSE"),
                                PARAM_INT("max_map", 1),
                                {0}},
};

static bool dict_vectorizer_infer(Node *node) {
  const Type *map = map_input(node);
  const Tensor *keys = map_keys(node, "int64_vocabulary", "string_vocabulary");
  DimTable *t = infer_dims(node);
  if (map == NULL || keys == NULL) return false;
  if (map->dtype != keys->dtype) {
    return node_error(node, DIAG_INVALID, "the vocabulary is %s, the keys of the map are %s",
                      dtype_info(keys->dtype)->name, dtype_info(map->dtype)->name);
  }
  infer_output(node, 0, map->element->dtype, 2,
               (const Dim *[]){dim_const(t, 1), dim_const(t, (int64_t)keys->count)});
  return true;
}

const OpDef op_DictVectorizer = {
    .name = "DictVectorizer",
    .domain = ML,
    .flags = OP_COMPOSITE,
    .infer = dict_vectorizer_infer,
    .params = (const OpParam[]){PARAM_OPTIONAL("int64_vocabulary", ATTR_INTS),
                                PARAM_OPTIONAL("string_vocabulary", ATTR_STRINGS),
                                {0}},
};

/* ---- on tensors --------------------------------------------------------------------------------
 */

/* values, keys, [wanted] -> the values [1, n] of the wanted keys; without them of all in order. */
static bool map_values_infer(Node *node) {
  const Type *values = infer_tensor(node, 0);
  const Type *wanted = node_in(node, 2) == NULL ? values : infer_tensor(node, 2);
  if (values == NULL || wanted == NULL) return false;
  const Dim *dims[] = {dim_const(infer_dims(node), 1), wanted->dims[0]};
  infer_output(node, 0, values->dtype, 2, dims);
  return true;
}

const OpDef op_onnxc_MapValues = {.name = "MapValues",
                                  .domain = "onnxc",
                                  .infer = map_values_infer,
                                  OP_KERNEL(onnxc_rt_ref_map_values)};
