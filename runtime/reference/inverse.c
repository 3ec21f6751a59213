#include "onnxc_rt_reference.h"
#include "reference/element.h"

static void swap_rows(double *m, int64_t n, int64_t a, int64_t b) {
  for (int64_t j = 0; j < n; j++) {
    const double kept = m[a * n + j];
    m[a * n + j] = m[b * n + j];
    m[b * n + j] = kept;
  }
}

static int64_t largest_in_column(const double *m, int64_t n, int64_t k) {
  int64_t best = k;
  for (int64_t i = k + 1; i < n; i++) {
    if (fabs(m[i * n + k]) > fabs(m[best * n + k])) best = i;
  }
  return best;
}

static void scale_row(double *m, int64_t n, int64_t row, double factor) {
  for (int64_t j = 0; j < n; j++) m[row * n + j] *= factor;
}

static void add_row(double *m, int64_t n, int64_t row, int64_t from, double factor) {
  for (int64_t j = 0; j < n; j++) m[row * n + j] += factor * m[from * n + j];
}

/* Gauss-Jordan elimination with row pivots: `m` becomes the identity, which `y` was, its inverse.
 */
static void invert(double *m, double *y, int64_t n) {
  for (int64_t k = 0; k < n; k++) {
    const int64_t pivot = largest_in_column(m, n, k);
    swap_rows(m, n, k, pivot);
    swap_rows(y, n, k, pivot);
    const double factor = 1 / m[k * n + k];
    scale_row(m, n, k, factor);
    scale_row(y, n, k, factor);
    for (int64_t i = 0; i < n; i++) {
      const double above = m[i * n + k];
      if (i == k) continue;
      add_row(m, n, i, k, -above);
      add_row(y, n, i, k, -above);
    }
  }
}

int onnxc_rt_ref_inverse(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *out = &call->out[0];
  const int64_t n = x->dims[x->rank - 1], size = n * n;
  double *m = (double *)call->scratch, *y = m + size;
  if (size == 0) return ONNXC_RT_OK;
  for (int64_t i = 0; i < onnxc_rt_count(x) / size; i++) {
    for (int64_t k = 0; k < size; k++) {
      m[k] = onnxc_rt_load_f64(x, i * size + k);
      y[k] = k / n == k % n;
    }
    invert(m, y, n);
    for (int64_t k = 0; k < size; k++) onnxc_rt_store_f64(out, i * size + k, y[k]);
  }
  return ONNXC_RT_OK;
}
