#include "reference/order.h"

#include "reference/text.h"

static int compare_f64(double a, double b) {
  if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
  return (a > b) - (a < b);
}

int onnxc_rt_compare(const onnxc_rt_tensor *x, int64_t a, const onnxc_rt_tensor *y, int64_t b) {
  const onnxc_rt_class cls = onnxc_rt_class_of(x->dtype);
  if (cls == ONNXC_RT_CLASS_FLOAT) {
    return compare_f64(onnxc_rt_load_f64(x, a), onnxc_rt_load_f64(y, b));
  }
  if (x->dtype == ONNXC_RT_STRING) {
    return onnxc_rt_string_compare(&((const onnxc_rt_string *)x->data)[a],
                                   &((const onnxc_rt_string *)y->data)[b]);
  }
  const int64_t p = onnxc_rt_load_i64(x, a), q = onnxc_rt_load_i64(y, b);
  if (cls == ONNXC_RT_CLASS_INT) return (p > q) - (p < q);
  return ((uint64_t)p > (uint64_t)q) - ((uint64_t)p < (uint64_t)q);
}

static void swap(int64_t *a, int64_t *b) {
  const int64_t kept = *a;
  *a = *b;
  *b = kept;
}

/* Restores the heap (last in order at the top) below `i`. */
static void sift_down(int64_t *heap, int64_t i, int64_t n, onnxc_rt_before *before,
                      const void *context) {
  for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
    if (child + 1 < n && before(context, heap[child], heap[child + 1])) child++;
    if (!before(context, heap[i], heap[child])) return;
    swap(&heap[i], &heap[child]);
    i = child;
  }
}

void onnxc_rt_sort(int64_t *positions, int64_t n, onnxc_rt_before *before, const void *context) {
  for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(positions, i, n, before, context);
  for (int64_t left = n - 1; left > 0; left--) {
    swap(&positions[0], &positions[left]);
    sift_down(positions, 0, left, before, context);
  }
}
