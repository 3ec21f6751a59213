/* Activations, norms, softmax and attention, as operators and spelled out. */
#include "draw.h"

#include <math.h>

/* ---- activations -------------------------------------------------------------------------------
 */

static Value *gelu_erf(Draw *d, Value *x) {
  Value *e;
  if (draw_chance(d, 50))
    e = OP(d, "Erf", OP(d, "Div", x, scalar(d, x, sqrt(2))));
  else
    e = OP(d, "Erf", commute(d, "Mul", x, scalar(d, x, sqrt(0.5))));
  Value *sum = commute(d, "Add", e, scalar(d, x, 1));
  switch (draw_in(d, 0, 2)) {
  case 0: return commute(d, "Mul", commute(d, "Mul", x, sum), scalar(d, x, 0.5));
  case 1: return commute(d, "Mul", commute(d, "Mul", x, scalar(d, x, 0.5)), sum);
  default: return commute(d, "Mul", x, commute(d, "Mul", sum, scalar(d, x, 0.5)));
  }
}

static Value *gelu_tanh(Draw *d, Value *x) {
  Value *cube = draw_chance(d, 50) ? OP(d, "Pow", x, scalar(d, x, 3))
                                   : commute(d, "Mul", x, OP(d, "Mul", x, x));
  Value *inner = commute(d, "Add", x, commute(d, "Mul", cube, scalar(d, x, 0.044715)));
  Value *tanh = OP(d, "Tanh", commute(d, "Mul", inner, scalar(d, x, sqrt(2 / acos(-1)))));
  Value *sum = commute(d, "Add", tanh, scalar(d, x, 1));
  return commute(d, "Mul", commute(d, "Mul", x, scalar(d, x, 0.5)), sum);
}

static Value *swish(Draw *d, Value *x) {
  bool scaled = draw_chance(d, 40);
  Value *in = scaled ? commute(d, "Mul", x, scalar(d, x, DRAW_OF(d, double, 1.702, 1, 2))) : x;
  Value *gate;
  if (draw_chance(d, 60)) {
    gate = OP(d, "Sigmoid", in);
  } else {
    Value *sum = commute(d, "Add", OP(d, "Exp", OP(d, "Neg", in)), scalar(d, x, 1));
    if (draw_chance(d, 40)) return OP(d, "Div", x, sum);
    gate = draw_chance(d, 50) ? OP(d, "Reciprocal", sum) : OP(d, "Div", scalar(d, x, 1), sum);
  }
  return commute(d, "Mul", x, gate);
}

static Value *mish(Draw *d, Value *x) {
  Value *soft = draw_chance(d, 50)
                    ? OP(d, "Softplus", x)
                    : OP(d, "Log", commute(d, "Add", OP(d, "Exp", x), scalar(d, x, 1)));
  return commute(d, "Mul", x, OP(d, "Tanh", soft));
}

static Value *hard_swish(Draw *d, Value *x) {
  if (draw_chance(d, 40)) {
    Value *gate = OP(d, "HardSigmoid", x);
    return commute(d, "Mul", x, gate);
  }
  Value *sum = commute(d, "Add", x, scalar(d, x, 3));
  Value *clip = OP(d, "Clip", sum, build_like(&d->b, x, 0), build_like(&d->b, x, 6));
  if (draw_chance(d, 50)) return OP(d, "Div", commute(d, "Mul", x, clip), scalar(d, x, 6));
  return commute(d, "Mul", x, commute(d, "Mul", clip, scalar(d, x, 1.0 / 6)));
}

static Value *leaky(Draw *d, Value *x) {
  Value *scaled = commute(d, "Mul", x, scalar(d, x, DRAW_OF(d, double, 0.1, 0.01, 1, -0.5, 2)));
  if (draw_chance(d, 50)) return OP(d, "Max", x, scaled);
  Value *above = OP(d, draw_chance(d, 50) ? "Greater" : "GreaterOrEqual", x, scalar(d, x, 0));
  return OP(d, "Where", above, x, scaled);
}

static Value *with_alpha(Draw *d, Value *x) {
  const char *op = DRAW_OF(d, const char *, "Elu", "LeakyRelu", "Celu", "ThresholdedRelu");
  return with_float(d, op, x, "alpha", DRAW_OF(d, double, 0.1, 0.5, 1, 2));
}

static Value *guarded(Draw *d, Value *x) {
  Value *size = OP(d, "Abs", x);
  if (draw_chance(d, 30)) return OP(d, "Sqrt", size);
  Value *more = commute(d, "Add", size, scalar(d, x, DRAW_OF(d, double, 1, 0.5, 1e-3)));
  return OP(d, DRAW_OF(d, const char *, "Log", "Sqrt", "Reciprocal"), more);
}

static Value *clipped(Draw *d, Value *x) {
  Value *lo = build_like(&d->b, x, DRAW_OF(d, double, -1, 0, -0.5)),
        *hi = build_like(&d->b, x, DRAW_OF(d, double, 1, 0.75, 6, -0.75));
  if (draw_chance(d, 60)) return OP(d, "Clip", x, lo, hi);
  return commute(d, "Min", commute(d, "Max", x, lo), hi);
}

Value *draw_activation(Draw *d, Value *x) {
  static Pattern_ *const spelled[] = {gelu_erf, gelu_tanh,  swish,   mish,   hard_swish,
                                      leaky,    with_alpha, guarded, clipped};
  static const char *const plain[] = {"Relu",     "Sigmoid", "Tanh",      "Erf",  "Neg",
                                      "Abs",      "Elu",     "Softplus",  "Gelu", "HardSigmoid",
                                      "Softsign", "Mish",    "HardSwish", "Sin",  "Cos",
                                      "Round",    "Floor",   "Sign",      "Selu", "Ceil"};
  enum { SPELLED = sizeof spelled / sizeof *spelled, PLAIN = sizeof plain / sizeof *plain };
  if (draw_chance(d, 60)) return spelled[draw_in(d, 0, SPELLED - 1)](d, x);
  return BUILD(&d->b, plain[draw_in(d, 0, PLAIN - 1)], x);
}

/* ---- norms -------------------------------------------------------------------------------------
 */

static Value *square(Draw *d, Value *x) {
  return draw_chance(d, 50) ? OP(d, "Mul", x, x) : OP(d, "Pow", x, scalar(d, x, 2));
}

/* x divided by the root of `mean` plus epsilon, wherever that stands. */
static Value *over_root(Draw *d, Value *x, Value *mean) {
  double epsilon = DRAW_OF(d, double, 1e-5, 1e-3, 1e-6, 0.1);
  if (draw_chance(d, 15)) {
    Value *root = OP(d, "Sqrt", mean);
    return OP(d, "Div", x, commute(d, "Add", root, scalar(d, x, epsilon)));
  }
  Value *sum = commute(d, "Add", mean, scalar(d, x, epsilon));
  switch (draw_in(d, 0, 3)) {
  case 0: return OP(d, "Div", x, OP(d, "Sqrt", sum));
  case 1: return commute(d, "Mul", x, OP(d, "Reciprocal", OP(d, "Sqrt", sum)));
  case 2: return commute(d, "Mul", x, OP(d, "Div", scalar(d, x, 1), OP(d, "Sqrt", sum)));
  default: return commute(d, "Mul", x, OP(d, "Pow", sum, scalar(d, x, -0.5)));
  }
}

static Value *mean_of(Draw *d, Value *x, int64_t axis) {
  int64_t n = size_at(x, (int)axis);
  if (n <= 0 || draw_chance(d, 80)) return reduce(d, "ReduceMean", x, axis, true);
  Value *sum = reduce(d, "ReduceSum", x, axis, true);
  double divisor = (double)(draw_chance(d, 30) && n > 1 ? n - 1 : n);
  if (draw_chance(d, 50)) return OP(d, "Div", sum, scalar(d, x, divisor));
  return commute(d, "Mul", sum, scalar(d, x, 1 / divisor));
}

static Value *scaled(Draw *d, Value *x, bool shifted) {
  int64_t n = size_at(x, -1);
  if (n < 0 || draw_chance(d, 20)) return x;
  x = commute(d, "Mul", x, draw_chance(d, 85) ? vector(d, x, n) : operand(d, x));
  if (!shifted || draw_chance(d, 20)) return x;
  return commute(d, "Add", x, draw_chance(d, 85) ? vector(d, x, n) : operand(d, x));
}

static Value *layer_norm_spelled(Draw *d, Value *x) {
  int64_t axis = draw_chance(d, 85) ? rank_of(x) - 1 : draw_in(d, 0, rank_of(x) - 1);
  Value *mean = mean_of(d, x, axis), *centred = OP(d, "Sub", x, mean), *variance;
  if (draw_chance(d, 20)) {
    Value *of_squares = mean_of(d, square(d, x), axis);
    variance = OP(d, "Abs", OP(d, "Sub", of_squares, square(d, mean)));
  } else {
    Value *again = draw_chance(d, 15) ? OP(d, "Sub", x, mean) : centred;
    variance = mean_of(d, square(d, again), axis);
  }
  return scaled(d, over_root(d, centred, variance), true);
}

static Value *rms_norm_spelled(Draw *d, Value *x) {
  int64_t axis = draw_chance(d, 85) ? rank_of(x) - 1 : draw_in(d, 0, rank_of(x) - 1);
  bool wide = x->type.dtype != ONNXC_RT_F64 && draw_chance(d, 20);
  Value *in = wide ? cast(d, x, ONNXC_RT_F64) : x;
  Value *y = over_root(d, in, mean_of(d, square(d, in), axis));
  return scaled(d, wide ? cast(d, y, x->type.dtype) : y, false);
}

static Value *norm_node(Draw *d, Value *x) {
  int64_t n = size_at(x, -1);
  if (n <= 0) return NULL;
  bool layer = draw_chance(d, 60), biased = layer && draw_chance(d, 80);
  Value *inputs[] = {x, vector(d, x, n), biased ? vector(d, x, n) : NULL};
  Node *node = build_node(&d->b, "", layer ? "LayerNormalization" : "RMSNormalization", inputs,
                          biased ? 3 : 2, 1);
  node_set_int(node, "axis", draw_chance(d, 50) ? -1 : rank_of(x) - 1);
  if (draw_chance(d, 50)) node_set_float(node, "epsilon", 1e-3f);
  return build_done(&d->b, node);
}

static Value *unit_length(Draw *d, Value *x) {
  Value *length = reduce(d, DRAW_OF(d, const char *, "ReduceL2", "ReduceL1"), x, -1, true);
  if (draw_chance(d, 50))
    length = commute(d, "Max", length, scalar(d, x, 1e-3));
  else
    length = commute(d, "Add", length, scalar(d, x, 1e-3));
  return OP(d, "Div", x, length);
}

Value *draw_norm(Draw *d, Value *x) {
  if (!is_float(x) || rank_of(x) == 0) return NULL;
  switch (draw_in(d, 0, 6)) {
  case 0:
  case 1: return layer_norm_spelled(d, x);
  case 2:
  case 3: return rms_norm_spelled(d, x);
  case 4: return unit_length(d, x);
  default: return norm_node(d, x);
  }
}

/* ---- softmax -----------------------------------------------------------------------------------
 */

Value *draw_softmax(Draw *d, Value *x, int64_t axis) {
  if (draw_chance(d, 60)) {
    return with_int(d, draw_chance(d, 85) ? "Softmax" : "LogSoftmax", x, "axis", axis);
  }
  Value *shifted =
      draw_chance(d, 80) ? OP(d, "Sub", x, reduce(d, "ReduceMax", x, axis, true)) : clipped(d, x);
  Value *e = OP(d, "Exp", shifted);
  Value *sum = reduce(d, "ReduceSum", e, axis, true);
  if (draw_chance(d, 20)) return OP(d, "Sub", shifted, OP(d, "Log", sum));
  if (draw_chance(d, 20)) return commute(d, "Mul", e, OP(d, "Reciprocal", sum));
  return OP(d, "Div", e, sum);
}

/* ---- attention ---------------------------------------------------------------------------------
 */

typedef struct Heads {
  int64_t heads, groups, size, width; /* query heads, those of K and V, elements of one */
} Heads;

static Value *biased(Draw *d, Value *x) {
  if (draw_chance(d, 40)) return x;
  return commute(d, "Add", x, vector(d, x, size_at(x, -1)));
}

static Value *project(Draw *d, Value *x, int64_t columns) {
  return biased(d, OP(d, "MatMul", x, weight(d, x, size_at(x, -1), columns)));
}

static Value *part_of(Draw *d, Value *x, int64_t from, int64_t to) {
  return slice(d, x, rank_of(x) - 1, from, to, 1);
}

/* One projection that is cut into three, or three of them. */
static void project_all(Draw *d, Value *x, const Heads *h, Value *qkv[3]) {
  const int64_t sizes[] = {h->heads * h->size, h->groups * h->size, h->groups * h->size};
  int64_t from = 0;
  if (draw_chance(d, 60)) {
    for (int i = 0; i < 3; i++) qkv[i] = project(d, x, sizes[i]);
    return;
  }
  Value *all = project(d, x, sizes[0] + sizes[1] + sizes[2]);
  if (draw_chance(d, 50)) {
    Value *inputs[] = {all, build_ints(&d->b, sizes, 3)};
    Node *node = build_node(&d->b, "", "Split", inputs, 2, 3);
    node_set_int(node, "axis", -1);
    build_done(&d->b, node);
    for (uint32_t i = 0; i < 3; i++) qkv[i] = node_out(node, i);
    return;
  }
  for (int i = 0; i < 3; i++, from += sizes[i - 1]) {
    qkv[i] = part_of(d, all, from, from + sizes[i]);
  }
}

/* [batch, length, heads * size] to [batch, heads, length, size], or for K at once to [batch, heads,
 * size, length]. */
static Value *split_heads(Draw *d, Value *x, int64_t heads, int64_t size, bool transposed) {
  static const int64_t perm[] = {0, 2, 1, 3}, turned[] = {0, 2, 3, 1};
  Value *y = reshape(d, x, 4, (const int64_t[]){-2, -3, heads, size});
  return transpose(d, y, transposed ? turned : perm);
}

static Value *rotate_half(Draw *d, Value *x, int64_t size) {
  Value *parts[] = {OP(d, "Neg", part_of(d, x, size / 2, draw_chance(d, 50) ? size : INT64_MAX)),
                    part_of(d, x, 0, size / 2)};
  return compose_concat(&d->b, parts, 2, 3);
}

static Value *rotate_pairs(Draw *d, Value *x) {
  Value *even = slice(d, x, 3, 0, INT64_MAX, 2), *odd = slice(d, x, 3, 1, INT64_MAX, 2);
  Value *axis = ints(d, 4);
  Value *parts[] = {OP(d, "Unsqueeze", OP(d, "Neg", odd), axis), OP(d, "Unsqueeze", even, axis)};
  return OP(d, "Reshape", compose_concat(&d->b, parts, 2, 4), OP(d, "Shape", x));
}

/* Angles [length, size], of positions and frequencies. */
static Value *angles(Draw *d, Value *like, Value *x, int64_t size) {
  Value *length = OP(d, "Gather", OP(d, "Shape", x), build_i64(&d->b, 1));
  Value *range = OP(d, "Range", build_i64(&d->b, 0), length, build_i64(&d->b, 1));
  Value *position = OP(d, "Unsqueeze", cast(d, range, like->type.dtype), ints(d, 1));
  Value *half = commute(d, "Mul", position, positive(d, like, size / 2));
  return compose_concat(&d->b, (Value *[]){half, half}, 2, 1);
}

static void rotate(Draw *d, Value *x, const Heads *h, Value **q, Value **k) {
  Value *all = angles(d, x, x, h->size), *cos = OP(d, "Cos", all), *sin = OP(d, "Sin", all);
  Value **both[] = {q, k};
  bool halves = draw_chance(d, 70);
  for (int i = 0; i < 2; i++) {
    Value *in = *both[i], *turned = halves ? rotate_half(d, in, h->size) : rotate_pairs(d, in);
    Value *a = commute(d, "Mul", in, cos);
    *both[i] = commute(d, "Add", a, commute(d, "Mul", turned, sin));
  }
}

/* Each head of K or V for all of the heads of Q that share it. */
static Value *repeat_heads(Draw *d, Value *x, const Heads *h) {
  int64_t times = h->heads / h->groups;
  if (times == 1) return x;
  Value *y = OP(d, "Unsqueeze", x, ints(d, 2));
  const int64_t ones[] = {1, 1, times, 1, 1};
  Value *more = build_ints(&d->b, ones, 5);
  y = OP(d, draw_chance(d, 60) ? "Expand" : "Tile", y, more);
  return reshape(d, y, 4, (const int64_t[]){-2, h->heads, -5, -6});
}

/* What a score becomes that is not to count. */
static Value *hidden_score(Draw *d, Value *scores) {
  bool half = scores->type.dtype == ONNXC_RT_F16;
  return scalar(d, scores, half ? -1e4 : DRAW_OF(d, double, -1e4, -1e9, -3.4028234663852886e38));
}

static Value *causal_mask(Draw *d, Value *x, Value *scores) {
  Value *length = OP(d, "Gather", OP(d, "Shape", x), ints(d, 1));
  if (draw_chance(d, 50)) {
    Value *one = OP(d, "Squeeze", length, ints(d, 0)), *zero = build_i64(&d->b, 0);
    Value *range = OP(d, "Range", zero, one, build_i64(&d->b, 1));
    Value *seen = OP(d, "LessOrEqual", OP(d, "Unsqueeze", range, ints(d, 0)),
                     OP(d, "Unsqueeze", range, ints(d, 1)));
    return OP(d, "Where", seen, scores, hidden_score(d, scores));
  }
  Value *square =
      OP(d, "ConstantOfShape", compose_concat(&d->b, (Value *[]){length, length}, 2, 0));
  Value *full = commute(d, "Add", cast(d, square, scores->type.dtype), hidden_score(d, scores));
  Value *inputs[] = {full, build_i64(&d->b, 1)};
  Node *node = build_node(&d->b, "", "Trilu", inputs, 2, 1);
  node_set_int(node, "upper", 1);
  return commute(d, "Add", scores, build_done(&d->b, node));
}

/* A mask [batch, length] of what may be seen. */
static Value *padding_mask(Draw *d, Value *x, Value *scores) {
  Value *mask = draw_input(d, draw_chance(d, 50) ? ONNXC_RT_BOOL : ONNXC_RT_I64, 2, x->type.dims);
  if (mask == NULL) return scores;
  Value *wide = OP(d, "Unsqueeze", mask, ints2(d, 1, 2));
  if (mask->type.dtype == ONNXC_RT_BOOL && draw_chance(d, 60)) {
    return OP(d, "Where", wide, scores, hidden_score(d, scores));
  }
  Value *hidden = OP(d, "Sub", scalar(d, scores, 1), cast(d, wide, scores->type.dtype));
  return commute(d, "Add", scores, commute(d, "Mul", hidden, hidden_score(d, scores)));
}

static Value *mask(Draw *d, Value *x, Value *scores) {
  if (draw_chance(d, 20)) {
    Value *limit = scalar(d, x, 5);
    scores = commute(d, "Mul", OP(d, "Tanh", OP(d, "Div", scores, limit)), limit);
  }
  if (draw_chance(d, 35)) scores = causal_mask(d, x, scores);
  if (draw_chance(d, 35)) scores = padding_mask(d, x, scores);
  return scores;
}

static Value *attend(Draw *d, Value *x, Value *q, Value *k, Value *v, const Heads *h, bool turned) {
  static const int64_t turn[] = {0, 1, 3, 2};
  double scale = 1 / sqrt((double)h->size);
  int64_t where = draw_in(d, 0, 3);
  if (where == 0) q = commute(d, "Mul", q, scalar(d, x, scale));
  if (where == 1) k = commute(d, "Mul", k, scalar(d, x, scale));
  Value *scores = OP(d, "MatMul", q, turned ? k : transpose(d, k, turn));
  if (where == 2) scores = commute(d, "Mul", scores, scalar(d, x, scale));
  if (where == 3) scores = OP(d, "Div", scores, scalar(d, x, 1 / scale));
  Value *weights = with_int(d, "Softmax", mask(d, x, scores), "axis", -1);
  return OP(d, "MatMul", weights, v);
}

static Value *attention_node(Draw *d, Value *q, Value *k, Value *v) {
  Value *inputs[] = {q, k, v};
  Node *node = build_node(&d->b, "", "Attention", inputs, 3, 1);
  if (draw_chance(d, 40)) node_set_int(node, "is_causal", 1);
  if (draw_chance(d, 20)) node_set_float(node, "softcap", 5);
  return build_done(&d->b, node);
}

Value *draw_attention(Draw *d, Value *x) {
  static const int64_t perm[] = {0, 2, 1, 3};
  int64_t width = size_at(x, -1);
  if (!is_float(x) || rank_of(x) != 3 || width < 2) return NULL;
  Heads h = {
      .heads = DRAW_OF(d, int64_t, 1, 2, 4), .size = DRAW_OF(d, int64_t, 2, 4), .width = width};
  h.groups = draw_chance(d, 60) ? h.heads : draw_chance(d, 50) ? 1 : (h.heads + 1) / 2;
  Value *qkv[3];
  project_all(d, x, &h, qkv);
  bool node = draw_chance(d, 20), rotary = draw_chance(d, 25);
  bool turned = !node && !rotary && h.heads == h.groups && draw_chance(d, 40);
  Value *q = split_heads(d, qkv[0], h.heads, h.size, false);
  Value *k = split_heads(d, qkv[1], h.groups, h.size, turned);
  Value *v = split_heads(d, qkv[2], h.groups, h.size, false);
  if (draw_chance(d, 10)) q = draw_norm(d, q);
  if (rotary) rotate(d, x, &h, &q, &k);
  Value *mixed = node ? attention_node(d, q, k, v)
                      : attend(d, x, q, repeat_heads(d, k, &h), repeat_heads(d, v, &h), &h, turned);
  Value *y = reshape(d, transpose(d, mixed, perm), 3, (const int64_t[]){-2, -3, h.heads * h.size});
  return project(d, y, width);
}
