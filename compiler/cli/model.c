#include "cli/model.h"
#include "base/suggest.h"
#include "passes/pass.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {"0", "1", "2", "3", "s", NULL};
static const char *const weights[] = {"inline", "incbin", "file", NULL};

#define MEMBER(name_) .offset = offsetof(ModelOptions, name_)

const CliOption cli_model_options[] = {
    {.name = "name",
     .kind = CLI_TEXT,
     MEMBER(name),
     .value = "N",
     .help = "name of the generated files and functions\n(default: that of the model's file)"},
    {.name = "dim",
     .kind = CLI_LIST,
     MEMBER(dims),
     .value = "SYM=V|LO..HI",
     .help = "pin or bound a symbolic size; SYM is the model's\nsymbol, INPUT.AXIS, or the name "
             "that an error gives\nto a size that depends on data; repeatable"},
    {.name = "state",
     .kind = CLI_LIST,
     MEMBER(states),
     .value = "PAST=PRESENT",
     .help = "an input and the output that is its next value: both\nbecome part of a block that is "
             "kept from run to run;\n* in both names stands for the same text; repeatable"},
    {.letter = 'O',
     .attached = true,
     .kind = CLI_CHOICE,
     MEMBER(level),
     .value = "LEVEL",
     .choices = levels,
     .help = "0, 1, 2 or 3: how much to optimise (default: 2);\ns: as 2, but for little memory "
             "before speed"},
    {.letter = 'f',
     .attached = true,
     .kind = CLI_LIST,
     MEMBER(passes),
     .value = "[no-]PASS",
     .help = "switch a pass or rule on or off; see 'onnxc passes'"},
    {.name = "target",
     .kind = CLI_TEXT,
     MEMBER(target),
     .value = "T",
     .help = "machine to generate for (default: portable)"},
    {.name = "weights",
     .kind = CLI_CHOICE,
     MEMBER(weights),
     .value = "WHERE",
     .choices = weights,
     .help = "inline, incbin or file\n(default: inline up to 16 MB, then file)"},
    {.name = "single-file",
     .kind = CLI_FLAG,
     MEMBER(single_file),
     .help = "include the needed runtime in the generated file"},
    {.name = "strict-fp",
     .kind = CLI_FLAG,
     MEMBER(strict_fp),
     .help = "bit-identical results at every level and target"},
    {.name = "verify-passes",
     .unrecorded = true,
     .kind = CLI_FLAG,
     MEMBER(verify_passes),
     .help = "interpret the graph before and after each pass\non random inputs and compare"},
    {.name = "poison",
     .kind = CLI_FLAG,
     MEMBER(poison),
     .help = "generated code overwrites each intermediate value\nwith NaN behind its last use "
             "(finds faults of the\nmemory plan)"},
    {.name = "max-rewrites",
     .kind = CLI_SIZE,
     MEMBER(max_rewrites),
     .value = "N",
     .help = "stop rewriting after N changes (bisects a miscompile)"},
    {.name = "plan-budget",
     .kind = CLI_SIZE,
     MEMBER(plan_budget),
     .value = "N",
     .help =
         "how much the searches for the order of steps and for\ntheir places in memory may try; "
         "0: the model's order,\nand places as they come (default: 1000000)"},
    {.name = "dump",
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(dump),
     .value = "WHEN:WHAT",
     .help = "print the graph before:X or after:X, X a stage or pass"},
    {.name = "stop-after",
     .unrecorded = true,
     .kind = CLI_TEXT,
     MEMBER(stop_after),
     .value = "STAGE",
     .help = "end after import, infer, passes, lower, plan or emit"},
    {.name = "time-report",
     .unrecorded = true,
     .kind = CLI_FLAG,
     MEMBER(time_report),
     .help = "print time and memory of each stage and pass"},
    {.kind = CLI_END}};

/* SYM=V or SYM=LO..HI */
static bool parse_dim(Arena *arena, const char *text, onnxc_dim *dim) {
  const char *equals = strrchr(text, '=');
  if (equals == NULL || equals == text) return false;
  char *end;
  errno = 0;
  dim->name = arena_printf(arena, "%.*s", (int)(equals - text), text);
  dim->lo = dim->hi = strtoll(equals + 1, &end, 10);
  if (end == equals + 1) return false;
  if (strncmp(end, "..", 2) == 0) {
    const char *high = end + 2;
    dim->hi = strtoll(high, &end, 10);
    if (end == high) return false;
  }
  return *end == '\0' && errno == 0 && dim->lo <= dim->hi;
}

static bool parse_dims(Cli *cli, const CliList *given, onnxc_options *options) {
  onnxc_dim *dims = ARENA_ARRAY(cli->arena, given->len, onnxc_dim);
  for (size_t i = 0; i < given->len; i++) {
    if (parse_dim(cli->arena, given->data[i], &dims[i])) continue;
    cli_error(cli, DIAG_USAGE, "--dim '%s' is not of the form SYM=V or SYM=LO..HI with LO <= HI",
              given->data[i]);
    return false;
  }
  options->dims = dims;
  options->n_dims = given->len;
  return true;
}

/* PAST=PRESENT, with a star in none of both or in both. */
static bool parse_state(Arena *arena, const char *text, onnxc_state *state) {
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || equals[1] == '\0') return false;
  state->past = arena_printf(arena, "%.*s", (int)(equals - text), text);
  state->present = equals + 1;
  const char *past = strchr(state->past, '*'), *present = strchr(state->present, '*');
  if ((past == NULL) != (present == NULL)) return false;
  return past == NULL || (strchr(past + 1, '*') == NULL && strchr(present + 1, '*') == NULL);
}

static bool parse_states(Cli *cli, const CliList *given, onnxc_options *options) {
  onnxc_state *states = ARENA_ARRAY(cli->arena, given->len, onnxc_state);
  for (size_t i = 0; i < given->len; i++) {
    if (parse_state(cli->arena, given->data[i], &states[i])) continue;
    cli_error(cli, DIAG_USAGE,
              "--state '%s' is not of the form PAST=PRESENT, with one * in each or in none",
              given->data[i]);
    return false;
  }
  options->states = states;
  options->n_states = given->len;
  return true;
}

static bool known_pass(Cli *cli, const char *flag) {
  const char *name = strncmp(flag, "no-", 3) == 0 ? flag + 3 : flag;
  Suggestion s = {.word = name};
  for (size_t i = 0; i < pass_count(); i++) {
    if (strcmp(pass_at(i)->name, name) == 0) return true;
    suggest_offer(&s, pass_at(i)->name);
    if (pass_at(i)->required) continue;
    const char *rule;
    for (size_t k = 0; (rule = pass_rule(pass_at(i), k)) != NULL; k++) {
      if (strcmp(rule, name) == 0) return true;
      suggest_offer(&s, rule);
    }
  }
  cli_error(cli, DIAG_USAGE, "unknown pass or rule in '-f%s'%s", flag,
            s.best == NULL ? "" : arena_printf(cli->arena, "; did you mean '%s'?", s.best));
  cli_note(cli, "'onnxc passes' lists them");
  return false;
}

/* The name begins names of files and functions. */
static bool check_name(Cli *cli, const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  if (name == NULL) return true;
  if (strspn(name, letters) != 0 && strspn(name, more) == strlen(name)) return true;
  cli_error(cli, DIAG_USAGE, "--name '%s' is not a C identifier", name);
  return false;
}

bool model_options(Cli *cli, const ModelOptions *given, onnxc_options *options) {
  *options = (onnxc_options){.name = given->name,
                             .pass_flags = given->passes.data,
                             .n_pass_flags = given->passes.len,
                             .level = given->level,
                             .target = given->target,
                             .weights = (onnxc_weights)given->weights,
                             .single_file = given->single_file,
                             .strict_fp = given->strict_fp,
                             .verify_passes = given->verify_passes,
                             .poison = given->poison,
                             .time_report = given->time_report,
                             .dump = given->dump,
                             .stop_after = given->stop_after};
  options->max_rewrites = given->max_rewrites == SIZE_MAX ? 0 : given->max_rewrites + 1;
  options->plan_budget = given->plan_budget == SIZE_MAX ? 0 : given->plan_budget + 1;
  bool ok = check_name(cli, given->name);
  VEC_EACH(const char *, flag, &given->passes) ok = known_pass(cli, *flag) && ok;
  ok = parse_states(cli, &given->states, options) && ok;
  return parse_dims(cli, &given->dims, options) && ok;
}

int model_report(Cli *cli, const onnxc_result *result) {
  const char *line;
  for (size_t i = 0; (line = onnxc_diagnostic(result, i)) != NULL; i++) cli_diagnostic(cli, line);
  return onnxc_exit_code(result);
}
