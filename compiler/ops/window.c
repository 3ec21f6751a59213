#include "ops/window.h"

#include "ops/check.h"

#include <string.h>

static bool read_kernel(const Node *node, const Type *w, Window *window) {
  int64_t sizes[MAX_RANK];
  const Attr *attr = op_param_list(node, "kernel_shape");
  bool given = attr != NULL && attr->count > 0;
  if (!given && w == NULL) {
    return node_error(node, DIAG_INVALID, "attribute kernel_shape is required but missing");
  }
  if (!check_ints(node, "kernel_shape", window->rank, 1, 1, sizes)) return false;
  DimTable *t = infer_dims(node);
  for (int k = 0; k < window->rank; k++) {
    const Dim *size = dim_const(t, sizes[k]);
    window->kernel[k] = w != NULL ? w->dims[k + 2] : size;
    if (given && dim_never_equal(t, window->kernel[k], size)) {
      return node_error(node, DIAG_INVALID,
                        "attribute kernel_shape has %lld for spatial axis %d, but the weights have "
                        "%s; leave it out",
                        (long long)sizes[k], k,
                        dim_text(node->graph->ctx->arena, window->kernel[k]));
    }
  }
  return true;
}

static bool read_pads(const Node *node, Window *window) {
  if (!check_choice(node, "auto_pad", "NOTSET SAME_UPPER SAME_LOWER VALID")) return false;
  const char *pad = op_param_s(node, "auto_pad");
  window->pad = *pad == 'S' ? WINDOW_SAME : *pad == 'V' ? WINDOW_VALID : WINDOW_EXPLICIT;
  int64_t pads[2 * MAX_RANK];
  if (!check_ints(node, "pads", 2 * window->rank, 0, 0, pads)) return false;
  for (int k = 0; k < 2 * window->rank; k++) {
    window->pads[k] = window->pad == WINDOW_EXPLICIT ? pads[k] : 0;
  }
  return true;
}

bool window_read(const Node *node, int rank, const Type *w, Window *window) {
  *window = (Window){.rank = rank};
  return check_ints(node, "strides", rank, 1, 1, window->stride) &&
         check_ints(node, "dilations", rank, 1, 1, window->dilation) &&
         read_kernel(node, w, window) && read_pads(node, window);
}

/* Elements that the taps along an axis span. */
static const Dim *extent(DimTable *t, const Window *w, int k) {
  return dim_add_i(t, dim_mul_i(t, dim_add_i(t, w->kernel[k], -1), w->dilation[k]), 1);
}

/* In rounding up no window may begin behind the data and its padding in front. */
static const Dim *slide_up(DimTable *t, const Window *w, int k, const Dim *in, const Dim *room) {
  const Dim *stride = dim_const(t, w->stride[k]);
  const Dim *count = dim_add_i(t, dim_ceildiv(t, room, stride), 1);
  return dim_min(t, count, dim_ceildiv(t, dim_add_i(t, in, w->pads[k]), stride));
}

static const Dim *slide(DimTable *t, const Window *w, int k, const Dim *in) {
  const Dim *stride = dim_const(t, w->stride[k]);
  if (w->pad == WINDOW_SAME) return dim_ceildiv(t, in, stride);
  const Dim *padded = dim_add_i(t, in, w->pads[k] + w->pads[w->rank + k]);
  const Dim *room = dim_sub(t, padded, extent(t, w, k));
  const Dim *out =
      w->ceil ? slide_up(t, w, k, in, room) : dim_add_i(t, dim_floordiv(t, room, stride), 1);
  return room->lo < 0 && room->hi >= 0 ? dim_max(t, out, dim_const(t, 0)) : out;
}

bool window_slide(const Node *node, const Window *window, const Type *x, const Dim **out) {
  DimTable *t = infer_dims(node);
  for (int k = 0; k < window->rank; k++) {
    const Dim *in = x->dims[k + 2];
    out[k] = slide(t, window, k, in);
    if (out[k]->hi < 0 || (out[k]->hi == 0 && in->hi > 0)) {
      Arena *arena = node->graph->ctx->arena;
      return node_error(node, DIAG_INVALID,
                        "a window of %s elements does not fit into spatial axis %d of %s elements "
                        "with its padding",
                        dim_text(arena, extent(t, window, k)), k, dim_text(arena, in));
    }
  }
  return true;
}

const Dim *window_transposed(const Node *node, const Window *window, int axis, const Dim *in) {
  DimTable *t = infer_dims(node);
  if (window->pad == WINDOW_SAME) return dim_mul_i(t, in, window->stride[axis]);
  int64_t pads = window->pads[axis] + window->pads[window->rank + axis];
  const Dim *steps = dim_mul_i(t, dim_add_i(t, in, -1), window->stride[axis]);
  return dim_add_i(t, dim_add(t, steps, extent(t, window, axis)), -pads);
}

const Dim *window_taps(const Node *node, const Window *window) {
  return dim_product(infer_dims(node), window->kernel, window->rank);
}

/* ---- for the fast kernels ----------------------------------------------------------------------
 */

/* From the first element of the first window to the last one of the last of `places`. */
static const Dim *reach(DimTable *t, const Window *w, int k, const Dim *places) {
  return dim_add(t, dim_mul_i(t, dim_add_i(t, places, -1), w->stride[k]), extent(t, w, k));
}

/* `total` split evenly; the odd one goes behind for SAME_UPPER, in front otherwise. */
static void split_pad(const Node *node, Geometry *g, int i, const Dim *total) {
  DimTable *t = infer_dims(node);
  bool front = strcmp(op_param_s(node, "auto_pad"), "SAME_UPPER") != 0;
  total = dim_max(t, total, dim_const(t, 0));
  g->pad[i] = dim_floordiv(t, dim_add_i(t, total, front), dim_const(t, 2));
  g->pad_end[i] = dim_sub(t, total, g->pad[i]);
}

static void given_pad(const Node *node, const Window *w, Geometry *g, int i, int k) {
  g->pad[i] = dim_const(infer_dims(node), w->pads[k]);
  g->pad_end[i] = dim_const(infer_dims(node), w->pads[w->rank + k]);
}

/* What SAME needs follows from the sizes. */
static void pad_axis(const Node *node, const Window *w, Geometry *g, int i, int k) {
  DimTable *t = infer_dims(node);
  if (w->pad != WINDOW_SAME) {
    given_pad(node, w, g, i, k);
  } else {
    split_pad(node, g, i, dim_sub(t, reach(t, w, k, g->out[i]), g->in[i]));
  }
}

/* So does what a given size of the output needs. */
static void pad_axis_transposed(const Node *node, const Window *w, Geometry *g, int i, int k) {
  DimTable *t = infer_dims(node);
  const Attr *more = op_param_list(node, "output_padding");
  if (w->pad != WINDOW_SAME && op_param_list(node, "output_shape") == NULL) {
    given_pad(node, w, g, i, k);
  } else {
    const Dim *total = dim_sub(t, reach(t, w, k, g->in[i]), g->out[i]);
    split_pad(node, g, i, more == NULL ? total : dim_add_i(t, total, more->ints[k]));
  }
}

static bool fill_geometry(const Node *node, const Type *weights, Geometry *g,
                          void (*pad)(const Node *, const Window *, Geometry *, int, int)) {
  DimTable *t = infer_dims(node);
  const Type *x = input_type(node, 0), *y = &node_out(node, 0)->type;
  const Dim *one = dim_const(t, 1), *none = dim_const(t, 0);
  Window w;
  if (!window_read(node, x->rank - 2, weights, &w)) return false;
  for (int i = 0; i < SPATIAL; i++) {
    int k = i - (SPATIAL - w.rank);
    g->in[i] = g->out[i] = g->kernel[i] = g->stride[i] = g->dilation[i] = one;
    g->pad[i] = g->pad_end[i] = none;
    if (k < 0) continue;
    g->in[i] = x->dims[k + 2];
    g->out[i] = y->dims[k + 2];
    g->kernel[i] = w.kernel[k];
    g->stride[i] = dim_const(t, w.stride[k]);
    g->dilation[i] = dim_const(t, w.dilation[k]);
    pad(node, &w, g, i, k);
  }
  return true;
}

bool window_geometry(const Node *node, const Type *w, Geometry *g) {
  return fill_geometry(node, w, g, pad_axis);
}

/* Whether there is nothing along an axis but one element, which one tap meets. */
static bool is_unit(const Geometry *g, int i) {
  return dim_is(g->in[i], 1) && dim_is(g->out[i], 1) && dim_is(g->kernel[i], 1) &&
         dim_is(g->pad[i], 0) && dim_is(g->pad_end[i], 0);
}

static void move_axis(const Geometry *from, int i, Geometry *to, int k) {
  to->in[k] = from->in[i];
  to->out[k] = from->out[i];
  to->kernel[k] = from->kernel[i];
  to->stride[k] = from->stride[i];
  to->dilation[k] = from->dilation[i];
  to->pad[k] = from->pad[i];
  to->pad_end[k] = from->pad_end[i];
}

/* Such axes go outwards: their place makes no difference to the data, but the kernels go along
 * rows, which are the last axis. */
static void order_axes(Geometry *g) {
  const Geometry from = *g;
  int k = SPATIAL;
  for (int unit = 0; unit < 2; unit++) {
    for (int i = SPATIAL - 1; i >= 0; i--) {
      if (is_unit(&from, i) == (unit != 0)) move_axis(&from, i, g, --k);
    }
  }
}

bool window_kernel(const Node *node, const Type *w, Geometry *g) {
  if (!fill_geometry(node, w, g, pad_axis)) return false;
  order_axes(g);
  return true;
}

bool window_kernel_transposed(const Node *node, const Type *w, Geometry *g) {
  if (!fill_geometry(node, w, g, pad_axis_transposed)) return false;
  order_axes(g);
  return true;
}

void window_fields(Lowering *l, Step *step, const Geometry *g) {
  kernel_dims(l, step, "in", g->in, SPATIAL);
  kernel_dims(l, step, "out", g->out, SPATIAL);
  kernel_dims(l, step, "kernel", g->kernel, SPATIAL);
  kernel_dims(l, step, "stride", g->stride, SPATIAL);
  kernel_dims(l, step, "dilation", g->dilation, SPATIAL);
  kernel_dims(l, step, "pad", g->pad, SPATIAL);
}
