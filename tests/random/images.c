/* Convolutions and what stands around them: x is [batch, channels, height, width]. */
#include "draw.h"

#include <math.h>
#include <string.h>

static Value *filter(Draw *d, const Value *x, int64_t out, int64_t in, int64_t size) {
  const int64_t dims[] = {out, in, size, size};
  int64_t count = out * in * size * size;
  double *values = ARENA_ARRAY(d->ctx->arena, (size_t)count, double);
  double scale = 1.5 / sqrt((double)(in * size * size));
  for (int64_t i = 0; i < count; i++) values[i] = draw_real(d, -scale, scale);
  return build_numbers(&d->b, x, values, 4, dims);
}

/* Keeps height and width where stride is 1. */
static Value *convolve(Draw *d, Value *x, int64_t out, int64_t group, int64_t size,
                       int64_t stride) {
  bool biased = draw_chance(d, 50), apart = draw_chance(d, 15);
  int64_t pad = size / 2;
  if (apart) {
    const int64_t pads[] = {0, 0, pad, pad, 0, 0, pad, pad};
    x = OP(d, "Pad", x, build_ints(&d->b, pads, 8));
  }
  Value *inputs[] = {x, filter(d, x, out, size_at(x, 1) / group, size),
                     biased ? vector(d, x, out) : NULL};
  Node *node = build_node(&d->b, "", "Conv", inputs, biased ? 3 : 2, 1);
  if (!apart) node_set_ints(node, "pads", (const int64_t[]){pad, pad, pad, pad}, 4);
  if (group != 1 || draw_chance(d, 20)) node_set_int(node, "group", group);
  if (stride != 1) node_set_ints(node, "strides", (const int64_t[]){stride, stride}, 2);
  return build_done(&d->b, node);
}

static Value *batch_norm(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  Value *inputs[] = {x, vector(d, x, n), vector(d, x, n), vector(d, x, n), positive(d, x, n)};
  return build_done(&d->b, build_node(&d->b, "", "BatchNormalization", inputs, 5, 1));
}

/* Of one number for each channel. */
static Value *channels(Draw *d, Value *x) {
  const int64_t dims[] = {size_at(x, 1), 1, 1};
  return numbers(d, x, 3, dims);
}

static Value *finish(Draw *d, Value *x) {
  if (draw_chance(d, 50)) x = batch_norm(d, x);
  if (draw_chance(d, 20)) x = commute(d, "Mul", x, channels(d, x));
  if (draw_chance(d, 20)) x = commute(d, "Add", x, channels(d, x));
  return draw_chance(d, 60) ? draw_activation(d, x) : x;
}

static Value *plain(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  return finish(d, convolve(d, x, n, 1, DRAW_OF(d, int64_t, 1, 3), 1));
}

static Value *bottleneck(Draw *d, Value *x) {
  int64_t n = size_at(x, 1), wide = n * 2;
  Value *y = finish(d, convolve(d, x, wide, 1, 1, 1));
  y = finish(d, convolve(d, y, wide, wide, 3, 1));
  return finish(d, convolve(d, y, n, 1, 1, 1));
}

static Value *squeeze_excite(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  Value *y =
      draw_chance(d, 60) ? OP(d, "GlobalAveragePool", x) : OP(d, "ReduceMean", x, ints2(d, 2, 3));
  y = draw_activation(d, convolve(d, y, 2, 1, 1, 1));
  y = convolve(d, y, n, 1, 1, 1);
  y = OP(d, draw_chance(d, 50) ? "Sigmoid" : "HardSigmoid", y);
  return commute(d, "Mul", x, y);
}

static Value *dense(Draw *d, Value *x) {
  Value *y = finish(d, convolve(d, x, 2, 1, 3, 1));
  Value *both = compose_concat(&d->b, (Value *[]){x, y}, 2, 1);
  Value *z = finish(d, convolve(d, both, 2, 1, 3, 1));
  Value *all = compose_concat(&d->b, (Value *[]){both, z}, 2, 1);
  return convolve(d, draw_chance(d, 50) ? batch_norm(d, all) : all, size_at(x, 1), 1, 1, 1);
}

static Value *pool(Draw *d, Value *x) {
  const char *op = DRAW_OF(d, const char *, "MaxPool", "AveragePool");
  Node *node = build_node(&d->b, "", op, &x, 1, 1);
  node_set_ints(node, "kernel_shape", (const int64_t[]){2, 2}, 2);
  node_set_ints(node, "strides", (const int64_t[]){2, 2}, 2);
  return build_done(&d->b, node);
}

static Value *widen(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  if (draw_chance(d, 50)) {
    Value *inputs[] = {x, filter(d, x, n, n, 2)};
    Node *node = build_node(&d->b, "", "ConvTranspose", inputs, 2, 1);
    node_set_ints(node, "strides", (const int64_t[]){2, 2}, 2);
    return build_done(&d->b, node);
  }
  const double factors[] = {1, 1, 2, 2};
  const int64_t four = 4;
  Tensor *scales = tensor_new(d->ctx, ONNXC_RT_F32, 1, &four);
  for (size_t i = 0; i < 4; i++) tensor_set_f64(scales, i, factors[i]);
  Value *inputs[] = {x, NULL, build_constant(&d->b, scales)};
  return build_done(&d->b, build_node(&d->b, "", "Resize", inputs, 3, 1));
}

/* Down, something, up again, and beside x. */
static Value *u_net(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  if (size_at(x, 2) % 2 != 0 || size_at(x, 3) % 2 != 0 || size_at(x, 2) < 2) return NULL;
  Value *low = draw_chance(d, 70) ? pool(d, x) : convolve(d, x, n, 1, 3, 2);
  Value *y = widen(d, plain(d, low));
  if (draw_chance(d, 40)) return commute(d, "Add", x, y);
  return convolve(d, compose_concat(&d->b, (Value *[]){x, y}, 2, 1), n, 1, 1, 1);
}

static Value *other_norm(Draw *d, Value *x) {
  int64_t n = size_at(x, 1);
  Value *inputs[] = {x, vector(d, x, n), vector(d, x, n)};
  bool groups = n % 2 == 0 && draw_chance(d, 50);
  Node *node =
      build_node(&d->b, "", groups ? "GroupNormalization" : "InstanceNormalization", inputs, 3, 1);
  if (groups) node_set_int(node, "num_groups", 2);
  return build_done(&d->b, node);
}

/* The channels last in between, as other frameworks have them. */
static Value *channels_last(Draw *d, Value *x) {
  static const int64_t there[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
  Value *y = transpose(d, x, there);
  y = draw_chance(d, 50) ? draw_activation(d, y)
                         : commute(d, "Add", y, vector(d, y, size_at(y, 3)));
  if (draw_chance(d, 50)) y = draw_norm(d, y);
  return y == NULL ? NULL : transpose(d, y, back);
}

/* ConvNeXt's: depthwise, then everything on channels last, with a scale for each layer. */
static Value *next_block(Draw *d, Value *x) {
  static const int64_t there[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
  int64_t n = size_at(x, 1);
  Value *y = transpose(d, convolve(d, x, n, n, 3, 1), there);
  y = OP(d, "MatMul", y, weight(d, x, n, 2 * n));
  y = draw_activation(d, y);
  y = OP(d, "MatMul", y, weight(d, x, 2 * n, n));
  if (draw_chance(d, 60)) y = commute(d, "Mul", y, vector(d, x, n));
  return transpose(d, y, back);
}

Value *draw_image_block(Draw *d, Value *x) {
  static Pattern_ *const blocks[] = {plain, plain,      bottleneck, squeeze_excite, dense,
                                     u_net, batch_norm, other_norm, channels_last,  next_block};
  enum { BLOCKS = sizeof blocks / sizeof *blocks };
  if (!is_float(x) || rank_of(x) != 4 || size_at(x, 1) < 1 || size_at(x, 1) > 16) return NULL;
  if (size_at(x, 2) < 1 || size_at(x, 3) < 1) return NULL;
  return blocks[draw_in(d, 0, BLOCKS - 1)](d, x);
}

/* ---- any sizes ---------------------------------------------------------------------------------
 */

static void draw_window(Draw *d, Node *node, int axes, const int64_t *kernel, bool dilated) {
  int64_t strides[2] = {1, 1}, dilations[2] = {1, 1}, pads[4] = {0};
  for (int i = 0; i < axes; i++) {
    strides[i] = draw_in(d, 1, 2);
    dilations[i] = dilated ? draw_in(d, 1, 2) : 1;
    pads[i] = draw_in(d, 0, kernel[i] - 1), pads[axes + i] = draw_in(d, 0, kernel[i] - 1);
  }
  node_set_ints(node, "strides", strides, (size_t)axes);
  if (dilated) node_set_ints(node, "dilations", dilations, (size_t)axes);
  node_set_ints(node, "pads", pads, 2 * (size_t)axes);
}

static Value *any_pool(Draw *d, Value *x, int axes, const int64_t *kernel) {
  const char *op = DRAW_OF(d, const char *, "MaxPool", "AveragePool", "LpPool");
  Node *node = build_node(&d->b, "", op, &x, 1, 1);
  node_set_ints(node, "kernel_shape", kernel, (size_t)axes);
  draw_window(d, node, axes, kernel, false);
  if (strcmp(op, "AveragePool") == 0) node_set_int(node, "count_include_pad", draw_in(d, 0, 1));
  return build_done(&d->b, node);
}

Value *draw_any_convolution(Draw *d, Value *x) {
  int axes = rank_of(x) - 2;
  int64_t kernel[2], n = size_at(x, 1), dims[4];
  if (!is_float(x) || axes < 1 || axes > 2 || n < 1 || n > 16) return NULL;
  for (int i = 0; i < axes; i++) {
    int64_t size = size_at(x, 2 + i);
    if (size < 1) return NULL;
    kernel[i] = draw_in(d, 1, size < 3 ? size : 3);
  }
  if (draw_chance(d, 30)) return any_pool(d, x, axes, kernel);
  int64_t group = draw_chance(d, 60) ? 1 : n, out = group * draw_in(d, 1, 3);
  dims[0] = out, dims[1] = n / group;
  for (int i = 0; i < axes; i++) dims[2 + i] = kernel[i];
  bool biased = draw_chance(d, 50);
  Value *inputs[] = {x, numbers(d, x, axes + 2, dims), biased ? vector(d, x, out) : NULL};
  Node *node = build_node(&d->b, "", "Conv", inputs, biased ? 3 : 2, 1);
  bool dilated = true;
  for (int i = 0; i < axes; i++) dilated = dilated && size_at(x, 2 + i) >= 2 * kernel[i] - 1;
  node_set_int(node, "group", group);
  draw_window(d, node, axes, kernel, dilated);
  Value *y = build_done(&d->b, node);
  return axes == 2 ? finish(d, y) : draw_activation(d, y);
}
