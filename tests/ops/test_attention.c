/* Attention, rotary embedding, and what ONNX Runtime's optimizer makes of their neighbourhood. */
#include "ops/expect.h"

/* One head of two queries and two keys; the scores are {1, 0, 0, 2} before scaling. */
#define QKV                                                                                        \
  "output %y\n const %q = f32[1, 1, 2, 2] {1, 0, 0, 2}\n const %k = f32[1, 1, 2, 2] {1, 0, 0, "    \
  "1}\n"                                                                                           \
  "const %v = f32[1, 1, 2, 1] {10, 20}\n"

static void queries_weigh_values(void **state) {
  TEST_BEGIN(state);
  EXPECT(QKV "%y = Attention(%q, %k, %v) {scale = 1.0}", "f32[1, 1, 2, 1]", 12.6894142, 18.8079708);
  EXPECT(QKV "%y = Attention(%q, %k, %v) {scale = 1.0, is_causal = 1}", "f32[1, 1, 2, 1]", 10,
         18.8079708);
  EXPECT(QKV "const %m = bool[2, 2] {0, 0, 0, 1}\n %y = Attention(%q, %k, %v, %m) {scale = 1.0}",
         "f32[1, 1, 2, 1]", 0, 20);
  EXPECT(QKV "%y = Attention(%q, %k, %v) {left_window_size = 0, right_window_size = 0}",
         "f32[1, 1, 2, 1]", 10, 20);
  EXPECT(QKV "const %n = i64[1] {1}\n %y = Attention(%q, %k, %v, _, _, _, %n)", "f32[1, 1, 2, 1]",
         10, 10);
}

static void heads_are_shared_and_remembered(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %q = f32[1, 1, 4] {1, 0, 0, 2}\n const %k = f32[1, 2, 2] {1, 0, 0, 1}\n"
         "const %v = f32[1, 2, 1] {10, 20}\n"
         "%y = Attention(%q, %k, %v) {q_num_heads = 2, kv_num_heads = 1, scale = 1.0}",
         "f32[1, 1, 2]", 12.6894142, 18.8079708);
  EXPECT("output %p\n const %q = f32[1, 1, 1, 1] {1}\n const %k = f32[1, 1, 1, 1] {2}\n"
         "const %old = f32[1, 1, 2, 1] {3, 4}\n"
         "%y, %p, %w = Attention(%q, %k, %k, _, %old, %old)",
         "f32[1, 1, 3, 1]", 3, 4, 2);
}

static void sizes_stay_symbolic(void **state) {
  TEST_BEGIN(state);
  expect_inferred(ctx,
                  "input %q: f32[b, s, 64]\n input %k: f32[b, t, 32]\n output %y\n"
                  "%y = Attention(%q, %k, %k) {q_num_heads = 4, kv_num_heads = 2}",
                  "f32[b, s, 64]");
}

static void pairs_are_turned(void **state) {
  TEST_BEGIN(state);
  const char *x = "output %y\n const %x = f32[1, 1, 1, 4] {1, 2, 3, 4}\n"
                  "const %c = f32[1, 1, 2] {0, 1}\n const %s = f32[1, 1, 2] {1, 0}\n";
  EXPECT(arena_printf(ctx->arena, "%s%%y = RotaryEmbedding(%%x, %%c, %%s)", x), "f32[1, 1, 1, 4]",
         -3, 2, 1, 4);
  EXPECT(arena_printf(ctx->arena, "%s%%y = RotaryEmbedding(%%x, %%c, %%s) {interleaved = 1}", x),
         "f32[1, 1, 1, 4]", -2, 1, 3, 4);
  EXPECT("output %y\n const %x = f32[1, 1, 6] {1, 2, 5, 3, 4, 6}\n"
         "const %c = f32[2, 1] {1, 0}\n const %s = f32[2, 1] {0, 1}\n const %p = i64[1, 1] {1}\n"
         "%y = RotaryEmbedding(%x, %c, %s, %p) {num_heads = 2, rotary_embedding_dim = 2}",
         "f32[1, 1, 6]", -2, 1, 5, -4, 3, 6);
}

static void optimised_forms_are_undone(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[1, 1, 2] {1, 2}\n const %g = f32[2] {1, 1}\n"
         "const %b = f32[2] {0, 4}\n"
         "%y = com.microsoft.SkipLayerNormalization(%x, %x, %g, %b) {epsilon = 0.0}",
         "f32[1, 1, 2]", -1, 5);
  EXPECT("output %s\n const %x = f32[1, 1, 2] {1, 2}\n const %g = f32[2] {1, 1}\n"
         "%y, _, _, %s = com.microsoft.SkipSimplifiedLayerNormalization(%x, %x, %g, %g)",
         "f32[1, 1, 2]", 3, 5);
  EXPECT("output %y\n const %a = f32[2, 1] {1, 2}\n const %b = f32[2, 2] {1, 2, 3, 4}\n"
         "%y = com.microsoft.FusedMatMul(%a, %b) {transA = 1, transB = 1, alpha = 0.5}",
         "f32[1, 2]", 2.5, 5.5);
  EXPECT("output %y\n const %x = f32[2] {0, 1}\n const %b = f32[2] {1, 1}\n"
         "%y = com.microsoft.BiasGelu(%x, %b)",
         "f32[2]", 0.84134475, 1.95449974);
}

static void wrong_heads_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx, "input %q: f32[1, 2, 64]\n output %y\n %y = Attention(%q, %q, %q)",
                 "attribute q_num_heads is needed");
  expect_refused(ctx,
                 "input %q: f32[1, 3, 2, 8]\n input %k: f32[1, 2, 2, 8]\n output %y\n"
                 "%y = Attention(%q, %k, %k)",
                 "3 heads of Q do not share 2 heads of K");
  expect_refused(ctx,
                 "input %q: f32[1, 2, 2, 8]\n input %k: f32[1, 2, 2, 4]\n output %y\n"
                 "%y = Attention(%q, %k, %k)",
                 "has size 4 on axis 3");
  expect_refused(ctx,
                 "input %q: f32[1, 2, 2, 8]\n input %m: f32[3, 2]\n output %y\n"
                 "%y = Attention(%q, %q, %q, %m)",
                 "does not broadcast");
  expect_refused(ctx,
                 "input %x: f32[1, 2, 2, 6]\n input %c: f32[1, 2, 2]\n output %y\n"
                 "%y = RotaryEmbedding(%x, %c, %c)",
                 "has size 2 on axis 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(queries_weigh_values),       TEST(heads_are_shared_and_remembered),
      TEST(sizes_stay_symbolic),        TEST(pairs_are_turned),
      TEST(optimised_forms_are_undone), TEST(wrong_heads_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
