#include "onnxc_rt_reference.h"
#include "reference/order.h"

/* What is compared: slices along an axis, or (axis 0 of a flat tensor) elements. */
typedef struct Slices {
  const onnxc_rt_tensor *x;
  int64_t n, outer, inner;
} Slices;

static Slices slices_of(const onnxc_rt_call *call) {
  const onnxc_rt_tensor *x = &call->in[0];
  if (!call->attr[0].present) {
    const Slices flat = {x, onnxc_rt_count(x), 1, 1};
    return flat;
  }
  const int32_t axis = onnxc_rt_axis(call->attr[0].i, x->rank);
  const Slices s = {x, x->dims[axis], onnxc_rt_span(x, 0, axis),
                    onnxc_rt_span(x, axis + 1, x->rank)};
  return s;
}

static int compare(const Slices *s, int64_t a, int64_t b) {
  for (int64_t o = 0; o < s->outer; o++) {
    for (int64_t i = 0; i < s->inner; i++) {
      const int64_t p = (o * s->n + a) * s->inner + i, q = (o * s->n + b) * s->inner + i;
      const int order = onnxc_rt_compare(s->x, p, s->x, q);
      if (order != 0) return order;
    }
  }
  return 0;
}

static int comes_before(const void *context, int64_t a, int64_t b) {
  const int order = compare((const Slices *)context, a, b);
  return order == 0 ? a < b : order < 0;
}

static int by_position(const void *context, int64_t a, int64_t b) {
  (void)context;
  return a < b;
}

/* Which of the `kept` first occurrences equals slice `i`. */
static int64_t find(const Slices *s, const int64_t *first, int64_t kept, int64_t i) {
  int64_t k = 0;
  while (k < kept && compare(s, first[k], i) != 0) k++;
  return k;
}

static int set_sizes(const onnxc_rt_call *call, int64_t kept) {
  const int32_t axis = call->attr[0].present ? onnxc_rt_axis(call->attr[0].i, call->in[0].rank) : 0;
  return onnxc_rt_set_dim(&call->out[0], axis, kept) &&
         (!onnxc_rt_has_out(call, 1) || onnxc_rt_set_dim(&call->out[1], 0, kept)) &&
         (!onnxc_rt_has_out(call, 3) || onnxc_rt_set_dim(&call->out[3], 0, kept));
}

static void store(const onnxc_rt_call *call, const Slices *s, const int64_t *first, int64_t kept) {
  for (int64_t k = 0; k < kept; k++) {
    for (int64_t o = 0; o < s->outer; o++) {
      onnxc_rt_copy(&call->out[0], (o * kept + k) * s->inner, s->x,
                    (o * s->n + first[k]) * s->inner, s->inner);
    }
    if (onnxc_rt_has_out(call, 1)) onnxc_rt_store_i64(&call->out[1], k, first[k]);
    if (onnxc_rt_has_out(call, 3)) onnxc_rt_store_i64(&call->out[3], k, 0);
  }
  for (int64_t i = 0; i < s->n; i++) {
    const int64_t k = find(s, first, kept, i);
    if (onnxc_rt_has_out(call, 2)) onnxc_rt_store_i64(&call->out[2], i, k);
    if (onnxc_rt_has_out(call, 3)) {
      onnxc_rt_store_i64(&call->out[3], k, onnxc_rt_load_i64(&call->out[3], k) + 1);
    }
  }
}

int onnxc_rt_ref_unique(const onnxc_rt_call *call) {
  const Slices s = slices_of(call);
  int64_t *first = (int64_t *)call->scratch, kept = 0;
  for (int64_t i = 0; i < s.n; i++) first[i] = i;
  onnxc_rt_sort(first, s.n, comes_before, &s);
  for (int64_t i = 0; i < s.n; i++) {
    if (i == 0 || compare(&s, first[kept - 1], first[i]) != 0) first[kept++] = first[i];
  }
  if (call->attr[1].i == 0) onnxc_rt_sort(first, kept, by_position, NULL);
  if (!set_sizes(call, kept)) return ONNXC_RT_ERROR_SHAPE;
  store(call, &s, first, kept);
  return ONNXC_RT_OK;
}
