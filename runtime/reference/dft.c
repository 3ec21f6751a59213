/* Discrete Fourier transforms by definition: a sum for each element. */
#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* One signal: element j is at start + j * stride, real or (parts 2) complex. */
typedef struct Signal {
  const onnxc_rt_tensor *x, *window; /* window may be NULL */
  int64_t start, stride, parts;
  int64_t length; /* elements there are; those behind, up to n, are zero */
  int half;       /* complex, and only the first half of a symmetric spectrum */
} Signal;

typedef struct Complex {
  double re, im;
} Complex;

static Complex element(const Signal *s, int64_t n, int64_t j) {
  const int mirrored = s->half && j > n / 2;
  const int64_t k = mirrored ? n - j : j;
  Complex value = {0, 0};
  if (k >= s->length) return value;
  const int64_t at = s->start + k * s->stride;
  const double factor = s->window == NULL ? 1 : onnxc_rt_load_f64(s->window, k);
  value.re = factor * onnxc_rt_load_f64(s->x, at);
  if (s->parts == 2) value.im = factor * onnxc_rt_load_f64(s->x, at + 1);
  if (mirrored) value.im = -value.im;
  return value;
}

/* Element `k` of the transform of n elements; `sign` of the exponent. */
static Complex transform(const Signal *s, int64_t n, int64_t k, double sign) {
  const double step = sign * 2 * 3.14159265358979323846 / (double)n;
  Complex sum = {0, 0};
  for (int64_t j = 0; j < n; j++) {
    const Complex x = element(s, n, j);
    const double angle = step * (double)((uint64_t)j * (uint64_t)k % (uint64_t)n);
    const double c = cos(angle), d = sin(angle);
    sum.re += x.re * c - x.im * d;
    sum.im += x.re * d + x.im * c;
  }
  return sum;
}

/* Number of elements of the transform: given, or those of the signal. */
static int64_t dft_length(const onnxc_rt_call *call, int64_t dim, int inverse, int onesided) {
  if (onnxc_rt_has_in(call, 1)) return onnxc_rt_load_i64(&call->in[1], 0);
  return inverse && onesided ? 2 * (dim - 1) : dim;
}

int onnxc_rt_ref_dft(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int inverse = call->attr[0].i != 0, onesided = call->attr[1].i != 0;
  const int64_t given = onnxc_rt_has_in(call, 2) ? onnxc_rt_load_i64(&call->in[2], 0) : -2;
  const int32_t axis = onnxc_rt_axis(given, x->rank);
  if (axis < 0 || axis == x->rank - 1) return ONNXC_RT_ERROR_VALUE;
  const int64_t dim = x->dims[axis], parts = x->dims[x->rank - 1];
  const int64_t n = dft_length(call, dim, inverse, onesided), out_parts = y->dims[y->rank - 1];
  if (n < 1) return ONNXC_RT_ERROR_VALUE;
  const int64_t bins = onesided && !inverse ? n / 2 + 1 : n;
  for (int32_t i = 0; i < x->rank - 1; i++) {
    if (!onnxc_rt_set_dim(y, i, i == axis ? bins : x->dims[i])) return ONNXC_RT_ERROR_SHAPE;
  }
  const int64_t inner = onnxc_rt_span(x, axis + 1, x->rank - 1);
  const int64_t signals = onnxc_rt_span(x, 0, axis) * inner;
  for (int64_t i = 0; i < signals; i++) {
    const int64_t start = (i / inner * dim * inner + i % inner) * parts;
    const Signal s = {x, NULL, start, inner * parts, parts, dim < n ? dim : n, inverse && onesided};
    for (int64_t k = 0; k < bins; k++) {
      const Complex sum = transform(&s, n, k, inverse ? 1 : -1);
      const double scale = inverse ? (double)n : 1;
      const int64_t to = ((i / inner * bins + k) * inner + i % inner) * out_parts;
      onnxc_rt_store_f64(y, to, sum.re / scale);
      if (out_parts == 2) onnxc_rt_store_f64(y, to + 1, sum.im / scale);
    }
  }
  return ONNXC_RT_OK;
}

static int64_t frame_length(const onnxc_rt_call *call) {
  if (onnxc_rt_has_in(call, 3)) return onnxc_rt_load_i64(&call->in[3], 0);
  return onnxc_rt_has_in(call, 2) ? call->in[2].dims[0] : call->in[0].dims[1];
}

int onnxc_rt_ref_stft(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const onnxc_rt_tensor *window = onnxc_rt_has_in(call, 2) ? &call->in[2] : NULL;
  const int64_t step = onnxc_rt_load_i64(&call->in[1], 0), n = frame_length(call);
  const int64_t parts = x->dims[2], length = x->dims[1];
  if (step < 1 || n < 1 || n > length) return ONNXC_RT_ERROR_VALUE;
  if (window != NULL && window->dims[0] != n) return ONNXC_RT_ERROR_SHAPE;
  const int64_t frames = (length - n) / step + 1, bins = call->attr[0].i != 0 ? n / 2 + 1 : n;
  if (!onnxc_rt_set_dim(y, 1, frames) || !onnxc_rt_set_dim(y, 2, bins)) {
    return ONNXC_RT_ERROR_SHAPE;
  }
  for (int64_t i = 0; i < x->dims[0] * frames; i++) {
    const int64_t start = (i / frames * length + i % frames * step) * parts;
    const Signal s = {x, window, start, parts, parts, n, 0};
    for (int64_t k = 0; k < bins; k++) {
      const Complex sum = transform(&s, n, k, -1);
      onnxc_rt_store_f64(y, 2 * (i * bins + k), sum.re);
      onnxc_rt_store_f64(y, 2 * (i * bins + k) + 1, sum.im);
    }
  }
  return ONNXC_RT_OK;
}
