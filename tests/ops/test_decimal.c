/* Numbers as text: what is written is what printf writes, and what is read is what strtod reads. */
#include "support.h"

#include "reference/decimal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DRAWS = 20000 };

static uint64_t next(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state ^ *state >> 31;
}

static void expect_written(double value) {
  char expected[64], text[ONNXC_RT_DECIMAL_BYTES];
  int n = onnxc_rt_write_f64(value, text);
  snprintf(expected, sizeof expected, "%.8g", value);
  if (n == (int)strlen(expected) && memcmp(text, expected, (size_t)n) == 0) return;
  fail_msg("%a is written %.*s, not %s", value, n, text, expected);
}

static void expect_read(const char *text) {
  double value, expected = strtod(text, NULL);
  const onnxc_rt_string string = {text, (ptrdiff_t)strlen(text)};
  if (!onnxc_rt_read_f64(string, &value)) fail_msg("%.60s is no number", text);
  if (memcmp(&value, &expected, sizeof value) == 0) return;
  fail_msg("%.60s is read as %a, not %a", text, value, expected);
}

/* Any bits, and numbers near those that eight digits can say. */
static void numbers_are_written_as_printf_does(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int i = 0; i < DRAWS; i++) {
    uint64_t bits = next(&seed);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isfinite(value)) expect_written(value);
    double tie = (double)(next(&seed) % 2000000000) / 20;
    expect_written(tie);
    expect_written(nextafter(tie, 0));
    expect_written(-ldexp((double)(next(&seed) % 100000), (int)(next(&seed) % 200) - 100));
  }
  static const double edges[] = {0.0,        -0.0,          5e-324, 1.7976931348623157e308,
                                 99999999.5, 9.99999995e-5, 1e-4,   1e8,
                                 123456785,  0.5,           1e22,   1e23};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) expect_written(edges[i]);
}

static void numbers_are_read_as_strtod_does(void **state) {
  (void)state;
  uint64_t seed = 2;
  char text[1200];
  for (int i = 0; i < DRAWS; i++) {
    uint64_t bits = next(&seed);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    snprintf(text, sizeof text, "%.*e", (int)(next(&seed) % 20), value);
    expect_read(text);
    snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)next(&seed),
             (unsigned long long)next(&seed), (int)(next(&seed) % 700) - 360);
    expect_read(text);
  }
}

/* Halfway between two doubles, exactly and by a digit far behind, up and down. */
static void ties_are_read_exactly(void **state) {
  (void)state;
  uint64_t seed = 3;
  static char text[1400];
  for (int i = 0; i < DRAWS / 20; i++) {
    uint64_t bits = next(&seed) & (UINT64_MAX >> 1);
    if (i % 4 == 0) bits &= UINT64_MAX >> 12; /* denormal */
    double low, high;
    memcpy(&low, &bits, sizeof low);
    bits++;
    memcpy(&high, &bits, sizeof high);
    if (!isfinite(low) || !isfinite(high)) continue;
    long double half = (long double)low + ((long double)high - (long double)low) / 2;
    snprintf(text, sizeof text, "%.1100Le", half);
    char *exponent = strchr(text, 'e'), kept[16];
    expect_read(text);
    snprintf(kept, sizeof kept, "%s", exponent);
    snprintf(exponent, sizeof text - (size_t)(exponent - text), "1%s", kept);
    expect_read(text);
  }
}

static void beginnings_are_read(void **state) {
  (void)state;
  static const char *const texts[] = {"0",
                                      "-0",
                                      "+.5",
                                      "5.",
                                      " \t\n7",
                                      "1e",
                                      "1e+",
                                      "3x",
                                      "1_0",
                                      "1e-400",
                                      "1e400",
                                      "-1e99999999999",
                                      "0e99999999999",
                                      "1e-324",
                                      "2.4703282292062327e-324",
                                      "2.4703282292062328e-324",
                                      "1.7976931348623158e308",
                                      "1.7976931348623159e308",
                                      "0.00000000000000000000000000000000000001",
                                      "1.2.3",
                                      "INF",
                                      "-infinity",
                                      "+iNf",
                                      "infx"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect_read(texts[i]);
  static const char *const none[] = {"",    " ",  "-",  ".",  "e5", "+-1",
                                     "--1", "na", "in", "x1", ".e1"};
  double value;
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    const onnxc_rt_string string = {none[i], (ptrdiff_t)strlen(none[i])};
    if (onnxc_rt_read_f64(string, &value)) fail_msg("'%s' is read as %g", none[i], value);
  }
  const onnxc_rt_string nan = {"-NaN(1)", 7};
  assert_true(onnxc_rt_read_f64(nan, &value) && isnan(value));
}

static void integers_are_read(void **state) {
  (void)state;
  uint64_t magnitude;
  int negative;
  const onnxc_rt_string most = {"-18446744073709551615", 21}, over = {"18446744073709551616", 20};
  assert_true(onnxc_rt_read_u64(most, &magnitude, &negative));
  assert_true(magnitude == UINT64_MAX && negative);
  assert_false(onnxc_rt_read_u64(over, &magnitude, &negative));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_written_as_printf_does),
      cmocka_unit_test(numbers_are_read_as_strtod_does), cmocka_unit_test(ties_are_read_exactly),
      cmocka_unit_test(beginnings_are_read), cmocka_unit_test(integers_are_read)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
