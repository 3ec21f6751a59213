/* recognise-norms: normalisation spelled out -> RMSNormalization, LayerNormalization; constant
 * scales and biases behind a norm -> into it, also behind the reshapes around a group norm.
 *
 * x / sqrt(mean(x^2) + eps) is RMSNormalization, by definition, in whatever way square, mean and
 * inverse root are written; that of x - mean(x) is LayerNormalization. Axes must be the last ones
 * and the same in every mean; eps a number added to the mean square. Scale and bias of a norm
 * broadcast to its input, so those of instance and group norms fit as well. */
#include "ops/compose.h"
#include "passes/facts.h"
#include "passes/pass.h"

#include <string.h>

/* ---- spellings --------------------------------------------------------------------------------
 */

#define SQUARE(x_) OR(P("Pow", x_, SCALAR(2)), P("Mul", x_, x_))
/* The mean of `x_` over the axes of the bound reduction. A sum is one that is divided by "count" or
 * multiplied by "inverse", the same for all means of a pattern. */
#define MEAN(reduce_, x_)                                                                          \
  PB("ReduceMean", reduce_, x_), P("Div", PB("ReduceSum", reduce_, x_), CONST("count")),           \
      P("Mul", PB("ReduceSum", reduce_, x_), CONST("inverse"))
#define MEAN_SQUARE(x_)                                                                            \
  OR(MEAN("reduce", SQUARE(x_)), P("Div", PB("ReduceSumSquare", "reduce", x_), CONST("count")),    \
     P("Mul", PB("ReduceSumSquare", "reduce", x_), CONST("inverse")))
#define PLUS_EPS(x_) OR(P("Add", x_, CONST("eps")), x_)
#define ROOT(x_) OR(P("Sqrt", x_), P("Pow", x_, SCALAR(0.5)))
#define INVERSE_ROOT(x_)                                                                           \
  OR(P("Reciprocal", ROOT(x_)), P("Div", SCALAR(1), ROOT(x_)), P("Pow", x_, SCALAR(-0.5)))
/* x over the square root of v; both may be computed in another float type than the result. */
#define OVER_ROOT(x_, v_)                                                                          \
  OR(P("Div", x_, MAYBE("Cast", ROOT(v_))), P("Mul", x_, MAYBE("Cast", INVERSE_ROOT(v_))))

#define RMS_NORM OVER_ROOT(ANY("x"), PLUS_EPS(MEAN_SQUARE(MAYBE("Cast", ANY("x")))))
#define SCALED_RMS_NORM                                                                            \
  OVER_ROOT(P("Mul", ANY("x"), CONST("scale")), PLUS_EPS(MEAN_SQUARE(ANY("x"))))

/* The norm is taken of what is left when the mean is subtracted. */
#define LAYER_NORM                                                                                 \
  P("RMSNormalization", PM("Sub", "centred", ANY("x"), OR(MEAN("reduce", ANY("x")))), ANY("scale"))

/* E[x^2] - E[x]^2, which rounding may make negative */
#define DIFFERENCE P("Sub", MEAN_SQUARE(ANY("x")), SQUARE(ANY("mean")))
#define LAYER_NORM_BY_SQUARES                                                                      \
  OVER_ROOT(                                                                                       \
      PM("Sub", "centred", ANY("x"), ORB("mean", MEAN("mean_reduce", ANY("x")))),                  \
      PLUS_EPS(OR(DIFFERENCE, P("Max|Relu|Clip", DIFFERENCE, OPT("floor"), OPT("ceiling")))))

/* x * k + (bias - mean * k), k = scale / sqrt(variance + eps): TensorFlow's order. */
#define CENTRED PM("Sub", "centred", ANY("x"), ANY("mean"))
#define LAYER_NORM_AS_AFFINE                                                                       \
  P("Add",                                                                                         \
    P("Mul", ANY("x"),                                                                             \
      PB("Mul", "k", INVERSE_ROOT(PLUS_EPS(MEAN_SQUARE(CENTRED))), CONST("scale"))),               \
    P("Sub", CONST("bias"), P("Mul", ORB("mean", MEAN("mean_reduce", ANY("x"))), ANY("k"))))

/* The square of a Euclidean norm, or of what it is divided or multiplied by, is a sum of squares.
 */
#define EUCLIDEAN PB("ReduceL2", "reduce", ANY("x"))
#define EUCLIDEAN_SQUARE                                                                           \
  OR(SQUARE(EUCLIDEAN), SQUARE(PB("Div|Mul", "scaled", EUCLIDEAN, CONST("k"))))

/* x * (inverse root * scale): the scale goes behind. */
#define SCALE_INSIDE                                                                               \
  P("Mul", ANY("x"), P("Mul", PB("Reciprocal", "k", ROOT(ANY("v"))), CONST("scale")))

/* ---- axes and constants -----------------------------------------------------------------------
 */

/* A bound divisor, or factor, is this number. */
static bool is_bound_to(const Match *m, const char *name, double size) {
  double number;
  const Value *bound = match_value(m, name);
  return bound == NULL || (value_splat(bound, &number) && splat_near(bound, number, size));
}

/* The first of the trailing axes that a mean is taken over; -1 when it is over others, or a sum
 * that is divided by something else than its size. */
static int mean_axis(const Match *m, const char *reduction) {
  const Node *reduce = match_node(m, reduction);
  const Value *x = reduce->in[0].value;
  bool flags[MAX_RANK], keepdims;
  if (!reduce_axes(reduce, flags, &keepdims) || !keepdims) return -1;
  int first = trailing_axes(flags, x->type.rank);
  if (first < 0 || strcmp(reduce->op->name, "ReduceMean") == 0) return first;
  double size = 1;
  for (int i = first; i < x->type.rank; i++) {
    if (static_dim(x, i) < 1) return -1;
    size *= (double)static_dim(x, i);
  }
  return is_bound_to(m, "count", size) && is_bound_to(m, "inverse", 1 / size) ? first : -1;
}

static bool epsilon_of(const Match *m, float *epsilon) {
  double value = 0;
  bool known = match_value(m, "eps") == NULL || match_scalar(m, "eps", &value);
  *epsilon = (float)value;
  return known && value >= 0 && attribute_holds(m->root->out[0], value);
}

/* Ones: of the last axis where that is all, so that other tools read the norm too. */
static Value *unit_scale(Builder *b, const Value *x, int axis) {
  int64_t size = static_dim(x, axis);
  bool vector = axis == x->type.rank - 1 && size > 0 && size <= 65536;
  double *ones = ARENA_ARRAY(b->graph->ctx->arena, vector ? (size_t)size : 1, double);
  for (int64_t i = 0; i < (vector ? size : 1); i++) ones[i] = 1;
  return build_numbers(b, x, ones, vector, &size);
}

static Value *build_norm(Match *m, const char *op, Value *x, Value *scale, Value *bias, int axis,
                         float epsilon) {
  Node *node =
      build_node(&m->builder, "", op, (Value *[]){x, scale, bias}, bias == NULL ? 2 : 3, 1);
  node_set_int(node, "axis", axis);
  node_set_float(node, "epsilon", epsilon);
  return build_done(&m->builder, node);
}

/* ---- norms ------------------------------------------------------------------------------------
 */

static Value *build_rms_norm(Match *m) {
  Value *x = match_value(m, "x");
  float epsilon;
  int axis = mean_axis(m, "reduce");
  if (axis < 0 || !epsilon_of(m, &epsilon)) return NULL;
  if (!is_float(x) || !same_type(x, m->root->out[0])) return NULL;
  return build_norm(m, "RMSNormalization", x, unit_scale(&m->builder, x, axis), NULL, axis,
                    epsilon);
}

/* The scale goes behind, where norm-scale takes it. */
static Value *build_scaled_rms_norm(Match *m) {
  Value *norm = build_rms_norm(m);
  return norm == NULL ? NULL : BUILD(&m->builder, "Mul", norm, match_value(m, "scale"));
}

static int norm_axis(const Node *norm) {
  int64_t axis = op_param_i(norm, "axis");
  return (int)(axis < 0 ? axis + norm->in[0].value->type.rank : axis);
}

static Value *build_layer_norm(Match *m) {
  Value *x = match_value(m, "x"), *scale = match_value(m, "scale");
  int axis = norm_axis(m->root);
  if (mean_axis(m, "reduce") != axis || !same_type(x, match_value(m, "centred"))) return NULL;
  if (scale->type.dtype != x->type.dtype) return NULL;
  return build_norm(m, "LayerNormalization", x, scale, NULL, axis, op_param_f(m->root, "epsilon"));
}

/* What the two spellings with a variance of their own have in common: axis and epsilon. */
static bool check_variance(const Match *m, int *axis, float *epsilon) {
  const Value *x = match_value(m, "x"), *out = m->root->out[0];
  *axis = mean_axis(m, "reduce");
  return *axis >= 0 && mean_axis(m, "mean_reduce") == *axis && epsilon_of(m, epsilon) &&
         is_float(x) && same_type(x, out);
}

static Value *build_by_squares(Match *m) {
  Value *x = match_value(m, "x");
  int axis;
  float epsilon;
  if (!check_variance(m, &axis, &epsilon) || match_value(m, "ceiling") != NULL) return NULL;
  if (!is_bound_to(m, "floor", 0)) return NULL;
  return build_norm(m, "LayerNormalization", x, unit_scale(&m->builder, x, axis), NULL, axis,
                    epsilon);
}

/* A constant of the type of `x` whose sizes broadcast within the normalised axes. */
static bool is_affine(const Value *value, const Value *x) {
  return value->type.dtype == x->type.dtype && value->type.rank <= x->type.rank;
}

static Value *build_as_affine(Match *m) {
  Value *x = match_value(m, "x"), *scale = match_value(m, "scale"), *bias = match_value(m, "bias");
  int axis;
  float epsilon;
  if (!check_variance(m, &axis, &epsilon) || !is_affine(scale, x) || !is_affine(bias, x)) {
    return NULL;
  }
  return build_norm(m, "LayerNormalization", x, scale, bias, axis, epsilon);
}

static Value *move_scale_behind(Match *m) {
  Builder *b = &m->builder;
  Value *normal = BUILD(b, "Mul", match_value(m, "x"), match_value(m, "k"));
  return BUILD(b, "Mul", normal, match_value(m, "scale"));
}

static Value *build_sum_square(Match *m) {
  Builder *b = &m->builder;
  const Node *reduce = match_node(m, "reduce"), *scaled = match_node(m, "scaled");
  Value *k = match_value(m, "k");
  Value *inputs[] = {reduce->in[0].value, node_in(reduce, 1)};
  Node *node = build_node(b, "", "ReduceSumSquare", inputs, 2, 1);
  for (uint32_t i = 0; i < reduce->n_attrs; i++) node_set_attr(node, reduce->attrs[i]);
  Value *sum = build_done(b, node);
  return scaled == NULL ? sum : BUILD(b, scaled->op->name, sum, build_folded(b, "Mul", k, k));
}

/* ---- scale and bias ----------------------------------------------------------------------------
 */

#define NORM(ops_) PB(ops_, "norm", ANY("x"), CONST("scale"), OPT("bias"))

/* Of the norm only the first output is used, and its parameters are constants. */
static bool is_plain(const Match *m) {
  const Node *norm = match_node(m, "norm");
  for (uint32_t i = 1; i < norm->n_out; i++) {
    if (norm->out[i] != NULL && value_uses(norm->out[i]) != 0) return false;
  }
  const Value *bias = match_value(m, "bias"), *k = match_value(m, "k");
  return (bias == NULL || bias->constant != NULL) && is_affine(k, norm->out[0]) &&
         match_value(m, "x")->type.dtype == k->type.dtype;
}

static bool takes_affine(const Match *m) {
  return is_plain(m) && same_type(match_value(m, "norm"), m->root->out[0]);
}

/* The constant without leading axes of size 1 beyond `rank`, as norms are usually given it. */
static Value *strip_axes(Builder *b, Value *k, int rank) {
  Tensor tensor = *k->constant;
  while (tensor.rank > rank && tensor.dims[0] == 1) {
    tensor.dims++;
    tensor.rank--;
  }
  if (tensor.rank == k->constant->rank) return k;
  return build_constant(b, arena_copy(b->graph->ctx->arena, &tensor, sizeof tensor));
}

/* k where there was no such factor so far (or a neutral one), else the two combined. */
static Value *combine(Match *m, const char *op, Value *before, double neutral, Value *k) {
  double value;
  if (before == NULL || (value_splat(before, &value) && value == neutral)) return k;
  return build_folded(&m->builder, op, before, k);
}

static Value *stripped_factor(Match *m) {
  const Node *norm = match_node(m, "norm");
  Value *k = match_value(m, "k");
  return strip_axes(&m->builder, k, norm->in[0].value->type.rank - norm_axis(norm));
}

static Value *rebuild_norm(Match *m, Value *x, Value *scale, Value *bias) {
  const Node *norm = match_node(m, "norm");
  Node *node = build_node(&m->builder, "", norm->op->name, (Value *[]){x, scale, bias},
                          bias == NULL ? 2 : 3, 1);
  for (uint32_t i = 0; i < norm->n_attrs; i++) node_set_attr(node, norm->attrs[i]);
  return build_done(&m->builder, node);
}

static Value *merge_scale(Match *m) {
  if (!takes_affine(m)) return NULL;
  Value *k = stripped_factor(m), *bias = match_value(m, "bias");
  if (bias != NULL) bias = build_folded(&m->builder, "Mul", bias, k);
  Value *scale = combine(m, "Mul", match_value(m, "scale"), 1, k);
  return rebuild_norm(m, match_value(m, "x"), scale, bias);
}

static Value *merge_bias(Match *m) {
  if (!takes_affine(m)) return NULL;
  Value *bias = combine(m, "Add", match_value(m, "bias"), 0, stripped_factor(m));
  return rebuild_norm(m, match_value(m, "x"), match_value(m, "scale"), bias);
}

/* ---- group norm --------------------------------------------------------------------------------
 * A group norm is a layer norm of x seen as [N, G, rest], as exporters write it, or [N, G, C / G,
 * spatial...], which has room for a scale and a bias of each channel. */

#define GROUPED                                                                                    \
  P("Reshape",                                                                                     \
    PB("LayerNormalization", "norm", P("Reshape", ANY("x")), CONST("scale"), OPT("bias")))

typedef struct Groups {
  int64_t groups, channels; /* channels in all */
  bool split;               /* the norm sees the channels of a group as an axis */
} Groups;

static bool find_groups(const Match *m, Groups *g) {
  const Value *x = match_value(m, "x"), *view = match_node(m, "norm")->in[0].value;
  g->channels = static_dim(x, 1);
  g->groups = static_dim(view, 1);
  if (x->type.rank < 3 || view->type.rank < 3 || !same_type(x, m->root->out[0])) return false;
  if (g->channels < 1 || g->groups < 1 || g->channels % g->groups != 0) return false;
  g->split = view->type.rank == x->type.rank + 1 && static_dim(view, 2) == g->channels / g->groups;
  return norm_axis(match_node(m, "norm")) == 2 && view->type.dims[0] == x->type.dims[0];
}

/* A parameter of the norm, by channel; the neutral number where it is absent. */
static bool numbers_of_norm(const Match *m, const Groups *g, const Value *value, double neutral,
                            double *numbers) {
  int rank = match_node(m, "norm")->in[0].value->type.rank;
  int64_t each = g->channels / g->groups;
  const int64_t sizes[] = {g->groups, each};
  for (int64_t i = 0; i < g->channels; i++) numbers[i] = neutral;
  if (value == NULL) return true;
  if (g->split) return constant_over(value, rank, 1, 3, sizes, numbers);
  if (!constant_over(value, rank, 1, 2, sizes, numbers)) return false;
  for (int64_t i = g->channels; i-- > 0;) numbers[i] = numbers[i / each];
  return true;
}

/* The view of x with an axis for the channels of a group, and parameters that fit it. */
static Value *build_group_norm(Match *m, const Groups *g, const double *scale, const double *bias) {
  Value *x = match_value(m, "x");
  DimTable *t = x->graph->ctx->dims;
  const Dim *view[MAX_RANK + 1] = {x->type.dims[0], dim_const(t, g->groups),
                                   dim_const(t, g->channels / g->groups)};
  int64_t sizes[MAX_RANK] = {g->groups, g->channels / g->groups};
  for (int i = 2; i < x->type.rank; i++) {
    view[i + 1] = x->type.dims[i];
    sizes[i] = 1;
  }
  Builder *b = &m->builder;
  Value *grouped = compose_reshape(b, x, view, x->type.rank + 1);
  Value *norm = rebuild_norm(m, grouped, build_numbers(b, x, scale, x->type.rank, sizes),
                             build_numbers(b, x, bias, x->type.rank, sizes));
  return compose_reshape(b, norm, x->type.dims, x->type.rank);
}

static Value *merge_into_groups(Match *m) {
  Groups g;
  if (match_value(m, "x")->type.rank >= MAX_RANK || !is_plain(m) || !find_groups(m, &g))
    return NULL;
  Arena *scratch = pass_scratch(m->run);
  double *scale = ARENA_ARRAY(scratch, (size_t)g.channels, double);
  double *bias = ARENA_ARRAY(scratch, (size_t)g.channels, double);
  double *k = ARENA_ARRAY(scratch, (size_t)g.channels, double);
  if (!numbers_of_norm(m, &g, match_value(m, "scale"), 1, scale) ||
      !numbers_of_norm(m, &g, match_value(m, "bias"), 0, bias) ||
      !constant_over(match_value(m, "k"), match_value(m, "x")->type.rank, 1, 2, &g.channels, k)) {
    return NULL;
  }
  bool scales = strcmp(m->root->op->name, "Mul") == 0;
  for (int64_t i = 0; i < g.channels; i++) {
    scale[i] *= scales ? k[i] : 1;
    bias[i] = scales ? bias[i] * k[i] : bias[i] + k[i];
  }
  return build_group_norm(m, &g, scale, bias);
}

/* ---- the pass ----------------------------------------------------------------------------------
 */

static const Rule rules[] = {
    RULE("square-of-l2", EUCLIDEAN_SQUARE, build_sum_square),
    RULE("layer-norm-by-squares", LAYER_NORM_BY_SQUARES, build_by_squares),
    RULE("rms-norm", RMS_NORM, build_rms_norm),
    RULE("rms-norm", SCALED_RMS_NORM, build_scaled_rms_norm),
    RULE("layer-norm", LAYER_NORM, build_layer_norm),
    RULE("layer-norm-as-affine", LAYER_NORM_AS_AFFINE, build_as_affine),
    RULE("scale-inside", SCALE_INSIDE, move_scale_behind),
    RULE("norm-scale", P("Mul", NORM("LayerNormalization|RMSNormalization"), CONST("k")),
         merge_scale),
    RULE("norm-bias", P("Add", NORM("LayerNormalization"), CONST("k")), merge_bias),
    RULE("group-norm-affine", P("Mul|Add", GROUPED, CONST("k")), merge_into_groups),
};

const PassDef pass_recognise_norms = {
    .name = "recognise-norms",
    .what = "Normalisation spelled out becomes LayerNormalization or RMSNormalization",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
