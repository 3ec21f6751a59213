#include "reference/minifloat.h"

#include <string.h>

typedef enum Specials {
  IEEE,              /* the top exponent holds infinities and NaNs */
  NAN_AT_TOP,        /* only the all-ones pattern is NaN; no infinity */
  NAN_AT_MINUS_ZERO, /* the pattern of -0 is NaN; no infinity */
  FINITE
} Specials;

typedef struct Format {
  int exponent, mantissa, bias;
  Specials specials;
  unsigned largest; /* finite magnitude */
} Format;

static Format format_of(int32_t dtype) {
  static const Format f16 = {5, 10, 15, IEEE, 0x7BFF}, bf16 = {8, 7, 127, IEEE, 0x7F7F},
                      e4m3fn = {4, 3, 7, NAN_AT_TOP, 0x7E},
                      e4m3fnuz = {4, 3, 8, NAN_AT_MINUS_ZERO, 0x7F}, e5m2 = {5, 2, 15, IEEE, 0x7B},
                      e5m2fnuz = {5, 2, 16, NAN_AT_MINUS_ZERO, 0x7F}, e2m1 = {2, 1, 1, FINITE, 0x7};
  switch (dtype) {
  case ONNXC_RT_F16: return f16;
  case ONNXC_RT_BF16: return bf16;
  case ONNXC_RT_F8E4M3FN: return e4m3fn;
  case ONNXC_RT_F8E4M3FNUZ: return e4m3fnuz;
  case ONNXC_RT_F8E5M2: return e5m2;
  case ONNXC_RT_F8E5M2FNUZ: return e5m2fnuz;
  default: return e2m1;
  }
}

/* 2 to the power of an exponent that a double holds as a normal number. */
static double power_of_two(int exponent) {
  uint64_t bits = (uint64_t)(exponent + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Stores the value of a NaN or infinity pattern; 0 when the pattern is a number. */
static int special(const Format *f, unsigned magnitude, int negative, double *value) {
  unsigned top = f->largest + 1;
  if (f->specials == IEEE && magnitude >= top) {
    double infinity = negative ? -HUGE_VAL : HUGE_VAL;
    *value = magnitude == top ? infinity : (double)NAN;
    return 1;
  }
  int nan = (f->specials == NAN_AT_TOP && magnitude == top) ||
            (f->specials == NAN_AT_MINUS_ZERO && magnitude == 0 && negative);
  if (nan) *value = (double)NAN;
  return nan;
}

double onnxc_rt_minifloat_decode(int32_t dtype, unsigned bits) {
  const Format f = format_of(dtype);
  const int width = f.exponent + f.mantissa;
  const unsigned magnitude = bits & ((1U << width) - 1);
  const int negative = (int)(bits >> width & 1U);
  double value;
  if (special(&f, magnitude, negative, &value)) return value;
  const unsigned fraction = magnitude & ((1U << f.mantissa) - 1);
  const int exponent = (int)(magnitude >> f.mantissa);
  if (exponent == 0) {
    value = (double)fraction * power_of_two(1 - f.bias - f.mantissa);
  } else {
    const unsigned significand = fraction + (1U << f.mantissa);
    value = (double)significand * power_of_two(exponent - f.bias - f.mantissa);
  }
  return negative ? -value : value;
}

static unsigned nan_pattern(const Format *f, unsigned sign) {
  if (f->specials == IEEE) return (f->largest + 1 + (1U << (f->mantissa - 1))) | sign;
  if (f->specials == NAN_AT_TOP) return (f->largest + 1) | sign;
  return 1U << (f->exponent + f->mantissa); /* without NaN: -0, as others have it */
}

static unsigned overflow_pattern(const Format *f, unsigned sign, onnxc_rt_overflow overflow) {
  if (overflow == ONNXC_RT_OVERFLOW_SATURATE || f->specials == FINITE) return f->largest | sign;
  return f->specials == IEEE ? (f->largest + 1) | sign : nan_pattern(f, sign);
}

/* The pattern nearest to a finite magnitude, counted on past the largest one. */
static unsigned round_magnitude(const Format *f, double magnitude) {
  int exponent;
  if (magnitude == 0) return 0;
  (void)frexp(magnitude, &exponent);
  exponent -= 1; /* magnitude in [2^exponent, 2^(exponent + 1)) */
  const int least = 1 - f->bias;
  if (exponent < least) exponent = least;
  const double steps = rint(magnitude * power_of_two(f->mantissa - exponent));
  return ((unsigned)(exponent - least) << f->mantissa) + (unsigned)steps;
}

unsigned onnxc_rt_minifloat_encode(int32_t dtype, double value, onnxc_rt_overflow overflow) {
  const Format f = format_of(dtype);
  const unsigned sign = signbit(value) ? 1U << (f.exponent + f.mantissa) : 0;
  if (isnan(value)) return nan_pattern(&f, sign);
  const double magnitude = fabs(value);
  if (isinf(magnitude)) return overflow_pattern(&f, sign, overflow);
  const unsigned bits = round_magnitude(&f, magnitude);
  if (bits > f.largest) return overflow_pattern(&f, sign, overflow);
  return bits == 0 && f.specials == NAN_AT_MINUS_ZERO ? 0 : bits | sign;
}

double onnxc_rt_e8m0_decode(unsigned bits) {
  return bits == 0xFF ? (double)NAN : power_of_two((int)bits - 127);
}

unsigned onnxc_rt_e8m0_encode(double value, onnxc_rt_round round, onnxc_rt_overflow overflow) {
  const unsigned nan = 0xFF, largest = 0xFE;
  const unsigned past = overflow == ONNXC_RT_OVERFLOW_SATURATE ? largest : nan;
  if (isnan(value)) return nan;
  const double magnitude = fabs(value);
  if (isinf(magnitude)) return past;
  const unsigned below = overflow == ONNXC_RT_OVERFLOW_SATURATE ? 0 : nan;
  if (magnitude == 0) return below;
  int exponent;
  const double fraction = 2 * frexp(magnitude, &exponent); /* in [1, 2) */
  exponent -= 1;
  const double limit = round == ONNXC_RT_ROUND_UP ? 1 : round == ONNXC_RT_ROUND_DOWN ? 2 : 1.5;
  if (round == ONNXC_RT_ROUND_NEAREST ? fraction >= limit : fraction > limit) exponent++;
  if (exponent < -127) return below;
  return exponent > 127 ? past : (unsigned)(exponent + 127);
}
