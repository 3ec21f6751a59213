/* Runs the cases in tests/passes/NAME.txt: a graph, the passes to run, and what must come out.
 *
 *   // a sentence about the case
 *   // run: remove-noops merge-equal        passes that are enabled, besides those of -O0
 *   // ops: Add Relu                        operators left, in order (subgraphs not)
 *   // hits: transpose=2                    hits by rule; others are not looked at
 *   graph "main" { ... }
 *   ----                                    between cases
 *
 * Every case runs with --verify-passes, and must be one that the interpreter can run. */
#include "support.h"

#include "ir/text.h"
#include "ops/op.h"
#include "passes/pass.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FLAGS = 16 };

static const char *read_file(Arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("cannot open %s", path);
  Vec(char) text = {0};
  for (int c; (c = fgetc(file)) != EOF;) vec_push(arena, &text, (char)c);
  vec_push(arena, &text, '\0');
  fclose(file);
  return text.data;
}

/* The rest of the line that begins with `// KEY:`, or NULL. */
static const char *field(Arena *arena, const char *text, const char *key) {
  const char *at = strstr(text, arena_printf(arena, "// %s:", key));
  if (at == NULL) return NULL;
  at += strlen(key) + 4;
  return arena_printf(arena, "%.*s", (int)strcspn(at, "\n"), at);
}

static const char *words_of_ops(Arena *arena, const Graph *graph) {
  const char *text = "";
  for (const Node *node = graph->first; node != NULL; node = node->next) {
    text = arena_printf(arena, "%s %s", text, node->op->name);
  }
  return text;
}

static size_t hits_of(const PassReport *report, const char *rule) {
  size_t hits = 0;
  VEC_EACH(const PassCount, count, &report->counts) {
    if (count->rule != NULL && strcmp(count->rule, rule) == 0) hits += count->hits;
  }
  return hits;
}

/* Splits at blanks, in place. */
static size_t split(char *text, const char **words, size_t max) {
  size_t n = 0;
  for (char *at = strtok(text, " "); at != NULL && n < max; at = strtok(NULL, " ")) {
    words[n++] = at;
  }
  return n;
}

static const char *print(const Graph *graph) {
  Out *w = out_memory(graph->ctx->arena);
  graph_print(w, graph);
  return out_text(w, NULL);
}

static const char *wrong_hits(Context *ctx, const PassReport *report, const char *expected) {
  const char *words[MAX_FLAGS];
  size_t n = split(arena_printf(ctx->arena, "%s", expected), words, MAX_FLAGS);
  for (size_t i = 0; i < n; i++) {
    char rule[64];
    unsigned hits = 0;
    assert_int_equal(sscanf(words[i], "%63[^=]=%u", rule, &hits), 2);
    if (hits_of(report, rule) == hits) continue;
    return arena_printf(ctx->arena, "%zu hits of %s instead of %u", hits_of(report, rule), rule,
                        hits);
  }
  return NULL;
}

/* What is wrong with a case; NULL: nothing. */
static const char *run_case(Context *ctx, onnxc_options *options, const char *text) {
  Arena *arena = ctx->arena;
  const char *flags[MAX_FLAGS], *run = field(arena, text, "run"),
                                *hits = field(arena, text, "hits");
  *options = (onnxc_options){.level = 1, .verify_passes = 1, .pass_flags = flags};
  options->n_pass_flags = split(arena_printf(arena, "%s", run), flags, MAX_FLAGS);
  Graph *graph = graph_parse(ctx, text, "case");
  if (graph == NULL || !infer_graph(graph)) return diag_text(ctx->diag, 0);
  PassReport report = {0};
  bool done = passes_run(graph, &report);
  const char *message = diag_text(ctx->diag, 0);
  if (!done || message != NULL) return arena_printf(arena, "%s\n%s", message, print(graph));
  const char *ops = words_of_ops(arena, graph), *expected = field(arena, text, "ops");
  if (strcmp(ops, expected) != 0) {
    return arena_printf(arena, "has%s, expected%s\n%s", ops, expected, print(graph));
  }
  return hits == NULL ? NULL : wrong_hits(ctx, &report, hits);
}

/* A case has a compilation of its own. */
static int run_alone(void **state, const char *text, const char *file, int line) {
  TEST_BEGIN(state);
  const char *wrong = run_case(ctx, &((TestContext *)*state)->options, text);
  if (wrong != NULL) print_error("%s:%d: %s\n", file, line, wrong);
  return wrong != NULL;
}

/* The number of cases that went wrong. */
static int run_cases(const char *file, char *text) {
  static const char between[] = "\n----\n";
  int line = 1, failures = 0;
  while (text != NULL) {
    char *end = strstr(text, between);
    if (end != NULL) *end = '\0';
    void *state = NULL;
    test_setup(&state);
    failures += run_alone(&state, text, file, line);
    test_teardown(&state);
    for (; *text != '\0'; text++) line += *text == '\n';
    line += 2;
    text = end == NULL ? NULL : end + sizeof between - 1;
  }
  return failures;
}

static int is_text(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot != NULL && strcmp(dot, ".txt") == 0;
}

static void cases_come_out_as_expected(void **state) {
  TEST_BEGIN(state);
  struct dirent **entries;
  int n = scandir(TEST_DIRECTORY, &entries, is_text, alphasort);
  assert_true(n > 0);
  int failures = 0;
  for (int i = 0; i < n; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", TEST_DIRECTORY, entries[i]->d_name);
    char *text = arena_printf(ctx->arena, "%s", read_file(ctx->arena, path));
    failures += run_cases(entries[i]->d_name, text);
    free(entries[i]);
  }
  free(entries);
  assert_int_equal(failures, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(cases_come_out_as_expected)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
