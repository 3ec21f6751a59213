/* simplify-attention: what is in front of an Attention -> its attributes, or nothing.
 *
 * - Factors of Q and K -> scale. Right because the scores are linear in both; they are found
 *   through what only moves elements.
 * - Heads of K and V that are copies of others -> fewer heads of K and V. Right because head h of Q
 *   reads head h / (heads / kv_heads), and each was copied to as many in a row.
 * - [batch * heads, 1, ...] made from [batch, heads, ...] -> the latter. A Reshape that only splits
 *   or adds axes behind a Transpose -> in front of it. Both only name elements differently, and
 * leave views.
 * - Masks: sums and conjunctions of masks are taken apart. One that shows a band along the diagonal
 *   (bands.h) -> is_causal and windows. Other masks of 0 and a number that hides -> the condition;
 *   copies along axes that broadcast -> the mask itself. A mask that adds low numbers is taken so
 *   only when it is the only one: two of them are lower than one, which shows in queries that see
 *   no key. */
#include "onnxc_rt_kernels.h"
#include "ops/compose.h"
#include "passes/axes.h"
#include "passes/bands.h"
#include "passes/facts.h"
#include "passes/pass.h"
#include "passes/scores.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, MASK, LENGTHS = 6, PLACE, N_INPUTS };
enum { MAX_DEPTH = 8, MAX_MASKS = 8 };

static bool is_view(const Value *value) {
  return value_is(value, "Reshape") || value_is(value, "Squeeze") || value_is(value, "Unsqueeze");
}

/* An Attention of the same attributes, not yet inferred. */
static Node *copy_attention(Match *m, Value *const *inputs) {
  uint32_t n = N_INPUTS;
  while (inputs[n - 1] == NULL) n--;
  Node *node = build_node(&m->builder, "", "Attention", inputs, n, 1);
  for (uint32_t i = 0; i < m->root->n_attrs; i++) node_set_attr(node, m->root->attrs[i]);
  return node;
}

/* The inputs; false for forms that are not the core one. */
static bool inputs_of(const Match *m, Value **inputs) {
  for (uint32_t i = 0; i < N_INPUTS; i++) inputs[i] = node_in(m->root, i);
  bool plain = inputs[4] == NULL && inputs[5] == NULL && inputs[Q]->type.rank == 4;
  for (uint32_t i = 1; i < m->root->n_out; i++) plain = plain && m->root->out[i] == NULL;
  return plain && (inputs[MASK] == NULL || inputs[MASK]->type.rank == 4);
}

/* ---- factors -----------------------------------------------------------------------------------
 */

static bool only_moves(const Value *value) {
  return is_view(value) || value_is(value, "Transpose") || value_is(value, "Expand");
}

/* The product with a number behind what only moves elements; the operand that is no number. */
static const Node *find_factor(const Value *value, uint32_t *operand, double *factor) {
  for (int i = 0; i < MAX_DEPTH && only_moves(value); i++) value = value->producer->in[0].value;
  bool divides = value_is(value, "Div");
  if (!divides && !value_is(value, "Mul")) return NULL;
  const Node *node = value->producer;
  for (uint32_t i = 0; i < (divides ? 1 : 2); i++) {
    double number;
    if (!value_splat(node->in[1 - i].value, &number) || number == 0) continue;
    if (!same_type(node->in[i].value, value)) continue;
    *operand = i;
    *factor = divides ? 1 / number : number;
    return isfinite(*factor) ? node : NULL;
  }
  return NULL;
}

static Value *copy_node(Builder *b, const Node *node, Value *x) {
  Value *inputs[3] = {x};
  for (uint32_t i = 1; i < node->n_in && i < 3; i++) inputs[i] = node_in(node, i);
  Node *copy = build_node(b, "", node->op->name, inputs, node->n_in, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(copy, node->attrs[i]);
  return build_done(b, copy);
}

/* `value` with `to` in the place of `from`, from which it is moved. */
static Value *move_again(Builder *b, Value *value, const Value *from, Value *to) {
  if (value == from) return to;
  return copy_node(b, value->producer, move_again(b, value->producer->in[0].value, from, to));
}

static double scale_of(const Node *node) {
  const Attr *scale = op_param_list(node, "scale");
  return scale != NULL ? (double)scale->f : 1 / sqrt((double)static_dim(node->in[Q].value, 3));
}

static Value *take_factor(Match *m) {
  Value *inputs[N_INPUTS];
  if (!inputs_of(m, inputs)) return NULL;
  for (uint32_t i = Q; i <= K; i++) {
    uint32_t operand;
    double factor;
    const Node *product = find_factor(inputs[i], &operand, &factor);
    double scale = product == NULL ? 0 : scale_of(m->root) * factor;
    if (product == NULL || !isfinite(scale) || !attribute_holds(inputs[i], scale)) continue;
    inputs[i] = move_again(&m->builder, inputs[i], product->out[0], product->in[operand].value);
    Node *node = copy_attention(m, inputs);
    node_set_float(node, "scale", (float)scale);
    return build_done(&m->builder, node);
  }
  return NULL;
}

/* ---- heads that are copies ---------------------------------------------------------------------
 */

/* Tile along axes of size 1. */
static Value *expand_tile(Match *m) {
  Value *x = match_value(m, "x");
  int64_t repeats[MAX_RANK];
  uint32_t n;
  if (!value_ints(match_value(m, "repeats"), repeats, MAX_RANK, &n)) return NULL;
  for (uint32_t i = 0; i < n; i++) {
    if (repeats[i] != 1 && !dim_is(x->type.dims[i], 1)) return NULL;
  }
  return BUILD(&m->builder, "Expand", x, build_ints(&m->builder, repeats, n));
}

/* Concat of one value with itself along an axis of size 1. */
static Value *expand_concat(Match *m) {
  Value *x = match_value(m, "x");
  const Type *out = &m->root->out[0]->type;
  int64_t axis = op_param_i(m->root, "axis"), sizes[MAX_RANK];
  if (axis < 0) axis += out->rank;
  if (m->root->n_in < 2 || !dim_is(x->type.dims[axis], 1)) return NULL;
  for (uint32_t i = 1; i < m->root->n_in; i++) {
    if (m->root->in[i].value != x) return NULL;
  }
  for (int i = 0; i < out->rank; i++) sizes[i] = i == axis ? m->root->n_in : 1;
  return BUILD(&m->builder, "Expand", x, build_ints(&m->builder, sizes, (size_t)out->rank));
}

/* How often each index of an axis of `value` is there, in a row; 1: nothing is known. `*once` gets
 * the value without the copies where there is a builder. */
static int64_t copies_along(Builder *b, Value *value, int axis, Value **once, int depth);

static int64_t copies_of_expand(Builder *b, Value *value, int axis, Value **once) {
  Value *x = value->producer->in[0].value;
  int own = axis - (value->type.rank - x->type.rank);
  int64_t size = static_dim(value, axis);
  if (size < 2 || (own >= 0 && !dim_is(x->type.dims[own], 1))) return 1;
  if (b == NULL) return size;
  const Dim *dims[MAX_RANK];
  memcpy(dims, value->type.dims, (size_t)value->type.rank * sizeof *dims);
  dims[axis] = dim_const(b->graph->ctx->dims, 1);
  *once = same_dims(&x->type, &(Type){.kind = TYPE_TENSOR, .rank = value->type.rank, .dims = dims})
              ? x
              : BUILD(b, "Expand", x, build_dims(b, dims, (uint32_t)value->type.rank));
  return size;
}

/* Reshape that merges two axes, the second of which is copied, into one. */
static int64_t copies_of_merge(Builder *b, Value *value, int axis, Value **once, int depth) {
  Value *apart = value->producer->in[0].value;
  const Type *in = &apart->type, *out = &value->type;
  if (in->rank != out->rank + 1) return 1;
  for (int i = 0; i < out->rank; i++) {
    if (i != axis && in->dims[i + (i > axis)] != out->dims[i]) return 1;
  }
  int64_t size = static_dim(apart, axis + 1);
  Value *part;
  if (size < 2 || copies_along(b, apart, axis + 1, &part, depth) != size) return 1;
  if (b == NULL) return size;
  const Dim *dims[MAX_RANK];
  memcpy(dims, out->dims, (size_t)out->rank * sizeof *dims);
  dims[axis] = in->dims[axis];
  *once = compose_reshape(b, part, dims, out->rank);
  return size;
}

/* Gather of 0, 0, 1, 1, ... */
static int64_t copies_of_gather(Value *value, int axis, Value **once) {
  const Node *node = value->producer;
  const Tensor *indices = node->in[1].value->constant;
  Value *x = node->in[0].value;
  int64_t along = op_param_i(node, "axis"), size = 0;
  if (along < 0) along += x->type.rank;
  if (indices == NULL || indices->rank != 1 || along != axis) return 1;
  int64_t count = (int64_t)indices->count, before = static_dim(x, axis);
  if (before < 1 || count % before != 0) return 1;
  size = count / before;
  for (int64_t i = 0; i < count; i++) {
    if (tensor_i64(indices, (size_t)i) != i / size) return 1;
  }
  *once = x;
  return size;
}

static int64_t copies_of_transpose(Builder *b, Value *value, int axis, Value **once, int depth) {
  int64_t perm[MAX_RANK];
  transpose_perm(value->producer, perm);
  int64_t n = copies_along(b, value->producer->in[0].value, (int)perm[axis], once, depth);
  if (n > 1 && b != NULL) *once = copy_node(b, value->producer, *once);
  return n;
}

static int64_t copies_along(Builder *b, Value *value, int axis, Value **once, int depth) {
  if (depth-- == 0) return 1;
  if (value_is(value, "Transpose")) return copies_of_transpose(b, value, axis, once, depth);
  if (value_is(value, "Reshape")) return copies_of_merge(b, value, axis, once, depth);
  if (value_is(value, "Expand")) return copies_of_expand(b, value, axis, once);
  if (value_is(value, "Gather")) return copies_of_gather(value, axis, once);
  return 1;
}

static Value *share_heads(Match *m) {
  Value *inputs[N_INPUTS], *unused;
  if (!inputs_of(m, inputs)) return NULL;
  int64_t n = copies_along(NULL, inputs[K], 1, &unused, MAX_DEPTH);
  if (n < 2 || copies_along(NULL, inputs[V], 1, &unused, MAX_DEPTH) != n) return NULL;
  for (uint32_t i = K; i <= V; i++) {
    copies_along(&m->builder, inputs[i], 1, &inputs[i], MAX_DEPTH);
  }
  return build_done(&m->builder, copy_attention(m, inputs));
}

/* ---- heads in the batch ------------------------------------------------------------------------
 */

/* The value of rank 4 that `value`, [batch * heads, 1, length, size], is a view of. */
static Value *heads_behind(const Value *value) {
  DimTable *t = value->graph->ctx->dims;
  const Dim *const *to = value->type.dims;
  for (int i = 0; i < MAX_DEPTH && is_view(value); i++) {
    Value *x = value->producer->in[0].value;
    const Dim *const *d = x->type.dims;
    if (x->type.rank == 4 && d[2] == to[2] && d[3] == to[3] && static_dim(x, 1) > 1 &&
        dim_mul(t, d[0], d[1]) == to[0]) {
      return x;
    }
    value = x;
  }
  return NULL;
}

/* The mask for [batch, heads, ...]; NULL: it is one for all or has to be reshaped. */
static Value *apart_mask(Match *m, Value *mask, const Value *q) {
  const Dim *dims[4] = {q->type.dims[0], q->type.dims[1]};
  if (dim_is(mask->type.dims[0], 1)) return mask;
  memcpy(&dims[2], &mask->type.dims[2], 2 * sizeof *dims);
  return compose_reshape(&m->builder, mask, dims, 4);
}

static Value *part_heads(Match *m) {
  Value *inputs[N_INPUTS], *apart[3];
  if (!inputs_of(m, inputs) || inputs[LENGTHS] != NULL) return NULL;
  if (inputs[PLACE] != NULL && inputs[PLACE]->type.rank != 0) return NULL;
  for (uint32_t i = Q; i <= V; i++) {
    if (!dim_is(inputs[i]->type.dims[1], 1)) return NULL;
    apart[i] = heads_behind(inputs[i]);
    if (apart[i] == NULL || apart[i]->type.dims[1] != apart[0]->type.dims[1]) return NULL;
  }
  memcpy(inputs, apart, sizeof apart);
  if (inputs[MASK] != NULL) inputs[MASK] = apart_mask(m, inputs[MASK], inputs[Q]);
  Value *y = build_done(&m->builder, copy_attention(m, inputs));
  return compose_reshape(&m->builder, y, m->root->out[0]->type.dims, 4);
}

/* ---- splits behind a Transpose -----------------------------------------------------------------
 */

/* Whether a Reshape only splits axes of what was transposed before, or adds axes of size 1. */
static bool splits_of(const Value *value, Axes *a) {
  const Node *transpose = value->producer->in[0].value->producer;
  int64_t perm[MAX_RANK], inverse[MAX_RANK];
  int rank = transpose->out[0]->type.rank, kept;
  if (!axes_start(a, value->graph->ctx->dims, &transpose->in[0].value->type)) return false;
  View source = a->views[0];
  transpose_perm(transpose, perm);
  for (int i = 0; i < rank; i++) inverse[perm[i]] = i;
  if (!axes_keep(a, &source, &kept)) return false;
  axes_transpose(a, inverse);
  if (!axes_reshape(a, &value->type)) return false;
  for (int i = 0; i < a->views[0].rank; i++) {
    if (a->views[0].axes[i].n > 1) return false;
  }
  return true;
}

/* The same elements by a Reshape of what is transposed. */
static Value *split_before(Builder *b, const Value *value, const Axes *a) {
  const View *from = &a->views[1], *to = &a->views[0];
  Axis groups[MAX_RANK];
  for (int i = 0; i < to->rank; i++) groups[i] = to->axes[i];
  return axes_arrange(b, a, from, value->producer->in[0].value->producer->in[0].value, groups,
                      to->rank, true);
}

static Value *split_in_front(Match *m) {
  Value *inputs[N_INPUTS];
  if (!inputs_of(m, inputs)) return NULL;
  for (uint32_t i = Q; i <= V; i++) {
    Value *value = inputs[i];
    while (value_is(value, "Transpose")) value = value->producer->in[0].value;
    if (!is_view(value) || !value_is(value->producer->in[0].value, "Transpose")) continue;
    Axes *a = ARENA_NEW(pass_scratch(m->run), Axes);
    if (!splits_of(value, a)) continue;
    inputs[i] = move_again(&m->builder, inputs[i], value, split_before(&m->builder, value, a));
    return build_done(&m->builder, copy_attention(m, inputs));
  }
  return NULL;
}

/* ---- masks -------------------------------------------------------------------------------------
 */

/* What hides keys in one part of a mask, or is added by it. */
typedef struct Masks {
  uint32_t n;
  Value *parts[MAX_MASKS]; /* of And for a bool mask, of Add for one of floats */
} Masks;

/* The parts of the mask, behind views that only add axes in front. */
static bool split_mask(Value *mask, const char *op, Masks *masks) {
  Value *inner = mask;
  double number;
  while (is_view(inner) && inner->producer->in[0].value->type.rank <= inner->type.rank) {
    Value *x = inner->producer->in[0].value;
    int more = inner->type.rank - x->type.rank;
    bool front = true;
    for (int i = 0; i < inner->type.rank; i++) {
      front = front && (i < more ? dim_is(inner->type.dims[i], 1)
                                 : inner->type.dims[i] == x->type.dims[i - more]);
    }
    if (!front) break;
    inner = x;
  }
  if (value_is(inner, op)) {
    return split_mask(inner->producer->in[0].value, op, masks) &&
           split_mask(inner->producer->in[1].value, op, masks);
  }
  if (value_splat(inner, &number) && number == (inner->type.dtype == ONNXC_RT_BOOL)) return true;
  if (masks->n == MAX_MASKS) return false;
  masks->parts[masks->n++] = inner;
  return true;
}

static Value *of_rank_4(Builder *b, Value *mask) {
  const Dim *one = dim_const(b->graph->ctx->dims, 1), *dims[4] = {one, one, one, one};
  int more = 4 - mask->type.rank;
  for (int i = 0; i < mask->type.rank; i++) dims[more + i] = mask->type.dims[i];
  return compose_reshape(b, mask, dims, 4);
}

static Value *join_masks(Builder *b, const char *op, const Masks *masks) {
  Value *all = NULL;
  for (uint32_t i = 0; i < masks->n; i++) {
    if (masks->parts[i] == NULL) continue;
    all = all == NULL ? masks->parts[i] : BUILD(b, op, all, masks->parts[i]);
  }
  return all == NULL ? NULL : of_rank_4(b, all);
}

/* The part varies along queries and keys, so that its band is that of the scores. */
static bool is_whole(const Match *m, const Value *part) {
  int rank = part->type.rank;
  if (rank < 2 || part->type.dims[rank - 1] != m->root->in[K].value->type.dims[2]) return false;
  return part->type.dims[rank - 2] == m->root->in[Q].value->type.dims[2];
}

/* How a part hides keys: bool ones and those of minus infinity as the node says already. */
typedef struct Hiding {
  bool far;       /* by a number that is only taken to be low enough */
  bool equalises; /* queries that see no key give the mean of all values */
} Hiding;

/* Whether 0 and `low` are what a part of a mask of floats adds to show and to hide keys. */
static bool hides(const Match *m, double low, bool only, Hiding *hiding) {
  *hiding = (Hiding){false, false};
  if (low == -(double)INFINITY) return true;
  hiding->equalises = score_vanishes(m->root->in[Q].value->type.dtype, low);
  hiding->far = !hiding->equalises;
  return only && low <= LOW_SCORE;
}

/* The band that a part shows. */
static bool shown_band(const Match *m, Value *part, bool only, Band *band, Hiding *hiding) {
  DimTable *t = part->graph->ctx->dims;
  bool is_bool = part->type.dtype == ONNXC_RT_BOOL;
  double shown = is_bool ? 1 : 0;
  if (!is_whole(m, part) || !band_of(part, band)) return false;
  if (band->inside != shown && !band_turn(t, band)) return false;
  return band->inside == shown &&
         hides(m, is_bool ? -(double)INFINITY : band->outside, only, hiding);
}

/* Every query sees a key: the first one, or itself. */
static bool shows_all(const Match *m, const Band *band) {
  DimTable *t = m->root->graph->ctx->dims;
  const Dim *queries = m->root->in[Q].value->type.dims[2];
  const Dim *keys = m->root->in[K].value->type.dims[2];
  if (keys->lo < 1 || (band->last != NULL && band->last->lo < 0)) return false;
  if (band->first == NULL) return true;
  bool meets = band->last == NULL || dim_le(t, band->first, band->last);
  return meets && dim_le(t, dim_add(t, band->first, queries), keys);
}

/* Attention's own words for a band: a window around the place of the query. */
typedef struct Window {
  int64_t left, right;
  const Dim *place; /* NULL: the first query is at the first key */
} Window;

static bool window_of(const Match *m, const Band *band, Window *w) {
  DimTable *t = m->root->graph->ctx->dims;
  int64_t number;
  *w = (Window){-1, -1, NULL};
  if (band->last != NULL && (!dim_is_const(band->last, &number) || number < 0)) {
    w->place = band->last;
    w->right = 0;
  } else if (band->last != NULL) {
    w->right = number;
  }
  if (band->first == NULL) return true;
  const Dim *left = dim_mul_i(t, band->first, -1);
  if (w->place != NULL) left = dim_add(t, left, w->place);
  return dim_is_const(left, &w->left) && w->left >= 0 && w->left <= INT32_MAX;
}

static int64_t right_of(const Node *node) {
  return op_param_i(node, "is_causal") != 0 ? 0 : op_param_i(node, "right_window_size");
}

/* The window goes into an Attention that has none on these sides. */
static bool takes_window(const Match *m, const Window *w) {
  const Node *node = m->root;
  int64_t left = op_param_i(node, "left_window_size"), right = right_of(node);
  if (node_in(node, LENGTHS) != NULL) return false;
  if ((w->left >= 0 && left >= 0) || (w->right >= 0 && right >= 0)) return false;
  if (w->right > INT32_MAX || (w->place != NULL && w->place->opaque)) return false;
  if (left < 0 && right < 0) return true; /* then its place says nothing */
  return w->place == NULL && node_in(node, PLACE) == NULL;
}

static void set_window(Node *node, const Window *w) {
  if (w->left >= 0) node_set_int(node, "left_window_size", w->left);
  if (w->right == 0) node_set_int(node, "is_causal", 1);
  if (w->right > 0) node_set_int(node, "right_window_size", w->right);
}

/* The first part that can become a window. */
static bool find_window(const Match *m, const Masks *masks, uint32_t *part, Window *w,
                        Hiding *hiding) {
  for (uint32_t i = 0; i < masks->n; i++) {
    Band band;
    if (!shown_band(m, masks->parts[i], masks->n == 1, &band, hiding)) continue;
    if (hiding->far && !shows_all(m, &band)) continue;
    if (!window_of(m, &band, w) || !takes_window(m, w)) continue;
    *part = i;
    return true;
  }
  return false;
}

static Value *take_window(Match *m) {
  Value *inputs[N_INPUTS];
  Masks masks = {0};
  Window w;
  Hiding hiding;
  uint32_t part;
  if (!inputs_of(m, inputs) || inputs[MASK] == NULL) return NULL;
  const char *op = inputs[MASK]->type.dtype == ONNXC_RT_BOOL ? "And" : "Add";
  if (!split_mask(inputs[MASK], op, &masks)) return NULL;
  if (!find_window(m, &masks, &part, &w, &hiding)) return NULL;
  masks.parts[part] = NULL;
  inputs[MASK] = join_masks(&m->builder, op, &masks);
  if (w.place != NULL) inputs[PLACE] = compose_size(&m->builder, w.place);
  Node *node = copy_attention(m, inputs);
  set_window(node, &w);
  if (hiding.equalises) node_set_int(node, "empty_rows", ONNXC_RT_EMPTY_MEAN);
  return build_done(&m->builder, node);
}

/* The condition under which a mask of floats shows keys, or hides them; NULL: it does something
 * else. */
static Value *condition_of(const Match *m, Value *mask, bool *shows, Hiding *hiding) {
  double yes, no;
  if (!value_is(mask, "Where")) return NULL;
  const Node *node = mask->producer;
  if (!value_splat(node->in[1].value, &yes) || !value_splat(node->in[2].value, &no)) return NULL;
  *shows = yes == 0;
  if ((yes != 0 && no != 0) || !hides(m, *shows ? no : yes, true, hiding)) return NULL;
  return hiding->far || node->in[0].value->type.rank > 4 ? NULL : node->in[0].value;
}

static Value *take_condition(Match *m) {
  Value *inputs[N_INPUTS];
  Masks masks = {0};
  Hiding hiding;
  bool shows;
  if (!inputs_of(m, inputs) || inputs[MASK] == NULL || !is_float(inputs[MASK])) return NULL;
  if (!split_mask(inputs[MASK], "Add", &masks) || masks.n != 1) return NULL;
  Value *condition = condition_of(m, masks.parts[0], &shows, &hiding);
  if (condition == NULL) return NULL;
  if (!shows) condition = BUILD(&m->builder, "Not", condition);
  inputs[MASK] = of_rank_4(&m->builder, condition);
  Node *node = copy_attention(m, inputs);
  if (hiding.equalises) node_set_int(node, "empty_rows", ONNXC_RT_EMPTY_MEAN);
  return build_done(&m->builder, node);
}

/* Copies of a mask along axes that it may broadcast along. */
static Value *take_small_mask(Match *m) {
  Value *inputs[N_INPUTS];
  if (!inputs_of(m, inputs) || !value_is(inputs[MASK], "Expand")) return NULL;
  Value *x = inputs[MASK]->producer->in[0].value;
  if (x->type.rank > 4) return NULL;
  inputs[MASK] = of_rank_4(&m->builder, x);
  return build_done(&m->builder, copy_attention(m, inputs));
}

/* A mask that changes nothing. */
static Value *drop_mask(Match *m) {
  Value *inputs[N_INPUTS];
  double number;
  if (!inputs_of(m, inputs) || inputs[MASK] == NULL) return NULL;
  double neutral = inputs[MASK]->type.dtype == ONNXC_RT_BOOL ? 1 : 0;
  if (!value_splat(inputs[MASK], &number) || number != neutral) return NULL;
  inputs[MASK] = NULL;
  return build_done(&m->builder, copy_attention(m, inputs));
}

/* Where every query sees a key, there is nothing to say about those that see none. */
static Value *drop_exceptions(Match *m) {
  Value *inputs[N_INPUTS];
  DimTable *t = m->root->graph->ctx->dims;
  if (node_attr(m->root, "empty_rows") == NULL || !inputs_of(m, inputs) || inputs[MASK] != NULL)
    return NULL;
  bool left = op_param_i(m->root, "left_window_size") >= 0;
  const Type *q = &inputs[Q]->type, *k = &inputs[K]->type;
  const Value *place = inputs[PLACE];
  if (place != NULL && (left || place->n_contents != 1 || place->contents[0]->lo < 0)) return NULL;
  if (left && !dim_le(t, q->dims[2], k->dims[2])) return NULL;
  if (k->dims[2]->lo < 1 || inputs[LENGTHS] != NULL) return NULL;
  Node *node = build_node(&m->builder, "", "Attention", inputs, inputs[PLACE] ? N_INPUTS : 3, 1);
  for (uint32_t i = 0; i < m->root->n_attrs; i++) {
    const Attr *attr = &m->root->attrs[i];
    if (strcmp(attr->name, "empty_rows") != 0) node_set_attr(node, *attr);
  }
  return build_done(&m->builder, node);
}

/* ---- the pass ----------------------------------------------------------------------------------
 */

#define ATTENTION P("Attention", ANY("q"), ANY("k"), ANY("v"))

static const Rule rules[] = {
    RULE("expand-tile", P("Tile", ANY("x"), CONST("repeats")), expand_tile),
    RULE("expand-concat", P("Concat", ANY("x"), ANY("x")), expand_concat),
    RULE("factor", ATTENTION, take_factor),
    RULE("shared-heads", ATTENTION, share_heads),
    RULE("heads-apart", ATTENTION, part_heads),
    RULE("split-in-front", ATTENTION, split_in_front),
    RULE("small-mask", ATTENTION, take_small_mask),
    RULE("window", ATTENTION, take_window),
    RULE("condition", ATTENTION, take_condition),
    RULE("no-mask", ATTENTION, drop_mask),
    RULE("no-exceptions", ATTENTION, drop_exceptions),
};

const PassDef pass_simplify_attention = {
    .name = "simplify-attention",
    .what = "Factors, copied heads and masks in front of Attention become its attributes",
    .rules = rules,
    .n_rules = sizeof rules / sizeof *rules,
    .rounds = true,
};
