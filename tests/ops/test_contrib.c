/* Operators of ONNX Runtime: sizes and refusals. What they compute is compared in tests/contrib. */
#include "ops/expect.h"

#define MS "com.microsoft."

/* MultiHeadAttention of two samples, three queries and keys, with a mask of that shape. */
static const char *with_mask(Context *ctx, const char *shape) {
  return arena_printf(ctx->arena,
                      "input %%q: f32[2, 3, 8]\n input %%m: i32[%s]\n output %%y\n"
                      "%%y = " MS "MultiHeadAttention(%%q, %%q, %%q, _, %%m) {num_heads = 2}",
                      shape);
}

static void masks_must_fit(void **state) {
  TEST_BEGIN(state);
  static const char *const fitting[] = {"2", "4", "8", "2, 3", "2, 3, 3", "2, 1"};
  static const char *const wrong[] = {"3", "2, 4", "2, 2, 3", "1, 3"};
  for (size_t i = 0; i < sizeof fitting / sizeof *fitting; i++) {
    expect_inferred(ctx, with_mask(ctx, fitting[i]), "f32[2, 3, 8]");
  }
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    expect_refused(ctx, with_mask(ctx, wrong[i]), "input 4 'm' has size");
  }
}

static void layouts_must_be_known(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %q: f32[2, 3, 8]\n input %k: f32[2, 2, 3, 4]\n output %y\n"
                 "%y = " MS "MultiHeadAttention(%q, %k, %q) {num_heads = 2}",
                 "must be of rank 3; or");
  expect_refused(ctx,
                 "input %q: f32[2, 3, 8]\n output %y\n"
                 "%y = " MS "MultiHeadAttention(%q) {num_heads = 2}",
                 "key is required");
  expect_refused(ctx,
                 "input %q: f32[2, 3, 8]\n output %y\n"
                 "%y = " MS "MultiHeadAttention(%q, %q, %q) {num_heads = 3}",
                 "3 heads do not divide the hidden size 8");
  expect_refused(ctx,
                 "input %x: f32[2, 3, 8]\n input %w: f32[8, 24]\n output %y\n"
                 "%y = " MS "Attention(%x, %w) {num_heads = 2, do_rotary = 1}",
                 "do_rotary");
  expect_refused(ctx,
                 "input %x: f32[2, 3, 8]\n input %w: f32[8, 24]\n output %y\n"
                 "%y = " MS "Attention(%x, %w) {num_heads = 2, past_present_share_buffer = 1}",
                 "past_sequence_length");
  expect_refused(ctx,
                 "input %x: f32[2, 3, 8]\n input %w: f32[8, 24]\n output %y\n"
                 "%y, _, %z = " MS "Attention(%x, %w) {num_heads = 2}",
                 "has no output 2");
}

/* GroupQueryAttention with a past of `past` tokens and a total_sequence_length, both as text. */
static const char *with_past(Context *ctx, const char *past, const char *total) {
  return arena_printf(ctx->arena,
                      "input %%q: f32[2, 1, 16]\n input %%p: f32[2, 1, %s, 8]\n"
                      "input %%n: i32[2]\n %s\n output %%k\n"
                      "%%y, %%k = " MS "GroupQueryAttention(%%q, %%k1, %%k1, %%p, %%p, %%n, %%t)"
                      "{num_heads = 2, kv_num_heads = 1}",
                      past, total);
}

static void caches_grow_or_are_whole(void **state) {
  TEST_BEGIN(state);
  const char *known = "const %t = i32[] {5}\n input %k1: f32[2, 1, 8]";
  const char *unknown = "input %t: i32[]\n input %k1: f32[2, 1, 8]";
  expect_inferred(ctx, with_past(ctx, "4", known), "f32[2, 1, 5, 8]");
  expect_inferred(ctx, with_past(ctx, "9", known), "f32[2, 1, 9, 8]");
  expect_inferred(ctx, with_past(ctx, "4", unknown), "f32[2, 1, 5, 8]");
  expect_inferred(ctx, with_past(ctx, "s", unknown), "f32[2, 1, s + 1, 8]");
}

static void sizes_of_forms(void **state) {
  TEST_BEGIN(state);
  expect_inferred(ctx,
                  "input %x: f32[n, 5]\n output %y\n"
                  "%y = " MS "UnfoldTensor(%x) {dim = 1, size = 2, step = 2}",
                  "f32[n, 2, 2]");
  expect_inferred(ctx, "input %x: f32[n, 4]\n output %y\n %y = " MS "Rfft(%x)", "f32[n, 3, 2]");
  expect_inferred(ctx,
                  "input %x: f32[n, 3, 2]\n output %y\n %y = " MS "Irfft(%x) {signal_ndim = 1}",
                  "f32[n, 4]");
  expect_inferred(ctx,
                  "input %x: f32[1, 2, h, 4]\n input %w: f32[2, 3, 3, 3]\n"
                  "const %p = i64[4] {1, 0, 1, 0}\n output %y\n"
                  "%y = " MS "ConvTransposeWithDynamicPads(%x, %w, %p) {strides = [2, 1]}",
                  "f32[1, 3, 2*h - 1, 6]");
}

static void what_cannot_be_is_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx,
                 "input %a: f32[2, 3]\n output %y\n %y = " MS "CDist(%a, %a) {metric = \"cosine\"}",
                 "metric 'cosine' is not supported");
  expect_refused(ctx,
                 "input %a: f32[2, 3]\n output %y\n"
                 "%y = " MS "FusedGemm(%a, %a) {transB = 1, activation = \"Cube\"}",
                 "activation 'Cube' is not supported");
  expect_refused(ctx,
                 "input %x: f32[1, 1, 3, 3]\n output %y\n"
                 "%y = " MS "FusedConv(%x, %x) {activation = \"Clip\"}",
                 "Clip needs two activation_params");
  expect_refused(ctx,
                 "input %t: f32[8, 2]\n const %n = i64[] {5}\n output %y\n"
                 "%y = " MS "RelativePositionBias(%t, %n, %n) {max_distance = 4}",
                 "max_distance must be over");
  expect_refused(ctx,
                 "input %x: f32[1, 2, 2, 6]\n input %g: f32[6]\n output %y\n"
                 "%y = " MS "GroupNorm(%x, %g, %g) {activation = 0, groups = 4}",
                 "groups of 4 does not divide the 6 channels");
  expect_refused(ctx,
                 "input %x: f32[3, 4]\n input %r: f32[3, 2]\n input %w: f32[2, 5, 4]\n"
                 "input %v: f32[2, 4, 5]\n output %y\n"
                 "%y = " MS "MoE(%x, %r, %w, _, %v) {k = 3}",
                 "attribute k is 3");
}

static void matrices_are_inverted(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[2, 2, 2] {0, 2, 4, 0, 1, 2, 3, 4}\n %y = " MS "Inverse(%x)",
         "f32[2, 2, 2]", 0, 0.25, 0.5, 0, -2, 1, 1.5, -0.5);
  EXPECT("output %y\n const %x = f64[0, 0] {}\n %y = " MS "Inverse(%x)", "f64[0, 0]", 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(masks_must_fit), TEST(layouts_must_be_known),     TEST(caches_grow_or_are_whole),
      TEST(sizes_of_forms), TEST(what_cannot_be_is_refused), TEST(matrices_are_inverted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
