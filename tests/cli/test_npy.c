/* .npy files: what is written reads back, what NumPy writes is understood, the rest refused. */
#include "cli/npy.h"
#include "support.h"

#include <string.h>

static const char f4_fortran[] = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";

/* A version 1 file of that header and data. */
static const Tensor *parse(Context *ctx, const char *header, const void *data, size_t size,
                           const char **error) {
  size_t length = strlen(header);
  unsigned char *file = arena_alloc(ctx->arena, 10 + length + size);
  memcpy(file, "\x93NUMPY\x01\x00", 8);
  file[8] = (unsigned char)length;
  memcpy(file + 10, header, length);
  if (size != 0) memcpy(file + 10 + length, data, size);
  return npy_parse(ctx, file, 10 + length + size, error);
}

static void round_trip(void **state) {
  TEST_BEGIN(state);
  static const DType dtypes[] = {ONNXC_RT_F32, ONNXC_RT_F64, ONNXC_RT_I64, ONNXC_RT_BOOL,
                                 ONNXC_RT_F16, ONNXC_RT_U8,  ONNXC_RT_C64};
  static const int64_t shapes[][3] = {{2, 3, 4}, {1, 1, 1}, {0, 5, 2}};
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    for (int rank = 0; rank <= 3; rank++) {
      Tensor *tensor = tensor_new(ctx, dtypes[i], rank, shapes[i % 3]);
      memset((void *)(uintptr_t)tensor->data, 1, tensor->bytes);
      Out *w = out_memory(ctx->arena);
      assert_true(npy_write(w, ctx->arena, tensor));
      size_t size;
      const char *error, *bytes = out_text(w, &size);
      assert_int_equal((size - tensor->bytes) % 64, 0);
      const Tensor *back = npy_parse(ctx, bytes, size, &error);
      assert_non_null(back);
      assert_true(tensor_equal(tensor, back));
    }
  }
}

static void fortran_order(void **state) {
  TEST_BEGIN(state);
  const float columns[] = {1, 4, 2, 5, 3, 6};
  const char *error;
  const Tensor *t = parse(ctx, f4_fortran, columns, sizeof columns, &error);
  assert_non_null(t);
  for (size_t i = 0; i < 6; i++) assert_true(tensor_f64(t, i) == (double)(i + 1));
}

static void big_endian(void **state) {
  TEST_BEGIN(state);
  const unsigned char bytes[] = {0, 0, 1, 2, 0, 0, 0, 3};
  const char *error;
  const Tensor *t = parse(ctx, "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }", bytes,
                          sizeof bytes, &error);
  assert_non_null(t);
  assert_int_equal(tensor_i64(t, 0), 258);
  assert_int_equal(tensor_i64(t, 1), 3);
}

static void strings_round_trip(void **state) {
  TEST_BEGIN(state);
  onnxc_rt_string strings[] = {{"", 0}, {"a\0b", 3}, {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9}};
  const Tensor tensor = {ONNXC_RT_STRING, 1, (int64_t[]){3}, 3, sizeof strings, strings};
  Out *w = out_memory(ctx->arena);
  assert_true(npy_write(w, ctx->arena, &tensor));
  size_t size;
  const char *error, *bytes = out_text(w, &size);
  assert_non_null(strstr(bytes + 10, "U3'"));
  const Tensor *back = npy_parse(ctx, bytes, size, &error);
  assert_non_null(back);
  assert_true(tensor_equal(&tensor, back));
  strings[1] = (onnxc_rt_string){"a\0", 2};
  assert_false(npy_write(w, ctx->arena, &tensor));
  strings[1] = (onnxc_rt_string){"\xed\xa0\x80", 3};
  assert_false(npy_write(w, ctx->arena, &tensor));
}

static void strings_of_numpy(void **state) {
  TEST_BEGIN(state);
  static const char *const headers[] = {
      "{'descr': '|S2', 'fortran_order': True, 'shape': (2, 2), }",
      "{'descr': '>U1', 'fortran_order': False, 'shape': (2, 2), }",
      "{'descr': '<U1', 'fortran_order': False, 'shape': (2, 2), }"};
  static const char *const data[] = {"a\0c\0b\0\0\0", "\0\0\0a\0\0\0b\0\0\0c\0\0\0\0",
                                     "a\0\0\0b\0\0\0c\0\0\0\0\0\0\0"};
  static const onnxc_rt_string expected[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"", 0}};
  const Tensor tensor = {ONNXC_RT_STRING, 2, (int64_t[]){2, 2}, 4, sizeof expected, expected};
  const char *error;
  for (size_t i = 0; i < 3; i++) {
    const Tensor *t = parse(ctx, headers[i], data[i], i == 0 ? 8 : 16, &error);
    assert_non_null(t);
    assert_true(tensor_equal(t, &tensor));
  }
  assert_null(parse(ctx, "{'descr': '<U1', 'fortran_order': False, 'shape': (), }",
                    "\x00\x00\x11\x00", 4, &error));
  assert_null(
      parse(ctx, "{'descr': '<U0', 'fortran_order': False, 'shape': (9,), }", "", 0, &error));
}

static void malformed(void **state) {
  TEST_BEGIN(state);
  const char *error;
  const float data[6] = {0};
  assert_null(npy_parse(ctx, "\x93NUMPY", 6, &error));
  assert_null(parse(ctx, f4_fortran, data, sizeof data - 1, &error));
  assert_null(parse(ctx, "{}", data, sizeof data, &error));
  assert_null(parse(ctx, "{'descr': '<U4', 'fortran_order': False, 'shape': (6,), }", data,
                    sizeof data, &error));
  assert_null(parse(ctx, "{'descr': '<f4', 'fortran_order': False, 'shape': (6", data, sizeof data,
                    &error));
  assert_null(parse(ctx,
                    "{'descr': '<f4', 'fortran_order': False, "
                    "'shape': (4294967296, 4294967296, 6), }",
                    data, sizeof data, &error));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(round_trip),       TEST(fortran_order),
                                     TEST(big_endian),       TEST(strings_round_trip),
                                     TEST(strings_of_numpy), TEST(malformed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
