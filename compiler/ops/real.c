#include "ops/real.h"

#include <math.h>

/* ---- bounds ------------------------------------------------------------------------------------
 */

static double low(const Dim *a) {
  return a->lo == INT64_MIN ? -HUGE_VAL : (double)a->lo;
}

static double high(const Dim *a) {
  return a->hi == INT64_MAX ? HUGE_VAL : (double)a->hi;
}

/* Outwards by what rounding may have taken away. */
static int64_t widen(double x, double direction) {
  double wide = floor(x + direction * fabs(x) * 0x1p-20);
  if (direction > 0) wide = ceil(x + fabs(x) * 0x1p-20);
  if (!(fabs(wide) < 0x1p62)) return direction > 0 ? INT64_MAX : INT64_MIN;
  return (int64_t)wide;
}

const Dim *real_about(DimTable *t, double lo, double hi) {
  return dim_unknown(t, isnan(lo) ? INT64_MIN : widen(lo, -1),
                     isnan(hi) ? INT64_MAX : widen(hi, 1));
}

/* The interval of f(a, b) from those of a and b, where it takes its extremes at their ends. */
static const Dim *about_corners(DimTable *t, const Dim *a, const Dim *b,
                                double (*f)(double a, double b)) {
  const double corners[4] = {f(low(a), low(b)), f(low(a), high(b)), f(high(a), low(b)),
                             f(high(a), high(b))};
  double lo = corners[0], hi = corners[0];
  for (int i = 0; i < 4; i++) {
    if (isnan(corners[i])) return dim_unknown(t, INT64_MIN, INT64_MAX);
    lo = fmin(lo, corners[i]);
    hi = fmax(hi, corners[i]);
  }
  return real_about(t, lo, hi);
}

static double times(double a, double b) {
  return a == 0 || b == 0 ? 0 : a * b;
}

static double over(double a, double b) {
  return a / b;
}

/* ---- fractions ---------------------------------------------------------------------------------
 */

/* a / b, b a constant and at least 1. */
typedef struct Fraction {
  const Dim *a;
  int64_t b;
} Fraction;

static bool is_power_of_two(int64_t b) {
  return (b & (b - 1)) == 0;
}

/* False when it is none, or none that floats can calculate with exactly. */
static bool as_fraction(const Dim *x, Fraction *f) {
  const Dim *a, *b;
  *f = (Fraction){x, 1};
  if (dim_as_quotient(x, &a, &b) && !a->opaque && dim_is_const(b, &f->b) && is_power_of_two(f->b)) {
    f->a = a;
    return true;
  }
  return !x->opaque;
}

static const Dim *of_fraction(DimTable *t, const Dim *a, int64_t b) {
  return dim_quotient(t, a, dim_const(t, b));
}

static const Dim *sum(DimTable *t, const Dim *x, const Dim *y, int64_t sign) {
  Fraction f, g;
  if (!as_fraction(x, &f) || !as_fraction(y, &g)) {
    const Dim *minus = dim_mul_i(t, y, sign);
    return real_about(t, low(x) + low(minus), high(x) + high(minus));
  }
  int64_t common = f.b > g.b ? f.b : g.b;
  const Dim *a = dim_mul_i(t, f.a, common / f.b), *b = dim_mul_i(t, g.a, sign * (common / g.b));
  return of_fraction(t, dim_add(t, a, b), common);
}

const Dim *real_add(DimTable *t, const Dim *a, const Dim *b) {
  return sum(t, a, b, 1);
}

const Dim *real_sub(DimTable *t, const Dim *a, const Dim *b) {
  return sum(t, a, b, -1);
}

const Dim *real_mul(DimTable *t, const Dim *a, const Dim *b) {
  Fraction f, g;
  bool exact = as_fraction(a, &f) && as_fraction(b, &g) && f.b <= 1 << 20 && g.b <= 1 << 20;
  return exact ? of_fraction(t, dim_mul(t, f.a, g.a), f.b * g.b) : about_corners(t, a, b, times);
}

/* The quotient of integers is rounded, but never to or over the next integer. */
const Dim *real_div(DimTable *t, const Dim *a, const Dim *b) {
  Fraction f, g;
  bool exact = as_fraction(a, &f) && as_fraction(b, &g) && f.b == 1;
  if (exact && g.a->lo >= 1) return dim_quotient(t, dim_mul_i(t, a, g.b), g.a);
  bool positive = b->lo > 0 || b->hi < 0;
  return positive ? about_corners(t, a, b, over) : dim_unknown(t, INT64_MIN, INT64_MAX);
}

/* ---- rounding ----------------------------------------------------------------------------------
 */

static const Dim *some_integer(DimTable *t, const Dim *x) {
  return dim_unknown(t, x->lo, x->hi);
}

const Dim *real_floor(DimTable *t, const Dim *x) {
  const Dim *a, *b;
  if (!x->opaque) return x;
  if (dim_as_quotient(x, &a, &b) && !a->opaque && !b->opaque) return dim_floordiv(t, a, b);
  return some_integer(t, x);
}

const Dim *real_ceil(DimTable *t, const Dim *x) {
  const Dim *a, *b;
  if (!x->opaque) return x;
  if (dim_as_quotient(x, &a, &b) && !a->opaque && !b->opaque) return dim_ceildiv(t, a, b);
  return some_integer(t, x);
}

const Dim *real_round(DimTable *t, const Dim *x) {
  return x->opaque ? some_integer(t, x) : x;
}

const Dim *real_truncate(DimTable *t, const Dim *x) {
  return x->lo >= 0 ? real_floor(t, x) : real_round(t, x);
}
