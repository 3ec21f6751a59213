#include "ops/check.h"

#include <math.h>
#include <string.h>

/* ---- inputs ------------------------------------------------------------------------------------
 */

static const char *dtype_names(Arena *arena, uint32_t set) {
  const char *text = "";
  for (int dtype = 1; dtype < 32; dtype++) {
    if ((set >> dtype & 1) == 0) continue;
    text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", dtype_info((DType)dtype)->name);
  }
  return text;
}

static bool check_dtype(const Node *node, const InputRule *rules, uint32_t i, const Type *type) {
  const InputRule *rule = &rules[i];
  if (rule->dtypes != 0 && (rule->dtypes >> type->dtype & 1) == 0) {
    return node_error(node, DIAG_INVALID, "input %s has type %s, but must have one of %s; cast it",
                      rule->name, dtype_info(type->dtype)->name,
                      dtype_names(node->graph->ctx->arena, rule->dtypes));
  }
  const Type *like = rule->same == 0 ? NULL : input_type(node, rule->same - 1);
  if (like == NULL || like->dtype == type->dtype) return true;
  return node_error(node, DIAG_INVALID, "input %s has type %s, but that of %s is %s; cast one",
                    rule->name, dtype_info(type->dtype)->name, rules[rule->same - 1].name,
                    dtype_info(like->dtype)->name);
}

static bool check_rank(const Node *node, const InputRule *rule, const Type *type) {
  if (type->rank >= rule->min_rank && type->rank <= rule->max_rank) return true;
  const char *shape = type_text(node->graph->ctx->arena, type);
  if (rule->min_rank == rule->max_rank) {
    return node_error(node, DIAG_INVALID, "input %s is %s, but must have rank %d", rule->name,
                      shape, rule->min_rank);
  }
  return node_error(node, DIAG_INVALID, "input %s is %s, but must have a rank in [%d, %d]",
                    rule->name, shape, rule->min_rank, rule->max_rank);
}

static bool check_input(const Node *node, const InputRule *rules, uint32_t i) {
  if (node_in(node, i) == NULL) {
    if (rules[i].optional) return true;
    return node_error(node, DIAG_INVALID, "input %s is required but missing", rules[i].name);
  }
  const Type *type = infer_tensor(node, i);
  return type != NULL && check_dtype(node, rules, i, type) && check_rank(node, &rules[i], type);
}

bool check_inputs(const Node *node, const InputRule *rules, uint32_t n) {
  if (node->n_formal > n) {
    return node_error(node, DIAG_INVALID, "there are %u inputs; the operator takes at most %u",
                      node->n_formal, n);
  }
  bool fine = true;
  for (uint32_t i = 0; i < n; i++) fine = check_input(node, rules, i) && fine;
  return fine;
}

const Type *input_type(const Node *node, uint32_t i) {
  const Value *value = node_in(node, i);
  return value == NULL ? NULL : &value->type;
}

/* ---- sizes -------------------------------------------------------------------------------------
 */

bool check_size(const Node *node, uint32_t i, int axis, const Dim *size, const char *meaning) {
  const Dim *actual = input_type(node, i)->dims[axis];
  if (actual == size) return true;
  if (!dim_never_equal(infer_dims(node), actual, size)) {
    context_assume_equal(node->graph->ctx, actual, size);
    return true;
  }
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_INVALID, "input %u '%s' has size %s on axis %d, but %s is %s", i,
                    node_in(node, i)->name, dim_text(arena, actual), axis, meaning,
                    dim_text(arena, size));
}

bool check_sizes(const Node *node, uint32_t i, int rank, const Dim *const *sizes,
                 const char *meaning) {
  const Type *type = input_type(node, i);
  if (type->rank != rank) {
    return node_error(node, DIAG_INVALID, "input %u '%s' has rank %d, but %s has rank %d", i,
                      node_in(node, i)->name, type->rank, meaning, rank);
  }
  for (int axis = 0; axis < rank; axis++) {
    if (!check_size(node, i, axis, sizes[axis], meaning)) return false;
  }
  return true;
}

/* A size that may or may not be `size` is taken to be, which the generated function checks. */
static bool gives_way(const Node *node, const Dim *own, const Dim *size) {
  if (own == size || dim_is(own, 1)) return true;
  if (dim_never_equal(infer_dims(node), own, size)) return false;
  context_assume_equal(node->graph->ctx, own, size);
  return true;
}

bool check_broadcasts_to(const Node *node, uint32_t i, int rank, const Dim *const *sizes) {
  const Type *type = input_type(node, i);
  if (type == NULL) return true;
  Type whole = {.kind = TYPE_TENSOR, .dtype = type->dtype, .rank = rank, .dims = sizes};
  bool fits = type->rank <= rank;
  for (int k = 1; fits && k <= type->rank; k++) {
    fits = gives_way(node, type->dims[type->rank - k], sizes[rank - k]);
  }
  if (fits) return true;
  Arena *arena = node->graph->ctx->arena;
  return node_error(node, DIAG_INVALID, "input %u '%s' is %s, which does not broadcast to %s", i,
                    node_in(node, i)->name, type_text(arena, type), type_text(arena, &whole));
}

bool is_number(const Type *type) {
  return type->rank == 0 || (type->rank == 1 && dim_is(type->dims[0], 1));
}

bool check_number(const Node *node, uint32_t i) {
  const Type *type = input_type(node, i);
  if (type == NULL || is_number(type)) return true;
  return node_error(node, DIAG_INVALID, "input %u '%s' is %s, but must be a scalar", i,
                    node_in(node, i)->name, type_text(node->graph->ctx->arena, type));
}

bool check_scale(const Node *node, uint32_t i) {
  const Tensor *scale = node_in(node, i) == NULL ? NULL : node_in(node, i)->constant;
  for (size_t k = 0; scale != NULL && k < scale->count; k++) {
    double value = tensor_f64(scale, k);
    if (value != 0 && isfinite(value)) continue;
    return node_error(node, DIAG_INVALID,
                      "input %u '%s' has the scale %g; it must be finite, and not 0", i,
                      node_in(node, i)->name, value);
  }
  return true;
}

bool check_indices(const Node *node, uint32_t i, const Dim *size) {
  const Tensor *indices = node_in(node, i)->constant;
  int64_t dim;
  if (indices == NULL || !dim_is_const(size, &dim)) return true;
  for (size_t k = 0; k < indices->count; k++) {
    int64_t index = tensor_i64(indices, k);
    if (index < -dim || index >= dim) {
      return node_error(node, DIAG_INVALID, "index %lld is outside the axis of %lld",
                        (long long)index, (long long)dim);
    }
  }
  return true;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

bool check_choice(const Node *node, const char *attr, const char *choices) {
  const char *value = op_param_s(node, attr);
  size_t size = strlen(value);
  for (const char *word = choices; word != NULL; word = strchr(word, ' ')) {
    word += *word == ' ';
    bool same = strncmp(word, value, size) == 0 && (word[size] == ' ' || word[size] == '\0');
    if (same && size > 0) return true;
  }
  return node_error(node, DIAG_INVALID, "attribute %s is '%s', but must be one of: %s", attr, value,
                    choices);
}

bool check_ints(const Node *node, const char *attr, int n, int64_t least, int64_t absent,
                int64_t *values) {
  const Attr *list = op_param_list(node, attr);
  for (int i = 0; i < n; i++) values[i] = absent;
  if (list == NULL || list->count == 0) return true;
  if (list->count != (size_t)n) {
    return node_error(node, DIAG_INVALID, "attribute %s has %zu values, but needs %d", attr,
                      list->count, n);
  }
  for (int i = 0; i < n; i++) {
    values[i] = list->ints[i];
    if (values[i] < least || values[i] > INT32_MAX) {
      return node_error(node, DIAG_INVALID, "attribute %s has %lld, which is outside [%lld, 2^31)",
                        attr, (long long)values[i], (long long)least);
    }
  }
  return true;
}

bool check_int(const Node *node, const char *attr, int64_t least, int64_t most) {
  int64_t value = op_param_i(node, attr);
  if (value >= least && value <= most) return true;
  return node_error(node, DIAG_INVALID, "attribute %s is %lld, but must be in [%lld, %lld]", attr,
                    (long long)value, (long long)least, (long long)most);
}

bool check_real(const Node *node, uint32_t i) {
  DType dtype = input_type(node, i)->dtype;
  DTypeClass cls = dtype_info(dtype)->cls;
  if (cls != DTYPE_CLASS_STRING && cls != DTYPE_CLASS_COMPLEX) return true;
  return node_error(node, DIAG_UNSUPPORTED, "it computes with input %u '%s', which is %s", i,
                    node_in(node, i)->name, dtype_info(dtype)->name);
}
