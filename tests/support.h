/* What unit tests share: a compilation context that dies with the test. */
#ifndef ONNXC_TESTS_SUPPORT_H
#define ONNXC_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ir/graph.h"
#include "onnxc.h"

typedef struct TestContext {
  Escape escape;
  onnxc_options options;
  Context ctx;
} TestContext;

static inline int test_setup(void **state) {
  TestContext *t = calloc(1, sizeof *t);
  Arena *arena = arena_new(&t->escape);
  t->ctx = (Context){.arena = arena,
                     .diag = diag_new(arena, "test.onnx"),
                     .strings = strings_new(arena),
                     .dims = dims_new(arena),
                     .options = &t->options};
  *state = t;
  return 0;
}

static inline int test_teardown(void **state) {
  TestContext *t = *state;
  arena_drop(t->ctx.arena);
  free(t);
  return 0;
}

/* The context of a test; an escape fails it. */
static inline Context *test_context(void **state) {
  return &((TestContext *)*state)->ctx;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_setup, test_teardown)
/* Stands first in a test body: an internal error or out of memory fails the test there. */
#define TEST_BEGIN(state)                                                                          \
  Context *ctx = test_context(state);                                                              \
  if (setjmp(arena_escape(ctx->arena)->target) != 0) {                                             \
    fail_msg("escape: %s", arena_escape(ctx->arena)->reason);                                      \
  }

#endif
