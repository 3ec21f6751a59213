#include "passes/permute.h"

#include "passes/facts.h"

/* Where operators have their axes. */
typedef enum AxesPlace {
  AXES_ATTRIBUTE, /* one, as "axis" */
  AXES_INPUT,     /* a list */
  AXES_ALL        /* the same, which may be missing: then the first of them, as many as there are
                     numbers in input 1 (`per_axis` for each) */
} AxesPlace;

static const struct {
  const char *ops;
  AxesPlace place;
  uint32_t n_tensors; /* 0: all inputs */
  uint32_t input, per_axis;
} operators[] = {
    {"Concat", AXES_ATTRIBUTE, 0, 0, 0},
    {"Softmax LogSoftmax", AXES_ATTRIBUTE, 1, 0, 0},
    {"ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare "
     "ReduceLogSum ReduceLogSumExp",
     AXES_INPUT, 1, 1, 0},
    {"Pad", AXES_ALL, 1, 3, 2},
    {"Slice", AXES_ALL, 1, 3, 1},
};

enum { N_OPERATORS = sizeof operators / sizeof *operators };

static int find_operator(const Node *node) {
  int i = 0;
  while (i < N_OPERATORS && !node_named(node, operators[i].ops)) i++;
  return i;
}

/* The axes that the node names, negative ones too. */
static bool axes_of(const Node *node, int k, int64_t *axes, uint32_t *n) {
  const Value *given = node_in(node, operators[k].input);
  if (given != NULL) return value_ints(given, axes, MAX_RANK, n);
  if (operators[k].place == AXES_INPUT) return false; /* all of them, or none */
  const Type *numbers = &node->in[1].value->type;
  int64_t count;
  if (numbers->rank != 1 || !dim_is_const(numbers->dims[0], &count)) return false;
  *n = (uint32_t)count / operators[k].per_axis;
  for (uint32_t i = 0; i < *n && i < MAX_RANK; i++) axes[i] = i;
  return *n <= MAX_RANK;
}

static bool keeps_rank(const Node *node) {
  return node->out[0]->type.rank == node->in[0].value->type.rank;
}

bool permutes(const Node *node, uint32_t *n_tensors) {
  int64_t axes[MAX_RANK];
  uint32_t n;
  int k = find_operator(node);
  if (k == N_OPERATORS || node->n_out != 1 || !keeps_rank(node)) return false;
  *n_tensors = operators[k].n_tensors == 0 ? node->n_in : operators[k].n_tensors;
  return operators[k].place == AXES_ATTRIBUTE || axes_of(node, k, axes, &n);
}

/* Where the axis is now. */
static int64_t find_axis(int64_t axis, const int64_t *perm, int rank) {
  int64_t i = 0;
  if (axis < 0) axis += rank;
  while (perm[i] != axis) i++;
  return i;
}

Value *build_permuted(Builder *b, const Node *node, Value **inputs, const int64_t *perm) {
  enum { MAX_INPUTS = 5 };
  int k = find_operator(node), rank = node->out[0]->type.rank;
  Value *padded[MAX_INPUTS] = {NULL}, **all = inputs;
  int64_t axes[MAX_RANK], axis = 0;
  uint32_t n = 0, count = node->n_in;
  if (operators[k].place == AXES_ATTRIBUTE) {
    axis = find_axis(op_param_i(node, "axis"), perm, rank);
  } else {
    axes_of(node, k, axes, &n);
    for (uint32_t i = 0; i < n; i++) axes[i] = find_axis(axes[i], perm, rank);
    for (uint32_t i = 0; i < count; i++) padded[i] = inputs[i];
    padded[operators[k].input] = build_ints(b, axes, n);
    if (count <= operators[k].input) count = operators[k].input + 1;
    all = padded;
  }
  Node *copy = build_node(b, "", node->op->name, all, count, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  if (operators[k].place == AXES_ATTRIBUTE) node_set_int(copy, "axis", axis);
  return build_done(b, copy);
}
