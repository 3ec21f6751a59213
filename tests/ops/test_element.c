/* Elements of every type are read, written, rounded and walked as documented. */
#include "reference/element.h"
#include "reference/minifloat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static onnxc_rt_tensor vector(int32_t dtype, void *data, int64_t *count) {
  return (onnxc_rt_tensor){data, count, 1, dtype};
}

/* Every pattern of the narrow formats decodes to a value that encodes to the same pattern. */
static void narrow_floats_round_trip(void **state) {
  (void)state;
  static const struct {
    int32_t dtype;
    unsigned patterns;
  } formats[] = {{ONNXC_RT_F16, 1U << 16},   {ONNXC_RT_BF16, 1U << 16}, {ONNXC_RT_F8E4M3FN, 256},
                 {ONNXC_RT_F8E4M3FNUZ, 256}, {ONNXC_RT_F8E5M2, 256},    {ONNXC_RT_F8E5M2FNUZ, 256},
                 {ONNXC_RT_F4E2M1, 16}};
  for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
    for (unsigned bits = 0; bits < formats[k].patterns; bits++) {
      double value = onnxc_rt_minifloat_decode(formats[k].dtype, bits);
      if (isnan(value)) continue;
      unsigned again =
          onnxc_rt_minifloat_encode(formats[k].dtype, value, ONNXC_RT_OVERFLOW_SPECIAL);
      assert_int_equal(again, bits);
    }
  }
}

static void encoding_rounds_and_overflows(void **state) {
  (void)state;
  static const struct {
    int32_t dtype;
    double value;
    onnxc_rt_overflow overflow;
    unsigned bits;
  } cases[] = {
      {ONNXC_RT_F16, 65504, ONNXC_RT_OVERFLOW_SPECIAL, 0x7BFF},
      {ONNXC_RT_F16, 65519.99, ONNXC_RT_OVERFLOW_SPECIAL, 0x7BFF},
      {ONNXC_RT_F16, 65520, ONNXC_RT_OVERFLOW_SPECIAL, 0x7C00},
      {ONNXC_RT_F16, -1e300, ONNXC_RT_OVERFLOW_SPECIAL, 0xFC00},
      {ONNXC_RT_F16, 0x1p-24, ONNXC_RT_OVERFLOW_SPECIAL, 1},
      {ONNXC_RT_F16, 0x1p-25, ONNXC_RT_OVERFLOW_SPECIAL, 0},
      {ONNXC_RT_F16, 0x1.8p-25, ONNXC_RT_OVERFLOW_SPECIAL, 1},
      {ONNXC_RT_BF16, 1.00390625, ONNXC_RT_OVERFLOW_SPECIAL, 0x3F80},
      {ONNXC_RT_BF16, 1.01171875, ONNXC_RT_OVERFLOW_SPECIAL, 0x3F82},
      {ONNXC_RT_F8E4M3FN, 1000, ONNXC_RT_OVERFLOW_SPECIAL, 0x7F},
      {ONNXC_RT_F8E4M3FN, 1000, ONNXC_RT_OVERFLOW_SATURATE, 0x7E},
      {ONNXC_RT_F8E4M3FNUZ, -0.0, ONNXC_RT_OVERFLOW_SPECIAL, 0},
      {ONNXC_RT_F8E5M2, -1e9, ONNXC_RT_OVERFLOW_SPECIAL, 0xFC},
      {ONNXC_RT_F4E2M1, 100, ONNXC_RT_OVERFLOW_SPECIAL, 7},
      {ONNXC_RT_F4E2M1, 0.25, ONNXC_RT_OVERFLOW_SPECIAL, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned bits = onnxc_rt_minifloat_encode(cases[i].dtype, cases[i].value, cases[i].overflow);
    if (bits != cases[i].bits) fail_msg("case %zu: %#x, not %#x", i, bits, cases[i].bits);
  }
}

static void packed_integers_keep_their_neighbours(void **state) {
  (void)state;
  uint8_t bytes[2] = {0};
  int64_t four = 4, eight = 8;
  onnxc_rt_tensor nibbles = vector(ONNXC_RT_I4, bytes, &four);
  for (int64_t i = 0; i < 4; i++) onnxc_rt_store_i64(&nibbles, i, i - 2);
  assert_int_equal(bytes[0], 0xFE);
  assert_int_equal(bytes[1], 0x10);
  for (int64_t i = 0; i < 4; i++) assert_int_equal(onnxc_rt_load_i64(&nibbles, i), i - 2);
  onnxc_rt_tensor pairs = vector(ONNXC_RT_U2, bytes, &eight);
  for (int64_t i = 0; i < 8; i++) onnxc_rt_store_i64(&pairs, i, i);
  for (int64_t i = 0; i < 8; i++) assert_int_equal(onnxc_rt_load_i64(&pairs, i), i % 4);
}

static void conversions_saturate_or_wrap(void **state) {
  (void)state;
  int8_t byte = 0;
  uint64_t wide = UINT64_MAX;
  int64_t one = 1;
  onnxc_rt_tensor small = vector(ONNXC_RT_I8, &byte, &one),
                  large = vector(ONNXC_RT_U64, &wide, &one);
  onnxc_rt_store_f64(&small, 0, 1e9);
  assert_int_equal(byte, 127);
  onnxc_rt_store_f64(&small, 0, -1e9);
  assert_int_equal(byte, -128);
  onnxc_rt_store_f64(&small, 0, NAN);
  assert_int_equal(byte, 0);
  onnxc_rt_store_i64(&small, 0, 200);
  assert_int_equal(byte, -56);
  assert_true(onnxc_rt_load_f64(&large, 0) == 18446744073709551616.0);
  assert_int_equal(onnxc_rt_load_i64(&large, 0), -1);
}

static void walk_broadcasts(void **state) {
  (void)state;
  const int64_t dims[3] = {2, 3, 2}, column[2] = {3, 1}, steps[3] = {6, -2, 1};
  static const int64_t columns[12] = {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2};
  static const int64_t reversed[12] = {4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7};
  onnxc_rt_walk walk;
  onnxc_rt_walk_init(&walk, dims, 3);
  onnxc_rt_walk_broadcast(&walk, column, 2);
  onnxc_rt_walk_steps(&walk, 4, steps);
  assert_int_equal(walk.count, 12);
  for (int64_t i = 0; i < walk.count; i++, onnxc_rt_walk_next(&walk)) {
    assert_int_equal(walk.at[0], columns[i]);
    assert_int_equal(walk.at[1], reversed[i]);
  }
  assert_int_equal(walk.at[1], 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(narrow_floats_round_trip),
      cmocka_unit_test(encoding_rounds_and_overflows),
      cmocka_unit_test(packed_integers_keep_their_neighbours),
      cmocka_unit_test(conversions_saturate_or_wrap),
      cmocka_unit_test(walk_broadcasts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
