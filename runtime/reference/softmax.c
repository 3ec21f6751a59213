#include "onnxc_rt_reference.h"
#include "reference/element.h"

/* The elements of one row lie `step` apart. */
typedef struct Row {
  const onnxc_rt_tensor *x, *y;
  int64_t at, step, n;
} Row;

static double element(const Row *row, int64_t k) {
  return onnxc_rt_load_f64(row->x, row->at + k * row->step);
}

static void store(const Row *row, int64_t k, double value) {
  onnxc_rt_store_f64(row->y, row->at + k * row->step, value);
}

/* The largest element; NaN when there is one. */
static double largest(const Row *row) {
  double most = element(row, 0);
  for (int64_t k = 1; k < row->n; k++) {
    const double value = element(row, k);
    if (value > most || isnan(value)) most = value;
  }
  return most;
}

static double sum_of_powers(const Row *row, double most) {
  double sum = 0;
  for (int64_t k = 0; k < row->n; k++) sum += exp(element(row, k) - most);
  return sum;
}

static void softmax_row(const Row *row) {
  const double most = largest(row), sum = sum_of_powers(row, most);
  for (int64_t k = 0; k < row->n; k++) store(row, k, exp(element(row, k) - most) / sum);
}

static void log_softmax_row(const Row *row) {
  const double most = largest(row), log_sum = log(sum_of_powers(row, most));
  for (int64_t k = 0; k < row->n; k++) store(row, k, element(row, k) - most - log_sum);
}

static int each_row(const onnxc_rt_call *call, void (*body)(const Row *row)) {
  const onnxc_rt_tensor *x = &call->in[0];
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  Row row = {.x = x, .y = &call->out[0], .n = x->dims[axis]};
  row.step = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t rows = row.n == 0 ? 0 : onnxc_rt_count(x) / row.n;
  for (int64_t i = 0; i < rows; i++) {
    row.at = i / row.step * row.step * row.n + i % row.step;
    body(&row);
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_softmax(const onnxc_rt_call *call) {
  return each_row(call, softmax_row);
}

int onnxc_rt_ref_log_softmax(const onnxc_rt_call *call) {
  return each_row(call, log_softmax_row);
}
