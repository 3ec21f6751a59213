/* Regular expressions: what they match, as RE2 does, and what they refuse. */
#include "support.h"

#include "ir/interpret.h"
#include "ir/text.h"
#include "ops/builder.h"
#include "ops/regex.h"

#include <string.h>

/* Whether the pattern matches all of the text. */
static bool matches(Context *ctx, const char *pattern, const char *text) {
  size_t size = strlen(pattern);
  const char *graph_text = arena_printf(
      ctx->arena,
      "graph \"main\" {\n  output %%y\n  const %%x = string[] {\"%s\"}\n"
      "  %%y = RegexFullMatch(%%x) {pattern = \"%s\"}\n}\n",
      text_c_string(ctx->arena, text, strlen(text)), text_c_string(ctx->arena, pattern, size));
  Graph *graph = graph_parse(ctx, graph_text, "test");
  if (graph == NULL || !infer_graph(graph)) fail_msg("%s", diag_text(ctx->diag, 0));
  Node *node = graph->first;
  Builder builder = builder_at(node);
  assert_true(node->op->decompose(&builder, node));
  graph_remove(node);
  const Tensor *y;
  const Node *failed;
  assert_true(interpret_graph(graph, NULL, NULL, &y, ctx->arena, &failed));
  return tensor_i64(y, 0) != 0;
}

static void texts_match(void **state) {
  TEST_BEGIN(state);
  static const struct {
    const char *pattern, *matching, *other;
  } rows[] = {
      {"", "", "a"},
      {"a|bc|", "bc", "abc"},
      {"(a|b)*c{2,3}", "abacc", "abac"},
      {"x{,2}", "x{,2}", "xx"},
      {"x{01}", "x{01}", "x"},
      {"(x{100}){0}y+?", "yy", "xy"},
      {".", "\xc3\xa9", "\n"},
      {"(?s).", "\n", "\n\n"},
      {"[^a-c\\]]", "d", "]"},
      {"[]a-]+", "]a-", "b"},
      {"[[:alpha:]\\d]+", "aZ9", "_"},
      {"[[:^space:]]", "a", "\v"},
      {"\\s", " ", "\v"},
      {"\\W+", "-\xc3\xa9", "_"},
      {"\\x41\\x{1F600}\\101\\n",
       "A\xf0\x9f\x98\x80"
       "A\n",
       "A"},
      {"\\Qa.b\\E+", "a.bb", "aab"},
      {"(?i)k", "\xe2\x84\xaa", "x"},
      {"(?i)\xcf\x83", "\xcf\x82", "s"},
      {"(?i)[^k]", "s", "\xe2\x84\xaa"},
      {"(?i)\\W", "-", "\xc5\xbf"},
      {"(?i-s:A)b", "ab", "aB"},
      {"(?P<n>a)(?<m>b)", "ab", "a"},
      {"a$", "a", "a\n"},
      {"(?m)a$\n^b", "a\nb", "ab"},
      {"\\Aa\\b-\\B-\\z", "a--", "a-b"},
      {"[^\\x00-\\x{10FFFF}]|b", "b", "a"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!matches(ctx, rows[i].pattern, rows[i].matching)) fail_msg("no match: %s", rows[i].pattern);
    if (matches(ctx, rows[i].pattern, rows[i].other)) fail_msg("a match: %s", rows[i].pattern);
  }
}

/* `pattern` repeated. */
static const char *repeated(Context *ctx, const char *pattern, size_t n) {
  size_t size = strlen(pattern);
  char *text = arena_alloc(ctx->arena, n * size + 1);
  for (size_t i = 0; i < n; i++) memcpy(text + i * size, pattern, size);
  return text;
}

static void expect_refused(Context *ctx, const char *pattern, DiagKind kind) {
  Regex regex = {0};
  if (regex_add(ctx->arena, pattern, strlen(pattern), &regex)) fail_msg("taken: %s", pattern);
  if (regex.kind != kind) fail_msg("%.40s: %s, %d", pattern, regex.error, (int)regex.kind);
}

static void malformed_patterns_are_refused(void **state) {
  TEST_BEGIN(state);
  static const char *const patterns[] = {
      "a**",     "a*??",      "x{2}{3}",     "x{1001}", "(x{100}){11}", "x{2,1}", "*",
      "a|*",     "(*a)",      "(a",          "a)",      "[a",           "[]",     "[z-a]",
      "[a-\\d]", "[[:foo:]]", "[\\b]",       "\\",      "\\1",          "\\8",    "\\x4",
      "\\xg",    "\\x{}",     "\\x{110000}", "\\Z",     "\\e",          "\\E",    "\\\xc3\xa9",
      "(?z)a",   "(?=a)",     "(?<=a)",      "(?P=n)",  "(?P<>a)",      "(?i",    "(?i-)a",
      "(?--i)a", "\xff"};
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    expect_refused(ctx, patterns[i], DIAG_INVALID);
  }
  expect_refused(ctx, "\\pL", DIAG_UNSUPPORTED);
  expect_refused(ctx, "[\\P{Greek}]", DIAG_UNSUPPORTED);
  expect_refused(ctx, "\\C", DIAG_UNSUPPORTED);
}

static void large_patterns_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx, repeated(ctx, "(", 1001), DIAG_LIMIT);
  expect_refused(ctx, repeated(ctx, "a", (1 << 16) + 1), DIAG_LIMIT);
  expect_refused(ctx, repeated(ctx, "a{1000}", 100), DIAG_LIMIT);
}

/* What takes other matchers exponential time: they would not come back. */
static void nothing_takes_exponential_time(void **state) {
  TEST_BEGIN(state);
  assert_false(matches(ctx, "((a+)+)+b", repeated(ctx, "a", 5000)));
  assert_true(matches(ctx, "(a?){100}a{100}", repeated(ctx, "a", 100)));
  assert_true(
      matches(ctx, repeated(ctx, "(?i)[!-\xef\xbf\xbd]", 1000), repeated(ctx, "\xc3\xa9", 1000)));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(texts_match), TEST(malformed_patterns_are_refused),
                                     TEST(large_patterns_are_refused),
                                     TEST(nothing_takes_exponential_time)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
