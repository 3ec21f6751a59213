#include "reference/dot.h"

#include "reference/element.h"

static double dot_f32(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  const float *x = (const float *)a.tensor->data + a.at;
  const float *y = (const float *)b.tensor->data + b.at;
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += (double)x[k * a.step] * (double)y[k * b.step];
  return sum;
}

double onnxc_rt_dot_f64(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  if (n <= 0) return 0;
  if (a.tensor->dtype == ONNXC_RT_F32 && b.tensor->dtype == ONNXC_RT_F32) return dot_f32(a, b, n);
  double sum = 0;
  for (int64_t k = 0; k < n; k++) {
    sum += onnxc_rt_load_f64(a.tensor, a.at + k * a.step) *
           onnxc_rt_load_f64(b.tensor, b.at + k * b.step);
  }
  return sum;
}

uint64_t onnxc_rt_dot_u64(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  uint64_t sum = 0;
  for (int64_t k = 0; k < n; k++) {
    const uint64_t x = (uint64_t)onnxc_rt_load_i64(a.tensor, a.at + k * a.step);
    const uint64_t y = (uint64_t)onnxc_rt_load_i64(b.tensor, b.at + k * b.step);
    sum += (x - (uint64_t)a.zero) * (y - (uint64_t)b.zero);
  }
  return sum;
}
