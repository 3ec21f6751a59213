/* Samples: what is drawn, and how much of a difference rounding explains. */
#include "support.h"

#include "ir/sample.h"
#include "ir/text.h"
#include "ops/op.h"

#include <math.h>

static const SampleForm form = {.size = 2, .spread = 4, .integers = 8, .seed = 1};

static Graph *parse(Context *ctx, const char *text) {
  Graph *graph = graph_parse(ctx, text, "text");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  return graph;
}

static const Sample *take(Context *ctx, const char *text, const SampleForm *of) {
  const Node *failed;
  return sample_take(parse(ctx, text), of, ctx->arena, &failed);
}

/* Element 0 of output 0, moved. */
static const Tensor *moved(Context *ctx, const Sample *s, double by) {
  Tensor *tensor = tensor_new(ctx, s->outputs[0]->dtype, s->outputs[0]->rank, s->outputs[0]->dims);
  for (size_t i = 0; i < tensor->count; i++) {
    tensor_set_f64(tensor, i, tensor_f64(s->outputs[0], i) + (i == 0 ? by : 0));
  }
  return tensor;
}

static void what_is_well_conditioned_is_held_to_it(void **state) {
  TEST_BEGIN(state);
  const Sample *s = take(ctx,
                         "graph \"g\" {\n"
                         "  input %x: f32[4]\n"
                         "  output %y\n"
                         "  %y = Sigmoid(%x)\n"
                         "}\n",
                         &form);
  assert_null(sample_difference(s, 0, moved(ctx, s, 0), ctx->arena));
  assert_null(sample_difference(s, 0, moved(ctx, s, 2e-7), ctx->arena));
  assert_non_null(sample_difference(s, 0, moved(ctx, s, 1e-4), ctx->arena));
}

/* A difference of large numbers that are nearly the same. */
static void what_cancels_may_move(void **state) {
  TEST_BEGIN(state);
  const Sample *s = take(ctx,
                         "graph \"g\" {\n"
                         "  input %x: f32[4]\n"
                         "  output %y\n"
                         "  const %k = f32[] {10000.0}\n"
                         "  %a = Add(%x, %k)\n"
                         "  %y = Sub(%a, %k)\n"
                         "}\n",
                         &form);
  assert_null(sample_difference(s, 0, moved(ctx, s, 1e-3), ctx->arena));
  assert_non_null(sample_difference(s, 0, moved(ctx, s, 1), ctx->arena));
}

static void integers_and_sizes_are_exact(void **state) {
  TEST_BEGIN(state);
  const Sample *s = take(ctx,
                         "graph \"g\" {\n"
                         "  input %x: i64[4]\n"
                         "  output %y\n"
                         "  const %k = i64[] {1000000}\n"
                         "  %y = Mul(%x, %k)\n"
                         "}\n",
                         &form);
  assert_null(sample_difference(s, 0, moved(ctx, s, 0), ctx->arena));
  assert_non_null(sample_difference(s, 0, moved(ctx, s, 1), ctx->arena));
  const Tensor *other = tensor_new(ctx, ONNXC_RT_I64, 1, (const int64_t[]){3});
  assert_non_null(sample_difference(s, 0, other, ctx->arena));
}

/* Where a result hangs on rounding, it may be either. */
static void a_decision_on_the_edge_may_go_either_way(void **state) {
  TEST_BEGIN(state);
  const Sample *s = take(ctx,
                         "graph \"g\" {\n"
                         "  input %x: f32[4]\n"
                         "  output %y\n"
                         "  const %one = f32[] {1.0}\n"
                         "  %a = Div(%x, %x)\n"
                         "  %y = Less(%a, %one)\n"
                         "}\n",
                         &form);
  assert_true(isinf(s->allowed[0][0]));
}

/* 1 / x^2 of 1000, where the square leaves the range, of 2 and of 3; behind them what is infinite
 * to begin with. */
static void what_left_the_range_of_f16_may_be_anything(void **state) {
  TEST_BEGIN(state);
  const Sample *s = take(ctx,
                         "graph \"g\" {\n"
                         "  output %y\n"
                         "  const %x = f16[3] bits {63d0 4000 7c00}\n"
                         "  const %z = f16[3] bits {63d0 4000 4200}\n"
                         "  const %one = f16[] bits {3c00}\n"
                         "  %w = Identity(%z)\n"
                         "  %a = Mul(%w, %w)\n"
                         "  %b = Div(%one, %a)\n"
                         "  %y = Concat(%b, %x) {axis = 0}\n"
                         "}\n",
                         &form);
  assert_int_equal(s->unbounded, 1);
  assert_true(isinf(s->allowed[0][0]));
  for (int i = 1; i < 6; i++) assert_false(isinf(s->allowed[0][i]));
  assert_null(sample_difference(s, 0, moved(ctx, s, 1), ctx->arena));
}

static void indexes_stay_within_what_they_index(void **state) {
  TEST_BEGIN(state);
  static const char text[] = "graph \"g\" {\n"
                             "  input %i: i64[64]\n"
                             "  output %y\n"
                             "  const %t = f32[2, 1] {1.0, 2.0}\n"
                             "  %y = Gather(%t, %i)\n"
                             "}\n";
  SampleForm smaller = form;
  assert_null(take(ctx, text, &form));
  smaller.integers = 2;
  assert_non_null(take(ctx, text, &smaller));
}

static void sizes_are_within_their_bounds(void **state) {
  TEST_BEGIN(state);
  for (uint64_t seed = 1; seed < 20; seed++) {
    SampleForm of = {.size = 0, .spread = 9, .integers = 2, .seed = seed};
    const Sample *s = take(ctx,
                           "dim n = 2..5\n"
                           "graph \"g\" {\n"
                           "  input %x: f32[n, n + 1]\n"
                           "  output %y\n"
                           "  %y = Transpose(%x)\n"
                           "}\n",
                           &of);
    int64_t n = s->outputs[0]->dims[1];
    assert_true(n >= 2 && n <= 5 && s->outputs[0]->dims[0] == n + 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_is_well_conditioned_is_held_to_it),
      TEST(what_cancels_may_move),
      TEST(integers_and_sizes_are_exact),
      TEST(a_decision_on_the_edge_may_go_either_way),
      TEST(what_left_the_range_of_f16_may_be_anything),
      TEST(indexes_stay_within_what_they_index),
      TEST(sizes_are_within_their_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
