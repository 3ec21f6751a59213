/* Discrete Fourier transforms of signals in tensors. As NumPy does it, the inverse is computed in
 * the precision of its type, all else in double. */
#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/fft.h"

/* One signal: element j is at start + j * stride, real or (parts 2) complex. */
typedef struct Signal {
  const onnxc_rt_tensor *x, *window; /* window may be NULL */
  int64_t start, stride, parts;
  int64_t length; /* elements there are; those behind, up to n, are zero */
  int half;       /* complex, and only the first half of a symmetric spectrum */
} Signal;

static void set_element(const onnxc_rt_any_fft *fft, const Signal *s, int64_t j) {
  const int mirrored = s->half && j > fft->n / 2;
  const int64_t k = mirrored ? fft->n - j : j, at = s->start + k * s->stride;
  double re = 0, im = 0;
  if (k < s->length) {
    const double factor = s->window == NULL ? 1 : onnxc_rt_load_f64(s->window, k);
    re = factor * onnxc_rt_load_f64(s->x, at);
    if (s->parts == 2) im = factor * onnxc_rt_load_f64(s->x, at + 1);
  }
  onnxc_rt_fft_set(fft, j, re, mirrored ? -im : im);
}

static void transform(onnxc_rt_any_fft *fft, const Signal *s) {
  for (int64_t j = 0; j < fft->n; j++) set_element(fft, s, j);
  onnxc_rt_fft_run(fft);
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
  onnxc_rt_any_fft fft;
  const int single = inverse && x->dtype != ONNXC_RT_F64;
  onnxc_rt_fft_begin(&fft, n, inverse ? 1 : -1, single, call->scratch);
  for (int64_t i = 0; i < signals; i++) {
    const int64_t start = (i / inner * dim * inner + i % inner) * parts;
    const Signal s = {x, NULL, start, inner * parts, parts, dim < n ? dim : n, inverse && onesided};
    transform(&fft, &s);
    for (int64_t k = 0; k < bins; k++) {
      const int64_t to = ((i / inner * bins + k) * inner + i % inner) * out_parts;
      const double scale = inverse ? (double)n : 1;
      double value[2];
      onnxc_rt_fft_get(&fft, k, value);
      for (int part = 0; part < out_parts; part++) {
        onnxc_rt_store_f64(y, to + part, value[part] / scale);
      }
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
  onnxc_rt_any_fft fft;
  onnxc_rt_fft_begin(&fft, n, -1, 0, call->scratch);
  for (int64_t i = 0; i < x->dims[0] * frames; i++) {
    const int64_t start = (i / frames * length + i % frames * step) * parts;
    const Signal s = {x, window, start, parts, parts, n, 0};
    transform(&fft, &s);
    for (int64_t k = 0; k < bins; k++) {
      double value[2];
      onnxc_rt_fft_get(&fft, k, value);
      onnxc_rt_store_f64(y, 2 * (i * bins + k), value[0]);
      onnxc_rt_store_f64(y, 2 * (i * bins + k) + 1, value[1]);
    }
  }
  return ONNXC_RT_OK;
}
