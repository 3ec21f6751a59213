#include "cli/cli.h"

#include <string.h>

enum { HELP_COLUMN = 28 };

/* `-o, --output=DIR`, `-fPASS`, `--help` */
static const char *option_form(Arena *a, const CliOption *o) {
  const char *value = o->value == NULL ? "" : o->value;
  if (o->name == NULL) return arena_printf(a, "-%c%s", o->letter, value);
  const char *letter = o->letter == 0 ? "" : arena_printf(a, "-%c, ", o->letter);
  return arena_printf(a, "%s--%s%s%s", letter, o->name, o->value == NULL ? "" : "=", value);
}

static void print_option(Cli *cli, const char *form, const char *help) {
  bool fits = strlen(form) + 2 < HELP_COLUMN;
  fprintf(cli->out, fits ? "  %-*s" : "  %-*s\n", fits ? HELP_COLUMN - 2 : 0, form);
  if (!fits) fprintf(cli->out, "%*s", HELP_COLUMN, "");
  for (const char *line = help; *line != '\0';) {
    size_t length = strcspn(line, "\n");
    fprintf(cli->out, "%.*s\n", (int)length, line);
    line += length;
    if (*line == '\n') fprintf(cli->out, "%*s", *++line == '\0' ? 0 : HELP_COLUMN, "");
  }
}

static void print_indented(Cli *cli, const char *title, const char *lines) {
  fprintf(cli->out, "\n%s:\n", title);
  for (const char *line = lines; *line != '\0';) {
    size_t length = strcspn(line, "\n");
    fprintf(cli->out, "  %.*s\n", (int)length, line);
    line += length + (line[length] == '\n');
  }
}

static void command_help(Cli *cli, const Command *command) {
  fprintf(cli->out, "Usage: onnxc %s%s%s [OPTION]...\n\n%s.\n", command->name,
          *command->operands == '\0' ? "" : " ", command->operands, command->summary);
  if (*command->about != '\0') fprintf(cli->out, "\n%s\n", command->about);
  fprintf(cli->out, "\nOptions:\n");
  for (int g = 0; g < CLI_GROUPS && command->groups[g] != NULL; g++) {
    for (const CliOption *o = command->groups[g]; o->kind != CLI_END; o++) {
      print_option(cli, option_form(cli->arena, o), o->help);
    }
  }
  print_option(cli, "--help", "show this and exit");
  print_indented(cli, "Examples", command->examples);
}

static void program_help(Cli *cli) {
  fprintf(cli->out, "Usage: onnxc COMMAND [OPERAND]... [OPTION]...\n\n"
                    "Compiles ONNX models to plain C.\n\nCommands:\n");
  for (const Command *const *c = cli_commands; *c != NULL; c++) {
    print_option(cli, arena_printf(cli->arena, "%s %s", (*c)->name, (*c)->operands), (*c)->summary);
  }
  fprintf(cli->out, "\n'onnxc COMMAND --help' shows its options and examples; "
                    "'onnxc --version' the version.\n");
  print_indented(cli, "Exit codes",
                 "0   success\n"
                 "1   tests failed\n"
                 "2   invalid input\n"
                 "3   unsupported operator, version or type\n"
                 "4   limit reached\n"
                 "5   input or output failed\n"
                 "64  wrong usage\n"
                 "70  internal error");
}

void cli_help(Cli *cli, const Command *command) {
  if (command == NULL) {
    program_help(cli);
  } else {
    command_help(cli, command);
  }
}
