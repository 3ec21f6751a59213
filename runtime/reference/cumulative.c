/* Running sums and products along an axis. */
#include "onnxc_rt_reference.h"
#include "reference/element.h"

typedef struct Running {
  double f;
  uint64_t bits;
} Running;

static void take(Running *running, const onnxc_rt_tensor *x, int64_t at, int multiply) {
  if (onnxc_rt_class_of(x->dtype) == ONNXC_RT_CLASS_FLOAT) {
    const double value = onnxc_rt_load_f64(x, at);
    running->f = multiply ? running->f * value : running->f + value;
  } else {
    const uint64_t value = (uint64_t)onnxc_rt_load_i64(x, at);
    running->bits = multiply ? running->bits * value : running->bits + value;
  }
}

static void put(const Running *running, const onnxc_rt_tensor *y, int64_t at) {
  if (onnxc_rt_class_of(y->dtype) == ONNXC_RT_CLASS_FLOAT) {
    onnxc_rt_store_f64(y, at, running->f);
  } else {
    onnxc_rt_store_u64(y, at, running->bits);
  }
}

static int run(const onnxc_rt_call *call, int multiply) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int exclusive = call->attr[0].i != 0, reverse = call->attr[1].i != 0;
  const int32_t axis = onnxc_rt_axis(onnxc_rt_load_i64(&call->in[1], 0), x->rank);
  if (axis < 0) return ONNXC_RT_ERROR_VALUE;
  const int64_t dim = x->dims[axis], inner = onnxc_rt_span(x, axis + 1, x->rank);
  const int64_t lines = onnxc_rt_span(x, 0, axis) * inner;
  for (int64_t i = 0; i < lines; i++) {
    Running running = {multiply ? 1 : 0, (uint64_t)multiply};
    for (int64_t j = 0; j < dim; j++) {
      const int64_t turn = reverse ? dim - 1 - j : j;
      const int64_t at = (i / inner * dim + turn) * inner + i % inner;
      if (exclusive) put(&running, y, at);
      take(&running, x, at, multiply);
      if (!exclusive) put(&running, y, at);
    }
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_ref_cum_sum(const onnxc_rt_call *call) {
  return run(call, 0);
}

int onnxc_rt_ref_cum_prod(const onnxc_rt_call *call) {
  return run(call, 1);
}
