#include "onnxc_rt_reference.h"
#include "reference/element.h"

enum { TEST_BITS = 4, ROWS_AT_ONCE = 64, TOGETHER = 4 };

/* The numbers of the attribute. */
enum { AVERAGE, SUM, MIN, MAX };

/* Inputs by their place in the call; what type the numbers have depends. */
typedef struct Ensemble {
  const int32_t *nodes, *roots, *leaves, *targets;
  const void *splits, *weights;
  int64_t trees, features, scores;
  int aggregate;
} Ensemble;

/* For one type of numbers T. Features are compared without a branch: the outcome (0: NaN, 1: below,
 * 2: same, 3: above) is the bit of the test that says where to go. Trees are taken one after the
 * other over some rows, so that a tree stays in the cache, and rows together until one has reached
 * its leaf, as each step waits for the one before. A score that no leaf has touched is NaN in MIN
 * and MAX. */
#define TREES_OF(T)                                                                                \
  static int32_t step_##T(const Ensemble *e, int32_t at, const T *x) {                             \
    const int32_t *node = e->nodes + 3 * (ptrdiff_t)at;                                            \
    const T value = x[node[0] >> TEST_BITS], split = ((const T *)e->splits)[at];                   \
    const int outcome = (value < split) + 2 * (value == split) + 3 * (value > split);              \
    return node[2 - (node[0] >> outcome & 1)];                                                     \
  }                                                                                                \
                                                                                                   \
  /* Leaves of TOGETHER rows as ~leaf. */                                                          \
  static void descend_##T(const Ensemble *e, int32_t root, const T *x, int32_t *at) {              \
    for (int k = 0; k < TOGETHER; k++) at[k] = root;                                               \
    while ((at[0] | at[1] | at[2] | at[3]) >= 0) {                                                 \
      for (int k = 0; k < TOGETHER; k++) at[k] = step_##T(e, at[k], x + k * e->features);          \
    }                                                                                              \
    for (int k = 0; k < TOGETHER; k++) {                                                           \
      while (at[k] >= 0) at[k] = step_##T(e, at[k], x + k * e->features);                          \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static void add_##T(const Ensemble *e, int32_t leaf, T *scores) {                                \
    const T *weights = (const T *)e->weights;                                                      \
    for (int32_t w = e->leaves[leaf]; w < e->leaves[leaf + 1]; w++) {                              \
      T *score = &scores[e->targets[w]];                                                           \
      const T weight = weights[w];                                                                 \
      if (e->aggregate <= SUM) {                                                                   \
        *score += weight;                                                                          \
      } else if (isnan(*score) || (e->aggregate == MIN ? weight < *score : weight > *score)) {     \
        *score = weight;                                                                           \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static void add_tree_##T(const Ensemble *e, int32_t root, const T *x, T *scores, int64_t rows) { \
    int32_t at[TOGETHER];                                                                          \
    int64_t row = 0;                                                                               \
    for (; row + TOGETHER <= rows; row += TOGETHER) {                                              \
      descend_##T(e, root, x + row * e->features, at);                                             \
      for (int k = 0; k < TOGETHER; k++) add_##T(e, ~at[k], scores + (row + k) * e->scores);       \
    }                                                                                              \
    for (; row < rows; row++) {                                                                    \
      int32_t place = root;                                                                        \
      while (place >= 0) place = step_##T(e, place, x + row * e->features);                        \
      add_##T(e, ~place, scores + row * e->scores);                                                \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  static void run_##T(const Ensemble *e, const T *x, T *scores, int64_t rows) {                    \
    const int64_t n = rows * e->scores;                                                            \
    for (int64_t i = 0; i < n; i++) scores[i] = e->aggregate > SUM ? (T)ONNXC_RT_NAN : 0;          \
    for (int64_t tree = 0; tree < e->trees; tree++) {                                              \
      add_tree_##T(e, e->roots[tree], x, scores, rows);                                            \
    }                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                              \
      if (e->aggregate == AVERAGE) scores[i] /= (T)e->trees;                                       \
      if (e->aggregate > SUM && isnan(scores[i])) scores[i] = 0;                                   \
    }                                                                                              \
  }

TREES_OF(float)
TREES_OF(double)

int onnxc_rt_ref_trees(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t rows = x->dims[0];
  Ensemble e;
  e.nodes = (const int32_t *)call->in[1].data;
  e.splits = call->in[2].data;
  e.roots = (const int32_t *)call->in[3].data;
  e.leaves = (const int32_t *)call->in[4].data;
  e.targets = (const int32_t *)call->in[5].data;
  e.weights = call->in[6].data;
  e.trees = call->in[3].dims[0];
  e.features = x->dims[1];
  e.scores = y->dims[1];
  e.aggregate = (int)call->attr[0].i;
  if (e.features < call->attr[1].i) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t row = 0; row < rows; row += ROWS_AT_ONCE) {
    const int64_t some = rows - row < ROWS_AT_ONCE ? rows - row : ROWS_AT_ONCE;
    const int64_t in = row * e.features, out = row * e.scores;
    if (x->dtype == ONNXC_RT_F32) {
      run_float(&e, (const float *)x->data + in, (float *)y->data + out, some);
    } else {
      run_double(&e, (const double *)x->data + in, (double *)y->data + out, some);
    }
  }
  return ONNXC_RT_OK;
}
