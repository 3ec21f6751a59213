#include "onnxc_rt_reference.h"
#include "reference/element.h"

enum { TAPS = 4 };

typedef struct Sampler {
  const onnxc_rt_tensor *x;
  onnxc_rt_tensor numbers; /* what x is made of, and how many of them make an element */
  int32_t parts;
  int32_t axes; /* spatial ones, of which the first is axis 2 of the data */
  int taps;     /* elements taken along each axis: nearest 1, linear 2, cubic 4 */
  char padding; /* z, b or r */
  int align_corners;
} Sampler;

/* One axis of one sampled point: its elements (-1: outside) and their weights. */
typedef struct Taps {
  int64_t at[TAPS];
  double weight[TAPS];
} Taps;

static double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  if (x >= low && x <= high) return x;
  const double distance = x < low ? low - x : x - high;
  const double rest = fmod(distance, range);
  const int even = fmod(floor(distance / range), 2) == 0;
  return (x < low) == even ? low + rest : high - rest;
}

static double clamp(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

/* The coordinate in elements that a normalised one stands for. */
static double denormalise(const Sampler *s, double x, int64_t dim) {
  const double n = (double)dim;
  x = s->align_corners ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
  if (s->taps == 1) x = rint(x);
  const double low = s->align_corners ? 0 : -0.5, high = s->align_corners ? n - 1 : n - 0.5;
  if (x >= low && x <= high) return x;
  /* Cubic weights are those of the place itself, of whose elements each is clamped. */
  if (s->padding == 'b') return s->taps == TAPS ? x : clamp(x, 0, n - 1);
  return s->padding == 'r' ? reflect(x, low, high) : x;
}

static int64_t element_at(const Sampler *s, double at, int64_t dim) {
  const double n = (double)dim;
  if (s->padding == 'b') at = clamp(at, 0, n - 1);
  if (s->padding == 'r') {
    const double low = s->align_corners ? 0 : -0.5, high = s->align_corners ? n - 1 : n - 0.5;
    at = clamp(trunc(reflect(at, low, high)), 0, n - 1);
  }
  return at >= 0 && at < n ? (int64_t)at : -1;
}

/* Cubic convolution (Keys), a = -0.75; `t` in [0, 1) is the place behind the second element. */
static void cubic_weights(double t, double *weight) {
  const double a = -0.75, u = 1 - t;
  weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  weight[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
  weight[3] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
}

static void find_taps(const Sampler *s, double x, int64_t dim, Taps *taps) {
  const double base = floor(x), t = x - base;
  const double first = s->taps == 1 ? x : s->taps == 2 ? base : base - 1;
  taps->weight[0] = s->taps == 1 ? 1 : 1 - t;
  taps->weight[1] = t;
  if (s->taps == TAPS) cubic_weights(t, taps->weight);
  for (int k = 0; k < s->taps; k++) taps->at[k] = element_at(s, first + k, dim);
}

/* The nearest element; 0, or the empty string, outside. */
static void pick(const Sampler *s, int64_t plane, const Taps *taps, const onnxc_rt_tensor *y,
                 int64_t to) {
  int64_t at = plane;
  int inside = 1;
  for (int32_t i = 0; i < s->axes; i++) {
    inside = inside && taps[i].at[0] >= 0;
    at = at * s->x->dims[2 + i] + taps[i].at[0];
  }
  if (inside) {
    onnxc_rt_copy(y, to, s->x, at, 1);
    return;
  }
  if (y->dtype == ONNXC_RT_STRING) {
    ((onnxc_rt_string *)y->data)[to] = (onnxc_rt_string){"", 0};
    return;
  }
  int32_t parts;
  const onnxc_rt_tensor numbers = onnxc_rt_components(y, &parts);
  for (int32_t k = 0; k < parts; k++) onnxc_rt_store_f64(&numbers, to * parts + k, 0);
}

/* The sum over all combinations of elements along the axes, of component `part`. */
static double interpolate(const Sampler *s, int64_t plane, const Taps *taps, int32_t part) {
  int choice[ONNXC_RT_MAX_RANK] = {0};
  double sum = 0;
  for (;;) {
    double weight = 1;
    int64_t at = plane;
    int inside = 1;
    for (int32_t i = 0; i < s->axes; i++) {
      weight *= taps[i].weight[choice[i]];
      inside = inside && taps[i].at[choice[i]] >= 0;
      at = at * s->x->dims[2 + i] + taps[i].at[choice[i]];
    }
    if (inside) sum += weight * onnxc_rt_load_f64(&s->numbers, at * s->parts + part);
    int32_t axis = s->axes - 1;
    while (axis >= 0 && ++choice[axis] == s->taps) choice[axis--] = 0;
    if (axis < 0) return sum;
  }
}

static Sampler sampler_of(const onnxc_rt_call *call) {
  const onnxc_rt_attr *mode = &call->attr[1];
  Sampler s = {.x = &call->in[0],
               .axes = call->in[0].rank - 2,
               .taps = 2,
               .padding = call->attr[2].s[0],
               .align_corners = call->attr[0].i != 0};
  s.numbers = onnxc_rt_components(s.x, &s.parts);
  if (onnxc_rt_attr_is(mode, "nearest")) s.taps = 1;
  if (onnxc_rt_attr_is(mode, "cubic")) s.taps = TAPS;
  return s;
}

static void store_sample(const Sampler *s, int64_t plane, const Taps *taps,
                         const onnxc_rt_tensor *y, int64_t to) {
  int32_t parts;
  const onnxc_rt_tensor numbers = onnxc_rt_components(y, &parts);
  if (s->taps == 1) {
    pick(s, plane, taps, y, to);
    return;
  }
  for (int32_t k = 0; k < parts; k++) {
    onnxc_rt_store_f64(&numbers, to * parts + k, interpolate(s, plane, taps, k));
  }
}

int onnxc_rt_ref_grid_sample(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *grid = &call->in[1], *y = &call->out[0];
  const Sampler s = sampler_of(call);
  const int64_t channels = x->dims[1], points = onnxc_rt_span(y, 2, y->rank);
  Taps taps[ONNXC_RT_MAX_RANK];
  for (int64_t i = 0; i < x->dims[0] * points; i++) {
    for (int32_t k = 0; k < s.axes; k++) { /* the grid names the last axis first */
      const double given = onnxc_rt_load_f64(grid, i * s.axes + s.axes - 1 - k);
      find_taps(&s, denormalise(&s, given, x->dims[2 + k]), x->dims[2 + k], &taps[k]);
    }
    for (int64_t c = 0; c < channels; c++) {
      const int64_t plane = i / points * channels + c;
      store_sample(&s, plane, taps, y, plane * points + i % points);
    }
  }
  return ONNXC_RT_OK;
}
