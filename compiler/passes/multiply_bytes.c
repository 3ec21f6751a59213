/* multiply-bytes: a product of dequantised tensors whose result is not quantised ->
 * the product of the bytes, as f32 times the scales, and what is added to that.
 *
 *   Conv(DQ(x), DQ(w), b)   -> Mul(Cast(ConvInteger(x, w)), scales) + b
 *   MatMul(DQ(x), DQ(w))    -> Mul(Cast(MatMulInteger(x, w)), scales)
 *   Gemm(DQ(x), DQ(w), b)   -> the same of its transposes, alpha among the scales, + beta b
 *
 * Right because the scales are factors of every product, where those of w differ along its outputs
 * only. Sums of integers are exact, those of f32 are not, so the results are as near to the true
 * ones. A bias with the scale of the sums is added to them. Behind fuse-qdq, which takes what is
 * quantised again. */
#include "passes/facts.h"
#include "passes/quantised.h"

#include "ops/compose.h"

/* `x` along axis `axis` of `rank`, so that it broadcasts. */
static Value *along(Builder *b, Value *x, int axis, int rank) {
  const Dim *dims[MAX_RANK];
  if (x->type.rank == 0 || dim_is(x->type.dims[0], 1)) return compose_scalar(b, x);
  for (int i = 0; i < rank; i++) {
    dims[i] = i == axis ? x->type.dims[0] : dim_const(b->graph->ctx->dims, 1);
  }
  return axis == rank - 1 ? x : compose_reshape(b, x, dims, rank);
}

/* The sums of integers as f32; `factor` is that of their scale. */
static Value *rescale(Builder *b, Value *sums, const Quantised *x, const Quantised *w, int axis,
                      float factor) {
  Value *scale =
      BUILD(b, "Mul", compose_scalar(b, x->scale), along(b, w->scale, axis, sums->type.rank));
  if (factor != 1) scale = BUILD(b, "Mul", scale, build_f32(b, factor));
  return BUILD(b, "Mul", compose_cast(b, sums, ONNXC_RT_F32), scale);
}

static Value *integer_product(Builder *b, const char *op, const Quantised *x, const Quantised *w,
                              const Node *attrs) {
  Value *inputs[4] = {x->data, w->data, quantised_zero(b, x), quantised_zero(b, w)};
  Node *node = build_node(b, "", op, inputs, 4, 1);
  for (uint32_t i = 0; attrs != NULL && i < attrs->n_attrs; i++)
    node_set_attr(node, attrs->attrs[i]);
  return build_done(b, node);
}

static Value *multiply_conv(Match *m) {
  Quantised x, w;
  Builder *b = &m->builder;
  Value *bias = node_in(m->root, 2);
  int rank = m->root->out[0]->type.rank;
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", 0, &w)) return NULL;
  Value *integers = bias == NULL ? NULL : integer_bias(bias, &x, &w);
  Value *y = integer_product(b, "ConvInteger", &x, &w, m->root);
  if (integers != NULL) y = BUILD(b, "Add", y, along(b, integers, 1, rank));
  y = rescale(b, y, &x, &w, 1, 1);
  return bias == NULL || integers != NULL ? y : BUILD(b, "Add", y, along(b, bias, 1, rank));
}

static Value *multiply_matmul(Match *m) {
  Quantised x, w;
  Builder *b = &m->builder;
  int rank = m->root->in[1].value->type.rank;
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", rank < 2 ? -1 : rank - 1, &w)) {
    return NULL;
  }
  Value *y = integer_product(b, "MatMulInteger", &x, &w, NULL);
  return rescale(b, y, &x, &w, y->type.rank - 1, 1);
}

static Value *multiply_gemm(Match *m) {
  Quantised x, w;
  Builder *b = &m->builder;
  Value *bias = node_in(m->root, 2);
  float alpha = op_param_f(m->root, "alpha"), beta = op_param_f(m->root, "beta");
  bool turned = op_param_i(m->root, "transB") != 0;
  if (!quantised_of(m, "x", -1, &x) || !quantised_of(m, "w", !turned, &w)) return NULL;
  Value *integers = bias == NULL || alpha != 1 || beta != 1 ? NULL : integer_bias(bias, &x, &w);
  if (op_param_i(m->root, "transA") != 0) x.data = BUILD(b, "Transpose", x.data);
  if (turned) w.data = BUILD(b, "Transpose", w.data);
  Value *y = integer_product(b, "MatMulInteger", &x, &w, NULL);
  if (integers != NULL) y = BUILD(b, "Add", y, integers);
  y = rescale(b, y, &x, &w, 1, alpha);
  if (bias == NULL || integers != NULL) return y;
  if (beta != 1) bias = BUILD(b, "Mul", bias, build_f32(b, beta));
  return BUILD(b, "Add", y, bias);
}

static const Rule rules[] = {
    RULE("conv", P("Conv", DEQUANTISED("x"), DEQUANTISED("w")), multiply_conv),
    RULE("matmul", P("MatMul", DEQUANTISED("x"), DEQUANTISED("w")), multiply_matmul),
    RULE("gemm", P("Gemm", DEQUANTISED("x"), DEQUANTISED("w")), multiply_gemm),
};

const PassDef pass_multiply_bytes = {
    .name = "multiply-bytes",
    .what = "Products of dequantised tensors become products of their bytes",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
