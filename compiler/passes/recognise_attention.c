/* recognise-attention: softmax(scale * Q K^T, soft-capped, + masks) V -> Attention.
 *
 * Walks from the operands of a product back over the softmax to the product of Q and K, through
 * everything that such models put in between, in any order: reshapes and transposes, factors, sums
 * with masks, scores replaced by a low number where a mask says so, tanh for a soft cap, casts. It
 * is recognised by what the steps mean, not by their order:
 *
 * - Softmax is over the axis that the second product sums over, and so is that of the keys. All
 *   tensors of the walk are views of one another (axes.h), so every axis is known in each of them.
 * - Factors multiply what lies below them: masks as well as scores. A soft cap is A tanh(B scores).
 *   What is the same for all keys of a query changes nothing, so numbers that are added go.
 * - Masks become one, of rank 4: added, or a bool one where all that masks do is to hide keys.
 * - K and V may have fewer heads than Q where they broadcast: these are their heads.
 *
 * A query that sees no key gives NaN where masks hide by minus infinity; 0 where the model turns
 * these rows into 0; the mean of all values where scores are replaced by a low number, since then
 * they are equal. Attention's empty_rows says which, so results are the same for such rows too.
 * Scores are taken never to be near the low numbers that hide.
 *
 * All values on the way must have no other use. */
#include "onnxc_rt_kernels.h"
#include "ops/compose.h"
#include "passes/axes.h"
#include "passes/facts.h"
#include "passes/pass.h"
#include "passes/scores.h"

#include <math.h>
#include <string.h>

enum { MAX_MASKS = 6 };

/* A sum or a choice on the way. */
typedef struct Mask {
  Value *value;  /* added; or the condition */
  double factor; /* of what is added */
  bool hides;    /* the score is replaced by `low` where the condition is `hidden` */
  bool hidden;
  double low;
  int view;
} Mask;

/* Operand of a product. */
typedef struct Operand {
  Value *value;
  int view;
} Operand;

typedef struct Walk {
  Match *m;
  Axes axes;
  int keys;       /* a view of one axis, that of the keys */
  int top;        /* view of the probabilities, where they meet V */
  bool below;     /* the softmax was passed */
  double factor;  /* of what comes, within the softmax or the tanh */
  double softcap; /* 0: none so far */
  int n_masks;
  Mask masks[MAX_MASKS]; /* from the softmax downwards */
  Value *scores;         /* what the softmax is of */
  Mask zeroed;           /* probabilities that are replaced by 0; value NULL: none */
  bool by_factor;        /* by a factor 0, which leaves those that are NaN */
  bool zeroes_nan;       /* those that are NaN are */
  Operand q, k, v;
  Axis size, v_size; /* of a head */
} Walk;

static bool walk(Walk *w, Value *value);

static const View *view_of(const Walk *w, int index) {
  return &w->axes.views[index];
}

static const Axis *keys_of(const Walk *w) {
  return &view_of(w, w->keys)->axes[0];
}

/* ---- products ----------------------------------------------------------------------------------
 */

/* MatMul, or Gemm without a third operand, of matrices. */
static bool is_product(const Node *node) {
  for (uint32_t i = 0; i < 2; i++) {
    if (!is_float(node->in[i].value) || node->in[i].value->type.rank < 2) return false;
  }
  return node_in(node, 2) == NULL && node->out[0]->type.dtype == node->in[0].value->type.dtype;
}

static bool transposes(const Node *node, int operand) {
  if (strcmp(node->op->name, "Gemm") != 0) return false;
  return op_param_i(node, operand == 0 ? "transA" : "transB") != 0;
}

static double product_factor(const Node *node) {
  return strcmp(node->op->name, "Gemm") == 0 ? (double)op_param_f(node, "alpha") : 1;
}

/* Keeps the view of operand `i` of a product: the leading axes of `like`, then the axis `outer`,
 * and `inner`, which the product sums over. */
static bool keep_operand(Walk *w, const Node *node, int i, const View *like, const Axis *outer,
                         const Axis *inner, Operand *operand) {
  View view = *like;
  bool inner_last = (i == 0) != transposes(node, i);
  view.axes[view.rank - 2] = inner_last ? *outer : *inner;
  view.axes[view.rank - 1] = inner_last ? *inner : *outer;
  operand->value = node->in[i].value;
  return axes_keep(&w->axes, &view, &operand->view);
}

static const Dim *inner_size(const Node *node, int i) {
  const Type *type = &node->in[i].value->type;
  bool inner_last = (i == 0) != transposes(node, i);
  return type->dims[type->rank - (inner_last ? 1 : 2)];
}

/* The product of Q and K: one of the last two axes is that of the keys. Constant matrices are
 * weights, and the product is a layer. */
static bool take_scores(Walk *w, Node *node) {
  const View here = *view_of(w, 0);
  const Axis *rows = &here.axes[here.rank - 2], *columns = &here.axes[here.rank - 1];
  if (!is_product(node) || here.rank < 2) return false;
  int k = axis_equal(columns, keys_of(w)) ? 1 : 0;
  if (k == 0 && !axis_equal(rows, keys_of(w))) return false;
  const Value *key = node->in[k].value;
  if (key->constant != NULL && key->type.rank == 2) return false;
  if (!axes_add(&w->axes, inner_size(node, 0), &w->size)) return false;
  w->factor *= product_factor(node);
  return isfinite(w->factor) &&
         keep_operand(w, node, k, &here, k == 1 ? columns : rows, &w->size, &w->k) &&
         keep_operand(w, node, 1 - k, &here, k == 1 ? rows : columns, &w->size, &w->q);
}

/* ---- steps of the walk -------------------------------------------------------------------------
 */

static bool take_cast(Walk *w, Node *node) {
  Value *x = node->in[0].value;
  return is_float(x) && is_float(node->out[0]) && walk(w, x);
}

static bool take_view(Walk *w, Node *node) {
  Value *x = node->in[0].value;
  return axes_reshape(&w->axes, &x->type) && walk(w, x);
}

static bool take_transpose(Walk *w, Node *node) {
  int64_t perm[MAX_RANK];
  transpose_perm(node, perm);
  axes_transpose(&w->axes, perm);
  return walk(w, node->in[0].value);
}

static bool take_softmax(Walk *w, Node *node) {
  const View *here = view_of(w, 0);
  int64_t axis = op_param_i(node, "axis");
  if (axis < 0) axis += here->rank;
  w->below = true;
  w->scores = node->in[0].value;
  return axis_equal(&here->axes[axis], keys_of(w)) && walk(w, w->scores);
}

static bool take_factor(Walk *w, Node *node) {
  double number;
  bool divides = strcmp(node->op->name, "Div") == 0;
  for (uint32_t i = 0; i < (divides ? 1 : 2); i++) {
    Value *x = node->in[i].value;
    if (!value_splat(node->in[1 - i].value, &number) || number == 0) continue;
    w->factor = divides ? w->factor / number : w->factor * number;
    return isfinite(w->factor) && axes_operand(&w->axes, &x->type) && walk(w, x);
  }
  return false;
}

static bool take_negative(Walk *w, Node *node) {
  w->factor = -w->factor;
  return walk(w, node->in[0].value);
}

/* A tanh(B x) is a soft cap for any A and B; it is odd, so A can be above 0. */
static bool take_tanh(Walk *w, Node *node) {
  if (w->softcap != 0) return false;
  w->softcap = fabs(w->factor);
  w->factor = w->factor < 0 ? -1 : 1;
  return walk(w, node->in[0].value);
}

static bool keep_mask(Walk *w, Mask mask) {
  if (w->n_masks == MAX_MASKS || w->softcap != 0) return false;
  if (!axes_keep(&w->axes, view_of(w, 0), &mask.view)) return false;
  w->masks[w->n_masks++] = mask;
  return true;
}

/* x - max(x) over the keys. */
static bool subtracts_maximum(Walk *w, const Node *node) {
  const Value *max = node->in[1].value;
  bool flags[MAX_RANK], keepdims;
  if (strcmp(node->op->name, "Sub") != 0 || !value_is(max, "ReduceMax")) return false;
  if (max->producer->in[0].value != node->in[0].value) return false;
  if (!reduce_axes(max->producer, flags, &keepdims) || !keepdims) return false;
  for (int i = 0; i < max->type.rank; i++) {
    if (flags[i] != axis_equal(&view_of(w, 0)->axes[i], keys_of(w))) return false;
  }
  return match_add(w->m, max->producer, true);
}

/* What is added to the scores; nothing has to be done for a number, or for the maximum. */
static bool add_mask(Walk *w, const Node *node, uint32_t i) {
  Value *mask = node->in[i].value;
  double number, sign = i == 1 && strcmp(node->op->name, "Sub") == 0 ? -1 : 1;
  if (value_splat(mask, &number)) return isfinite(number) && w->softcap == 0;
  if (i == 1 && w->softcap == 0 && subtracts_maximum(w, node)) return true;
  return is_float(mask) && keep_mask(w, (Mask){.value = mask, .factor = sign * w->factor});
}

static bool take_sum(Walk *w, Node *node) {
  for (uint32_t i = 0; i < 2; i++) {
    const Walk before = *w;
    uint32_t n_nodes = w->m->n_nodes;
    Value *x = node->in[i].value;
    bool negates = i == 1 && strcmp(node->op->name, "Sub") == 0;
    if (add_mask(w, node, 1 - i) && axes_operand(&w->axes, &x->type)) {
      if (negates) w->factor = -w->factor;
      if (walk(w, x)) return true;
    }
    *w = before;
    w->m->n_nodes = n_nodes;
  }
  return false;
}

/* ---- choices -----------------------------------------------------------------------------------
 */

/* The condition without Not before it, and whether it was turned around. */
static Value *bare_condition(Value *condition, bool *when) {
  while (value_is(condition, "Not")) {
    condition = condition->producer->in[0].value;
    *when = !*when;
  }
  return condition;
}

/* Probabilities that become 0: where they are NaN, or where a condition says so. */
static bool zero_where(Walk *w, const Node *node, bool when) {
  bool hidden = when;
  Value *condition = bare_condition(node->in[0].value, &hidden);
  const Value *x = node->in[when ? 2 : 1].value;
  if (value_is(condition, "IsNaN") && condition->producer->in[0].value == x) {
    w->zeroes_nan = true;
    return hidden && match_add(w->m, condition->producer, true);
  }
  if (w->zeroed.value != NULL) return false;
  w->zeroed = (Mask){.value = condition, .hides = true, .hidden = hidden};
  return axes_keep(&w->axes, view_of(w, 0), &w->zeroed.view);
}

/* Scores that become a low number. */
static bool hide_where(Walk *w, const Node *node, bool when, double low) {
  bool hidden = when;
  Value *condition = bare_condition(node->in[0].value, &hidden);
  Mask mask = {.value = condition, .hides = true, .hidden = hidden, .low = low * w->factor};
  return mask.low <= LOW_SCORE && keep_mask(w, mask);
}

static bool take_choice(Walk *w, Node *node) {
  for (uint32_t i = 1; i <= 2; i++) { /* the operand that is a number */
    Value *x = node->in[3 - i].value;
    double number;
    if (!value_splat(node->in[i].value, &number)) continue;
    bool taken =
        w->below ? hide_where(w, node, i == 1, number) : number == 0 && zero_where(w, node, i == 1);
    return taken && axes_operand(&w->axes, &x->type) && walk(w, x);
  }
  return false;
}

/* Probabilities times a bool as a number. */
static bool take_selection(Walk *w, Node *node) {
  for (uint32_t i = 0; i < 2; i++) {
    Value *flags = node->in[1 - i].value, *x = node->in[i].value;
    if (!value_is(flags, "Cast") || w->zeroed.value != NULL) continue;
    bool hidden = false;
    Value *condition = bare_condition(flags->producer->in[0].value, &hidden);
    if (condition->type.dtype != ONNXC_RT_BOOL) continue;
    w->zeroed = (Mask){.value = condition, .hides = true, .hidden = hidden};
    w->by_factor = true;
    return axes_keep(&w->axes, view_of(w, 0), &w->zeroed.view) &&
           axes_operand(&w->axes, &x->type) && walk(w, x);
  }
  return false;
}

/* ---- the walk ----------------------------------------------------------------------------------
 */

typedef struct Step {
  const char *op;
  enum { ABOVE = 1, BELOW = 2 } where; /* the softmax */
  bool (*take)(Walk *w, Node *node);
} Step;

static const Step steps[] = {
    {"Cast", ABOVE | BELOW, take_cast},
    {"Reshape", ABOVE | BELOW, take_view},
    {"Squeeze", ABOVE | BELOW, take_view},
    {"Unsqueeze", ABOVE | BELOW, take_view},
    {"Flatten", ABOVE | BELOW, take_view},
    {"Transpose", ABOVE | BELOW, take_transpose},
    {"Where", ABOVE | BELOW, take_choice},
    {"Mul", ABOVE, take_selection},
    {"Softmax", ABOVE, take_softmax},
    {"Mul", BELOW, take_factor},
    {"Div", BELOW, take_factor},
    {"Neg", BELOW, take_negative},
    {"Add", BELOW, take_sum},
    {"Sub", BELOW, take_sum},
    {"Tanh", BELOW, take_tanh},
    {"MatMul", BELOW, take_scores},
    {"Gemm", BELOW, take_scores},
};

/* From a value that is a view of the probabilities or of the scores down to Q and K. */
static bool walk(Walk *w, Value *value) {
  Node *node = value->output_index == 0 ? value->producer : NULL;
  for (size_t i = 0; node != NULL && i < sizeof steps / sizeof *steps; i++) {
    if (!(steps[i].where & (w->below ? BELOW : ABOVE)) || !value_is(value, steps[i].op)) continue;
    return match_add(w->m, node, true) && steps[i].take(w, node);
  }
  return false;
}

/* From operand `i` of the second product, which may be the probabilities. */
static bool start(Walk *w, Node *root, int i) {
  Value *p = root->in[i].value, *v = root->in[1 - i].value;
  const Type *type = &p->type, *out = &root->out[0]->type;
  if (type->rank != out->rank || !axes_start(&w->axes, root->graph->ctx->dims, type)) return false;
  for (int k = 0; k < type->rank - 2; k++) {
    if (dim_is(type->dims[k], 1) != dim_is(out->dims[k], 1)) return false;
  }
  if (v->constant != NULL && v->type.rank == 2) return false;
  const View here = *view_of(w, 0);
  bool keys_last = (i == 0) != transposes(root, i);
  const Axis *keys = &here.axes[here.rank - (keys_last ? 1 : 2)];
  int v_axis = (i == 0) != transposes(root, 1 - i) ? v->type.rank - 1 : v->type.rank - 2;
  return axes_keep(&w->axes, &(View){.rank = 1, .axes = {*keys}}, &w->keys) &&
         axes_keep(&w->axes, &here, &w->top) &&
         axes_add(&w->axes, v->type.dims[v_axis], &w->v_size) &&
         keep_operand(w, root, 1 - i, &here, &w->v_size, keys, &w->v) && walk(w, p);
}

/* ---- rows that see nothing ---------------------------------------------------------------------
 */

/* The condition of `a` is that of `b`, at the same places. */
static bool same_condition(const Walk *w, const Mask *a, const Mask *b) {
  const View *x = view_of(w, a->view), *y = view_of(w, b->view);
  if (a->value != b->value || a->hidden != b->hidden) return false;
  for (int i = 1; i <= a->value->type.rank; i++) {
    if (!axis_equal(&x->axes[x->rank - i], &y->axes[y->rank - i])) return false;
  }
  return true;
}

/* Probabilities become 0 where the only mask hides keys. That changes nothing but for queries that
 * see none, and so gives what Attention does with minus infinity. */
static bool zeroes_hidden(Walk *w) {
  Mask *mask = &w->masks[0];
  bool same = w->n_masks == 1 && mask->hides && mask->low <= LOW_SCORE;
  if (!same || !same_condition(w, mask, &w->zeroed)) return false;
  mask->low = -(double)INFINITY;
  return true;
}

/* ---- the plan ----------------------------------------------------------------------------------
 */

/* The atoms of the axes of Attention's operands. */
typedef struct Plan {
  Axis batch, heads, kv_heads, queries;
  Axis rows; /* all but the keys, in the order of the result */
} Plan;

static bool varies(const Walk *w, const Operand *operand, int atom) {
  return view_varies(view_of(w, operand->view), operand->value, atom);
}

static bool shared_by(const Walk *w, int atom) {
  return !varies(w, &w->k, atom) && !varies(w, &w->v, atom);
}

/* Whether all masks vary along the atom that do along the axis. */
static bool masks_vary_alike(const Walk *w, int atom, const Axis *axis) {
  for (int i = 0; i < w->n_masks; i++) {
    const View *view = view_of(w, w->masks[i].view);
    bool any = false;
    for (int k = 0; k < axis->n; k++) any |= view_varies(view, w->masks[i].value, axis->atoms[k]);
    if (any != view_varies(view, w->masks[i].value, atom)) return false;
  }
  return true;
}

static void move_last(Axis *from, Axis *to) {
  memmove(to->atoms + 1, to->atoms, (size_t)to->n++);
  to->atoms[0] = from->atoms[--from->n];
}

static bool is_constant(const Walk *w, const Axis *axis) {
  for (int i = 0; i < axis->n; i++) {
    if (!dim_is_const(w->axes.sizes[axis->atoms[i]], NULL)) return false;
  }
  return true;
}

/* Queries: the last atom, and those of the same axis before it that masks treat alike (the rest of
 * them are heads that share keys, and were put side by side). Heads: the last atom before, and
 * those in front of it while K and V do not vary along it. */
static Plan make_plan(const Walk *w) {
  const View *top = view_of(w, w->top);
  Plan p = {0};
  for (int i = 0; i < top->rank; i++) {
    if (!axis_equal(&top->axes[i], keys_of(w))) axis_append(&p.rows, &top->axes[i]);
  }
  const Axis *columns = &top->axes[top->rank - 1], *lines = &top->axes[top->rank - 2];
  const Axis *q = axis_equal(columns, keys_of(w)) ? lines : columns;
  p.batch = p.rows;
  for (int i = q->n; i-- > 0;) {
    if (i < q->n - 1 && !masks_vary_alike(w, q->atoms[i], &p.queries)) break;
    move_last(&p.batch, &p.queries);
  }
  if (p.batch.n == 0) return p;
  if (p.batch.n > 1 || shared_by(w, p.batch.atoms[0])) move_last(&p.batch, &p.heads);
  while (p.batch.n > 1 && shared_by(w, p.heads.atoms[0])) move_last(&p.batch, &p.heads);
  if (!is_constant(w, &p.heads)) {
    axis_append(&p.batch, &p.heads);
    p.heads.n = 0;
  }
  p.kv_heads = p.heads;
  while (p.kv_heads.n != 0 && shared_by(w, p.kv_heads.atoms[p.kv_heads.n - 1])) p.kv_heads.n--;
  return p;
}

/* ---- masks -------------------------------------------------------------------------------------
 */

/* The mask made so far, from the product upwards. */
typedef struct Bias {
  Value *shown; /* bool: what is not hidden; NULL: all */
  Value *added; /* NULL: nothing; not both */
  double low;   /* what `shown` makes of other scores */
} Bias;

/* Masks that all hide alike are one. Otherwise what hides is added with the rest. */
static bool masks_combine(const Walk *w) {
  DType dtype = w->q.value->type.dtype;
  bool alike = true, vanish = true;
  for (int i = 0; i < w->n_masks; i++) {
    /* a number of a wider type may become minus infinity */
    bool narrows = dtype == ONNXC_RT_F16 && w->masks[i].value->type.dtype != dtype;
    if (narrows && !w->masks[i].hides) return false;
    alike = alike && w->masks[i].hides && w->masks[i].low == w->masks[0].low;
    vanish = vanish && (!w->masks[i].hides || score_vanishes(dtype, w->masks[i].low));
  }
  return alike || vanish;
}

static Value *arrange_mask(Builder *b, const Walk *w, const Plan *p, const Mask *mask) {
  const Axis groups[] = {p->batch, p->heads, p->queries, *keys_of(w)};
  return axes_arrange(b, &w->axes, view_of(w, mask->view), mask->value, groups, 4, false);
}

static Value *choose(Builder *b, Value *shown, Value *yes, Value *no) {
  return BUILD(b, "Where", shown, yes, no);
}

/* What is added so far, with hidden keys as numbers. */
static Value *added_bias(Builder *b, const Walk *w, const Bias *bias) {
  const Value *like = w->q.value;
  if (bias->shown == NULL) return bias->added;
  return choose(b, bias->shown, build_like(b, like, 0), build_like(b, like, bias->low));
}

static void add_to_bias(Builder *b, const Walk *w, Value *mask, double factor, Bias *bias) {
  DType dtype = w->q.value->type.dtype;
  if (factor != 1) mask = BUILD(b, "Mul", mask, build_like(b, mask, factor));
  mask = compose_cast(b, mask, dtype);
  Value *before = added_bias(b, w, bias);
  *bias = (Bias){.added = before == NULL ? mask : BUILD(b, "Add", before, mask)};
}

static void hide_in_bias(Builder *b, const Walk *w, Value *condition, const Mask *mask,
                         Bias *bias) {
  if (bias->added != NULL) {
    Value *low = build_like(b, w->q.value, mask->low), *x = bias->added;
    bias->added = choose(b, condition, mask->hidden ? low : x, mask->hidden ? x : low);
    return;
  }
  Value *shown = mask->hidden ? BUILD(b, "Not", condition) : condition;
  bias->shown = bias->shown == NULL ? shown : BUILD(b, "And", bias->shown, shown);
  bias->low = mask->low;
}

static Bias build_bias(Builder *b, const Walk *w, const Plan *p) {
  Bias bias = {0};
  for (int i = w->n_masks; i-- > 0;) {
    const Mask *mask = &w->masks[i];
    Value *value = arrange_mask(b, w, p, mask);
    if (mask->hides) {
      /* a choice further up that hides in another way is for everything below it */
      if (bias.shown != NULL && bias.low != mask->low)
        bias = (Bias){.added = added_bias(b, w, &bias)};
      hide_in_bias(b, w, value, mask, &bias);
    } else {
      add_to_bias(b, w, value, mask->factor, &bias);
    }
  }
  return bias;
}

/* ---- building ----------------------------------------------------------------------------------
 */

static Value *arrange(Builder *b, const Walk *w, const Plan *p, const Operand *operand,
                      const Axis *heads, const Axis *rows, const Axis *size) {
  const Axis groups[] = {p->batch, *heads, *rows, *size};
  return axes_arrange(b, &w->axes, view_of(w, operand->view), operand->value, groups, 4, true);
}

/* Whether a query that sees no key gives NaN. */
static bool leaves_nan(const Walk *w) {
  if (w->zeroes_nan) return false;
  if (w->zeroed.value == NULL) return true;
  bool infinite = false;
  for (int i = 0; i < w->n_masks; i++) {
    infinite = infinite || !w->masks[i].hides || isinf(w->masks[i].low);
  }
  return w->by_factor && infinite;
}

static double scale_of(const Walk *w) {
  return w->softcap == 0 ? w->factor : w->factor * w->softcap;
}

static Value *build_attention(Builder *b, const Walk *w, const Plan *p) {
  Bias bias = build_bias(b, w, p);
  Value *inputs[] = {
      arrange(b, w, p, &w->q, &p->heads, &p->queries, &w->size),
      arrange(b, w, p, &w->k, &p->kv_heads, keys_of(w), &w->size),
      arrange(b, w, p, &w->v, &p->kv_heads, keys_of(w), &w->v_size),
      bias.shown != NULL ? bias.shown : bias.added,
  };
  double softcap = w->softcap, scale = scale_of(w);
  Node *node = build_node(b, "", "Attention", inputs, inputs[3] == NULL ? 3 : 4, 1);
  node_set_float(node, "scale", (float)scale);
  if (softcap != 0) node_set_float(node, "softcap", (float)softcap);
  if (bias.shown != NULL && isfinite(bias.low)) {
    node_set_int(node, "empty_rows", ONNXC_RT_EMPTY_MEAN);
  } else if (inputs[3] != NULL && leaves_nan(w)) {
    node_set_int(node, "empty_rows", ONNXC_RT_EMPTY_NAN);
  }
  return build_done(b, node);
}

/* [batch, heads, queries, v size] as the result of the root. */
static Value *build_result(Builder *b, const Walk *w, const Node *root, Value *y) {
  const Type *out = &root->out[0]->type;
  int64_t perm[MAX_RANK];
  const Dim *dims[MAX_RANK];
  int rank = out->rank;
  bool swapped = w->v.value == root->in[0].value;
  for (int i = 0; i < rank; i++) {
    perm[i] = i;
    dims[i] = out->dims[i];
  }
  if (!swapped) return compose_reshape(b, y, dims, rank);
  perm[rank - 2] = rank - 1;
  perm[rank - 1] = rank - 2;
  dims[rank - 2] = out->dims[rank - 1];
  dims[rank - 1] = out->dims[rank - 2];
  return compose_transpose(b, compose_reshape(b, y, dims, rank), perm);
}

/* The second product, with probabilities as operand `i`. */
static Value *try_operand(Match *m, Walk *w, int i) {
  *w = (Walk){.m = m, .factor = 1};
  m->n_nodes = 1;
  if (!start(w, m->root, i) || !match_closed(m)) return NULL;
  if (w->zeroed.value != NULL && !zeroes_hidden(w)) return NULL;
  DType dtype = w->q.value->type.dtype;
  if (w->k.value->type.dtype != dtype || w->v.value->type.dtype != dtype) return NULL;
  const Value *q = w->q.value;
  if (!attribute_holds(q, scale_of(w)) || !attribute_holds(q, w->softcap)) return NULL;
  if (!masks_combine(w)) return NULL;
  const Plan plan = make_plan(w);
  return build_result(&m->builder, w, m->root, build_attention(&m->builder, w, &plan));
}

static Value *build_from_products(Match *m) {
  Walk *w = ARENA_NEW(pass_scratch(m->run), Walk);
  if (!is_product(m->root) || product_factor(m->root) != 1) return NULL;
  Value *y = try_operand(m, w, 0);
  return y != NULL ? y : try_operand(m, w, 1);
}

/* ---- masks by arithmetic -----------------------------------------------------------------------
 */

/* Numbers of which each is 0 or 1. */
static bool is_flags(const Value *value) {
  while (value->constant == NULL && value_is(value, VIEW_NAMES " Slice Expand Transpose Cast")) {
    value = value->producer->in[0].value;
    if (value->type.dtype == ONNXC_RT_BOOL) return true;
  }
  if (value->constant == NULL || !is_float(value)) return false;
  for (size_t i = 0; i < value->constant->count; i++) {
    double number = tensor_f64(value->constant, i);
    if (number != 0 && number != 1) return false;
  }
  return true;
}

/* What a constant adds where the flags are 0; it must add 0 where they are 1. */
static bool low_of(const Tensor *flags, const Tensor *added, double *low) {
  bool any = false;
  if (flags->count != added->count || flags->rank != added->rank ||
      memcmp(flags->dims, added->dims, (size_t)flags->rank * sizeof *flags->dims) != 0) {
    return false;
  }
  for (size_t i = 0; i < flags->count; i++) {
    double number = tensor_f64(added, i);
    if (tensor_f64(flags, i) != 0) {
      if (number != 0) return false;
      continue;
    }
    if (any && number != *low) return false;
    *low = number;
    any = true;
  }
  return any;
}

/* x * flags + (1 - flags) * low -> the choice that it is; also where all but x is constant. */
static Value *build_choice(Match *m) {
  Value *flags = match_value(m, "flags"), *x = match_value(m, "x");
  const Value *added = match_value(m, "added");
  double low;
  if (!is_flags(flags) || !same_type(x, m->root->out[0])) return NULL;
  bool known = added == NULL
                   ? match_scalar(m, "low", &low)
                   : flags->constant != NULL && low_of(flags->constant, added->constant, &low);
  if (!known || !isfinite(low)) return NULL;
  if (strcmp(m->root->op->name, "Sub") == 0) low = -low;
  Builder *b = &m->builder;
  return BUILD(b, "Where", compose_cast(b, flags, ONNXC_RT_BOOL), x, build_like(b, x, low));
}

#define CHOSEN P("Mul", ANY("x"), ANY("flags"))
#define HIDDEN                                                                                     \
  OR(PM("Mul", "hidden", PM("Sub", "others", SCALAR(1), ANY("flags")), CONST("low")),              \
     CONST("added"))

static const Rule rules[] = {
    RULE("choice", OR(P("Add", CHOSEN, HIDDEN), P("Sub", CHOSEN, HIDDEN)), build_choice),
    RULE("attention", P("MatMul|Gemm", ANY("a"), ANY("b")), build_from_products),
};

const PassDef pass_recognise_attention = {
    .name = "recognise-attention",
    .what = "Softmax between two products becomes Attention",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
