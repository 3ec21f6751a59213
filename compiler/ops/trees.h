/* Ensembles of decision trees: what all forms of them become, checked, and the node that computes
 * it. */
#ifndef ONNXC_OPS_TREES_H
#define ONNXC_OPS_TREES_H

#include "ops/builder.h"

/* What comparing a feature with the split of a node can find, as bits. The test of a node is the
 * set of those where it holds. */
enum { TREE_NAN = 1, TREE_BELOW = 2, TREE_SAME = 4, TREE_ABOVE = 8 };

/* A child that is a leaf is ~its number, so that a number below 0 ends the walk. */
typedef struct TreeNode {
  int64_t feature;
  double split;
  unsigned test;
  int64_t child[2]; /* [1]: where the test holds */
} TreeNode;

/* The numbers are those of TreeEnsemble. */
typedef enum TreeAggregate { TREES_AVERAGE, TREES_SUM, TREES_MIN, TREES_MAX } TreeAggregate;

typedef struct Trees {
  Arena *arena;
  DType dtype; /* what it computes in: f32 or f64 */
  TreeAggregate aggregate;
  Vec(TreeNode) nodes;
  Vec(int64_t) roots; /* as children are given */
  int64_t n_targets;
  size_t n_leaves, n_weights;
  int32_t *leaves;  /* the weights of leaf k are [leaves[k], leaves[k + 1]) */
  int32_t *targets; /* one for each weight, as are */
  const double *weights;
} Trees;

/* BRANCH_LEQ, ..., BRANCH_MEMBER, numbered as in TreeEnsemble. */
enum { TREE_MODES = 7, TREE_MEMBER = 6 };
extern const char *const tree_modes[TREE_MODES];
/* The test of a mode, but of BRANCH_MEMBER; NaN joins it where `tracks_true`. */
unsigned tree_test(int mode, bool tracks_true);
/* Sets node `at` to a test whether its feature is one of `members` (which are sorted in place),
 * made of nodes that halve them and compare with each. */
void tree_member(Trees *trees, size_t at, TreeNode node, double *members, size_t n);

/* Whether all ids are in range and no path returns; reports at `site`. Leaves the nodes that can be
 * reached, each in front of its children. */
bool trees_finish(Trees *trees, const Node *site, const Dim *features);

/* Scores [rows, n_targets] for x [rows, features], both of trees->dtype. */
Value *trees_build(Builder *b, const Trees *trees, Value *x);

#endif
