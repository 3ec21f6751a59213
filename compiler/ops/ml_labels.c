/* ai.onnx.ml operators that map keys to values: all of them look up in a sorted table. */
#include "onnxc_rt_reference.h"
#include "ops/ml.h"
#include "reference/order.h"

#include <string.h>

/* ---- Lookup ------------------------------------------------------------------------------------
 * X, keys, values, [default] -> for each element of X the value whose key it is. Keys are sorted,
 * none is there twice. Without default an element must be a key. */

static bool lookup_infer(Node *node) {
  static const InputRule rules[] = {
      INPUT("X", 0, MAX_RANK),
      {.name = "keys", .min_rank = 1, .max_rank = 1, .same = 1},
      INPUT("values", 1, 1),
      {.name = "default", .min_rank = 0, .max_rank = 0, .optional = true, .same = 3},
  };
  if (!CHECK_INPUTS(node, rules)) return false;
  const Type *x = input_type(node, 0), *keys = input_type(node, 1), *values = input_type(node, 2);
  if (!check_size(node, 2, 0, keys->dims[0], "the number of keys")) return false;
  infer_output(node, 0, values->dtype, x->rank, x->dims);
  return true;
}

const OpDef op_onnxc_Lookup = {
    .name = "Lookup",
    .domain = "onnxc",
    .infer = lookup_infer,
    OP_KERNEL(onnxc_rt_ref_lookup),
};

/* ---- the table ---- */

/* Which of several values a key has. */
typedef enum Repeated { FIRST_WINS, LAST_WINS } Repeated;

/* Keys and their values in the order of the model; no `otherwise`: each element must be a key. */
typedef struct Mapping {
  const Tensor *keys, *values, *otherwise;
  Repeated repeated;
} Mapping;

static onnxc_rt_tensor as_runtime(const Tensor *tensor) {
  return onnxc_rt_tensor_at(tensor->data, NULL, 0, (int32_t)tensor->dtype);
}

static int compare_keys(const Mapping *m, int64_t a, int64_t b) {
  const onnxc_rt_tensor keys = as_runtime(m->keys);
  return onnxc_rt_compare(&keys, a, &keys, b);
}

/* Among equal keys the one that wins comes first. */
static int before(const void *context, int64_t a, int64_t b) {
  const Mapping *m = context;
  int order = compare_keys(m, a, b);
  if (order != 0) return order < 0;
  return m->repeated == FIRST_WINS ? a < b : a > b;
}

/* Positions of the keys in their order, each key once. */
static int64_t *sorted_positions(Arena *arena, const Mapping *m, size_t *n) {
  int64_t *positions = ARENA_ARRAY(arena, m->keys->count, int64_t);
  for (size_t i = 0; i < m->keys->count; i++) positions[i] = (int64_t)i;
  onnxc_rt_sort(positions, (int64_t)m->keys->count, before, m);
  *n = 0;
  for (size_t i = 0; i < m->keys->count; i++) {
    bool repeats = *n > 0 && compare_keys(m, positions[*n - 1], positions[i]) == 0;
    if (!repeats) positions[(*n)++] = positions[i];
  }
  return positions;
}

/* These elements as a constant vector. */
static Value *pick(Builder *b, const Tensor *from, const int64_t *positions, size_t n) {
  const Tensor *tensor = tensor_new(b->graph->ctx, from->dtype, 1, &(int64_t){(int64_t)n});
  const onnxc_rt_tensor to = as_runtime(tensor), source = as_runtime(from);
  for (size_t i = 0; i < n; i++) onnxc_rt_copy(&to, (int64_t)i, &source, positions[i], 1);
  return build_constant(b, tensor);
}

static Value *build_lookup(Builder *b, Value *x, const Mapping *m) {
  size_t n;
  const int64_t *positions = sorted_positions(b->graph->ctx->arena, m, &n);
  Value *inputs[4] = {x, pick(b, m->keys, positions, n), pick(b, m->values, positions, n)};
  if (m->otherwise != NULL) {
    inputs[3] = compose_scalar(b, build_constant(b, m->otherwise));
  }
  return build_done(b, build_node(b, "onnxc", "Lookup", inputs, m->otherwise == NULL ? 3 : 4, 1));
}

/* ---- LabelEncoder ------------------------------------------------------------------------------
 */

static const OpParam label_encoder_params[] = {
    PARAM_FLOAT("default_float", -0.0F),
    PARAM_INT("default_int64", -1),
    PARAM_STRING("default_string", "_Unused"),
    PARAM_OPTIONAL("default_tensor", ATTR_TENSOR),
    PARAM_OPTIONAL("keys_floats", ATTR_FLOATS),
    PARAM_OPTIONAL("keys_int64s", ATTR_INTS),
    PARAM_OPTIONAL("keys_strings", ATTR_STRINGS),
    PARAM_OPTIONAL("keys_tensor", ATTR_TENSOR),
    PARAM_OPTIONAL("values_floats", ATTR_FLOATS),
    PARAM_OPTIONAL("values_int64s", ATTR_INTS),
    PARAM_OPTIONAL("values_strings", ATTR_STRINGS),
    PARAM_OPTIONAL("values_tensor", ATTR_TENSOR),
    {0},
};

/* The one list of `what` ("keys", "values") that is there. NULL: reported. */
static const Tensor *find_list(const Node *node, const char *what) {
  const Tensor *found = NULL;
  size_t size = strlen(what);
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (strncmp(node->attrs[i].name, what, size) != 0) continue;
    const Tensor *list = tensor_of_attr(node->graph->ctx, &node->attrs[i]);
    if (list->count == 0) continue;
    if (found != NULL) {
      node_error(node, DIAG_INVALID, "more than one attribute gives the %s", what);
      return NULL;
    }
    found = list;
  }
  if (found == NULL) node_error(node, DIAG_INVALID, "no attribute gives the %s", what);
  return found;
}

/* The default for values of a type, from the attribute for its kind. */
static const Tensor *default_of(const Node *node, DType dtype) {
  Context *ctx = node->graph->ctx;
  const Attr *given = node_attr(node, "default_tensor");
  if (given != NULL) return given->tensor;
  if (dtype == ONNXC_RT_STRING) {
    const char *s = op_param_s(node, "default_string");
    const Attr text = {.kind = ATTR_STRING, .s = s, .s_size = strlen(s)};
    return tensor_of_attr(ctx, &text);
  }
  Tensor *tensor = tensor_new(ctx, dtype, 0, NULL);
  if (dtype_is_float(dtype)) {
    tensor_set_f64(tensor, 0, (double)op_param_f(node, "default_float"));
  } else {
    tensor_set_i64(tensor, 0, op_param_i(node, "default_int64"));
  }
  return tensor;
}

static bool read_label_encoder(const Node *node, Mapping *m) {
  m->keys = find_list(node, "keys");
  m->values = find_list(node, "values");
  m->repeated = FIRST_WINS;
  if (m->keys == NULL || m->values == NULL) return false;
  if (m->keys->count != m->values->count) {
    return node_error(node, DIAG_INVALID, "there are %zu keys, but %zu values", m->keys->count,
                      m->values->count);
  }
  if (m->keys->dtype != input_type(node, 0)->dtype) {
    return node_error(node, DIAG_INVALID, "keys are %s, but the input is %s",
                      dtype_info(m->keys->dtype)->name,
                      dtype_info(input_type(node, 0)->dtype)->name);
  }
  m->otherwise = default_of(node, m->values->dtype);
  if (m->otherwise->count != 1 || m->otherwise->dtype != m->values->dtype) {
    return node_error(node, DIAG_INVALID, "default_tensor must be one element of type %s",
                      dtype_info(m->values->dtype)->name);
  }
  return true;
}

static bool label_encoder_infer(Node *node) {
  Mapping m;
  const Type *x = infer_tensor(node, 0);
  if (x == NULL || !read_label_encoder(node, &m)) return false;
  infer_output(node, 0, m.values->dtype, x->rank, x->dims);
  return true;
}

static bool label_encoder_decompose(Builder *b, Node *node) {
  Mapping m;
  if (!read_label_encoder(node, &m)) return false;
  build_replace(b, node, build_lookup(b, node_in(node, 0), &m));
  return true;
}

const OpDef op_LabelEncoder = {
    .name = "LabelEncoder",
    .domain = ML_DOMAIN,
    .params = label_encoder_params,
    .infer = label_encoder_infer,
    .decompose = label_encoder_decompose,
};

/* ---- CategoryMapper ----------------------------------------------------------------------------
 * Strings to integers, or integers to strings: the type of the input says which. */

static bool read_category_mapper(const Node *node, Mapping *m) {
  bool from_strings = input_type(node, 0)->dtype == ONNXC_RT_STRING;
  const Attr *ints = op_param_list(node, "cats_int64s");
  const Attr *strings = op_param_list(node, "cats_strings");
  if (ints == NULL || strings == NULL || ints->count != strings->count) {
    return node_error(node, DIAG_INVALID, "cats_int64s and cats_strings must be of one length");
  }
  Context *ctx = node->graph->ctx;
  m->keys = tensor_of_attr(ctx, from_strings ? strings : ints);
  m->values = tensor_of_attr(ctx, from_strings ? ints : strings);
  m->otherwise = default_of(node, m->values->dtype);
  m->repeated = LAST_WINS;
  return true;
}

static bool category_mapper_infer(Node *node) {
  Mapping m;
  const Type *x = infer_tensor(node, 0);
  if (x == NULL || !read_category_mapper(node, &m)) return false;
  infer_output(node, 0, m.values->dtype, x->rank, x->dims);
  return true;
}

static bool category_mapper_decompose(Builder *b, Node *node) {
  Mapping m;
  if (!read_category_mapper(node, &m)) return false;
  build_replace(b, node, build_lookup(b, node_in(node, 0), &m));
  return true;
}

const OpDef op_CategoryMapper = {
    .name = "CategoryMapper",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            PARAM_OPTIONAL("cats_int64s", ATTR_INTS),
            PARAM_OPTIONAL("cats_strings", ATTR_STRINGS),
            PARAM_INT("default_int64", -1),
            PARAM_STRING("default_string", "_Unused"),
            {0},
        },
    .infer = category_mapper_infer,
    .decompose = category_mapper_decompose,
};

/* ---- OneHotEncoder -----------------------------------------------------------------------------
 */

/* Numbers are looked up as integers. NULL: reported. */
static const Attr *categories(const Node *node) {
  bool is_text = input_type(node, 0)->dtype == ONNXC_RT_STRING;
  const char *name = is_text ? "cats_strings" : "cats_int64s";
  const Attr *cats = op_param_list(node, name);
  if (cats != NULL && cats->count != 0) return cats;
  node_error(node, DIAG_INVALID, "attribute %s is missing", name);
  return NULL;
}

static bool one_hot_encoder_infer(Node *node) {
  const Type *x = infer_tensor(node, 0);
  const Dim *dims[MAX_RANK];
  const Attr *cats = x == NULL ? NULL : categories(node);
  if (cats == NULL) return false;
  if (x->rank == MAX_RANK) return node_error(node, DIAG_LIMIT, "ranks end at %d", MAX_RANK);
  for (int i = 0; i < x->rank; i++) dims[i] = x->dims[i];
  dims[x->rank] = dim_const(infer_dims(node), (int64_t)cats->count);
  infer_output(node, 0, ONNXC_RT_F32, x->rank + 1, dims);
  return true;
}

/* -> OneHot(Lookup(X)). What is no category becomes an index behind the last, which is all 0; with
 * `zeros` of 0 it is a fault. */
static bool one_hot_encoder_decompose(Builder *b, Node *node) {
  const Attr *cats = categories(node);
  Context *ctx = b->graph->ctx;
  const int64_t n = (int64_t)cats->count;
  int64_t *indexes = ARENA_ARRAY(ctx->arena, cats->count, int64_t);
  for (int64_t i = 0; i < n; i++) indexes[i] = i;
  Mapping m = {tensor_of_attr(ctx, cats), tensor_vector_i64(ctx, indexes, cats->count), NULL,
               LAST_WINS};
  if (op_param_i(node, "zeros") != 0) m.otherwise = tensor_scalar_i64(ctx, n);
  Value *x = compose_cast(b, node_in(node, 0), m.keys->dtype), *hot = build_f32(b, 0);
  Value *inputs[3] = {build_lookup(b, x, &m), build_i64(b, n),
                      build_numbers(b, hot, (const double[]){0, 1}, 1, &(int64_t){2})};
  build_replace(b, node, build(b, "OneHot", inputs, 3));
  return true;
}

const OpDef op_OneHotEncoder = {
    .name = "OneHotEncoder",
    .domain = ML_DOMAIN,
    .params = (const OpParam[]){PARAM_OPTIONAL("cats_int64s", ATTR_INTS),
                                PARAM_OPTIONAL("cats_strings", ATTR_STRINGS),
                                PARAM_INT("zeros", 1),
                                {0}},
    .infer = one_hot_encoder_infer,
    .decompose = one_hot_encoder_decompose,
};
