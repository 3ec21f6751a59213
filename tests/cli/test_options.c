/* Option tables, suggestions, help. */
#include "base/suggest.h"
#include "cli/cli.h"
#include "support.h"

#include <stddef.h>
#include <string.h>

typedef struct DemoOptions {
  bool quiet;
  const char *output;
  size_t jobs;
  double rtol;
  int level, format;
  CliList passes;
} DemoOptions;

static const char *const levels[] = {"0", "1", "2", NULL};
static const char *const formats[] = {"text", "json", NULL};

#define MEMBER(name_) .offset = offsetof(DemoOptions, name_)

static const CliOption table[] = {
    {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, MEMBER(quiet), .help = "say less"},
    {.name = "output",
     .letter = 'o',
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(output),
     .value = "DIR",
     .help = "where"},
    {.name = "jobs", .kind = CLI_SIZE, MEMBER(jobs), .value = "N", .help = "at once"},
    {.name = "rtol", .kind = CLI_REAL, MEMBER(rtol), .value = "R", .help = "tolerance"},
    {.letter = 'O',
     .attached = true,
     .kind = CLI_CHOICE,
     MEMBER(level),
     .value = "LEVEL",
     .choices = levels,
     .help = "level"},
    {.name = "format",
     .kind = CLI_CHOICE,
     MEMBER(format),
     .value = "F",
     .choices = formats,
     .help = "format"},
    {.letter = 'f',
     .attached = true,
     .kind = CLI_LIST,
     MEMBER(passes),
     .value = "PASS",
     .help = "pass"},
    {.kind = CLI_END}};

static const DemoOptions defaults = {.jobs = 1, .rtol = 1e-3};

static const Command command = {.name = "demo",
                                .operands = "MODEL",
                                .summary = "Demonstrate",
                                .about = "",
                                .examples = "onnxc demo m.onnx",
                                .groups = {table},
                                .least = 1,
                                .most = 2,
                                .size = sizeof(DemoOptions),
                                .defaults = &defaults};

typedef struct Parsed {
  Cli cli;
  DemoOptions options;
  bool ok;
  char *messages;
} Parsed;

/* Parses `line`, split at blanks. */
static Parsed parse(Context *ctx, const char *line) {
  Parsed p = {.cli = {.arena = ctx->arena}};
  size_t size;
  p.cli.err = open_memstream(&p.messages, &size);
  char *words = arena_copy(ctx->arena, line, strlen(line) + 1), *argv[16];
  int argc = 0;
  for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) argv[argc++] = word;
  p.ok = cli_parse(&p.cli, &command, argc, argv, &p.options);
  fclose(p.cli.err);
  return p;
}

static void expect_refused(Context *ctx, const char *line, const char *message) {
  Parsed p = parse(ctx, line);
  assert_false(p.ok);
  if (strstr(p.messages, message) == NULL) fail_msg("'%s' is not in: %s", message, p.messages);
  free(p.messages);
}

static void values_in_every_form(void **state) {
  TEST_BEGIN(state);
  Parsed p = parse(ctx, "m.onnx -q -oout --jobs=4 --rtol 0.5 -O2 -ffuse -fno-fold --format json");
  assert_true(p.ok);
  assert_true(p.options.quiet);
  assert_string_equal(p.options.output, "out");
  assert_int_equal(p.options.jobs, 4);
  assert_true(p.options.rtol == 0.5);
  assert_int_equal(p.options.level, 3);
  assert_int_equal(p.options.format, 2);
  assert_int_equal(p.options.passes.len, 2);
  assert_string_equal(p.options.passes.data[1], "no-fold");
  assert_int_equal(p.cli.operands.len, 1);
  free(p.messages);
}

static void defaults_hold(void **state) {
  TEST_BEGIN(state);
  Parsed p = parse(ctx, "m.onnx -qo out");
  assert_true(p.ok && p.options.quiet);
  assert_string_equal(p.options.output, "out");
  assert_int_equal(p.options.jobs, 1);
  assert_int_equal(p.options.level, 0);
  free(p.messages);
}

static void operands_after_two_dashes(void **state) {
  TEST_BEGIN(state);
  Parsed p = parse(ctx, "-- --quiet -");
  assert_true(p.ok);
  assert_false(p.options.quiet);
  assert_int_equal(p.cli.operands.len, 2);
  free(p.messages);
}

static void wrong_usage(void **state) {
  TEST_BEGIN(state);
  expect_refused(ctx, "m --ouput x", "unknown option '--ouput'; did you mean '--output'?");
  expect_refused(ctx, "m --zzz", "unknown option '--zzz'\n");
  expect_refused(ctx, "m -x", "unknown option '-x'");
  expect_refused(ctx, "m --jobs", "option --jobs needs a value: N");
  expect_refused(ctx, "m --jobs=-1", "'-1' of option --jobs is not a whole number");
  expect_refused(ctx, "m --jobs=99999999999999999999", "is not a whole number");
  expect_refused(ctx, "m --rtol=nan", "is not a number");
  expect_refused(ctx, "m -O7", "'7' of option -O is not 0, 1 or 2");
  expect_refused(ctx, "m --quiet=1", "takes no value");
  expect_refused(ctx, "--quiet", "missing operand: MODEL");
  expect_refused(ctx, "a b c", "operand 'c' is one too many");
}

static void canonical_line(void **state) {
  TEST_BEGIN(state);
  Parsed p = parse(ctx, "-O1 some/where/m.onnx -ffuse -o out --jobs 1 --rtol=0.25");
  assert_string_equal(cli_command_line(&p.cli, &command, &p.options),
                      "onnxc demo m.onnx --rtol=0.25 -O1 -ffuse");
  free(p.messages);
}

static void distances(void **state) {
  (void)state;
  assert_int_equal(edit_distance("format", "fromat"), 1);
  assert_int_equal(edit_distance("", "abc"), 3);
  assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(values_in_every_form), TEST(defaults_hold),  TEST(operands_after_two_dashes),
      TEST(wrong_usage),          TEST(canonical_line), cmocka_unit_test(distances),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
