#include "reference/decimal.h"

#include <string.h>

/* ---- exact numbers -----------------------------------------------------------------------------
 * limbs[0].limbs[1]limbs[2]... times BASE to the power of `point - 1`: `point` limbs stand in front
 * of the decimal point. The first limb is not 0. Every double fits; what longer input and repeated
 * division leave behind the last limb is only remembered to be there. */

enum { LIMBS = 128, BASE = 1000000000, BASE_DIGITS = 9, SHIFT = 29 };

typedef struct Decimal {
  int n, point, more;
  uint32_t limbs[LIMBS];
} Decimal;

static void drop_first(Decimal *d) {
  memmove(d->limbs, d->limbs + 1, (size_t)--d->n * sizeof *d->limbs);
  d->point--;
}

static void append(Decimal *d, uint32_t limb) {
  if (d->n < LIMBS) {
    d->limbs[d->n++] = limb;
  } else {
    d->more = d->more || limb != 0;
  }
}

static void prepend(Decimal *d, uint32_t limb) {
  if (d->n == LIMBS) d->more = d->limbs[--d->n] != 0 || d->more;
  memmove(d->limbs + 1, d->limbs, (size_t)d->n * sizeof *d->limbs);
  d->limbs[0] = limb;
  d->n++;
  d->point++;
}

/* Times 2 to the power of `bits`, at most SHIFT. */
static void multiply(Decimal *d, int bits) {
  uint64_t carry = 0;
  for (int i = d->n - 1; i >= 0; i--) {
    carry += (uint64_t)d->limbs[i] << bits;
    d->limbs[i] = (uint32_t)(carry % BASE);
    carry /= BASE;
  }
  if (carry != 0) prepend(d, (uint32_t)carry);
  while (d->n > 0 && d->limbs[d->n - 1] == 0) d->n--;
}

static void divide(Decimal *d, int bits) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  uint64_t rest = 0;
  for (int i = 0; i < d->n; i++) {
    rest = rest * BASE + d->limbs[i];
    d->limbs[i] = (uint32_t)(rest >> bits);
    rest &= mask;
  }
  for (int full = d->n == LIMBS; rest != 0 && !full; rest &= mask) {
    rest *= BASE;
    append(d, (uint32_t)(rest >> bits));
    full = d->n == LIMBS;
  }
  d->more = d->more || rest != 0;
  while (d->n > 0 && d->limbs[0] == 0) drop_first(d);
}

/* Times 2 to the power of `exponent`. */
static void scale(Decimal *d, int exponent) {
  for (; exponent >= SHIFT; exponent -= SHIFT) multiply(d, SHIFT);
  for (; exponent <= -SHIFT; exponent += SHIFT) divide(d, SHIFT);
  if (exponent > 0) multiply(d, exponent);
  if (exponent < 0) divide(d, -exponent);
}

static Decimal from_u64(uint64_t value) {
  Decimal d;
  d.n = d.point = d.more = 0;
  for (; value != 0; value /= BASE) prepend(&d, (uint32_t)(value % BASE));
  while (d.n > 0 && d.limbs[d.n - 1] == 0) d.n--;
  return d;
}

/* The first two limbs. */
static uint64_t head(const Decimal *d) {
  const uint64_t first = d->n > 0 ? d->limbs[0] : 0, second = d->n > 1 ? d->limbs[1] : 0;
  return first * BASE + second;
}

/* Whether anything is behind them. */
static int has_tail(const Decimal *d) {
  int tail = d->more;
  for (int i = 2; i < d->n && !tail; i++) tail = d->limbs[i] != 0;
  return tail;
}

static int digits_of(uint64_t value) {
  int digits = 1;
  while (value >= 10) {
    value /= 10;
    digits++;
  }
  return digits;
}

/* value / divisor, which is even, to the nearest, ties to even; `tail` says that value is a little
 * more. */
static uint64_t round_quotient(uint64_t value, uint64_t divisor, int tail) {
  const uint64_t quotient = value / divisor, rest = value % divisor, half = divisor / 2;
  const int up = rest > half || (rest == half && (tail || (quotient & 1) != 0));
  return quotient + (uint64_t)up;
}

/* ---- writing ---------------------------------------------------------------------------------
 */

enum { DIGITS = 8 };

static int put(char *text, const char *from, int n) {
  memcpy(text, from, (size_t)n);
  return n;
}

int onnxc_rt_write_u64(uint64_t value, int negative, char *text) {
  const int n = digits_of(value);
  if (negative) *text = '-';
  for (int i = n - 1; i >= 0; i--, value /= 10)
    text[(negative != 0) + i] = (char)('0' + value % 10);
  return n + (negative != 0);
}

/* The DIGITS digits of a number that is not 0, and the power of ten of the first. */
static uint64_t leading_digits(double value, int *exponent) {
  int binary;
  const double fraction = frexp(value, &binary); /* of 53 bits */
  Decimal d = from_u64((uint64_t)ldexp(fraction, 53));
  scale(&d, binary - 53);
  const uint64_t first = head(&d);
  uint64_t divisor = 1, digits;
  for (int i = digits_of(first); i > DIGITS; i--) divisor *= 10;
  *exponent = (d.point - 2) * BASE_DIGITS + digits_of(first) - 1;
  digits = round_quotient(first, divisor, has_tail(&d));
  if (digits_of(digits) == DIGITS) return digits;
  ++*exponent;
  return digits / 10;
}

/* Digits with a decimal point behind `whole` of them, or in front of -whole zeros. */
static int write_plain(const char *digits, int n, int whole, char *text) {
  int size = whole <= 0 ? put(text, "0", 1) : 0;
  for (int i = 0; i < whole; i++) text[size++] = i < n ? digits[i] : '0';
  if (n <= whole) return size;
  text[size++] = '.';
  for (int i = whole; i < 0; i++) text[size++] = '0';
  const int done = whole > 0 ? whole : 0;
  return size + put(text + size, digits + done, n - done);
}

static int write_scientific(const char *digits, int n, int exponent, char *text) {
  const int size = write_plain(digits, n, 1, text), magnitude = exponent < 0 ? -exponent : exponent;
  int end = size + put(text + size, exponent < 0 ? "e-" : "e+", 2);
  if (magnitude < 10) text[end++] = '0';
  return end + onnxc_rt_write_u64((uint64_t)magnitude, 0, text + end);
}

int onnxc_rt_write_f64(double value, char *text) {
  enum { LEAST_PLAIN = -4 };
  char digits[ONNXC_RT_DECIMAL_BYTES];
  int exponent = 0, n = 1, size = 0;
  if (isnan(value)) return put(text, "NaN", 3);
  if (signbit(value)) text[size++] = '-';
  if (isinf(value)) return size + put(text + size, "INF", 3);
  if (value == 0) return size + put(text + size, "0", 1);
  n = onnxc_rt_write_u64(leading_digits(fabs(value), &exponent), 0, digits);
  while (n > 1 && digits[n - 1] == '0') n--;
  const int plain = exponent >= LEAST_PLAIN && exponent < DIGITS;
  return size + (plain ? write_plain(digits, n, exponent + 1, text + size)
                       : write_scientific(digits, n, exponent, text + size));
}

/* ---- reading ---------------------------------------------------------------------------------
 */

typedef struct Reader {
  const char *at, *end;
} Reader;

static int peek(const Reader *r) {
  return r->at < r->end ? (unsigned char)*r->at : -1;
}

static int is_digit(int c) {
  return c >= '0' && c <= '9';
}

/* Takes one of two characters. */
static int accept(Reader *r, char a, char b) {
  const int c = peek(r);
  if (c != (unsigned char)a && c != (unsigned char)b) return 0;
  r->at++;
  return 1;
}

/* At the first character of a number; *negative is its sign. */
static Reader read_begin(onnxc_rt_string string, int *negative) {
  Reader r = {string.bytes, string.bytes};
  if (string.size != 0) r.end += string.size;
  while (peek(&r) == ' ' || (peek(&r) >= '\t' && peek(&r) <= '\r')) r.at++;
  *negative = peek(&r) == '-';
  accept(&r, '+', '-');
  return r;
}

int onnxc_rt_read_u64(onnxc_rt_string string, uint64_t *magnitude, int *negative) {
  Reader r = read_begin(string, negative);
  *magnitude = 0;
  if (!is_digit(peek(&r))) return 0;
  for (; is_digit(peek(&r)); r.at++) {
    const uint64_t digit = (uint64_t)(peek(&r) - '0');
    if (*magnitude > (UINT64_MAX - digit) / 10) return 0;
    *magnitude = *magnitude * 10 + digit;
  }
  return 1;
}

/* A word in any case. */
static int accept_word(Reader *r, const char *small) {
  const ptrdiff_t n = (ptrdiff_t)strlen(small);
  if (r->end - r->at < n) return 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    if ((r->at[i] | 0x20) != small[i]) return 0;
  }
  r->at += n;
  return 1;
}

/* The digits without leading zeros; value = 0.digits times ten to the power of `exponent`. */
typedef struct Digits {
  unsigned char digits[(LIMBS - 32) * BASE_DIGITS];
  int n, more;
  int64_t exponent;
} Digits;

static void add_digit(Digits *d, int digit) {
  if (d->n < (int)sizeof d->digits) {
    d->digits[d->n++] = (unsigned char)digit;
  } else {
    d->more = d->more || digit != 0;
  }
}

static int64_t read_exponent(Reader *r) {
  enum { LIMIT = 1 << 20 };
  const Reader before = *r;
  if (!accept(r, 'e', 'E')) return 0;
  const int negative = peek(r) == '-';
  int64_t exponent = 0;
  accept(r, '+', '-');
  if (!is_digit(peek(r))) *r = before;
  for (; is_digit(peek(r)); r->at++) {
    if (exponent < LIMIT) exponent = exponent * 10 + (peek(r) - '0');
  }
  return negative ? -exponent : exponent;
}

static int read_digits(Reader *r, Digits *d) {
  int any = 0, behind_point = 0;
  d->n = d->more = 0;
  d->exponent = 0;
  for (;; r->at++) {
    const int c = peek(r);
    if (c == '.' && !behind_point) {
      behind_point = 1;
      continue;
    }
    if (!is_digit(c)) break;
    any = 1;
    const int counts = d->n != 0 || c != '0';
    if (counts) add_digit(d, c - '0');
    if (counts && !behind_point) d->exponent++;
    if (!counts && behind_point) d->exponent--;
  }
  if (any) d->exponent += read_exponent(r);
  return any;
}

/* Limbs hold nine digits each, counted from the decimal point. */
static Decimal from_digits(const Digits *d) {
  Decimal result;
  const int shifted = (int)d->exponent + 1000 * BASE_DIGITS; /* never negative */
  result.n = 0;
  result.more = d->more;
  result.point = (shifted + BASE_DIGITS - 1) / BASE_DIGITS - 1000;
  int room = (int)d->exponent - (result.point - 1) * BASE_DIGITS; /* digits of the first limb */
  for (int i = 0; i < d->n; room = BASE_DIGITS) {
    uint32_t limb = 0;
    for (int k = 0; k < room; k++, i++) limb = limb * 10 + (i < d->n ? d->digits[i] : 0U);
    append(&result, limb);
  }
  return result;
}

/* The nearest double of a number that is not 0: scaled to an integer part of 59 bits or more,
 * which is then cut to the bits that the result has, 53 or fewer. */
static double nearest(Decimal *d) {
  enum { WANTED = 59, MANTISSA = 53, LEAST = -1074 };
  int exponent = 0, bits = 0;
  for (; d->point > 2; exponent += SHIFT) divide(d, SHIFT);
  for (; d->point < 2; exponent -= SHIFT) multiply(d, SHIFT);
  for (uint64_t value = head(d); value != 0; value /= 2) bits++;
  if (bits < WANTED) { /* at least 30 */
    multiply(d, WANTED - bits);
    exponent -= WANTED - bits;
    bits = WANTED;
  }
  const int last = exponent + bits - MANTISSA > LEAST ? exponent + bits - MANTISSA : LEAST;
  if (last - exponent > 62) return 0;
  const uint64_t mantissa = round_quotient(head(d), (uint64_t)1 << (last - exponent), has_tail(d));
  return ldexp((double)mantissa, last);
}

static double value_of(const Digits *digits) {
  enum { MOST = 310, LEAST = -330 }; /* beyond these all is infinite, or 0 */
  if (digits->n == 0 || digits->exponent < LEAST) return 0;
  if (digits->exponent > MOST) return (double)ONNXC_RT_INFINITY;
  Decimal d = from_digits(digits);
  return nearest(&d);
}

int onnxc_rt_read_f64(onnxc_rt_string string, double *value) {
  int negative;
  Digits digits;
  Reader r = read_begin(string, &negative);
  if (accept_word(&r, "nan")) {
    *value = (double)ONNXC_RT_NAN;
  } else if (accept_word(&r, "inf")) {
    *value = (double)ONNXC_RT_INFINITY;
  } else {
    if (!read_digits(&r, &digits)) return 0;
    *value = value_of(&digits);
  }
  if (negative) *value = -*value;
  return 1;
}
