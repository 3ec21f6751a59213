/* Scalar arithmetic that generated loops call: static, branch-free where it matters, so that a
 * compiler vectorises the loop around a call without -ffast-math.
 *
 * Choices between computed values go through bit masks (onnxc_rt_select_f32): a conditional
 * expression becomes control flow that if-conversion may not undo, because arithmetic can trap.
 * Errors are in units in the last place against the exact value, over every float, with or
 * without contraction of a * b + c; rounding mode is to nearest, denormals are honoured. */
#ifndef ONNXC_RT_MATH_H
#define ONNXC_RT_MATH_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* In a large model a compiler stops inlining at some point, and a loop that calls is not
 * vectorised, so it is not asked where speed is wanted. */
#if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#define ONNXC_RT_INLINE static inline __attribute__((unused, always_inline))
#elif defined(__GNUC__)
#define ONNXC_RT_INLINE static inline __attribute__((unused))
#else
#define ONNXC_RT_INLINE static inline
#endif

/* ---- bits ---- */

ONNXC_RT_INLINE uint32_t onnxc_rt_bits_from_f32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

ONNXC_RT_INLINE float onnxc_rt_f32_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* condition ? a : b, for a condition that is 0 or 1, with both sides evaluated. */
ONNXC_RT_INLINE float onnxc_rt_select_f32(int condition, float a, float b) {
  const uint32_t mask = 0u - (uint32_t)condition;
  return onnxc_rt_f32_from_bits((onnxc_rt_bits_from_f32(a) & mask) |
                                (onnxc_rt_bits_from_f32(b) & ~mask));
}

ONNXC_RT_INLINE float onnxc_rt_abs_f32(float x) {
  return onnxc_rt_f32_from_bits(onnxc_rt_bits_from_f32(x) & 0x7fffffffu);
}

/* The magnitude of `x` with the sign of `sign`. */
ONNXC_RT_INLINE float onnxc_rt_copysign_f32(float x, float sign) {
  return onnxc_rt_f32_from_bits((onnxc_rt_bits_from_f32(x) & 0x7fffffffu) |
                                (onnxc_rt_bits_from_f32(sign) & 0x80000000u));
}

/* `x` within [low, high]; NaN stays. */
ONNXC_RT_INLINE float onnxc_rt_clamp_f32(float x, float low, float high) {
  const float below = onnxc_rt_select_f32(x > high, high, x);
  return onnxc_rt_select_f32(below < low, low, below);
}

/* Minimum and maximum as ONNX has them: NaN if either is NaN. */
ONNXC_RT_INLINE float onnxc_rt_min_f32(float a, float b) {
  return onnxc_rt_select_f32((a < b) | (a != a), a, b);
}

ONNXC_RT_INLINE float onnxc_rt_max_f32(float a, float b) {
  return onnxc_rt_select_f32((a > b) | (a != a), a, b);
}

/* To the nearest integer, halves to even; keeps -0, infinities and NaN. Exact. */
ONNXC_RT_INLINE float onnxc_rt_round_even_f32(float x) {
  const float magnitude = onnxc_rt_abs_f32(x);
  const float shifted = magnitude + 0x1p23f;
  const float rounded = shifted - 0x1p23f;
  return onnxc_rt_copysign_f32(onnxc_rt_select_f32(magnitude < 0x1p23f, rounded, magnitude), x);
}

ONNXC_RT_INLINE double onnxc_rt_round_even_f64(double x) {
  const double magnitude = fabs(x);
  const double shifted = magnitude + 0x1p52;
  const double rounded = shifted - 0x1p52;
  return copysign(magnitude < 0x1p52 ? rounded : magnitude, x);
}

/* ---- exponential family ---- */

/* ln 2 in two parts; a product of the first with an integer below 2^9 is exact. */
#define ONNXC_RT_LN2_HI 0x1.62e4p-1f
#define ONNXC_RT_LN2_LO 0x1.7f7d1cp-20f

/* x + low = n ln 2 + rest with |rest| <= ln 2 / 2, for |x| < 2^16 and |low| < |x| / 2^10; r rounds
 * rest, and e^rest = 1 + r + tail. */
typedef struct onnxc_rt_exp_parts {
  uint32_t n; /* modulo 2^32 */
  float r, tail;
} onnxc_rt_exp_parts;

ONNXC_RT_INLINE onnxc_rt_exp_parts onnxc_rt_exp_split2(float x, float low) {
  const float shifter = 0x1.8p23f; /* adding it rounds to an integer, kept in the low bits */
  const float shifted = (x + low) * 0x1.715476p0f + shifter;
  const float n = shifted - shifter;
  const float head = x - n * ONNXC_RT_LN2_HI;
  const float rest = low - n * ONNXC_RT_LN2_LO;
  const float r = head + rest;
  const float lost = (head - r) + rest;
  float q = 0x1.6db5b2p-10f;
  q = q * r + 0x1.123c78p-7f;
  q = q * r + 0x1.55545cp-5f;
  q = q * r + 0x1.55548ep-3f;
  q = q * r + 0.5f;
  onnxc_rt_exp_parts parts;
  parts.n = onnxc_rt_bits_from_f32(shifted) - onnxc_rt_bits_from_f32(shifter);
  parts.r = r;
  parts.tail = r * r * q + lost;
  return parts;
}

ONNXC_RT_INLINE onnxc_rt_exp_parts onnxc_rt_exp_split(float x) {
  return onnxc_rt_exp_split2(x, 0.0f);
}

/* e^rest, rounded once */
ONNXC_RT_INLINE float onnxc_rt_exp_rest(onnxc_rt_exp_parts parts) {
  const float sum = 1.0f + parts.r;
  const float lost = (1.0f - sum) + parts.r;
  return sum + (lost + parts.tail);
}

/* 2^n for n in [-126, 127] */
ONNXC_RT_INLINE float onnxc_rt_pow2_f32(uint32_t n) {
  return onnxc_rt_f32_from_bits((n + 127u) << 23);
}

/* x 2^n for n in [-252, 254]; the scale comes in two halves so that overflow and denormals round
 * once. */
ONNXC_RT_INLINE float onnxc_rt_scale_f32(float x, uint32_t n) {
  const uint32_t half = ((n + 256u) >> 1) - 128u;
  return x * onnxc_rt_pow2_f32(half) * onnxc_rt_pow2_f32(n - half);
}

/* e^x, 0.8 ULP */
ONNXC_RT_INLINE float onnxc_rt_exp_f32(float x) {
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split(onnxc_rt_clamp_f32(x, -104.0f, 89.0f));
  return onnxc_rt_scale_f32(onnxc_rt_exp_rest(parts), parts.n);
}

/* e^x - 1, 2 ULP */
ONNXC_RT_INLINE float onnxc_rt_expm1_f32(float x) {
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split(onnxc_rt_clamp_f32(x, -20.0f, 89.0f));
  const float half = onnxc_rt_pow2_f32(parts.n - 1u); /* of the scale, which may be 2^128 */
  const float result = ((parts.r + parts.tail) * half + (half - 0.5f)) * 2.0f;
  return onnxc_rt_copysign_f32(result, x);
}

/* tanh x, 2 ULP: an odd polynomial up to 0.35, and t / (t + 2) with t = e^2|x| - 1 beyond. */
ONNXC_RT_INLINE float onnxc_rt_tanh_f32(float x) {
  const float magnitude = onnxc_rt_abs_f32(x), square = x * x;
  float q = 0x1.3e43eap-6f;
  q = q * square - 0x1.b81ab6p-5f;
  q = q * square + 0x1.110bf2p-3f;
  q = q * square - 0x1.55554ep-2f;
  const float small = magnitude + magnitude * (square * q);

  const float clamped = onnxc_rt_select_f32(magnitude > 10.0f, 10.0f, magnitude);
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split(2.0f * clamped);
  const float scale = onnxc_rt_pow2_f32(parts.n);
  const float t = (parts.r + parts.tail) * scale + (scale - 1.0f);
  const float large = t / (t + 2.0f);

  return onnxc_rt_copysign_f32(onnxc_rt_select_f32(magnitude < 0.35f, small, large), x);
}

/* 1 / (1 + e^-x), 2 ULP. With e = e^-|x|, which cannot overflow, it is n / (1 + e) for n = 1, or
 * n = e below zero; for small e as n - n e / (1 + e), where rounding 1 + e matters less. */
ONNXC_RT_INLINE float onnxc_rt_sigmoid_f32(float x) {
  const float e = onnxc_rt_exp_f32(-onnxc_rt_abs_f32(x));
  const float n = onnxc_rt_select_f32(x < 0.0f, e, 1.0f);
  const int small = e < 0.5f;
  const float quotient = onnxc_rt_select_f32(small, n * e, n) / (1.0f + e);
  const float difference = n - quotient;
  return onnxc_rt_select_f32(small, difference, quotient);
}

/* ---- logarithm family ---- */

/* positive = 2^e (1 + f) with 1 + f in [sqrt 1/2, sqrt 2); normal numbers only. */
typedef struct onnxc_rt_log_parts {
  float e, f;
} onnxc_rt_log_parts;

ONNXC_RT_INLINE onnxc_rt_log_parts onnxc_rt_log_split(float positive) {
  const uint32_t sqrt_half = 0x3f3504f3u;
  const uint32_t bits = onnxc_rt_bits_from_f32(positive) + (0x3f800000u - sqrt_half);
  onnxc_rt_log_parts parts;
  parts.e = (float)((int32_t)(bits >> 23) - 127);
  parts.f = onnxc_rt_f32_from_bits((bits & 0x007fffffu) + sqrt_half) - 1.0f;
  return parts;
}

/* e ln 2 + log(1 + f) + low */
ONNXC_RT_INLINE float onnxc_rt_log_join(onnxc_rt_log_parts parts, float low) {
  const float f = parts.f, square = f * f;
  float q = -0x1.41edaap-4f;
  q = q * f + 0x1.07d0c6p-3f;
  q = q * f - 0x1.0ce078p-3f;
  q = q * f + 0x1.226e5p-3f;
  q = q * f - 0x1.54788cp-3f;
  q = q * f + 0x1.99a596p-3f;
  q = q * f - 0x1.00022p-2f;
  q = q * f + 0x1.55554ap-2f;
  const float tail = square * f * q - 0.5f * square + (parts.e * ONNXC_RT_LN2_LO + low);
  return parts.e * ONNXC_RT_LN2_HI + (f + tail);
}

/* The values of a logarithm that its arithmetic does not give: NaN below zero, -inf at zero,
 * and itself at infinity and NaN. */
ONNXC_RT_INLINE float onnxc_rt_log_special(float x, float result) {
  result = onnxc_rt_select_f32(x > FLT_MAX, x, result);
  result = onnxc_rt_select_f32(x == 0.0f, -INFINITY, result);
  return onnxc_rt_select_f32(x >= 0.0f, result, NAN);
}

/* ln x, 1 ULP */
ONNXC_RT_INLINE float onnxc_rt_log_f32(float x) {
  const int denormal = x < FLT_MIN;
  const float normal = x * onnxc_rt_select_f32(denormal, 0x1p23f, 1.0f);
  onnxc_rt_log_parts parts = onnxc_rt_log_split(normal);
  parts.e -= onnxc_rt_select_f32(denormal, 23.0f, 0.0f);
  return onnxc_rt_log_special(x, onnxc_rt_log_join(parts, 0.0f));
}

/* ln(1 + x), 2 ULP; what rounding 1 + x lost comes back as a first-order term. */
ONNXC_RT_INLINE float onnxc_rt_log1p_f32(float x) {
  const float sum = 1.0f + x;
  const float back_x = sum - 1.0f, back_one = sum - x;
  const float lost_of_x = x - back_x, lost_of_one = 1.0f - back_one;
  const float lost = onnxc_rt_select_f32(x < 1.0f, lost_of_x, lost_of_one);
  const float result = onnxc_rt_log_join(onnxc_rt_log_split(sum), lost / sum);
  return onnxc_rt_select_f32(x == 0.0f, x, onnxc_rt_log_special(sum, result));
}

/* ln(1 + e^x), 2 ULP */
ONNXC_RT_INLINE float onnxc_rt_softplus_f32(float x) {
  const float tail = onnxc_rt_log1p_f32(onnxc_rt_exp_f32(-onnxc_rt_abs_f32(x)));
  return onnxc_rt_max_f32(x, 0.0f) + tail;
}

/* ---- error function ---- */

/* erf x, 2 ULP: an odd polynomial up to 1, and 1 - e^-s(x) beyond. */
ONNXC_RT_INLINE float onnxc_rt_erf_f32(float x) {
  const float magnitude = onnxc_rt_abs_f32(x), square = x * x;
  float p = 0x1.4ae4eap-14f;
  p = p * square - 0x1.a485f6p-11f;
  p = p * square + 0x1.5419f6p-8f;
  p = p * square - 0x1.b7fbb4p-6f;
  p = p * square + 0x1.ce2d2p-4f;
  p = p * square - 0x1.81273ep-2f;
  p = p * square + 0x1.06eba8p-3f;
  const float small = magnitude + magnitude * p;

  const int saturated = magnitude > 3.93f; /* erf rounds to 1 from 3.84 on */
  const float a = onnxc_rt_select_f32(saturated, 3.93f, magnitude);
  float s = -0x1.86dcbcp-13f;
  s = s * a + 0x1.825a7ep-9f;
  s = s * a - 0x1.65cb3ap-6f;
  s = s * a + 0x1.a65324p-4f;
  s = s * a + 0x1.46bafp-1f;
  s = s * a + 0x1.2088eap0f;
  s = s * a + 0x1.662286p-12f;
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split(-s);
  const float large = 1.0f - onnxc_rt_exp_rest(parts) * onnxc_rt_pow2_f32(parts.n);

  return onnxc_rt_copysign_f32(onnxc_rt_select_f32(magnitude < 1.0f, small, large), x);
}

/* ---- gated units: x times a function of x that falls to 0 ----
 *
 * Where the function underflows the product does not yet, and an argument of 90 that is rounded
 * costs 2^6 ULP of an exponential: so arguments come in two parts, and scales are applied last. */

/* x to 12 bits: products of two such numbers are exact, and so is x minus it. */
ONNXC_RT_INLINE float onnxc_rt_head_f32(float x) {
  return onnxc_rt_f32_from_bits(onnxc_rt_bits_from_f32(x) & 0xfffff000u);
}

/* A number in two parts: the first of 24 bits, and what is missing. */
typedef struct onnxc_rt_pair {
  float high, low;
} onnxc_rt_pair;

/* `product` of x and what has fallen to 0 or nearly: 0 when x is far out, NaN when it is infinite.
 */
ONNXC_RT_INLINE float onnxc_rt_vanish_f32(float x, float product) {
  return onnxc_rt_select_f32(onnxc_rt_abs_f32(x) > 0x1p10f, 0.0f * x, product);
}

/* x / (1 + e^-t) for t = high + low, 3 ULP; t of the sign of x, or of the other one */
ONNXC_RT_INLINE float onnxc_rt_gate_f32(float x, onnxc_rt_pair t) {
  const int negative = t.high < 0.0f;
  const int far = onnxc_rt_abs_f32(t.high) > 170.0f;
  const float high = onnxc_rt_select_f32(far, -170.0f, -onnxc_rt_abs_f32(t.high));
  const float low = onnxc_rt_select_f32(far, 0.0f, onnxc_rt_select_f32(negative, t.low, -t.low));
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split2(high, low);
  const float e = onnxc_rt_exp_rest(parts);
  const float below = 1.0f + onnxc_rt_scale_f32(e, parts.n);
  const float gated = x * onnxc_rt_select_f32(negative, e, 1.0f) / below;
  const float scaled = onnxc_rt_scale_f32(gated, negative ? parts.n : 0u);
  return onnxc_rt_select_f32(negative & far, 0.0f * x, scaled);
}

/* x / (1 + e^(-alpha x)), 3 ULP */
ONNXC_RT_INLINE float onnxc_rt_swish_f32(float x, float alpha) {
  const float alpha_head = onnxc_rt_head_f32(alpha), head = onnxc_rt_head_f32(x);
  onnxc_rt_pair t;
  t.high = head * alpha_head;
  t.low = (x - head) * alpha_head + x * (alpha - alpha_head);
  return onnxc_rt_gate_f32(x, t);
}

/* x / 2 (1 + tanh u) = x / (1 + e^-2u) with 2u = x (a + b x^2), a = 2 sqrt(2 / pi) and
 * b = 0.044715 a, 4 ULP */
ONNXC_RT_INLINE float onnxc_rt_gelu_tanh_f32(float x) {
  const float a_head = 0x1.988p0f, a_rest = 0x1.14cf5p-14f;
  const float b_head = 0x1.244p-4f, b_rest = 0x1.3ca936p-18f;
  const float bounded = onnxc_rt_clamp_f32(x, -20.0f, 20.0f); /* where the gate is 0 or 1 */
  const float head = onnxc_rt_head_f32(bounded), rest = bounded - head;
  const float square = head * head, square_head = onnxc_rt_head_f32(square);
  const float square_rest = (square - square_head) + rest * (bounded + head);
  const float cubic = b_head * square_head;
  const float cubic_rest = b_head * square_rest + b_rest * bounded * bounded;
  const float sum = a_head + cubic;
  const float back = sum - a_head;
  const float lost = (a_head - (sum - back)) + (cubic - back);
  const float factor = onnxc_rt_head_f32(sum);
  const float factor_rest = (sum - factor) + (lost + cubic_rest + a_rest);
  onnxc_rt_pair t;
  t.high = head * factor;
  t.low = head * factor_rest + rest * (factor + factor_rest);
  return onnxc_rt_gate_f32(x, t);
}

/* x Phi(x) = x / 2 (1 + erf(x / sqrt 2)), 4 ULP. Up to 0.5 Phi is an odd polynomial about 1/2;
 * beyond, the tail Phi(-t) is e^(-t^2 / 2) over sqrt(2 pi) (t + h(t)), where h falls from
 * sqrt(2 / pi) to 1 / t (Laplace's continued fraction); n / d is sqrt(2 pi) h. */
ONNXC_RT_INLINE float onnxc_rt_gelu_f32(float x) {
  const float magnitude = onnxc_rt_abs_f32(x);
  const float t = onnxc_rt_select_f32(magnitude > 15.0f, 15.0f, magnitude);
  float n = 0x1.9b5d8ep-8f;
  n = n * t + 0x1.33204cp-4f;
  n = n * t + 0x1.ab1926p-2f;
  n = n * t + 0x1.4307d2p0f;
  n = n * t + 2.0f;
  float d = 0x1.4830bep-9f;
  d = d * t + 0x1.ea4d7p-6f;
  d = d * t + 0x1.5e7b8ep-3f;
  d = d * t + 0x1.2223bap-1f;
  d = d * t + 0x1.161af2p0f;
  d = d * t + 1.0f;
  const float head = onnxc_rt_head_f32(t);
  const onnxc_rt_exp_parts parts =
      onnxc_rt_exp_split2(-0.5f * head * head, -0.5f * (t - head) * (t + head));
  const float tail = onnxc_rt_exp_rest(parts) / (0x1.40d932p1f * t + n / d);
  const float product = onnxc_rt_scale_f32(x * tail, parts.n);
  const float above = x - onnxc_rt_select_f32(magnitude > 15.0f, 0.0f, product);
  const float below = onnxc_rt_vanish_f32(x, product);
  const float square = x * x;
  float p = 0x1.c72efap-14f;
  p = p * square - 0x1.36c6a2p-10f;
  p = p * square + 0x1.46ceap-7f;
  p = p * square - 0x1.105836p-4f;
  p = p * square + 0x1.988454p-2f;
  const float near = x * (0.5f + x * p);
  const float far = onnxc_rt_select_f32(x > 0.0f, above, below);
  return onnxc_rt_select_f32(magnitude < 0.5f, near, far);
}

/* x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2), 4 ULP: the quotient is
 * 1 - 2 / (n + 2), and e^x (1 - e^x (e^x + 1) / (n + 2)). */
ONNXC_RT_INLINE float onnxc_rt_mish_f32(float x) {
  const int negative = x < 0.0f;
  const onnxc_rt_exp_parts parts = onnxc_rt_exp_split(onnxc_rt_clamp_f32(x, -110.0f, 40.0f));
  const float rest = onnxc_rt_exp_rest(parts), e = onnxc_rt_scale_f32(rest, parts.n);
  const float lacks = onnxc_rt_select_f32(negative, e * (e + 1.0f), 2.0f) / (e * (e + 2.0f) + 2.0f);
  const float gated = x * onnxc_rt_select_f32(negative, rest, 1.0f) * (1.0f - lacks);
  const float scaled = onnxc_rt_scale_f32(gated, negative ? parts.n : 0u);
  return onnxc_rt_select_f32(negative, onnxc_rt_vanish_f32(x, scaled), scaled);
}

/* ---- the same in double: libm's functions, arranged so that nothing cancels ---- */

/* As in single precision: n - n e / (1 + e) where e is small. */
ONNXC_RT_INLINE double onnxc_rt_sigmoid_f64(double x) {
  const double e = exp(-fabs(x)), n = x < 0.0 ? e : 1.0;
  return e < 0.5 ? n - n * e / (1.0 + e) : n / (1.0 + e);
}

/* x e^t, also where e^t is denormal and the product is not */
ONNXC_RT_INLINE double onnxc_rt_times_exp_f64(double x, double t) {
  const double root = exp(0.5 * t);
  return x * root * root;
}

ONNXC_RT_INLINE double onnxc_rt_softplus_f64(double x) {
  return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

ONNXC_RT_INLINE double onnxc_rt_swish_f64(double x, double alpha) {
  const double t = alpha * x;
  return t < -700.0 ? onnxc_rt_times_exp_f64(x, t) : x * onnxc_rt_sigmoid_f64(t);
}

ONNXC_RT_INLINE double onnxc_rt_gelu_f64(double x) {
  return 0.5 * x * erfc(-0.70710678118654752440 * x);
}

ONNXC_RT_INLINE double onnxc_rt_gelu_tanh_f64(double x) {
  const double two_sqrt_2_over_pi = 1.59576912160573071176;
  return x * onnxc_rt_sigmoid_f64(two_sqrt_2_over_pi * (x + 0.044715 * x * x * x));
}

ONNXC_RT_INLINE double onnxc_rt_mish_f64(double x) {
  const double e = exp(x < 40.0 ? x : 40.0);
  const double lacks = (x < 0.0 ? e * (e + 1.0) : 2.0) / (e * (e + 2.0) + 2.0);
  if (x < -700.0) return onnxc_rt_times_exp_f64(x, x);
  return x * (x < 0.0 ? e : 1.0) * (1.0 - lacks);
}

/* ---- 16-bit floats ---- */

ONNXC_RT_INLINE float onnxc_rt_f32_from_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7fffu;
  const float scaled = onnxc_rt_f32_from_bits(rest << 13) * 0x1p112f;
  const uint32_t special = 0u - (uint32_t)(rest >= 0x7c00u);
  return onnxc_rt_f32_from_bits(sign | onnxc_rt_bits_from_f32(scaled) | (special & 0x7f800000u));
}

/* To nearest, ties to even; overflow to infinity; NaN stays NaN. */
ONNXC_RT_INLINE uint16_t onnxc_rt_f16_from_f32(float x) {
  const uint32_t bits = onnxc_rt_bits_from_f32(x), rest = bits & 0x7fffffffu;
  const uint32_t normal = (rest - (112u << 23) + 0xfffu + ((rest >> 13) & 1u)) >> 13;
  const float shifted = onnxc_rt_f32_from_bits(rest) + 0.5f; /* its last place is 2^-24 */
  const uint32_t denormal = onnxc_rt_bits_from_f32(shifted) - 0x3f000000u;
  const uint32_t is_denormal = 0u - (uint32_t)(rest < 0x38800000u);
  const uint32_t is_infinite = 0u - (uint32_t)(rest >= 0x477ff000u);
  const uint32_t is_nan = 0u - (uint32_t)(rest > 0x7f800000u);
  const uint32_t finite = (denormal & is_denormal) | (normal & ~is_denormal);
  const uint32_t special = 0x7c00u | (is_nan & 0x0200u);
  const uint32_t magnitude = (special & is_infinite) | (finite & ~is_infinite);
  return (uint16_t)(((bits >> 16) & 0x8000u) | magnitude);
}

ONNXC_RT_INLINE float onnxc_rt_f32_from_bf16(uint16_t x) {
  return onnxc_rt_f32_from_bits((uint32_t)x << 16);
}

/* To nearest, ties to even; overflow to infinity; NaN stays NaN. */
ONNXC_RT_INLINE uint16_t onnxc_rt_bf16_from_f32(float x) {
  const uint32_t bits = onnxc_rt_bits_from_f32(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t is_nan = 0u - (uint32_t)((bits & 0x7fffffffu) > 0x7f800000u);
  const uint32_t quiet = (bits >> 16) | 0x0040u;
  return (uint16_t)((quiet & is_nan) | (rounded & ~is_nan));
}

/* ---- float to integer: toward zero, saturating, NaN gives 0 ---- */

/* `low` and `high` are the least and greatest values of `real` within the range of `type`. */
#define ONNXC_RT_DEFINE_SATURATE(name, type, real, low, high, maximum)                             \
  ONNXC_RT_INLINE type name(real x) {                                                              \
    real inside = x == x ? x : (real)0;                                                            \
    inside = inside < low ? low : inside;                                                          \
    inside = inside > high ? high : inside;                                                        \
    const type converted = (type)inside;                                                           \
    return x > high ? maximum : converted;                                                         \
  }

ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i8_from_f32, int8_t, float, -128.0f, 127.0f, INT8_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u8_from_f32, uint8_t, float, 0.0f, 255.0f, UINT8_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i16_from_f32, int16_t, float, -32768.0f, 32767.0f, INT16_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u16_from_f32, uint16_t, float, 0.0f, 65535.0f, UINT16_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i32_from_f32, int32_t, float, -0x1p31f, 0x1.fffffep30f, INT32_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u32_from_f32, uint32_t, float, 0.0f, 0x1.fffffep31f, UINT32_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i64_from_f32, int64_t, float, -0x1p63f, 0x1.fffffep62f, INT64_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u64_from_f32, uint64_t, float, 0.0f, 0x1.fffffep63f, UINT64_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i8_from_f64, int8_t, double, -128.0, 127.0, INT8_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u8_from_f64, uint8_t, double, 0.0, 255.0, UINT8_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i16_from_f64, int16_t, double, -32768.0, 32767.0, INT16_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u16_from_f64, uint16_t, double, 0.0, 65535.0, UINT16_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i32_from_f64, int32_t, double, -0x1p31, 0x1.fffffffcp30,
                         INT32_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u32_from_f64, uint32_t, double, 0.0, 0x1.fffffffep31, UINT32_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_i64_from_f64, int64_t, double, -0x1p63, 0x1.fffffffffffffp62,
                         INT64_MAX)
ONNXC_RT_DEFINE_SATURATE(onnxc_rt_u64_from_f64, uint64_t, double, 0.0, 0x1.fffffffffffffp63,
                         UINT64_MAX)

/* ---- quantisation: x to the nearest integer, halves to even, plus a zero point, a whole number;
 * saturating, NaN gives 0 ---- */

/* Within 2^22 adding 1.5 2^23 leaves the integer in the low bits, rounded. Bounds are integers, so
 * saturating first is the same. */
#define ONNXC_RT_DEFINE_QUANTIZE(name, type, low, high)                                            \
  ONNXC_RT_INLINE type name(float x, float zero) {                                                 \
    const float least = low - zero, most = high - zero;                                            \
    const float below = onnxc_rt_select_f32(x < most, x, most);                                    \
    const float inside = onnxc_rt_select_f32(below > least, below, least);                         \
    const float rounded = inside + 0x1.8p23f;                                                      \
    const uint32_t is_number = 0u - (uint32_t)(x == x);                                            \
    const uint32_t whole =                                                                         \
        onnxc_rt_bits_from_f32(rounded) - 0x4b400000u + (uint32_t)(int32_t)zero;                   \
    return (type)(int32_t)(whole & is_number);                                                     \
  }

ONNXC_RT_DEFINE_QUANTIZE(onnxc_rt_quantize_i8, int8_t, -128.0f, 127.0f)
ONNXC_RT_DEFINE_QUANTIZE(onnxc_rt_quantize_u8, uint8_t, 0.0f, 255.0f)

/* ---- integers, with every result defined ---- */

/* Sums, differences, products and negation wrap. `wide` is the unsigned type they are computed in:
 * the type's own width or more, and never one that promotes to int. */
#define ONNXC_RT_DEFINE_WRAPPING(suffix, type, wide)                                               \
  ONNXC_RT_INLINE type onnxc_rt_add_##suffix(type a, type b) {                                     \
    return (type)((wide)a + (wide)b);                                                              \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_sub_##suffix(type a, type b) {                                     \
    return (type)((wide)a - (wide)b);                                                              \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_mul_##suffix(type a, type b) {                                     \
    return (type)((wide)a * (wide)b);                                                              \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_neg_##suffix(type a) {                                             \
    return (type)((wide)0 - (wide)a);                                                              \
  }

/* div: toward zero; x / 0 = 0 and least / -1 = least.
 * rem: with the sign of the dividend (ONNX Mod, fmod = 1); x rem 0 = 0.
 * mod: with the sign of the divisor (ONNX Mod, fmod = 0); x mod 0 = 0.
 * abs: of the least value is itself.
 * shl, shr: by the width or more, or a negative count, leave 0; shr keeps the sign. */
#define ONNXC_RT_DEFINE_SIGNED(suffix, type, wide)                                                 \
  ONNXC_RT_DEFINE_WRAPPING(suffix, type, wide)                                                     \
  ONNXC_RT_INLINE type onnxc_rt_abs_##suffix(type a) {                                             \
    return (type)(a < 0 ? onnxc_rt_neg_##suffix(a) : a);                                           \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_div_##suffix(type a, type b) {                                     \
    if (b == 0) return 0;                                                                          \
    return (type)(b == -1 ? onnxc_rt_neg_##suffix(a) : a / b);                                     \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_rem_##suffix(type a, type b) {                                     \
    return (type)(b == 0 || b == -1 ? 0 : a % b);                                                  \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_mod_##suffix(type a, type b) {                                     \
    const type rest = onnxc_rt_rem_##suffix(a, b);                                                 \
    return (type)(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);                           \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_shl_##suffix(type a, type count) {                                 \
    const type width = 8 * sizeof(type);                                                           \
    return (type)(count >= 0 && count < width ? (wide)a << count : 0);                             \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_shr_##suffix(type a, type count) {                                 \
    const type width = 8 * sizeof(type);                                                           \
    const wide fill = a < 0 ? ~(wide)0 : 0;                                                        \
    return (type)(count >= 0 && count < width ? ((wide)a ^ fill) >> count ^ fill : fill);          \
  }

/* div, rem, mod: x / 0 = 0 and x mod 0 = 0. Shifts by the width or more give 0. */
#define ONNXC_RT_DEFINE_UNSIGNED(suffix, type, wide)                                               \
  ONNXC_RT_DEFINE_WRAPPING(suffix, type, wide)                                                     \
  ONNXC_RT_INLINE type onnxc_rt_abs_##suffix(type a) {                                             \
    return a;                                                                                      \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_div_##suffix(type a, type b) {                                     \
    return (type)(b == 0 ? 0 : a / b);                                                             \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_rem_##suffix(type a, type b) {                                     \
    return (type)(b == 0 ? 0 : a % b);                                                             \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_mod_##suffix(type a, type b) {                                     \
    return onnxc_rt_rem_##suffix(a, b);                                                            \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_shl_##suffix(type a, type count) {                                 \
    const type width = 8 * sizeof(type);                                                           \
    return (type)(count < width ? (wide)a << count : 0);                                           \
  }                                                                                                \
  ONNXC_RT_INLINE type onnxc_rt_shr_##suffix(type a, type count) {                                 \
    const type width = 8 * sizeof(type);                                                           \
    return (type)(count < width ? (wide)a >> count : 0);                                           \
  }

ONNXC_RT_DEFINE_SIGNED(i8, int8_t, uint32_t)
ONNXC_RT_DEFINE_SIGNED(i16, int16_t, uint32_t)
ONNXC_RT_DEFINE_SIGNED(i32, int32_t, uint32_t)
ONNXC_RT_DEFINE_SIGNED(i64, int64_t, uint64_t)
ONNXC_RT_DEFINE_UNSIGNED(u8, uint8_t, uint32_t)
ONNXC_RT_DEFINE_UNSIGNED(u16, uint16_t, uint32_t)
ONNXC_RT_DEFINE_UNSIGNED(u32, uint32_t, uint32_t)
ONNXC_RT_DEFINE_UNSIGNED(u64, uint64_t, uint64_t)

#endif
