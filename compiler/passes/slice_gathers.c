/* slice-gathers: Gather by consecutive indices -> Slice, as positions are looked up: the indices
 * are a Range, or a part of a constant one, perhaps moved by a number; Gather by indices that are
 * repeated -> Expand of a Gather by those.
 *
 * Right because both give the same elements. Only where the indices are provably inside, since a
 * Slice would clamp them, and where sizes of inputs determine them, since nothing then waits for
 * what finds them. */
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

/* ---- consecutive integers ----------------------------------------------------------------------
 */

/* The first of the integers of a constant that each are one more than the one before. */
static bool constant_run(const Tensor *tensor, int64_t *first) {
  if (tensor->count == 0 || !dtype_is_integer(tensor->dtype)) return false;
  *first = tensor_i64(tensor, 0);
  for (size_t i = 1; i < tensor->count; i++) {
    if (tensor_i64(tensor, i) - *first != (int64_t)i) return false;
  }
  return true;
}

/* What the output of a node adds to the run that input 0 is; false: the output is no such run. */
typedef bool StartOf(const Node *node, const Dim **start);

static bool same_start(const Node *node, const Dim **start) {
  (void)node;
  (void)start;
  return true;
}

static bool cast_start(const Node *node, const Dim **start) {
  DType dtype = node->out[0]->type.dtype;
  return dtype == ONNXC_RT_I64 || (dtype == ONNXC_RT_I32 && (*start)->lo >= 0);
}

static bool range_start(const Node *node, const Dim **start) {
  double delta = 1;
  if (node_in(node, 2) != NULL && !value_splat(node->in[2].value, &delta)) return false;
  *start = infer_number(node, 0, 0);
  return delta == 1 && dtype_is_integer(node->out[0]->type.dtype) && !node_sizes_from_data(node);
}

/* Along the only axis that is longer than 1. */
static bool slice_start(const Node *node, const Dim **start) {
  uint32_t n, n_axes;
  int64_t axis = 0;
  double step = 1;
  const Type *x = &node->in[0].value->type;
  const Dim *const *starts = infer_contents(node, 1, &n);
  const Value *axes = node_in(node, 3), *steps = node_in(node, 4);
  if (starts == NULL || n != 1 || starts[0]->lo < 0) return false;
  if (axes != NULL && !value_ints(axes, &axis, 1, &n_axes)) return false;
  if (steps != NULL && (!value_splat(steps, &step) || step != 1)) return false;
  axis += axis < 0 ? x->rank : 0;
  for (int i = 0; i < x->rank; i++) {
    if (i != axis && !dim_is(x->dims[i], 1)) return false;
  }
  *start = dim_add(infer_dims(node), *start, starts[0]);
  return true;
}

static bool add_start(const Node *node, const Dim **start) {
  const Value *term = node->in[1].value;
  uint32_t n;
  const Dim *const *numbers = infer_contents(node, 1, &n);
  if (numbers == NULL || n != 1 || term->type.rank > node->in[0].value->type.rank) return false;
  *start = dim_add(infer_dims(node), *start, numbers[0]);
  return true;
}

static const struct {
  const char *op;
  StartOf *start_of;
  bool begins; /* input 0 is no run */
} steps[] = {
    {"Range", range_start, true},     {"Slice", slice_start, false},
    {"Add", add_start, false},        {"Cast", cast_start, false},
    {"Reshape", same_start, false},   {"Squeeze", same_start, false},
    {"Unsqueeze", same_start, false}, {"Flatten", same_start, false},
};

enum { N_STEPS = sizeof steps / sizeof *steps, MAX_STEPS = 16 };

static int find_step(const Node *node) {
  int i = node == NULL || *node->op->domain != '\0' ? N_STEPS : 0;
  while (i < N_STEPS && strcmp(node->op->name, steps[i].op) != 0) i++;
  return i;
}

/* The value, read in order, is start, start + 1, ...: what `start` is. NULL: it is not. */
static const Dim *run_of(const Value *value) {
  const Node *path[MAX_STEPS];
  DimTable *t = value->graph->ctx->dims;
  const Dim *start = NULL;
  int n = 0;
  while (start == NULL) {
    int64_t first;
    int step = find_step(value->constant == NULL ? value->producer : NULL);
    if (value->constant != NULL) {
      if (!constant_run(value->constant, &first)) return NULL;
      start = dim_const(t, first);
    } else if (step == N_STEPS || n == MAX_STEPS) {
      return NULL;
    } else if (steps[step].begins) {
      if (!steps[step].start_of(value->producer, &start)) return NULL;
    } else {
      path[n++] = value->producer;
      value = value->producer->in[0].value;
    }
  }
  while (n-- > 0) {
    if (!steps[find_step(path[n])].start_of(path[n], &start)) return NULL;
  }
  return start;
}

/* ---- rules -------------------------------------------------------------------------------------
 */

/* The number of indices, all of them along one axis; NULL: they are along several. */
static const Dim *long_axis(const Type *indices) {
  const Dim *n = NULL;
  for (int i = 0; i < indices->rank; i++) {
    if (dim_is(indices->dims[i], 1)) continue;
    if (n != NULL) return NULL;
    n = indices->dims[i];
  }
  return n;
}

static Value *slice(Match *m) {
  Value *x = match_value(m, "x");
  const Value *indices = match_value(m, "indices");
  DimTable *t = x->graph->ctx->dims;
  int axis = param_axis(m->root, x->type.rank);
  const Dim *n = long_axis(&indices->type), *start = n == NULL ? NULL : run_of(indices);
  if (start == NULL || start->opaque || start->lo < 0) return NULL;
  const Dim *end = dim_add(t, start, n);
  KnownSizes known = known_sizes(pass_scratch(m->run), x->graph);
  if (!dim_le(t, end, x->type.dims[axis]) || !size_known(&known, end)) return NULL;
  if (!size_known(&known, start)) return NULL;
  Builder *b = &m->builder;
  Value *inputs[] = {x, build_dims(b, &start, 1), build_dims(b, &end, 1),
                     build_ints(b, &(int64_t){axis}, 1)};
  Value *part = build(b, "Slice", inputs, 4);
  return compose_reshape(b, part, m->root->out[0]->type.dims, m->root->out[0]->type.rank);
}

/* Indices that are repeated along axes in front: so is what they pick. */
static Value *expand(Match *m) {
  Value *x = match_value(m, "x"), *few = match_value(m, "indices");
  const Type *type = &m->root->out[0]->type;
  KnownSizes known = known_sizes(pass_scratch(m->run), x->graph);
  if (param_axis(m->root, x->type.rank) != 0 || few->type.rank != match_value(m, "many")->type.rank)
    return NULL;
  for (int i = 0; i < type->rank; i++) {
    if (!size_known(&known, type->dims[i])) return NULL;
  }
  Builder *b = &m->builder;
  Value *picked = BUILD(b, "Gather", x, few);
  return BUILD(b, "Expand", picked, build_dims(b, type->dims, (uint32_t)type->rank));
}

static const Rule rules[] = {
    RULE("consecutive", P("Gather", ANY("x"), ANY("indices")), slice),
    RULE("repeated", P("Gather", ANY("x"), PM("Expand", "many", ANY("indices"))), expand),
};

const PassDef pass_slice_gathers = {
    .name = "slice-gathers",
    .what = "Gather by consecutive or repeated indices becomes Slice or Expand",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
