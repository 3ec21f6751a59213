#include "onnxc_rt_reference.h"
#include "reference/element.h"
#include "reference/text.h"

/* The attributes, by their place in the call. */
enum { MAX_GRAM, MAX_SKIP, MIN_GRAM, MODE, COUNTS, INDEXES, POOL_INTS, POOL_STRINGS, WEIGHTS };

/* Whether element `at` of the input is item `item` of the pool. */
static int matches(const onnxc_rt_call *call, int64_t at, int64_t item) {
  const onnxc_rt_tensor *x = &call->in[0];
  if (x->dtype != ONNXC_RT_STRING) {
    return onnxc_rt_load_i64(x, at) == call->attr[POOL_INTS].ints[item];
  }
  return onnxc_rt_string_equal(&((const onnxc_rt_string *)x->data)[at],
                               &call->attr[POOL_STRINGS].strings[item]);
}

/* How often the n items of the pool from `item` on occur in a row, equally far apart. */
static int64_t occurrences(const onnxc_rt_call *call, int64_t row, int64_t length, int64_t item,
                           int64_t n) {
  const int64_t farthest = n == 1 ? 1 : call->attr[MAX_SKIP].i + 1;
  int64_t found = 0;
  for (int64_t step = 1; step <= farthest && step * (n - 1) < length; step++) {
    for (int64_t start = 0; start + step * (n - 1) < length; start++) {
      int64_t k = 0;
      while (k < n && matches(call, row * length + start + k * step, item + k)) k++;
      found += k == n;
    }
  }
  return found;
}

/* Adds the counts of all n-grams of one length, whose items are [begin, end) of the pool. */
static void count_grams(const onnxc_rt_call *call, int64_t row, int64_t length, int64_t n,
                        int64_t begin, int64_t end, int64_t id) {
  const onnxc_rt_tensor *y = &call->out[0];
  const int64_t columns = y->dims[y->rank - 1];
  for (int64_t item = begin; item + n <= end; item += n, id++) {
    const int64_t at = row * columns + call->attr[INDEXES].ints[id];
    const double found = (double)occurrences(call, row, length, item, n);
    onnxc_rt_store_f64(y, at, onnxc_rt_load_f64(y, at) + found);
  }
}

static void weigh(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *y = &call->out[0];
  const onnxc_rt_attr *weights = &call->attr[WEIGHTS], *mode = &call->attr[MODE];
  const int64_t columns = y->dims[y->rank - 1];
  if (onnxc_rt_attr_is(mode, "TF")) return;
  for (int64_t i = 0; i < onnxc_rt_count(y); i++) {
    const double weight = weights->present ? (double)weights->floats[i % columns] : 1;
    const double found = onnxc_rt_load_f64(y, i);
    const int often = onnxc_rt_attr_is(mode, "TFIDF");
    onnxc_rt_store_f64(y, i, often ? weight * found : found > 0 ? weight : 0);
  }
}

int onnxc_rt_ref_tfidf(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  const onnxc_rt_attr *counts = &call->attr[COUNTS];
  const onnxc_rt_attr *pool = &call->attr[x->dtype == ONNXC_RT_STRING ? POOL_STRINGS : POOL_INTS];
  const int64_t length = x->rank == 0 ? 1 : x->dims[x->rank - 1];
  const int64_t rows = x->rank < 2 ? 1 : x->dims[0];
  onnxc_rt_clear(&call->out[0]);
  for (int64_t row = 0; row < rows; row++) {
    int64_t id = 0;
    for (int32_t k = 0; k < counts->count; k++) {
      const int64_t n = k + 1, begin = counts->ints[k];
      const int64_t end = n < counts->count ? counts->ints[n] : pool->count;
      const int wanted = n >= call->attr[MIN_GRAM].i && n <= call->attr[MAX_GRAM].i;
      if (wanted) count_grams(call, row, length, n, begin, end, id);
      id += (end - begin) / n;
    }
  }
  weigh(call);
  return ONNXC_RT_OK;
}
