/* Symbolic contents: the integers of small tensors that compute shapes, followed through operators.
 */
#include "ir/interpret.h"
#include "ops/op.h"
#include "reference/element.h"

void infer_pass_contents(Node *node, uint32_t i) {
  uint32_t n;
  const Dim *const *contents = infer_numbers(node, i, &n);
  if (contents != NULL) infer_set_contents(node, 0, contents, n);
}

/* Whether a tensor of constant sizes may have contents. */
static bool small_static(const Type *type, int64_t *dims) {
  if (!type_static(type, dims)) return false;
  int64_t count = 1;
  for (int i = 0; i < type->rank; i++) {
    if (__builtin_mul_overflow(count, dims[i], &count)) return false;
  }
  return count <= MAX_CONTENTS;
}

/* An element of which only the type is known; none of 32 bits and more bounds a size. NULL for an
 * absent input. */
static const Dim *unknown_of(DimTable *t, const Value *value) {
  int64_t lo = INT64_MIN, hi = INT64_MAX, least, most;
  if (value == NULL) return NULL;
  if (dtype_integer_range(value->type.dtype, &least, &most)) {
    if (least == 0) lo = 0;
    if (most < INT32_MAX) hi = most;
    if (most < INT32_MAX) lo = least;
  }
  return dim_unknown(t, lo, hi);
}

/* ---- moved elements ----------------------------------------------------------------------------
 * The operator itself tells where each element goes: its kernel runs on tensors whose elements are
 * numbers, and each number in the result says which element of which input came there. */

typedef struct Moves {
  const Dim **pool; /* contents of all data inputs, one after another */
  uint32_t n_pool;
  bool known; /* something is, of some of them */
} Moves;

/* A number stored in the bits of an element, whatever its type. */
static void put_number(const Tensor *tensor, uint32_t i, uint32_t number) {
  size_t size = (size_t)dtype_info(tensor->dtype)->bits / 8;
  unsigned char *at = (unsigned char *)(uintptr_t)tensor->data + i * size;
  at[0] = (unsigned char)number;
  if (size > 1) at[1] = (unsigned char)(number >> 8);
}

static uint32_t get_number(const Tensor *tensor, uint32_t i) {
  size_t size = (size_t)dtype_info(tensor->dtype)->bits / 8;
  const unsigned char *at = (const unsigned char *)tensor->data + i * size;
  return at[0] | (size > 1 ? (uint32_t)at[1] << 8 : 0);
}

/* Input `i` with numbers in place of its elements; NULL when they are too many. */
static const Tensor *numbered(const Node *node, uint32_t i, Moves *moves) {
  int64_t dims[MAX_RANK];
  uint32_t n;
  const Value *value = node_in(node, i);
  const Type *type = &value->type;
  const Dim *const *contents = infer_numbers(node, i, &n);
  int bits = dtype_info(type->dtype)->bits;
  if (!small_static(type, dims) || bits < 8) return NULL;
  Tensor *tensor = tensor_new(node->graph->ctx, type->dtype, type->rank, dims);
  if (tensor == NULL || (contents != NULL && tensor->count != n)) return NULL;
  if (moves->n_pool + tensor->count > (bits == 8 ? 256u : 3u * MAX_CONTENTS)) return NULL;
  for (uint32_t k = 0; k < tensor->count; k++) {
    put_number(tensor, k, moves->n_pool);
    moves->pool[moves->n_pool++] =
        contents != NULL ? contents[k] : unknown_of(infer_dims(node), value);
  }
  moves->known = moves->known || contents != NULL;
  return tensor;
}

static const Tensor *constant_ints(const Node *node, uint32_t i) {
  int64_t dims[MAX_RANK], values[MAX_CONTENTS];
  uint32_t n;
  const Value *value = node_in(node, i);
  if (value->constant != NULL) return value->constant;
  if (!infer_constant_ints(node, i, values, MAX_CONTENTS, &n)) return NULL;
  if (!small_static(&value->type, dims)) return NULL;
  Tensor *tensor = tensor_new(node->graph->ctx, value->type.dtype, value->type.rank, dims);
  if (tensor == NULL || tensor->count != n) return NULL;
  onnxc_rt_tensor t = {.data = (void *)(uintptr_t)tensor->data, .dtype = (int32_t)tensor->dtype};
  for (uint32_t k = 0; k < n; k++) onnxc_rt_store_i64(&t, k, values[k]);
  return tensor;
}

static bool gather_inputs(const Node *node, uint32_t data, Moves *moves, const Tensor **inputs) {
  for (uint32_t i = 0; i < node->n_formal; i++) {
    if (node_in(node, i) == NULL) continue;
    bool moved = i < 32 && (data >> i & 1) != 0;
    inputs[i] = moved ? numbered(node, i, moves) : constant_ints(node, i);
    if (inputs[i] == NULL) return false;
  }
  return true;
}

static bool outputs_small(const Node *node) {
  int64_t dims[MAX_RANK];
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL && !small_static(&node->out[i]->type, dims)) return false;
  }
  return true;
}

static void take_moved(Node *node, uint32_t i, const Tensor *result, const Moves *moves) {
  const Dim *contents[MAX_CONTENTS];
  if (result == NULL || result->count > MAX_CONTENTS) return;
  for (uint32_t k = 0; k < result->count; k++) contents[k] = moves->pool[get_number(result, k)];
  infer_set_contents(node, i, contents, (uint32_t)result->count);
}

void infer_move_contents(Node *node, uint32_t data) {
  enum { MAX_ENDS = 64 };
  const Tensor *inputs[MAX_ENDS] = {0}, *outputs[MAX_ENDS] = {0};
  const Dim *pool[3 * MAX_CONTENTS];
  int error;
  if (node->n_formal > MAX_ENDS || node->n_out > MAX_ENDS || !outputs_small(node)) return;
  Context *ctx = node->graph->ctx;
  Moves moves = {.pool = pool};
  if (!gather_inputs(node, data, &moves, inputs) || !moves.known) return;
  if (!interpret_node(node, inputs, outputs, ctx->arena, 1 << 16, &error)) return;
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (node->out[i] != NULL) take_moved(node, i, outputs[i], &moves);
  }
}

/* ---- computed elements -------------------------------------------------------------------------
 */

/* Beyond integers that are all known, only so many numbers are followed. */
enum { MAX_ARGS = ONNXC_RT_WALK_OPERANDS, MAX_BOUNDED = 16 };

static bool says_nothing(const Dim *x) {
  return x->opaque && x->lo == INT64_MIN && x->hi == INT64_MAX;
}

/* What narrow types cannot hold wraps around. A float of which only bounds are known may be NaN,
 * so what is computed from it is known no better. */
static const Dim *as_element(DimTable *t, const Node *node, const Dim *result, bool vague) {
  const Dim *any = unknown_of(t, node->out[0]);
  if (result == NULL || result->lo < any->lo || result->hi > any->hi) return any;
  bool certain = vague && !result->opaque;
  return certain ? dim_unknown(t, result->lo, result->hi == INT64_MAX ? INT64_MAX : result->hi + 1)
                 : result;
}

typedef struct Elements {
  const Dim *const *contents[MAX_ARGS]; /* of each input; NULL: not known */
  onnxc_rt_walk walk;
  bool known, partly; /* something is; something is not */
} Elements;

static bool gather_elements(const Node *node, Elements *e) {
  int64_t dims[MAX_RANK];
  for (uint32_t i = 0; i < node->n_formal; i++) {
    uint32_t n;
    const Value *in = node_in(node, i);
    e->contents[i] = infer_numbers(node, i, &n);
    if (e->contents[i] != NULL) e->known = true;
    if (in != NULL && !type_static(&in->type, dims)) return false;
    if (in != NULL && (e->contents[i] == NULL || dtype_is_float(in->type.dtype))) e->partly = true;
    onnxc_rt_walk_broadcast(&e->walk, dims, in == NULL ? 0 : in->type.rank);
  }
  return e->known && e->walk.count <= (e->partly ? MAX_BOUNDED : MAX_CONTENTS);
}

static const Dim *element_at(DimTable *t, const Node *node, const Elements *e,
                             infer_element *element) {
  const Dim *args[MAX_ARGS];
  bool vague = false;
  for (uint32_t i = 0; i < node->n_formal; i++) {
    const Value *in = node_in(node, i);
    args[i] = e->contents[i] != NULL ? e->contents[i][e->walk.at[i]] : unknown_of(t, in);
    vague = vague || (in != NULL && dtype_is_float(in->type.dtype) && args[i]->opaque);
  }
  return as_element(t, node, element(node, args), vague);
}

void infer_map_contents(Node *node, infer_element *element) {
  int64_t dims[MAX_RANK];
  const Dim *result[MAX_CONTENTS];
  Elements e = {.known = false};
  bool useful = false;
  if (node->n_formal > MAX_ARGS || node_out(node, 0) == NULL) return;
  if (!small_static(&node->out[0]->type, dims)) return;
  onnxc_rt_walk_init(&e.walk, dims, node->out[0]->type.rank);
  if (!gather_elements(node, &e)) return;
  DimTable *t = infer_dims(node);
  (void)dims_overflowed(t);
  int64_t n = e.walk.count;
  for (int64_t k = 0; k < n; k++, onnxc_rt_walk_next(&e.walk)) {
    result[k] = element_at(t, node, &e, element);
    useful = useful || !says_nothing(result[k]);
  }
  if (!dims_overflowed(t) && (useful || n == 0)) infer_set_contents(node, 0, result, (uint32_t)n);
}

void infer_bounded_contents(Node *node, uint32_t i, int64_t lo, int64_t hi) {
  int64_t dims[MAX_RANK], count = 1;
  const Dim *contents[MAX_BOUNDED];
  const Value *value = node_out(node, i);
  if (value == NULL || !small_static(&value->type, dims)) return;
  for (int k = 0; k < value->type.rank; k++) count *= dims[k];
  if (count > MAX_BOUNDED) return;
  for (int64_t k = 0; k < count; k++) contents[k] = dim_unknown(infer_dims(node), lo, hi);
  infer_set_contents(node, i, contents, (uint32_t)count);
}

void infer_index_contents(Node *node, uint32_t i, const Dim *size) {
  infer_bounded_contents(node, i, 0,
                         size->hi == INT64_MAX || size->hi == 0 ? size->hi : size->hi - 1);
}

/* The least and the greatest of numbers. */
static void range_of(const Dim *const *numbers, uint32_t n, int64_t *lo, int64_t *hi) {
  *lo = INT64_MAX;
  *hi = INT64_MIN;
  for (uint32_t k = 0; k < n; k++) {
    if (numbers[k]->lo < *lo) *lo = numbers[k]->lo;
    if (numbers[k]->hi > *hi) *hi = numbers[k]->hi;
  }
}

void infer_picked_contents(Node *node, uint32_t i) {
  uint32_t n;
  int64_t lo, hi;
  const Dim *const *numbers = infer_numbers(node, i, &n);
  if (node_out(node, 0) == NULL || node->out[0]->contents != NULL) return;
  if (numbers == NULL || n == 0) return;
  range_of(numbers, n, &lo, &hi);
  infer_bounded_contents(node, 0, lo, hi);
}
