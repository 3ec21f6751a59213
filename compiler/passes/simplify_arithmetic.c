/* simplify-arithmetic: operators that have a cheaper equal.
 *
 * x^2 = x * x and x^-1 = 1 / x, as exactly as pow is; x / c = x * (1 / c) where c is a power of
 * two; the sum of two operands = Add; the matrix product of a column and a row = Mul. */
#include "passes/facts.h"
#include "passes/pass.h"

#include <math.h>
#include <stdlib.h>

static Value *square(Match *m) {
  Value *x = match_value(m, "x");
  return same_type(x, m->root->out[0]) ? BUILD(&m->builder, "Mul", x, x) : NULL;
}

static Value *invert(Match *m) {
  Value *x = match_value(m, "x");
  bool same = is_float(x) && same_type(x, m->root->out[0]);
  return same ? BUILD(&m->builder, "Reciprocal", x) : NULL;
}

/* Powers of two whose inverse is a normal number too. */
static Value *multiply(Match *m) {
  double divisor;
  int exponent;
  Value *x = match_value(m, "x"), *k = match_value(m, "k");
  if (!is_float(x) || !value_splat(k, &divisor)) return NULL;
  if (frexp(fabs(divisor), &exponent) != 0.5 || abs(exponent) > 12) return NULL;
  Value *one = build_like(&m->builder, k, 1);
  return BUILD(&m->builder, "Mul", x, build_folded(&m->builder, "Div", one, k));
}

static Value *add_two(Match *m) {
  if (m->root->n_in != 2) return NULL;
  return BUILD(&m->builder, "Add", match_value(m, "a"), match_value(m, "b"));
}

/* [.., m, 1] x [.., 1, n]: a sum of one product. */
static Value *multiply_outer(Match *m) {
  Value *a = match_value(m, "a"), *b = match_value(m, "b");
  bool matrices = a->type.rank >= 2 && b->type.rank >= 2;
  if (!matrices || !dim_is(a->type.dims[a->type.rank - 1], 1)) return NULL;
  if (!dim_is(b->type.dims[b->type.rank - 2], 1)) return NULL;
  return BUILD(&m->builder, "Mul", a, b);
}

static const Rule rules[] = {
    RULE("square", P("Pow", ANY("x"), SCALAR(2)), square),
    RULE("inverse", P("Pow", ANY("x"), SCALAR(-1)), invert),
    RULE("power-of-two", P("Div", ANY("x"), CONST("k")), multiply),
    RULE("sum-of-two", P("Sum", ANY("a"), ANY("b")), add_two),
    RULE("outer-product", P("MatMul", ANY("a"), ANY("b")), multiply_outer),
};

const PassDef pass_simplify_arithmetic = {
    .name = "simplify-arithmetic",
    .what = "Powers, divisions and sums that have a cheaper equal",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
