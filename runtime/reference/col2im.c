#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int64_t at_or(const onnxc_rt_attr *attr, int32_t i, int64_t otherwise) {
  return attr->present ? attr->ints[i] : otherwise;
}

/* Geometry along one axis: block positions, and the image element of one of them. */
typedef struct Axis {
  int64_t size, kernel, dilation, front, stride, blocks;
} Axis;

static int read_axes(const onnxc_rt_call *call, Axis *axes, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    Axis *a = &axes[i];
    a->size = call->out[0].dims[2 + i];
    a->kernel = onnxc_rt_load_i64(&call->in[2], i);
    a->dilation = at_or(&call->attr[0], i, 1);
    a->front = at_or(&call->attr[1], i, 0);
    a->stride = at_or(&call->attr[2], i, 1);
    if (a->kernel < 1 || a->kernel > INT32_MAX) return 0;
    const int64_t span = a->size + a->front + at_or(&call->attr[1], n + i, 0);
    const int64_t reach = a->dilation * (a->kernel - 1) + 1;
    a->blocks = span < reach ? 0 : (span - reach) / a->stride + 1;
  }
  return 1;
}

/* The image element that kernel element `tap` of block `block` stands for; -1: padding. */
static int64_t element_of(const Axis *axes, int32_t n, int64_t tap, int64_t block) {
  int64_t at = 0, stride = 1;
  for (int32_t i = n - 1; i >= 0; i--) {
    const Axis *a = &axes[i];
    const int64_t index = block % a->blocks * a->stride - a->front + tap % a->kernel * a->dilation;
    if (index < 0 || index >= a->size) return -1;
    at += index * stride;
    stride *= a->size;
    tap /= a->kernel;
    block /= a->blocks;
  }
  return at;
}

static int set_dims(const onnxc_rt_call *call, int32_t n) {
  for (int32_t i = 0; onnxc_rt_has_in(call, 1) && i < n; i++) {
    if (!onnxc_rt_set_dim(&call->out[0], 2 + i, onnxc_rt_load_i64(&call->in[1], i))) return 0;
  }
  return 1;
}

/* Adds element `i` of x to element `at` of y; integers wrap. */
static void add(const onnxc_rt_tensor *y, int64_t at, const onnxc_rt_tensor *x, int64_t i) {
  const onnxc_rt_class cls = onnxc_rt_class_of(y->dtype);
  if (cls == ONNXC_RT_CLASS_INT || cls == ONNXC_RT_CLASS_UINT) {
    const uint64_t a = (uint64_t)onnxc_rt_load_i64(y, at), b = (uint64_t)onnxc_rt_load_i64(x, i);
    onnxc_rt_store_u64(y, at, a + b);
    return;
  }
  int32_t parts;
  const onnxc_rt_tensor to = onnxc_rt_components(y, &parts), from = onnxc_rt_components(x, &parts);
  for (int32_t k = 0; k < parts; k++) {
    const int64_t place = at * parts + k;
    const double sum = onnxc_rt_load_f64(&to, place) + onnxc_rt_load_f64(&from, i * parts + k);
    onnxc_rt_store_f64(&to, place, sum);
  }
}

int onnxc_rt_ref_col2im(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int32_t n = y->rank - 2;
  Axis axes[ONNXC_RT_MAX_RANK];
  if (!set_dims(call, n) || !read_axes(call, axes, n)) return ONNXC_RT_ERROR_SHAPE;
  int64_t taps = 1, blocks = 1;
  for (int32_t i = 0; i < n; i++) {
    if (taps > x->dims[1]) return ONNXC_RT_ERROR_SHAPE;
    taps *= axes[i].kernel;
    blocks *= axes[i].blocks;
  }
  if (x->dims[1] % taps != 0 || x->dims[2] != blocks) return ONNXC_RT_ERROR_SHAPE;
  if (y->dims[1] != x->dims[1] / taps && !onnxc_rt_set_dim(y, 1, x->dims[1] / taps)) {
    return ONNXC_RT_ERROR_SHAPE;
  }
  const int64_t plane = onnxc_rt_span(y, 2, y->rank);
  onnxc_rt_clear(y);
  for (int64_t i = 0; i < onnxc_rt_count(x); i++) {
    const int64_t column = i / blocks; /* over images, channels and taps */
    const int64_t at = element_of(axes, n, column % taps, i % blocks);
    if (at < 0) continue;
    add(y, column / taps * plane + at, x, i);
  }
  return ONNXC_RT_OK;
}
