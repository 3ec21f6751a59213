#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* Sizes of a call: two spatial axes. */
typedef struct Geometry {
  const onnxc_rt_call *call;
  int64_t channels, height, width;  /* of the input */
  int64_t kernel_h, kernel_w, taps; /* of the kernel */
  int64_t out_h, out_w, groups, offset_groups;
} Geometry;

static Geometry geometry_of(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
  const Geometry g = {call,
                      x->dims[1],
                      x->dims[2],
                      x->dims[3],
                      w->dims[2],
                      w->dims[3],
                      w->dims[2] * w->dims[3],
                      y->dims[2],
                      y->dims[3],
                      call->attr[0].i,
                      call->attr[1].i};
  return g;
}

static int64_t listed(const onnxc_rt_attr *attr, int i, int64_t otherwise) {
  return attr->present ? attr->ints[i] : otherwise;
}

static double element(const Geometry *g, int64_t plane, double y, double x) {
  if (!(y >= 0 && x >= 0 && y < (double)g->height && x < (double)g->width)) return 0;
  return onnxc_rt_load_f64(&g->call->in[0],
                           (plane * g->height + (int64_t)y) * g->width + (int64_t)x);
}

/* Between four elements; those outside are 0. */
static double sample(const Geometry *g, int64_t plane, double y, double x) {
  const double y0 = floor(y), x0 = floor(x), dy = y - y0, dx = x - x0;
  return (1 - dy) * ((1 - dx) * element(g, plane, y0, x0) + dx * element(g, plane, y0, x0 + 1)) +
         dy * ((1 - dx) * element(g, plane, y0 + 1, x0) + dx * element(g, plane, y0 + 1, x0 + 1));
}

/* The input under kernel element `tap` for one output place, moved by its offset, times its mask.
 */
static double tap_value(const Geometry *g, int64_t image, int64_t channel, int64_t tap, int64_t row,
                        int64_t column) {
  const onnxc_rt_attr *dilations = &g->call->attr[2], *pads = &g->call->attr[3];
  const onnxc_rt_attr *strides = &g->call->attr[4];
  const int64_t set = image * g->offset_groups + channel / (g->channels / g->offset_groups);
  const int64_t places = g->out_h * g->out_w, place = row * g->out_w + column;
  const int64_t at = (set * g->taps + tap) * 2 * places + place;
  const int64_t ky = tap / g->kernel_w, kx = tap % g->kernel_w;
  const int64_t y = row * listed(strides, 0, 1) - listed(pads, 0, 0) + ky * listed(dilations, 0, 1);
  const int64_t x =
      column * listed(strides, 1, 1) - listed(pads, 1, 0) + kx * listed(dilations, 1, 1);
  const double moved_y = (double)y + onnxc_rt_load_f64(&g->call->in[2], at);
  const double moved_x = (double)x + onnxc_rt_load_f64(&g->call->in[2], at + places);
  const double value = sample(g, image * g->channels + channel, moved_y, moved_x);
  if (!onnxc_rt_has_in(g->call, 4)) return value;
  return value * onnxc_rt_load_f64(&g->call->in[4], (set * g->taps + tap) * places + place);
}

static double convolve(const Geometry *g, int64_t image, int64_t out, int64_t row, int64_t column) {
  const onnxc_rt_tensor *w = &g->call->in[1];
  const int64_t per_group = w->dims[1], group = out / (w->dims[0] / g->groups);
  double sum = onnxc_rt_has_in(g->call, 3) ? onnxc_rt_load_f64(&g->call->in[3], out) : 0;
  for (int64_t c = 0; c < per_group; c++) {
    for (int64_t tap = 0; tap < g->taps; tap++) {
      const double weight = onnxc_rt_load_f64(w, (out * per_group + c) * g->taps + tap);
      sum += weight * tap_value(g, image, group * per_group + c, tap, row, column);
    }
  }
  return sum;
}

int onnxc_rt_ref_deform_conv(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const Geometry g = geometry_of(call);
  const int64_t places = g.out_h * g.out_w;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const int64_t out = i / places % y->dims[1], image = i / places / y->dims[1];
    const int64_t row = i % places / g.out_w, column = i % g.out_w;
    onnxc_rt_store_f64(y, i, convolve(&g, image, out, row, column));
  }
  return ONNXC_RT_OK;
}
