/* defer-views: norm(Reshape(x)) -> Reshape(norm(x)), where x is computed element by element and the
 * Reshape keeps the axes that are normed; Reshape(x) + y -> Reshape(x + Reshape'(y)), where x is
 * gathered and a norm reads the sum; MatMul(Reshape(x), y) -> Reshape(MatMul(x, Reshape'(y))),
 * where the Reshape joins batch axes of something that has been moved.
 *
 * Right bit for bit: a norm does not care about the axes in front of its own, nor a product about
 * those in front of its matrices. It leaves the sum and the norm behind it one space, in which they
 * are one step; and the product reads what was moved through strides, where joined axes would have
 * none. */
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

/* Whether the last `n` axes of both have the same sizes. */
static bool same_last(const Type *a, const Type *b, int n) {
  return a->rank >= n && b->rank >= n &&
         memcmp(a->dims + a->rank - n, b->dims + b->rank - n, (size_t)n * sizeof *a->dims) == 0;
}

/* ---- norms ---- */

static bool has_other_outputs(const Node *node) {
  for (uint32_t i = 1; i < node->n_out; i++) {
    if (node_out(node, i) != NULL) return true;
  }
  return false;
}

/* Whether the operands besides the first one lie within the last `n` axes. */
static bool others_within(const Node *node, int n) {
  for (uint32_t i = 1; i < node->n_in; i++) {
    if (node_in(node, i) != NULL && node_in(node, i)->type.rank > n) return false;
  }
  return true;
}

/* Whether the only reader is computed element by element: in the norm's step, if their spaces are
 * one. */
static bool feeds_element(const Value *out) {
  return !value_is_output(out) && value_single_use(out) && is_elementwise(out->uses->user);
}

static Value *defer_behind_norm(Match *m) {
  Value *x = match_value(m, "x");
  const Value *out = m->root->out[0];
  int normed = out->type.rank - param_axis(m->root, out->type.rank);
  if (x->producer == NULL || !is_elementwise(x->producer)) return NULL;
  if (!same_last(&x->type, &out->type, normed) || !others_within(m->root, normed)) return NULL;
  if (has_other_outputs(m->root) || feeds_element(out)) return NULL;
  Value *inputs[] = {x, node_in(m->root, 1), node_in(m->root, 2)};
  Node *norm = build_node(&m->builder, "", m->root->op->name, inputs, m->root->n_in, 1);
  for (uint32_t i = 0; i < m->root->n_attrs; i++) node_set_attr(norm, m->root->attrs[i]);
  node_set_int(norm, "axis", -normed);
  return compose_reshape(&m->builder, build_done(&m->builder, norm), out->type.dims,
                         out->type.rank);
}

/* Whether an element may need any of another step's: its step cannot be a step of another shape. */
static bool is_gathered(const Value *value) {
  const Node *maker = value->producer;
  return maker != NULL && value->constant == NULL && maker->op->row != NULL &&
         maker->op->whole_inputs != 0;
}

static Value *defer_behind_sum(Match *m) {
  Value *x = match_value(m, "x"), *y = match_value(m, "y");
  const Value *out = m->root->out[0];
  if (!is_gathered(x) || !feeds_norm(m->root) || !same_type(y, out)) return NULL;
  if (!same_last(&x->type, &out->type, 1) || !same_type(match_value(m, "view"), out)) return NULL;
  Value *sum =
      BUILD(&m->builder, "Add", x, compose_reshape(&m->builder, y, x->type.dims, x->type.rank));
  return compose_reshape(&m->builder, sum, out->type.dims, out->type.rank);
}

/* ---- products ---- */

/* The other factor with the batch axes of `like`: it has none, or those of `joined`. */
static Value *with_batch(Match *m, Value *x, const Value *joined, const Value *like) {
  const Dim *dims[MAX_RANK];
  int batch = like->type.rank - 2;
  if (x->type.rank == 2) return x;
  memcpy(dims, like->type.dims, (size_t)batch * sizeof *dims);
  memcpy(dims + batch, x->type.dims + x->type.rank - 2, 2 * sizeof *dims);
  bool same =
      x->type.rank == joined->type.rank &&
      memcmp(x->type.dims, joined->type.dims, (size_t)(x->type.rank - 2) * sizeof *dims) == 0;
  return same ? compose_reshape(&m->builder, x, dims, like->type.rank) : NULL;
}

/* Input `i` is the reshaped one. */
static Value *defer_factor(Match *m, uint32_t i) {
  const Value *joined = m->root->in[i].value, *out = m->root->out[0];
  Value *x = joined->producer->in[0].value, *factors[2];
  if (joined->type.rank < 3 || x->type.rank <= joined->type.rank) return NULL;
  if (!same_last(&x->type, &joined->type, 2)) return NULL;
  if (!value_is(x, "Transpose Slice Split Expand")) return NULL;
  factors[i] = x;
  factors[1 - i] = with_batch(m, m->root->in[1 - i].value, joined, x);
  if (factors[1 - i] == NULL) return NULL;
  return compose_reshape(&m->builder, build(&m->builder, "MatMul", factors, 2), out->type.dims,
                         out->type.rank);
}

static Value *defer_left(Match *m) {
  return defer_factor(m, 0);
}

static Value *defer_right(Match *m) {
  return defer_factor(m, 1);
}

#define VIEWS "Reshape|Squeeze|Unsqueeze|Flatten"

static const Rule rules[] = {
    RULE("norm", P("LayerNormalization|RMSNormalization", PM(VIEWS, NULL, ANY("x"))),
         defer_behind_norm),
    RULE("sum", P("Add", PM(VIEWS, "view", ANY("x")), ANY("y")), defer_behind_sum),
    RULE("product", P("MatMul", PM(VIEWS, NULL, ANY("x"))), defer_left),
    RULE("product", P("MatMul", ANY("a"), PM(VIEWS, NULL, ANY("x"))), defer_right),
};

const PassDef pass_defer_views = {
    .name = "defer-views",
    .what = "Reshapes go behind norms and products, which then see what is in front",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
