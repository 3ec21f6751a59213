/* `onnxc plan`: the memory planner on lifetimes from a file. */
#include "plan/plan.h"
#include "base/files.h"
#include "cli/cli.h"

#include <stddef.h>

typedef struct PlanOptions {
  const char *output;
  size_t capacity, effort;
  bool check;
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
     .help = "be content with a plan that needs no more; without one, exit code 4"},
    {.name = "effort",
     .kind = CLI_SIZE,
     .offset = offsetof(PlanOptions, effort),
     .value = "N",
     .help = "looks at a lifetime that an exact search may take\n(default: 1000000000)"},
    {.name = "check",
     .kind = CLI_FLAG,
     .offset = offsetof(PlanOptions, check),
     .help = "only check the plan that the file holds"},
    {.kind = CLI_END}};

static bool plan(Cli *cli, const PlanOptions *o, Diag *diag) {
  PlanCsv csv = {.path = cli->operands.data[0],
                 .capacity = o->capacity,
                 .check = o->check,
                 .effort = o->effort};
  if (o->output == NULL) {
    return plan_csv(cli->arena, diag, &csv, out_file(cli->arena, cli->out));
  }
  Files *files = files_new(cli->arena, diag);
  files_protect(files, csv.path);
  Out *w = files_open(files, o->output);
  bool ok = w != NULL && plan_csv(cli->arena, diag, &csv, w) && files_commit(files);
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
        "offset, then the height, its lower bound, and whether a search has proven that no plan\n"
        "is lower.",
    .examples = "onnxc plan lifetimes.csv -o offsets.csv\n"
                "onnxc plan lifetimes.csv --capacity 1048576\n"
                "onnxc plan --check offsets.csv",
    .groups = {options_table},
    .least = 1,
    .most = 1,
    .size = sizeof(PlanOptions),
    .defaults = &(const PlanOptions){.effort = 1000000000},
    .run = run};
