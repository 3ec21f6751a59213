/* Running out of memory, at whatever point, ends in exit code 4 with nothing written. Under the
 * debug preset the sanitizer adds: and nothing leaked. */
#include "import/models.h"
#include "stages.h"

#include <dirent.h>

/* y = Transpose(Concat(Tile(x, 2), x)). */
static void write_model(void) {
  Onnx__ModelProto *m = unary_model(20);
  Onnx__TensorProto *twice = tensor("twice", ONNXC_RT_I64, 1, (int64_t[]){2});
  raw(twice, (int64_t[]){2, 1}, 16);
  PUSH(m->graph, initializer, twice);
  PUSH(m->graph, node, node("Tile", "x twice", "tiled"));
  Onnx__NodeProto *concat = node("Concat", "tiled x", "joined");
  attribute_int(concat, "axis", 0);
  PUSH(m->graph, node, concat);
  PUSH(m->graph, node, node("Transpose", "joined", "y"));
  assert_int_equal(import_code(m), 0);
}

static size_t files_in(const char *folder) {
  size_t n = 0;
  DIR *listing = opendir(folder);
  if (listing == NULL) return 0;
  for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) n += *entry->d_name != '.';
  closedir(listing);
  return n;
}

/* The exit code of a compilation whose nth block of memory is refused. */
static int compile(size_t fail_after, const char *folder) {
  Compilation *c = compilation_new(fixture.path, &fixture.options);
  assert_non_null(c);
  c->escape.fail_after = fail_after;
  if (compilation_run(c, NULL)) onnxc_write(c, folder);
  int code = onnxc_exit_code(c);
  assert_true((code == 0) == (onnxc_diagnostic(c, 0) == NULL));
  onnxc_free(c);
  return code;
}

static void every_refusal_is_reported(void **state) {
  (void)state;
  const char *folder = arena_printf(fixture.arena, "%s/out", fixture.folder);
  write_model();
  size_t refusals = 0;
  int code;
  while ((code = compile(refusals + 2, folder)) != 0 && refusals < 10000) {
    assert_int_equal(code, DIAG_LIMIT);
    assert_int_equal(files_in(folder), 0);
    refusals++;
  }
  assert_int_equal(code, 0);
  assert_int_equal(files_in(folder), 2);
  assert_true(refusals > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(every_refusal_is_reported)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
