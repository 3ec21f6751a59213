#include "onnxc_rt_reference.h"
#include "reference/element.h"

#include <float.h>

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };
enum { STEPS = 256 };

/* What the rows of one call share. Their elements lie `step` apart. */
typedef struct Rows {
  const onnxc_rt_tensor *x, *y;
  int64_t n, step, least, zero;
  float powers[STEPS]; /* exp of the distance to the largest element, which has the last */
  float inverse;       /* of the result's scale, a whole number */
} Rows;

/* Powers are as large as they may be without their sum becoming infinite. */
static void fill_powers(Rows *rows, float scale) {
  const double most = (double)logf(FLT_MAX / (float)rows->n) - 5;
  const double shift = (most > 0 ? most : 0) / (double)scale;
  for (int i = 0; i < STEPS; i++) {
    rows->powers[i] = (float)exp((i - (STEPS - 1) + shift) * (double)scale);
  }
}

/* Element `k` of the row that begins at `at`, counted from the least of the type. */
static int64_t element(const Rows *rows, int64_t at, int64_t k) {
  return onnxc_rt_load_i64(rows->x, at + k * rows->step) - rows->least;
}

static int64_t saturated(const Rows *rows, float value) {
  const int64_t most = rows->least + STEPS - 1;
  if (!(value < (float)(most - rows->zero))) return most;
  if (value < (float)(rows->least - rows->zero)) return rows->least;
  return (int64_t)rintf(value) + rows->zero;
}

static void run_row(const Rows *rows, int64_t at) {
  int64_t most = 0;
  float sum = 0;
  for (int64_t k = 0; k < rows->n; k++) {
    const int64_t x = element(rows, at, k);
    if (x > most) most = x;
  }
  const float *powers = rows->powers + (STEPS - 1 - most);
  for (int64_t k = 0; k < rows->n; k++) sum += powers[element(rows, at, k)];
  for (int64_t k = 0; k < rows->n; k++) {
    const float y = powers[element(rows, at, k)] * rows->inverse / sum;
    onnxc_rt_store_i64(rows->y, at + k * rows->step, saturated(rows, y));
  }
}

int onnxc_rt_ref_qlinear_softmax(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[X], *y = &call->out[0];
  const int flat = call->attr[1].i < 13;
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  Rows rows = {.x = x, .y = y, .least = x->dtype == ONNXC_RT_I8 ? INT8_MIN : 0};
  const int64_t count = onnxc_rt_count(x);
  if (count == 0) return ONNXC_RT_OK;
  rows.step = flat ? 1 : onnxc_rt_span(x, axis + 1, x->rank);
  rows.n = flat ? onnxc_rt_span(x, axis, x->rank) : x->dims[axis];
  rows.zero = onnxc_rt_has_in(call, Y_ZERO) ? onnxc_rt_load_i64(&call->in[Y_ZERO], 0) : 0;
  rows.inverse = floorf(1.0F / (float)onnxc_rt_load_f64(&call->in[Y_SCALE], 0));
  fill_powers(&rows, (float)onnxc_rt_load_f64(&call->in[X_SCALE], 0));
  for (int64_t i = 0; i < count / rows.n; i++) {
    run_row(&rows, i / rows.step * rows.step * rows.n + i % rows.step);
  }
  return ONNXC_RT_OK;
}
