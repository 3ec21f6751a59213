/* fold-padding: Pad with a constant around the spatial axes -> the padding of the Conv, MaxPool or
 * AveragePool behind it.
 *
 * Right because Conv pads with zeros, MaxPool as if with -infinity, and AveragePool with zeros
 * that count where count_include_pad says so (which then must hold for all of the padding).
 * Automatic padding and ceil_mode look at sizes before the padding, so those are left alone. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>

enum { MAX_PADS = 2 * MAX_RANK };

/* The padding by axis: begins, then ends. */
static bool read_pads(const Node *pad, int rank, int64_t *pads) {
  int64_t given[MAX_PADS], axes[MAX_RANK];
  uint32_t n, n_axes = (uint32_t)rank;
  for (int i = 0; i < rank; i++) axes[i] = i;
  if (!value_ints(node_in(pad, 1), given, MAX_PADS, &n)) return false;
  if (node_in(pad, 3) != NULL && !value_ints(pad->in[3].value, axes, MAX_RANK, &n_axes)) {
    return false;
  }
  if (n != 2 * n_axes) return false;
  for (int i = 0; i < 2 * rank; i++) pads[i] = 0;
  for (uint32_t i = 0; i < n_axes; i++) {
    int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    pads[axis] = given[i];
    pads[axis + rank] = given[i + n_axes];
  }
  return true;
}

/* Only spatial axes, and nothing cut off. */
static bool is_spatial(const int64_t *pads, int rank) {
  for (int i = 0; i < 2 * rank; i++) {
    if (pads[i] < 0 || (pads[i] != 0 && i % rank < 2)) return false;
  }
  return true;
}

static bool pads_with(const Node *pad, double expected) {
  double value = 0;
  if (strcmp(op_param_s(pad, "mode"), "constant") != 0) return false;
  const Value *given = node_in(pad, 2);
  return (given == NULL || value_splat(given, &value)) && value == expected;
}

static bool has_pads(const Attr *attr) {
  for (size_t i = 0; attr != NULL && i < attr->count; i++) {
    if (attr->ints[i] != 0) return true;
  }
  return false;
}

static bool is_explicit(const Node *node) {
  const char *automatic = op_param_s(node, "auto_pad");
  return strcmp(automatic, "NOTSET") == 0 || strcmp(automatic, "VALID") == 0;
}

/* The root with the padding added to its own. */
static Value *fold_pad(Match *m, bool counts) {
  Node *root = m->root, *pad = match_node(m, "pad");
  int rank = match_value(m, "x")->type.rank, spatial = rank - 2;
  int64_t pads[MAX_PADS], sum[MAX_PADS];
  if (!is_explicit(root) || !read_pads(pad, rank, pads) || !is_spatial(pads, rank)) return NULL;
  const Attr *own = op_param_list(root, "pads");
  for (int i = 0; i < 2 * spatial; i++) {
    int axis = i < spatial ? i + 2 : i - spatial + 2 + rank;
    sum[i] = pads[axis] + (own == NULL ? 0 : own->ints[i]);
  }
  Value *inputs[] = {match_value(m, "x"), node_in(root, 1), node_in(root, 2)};
  Node *node = build_node(&m->builder, "", root->op->name, inputs, root->n_in, 1);
  node_copy_attrs(node, root);
  node_set_string(node, "auto_pad", "NOTSET");
  node_set_ints(node, "pads", sum, 2 * (size_t)spatial);
  if (counts) node_set_int(node, "count_include_pad", 1);
  return build_done(&m->builder, node);
}

static Value *pad_conv(Match *m) {
  return pads_with(match_node(m, "pad"), 0) ? fold_pad(m, false) : NULL;
}

static Value *pad_max_pool(Match *m) {
  bool one_output = node_out(m->root, 1) == NULL && op_param_i(m->root, "ceil_mode") == 0;
  return one_output && pads_with(match_node(m, "pad"), -(double)INFINITY) ? fold_pad(m, false)
                                                                          : NULL;
}

static Value *pad_average_pool(Match *m) {
  bool uniform =
      !has_pads(op_param_list(m->root, "pads")) || op_param_i(m->root, "count_include_pad") != 0;
  if (!uniform || op_param_i(m->root, "ceil_mode") != 0) return NULL;
  return pads_with(match_node(m, "pad"), 0) ? fold_pad(m, true) : NULL;
}

#define PAD PB("Pad", "pad", ANY("x"))

static const Rule rules[] = {
    RULE("pad-conv", P("Conv", PAD), pad_conv),
    RULE("pad-max-pool", P("MaxPool", PAD), pad_max_pool),
    RULE("pad-average-pool", P("AveragePool", PAD), pad_average_pool),
};

const PassDef pass_fold_padding = {
    .name = "fold-padding",
    .what = "Pad becomes the padding of the convolution or pooling behind it",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
