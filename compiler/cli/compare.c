#include "cli/compare.h"

#include "base/text.h"
#include "reference/text.h"

#include <math.h>
#include <string.h>

const char *tensor_type_text(Arena *arena, const Tensor *tensor) {
  const char *text = arena_printf(arena, "%s[", dtype_info(tensor->dtype)->name);
  for (int i = 0; i < tensor->rank; i++) {
    text = arena_printf(arena, "%s%s%lld", text, i == 0 ? "" : ", ", (long long)tensor->dims[i]);
  }
  return arena_printf(arena, "%s]", text);
}

static bool same_shape(const Tensor *a, const Tensor *b) {
  return a->dtype == b->dtype && a->rank == b->rank &&
         (a->rank == 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0);
}

/* [1, 0, 5] for element `i` */
static const char *place_text(Arena *arena, const Tensor *tensor, size_t i) {
  const char *text = "]";
  for (int axis = tensor->rank - 1; axis >= 0; axis--) {
    size_t dim = (size_t)tensor->dims[axis];
    text = arena_printf(arena, "%s%zu%s", axis == 0 ? "" : ", ", i % dim, text);
    i /= dim;
  }
  return arena_printf(arena, "[%s", text);
}

static const char *compare_strings(Arena *arena, const Tensor *actual, const Tensor *expected) {
  const onnxc_rt_string *a = actual->data, *b = expected->data;
  for (size_t i = 0; i < expected->count; i++) {
    if (onnxc_rt_string_equal(&a[i], &b[i])) continue;
    return arena_printf(arena, "'%s' instead of '%s' at %s",
                        text_escape_bytes(arena, a[i].bytes, (size_t)a[i].size),
                        text_escape_bytes(arena, b[i].bytes, (size_t)b[i].size),
                        place_text(arena, expected, i));
  }
  return NULL;
}

/* Components of complex numbers are compared one by one. */
static double component(const Tensor *t, size_t i) {
  if (t->dtype == ONNXC_RT_C64) return (double)((const float *)t->data)[i];
  if (t->dtype == ONNXC_RT_C128) return ((const double *)t->data)[i];
  return tensor_f64(t, i);
}

/* By how much the error exceeds what is allowed, 0 when it does not; infinite when one is NaN or
 * infinite and the other is not the same. */
static double excess(double actual, double expected, Tolerance t) {
  if (actual == expected || (isnan(actual) && isnan(expected))) return 0;
  if (!isfinite(actual) || !isfinite(expected)) return HUGE_VAL;
  double over = fabs(actual - expected) - (t.absolute + t.relative * fabs(expected));
  return over > 0 ? over : 0;
}

static const char *compare_numbers(Arena *arena, const Tensor *actual, const Tensor *expected,
                                   Tolerance tolerance) {
  size_t parts = dtype_info(expected->dtype)->cls == DTYPE_CLASS_COMPLEX ? 2 : 1;
  size_t wrong = 0, worst = 0;
  double most = 0;
  for (size_t i = 0; i < expected->count * parts; i++) {
    double over = excess(component(actual, i), component(expected, i), tolerance);
    wrong += over > 0;
    if (over <= most) continue;
    most = over;
    worst = i;
  }
  if (wrong == 0) return NULL;
  double a = component(actual, worst), e = component(expected, worst);
  return arena_printf(
      arena, "%zu of %zu elements differ, the largest error is %.3g: %.9g instead of %.9g at %s",
      wrong, expected->count * parts, fabs(a - e), a, e,
      place_text(arena, expected, worst / parts));
}

const char *compare_tensors(Arena *arena, const Tensor *actual, const Tensor *expected,
                            Tolerance tolerance) {
  if (!same_shape(actual, expected)) {
    return arena_printf(arena, "%s instead of %s", tensor_type_text(arena, actual),
                        tensor_type_text(arena, expected));
  }
  if (tolerance.types_only) return NULL;
  return expected->dtype == ONNXC_RT_STRING ? compare_strings(arena, actual, expected)
                                            : compare_numbers(arena, actual, expected, tolerance);
}

/* ---- data of other kinds -----------------------------------------------------------------------
 */

static const char *compare_parts(Arena *arena, const Datum *actual, const Datum *expected,
                                 Tolerance tolerance) {
  bool optional = expected->kind == TYPE_OPTIONAL;
  if (actual->n != expected->n && optional) {
    return expected->n == 0 ? "an element instead of none" : "no element instead of one";
  }
  if (actual->n != expected->n) {
    return arena_printf(arena, "%zu elements instead of %zu", actual->n, expected->n);
  }
  for (size_t i = 0; i < expected->n; i++) {
    const char *wrong = compare_data(arena, &actual->parts[i], &expected->parts[i], tolerance);
    if (wrong == NULL) continue;
    return optional ? wrong : arena_printf(arena, "element %zu: %s", i, wrong);
  }
  return NULL;
}

static bool same_key(const Tensor *a, size_t i, const Tensor *b, size_t k) {
  if (a->dtype != b->dtype) return false;
  if (a->dtype != ONNXC_RT_STRING) return tensor_i64(a, i) == tensor_i64(b, k);
  const onnxc_rt_string *x = (const onnxc_rt_string *)a->data + i;
  const onnxc_rt_string *y = (const onnxc_rt_string *)b->data + k;
  return x->size == y->size && (x->size == 0 || memcmp(x->bytes, y->bytes, (size_t)x->size) == 0);
}

/* A tensor of one element of a vector. */
static Tensor element_of(const Tensor *vector, size_t i) {
  size_t width = vector->count == 0 ? 0 : vector->bytes / vector->count;
  Tensor element = {.dtype = vector->dtype, .count = 1, .bytes = width};
  element.data = (const char *)vector->data + i * width;
  return element;
}

/* Pairs in any order. */
static const char *compare_maps(Arena *arena, const Datum *actual, const Datum *expected,
                                Tolerance tolerance) {
  size_t n = expected->keys->count;
  if (actual->keys->count != n) {
    return arena_printf(arena, "%zu keys instead of %zu", actual->keys->count, n);
  }
  for (size_t i = 0; i < n; i++) {
    size_t k = 0;
    while (k < n && !same_key(expected->keys, i, actual->keys, k)) k++;
    if (k == n) return arena_printf(arena, "key %zu is missing", i);
    const Tensor a = element_of(actual->tensor, k), e = element_of(expected->tensor, i);
    const char *wrong = compare_tensors(arena, &a, &e, tolerance);
    if (wrong != NULL) return arena_printf(arena, "key %zu: %s", i, wrong);
  }
  return NULL;
}

const char *compare_data(Arena *arena, const Datum *actual, const Datum *expected,
                         Tolerance tolerance) {
  switch (expected->kind) {
  case TYPE_SEQUENCE:
  case TYPE_OPTIONAL: return compare_parts(arena, actual, expected, tolerance);
  case TYPE_MAP: return compare_maps(arena, actual, expected, tolerance);
  default: return compare_tensors(arena, actual->tensor, expected->tensor, tolerance);
  }
}
