/* Tree ensembles in all forms that ai.onnx.ml has had: each becomes one node onnxc.Trees, and what
 * the form does to its scores. */
#include "ops/ml.h"
#include "ops/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- attributes --------------------------------------------------------------------------------
 */

typedef struct Numbers {
  size_t count;
  const double *at;
} Numbers;

/* The elements of attribute `name`, a list or tensor of floats, or nothing. */
static bool numbers_of(Trees *t, const Node *node, const char *name, const Attr *attr,
                       Numbers *numbers) {
  *numbers = (Numbers){0};
  if (attr == NULL) return true;
  const Tensor *tensor = tensor_of_attr(node->graph->ctx, attr);
  if (!dtype_is_float(tensor->dtype)) {
    return node_error(node, DIAG_INVALID, "attribute %s does not hold floats", name);
  }
  if (tensor->dtype == ONNXC_RT_F64) t->dtype = ONNXC_RT_F64;
  double *at = ARENA_ARRAY(t->arena, tensor->count, double);
  for (size_t i = 0; i < tensor->count; i++) at[i] = tensor_f64(tensor, i);
  *numbers = (Numbers){tensor->count, at};
  return true;
}

static bool read_numbers(Trees *t, const Node *node, const char *name, Numbers *numbers) {
  return numbers_of(t, node, name, op_param_list(node, name), numbers);
}

/* The same of an attribute that may instead be a tensor, `name`_as_tensor. */
static bool read_either(Trees *t, const Node *node, const char *name, Numbers *numbers) {
  bool good = true;
  const char *as_tensor = arena_printf(t->arena, "%s_as_tensor", name);
  const Attr *attr = ml_either(node, name, as_tensor, &good);
  return good && numbers_of(t, node, name, attr, numbers);
}

/* List `name` of integers with `n` elements; NULL with `*good` false: reported. */
static const int64_t *ints_of(const Node *node, const char *name, size_t n, bool *good) {
  if (!ml_check_count(node, name, (int64_t)n, false)) {
    *good = false;
    return NULL;
  }
  const Attr *list = op_param_list(node, name);
  return list == NULL ? NULL : list->ints;
}

/* Whether NaN goes on where the test of node `i` holds. */
static bool tracks_true(const Node *node, size_t i) {
  const Attr *list = op_param_list(node, "nodes_missing_value_tracks_true");
  return list != NULL && i < list->count && list->ints[i] != 0;
}

static Trees new_trees(const Node *node) {
  Trees t = {.arena = arena_scratch(node->graph->ctx->arena), .aggregate = TREES_SUM};
  t.dtype = input_type(node, 0)->dtype == ONNXC_RT_F64 ? ONNXC_RT_F64 : ONNXC_RT_F32;
  return t;
}

/* Scores in the type of the result. `single`: what happens to them when there is one a row. */
static Value *transformed(Builder *b, MlTransform transform, Value *scores, DType dtype) {
  bool single = dim_is(scores->type.dims[1], 1);
  if (single ? transform == ML_PROBIT : transform != ML_NONE) {
    scores = ml_transform(b, transform, compose_cast(b, scores, ONNXC_RT_F32));
  }
  return compose_cast(b, scores, dtype);
}

/* ---- TreeEnsemble ------------------------------------------------------------------------------
 * Children are indexes of nodes or of leaves; each leaf has one weight. */

static const OpParam ensemble_params[] = {
    PARAM_INT("aggregate_function", TREES_SUM),
    PARAM_REQUIRED("leaf_targetids", ATTR_INTS),
    PARAM_REQUIRED("leaf_weights", ATTR_TENSOR),
    PARAM_OPTIONAL("membership_values", ATTR_TENSOR),
    PARAM_OPTIONAL("n_targets", ATTR_INT),
    PARAM_REQUIRED("nodes_falseleafs", ATTR_INTS),
    PARAM_REQUIRED("nodes_falsenodeids", ATTR_INTS),
    PARAM_REQUIRED("nodes_featureids", ATTR_INTS),
    PARAM_OPTIONAL("nodes_hitrates", ATTR_TENSOR),
    PARAM_OPTIONAL("nodes_missing_value_tracks_true", ATTR_INTS),
    PARAM_REQUIRED("nodes_modes", ATTR_TENSOR),
    PARAM_REQUIRED("nodes_splits", ATTR_TENSOR),
    PARAM_REQUIRED("nodes_trueleafs", ATTR_INTS),
    PARAM_REQUIRED("nodes_truenodeids", ATTR_INTS),
    PARAM_INT("post_transform", ML_NONE),
    PARAM_REQUIRED("tree_roots", ATTR_INTS),
    {0},
};

static bool read_leaves(Trees *t, const Node *node) {
  Numbers weights;
  bool good = read_numbers(t, node, "leaf_weights", &weights);
  const int64_t *targets = ints_of(node, "leaf_targetids", weights.count, &good);
  if (!good) return false;
  t->n_leaves = t->n_weights = weights.count;
  t->weights = weights.at;
  t->leaves = ARENA_ARRAY(t->arena, weights.count + 1, int32_t);
  t->targets = ARENA_ARRAY(t->arena, weights.count, int32_t);
  for (size_t i = 0; i < weights.count; i++) {
    bool fits = targets[i] >= 0 && targets[i] <= INT32_MAX;
    t->targets[i] = fits ? (int32_t)targets[i] : -1;
    t->leaves[i + 1] = (int32_t)(i + 1);
  }
  return true;
}

/* A child as TreeNode has it; no place at all for an id outside the `n` nodes of the model, since
 * there may be more of them later. */
static int64_t leaf_or_node(int64_t id, int64_t is_leaf, size_t n) {
  if (id < 0 || (is_leaf == 0 && id >= (int64_t)n)) return INT64_MAX;
  return is_leaf != 0 ? ~id : id;
}

static bool read_ensemble_nodes(Trees *t, const Node *node) {
  const Tensor *modes = op_param_list(node, "nodes_modes")->tensor;
  const size_t n = modes->count;
  Numbers splits;
  if (!dtype_is_integer(modes->dtype)) {
    return node_error(node, DIAG_INVALID, "nodes_modes does not hold integers");
  }
  bool good = read_numbers(t, node, "nodes_splits", &splits) &&
              ml_check_count(node, "nodes_splits", (int64_t)n, false) &&
              ml_check_count(node, "nodes_missing_value_tracks_true", (int64_t)n, true);
  const int64_t *features = ints_of(node, "nodes_featureids", n, &good);
  const int64_t *yes = ints_of(node, "nodes_truenodeids", n, &good);
  const int64_t *no = ints_of(node, "nodes_falsenodeids", n, &good);
  const int64_t *yes_leaf = ints_of(node, "nodes_trueleafs", n, &good);
  const int64_t *no_leaf = ints_of(node, "nodes_falseleafs", n, &good);
  for (size_t i = 0; good && i < n; i++) {
    int64_t mode = tensor_i64(modes, i);
    if (mode < 0 || mode >= TREE_MODES) {
      return node_error(node, DIAG_INVALID, "nodes_modes has %lld, which is no mode",
                        (long long)mode);
    }
    TreeNode each = {features[i],
                     mode == TREE_MEMBER ? 0 : splits.at[i],
                     tree_test((int)mode, tracks_true(node, i)),
                     {leaf_or_node(no[i], no_leaf[i], n), leaf_or_node(yes[i], yes_leaf[i], n)}};
    vec_push(t->arena, &t->nodes, each);
  }
  return good;
}

/* The sets of the nodes BRANCH_MEMBER, in the order of these, lie behind one another with a NaN
 * after each. The nodes made for them come behind the others, so the others keep their indexes. */
static bool read_members(Trees *t, const Node *node) {
  Numbers all;
  if (!read_numbers(t, node, "membership_values", &all)) return false;
  const Tensor *modes = op_param_list(node, "nodes_modes")->tensor;
  size_t begin = 0;
  for (size_t i = 0; i < modes->count; i++) {
    if (tensor_i64(modes, i) != TREE_MEMBER) continue;
    size_t end = begin;
    while (end < all.count && !isnan(all.at[end])) end++;
    if (begin >= all.count) {
      return node_error(node, DIAG_INVALID, "membership_values has no set for node %zu", i);
    }
    double *members = arena_copy(t->arena, all.at + begin, (end - begin) * sizeof *members);
    tree_member(t, i, t->nodes.data[i], members, end - begin);
    begin = end + 1;
  }
  if (begin >= all.count) return true;
  return node_error(node, DIAG_INVALID, "membership_values has sets that no node asks for");
}

static bool read_ensemble(const Node *node, const Dim *features, Trees *t) {
  const Attr *roots = op_param_list(node, "tree_roots");
  *t = new_trees(node);
  if (!check_int(node, "n_targets", 1, INT32_MAX)) return false;
  t->n_targets = op_param_i(node, "n_targets");
  t->aggregate = (TreeAggregate)op_param_i(node, "aggregate_function");
  if (!read_leaves(t, node) || !read_ensemble_nodes(t, node)) return false;
  for (size_t i = 0; i < roots->count; i++) {
    int64_t root = roots->ints[i];
    if (root < 0 || root >= (int64_t)t->nodes.len) {
      return node_error(node, DIAG_INVALID, "tree root %lld does not exist", (long long)root);
    }
    vec_push(t->arena, &t->roots, root);
  }
  return read_members(t, node) && trees_finish(t, node, features);
}

static bool ensemble_infer(Node *node) {
  const Dim *rows, *features;
  Trees t;
  if (!ml_rows(node, &rows, &features) ||
      !check_int(node, "aggregate_function", TREES_AVERAGE, TREES_MAX) ||
      !check_int(node, "post_transform", ML_NONE, N_ML_TRANSFORMS - 1)) {
    return false;
  }
  bool good = read_ensemble(node, features, &t);
  if (good) {
    infer_output(node, 0, input_type(node, 0)->dtype, 2,
                 (const Dim *[]){rows, dim_const(infer_dims(node), t.n_targets)});
  }
  arena_drop(t.arena);
  return good;
}

static bool ensemble_decompose(Builder *b, Node *node) {
  const Dim *rows, *features;
  Trees t;
  ml_rows(node, &rows, &features);
  if (!read_ensemble(node, features, &t)) return false;
  Value *scores = trees_build(b, &t, ml_matrix(b, node, t.dtype));
  MlTransform transform = (MlTransform)op_param_i(node, "post_transform");
  build_replace(b, node, transformed(b, transform, scores, node->out[0]->type.dtype));
  arena_drop(t.arena);
  return true;
}

const OpDef op_TreeEnsemble = {
    .name = "TreeEnsemble",
    .domain = ML_DOMAIN,
    .params = ensemble_params,
    .infer = ensemble_infer,
    .decompose = ensemble_decompose,
};

/* ---- the older form ----------------------------------------------------------------------------
 * Nodes, leaves among them, have ids in their tree. Weights name the node that they belong to. */

#define OLD_PARAMS                                                                                 \
  PARAM_OPTIONAL("base_values", ATTR_FLOATS),                                                      \
      PARAM_OPTIONAL("base_values_as_tensor", ATTR_TENSOR),                                        \
      PARAM_OPTIONAL("nodes_falsenodeids", ATTR_INTS),                                             \
      PARAM_OPTIONAL("nodes_featureids", ATTR_INTS),                                               \
      PARAM_OPTIONAL("nodes_hitrates", ATTR_FLOATS),                                               \
      PARAM_OPTIONAL("nodes_hitrates_as_tensor", ATTR_TENSOR),                                     \
      PARAM_OPTIONAL("nodes_missing_value_tracks_true", ATTR_INTS),                                \
      PARAM_OPTIONAL("nodes_modes", ATTR_STRINGS), PARAM_OPTIONAL("nodes_nodeids", ATTR_INTS),     \
      PARAM_OPTIONAL("nodes_treeids", ATTR_INTS), PARAM_OPTIONAL("nodes_truenodeids", ATTR_INTS),  \
      PARAM_OPTIONAL("nodes_values", ATTR_FLOATS),                                                 \
      PARAM_OPTIONAL("nodes_values_as_tensor", ATTR_TENSOR),                                       \
      PARAM_STRING("post_transform", "NONE")

/* A listed node: its ids, and what it has become. */
typedef struct Listed {
  int64_t tree, id;
  size_t index; /* in the attributes */
} Listed;

typedef struct OldForm {
  Trees trees;
  const Node *node;
  size_t n;         /* nodes */
  Listed *by_id;    /* sorted by tree, then id */
  int64_t *places;  /* as children are given, by index */
  const char *what; /* "class" or "target": how the attributes of weights begin */
  Numbers weights, base;
} OldForm;

static int compare_listed(const void *a, const void *b) {
  const Listed *x = a, *y = b;
  if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

static bool list_nodes(OldForm *f) {
  const Attr *ids = op_param_list(f->node, "nodes_nodeids");
  bool good = true;
  f->n = ids == NULL ? 0 : ids->count;
  const int64_t *trees = ints_of(f->node, "nodes_treeids", f->n, &good);
  if (!good) return false;
  f->by_id = ARENA_ARRAY(f->trees.arena, f->n, Listed);
  for (size_t i = 0; i < f->n; i++) f->by_id[i] = (Listed){trees[i], ids->ints[i], i};
  qsort(f->by_id, f->n, sizeof *f->by_id, compare_listed);
  for (size_t i = 1; i < f->n; i++) {
    if (compare_listed(&f->by_id[i - 1], &f->by_id[i]) != 0) continue;
    return node_error(f->node, DIAG_INVALID, "node %lld of tree %lld is there twice",
                      (long long)f->by_id[i].id, (long long)f->by_id[i].tree);
  }
  return true;
}

/* NULL: reported. */
static const Listed *find_node(const OldForm *f, int64_t tree, int64_t id) {
  const Listed wanted = {.tree = tree, .id = id};
  const Listed *found =
      f->n == 0 ? NULL : bsearch(&wanted, f->by_id, f->n, sizeof wanted, compare_listed);
  if (found == NULL) {
    node_error(f->node, DIAG_INVALID, "tree %lld has no node %lld", (long long)tree, (long long)id);
  }
  return found;
}

/* -1: reported; TREE_MODES: a leaf. */
static int mode_of(const OldForm *f, const char *name) {
  if (strcmp(name, "LEAF") == 0) return TREE_MODES;
  for (int mode = 0; mode < TREE_MEMBER; mode++) {
    if (strcmp(name, tree_modes[mode]) == 0) return mode;
  }
  node_error(f->node, DIAG_INVALID, "'%.40s' is no mode of a node", name);
  return -1;
}

/* Numbers leaves and the other nodes, each by themselves, in the order of the attributes. */
static bool place_nodes(OldForm *f, const onnxc_rt_string *modes) {
  int64_t nodes = 0;
  f->places = ARENA_ARRAY(f->trees.arena, f->n, int64_t);
  for (size_t i = 0; i < f->n; i++) {
    int mode = mode_of(f, modes[i].bytes);
    if (mode < 0) return false;
    f->places[i] = mode == TREE_MODES ? ~(int64_t)f->trees.n_leaves++ : nodes++;
  }
  return true;
}

static bool read_old_node(OldForm *f, const Listed *listed, const char *mode, double split) {
  const Node *node = f->node;
  size_t i = listed->index;
  int64_t yes = op_param_list(node, "nodes_truenodeids")->ints[i];
  int64_t no = op_param_list(node, "nodes_falsenodeids")->ints[i];
  const Listed *yes_node = find_node(f, listed->tree, yes);
  const Listed *no_node = find_node(f, listed->tree, no);
  if (yes_node == NULL || no_node == NULL) return false;
  f->trees.nodes.data[f->places[i]] =
      (TreeNode){op_param_list(node, "nodes_featureids")->ints[i],
                 split,
                 tree_test(mode_of(f, mode), tracks_true(node, i)),
                 {f->places[no_node->index], f->places[yes_node->index]}};
  return true;
}

static bool read_old_nodes(OldForm *f) {
  Trees *t = &f->trees;
  Numbers splits;
  bool good = read_either(t, f->node, "nodes_values", &splits);
  if (!good || !list_nodes(f)) return false;
  if (splits.count != f->n) {
    return node_error(f->node, DIAG_INVALID, "there are %zu nodes, but %zu values", f->n,
                      splits.count);
  }
  (void)ints_of(f->node, "nodes_truenodeids", f->n, &good);
  (void)ints_of(f->node, "nodes_falsenodeids", f->n, &good);
  (void)ints_of(f->node, "nodes_featureids", f->n, &good);
  good = ml_check_count(f->node, "nodes_modes", (int64_t)f->n, false) && good &&
         ml_check_count(f->node, "nodes_missing_value_tracks_true", (int64_t)f->n, true);
  const Attr *modes = op_param_list(f->node, "nodes_modes");
  if (!good || (f->n > 0 && !place_nodes(f, modes->strings))) return false;
  t->nodes.len = t->nodes.cap = f->n - t->n_leaves;
  t->nodes.data = ARENA_ARRAY(t->arena, t->nodes.len, TreeNode);
  for (size_t k = 0; k < f->n; k++) {
    size_t i = f->by_id[k].index;
    if (f->places[i] < 0) continue;
    if (!read_old_node(f, &f->by_id[k], modes->strings[i].bytes, splits.at[i])) return false;
  }
  return true;
}

/* The first node that is listed of each tree is its root. */
static void read_old_roots(OldForm *f) {
  bool *is_root = ARENA_ARRAY(f->trees.arena, f->n, bool);
  for (size_t k = 0; k < f->n;) {
    size_t first = f->by_id[k].index, tree = k;
    for (; k < f->n && f->by_id[k].tree == f->by_id[tree].tree; k++) {
      if (f->by_id[k].index < first) first = f->by_id[k].index;
    }
    is_root[first] = true;
  }
  for (size_t i = 0; i < f->n; i++) {
    if (is_root[i]) vec_push(f->trees.arena, &f->trees.roots, f->places[i]);
  }
}

/* List `what`_`name`, of `n` integers. */
static const int64_t *weight_ints(const OldForm *f, const char *name, bool *good) {
  const char *full = arena_printf(f->trees.arena, "%s_%s", f->what, name);
  return ints_of(f->node, full, f->weights.count, good);
}

/* Sorts the weights by their leaves, those of one in their order. Weights of nodes that are no
 * leaves are never reached. */
static bool read_old_weights(OldForm *f) {
  Trees *t = &f->trees;
  bool good = true;
  if (!read_either(t, f->node, arena_printf(t->arena, "%s_weights", f->what), &f->weights)) {
    return false;
  }
  const int64_t *trees = weight_ints(f, "treeids", &good), *ids = weight_ints(f, "nodeids", &good);
  const int64_t *targets = weight_ints(f, "ids", &good);
  if (!good) return false;
  size_t n = f->weights.count;
  int64_t *leaf = ARENA_ARRAY(t->arena, n, int64_t);
  t->leaves = ARENA_ARRAY(t->arena, t->n_leaves + 2, int32_t);
  for (size_t w = 0; w < n; w++) {
    const Listed *listed = find_node(f, trees[w], ids[w]);
    if (listed == NULL) return false;
    leaf[w] = ~f->places[listed->index];
    if (leaf[w] >= 0) t->leaves[leaf[w] + 2]++;
    if (leaf[w] >= 0) t->n_weights++;
  }
  for (size_t k = 0; k < t->n_leaves; k++) t->leaves[k + 2] += t->leaves[k + 1];
  t->targets = ARENA_ARRAY(t->arena, t->n_weights, int32_t);
  double *weights = ARENA_ARRAY(t->arena, t->n_weights, double);
  for (size_t w = 0; w < n; w++) {
    if (leaf[w] < 0) continue;
    int32_t at = t->leaves[leaf[w] + 1]++; /* ends as the begin of the next leaf */
    bool fits = targets[w] >= 0 && targets[w] <= INT32_MAX;
    t->targets[at] = fits ? (int32_t)targets[w] : -1;
    weights[at] = f->weights.at[w];
  }
  t->weights = weights;
  return true;
}

static bool read_old_form(const Node *node, const char *what, int64_t n_targets,
                          const Dim *features, OldForm *f) {
  *f = (OldForm){.trees = new_trees(node), .node = node, .what = what};
  f->trees.n_targets = n_targets;
  if (!read_either(&f->trees, node, "base_values", &f->base) || !read_old_nodes(f) ||
      !read_old_weights(f)) {
    return false;
  }
  read_old_roots(f);
  return trees_finish(&f->trees, node, features);
}

/* ---- targets that leaves add to ----------------------------------------------------------------
 * The score of a target that no leaf has added to is 0, without its base value. */

/* Whether leaves add to a target: to no row, to some, or to every one. */
typedef enum Touched { NEVER, SOMETIMES, ALWAYS } Touched;

/* What is known of a target: in the tree that added to it last, how many leaves do, and which was
 * the last. */
typedef struct Touch {
  Touched touched;
  size_t tree, leaves;
  int64_t leaf;
} Touch;

/* Counts a leaf of a tree with `n` of them. */
static void touch(const Trees *t, int64_t leaf, size_t tree, size_t n, Touch *touches) {
  for (int32_t w = t->leaves[leaf]; w < t->leaves[leaf + 1]; w++) {
    Touch *target = &touches[t->targets[w]];
    if (target->tree != tree) target->leaves = 0;
    if (target->tree != tree || target->leaf != leaf) target->leaves++;
    target->tree = tree;
    target->leaf = leaf;
    if (target->touched == NEVER) target->touched = SOMETIMES;
    if (target->leaves == n) target->touched = ALWAYS; /* whatever leaf a walk ends in */
  }
}

static Touch *touches_of(const OldForm *f) {
  Touch *touches = ARENA_ARRAY(f->trees.arena, (size_t)f->trees.n_targets, Touch);
  for (size_t begin = 0, end; begin < f->n; begin = end) {
    size_t n = 0;
    for (end = begin; end < f->n && f->by_id[end].tree == f->by_id[begin].tree; end++) {
      n += f->places[f->by_id[end].index] < 0;
    }
    for (size_t i = begin; i < end; i++) {
      int64_t place = f->places[f->by_id[i].index];
      if (place < 0) touch(&f->trees, ~place, end, n, touches);
    }
  }
  return touches;
}

/* For each row and target whether a leaf has added to it: the same trees, with weights of 1. */
static Value *build_touched(Builder *b, const OldForm *f, Value *x) {
  Trees ones = f->trees;
  double *weights = ARENA_ARRAY(ones.arena, ones.n_weights, double);
  for (size_t i = 0; i < ones.n_weights; i++) weights[i] = 1;
  ones.weights = weights;
  ones.aggregate = TREES_MAX;
  Value *found = trees_build(b, &ones, x);
  return BUILD(b, "Greater", found, build_like(b, found, 0));
}

static bool all_touched(const OldForm *f) {
  const Touch *touches = touches_of(f);
  for (int64_t i = 0; i < f->trees.n_targets; i++) {
    if (touches[i].touched != ALWAYS) return false;
  }
  return true;
}

/* The scores of targets, each with its base value. */
static Value *with_base(Builder *b, const OldForm *f, Value *scores) {
  if (f->base.count == 0) return scores;
  const int64_t n = (int64_t)f->base.count;
  return BUILD(b, "Add", scores, build_numbers(b, scores, f->base.at, 1, &n));
}

/* ---- TreeEnsembleRegressor ---------------------------------------------------------------------
 */

static TreeAggregate aggregate_of(const Node *node) {
  const char *name = op_param_s(node, "aggregate_function");
  if (name[0] == 'A') return TREES_AVERAGE;
  if (name[0] == 'S') return TREES_SUM;
  return name[1] == 'I' ? TREES_MIN : TREES_MAX;
}

static bool read_regressor(const Node *node, const Dim *features, OldForm *f) {
  int64_t targets = op_param_i(node, "n_targets");
  if (!read_old_form(node, "target", targets, features, f)) return false;
  f->trees.aggregate = aggregate_of(node);
  if (f->base.count == 0 || (int64_t)f->base.count == targets) return true;
  return node_error(node, DIAG_INVALID, "there are %zu base values for %lld targets", f->base.count,
                    (long long)targets);
}

static bool regressor_infer(Node *node) {
  const Dim *rows, *features;
  OldForm f;
  if (!ml_rows(node, &rows, &features) || !ml_check_transform(node) ||
      !check_choice(node, "aggregate_function", "AVERAGE SUM MIN MAX") ||
      !check_int(node, "n_targets", 1, INT32_MAX)) {
    return false;
  }
  bool good = read_regressor(node, features, &f);
  if (good) {
    infer_output(node, 0, ONNXC_RT_F32, 2,
                 (const Dim *[]){rows, dim_const(infer_dims(node), f.trees.n_targets)});
  }
  arena_drop(f.trees.arena);
  return good;
}

static bool regressor_decompose(Builder *b, Node *node) {
  const Dim *rows, *features;
  OldForm f;
  ml_rows(node, &rows, &features);
  if (!read_regressor(node, features, &f)) return false;
  Value *x = ml_matrix(b, node, f.trees.dtype), *scores = trees_build(b, &f.trees, x);
  scores = with_base(b, &f, scores);
  if (f.base.count > 1 && !all_touched(&f)) {
    scores = BUILD(b, "Where", build_touched(b, &f, x), scores, build_like(b, scores, 0));
  }
  build_replace(b, node, transformed(b, ml_transform_of(node), scores, ONNXC_RT_F32));
  arena_drop(f.trees.arena);
  return true;
}

const OpDef op_TreeEnsembleRegressor = {
    .name = "TreeEnsembleRegressor",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            OLD_PARAMS,
            PARAM_STRING("aggregate_function", "SUM"),
            PARAM_OPTIONAL("n_targets", ATTR_INT),
            PARAM_OPTIONAL("target_ids", ATTR_INTS),
            PARAM_OPTIONAL("target_nodeids", ATTR_INTS),
            PARAM_OPTIONAL("target_treeids", ATTR_INTS),
            PARAM_OPTIONAL("target_weights", ATTR_FLOATS),
            PARAM_OPTIONAL("target_weights_as_tensor", ATTR_TENSOR),
            {0},
        },
    .infer = regressor_infer,
    .decompose = regressor_decompose,
};

/* ---- TreeEnsembleClassifier --------------------------------------------------------------------
 * The scores of classes are sums. What follows for a row also depends on which classes any of its
 * leaves adds to, and for two classes on whether the whole ensemble knows only one of them. */

static bool read_classifier(const Node *node, const Attr *labels, const Dim *features, OldForm *f) {
  const size_t classes = labels->count;
  if (!read_old_form(node, "class", (int64_t)classes, features, f)) return false;
  size_t base = f->base.count;
  if (base == 0 || (classes <= 2 ? base <= 2 : base == classes)) return true;
  return node_error(node, DIAG_INVALID, "there are %zu base values for %zu classes", base, classes);
}

static bool classifier_infer(Node *node) {
  const Dim *rows, *features;
  OldForm f;
  const Attr *labels = ml_labels(node, "classlabels_int64s");
  if (labels == NULL || !ml_rows(node, &rows, &features) || !ml_check_transform(node)) return false;
  bool good = read_classifier(node, labels, features, &f);
  if (good) {
    ml_infer_classes(node, rows, labels, dim_const(infer_dims(node), f.trees.n_targets));
  }
  arena_drop(f.trees.arena);
  return good;
}

/* Column `k` of a matrix, [rows, 1]. */
static Value *column(Builder *b, Value *x, int64_t k) {
  return compose_slice(b, x, 1, k, k + 1, 1);
}

/* ---- more than two classes: the largest score among those of classes that were added to ---- */

static void many_classes(Builder *b, Node *node, const Attr *labels, const OldForm *f, Value *x) {
  Value *scores = with_base(b, f, trees_build(b, &f->trees, x)), *ranked = scores;
  if (f->base.count == 0 && !all_touched(f)) {
    Value *least = build_like(b, scores, -(double)INFINITY);
    ranked = BUILD(b, "Where", build_touched(b, f, x), scores, least);
  }
  compose_give(b, node, 0, ml_label(b, labels, ml_largest(b, ranked)));
  compose_give(b, node, 1, transformed(b, ml_transform_of(node), scores, ONNXC_RT_F32));
}

/* ---- two classes, or one, as ONNX Runtime has them ---- */

/* `positive` [rows, 1] decides about the label, `scores` is the output. */
typedef struct Binary {
  Value *positive, *scores;
} Binary;

/* What is known about an ensemble with at most two classes. */
typedef struct TwoClasses {
  const OldForm *f;
  MlTransform transform;
  Value *x, *first, *second; /* scores [rows, 1]; no second where there is one class */
  const Touch *touches;
  bool one_class; /* all weights are of one class, of two */
  bool mixed;     /* some weight is negative */
} TwoClasses;

/* `yes` in rows where a leaf has added to class `k`, else `no`. */
static Value *where_touched(Builder *b, const TwoClasses *two, int k, Value *yes, Value *no) {
  if (two->touches[k].touched == ALWAYS) return yes;
  if (two->touches[k].touched == NEVER) return no;
  Value *found = column(b, build_touched(b, two->f, two->x), k);
  return BUILD(b, "Where", found, yes, no);
}

/* The first score with base value `k` of those there are. */
static Value *first_with_base(Builder *b, const TwoClasses *two, size_t k) {
  const Numbers *base = &two->f->base;
  if (k >= base->count) return two->first;
  return BUILD(b, "Add", two->first, build_like(b, two->first, base->at[k]));
}

static Binary finish_pair(Builder *b, const TwoClasses *two, Value *first, Value *second,
                          Value *positive) {
  Value *scores = transformed(b, two->transform, ml_pair(b, first, second), ONNXC_RT_F32);
  return (Binary){positive, scores};
}

/* Rows where no leaf has added to the second class. */
static Binary without_second(Builder *b, const TwoClasses *two) {
  Value *first = first_with_base(b, two, 0);
  if (two->f->base.count == 2) return finish_pair(b, two, first, two->second, first);
  Value *score = compose_cast(b, first, ONNXC_RT_F32);
  if (!two->one_class && two->f->base.count == 1) {
    Value *second = compose_cast(b, two->second, ONNXC_RT_F32);
    return (Binary){first, ml_pair(b, score, second)};
  }
  bool mixed = two->mixed || !two->one_class;
  return (Binary){first, ml_two_scores(b, two->transform, mixed, score)};
}

/* Rows where one has. Two base values are taken to say the same, and to go with the first score. */
static Binary with_second(Builder *b, const TwoClasses *two) {
  Value *first = first_with_base(b, two, 0), *second = two->second;
  if (two->f->base.count == 2) {
    second = first_with_base(b, two, 1);
    first = BUILD(b, "Neg", second);
  }
  first = where_touched(b, two, 0, first, two->first); /* which is 0 */
  return finish_pair(b, two, first, second, second);
}

/* The only class. */
static Binary without_other(Builder *b, const TwoClasses *two) {
  Value *score = first_with_base(b, two, 0);
  if (two->f->base.count < 2) {
    return (Binary){score, transformed(b, two->transform, score, ONNXC_RT_F32)};
  }
  score = first_with_base(b, two, 1);
  Binary pair = finish_pair(b, two, BUILD(b, "Neg", score), score, score);
  return (Binary){score, column(b, pair.scores, 0)};
}

static Binary score_binary(Builder *b, const TwoClasses *two) {
  if (two->second == NULL) return without_other(b, two);
  Touched touched = two->touches[1].touched;
  if (touched == NEVER) return without_second(b, two);
  if (touched == ALWAYS) return with_second(b, two);
  Binary with = with_second(b, two), without = without_second(b, two);
  return (Binary){where_touched(b, two, 1, with.positive, without.positive),
                  where_touched(b, two, 1, with.scores, without.scores)};
}

/* Whether all weights are of one class, and whether any is negative. */
static void look_at_weights(TwoClasses *two) {
  const Attr *ids = op_param_list(two->f->node, "class_ids");
  const Numbers *weights = &two->f->weights;
  two->one_class = two->second != NULL && weights->count != 0;
  for (size_t i = 0; i < weights->count; i++) {
    two->one_class = two->one_class && ids->ints[i] == ids->ints[0];
    two->mixed = two->mixed || weights->at[i] < 0;
  }
}

/* The second label goes with a positive score or, where an ensemble of one class has probabilities
 * for weights, one above a half. If it has two classes, the labels are the numbers 1 and 0. */
static void two_classes(Builder *b, Node *node, const Attr *labels, const OldForm *f, Value *x) {
  Value *scores = trees_build(b, &f->trees, x);
  TwoClasses two = {.f = f, .transform = ml_transform_of(node), .x = x, .touches = touches_of(f)};
  two.first = column(b, scores, 0);
  if (labels->count == 2) two.second = column(b, scores, 1);
  look_at_weights(&two);
  Binary binary = score_binary(b, &two);
  double threshold = two.one_class && !two.mixed ? 0.5 : 0;
  Value *bound = build_like(b, binary.positive, threshold);
  bool used = two.one_class || labels->kind == ATTR_STRINGS;
  compose_give(b, node, 0,
               ml_binary_label(b, labels, used, BUILD(b, "Greater", binary.positive, bound)));
  compose_give(b, node, 1, binary.scores);
}

static bool classifier_decompose(Builder *b, Node *node) {
  const Dim *rows, *features;
  const Attr *labels = ml_labels(node, "classlabels_int64s");
  OldForm f;
  ml_rows(node, &rows, &features);
  if (!read_classifier(node, labels, features, &f)) return false;
  Value *x = ml_matrix(b, node, f.trees.dtype);
  if (labels->count > 2) {
    many_classes(b, node, labels, &f, x);
  } else {
    two_classes(b, node, labels, &f, x);
  }
  arena_drop(f.trees.arena);
  return true;
}

const OpDef op_TreeEnsembleClassifier = {
    .name = "TreeEnsembleClassifier",
    .domain = ML_DOMAIN,
    .params =
        (const OpParam[]){
            OLD_PARAMS,
            PARAM_OPTIONAL("class_ids", ATTR_INTS),
            PARAM_OPTIONAL("class_nodeids", ATTR_INTS),
            PARAM_OPTIONAL("class_treeids", ATTR_INTS),
            PARAM_OPTIONAL("class_weights", ATTR_FLOATS),
            PARAM_OPTIONAL("class_weights_as_tensor", ATTR_TENSOR),
            PARAM_OPTIONAL("classlabels_int64s", ATTR_INTS),
            PARAM_OPTIONAL("classlabels_strings", ATTR_STRINGS),
            {0},
        },
    .infer = classifier_infer,
    .decompose = classifier_decompose,
};
