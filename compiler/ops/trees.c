#include "ops/trees.h"
#include "onnxc_rt_reference.h"
#include "ops/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A word of the table holds a feature and the test. */
enum { TEST_BITS = 4, MOST_FEATURES = 1 << (31 - TEST_BITS) };

/* ---- tests -------------------------------------------------------------------------------------
 */

const char *const tree_modes[TREE_MODES] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE",   "BRANCH_GT",
                                            "BRANCH_EQ",  "BRANCH_NEQ", "BRANCH_MEMBER"};

unsigned tree_test(int mode, bool tracks_true) {
  static const unsigned tests[TREE_MODES] = {TREE_BELOW | TREE_SAME,
                                             TREE_BELOW,
                                             TREE_SAME | TREE_ABOVE,
                                             TREE_ABOVE,
                                             TREE_SAME,
                                             TREE_BELOW | TREE_ABOVE | TREE_NAN,
                                             TREE_SAME};
  return tests[mode] | (tracks_true ? TREE_NAN : 0);
}

static int compare_numbers(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* Sets node `at` to the tests for sorted members. A node that halves them sends NaN on to the last,
 * which knows what to do. */
static void halve(Trees *t, size_t at, TreeNode node, const double *members, size_t n) {
  while (n > 1) {
    size_t left = n / 2, first = t->nodes.len;
    TreeNode half = {node.feature,
                     members[left - 1],
                     TREE_BELOW | TREE_SAME,
                     {(int64_t)first + 1, (int64_t)first}};
    vec_push(t->arena, &t->nodes, node);
    vec_push(t->arena, &t->nodes, node);
    t->nodes.data[at] = half;
    halve(t, first, node, members, left); /* at most 64 deep */
    at = first + 1;
    members += left;
    n -= left;
  }
  node.split = n == 0 ? 0 : members[0];
  t->nodes.data[at] = node;
}

void tree_member(Trees *trees, size_t at, TreeNode node, double *members, size_t n) {
  if (n == 0) node.test &= TREE_NAN;
  qsort(members, n, sizeof *members, compare_numbers);
  halve(trees, at, node, members, n);
}

/* ---- order -------------------------------------------------------------------------------------
 * A walk that leaves a node behind all that can be reached from it gives, backwards, an order in
 * which children come behind their parents. */

enum { UNSEEN, OPEN, DONE };

typedef struct Walk {
  Trees *trees;
  unsigned char *state;
  Vec(int64_t) path;
  int64_t *order; /* of nodes, from `first` on */
  size_t first;
} Walk;

/* Goes from the last node of the path to its next child; false: there is a cycle. */
static bool step(Walk *w) {
  int64_t at = w->path.data[w->path.len - 1];
  for (int k = 0; k < 2; k++) {
    int64_t child = w->trees->nodes.data[at].child[k];
    if (child < 0 || w->state[child] == DONE) continue;
    if (w->state[child] == OPEN) return false;
    w->state[child] = OPEN;
    vec_push(w->trees->arena, &w->path, child);
    return true;
  }
  w->state[at] = DONE;
  w->order[--w->first] = at;
  w->path.len--;
  return true;
}

static bool walk_from(Walk *w, int64_t root) {
  if (root < 0 || w->state[root] != UNSEEN) return true;
  w->state[root] = OPEN;
  vec_push(w->trees->arena, &w->path, root);
  while (w->path.len > 0) {
    if (!step(w)) return false;
  }
  return true;
}

/* Keeps the nodes of the walk, in its order. */
static void renumber(Trees *t, const Walk *w) {
  size_t n = t->nodes.len - w->first;
  int64_t *places = ARENA_ARRAY(t->arena, t->nodes.len, int64_t);
  TreeNode *nodes = ARENA_ARRAY(t->arena, n, TreeNode);
  for (size_t i = 0; i < n; i++) {
    places[w->order[w->first + i]] = (int64_t)i;
    nodes[i] = t->nodes.data[w->order[w->first + i]];
  }
  for (size_t i = 0; i < n; i++) {
    for (int k = 0; k < 2; k++) {
      if (nodes[i].child[k] >= 0) nodes[i].child[k] = places[nodes[i].child[k]];
    }
  }
  VEC_EACH(int64_t, root, &t->roots) {
    if (*root >= 0) *root = places[*root];
  }
  t->nodes.data = nodes;
  t->nodes.len = t->nodes.cap = n;
}

static bool order(Trees *t, const Node *site) {
  size_t n = t->nodes.len;
  Walk walk = {.trees = t, .first = n};
  walk.state = ARENA_ARRAY(t->arena, n, unsigned char);
  walk.order = ARENA_ARRAY(t->arena, n, int64_t);
  for (size_t i = t->roots.len; i-- > 0;) { /* backwards, so that the first tree comes first */
    if (!walk_from(&walk, t->roots.data[i])) {
      return node_error(site, DIAG_INVALID, "a tree has a cycle through node %lld",
                        (long long)walk.path.data[walk.path.len - 1]);
    }
  }
  renumber(t, &walk);
  return true;
}

/* ---- checks ------------------------------------------------------------------------------------
 */

static bool is_place(const Trees *t, int64_t child) {
  return child >= 0 ? child < (int64_t)t->nodes.len : ~child < (int64_t)t->n_leaves;
}

static bool check_node(const Trees *t, const Node *site, size_t i, const Dim *features) {
  const TreeNode *node = &t->nodes.data[i];
  int64_t most = features->hi < MOST_FEATURES ? features->hi : MOST_FEATURES;
  if (node->feature < 0 || node->feature >= most) {
    return node_error(site, DIAG_INVALID, "node %zu asks for feature %lld of %lld", i,
                      (long long)node->feature, (long long)most);
  }
  if (isnan(node->split)) return node_error(site, DIAG_INVALID, "node %zu splits at NaN", i);
  if (!is_place(t, node->child[0]) || !is_place(t, node->child[1])) {
    return node_error(site, DIAG_INVALID, "a child of node %zu does not exist", i);
  }
  return true;
}

static bool check_weights(const Trees *t, const Node *site) {
  for (size_t i = 0; i < t->n_weights; i++) {
    if (t->targets[i] >= 0 && t->targets[i] < t->n_targets) continue;
    return node_error(site, DIAG_INVALID, "a leaf adds to target %d of %lld", t->targets[i],
                      (long long)t->n_targets);
  }
  return true;
}

bool trees_finish(Trees *trees, const Node *site, const Dim *features) {
  size_t most = INT32_MAX / 3;
  if (trees->nodes.len > most || trees->n_leaves > most || trees->n_weights > most) {
    return node_error(site, DIAG_LIMIT, "the ensemble has more than %zu nodes or leaves", most);
  }
  if (trees->roots.len == 0) return node_error(site, DIAG_INVALID, "there is no tree");
  VEC_EACH(int64_t, root, &trees->roots) {
    if (!is_place(trees, *root)) {
      return node_error(site, DIAG_INVALID, "tree root %lld does not exist", (long long)*root);
    }
  }
  for (size_t i = 0; i < trees->nodes.len; i++) {
    if (!check_node(trees, site, i, features)) return false;
  }
  return check_weights(trees, site) && order(trees, site);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

static Value *doubles(Builder *b, DType dtype, const double *numbers, size_t n) {
  Tensor *tensor = tensor_new(b->graph->ctx, dtype, 1, &(int64_t){(int64_t)n});
  for (size_t i = 0; i < n; i++) tensor_set_f64(tensor, i, numbers[i]);
  return build_constant(b, tensor);
}

static Value *words(Builder *b, const int32_t *ints, size_t n) {
  Tensor *tensor = tensor_new(b->graph->ctx, ONNXC_RT_I32, 1, &(int64_t){(int64_t)n});
  tensor->data = arena_copy(b->graph->ctx->arena, ints, tensor->bytes);
  return build_constant(b, tensor);
}

static Value *node_table(Builder *b, const Trees *t) {
  const int64_t dims[] = {(int64_t)t->nodes.len, 3};
  Tensor *tensor = tensor_new(b->graph->ctx, ONNXC_RT_I32, 2, dims);
  for (size_t i = 0; i < t->nodes.len; i++) {
    const TreeNode *node = &t->nodes.data[i];
    tensor_set_i64(tensor, 3 * i, node->feature << TEST_BITS | node->test);
    tensor_set_i64(tensor, 3 * i + 1, node->child[1]);
    tensor_set_i64(tensor, 3 * i + 2, node->child[0]);
  }
  return build_constant(b, tensor);
}

static Value *split_table(Builder *b, const Trees *t) {
  Tensor *tensor = tensor_new(b->graph->ctx, t->dtype, 1, &(int64_t){(int64_t)t->nodes.len});
  for (size_t i = 0; i < t->nodes.len; i++) tensor_set_f64(tensor, i, t->nodes.data[i].split);
  return build_constant(b, tensor);
}

static Value *root_table(Builder *b, const Trees *t) {
  Tensor *tensor = tensor_new(b->graph->ctx, ONNXC_RT_I32, 1, &(int64_t){(int64_t)t->roots.len});
  for (size_t i = 0; i < t->roots.len; i++) tensor_set_i64(tensor, i, t->roots.data[i]);
  return build_constant(b, tensor);
}

Value *trees_build(Builder *b, const Trees *trees, Value *x) {
  Value *inputs[] = {
      x,
      node_table(b, trees),
      split_table(b, trees),
      root_table(b, trees),
      words(b, trees->leaves, trees->n_leaves + 1),
      words(b, trees->targets, trees->n_weights),
      doubles(b, trees->dtype, trees->weights, trees->n_weights),
  };
  Node *node = build_node(b, "onnxc", "Trees", inputs, sizeof inputs / sizeof *inputs, 1);
  int64_t features = 0;
  VEC_EACH(TreeNode, each, &trees->nodes) {
    if (each->feature >= features) features = each->feature + 1;
  }
  node_set_int(node, "aggregate", trees->aggregate);
  node_set_int(node, "features", features);
  node_set_int(node, "targets", trees->n_targets);
  return build_done(b, node);
}

/* ---- Trees -------------------------------------------------------------------------------------
 * x [rows, features], nodes [n, 3], splits [n], roots [trees], leaves [l + 1], targets [w],
 * weights [w] -> scores [rows, targets]. A row of `nodes` is feature << 4 | test, the node to go to
 * where the test holds, and the other one. The tables are constants: the kernel relies on what is
 * checked here. */

/* Elements of constant input `i` are in [least, most], and ascend where they must. */
static bool check_table(const Node *node, uint32_t i, bool ascends, int64_t least, int64_t most) {
  const Tensor *table = node_in(node, i)->constant;
  int64_t before = least;
  for (size_t k = 0; k < table->count; k++) {
    int64_t value = tensor_i64(table, k);
    if (value < before || value > most) {
      return node_error(node, DIAG_INVALID, "input %u has %lld at %zu", i, (long long)value, k);
    }
    if (ascends) before = value;
  }
  return true;
}

/* Children come behind their parents, so every walk ends. */
static bool check_children(const Node *node, int64_t n, int64_t leaves) {
  const Tensor *table = node_in(node, 1)->constant;
  int64_t features = op_param_i(node, "features");
  for (int64_t i = 0; i < n; i++) {
    int64_t word = tensor_i64(table, (size_t)(3 * i));
    bool good = word >= 0 && word >> TEST_BITS < features;
    for (int k = 1; good && k <= 2; k++) {
      int64_t child = tensor_i64(table, (size_t)(3 * i + k));
      good = child >= 0 ? child > i && child < n : ~child < leaves;
    }
    if (!good)
      return node_error(node, DIAG_INVALID, "row %lld of the nodes leads nowhere", (long long)i);
  }
  return true;
}

static bool check_tables(const Node *node) {
  for (uint32_t i = 1; i <= 6; i++) {
    if (node_in(node, i)->constant != NULL) continue;
    return node_error(node, DIAG_UNSUPPORTED, "input %u is not constant", i);
  }
  int64_t n = (int64_t)node_in(node, 2)->constant->count;
  int64_t leaves = (int64_t)node_in(node, 4)->constant->count - 1;
  int64_t weights = (int64_t)node_in(node, 6)->constant->count;
  return check_children(node, n, leaves) && check_table(node, 3, false, -leaves, n - 1) &&
         check_table(node, 4, true, 0, weights) &&
         check_table(node, 5, false, 0, op_param_i(node, "targets") - 1);
}

static bool trees_infer(Node *node) {
  static const InputRule rules[] = {
      INPUT_OF(DT(F32) | DT(F64), 0, "x", 2, 2),
      INPUT_OF(DT(I32), 0, "nodes", 2, 2),
      INPUT_OF(DT(F32) | DT(F64), 1, "splits", 1, 1),
      INPUT_OF(DT(I32), 0, "roots", 1, 1),
      INPUT_OF(DT(I32), 0, "leaves", 1, 1),
      INPUT_OF(DT(I32), 0, "targets", 1, 1),
      INPUT_OF(DT(F32) | DT(F64), 1, "weights", 1, 1),
  };
  DimTable *t = infer_dims(node);
  if (!CHECK_INPUTS(node, rules) || !check_int(node, "aggregate", TREES_AVERAGE, TREES_MAX) ||
      !check_int(node, "features", 0, MOST_FEATURES) || !check_int(node, "targets", 1, INT32_MAX)) {
    return false;
  }
  const Dim *nodes[] = {input_type(node, 2)->dims[0], dim_const(t, 3)};
  if (!check_sizes(node, 1, 2, nodes, "that of the splits") ||
      !check_size(node, 5, 0, input_type(node, 6)->dims[0], "the number of weights") ||
      !check_tables(node)) {
    return false;
  }
  infer_output(
      node, 0, input_type(node, 0)->dtype, 2,
      (const Dim *[]){input_type(node, 0)->dims[0], dim_const(t, op_param_i(node, "targets"))});
  return true;
}

const OpDef op_onnxc_Trees = {
    .name = "Trees",
    .domain = "onnxc",
    .params =
        (const OpParam[]){
            PARAM_REQUIRED("aggregate", ATTR_INT),
            PARAM_REQUIRED("features", ATTR_INT),
            PARAM_REQUIRED("targets", ATTR_INT),
            {0},
        },
    .infer = trees_infer,
    OP_KERNEL(onnxc_rt_ref_trees),
};
