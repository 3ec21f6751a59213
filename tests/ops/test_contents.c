/* Shape arithmetic vanishes: sizes stay expressions through the operators that exporters write. */
#include "support.h"

#include "ir/text.h"
#include "ops/op.h"

#include <string.h>

/* `nodes` compute %y from %x: f32[batch, seq, 768]. */
static const Value *result(Context *ctx, const char *nodes) {
  const char *text = arena_printf(ctx->arena,
                                  "dim batch = 1..8\n"
                                  "dim seq = 1..512\n"
                                  "graph \"main\" {\n"
                                  "  input %%x: f32[batch, seq, 768]\n"
                                  "  output %%y\n"
                                  "  const %%zero = i64[] {0}\n"
                                  "  const %%one = i64[] {1}\n"
                                  "  const %%first = i64[1] {0}\n"
                                  "  const %%second = i64[1] {1}\n"
                                  "  const %%third = i64[1] {2}\n"
                                  "  const %%minus = i64[1] {-1}\n"
                                  "  const %%heads = i64[1] {12}\n"
                                  "  const %%width = i64[1] {64}\n"
                                  "  %%s = Shape(%%x)\n"
                                  "%s}\n",
                                  nodes);
  const Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, 0));
  return graph->outputs.data[0];
}

static void has_type(Context *ctx, const char *nodes, const char *expected) {
  assert_string_equal(type_text(ctx->arena, &result(ctx, nodes)->type), expected);
}

static void has_contents(Context *ctx, const char *nodes, const char *expected) {
  const Value *y = result(ctx, nodes);
  const char *text = y->contents == NULL ? "unknown" : "";
  for (uint32_t i = 0; i < y->n_contents; i++) {
    text = arena_printf(ctx->arena, "%s%s%s", text, i == 0 ? "" : ", ",
                        dim_text(ctx->arena, y->contents[i]));
  }
  assert_string_equal(text, expected);
}

static void shapes_are_taken_apart_and_put_together(void **state) {
  TEST_BEGIN(state);
  has_contents(ctx, "  %y = Gather(%s, %one)\n", "seq");
  has_contents(ctx, "  %y = Slice(%s, %second, %third)\n", "seq");
  has_contents(ctx, "  %y = Slice(%s, %minus, %first, %first, %minus)\n", "768, seq");
  has_contents(ctx, "  %a, %y, %b = Split(%s) {num_outputs = 3}\n", "seq");
  has_contents(ctx, "  %y = Concat(%s, %heads) {axis = 0}\n", "batch, seq, 768, 12");
  has_contents(ctx, "  %a = Gather(%s, %zero)\n  %y = Unsqueeze(%a, %first)\n", "batch");
  has_contents(ctx, "  %a = Slice(%s, %first, %second)\n  %y = Squeeze(%a)\n", "batch");
  has_contents(ctx, "  %y = Shape(%x) {start = 1, end = -1}\n", "seq");
  has_contents(ctx, "  %y = Size(%x)\n", "768*batch*seq");
  has_contents(ctx, "  %y = Cast(%s) {to = 6}\n", "batch, seq, 768");
  has_contents(ctx, "  const %i = i64[1, 1] {1}\n  %y = ScatterND(%s, %i, %heads)\n",
               "batch, 12, 768");
  has_contents(ctx, "  %y = Tile(%second, %third)\n", "1, 1");
  has_contents(ctx, "  %y = ConstantOfShape(%third) {value = i64[1] {7}}\n", "7, 7");
}

static void sizes_are_computed(void **state) {
  TEST_BEGIN(state);
  has_contents(ctx, "  %a = Gather(%s, %one)\n  %y = Add(%a, %one)\n", "seq + 1");
  has_contents(ctx, "  %a = Gather(%s, %one)\n  %y = Mul(%a, %heads)\n", "12*seq");
  has_contents(ctx, "  %a = Gather(%s, %third)\n  %y = Div(%a, %heads)\n", "64");
  has_contents(ctx, "  %a = Gather(%s, %one)\n  %b = Mul(%a, %heads)\n  %y = Mod(%b, %heads)\n",
               "0");
  has_contents(ctx, "  %a = Gather(%s, %one)\n  %y = Max(%a, %one)\n", "seq");
  has_contents(ctx, "  %y = ReduceProd(%s) {keepdims = 0}\n", "768*batch*seq");
  has_contents(ctx, "  %y = ReduceSum(%s)\n", "batch + seq + 768");
  has_contents(ctx, "  %a = Gather(%s, %one)\n  %y = Neg(%a)\n", "-seq");
}

static void comparisons_are_decided_where_provable(void **state) {
  TEST_BEGIN(state);
  has_contents(ctx, "  %y = Equal(%s, %minus)\n", "0, 0, 0");
  has_contents(ctx, "  %y = Equal(%s, %s)\n", "1, 1, 1");
  has_contents(ctx, "  %y = Equal(%s, %heads)\n", "0, ?, 0");
  has_contents(ctx, "  %y = Less(%s, %first)\n", "0, 0, 0");
  has_contents(ctx, "  %y = GreaterOrEqual(%s, %second)\n", "1, 1, 1");
  has_contents(ctx, "  %c = Equal(%s, %minus)\n  %y = Where(%c, %heads, %s)\n", "batch, seq, 768");
  has_contents(ctx, "  %c = Equal(%s, %minus)\n  %y = Not(%c)\n", "1, 1, 1");
}

static void shapes_follow_contents(void **state) {
  TEST_BEGIN(state);
  has_type(ctx,
           "  %b = Slice(%s, %first, %second)\n"
           "  %t = Concat(%b, %minus, %heads, %width) {axis = 0}\n"
           "  %y = Reshape(%x, %t)\n",
           "f32[batch, seq, 12, 64]");
  has_type(ctx, "  %t = Concat(%first, %minus) {axis = 0}\n  %y = Reshape(%x, %t)\n",
           "f32[batch, 768*seq]");
  has_type(ctx,
           "  const %end = i64[1] {9223372036854775807}\n"
           "  %y = Slice(%x, %second, %end, %second)\n",
           "f32[batch, seq - 1, 768]");
  has_type(ctx, "  %y = Expand(%first, %s)\n", "i64[batch, seq, 768]");
  has_type(ctx, "  %l = Gather(%s, %one)\n  %y = Range(%zero, %l, %one)\n", "i64[seq]");
  has_type(ctx, "  %y = NonZero(%x)\n", "i64[3, y_size1]");
}

/* %u: i64[1] is a number of which nothing is known. */
#define UNKNOWN                                                                                    \
  "  %q = Gather(%s, %second)\n  %p = Sub(%q, %heads)\n"                                           \
  "  %u = Div(%p, %heads)\n  %n = Slice(%s, %first, %third)\n"

static void numbers_are_known_beside_unknown_ones(void **state) {
  TEST_BEGIN(state);
  const Value *y = result(ctx, UNKNOWN "  %y = Concat(%n, %u) {axis = 0}\n");
  assert_int_equal(y->n_contents, 3);
  assert_string_equal(dim_text(ctx->arena, y->contents[1]), "seq");
  assert_true(y->contents[2]->opaque);
  assert_false(value_contents_known(y));
  has_contents(ctx, UNKNOWN "  %y = Concat(%u, %u) {axis = 0}\n", "unknown");
  has_contents(ctx, UNKNOWN "  %a = Concat(%n, %u) {axis = 0}\n  %y = Gather(%a, %zero)\n",
               "batch");
}

static void expansions_keep_what_is_known(void **state) {
  TEST_BEGIN(state);
  has_type(ctx,
           UNKNOWN "  %a = Concat(%n, %u) {axis = 0}\n  %b = Concat(%second, %a) {axis = 0}\n"
                   "  %y = Expand(%x, %b)\n",
           "f32[1, batch, seq, y_size3]");
  has_type(ctx,
           UNKNOWN "  const %c = f32[4, 1, 1] {1, 2, 3, 4}\n"
                   "  %a = Concat(%second, %q, %u) {axis = 0}\n  %y = Expand(%c, %a)\n",
           "f32[4, seq, y_size2]");
}

static void multiples_of_a_size_are_divided_by_it(void **state) {
  TEST_BEGIN(state);
  const char *text = "dim n = 0..\ngraph \"main\" {\n  input %x: f32[n, 3]\n  output %y\n"
                     "  const %first = i64[] {0}\n  const %three = i64[] {3}\n"
                     "  %s = Shape(%x)\n  %n = Gather(%s, %first)\n  %m = Mul(%n, %three)\n"
                     "  %y = Div(%m, %n)\n}\n";
  const Graph *graph = graph_parse(ctx, text, "test");
  assert_non_null(graph);
  const Value *y = graph->outputs.data[0];
  assert_int_equal(y->n_contents, 1);
  assert_string_equal(dim_text(ctx->arena, y->contents[0]), "3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(shapes_are_taken_apart_and_put_together), TEST(sizes_are_computed),
      TEST(comparisons_are_decided_where_provable),  TEST(shapes_follow_contents),
      TEST(numbers_are_known_beside_unknown_ones),   TEST(expansions_keep_what_is_known),
      TEST(multiples_of_a_size_are_divided_by_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
