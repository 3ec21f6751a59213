/* Strings in the interpreter: every byte survives, movement operators move them as they move
 * numbers, and new ones get memory that grows with them. */
#include "expect.h"

/* Output %y of these statements: its sizes, and its elements between bars, strings as C writes
 * them. */
static const char *run(Context *ctx, const char *nodes) {
  const char *text = arena_printf(ctx->arena, "graph \"main\" {\n  output %%y\n%s}\n", nodes);
  Graph *graph = graph_parse(ctx, text, "test");
  if (graph == NULL) fail_msg("%s", diag_text(ctx->diag, diag_errors(ctx->diag) - 1));
  expect_decompose(graph);
  const Tensor *y;
  const Node *failed;
  if (!interpret_graph(graph, NULL, NULL, &y, ctx->arena, &failed)) return "error";
  const char *result = "";
  for (int i = 0; i < y->rank; i++) {
    result = arena_printf(ctx->arena, "%s%lld ", result, (long long)y->dims[i]);
  }
  const onnxc_rt_string *strings = y->data;
  for (size_t i = 0; i < y->count; i++) {
    const char *element = y->dtype == ONNXC_RT_STRING
                              ? text_c_string(ctx->arena, strings[i].bytes, (size_t)strings[i].size)
                              : arena_printf(ctx->arena, "%g", tensor_f64(y, i));
    result = arena_printf(ctx->arena, "%s|%s", result, element);
  }
  return arena_printf(ctx->arena, "%s|", result);
}

#define EXPECT_RUN(nodes, result) assert_string_equal(run(ctx, nodes), result)
#define ABC "  const %x = string[3] {\"a\\000b\", \"\", \"\\377\\000\"}\n"

static void movement_keeps_every_byte(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN(ABC "  %y = Identity(%x)\n", "3 |a\\000b||\\377\\000|");
  EXPECT_RUN(ABC "  const %i = i64[2] {2, 0}\n  %y = Gather(%x, %i)\n", "2 |\\377\\000|a\\000b|");
  EXPECT_RUN(ABC "  %y = Concat(%x, %x) {axis = 0}\n",
             "6 |a\\000b||\\377\\000|a\\000b||\\377\\000|");
  EXPECT_RUN(ABC "  const %s = i64[2] {2, 1}\n  const %v = string[] {\"q\"}\n"
                 "  const %p = i64[2] {1, 0}\n  %y = Pad(%x, %p, %v)\n",
             "4 |q|a\\000b||\\377\\000|");
  EXPECT_RUN(ABC "  const %p = i64[2] {0, 1}\n  %y = Pad(%x, %p)\n", "4 |a\\000b||\\377\\000||");
  EXPECT_RUN(ABC "  const %c = bool[3] {0, 1, 0}\n  const %z = string[] {\"z\"}\n"
                 "  %y = Where(%c, %x, %z)\n",
             "3 |z||z|");
}

static void comparisons_look_at_every_byte(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN(ABC "  const %z = string[3] {\"a\\000c\", \"\", \"\\377\"}\n  %y = Equal(%x, %z)\n",
             "3 |0|1|0|");
  EXPECT_RUN("  const %x = string[6] {\"b\", \"a\\000\", \"\", \"a\", \"b\", \"\\303\\251\"}\n"
             "  %y, %i, %j, %n = Unique(%x)\n",
             "5 ||a|a\\000|b|\\303\\251|");
}

static void new_strings_are_made(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN(ABC "  const %z = string[2, 1] {\"\", \"-\\000\"}\n  %y = StringConcat(%x, %z)\n",
             "2 3 |a\\000b||\\377\\000|a\\000b-\\000|-\\000|\\377\\000-\\000|");
}

/* Doubles a string until it is far longer than the memory that is tried first. */
static void memory_for_text_grows(void **state) {
  TEST_BEGIN(state);
  enum { DOUBLINGS = 16 };
  const char *nodes = "  const %x0 = string[] {\"ab\"}\n";
  for (int i = 0; i < DOUBLINGS; i++) {
    nodes =
        arena_printf(ctx->arena, "%s  %%x%d = StringConcat(%%x%d, %%x%d)\n", nodes, i + 1, i, i);
  }
  nodes = arena_printf(ctx->arena, "%s  %%y = Identity(%%x%d)\n", nodes, DOUBLINGS);
  assert_int_equal(strlen(run(ctx, nodes)), 2 + (2 << DOUBLINGS));
}

/* ONNX Runtime takes spaces alone for white space; ONNX, and so do we, every kind. */
static void white_space_separates(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN(
      "  const %x = string[2] {\" a\\011\\302\\240b \\343\\200\\200c\\012\", \"\\000 \\377\"}\n"
      "  %y, %z = StringSplit(%x)\n",
      "2 3 |a|b|c|\\000|\\377||");
  EXPECT_RUN(
      "  const %x = string[] {\" a b\\011 c \\012\"}\n  %y, %z = StringSplit(%x) {maxsplit = 1}\n",
      "2 |a|b\\011 c|");
  EXPECT_RUN("  const %x = string[2] {\"\", \" \"}\n  %y, %z = StringSplit(%x)\n", "2 0 |");
}

static void words_change_their_case(void **state) {
  TEST_BEGIN(state);
#define WORDS "  const %x = string[2] {\"Ii\\304\\260\\304\\261\", \"\\303\\237Z\"}\n"
  EXPECT_RUN(WORDS "  %y = StringNormalizer(%x) {case_change_action = \"LOWER\"}\n",
             "2 |iii\\304\\261|\\303\\237z|");
  EXPECT_RUN(WORDS
             "  %y = StringNormalizer(%x) {case_change_action = \"UPPER\", locale = \"tr_TR\"}\n",
             "2 |I\\304\\260\\304\\260I|\\303\\237Z|");
  EXPECT_RUN(WORDS
             "  %y = StringNormalizer(%x) {case_change_action = \"LOWER\", locale = \"az_AZ\"}\n",
             "2 |\\304\\261ii\\304\\261|\\303\\237z|");
  EXPECT_RUN("  const %x = string[1, 1] {\"\\377\"}\n"
             "  %y = StringNormalizer(%x) {case_change_action = \"LOWER\"}\n",
             "error");
  EXPECT_RUN("  const %x = string[1, 1] {\"\\377\"}\n  %y = StringNormalizer(%x)\n", "1 1 |\\377|");
  EXPECT_RUN("  const %x = string[0] {}\n  %y = StringNormalizer(%x)\n", "1 ||");
#undef WORDS
}

#define TOKENS(attributes)                                                                         \
  "  %y = com.microsoft.Tokenizer(%x) {mark = 1, mincharnum = 1, pad_value = \"#\", " attributes   \
  "}\n"
#define TOKENS_OF(n, attributes)                                                                   \
  "  %y = com.microsoft.Tokenizer(%x) {mark = 0, mincharnum = " #n                                 \
  ", pad_value = \"#\", " attributes "}\n"
#define TEXTS "  const %x = string[2] {\"ab aab\", \"\\303\\251\"}\n"

static void texts_become_tokens(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN(TEXTS TOKENS("separators = [\" \"]"),
             "2 4 |\\002|ab|aab|\\003|\\002|\\303\\251|\\003|#|");
  EXPECT_RUN(TEXTS TOKENS_OF(2, "separators = [\" \", \"aa\"]"), "2 1 |ab|#|");
  EXPECT_RUN(TEXTS TOKENS_OF(1, "separators = [\" \", \"^a\", \"b$\"]"), "2 1 |a|\\303\\251|");
  EXPECT_RUN(TEXTS TOKENS_OF(1, "separators = [\"\"]"), "2 6 |a|b| |a|a|b|\\303\\251|#|#|#|#|#|");
  EXPECT_RUN(TEXTS TOKENS_OF(1, "tokenexp = \"a|ab|[^ -~]\""), "2 3 |ab|a|ab|\\303\\251|#|#|");
  EXPECT_RUN(TEXTS TOKENS_OF(2, "tokenexp = \"ab?\""), "2 2 |ab|ab|#|#|");
  EXPECT_RUN(TEXTS TOKENS("tokenexp = \"c\""), "2 0 |");
}

static void tokens_are_of_utf8(void **state) {
  TEST_BEGIN(state);
  EXPECT_RUN("  const %x = string[2] {\"a\", \"\\303\"}\n" TOKENS("separators = [\" \"]"), "error");
  EXPECT_RUN("  const %x = string[1] {\"\\355\\240\\200\"}\n" TOKENS("tokenexp = \"a\""), "error");
}

static void expect_no_tokenizer(Context *ctx, const char *attributes, const char *message) {
  expect_refused(ctx,
                 arena_printf(ctx->arena,
                              "input %%x: string[2]\n output %%y\n %%y = com.microsoft.Tokenizer"
                              "(%%x) {mark = 0, pad_value = \"\", %s}",
                              attributes),
                 message);
}

static void malformed_tokenizers_are_refused(void **state) {
  TEST_BEGIN(state);
  expect_no_tokenizer(ctx, "mincharnum = 1", "neither 'separators' nor 'tokenexp'");
  expect_no_tokenizer(ctx, "mincharnum = 1, tokenexp = \"\"",
                      "neither 'separators' nor 'tokenexp'");
  expect_no_tokenizer(ctx, "mincharnum = 0, tokenexp = \"a\"", "mincharnum");
  expect_no_tokenizer(ctx, "mincharnum = 2, tokenexp = \".\"", "mincharnum");
  expect_no_tokenizer(ctx, "mincharnum = 2, separators = [\"\"]", "mincharnum");
  expect_no_tokenizer(ctx, "mincharnum = 1, separators = [\"a\", \"b(\"]", "'separators', byte 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(movement_keeps_every_byte),
                                     TEST(comparisons_look_at_every_byte),
                                     TEST(new_strings_are_made),
                                     TEST(memory_for_text_grows),
                                     TEST(white_space_separates),
                                     TEST(words_change_their_case),
                                     TEST(texts_become_tokens),
                                     TEST(tokens_are_of_utf8),
                                     TEST(malformed_tokenizers_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
