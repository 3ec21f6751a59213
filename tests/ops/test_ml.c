/* The compiler's own operators behind ai.onnx.ml: what they compute, and which tables they refuse.
 */
#include "ops/expect.h"

/* Two trees over two features. The first goes left where x[0] <= 1, NaN included, and there once
 * more where x[1] == 2; the second is a leaf. Leaf 2 adds to both targets, leaf 0 to none. */
#define TREES(x, nodes, roots, leaves, attributes)                                                 \
  "output %y\n const %x = " x "\n const %n = i32[2, 3] {" nodes "}\n"                              \
  "const %s = f32[2] {1, 2}\n const %r = i32[2] {" roots "}\n"                                     \
  "const %l = i32[5] {" leaves "}\n const %t = i32[4] {0, 0, 1, 1}\n"                              \
  "const %w = f32[4] {10, 20, 30, -5}\n"                                                           \
  "%y = onnxc.Trees(%x, %n, %s, %r, %l, %t, %w) {" attributes "}"
#define X "f32[4, 2] {1, 2, nan, 3, 2, 0, 0, 2}"
#define NODES "7, 1, -1, 20, -2, -3"
#define LEAVES "0, 0, 1, 3, 4"
#define ATTRIBUTES(aggregate) "aggregate = " aggregate ", features = 2, targets = 2"

static void trees_add_up(void **state) {
  TEST_BEGIN(state);
  EXPECT(TREES(X, NODES, "0, -4", LEAVES, ATTRIBUTES("1")), "f32[4, 2]", 10, -5, 20, 25, 0, -5, 10,
         -5);
  EXPECT(TREES(X, NODES, "0, -4", LEAVES, ATTRIBUTES("0")), "f32[4, 2]", 5, -2.5, 10, 12.5, 0, -2.5,
         5, -2.5);
  EXPECT(TREES(X, NODES, "0, -4", LEAVES, ATTRIBUTES("2")), "f32[4, 2]", 10, -5, 20, -5, 0, -5, 10,
         -5);
  EXPECT(TREES(X, NODES, "0, -4", LEAVES, ATTRIBUTES("3")), "f32[4, 2]", 10, -5, 20, 30, 0, -5, 10,
         -5);
}

static void trees_that_could_leave_their_tables_are_refused(void **state) {
  TEST_BEGIN(state);
  static const struct {
    const char *graph, *message;
  } rows[] = {
      {TREES(X, "7, 0, -1, 20, -2, -3", "0, -4", LEAVES, ATTRIBUTES("1")), "row 0 of the nodes"},
      {TREES(X, "7, 1, -1, 20, 0, -3", "0, -4", LEAVES, ATTRIBUTES("1")), "row 1 of the nodes"},
      {TREES(X, "7, 2, -1, 20, -2, -3", "0, -4", LEAVES, ATTRIBUTES("1")), "row 0 of the nodes"},
      {TREES(X, "7, 1, -1, 20, -2, -6", "0, -4", LEAVES, ATTRIBUTES("1")), "row 1 of the nodes"},
      {TREES(X, "7, 1, -1, 36, -2, -3", "0, -4", LEAVES, ATTRIBUTES("1")), "row 1 of the nodes"},
      {TREES(X, "-9, 1, -1, 20, -2, -3", "0, -4", LEAVES, ATTRIBUTES("1")), "row 0 of the nodes"},
      {TREES(X, NODES, "2, -4", LEAVES, ATTRIBUTES("1")), "input 3 has 2 at 0"},
      {TREES(X, NODES, "0, -4", "0, 0, 1, 5, 4", ATTRIBUTES("1")), "input 4 has 5 at 3"},
      {TREES(X, NODES, "0, -4", "0, 2, 1, 3, 4", ATTRIBUTES("1")), "input 4 has 1 at 2"},
      {TREES(X, NODES, "0, -4", LEAVES, "aggregate = 1, features = 2, targets = 1"),
       "input 5 has 1 at 2"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_refused(ctx, rows[i].graph, rows[i].message);
  }
}

static void keys_are_looked_up(void **state) {
  TEST_BEGIN(state);
  EXPECT("output %y\n const %x = f32[4] {nan, 2, -0.0, 5}\n const %k = f32[3] {0, 2, nan}\n"
         "const %v = i64[3] {7, 8, 9}\n const %d = i64[] {-1}\n %y = onnxc.Lookup(%x, %k, %v, %d)",
         "i64[4]", 9, 8, 7, -1);
  expect_refused(ctx,
                 "input %x: i64[4]\n output %y\n const %k = i64[2] {0, 2}\n"
                 "const %v = i64[3] {7, 8, 9}\n %y = onnxc.Lookup(%x, %k, %v)",
                 "has size 3 on axis 0, but the number of keys is 2");
}

/* Vectors 0 and 1 are of class 0, vector 2 of class 1. */
static void pairs_vote(void **state) {
  TEST_BEGIN(state);
#define PAIRS(output, begins)                                                                      \
  "output %" output "\n const %k = f32[2, 3] {1, 2, 3, 3, 0, 1}\n"                                 \
  "const %c = f32[1, 3] {1, 1, -1}\n const %b = i64[3] {" begins "}\n const %r = f32[1] {0}\n"     \
  "%s, %v = onnxc.PairScores(%k, %c, %b, %r)"
  EXPECT(PAIRS("s", "0, 2, 3"), "f32[2, 1]", 0, 2);
  EXPECT(PAIRS("v", "0, 2, 3"), "i64[2, 2]", 0, 1, 1, 0);
  expect_refused(ctx, PAIRS("s", "0, 2, 4"), "not one behind the other");
  expect_refused(ctx, PAIRS("s", "0, 3, 2"), "not one behind the other");
}

static void probabilities_are_coupled(void **state) {
  TEST_BEGIN(state);
  EXPECT_WITHIN(1e-3,
                "output %p\n const %s = f32[2, 1] {0, 2}\n const %a = f32[1] {-1}\n"
                "const %b = f32[1] {0}\n %p = onnxc.PairProbabilities(%s, %a, %b)",
                "f32[2, 2]", 0.5, 0.5, 0.880797, 0.119203);
  expect_refused(ctx,
                 "input %s: f32[2, 2]\n output %p\n const %a = f32[2] {-1, -1}\n"
                 "%p = onnxc.PairProbabilities(%s, %a, %a)",
                 "not the pairs of any number of classes");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(trees_add_up),
      TEST(trees_that_could_leave_their_tables_are_refused),
      TEST(keys_are_looked_up),
      TEST(pairs_vote),
      TEST(probabilities_are_coupled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
