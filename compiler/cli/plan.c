/* `onnxc plan`: the memory planner on lifetimes from a file. */
#include "plan/plan.h"
#include "base/files.h"
#include "cli/cli.h"

#include <stddef.h>

typedef struct PlanOptions {
  const char *output;
  size_t capacity;
} PlanOptions;

static const CliOption options_table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .offset = offsetof(PlanOptions, output),
     .value = "FILE",
     .help = "write there (default: standard output)"},
    {.name = "capacity",
     .kind = CLI_SIZE,
     .offset = offsetof(PlanOptions, capacity),
     .value = "BYTES",
     .help = "fail with exit code 4 when the plan needs more"},
    {.kind = CLI_END}};

static bool plan(Cli *cli, const PlanOptions *o, Diag *diag) {
  const char *path = cli->operands.data[0];
  if (o->output == NULL) {
    return plan_csv(cli->arena, diag, path, o->capacity, out_file(cli->arena, cli->out));
  }
  Files *files = files_new(cli->arena, diag);
  files_protect(files, path);
  Out *w = files_open(files, o->output);
  bool ok = w != NULL && plan_csv(cli->arena, diag, path, o->capacity, w) && files_commit(files);
  if (!ok) files_abandon(files);
  return ok;
}

static int run(Cli *cli, const void *given) {
  Diag *diag = diag_new(cli->arena, cli->operands.data[0]);
  plan(cli, given, diag);
  const char *line;
  for (size_t i = 0; (line = diag_text(diag, i)) != NULL; i++) cli_diagnostic(cli, line);
  return diag_exit_code(diag);
}

const Command command_plan = {
    .name = "plan",
    .operands = "FILE.csv",
    .summary = "Pack lifetimes into the smallest arena",
    .about =
        "Reads lines of id,lower,upper,size (MiniMalloc's format) and writes them with a column\n"
        "offset, then the height and its lower bound.",
    .examples = "onnxc plan lifetimes.csv -o offsets.csv",
    .groups = {options_table},
    .least = 1,
    .most = 1,
    .size = sizeof(PlanOptions),
    .run = run};
