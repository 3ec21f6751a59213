#include "passes/facts.h"

#include "ir/interpret.h"
#include "passes/scores.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- constants ---------------------------------------------------------------------------------
 */

/* Operators whose output holds no other numbers than their input, up to the precision of floats. */
static bool keeps_numbers(const Node *node) {
  static const char *const names[] = {"Identity", "Reshape",   "Squeeze", "Unsqueeze",
                                      "Expand",   "Transpose", "Flatten"};
  if (*node->op->domain != '\0') return false;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(node->op->name, names[i]) == 0) return true;
  }
  return strcmp(node->op->name, "Cast") == 0 && dtype_is_float(node->in[0].value->type.dtype) &&
         dtype_is_float(node->out[0]->type.dtype);
}

static const Tensor *reach_constant(const Value *value) {
  while (value->constant == NULL && value->producer != NULL && keeps_numbers(value->producer)) {
    value = value->producer->in[0].value;
  }
  return value->constant;
}

static bool is_number(DType dtype) {
  DTypeClass cls = dtype_info(dtype)->cls;
  return cls == DTYPE_CLASS_FLOAT || cls == DTYPE_CLASS_INT || cls == DTYPE_CLASS_UINT ||
         cls == DTYPE_CLASS_BOOL;
}

bool value_splat(const Value *value, double *number) {
  const Tensor *tensor = reach_constant(value);
  if (tensor == NULL || tensor->count == 0 || !is_number(tensor->dtype)) return false;
  *number = tensor_f64(tensor, 0);
  for (size_t i = 1; i < tensor->count; i++) {
    double other = tensor_f64(tensor, i);
    if (memcmp(&other, number, sizeof other) != 0) return false;
  }
  return true;
}

bool splat_near(const Value *value, double a, double b) {
  static const double precision[] = {
      [ONNXC_RT_F32] = 1e-6, [ONNXC_RT_F64] = 1e-6, [ONNXC_RT_F16] = 5e-4, [ONNXC_RT_BF16] = 4e-3};
  size_t n = sizeof precision / sizeof *precision;
  double tolerance = value->type.dtype < n ? precision[value->type.dtype] : 0;
  return fabs(a - b) <= tolerance * fabs(b);
}

bool score_vanishes(DType dtype, double low) {
  double precision = dtype == ONNXC_RT_F64 ? 0x1p-53 : 0x1p-24; /* narrow types are summed in f32 */
  bool holds = dtype != ONNXC_RT_F16 || isinf(low);
  return holds && -low * precision >= 31;
}

bool value_ints(const Value *value, int64_t *ints, uint32_t max, uint32_t *n) {
  const Tensor *tensor = value == NULL ? NULL : value->constant;
  if (tensor == NULL || tensor->count > max || !dtype_is_integer(tensor->dtype)) return false;
  *n = (uint32_t)tensor->count;
  for (uint32_t i = 0; i < *n; i++) ints[i] = tensor_i64(tensor, i);
  return true;
}

/* ---- types -------------------------------------------------------------------------------------
 */

bool same_dims(const Type *a, const Type *b) {
  if (a->kind != TYPE_TENSOR || b->kind != TYPE_TENSOR || a->rank != b->rank) return false;
  return a->rank <= 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

bool same_type(const Value *a, const Value *b) {
  return a->type.dtype == b->type.dtype && same_dims(&a->type, &b->type);
}

bool is_float(const Value *value) {
  return value->type.kind == TYPE_TENSOR && dtype_is_float(value->type.dtype);
}

bool attribute_holds(const Value *value, double number) {
  return value->type.dtype != ONNXC_RT_F64 || (double)(float)number == number;
}

int64_t static_dim(const Value *value, int axis) {
  int64_t size;
  if (axis < 0 || axis >= value->type.rank) return -1;
  return dim_is_const(value->type.dims[axis], &size) ? size : -1;
}

/* ---- sizes that the inputs determine ----------------------------------------------------------
 */

static const Graph *main_graph(const Graph *graph) {
  while (graph->holder != NULL) graph = graph->holder->graph;
  return graph;
}

static void add_type(KnownSizes *known, const Type *type) {
  for (int i = 0; type->kind == TYPE_TENSOR && i < type->rank; i++) {
    const DimAtom *symbol = dim_as_symbol(type->dims[i]);
    if (symbol != NULL && symbol->symbol < known->n) known->symbols[symbol->symbol] = true;
  }
}

KnownSizes known_sizes(Arena *arena, const Graph *graph) {
  KnownSizes known = {.n = dims_symbols(graph->ctx->dims)};
  known.symbols = ARENA_ARRAY(arena, known.n, bool);
  VEC_EACH(Value *, input, &main_graph(graph)->inputs) add_type(&known, &(*input)->type);
  return known;
}

bool size_known(const KnownSizes *known, const Dim *dim) {
  if (dim->opaque) return false;
  for (uint32_t i = 0; i < dim->n_terms; i++) {
    for (uint32_t k = 0; k < dim->terms[i].n_atoms; k++) {
      const DimAtom *atom = dim->terms[i].atoms[k];
      if (atom->kind == DIM_SYMBOL) {
        if (atom->symbol >= known->n || !known->symbols[atom->symbol]) return false;
      } else if (!size_known(known, atom->a) || !size_known(known, atom->b)) {
        return false;
      }
    }
  }
  return true;
}

/* ---- operators ---------------------------------------------------------------------------------
 */

bool node_named(const Node *node, const char *names) {
  if (node == NULL || *node->op->domain != '\0') return false;
  size_t length = strlen(node->op->name);
  for (const char *at = names; *at != '\0'; at += *at == ' ') {
    size_t word = strcspn(at, " ");
    if (word == length && memcmp(at, node->op->name, length) == 0) return true;
    at += word;
  }
  return false;
}

int param_axis(const Node *node, int rank) {
  int64_t axis = op_param_i(node, "axis");
  return (int)(axis < 0 ? axis + rank : axis);
}

bool value_is(const Value *value, const char *names) {
  return value != NULL && value->output_index == 0 && node_named(value->producer, names);
}

bool is_elementwise(const Node *node) {
  const OpDef *op = node->op;
  bool any_row = op->row != NULL && op->row->axes == NULL && op->whole_inputs == 0;
  return any_row && *node->op->domain == '\0' && strcmp(node->op->name, "BatchNormalization") != 0;
}

bool feeds_norm(const Node *node) {
  for (const Use *use = node->out[0]->uses; use != NULL; use = use->next) {
    if (node_named(use->user, NORM_NAMES)) return true;
  }
  return false;
}

void transpose_perm(const Node *node, int64_t *perm) {
  int rank = node->in[0].value->type.rank;
  const Attr *attr = op_param_list(node, "perm");
  for (int i = 0; i < rank; i++) perm[i] = attr == NULL ? rank - 1 - i : attr->ints[i];
}

/* ---- reductions --------------------------------------------------------------------------------
 */

bool reduce_axes(const Node *node, bool *flags, bool *keepdims) {
  int64_t axes[MAX_RANK];
  uint32_t n = 0;
  int rank = node->in[0].value->type.rank;
  *keepdims = op_param_i(node, "keepdims") != 0;
  if (node_in(node, 1) != NULL && !value_ints(node->in[1].value, axes, MAX_RANK, &n)) return false;
  bool all = n == 0 && op_param_i(node, "noop_with_empty_axes") == 0;
  for (int i = 0; i < rank; i++) flags[i] = all;
  for (uint32_t i = 0; i < n; i++) {
    int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) return false;
    flags[axis] = true;
  }
  return true;
}

int trailing_axes(const bool *flags, int rank) {
  int first = rank;
  while (first > 0 && flags[first - 1]) first--;
  for (int i = 0; i < first; i++) {
    if (flags[i]) return -1;
  }
  return first == rank ? -1 : first;
}

/* ---- broadcast constants -----------------------------------------------------------------------
 */

/* How far axis `axis` of the larger tensor moves within the constant; false when that is larger. */
static bool stride_of(const Tensor *tensor, int rank, int axis, int64_t size, int64_t *stride) {
  int own = axis - (rank - tensor->rank);
  *stride = 0;
  if (own < 0 || tensor->dims[own] == 1) return true;
  if (tensor->dims[own] != size) return false;
  *stride = 1;
  for (int i = own + 1; i < tensor->rank; i++) *stride *= tensor->dims[i];
  return true;
}

bool constant_over(const Value *value, int rank, int first, int last, const int64_t *sizes,
                   double *numbers) {
  const Tensor *tensor = value->constant;
  int64_t strides[MAX_RANK], count = 1;
  if (tensor == NULL || tensor->rank > rank || !is_number(tensor->dtype)) return false;
  for (int axis = 0; axis < rank; axis++) {
    bool inside = axis >= first && axis < last;
    int64_t size = inside ? sizes[axis - first] : 1;
    if (!stride_of(tensor, rank, axis, size, &strides[axis])) return false;
    count *= size;
  }
  for (int64_t i = 0; i < count; i++) {
    int64_t rest = i, at = 0;
    for (int axis = last; axis-- > first; rest /= sizes[axis - first]) {
      at += rest % sizes[axis - first] * strides[axis];
    }
    numbers[i] = tensor_f64(tensor, (size_t)at);
  }
  return true;
}

/* ---- building ----------------------------------------------------------------------------------
 */

Value *build_shape(Builder *builder, const Type *type) {
  int64_t sizes[MAX_RANK];
  int unknown = 0;
  for (int i = 0; i < type->rank; i++) {
    bool known = dim_is_const(type->dims[i], &sizes[i]);
    if (!known) sizes[i] = -1;
    unknown += !known;
    if (known && sizes[i] == 0) return NULL;
  }
  return unknown > 1 ? NULL : build_ints(builder, sizes, (size_t)type->rank);
}

Value *build_folded(Builder *builder, const char *op, Value *a, Value *b) {
  Value *value = BUILD(builder, op, a, b);
  const Tensor *inputs[] = {a->constant, b->constant}, *output;
  Arena *arena = value->graph->ctx->arena;
  int error;
  if (!interpret_node(value->producer, inputs, &output, arena, SIZE_MAX, &error)) return value;
  graph_remove(value->producer);
  return build_constant(builder, output);
}
