#include "base/suggest.h"
#include "cli/cli.h"
#include "onnxc.h"

#include <errno.h>
#include <string.h>

extern const Command command_compile, command_inspect, command_plan, command_run, command_test,
    command_bench, command_ops, command_passes;

const Command *const cli_commands[] = {&command_compile, &command_inspect, &command_plan,
                                       &command_run,     &command_test,    &command_bench,
                                       &command_ops,     &command_passes,  NULL};

static const Command *find_command(const char *name) {
  for (const Command *const *c = cli_commands; *c != NULL; c++) {
    if (strcmp((*c)->name, name) == 0) return *c;
  }
  return NULL;
}

static int unknown_command(Cli *cli, const char *name) {
  Suggestion s = {.word = name};
  for (const Command *const *c = cli_commands; *c != NULL; c++) suggest_offer(&s, (*c)->name);
  const char *hint = s.best == NULL ? "" : arena_printf(cli->arena, "; did you mean '%s'?", s.best);
  cli_error(cli, DIAG_USAGE, "unknown %s '%s'%s", *name == '-' ? "option" : "command", name, hint);
  cli_note(cli, "'onnxc --help' lists the commands");
  return DIAG_USAGE;
}

/* Asks for help: anywhere before a `--`. */
static bool wants_help(int argc, char **argv) {
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
  }
  return false;
}

static int run_command(Cli *cli, const Command *command, int argc, char **argv) {
  if (wants_help(argc, argv)) {
    cli_help(cli, command);
    return 0;
  }
  void *options = arena_alloc(cli->arena, command->size);
  if (!cli_parse(cli, command, argc, argv, options)) return DIAG_USAGE;
  return command->run(cli, options);
}

static int dispatch(Cli *cli, int argc, char **argv) {
  if (argc < 2) {
    cli_error(cli, DIAG_USAGE, "no command given");
    cli_note(cli, "'onnxc --help' lists the commands");
    return DIAG_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    const Command *about = argc > 2 ? find_command(argv[2]) : NULL;
    cli_help(cli, about);
    return 0;
  }
  if (strcmp(argv[1], "--version") == 0) {
    fprintf(cli->out, "onnxc %s\n", onnxc_version());
    return 0;
  }
  const Command *command = find_command(argv[1]);
  if (command == NULL) return unknown_command(cli, argv[1]);
  return run_command(cli, command, argc - 2, argv + 2);
}

int cli_main(Cli *cli, int argc, char **argv) {
  int code = dispatch(cli, argc, argv);
  if (fflush(cli->out) == 0 && !ferror(cli->out)) return code;
  return cli_error(cli, DIAG_IO, "cannot write the output: %s", strerror(errno));
}
