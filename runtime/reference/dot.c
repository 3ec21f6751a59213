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

/* Products of bytes, less their zero points, fit 17 bits: so many of them are summed in 32. */
enum { BYTES_AT_ONCE = 1 << 14 };

#define DOT_BYTES(name, X, Y)                                                                      \
  static int32_t name(const X *x, int64_t x_step, int32_t x_zero, const Y *y, int64_t y_step,      \
                      int32_t y_zero, int64_t n) {                                                 \
    int32_t sum = 0;                                                                               \
    for (int64_t k = 0; k < n; k++) sum += (x[k * x_step] - x_zero) * (y[k * y_step] - y_zero);    \
    return sum;                                                                                    \
  }

DOT_BYTES(dot_u8_u8, uint8_t, uint8_t)
DOT_BYTES(dot_u8_i8, uint8_t, int8_t)
DOT_BYTES(dot_i8_u8, int8_t, uint8_t)
DOT_BYTES(dot_i8_i8, int8_t, int8_t)

static int is_bytes(onnxc_rt_line line) {
  return line.tensor->dtype == ONNXC_RT_U8 || line.tensor->dtype == ONNXC_RT_I8;
}

static int32_t dot_bytes(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  const uint8_t *xu = (const uint8_t *)a.tensor->data + a.at;
  const uint8_t *yu = (const uint8_t *)b.tensor->data + b.at;
  const int8_t *xi = (const int8_t *)a.tensor->data + a.at;
  const int8_t *yi = (const int8_t *)b.tensor->data + b.at;
  const int32_t x_zero = (int32_t)a.zero, y_zero = (int32_t)b.zero;
  const int x_signed = a.tensor->dtype == ONNXC_RT_I8, y_signed = b.tensor->dtype == ONNXC_RT_I8;
  if (x_signed && y_signed) return dot_i8_i8(xi, a.step, x_zero, yi, b.step, y_zero, n);
  if (x_signed) return dot_i8_u8(xi, a.step, x_zero, yu, b.step, y_zero, n);
  if (y_signed) return dot_u8_i8(xu, a.step, x_zero, yi, b.step, y_zero, n);
  return dot_u8_u8(xu, a.step, x_zero, yu, b.step, y_zero, n);
}

static uint64_t dot_many_bytes(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  uint64_t sum = 0;
  for (int64_t done = 0; done < n; done += BYTES_AT_ONCE) {
    const int64_t part = n - done < BYTES_AT_ONCE ? n - done : BYTES_AT_ONCE;
    sum += (uint64_t)(int64_t)dot_bytes(a, b, part);
    a.at += part * a.step;
    b.at += part * b.step;
  }
  return sum;
}

uint64_t onnxc_rt_dot_u64(onnxc_rt_line a, onnxc_rt_line b, int64_t n) {
  if (is_bytes(a) && is_bytes(b)) return dot_many_bytes(a, b, n);
  uint64_t sum = 0;
  for (int64_t k = 0; k < n; k++) {
    const uint64_t x = (uint64_t)onnxc_rt_load_i64(a.tensor, a.at + k * a.step);
    const uint64_t y = (uint64_t)onnxc_rt_load_i64(b.tensor, b.at + k * b.step);
    sum += (x - (uint64_t)a.zero) * (y - (uint64_t)b.zero);
  }
  return sum;
}
