/* Tensors as constants: every storage of every element type, sparse ones, external files. */
#include "models.h"

#include "ir/verify.h"

#include <sys/stat.h>

/* A model whose output is the constant `t`. */
static Onnx__ModelProto *constant_model(Onnx__TensorProto *t) {
  Onnx__ModelProto *m = unary_model(20);
  t->name = text("t");
  PUSH(m->graph, initializer, t);
  PUSH(m->graph, node, node("Identity", "t", "y"));
  return m;
}

static const Tensor *imported(Onnx__TensorProto *t) {
  return import(constant_model(t))->first->in[0].value->constant;
}

static void expect_bad(Onnx__TensorProto *t, int code, const char *part) {
  expect_fault(constant_model(t), code, 1, part);
}

/* Values in int32_data become the bytes `expected`. */
static void check_int32_data(int dtype, int64_t count, size_t n, const int32_t *values,
                             const void *expected, size_t size) {
  Onnx__TensorProto *t = tensor("", dtype, 1, &count);
  t->int32_data = arena_copy(fixture.arena, values, n * sizeof *values);
  t->n_int32_data = n;
  const Tensor *made = imported(t);
  assert_int_equal(made->bytes, size);
  assert_memory_equal(made->data, expected, size);
}

static void narrow_types_come_from_int32_data(void **state) {
  (void)state;
  check_int32_data(ONNXC_RT_I8, 2, 2, (int32_t[]){-128, 127}, "\x80\x7f", 2);
  check_int32_data(ONNXC_RT_U8, 1, 1, (int32_t[]){255}, "\xff", 1);
  check_int32_data(ONNXC_RT_BOOL, 2, 2, (int32_t[]){0, 1}, "\0\1", 2);
  check_int32_data(ONNXC_RT_F16, 1, 1, (int32_t[]){0x3c00}, "\x00\x3c", 2);
  check_int32_data(ONNXC_RT_BF16, 1, 1, (int32_t[]){0x7fc0}, "\xc0\x7f", 2);
  check_int32_data(ONNXC_RT_I32, 1, 1, (int32_t[]){-2}, "\xfe\xff\xff\xff", 4);
  check_int32_data(ONNXC_RT_I4, 3, 2, (int32_t[]){0x21, 0x0f}, "\x21\x0f", 2);
  check_int32_data(ONNXC_RT_U2, 5, 2, (int32_t[]){0xe4, 0x03}, "\xe4\x03", 2);
}

static void values_outside_their_type_are_refused(void **state) {
  (void)state;
  static const struct {
    int dtype;
    int32_t value;
  } cases[] = {{ONNXC_RT_I8, 128},    {ONNXC_RT_I8, -129}, {ONNXC_RT_U8, -1},
               {ONNXC_RT_U16, 65536}, {ONNXC_RT_BOOL, 2},  {ONNXC_RT_F8E5M2, 256}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t value = cases[i].value;
    Onnx__TensorProto *t = tensor("", cases[i].dtype, 0, NULL);
    t->int32_data = &value;
    t->n_int32_data = 1;
    expect_bad(t, 2, "outside the range");
  }
  uint64_t wide = UINT64_C(1) << 32;
  Onnx__TensorProto *t = tensor("", ONNXC_RT_U32, 0, NULL);
  t->uint64_data = &wide;
  t->n_uint64_data = 1;
  expect_bad(t, 2, "outside the range");
}

static void wide_types_come_from_fields_of_their_own(void **state) {
  (void)state;
  double d[] = {-0.0, 1e300};
  Onnx__TensorProto *t = tensor("", ONNXC_RT_C128, 0, NULL);
  t->double_data = d;
  t->n_double_data = 2;
  assert_memory_equal(imported(t)->data, d, sizeof d);
  uint64_t u = UINT32_MAX;
  t = tensor("", ONNXC_RT_U32, 0, NULL);
  t->uint64_data = &u;
  t->n_uint64_data = 1;
  assert_memory_equal(imported(t)->data, "\xff\xff\xff\xff", 4);
  ProtobufCBinaryData s[] = {{2, (uint8_t *)"a\0"}, {0, NULL}};
  t = tensor("", ONNXC_RT_STRING, 1, (int64_t[]){2});
  t->string_data = s;
  t->n_string_data = 2;
  const onnxc_rt_string *strings = imported(t)->data;
  assert_int_equal(strings[0].size, 2);
  assert_int_equal(strings[1].size, 0);
}

static void data_must_fit_the_shape(void **state) {
  (void)state;
  float f[] = {1, 2};
  Onnx__TensorProto *t = tensor("", ONNXC_RT_F32, 1, (int64_t[]){3});
  raw(t, f, sizeof f);
  expect_bad(t, 2, "length of raw_data");
  t->dims[0] = 2;
  t->float_data = f;
  t->n_float_data = 2;
  expect_bad(t, 2, "in two fields");
  t = tensor("", ONNXC_RT_I64, 1, (int64_t[]){2});
  t->float_data = f;
  t->n_float_data = 2;
  expect_bad(t, 2, "float_data cannot hold i64");
  t = tensor("", ONNXC_RT_F32, 1, (int64_t[]){-1});
  expect_bad(t, 2, "negative");
  t = tensor("", ONNXC_RT_F32, 3, (int64_t[]){INT64_MAX, 3, 0});
  expect_bad(t, 2, "overflows");
  t = tensor("", ONNXC_RT_I4, 1, (int64_t[]){3});
  raw(t, "\x21", 1);
  expect_bad(t, 2, "length of raw_data");
  raw(t, "\x21\x1f", 2);
  expect_bad(t, 2, "behind the last element");
  t = tensor("", ONNXC_RT_BOOL, 0, NULL);
  raw(t, "\x02", 1);
  expect_bad(t, 2, "neither 0 nor 1");
  expect_bad(tensor("", 0, 0, NULL), 2, "element type 0");
  expect_bad(tensor("", 27, 0, NULL), 3, "element type 27");
  assert_int_equal(imported(tensor("", ONNXC_RT_F32, 2, (int64_t[]){5, 0}))->count, 0);
}

static Onnx__SparseTensorProto *sparse(size_t n, const int64_t *at, int64_t rows, int64_t columns) {
  Onnx__SparseTensorProto *made = NEW(Onnx__SparseTensorProto, ONNX__SPARSE_TENSOR_PROTO__INIT);
  const float values[] = {1, 2, 3};
  made->values = tensor("t", ONNXC_RT_F32, 1, (int64_t[]){(int64_t)n});
  raw(made->values, values, n * sizeof *values);
  made->indices = tensor("", ONNXC_RT_I64, 1, (int64_t[]){(int64_t)n});
  raw(made->indices, at, n * sizeof *at);
  made->dims = arena_copy(fixture.arena, (int64_t[]){rows, columns}, 16);
  made->n_dims = 2;
  return made;
}

static Onnx__ModelProto *sparse_model(Onnx__SparseTensorProto *s) {
  Onnx__ModelProto *m = unary_model(20);
  PUSH(m->graph, sparse_initializer, s);
  PUSH(m->graph, node, node("Identity", "t", "y"));
  return m;
}

static void sparse_tensors_are_made_dense(void **state) {
  (void)state;
  Graph *g = import(sparse_model(sparse(2, (int64_t[]){1, 3}, 2, 2)));
  assert_memory_equal(g->first->in[0].value->constant->data, ((float[]){0, 1, 0, 2}), 16);
  Onnx__SparseTensorProto *s = sparse(2, (int64_t[]){1, 3}, 2, 2);
  s->indices = tensor("", ONNXC_RT_I64, 2, (int64_t[]){2, 2});
  raw(s->indices, (int64_t[]){0, 0, 1, 0}, 32);
  g = import(sparse_model(s));
  assert_memory_equal(g->first->in[0].value->constant->data, ((float[]){1, 0, 2, 0}), 16);
  expect_fault(sparse_model(sparse(2, (int64_t[]){3, 1}, 2, 2)), 2, 1, "unsorted");
  expect_fault(sparse_model(sparse(2, (int64_t[]){1, 1}, 2, 2)), 2, 1, "unsorted");
  expect_fault(sparse_model(sparse(1, (int64_t[]){4}, 2, 2)), 2, 1, "outside");
  expect_fault(sparse_model(sparse(1, (int64_t[]){-1}, 2, 2)), 2, 1, "outside");
  expect_fault(sparse_model(sparse(1, (int64_t[]){0}, 1 << 20, 1 << 10)), 4, 1, "64 MB");
  Onnx__ModelProto *m = sparse_model(sparse(1, (int64_t[]){0}, 1 << 10, 1 << 13));
  PUSH(m->graph, sparse_initializer, sparse(1, (int64_t[]){0}, 1 << 10, 1 << 13));
  m->graph->sparse_initializer[1]->values->name = text("u");
  assert_int_equal(import_code(m), 0);
  PUSH(m->graph, sparse_initializer, sparse(1, (int64_t[]){0}, 1, 1));
  m->graph->sparse_initializer[2]->values->name = text("v");
  expect_fault(m, 4, 1, "64 MB");
}

/* ---- external data ------------------------------------------------------------------------------
 */

static Onnx__TensorProto *external_tensor(const char *location) {
  Onnx__TensorProto *t = tensor("", ONNXC_RT_F32, 1, (int64_t[]){2});
  external(t, "location", location);
  return t;
}

static void external_data_is_read_from_the_folder(void **state) {
  (void)state;
  const float f[] = {7, 1, 2};
  char folder[128];
  write_file("w.bin", f, sizeof f);
  snprintf(folder, sizeof folder, "%s/sub", fixture.folder);
  assert_int_equal(mkdir(folder, 0700), 0);
  write_file("sub/w.bin", f, sizeof f);
  Onnx__TensorProto *t = external_tensor("w.bin");
  assert_memory_equal(imported(t)->data, f, 8);
  external(t, "offset", "4");
  external(t, "length", "8");
  assert_memory_equal(imported(t)->data, f + 1, 8);
  assert_memory_equal(imported(external_tensor("./sub/w.bin"))->data, f, 8);
}

static void external_ranges_are_checked(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *fault;
  } cases[] = {
      {"offset", "5", "past the end"},
      {"offset", "-1", "bad offset"},
      {"offset", "18446744073709551615", "past the end"},
      {"offset", "18446744073709551616", "bad offset"},
      {"offset", "", "bad offset"},
      {"length", "4", "not that of its shape"},
      {"length", "1e1", "bad length"},
      {"location", "w.bin", "duplicate key"},
      {"checksums", "0", "unknown key"},
  };
  write_file("w.bin", (float[]){7, 1, 2}, 12);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Onnx__TensorProto *t = external_tensor("w.bin");
    external(t, cases[i].key, cases[i].value);
    expect_bad(t, 2, cases[i].fault);
  }
  Onnx__TensorProto *t = external_tensor("w.bin");
  raw(t, "12345678", 8);
  expect_bad(t, 2, "in two fields");
}

static void external_data_never_leaves_the_folder(void **state) {
  (void)state;
  char path[128], other[128];
  write_file("w.bin", (float[]){7, 1}, 8);
  expect_bad(external_tensor("../w.bin"), 2, "inside the model's folder");
  expect_bad(external_tensor("sub/../w.bin"), 2, "inside the model's folder");
  expect_bad(external_tensor("/etc/passwd"), 2, "inside the model's folder");
  expect_bad(external_tensor(""), 2, "inside the model's folder");
  expect_bad(external_tensor("."), 2, "not a regular file");
  expect_bad(external_tensor("missing"), 2, "No such file");
  snprintf(path, sizeof path, "%s/link", fixture.folder);
  assert_int_equal(symlink("w.bin", path), 0);
  expect_bad(external_tensor("link"), 2, "a link");
  snprintf(path, sizeof path, "%s/folder", fixture.folder);
  assert_int_equal(symlink(".", path), 0);
  expect_bad(external_tensor("folder/w.bin"), 2, "a link");
  snprintf(path, sizeof path, "%s/w.bin", fixture.folder);
  snprintf(other, sizeof other, "%s/hard", fixture.folder);
  assert_int_equal(link(path, other), 0);
  expect_bad(external_tensor("hard"), 2, "one name");
  snprintf(path, sizeof path, "%s/fifo", fixture.folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  expect_bad(external_tensor("fifo"), 2, "not a regular file");
}

static void models_are_regular_files(void **state) {
  (void)state;
  fixture.ctx = (Context){.arena = fixture.arena};
  fixture.ctx.strings = strings_new(fixture.arena);
  const char *fifo = arena_printf(fixture.arena, "%s/fifo", fixture.folder);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  const char *const paths[] = {fixture.folder, fifo, "/nonexistent"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    fixture.ctx.diag = diag_new(fixture.arena, paths[i]);
    assert_null(import_model(&fixture.ctx, paths[i]));
    assert_int_equal(diag_exit_code(fixture.ctx.diag), 5);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(narrow_types_come_from_int32_data),
      TEST(values_outside_their_type_are_refused),
      TEST(wide_types_come_from_fields_of_their_own),
      TEST(data_must_fit_the_shape),
      TEST(sparse_tensors_are_made_dense),
      TEST(external_data_is_read_from_the_folder),
      TEST(external_ranges_are_checked),
      TEST(external_data_never_leaves_the_folder),
      TEST(models_are_regular_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
