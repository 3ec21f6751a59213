#include "reference/map.h"

int onnxc_rt_less(uint64_t a, uint64_t b, int is_signed) {
  const uint64_t sign = is_signed ? (uint64_t)1 << 63 : 0; /* brings signed order to unsigned */
  return (a ^ sign) < (b ^ sign);
}

static int is_signed(const onnxc_rt_tensor *t) {
  return onnxc_rt_class_of(t->dtype) == ONNXC_RT_CLASS_INT;
}

int onnxc_rt_map1(const onnxc_rt_call *call, onnxc_rt_f64_map1 *f, onnxc_rt_int_map1 *g) {
  const onnxc_rt_tensor *x = &call->in[0], *y = &call->out[0];
  const int whole = g != NULL && onnxc_rt_class_of(x->dtype) != ONNXC_RT_CLASS_FLOAT;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    if (whole) {
      const uint64_t value = (uint64_t)onnxc_rt_load_i64(x, i);
      onnxc_rt_store_u64(y, i, g(call->attr, value, is_signed(x)));
    } else {
      onnxc_rt_store_f64(y, i, f(call->attr, onnxc_rt_load_f64(x, i)));
    }
  }
  return ONNXC_RT_OK;
}

int onnxc_rt_map2(const onnxc_rt_call *call, onnxc_rt_f64_map2 *f, onnxc_rt_int_map2 *g) {
  const onnxc_rt_tensor *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
  const int whole = g != NULL && onnxc_rt_class_of(a->dtype) != ONNXC_RT_CLASS_FLOAT;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  onnxc_rt_walk_broadcast(&walk, a->dims, a->rank);
  onnxc_rt_walk_broadcast(&walk, b->dims, b->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    if (whole) {
      const uint64_t p = (uint64_t)onnxc_rt_load_i64(a, walk.at[0]);
      const uint64_t q = (uint64_t)onnxc_rt_load_i64(b, walk.at[1]);
      onnxc_rt_store_u64(y, i, g(call->attr, p, q, is_signed(a)));
    } else {
      const double p = onnxc_rt_load_f64(a, walk.at[0]), q = onnxc_rt_load_f64(b, walk.at[1]);
      onnxc_rt_store_f64(y, i, f(call->attr, p, q));
    }
  }
  return ONNXC_RT_OK;
}

/* Which element of `x` the walk is at. */
static int64_t position(const onnxc_rt_walk *walk, const onnxc_rt_tensor *x) {
  int64_t at = 0;
  for (int32_t i = 0; i < x->rank; i++) {
    const int64_t index = walk->index[walk->rank - x->rank + i];
    at = at * x->dims[i] + (x->dims[i] == 1 ? 0 : index);
  }
  return at;
}

static double fold_f64(const onnxc_rt_call *call, const onnxc_rt_walk *walk, onnxc_rt_f64_map2 *f) {
  double value = onnxc_rt_load_f64(&call->in[0], position(walk, &call->in[0]));
  for (int32_t k = 1; k < call->n_in; k++) {
    const onnxc_rt_tensor *x = &call->in[k];
    value = f(call->attr, value, onnxc_rt_load_f64(x, position(walk, x)));
  }
  return value;
}

static uint64_t fold_int(const onnxc_rt_call *call, const onnxc_rt_walk *walk,
                         onnxc_rt_int_map2 *g) {
  uint64_t value = (uint64_t)onnxc_rt_load_i64(&call->in[0], position(walk, &call->in[0]));
  for (int32_t k = 1; k < call->n_in; k++) {
    const onnxc_rt_tensor *x = &call->in[k];
    const uint64_t next = (uint64_t)onnxc_rt_load_i64(x, position(walk, x));
    value = g(call->attr, value, next, is_signed(x));
  }
  return value;
}

int onnxc_rt_fold(const onnxc_rt_call *call, onnxc_rt_f64_map2 *f, onnxc_rt_int_map2 *g,
                  double divisor) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int is_float = onnxc_rt_class_of(y->dtype) == ONNXC_RT_CLASS_FLOAT;
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, y->dims, y->rank);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    if (is_float) {
      onnxc_rt_store_f64(y, i, fold_f64(call, &walk, f) / divisor);
    } else {
      onnxc_rt_store_u64(y, i, fold_int(call, &walk, g));
    }
  }
  return ONNXC_RT_OK;
}
