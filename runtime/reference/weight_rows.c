#include "reference/weight_rows.h"

#include "reference/dot.h"

enum { LANES = 16, PART = 64 * LANES };

/* Sums of f32 in lanes that compilers make vectors of; parts are short so that little is lost. */
static double dot_part(const float *x, const float *w, int64_t n) {
  float lanes[LANES] = {0};
  double sum = 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] += x[i + k] * w[i + k];
  }
  for (; i < n; i++) sum += (double)x[i] * (double)w[i];
  for (int k = 0; k < LANES; k++) sum += (double)lanes[k];
  return sum;
}

static double dot_f32(const float *x, const float *w, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += PART) {
    sum += dot_part(x + i, w + i, n - i < PART ? n - i : PART);
  }
  return sum;
}

/* Row `i` of A times the weights. */
static double product(const onnxc_rt_tensor *a, int64_t i, const onnxc_rt_tensor *row, int64_t k) {
  const float *w = (const float *)row->data;
  if (a->dtype == ONNXC_RT_F32) return dot_f32((const float *)a->data + i * k, w, k);
  const onnxc_rt_line x = {a, i * k, 1, 0}, y = {row, 0, 1, 0};
  return onnxc_rt_dot_f64(x, y, k);
}

int onnxc_rt_matmul_rows(const onnxc_rt_call *call, int32_t bias, onnxc_rt_unpack_row *unpack) {
  int64_t k = call->attr[0].i;
  const int64_t columns = call->attr[1].i, m = onnxc_rt_count(&call->out[0]) / columns;
  const onnxc_rt_tensor row = onnxc_rt_tensor_at(call->scratch, &k, 1, ONNXC_RT_F32);
  const int has_bias = onnxc_rt_has_in(call, bias);
  for (int64_t n = 0; n < columns; n++) {
    const double start = has_bias ? onnxc_rt_load_f64(&call->in[bias], n) : 0;
    const int error = unpack(call, n, (float *)call->scratch);
    if (error != ONNXC_RT_OK) return error;
    for (int64_t i = 0; i < m; i++) {
      const double sum = product(&call->in[0], i, &row, k) + start;
      onnxc_rt_store_f64(&call->out[0], i * columns + n, sum);
    }
  }
  return ONNXC_RT_OK;
}
