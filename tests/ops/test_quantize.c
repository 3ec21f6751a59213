/* Quantisation, and operators on quantised tensors as ONNX Runtime computes them. */
#include "ops/expect.h"

static void numbers_are_rounded_and_saturated(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[6] {-1, 0.5, 1.5, 2.5, 1e9, -1e9}\n const %s = f32[] {1}\n"
         "const %z = u8[] {10}\n %y = QuantizeLinear(%x, %s, %z)",
         "u8[6]", 9, 10, 12, 12, 255, 0);
  EXPECT("output %y\n const %x = f32[2, 2] {-40, 7, 20, -5}\n const %s = f32[2] {2, 4}\n"
         "const %z = i4[2] bits {01}\n %y = QuantizeLinear(%x, %s, %z)",
         "i4[2, 2]", -8, 2, 7, -1);
  EXPECT("output %y\n const %x = f32[1, 4] {2, 4, 30, 60}\n const %s = f32[1, 2] {2, 10}\n"
         "%y = QuantizeLinear(%x, %s) {axis = 1, block_size = 2, output_dtype = 5}",
         "i16[1, 4]", 1, 2, 3, 6);
  EXPECT("output %y\n const %x = f32[2] {3, 1000}\n const %s = f32[] {2}\n"
         "%y = QuantizeLinear(%x, %s) {output_dtype = 17}",
         "f8e4m3fn[2]", 1.5, 448);
}

static void numbers_come_back(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = u8[3] {0, 128, 255}\n const %s = f32[] {2}\n"
         "const %z = u8[] {128}\n %y = DequantizeLinear(%x, %s, %z)",
         "f32[3]", -256, 0, 254);
  EXPECT("output %y\n const %x = i4[2, 2] bits {78 21}\n const %s = f16[2] bits {3800 4000}\n"
         "%y = DequantizeLinear(%x, %s) {axis = 0}",
         "f16[2, 2]", -4, 3.5, 2, 4);
  EXPECT("output %y\n const %x = f32[3] {-1, 0, 4}\n %y, %s, %z = DynamicQuantizeLinear(%x)",
         "u8[3]", 0, 51, 255);
  EXPECT("output %s\n const %x = f32[3] {0, 0, 0}\n %y, %s, %z = DynamicQuantizeLinear(%x)",
         "f32[]", 1);
}

#define AB                                                                                         \
  "output %y\n const %a = u8[2, 2] {1, 2, 3, 4}\n const %az = u8[] {1}\n const %f = f32[] {0.5}\n" \
  "const %b = i8[2, 2] {1, 2, -3, 4}\n const %yz = u8[] {3}\n"

static void integers_are_multiplied(void **state) {
  TEST_BEGIN(state);
  EXPECT(AB "const %bz = i8[2] {1, 0}\n %y = MatMulInteger(%a, %b, %az, %bz)", "i32[2, 2]", -4, 4,
         -12, 16);
  EXPECT(AB "const %bz = i8[] {0}\n %y = QLinearMatMul(%a, %f, %az, %b, %f, %bz, %f, %yz)",
         "u8[2, 2]", 1, 5, 0, 11);
  EXPECT("output %y\n const %x = u8[1, 1, 3] {1, 2, 3}\n const %w = u8[1, 1, 2] {2, 3}\n"
         "const %z = u8[] {1}\n %y = ConvInteger(%x, %w, %z, %z) {pads = [1, 0]}",
         "i32[1, 1, 3]", 0, 2, 5);
  EXPECT("output %y\n const %x = u8[1, 1, 3] {1, 2, 3}\n const %w = u8[1, 1, 2] {2, 3}\n"
         "const %z = u8[] {1}\n const %f = f32[] {0.5}\n const %s = f32[1] {1}\n"
         "const %b = i32[1] {10}\n"
         "%y = QLinearConv(%x, %f, %z, %w, %s, %z, %f, %z, %b) {pads = [1, 0]}",
         "u8[1, 1, 3]", 11, 13, 16);
}

#define MS(inputs)                                                                                 \
  "output %y\n const %a = u8[2] {10, 20}\n const %b = u8[2] {3, 200}\n const %h = f32[] {0.5}\n"   \
  "const %q = f32[] {0.25}\n const %one = f32[] {1}\n const %z = u8[] {4}\n %y = "                 \
  "com.microsoft." inputs

static void quantised_operators_round_late(void **state) {
  TEST_BEGIN(state);
  EXPECT(MS("QLinearAdd(%a, %h, %z, %b, %h, %z, %one, %z)"), "u8[2]", 6, 110);
  EXPECT(MS("QLinearMul(%a, %h, %z, %b, %h, %z, %one, %z)"), "u8[2]", 2, 255);
  EXPECT(MS("QLinearLeakyRelu(%b, %h, %z, %q, %z) {alpha = 0.5}"), "u8[2]", 3, 255);
  EXPECT(MS("QLinearConcat(%h, %z, %a, %q, %z, %b, %h, %z) {axis = 0}"), "u8[4]", 7, 12, 3, 200);
  EXPECT("output %y\n const %x = u8[1, 2, 2, 1] {1, 2, 3, 4}\n const %h = f32[1] {0.5}\n"
         "const %z = u8[1] {1}\n"
         "%y = com.microsoft.QLinearGlobalAveragePool(%x, %h, %z, %h, %z) {channels_last = 1}",
         "u8[1, 1, 1, 1]", 3);
}

static void softmax_rounds_by_its_table(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = i8[2, 3] {1, 1, -128, 127, 3, 3}\n const %s = f32[] {0.5}\n"
         "const %q = f32[] {0.00390625}\n const %z = i8[] {-128}\n"
         "%y = com.microsoft.QLinearSoftmax(%x, %s, %z, %q, %z) {opset = 13}",
         "i8[2, 3]", 0, 0, -128, 127, -128, -128);
  EXPECT("output %y\n const %x = u8[2, 2] {9, 9, 9, 9}\n const %s = f32[] {0.5}\n"
         "const %q = f32[] {0.00390625}\n const %z = u8[] {0}\n"
         "%y = com.microsoft.QLinearSoftmax(%x, %s, %z, %q, %z) {opset = 11, axis = 0}",
         "u8[2, 2]", 64, 64, 64, 64);
}

static void products_keep_or_lose_their_scale(void **state) {
  TEST_BEGIN(state);
  EXPECT(AB "const %bz = i8[2] {1, 0}\n const %c = i32[1, 2] {10, 20}\n"
            "const %bs = f32[2] {0.5, 0.25}\n"
            "%y = com.microsoft.QGemm(%a, %f, %az, %b, %bs, %bz, %c)",
         "f32[2, 2]", 1.5, 3, -0.5, 4.5);
  EXPECT(AB "const %bz = i8[] {0}\n"
            "%y = com.microsoft.QGemm(%a, %f, %az, %b, %f, %bz, _, %f, %yz) {transA = 1}",
         "u8[2, 2]", 0, 7, 0, 10);
  EXPECT(AB "const %bias = f32[2] {1, 2}\n"
            "%y = com.microsoft.MatMulIntegerToFloat(%a, %b, %f, %f, _, _, %bias)",
         "f32[2, 2]", -0.25, 4.5, -1.25, 7.5);
  EXPECT("output %y\n const %a = i16[1, 2] {32767, -32768}\n const %b = i16[2, 1] {2, 32767}\n"
         "%y = com.microsoft.MatMulInteger16(%a, %b)",
         "i32[1, 1]", -1073643522);
}

static void weights_are_unpacked(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %a = f32[1, 3] {1, 10, 100}\n"
         "const %b = u8[2, 1, 8] {33, 3, 0, 0, 0, 0, 0, 0, 240, 8, 0, 0, 0, 0, 0, 0}\n"
         "const %s = f32[2] {1, 0.5}\n const %z = u8[2] {1, 8}\n const %bias = f32[2] {7, 0}\n"
         "%y = com.microsoft.MatMulNBits(%a, %b, %s, %z, _, %bias)"
         " {K = 3, N = 2, block_size = 16}",
         "f32[1, 2]", 217, 31);
  EXPECT("output %y\n const %a = f32[1, 2] {1, 10}\n"
         "const %b = u8[1, 1, 4] {228, 0, 0, 0}\n const %s = f32[1, 1] {2}\n"
         "const %g = i32[2] {0, 0}\n"
         "%y = com.microsoft.MatMulNBits(%a, %b, %s, _, %g) {K = 2, N = 1, bits = 2,"
         " block_size = 16}",
         "f32[1, 1]", -24);
  EXPECT("output %y\n const %a = f32[1, 2] {1, 10}\n const %b = u8[1] {47}\n"
         "const %s = f32[1] {2}\n"
         "%y = com.microsoft.MatMulBnb4(%a, %b, %s) {K = 2, N = 1, block_size = 16,"
         " quant_type = 0}",
         "f32[1, 1]", -3.6666668);
  EXPECT("output %y\n const %x = u8[2, 8] {1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 48, 64, 80, 96, 112,"
         " 128}\n const %i = i64[1] {-1}\n const %s = f32[2, 1] {1, 0.5}\n"
         "const %z = u8[2, 1] {1, 2}\n"
         "%y = com.microsoft.GatherBlockQuantized(%x, %i, %s, %z) {block_size = 16}",
         "f32[1, 16]", -1, -0.5, -1, 0, -1, 0.5, -1, 1, -1, 1.5, -1, 2, -1, 2.5, -1, 3);
}

static void wrong_packing_is_refused(void **state) {
  TEST_BEGIN(state);
#define WEIGHTS "input %a: f32[1, 20]\n input %b: u8[4, 1, 8]\n input %s: f32[4, 2]\n output %y\n"
  expect_refused(ctx,
                 WEIGHTS "%y = com.microsoft.MatMulNBits(%a, %b, %s) {K = 20, N = 4,"
                         " block_size = 16}",
                 "has size 1 on axis 1");
  expect_refused(ctx,
                 WEIGHTS "%y = com.microsoft.MatMulNBits(%a, %b, %s) {K = 20, N = 4,"
                         " block_size = 17}",
                 "must be a power of two");
  expect_refused(ctx,
                 WEIGHTS "%y = com.microsoft.MatMulNBits(%a, %b, %s) {K = 20, N = 4,"
                         " block_size = 16, bits = 3}",
                 "must be 2, 4 or 8");
  expect_refused(ctx,
                 "input %x: u8[4, 8]\n input %i: i64[1]\n input %s: f32[4, 1]\n output %y\n"
                 "%y = com.microsoft.GatherBlockQuantized(%x, %i, %s) {block_size = 16,"
                 " gather_axis = 1}",
                 "must be gathered along axis 0");
  expect_refused(ctx,
                 "input %x: u8[4, 8]\n input %s: f32[]\n input %z: u8[]\n output %y\n"
                 "%y = com.microsoft.QGemm(%x, %s, %z, %x, %s, %z, _, _, %z) {transB = 1}",
                 "y_scale is not");
}

static void wrong_scales_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %x: f32[4]\n output %y\n const %s = f32[] {0}\n"
                 "%y = QuantizeLinear(%x, %s)",
                 "must be finite, and not 0");
  expect_refused(ctx,
                 "input %x: f32[2, 4]\n output %y\n const %s = f32[3] {1, 1, 1}\n"
                 "%y = QuantizeLinear(%x, %s)",
                 "has size 3 on axis 0, but one scale for each index of the axis is 4");
  expect_refused(ctx,
                 "input %x: f8e4m3fn[4]\n output %y\n const %s = f32[] {1}\n"
                 "const %z = f8e4m3fn[] bits {38}\n %y = DequantizeLinear(%x, %s, %z)",
                 "must be 0");
  expect_refused(ctx,
                 "input %x: u8[4]\n input %s: f32[2]\n output %y\n"
                 "%y = com.microsoft.QLinearSigmoid(%x, %s, _, %s, _)",
                 "must be a scalar");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(numbers_are_rounded_and_saturated),
      TEST(numbers_come_back),
      TEST(integers_are_multiplied),
      TEST(quantised_operators_round_late),
      TEST(softmax_rounds_by_its_table),
      TEST(products_keep_or_lose_their_scale),
      TEST(weights_are_unpacked),
      TEST(wrong_packing_is_refused),
      TEST(wrong_scales_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
