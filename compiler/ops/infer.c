#include "import/schema.h"
#include "onnxc.h"
#include "ops/types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- inputs ------------------------------------------------------------------------------------
 */

const Type *infer_tensor(const Node *node, uint32_t i) {
  const Value *value = node_in(node, i);
  if (value == NULL) {
    node_error(node, DIAG_INVALID, "input %u is required but missing", i);
    return NULL;
  }
  const Type *type = &value->type;
  if (type->kind != TYPE_TENSOR) {
    node_error(node, DIAG_INVALID, "input %u '%s' must be a tensor but is %s", i, value->name,
               type_text(node->graph->ctx->arena, type));
    return NULL;
  }
  if (type->rank < 0) {
    node_error(node, DIAG_UNSUPPORTED, "input %u '%s' has no known rank; declare its shape", i,
               value->name);
    return NULL;
  }
  return type;
}

bool infer_axis(const Node *node, int64_t axis, int rank, int *result) {
  if (axis < -rank || axis >= rank) {
    return node_error(node, DIAG_INVALID, "axis %lld is outside [%d, %d)", (long long)axis, -rank,
                      rank);
  }
  *result = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

static bool is_whole(DType dtype) {
  return dtype_is_integer(dtype) || dtype == ONNXC_RT_BOOL;
}

/* A number as an expression: a fraction of powers of two where it is small, else its bounds. */
static const Dim *dim_of_real(DimTable *t, double x) {
  enum { MOST = 1 << 12 };
  if (!(fabs(x) < 0x1p52)) return dim_unknown(t, INT64_MIN, INT64_MAX);
  for (int64_t q = 1; q <= MOST; q *= 2) {
    double scaled = x * (double)q;
    if (scaled != floor(scaled)) continue;
    return dim_quotient(t, dim_const(t, (int64_t)scaled), dim_const(t, q));
  }
  return dim_unknown(t, (int64_t)floor(x), (int64_t)ceil(x));
}

static const Dim *const *constant_numbers(const Node *node, const Tensor *constant, uint32_t *n) {
  Context *ctx = node->graph->ctx;
  if (is_whole(constant->dtype)) {
    const Dim *const *whole = graph_contents(ctx, constant);
    if (whole != NULL) *n = (uint32_t)constant->count;
    return whole;
  }
  if (!dtype_is_float(constant->dtype) || constant->count > MAX_RANK) return NULL;
  const Dim **contents = ARENA_ARRAY(ctx->arena, constant->count, const Dim *);
  for (size_t k = 0; k < constant->count; k++) {
    contents[k] = dim_of_real(ctx->dims, tensor_f64(constant, k));
  }
  *n = (uint32_t)constant->count;
  return contents;
}

const Dim *const *infer_numbers(const Node *node, uint32_t i, uint32_t *n) {
  const Value *value = node_in(node, i);
  *n = 0;
  if (value == NULL || value->type.kind != TYPE_TENSOR) return NULL;
  if (value->contents == NULL && value->constant != NULL) {
    return constant_numbers(node, value->constant, n);
  }
  *n = value->n_contents;
  return value->contents;
}

const Dim *infer_number(const Node *node, uint32_t i, uint32_t k) {
  uint32_t n;
  const Dim *const *numbers = infer_numbers(node, i, &n);
  if (numbers != NULL && k < n) return numbers[k];
  return dim_unknown(infer_dims(node), INT64_MIN, INT64_MAX);
}

const Dim *const *infer_contents(const Node *node, uint32_t i, uint32_t *n) {
  const Value *value = node_in(node, i);
  *n = 0;
  if (value == NULL || value->type.kind != TYPE_TENSOR || !is_whole(value->type.dtype)) return NULL;
  if (value->contents != NULL && !value_contents_known(value)) return NULL;
  return infer_numbers(node, i, n);
}

bool infer_constant_ints(const Node *node, uint32_t i, int64_t *values, uint32_t max, uint32_t *n) {
  const Dim *const *contents = infer_contents(node, i, n);
  if (contents == NULL || *n > max) return false;
  for (uint32_t k = 0; k < *n; k++) {
    if (!dim_is_const(contents[k], &values[k])) return false;
  }
  return true;
}

bool infer_length(const Node *node, uint32_t i, int *n) {
  const Type *type = infer_tensor(node, i);
  int64_t dims[MAX_RANK] = {1};
  if (type == NULL) return false;
  if (type->rank > 1) return node_error(node, DIAG_INVALID, "input %u must be a vector", i);
  if (!type_static(type, dims)) {
    return node_error(node, DIAG_UNSUPPORTED, "the number of elements of input %u must be constant",
                      i);
  }
  if (dims[0] > MAX_RANK) {
    return node_error(node, DIAG_LIMIT, "input %u has %lld elements; the limit is %d", i,
                      (long long)dims[0], MAX_RANK);
  }
  *n = (int)dims[0];
  return true;
}

const Dim *infer_equal(const Node *node, const char *what, const Dim *a, const Dim *b) {
  if (dim_never_equal(infer_dims(node), a, b)) {
    Arena *arena = node->graph->ctx->arena;
    node_error(node, DIAG_INVALID, "%s must be equal but are %s and %s", what, dim_text(arena, a),
               dim_text(arena, b));
    return NULL;
  }
  context_assume_equal(node->graph->ctx, a, b);
  return dim_is_const(a, NULL) ? a : b;
}

/* ---- broadcasting ------------------------------------------------------------------------------
 */

const Dim *infer_broadcast_size(Context *ctx, const Dim *a, const Dim *b) {
  DimTable *t = ctx->dims;
  if (a == b || dim_is(b, 1)) return a;
  if (dim_is(a, 1)) return b;
  if (!dim_never_equal(t, a, b)) {
    context_assume_equal(ctx, a, b);
    return dim_is_const(a, NULL) ? a : b;
  }
  const Dim *one = dim_const(t, 1);
  bool a_may_be_1 = !dim_never_equal(t, a, one), b_may_be_1 = !dim_never_equal(t, b, one);
  if (!a_may_be_1 && !b_may_be_1) return NULL;
  context_assume_equal(ctx, a_may_be_1 ? a : b, one);
  return a_may_be_1 ? b : a;
}

static bool broadcast_two(Node *node, const Type *type, int *rank, const Dim **dims) {
  DimTable *t = infer_dims(node);
  int wide = type->rank > *rank ? type->rank : *rank;
  for (int k = 1; k <= wide; k++) { /* from the last axis; the result grows to the left in place */
    const Dim *a = k <= *rank ? dims[MAX_RANK - k] : dim_const(t, 1);
    const Dim *b = k <= type->rank ? type->dims[type->rank - k] : dim_const(t, 1);
    const Dim *size = infer_broadcast_size(node->graph->ctx, a, b);
    if (size == NULL) {
      Arena *arena = node->graph->ctx->arena;
      return node_error(node, DIAG_INVALID,
                        "sizes %s and %s of axis %d from the end do not broadcast",
                        dim_text(arena, a), dim_text(arena, b), k);
    }
    dims[MAX_RANK - k] = size;
  }
  *rank = wide;
  return true;
}

bool infer_broadcast(Node *node, const Type *const *types, int n, int *rank, const Dim **dims) {
  const Dim *aligned[MAX_RANK]; /* to the end */
  *rank = 0;
  for (int i = 0; i < n; i++) {
    if (!broadcast_two(node, types[i], rank, aligned)) return false;
  }
  if (*rank > 0) memcpy(dims, aligned + MAX_RANK - *rank, (size_t)*rank * sizeof *dims);
  return true;
}

/* ---- outputs -----------------------------------------------------------------------------------
 */

void infer_set_contents(Node *node, uint32_t i, const Dim *const *contents, uint32_t n) {
  Value *value = node_out(node, i);
  if (value == NULL || n > MAX_CONTENTS) return;
  value->contents = arena_copy(node->graph->ctx->arena, contents, n * sizeof *contents);
  value->n_contents = n;
}

/* How the symbol of a size that depends on data is known: its name has this in it, and no input of
 * the node has the symbol. */
#define FRESH_MARK "_size"

/* The value's name with a mark and a number behind it, in letters that no shell minds. */
static const char *symbol_name(const Value *value, const char *mark, int number) {
  Arena *arena = value->graph->ctx->arena;
  bool digit = *value->name >= '0' && *value->name <= '9';
  char *name = arena_printf(arena, "%s%s%s", digit ? "v" : "", value->name, mark);
  if (number >= 0) name = arena_printf(arena, "%s%d", name, number);
  for (char *c = name; *c != '\0'; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (!plain) *c = '_';
  }
  return name;
}

static bool inputs_mention(const Node *node, const DimAtom *symbol) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node->in[i].value;
    if (value == NULL || value->type.kind != TYPE_TENSOR) continue;
    for (int axis = 0; axis < value->type.rank; axis++) {
      if (dim_mentions(value->type.dims[axis], symbol)) return true;
    }
  }
  return false;
}

/* Whether the node finds how many tensors a sequence has: a size under a name of its own. */
static bool finds_count(const Node *node) {
  const Attr *to = strcmp(node->op->domain, "onnxc") == 0 ? node_attr(node, "to") : NULL;
  return to != NULL && to->kind == ATTR_STRING && strcmp(to->s, "shape") != 0;
}

bool symbol_of_axis(const DimAtom *symbol, int axis) {
  char mark[16];
  snprintf(mark, sizeof mark, FRESH_MARK "%d", axis);
  return strstr(symbol->name, mark) != NULL;
}

static bool is_fresh(const Node *node, const Dim *size, int axis) {
  const DimAtom *symbol = dim_as_symbol(size);
  if (symbol == NULL || inputs_mention(node, symbol)) return false;
  return symbol_of_axis(symbol, axis) || (axis == 0 && finds_count(node));
}

/* The size that the model declares for an axis; INT64_MAX when it leaves it open. */
static int64_t declared_size(const Value *value, int axis) {
  const Type *type = value->declared;
  bool known = type != NULL && type->kind == TYPE_TENSOR && axis < type->rank;
  return known && type->dims[axis] != NULL ? type->dims[axis]->hi : INT64_MAX;
}

const Dim *infer_symbol(Value *value, int axis, const Dim *before, int64_t hi) {
  Context *ctx = value->graph->ctx;
  if (before != NULL) {
    dim_limit(before, hi);
    return before;
  }
  const char *name = dims_unused_name(ctx->dims, symbol_name(value, FRESH_MARK, axis));
  const onnxc_dim *given = context_bounds(ctx, name);
  int64_t lo = given == NULL || given->lo < 0 ? 0 : given->lo;
  if (given != NULL && given->hi < hi) hi = given->hi;
  return dim_fresh(ctx->dims, name, lo < hi ? lo : hi, hi);
}

const Dim *infer_fresh(Node *node, uint32_t i, int axis, const Dim *bound) {
  Value *value = node_out(node, i);
  int64_t hi = bound == NULL ? INT64_MAX : bound->hi < 0 ? 0 : bound->hi;
  if (value == NULL) return dim_fresh(infer_dims(node), "size", 0, hi);
  const Dim *before = NULL;
  if (value->type.kind == TYPE_TENSOR && axis < value->type.rank) {
    before = value->type.dims[axis];
    if (before->hi < hi) hi = before->hi;
    if (!is_fresh(node, before, axis)) before = NULL;
  }
  if (declared_size(value, axis) < hi) hi = declared_size(value, axis);
  return infer_symbol(value, axis, before, hi);
}

const Dim *infer_within(const Node *node, const Dim *size, const Dim *bound) {
  DimTable *t = infer_dims(node);
  const Dim *within = size;
  if (!size->value) return size;
  if (size->lo < 0) within = dim_max(t, within, dim_const(t, 0));
  if (bound != NULL && !dim_le(t, within, bound)) within = dim_min(t, within, bound);
  context_assume_equal(node->graph->ctx, within, size);
  return within;
}

/* ---- numbers of the graph's inputs -------------------------------------------------------------
 */

static const Dim *input_number(Context *ctx, Value *input, uint32_t k) {
  int64_t lo = INT64_MIN, hi = INT64_MAX;
  const char *name = symbol_name(input, "_value", input->type.rank == 0 ? -1 : (int)k);
  const onnxc_dim *given = context_bounds(ctx, dims_unused_name(ctx->dims, name));
  if (given != NULL) {
    lo = given->lo;
    hi = given->hi;
  }
  const Dim *number = lo == hi ? dim_const(ctx->dims, lo) : dim_value(ctx->dims, name, lo, hi);
  InputNumber entry = {.input = input, .index = k, .number = number};
  vec_push(ctx->arena, &ctx->numbers, entry);
  return number;
}

static void number_elements(Value *input) {
  Context *ctx = input->graph->ctx;
  int64_t dims[MAX_RANK], count = 1;
  const Type *type = &input->type;
  bool vector = type->kind == TYPE_TENSOR && type->rank >= 0 && type->rank <= 1;
  if (!vector || (type->dtype != ONNXC_RT_I32 && type->dtype != ONNXC_RT_I64)) return;
  if (!type_static(type, dims)) return;
  if (type->rank == 1) count = dims[0];
  if (count > MAX_RANK) return;
  const Dim **contents = ARENA_ARRAY(ctx->arena, (size_t)count, const Dim *);
  for (int64_t k = 0; k < count; k++) {
    contents[k] = input_number(ctx, input, (uint32_t)k);
  }
  input->contents = contents;
  input->n_contents = (uint32_t)count;
}

void infer_input_numbers(Graph *graph) {
  VEC_EACH(Value *, input, &graph->inputs) number_elements(*input);
}

bool node_size_from_data(const Node *node, uint32_t i, int axis) {
  const Value *value = node_out(node, i);
  if (value == NULL || value->type.kind != TYPE_TENSOR || axis >= value->type.rank) return false;
  return is_fresh(node, value->type.dims[axis], axis);
}

bool node_sizes_from_data(const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    for (int axis = 0; axis < MAX_RANK; axis++) {
      if (node_size_from_data(node, i, axis)) return true;
    }
  }
  return false;
}

bool graph_finds_size(const Graph *graph, const Dim *size) {
  int64_t value;
  if (dim_is_const(size, &value)) return false;
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    for (uint32_t i = 0; i < node->n_out; i++) {
      const Type *type = node->out[i] == NULL ? NULL : &node->out[i]->type;
      for (int k = 0; type != NULL && type->kind == TYPE_TENSOR && k < type->rank; k++) {
        bool found = node_size_from_data(node, i, k);
        if (found && dim_mentions(size, dim_as_symbol(type->dims[k]))) return true;
      }
    }
  }
  return false;
}

/* The sizes of one tensor, zeros left out, multiply without overflow. */
static bool check_size(const Node *node, int rank, const Dim *const *dims) {
  DimTable *t = infer_dims(node);
  const Dim *product = dim_const(t, 1);
  for (int i = 0; i < rank; i++) {
    if (!dim_is(dims[i], 0)) product = dim_mul(t, product, dims[i]);
  }
  return product != NULL && !dims_overflowed(t);
}

/* Where that is not provable it is checked at run time. */
static void check_not_negative(const Node *node, int rank, const Dim *const *dims) {
  DimTable *t = infer_dims(node);
  for (int i = 0; i < rank; i++) {
    if (dims[i]->lo >= 0) continue;
    context_assume_equal(node->graph->ctx, dim_max(t, dims[i], dim_const(t, 0)), dims[i]);
  }
}

static bool contradicts(DimTable *t, const Type *declared, const Type *inferred) {
  if (declared->kind != inferred->kind) return true;
  if (declared->kind != TYPE_TENSOR) {
    Type element = *declared->element; /* whose sizes may be mere bounds */
    if (element.kind == TYPE_TENSOR) element.rank = -1;
    return contradicts(t, &element, inferred->element);
  }
  if (declared->dtype != DTYPE_NONE && declared->dtype != inferred->dtype) return true;
  if (declared->rank < 0 || inferred->rank < 0) return false;
  if (declared->rank != inferred->rank) return true;
  for (int i = 0; i < inferred->rank; i++) {
    if (dim_never_equal(t, declared->dims[i], inferred->dims[i])) return true;
  }
  return false;
}

void infer_output_type(Node *node, uint32_t i, const Type *type) {
  Value *value = node_out(node, i);
  if (value == NULL) return;
  Context *ctx = node->graph->ctx;
  bool declared = value->type.kind != TYPE_UNKNOWN;
  if (declared && contradicts(ctx->dims, &value->type, type)) {
    node_error(node, DIAG_INVALID, "output '%s' is declared %s, but the operator gives %s",
               value->name, type_text(ctx->arena, &value->type), type_text(ctx->arena, type));
  }
  value->type = *type;
}

/* A size that numbers of inputs make, within what is known of the axis already: from the model's
 * declaration, or from the node that this one replaces. */
static const Dim *confined(const Node *node, const Value *value, int axis, const Dim *size) {
  const Type *type = &value->type;
  bool typed = type->kind == TYPE_TENSOR && axis < type->rank;
  const Dim *before = typed ? type->dims[axis] : NULL;
  if (!size->value || size == before) return size;
  int64_t most = declared_size(value, axis);
  if (before != NULL && before->hi < most) most = before->hi;
  if (size->hi <= most) return size;
  DimTable *t = infer_dims(node);
  const Dim *within =
      before != NULL && before->hi == most ? before : dim_min(t, size, dim_const(t, most));
  context_assume_equal(node->graph->ctx, size, within);
  return within;
}

void infer_output(Node *node, uint32_t i, DType dtype, int rank, const Dim *const *dims) {
  const Dim *own[MAX_RANK];
  const Value *value = node_out(node, i);
  if (value == NULL) return;
  if (rank > MAX_RANK) {
    node_error(node, DIAG_LIMIT, "output %u has rank %d; the limit is %d", i, rank, MAX_RANK);
    return;
  }
  if (!check_size(node, rank, dims)) {
    node_error(node, DIAG_INVALID, "the size of output %u leaves the range of 64 bits", i);
    return;
  }
  check_not_negative(node, rank, dims);
  for (int k = 0; k < rank; k++) own[k] = confined(node, value, k, dims[k]);
  Type type = type_tensor(node->graph->ctx, dtype, rank, own);
  infer_output_type(node, i, &type);
}

const Dim *infer_size(Node *node, uint32_t i, uint32_t k, int axis, const Dim *bound) {
  const Value *value = node_in(node, i);
  uint32_t n;
  if (infer_tensor(node, i) == NULL) return NULL;
  const Dim *const *contents = infer_contents(node, i, &n);
  if (contents == NULL && value->constant == NULL) {
    const Dim *number = infer_number(node, i, k);
    return infer_fresh(node, 0, axis, bound == NULL || number->hi < bound->hi ? number : bound);
  }
  if (contents == NULL) n = (uint32_t)value->constant->count;
  if (k >= n) {
    node_error(node, DIAG_INVALID, "input %u has %u elements, too few", i, n);
    return NULL;
  }
  const Dim *size =
      contents != NULL ? contents[k] : dim_const(infer_dims(node), tensor_i64(value->constant, k));
  if (size->hi >= 0) return infer_within(node, size, bound);
  node_error(node, DIAG_INVALID, "input %u is a negative size", i);
  return NULL;
}

/* ---- nodes and graphs --------------------------------------------------------------------------
 */

static bool inputs_known(const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *value = node->in[i].value;
    if (value != NULL && value->type.kind == TYPE_UNKNOWN) return false;
  }
  return true;
}

/* What a subgraph captured is known inside as it is outside. */
static void enter_subgraphs(const Node *node) {
  for (uint32_t i = 0; i < node->n_attrs; i++) {
    if (node->attrs[i].kind != ATTR_GRAPH) continue;
    VEC_EACH(Capture, capture, &node->attrs[i].graph->captures) {
      const Value *outer = node->in[capture->input].value;
      capture->inner->type = outer->type;
      capture->inner->constant = outer->constant;
      capture->inner->contents = outer->contents;
      capture->inner->n_contents = outer->n_contents;
    }
  }
}

static void forget_contents(Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL) continue;
    node->out[i]->contents = NULL;
    node->out[i]->n_contents = 0;
  }
}

/* Where no schema has counted the outputs before, one that got no type is one too many. */
static bool check_outputs(const Node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] == NULL || node->out[i]->type.kind != TYPE_UNKNOWN) continue;
    if (schema_find(node->op->domain, node->op->name, INT64_MAX) == NULL) {
      return node_error(node, DIAG_INVALID, "the operator has no output %u", i);
    }
    escape_raise(arena_escape(node->graph->ctx->arena), 70, "inference left an output untyped");
  }
  return true;
}

bool infer_node(Node *node) {
  if (!inputs_known(node)) return false;
  Context *ctx = node->graph->ctx;
  size_t errors = diag_errors(ctx->diag);
  const Graph *outer = ctx->scope;
  enter_subgraphs(node);
  forget_contents(node);
  (void)dims_overflowed(ctx->dims);
  ctx->scope = node->graph;
  bool done = types_check(node) && node->op->infer(node) && types_check_outputs(node);
  ctx->scope = outer;
  if (done && dims_overflowed(ctx->dims)) {
    node_error(node, DIAG_INVALID, "a size leaves the range of 64 bits");
  }
  return done && diag_errors(ctx->diag) == errors && check_outputs(node);
}

void infer_forget(Graph *graph) {
  for (Node *node = graph->first; node != NULL; node = node->next) {
    forget_contents(node);
    for (uint32_t i = 0; i < node->n_out; i++) {
      if (node->out[i] != NULL) node->out[i]->type = (Type){0};
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
      if (node->attrs[i].kind != ATTR_GRAPH) continue;
      VEC_EACH(Value *, input, &node->attrs[i].graph->inputs) (*input)->type = (Type){0};
      infer_forget(node->attrs[i].graph);
    }
  }
}

bool infer_graph(Graph *graph) {
  size_t errors = diag_errors(graph->ctx->diag);
  bool done = true;
  for (Node *node = graph->first; node != NULL; node = node->next) {
    if (!infer_node(node)) done = false;
  }
  return done && diag_errors(graph->ctx->diag) == errors;
}
