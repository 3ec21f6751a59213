/* widen-convolutions: Conv and ConvTranspose of a narrow float -> Cast, the same of f32, Cast; and
 * Cast(MaxPool(x)) -> MaxPool(Cast(x)), so that what stands between two convolutions is f32 as well
 * and the casts join the rows around them.
 *
 * Right because f32 holds every f16 and bf16: products and sums round less than in any narrower
 * arithmetic, the result is rounded once, and the largest of some numbers is the same before and
 * after a cast that is exact and monotonic. Worth it because there are kernels for f32. */
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/pass.h"

static bool is_narrow(const Value *value) {
  return value->type.dtype == ONNXC_RT_F16 || value->type.dtype == ONNXC_RT_BF16;
}

static Value *cast(Match *m, Value *value, DType dtype) {
  return value == NULL ? NULL : compose_cast(&m->builder, value, dtype);
}

/* The operator of `node` over inputs of f32. */
static Value *widen(Match *m, const Node *node) {
  Value *inputs[3];
  for (uint32_t i = 0; i < node->n_in; i++) {
    inputs[i] = cast(m, node_in(node, i), ONNXC_RT_F32);
  }
  Node *wide = build_node(&m->builder, "", node->op->name, inputs, node->n_in, 1);
  node_copy_attrs(wide, node);
  return build_done(&m->builder, wide);
}

static Value *widen_convolution(Match *m) {
  const Value *y = m->root->out[0];
  return is_narrow(y) ? cast(m, widen(m, m->root), y->type.dtype) : NULL;
}

static Value *widen_pool(Match *m) {
  const Node *pool = match_node(m, "pool");
  if (!is_narrow(pool->out[0]) || m->root->out[0]->type.dtype != ONNXC_RT_F32) return NULL;
  return node_out(pool, 1) == NULL ? widen(m, pool) : NULL;
}

static const Rule rules[] = {
    RULE("convolution", P("Conv|ConvTranspose"), widen_convolution),
    RULE("max-pool", P("Cast", PB("MaxPool", "pool", ANY("x"))), widen_pool),
};

const PassDef pass_widen_convolutions = {
    .name = "widen-convolutions",
    .what = "convolutions of narrow floats compute in f32",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
