#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <string.h>

enum { X, ROI, SCALES, SIZES };
enum {
  MODE,
  TRANSFORM,
  NEAREST_MODE,
  CUBIC_A,
  EXCLUDE_OUTSIDE,
  EXTRAPOLATION,
  ANTIALIAS,
  AXES,
  POLICY
};

/* One axis of a resize, and the elements that make up the current output element: taps
 * [first, first + taps), the weight of each still to be divided by `norm`. */
typedef struct Axis {
  int resized;
  int64_t in, out, step; /* step: elements between neighbours in X */
  float scale, length;   /* length: of the output before it was cut to a whole number */
  double roi_begin, roi_end;
  int64_t first, taps;
  double at, norm;
} Axis;

typedef struct Resize {
  const onnxc_rt_call *call;
  int32_t rank;
  char mode; /* n, l or c */
  int antialias, exclude_outside;
  double cubic_a;
  Axis axes[ONNXC_RT_MAX_RANK];
} Resize;

/* ---- set-up ------------------------------------------------------------------------------------
 */

static int given(const onnxc_rt_call *call, int32_t i) {
  return onnxc_rt_has_in(call, i) && onnxc_rt_count(&call->in[i]) > 0;
}

/* Axis number `k` of those that are resized, and their number. */
static int32_t nth_axis(const Resize *r, int32_t k) {
  const onnxc_rt_attr *axes = &r->call->attr[AXES];
  return axes->present ? onnxc_rt_axis(axes->ints[k], r->rank) : k;
}

static int32_t n_axes(const Resize *r) {
  return r->call->attr[AXES].present ? r->call->attr[AXES].count : r->rank;
}

/* The one ratio of all axes that policies other than "stretch" ask for. */
static float common_scale(const Resize *r) {
  const int smallest = strcmp(r->call->attr[POLICY].s, "not_larger") == 0;
  float best = 0;
  for (int32_t k = 0; k < n_axes(r); k++) {
    const int64_t size = onnxc_rt_load_i64(&r->call->in[SIZES], k);
    const float scale = (float)size / (float)r->axes[nth_axis(r, k)].in;
    if (k == 0 || (smallest ? scale < best : scale > best)) best = scale;
  }
  return best;
}

/* The scale of an axis and the size it gives, not yet a whole number. */
static void init_scale(const Resize *r, Axis *axis, int32_t k) {
  const onnxc_rt_call *call = r->call;
  const float in = (float)axis->in;
  if (given(call, SCALES)) {
    axis->scale = (float)onnxc_rt_load_f64(&call->in[SCALES], k);
    axis->length = axis->scale * in;
  } else if (strcmp(call->attr[POLICY].s, "stretch") == 0) {
    axis->length = (float)onnxc_rt_load_i64(&call->in[SIZES], k);
    axis->scale = axis->length / in;
  } else {
    axis->scale = common_scale(r);
    axis->length = axis->scale * in;
  }
}

/* The size of Y along an axis; -1 when it is out of range. */
static int64_t size_of(const Resize *r, const Axis *axis, int32_t k) {
  const onnxc_rt_call *call = r->call;
  const int stretch = strcmp(call->attr[POLICY].s, "stretch") == 0;
  if (!given(call, SCALES) && stretch) return onnxc_rt_load_i64(&call->in[SIZES], k);
  const double size = (double)axis->length + (given(call, SCALES) ? 0 : 0.5);
  return size >= 0 && size < 0x1p31 ? (int64_t)size : -1;
}

static int init_axis(Resize *r, int32_t k, int32_t n) {
  const int32_t at = nth_axis(r, k);
  Axis *axis = &r->axes[at];
  axis->resized = 1;
  init_scale(r, axis, k);
  if (!onnxc_rt_set_dim(&r->call->out[0], at, size_of(r, axis, k))) return 0;
  axis->out = r->call->out[0].dims[at];
  if (given(r->call, ROI)) {
    axis->roi_begin = onnxc_rt_load_f64(&r->call->in[ROI], k);
    axis->roi_end = onnxc_rt_load_f64(&r->call->in[ROI], n + k);
  }
  return 1;
}

/* Sets the sizes of Y, too; false when they do not fit. */
static int init_axes(Resize *r) {
  const onnxc_rt_tensor *x = &r->call->in[X];
  const int32_t n = n_axes(r);
  int64_t steps[ONNXC_RT_MAX_RANK];
  onnxc_rt_strides(x->dims, x->rank, steps);
  for (int32_t i = 0; i < r->rank; i++) {
    const int64_t size = x->dims[i];
    r->axes[i] = (Axis){.in = size, .out = size, .step = steps[i], .roi_end = 1};
  }
  for (int32_t k = 0; k < n; k++) {
    if (!init_axis(r, k, n)) return 0;
  }
  return 1;
}

/* ---- coordinates -------------------------------------------------------------------------------
 * The place in X of output element `i`. In single precision, as other runtimes compute it: where
 * the result lies on the edge between two elements the choice must be theirs. */

static float half_pixel(const Axis *a, float i) {
  return (i + 0.5F) / a->scale - 0.5F;
}

static float pytorch_half_pixel(const Axis *a, float i) {
  return a->out > 1 ? half_pixel(a, i) : 0;
}

static float half_pixel_symmetric(const Axis *a, float i) {
  const float adjustment = (float)a->out / a->length;
  return (float)a->in / 2 * (1 - adjustment) + half_pixel(a, i);
}

static float asymmetric(const Axis *a, float i) {
  return i / a->scale;
}

static float align_corners(const Axis *a, float i) {
  return a->length == 1 ? 0 : i * (float)(a->in - 1) / (a->length - 1);
}

static float crop(const Axis *a, float i) {
  const double last = (double)(a->in - 1), part = (a->roi_end - a->roi_begin) * last;
  const double off = a->out == 1 ? part / 2 : (double)i * part / (double)(a->out - 1);
  return (float)(a->roi_begin * last + off);
}

typedef float Transform(const Axis *axis, float i);

static Transform *transform_of(const onnxc_rt_call *call) {
  static const struct {
    const char *name;
    Transform *transform;
  } table[] = {
      {"half_pixel", half_pixel},
      {"pytorch_half_pixel", pytorch_half_pixel},
      {"half_pixel_symmetric", half_pixel_symmetric},
      {"asymmetric", asymmetric},
      {"align_corners", align_corners},
      {"tf_crop_and_resize", crop},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, call->attr[TRANSFORM].s) == 0) return table[i].transform;
  }
  return half_pixel;
}

static float to_nearest(const onnxc_rt_call *call, float at) {
  const char *mode = call->attr[NEAREST_MODE].s;
  if (strcmp(mode, "floor") == 0) return floorf(at);
  if (strcmp(mode, "ceil") == 0) return ceilf(at);
  if (strcmp(mode, "round_prefer_ceil") == 0) return floorf(at + 0.5F);
  return ceilf(at - 0.5F);
}

/* ---- weights -----------------------------------------------------------------------------------
 */

static double linear_weight(double distance) {
  return distance < 1 ? 1 - distance : 0;
}

static double cubic_weight(double distance, double a) {
  const double d = distance;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Filters of an antialiased reduction are as wide as the elements of Y. */
static double filter_scale(const Resize *r, const Axis *a) {
  return r->antialias && a->scale < 1 ? (double)a->scale : 1;
}

static double weight(const Resize *r, const Axis *a, int64_t i) {
  if (!a->resized || r->mode == 'n') return 1;
  if (r->exclude_outside && (i < 0 || i >= a->in)) return 0;
  const double distance = fabs((double)i - a->at) * filter_scale(r, a);
  return r->mode == 'c' ? cubic_weight(distance, r->cubic_a) : linear_weight(distance);
}

/* A region may ask for any place, or for none; far outside all places are alike. */
static float tame(float at) {
  return fminf(fmaxf(at, -1e9F), 1e9F);
}

static void place(const Resize *r, Axis *a, int64_t i, Transform *transform) {
  const double support = r->mode == 'c' ? 2 : 1;
  const float at = a->resized ? tame(transform(a, (float)i)) : (float)i;
  a->at = (double)at;
  if (!a->resized || r->mode == 'n') {
    a->first = a->resized ? (int64_t)to_nearest(r->call, at) : i;
    a->taps = 1;
    a->norm = 1;
    return;
  }
  const int64_t before = (int64_t)floor(-support / filter_scale(r, a)) + 1; /* of the left one */
  a->first = (int64_t)ceilf(at) - 1 + before;
  a->taps = 2 - 2 * before;
  a->norm = 0;
  for (int64_t k = 0; k < a->taps; k++) a->norm += weight(r, a, a->first + k);
}

/* ---- elements ----------------------------------------------------------------------------------
 */

static int64_t clamp(int64_t i, int64_t n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The weighted sum over the axes from `axis` on, with the others at `at`. */
static double interpolate(const Resize *r, int32_t axis, int64_t at) {
  if (axis == r->rank) return onnxc_rt_load_f64(&r->call->in[X], at);
  const Axis *a = &r->axes[axis];
  double sum = 0;
  for (int64_t k = 0; k < a->taps; k++) {
    const double w = weight(r, a, a->first + k);
    if (w == 0) continue;
    sum += w / a->norm * interpolate(r, axis + 1, at + clamp(a->first + k, a->in) * a->step);
  }
  return sum;
}

static int outside(const Resize *r) {
  for (int32_t i = 0; i < r->rank; i++) {
    const Axis *a = &r->axes[i];
    if (a->resized && (a->at < 0 || a->at > (double)(a->in - 1))) return 1;
  }
  return 0;
}

static void copy_nearest(const Resize *r, int64_t to) {
  int64_t from = 0;
  for (int32_t i = 0; i < r->rank; i++) {
    from += clamp(r->axes[i].first, r->axes[i].in) * r->axes[i].step;
  }
  onnxc_rt_copy(&r->call->out[0], to, &r->call->in[X], from, 1);
}

static int any_empty(const Resize *r) {
  for (int32_t i = 0; i < r->rank; i++) {
    if (r->axes[i].in == 0) return 1;
  }
  return 0;
}

/* False when the sizes of Y do not fit. */
static int init(Resize *r, const onnxc_rt_call *call) {
  *r = (Resize){.call = call, .rank = call->out[0].rank, .mode = call->attr[MODE].s[0]};
  r->antialias = call->attr[ANTIALIAS].i != 0;
  r->exclude_outside = call->attr[EXCLUDE_OUTSIDE].i != 0;
  r->cubic_a = call->attr[CUBIC_A].f;
  return init_axes(r);
}

int64_t onnxc_rt_resize_taps(const onnxc_rt_call *call, int32_t axis) {
  Resize r;
  if (!init(&r, call)) return -1;
  place(&r, &r.axes[axis], 0, transform_of(call));
  return r.axes[axis].taps;
}

void onnxc_rt_resize_table(const onnxc_rt_call *call, int32_t axis, int32_t *index,
                           float *weights) {
  Resize r;
  if (!init(&r, call)) return;
  Axis *a = &r.axes[axis];
  for (int64_t i = 0; i < a->out; i++) {
    place(&r, a, i, transform_of(call));
    for (int64_t k = 0; k < a->taps; k++) {
      *index++ = (int32_t)clamp(a->first + k, a->in);
      *weights++ = (float)(weight(&r, a, a->first + k) / a->norm);
    }
  }
}

int onnxc_rt_ref_resize(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  Transform *const transform = transform_of(call);
  Resize r;
  if (!init(&r, call)) return ONNXC_RT_ERROR_SHAPE;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  if (any_empty(&r) && walk.count > 0) return ONNXC_RT_ERROR_SHAPE;
  for (int64_t at = 0; at < walk.count; at++, onnxc_rt_walk_next(&walk)) {
    for (int32_t i = 0; i < r.rank; i++) place(&r, &r.axes[i], walk.index[i], transform);
    if (transform == crop && outside(&r)) {
      onnxc_rt_store_f64(y, at, call->attr[EXTRAPOLATION].f);
    } else if (r.mode == 'n') {
      copy_nearest(&r, at);
    } else {
      onnxc_rt_store_f64(y, at, interpolate(&r, 0, 0));
    }
  }
  return ONNXC_RT_OK;
}
