#include "passes/chain.h"

#include "ops/compose.h"
#include "ops/window.h"
#include "passes/facts.h"

#include <string.h>

/* ---- operators ---------------------------------------------------------------------------------
 */

/* A window along the rows. */
typedef struct Slide {
  int64_t reach, stride, pad; /* reach: rows from its first to its last */
} Slide;

static bool is_convolution(const Node *node) {
  return node_named(node, "Conv ConvInteger");
}

static bool is_pool(const Node *node) {
  bool average = strcmp(node->op->name, "AveragePool") == 0; /* also that of bytes */
  if (!average) return node_named(node, "MaxPool") && node_out(node, 1) == NULL;
  /* what a rounded up size adds is no padding that counts */
  return op_param_i(node, "count_include_pad") == 0 || op_param_i(node, "ceil_mode") == 0;
}

bool chain_slides(const Node *node) {
  return is_convolution(node) || is_pool(node);
}

static bool find_slide(const Node *node, Slide *slide) {
  const Type *x = &node_in(node, 0)->type, *w = NULL;
  Geometry g;
  int k = SPATIAL - (x->rank - 2);
  int64_t kernel, dilation;
  if (is_convolution(node)) w = &node_in(node, 1)->type;
  if (k < 0 || k >= SPATIAL || !window_geometry(node, w, &g)) return false;
  if (!dim_is_const(g.kernel[k], &kernel) || !dim_is_const(g.dilation[k], &dilation)) return false;
  slide->reach = (kernel - 1) * dilation + 1;
  return dim_is_const(g.stride[k], &slide->stride) && dim_is_const(g.pad[k], &slide->pad);
}

/* Axis 2 of the output is this one of operand `i`; -1: it has none, or one element for all. */
static int operand_axis(const Node *node, uint32_t i) {
  const Value *in = node_in(node, i);
  int axis = in == NULL ? -1 : ROWS_AXIS - (node->out[0]->type.rank - in->type.rank);
  return axis < 0 || dim_is(in->type.dims[axis], 1) ? -1 : axis;
}

/* Scales and zero points do not broadcast like others: they are numbers, or lie along an axis. */
static bool takes_scales(const Node *node) {
  for (uint32_t i = 1; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    if (in == NULL || in->type.rank == 0) continue;
    if (in->type.rank != 1 || param_axis(node, node->out[0]->type.rank) == ROWS_AXIS) return false;
  }
  return true;
}

static bool is_quantisation(const Node *node) {
  return node_named(node, "QuantizeLinear DequantizeLinear");
}

static bool takes_elementwise(const Node *node) {
  if (is_quantisation(node)) return takes_scales(node);
  for (uint32_t i = 0; i < node->n_in; i++) {
    const Value *in = node_in(node, i);
    int axis = operand_axis(node, i);
    if (in != NULL && in->type.rank > node->out[0]->type.rank) return false;
    if (axis < 0) continue;
    if (static_dim(in, axis) != static_dim(node->out[0], ROWS_AXIS)) return false;
    if (axis != ROWS_AXIS && in->constant == NULL) return false; /* its rows are other ones */
  }
  return true;
}

static bool is_joint(const Node *node) {
  return node_named(node, "Concat") && param_axis(node, node->out[0]->type.rank) != ROWS_AXIS;
}

bool chain_takes(const Node *node) {
  Slide slide;
  if (node == NULL || node_out(node, 0) == NULL || node->n_in != node->n_formal) return false;
  const Value *out = node->out[0];
  if (out->type.kind != TYPE_TENSOR || !type_static(&out->type, NULL)) return false;
  if (static_dim(out, ROWS_AXIS) < 1 || (node->op->flags & OP_NONDETERMINISTIC) != 0) return false;
  if (chain_slides(node)) {
    return type_static(&node_in(node, 0)->type, NULL) && find_slide(node, &slide);
  }
  if (is_joint(node)) return true;
  return node->n_out == 1 && is_elementwise(node) && takes_elementwise(node);
}

/* The axis of input `i` along which some rows are enough; -1: all of the input is wanted. */
static int rows_axis(const Node *node, uint32_t i) {
  if (chain_slides(node) || is_quantisation(node)) return i == 0 ? ROWS_AXIS : -1;
  return is_joint(node) ? ROWS_AXIS : operand_axis(node, i);
}

/* Rows of an input that rows of the output need; with a window, they may lie outside. */
static Rows rows_under(const Node *node, Rows of) {
  Slide slide;
  if (!chain_slides(node) || !find_slide(node, &slide)) return of;
  int64_t begin = of.begin * slide.stride - slide.pad;
  return (Rows){begin, (of.end - 1) * slide.stride - slide.pad + slide.reach};
}

static Rows rows_within(const Value *value, int axis, Rows rows) {
  int64_t size = static_dim(value, axis);
  return (Rows){rows.begin < 0 ? 0 : rows.begin, rows.end > size ? size : rows.end};
}

/* ---- chains ------------------------------------------------------------------------------------
 */

/* Whether all that read the value are made inside. */
static bool read_inside(const Chain *chain, const Value *value) {
  for (const Use *use = value->uses; use != NULL; use = use->next) {
    const Value *out = node_out(use->user, 0);
    if (out == NULL || !chain->inside[out->id]) return false;
  }
  return !value_is_output(value);
}

bool chain_find(Arena *arena, Value *exit,
                bool (*is_entry)(const void *context, const Value *value), const void *context,
                Chain *chain) {
  Vec(Node *) nodes = {0};
  *chain = (Chain){.exit = exit};
  chain->inside = ARENA_ARRAY(arena, exit->graph->ctx->n_values, bool);
  if (!chain_takes(exit->producer)) return false;
  chain->inside[exit->id] = true;
  for (Node *node = exit->producer; node != NULL; node = node->prev) {
    const Value *out = node_out(node, 0);
    if (out == NULL || !chain->inside[out->id]) continue;
    if (out != exit && !read_inside(chain, out)) return false;
    vec_push(arena, &nodes, node);
    for (uint32_t i = 0; i < node->n_in; i++) {
      const Value *in = node_in(node, i);
      if (in == NULL || rows_axis(node, i) < 0 || in->constant != NULL) continue;
      bool outside = !chain_takes(in->producer) || in->output_index != 0 || is_entry(context, in);
      if (!outside) chain->inside[in->id] = true;
    }
  }
  for (size_t i = nodes.len; i-- > 0;) vec_push(arena, &chain->nodes, nodes.data[i]);
  return true;
}

static void join_rows(Rows *rows, Rows more) {
  bool empty = rows->begin == rows->end;
  if (empty || more.begin < rows->begin) rows->begin = more.begin;
  if (empty || more.end > rows->end) rows->end = more.end;
}

bool chain_rows(const Chain *chain, Rows of, Rows *rows) {
  for (size_t k = 0; k < chain->nodes.len; k++) rows[chain->nodes.data[k]->out[0]->id] = (Rows){0};
  rows[chain->exit->id] = of;
  for (size_t k = chain->nodes.len; k-- > 0;) {
    const Node *node = chain->nodes.data[k];
    Rows under = rows_under(node, rows[node->out[0]->id]);
    for (uint32_t i = 0; i < node->n_in; i++) {
      int axis = rows_axis(node, i);
      if (axis < 0) continue;
      const Value *in = node_in(node, i);
      Rows there = rows_within(in, axis, under);
      if (there.begin >= there.end) return false;
      if (in->constant == NULL && chain->inside[in->id]) join_rows(&rows[in->id], there);
    }
  }
  return true;
}

int64_t chain_macs(const Chain *chain, const Rows *rows) {
  int64_t sum = 0, macs;
  VEC_EACH(Node *const, at, &chain->nodes) {
    const Node *node = *at;
    if (node->op->macs == NULL || !dim_is_const(node->op->macs(node), &macs)) continue;
    Rows made = rows[node->out[0]->id];
    sum += macs / static_dim(node->out[0], ROWS_AXIS) * (made.end - made.begin);
  }
  return sum;
}

/* ---- building strips ---------------------------------------------------------------------------
 */

/* Rows of a value, of which the strip `made` of it, if there is one, has those in `rows`. */
static Value *take_rows(Builder *b, Value *value, int axis, Value *made, Rows rows, Rows wanted) {
  if (made == NULL) {
    made = value;
    rows = (Rows){0, static_dim(value, axis)};
  }
  if (wanted.begin == rows.begin && wanted.end == rows.end) return made;
  return compose_slice(b, made, axis, wanted.begin - rows.begin, wanted.end - rows.begin, 1);
}

/* The window's padding becomes explicit, and along the rows what is left of it. */
static void set_pads(Node *strip, const Node *node, Rows under) {
  const Type *x = &node_in(node, 0)->type, *w = NULL;
  Geometry g;
  int64_t pads[2 * SPATIAL] = {0}, n = x->rank - 2;
  if (is_convolution(node)) w = &node_in(node, 1)->type;
  if (!window_geometry(node, w, &g)) return; /* not so where chain_takes was asked */
  for (int64_t i = 0; i < n; i++) {
    dim_is_const(g.pad[SPATIAL - n + i], &pads[i]);
    dim_is_const(g.pad_end[SPATIAL - n + i], &pads[n + i]);
  }
  Rows there = rows_within(node_in(node, 0), ROWS_AXIS, under);
  pads[0] = there.begin - under.begin;
  pads[n] = under.end - there.end;
  node_set_string(strip, "auto_pad", "NOTSET");
  node_set_ints(strip, "pads", pads, 2 * (size_t)n);
}

static Value *build_strip(Arena *scratch, Builder *b, const Node *node, Value *const *strips,
                          const Rows *rows) {
  Value **inputs = ARENA_ARRAY(scratch, node->n_in, Value *);
  Rows under = rows_under(node, rows[node->out[0]->id]);
  b->origin = node;
  for (uint32_t i = 0; i < node->n_in; i++) {
    int axis = rows_axis(node, i);
    inputs[i] = node_in(node, i);
    if (axis < 0) continue;
    Value *in = inputs[i];
    inputs[i] = take_rows(b, in, axis, strips[in->id], rows[in->id], rows_within(in, axis, under));
  }
  Node *strip = build_node(b, node->op->domain, node->op->name, inputs, node->n_in, 1);
  for (uint32_t i = 0; i < node->n_attrs; i++) node_set_attr(strip, node->attrs[i]);
  if (chain_slides(node)) set_pads(strip, node, under);
  return build_done(b, strip);
}

Value *chain_build(Arena *scratch, const Chain *chain, const Rows *rows) {
  Value **strips = ARENA_ARRAY(scratch, chain->exit->graph->ctx->n_values, Value *);
  Builder b = builder_at(chain->exit->producer);
  VEC_EACH(Node *const, at, &chain->nodes) {
    Value *out = (*at)->out[0];
    strips[out->id] = build_strip(scratch, &b, *at, strips, rows);
  }
  return strips[chain->exit->id];
}
