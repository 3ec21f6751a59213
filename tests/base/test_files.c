/* Files appear all together or not at all. */
#include "base/files.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *make_folder(Context *ctx) {
  char *folder = arena_printf(ctx->arena, "/tmp/onnxc-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return folder;
}

static void put(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void expect_text(const char *path, const char *text) {
  char buffer[64] = {0};
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_true(fread(buffer, 1, sizeof buffer - 1, file) < sizeof buffer);
  fclose(file);
  assert_string_equal(buffer, text);
}

static void all_at_once(void **state) {
  TEST_BEGIN(state);
  const char *folder = make_folder(ctx), *a = files_join(ctx->arena, folder, "deep/er/a.c"),
             *b = files_join(ctx->arena, folder, "b.h");
  put(b, "old");
  Files *files = files_new(ctx->arena, ctx->diag);
  out(files_open(files, a), "new a");
  out(files_open(files, b), "new b");
  expect_text(b, "old");
  assert_true(files_commit(files));
  expect_text(a, "new a");
  expect_text(b, "new b");
  files_remove_tree(ctx->arena, folder);
  assert_int_not_equal(access(folder, F_OK), 0);
}

static void abandoned(void **state) {
  TEST_BEGIN(state);
  const char *folder = make_folder(ctx), *a = files_join(ctx->arena, folder, "a");
  put(a, "old");
  Files *files = files_new(ctx->arena, ctx->diag);
  out(files_open(files, a), "new");
  files_abandon(files);
  expect_text(a, "old");
  assert_int_equal(unlink(a), 0);
  assert_int_equal(rmdir(folder), 0); /* nothing else is left */
}

static void disk_full(void **state) {
  TEST_BEGIN(state);
  const char *folder = make_folder(ctx), *a = files_join(ctx->arena, folder, "a");
  put(a, "old");
  struct rlimit before, small = {.rlim_cur = 16};
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  Files *files = files_new(ctx->arena, ctx->diag);
  Out *w = files_open(files, a);
  for (int i = 0; i < 100; i++) out(w, "too much for the disk\n");
  setrlimit(RLIMIT_FSIZE, &small);
  assert_false(files_commit(files));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_IO);
  setrlimit(RLIMIT_FSIZE, &before);
  expect_text(a, "old");
  files_remove_tree(ctx->arena, folder);
}

static void inputs_stay(void **state) {
  TEST_BEGIN(state);
  const char *folder = make_folder(ctx), *model = files_join(ctx->arena, folder, "m.c"),
             *other = files_join(ctx->arena, folder, "link.c");
  put(model, "model");
  assert_int_equal(link(model, other), 0);
  Files *files = files_new(ctx->arena, ctx->diag);
  files_protect(files, model);
  assert_null(files_open(files, model));
  assert_null(files_open(files, other));
  assert_int_equal(diag_exit_code(ctx->diag), DIAG_IO);
  files_remove_tree(ctx->arena, folder);
}

static void pipes_stay(void **state) {
  TEST_BEGIN(state);
  char text[8] = {0};
  const char *folder = make_folder(ctx), *pipe = files_join(ctx->arena, folder, "pipe");
  assert_int_equal(mkfifo(pipe, 0600), 0);
  int reader = open(pipe, O_RDWR | O_NONBLOCK);
  Files *files = files_new(ctx->arena, ctx->diag);
  out(files_open(files, pipe), "new");
  assert_true(files_commit(files));
  assert_int_equal(read(reader, text, sizeof text - 1), 3);
  assert_string_equal(text, "new");
  close(reader);
  files_remove_tree(ctx->arena, folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(all_at_once), TEST(abandoned), TEST(disk_full),
                                     TEST(inputs_stay), TEST(pipes_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
