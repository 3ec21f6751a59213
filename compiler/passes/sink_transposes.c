/* sink-transposes: f(Transpose(a), b), with a sum, difference or product f of what a matrix product
 * or convolution makes and of something of the same sizes -> Transpose(f(a, Transpose'(b))).
 *
 * Right because f is elementwise. Then f is computed with the product, which reads b and stores the
 * result through strides: the residual sum behind linear layers that see channels last is none of
 * its own. */
#include "passes/facts.h"
#include "passes/pass.h"

enum { MAX_DEPTH = 8 };

/* The operand that the node has been computed on alone: no other reads it; NULL: there is none. */
static const Value *chain_operand(const Node *node) {
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    bool alone = in != NULL && in->constant == NULL && value_single_use(in);
    if (alone && same_dims(&in->type, &node->out[0]->type)) return in;
  }
  return NULL;
}

/* A product, perhaps with elementwise operators behind it. */
static bool is_product(const Value *value) {
  for (int i = 0; value != NULL && value->producer != NULL && i < MAX_DEPTH; i++) {
    if (node_named(value->producer, "MatMul Gemm Conv ConvTranspose")) return true;
    if (!is_elementwise(value->producer)) return false;
    value = chain_operand(value->producer);
  }
  return false;
}

static Value *transposed(Builder *b, Value *x, const int64_t *perm) {
  Node *node = build_node(b, "", "Transpose", &x, 1, 1);
  node_set_ints(node, "perm", perm, (size_t)x->type.rank);
  return build_done(b, node);
}

static Value *sink(Match *m) {
  Builder *b = &m->builder;
  Value *a = match_value(m, "a"), *other = match_value(m, "b");
  const Value *moved = match_value(m, "moved"), *out = m->root->out[0];
  int64_t perm[MAX_RANK], back[MAX_RANK];
  if (!is_product(a) || !value_single_use(a) || other->constant != NULL) return NULL;
  if (!same_type(moved, out) || !same_type(other, out)) return NULL;
  transpose_perm(moved->producer, perm);
  for (int i = 0; i < out->type.rank; i++) back[perm[i]] = i;
  Value *inputs[] = {a, transposed(b, other, back)};
  if (node_in(m->root, 0) != moved) {
    inputs[0] = inputs[1];
    inputs[1] = a;
  }
  return transposed(b, build(b, m->root->op->name, inputs, 2), perm);
}

static const Rule rules[] = {
    RULE("transpose", P("Add|Mul", PB("Transpose", "moved", ANY("a")), ANY("b")), sink),
    RULE("transpose",
         OR(P("Sub", PB("Transpose", "moved", ANY("a")), ANY("b")),
            P("Sub", ANY("b"), PB("Transpose", "moved", ANY("a")))),
         sink),
};

const PassDef pass_sink_transposes = {
    .name = "sink-transposes",
    .what = "Residual sums move in front of the Transpose behind a product",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
};
