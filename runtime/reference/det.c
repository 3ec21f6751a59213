#include "onnxc_rt_reference.h"
#include "reference/element.h"

static int64_t largest_in_column(const double *m, int64_t n, int64_t k) {
  int64_t best = k;
  for (int64_t i = k + 1; i < n; i++) {
    if (fabs(m[i * n + k]) > fabs(m[best * n + k])) best = i;
  }
  return best;
}

static void swap_rows(double *m, int64_t n, int64_t a, int64_t b) {
  for (int64_t j = 0; j < n; j++) {
    const double kept = m[a * n + j];
    m[a * n + j] = m[b * n + j];
    m[b * n + j] = kept;
  }
}

/* Gaussian elimination with row pivots; the matrix is overwritten. */
static double determinant(double *m, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; k++) {
    const int64_t pivot = largest_in_column(m, n, k);
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      swap_rows(m, n, k, pivot);
      product = -product;
    }
    product *= m[k * n + k];
    for (int64_t i = k + 1; i < n; i++) {
      const double factor = m[i * n + k] / m[k * n + k];
      for (int64_t j = k; j < n; j++) m[i * n + j] -= factor * m[k * n + j];
    }
  }
  return product;
}

int onnxc_rt_ref_det(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int64_t n = x->dims[x->rank - 1];
  double *m = (double *)call->scratch;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    for (int64_t k = 0; k < n * n; k++) m[k] = onnxc_rt_load_f64(x, i * n * n + k);
    onnxc_rt_store_f64(y, i, determinant(m, n));
  }
  return ONNXC_RT_OK;
}
